"""gradcheck finds what is wrong, lets hold what is right, and says so where differences cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lecture as tl
from tests.profiles import tries
from tinygrad_lecture import gradcheck
from tinygrad_lecture.verify.gradcheck import GradcheckError, GradcheckResult

X = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])


def check(f: Callable[..., Any], *args: Any, **options: Any) -> GradcheckResult:
    return gradcheck(f, *args, raise_on_fail=False, **options)


def sine(factor: float) -> Callable[[Any], Any]:
    """A sine whose slope is wrong by a factor."""
    return tl.local_rule(lambda x: np.sin(x), slopes=lambda y, x: factor * np.cos(x))


# what is wrong


def row_scale_without_its_sum(x: Any) -> Any:
    scale = tl.local_rule(
        lambda a, b: a * b,
        rules=(lambda err, y, a, b: err * b, lambda err, y, a, b: (err * a)[0]),  # the first row, not the sum of all
    )
    return np.sum(scale(x, x[0]))


def all_into_the_first(err: Any, y: Any, x: Any) -> Any:
    return np.where(np.arange(x.size).reshape(x.shape) == 0, err * x.size, 0.0)


WRONG: dict[str, Callable[[Any], Any]] = {
    "factor 1.001": sine(1.001),
    "factor 0.999": sine(0.999),
    "sign": sine(-1.0),
    "zero": sine(0.0),
    "twice": sine(2.0),
    "infinite": tl.local_rule(lambda x: x * 1.0, slopes=lambda y, x: np.inf),
    "NaN": tl.local_rule(lambda x: x * 1.0, slopes=lambda y, x: np.nan),
    "missing sum": row_scale_without_its_sum,
    "ignored error": tl.local_rule(lambda x: 3 * x, rules=lambda err, y, x: 3.0 + 0 * x),
    "transposed": lambda x: np.einsum(
        "ij,kj", tl.local_rule(lambda a: a @ a.T, rules=lambda err, y, a: 2 * err @ a)(x), X[:, :2]
    ),
    "all into one element": tl.local_rule(lambda x: np.sum(x), rules=all_into_the_first),
    "detached part": lambda x: x * np.sin(x.detach() if isinstance(x, tl.Tensor) else x),
    "detached mean": lambda x: x - np.mean(x.detach() if isinstance(x, tl.Tensor) else x),
    "a part without recording": lambda x: x + tl.no_grad()(np.sin)(x),
    "one element of many": lambda x: np.where(X > 1.9, sine(1.01)(x), np.sin(x)),
    "ignored input": tl.local_rule(lambda x: x**2, slopes=None, rules=(None,)),
}


@pytest.mark.parametrize("weighted", [False, True], ids=["summed", "as it is"])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_found(name: str, weighted: bool) -> None:
    f = WRONG[name]
    result = check(f if weighted else lambda x: np.sum(f(x) * (X if np.shape(f(X)) == X.shape else 1.0)), X)
    assert not result
    assert result.worst.verdict in ("wrong", "not finite")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("factor", [1.001, 0.999, -1.0])
def test_a_factor_is_found_at_every_scale_of_arguments_and_values(factor: float, scale: float, dtype: str) -> None:
    f, s = sine(factor), np.dtype(dtype).type(scale)
    x = (X * scale).astype(dtype)
    assert not check(lambda x: np.sum(f(x / s)), x)
    assert not check(lambda x: np.sum(f(x / s) * s), x)
    assert not check(lambda x: np.sum(f(x / s) / s), x)


@pytest.mark.parametrize("factor", [1.001, 1.5, -1.0])
@pytest.mark.parametrize("offset", [1e3, 1e6, 1e9, 1e12, 1e15])
def test_a_wrong_gradient_does_not_hold_beside_a_large_constant(offset: float, factor: float) -> None:
    f = sine(factor)  # where rounding hides the slope, the check may be unclear, but it must not hold
    assert not check(lambda x: offset + np.sum(f(x)), X)


@pytest.mark.parametrize("large", [1e3, 1e6, 1e12])
def test_a_wrong_element_does_not_hold_beside_much_larger_ones(large: float) -> None:
    f = sine(-1.0)
    assert not check(lambda x, y: np.sum(x * large) + f(y), X, 0.4)


@pytest.mark.parametrize("width", [1e-3, 1e-5])
def test_a_detached_bump_that_is_narrower_than_the_first_steps_is_found(width: float) -> None:
    # far from the bump all values are 0: the steps that are too wide see no slope, and must not count
    def bump(x: Any) -> Any:
        return np.exp(-((x / width) ** 2))

    assert not check(lambda x: bump(x.detach() if isinstance(x, tl.Tensor) else x) + 0.0 * x, -width)
    result = check(bump, -width)
    assert result, str(result)


def test_a_wrong_second_derivative_behind_a_right_first_one_is_found_by_order_2_only() -> None:
    cube = tl.local_rule(lambda x: x**3, slopes=lambda y, x: sine_free_slope(x))
    assert check(cube, X)
    result = check(cube, X, order=2)
    assert not result
    assert result.worst.order == 2


def sine_free_slope(x: Any) -> Any:
    """3x², with a derivative that forgets the factor 2."""
    return tl.local_rule(lambda x: 3 * x**2, slopes=lambda y, x: 3 * x)(x)


def test_a_wrong_third_derivative_is_found_by_order_3_only() -> None:
    def second(x: Any) -> Any:
        return tl.local_rule(lambda x: 12 * x**2, slopes=lambda y, x: 25 * x)(x)

    def first(x: Any) -> Any:
        return tl.local_rule(lambda x: 4 * x**3, slopes=lambda y, x: second(x))(x)

    fourth = tl.local_rule(lambda x: x**4, slopes=lambda y, x: first(x))
    assert check(fourth, X, order=2)
    result = check(fourth, X, order=3)
    assert not result
    assert result.worst.order == 3


def test_the_worst_element_is_named_with_its_place() -> None:
    f = lambda x: np.where(X > 1.9, sine(1.5)(x), np.sin(x))  # X > 1.9 at [0, 2] alone
    elements = [e for e in check(f, X).elements if e.name.startswith("argument")]
    assert [e.name for e in elements if e.verdict != "ok"] == ["argument 0[0, 2]"]


# what is right


SMOOTH: dict[str, Callable[[Any], Any]] = {
    "sine": np.sin,
    "tanh": np.tanh,
    "gauss": lambda x: np.exp(-x * x),
    "polynomial": lambda x: 2 * x**3 - x**2 + 0.5,
    "quotient": lambda x: x / (1 + x * x),
    "logistic": tl.logistic,
    "softplus": tl.softplus,
    "root": lambda x: np.sqrt(1 + x * x),
    "log": lambda x: np.log(2 + np.cos(x)),
    "softmax": lambda x: np.exp(tl.log_softmax(x)) * np.arange(x.shape[-1]),
    "product": lambda x: np.prod(x, axis=-1),
    "matmul": lambda x: x @ x.T,
    "norm": lambda x: np.einsum("ij,ij->i", x, x),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("f", "x"),
    [
        (np.cos, 0.0),
        (lambda x: 2 * x**3 - x**2 + 0.5, 0.0),
        (lambda x: x / (1 + x * x), 1.0),
        (lambda x: x**4, 0.0),
        (lambda x: (x - 0.3) ** 2, 0.3),
    ],
    ids=["cosine", "polynomial", "quotient", "fourth power", "perfect fit"],
)
def test_a_right_gradient_holds_where_it_is_zero(f: Callable[[Any], Any], x: float, order: int) -> None:
    result = check(f, x, order=order)
    assert result, str(result)


@pytest.mark.parametrize("width", [1e-5, 1e-2, 1.0, 1e2, 1e5])
@pytest.mark.parametrize("f", [np.sin, np.tanh, tl.logistic, tl.softplus], ids=["sin", "tanh", "logistic", "softplus"])
def test_a_right_gradient_holds_at_zero_however_wide_the_function_is(f: Callable[[Any], Any], width: float) -> None:
    # seen with steps wider than itself, softplus has a kink at 0, and logistic a jump: a derivative is a limit
    result = check(lambda x: f(x / width), 0.0)
    assert result, str(result)


off_zero = st.one_of(st.floats(-2.0, -0.05), st.floats(0.05, 2.0))  # an argument of 0 says nothing of the scale


EQUAL_QUOTIENTS = np.array([[1.84375, -0.5, -0.1875], [1.25, 0.0625, 1.0546875], [-0.421875, 1.0, 1.07421875]])
"""Where two difference quotients of √(1 + x²) happen to be equal, and look like a limit."""


@settings(max_examples=tries(60))
@given(
    name=st.sampled_from(sorted(SMOOTH)),
    x=hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 3)), elements=off_zero),
    power=st.integers(-6, 6),
    out=st.integers(-6, 6),
    dtype=st.sampled_from(["float64", "float32"]),
)
@example("root", EQUAL_QUOTIENTS, 0, 0, "float64")
def test_a_right_gradient_holds_at_every_scale(name: str, x: np.ndarray, power: int, out: int, dtype: str) -> None:
    f, a = SMOOTH[name], np.dtype(dtype).type
    s, t = a(10.0**power), a(10.0**out)
    result = check(lambda x: f(x / s) * t, (x.astype(dtype) * s).astype(dtype))
    assert result, str(result)


@settings(max_examples=tries(10))
@given(
    name=st.sampled_from(sorted(SMOOTH)),
    x=hnp.arrays(np.float64, (2, 2), elements=st.floats(-2.0, 2.0)),
    dtype=st.sampled_from(["float64", "float32"]),
)
@example("quotient", np.full((2, 2), 2.25e-309), "float64")
def test_right_second_and_third_derivatives_hold(name: str, x: np.ndarray, dtype: str) -> None:
    result = check(SMOOTH[name], x.astype(dtype), order=3)
    assert result, str(result)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize(
    "f", [np.log, np.sqrt, lambda x: 1 / x, lambda x: x**-1.5], ids=["log", "sqrt", "reciprocal", "power"]
)
def test_a_right_gradient_holds_near_the_end_of_the_domain(f: Callable[[Any], Any], scale: float, order: int) -> None:
    # the first steps cross 0 when x is small: what they find must not count
    result = check(f, np.array([0.3, 1.0, 2.2]) * scale, order=order)
    assert result, str(result)


@pytest.mark.parametrize(
    "f",
    [lambda x: 2.5 + 0 * np.sum(x), lambda x: 1.0, lambda x: np.sum(np.sign(x))],
    ids=["zero slope", "no slope", "sign"],
)
def test_a_gradient_of_zeros_holds(f: Callable[[Any], Any]) -> None:
    assert check(f, X)


def test_numbers_arrays_and_empty_arrays_are_arguments() -> None:
    assert check(lambda a, b, c: a * b + np.sum(c), 2.0, np.float64(3.0), np.zeros((0, 2)))
    assert check(lambda x: x**2, np.array(1.5))


@dataclass(frozen=True)
class Layer:
    W: Any
    b: Any


def test_containers_are_checked_leaf_by_leaf_and_named_by_their_paths() -> None:
    def f(p: Any, rest: Any) -> Any:
        return np.sum(np.tanh(p["layer"].W @ rest[0] + p["layer"].b)) * rest[1][0]

    args = ({"layer": Layer(X, np.array([0.1, 0.2]))}, (np.array([1.0, 2.0, 3.0]), [0.5]))
    result = gradcheck(f, *args)
    names = [e.name for e in result.elements if e.name.startswith("argument")]
    assert len(names) == 6 + 2 + 3 + 1
    assert names[0] == "argument 0['layer'].W[0, 0]"
    assert names[-1] == "argument 1[1][0]"


def test_what_is_not_floating_is_held_fixed_and_listed() -> None:
    def f(x: Any, n: int, index: np.ndarray, mask: np.ndarray) -> Any:
        assert type(n) is int
        return np.sum(np.where(mask, x[index], 0.0) ** n)

    result = gradcheck(f, np.array([1.0, 2.0]), 3, np.array([1, 0, 1]), np.array([True, False, True]))
    assert result.unchecked == ("argument 1", "argument 2", "argument 3")
    assert str(result).count("not checked") == 3


def test_only_integers_are_nothing_to_check() -> None:
    for args in ((3,), (np.array([1, 2]), [True]), ()):
        with pytest.raises(TypeError, match=r"nothing floating.*3\.0 in place of 3"):
            gradcheck(lambda *a: 1.0, *args)


def test_tensors_are_refused_with_the_way_out() -> None:
    with pytest.raises(TypeError, match=r"t\.numpy\(\)"):
        gradcheck(np.sum, tl.Tensor(X))


def test_the_same_check_twice_prints_the_same() -> None:
    assert str(check(np.tanh, X)) == str(check(np.tanh, X))


def test_the_arguments_are_left_as_they_were() -> None:
    x = X.copy()
    x.flags.writeable = False
    gradcheck(np.tanh, x, order=2)
    np.testing.assert_array_equal(x, X)


# where differences cannot tell


KINKS: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "absolute": (np.abs, np.array([0.0, 1.0])),
    "relu": (tl.relu, np.array([0.0, 1.0])),
    "maximum": (lambda x: np.maximum(x, 0.5), np.array([0.5, 1.0])),
    "clip": (lambda x: np.clip(x, -1.0, 1.0), np.array([1.0, 0.2])),
    "max": (np.max, np.array([1.0, 1.0])),
    "where": (lambda x: np.where(x > 0, 2 * x, -x), np.array([0.0, 1.0])),
    "a small kink": (lambda x: np.sin(x) + 0.01 * np.abs(x), np.array([0.0, 1.0])),
}


@pytest.mark.parametrize("name", KINKS)
def test_a_kink_is_called_a_kink_not_a_wrong_gradient(name: str) -> None:
    f, x = KINKS[name]
    result = check(f, x)
    assert not result
    at = [e for e in result.elements if e.name == "argument 0[0]"]
    assert [e.verdict for e in at] == ["kink"]


def test_a_point_beside_a_kink_holds() -> None:
    for d in (1e-2, 1e-4, 1e-6):
        result = check(np.abs, np.array([d, -d]))
        assert result, f"{d}: {result}"


def test_an_infinite_gradient_is_not_finite() -> None:
    result = check(np.sqrt, np.array([0.0, 1.0]))
    assert not result
    assert result.worst.verdict in ("not finite", "kink")


def test_a_jump_does_not_hold() -> None:
    result = check(lambda x: np.sum(np.where(x > 0, 1.0, 0.0) + x), np.array([0.0]))
    assert {e.verdict for e in result.elements} == {"jump"}


def test_noise_does_not_hold() -> None:
    # deterministic, yet without a derivative: the differences never settle
    assert not check(lambda x: np.sum(np.sin(1e12 * (x.detach() if isinstance(x, tl.Tensor) else x))) + np.sum(x), X)


# what is refused


def test_a_function_that_gives_two_results_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="two results for the same arguments"):
        gradcheck(lambda x: np.sum(x * rng.normal(size=X.shape)), X)


def test_a_function_that_writes_into_its_argument_is_refused() -> None:
    def f(x: Any) -> Any:
        if isinstance(x, np.ndarray):
            x *= 0.5
        return np.sum(x)

    with pytest.raises(ValueError, match="f writes into its arguments"):
        gradcheck(f, X.copy())


def test_a_function_that_writes_into_an_integer_argument_is_refused() -> None:
    def f(x: Any, counts: np.ndarray) -> Any:
        counts += 1
        return np.sum(x)

    with pytest.raises(ValueError, match="f writes into its arguments"):
        gradcheck(f, X, np.zeros(2, int))


@pytest.mark.parametrize("order", [0, -1])
def test_an_order_below_one_is_refused(order: int) -> None:
    with pytest.raises(ValueError, match=f"order must be at least 1, not {order}"):
        gradcheck(np.tanh, X, order=order)


def test_values_that_are_not_floating_are_refused() -> None:
    with pytest.raises(TypeError, match=r"int64 values of shape \(\)"):
        gradcheck(lambda x: np.argmax(x), X)


# how it looks


def test_the_table_has_a_line_for_each_element_the_worst_first() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.where(X > 1.9, sine(1.5)(x), sine(1.001)(x)))

    with pytest.raises(GradcheckError) as caught:
        gradcheck(f, X)
    result = check(f, X)
    assert str(caught.value) == str(result)
    summary, header, *lines = str(result).splitlines()
    lines, diagnoses = lines[:8], lines[8:]
    assert len(diagnoses) == len(result.diagnoses) == 3  # the one factor, the other, and two directions
    assert summary == result.summary()
    assert "gradcheck of f: 8 of 8 derivatives do not hold" in summary
    for column in ("element", "automatic", "numeric", "rel. error", "err/tol", "rung", "verdict"):
        assert column in header
    assert len(lines) == len(result.elements) == 8  # six elements, two directions
    assert result.worst.name in lines[0]
    assert result.worst.name in summary
    (row,) = [line for line in lines if line.startswith("argument 0[0, 2]")]
    assert f"{1.5 * np.cos(2.0):.7g}" in row
    assert f"{np.cos(2.0):.5g}"[:-1] in row
    assert row.endswith("wrong")
    assert len({line.rindex("wrong") for line in lines}) == 1  # the columns stand below each other


def test_a_result_that_holds_says_so_in_one_line() -> None:
    result = gradcheck(np.tanh, X)
    assert bool(result) is True
    assert result.summary() == "gradcheck of tanh: 8 derivatives hold"
    assert all(e.verdict == "ok" for e in result.elements)


def test_a_long_table_is_cut_and_says_so() -> None:
    result = check(sine(2.0), np.linspace(0.1, 1.4, 50))
    lines = str(result).splitlines()
    assert sum(line.endswith("wrong") for line in lines) == 20
    assert any("32 more" in line for line in lines)


def test_the_relative_error_is_taken_by_the_larger_of_both() -> None:
    (element, *_) = check(sine(2.0), 0.3).elements
    assert element.automatic == pytest.approx(2 * np.cos(0.3), rel=1e-15)
    assert element.numeric == pytest.approx(np.cos(0.3), rel=1e-7)
    assert element.relative_error == pytest.approx(0.5, rel=1e-6)


def test_an_array_valued_function_is_weighted_and_the_table_says_so() -> None:
    assert "Σ v f" in str(check(np.tanh, X))
    assert "Σ v f" not in str(check(lambda x: np.sum(np.tanh(x)), X))


def test_the_error_is_an_assertion_error() -> None:
    assert issubclass(tl.GradcheckError, AssertionError)
    assert tl.GradcheckError is GradcheckError


@pytest.mark.parametrize(
    "rule",
    [
        lambda err, y, x: 3 * x**2,
        lambda err, y, x: 3 * x**2 * err**2,
        lambda err, y, x: 3 * x**2 * np.abs(err),
    ],
    ids=["forgotten", "squared", "without its sign"],
)
def test_a_rule_that_misuses_the_error_does_not_hold_for_a_scalar_function(rule: Callable[..., Any]) -> None:
    cubes = tl.local_rule(lambda x: np.sum(x**3), rules=rule)
    assert not tl.gradcheck(cubes, np.array([1.0, 2.0]), raise_on_fail=False)


def test_a_scalar_function_is_told_without_the_error_it_was_checked_with() -> None:
    result = tl.gradcheck(lambda x: np.sum(x**3), np.array([1.0, 2.0]))
    assert [e.automatic for e in result.elements[:2]] == [3.0, 12.0]


@pytest.mark.parametrize("factor", [0.0, 1.001, -1.0])
def test_a_wrong_element_does_not_hold_beside_larger_ones_where_only_differences_look(factor: float) -> None:
    f = sine(factor)  # the slack for rounding follows the larger slope, and must not cover the smaller one
    for size in (1e-3, 1e-9, 1e-15):
        result = check(lambda x, y, size=size: f(x) * size + 2.0 * y, 0.3, 0.0, rungs="central")
        assert not result


def test_float16_is_checked_with_its_own_rounding() -> None:
    x = X.astype(np.float16)
    assert check(lambda x: np.sum(np.tanh(x)), x)
    assert not check(lambda x: np.sum(sine(1.2)(x)), x)
