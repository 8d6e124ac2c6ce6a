"""Derivatives that share no code with the engine: complex step, and differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
