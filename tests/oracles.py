"""Derivatives that share no code with the engine: complex step, differences, and what mpmath says of their digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
import numpy as np

Function = Callable[..., np.ndarray]
Arrays = Sequence[np.ndarray]


def complex_step(f: Function, xs: Arrays, v: np.ndarray) -> list[np.ndarray]:
    """The gradient of Σ v f by Im f(x + ih)/h, h = 1e-20: no subtraction, hence no cancellation."""
    h = 1e-20
    wide = [x.astype(complex) for x in xs]

    def derivative(n: int, index: tuple[int, ...]) -> float:
        moved = list(wide)
        moved[n] = wide[n].copy()
        moved[n][index] += 1j * h
        return float(np.sum(v * np.imag(f(*moved))) / h)

    return _by_element(derivative, xs)


def differences(f: Function, xs: Arrays, v: np.ndarray, h: float = 1e-4) -> list[np.ndarray]:
    """The gradient of Σ v f by central differences of two steps, extrapolated (Richardson)."""

    def derivative(n: int, index: tuple[int, ...]) -> float:
        def along(t: float) -> float:
            moved = [x.copy() for x in xs]
            moved[n][index] += t
            return float(np.sum(v * f(*moved)))

        coarse = (along(2 * h) - along(-2 * h)) / (4 * h)
        fine = (along(h) - along(-h)) / (2 * h)
        return (4 * fine - coarse) / 3

    return _by_element(derivative, xs)


def along(g: Callable[[Arrays], list[np.ndarray]], xs: Arrays, us: Arrays, h: float = 1e-3) -> list[np.ndarray]:
    """The derivative of the arrays g(xs) in the direction us, by extrapolated central differences."""

    def quotient(step: float) -> list[np.ndarray]:
        above = g([np.asarray(x + step * u) for x, u in zip(xs, us, strict=True)])
        below = g([np.asarray(x - step * u) for x, u in zip(xs, us, strict=True)])
        return [(a - b) / (2 * step) for a, b in zip(above, below, strict=True)]

    return [(4 * fine - coarse) / 3 for fine, coarse in zip(quotient(h), quotient(2 * h), strict=True)]


def _by_element(derivative: Callable[[int, tuple[int, ...]], float], xs: Arrays) -> list[np.ndarray]:
    out = [np.zeros(x.shape) for x in xs]
    for n, x in enumerate(xs):
        for index in np.ndindex(x.shape):
            out[n][index] = derivative(n, index)
    return out


NUDGE = mp.mpf(10) ** -20


def misjudged(
    exact: Callable[..., Any], at: Sequence[Any], got: float, info: Any, times: float = 1.0, steep: bool = True
) -> str:
    """What is wrong with a number that should be exact(*at), or nothing: it may be off by (16 + κ) ε.

    κ |y| = Σ |xᵢ ∂ᵢy| is what a relative change of the inputs makes, by differences of 20 digits; steep: whether it
    counts. times: for how many times as much there is a reason. Below the smallest normal number it is ε of that
    number: so are floats spaced there. What is larger than the largest number, or all but, may be ∞.
    """
    try:
        y = exact(*at)
        moved = [exact(*[x * (1 + NUDGE) if i == k else x for i, x in enumerate(at)]) for k in range(len(at))]
    except (ZeroDivisionError, ValueError):
        return ""  # a pole: that is for the table of kinks
    if mp.isnan(y) or mp.im(y):
        return ""
    steepness = steep * sum(abs(m - y) for m in moved) / NUDGE
    size = max(abs(y), mp.mpf(float(info.smallest_normal)))
    allowed = times * float(info.eps) * (16 * size + steepness * (size / abs(y) if y else 1))
    if np.isinf(got):
        right = abs(y) + allowed > float(info.max) and (got > 0) == (y > 0)
    else:
        right = not np.isnan(got) and abs(got - y) <= allowed
    return "" if right else f"{got!r}, not {mp.nstr(y, 17)}"
