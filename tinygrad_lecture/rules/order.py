"""Rules of sorting: each sends the error back to where an element came from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.op import rules
from ..engine.values import Array
from .reduction import gathered, shared, ungathered


def _stably(a: Array, axis: int) -> Array:
    """The places of the elements in rising order; where some are equal, in the order in which they stand."""
    return np.argsort(a, axis=axis, kind="stable")


def _ranks(a: Array, axis: int) -> Array:
    """For each element the number of those that come before it in rising order."""
    return np.argsort(_stably(a, axis), axis=axis)


def _sort_rule(err: Array, y: Array, a: Array, axis: Any = -1, kind: Any = None, stable: Any = None) -> Array:
    """Each element gets the error of the place it was sorted to."""
    if axis is None:
        return np.reshape(_sort_rule(err, y, np.ravel(a)), a.shape)
    return np.take_along_axis(err, _ranks(a, axis), axis=axis)


def _partition_rule(err: Array, y: Array, a: Array, kth: Any, axis: Any = -1, kind: Any = None) -> Array:
    """Of equal rank before and after: each element gets the error of the place it was moved to."""
    rising = np.take_along_axis(err, _stably(y, -1 if axis is None else axis), axis=-1 if axis is None else axis)
    return _sort_rule(rising, y, a, axis)


def _median_rule(err: Array, y: Array, a: Array, axis: Any = None, keepdims: bool = False, **_: Any) -> Array:
    """The middle element gets the error, of two middle ones each half of it; if there are NaN, they share it."""
    flat = gathered(a, axis)
    n, rank, missing = flat.shape[-1], _ranks(flat, -1), np.isnan(flat)
    middle = (rank == (n - 1) // 2) | (rank == n // 2)
    holds = np.where(np.any(missing, axis=-1, keepdims=True), missing, middle)
    last = np.reshape(err, (*flat.shape[:-1], 1))
    return ungathered(shared(last, holds, (-1,)), a, axis)


rules(np.sort, _sort_rule, signature="a, axis=, kind=, order!, stable=")
rules(np.partition, _partition_rule, signature="a, kth=, axis=, kind=, order!")
rules(np.median, _median_rule, signature="a, axis=, out!, overwrite_input=, keepdims=")
