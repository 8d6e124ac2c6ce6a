"""Piecewise constant functions, which give Tensors without gradient, and plain answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.op import composed, constant, plain

for comparison in (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal):
    constant(comparison)
for logical in (
    *(np.logical_and, np.logical_or, np.logical_xor, np.logical_not),
    *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert),
    *(np.isnan, np.isfinite, np.isinf),
):
    constant(logical)
for step in (np.sign, np.floor, np.ceil, np.trunc, np.rint, np.floor_divide):
    constant(step)
for position in (np.argmax, np.argmin):
    constant(position, "a, axis=, out!, keepdims=")

plain(np.shape, lambda a: a.shape)
plain(np.ndim, lambda a: a.ndim)
plain(np.size, lambda a, axis=None: a.size if axis is None else a.shape[axis])


def _constant_like(fn: Any) -> None:
    """np.zeros_like and its kind: an array that takes nothing but shape and dtype from a Tensor."""

    def like(a: Any, *fill: Any, dtype: Any = None) -> Any:
        return fn(np.empty(a.shape, a.dtype), *fill, dtype=dtype)

    plain(fn, like)


_constant_like(np.zeros_like)
_constant_like(np.ones_like)
_constant_like(np.empty_like)


@composed(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None) -> Any:
    """np.full_like; a Tensor as the fill value is broadcast, and gets its gradient."""
    fill = np.broadcast_to(fill_value, np.shape(a))
    return fill.astype(a.dtype if dtype is None else dtype)
