"""Difference quotients that measure their own error: the reference of a gradient check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

EPS = float(np.finfo(float).eps)
SHRINK, STEPS = 4.0, 16
"""Each step of the difference quotient is this much smaller than the one before; there are so many."""

SAFETY = 10.0
"""The tolerance is this many times the error that the quotient shows of itself."""


@dataclass(frozen=True, slots=True)
class Quotient:
    """A difference quotient of F and what it shows of itself.

    error: how uncertain it is; reach: the largest one-sided quotient among the steps down to its own,
    the size of derivative that F can be seen to have; trouble: "kink", "jump", "unclear" or "".
    best: which step it is; steps: the value of each step, and the error that the rounding of F gives it.
    """

    value: float
    error: float
    reach: float
    trouble: str
    best: int = 0
    steps: tuple[tuple[float, float], ...] = ()

    @property
    def rounded(self) -> bool:
        """Whether most of the error is the rounding of F: no step is large enough for its dtype, and small enough."""
        return bool(self.steps) and self.steps[self.best][1] > 0.3 * self.error


def settled_quotient(
    along: Callable[[float], tuple[float, float]], scale: float, eps: float = EPS, blur: float = 0.0, terms: float = 0.0
) -> Quotient:
    """(F(+h) − F(−h)) / actual step, for the h of a falling sequence where it is most certain.

    along(t) → (position, F) at distance t; eps: the rounding of F, relative to F or to terms, the size of what it is
    summed from, whichever is larger; blur: that of positions. The steps start
    at 256 ε^⅓ max(scale, 1) and fall by SHRINK. The error is how far the quotient moves from step to step,
    plus the rounding of F over the step. At a kink the one-sided quotients stay apart as h falls; elsewhere they meet.
    """
    middle = along(0.0)[1]
    h = 256.0 * eps ** (1 / 3) * max(scale, 1.0)
    values, noises, reaches, gaps, moves = [], [], [], [], []
    for _ in range(STEPS):
        (right, above), (left, below) = along(h), along(-h)
        step = right - left
        values.append((above - below) / step)
        size = max(abs(above), abs(below), abs(middle), terms)
        noises.append((8.0 * eps * size + 4.0 * blur * abs(values[-1])) / step)
        reaches.append(max(0.0, 2.0 * max(abs(above - middle), abs(middle - below)) / step - noises[-1]))
        gaps.append(2.0 * abs((above - middle) - (middle - below)) / step)
        moves.append((abs(above - below), step * noises[-1]))
        h /= SHRINK
    errors = _errors(values, noises)
    errors[-2:] = [np.inf, np.inf]  # how they stand to smaller steps is not known
    best = _most_certain(values, errors, reaches)
    if best is None:
        return Quotient(np.nan, np.inf, 0.0, "unclear")
    reach = max(r for r in reaches[: best + 1] if np.isfinite(r))
    trouble = "kink" if _apart(values, noises, gaps) else "jump" if _jumps(moves) else ""
    steps = tuple(zip(values, noises, strict=True))
    return Quotient(values[best], errors[best], reach, trouble, best, steps)


def _errors(values: list[float], noises: list[float]) -> list[float]:
    """How uncertain each quotient is: its move from the step before, or those after it, which rounding makes grow."""
    moves = [np.inf, *(abs(b - a) for a, b in pairwise(values))]
    after = [[m / SHRINK**i for i, m in enumerate(moves[k : k + 3])] for k in range(len(moves))]
    return [n + max(ms) if np.isfinite(ms[0]) else np.inf for n, ms in zip(noises, after, strict=True)]


def _most_certain(values: list[float], errors: list[float], reaches: list[float], first: int = 0) -> int | None:
    """The step of least error² / reach: a quotient of tiny size is not certain only for being small.

    Where two smaller steps in a row agree on quite another value, F has something narrow here, and
    the choice is among them and what follows: a derivative is a limit.
    """
    finite = [k for k in range(first, len(errors)) if np.isfinite(errors[k]) and np.isfinite(reaches[k])]
    if not finite:
        return None
    scores = {k: errors[k] ** 2 / reaches[k] if reaches[k] > 0.0 else errors[k] and np.inf for k in finite}
    best = min(finite, key=lambda k: (scores[k], errors[k]))
    reach = max(reaches[k] for k in finite if k <= best)
    for k in range(best + 2, len(values)):
        apart = abs(values[k] - values[best])
        if apart > SAFETY * errors[best] + 1e-3 * reach and errors[k] + abs(values[k] - values[k - 1]) < 0.1 * apart:
            return _most_certain(values, errors, reaches, k - 1)
    return best


def _apart(values: list[float], noises: list[float], gaps: list[float]) -> bool:
    """Whether the one-sided quotients stay equally far apart down to the smallest steps that can tell."""
    for k in range(len(values) - 1, 2, -1):
        far = gaps[k] > 1e-3 * abs(values[k]) + 50.0 * noises[k]
        if far:
            return all(0.3 * gaps[k - i - 2] < gaps[k - i] < 3.0 * gaps[k - i - 2] for i in (0, 1))
        if 50.0 * noises[k] < 1e-3 * abs(values[k]):
            return False  # they have met
    return False


def _jumps(moves: list[tuple[float, float]]) -> bool:
    """Whether F moves as much over each of the last steps, though they shrink: moves are |ΔF| and its rounding."""
    last = [move for move, _ in moves[-4:]]
    return all(move > 50.0 * noise for move, noise in moves[-4:]) and max(last) < 1.5 * min(last)
