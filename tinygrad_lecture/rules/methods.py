"""Methods of ufuncs, each of them a function that has a rule: np.add.reduce is np.sum."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..engine.op import METHODS
from ..engine.values import Array
from .shape import array_of


def _along_first(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function with axis 0 where none is given, as methods of ufuncs have it."""

    @wraps(fn)
    def method(array: Any, axis: Any = 0, **options: Any) -> Array:
        return fn(array, axis=axis, **{k: v for k, v in options.items() if v is not None})

    return method


REDUCTIONS: dict[np.ufunc, Any] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}
for ufunc, fn in REDUCTIONS.items():
    METHODS[ufunc, "reduce"] = _along_first(fn)
METHODS[np.add, "accumulate"] = _along_first(np.cumsum)
METHODS[np.multiply, "accumulate"] = _along_first(np.cumprod)


def _outer(ufunc: np.ufunc) -> Callable[..., Any]:
    """The ufunc of each element of a with each of b: shape a.shape + b.shape."""

    def outer(a: Any, b: Any, **options: Any) -> Array:
        a, b = array_of(a), array_of(b)
        return ufunc(np.reshape(a, a.shape + (1,) * b.ndim), b, **options)

    outer.__name__, outer.__module__ = f"{ufunc.__name__}.outer", "numpy"
    return outer


for binary in vars(np).values():
    if isinstance(binary, np.ufunc) and (binary.nin, binary.nout, binary.signature) == (2, 1, None):
        METHODS[binary, "outer"] = _outer(binary)
