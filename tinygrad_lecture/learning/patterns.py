"""Patterns as training takes them: inputs and targets checked once, before anything is learnt."""

from __future__ import annotations

from typing import Any

import numpy as np


def checked(given: Any, what: str) -> tuple[Any, Any]:
    """Inputs and targets with one leading axis of the same length, all finite numbers.

    given: a pair (inputs, targets), arrays or dicts of arrays, or what has .inputs and .targets; what: its
    name in errors.
    Raises ValueError, which names what is wrong and the first pattern of which it is.
    """
    if hasattr(given, "inputs") and hasattr(given, "targets"):
        given = given.inputs, given.targets
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ValueError(f"{what} must be a pair (inputs, targets), or have .inputs and .targets")
    x, target = (
        {name: np.asarray(a) for name, a in side.items()} if isinstance(side, dict) else np.asarray(side)
        for side in given
    )
    for name, side in (("inputs", x), ("targets", target)):
        for part in parts(side):
            _must_be_numbers(part, f"{what}: {name}")
    if how_many(x) != how_many(target):
        raise ValueError(f"{what}: there are {how_many(x)} inputs, but {how_many(target)} targets")
    if how_many(x) == 0:
        raise ValueError(f"{what}: there are none")
    return x, target


def _must_be_numbers(a: np.ndarray, what: str) -> None:
    if a.dtype.kind not in "fiub":
        raise ValueError(f"{what} must be numbers, not {a.dtype}")
    bad = ~np.isfinite(a)
    if bad.any():
        t = np.argwhere(bad)[0]
        raise ValueError(f"{what} hold NaN or infinite numbers, the first in pattern {t[0] if len(t) else 0}")


def parts(side: Any) -> list[np.ndarray]:
    """The arrays of the inputs, or of the targets."""
    return list(side.values()) if isinstance(side, dict) else [side]


def how_many(side: Any) -> int:
    """T, the length of the leading axis of an array, or of the arrays in a dict."""
    lengths = {np.shape(part)[0] if np.ndim(part) else 0 for part in parts(side)}
    if len(lengths) != 1:
        raise ValueError(f"patterns of different numbers: {', '.join(map(str, sorted(lengths))) or 'none'}")
    return lengths.pop()


def some(side: Any, which: Any) -> Any:
    """Some patterns, or all where which is None."""
    if which is None:
        return side
    return {name: part[which] for name, part in side.items()} if isinstance(side, dict) else side[which]


def cast(side: Any, dtype: np.dtype[Any], classes: bool = False) -> Any:
    """The same numbers in the dtype of the weights: a float64 input would make all of a float32 net float64.

    classes: whether a part without a second axis holds class numbers, which stay what they are.
    """
    if isinstance(side, dict):
        return {name: cast(part, dtype, classes) for name, part in side.items()}
    return side if classes and side.ndim == 1 else side.astype(dtype, copy=False)
