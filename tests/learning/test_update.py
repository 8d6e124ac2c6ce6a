"""An update of a net by its rule: one of all weights, or piece by piece with the same bits."""

from __future__ import annotations

import gc
import signal
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.learning.test_rules import VARIANTS, same_bits, sequence
from tinygrad_lecture.learning import update
from tinygrad_lecture.learning.rules import RULES, Adam, GradientDescent, VarioEta, by_weight

X = np.array([[0.5, -1.0], [2.0, 0.25]])


def net_with_gradients(seed: int, dtype: str, without: int = 0) -> tl.Network:
    """A net whose leaves hold gradients as walks leave them: transposed, as views, and some none at all."""
    net, rng = tl.MLP([2, 3, 4, 1], rng=seed, dtype=dtype), np.random.default_rng(seed)
    for k, t in enumerate(net.leaves.values()):
        if k % 7 != without:
            e = rng.normal(size=t.shape[::-1]).astype(dtype).T
            t.grad = e if k % 2 else np.repeat(e, 2, axis=-1)[..., ::2]
    return net


def in_one(it: Any, net: tl.Network, state: Any, moments: Any) -> Any:
    """An update as its parts, by hand."""
    delta, state = it.delta_w(net.collect(), state, w=net.w, eta=it.eta, moments=moments)
    net.weights.add(delta)
    return state


@pytest.mark.parametrize("it", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("size", [1, 3, 7, 28, 10**6])
def test_an_update_piece_by_piece_has_the_bits_of_one_of_all_weights(
    it: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update, "PIECE", size)
    for seed, dtype in enumerate(["float64", "float32"] * 2):
        n = tl.MLP([2, 3, 4, 1]).w.size
        course = sequence(seed, (n,), steps=3, dtype=dtype)
        whole, pieces = (tl.MLP([2, 3, 4, 1], rng=seed, dtype=dtype) for _ in range(2))
        states = [it.start(whole.w)] * 2
        for step, (_, _, *moments) in enumerate(course):
            for net in (whole, pieces):
                for t, from_walk in zip(
                    net.leaves.values(), net_with_gradients(seed + step, dtype, step).leaves.values(), strict=True
                ):
                    t.grad = from_walk.grad
            states = [
                in_one(it, whole, states[0], tuple(moments)),
                tl.update(pieces, it, states[1], moments=tuple(moments)),
            ]
            same_bits(pieces.w, whole.w)
            assert states[0].keys() == states[1].keys()
            for name in states[0]:
                same_bits(states[1][name], states[0][name])
            assert all(t.grad is None for t in pieces.leaves.values())


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_pieces_of_the_gradients_are_the_packed_gradient_cut(seed: int, size: int) -> None:
    net = net_with_gradients(seed, "float64", seed % 7)
    found = [(place, g.copy()) for place, g in net.weights.gradients(size)]
    assert [place.start for place, _ in found] == list(range(0, net.w.size, size))
    assert all(place.stop - place.start == len(g) for place, g in found)
    same_bits(np.concatenate([g for _, g in found]), net_with_gradients(seed, "float64", seed % 7).collect())


def test_every_rule_may_be_taken_apart() -> None:
    for kind in RULES.values():
        assert kind.delta_w.by_weight


class Clipped(Adam):
    """A rule that looks at all weights together."""

    def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
        """Δw of Adam for a gradient no longer than 1."""
        return super().delta_w(g / max(1.0, float(np.linalg.norm(g))), state, w=w, eta=eta)


def test_a_rule_that_does_not_say_so_gets_all_weights_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = [net_with_gradients(0, "float64") for _ in range(2)]
    in_one(Clipped(), nets[0], Clipped().start(nets[0].w), None)
    monkeypatch.setattr(update, "PIECE", 5)
    tl.update(nets[1], Clipped(), Clipped().start(nets[1].w))
    same_bits(nets[1].w, nets[0].w)


def test_eta_of_the_update_goes_before_the_field() -> None:
    nets = [net_with_gradients(0, "float64") for _ in range(2)]
    tl.update(nets[0], GradientDescent(eta=0.3), {})
    tl.update(nets[1], GradientDescent(eta=7.0), {}, eta=0.3)
    same_bits(nets[0].w, nets[1].w)


@pytest.mark.parametrize("size", [5, 10**6])
def test_what_cannot_be_updated_stays_as_it_was(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "PIECE", size)
    net = tl.MLP([2, 3, 1])
    before = net.w.copy()
    E = tl.squared_error(net(X, net.leaves), np.zeros((2, 1)))
    E.backward()
    held = [t.grad for t in net.leaves.values()]
    for wrong, error, text in (
        (lambda: tl.update(net, VarioEta(), {}), ValueError, "moments"),
        (lambda: tl.update(net, Adam(), {}), ValueError, r"the state has no 't'; the first one is rule.start\(net.w\)"),
        (lambda: tl.update(net, Adam, {}), TypeError, r"a rule like .*, not MLP.* and <class .*Adam'>"),
        (lambda: tl.update(net, "adam", {}), TypeError, r"a rule like .*, not MLP.* and 'adam'"),
        (
            lambda: tl.jit(lambda x: (tl.update(net, Adam(), Adam().start(net.w)), x)[1])(X),
            TypeError,
            "inside a transf",
        ),
        (lambda: tl.update(Adam(), net, {}), TypeError, r"takes a net and .*, not Adam.* and MLP"),
    ):
        with pytest.raises(error, match=text):
            wrong()
        gc.collect()
        assert all(t.grad is e for t, e in zip(net.leaves.values(), held, strict=True))
    same_bits(net.w, before)
    E.backward()  # the graph is as good as before
    tl.update(net, GradientDescent(), {})
    with pytest.raises(RuntimeError, match="overwritten"):
        E.backward()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_an_interrupt_waits_until_all_weights_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "PIECE", 5)

    class Interrupted(GradientDescent):
        @by_weight
        def delta_w(self, g: Any, state: Any, **given: Any) -> Any:
            signal.raise_signal(signal.SIGINT)
            return super().delta_w(g, state, **given)

    nets = [net_with_gradients(0, "float64") for _ in range(2)]
    with pytest.raises(KeyboardInterrupt):
        tl.update(nets[0], Interrupted(), {})
    tl.update(nets[1], GradientDescent(), {})
    same_bits(nets[0].w, nets[1].w)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("size", [2**10, 2**30])
@pytest.mark.parametrize("rule", [tl.Adam(0.01), tl.RMSprop(0.01), tl.Momentum(0.01)])
def test_an_overflow_that_the_user_wants_to_be_told_writes_nothing(
    rule: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update, "PIECE", size)
    net = tl.MLP([100, 100], bias=False)
    state, before = rule.start(net.w), net.w.copy()
    np.sum(net(np.ones((2, 100)), net.leaves)).backward()
    (w,) = net.leaves.values()
    w.grad[-1, -1] = 1e308
    kept = w.grad
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        tl.update(net, replace(rule, eta=100.0), state)
    np.testing.assert_array_equal(net.w, before)
    assert w.grad is kept


@pytest.mark.parametrize("size", [2**10, 2**30])
def test_a_change_of_another_shape_is_not_spread_over_the_weights(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class One(tl.GradientDescent):
        @by_weight
        def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
            return np.ones(1), {}

    monkeypatch.setattr(update, "PIECE", size)
    net = tl.MLP([100, 100])
    before = net.w.copy()
    np.sum(net(np.ones((2, 100)), net.leaves)).backward()
    with pytest.raises(ValueError, match=r"the rule gave Δw of shape \(1,\) for g of shape"):
        tl.update(net, One(), {})
    np.testing.assert_array_equal(net.w, before)


@pytest.mark.parametrize("size", [2**10, 2**30])
def test_eta_may_be_one_for_each_weight(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "PIECE", size)
    net, rule = tl.MLP([100, 100]), tl.GradientDescent()
    before, eta = net.w.copy(), np.linspace(0.0, 1.0, net.w.size)
    np.sum(net(np.ones((2, 100)), net.leaves)).backward()
    g = np.concatenate([np.ravel(t.grad) for t in net.leaves.values()])
    tl.update(net, rule, {}, eta=eta)
    np.testing.assert_array_equal(net.w, before - eta * g)


def test_a_rule_that_fails_for_some_weights_when_others_are_written_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Picky(tl.GradientDescent):
        @by_weight
        def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
            if np.any(g > 1e3):
                raise ArithmeticError("too large")
            return -eta * g, {}

    monkeypatch.setattr(update, "PIECE", 2**10)
    net = tl.MLP([100, 100], bias=False)
    np.sum(net(np.ones((2, 100)), net.leaves)).backward()
    net.leaves["W1"].grad[-1, -1] = 1e4
    with pytest.raises(RuntimeError, match=r"a part of the weights was written already.*net\.assign"):
        tl.update(net, Picky(), {})
    with pytest.raises(TypeError, match=r"the state is a NoneType; the first one is rule\.start\(net\.w\)"):
        tl.update(net, tl.Adam(), None)
