"""Determinants against mpmath: their slopes are right where the matrix is singular, nearly so, or badly scaled."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import tinygrad_lecture as tl

EPS = 2.0**-52


def exact_cofactors(a: np.ndarray) -> Any:
    """(−1)^(i+j) det of the minors, with so many digits that numbers from 1e-300 to 1e300 may cancel."""
    n = len(a)
    with mpmath.workdps(1300):
        exact = [[mpmath.mpf(float(x)) for x in row] for row in a]

        def minor(i: int, j: int) -> Any:
            return mpmath.matrix([row[:j] + row[j + 1 :] for k, row in enumerate(exact) if k != i])

        return [[(-1) ** (i + j) * mpmath.det(minor(i, j)) for j in range(n)] for i in range(n)]


def row_repeated(a: np.ndarray, times: float) -> np.ndarray:
    """Singular but for what is less than the last digits of times."""
    a = a.copy()
    a[-1] = a[0] * times
    return a


def balanced_scales(rng: np.random.Generator, n: int, decades: float) -> np.ndarray:
    """Scales over many decades, whose product is 1."""
    e = rng.uniform(-decades, decades, n)
    return 10.0 ** (e - e.mean())


def matrices() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    found = {"hilbert": 1.0 / (np.arange(5)[:, None] + np.arange(5) + 1.0)}
    for n in (2, 3, 4, 6):
        a = rng.normal(size=(n, n))
        found |= {
            f"regular {n}": a,
            f"singular {n}": row_repeated(a, 1.0),
            f"nearly singular {n}": row_repeated(a, 1.0) + 1e-13 * rng.normal(size=(n, n)),
            f"singular by rounding {n}": row_repeated(a, 1 / 3),
            f"scaled {n}": balanced_scales(rng, n, 80)[:, None] * a * balanced_scales(rng, n, 60),
        }
    return found


MATRICES = matrices()


def slope_of_det(a: np.ndarray) -> np.ndarray:
    t = tl.Tensor(a, requires_grad=True)
    np.linalg.det(t).backward()
    return np.asarray(t.grad)


@pytest.mark.parametrize("name", MATRICES)
def test_the_slope_of_a_determinant_is_its_cofactors(name: str) -> None:
    """To ε times the condition of the cofactors, of the largest where rows and columns have the same scale."""
    a = MATRICES[name]
    exact = exact_cofactors(a)
    g = slope_of_det(a)
    r = np.max(np.abs(a), axis=1, keepdims=True)
    c = np.max(np.abs(a / r), axis=0, keepdims=True)
    b = a / r / c
    s = np.linalg.svd(b, compute_uv=False)
    condition = s[0] / s[-2]  # the cofactors vanish with the second smallest singular value
    scaled_largest = max(abs(exact[i][j]) * r[i, 0] * c[0, j] for i in range(len(a)) for j in range(len(a)))
    for i in range(len(a)):
        for j in range(len(a)):
            off = abs(mpmath.mpf(float(g[i, j])) - exact[i][j]) * r[i, 0] * c[0, j]
            assert off <= (16 + len(a) * condition) * EPS * scaled_largest


def test_products_of_singular_values_do_not_overflow() -> None:
    """Where the determinant is 1 its slopes are finite, though half of the elements multiply to more than 1e308."""
    d = np.array([1e200, 1e-200, 1e200, 1e-200, 1.0])
    np.testing.assert_allclose(np.diag(slope_of_det(np.diag(d))), 1 / d, rtol=8 * EPS)
    n = 400
    np.testing.assert_allclose(
        np.diag(slope_of_det(np.diag(np.full(n, 0.5)))), np.full(n, 0.5 ** (n - 1)), rtol=n * EPS
    )
    big = np.diag(np.full(n, 2.0).astype(np.float32))
    big[::2] /= np.float32(4.0)
    assert np.isfinite(slope_of_det(big)).all()


def test_a_singular_value_that_is_exactly_zero_leaves_the_product_of_the_others() -> None:
    np.testing.assert_allclose(slope_of_det(np.diag([1.0, 2.0, 3.0, 0.0])), np.diag([0.0, 0.0, 0.0, 6.0]), rtol=1e-15)
    np.testing.assert_array_equal(slope_of_det(np.diag([1.0, 2.0, 0.0, 0.0])), np.zeros((4, 4)))


def test_a_matrix_that_is_not_finite_spoils_its_own_slopes_alone() -> None:
    a = np.stack([np.eye(4), 2.0 * np.eye(4)])
    a[0, 1, 2] = np.nan
    t = tl.Tensor(a, requires_grad=True)
    with np.errstate(invalid="ignore"):
        y = np.linalg.det(t)
    y.backward(np.ones(2))
    assert np.isnan(t.grad[0]).all()
    np.testing.assert_allclose(t.grad[1], 8.0 * np.eye(4), rtol=1e-15, atol=1e-14)


def test_where_no_error_arrives_a_determinant_hands_on_none_of_an_infinite_cofactor() -> None:
    t = tl.Tensor([[np.inf, 1.0], [1.0, 1.0]], requires_grad=True)
    with np.errstate(invalid="ignore"):
        y = np.linalg.det(t)
    y.backward(0.0)
    np.testing.assert_array_equal(t.grad, np.zeros((2, 2)))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_all_orders_of_a_determinant_hold_at_zero(n: int) -> None:
    """∂ⁿ det/∂A_11 … ∂A_nn is 1 everywhere, also at the zero matrix, where all lower orders vanish."""

    def along_the_diagonal(f: Any, k: int) -> Any:
        return lambda a: tl.grad(f)(a)[k, k]

    f: Any = np.linalg.det
    for k in range(n):
        assert f(np.zeros((n, n))) == 0.0
        f = along_the_diagonal(f, k)
    np.testing.assert_allclose(f(np.zeros((n, n))), 1.0, rtol=1e-14)


def test_singular_matrices_are_refused_by_name() -> None:
    t = tl.Tensor(np.ones((2, 2)), requires_grad=True)
    for f, name in (
        (np.linalg.inv, "inv"),
        (lambda t: np.linalg.solve(t, np.ones(2)), "solve"),
        (lambda t: np.linalg.slogdet(t).logabsdet.backward(), "slogdet"),
        (lambda t: np.linalg.matrix_power(t, -2), "inv"),
    ):
        with pytest.raises(np.linalg.LinAlgError, match=name):
            f(t)


def test_the_logarithm_of_a_determinant_may_be_of_any_size() -> None:
    a = np.diag(np.full(400, 1e-3))
    t = tl.Tensor(a, requires_grad=True)
    sign, logabsdet = np.linalg.slogdet(t)
    assert not sign.requires_grad
    logabsdet.backward()
    np.testing.assert_allclose(np.diag(t.grad), np.full(400, 1e3), rtol=1e-14)
