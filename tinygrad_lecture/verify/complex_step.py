"""The complex step: a derivative without a subtraction, hence without cancellation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .dual import NotPossibleError

H = 1e-20
"""The step, relative to the largest argument that moves: its square is nothing beside 1."""


def complex_step(F: Callable[[list[Any]], Any], points: list[Any], direction: list[Any]) -> float:
    """The derivative of F at points along a direction, Im F(x + ihd)/h.

    F: takes a list of arrays and returns a number; it is run on plain complex arrays. points, direction: such lists.
    Right where F is analytic: np.abs, np.max, a comparison or np.conjugate loses the imaginary part, which only
    another rung can see. Raises NotPossibleError where F makes complex numbers real, and below 1e-290.
    Source: Squire and Trapp 1998.
    """
    h = H * size_of_moving(points, direction)
    moved = [np.asarray(x + 1j * h * d)[()] for x, d in zip(points, direction, strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            step = float(np.imag(F(moved)))
        except np.exceptions.ComplexWarning as warning:
            raise NotPossibleError("f makes its complex values real") from warning
    if 0.0 < abs(step) < 1e-290:
        raise NotPossibleError("the derivative is too small for a complex step")
    return step / h


def size_of_moving(points: list[Any], direction: list[Any]) -> float:
    """The largest absolute value among the arguments that a direction moves, 1 where they are 0."""
    sizes = (np.max(np.abs(np.where(d == 0, 0.0, x)), initial=0.0) for x, d in zip(points, direction, strict=True))
    return float(max(sizes, default=0.0)) or 1.0
