"""scan: one step after the other inside compiled code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from operator import index
from types import MethodType
from typing import Any
from weakref import ref

import numpy as np

from ..engine.recording import current
from ..engine.tensor import Tensor
from ..engine.tree import flatten, form, paths, tree_map
from ..engine.values import must_be_plain
from ..transforms import must_call
from .frozen import Snapshot, changed, recorded_purely, stale
from .program import Program, static_key
from .record import record
from .running import RUNNERS, runner

Step = Callable[[Any, Any], tuple[Any, Any]]


@dataclass(slots=True)
class Steps:
    """A recorded step that can run many times over.

    carried: pairs of an input and the written output that replaces it; kept: what of the carry stays as it is; moving:
    inputs with one element for each step.
    """

    program: Program
    runner: Any
    why: str
    frozen: Snapshot
    n_carry: int
    carried: list[tuple[int, int]]
    halts: bool

    def __call__(self, n: int, carry: list[np.ndarray], xs: list[np.ndarray]) -> tuple[int, list[Any], list[Any]]:
        """Up to n steps: how many were whole, the carry after them, and what each put out (a halting one's too)."""
        arrays = [*carry, *xs]
        done, after, ys = self.runner.many(n, arrays, self.carried, range(len(carry), len(arrays)))
        new = list(carry)
        for (place, _), a in zip(self.carried, after, strict=True):
            new[place] = a
        return done, new, ys


def steps(step: Step, carry: Any, x: Any, wanted: str = "auto", halts: bool = False) -> Steps:
    """The recorded step for a carry and one x, all of whose leaves are arrays.

    halts: whether the first leaf of what a step puts out is a truth value that stops the run before the step counts.
    Raises TypeError where the step does not give back a pair, or another carry than it was given.
    """
    name = getattr(step, "__name__", "step")
    n_carry = len(flatten(carry)[0])

    def recorded(carry: Any, x: Any) -> Any:
        result = step(carry, x)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise TypeError(f"scan: {name} must return (carry, y), not {type(result).__name__}")
        _must_stay(carry, result[0], name)
        return tree_map(lambda a: a if type(a) is Tensor else np.asarray(a), result)

    program, before = recorded_purely(step, f"scan({name})", lambda: record(recorded)(carry, x))
    written: list[int] = []
    carried: list[tuple[int, int]] = []
    for i, out in enumerate(program.outputs):
        if i < n_carry and out == program.inputs[i]:
            continue  # stays as it is
        if i < n_carry:
            carried.append((i, len(written)))
        written.append(i)
    found, why = runner(program, written, wanted, n_carry if halts else None)
    return Steps(program, found, why, before, n_carry, carried, halts)


def _must_stay(carry: Any, new: Any, name: str) -> None:
    """Refuse a carry of another form, shape or dtype than the one before."""
    was, now = paths(carry), paths(new)
    if was != now:
        raise TypeError(f"scan: {name} was given a carry with {', '.join(was)}, and gives back {', '.join(now)}")
    for path, a, b in zip(was, flatten(carry)[0], flatten(new)[0], strict=True):
        b = b if type(b) is Tensor else np.asarray(b)
        if a.shape != b.shape or a.dtype != b.dtype:
            raise TypeError(
                f"scan: carry{path} was of shape {a.shape} and dtype {a.dtype}, and comes back as {b.shape} {b.dtype}; "
                "cast or reshape it in the step"
            )


STEPS = 16
"""Recorded steps that are kept: those that were last asked for."""

_KNOWN: dict[tuple[int, int], tuple[Any, dict[Any, Steps]]] = {}


def _recorded(step: Step) -> dict[Any, Steps]:
    """What is recorded of a step, known by what it is, not by what it is equal to; forgotten when it is gone."""
    place = (id(step.__self__), id(step.__func__)) if isinstance(step, MethodType) else (id(step), 0)
    held, found = _KNOWN.pop(place, (None, {}))
    if held is None:
        held = step
        if not isinstance(step, MethodType):  # made anew each time it is asked for
            with suppress(TypeError):
                held = ref(step, lambda _: _KNOWN.pop(place, None))
    _KNOWN[place] = held, found  # the last one now
    while len(_KNOWN) > STEPS:
        _KNOWN.pop(next(iter(_KNOWN)), None)
    return found


def scan(step: Step, carry: Any, xs: Any = None, length: int | None = None, *, runner: str = "auto") -> tuple[Any, Any]:
    """Run a step over all patterns inside compiled code: carry, y = step(carry, x) for each x.

    step: plain NumPy code, recorded once; it gives back a carry of the same form, shapes and dtypes, and whatever each
    step shall put out. carry: arrays or numbers, nested if wanted; xs: arrays with one leading axis of the same
    length, nested if wanted, or None, and then length says how many steps there are.
    runner: as for `jit`. Inside transforms and recordings, or of Tensors, it is a loop, and differentiable. Ctrl-C
    ends it between two steps; nothing that was given is ever written.
    Returns the last carry, and all y, stacked along a new first axis.
    Raises TypeError where the step gives back another carry than it got, ValueError for lengths that differ.
    Source: C7, learning pattern by pattern as one call.

    >>> total, parts = scan(lambda s, x: (s + x, s), 0.0, np.arange(4.0))
    >>> float(total), parts
    (6.0, array([0., 0., 1., 3.]))
    """
    must_call(step, "scan")
    if runner not in RUNNERS:
        raise ValueError(f"scan: runner must be one of {', '.join(RUNNERS)}, not {runner!r}")
    n = _length(xs, None if length is None else index(length))
    if n < 0:
        raise ValueError(f"scan: length must be at least 1, not {n}")
    if n == 0:
        raise ValueError("scan: there are no steps, so that nobody knows what a step puts out")
    leaves, rebuild = flatten((carry, xs))
    if current().depth or any(type(a) is Tensor for a in leaves):
        return _loop(step, carry, xs, n)
    for a in leaves:
        must_be_plain(a, "scan")
    leaves = [np.asarray(a) for a in leaves]
    carry, xs = rebuild(leaves)
    n_carry = len(flatten(carry)[0])
    first = _element(xs, 0)
    key = runner, form((carry, xs)), tuple(static_key(a) for a in flatten((carry, first))[0])
    known = _recorded(step)
    found = known.get(key)
    if found is None or stale(found.program) or changed(found.frozen) is not None:
        found = known[key] = steps(step, tree_map(_scalar, carry), first, runner)
    if found.program.loses and current().records:
        return _loop(step, carry, xs, n)  # an error shall flow on to what requires a gradient
    _, after, ys = found(n, leaves[:n_carry], leaves[n_carry:])
    result: tuple[Any, Any] = found.program.rebuild([*(a[()] for a in after), *ys])
    return result


def _scalar(a: np.ndarray) -> Any:
    return a if a.ndim else a[()]


def _length(xs: Any, length: int | None) -> int:
    leaves = flatten(xs)[0]
    wrong = [a for a in leaves if np.ndim(a) == 0]
    if wrong:
        raise ValueError(
            f"scan: every part of xs must have a leading axis, one element for each step; {wrong[0]!r} has none"
        )
    lengths = {np.shape(a)[0] for a in leaves} | ({length} if length is not None else set())
    if len(lengths) != 1:
        raise ValueError(
            f"scan: xs and length say {', '.join(map(str, sorted(lengths)))} steps; they must agree"
            if lengths
            else "scan: without xs, length must say how many steps there are"
        )
    return int(lengths.pop())


def _element(xs: Any, t: int) -> Any:
    return tree_map(lambda a: a[t], xs)


def _loop(step: Step, carry: Any, xs: Any, n: int) -> tuple[Any, Any]:
    """The same, step by step: for Tensors, and inside transforms."""
    ys = []
    for t in range(n):
        carry, y = step(carry, _element(xs, t))
        ys.append(y)
    columns = [flatten(y)[0] for y in ys]
    rebuild = flatten(ys[0])[1]
    return carry, rebuild([np.stack(parts) for parts in zip(*columns, strict=True)])
