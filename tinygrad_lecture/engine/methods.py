"""The ndarray methods that people use, each the NumPy function of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .tensor import Tensor


class ArrayMethods:
    """Methods of an ndarray, written with NumPy's functions, which find their rules by themselves."""

    __slots__ = ()

    # reductions
    def sum(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.sum."""
        return np.sum(self, axis=axis, keepdims=keepdims)

    def mean(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.mean."""
        return np.mean(self, axis=axis, keepdims=keepdims)

    def var(self: Any, axis: Any = None, ddof: Any = 0, keepdims: bool = False) -> Tensor:
        """np.var."""
        return np.var(self, axis=axis, ddof=ddof, keepdims=keepdims)

    def std(self: Any, axis: Any = None, ddof: Any = 0, keepdims: bool = False) -> Tensor:
        """np.std."""
        return np.std(self, axis=axis, ddof=ddof, keepdims=keepdims)

    def prod(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.prod."""
        return np.prod(self, axis=axis, keepdims=keepdims)

    def max(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.max."""
        return np.max(self, axis=axis, keepdims=keepdims)

    def min(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.min."""
        return np.min(self, axis=axis, keepdims=keepdims)

    def cumsum(self: Any, axis: Any = None) -> Tensor:
        """np.cumsum."""
        return np.cumsum(self, axis=axis)

    def cumprod(self: Any, axis: Any = None) -> Tensor:
        """np.cumprod."""
        return np.cumprod(self, axis=axis)

    def trace(self: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """np.trace."""
        return np.trace(self, offset, axis1, axis2)

    # without gradient
    def any(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.any: a Tensor without gradient."""
        return np.any(self, axis=axis, keepdims=keepdims)

    def all(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.all: a Tensor without gradient."""
        return np.all(self, axis=axis, keepdims=keepdims)

    def argmax(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.argmax: a Tensor without gradient."""
        return np.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.argmin: a Tensor without gradient."""
        return np.argmin(self, axis=axis, keepdims=keepdims)

    def argsort(self: Any, axis: Any = -1, kind: Any = None, *, stable: bool | None = None) -> Tensor:
        """np.argsort: a Tensor without gradient."""
        return np.argsort(self, axis=axis, kind=kind, stable=stable)

    def searchsorted(self: Any, v: Any, side: Any = "left") -> Tensor:
        """np.searchsorted: a Tensor without gradient."""
        return np.searchsorted(self, v, side)

    def round(self: Any, decimals: int = 0) -> Tensor:
        """np.round: a Tensor without gradient."""
        return np.round(self, decimals)

    def __divmod__(self: Any, other: Any) -> tuple[Tensor, Tensor]:
        return self // other, self % other

    def __rdivmod__(self: Any, other: Any) -> tuple[Tensor, Tensor]:
        return other // self, other % self

    # elements
    def clip(self: Any, min: Any = None, max: Any = None) -> Tensor:
        """np.clip."""
        return np.clip(self, min, max)

    def take(self: Any, indices: Any, axis: Any = None, mode: Any = "raise") -> Tensor:
        """np.take."""
        return np.take(self, indices, axis=axis, mode=mode)

    def repeat(self: Any, repeats: Any, axis: Any = None) -> Tensor:
        """np.repeat."""
        return np.repeat(self, repeats, axis=axis)

    def diagonal(self: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """np.diagonal."""
        return np.diagonal(self, offset, axis1, axis2)

    def dot(self: Any, other: Any) -> Tensor:
        """np.dot."""
        return np.dot(self, other)

    def conj(self: Any) -> Tensor:
        """The Tensor itself: its numbers are real."""
        return np.positive(self)

    # shape
    def reshape(self: Any, *shape: Any, order: Any = "C") -> Tensor:
        """np.reshape; the lengths may be given one by one."""
        wanted = shape[0] if len(shape) == 1 else shape
        return np.reshape(self, wanted, order=order)

    def ravel(self: Any, order: Any = "C") -> Tensor:
        """np.ravel: all elements along one axis."""
        return np.ravel(self, order)

    def flatten(self: Any, order: Any = "C") -> Tensor:
        """np.ravel: a node is never written into, so that a copy is not needed."""
        return np.ravel(self, order)

    def squeeze(self: Any, axis: Any = None) -> Tensor:
        """np.squeeze."""
        return np.squeeze(self, axis=axis)

    def swapaxes(self: Any, axis1: int, axis2: int) -> Tensor:
        """np.swapaxes."""
        return np.swapaxes(self, axis1, axis2)

    def transpose(self: Any, *axes: Any) -> Tensor:
        """np.transpose; the axes may be given one by one."""
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    @property
    def T(self: Any) -> Tensor:
        """The axes in reverse order."""
        return np.transpose(self)

    @property
    def mT(self: Any) -> Tensor:
        """The last two axes exchanged."""
        if self.ndim < 2:
            raise ValueError(f"mT needs at least two axes, this Tensor has shape {self.shape}")
        return np.transpose(self, (*range(self.ndim - 2), self.ndim - 1, self.ndim - 2))
