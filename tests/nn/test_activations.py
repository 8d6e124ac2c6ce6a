"""Activations: slopes by complex step, values and slopes in their tails, and nothing that overflows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import tinygrad_lecture as tl
from tests.oracles import complex_step
from tinygrad_lecture.nn.activations import ACTIVATIONS, activation

ULP = 2.0**-52
each_name = pytest.mark.parametrize("name", ACTIVATIONS)

ANALYTIC: dict[str, Callable[[Any], Any]] = {
    "identity": lambda x: 1 * x,
    "tanh": np.tanh,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: x * (x.real > 0),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "leaky_relu": lambda x: np.where(x.real > 0, x, x / 100),
    "gelu": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "sin": np.sin,
    "gauss": lambda x: np.exp(-(x**2)),
}

EXACT: dict[str, Callable[[Any], Any]] = {
    "identity": lambda x: x,
    "tanh": mpmath.tanh,
    "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
    "relu": lambda x: x if x > 0 else 0 * x,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "leaky_relu": lambda x: x if x > 0 else x * mpmath.mpf(0.01),
    "gelu": lambda x: x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))),
    "sin": mpmath.sin,
    "gauss": lambda x: mpmath.exp(-x * x),
}


def slope(name: str, x: np.ndarray) -> np.ndarray:
    t = tl.Tensor(x, requires_grad=True)
    ACTIVATIONS[name](+t).backward(np.ones_like(x))
    return t.grad


@each_name
def test_slopes_agree_with_the_complex_step(name: str) -> None:
    x = np.linspace(-4, 4, 161) + 1e-3
    (truth,) = complex_step(lambda a: ANALYTIC[name](a), [x], np.ones_like(x))
    assert ACTIVATIONS[name](x) == pytest.approx(ANALYTIC[name](x), rel=1e-13, abs=1e-15)
    # 1e-13 for single operations: gelu's own form cancels where x < 0, the oracle's that is
    assert slope(name, x) == pytest.approx(truth, rel=1e-12 if name == "gelu" else 1e-13, abs=1e-14)


@each_name
def test_values_and_slopes_keep_their_digits_into_the_tails(name: str) -> None:
    xs = np.outer([-1, 1], np.geomspace(1e-20, 300, 80)).ravel()
    values, slopes = ACTIVATIONS[name](xs), slope(name, xs)
    kinked = name.endswith("relu")
    with mpmath.workdps(400):
        for x, y, s in zip(xs, values, slopes, strict=True):
            at = mpmath.mpf(float(x))
            h = abs(at) / 2 if kinked else mpmath.mpf(10) ** -60
            f, below, above = EXACT[name](at), EXACT[name](at - h), EXACT[name](at + h)
            first, second = (above - below) / (2 * h), 0 if kinked else (above - 2 * f + below) / h**2
            # a few roundings of the result and of the argument: the second count where the function is steep
            assert abs(mpmath.mpf(float(y)) - f) <= 8 * ULP * (abs(f) + abs(at * first)) + 1e-307
            assert abs(mpmath.mpf(float(s)) - first) <= 16 * ULP * (abs(first) + abs(at * second)) + 1e-307


@each_name
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_huge_net_inputs_overflow_nowhere_and_nan_stays_nan(name: str, dtype: Any) -> None:
    big = np.finfo(dtype).max / 4
    x = np.array([-big, -big / 1e3, big / 1e3, big], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert np.all(np.isfinite(ACTIVATIONS[name](x)))
        assert np.all(np.isfinite(slope(name, x)))
    assert np.isnan(ACTIVATIONS[name](np.array([np.nan], dtype))).all()
    assert np.isnan(slope(name, np.array([np.nan], dtype))).all() or name in ("identity", "relu", "leaky_relu")


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("tanh", (-1, 1)),
        ("logistic", (0, 1)),
        ("relu", (0, np.inf)),
        ("softplus", (0, np.inf)),
        ("leaky_relu", (-np.inf, np.inf)),
        ("gelu", (0, np.inf)),
        ("gauss", (0, 0)),
    ],
)
def test_infinite_net_inputs_give_the_limits(name: str, limits: tuple[float, float]) -> None:
    assert ACTIVATIONS[name](np.array([-np.inf, np.inf])).tolist() == list(limits)


@pytest.mark.parametrize(("name", "at_zero"), [("relu", 0.0), ("leaky_relu", 0.01)])
def test_the_slope_at_a_kink_is_that_of_the_left(name: str, at_zero: float) -> None:
    assert slope(name, np.zeros(1)).tolist() == [at_zero]


@each_name
def test_float32_stays_float32(name: str) -> None:
    x = np.linspace(-2, 2, 5, dtype=np.float32)
    assert ACTIVATIONS[name](x).dtype == np.float32
    assert slope(name, x).dtype == np.float32


@each_name
def test_second_derivatives_are_there_too(name: str) -> None:
    x = np.array([-1.3, 0.4, 2.1])
    h = 1e-5
    second = tl.grad(lambda a: np.sum(tl.grad(lambda b: np.sum(ACTIVATIONS[name](b)))(a)))(x)
    difference = (slope(name, x + h) - slope(name, x - h)) / (2 * h)
    assert second == pytest.approx(difference, rel=1e-7, abs=1e-8)  # of the difference: h² and ε/h


def test_activations_go_by_name() -> None:
    assert all(activation(name) is f for name, f in ACTIVATIONS.items())
    with pytest.raises(
        ValueError, match="unknown activation 'sine'; perhaps 'sin' is meant; choose one of identity, tanh"
    ):
        activation("sine")
