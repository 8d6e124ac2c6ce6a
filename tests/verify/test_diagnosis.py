"""What a gradient check says is the matter, where it does not hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl
from tinygrad_lecture import gradcheck
from tinygrad_lecture.verify.diagnosis import CAUSES
from tinygrad_lecture.verify.result import GradcheckResult

X = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])


def check(f: Callable[..., Any], *args: Any, **options: Any) -> GradcheckResult:
    return gradcheck(f, *args, raise_on_fail=False, **options)


def sine(slope: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return tl.local_rule(lambda x: np.sin(x), slopes=lambda y, x: slope(x))


WRONG = {
    "zero": (sine(lambda x: 0 * x), "wrong gradient: it is 0"),
    "a sign": (sine(lambda x: -np.cos(x)), "wrong gradient: its sign"),
    "a factor": (sine(lambda x: 1.001 * np.cos(x)), "wrong gradient: off by a factor of 1.001"),
    "a large factor": (sine(lambda x: -250 * np.cos(x)), "wrong gradient: off by a factor of -250"),
    "a few digits": (sine(lambda x: (1 + 3e-9) * np.cos(x)), "wrong gradient: off by 3e-09 of itself"),
    "more than zero": (
        tl.local_rule(lambda x: np.sum(np.floor(x)), rules=lambda err, y, x: err + 0 * x),
        "wrong gradient: it should be 0",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_told_by_how_it_is_wrong(name: str) -> None:
    f, text = WRONG[name]
    result = check(f, X + 0.05)
    assert result.diagnoses == {text: 8}
    assert f"{text} (8 of 8)" in str(result).splitlines()


def test_factors_are_told_of_single_elements_alone() -> None:
    signs = np.array([1.0, -1.0, 1.0])
    f = tl.local_rule(lambda x: np.sin(x), slopes=lambda y, x: signs * np.cos(x))
    result = check(lambda x: np.sum(f(x)), X[0])
    along = "wrong gradient along a random direction over all elements"
    assert result.diagnoses == {along: 2, "wrong gradient: its sign": 1}


KINKS: dict[str, Callable[[Any], Any]] = {
    "absolute": np.abs,
    "relu": tl.relu,
    "a small one": lambda x: np.sin(x) + 0.01 * np.abs(x),
}


@pytest.mark.parametrize("at", [0.0, 1e-13])
@pytest.mark.parametrize("name", KINKS)
def test_a_kink_nearby_is_a_kink(name: str, at: float) -> None:
    result = check(KINKS[name], np.array([at, 1.0]))
    element = result.elements[0]
    assert (element.verdict, element.rung) == ("kink", "")
    assert element.diagnosis == CAUSES["kink"]
    assert "kink nearby: the slopes on both sides differ; take arguments away from it (3 of 4)" in str(result)


@pytest.mark.parametrize("height", [1.0, -1e-3, 1e6])
def test_a_jump_is_a_jump(height: float) -> None:
    element = check(lambda x: np.where(x > 0, height, 0.0) + np.sin(x), np.array([0.0, 1.0])).elements[0]
    assert element.verdict == "jump"
    assert element.diagnosis == "jump: f itself jumps here; take arguments away from it"


@pytest.mark.parametrize("width", [1e-3, 1e-5])
def test_a_steep_slope_is_no_jump(width: float) -> None:
    assert check(lambda x: tl.logistic(x / width) + np.tanh(x / width), np.array([0.0, 1.0]))


@pytest.mark.parametrize(
    "f",
    [lambda x: 1e15 + np.sum(np.sin(x)), lambda x: np.float32(1e6) + np.sum(np.sin(x).astype(np.float32))],
    ids=["float64", "float32"],
)
def test_a_step_too_small_for_the_dtype_is_told_where_only_differences_look(f: Callable[[Any], Any]) -> None:
    result = check(f, X, rungs=("central", "richardson"))
    element = next(e for e in result.elements if e.name.startswith("argument"))
    assert element.verdict == "unclear"
    assert element.diagnosis.startswith("step too small for the dtype: the rounding of f hides")


def test_beside_a_large_constant_forward_mode_can_tell() -> None:
    assert check(lambda x: 1e15 + np.sum(np.sin(x)), X)


def test_differences_that_do_not_settle_are_unclear() -> None:
    def rough(x: Any) -> Any:
        return sum(0.5**k * np.cos(9.0**k * x) for k in range(25))  # of Weierstrass: finer than any step

    result = check(lambda x: rough(raw(x)) + 0.0 * x, 0.3, rungs="central")
    assert {e.verdict for e in result.elements} <= {"unclear", "wrong"}
    assert any("do not settle: noise, or detail that is finer" in text for text in result.diagnoses)


def test_what_no_step_can_resolve_forward_mode_can() -> None:
    assert check(lambda x: np.sum(np.sin(1e12 * x)), X)


def raw(x: Any) -> Any:
    return x.numpy() if isinstance(x, tl.Tensor) else x


def test_an_infinite_gradient_is_not_finite() -> None:
    element = check(np.sqrt, np.array([0.0, 1.0])).elements[0]
    assert element.verdict == "not finite"
    assert element.diagnosis == "not finite: the gradient is infinite or NaN here"


def test_at_an_infinite_argument_nothing_is_compared_and_the_others_are() -> None:
    result = check(lambda x: np.where(np.isfinite(x), x**2, 0.0), np.array([np.nan, np.inf, 0.3]))
    assert [e.verdict for e in result.elements] == ["unclear", "unclear", "ok", "ok", "ok"]
    assert result.elements[0].diagnosis == "the argument is infinite or NaN: nothing can be compared there"


def test_an_oracle_that_is_not_finite_does_not_decide() -> None:
    result = check(np.nan_to_num, np.array([np.inf, 1.0, 0.5]))
    assert [e.verdict for e in result.elements] == ["unclear", "ok", "ok", "ok", "ok"]


def test_a_function_that_is_not_deterministic_is_refused() -> None:
    rng = np.random.default_rng(0)
    text = r"not deterministic: it gave two results for the same arguments; fix its random numbers, and let it keep no"
    with pytest.raises(ValueError, match=text):
        gradcheck(lambda x: np.sum(x * rng.normal(size=X.shape)), X)


def test_a_function_that_changes_during_the_check_is_refused() -> None:
    calls: list[int] = []

    def f(x: Any) -> Any:
        calls.append(1)
        return np.sum(x) * (1.0 if len(calls) < 20 else 2.0)

    with pytest.raises(ValueError, match="f is not deterministic"):
        gradcheck(f, X)


BROADCASTS: dict[str, Callable[[Any, Any], Any]] = {
    "a difference": lambda out, target: np.sum((out - target) ** 2),
    "a product": lambda out, target: np.sum(np.tanh(out) * target),
    "the other way round": lambda out, target: np.mean(target / (2 + out)),
}


@pytest.mark.parametrize("name", BROADCASTS)
def test_a_silent_broadcast_of_T_with_T_by_1_is_a_note(name: str) -> None:
    out, target = np.array([[0.3], [0.5], [-0.2]]), np.array([0.1, 0.4, 0.9])
    result = check(BROADCASTS[name], out, target)
    (note,) = [n for n in result.notes if n.startswith("shape silently broadcast")]
    assert "(3, 1)" in note
    assert "gives (3, 3); where that is meant, write a[None, :] for the vector" in note
    assert note in str(result)
    assert result  # the gradient of what is written is right


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: (a - b[:, 0]) ** 2,
        lambda a, b: (a[None, :] - b) ** 2,
        lambda a, b: a * 2.0 + np.sum(b),
        lambda a, b: a[:1] * b,
        lambda a, b: a[:1] * b[:1],
        lambda a, b: np.linalg.norm(a) * b,
        lambda a, b: a @ b,
    ],
    ids=["aligned", "on purpose", "numbers", "one element", "two of one", "a number and a column", "a product"],
)
def test_other_broadcasts_are_no_note(f: Callable[[Any, Any], Any]) -> None:
    notes = check(f, np.array([0.1, 0.4, 0.9]), np.array([[0.3], [0.5], [-0.2]])).notes
    assert not any("broadcast" in note for note in notes)


def test_a_wrong_gradient_and_a_silent_broadcast_are_both_told() -> None:
    square = tl.local_rule(lambda x: x**2, slopes=lambda y, x: 2.002 * x)
    result = check(lambda a, b: np.sum(square(a - b)), np.array([0.1, 0.4]), np.array([[0.3], [0.5]]))
    assert "wrong gradient: off by a factor of 1.001" in str(result)
    assert "shape silently broadcast: subtract of (2,) with (2, 1) gives (2, 2)" in str(result)


NOT_FINITE: dict[str, Callable[[Any], Any]] = {
    "NaN": lambda x: np.sum(np.log(x)),
    "infinite": lambda x: np.sum(x * 0 + np.inf),
    "in one element": lambda x: np.where(x > -1.2, np.inf, 0.0) + x,
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", NOT_FINITE)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_where_f_itself_is_not_finite_nothing_holds(name: str, order: int) -> None:
    result = check(NOT_FINITE[name], np.array([-1.0, -1.5]), order=order)
    assert not result
    assert {e.verdict for e in result.elements} == {"not finite"}
    text = "not finite: f itself is infinite or NaN here; take arguments where it is finite"
    assert result.diagnoses == {text: 4 * order}
    assert text in str(result)


def test_where_f_is_finite_but_not_beside_forward_mode_decides() -> None:
    result = check(lambda x: np.where(np.abs(x - 1.0) < 1e-12, x, np.nan), np.array([1.0]))
    assert {e.rung for e in result.elements} == {"forward"}
    assert result
