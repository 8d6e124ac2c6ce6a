"""Rules of functions that give an array another shape: each gives the error the old one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..engine.op import composed, rules
from ..engine.tensor import Tensor
from ..engine.values import Array


def array_of(a: Any) -> Array:
    """A Tensor as it is, anything else as an array."""
    return a if isinstance(a, Tensor) else np.asarray(a)


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """The index that takes a part along one axis, all of the others."""
    return (*(slice(None),) * axis, part)


def _reshape(a: Array, shape: Any, order: str = "C", copy: bool | None = None) -> Array:
    if order not in ("C", "F"):
        raise ValueError(f"reshape: order={order!r} depends on how memory lies; choose 'C' or 'F'")
    if copy is None:
        return np.reshape(a, shape, order=order)  # type: ignore[call-overload]
    return np.reshape(a, shape, order=order, copy=copy)  # type: ignore[call-overload]


def _axes_back(axes: Any, a: Array) -> Any:
    return None if axes is None else tuple(np.argsort(normalize_axis_tuple(axes, a.ndim)))


rules(
    np.reshape,
    lambda err, y, a, shape, order="C", copy=None: np.reshape(err, a.shape, order=order),
    signature="a, shape|newshape=, order=, copy=",
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


# axes in another order
@composed(np.swapaxes)
def swapaxes(a: Array, axis1: int, axis2: int) -> Array:
    """np.swapaxes: two axes exchanged."""
    order = list(range(a.ndim))
    i, j = normalize_axis_index(axis1, a.ndim), normalize_axis_index(axis2, a.ndim)
    order[i], order[j] = j, i
    return np.transpose(a, tuple(order))


@composed(np.moveaxis)
def moveaxis(a: Array, source: Any, destination: Any) -> Array:
    """np.moveaxis: some axes brought to other places, the rest in their order."""
    sources = normalize_axis_tuple(source, a.ndim, "source")
    destinations = normalize_axis_tuple(destination, a.ndim, "destination")
    if len(sources) != len(destinations):
        raise ValueError(f"moveaxis: {len(sources)} axes cannot move to {len(destinations)} places")
    order = [i for i in range(a.ndim) if i not in sources]
    for to, i in sorted(zip(destinations, sources, strict=True)):
        order.insert(to, i)
    return np.transpose(a, tuple(order))


@composed(np.rollaxis)
def rollaxis(a: Array, axis: int, start: int = 0) -> Array:
    """np.rollaxis: the axis comes to stand before the one that is `start` now."""
    axis = normalize_axis_index(axis, a.ndim)
    if not -a.ndim <= start <= a.ndim:
        raise ValueError(f"rollaxis: start must lie in {-a.ndim} … {a.ndim}, but is {start}")
    start += a.ndim if start < 0 else 0
    return np.moveaxis(a, axis, start - (axis < start))


@composed(np.matrix_transpose)
def matrix_transpose(x: Array, /) -> Array:
    """np.matrix_transpose: the last two axes exchanged."""
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose needs at least two axes, this Tensor has shape {x.shape}")
    return np.swapaxes(x, -1, -2)


composed(np.linalg.matrix_transpose)(np.matrix_transpose)


# axes of length 1, and none but one
composed(np.ravel)(lambda a, order="C": np.reshape(a, -1, order=order))


@composed(np.expand_dims)
def expand_dims(a: Array, axis: Any) -> Array:
    """np.expand_dims: new axes of length 1."""
    several = axis if isinstance(axis, tuple | list) else (axis,)
    ndim = a.ndim + len(several)
    new = normalize_axis_tuple(several, ndim)
    old = iter(a.shape)
    return np.reshape(a, tuple([1 if i in new else next(old) for i in range(ndim)]))


@composed(np.squeeze)
def squeeze(a: Array, axis: Any = None) -> Array:
    """np.squeeze: axes of length 1 left out, all of them by default."""
    if a.ndim == 0:
        return a
    gone = [i for i, n in enumerate(a.shape) if n == 1] if axis is None else normalize_axis_tuple(axis, a.ndim)
    if any(a.shape[i] != 1 for i in gone):
        raise ValueError(f"squeeze: axis {axis} of shape {a.shape} is not of length 1")
    return np.reshape(a, tuple([n for i, n in enumerate(a.shape) if i not in gone]))


def _at_least(fn: Any, fill: Callable[[tuple[int, ...]], tuple[int, ...]]) -> None:
    """np.atleast_1d and its kind: `fill` says the shape; several arguments give a tuple."""

    def one(x: Any) -> Array:
        return np.reshape(x, fill(x.shape)) if isinstance(x, Tensor) else fn(x)

    composed(fn)(lambda *arys: one(arys[0]) if len(arys) == 1 else tuple([one(x) for x in arys]))


_at_least(np.atleast_1d, lambda shape: shape or (1,))
_at_least(np.atleast_2d, lambda shape: (1,) * (2 - len(shape)) + shape)
_at_least(np.atleast_3d, lambda shape: shape if len(shape) > 2 else (1, *shape, 1, 1)[len(shape) > 1 :][:3])


# the same shape for all
@composed(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> tuple[Array, ...]:
    """np.broadcast_arrays: a tuple of all of them in their common shape."""
    shape = np.broadcast_shapes(*[np.shape(x) for x in args])
    return tuple([np.broadcast_to(x, shape) for x in args])


@composed(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Array, ...]:
    """np.meshgrid: a tuple of grids, each of which varies along one axis."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', not {indexing!r}")
    n = len(xi)
    order = list(range(n))
    if indexing == "xy" and n > 1:
        order[:2] = [1, 0]
    grids = tuple([np.reshape(x, (*(1,) * k, -1, *(1,) * (n - k - 1))) for k, x in zip(order, xi, strict=True)])
    return grids if sparse else np.broadcast_arrays(*grids)


# the same elements anew
composed(np.copy)(lambda a, order="K": a.astype(a.dtype))
if hasattr(np, "astype"):
    composed(np.astype)(lambda x, dtype, /, *, copy=True, device=None: x.astype(dtype))
