"""Functions that choose: each hands the error to the side that was chosen.

At ties both sides get half (`maximum`, `minimum`, `fmax`, `fmin`); inside its bounds and at them
`clip` passes the error through.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.op import composed, refuse, slopes
from ..engine.values import Array

slopes(np.where, None, lambda y, c, a, b: c != 0, lambda y, c, a, b: c == 0, signature="condition, x, y")


def _share(y: Array, chosen: Array, other: Array, wins: Array) -> Array:
    """1 where this side was chosen, ½ at a tie (two NaN are one too), 0 elsewhere."""
    tie = (chosen == other) | (np.isnan(chosen) & np.isnan(other))
    return np.where(tie, 0.5, wins).astype(y.dtype)


# maximum and minimum choose a NaN, fmax and fmin the other side of one
slopes(
    np.maximum,
    lambda y, a, b: _share(y, a, b, (a > b) | np.isnan(a)),
    lambda y, a, b: _share(y, b, a, (b > a) | np.isnan(b)),
)
slopes(
    np.minimum,
    lambda y, a, b: _share(y, a, b, (a < b) | np.isnan(a)),
    lambda y, a, b: _share(y, b, a, (b < a) | np.isnan(b)),
)
slopes(
    np.fmax,
    lambda y, a, b: _share(y, a, b, (a > b) | np.isnan(b)),
    lambda y, a, b: _share(y, b, a, (b > a) | np.isnan(a)),
)
slopes(
    np.fmin,
    lambda y, a, b: _share(y, a, b, (a < b) | np.isnan(b)),
    lambda y, a, b: _share(y, b, a, (b < a) | np.isnan(a)),
)
slopes(np.copysign, lambda y, a, b: np.sign(a) * np.sign(y), None)


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


@composed(np.nan_to_num)
def nan_to_num(x: Array, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Array:
    """np.nan_to_num: the error passes where x is finite, and none where it was replaced."""
    if not copy:
        raise refuse("np.nan_to_num", "copy")
    if x.dtype.kind != "f":
        return +x
    largest = np.finfo(x.dtype).max
    for replaced, by in (
        (np.isnan(x), nan),
        (np.isposinf(x), largest if posinf is None else posinf),
        (np.isneginf(x), -largest if neginf is None else neginf),
    ):
        x = np.where(replaced, np.asarray(by, x.dtype), x)
    return x
