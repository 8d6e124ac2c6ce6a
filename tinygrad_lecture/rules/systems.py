"""Rules of linear systems: their solution, the inverse, the determinant and its cofactors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.op import Op, composed, constant, rules
from ..engine.primitives import odot, own, scatter_add
from ..engine.values import Array
from .reduction import others_product


def _solve_right(err: Array, a: Array, b: Array) -> Array:
    """A⁻ᵀ err, the error of the right-hand side."""
    return np.linalg.solve(a.mT, err) if b.ndim > 1 else np.linalg.solve(a.mT, err[..., None])[..., 0]


def _solve_left(err: Array, y: Array, a: Array, b: Array) -> Array:
    """−(A⁻ᵀ err) yᵀ."""
    back = _solve_right(err, a, b)
    return -back @ y.mT if b.ndim > 1 else -back[..., :, None] * y[..., None, :]


rules(
    np.linalg.solve,
    _solve_left,
    lambda err, y, a, b: _solve_right(err, a, b),
    signature="a, b",
    broadcasts=True,
)
rules(np.linalg.inv, lambda err, y, a: -y.mT @ err @ y.mT)


def _times_power(a: Array, exponent: Array) -> Array:
    """a 2^exponent."""
    return np.ldexp(a, np.clip(exponent, -5000, 5000).astype(np.intc))


def _balanced(a: Array) -> tuple[Array, Array, Array]:
    """A = 2^r B 2^c with the largest element of each row and column of B about 1; the exponents r and c.

    Powers of two cost no digits, and B's singular values do not hide small rows behind large ones.
    """
    r = np.frexp(np.max(np.abs(a), axis=-1, keepdims=True))[1]
    a = _times_power(a, -r)
    c = np.frexp(np.max(np.abs(a), axis=-2, keepdims=True))[1]
    return _times_power(a, -c), r, c


def _others(s: Array) -> tuple[Array, Array]:
    """For each number the product of the others, as p 2^e with one e for all, so that it neither over- nor underflows.

    The factors are multiplied as numbers between 0.7 and 1.4, hundreds of which are still finite.
    """
    m, e = np.frexp(s.astype(float))
    low = m < 0.7
    p = others_product(np.where(low, 2 * m, m))
    e = np.sum(e - low, axis=-1, keepdims=True) - (e - low)
    e = np.where(p == 0, -(2**20), e)
    top = np.max(e, axis=-1, keepdims=True)
    return _times_power(p, e - top).astype(s.dtype), top


@own(Op("cofactors"))
def cofactors(a: Array) -> Array:
    """The slopes ∂ det A/∂A_ij: C_ij = (−1)^(i+j) det(A without row i and column j), also where A is singular.

    a: (…, n, n). With A = U diag(s) Vᵀ, C = det U det V · U diag(Π_{k≠i} s_k) Vᵀ: no division, O(n³); up to
    n = 3 from the elements. Its own rule goes through the n² minors, O(n⁵). NaN where a matrix is not finite.
    """
    n = a.shape[-1]
    if a.size == 0 or n == 1:
        return np.ones_like(a)
    if n == 2:
        return a[..., ::-1, ::-1] * np.array([[1.0, -1.0], [-1.0, 1.0]], a.dtype)
    if n == 3:
        return np.cross(a[..., [1, 2, 0], :], a[..., [2, 0, 1], :])
    finite = np.isfinite(a).all(axis=(-2, -1), keepdims=True)
    b, r, c = _balanced(np.where(finite, a, 1.0))
    u, s, vt = np.linalg.svd(b)
    sign = np.sign(np.linalg.det(u) * np.linalg.det(vt))[..., None, None]
    others, e = _others(s)
    rows, columns = np.sum(r, axis=-2, keepdims=True) - r, np.sum(c, axis=-1, keepdims=True) - c
    y = _times_power(sign * (u * others[..., None, :]) @ vt, e[..., None] + rows + columns)
    return np.where(finite, y, np.nan)


def _cofactors_rule(err: Array, y: Array, a: Array) -> Array:
    """Σ_ij (−1)^(i+j) err_ij cofactors(A without row i and column j), each where that minor lies in A."""
    n = a.shape[-1]
    i = np.arange(n)
    rest = np.arange(n - 1) + (np.arange(n - 1) >= i[:, None])
    place = (Ellipsis, rest[:, None, :, None], rest[None, :, None, :])
    signs = 1.0 - 2.0 * ((i[:, None] + i) % 2)
    e = odot((err * signs.astype(a.dtype))[..., None, None], cofactors(a[place]))
    return scatter_add(e, index=place, shape=a.shape)


rules(cofactors, _cofactors_rule)
rules(np.linalg.det, lambda err, y, a: odot(err[..., None, None], cofactors(a)))


@own(Op("slogdet.logabsdet"))
def logabsdet(a: Array) -> Array:
    """log |det A|, −∞ where A is singular. a: (…, n, n)."""
    return np.linalg.slogdet(a)[1]


@own(Op("slogdet.sign"))
def signdet(a: Array) -> Array:
    """The sign of det A, piecewise constant. a: (…, n, n)."""
    return np.linalg.slogdet(a)[0]


def _logabsdet_rule(err: Array, y: Array, a: Array) -> Array:
    """err A⁻ᵀ."""
    try:
        return err[..., None, None] * np.linalg.inv(a).mT
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError("slogdet: log|det A| has no slope where A is singular") from error


rules(logabsdet, _logabsdet_rule)
constant(signdet)
SlogdetResult: Any = type(np.linalg.slogdet(np.ones((0, 0))))


@composed(np.linalg.slogdet)
def slogdet(a: Array) -> Any:
    """np.linalg.slogdet: the sign of the determinant, without gradient, and the logarithm of its size."""
    return SlogdetResult(signdet(a), logabsdet(a))
