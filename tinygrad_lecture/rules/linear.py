"""Rules of linear algebra: products and the solution of linear systems."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.op import rules
from ..engine.values import Array


def _matmul_left(err: Array, y: Array, a: Array, b: Array) -> Array:
    """err bᵀ; a vector on either side is a matrix of one row or column."""
    if b.ndim == 1:
        return err[..., None] * b
    return err @ b.mT if a.ndim > 1 else (b @ err[..., None])[..., 0]


def _matmul_right(err: Array, y: Array, a: Array, b: Array) -> Array:
    """aᵀ err."""
    if a.ndim == 1:
        return a[:, None] * err[..., None, :] if b.ndim > 1 else a * err
    return a.mT @ err if b.ndim > 1 else (a.mT @ err[..., None])[..., 0]


rules(np.matmul, _matmul_left, _matmul_right, broadcasts=True)


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


def letters(subscripts: str, shapes: Iterable[tuple[int, ...]]) -> tuple[list[str], str]:
    """The letters of each einsum operand and of the output, with every ellipsis spelt out."""
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    operands = left.split(",")
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in subscripts]
    hidden = [len(s) - len(t.replace("...", "")) if "..." in t else 0 for s, t in zip(shapes, operands, strict=True)]
    stretch = "".join(spare[: max(hidden, default=0)])
    if not arrow:
        once = sorted(c for c in set(left) - {",", "."} if left.count(c) == 1)
        out = ("..." if stretch else "") + "".join(once)
    spelt = [t.replace("...", stretch[len(stretch) - h :]) for t, h in zip(operands, hidden, strict=True)]
    return spelt, out.replace("...", stretch)


def _einsum_each(k: int, err: Array, y: Array, *xs: Array, subscripts: str, optimize: Any = False) -> Array:
    """The einsum in which the error takes the place of operand k.

    A letter that only operand k has, or has at its full length, meets ones; one repeated in it an identity.
    """
    operands, out = letters(subscripts, [np.shape(x) for x in xs])
    mine = operands[k]
    terms = [out, *(t for i, t in enumerate(operands) if i != k)]
    factors = [err, *(x for i, x in enumerate(xs) if i != k)]
    lengths: dict[str, int] = {}
    for term, factor in zip(terms, factors, strict=True):
        for c, n in zip(term, np.shape(factor), strict=True):
            lengths[c] = max(n, lengths.get(c, 1))
    spare = iter(c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in {*lengths, *mine})
    target = ""
    for c, n in zip(mine, np.shape(xs[k]), strict=True):
        if c in target:
            twin = next(spare)
            terms.append(c + twin)
            factors.append(np.eye(n, dtype=err.dtype))
            target += twin
        else:
            if c not in lengths or lengths[c] < n:
                terms.append(c)
                factors.append(np.ones(n, dtype=err.dtype))
            target += c
    return np.einsum(f"{','.join(terms)}->{target}", *factors, optimize=len(factors) > 2 or optimize)


def _einsum_call(subscripts: Any, *operands: Any, optimize: Any = False) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not isinstance(subscripts, str):
        raise TypeError("write the subscripts as one string first, like 'ij,jk->ik'")
    return operands, {"subscripts": subscripts, "optimize": optimize}


rules(
    np.einsum,
    each=_einsum_each,
    signature=_einsum_call,
    forward=lambda *xs, subscripts, optimize: np.einsum(subscripts, *xs, optimize=optimize),
    broadcasts=True,
)
