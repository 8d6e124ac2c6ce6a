"""The digits of our own functions' values, against mpmath with 60 of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases.exact import EXACT
from tests.cases.numbers import INFO, number
from tests.oracles import misjudged
from tinygrad_lecture.nn.activations import ACTIVATIONS
from tinygrad_lecture.nn.losses import log_cosh
from tinygrad_lecture.rules.network import softmax
from tinygrad_lecture.rules.trigonometric import sech2

seeds = st.integers(0, 2**32 - 1)
DTYPES = list(INFO)

OURS = {f"{name} {k}" if k else name: e for name, entries in EXACT.items() for k, e in enumerate(entries) if e.ours}


def gelu(x: Any) -> Any:
    return x / (1 + mp.exp(-2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)))


def log_cosh_of(x: Any) -> Any:
    with mp.extradps(40):
        return abs(x) + mp.log1p(mp.exp(-2 * abs(x))) - mp.log(2) if abs(x) > 1e-9 else x * x / 2 - x**4 / 12


NETWORKS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {  # function, the same in mpmath
    **{name: (ACTIVATIONS[name], EXACT[f"tl.{name}"][0].exact) for name in ("logistic", "relu", "softplus")},
    "gauss": (ACTIVATIONS["gauss"], EXACT["gauss"][0].exact),
    "sech2": (sech2, EXACT["sech2"][0].exact),
    "identity": (ACTIVATIONS["identity"], lambda x: x),
    "leaky_relu": (ACTIVATIONS["leaky_relu"], lambda x: x if x > 0 else x / 100),
    "log_cosh": (lambda x: log_cosh(x, 0 * x), log_cosh_of),
    "gelu": (ACTIVATIONS["gelu"], gelu),
}
NUMPYS = {"tanh", "sin"}
"""Activations that are NumPy's own."""
STEEP = {"gelu"}
"""What has a rounded polynomial in its exponent, which is a relative error of the value: (16 + κ) ε."""


@pytest.mark.parametrize("name", NETWORKS)
def test_the_values_of_network_functions_keep_their_digits_over_the_whole_range(name: str) -> None:
    f, exact = NETWORKS[name]

    @given(seeds)
    def holds(seed: int) -> None:
        rng = np.random.default_rng(seed)
        dtype = DTYPES[rng.integers(2)]
        x = number(rng, (-np.inf, np.inf), dtype)
        with np.errstate(under="ignore"), mp.workdps(60):  # where e^−|x|, or x², is too small to be a number
            got = float(f(np.array([x]))[0])
            wrong = misjudged(exact, [mp.mpf(float(x))], got, INFO[dtype], steep=name in STEEP)
        assert not wrong, f"{name} of {x!r}: {wrong}"

    holds()


def test_every_activation_is_judged() -> None:
    assert set(ACTIVATIONS) <= set(NETWORKS) | NUMPYS


@pytest.mark.parametrize("name", OURS)
def test_the_values_of_what_slopes_are_made_of_keep_their_digits(name: str) -> None:
    """Some have zeros, near which the rounding of x is a relative error: (16 + κ) ε."""
    e = OURS[name]

    @given(seeds)
    def holds(seed: int) -> None:
        rng = np.random.default_rng(seed)
        dtype = DTYPES[rng.integers(2)]
        at = [number(rng, interval, dtype, e.least) for interval in e.domain]
        with np.errstate(all="ignore"), mp.workdps(60):
            wrong = misjudged(e.exact, [mp.mpf(float(x)) for x in at], float(e.f(*at)), INFO[dtype])
        assert not wrong, f"{name} at {at}: {wrong}"

    holds()


def log_sum(*a: Any) -> Any:
    with mp.extradps(700):  # a sum of 1 and the smallest of exponentials
        return mp.log(sum(mp.exp(x) for x in a))


SEVERAL: dict[str, tuple[Callable[[Any], Any], Callable[..., Any]]] = {
    "logsumexp": (tl.logsumexp, log_sum),
    "log_softmax": (lambda a: tl.log_softmax(a)[0], lambda *a: -log_sum(*[x - a[0] for x in a])),
    "softmax": (lambda a: softmax(a)[0], lambda *a: mp.exp(-log_sum(*[x - a[0] for x in a]))),
    "cross_entropy": (lambda a: tl.cross_entropy(a[None], np.array([0])), lambda *a: log_sum(*[x - a[0] for x in a])),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_the_values_of_functions_of_several_numbers_keep_their_digits(name: str) -> None:
    """Differences of inputs are rounded, and exponentials make that a relative error: (16 + κ) ε."""
    f, exact = SEVERAL[name]

    @given(seeds)
    def holds(seed: int) -> None:
        rng = np.random.default_rng(seed)
        dtype = DTYPES[rng.integers(2)]
        a = rng.choice([1.0, 10.0, 300.0]) * rng.normal(size=rng.integers(1, 6)) + rng.choice([0.0, 0.0, 100.0])
        a[rng.random(a.size) < 0.3] = a[0]  # ties
        a = a.astype(dtype)
        with np.errstate(under="ignore"), mp.workdps(60):
            got = float(f(a))
            wrong = misjudged(exact, [mp.mpf(float(x)) for x in a], got, INFO[dtype])
        assert not wrong, f"{name} of {a!r}: {wrong}"

    holds()


def test_a_share_of_all_but_nothing_is_seen_beside_one() -> None:
    """The logarithm of 1 less e⁻⁵⁰: the rest would be lost in a sum that begins with 1."""
    np.testing.assert_allclose(tl.log_softmax(np.array([0.0, -50.0]))[0], -np.exp(-50.0), rtol=1e-15)
    np.testing.assert_allclose(tl.cross_entropy(np.array([[0.0, -50.0]]), np.array([0])), np.exp(-50.0), rtol=1e-15)
