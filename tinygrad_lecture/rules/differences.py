"""Differences between neighbours, and what is made of them: np.diff, np.gradient, np.trapezoid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..engine.op import composed
from ..engine.values import Array
from .shape import along, array_of


@composed(np.diff)
def diff(a: Array, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """np.diff: a_{i+1} − a_i, n times."""
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"n must not be negative, but is {n}")
    a = array_of(a)
    axis = normalize_axis_index(axis, a.ndim)
    one = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
    ends = [None if e is None else array_of(e) for e in (prepend, append)]
    before, after = (e if e is None or e.ndim else np.broadcast_to(e, one) for e in ends)
    if before is not None or after is not None:
        a = np.concatenate([x for x in (before, a, after) if x is not None], axis=axis)
    later, earlier = along(axis, slice(1, None)), along(axis, slice(-1))
    for _ in range(n):
        a = a[later] != a[earlier] if a.dtype == bool else a[later] - a[earlier]
    return a


@composed(np.ediff1d)
def ediff1d(ary: Array, to_end: Any = None, to_begin: Any = None) -> Array:
    """np.ediff1d: the differences of all elements in order, with more before and behind them."""
    a = np.ravel(ary)
    ends = [[] if e is None else [np.ravel(e)] for e in (to_begin, to_end)]
    for e in (*ends[0], *ends[1]):
        if not np.can_cast(e.dtype, a.dtype, "same_kind"):
            raise TypeError(f"ediff1d: to_begin and to_end must fit into {a.dtype}, {e.dtype} does not")
    parts = [*ends[0], a[1:] - a[:-1], *ends[1]]
    return np.concatenate([p.astype(a.dtype) for p in parts]) if len(parts) > 1 else parts[0]


@composed(np.trapezoid)
def trapezoid(y: Array, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """np.trapezoid: Σ ½ (x_{i+1} − x_i)(y_{i+1} + y_i)."""
    y = array_of(y)
    axis = normalize_axis_index(axis, y.ndim)
    if x is not None:
        x = array_of(x)
        dx = np.diff(x, axis=axis if x.ndim > 1 else -1)
        dx = np.reshape(dx, (-1, *(1,) * (y.ndim - axis - 1))) if x.ndim == 1 else dx
    later, earlier = along(axis, slice(1, None)), along(axis, slice(-1))
    return np.sum(dx * (y[later] + y[earlier]) / 2.0, axis=axis)


@composed(np.gradient)
def gradient(f: Array, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """np.gradient: central differences inside, one-sided ones at both ends; the spacing may be a Tensor.

    Coordinates are plain values, since NumPy's formula depends on whether they are equally far apart.
    """
    f = array_of(f)
    f = f.astype(float) if f.dtype.kind in "iu" else f
    axes = tuple(range(f.ndim)) if axis is None else normalize_axis_tuple(axis, f.ndim)
    spacings = varargs or (1.0,)
    if len(spacings) == 1 and np.ndim(spacings[0]) == 0:
        spacings = spacings * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"gradient takes one spacing, or one for each of {len(axes)} axes, not {len(spacings)}")
    if edge_order not in (1, 2):
        raise ValueError(f"edge_order must be 1 or 2, not {edge_order}")
    ys = tuple([_gradient_along(f, i, h, edge_order) for i, h in zip(axes, spacings, strict=True)])
    return ys[0] if len(ys) == 1 else ys


def _gradient_along(f: Array, axis: int, h: Any, edge_order: int) -> Array:
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ValueError(f"gradient needs {edge_order + 1} elements along axis {axis}, there are {n}")
    h = _steps(h, n, axis)
    left = [f[along(axis, slice(i, i + 1))] for i in range(edge_order + 1)]
    right = [f[along(axis, slice(n - i, n - i + 1))] for i in range(edge_order + 1, 0, -1)]
    below, here, above = (f[along(axis, part)] for part in (slice(-2), slice(1, -1), slice(2, None)))
    if np.ndim(h) == 0:
        inside = (above - below) / (2.0 * h)
    else:
        column = (-1, *(1,) * (f.ndim - axis - 1))
        u, v = np.reshape(h[:-1], column), np.reshape(h[1:], column)
        inside = -v / (u * (u + v)) * below + (v - u) / (u * v) * here + u / (v * (u + v)) * above
    if edge_order == 1:
        first, last = (h, h) if np.ndim(h) == 0 else (h[0], h[-1])
        start, stop = (left[1] - left[0]) / first, (right[1] - right[0]) / last
    elif np.ndim(h) == 0:
        start = -1.5 / h * left[0] + 2.0 / h * left[1] + -0.5 / h * left[2]
        stop = 0.5 / h * right[0] + -2.0 / h * right[1] + 1.5 / h * right[2]
    else:
        p, q, r, s = h[0], h[1], h[-2], h[-1]
        start = -(2.0 * p + q) / (p * (p + q)) * left[0] + (p + q) / (p * q) * left[1] + -p / (q * (p + q)) * left[2]
        stop = s / (r * (r + s)) * right[0] + -(s + r) / (r * s) * right[1] + (2.0 * s + r) / (s * (r + s)) * right[2]
    dtype = f.dtype if f.dtype.kind == "f" else float
    return np.concatenate([part.astype(dtype) for part in (start, inside, stop)], axis=axis)


def _steps(h: Any, n: int, axis: int) -> Any:
    """One spacing, or from coordinates those between neighbours; one where all are equal, as NumPy does."""
    if np.ndim(h) == 0:
        return h
    x = np.asarray(h)
    if x.shape != (n,):
        raise ValueError(f"gradient: coordinates of shape {x.shape} along axis {axis} of length {n}")
    steps = np.diff(x.astype(float) if x.dtype.kind in "iu" else x)
    return steps[0] if (steps == steps[0]).all() else steps
