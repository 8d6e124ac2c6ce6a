"""Floating-point numbers of an interval, from the subnormal ones to the largest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

Interval = tuple[float, float]

INFO = {dtype: np.finfo(dtype) for dtype in (np.float64, np.float32)}

HARD = (5e-324, 1e-310, 1e-300, 1e-160, 1e-20, 1e-8, 0.1, 0.3, 0.7, 1 - 1e-15, 1.0, 1 + 1e-15, 1.43, 2.0, 3.0, 10.0)
HARD += (19.0, 40.0, 90.0, 300.0, 700.0, 740.0, 800.0, 1e8, 1e15, 1e150, 1e200, 1e300, 1.7e308)
FEWER = (5e-324, 1e-310, 1e-160, 3e-8, 0.3, 1.0, 1.5, 40.0, 800.0, 1e150, 1.7e308)
FEWEST = (1e-300, 1e-8, 0.1, 0.7, 1.0, 3.0, 10.0, 40.0, 300.0, 800.0, 1e5)


def inside(x: float, interval: Interval, least: float = 0.0) -> bool:
    """Whether x is a finite number of an open interval, and 0 or no smaller than least."""
    return interval[0] < x < interval[1] and np.isfinite(x) and (abs(x) >= least or x == 0)


def grid(sizes: Iterable[float], interval: Interval, dtype: Any, least: float = 0.0) -> list[Any]:
    """0 and numbers of these sizes, of both signs, as far as they lie inside."""
    with np.errstate(under="ignore", over="ignore"):
        numbers = np.unique(np.array([0.0, *sizes, *[-x for x in sizes]]).astype(dtype))
    return [x for x in numbers if inside(float(x), interval, least)]


def number(rng: np.random.Generator, interval: Interval, dtype: Any, least: float = 0.0) -> Any:
    """A number of an open interval: of every order of magnitude, where functions bend, or close to an end."""
    top = float(INFO[dtype].max)
    lo, hi = (min(max(end, -top), top) for end in interval)
    while True:
        reach = rng.choice([3.0, 40.0, 800.0, np.inf, np.inf, 0.0])
        if reach == np.inf:
            x = at_rank(rng.integers(rank(lo, dtype), rank(hi, dtype), endpoint=True), dtype)
        elif reach == 0.0:
            x = dtype(rng.choice([lo, hi]) * (1.0 - np.exp(rng.uniform(-36.0, 0.0))))
        else:
            x = dtype(rng.uniform(max(lo, -reach), min(hi, reach)))
        if inside(float(x), interval, least):
            return x


def rank(x: float, dtype: Any) -> int:
    """The place of a number in the row of all floats, 0 for 0."""
    with np.errstate(under="ignore"):
        bits = int(np.abs(dtype(x)).view(WHOLE[dtype]))
    return -bits if x < 0 else bits


def at_rank(k: int, dtype: Any) -> Any:
    """The number at a place of that row."""
    size = WHOLE[dtype](abs(k)).view(dtype)
    return -size if k < 0 else size


WHOLE = {np.float64: np.int64, np.float32: np.int32}
