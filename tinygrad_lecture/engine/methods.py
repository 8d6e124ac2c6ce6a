"""The ndarray methods that people use, each the NumPy function of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .tensor import Tensor


class ArrayMethods:
    """Methods of an ndarray, written with NumPy's functions, which find their rules by themselves."""

    __slots__ = ()

    def sum(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.sum."""
        return np.sum(self, axis=axis, keepdims=keepdims)

    def mean(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.mean."""
        return np.mean(self, axis=axis, keepdims=keepdims)

    def max(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.max."""
        return np.max(self, axis=axis, keepdims=keepdims)

    def min(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.min."""
        return np.min(self, axis=axis, keepdims=keepdims)

    def prod(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """np.prod."""
        return np.prod(self, axis=axis, keepdims=keepdims)

    def argmax(self: Any, axis: Any = None) -> Tensor:
        """np.argmax: a Tensor without gradient."""
        return np.argmax(self, axis=axis)

    def argmin(self: Any, axis: Any = None) -> Tensor:
        """np.argmin: a Tensor without gradient."""
        return np.argmin(self, axis=axis)

    def clip(self: Any, min: Any = None, max: Any = None) -> Tensor:
        """np.clip."""
        return np.clip(self, min, max)

    def dot(self: Any, other: Any) -> Tensor:
        """The matrix product for up to two axes on each side, as `@`; scalars multiply."""
        if np.ndim(other) > 2:
            raise ValueError("dot by more than two axes: write np.einsum or np.matmul, which say which axes meet")
        return self * other if not (self.ndim and np.ndim(other)) else self @ other

    def reshape(self: Any, *shape: Any, order: Any = "C") -> Tensor:
        """np.reshape; the lengths may be given one by one."""
        wanted = shape[0] if len(shape) == 1 else shape
        return np.reshape(self, wanted, order=order)

    def ravel(self: Any) -> Tensor:
        """All elements along one axis."""
        return np.reshape(self, -1)

    flatten = ravel

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
