"""From arrays to patterns: windows over a series, and inputs standardised to mean 0 and σ = 1."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .readonly import read_only


@dataclass(frozen=True, eq=False)
class Windows:
    """A series as patterns: from its n past values, the next one.

    inputs: (T, n), oldest first. targets: (T, 1).
    at: (T,), where in the series each target stands, so that `years[at]` are the years predicted.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    at: NDArray[np.intp]


def windows(series: ArrayLike, n_past: int = 12) -> Windows:
    """The windows over a series of N values: T = N − n_past patterns, one step ahead.

    inputs[t] = series[t], …, series[t + n_past − 1];  targets[t] = series[t + n_past].
    Raises ValueError for a series that is not one axis of at least n_past + 1 values, and for n_past < 1.

    >>> windows([1, 2, 3, 4], n_past=2).inputs
    array([[1, 2],
           [2, 3]])
    """
    a, n = np.asarray(series), index(n_past)
    if a.ndim != 1:
        raise ValueError(f"windows: a series has one axis, not shape {a.shape}; take one column, as in series[:, 0]")
    if n < 1:
        raise ValueError(f"windows: n_past={n}, but it takes at least 1 past value to predict the next")
    if a.size <= n:
        raise ValueError(f"windows: n_past={n} needs a series of at least {n + 1} values, and this one has {a.size}")
    inputs = np.lib.stride_tricks.sliding_window_view(a[:-1], n)
    return Windows(read_only(inputs), read_only(a[n:, None]), read_only(np.arange(n, a.size)))


@dataclass(frozen=True, eq=False)
class Standardised:
    """Standardised patterns, and the mean and the standard deviation that they had.

    values: (T, …). mean, std: (…); std is 0 for a constant column.
    """

    values: NDArray[Any]
    mean: NDArray[Any]
    std: NDArray[Any]

    def apply(self, x: ArrayLike) -> NDArray[Any]:
        """Other patterns (…) or (T, …) on the same scale, for example those held out: (x − mean) / std.

        Columns that were constant give 0: there is no spread to measure a deviation by.
        """
        return _scaled(np.asarray(x), self.mean, self.std)


def standardise(x: ArrayLike) -> Standardised:
    """Each column of x on mean 0 and standard deviation 1; constant columns at 0.

    values = (x − mean) / std, over the patterns: x is (T, …), T ≥ 1, std divides by T.
    float32 stays float32, whole numbers become float64. Raises ValueError where there is no pattern. Source: C14.
    """
    a = np.asarray(x)
    if a.ndim == 0 or len(a) == 0:
        raise ValueError(f"standardise: x of shape {a.shape} has no patterns; its first axis must be one of T ≥ 1")
    dtype = a.dtype if a.dtype.kind == "f" else np.dtype(np.float64)
    a = a.astype(np.result_type(dtype, np.float64))  # sums over many float32 patterns lose digits
    constant = a.max(axis=0) == a.min(axis=0)  # exactly: rounding gives 0.1, 0.1, 0.1 a σ of 1e-17
    mean = np.where(constant, a[0], a.mean(axis=0))
    std = np.where(constant, 0.0, a.std(axis=0))
    values, mean, std = (read_only(part.astype(dtype)) for part in (_scaled(a, mean, std), mean, std))
    return Standardised(values, mean, std)


def _scaled(x: NDArray[Any], mean: NDArray[Any], std: NDArray[Any]) -> NDArray[Any]:
    """(x − mean) / std, and 0 where std is 0."""
    return np.asarray((x - mean) / np.where(std > 0, std, std.dtype.type(np.inf)))
