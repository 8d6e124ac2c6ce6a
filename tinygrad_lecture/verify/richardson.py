"""Richardson extrapolation: what difference quotients of falling steps tend to."""

from __future__ import annotations

import numpy as np

from .quotient import SAFETY, SHRINK, Quotient

BACK, AHEAD = 4, 1
"""So many steps before the most certain quotient, and after it, take part."""


def extrapolated(q: Quotient) -> tuple[float, float] | None:
    """The limit of the quotients for step → 0, and its error; None where they do not tend to one that fits.

    A central quotient errs by c₁h² + c₂h⁴ + …: from two steps h and h/4 follows a value without c₁, from three one
    without c₂. The error is how far a value is from those it was made of, plus the rounding of F.
    Source: Richardson 1911; Ridders 1982 for the error.
    """
    steps = q.steps[max(0, q.best - BACK) : q.best + AHEAD + 1]
    best, found = np.inf, q.value
    row: list[tuple[float, float]] = []
    for quotient in steps:
        above, row = row, [quotient]
        for m, (before, noise_before) in enumerate(above, 1):
            value, noise = row[-1]
            weight = 1.0 / (SHRINK ** (2 * m) - 1.0)
            better = value + weight * (value - before)
            noise = (1.0 + weight) * noise + weight * noise_before
            error = max(abs(better - value), abs(better - before)) + noise
            row.append((better, noise))
            if error < best:
                best, found = error, better
    if not np.isfinite(best) or abs(found - q.value) > SAFETY * q.error:
        return None
    return found, best
