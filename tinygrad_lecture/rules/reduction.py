"""Rules of reductions: each spreads the error over the places it was reduced from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..engine.op import Op, composed, rules
from ..engine.primitives import odot, own
from ..engine.values import Array


def axes_of(a: Array, axis: Any) -> tuple[int, ...]:
    """The axes that a reduction runs over, as non-negative numbers; NumPy takes a scalar's axis 0 and −1 for none."""
    return tuple(range(a.ndim)) if axis is None or a.ndim == 0 else normalize_axis_tuple(axis, a.ndim)


def kept(r: Array, a: Array, axis: Any) -> Array:
    """The result r of a reduction of a, with its reduced axes back at length 1 (`keepdims=True`)."""
    axes = axes_of(a, axis)
    return np.reshape(r, tuple([1 if i in axes else n for i, n in enumerate(a.shape)]))


def spread(r: Array, a: Array, axis: Any) -> Array:
    """The result r of a reduction of a, repeated over the places it was reduced from."""
    return np.broadcast_to(kept(r, a, axis), a.shape)


REDUCTION = "a, axis=, dtype!, out!, keepdims=, initial!, where!"
MEAN = "a, axis=, dtype!, out!, keepdims=, where!"
EXTREMUM = "a, axis=, out!, keepdims=, initial!, where!"

rules(
    np.sum,
    lambda err, y, a, axis=None, keepdims=False: spread(err, a, axis),
    signature=REDUCTION,
)
rules(
    np.mean,
    lambda err, y, a, axis=None, keepdims=False: spread(err / (a.size // max(y.size, 1)), a, axis),
    signature=MEAN,
)


def shared(err: Array, holds: Array, axes: tuple[int, ...]) -> Array:
    """err, with its reduced axes at length 1, split evenly among the places that hold."""
    count = np.sum(holds, axis=axes, keepdims=True).astype(err.dtype)
    return np.where(holds, err / count, 0.0)


def _extremum_rule(err: Array, y: Array, a: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """The places that hold the extremum share the error evenly; NaN is an extremum."""
    top = kept(y, a, axis)
    holds = (a == top) | (np.isnan(a) & np.isnan(top))
    return shared(kept(err, a, axis), holds, axes_of(a, axis))


def _ptp_rule(err: Array, y: Array, a: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """What the maximum gets less what the minimum gets; NaN counts as the maximum alone."""
    axes = axes_of(a, axis)
    up = _extremum_rule(err, np.max(a, axis=axes), a, axis)
    down = _extremum_rule(err, np.min(a, axis=axes), a, axis)
    return up - np.where(np.isnan(a), 0.0, down)


rules(np.max, _extremum_rule, signature=EXTREMUM)
rules(np.min, _extremum_rule, signature=EXTREMUM)
rules(np.ptp, _ptp_rule, signature="a, axis=, out!, keepdims=")
composed(np.amax)(np.max)
composed(np.amin)(np.min)


def gathered(a: Array, axis: Any) -> Array:
    """a with the axes that are reduced made one, the last."""
    axes = axes_of(a, axis)
    rest = tuple([i for i in range(a.ndim) if i not in axes])
    lead = tuple([a.shape[i] for i in rest])
    n = int(np.prod([a.shape[i] for i in axes], dtype=int))
    return np.reshape(np.transpose(a, rest + axes), (*lead, n))


def ungathered(g: Array, a: Array, axis: Any) -> Array:
    """The inverse of `gathered`, for an array of its shape."""
    axes = axes_of(a, axis)
    order = tuple([i for i in range(a.ndim) if i not in axes]) + axes
    return np.transpose(np.reshape(g, tuple([a.shape[i] for i in order])), tuple(np.argsort(order)))


def times(a: Array, b: Array) -> Array:
    """a b, but 0 times what has overflowed is 0: the product of finite elements, one of which is 0."""
    with np.errstate(over="ignore", under="ignore"):
        product = odot(a, b)
    return np.where(np.isnan(product) & (b == 0), 0.0, product)


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
        a = times(a[..., 0], a[..., 1])
    outside = np.ones((*lead, 1), a.dtype)
    for pair in reversed(pairs):
        within = times(outside[..., : pair.shape[-2], None], pair[..., ::-1])
        outside = np.reshape(within, (*lead, 2 * pair.shape[-2]))
    return outside[..., :n]


def prod_rule(err: Array, y: Array, a: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """err times the product of the other elements."""
    return odot(spread(err, a, axis), ungathered(others_product(gathered(a, axis)), a, axis))


rules(np.prod, prod_rule, signature=REDUCTION)


@own(Op("weighted_average"))
def weighted_average(a: Array, w: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """Σ w a / Σ w over an axis; w has a's shape, or that of the axes."""
    numpys: Any = np.average
    return numpys(a, axis, w, keepdims=keepdims)


def _beside(w: Array, a: Array, axis: Any) -> Array:
    """Weights of the axes as an array that broadcasts with a."""
    if w.shape == a.shape:
        return w
    axes = normalize_axis_tuple(axis, a.ndim)
    ordered = np.transpose(w, tuple(np.argsort(axes)))
    return np.reshape(ordered, tuple([n if i in axes else 1 for i, n in enumerate(a.shape)]))


def _total(w: Array, a: Array, axis: Any) -> Array:
    return np.sum(_beside(w, a, axis), axis=axes_of(a, axis), keepdims=True)


def _average_rule(err: Array, y: Array, a: Array, w: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """err w / Σ w."""
    return odot(spread(err, a, axis), _beside(w, a, axis) / _total(w, a, axis))


def _average_weights_rule(err: Array, y: Array, a: Array, w: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """err (a − y) / Σ w, summed over the axes that weights of the axes alone do not have."""
    e = odot(kept(err, a, axis), (a - kept(y, a, axis)) / _total(w, a, axis))
    if w.shape == a.shape:
        return e
    axes = normalize_axis_tuple(axis, a.ndim)
    e = np.sum(e, axis=tuple([i for i in range(a.ndim) if i not in axes]))
    return np.transpose(e, tuple(np.argsort(np.argsort(axes))))


rules(weighted_average, _average_rule, _average_weights_rule, signature="a, w, axis=, keepdims=")


@composed(np.average)
def average(
    a: Array, axis: Any = None, weights: Array = None, returned: bool = False, *, keepdims: bool = False
) -> Array:
    """np.average: Σ w a / Σ w, differentiable in the weights too."""
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        return (mean, np.full(mean.shape, a.size / max(mean.size, 1), mean.dtype)) if returned else mean
    mean = weighted_average(a, weights, axis=axis, keepdims=keepdims)
    if not returned:
        return mean
    a, w = (x if hasattr(x, "dtype") else np.asarray(x) for x in (a, weights))
    total = np.sum(_beside(w, a, axis).astype(mean.dtype), axis=axes_of(a, axis), keepdims=keepdims)
    return mean, np.broadcast_to(total, mean.shape)
