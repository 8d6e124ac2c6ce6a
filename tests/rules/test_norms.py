"""Norms: their slopes over the whole range of numbers, at zero, and those of matrices that have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl


@pytest.mark.parametrize("ord", ["nuc", 2, -2, 1, np.inf])
def test_norms_of_matrices_without_a_rule_say_which_have_one(ord: Any) -> None:
    with pytest.raises(TypeError, match=r"they have 'fro', vectors \(axis=k"):
        np.linalg.norm(tl.Tensor(np.eye(2), requires_grad=True), ord)


@pytest.mark.parametrize("exponent", [-1074, -1000, -500, 500, 1020])
@pytest.mark.parametrize("p", [2, 3, 4, 1.5, 0.5, -1, -2, 1, np.inf, -np.inf])
def test_the_direction_of_a_norm_does_not_depend_on_its_size(exponent: int, p: float) -> None:
    """NumPy's norm over- or underflows there; its slope does not, and powers of two change no bit of it."""
    x = np.array([3.0, -4.0, 12.0])

    def slope(x: np.ndarray) -> np.ndarray:
        t = tl.Tensor(x, requires_grad=True)
        with np.errstate(over="ignore", under="ignore", divide="ignore"):
            y = np.linalg.norm(t, p)
        y.backward()
        return np.asarray(t.grad)

    np.testing.assert_array_equal(slope(np.ldexp(x, exponent)), slope(x))


@pytest.mark.parametrize("p", [-1, -2, -0.5])
def test_the_slope_of_a_norm_that_the_smallest_decides_does_not_overflow(p: float) -> None:
    t = tl.Tensor([[1e-300, -1e300], [1e300, np.inf]], requires_grad=True)
    with np.errstate(all="ignore"):
        y = np.linalg.norm(t, p, axis=1)
    with np.errstate(all="raise", under="ignore"):
        y.backward(np.ones(2))
    np.testing.assert_array_equal(t.grad, [[1.0, 0.0], [1.0, 0.0]])


@pytest.mark.parametrize("p", [np.inf, -np.inf])
def test_the_error_of_a_largest_or_smallest_size_that_is_nan_goes_to_the_nan(p: float) -> None:
    g = tl.grad(lambda x: np.linalg.norm(x, p))(np.array([1.0, np.nan, -3.0]))
    np.testing.assert_array_equal(g, [0.0, np.nan, 0.0])


@pytest.mark.parametrize(("p", "expected"), [(2, -3 / 8), (4, 6 / 8), (3, 0.0)])
def test_a_norm_has_all_orders_where_one_element_is_zero(p: float, expected: float) -> None:
    """∂⁴/∂b⁴ at (2, 0) of √(a² + b²) is −3/a³, of ⁴√(a⁴ + b⁴) is 6/a³; ³√(a³ + |b|³) has a kink in its third order."""

    def along_b(f: Any) -> Any:
        return lambda x: tl.grad(f)(x)[1]

    f: Any = lambda x: np.linalg.norm(x, p)
    for _ in range(4):
        f = along_b(f)
    np.testing.assert_allclose(f(np.array([2.0, 0.0])), expected, rtol=1e-14)


def test_the_second_order_of_a_norm_at_zero_is_zero() -> None:
    for p in (2, 3, 4, 1.5):
        second = tl.grad(lambda x, p=p: np.sum(tl.grad(lambda x: np.linalg.norm(x, p))(x) * np.array([1.0, 2.0])))
        np.testing.assert_array_equal(second(np.zeros(2)), np.zeros(2))
