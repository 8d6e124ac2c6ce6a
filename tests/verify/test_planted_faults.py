"""Wrong rules, planted on purpose: one call of gradcheck must find each, and let the right one hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl
from tinygrad_lecture import gradcheck
from tinygrad_lecture.engine import primitives, walk
from tinygrad_lecture.engine.op import OPS

X = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])
A = np.array([[2.0, 0.3], [-0.2, 1.5]])
V = np.array([0.4, -0.9])
T = np.array([[0.5, -0.1, 0.2], [0.0, 0.3, 1.0]])

Function = Callable[..., Any]
Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Fault:
    """f at args has a wrong gradient once the fault is planted, or always; right is then the same without it."""

    f: Function
    args: tuple[Any, ...]
    plant: Plant | None = None
    right: Function | None = None
    order: int = 1


def slopes(fn: Any, *wrong: Any) -> Plant:
    return lambda patch: patch.setattr(getattr(fn, "op", None) or OPS[fn], "slopes", wrong)


def rules(fn: Any, *wrong: Any) -> Plant:
    return lambda patch: patch.setattr(getattr(fn, "op", None) or OPS[fn], "rules", wrong)


def each(fn: Any, wrong: Any) -> Plant:
    return lambda patch: patch.setattr(OPS[fn], "each", wrong)


def own(f: Function, *, at: Any = X, order: int = 1, **wrong: Any) -> Fault:
    """A function of the user's with a wrong rule of its own."""
    return Fault(tl.local_rule(lambda x: f(x), **wrong), at if isinstance(at, tuple) else (at,), right=f, order=order)


def raw(x: Any) -> Any:
    return x.numpy() if isinstance(x, tl.Tensor) else x


def remembered(slope: Function) -> Function:
    """A slope that keeps what it first computed, as a rule does that reads a buffer nobody has refreshed."""
    kept: list[Any] = []

    def stale(y: Any, x: Any) -> Any:
        kept.append(slope(y, 0.9 * raw(x)))
        return kept[0]

    return stale


def first_instead_of_sum(e: Any, shape: tuple[int, ...]) -> Any:
    """Broadcasting undone by one copy of the error, the others dropped."""
    for _ in range(e.ndim - len(shape)):
        e = e[0]
    for axis, n in enumerate(shape):
        if n == 1 and e.shape[axis] != 1:
            e = e[(slice(None),) * axis + (slice(0, 1),)]
    return e


def assigned_not_added(err: Any, index: Any, shape: tuple[int, ...]) -> Any:
    z = np.zeros(shape, err.dtype)
    z[tuple(map(raw, index))] = err
    return z


def half(slope: Function) -> Function:
    """A slope with the three digits of float16."""
    return lambda y, x: slope(y, x).astype(np.float16).astype(float)


def first_order_only(x: Any) -> Any:
    """3x², whose derivative forgets its factor 2."""
    return tl.local_rule(lambda x: 3 * x**2, slopes=lambda y, x: 3 * x)(x)


def axis_of(x: Any, axis: int, at: int) -> tuple[Any, ...]:
    return (slice(None),) * (axis % x.ndim) + (at,)


FAULTS: dict[str, Fault] = {
    # a number that is off
    "a factor of 1.001": Fault(np.exp, (X,), slopes(np.exp, lambda y, x: 1.001 * y)),
    "a factor of 0.999 in the second input": Fault(
        np.divide, (X, X + 3), slopes(np.divide, lambda y, a, b: 1 / b, lambda y, a, b: -0.999 * y / b)
    ),
    "one part in a hundred million": Fault(np.sin, (X,), slopes(np.sin, lambda y, x: (1 + 1e-8) * np.cos(x))),
    "digits of float16": Fault(np.sin, (X,), slopes(np.sin, half(lambda y, x: np.cos(x)))),
    "one element of six": own(
        np.arctan, slopes=lambda y, x: np.where(np.arange(6).reshape(2, 3) == 4, 1.001, 1.0) / (1 + x * x)
    ),
    "a sign": Fault(np.cos, (X,), slopes(np.cos, lambda y, x: np.sin(x))),
    "a constant slope": Fault(np.subtract, (X, T), slopes(np.subtract, 1.0, 1.0)),
    "an inner factor forgotten": own(lambda x: np.sin(2 * x), slopes=lambda y, x: np.cos(2 * x)),
    "degrees taken for radians": Fault(np.deg2rad, (X,), slopes(np.deg2rad, 1.0)),
    # a term that is missing
    "a dropped term of a product": own(lambda x: x * np.sin(x), slopes=lambda y, x: x * np.cos(x)),
    "a dropped term of the softmax": Fault(tl.softmax, (X,), rules(tl.softmax, lambda err, y, a, axis=-1: y * err)),
    "a detached normaliser": Fault(tl.log_softmax, (X,), rules(tl.log_softmax, lambda err, y, a, axis=-1: err)),
    "a detached factor": Fault(lambda x: raw(x) * np.sin(x), (X,), right=lambda x: x * np.sin(x)),
    "a dropped sum over a broadcast axis": Fault(
        np.add, (X, X[:1]), lambda patch: patch.setattr(walk, "unbroadcast", first_instead_of_sum)
    ),
    "a rule that does not sum over patterns": Fault(
        lambda w, b: tl.linear(X, w, b),
        (T, V),
        rules(tl.linear, *tl.linear.op.rules[:2], lambda err, y, x, w, b: err[0]),
    ),
    "= in place of += at a repeated index": Fault(
        lambda x: x[:, [0, 0, 2]], (X,), lambda patch: patch.setattr(primitives, "scatter_add", assigned_not_added)
    ),
    # arguments, axes and shapes mixed up
    "swapped arguments": Fault(np.multiply, (X, T), slopes(np.multiply, lambda y, a, b: a, lambda y, a, b: b)),
    "the error of another input": Fault(
        lambda a, b: np.stack([a, b]),
        (X, T),
        each(np.stack, lambda k, err, y, *xs, axis=0: err[axis_of(y, axis, len(xs) - 1 - k)]),
    ),
    "a transposition left out": Fault(
        np.matmul, (A, A + 1), rules(np.matmul, lambda err, y, a, b: err @ b, lambda err, y, a, b: a.T @ err)
    ),
    "a transposed result": own(lambda a: A @ a, at=A, rules=lambda err, y, a: (A.T @ err).T),
    "a solve without its transpose": own(
        lambda b: np.linalg.solve(A, b), at=V, rules=lambda err, y, b: np.linalg.solve(A, err)
    ),
    "a sum that runs the wrong way": own(
        lambda x: np.cumsum(x, axis=1), rules=lambda err, y, x: np.cumsum(err, axis=1)
    ),
    # options and errors forgotten
    "a forgotten axis": Fault(
        lambda x: np.mean(x, axis=0),
        (X,),
        rules(np.mean, lambda err, y, a, axis=None, keepdims=False: err / a.size + 0 * a),
    ),
    "a forgotten ddof": own(lambda x: np.var(x, ddof=1), rules=lambda err, y, x: err * 2 * (x - np.mean(x)) / x.size),
    "a mean over patterns that is not divided": Fault(
        lambda out: tl.squared_error(out, T),
        (X,),
        rules(tl.squared_error, lambda err, y, o, t: err * (o - t), lambda err, y, o, t: err * (t - o)),
    ),
    "a forgotten error": own(lambda x: 3 * x, rules=lambda err, y, x: 3.0 + 0 * x),
    "an error squared": own(lambda x: np.sum(x**2), rules=lambda err, y, x: 2 * x * err**2),
    # right here, wrong there
    "a stale value": own(np.sin, slopes=remembered(lambda y, x: np.cos(x))),
    "wrong for negative numbers": Fault(np.absolute, (X,), slopes(np.absolute, lambda y, x: 1.0 + 0 * x)),
    "a clip that lets everything through": own(lambda x: np.clip(x, -1.0, 1.0), slopes=1.0),
    "a mask ignored": Fault(lambda x: np.where(X > 0, x, 0.0), (X,), slopes(np.where, None, 1.0, 1.0)),
    "a tie that gets nothing": Fault(
        lambda x: np.maximum(x, x + 0),
        (X,),
        slopes(np.maximum, lambda y, a, b: 1.0 * (a > b), lambda y, a, b: 1.0 * (b > a)),
    ),
    "a tie that is paid twice": own(lambda x: np.max(np.stack([x, x]), axis=0), rules=lambda err, y, x: 2 * err),
    # tails
    "zero in the tail of tanh": Fault(np.tanh, (np.array([20.0, -25.0]),), slopes(np.tanh, lambda y, x: 1 - y * y)),
    "zero in the tail of logistic": Fault(
        tl.logistic, (np.array([40.0, 60.0]),), slopes(tl.logistic, lambda y, x: y * (1 - y))
    ),
    "zero in the tail of softplus": Fault(
        tl.softplus, (np.array([-40.0]),), slopes(tl.softplus, lambda y, x: 1 - 1 / (1 + np.exp(x)))
    ),
    "zero in a saturated softmax": Fault(
        tl.softmax,
        (np.array([45.0, 0.0]),),
        rules(tl.softmax, lambda err, y, a, axis=-1: y * (err - np.sum(err * y, axis=axis, keepdims=True))),
    ),
    # higher orders
    "a wrong second derivative": own(lambda x: x**3, slopes=lambda y, x: first_order_only(x), order=2),
    "a slope that is a constant to second order": own(np.sin, slopes=lambda y, x: np.cos(raw(x)), order=2),
}


def test_there_are_thirty_faults_and_more() -> None:
    assert len(FAULTS) >= 30


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_called_a_wrong_gradient(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    if fault.plant:
        fault.plant(monkeypatch)
    result = gradcheck(fault.f, *fault.args, order=fault.order, raise_on_fail=False)
    assert not result
    assert result.worst.verdict == "wrong"
    assert result.worst.order == fault.order
    assert any(text.startswith("wrong gradient") for text in result.diagnoses)


@pytest.mark.parametrize("name", FAULTS)
def test_without_its_fault_the_gradient_holds(name: str) -> None:
    fault = FAULTS[name]
    assert (fault.plant is None) != (fault.right is None)
    result = gradcheck(fault.right or fault.f, *fault.args, order=fault.order, raise_on_fail=False)
    assert result, str(result)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [n for n, f in FAULTS.items() if f.plant and "hundred million" not in n])
def test_a_planted_fault_is_found_in_either_dtype(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    args = [a.astype(dtype) for a in fault.args]
    assert gradcheck(fault.f, *args, order=fault.order)
    assert fault.plant
    fault.plant(monkeypatch)
    assert not gradcheck(fault.f, *args, order=fault.order, raise_on_fail=False)
