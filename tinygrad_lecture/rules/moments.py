"""Rules of reductions that measure spread, or leave NaN out: var and std, nansum and its kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.op import rules
from ..engine.primitives import detach, odot
from ..engine.values import Array
from .reduction import EXTREMUM, MEAN, REDUCTION, axes_of, kept, prod_rule, shared

VAR = "a, axis=, dtype!, out!, ddof|correction=, keepdims=, where!, mean!"


def _deviations(a: Array, axes: tuple[int, ...], ddof: float, valid: Array) -> tuple[Array, Array, Array]:
    """The deviations from the mean, the degrees of freedom, and whether all values are equal.

    valid: which places count; None for all of them. The mean is subtracted twice, since it was
    rounded the first time; and where all are equal, what is left is nothing but rounding.
    """
    d = a if valid is None else np.where(valid, a, 0.0)
    top = np.max(a if valid is None else np.where(valid, a, -np.inf), axis=axes, keepdims=True)
    equal = a == top if valid is None else (a == top) | ~valid
    n = float(np.prod([a.shape[i] for i in axes])) if valid is None else _count(a, axes)
    freedom = max(n - float(ddof), 0.0) if valid is None else np.maximum(n - float(ddof), 0.0)
    for _ in range(2):
        d = d - np.sum(d, axis=axes, keepdims=True) / n
        d = d if valid is None else np.where(valid, d, 0.0)
    return d, freedom, np.all(equal, axis=axes, keepdims=True)


def _var_rule(
    err: Array, y: Array, a: Array, axis: Any = None, ddof: float = 0, keepdims: bool = False, valid: Array = None
) -> Array:
    """err 2 (a − mean)/(n − ddof)."""
    if a.size == 0:
        return a
    d, freedom, equal = _deviations(a, axes_of(a, axis), ddof, valid)
    return odot(kept(err, a, axis), np.where(equal, 0.0, 2.0 * (d / freedom)))


def _std_rule(
    err: Array, y: Array, a: Array, axis: Any = None, ddof: float = 0, keepdims: bool = False, valid: Array = None
) -> Array:
    """err (a − mean)/((n − ddof) std); 0 where all values are equal.

    With u, the deviations in units of the largest, it is u/√((n − ddof) Σ u²): y would have lost
    digits to its mean, and small squares to underflow.
    """
    if a.size == 0:
        return a
    axes = axes_of(a, axis)
    d, freedom, equal = _deviations(a, axes, ddof, valid)
    unit = detach(np.max(abs(d), axis=axes, keepdims=True))
    u = d / np.where(equal, 1.0, unit)
    root = np.sqrt(freedom * np.sum(u * u, axis=axes, keepdims=True))
    return odot(kept(err, a, axis), np.where(equal, 0.0, u / root))


rules(np.var, _var_rule, signature=VAR)
rules(np.std, _std_rule, signature=VAR)


def _count(a: Array, axis: Any) -> Array:
    """How many elements are no NaN, along axes kept at length 1."""
    return np.sum(~np.isnan(a), axis=axes_of(a, axis), keepdims=True).astype(a.dtype)


def _nan_extremum_rule(err: Array, y: Array, a: Array, axis: Any = None, keepdims: bool = False) -> Array:
    return shared(kept(err, a, axis), a == kept(y, a, axis), axes_of(a, axis))


rules(
    np.nansum,
    lambda err, y, a, axis=None, keepdims=False: np.where(np.isnan(a), 0.0, kept(err, a, axis)),
    signature=REDUCTION,
)
rules(
    np.nanmean,
    lambda err, y, a, axis=None, keepdims=False: np.where(np.isnan(a), 0.0, kept(err, a, axis) / _count(a, axis)),
    signature=MEAN,
)
rules(
    np.nanprod,
    lambda err, y, a, **options: np.where(
        np.isnan(a), 0.0, prod_rule(err, y, np.where(np.isnan(a), 1.0, a), **options)
    ),
    signature=REDUCTION,
)
rules(np.nanmax, _nan_extremum_rule, signature=EXTREMUM)
rules(np.nanmin, _nan_extremum_rule, signature=EXTREMUM)
rules(np.nanvar, lambda err, y, a, **options: _var_rule(err, y, a, valid=~np.isnan(a), **options), signature=VAR)
rules(np.nanstd, lambda err, y, a, **options: _std_rule(err, y, a, valid=~np.isnan(a), **options), signature=VAR)
