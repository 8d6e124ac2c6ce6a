"""Every operation's gradient, to second order, against oracles that share no code with the engine."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import CASES, Case, title
from tests.oracles import along, complex_step, differences
from tinygrad_lecture.engine.op import COMPOSED, OPS

FIRST = {"rtol": 1e-11, "atol": 1e-12}  # complex step has no cancellation; sums of some ten terms of size 1
FIRST_BY_DIFFERENCES = {"rtol": 1e-8, "atol": 1e-8}  # h = 1e-4 extrapolated: h⁴ and ε/h
ROUNDED = {"rtol": 1e-6, "atol": 1e-5}  # a gradient handed back in float32, of terms up to some hundred
SECOND = {"rtol": 1e-6, "atol": 1e-7}  # differences with h = 1e-3 extrapolated: h⁴ times the sixth derivative


def signed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype == np.longdouble:  # its padding bytes are not part of the value
        return b.dtype == a.dtype and np.array_equal(a, b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def back(f: Any, xs: list[np.ndarray], err: np.ndarray) -> tuple[tl.Tensor, list[np.ndarray]]:
    """The output of f on Tensors, and what arrives at its inputs when err arrives at the output."""
    ts = [tl.Tensor(x, requires_grad=True) for x in xs]
    y = f(*ts)
    if not y.requires_grad:
        return y, [np.zeros_like(x) for x in xs]
    y.backward(err)
    return y, [np.zeros_like(x) if t.grad is None else t.grad for t, x in zip(ts, xs, strict=True)]


def check(case: Case, data: st.DataObject) -> None:
    """All that is promised of one operation, on one draw."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    drawn = case.make(data.draw, rng)
    f, xs = drawn.f, [np.array(x) for x in drawn.xs]
    before = [x.copy() for x in xs]
    if any(x.size == 0 for x in xs):
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of means of nothing
    try:
        plain = np.asarray(f(*xs))
    except (ValueError, IndexError):  # NumPy refuses some empty arrays, and so do we
        assert any(x.size == 0 for x in xs)
        with pytest.raises((ValueError, IndexError)):
            f(*[tl.Tensor(x, requires_grad=True) for x in xs])
        return
    err = signed(rng, plain.shape)

    y, gradient = back(f, xs, err)
    assert same_bits(y.numpy(), plain)
    for g, x in zip(gradient, xs, strict=True):
        assert g.shape == x.shape
        assert g.dtype == x.dtype

    reference = drawn.reference or f
    oracle = complex_step if case.complex else differences
    tolerance = FIRST if case.complex else FIRST_BY_DIFFERENCES
    for g, expected in zip(gradient, oracle(reference, xs, err), strict=True):
        np.testing.assert_allclose(g, expected, **tolerance)

    _, again = back(f, xs, err)
    assert all(same_bits(a, b) for a, b in zip(gradient, again, strict=True))
    _, nothing = back(f, xs, np.zeros(plain.shape))
    assert all(not np.any(g) for g in nothing)

    us = [signed(rng, x.shape) for x in xs]
    second = tl.grad(lambda xs: projected(f, xs, err, us))(xs)
    if case.complex:
        expected = along(lambda at: complex_step(reference, at, err), xs, us)
    else:
        expected = along(lambda at: back(f, list(at), err)[1], xs, us, h=1e-5)
    for g, e in zip(second, expected, strict=True):
        np.testing.assert_allclose(g, e, **SECOND)

    if len(xs) > 1:
        k = data.draw(st.integers(0, len(xs) - 1), label="narrow")
        mixed = [x.astype(np.float32) if i == k else x for i, x in enumerate(xs)]
        rounded = [x.astype(float) for x in mixed]
        for i, (g, expected) in enumerate(zip(back(f, mixed, err)[1], oracle(reference, rounded, err), strict=True)):
            assert g.dtype == mixed[i].dtype
            np.testing.assert_allclose(g, expected, **(ROUNDED if i == k else tolerance))

    narrow = [x.astype(np.float32) for x in xs]
    y32, gradient32 = back(f, narrow, err)
    assert same_bits(y32.numpy(), f(*narrow))
    assert all(g.dtype == np.float32 for g in gradient32)
    assert all(same_bits(x, b) for x, b in zip(xs, before, strict=True))


def projected(f: Any, xs: Any, err: np.ndarray, us: list[np.ndarray]) -> Any:
    """Σ u · gradient of Σ err f: its gradient is the Hessian times u."""
    first = tl.grad(lambda xs: np.sum(f(*xs) * err))(xs)
    return sum((np.sum(g * u) for g, u in zip(first, us, strict=True)), start=np.float64(0.0))


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_of_every_operation_holds_to_second_order(name: str) -> None:
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        with warnings.catch_warnings():
            check(CASES[name], data)

    holds()


def operations() -> set[str]:
    """The title of everything that has a gradient: NumPy's functions, compositions of them, and our own primitives.

    A function that is only another name of one with a case needs none.
    """
    composed = {fn for fn, composition in COMPOSED.items() if composition not in OPS and composition not in COMPOSED}
    return {title(fn) for fn in composed} | {title(fn) for fn, op in OPS.items() if op.differentiable}


def test_every_operation_has_a_case() -> None:
    assert operations() - {"np.full_like"} == set(CASES)
