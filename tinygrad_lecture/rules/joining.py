"""Rules of functions that make one array of several: each gives every one its part of the error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..engine.op import composed, refuse, rules
from ..engine.values import Array
from .shape import along, array_of


def _several(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None
) -> tuple[tuple[Array, ...], dict[str, Any]]:
    for name, value in {"out": out, "dtype": dtype, "casting": casting}.items():
        if value is not None:
            raise refuse("joining arrays", name)
    return tuple(arrays), {"axis": axis}


def _concatenate_each(k: int, err: Array, y: Array, *xs: Array, axis: Any = 0) -> Array:
    """The part of the error that stands where input k stood."""
    if axis is None:
        start = sum(np.size(x) for x in xs[:k])
        return np.reshape(err[start : start + np.size(xs[k])], np.shape(xs[k]))
    axis = axis % y.ndim
    start = sum(np.shape(x)[axis] for x in xs[:k])
    return err[along(axis, slice(start, start + np.shape(xs[k])[axis]))]


rules(
    np.concatenate,
    each=_concatenate_each,
    signature=_several,
    forward=lambda *xs, axis: np.concatenate(xs, axis=axis),
)
rules(
    np.stack,
    each=lambda k, err, y, *xs, axis=0: err[along(axis % y.ndim, k)],
    signature=_several,
    forward=lambda *xs, axis: np.stack(xs, axis=axis),
)


@composed(np.hstack)
def hstack(tup: Any) -> Array:
    """np.hstack: one beside the other."""
    arrays = [np.atleast_1d(x) for x in tup]
    return np.concatenate(arrays, axis=0 if arrays[0].ndim == 1 else 1)


composed(np.vstack)(lambda tup: np.concatenate([np.atleast_2d(x) for x in tup], axis=0))
composed(np.dstack)(lambda tup: np.concatenate([np.atleast_3d(x) for x in tup], axis=2))


@composed(np.column_stack)
def column_stack(tup: Any) -> Array:
    """np.column_stack: what has one axis is a column."""
    arrays = [array_of(x) for x in tup]
    return np.concatenate([x if x.ndim > 1 else np.reshape(x, (-1, 1)) for x in arrays], axis=1)


@composed(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Array:
    """np.append: the values behind the array, both in one row where no axis is given."""
    return np.concatenate([np.ravel(arr), np.ravel(values)] if axis is None else [arr, values], axis=axis or 0)


@composed(np.block)
def block(arrays: Any) -> Array:
    """np.block: nested lists, the innermost ones joined along the last axis."""
    depth = _depth(arrays)
    return _joined(arrays, depth, max(depth, _most_axes(arrays)))


def _depth(arrays: Any) -> int:
    """How deep the lists are nested."""
    if isinstance(arrays, tuple):
        raise TypeError("block takes nested lists, not tuples")
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(x) for x in arrays}
    if len(depths) != 1:
        raise ValueError("block: lists must not be empty, and all be nested to the same depth")
    return 1 + depths.pop()


def _most_axes(arrays: Any) -> int:
    return max(_most_axes(x) for x in arrays) if isinstance(arrays, list) else np.ndim(arrays)


def _joined(arrays: Any, depth: int, ndim: int) -> Array:
    if depth == 0:
        x = array_of(arrays)
        return np.reshape(x, (1,) * (ndim - x.ndim) + x.shape)
    return np.concatenate([_joined(x, depth - 1, ndim) for x in arrays], axis=-depth)


# one array, several times over
@composed(np.tile)
def tile(A: Array, reps: Any) -> Array:
    """np.tile: the whole array over and over again, along each axis."""
    times = tuple(reps) if np.ndim(reps) else (reps,)
    ndim = max(A.ndim, len(times))
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (ndim - A.ndim) + A.shape
    apart = tuple([n for pair in zip((1,) * ndim, shape, strict=True) for n in pair])
    filled = tuple([n for pair in zip(times, shape, strict=True) for n in pair])
    whole = tuple([t * n for t, n in zip(times, shape, strict=True)])
    return np.reshape(np.broadcast_to(np.reshape(A, apart), filled), whole)


@composed(np.repeat)
def repeat(a: Array, repeats: Any, axis: Any = None) -> Array:
    """np.repeat: each element several times, one behind the other."""
    a = np.ravel(a) if axis is None or a.ndim == 0 else a
    axis = normalize_axis_index(axis or 0, a.ndim)
    repeats = np.asarray(repeats)  # the shape depends on them
    n = a.shape[axis]
    if repeats.size != 1:
        return a[along(axis, np.repeat(np.arange(n), repeats))]
    before, behind, r = a.shape[:axis], a.shape[axis + 1 :], int(repeats.item())
    apart = np.broadcast_to(np.reshape(a, (*before, n, 1, *behind)), (*before, n, r, *behind))
    return np.reshape(apart, (*before, n * r, *behind))


@composed(np.resize)
def resize(a: Array, new_shape: Any) -> Array:
    """np.resize: the elements in order, over and over again, until the shape is full."""
    a = np.ravel(a)
    if a.size == 0:
        return np.zeros(new_shape, a.dtype)
    return a[np.resize(np.arange(a.size), new_shape)]
