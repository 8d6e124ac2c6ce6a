"""Initial weights: the spread that each rule promises, within what sampling allows, and what is refused (C14, C15)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lecture.nn.init import INITS, initial_weights, orthogonal, warn_of_spread
from tinygrad_lecture.nn.mlp import MLP

# name → (σ of a weight of a matrix (n_out, n_in), bound of its absolute value)
PROMISED: dict[str, Any] = {
    "lecture": lambda m, n: (1 / np.sqrt(n), np.sqrt(3 / n)),
    "standard": lambda m, n: (0.3 / np.sqrt(3), 0.3),
    "glorot_uniform": lambda m, n: (np.sqrt(2 / (m + n)), np.sqrt(6 / (m + n))),
    "glorot_normal": lambda m, n: (np.sqrt(2 / (m + n)), np.inf),
    "he_uniform": lambda m, n: (np.sqrt(2 / n), np.sqrt(6 / n)),
    "he_normal": lambda m, n: (np.sqrt(2 / n), np.inf),
    "lecun": lambda m, n: (1 / np.sqrt(n), np.inf),
}
SEEDS = 40
each_rule = pytest.mark.parametrize("name", INITS)


def test_every_rule_is_measured() -> None:
    assert set(INITS) == {*PROMISED, "orthogonal", "zeros", "constant"}


@pytest.mark.parametrize("name", PROMISED)
@pytest.mark.parametrize(("m", "n"), [(30, 10), (4, 100), (50, 50)])
def test_the_variance_is_the_promised_one_over_seeds(name: str, m: int, n: int) -> None:
    sigma, bound = PROMISED[name](m, n)
    draws = np.array([INITS[name](seed, m, n) for seed in range(SEEDS)])
    kurtosis = 1.8 if np.isfinite(bound) else 3.0  # of the uniform and the normal distribution
    count = draws.size
    # 5 standard errors: of a variance σ² √((κ − 1)/N), of a mean σ/√N
    assert abs(np.mean(draws**2) / sigma**2 - 1) <= 5 * np.sqrt((kurtosis - 1) / count)
    assert abs(np.mean(draws)) <= 5 * sigma / np.sqrt(count)
    assert np.abs(draws).max() <= bound
    # all draws have the same promise: the variances of single seeds spread as those of samples do
    single = np.mean(draws**2, axis=(1, 2)) / sigma**2 - 1
    assert np.std(single) <= 2 * np.sqrt((kurtosis - 1) / (m * n))
    if np.isfinite(bound):
        assert np.abs(draws).max() > 0.99 * bound
    else:
        assert np.abs(draws).max() > 3 * sigma  # it has the tails of a normal distribution


@pytest.mark.parametrize("name", PROMISED)
def test_a_factor_of_a_tenth_in_the_spread_would_be_seen(name: str) -> None:
    sigma, bound = PROMISED[name](50, 50)
    draws = 1.1 * np.array([INITS[name](seed, 50, 50) for seed in range(SEEDS)])
    kurtosis = 1.8 if np.isfinite(bound) else 3.0
    assert abs(np.mean(draws**2) / sigma**2 - 1) > 5 * np.sqrt((kurtosis - 1) / draws.size)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_orthogonal_rows_or_columns_are_orthonormal(m: int, n: int, seed: int) -> None:
    w = orthogonal(seed, m, n)
    assert w.shape == (m, n)
    assert w.flags.c_contiguous
    gram = w.T @ w if m >= n else w @ w.T
    assert gram == pytest.approx(np.eye(min(m, n)), abs=1e-13)  # some ten roundings for each of 12 terms


def test_orthogonal_matrices_are_drawn_evenly() -> None:
    draws = np.array([orthogonal(seed, 3, 3) for seed in range(2000)])
    # an element of an even orthogonal matrix has mean 0, variance 1/n; without the signs of R its diagonal would not
    assert np.all(np.abs(draws.mean(axis=0)) <= 5 / np.sqrt(3 * 2000))
    assert draws.var(axis=0) == pytest.approx(np.full((3, 3), 1 / 3), abs=5 / np.sqrt(2000) / 3)
    assert abs(np.mean(np.linalg.det(draws) > 0) - 0.5) <= 5 * 0.5 / np.sqrt(2000)


@each_rule
def test_the_same_seed_gives_the_same_weights_and_a_generator_moves_on(name: str) -> None:
    rng = np.random.default_rng(7)
    first, second = INITS[name](rng, 3, 4), INITS[name](rng, 3, 4)
    assert np.array_equal(INITS[name](7, 3, 4), first)
    assert np.array_equal(first, second) == (name in ("zeros", "constant"))
    assert first.shape == (3, 4)
    assert first.dtype == np.float64


def test_nothing_is_drawn_from_a_global_generator() -> None:
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002 - it is looked at, not used
    for name in INITS:
        INITS[name](1, 3, 4)
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002


def test_constant_and_zeros_are_what_they_say() -> None:
    assert INITS["zeros"](0, 2, 3).tolist() == [[0.0] * 3] * 2
    assert INITS["constant"](0, 2, 3, value=-2).tolist() == [[-2.0] * 3] * 2


def test_matrices_are_drawn_in_order_and_biases_are_zero() -> None:
    shapes = {"W1": (3, 2), "b1": (3,), "W2": (1, 3)}
    values = initial_weights("lecture", shapes, 5)
    rng = np.random.default_rng(5)
    assert list(values) == list(shapes)
    assert np.array_equal(values["W1"], INITS["lecture"](rng, 3, 2))
    assert np.array_equal(values["W2"], INITS["lecture"](rng, 1, 3))
    assert not np.any(values["b1"])


@each_rule
def test_matrices_side_by_side_are_parts_of_one(name: str) -> None:
    shapes = {"A": (4, 2), "b": (4,), "B": (4, 3), "C": (2, 4)}
    values = initial_weights(name, shapes, 5, [("A", "B")])
    rng = np.random.default_rng(5)
    assert np.array_equal(np.hstack([values["A"], values["B"]]), INITS[name](rng, 4, 5))
    assert np.array_equal(values["C"], INITS[name](rng, 2, 4))


def test_a_matrix_that_feeds_two_clusters_is_drawn_where_it_comes_first() -> None:
    shapes = {"A": (2, 2), "B": (2, 2), "C": (2, 2)}
    values = initial_weights("orthogonal", shapes, 5, [("A", "B"), ("B", "C")])
    assert np.array_equal(np.hstack([values["A"], values["B"]]), orthogonal(5, 2, 4))
    assert values["C"].shape == (2, 2)


def test_options_reach_the_rule() -> None:
    wide = initial_weights("lecture", {"W": (3, 2)}, 1, sigma_x=0.1)["W"]
    assert np.array_equal(wide, INITS["lecture"](1, 3, 2, sigma_x=0.1))


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: initial_weights("guess", {}, 0), ValueError, "unknown initialisation 'guess'; choose one of lecture"),
        (
            lambda: initial_weights("lecture", {}, 0, sigma=1.0),
            TypeError,
            "initialisation 'lecture' has no option 'sigma'; it has sigma_x",
        ),
        (lambda: initial_weights("lecun", {}, 0, r=1.0), TypeError, "'lecun' has no option 'r'; it has none"),
        (lambda: INITS["standard"](0, 2, 2, r=-0.3), ValueError, "r must be finite and not negative, not -0.3"),
        (lambda: INITS["standard"](0, 2, 2, r=np.inf), ValueError, "r must be finite and not negative, not inf"),
    ],
)
def test_what_cannot_be_is_refused(act: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        act()


@each_rule
@pytest.mark.parametrize(("m", "n"), [(0, 3), (3, 0), (-1, 2)])
def test_no_rule_makes_weights_of_no_size(name: str, m: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"weights of {m} targets from {n} sources: both must be at least 1"):
        INITS[name](0, m, n)


@pytest.mark.parametrize("factor", [0.4, 2.5, 100.0])
def test_inputs_of_another_spread_than_assumed_are_warned_of(factor: float) -> None:
    x = factor * np.random.default_rng(0).normal(size=(200, 3))
    with pytest.warns(UserWarning, match=r"assumed inputs of spread 1, these have .*Standardise them"):
        warn_of_spread(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_spread(x, sigma_x=factor)


@pytest.mark.parametrize(
    "x", [np.zeros((0, 3)), np.ones((5, 2)), np.full((5, 2), -1)], ids=["none", "ones", "integers"]
)
def test_inputs_of_the_assumed_spread_are_not_warned_of(x: np.ndarray) -> None:
    warn_of_spread(x)  # a warning would be an error


@each_rule
def test_a_net_starts_with_the_rule_it_names(name: str) -> None:
    net = MLP([4, 3, 2], init=name, rng=3)
    rng = np.random.default_rng(3)
    assert np.array_equal(net.parameters["W1"], INITS[name](rng, 3, 4))
    assert np.array_equal(net.parameters["W2"], INITS[name](rng, 2, 3))
    assert net.init == name


def test_inputs_too_large_to_square_are_warned_of_in_the_same_words() -> None:
    with pytest.warns(UserWarning, match="have inf"):
        warn_of_spread(np.full((3, 2), 1e200))
