"""Rules of norms: each hands err times the direction in which the norm grows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.op import composed, rules
from ..engine.primitives import detach, odot
from ..engine.values import Array
from .reduction import axes_of, kept, shared


def _is_even(p: float) -> bool:
    return p > 0 and p % 2 == 0


def _power_of_size(u: Array, p: float) -> Array:
    """|u|^p, 0 at u = 0; for even p without |u|, whose slope at 0 would end the higher orders."""
    if _is_even(p):
        return u ** int(p)
    return np.where(u == 0, 0.0, np.where(u == 0, 1.0, np.abs(u)) ** p)


def unit(a: Array, p: float, axes: tuple[int, ...]) -> Array:
    """a/‖a‖_p, 0 where ‖a‖_p is 0: finite wherever a is, to all orders.

    The elements are first divided by the one that decides, which changes nothing: no power over- or underflows.
    """
    sizes = np.abs(a)
    size = np.min(sizes, axis=axes, keepdims=True) if p < 0 else np.max(sizes, axis=axes, keepdims=True)
    dead = size == 0
    size = detach(np.where(dead | np.isinf(size), 1.0, size))
    with np.errstate(over="ignore"):  # for p < 0, of what is so much larger that its share is 0
        u = a / size
        total = np.where(dead, 1.0, np.sum(_power_of_size(u, p), axis=axes, keepdims=True))
    return u * np.where(dead, 0.0, 1.0 / (np.sqrt(total) if p == 2 else total ** (1 / p)))


def _slope(x: Array, p: float, axes: tuple[int, ...]) -> Array:
    """∂‖x‖_p/∂x = sign(x) (|x|/‖x‖)^(p−1), 0 at x = 0."""
    if p == 0:
        return np.where(np.isnan(x), 0.0, 0.0 * np.sign(x))
    if p == 1:
        return np.sign(x)
    v = unit(x, p, axes)
    return v ** int(p - 1) if _is_even(p) else np.sign(v) * _power_of_size(v, p - 1)


def _norm_rule(err: Array, y: Array, x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """err times the slope; for ±inf the places that hold the extremum share the error evenly."""
    axes = axes_of(x, axis)
    err = kept(err, x, axis)
    if x.size == 0:
        return np.broadcast_to(err, x.shape)
    p = 2.0 if ord in (None, "fro", "f") else float(ord)
    if abs(p) == np.inf:
        top, sizes = kept(y, x, axis), np.abs(x)
        return np.sign(x) * shared(err, (sizes == top) | (np.isnan(sizes) & np.isnan(top)), axes)
    return odot(err, _slope(x, p, axes))


def _norm(x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """np.linalg.norm, of matrices the Frobenius norm alone."""
    n_axes = np.ndim(x) if axis is None else len(axis) if isinstance(axis, tuple) else 1
    if n_axes == 2 and ord not in (None, "fro", "f"):
        raise TypeError(
            f"norm with a Tensor does not take ord={ord!r} of matrices: they have 'fro', vectors (axis=k, or "
            "np.linalg.vector_norm) every number; or leave the graph on purpose with t.detach() or t.numpy()"
        )
    return np.linalg.norm(x, ord, axis, keepdims)


rules(np.linalg.norm, _norm_rule, signature="x, ord=, axis=, keepdims=", forward=_norm)
rules(
    np.linalg.vector_norm,
    lambda err, y, x, axis=None, keepdims=False, ord=2: _norm_rule(err, y, x, ord, axis),
    signature="x, axis=, keepdims=, ord=",
)


@composed(np.linalg.matrix_norm)
def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """np.linalg.matrix_norm, 'fro' alone."""
    return np.linalg.norm(x, ord=ord, axis=(-2, -1), keepdims=keepdims)
