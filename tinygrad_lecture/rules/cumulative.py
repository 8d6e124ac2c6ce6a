"""Rules of running sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..engine.op import composed, rules
from ..engine.values import Array
from .reduction import times
from .shape import along

CUMULATIVE = "a, axis=, dtype!, out!"


def _cumsum_rule(err: Array, y: Array, a: Array, axis: Any = None) -> Array:
    """The sum of the errors that arrive at a place and behind it."""
    turned = along(0 if axis is None else axis % y.ndim, slice(None, None, -1))
    return np.reshape(np.cumsum(err[turned], axis=axis)[turned], a.shape)


def _cumprod_rule(err: Array, y: Array, a: Array, axis: Any = None) -> Array:
    """y_{i−1} s_i with s_i = err_i + a_{i+1} s_{i+1}: no division, hence right with zeros.

    The recurrence takes log n steps: after each, s has seen twice as many of the errors behind
    it, and factor is the product of as many elements.
    """
    axis = 0 if axis is None else axis
    s, y, factor = (np.swapaxes(v, axis, -1) for v in (err, y, np.reshape(a, y.shape)))
    factor, step = factor[..., 1:], 1
    while step < s.shape[-1]:
        s = np.concatenate([s[..., :-step] + times(s[..., step:], factor), s[..., -step:]], axis=-1)
        factor = times(factor[..., :-step], factor[..., step:])
        step *= 2
    before = np.concatenate([np.ones(y[..., :1].shape, y.dtype), y[..., :-1]], axis=-1)
    return np.reshape(np.swapaxes(times(s, before), axis, -1), a.shape)


rules(np.cumsum, _cumsum_rule, signature=CUMULATIVE)
rules(np.cumprod, _cumprod_rule, signature=CUMULATIVE)


def _cumulative(total: Any, start: int, x: Array, axis: Any, include_initial: bool) -> Array:
    """np.cumsum or np.cumprod as the array API wants it."""
    x = np.atleast_1d(x)
    if axis is None and x.ndim > 1:
        raise ValueError(f"an array of shape {x.shape} has more than one axis, so that axis= must be given")
    axis = 0 if axis is None else normalize_axis_index(axis, x.ndim)
    y = total(x, axis=axis)
    if not include_initial:
        return y
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    return np.concatenate([np.full(shape, start, y.dtype), y], axis=axis)


if hasattr(np, "cumulative_sum"):
    composed(np.cumulative_sum)(
        lambda x, /, *, axis=None, include_initial=False: _cumulative(np.cumsum, 0, x, axis, include_initial)
    )
    composed(np.cumulative_prod)(
        lambda x, /, *, axis=None, include_initial=False: _cumulative(np.cumprod, 1, x, axis, include_initial)
    )
