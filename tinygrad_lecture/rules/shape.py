"""Rules of functions that move elements about: each moves the error back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..engine.op import rules
from ..engine.values import Array


def _reshape(a: Array, shape: Any, order: str = "C") -> Array:
    if order not in ("C", "F"):
        raise ValueError(f"reshape: order={order!r} depends on how memory lies; choose 'C' or 'F'")
    return np.reshape(a, shape, order=order)  # type: ignore[call-overload]


def _axes_back(axes: Any, a: Array) -> Any:
    return None if axes is None else tuple(np.argsort(normalize_axis_tuple(axes, a.ndim)))


rules(
    np.reshape,
    lambda err, y, a, shape, order="C": np.reshape(err, a.shape, order=order),
    signature="a, shape=, order=",
    forward=_reshape,
)
rules(
    np.transpose,
    lambda err, y, a, axes=None: np.transpose(err, _axes_back(axes, a)),
    signature="a, axes=",
)
rules(
    np.broadcast_to,
    lambda err, y, a, shape: err,  # the walk undoes broadcasting
    signature="array, shape=, subok!",
    broadcasts=True,
)


def _concatenate_each(k: int, err: Array, y: Array, *xs: Array, axis: Any = 0) -> Array:
    """The part of the error that stands where input k stood."""
    if axis is None:
        start = sum(np.size(x) for x in xs[:k])
        return np.reshape(err[start : start + np.size(xs[k])], np.shape(xs[k]))
    axis = axis % y.ndim
    start = sum(np.shape(x)[axis] for x in xs[:k])
    return err[(slice(None),) * axis + (slice(start, start + np.shape(xs[k])[axis]),)]


rules(
    np.concatenate,
    each=_concatenate_each,
    signature=lambda arrays, axis=0: (tuple(arrays), {"axis": axis}),
    forward=lambda *xs, axis: np.concatenate(xs, axis=axis),
)
rules(
    np.stack,
    each=lambda k, err, y, *xs, axis=0: err[(slice(None),) * (axis % y.ndim) + (k,)],
    signature=lambda arrays, axis=0: (tuple(arrays), {"axis": axis}),
    forward=lambda *xs, axis: np.stack(xs, axis=axis),
)
