"""np.pad, axis by axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.op import composed
from ..engine.primitives import scatter_add
from ..engine.values import Array
from .shape import along

OPTIONS = {"constant": "constant_values", "reflect": "reflect_type", "symmetric": "reflect_type"}
MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


@composed(np.pad)
def pad(array: Array, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Array:
    """np.pad in the modes constant, edge, reflect, symmetric and wrap."""
    given = "".join(f", {k}={v!r}" for k, v in kwargs.items())
    if mode not in MODES or kwargs.get("reflect_type", "even") != "even":
        raise TypeError(
            f"pad: mode={mode!r}{given} has no local rule; there are {', '.join(MODES)}, "
            "or join pieces with np.concatenate"
        )
    if set(kwargs) - {OPTIONS.get(mode)}:
        raise ValueError(f"pad: mode={mode!r}{given}: this mode does not take it")
    if mode == "constant":
        return _framed(array, pad_width, **kwargs)
    for axis, width in enumerate(_widths(pad_width, array.ndim)):
        if any(width):
            array = array[along(axis, np.pad(np.arange(array.shape[axis]), width, mode))]
    return array


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """How much is added before and behind, axis by axis."""
    if isinstance(pad_width, dict):
        given = {axis % ndim: width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(given.get(axis, 0), 2) for axis in range(ndim)]
    widths = np.broadcast_to(pad_width, (ndim, 2))
    if widths.dtype.kind not in "iu":
        raise TypeError(f"pad: widths must be integers, not {pad_width}")
    if (widths < 0).any():
        raise ValueError(f"pad: widths must not be negative, but are {pad_width}")
    return [(int(before), int(behind)) for before, behind in widths]


def _framed(array: Array, pad_width: Any, constant_values: Any = 0) -> Array:
    """The array within a frame of constant values."""
    widths = _widths(pad_width, array.ndim)
    inside = tuple([slice(before, before + n) for (before, _), n in zip(widths, array.shape, strict=True)])
    shape = tuple([before + n + behind for (before, behind), n in zip(widths, array.shape, strict=True)])
    y = scatter_add(array, inside, shape)
    if not np.any(constant_values):
        return y
    frame = np.pad(np.zeros(array.shape, array.dtype), pad_width, constant_values=constant_values)
    outside = np.ones(shape, bool)
    outside[inside] = False
    return np.where(outside, frame, y)
