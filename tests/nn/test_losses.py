"""Errors: their values and gradients against formulas in 50 digits, in the tails too, and what they refuse."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.oracles import differences
from tinygrad_lecture.nn.losses import LOSSES, Loss, loss

ULP = 2.0**-52
REGRESSION = ["squared_error", "mean_squared", "absolute", "log_cosh"]


def exact_one(name: str, d: Any) -> tuple[Any, Any]:
    """An error and its slope for one output that is d away from its target."""
    return {
        "squared_error": (d * d / 2, d),
        "mean_squared": (d * d, 2 * d),
        "absolute": (abs(d), mpmath.sign(d)),
        "log_cosh": (mpmath.log(mpmath.cosh(d)), mpmath.tanh(d)),
    }[name]


def value_and_slope(name: str, out: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The errors of single patterns, and the gradient of each by its own outputs."""
    errors = LOSSES[name].errors(out, target)
    slopes = len(out) * tl.grad(LOSSES[name])(out, target)
    return errors, slopes


@pytest.mark.parametrize("name", REGRESSION)
def test_an_error_and_its_slope_keep_their_digits_from_tiny_to_huge_differences(name: str) -> None:
    d = np.concatenate([[0.0, 1.0, -1.0, 800.0, -800.0], np.outer([-1, 1], np.geomspace(1e-150, 1e150, 61)).ravel()])
    errors, slopes = value_and_slope(name, d[:, None], np.zeros((len(d), 1)))
    with mpmath.workdps(700):
        for x, e, s in zip(d, errors, slopes[:, 0], strict=True):
            if name == "log_cosh" and abs(x) > 1e4:
                value, slope = abs(mpmath.mpf(float(x))) - mpmath.log(2), mpmath.sign(x)  # to e^−20000
            else:
                value, slope = exact_one(name, mpmath.mpf(float(x)))
            assert abs(mpmath.mpf(float(e)) - value) <= 8 * ULP * abs(value)
            # the mean over T is divided by T and multiplied back: two roundings more
            assert abs(mpmath.mpf(float(s)) - slope) <= 16 * ULP * abs(slope)


def test_log_cosh_is_smooth_where_its_two_forms_meet() -> None:
    d = np.array([np.nextafter(1.0, 0.0), 1.0, np.nextafter(1.0, 2.0)])[:, None]
    errors, slopes = value_and_slope("log_cosh", d, 0 * d)
    assert np.ptp(errors) <= 4 * ULP
    assert np.ptp(slopes) <= 8 * ULP


def test_the_curvature_of_log_cosh_at_the_target_is_one() -> None:
    h = tl.hessian(lambda out: LOSSES["log_cosh"](out, np.zeros((1, 1))))(np.zeros((1, 1)))
    assert np.ravel(h).tolist() == [1.0]


@pytest.mark.parametrize("name", LOSSES)
@given(st.integers(0, 2**32 - 1))
def test_the_error_is_the_mean_of_the_errors_of_single_patterns(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 6, size=2))
    out, target = rng.normal(size=shape), rng.uniform(size=shape)
    errors = LOSSES[name].errors(out, target)
    assert errors.shape == shape[:1]
    assert LOSSES[name](out, target) == pytest.approx(np.mean(errors), rel=1e-14)
    for t in range(shape[0]):
        one = LOSSES[name](out[t : t + 1], target[t : t + 1])
        assert one == pytest.approx(errors[t], rel=1e-14)


@pytest.mark.parametrize("name", LOSSES)
@given(st.integers(0, 2**32 - 1))
def test_gradients_agree_with_differences_and_those_of_single_patterns(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 5, size=2))
    out, target = rng.normal(size=shape), rng.uniform(0.01, 0.99, size=shape)
    out = np.where(np.abs(out - target) < 0.01, target + 0.5, out)  # away from the kink of the absolute error
    g = tl.grad(LOSSES[name])(out, target)
    (difference,) = differences(lambda o: LOSSES[name](o, target), [out], np.ones(()))
    assert g == pytest.approx(difference, rel=1e-8, abs=1e-9)  # of the extrapolated differences
    through_errors = tl.grad(lambda o: np.sum(LOSSES[name].errors(o, target)) / len(o))(out)
    assert g == pytest.approx(through_errors, rel=1e-13, abs=1e-15)


def softmax_errors(logits: np.ndarray, p: np.ndarray) -> tuple[list[Any], list[list[Any]]]:
    """The cross-entropy and its gradient by the logits, in 50 digits and more."""
    values, slopes = [], []
    for z, q in zip(logits, p, strict=True):
        e = [mpmath.exp(mpmath.mpf(float(a))) for a in z]
        total = mpmath.fsum(e)
        values.append(-mpmath.fsum(mpmath.mpf(float(b)) * mpmath.log(a / total) for a, b in zip(e, q, strict=True)))
        sum_q = mpmath.fsum(mpmath.mpf(float(b)) for b in q)
        slopes.append([a / total * sum_q - mpmath.mpf(float(b)) for a, b in zip(e, q, strict=True)])
    return values, slopes


TAILS = np.array([[800.0, -800.0, 0.0], [-800.0, 800.0, 800.0], [0.0, 0.0, 0.0], [40.0, 0.0, -40.0], [-1.0, 2.0, 0.5]])


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("shift", [0, 1, 2])
def test_cross_entropy_keeps_its_digits_with_logits_of_800(classes: bool, shift: int) -> None:
    numbers = (np.arange(5) + shift) % 3
    onehot = np.eye(3)[numbers]
    errors, slopes = value_and_slope("cross_entropy", TAILS, numbers if classes else onehot)
    with mpmath.workdps(800):
        values, exact = softmax_errors(TAILS, onehot)
        for t in range(5):
            # log-softmax is a difference of logits as large as 800, or less than a rounding of it
            assert abs(mpmath.mpf(float(errors[t])) - values[t]) <= 4 * ULP * (abs(values[t]) + 1)
            for k in range(3):
                # class numbers keep all digits (p − 1 from the other classes), probabilities those of p − q
                unit = abs(exact[t][k]) if classes else abs(exact[t][k]) + onehot[t, k]
                assert abs(mpmath.mpf(float(slopes[t, k])) - exact[t][k]) <= 200 * ULP * unit + 1e-307


@given(st.integers(0, 2**32 - 1))
def test_cross_entropy_of_class_numbers_is_that_of_their_probabilities(seed: int) -> None:
    rng = np.random.default_rng(seed)
    out, numbers = rng.normal(size=(6, 4)), rng.integers(4, size=6)
    a, b = LOSSES["cross_entropy"](out, numbers), LOSSES["cross_entropy"](out, np.eye(4)[numbers])
    assert a == pytest.approx(b, rel=1e-14)
    assert LOSSES["cross_entropy"].errors(out, list(numbers)) == pytest.approx(
        LOSSES["cross_entropy"].errors(out, np.eye(4)[numbers]), rel=1e-13
    )


def test_an_impossible_class_of_probability_zero_costs_nothing() -> None:
    out, target = np.array([[0.0, -np.inf]]), np.array([[1.0, 0.0]])
    assert LOSSES["cross_entropy"].errors(out, target).tolist() == [0.0]
    assert LOSSES["cross_entropy"](out, target) == 0.0


@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_binary_cross_entropy_keeps_its_digits_with_logits_of_800(p: float) -> None:
    out = np.array([[-800.0], [800.0], [0.0], [-40.0], [40.0], [1e-9], [1e300], [-1e300]])
    errors, slopes = value_and_slope("binary_cross_entropy", out, np.full_like(out, p))
    with mpmath.workdps(800):
        for x, e, s in zip(out[:, 0], errors, slopes[:, 0], strict=True):
            z = mpmath.mpf(float(max(min(x, 1e4), -1e4)))  # the logistic function is 0 or 1 to e^−10000 beyond
            x = mpmath.mpf(float(x))
            softplus = mpmath.log1p(mpmath.exp(z)) + (x - z if x > 0 else 0)
            value, slope = softplus - p * x, 1 / (1 + mpmath.exp(-z)) - p
            unit = abs(softplus) + abs(p * x)  # of the terms: right answers of a sure net cancel
            assert abs(mpmath.mpf(float(e)) - value) <= 8 * ULP * unit + 1e-307
            assert abs(mpmath.mpf(float(s)) - slope) <= 8 * ULP * (1 / (1 + mpmath.exp(-z)) + p) + 1e-307


@pytest.mark.parametrize("name", LOSSES)
def test_float32_stays_float32(name: str) -> None:
    out, target = np.ones((4, 3), np.float32), np.full((4, 3), 0.5, np.float32)
    assert LOSSES[name](out, target).dtype == np.float32
    assert LOSSES[name].errors(out, target).dtype == np.float32
    assert tl.grad(LOSSES[name])(out, target).dtype == np.float32


@pytest.mark.parametrize("name", [*REGRESSION, "binary_cross_entropy"])
@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 2, 3)])
def test_outputs_of_any_rank_have_one_error_a_pattern(name: str, shape: tuple[int, ...]) -> None:
    out = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    errors = LOSSES[name].errors(out, np.full(shape, 0.5))
    assert errors.shape == (4,)
    assert LOSSES[name](out, np.full(shape, 0.5)) == pytest.approx(np.mean(errors), rel=1e-14)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("way", ["E", "E_t"])
def test_shapes_that_would_broadcast_are_refused(name: str, way: str) -> None:
    e = LOSSES[name] if way == "E" else LOSSES[name].errors
    for out, target in (((4, 1), (4, 2)), ((4, 2), (1, 2)), ((4, 2), ()), ((4, 2), (2,)), ((4, 2), (4, 2, 1))):
        with pytest.raises(ValueError, match=rf"{name}: outputs have shape .*, targets .*; they must be \({out[0]}"):
            e(np.zeros(out), np.zeros(target))
    with pytest.raises(ValueError, match=f"{name}: (outputs have shape|class numbers must be integers)"):
        e(np.zeros((4, 1)), np.zeros(4))
    with pytest.raises(ValueError, match=rf"{name}: (outputs have shape \(4,\), targets|outputs must be \(T, K\))"):
        e(np.zeros(4), np.zeros((4, 1)))
    for shape in ((0, 2), ()):
        with pytest.raises(ValueError, match=f"{name}: there are no patterns; outputs have shape"):
            e(np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([0, 1, 3], "class numbers must lie in 0 … 2, found 0 … 3"),
        ([0, -1, 2], "class numbers must lie in 0 … 2, found -1 … 2"),
        ([0.0, 1.0, 2.0], r"class numbers must be integers, not float64; cast with .astype\(int\)"),
        ([True, False, True], "class numbers must be integers, not bool"),
    ],
)
def test_class_numbers_that_are_none_are_refused(target: Any, message: str) -> None:
    for e in (LOSSES["cross_entropy"], LOSSES["cross_entropy"].errors):
        for given_as in (target, np.array(target)):
            with pytest.raises(ValueError, match=f"cross_entropy: {message}"):
                e(np.zeros((3, 3)), given_as)


def test_class_numbers_for_single_outputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"cross_entropy: outputs must be \(T, K\), one for each class; .*\(3,\)"):
        LOSSES["cross_entropy"].errors(np.zeros(3), np.array([0, 0, 0]))


def test_losses_go_by_name() -> None:
    assert all(name == e.name and loss(name) is e for name, e in LOSSES.items())
    assert isinstance(loss("log_cosh"), Loss)
    with pytest.raises(ValueError, match="unknown loss 'hinge'; choose one of squared_error, mean_squared, absolute"):
        loss("hinge")
    with pytest.raises(ValueError, match="unknown loss 'mse'; perhaps 'mean_squared' is meant; choose one of"):
        loss("mse")
    assert loss(LOSSES["absolute"]) is LOSSES["absolute"]


def test_every_loss_says_what_it_computes() -> None:
    for e in LOSSES.values():
        assert e.per_pattern.__doc__
        assert "E_t = " in e.per_pattern.__doc__


class Table:
    """A table that knows its shape and its numbers, and nothing else of arrays."""

    def __init__(self, a: np.ndarray) -> None:
        self.a, self.shape = a, a.shape

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.a


@pytest.mark.parametrize("kind", [Table, np.ma.masked_array, np.ndarray.tolist])
def test_the_squared_error_of_arrays_of_another_kind_is_that_of_their_numbers(kind: Any) -> None:
    out, target = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.0, 2.5], [1.0, 1.0]])
    expected = tl.squared_error(out, target)
    assert tl.squared_error(kind(out), target) == tl.squared_error(out, kind(target)) == expected
