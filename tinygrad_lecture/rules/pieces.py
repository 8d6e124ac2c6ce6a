"""Functions that take pieces of an array, or its elements in another order: each is an index."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..engine.op import composed, refuse
from ..engine.tensor import Tensor
from ..engine.values import Array
from .shape import along


# pieces one behind the other
@composed(np.array_split)
def array_split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """np.array_split: a list of pieces, which need not be equally long."""
    axis = normalize_axis_index(axis, ary.ndim)
    n = ary.shape[axis]
    if np.ndim(indices_or_sections):
        bounds = [0, *indices_or_sections, n]
    else:
        sections = int(indices_or_sections)
        if sections <= 0:
            raise ValueError(f"array_split: there must be at least one section, not {sections}")
        each, longer = divmod(n, sections)
        bounds = [k * each + min(k, longer) for k in range(sections + 1)]
    return [ary[along(axis, slice(i, j))] for i, j in pairwise(bounds)]


@composed(np.split)
def split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """np.split: a list of pieces, equally long where their number is given."""
    if not np.ndim(indices_or_sections) and ary.shape[axis] % indices_or_sections:
        raise ValueError(
            f"split: axis {axis} of shape {ary.shape} has no {indices_or_sections} equal parts; use np.array_split"
        )
    pieces: list[Array] = array_split(ary, indices_or_sections, axis)
    return pieces


def _split_along(name: str, ary: Array, parts: Any, axis: int, least: int) -> list[Array]:
    if ary.ndim < least:
        raise ValueError(f"{name} needs at least {least} axes, this Tensor has shape {ary.shape}")
    pieces: list[Array] = split(ary, parts, axis)
    return pieces


composed(np.hsplit)(lambda ary, indices_or_sections: _split_along("hsplit", ary, indices_or_sections, ary.ndim > 1, 1))
composed(np.vsplit)(lambda ary, indices_or_sections: _split_along("vsplit", ary, indices_or_sections, 0, 2))
composed(np.dsplit)(lambda ary, indices_or_sections: _split_along("dsplit", ary, indices_or_sections, 2, 3))


def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """np.unstack: a tuple of what stands along an axis."""
    axis = normalize_axis_index(axis, x.ndim)
    return tuple([x[along(axis, i)] for i in range(x.shape[axis])])


if hasattr(np, "unstack"):
    composed(np.unstack)(unstack)


# the other way round
@composed(np.flip)
def flip(m: Array, axis: Any = None) -> Array:
    """np.flip: the elements along axes, all of them by default, in reverse order."""
    axes = range(m.ndim) if axis is None else normalize_axis_tuple(axis, m.ndim)
    return m[tuple([slice(None, None, -1 if i in axes else 1) for i in range(m.ndim)])]


composed(np.fliplr)(lambda m: flip(m, 1))
composed(np.flipud)(lambda m: flip(m, 0))


@composed(np.roll)
def roll(a: Array, shift: Any, axis: Any = None) -> Array:
    """np.roll: what is pushed out at one end comes in at the other."""
    if axis is None:
        return np.reshape(roll(np.ravel(a), np.sum(shift), 0), a.shape)
    shifts: dict[int, int] = {}
    for s, i in np.broadcast(shift, normalize_axis_tuple(axis, a.ndim, allow_duplicate=True)):
        shifts[int(i)] = shifts.get(int(i), 0) + int(s)
    for i, s in shifts.items():
        s %= a.shape[i] or 1
        a = np.concatenate([a[along(i, slice(-s, None))], a[along(i, slice(-s))]], axis=i) if s else a
    return a


@composed(np.rot90)
def rot90(m: Array, k: int = 1, axes: Any = (0, 1)) -> Array:
    """np.rot90: k quarter turns from the first axis towards the second."""
    i, j = normalize_axis_tuple(axes, m.ndim)
    if k % 4 == 1:
        return np.swapaxes(flip(m, j), i, j)
    if k % 4 == 2:
        return flip(m, (i, j))
    return flip(np.swapaxes(m, i, j), j) if k % 4 else m


# elements by their number
def _at(a: Any, index: tuple[Any, ...]) -> Array:
    """a[index]; recorded too where only the index is a Tensor."""
    return (a if isinstance(a, Tensor) else Tensor(a))[index]


def _lines(a: Any, axis: Any) -> tuple[Array, int]:
    """The array whose axis is meant, all elements in a row where none is given, and the axis."""
    a = np.ravel(a) if axis is None or np.ndim(a) == 0 else a
    return a, normalize_axis_index(axis or 0, np.ndim(a))


@composed(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Array:
    """np.take: the elements or slices with these numbers, which may be an integer Tensor."""
    if out is not None:
        raise refuse("take", "out")
    a, axis = _lines(a, axis)
    i: Any = indices if isinstance(indices, Tensor) else np.asarray(indices)
    i = i.astype(int) if i.dtype == bool or not i.size else i
    i = int(i) if i.ndim == 0 and not isinstance(i, Tensor) else i
    if mode == "wrap":
        i = np.mod(i, a.shape[axis])
    elif mode == "clip":
        i = np.minimum(np.maximum(i, 0), a.shape[axis] - 1)
    elif mode != "raise":
        raise ValueError(f"take: mode must be 'raise', 'wrap' or 'clip', not {mode!r}")
    return _at(a, along(axis, i))


@composed(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Array:
    """np.take_along_axis: along each line, the elements with that line's numbers, which may be an integer Tensor."""
    if axis is None:
        arr, axis = np.ravel(arr), 0
    ndim = np.ndim(arr)
    if np.ndim(indices) != ndim:
        raise ValueError(f"take_along_axis: indices of shape {np.shape(indices)} must have {ndim} axes")
    axis = normalize_axis_index(axis, ndim)
    lines = [np.reshape(np.arange(n), (-1, *(1,) * (ndim - i - 1))) for i, n in enumerate(np.shape(arr))]
    return _at(arr, (*lines[:axis], indices, *lines[axis + 1 :]))


@composed(np.delete)
def delete(arr: Array, obj: Any, axis: Any = None) -> Array:
    """np.delete: all elements but those with these numbers."""
    arr, axis = _lines(arr, axis)
    left = np.zeros(arr.shape[axis], bool)
    left[np.delete(np.arange(arr.shape[axis]), obj)] = True
    return arr[along(axis, left)]


@composed(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Array:
    """np.compress: the slices whose condition holds; its length says how far it reaches."""
    if out is not None:
        raise refuse("compress", "out")
    a, axis = _lines(a, axis)
    holds = np.zeros(np.shape(a)[axis], bool)
    holds[np.flatnonzero(np.asarray(condition))] = True
    return _at(a, along(axis, holds))


composed(np.extract)(lambda condition, arr: compress(np.ravel(np.asarray(condition)), arr))
