"""The rungs of a gradient check: each by itself, the highest that is possible, and no false alarm."""

from __future__ import annotations

import sys
import warnings
from ast import literal_eval
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import CASES
from tests.profiles import tries
from tinygrad_lecture import gradcheck
from tinygrad_lecture.verify.complex_step import complex_step
from tinygrad_lecture.verify.dual import NotPossibleError
from tinygrad_lecture.verify.exact import Exact, exact_derivative
from tinygrad_lecture.verify.ladder import RUNGS, USUAL
from tinygrad_lecture.verify.quotient import SAFETY, Quotient, settled_quotient
from tinygrad_lecture.verify.richardson import extrapolated

X = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])
EPS = 2.0**-52

SMOOTH: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "polynomial": lambda x: 2 * x**3 - x**2 + 0.5,
    "log": lambda x: np.log(2 + np.cos(x)),
    "matmul": lambda x: np.sin(x @ x.T),
    "mean": lambda x: np.exp(x - np.mean(x)),
}


def sine(factor: float) -> Callable[[Any], Any]:
    """A sine whose slope is wrong by a factor."""
    return tl.local_rule(lambda x: np.sin(x), slopes=lambda y, x: factor * np.cos(x))


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("name", SMOOTH)
def test_a_smooth_function_passes_each_rung(name: str, rung: str) -> None:
    chosen = {"complex": ("central", "complex"), "mpmath": ("forward", "mpmath")}.get(rung, rung)
    result = gradcheck(SMOOTH[name], X, rungs=chosen)
    assert {e.rung for e in result.elements} == {rung}
    assert result.notes == ()


@pytest.mark.parametrize("rung", RUNGS)
def test_a_thousandth_is_found_on_each_rung(rung: str) -> None:
    chosen = {"complex": ("central", "complex"), "mpmath": ("forward", "mpmath")}.get(rung, rung)
    result = gradcheck(sine(1.001), X, rungs=chosen, raise_on_fail=False)
    assert {e.verdict for e in result.elements} == {"wrong"}
    assert all(e.error_over_tolerance > 1 for e in result.elements)


@pytest.mark.parametrize(
    ("rung", "error"),
    [("central", 1e-4), ("richardson", 1e-7), ("complex", 1e-9), ("forward", 1e-12), ("mpmath", 1e-13)],
)
def test_the_higher_the_rung_the_smaller_the_error_that_it_finds(rung: str, error: float) -> None:
    result = gradcheck(sine(1 + error), 0.7, rungs=RUNGS[: RUNGS.index(rung) + 1], raise_on_fail=False)
    (element, *_) = result.elements
    assert element.verdict == "wrong"
    assert element.error_over_tolerance > 1


def test_the_highest_rung_passed_is_told() -> None:
    assert {e.rung for e in gradcheck(np.tanh, X).elements} == {"forward"}
    assert {e.rung for e in gradcheck(np.tanh, X, rungs=RUNGS).elements} == {"mpmath"}
    assert {e.rung for e in gradcheck(lambda x: np.partition(x, 1), X).elements} <= {"complex", "richardson"}
    (element, *_) = gradcheck(sine(1 + 1e-9), 0.7, raise_on_fail=False).elements
    assert element.verdict == "wrong"
    assert element.rung in ("central", "richardson")  # its error is below what differences see


def test_the_default_needs_numpy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpmath", None)
    assert "mpmath" not in USUAL
    assert gradcheck(np.tanh, X).notes == ()


def test_a_missing_mpmath_is_an_error_with_the_install_command_where_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mpmath", None)
    with pytest.raises(ImportError, match="mpmath is not installed; install it with: pip install mpmath"):
        gradcheck(np.tanh, X, rungs=RUNGS)


def test_a_rung_that_is_not_possible_is_a_note_with_the_reason() -> None:
    (note,) = gradcheck(lambda x: x / (1 + np.abs(x)), X).notes
    assert note == "rung complex not possible for 8: f is not analytic (np.abs, np.max, a comparison, …)"
    notes = gradcheck(lambda x: np.partition(x, 1), X).notes
    assert "rung forward not possible for 8: partition is not in the table of dual numbers" in notes
    notes = gradcheck(lambda x: np.astype(x, np.float32), X, rungs=("central", "complex")).notes
    assert any("rung complex not possible" in note for note in notes)


def test_a_function_that_raises_for_an_oracle_is_checked_without_it() -> None:
    def f(x: Any) -> Any:
        if x.dtype.kind == "c":
            raise RuntimeError("no complex numbers here\nnone at all")
        return np.tanh(x)

    result = gradcheck(f, X)
    assert {e.rung for e in result.elements} == {"forward"}
    assert result.notes == ("rung complex not possible for 8: RuntimeError: no complex numbers here",)


@pytest.mark.parametrize(
    ("rungs", "told"), [((), "none"), (("central", "newton"), "central, newton"), ("all", "all"), ([5], "5")]
)
def test_unknown_rungs_are_refused_with_the_names_of_all(rungs: Any, told: str) -> None:
    text = f"gradcheck: rungs must be some of central, richardson, complex, forward, mpmath, not {told}"
    with pytest.raises(ValueError, match=text):
        gradcheck(np.tanh, X, rungs=rungs)


def test_rungs_that_are_no_names_are_refused_with_an_example() -> None:
    with pytest.raises(TypeError, match=r"rungs must be names, as in rungs=\('central', 'forward'\), not 5"):
        gradcheck(np.tanh, X, rungs=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("rungs", "needed"), [("mpmath", "forward"), (("forward", "complex"), "central")])
def test_a_rung_without_the_one_that_it_needs_is_refused_and_told_how_to_ask(rungs: Any, needed: str) -> None:
    with pytest.raises(ValueError, match=rf"needs {needed} too: rungs=\('{needed}', ") as told:
        gradcheck(np.tanh, X, rungs=rungs)
    way_out = str(told.value).partition("rungs=")[2]
    assert gradcheck(np.tanh, X, rungs=literal_eval(way_out))


# tolerances


@pytest.mark.parametrize("rungs", [("central",), ("richardson",), USUAL, RUNGS], ids=lambda r: r[-1])
def test_the_tolerance_does_not_depend_on_the_gradient_it_judges(rungs: tuple[str, ...]) -> None:
    right, wrong = (gradcheck(sine(c), X, rungs=rungs, raise_on_fail=False).elements for c in (1.0, 1.5))
    at = [(a, b) for a, b in zip(right, wrong, strict=True) if a.name.startswith("argument")]
    for a, b in at:
        assert a.tolerance == pytest.approx(
            b.tolerance, rel=0.3
        )  # where Σ|terms| is not known, the largest slope counts
        assert a.numeric == b.numeric


@pytest.mark.parametrize("f", [np.tanh, tl.logistic, lambda x: 1 - np.exp(-x)], ids=["tanh", "logistic", "exponential"])
@given(x=st.floats(19.0, 300.0))
@settings(max_examples=tries(20))
def test_in_a_tail_the_tolerance_is_far_below_the_value(f: Callable[[Any], Any], x: float) -> None:
    for element in gradcheck(f, x).elements:
        assert 0 < element.tolerance < 1e-9 * abs(element.numeric)


def test_the_tolerance_of_an_element_does_not_grow_with_the_size_of_the_array() -> None:
    few, many = (gradcheck(lambda x: np.sum(np.tanh(x)), np.full(n, 0.7)).elements[0].tolerance for n in (1, 60))
    assert many < 3 * few  # both are measured, by a few random draws


def test_the_error_is_told_in_units_of_the_tolerance() -> None:
    (element, *_) = gradcheck(sine(1.5), 0.3, raise_on_fail=False).elements
    assert element.error_over_tolerance == abs(element.automatic - element.numeric) / element.tolerance
    assert "err/tol" in str(gradcheck(np.tanh, X))


def test_float32_third_derivatives_whose_terms_cancel_hold() -> None:
    # log(2 + cos x)''' is small near 0, the difference of terms that are not
    x = np.full((2, 2), 0.125, np.float32)
    result = gradcheck(lambda x: np.log(2 + np.cos(x)), x, order=3)
    assert {e.rung for e in result.elements} == {"forward"}


@pytest.mark.parametrize("x", [9.7e-299, 1e-250, 1e-100, 1e-5])
def test_terms_that_cancel_hold_however_small_they_are(x: float) -> None:
    # log(2 + cos x)''' is x³/27 near 0, summed from terms of the size of x: what is left of them is rounding
    result = gradcheck(lambda x: np.log(2 + np.cos(x)), np.full((2, 2), x), order=3)
    assert {e.rung for e in result.elements} == {"forward"}


@pytest.mark.parametrize("small", [0.0, 1e-12, 1e-9, 1e-6, 1e-3])
def test_slopes_near_0_beside_larger_ones_are_clear(small: float) -> None:
    x = np.array([small, 1.5, -2.0])
    assert gradcheck(lambda x: np.sum(np.cos(x)), x)
    wrong = tl.local_rule(lambda x: np.cos(x), slopes=lambda y, x: -1.001 * np.sin(x))
    result = gradcheck(lambda x: np.sum(wrong(x)), x, raise_on_fail=False)
    verdict = {e.name: e.verdict for e in result.elements}["argument 0[0]"]
    assert verdict == ("wrong" if small else "ok")


# each rung by itself


@given(x=st.floats(0.1, 3.0), name=st.sampled_from(["sin", "exp", "log", "tanh", "sqrt"]))
def test_quotient_and_extrapolation_are_within_their_own_tolerance(x: float, name: str) -> None:
    f = getattr(np, name)
    exact = float(mpmath.diff(getattr(mpmath, name), mpmath.mpf(x)))
    q = settled_quotient(lambda t: (x + t, float(f(x + t))), x)
    assert abs(q.value - exact) <= SAFETY * q.error <= 1e-6 * max(1.0, abs(exact))
    limit = extrapolated(q)
    assert limit is not None
    assert abs(limit[0] - exact) <= SAFETY * limit[1] <= 1e-9 * max(1.0, abs(exact))


def test_an_extrapolation_that_does_not_fit_the_quotients_is_none() -> None:
    agreed = Quotient(1.0, 1e-6, 1.0, "", best=1, steps=((1.0, 0.0), (1.0, 0.0), (1.0, 0.0)))
    assert extrapolated(agreed) == (1.0, 0.0)
    # the two first steps agree on 0, as beside something narrow, where the most certain one says 1
    assert extrapolated(replace(agreed, best=2, steps=((0.0, 0.0), (0.0, 0.0), (1.0, 1e-7)))) is None


def test_the_complex_step_has_all_digits_and_says_where_it_has_none() -> None:
    one = [np.array(1.0)]
    assert complex_step(lambda a: np.exp(a[0]), [np.array(0.3)], one) == pytest.approx(np.exp(0.3), rel=2 * EPS)
    assert complex_step(lambda a: a[0] ** 2, [np.array(1e-200)], one) == pytest.approx(2e-200, rel=2 * EPS)
    with pytest.raises(NotPossibleError, match="makes its complex values real"):
        complex_step(lambda a: np.asarray(a[0]).astype(float), [np.array(0.3)], one)
    with pytest.raises(NotPossibleError, match="too small for a complex step"):
        complex_step(lambda a: 1e-280 * a[0], [np.array(0.3)], one)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("x", [0.3, -2.0, 40.0, 300.0])
def test_sixty_digits_are_right_to_the_last_of_a_float(x: float, order: int) -> None:
    found = exact_derivative(lambda a: np.tanh(a[0]), [np.array(x)], [[np.array(1.0)]] * order)
    with mpmath.workdps(700):
        t, s = mpmath.tanh(mpmath.mpf(x)), mpmath.sech(mpmath.mpf(x)) ** 2
        exact = [s, -2 * t * s, s * (6 * t * t - 2)][order - 1]
    assert found == pytest.approx(float(exact), rel=EPS)


def test_sixty_digits_say_where_there_is_none() -> None:
    one = [[np.array(1.0)]]
    with pytest.raises(NotPossibleError, match="it is 0, or below the first 1200 digits"):
        exact_derivative(lambda a: 0 * a[0] + 3, [np.array(0.3)], one)
    with pytest.raises(NotPossibleError, match="nextafter is not among the functions with 60 digits"):
        exact_derivative(lambda a: np.nextafter(a[0], 1.0), [np.array(0.3)], one)


@given(st.integers(0, 2**32 - 1))
def test_where_f_is_0_by_cancelling_its_rounding_is_that_of_what_cancels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    singular = rng.normal(size=(4, 3)) @ rng.normal(size=(3, 4))
    assert gradcheck(np.linalg.det, singular, rungs=("central", "richardson"))
    a, b = rng.normal(size=2)
    assert gradcheck(lambda x: x[0] * x[1] - x[2], np.array([a, b, a * b]), rungs=("central", "richardson"))
    with pytest.raises(tl.GradcheckError):
        gradcheck(lambda x: sine(1.001)(x[0]) - x[1], np.array([a, np.sin(a)]), rungs=("central", "richardson"))


# every operation


def no_false_alarm(name: str, examples: int) -> None:
    """gradcheck calls no derivative of an operation wrong, and no oracle of ours contradicts the differences."""

    @settings(max_examples=examples, phases=[Phase.generate], database=None)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
        drawn = CASES[name].make(data.draw, rng)
        xs = [np.array(x) for x in drawn.xs]
        if any(x.size == 0 or x.ndim == 0 or not np.isfinite(x).all() for x in xs):
            return  # nothing to compare; and gradcheck calls f with numbers in place of arrays without axes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            result = gradcheck(drawn.f, *xs, raise_on_fail=False)
        # of a matrix that lacks two ranks or more, determinant, cofactors and their slopes are rounding alone: ε, or ε²
        # of the entries' products, of up to 10³, where gradcheck finds 0 or other rounding
        tiny = 1e-12 if name in ("np.linalg.det", "cofactors") else 1e-25
        assert [e for e in result.elements if e.verdict == "wrong" and abs(e.automatic) > tiny] == [], str(result)
        assert not any("rung forward not possible" in n and "contradicts" in n for n in result.notes), result.notes

    holds()


@pytest.mark.parametrize("name", CASES)
def test_a_right_operation_is_not_called_wrong(name: str) -> None:
    no_false_alarm(name, examples=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_right_operation_is_not_called_wrong_in_many_draws(name: str) -> None:
    no_false_alarm(name, examples=40)


EXACTLY: dict[str, Callable[[Any], Any]] = {
    "logistic": tl.logistic,
    "methods and parts": lambda x: x[0].sum() * np.tanh(x[:, 1]) + len(x),
    "a cast": lambda x: x.astype(float) * 2,
    "transposed": lambda x: x.T @ x,
    "stacked": lambda x: np.concatenate([x, x * x]),
    "a variance": lambda x: np.var(x, axis=0),
    "a softmax": tl.softmax,
    "split": lambda x: np.split(x, 2)[0] ** 2,
}


@pytest.mark.parametrize("name", EXACTLY)
def test_sixty_digits_agree_with_forward_mode(name: str) -> None:
    result = gradcheck(EXACTLY[name], X, rungs=("forward", "mpmath"))
    assert {e.rung for e in result.elements if e.numeric} == {"mpmath"}  # what is 0 has no digits


NOT_WITH_SIXTY: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an option": (lambda x: np.tanh(x, where=True), "np.tanh with options"),
    "an array of them": (lambda x: np.asarray(x), "np.asarray of numbers with 60 digits"),
}


@pytest.mark.parametrize("name", NOT_WITH_SIXTY)
def test_what_sixty_digits_cannot_do_is_refused_by_name(name: str) -> None:
    f, text = NOT_WITH_SIXTY[name]
    with pytest.raises(NotPossibleError, match=text):
        f(Exact(np.ones(3)))


def test_an_unknown_attribute_of_sixty_digits_is_named_and_a_cast_to_integers_ends_them() -> None:
    with pytest.raises(AttributeError, match="60 digits has no backward"):
        Exact(np.ones(3)).backward()
    assert list(Exact(np.array([1.5, 2.0])).astype(int)) == [1, 2]


def test_sixty_digits_where_forward_mode_is_not_possible_are_a_note() -> None:
    notes = gradcheck(lambda x: np.partition(x, 1), X, rungs=("central", "forward", "mpmath")).notes
    assert "rung mpmath not possible for 8: its tolerance needs the rung forward" in notes


def test_a_complex_step_alone_does_not_outvote_the_extrapolation() -> None:
    f = lambda x: np.sum(
        np.sin(30 * x) + 1e-6 * np.abs(x)
    )  # not analytic by so little that central differences miss it
    rungs = ("central", "richardson", "complex")
    result = tl.gradcheck(f, np.array([0.3, -0.7]), rungs=rungs, raise_on_fail=False)
    assert result, str(result)
    assert any("f is not analytic" in note for note in result.notes)
