"""Functions that choose: each hands the error to the side that was chosen.

At ties both sides get half (`maximum`, `minimum`); inside its bounds and at them `clip` passes
the error through.
"""

from __future__ import annotations

import numpy as np

from ..engine.op import slopes
from ..engine.values import Array

slopes(np.where, None, lambda y, c, a, b: c != 0, lambda y, c, a, b: c == 0, signature="condition, x, y")


def _share(y: Array, chosen: Array, other: Array, wins: Array) -> Array:
    """1 where this side was chosen (a NaN is), ½ at a tie, 0 elsewhere."""
    tie = (chosen == other) | (np.isnan(chosen) & np.isnan(other))
    return np.where(tie, 0.5, np.where(wins | np.isnan(chosen), 1.0, 0.0))


slopes(np.maximum, lambda y, a, b: _share(y, a, b, a > b), lambda y, a, b: _share(y, b, a, b > a))
slopes(np.minimum, lambda y, a, b: _share(y, a, b, a < b), lambda y, a, b: _share(y, b, a, b < a))


def _below(x: Array, lo: Array) -> Array:
    return False if lo is None else x < lo


def _above(x: Array, hi: Array) -> Array:
    return False if hi is None else x > hi


# np.clip is minimum(maximum(x, lo), hi): where the bounds cross, hi is chosen whatever x is
slopes(
    np.clip,
    lambda y, x, lo=None, hi=None: ~(_below(x, lo) | _above(x, hi) | _crossed(lo, hi)),
    lambda y, x, lo=None, hi=None: _below(x, lo) & ~_crossed(lo, hi),
    lambda y, x, lo=None, hi=None: _above(x, hi) | _crossed(lo, hi),
    signature="a, a_min|min, a_max|max, out!",
)


def _crossed(lo: Array, hi: Array) -> Array:
    return np.bool_(False) if lo is None or hi is None else np.bool_(True) & (lo > hi)
