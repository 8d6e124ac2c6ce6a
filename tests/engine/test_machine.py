"""Random lives of graphs: built, walked, walked again, cut, freed, written to, recorded or not.

What should come of it is what `naive.py` says.
"""

from __future__ import annotations

import contextvars
import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import tinygrad_lecture as tl
from tests.engine import naive
from tinygrad_lecture.engine import walk
from tinygrad_lecture.engine.op import op_of
from tinygrad_lecture.engine.recording import Switch

SHAPES = [(), (3,), (2, 3)]  # which broadcast with each other
MASK = np.array([True, False, True])
OF_ONE: dict[str, Callable[..., Any]] = {
    "-a": lambda a: -a,
    "+a": lambda a: +a,
    "sin a": np.sin,
    "tanh a": np.tanh,
    "mean of a": np.mean,
    "the end of a": lambda a: a[..., -1:] if np.ndim(a) else +a,
    "a of shape (2, 3)": lambda a: np.broadcast_to(a, (2, 3)),
}
OF_TWO: dict[str, Callable[..., Any]] = {
    "a b": lambda a, b: a * b,
    "a or b": lambda a, b: np.where(MASK, a, b),
}
# each makes one node, and of numbers in −1 … 1 such again: no derivative overflows, and none is a small difference

SEEDS = st.integers(0, 2**32 - 1)
WHICH = st.integers(0, 99)  # 0 is the newest


@dataclass(eq=False)
class Handle:
    """A Tensor that the user holds, what it is in the naive engine, and the numbers of all Tensors it keeps alive."""

    t: tl.Tensor
    other: naive.Naive | naive.Leaf
    keeps: frozenset[int]

    @property
    def now(self) -> naive.Naive:
        return naive.of_leaf(self.other) if isinstance(self.other, naive.Leaf) else self.other


class Graphs(RuleBasedStateMachine):
    """A user with some Tensors at hand, inside some switches of recording."""

    def __init__(self) -> None:
        super().__init__()
        self.handles: list[Handle] = []
        self.switches: list[Any] = []
        self.records = [True]
        self.made = 0
        gc.disable()
        gc.freeze()  # what was there before is not looked at, so that Tensors are counted quickly

    def teardown(self) -> None:
        while self.switches:
            self.leave_a_switch()
        self.handles.clear()
        gc.unfreeze()
        gc.enable()

    def hold(self, t: tl.Tensor, other: naive.Naive | naive.Leaf, keeps: frozenset[int] = frozenset()) -> None:
        self.made += 1
        self.handles.append(Handle(t, other, keeps | {self.made}))

    def handle(self, which: int) -> Handle:
        return self.handles[-1 - which % len(self.handles)]

    def leaves(self) -> list[Handle]:
        return [h for h in self.handles if isinstance(h.other, naive.Leaf)]

    @initialize(seed=SEEDS, shape=st.sampled_from(SHAPES))
    def begin(self, seed: int, shape: tuple[int, ...]) -> None:
        self.make_a_leaf(seed, shape, True)

    @rule(seed=SEEDS, shape=st.sampled_from(SHAPES), needs=st.booleans())
    def make_a_leaf(self, seed: int, shape: tuple[int, ...], needs: bool) -> None:
        values = np.random.default_rng(seed).uniform(-1, 1, shape)
        self.hold(tl.Tensor(values, requires_grad=needs), naive.Leaf(np.asarray(values), needs))

    def build(self, f: Callable[..., Any], xs: list[Handle]) -> None:
        other = naive.step(f, [x.now for x in xs], self.records[-1])
        keeps = frozenset().union(*(x.keeps for x in xs)) if other.by else frozenset()
        self.hold(f(*[x.t for x in xs]), other, keeps)

    @rule(name=st.sampled_from(list(OF_ONE)), a=WHICH)
    def build_of_one(self, name: str, a: int) -> None:
        self.build(OF_ONE[name], [self.handle(a)])

    @rule(name=st.sampled_from(list(OF_TWO)), a=WHICH, b=WHICH)
    def build_of_two(self, name: str, a: int, b: int) -> None:
        self.build(OF_TWO[name], [self.handle(a), self.handle(b)])

    @rule(a=WHICH)
    def fail_to_build(self, a: int) -> None:
        try:
            np.reshape(np.sin(self.handle(a).t), (7, 11))
        except ValueError:
            return
        raise AssertionError("no array here has so many elements")

    @rule(a=WHICH)
    def detach(self, a: int) -> None:
        self.hold(self.handle(a).t.detach(), naive.Naive(self.handle(a).now.values))

    @rule(a=WHICH, seed=SEEDS, again=st.booleans())
    def go_backward(self, a: int, seed: int, again: bool) -> None:
        h = self.handle(a)
        err = np.random.default_rng(seed).uniform(-1, 1, h.t.shape)
        for _ in range(1 + again):
            try:
                h.t.backward(err)
                outcome = "done"
            except TypeError as error:
                outcome = str(error)
            except RuntimeError as error:
                outcome = str(error)
            if not h.now.by:
                assert "does not depend on any that requires a gradient" in outcome
                continue
            try:
                naive.backward(h.now, err)
            except KeyError:
                assert "overwritten by assign()" in outcome
            else:
                assert outcome == "done"

    @rule(seed=SEEDS)
    def go_backward_from_the_newest(self, seed: int) -> None:
        self.go_backward(0, seed, again=False)

    @rule(a=WHICH, seed=SEEDS)
    def write_into_a_leaf(self, a: int, seed: int) -> None:
        leaves = self.leaves()
        if leaves:
            h = leaves[a % len(leaves)]
            assert isinstance(h.other, naive.Leaf)
            h.other.values = np.asarray(np.random.default_rng(seed).uniform(-1, 1, h.t.shape))
            h.other.version += 1
            h.t.assign(h.other.values)

    @rule(a=WHICH)
    def forget_a_gradient(self, a: int) -> None:
        leaves = self.leaves()
        if leaves:
            h = leaves[a % len(leaves)]
            assert isinstance(h.other, naive.Leaf)
            h.other.grad = None
            h.t.zero_grad()

    @precondition(lambda self: len(self.handles) > 1)
    @rule(a=WHICH)
    def drop(self, a: int) -> None:
        self.handles.remove(self.handle(a))

    @rule(on=st.booleans())
    def switch(self, on: bool) -> None:
        self.switches.append(tl.enable_grad() if on else tl.no_grad())
        self.switches[-1].__enter__()
        self.records.append(on)

    @precondition(lambda self: self.switches)
    @rule()
    def leave_a_switch(self) -> None:
        self.switches.pop().__exit__(None, None, None)
        self.records.pop()

    @rule(on=st.booleans(), a=WHICH)
    def fail_inside_a_switch(self, on: bool, a: int) -> None:
        try:
            with tl.enable_grad() if on else tl.no_grad():
                raise KeyError
        except KeyError:
            pass

    @invariant()
    def values_are_the_same_bits(self) -> None:
        for h in self.handles:
            np.testing.assert_array_equal(h.t.numpy(), h.now.values)
            assert h.t.requires_grad is bool(h.now.by)

    @invariant()
    def gradients_are_those_of_the_naive_engine(self) -> None:
        for h in self.leaves():
            assert isinstance(h.other, naive.Leaf)
            if h.other.grad is None:
                assert h.t.grad is None
            else:
                # sums of up to some thousand paths, each of up to 40 factors of size 1 at most
                np.testing.assert_allclose(h.t.grad, h.other.grad, rtol=1e-11, atol=1e-11)

    @invariant()
    def no_tensor_lives_that_nobody_needs(self) -> None:
        alive = sum(type(o) is tl.Tensor for o in gc.get_objects())
        assert alive == len(frozenset().union(*(h.keeps for h in self.handles)))


Graphs.TestCase.settings = settings(stateful_step_count=40)
TestGraphs = Graphs.TestCase


def written_over(y: tl.Tensor, err: Any = None) -> None:
    """A backward walk that replaces gradients where it should add."""
    ends, _ = walk.errors_at_ends([(y, walk.arriving(y, err))])
    for x, e in ends:
        x.grad = e


def unseen(t: tl.Tensor, values: Any) -> None:
    """An assign() that graphs cannot notice."""
    t._data = values[()]


kept: list[tl.Tensor] = []


def leaking(t: tl.Tensor) -> tl.Tensor:
    """A sine that keeps its input for ever."""
    kept.append(t)
    return np.sin(t)


FAULTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "gradients are replaced": lambda patch: patch.setattr(walk, "backward", written_over),
    "a write is not noticed": lambda patch: patch.setattr(tl.Tensor, "assign", unseen),
    "detach does not cut": lambda patch: patch.setattr(tl.Tensor, "detach", tl.Tensor.copy),
    "a switch is never left": lambda patch: patch.setattr(Switch, "__exit__", lambda self, *_: None),
    "no_grad records": lambda patch: patch.setattr(tl, "no_grad", tl.enable_grad),
    "a Tensor is kept for ever": lambda patch: patch.setitem(OF_ONE, "sin a", leaking),
    "a slope is off by 1e-9": lambda patch: patch.setattr(
        op_of(np.sin), "slopes", (lambda y, x: (1 + 1e-9) * np.cos(x),)
    ),
    "broadcasting is undone by means": lambda patch: patch.setattr(
        walk, "unbroadcast", lambda e, shape, right=walk.unbroadcast: right(e, shape) / 3
    ),
    "nothing is forgotten": lambda patch: patch.setattr(tl.Tensor, "zero_grad", lambda self: None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_machine_finds_a_planted_fault(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[fault](monkeypatch)
    quick = settings(
        stateful_step_count=40,
        max_examples=1000,
        derandomize=True,  # the same lives each time: this is not about luck
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    context = contextvars.copy_context()  # a switch that is never left is left with it
    with pytest.raises((AssertionError, Flaky)):  # a switch that is never left makes later lives differ
        context.run(run_state_machine_as_test, Graphs, settings=quick)
    kept.clear()
    gc.unfreeze()
    gc.enable()
