"""Rules of products that sum over axes: each sums the error with the other factor over what that alone has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.op import composed, rules
from ..engine.values import Array

Axes = tuple[int, ...]


def _others(a: Array, axes: Axes) -> list[int]:
    return [k for k in range(np.ndim(a)) if k not in axes]


def _arranged(e: Array, order: list[int]) -> Array:
    """e with its axis i moved to order[i]."""
    return e if order == list(range(len(order))) else np.transpose(e, tuple(np.argsort(order)))


def contraction_left(err: Array, a: Array, b: Array, met_a: Axes, met_b: Axes) -> Array:
    """Σ err b over the axes that b alone has: the error of a in y = Σ a b.

    y: the axes of a that met none of b, then those of b. Axis met_a[i] of a meets met_b[i] of b; none is negative.
    """
    mine, theirs = _others(a, met_a), _others(b, met_b)
    order = mine + [met_a[met_b.index(k)] for k in sorted(met_b)]
    if not theirs:
        return _arranged(np.reshape(err, np.shape(err) + (1,) * len(met_b)) * b, order)
    last = list(range(len(mine), len(mine) + len(theirs)))
    return _arranged(np.tensordot(err, b, (last, theirs)), order)


def contraction_right(err: Array, a: Array, b: Array, met_a: Axes, met_b: Axes) -> Array:
    """Σ a err over the axes that a alone has: the error of b in y = Σ a b, as in `contraction_left`."""
    mine, theirs = _others(a, met_a), _others(b, met_b)
    order = [met_b[met_a.index(k)] for k in sorted(met_a)] + theirs
    if not mine:
        return _arranged(np.reshape(a, np.shape(a) + (1,) * len(theirs)) * err, order)
    return _arranged(np.tensordot(a, err, (mine, list(range(len(mine))))), order)


def _matmul_left(err: Array, y: Array, a: Array, b: Array) -> Array:
    """err bᵀ; a vector on either side is a matrix of one row or column."""
    if b.ndim == 1:
        return err[..., None] * b
    if a.ndim == 1:
        return (b @ err[..., None])[..., 0]
    if a.ndim == 2 < b.ndim:  # one a for a stack of b: summed at once, without a stack of products
        stack = (*range(b.ndim - 2), b.ndim - 1)
        return np.tensordot(err, b, (stack, stack))
    return err @ b.mT


def _matmul_right(err: Array, y: Array, a: Array, b: Array) -> Array:
    """aᵀ err."""
    if a.ndim == 1:
        return a[:, None] * err[..., None, :] if b.ndim > 1 else a * err
    if a.ndim == 2 and b.ndim == 1:
        return err @ a
    if b.ndim == 1 or b.ndim == 2 < a.ndim:  # one b for a stack of a
        stack = tuple(range(a.ndim - 1))
        return np.tensordot(a, err, (stack, stack))
    return a.mT @ err


rules(np.matmul, _matmul_left, _matmul_right, broadcasts=True, promotes=False)
composed(np.linalg.matmul)(np.matmul)


def _dot_axes(a: Array, b: Array) -> tuple[Axes, Axes]:
    """The last axis of a meets the last but one of b, or its only one; numbers multiply."""
    m, n = np.ndim(a), np.ndim(b)
    return ((m - 1,), (max(n - 2, 0),)) if m and n else ((), ())


def _inner_axes(a: Array, b: Array) -> tuple[Axes, Axes]:
    """The last axes of both meet; numbers multiply."""
    m, n = np.ndim(a), np.ndim(b)
    return ((m - 1,), (n - 1,)) if m and n else ((), ())


def tensordot_axes(a: Array, b: Array, axes: Any) -> tuple[Axes, Axes]:
    """The last n of a and the first n of b for a number n, else the two that were given."""
    m, n = np.ndim(a), np.ndim(b)
    if not isinstance(axes, Iterable):
        return tuple(range(m - axes, m)), tuple(range(axes))
    of_a, of_b = (tuple(np.atleast_1d(k).tolist()) for k in axes)
    return tuple(k % m for k in of_a), tuple(k % n for k in of_b)


def _dot_left(err: Array, y: Array, a: Array, b: Array) -> Array:
    """err bᵀ; of vectors and matrices np.dot is np.matmul."""
    small = 1 <= np.ndim(a) <= 2 and 1 <= np.ndim(b) <= 2
    return _matmul_left(err, y, a, b) if small else contraction_left(err, a, b, *_dot_axes(a, b))


def _dot_right(err: Array, y: Array, a: Array, b: Array) -> Array:
    """aᵀ err."""
    small = 1 <= np.ndim(a) <= 2 and 1 <= np.ndim(b) <= 2
    return _matmul_right(err, y, a, b) if small else contraction_right(err, a, b, *_dot_axes(a, b))


rules(np.dot, _dot_left, _dot_right, signature="a, b, out!", promotes=False)
rules(
    np.inner,
    lambda err, y, a, b: contraction_left(err, a, b, *_inner_axes(a, b)),
    lambda err, y, a, b: contraction_right(err, a, b, *_inner_axes(a, b)),
)
rules(
    np.tensordot,
    lambda err, y, a, b, axes=2: contraction_left(err, a, b, *tensordot_axes(a, b, axes)),
    lambda err, y, a, b, axes=2: contraction_right(err, a, b, *tensordot_axes(a, b, axes)),
    signature="a, b, axes=",
)
rules(
    np.vdot,
    lambda err, y, a, b: err * np.reshape(b, np.shape(a)),
    lambda err, y, a, b: err * np.reshape(a, np.shape(b)),
)
composed(np.linalg.tensordot)(np.tensordot)


def _vecdot_rule(err: Array, mine: Array, other: Array, axis: int) -> Array:
    """err times the other vector, along the axis of mine; axes in front are those of broadcasting."""
    ahead, ndim = axis % mine.ndim - mine.ndim, other.ndim
    last = np.transpose(other, (*(k for k in range(ndim) if k != axis % ndim), axis % ndim))
    e = err[..., None] * last
    order = list(range(e.ndim - 1))
    order.insert(e.ndim + ahead, e.ndim - 1)
    return np.transpose(e, tuple(order))


rules(
    np.vecdot,
    lambda err, y, a, b, axis=-1: _vecdot_rule(err, a, b, axis),
    lambda err, y, a, b, axis=-1: _vecdot_rule(err, b, a, axis),
    signature="a, b, out!, axis=",
    broadcasts=True,
)


@composed(np.linalg.vecdot)
def _linalg_vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    return np.vecdot(x1, x2, axis=axis)  # type: ignore[call-overload]  # NumPy's stubs lack axis=


if hasattr(np, "matvec"):  # NumPy 2.2
    rules(
        np.matvec,
        lambda err, y, a, x: err[..., :, None] * x[..., None, :],
        lambda err, y, a, x: np.vecmat(err, a),
        broadcasts=True,
    )
    rules(
        np.vecmat,
        lambda err, y, x, a: np.matvec(a, err),
        lambda err, y, x, a: x[..., :, None] * err[..., None, :],
        broadcasts=True,
    )
