"""Wrong rules, planted on purpose: the suite that tests every operation must catch each of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import CASES
from tests.rules.test_gradients import check
from tinygrad_lecture.engine import primitives, walk
from tinygrad_lecture.engine.op import OPS

Plant = Callable[[pytest.MonkeyPatch], None]


def slopes(fn: Any, *wrong: Any) -> Plant:
    return lambda patch: patch.setattr(OPS[fn], "slopes", wrong)


def rules(op: Any, *wrong: Any) -> Plant:
    return lambda patch: patch.setattr(op, "rules", wrong)


def each(fn: Any, wrong: Any) -> Plant:
    return lambda patch: patch.setattr(OPS[fn], "each", wrong)


def walk_with(old: str, new: str) -> Plant:
    """The walk with one piece of its source replaced."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        source = inspect.getsource(walk.walk)
        assert old in source
        namespace = dict(vars(walk))
        exec(source.replace(old, new), namespace)
        patch.setattr(walk, "walk", namespace["walk"])

    return plant


def first_instead_of_sum(e: Any, shape: tuple[int, ...]) -> Any:
    """Broadcasting undone by taking one copy of the error and dropping the others."""
    for _ in range(e.ndim - len(shape)):
        e = e[0]
    for axis, n in enumerate(shape):
        if n == 1 and e.shape[axis] != 1:
            e = e[(slice(None),) * axis + (slice(0, 1),)]
    return e


def assigned_not_added(err: Any, index: Any, shape: tuple[int, ...]) -> Any:
    z = np.zeros(shape, err.dtype)
    z[tuple(i.data if isinstance(i, tl.Tensor) else i for i in index)] = err
    return z


def raw(x: Any) -> Any:
    return x.numpy() if isinstance(x, tl.Tensor) else x


FAULTS: dict[str, tuple[str, Plant]] = {
    "a sign": ("np.cos", slopes(np.cos, lambda y, x: np.sin(x))),
    "a factor of 1.001": ("np.exp", slopes(np.exp, lambda y, x: 1.001 * y)),
    "a factor of 1.001 in the second input": (
        "np.divide",
        slopes(np.divide, lambda y, a, b: 1 / b, lambda y, a, b: -1.001 * y / b),
    ),
    "a constant slope": ("np.subtract", slopes(np.subtract, 1.0, 1.0)),
    "inputs exchanged": ("np.multiply", slopes(np.multiply, lambda y, a, b: a, lambda y, a, b: b)),
    "a missing sum over a broadcast axis": (
        "np.add",
        lambda patch: patch.setattr(walk, "unbroadcast", first_instead_of_sum),
    ),
    "a rule that does not sum what it broadcast": (
        "tl.linear",
        rules(tl.linear.op, *tl.linear.op.rules[:2], lambda err, y, x, w, b: np.reshape(err, (-1, w.shape[0]))[0]),
    ),
    "an error that is ignored": (
        "np.sum",
        rules(OPS[np.sum], lambda err, y, a, axis=None, keepdims=False: np.ones(a.shape)),
    ),
    "an error that is ignored at an elementwise op": ("np.tanh", walk_with("err * slope", "1.0 * slope")),
    "= in place of +=": ("np.power", walk_with("entry[1] = entry[1] + e", "entry[1] = e")),
    "= in place of += at a repeated index": (
        "getitem",
        lambda patch: patch.setattr(primitives, "scatter_add", assigned_not_added),
    ),
    "a rule that detaches": ("np.multiply", slopes(np.multiply, lambda y, a, b: raw(b), lambda y, a, b: raw(a))),
    "a slope taken from the wrong place": ("np.sqrt", slopes(np.sqrt, lambda y, x: 0.5 / x)),
    "a transposition left out": ("np.matmul", rules(OPS[np.matmul], lambda err, y, a, b: b, lambda err, y, a, b: a)),
    "an error handed to the wrong input": (
        "np.stack",
        each(np.stack, lambda k, err, y, *xs, axis=0: err[(slice(None),) * (axis % y.ndim) + (len(xs) - 1 - k,)]),
    ),
    "an axis ignored": (
        "np.mean",
        rules(OPS[np.mean], lambda err, y, a, axis=None, keepdims=False: err / a.size + 0 * a),
    ),
    "a mean not divided": (
        "tl.squared_error",
        rules(tl.squared_error.op, lambda err, y, o, t: err * (o - t), lambda err, y, o, t: err * (t - o)),
    ),
    "ties that are not shared": (
        "np.maximum",
        slopes(np.maximum, lambda y, a, b: 2.0 * (a > b), lambda y, a, b: 2.0 * (b > a)),
    ),
    "a mask ignored": ("np.where", slopes(np.where, None, 1.0, 1.0)),
    "an einsum letter lost": (
        "np.einsum",
        each(np.einsum, lambda k, err, y, *xs, subscripts, optimize=False: np.zeros(np.shape(xs[k]))),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, plant = FAULTS[fault]
    plant(monkeypatch)

    @given(st.data())
    @settings(phases=[Phase.generate], database=None, derandomize=True, report_multiple_bugs=False)
    def holds(data: st.DataObject) -> None:
        check(CASES[name], data)

    with pytest.raises((AssertionError, ValueError, TypeError, IndexError)):
        holds()
    monkeypatch.undo()
    holds()
