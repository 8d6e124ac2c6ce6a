"""Rules of reductions: each spreads the error over the places it was reduced from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..engine.op import composed, rules
from ..engine.values import Array


def axes_of(a: Array, axis: Any) -> tuple[int, ...]:
    """The axes that a reduction runs over, as non-negative numbers."""
    return tuple(range(a.ndim)) if axis is None else normalize_axis_tuple(axis, a.ndim)


def kept(r: Array, a: Array, axis: Any) -> Array:
    """The result r of a reduction of a, with its reduced axes back at length 1 (`keepdims=True`)."""
    axes = axes_of(a, axis)
    return np.reshape(r, tuple([1 if i in axes else n for i, n in enumerate(a.shape)]))


def spread(r: Array, a: Array, axis: Any) -> Array:
    """The result r of a reduction of a, repeated over the places it was reduced from."""
    return np.broadcast_to(kept(r, a, axis), a.shape)


REDUCTION = "a, axis=, dtype!, out!, keepdims=, initial!, where!"
EXTREMUM = "a, axis=, out!, keepdims=, initial!, where!"

rules(
    np.sum,
    lambda err, y, a, axis=None, keepdims=False: spread(err, a, axis),
    signature=REDUCTION,
)
rules(
    np.mean,
    lambda err, y, a, axis=None, keepdims=False: spread(err / (a.size // max(y.size, 1)), a, axis),
    signature="a, axis=, dtype!, out!, keepdims=, where!",
)


def _extremum_rule(err: Array, y: Array, a: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """The places that hold the extremum share the error evenly; NaN is an extremum."""
    top = kept(y, a, axis)
    holds = (a == top) | (np.isnan(a) & np.isnan(top))
    share = kept(err, a, axis) / np.sum(holds, axis=axes_of(a, axis), keepdims=True)
    return np.where(holds, share, 0.0)


rules(np.max, _extremum_rule, signature=EXTREMUM)
rules(np.min, _extremum_rule, signature=EXTREMUM)


def others_product(a: Array) -> Array:
    """For each element the product of the others along the last axis, without division.

    Pairs are multiplied up a tree, and the product of everything outside a pair comes down it.
    """
    n = a.shape[-1]
    lead = a.shape[:-1]
    pairs = []
    while a.shape[-1] > 1:
        if a.shape[-1] % 2:
            a = np.concatenate([a, np.ones((*lead, 1), a.dtype)], axis=-1)
        a = np.reshape(a, (*lead, a.shape[-1] // 2, 2))
        pairs.append(a)
        a = a[..., 0] * a[..., 1]
    outside = np.ones((*lead, 1), a.dtype)
    for pair in reversed(pairs):
        within = outside[..., : pair.shape[-2], None] * pair[..., ::-1]
        outside = np.reshape(within, (*lead, 2 * pair.shape[-2]))
    return outside[..., :n]


def _prod_rule(err: Array, y: Array, a: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """err times the product of the other elements."""
    axes = axes_of(a, axis)
    rest = tuple(i for i in range(a.ndim) if i not in axes)
    order = rest + axes
    lead = tuple(a.shape[i] for i in rest)
    n = int(np.prod([a.shape[i] for i in axes], dtype=int))
    flat = np.reshape(np.transpose(a, order), (*lead, n))
    moved = np.reshape(others_product(flat), tuple(a.shape[i] for i in order))
    return spread(err, a, axis) * np.transpose(moved, tuple(np.argsort(order)))


rules(np.prod, _prod_rule, signature=REDUCTION)


@composed(np.average)
def average(a: Array, axis: Any = None, weights: Array = None, *, keepdims: bool = False) -> Array:
    """np.average: Σ w a / Σ w, differentiable in the weights too."""
    if weights is None:
        return np.mean(a, axis=axis, keepdims=keepdims)
    dtype = np.result_type(*(x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype for x in (a, weights)))
    w = weights.astype(dtype) if hasattr(weights, "astype") else np.asarray(weights, dtype)
    if np.shape(w) != np.shape(a):
        if axis is None:
            raise TypeError("average: axis must be given where the shapes of a and weights differ")
        axes = normalize_axis_tuple(axis, np.ndim(a))
        if np.shape(w) != tuple(np.shape(a)[i] for i in axes):
            raise ValueError(
                f"average: weights of shape {np.shape(w)} do not match axis {axis} of a, of shape {np.shape(a)}"
            )
        w = np.transpose(w, tuple(np.argsort(axes)))
        w = np.reshape(w, tuple([n if i in axes else 1 for i, n in enumerate(np.shape(a))]))
    total = np.sum(w, axis=axis, keepdims=keepdims)
    return np.sum(a * w, axis=axis, keepdims=keepdims) / total
