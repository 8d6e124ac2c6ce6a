"""The digits of sums and products: each component within γ = nε/(1 − nε) of the sizes of its terms, summed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import title
from tests.cases.totals import TOTALS, WITHOUT, Total, itself
from tinygrad_lecture.engine.op import OPS

STEP = mp.mpf(10) ** -40


def numbers(rng: np.random.Generator, shape: tuple[int, ...], spread: float, dtype: Any) -> np.ndarray:
    """Of both signs and of many orders of magnitude, so that sums cancel and small terms hide beside large ones."""
    size = 2.0 ** rng.uniform(-spread, spread, shape)
    return np.asarray(size * rng.choice([-1.0, 1.0], shape)).astype(dtype)


def jacobian(f: Callable[..., Any], xs: list[Any], k: int) -> np.ndarray:
    """∂y_j/∂x_i of input k, by differences of 120 digits: 40 are left where small numbers stand beside large ones."""
    start, columns = np.ravel(np.asarray(f(*xs), dtype=object)), []
    for i in np.ndindex(xs[k].shape):
        moved = [x.copy() for x in xs]
        moved[k][i] += STEP
        columns.append((np.ravel(np.asarray(f(*moved), dtype=object)) - start) / STEP)
    return np.stack(columns, axis=-1)


def check(t: Total, rng: np.random.Generator, dtype: Any) -> None:
    xs = [numbers(rng, shape, t.spread, dtype) + dtype(t.offset) for shape in t.shapes]
    ts = [tl.Tensor(x, requires_grad=True) for x in xs]
    y = t.f(*ts)
    err = numbers(rng, y.shape, 16.0, dtype)
    with np.errstate(all="raise"):
        y.backward(err)
    exact = t.exact or t.f
    as_mp = lambda a: np.asarray(np.vectorize(lambda v: mp.mpf(float(v)), otypes=[object])(a), dtype=object)
    e, wide = as_mp(err).ravel(), [as_mp(x) for x in xs]
    slopes = [jacobian(exact, wide, k) for k in range(len(xs))]
    whole = [np.asarray(np.abs(x), dtype=object) for x in wide]
    at_sizes = slopes if t.size else [jacobian(exact, whole, k) for k in range(len(xs))]
    sizes = t.size(e, slopes, *wide) if t.size else itself(e, at_sizes)
    for k, (d, size, tensor) in enumerate(zip(slopes, sizes, ts, strict=True)):
        terms = np.sum(np.abs(at_sizes[k]) > 1e-25, axis=0)
        for i, got in enumerate(tensor.grad.ravel()):
            n = (int(terms[i]) + t.more + 2) * float(np.finfo(dtype).eps)
            expected, allowed = e @ d[:, i], n / (1 - n) * size[i]
            assert abs(mp.mpf(float(got)) - expected) <= allowed + 1e-25 * size[i], (k, i, got, mp.nstr(expected, 17))


@pytest.mark.parametrize("name", TOTALS)
def test_every_component_of_a_sum_of_products_is_within_its_bound(name: str) -> None:
    @given(st.integers(0, 2**32 - 1))
    def holds(seed: int) -> None:
        rng = np.random.default_rng(seed)
        t = TOTALS[name][rng.integers(len(TOTALS[name]))]
        with mp.workdps(120):
            check(t, rng, [np.float64, np.float32][rng.integers(2)])

    holds()


def test_every_operation_with_a_rule_has_a_bound_or_a_reason() -> None:
    with_rules = {title(fn) for fn, op in OPS.items() if op.slopes is None and op.differentiable}
    assert with_rules == set(TOTALS) | set(WITHOUT)
    assert not set(TOTALS) & set(WITHOUT)
