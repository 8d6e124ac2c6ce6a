"""Standard deviations keep their digits, and say where there are too few values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl

mpmath = pytest.importorskip("mpmath")

EPS = np.finfo(float).eps
VALUES = {
    "apart by the last digit": [1.0, 1.0 + EPS, 1.0],
    "nearly equal": list(1.0 + EPS * np.array([3.0, -8.0, 20.0, 0.0])),
    "far from 0": [1e15, 1e15 + 1, 1e15 + 3, 1e15 + 3],
    "whose squares underflow": [1e-200, 3e-200, -2e-200],
    "whose squares overflow": [1e300, 3e300, -2e300],
    "subnormal": [5e-324, 1e-323, 0.0],
    "of all sizes": [1e300, 1.0, -1e-300],
    "plain": [0.3, -1.2, 2.5, 0.7],
}


def gradient(f: Callable[[Any], Any], x: Any) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.asarray(tl.grad(f)(np.array(x)))


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("name", VALUES)
def test_the_slope_of_a_standard_deviation_is_right_to_its_condition(name: str, ddof: int) -> None:
    with mpmath.workdps(60):
        x = [mpmath.mpf(v) for v in VALUES[name]]
        n, mean, size = len(x), sum(x) / len(x), sum(map(abs, x)) / len(x)
        std = mpmath.sqrt(sum((v - mean) ** 2 for v in x) / (n - ddof))
        slopes = [(v - mean) / ((n - ddof) * std) for v in x]
        bounds = [EPS * (16 * abs(s) + (abs(v) + size) / ((n - ddof) * std)) for s, v in zip(slopes, x, strict=True)]
        for missing, fn in (([], np.std), ([np.nan], np.nanstd)):
            found = gradient(lambda x, fn=fn: fn(x, ddof=ddof), VALUES[name] + missing)
            assert all(abs(mpmath.mpf(float(g)) - s) <= b for g, s, b in zip(found, slopes, bounds, strict=False))
            assert not found[n:].any()


@pytest.mark.parametrize("fn", [np.var, np.std, np.nanvar, np.nanstd])
@pytest.mark.filterwarnings("ignore:Degrees of freedom")
def test_too_few_values_give_no_finite_slope(fn: Any) -> None:
    for ddof in (3, 4):
        assert not np.isfinite(gradient(lambda x, ddof=ddof: fn(x, ddof=ddof), [1.0, 2.0, 4.0])).any()


@pytest.mark.parametrize(("a", "w"), [([1.0, np.inf], [1.0, 1.0]), ([1.0, 2.0], [1e-320, 1e-320])], ids=["∞", "tiny"])
def test_where_no_error_arrives_a_weighted_average_hands_on_none_of_infinite_slopes(a: Any, w: Any) -> None:
    ts = [tl.Tensor(x, requires_grad=True) for x in (a, w)]
    with np.errstate(all="ignore"):
        y = np.average(ts[0], weights=ts[1])
        y.backward(0.0)
    for t in ts:
        np.testing.assert_array_equal(t.grad, [0.0, 0.0])


def test_the_averages_of_no_rows_come_with_no_weights() -> None:
    for y in np.average(tl.Tensor(np.zeros((0, 2))), axis=1, returned=True):
        assert y.shape == (0,)


def test_where_all_is_missing_no_error_arrives() -> None:
    x = np.array([[np.nan, np.nan], [1.0, 3.0]])
    for fn in (np.nanmean, np.nanmax, np.nanmin, np.nanvar, np.nanstd, np.nansum, np.nanprod):
        with pytest.warns(RuntimeWarning) if fn not in (np.nansum, np.nanprod) else np.errstate():
            g = tl.grad(lambda x, fn=fn: np.sum(fn(x, axis=1)))(x)
        assert not g[0].any()
        assert np.isfinite(g[1]).all()
