"""Forward mode by dual numbers: its own table, its orders, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lecture as tl
from tests.oracles import complex_step, differences
from tests.profiles import tries
from tinygrad_lecture.engine.primitives import odot
from tinygrad_lecture.verify.dual import Blur, Dual, NotPossibleError, forward_derivative, primal
from tinygrad_lecture.verify.dual_composed import COMPOSED
from tinygrad_lecture.verify.dual_table import CONSTANT, LINEAR, MULTILINEAR, SLOPES

X = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])
ELSEWHERE = {"arccosh": (1.3, 2.8), "arctanh": (-0.8, 0.8), "logit": (0.1, 0.9), "arcsin": (-0.8, 0.8)}


def function_of(name: str) -> Callable[..., Any]:
    """The function that a name in the table means."""
    homes = (np, scipy.special, tl)
    return odot if name == "odot" else next(getattr(home, name) for home in homes if hasattr(home, name))


@pytest.mark.parametrize("name", SLOPES)
def test_every_slope_of_the_table_is_that_of_the_function(name: str) -> None:
    fn, n = function_of(name), len(SLOPES[name])
    rng = np.random.default_rng(0)
    low, high = ELSEWHERE.get(name, (0.2, 0.9))
    xs = [rng.uniform(low, high, 4) for _ in range(n)]
    v = rng.normal(size=4)
    expected = differences(fn, xs, v)
    for k in range(n):
        for i in range(4):
            d = [np.eye(4)[i] if j == k else np.zeros(4) for j in range(n)]
            found = forward_derivative(lambda a: np.sum(v * fn(*a)), xs, [d])
            assert found == pytest.approx(expected[k][i], rel=1e-8, abs=1e-9)  # of h = 1e-4 extrapolated


HIGHER = [name for name in SLOPES if name not in ("gammaln", "digamma", "psi", "logistic", "relu", "softplus")]


@pytest.mark.parametrize("name", HIGHER)
def test_nested_twice_the_table_gives_second_derivatives(name: str) -> None:
    fn, n = function_of(name), len(SLOPES[name])
    rng = np.random.default_rng(1)
    low, high = ELSEWHERE.get(name, (0.2, 0.9))
    xs = [rng.uniform(low, high, 3) for _ in range(n)]
    u, w = ([rng.normal(size=3) for _ in range(n)] for _ in range(2))

    def first(*at: np.ndarray) -> np.ndarray:
        return np.asarray(forward_derivative(lambda a: np.sum(fn(*a)), list(at), [u]))

    expected = sum(np.sum(g * d) for g, d in zip(differences(first, xs, np.asarray(1.0)), w, strict=True))
    found = forward_derivative(lambda a: np.sum(fn(*a)), xs, [u, w])
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-8)


def test_no_function_stands_in_two_tables() -> None:
    tables = [set(SLOPES), set(CONSTANT), set(LINEAR), set(MULTILINEAR), set(COMPOSED)]
    for i, a in enumerate(tables):
        for b in tables[i + 1 :]:
            assert not a & b


@given(
    x=hnp.arrays(np.float64, (3,), elements=st.floats(-2.0, 2.0)),
    us=st.lists(hnp.arrays(np.float64, (3,), elements=st.floats(-2.0, 2.0)), min_size=1, max_size=4),
)
def test_nested_k_deep_they_give_derivatives_of_order_k(x: np.ndarray, us: list[np.ndarray]) -> None:
    # F = Σ x⁴ + Π x has the mixed derivatives Σ x^(4−k) 4!/(4−k)! Π u, and those of the product by sums over places
    k = len(us)
    found = forward_derivative(lambda a: np.sum(a[0] ** 4), [x], [[u] for u in us])
    falling = np.prod(np.arange(5 - k, 5))
    expected = np.sum(falling * x ** (4 - k) * np.prod(us, axis=0))
    size = np.sum(falling * np.abs(x) ** (4 - k) * np.abs(np.prod(us, axis=0)))
    assert found == pytest.approx(expected, abs=100 * 2.3e-16 * size + 1e-300)


def test_the_second_derivative_of_a_product_of_two_arguments_is_mixed_once() -> None:
    a, b = np.array(3.0), np.array(5.0)
    one, none = np.array(1.0), np.array(0.0)
    assert forward_derivative(lambda x: x[0] * x[1], [a, b], [[one, none], [none, one]]) == 1.0
    assert forward_derivative(lambda x: x[0] * x[1], [a, b], [[one, none], [one, none]]) == 0.0


NETS: dict[str, Callable[[Any, Any], Any]] = {
    "two layers": lambda x, w: np.tanh(tl.linear(np.tanh(tl.linear(x, w)), w.T)),
    "softmax": lambda x, w: tl.softmax(x @ w.T, axis=0),
    "log softmax": lambda x, w: tl.log_softmax(x) * np.mean(w),
    "logistic and softplus": lambda x, w: tl.logistic(x) * tl.softplus(x @ w.T @ w),
    "logsumexp": lambda x, w: tl.logsumexp(x @ w.T, axis=1),
    "squared error": lambda x, w: tl.squared_error(x, x @ w.T @ w),
    "cross entropy": lambda x, w: tl.cross_entropy(x @ w.T, np.array([1, 0])),
    "cross entropy of shares": lambda x, w: tl.cross_entropy(x @ w.T, np.array([[0.3, 0.7], [1.0, 0.0]])),
    "spread": lambda x, w: np.std(x, axis=0) + np.var(w, axis=0, ddof=1),
    "pieces": lambda x, w: np.concatenate([x[:, ::-1], w[[0, 0]]], axis=0).reshape(-1)[1:] ** 2,
    "einsum": lambda x, w: np.einsum("ij,kj->ik", x, w) + np.trace(x @ w.T),
    "product": lambda x, w: np.prod(x, axis=1) * np.max(w),
    "systems": lambda x, w: np.linalg.solve(x @ x.T + np.eye(2), w) + np.linalg.det(w @ w.T),
}


@pytest.mark.parametrize("name", NETS)
@settings(max_examples=tries(20))
@given(seed=st.integers(0, 2**32 - 1))
def test_forward_and_reverse_mode_are_each_others_transpose(name: str, seed: int) -> None:
    """⟨v, Ju⟩ = ⟨Jᵀv, u⟩ up to 100 ε Σ|terms|."""
    rng, f = np.random.default_rng(seed), NETS[name]
    x, w, ux, uw = (rng.normal(size=(2, 3)) for _ in range(4))
    y, back = tl.vjp(f, x, w)
    v = rng.normal(size=np.shape(y))
    gx, gw = back(v)
    forward = forward_derivative(lambda a: np.sum(v * f(*a)), [x, w], [[ux, uw]])
    terms = np.sum(np.abs(gx * ux)) + np.sum(np.abs(gw * uw)) + 1e-300
    blurred = forward_derivative(lambda a: np.sum(v * f(*a)), [x, w], [[ux, uw]], Blur(rng, 2.0**-30))
    terms += abs(blurred - forward) * 2.0**30
    assert forward == pytest.approx(np.sum(gx * ux) + np.sum(gw * uw), rel=0, abs=100 * 2.3e-16 * terms)


@pytest.mark.parametrize(
    "f",
    [np.tanh, np.exp, lambda x: np.log(2 + np.cos(x)), lambda x: np.sum(np.sin(x) @ X.T) * x],
    ids=["tanh", "exp", "log", "matmul"],
)
def test_forward_mode_agrees_with_the_complex_step(f: Callable[[Any], Any]) -> None:
    v = np.linspace(-1, 2, 6).reshape(2, 3)
    (expected,) = complex_step(f, [X], v)
    for index in np.ndindex(X.shape):
        d = np.zeros(X.shape)
        d[index] = 1.0
        found = forward_derivative(lambda a: np.sum(v * f(a[0])), [X], [[d]])
        assert found == pytest.approx(expected[index], rel=1e-12)


def test_the_spread_of_blurred_runs_is_the_sum_of_absolute_terms() -> None:
    # d/dx (10⁶ x − 10⁶ x + x) = 1, summed from terms of 10⁶ each: that is what its rounding follows
    rng = np.random.default_rng(0)
    blur = Blur(rng, 2.0**-30)
    run = lambda blur: forward_derivative(
        lambda a: 1e6 * a[0] - 1e6 * a[0] + a[0], [np.array(0.7)], [[np.array(1.0)]], blur
    )
    assert run(None) == 1.0
    spread = np.sqrt(np.mean([(run(blur) - 1.0) ** 2 for _ in range(50)])) * 2.0**30
    assert 1e5 < spread < 1e7


def test_where_no_change_arrives_none_is_passed_on() -> None:
    x = np.array([0.0, 4.0])
    found = forward_derivative(lambda a: np.sum(np.sqrt(a[0])), [x], [[np.array([0.0, 1.0])]])
    assert found == 0.25  # not NaN, though the slope at 0 is infinite


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an array of it": (lambda x: np.asarray(x), "np.asarray would drop the tangent"),
    "a function in no table": (lambda x: np.partition(x, 1), "partition is not in the table of dual numbers"),
    "a method of a ufunc": (lambda x: np.add.reduce(x), r"np\.add\.reduce is not in the table"),
    "out": (lambda x: np.tanh(x, out=np.zeros(3)), "tanh with out="),
    "where": (lambda x: np.tanh(x, where=np.array([True, False, True])), "tanh with where="),
    "a median over two axes": (lambda x: np.median(np.reshape(x, (3, 1)), axis=(0, 1)), "median over several axes"),
    "an average with its weights": (lambda x: np.average(x, returned=True), "returned=True is not in the table"),
    "gamma twice": (lambda x: scipy.special.gammaln(Dual(x, x)), "higher orders of the gamma function"),
    "a norm of another order": (lambda x: np.linalg.norm(x, 1), "norms of order 1 are not in the table"),
    "trapezoids over places": (lambda x: np.trapezoid(np.ones(3), x) + np.trapezoid(x, x), "trapezoid by its places"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_forward_mode_cannot_do_is_refused_by_name(name: str) -> None:
    f, text = REFUSED[name]
    with pytest.raises(NotPossibleError, match=text):
        f(Dual(np.ones(3), np.ones(3)))


def test_an_unknown_attribute_is_named() -> None:
    with pytest.raises(AttributeError, match="a dual number has no backward"):
        Dual(np.ones(3), np.ones(3)).backward()


def test_a_comparison_and_an_argmax_are_those_of_the_values() -> None:
    x = Dual(np.array([3.0, 1.0]), np.ones(2))
    assert list(x > 2) == [True, False]
    assert np.argmax(x) == 0
    assert primal([x, 3])[1] == 3
    assert list(x.astype(int)) == [3, 1]


def test_a_rule_of_the_users_is_not_looked_at_but_its_steps_are() -> None:
    wrong = tl.local_rule(lambda x: np.sin(x), slopes=lambda y, x: 7.0 + 0 * x)
    assert forward_derivative(lambda a: wrong(a[0]), [np.array(0.3)], [[np.array(1.0)]]) == np.cos(0.3)


def test_a_function_of_the_users_without_a_module_is_taken_by_its_steps() -> None:
    names: dict[str, Any] = {"np": np, "tl": tl, "__name__": None}
    exec("f = tl.local_rule(lambda x: np.sin(x), slopes=lambda y, x: np.cos(x))", names)
    assert forward_derivative(lambda a: names["f"](a[0]), [np.array(0.3)], [[np.array(1.0)]]) == np.cos(0.3)


FORMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "the places of a condition": (lambda x: x[np.where(np.maximum(x, 0.0))] ** 2, lambda x: x[x > 0] ** 2),
    "rows one by one": (lambda x: sum(row * row for row in x), lambda x: np.sum(x * x, axis=0)),
    "transposed by name": (lambda x: x.transpose(1, 0) ** 2, lambda x: x.T**2),
    "flattened": (lambda x: x.flatten() ** 2, lambda x: np.reshape(x, -1) ** 2),
    "by keyword": (lambda x: np.sinc(x=x), np.sinc),
    "weights along an axis": (
        lambda x: np.average(x, axis=0, weights=x[:, 0] + 3),
        lambda x: (x[:, 0] + 3) @ x / np.sum(x[:, 0] + 3),
    ),
    "a median that keeps its axes": (
        lambda x: np.median(x, keepdims=True) ** 2,
        lambda x: np.reshape(np.median(x), (1, 1)) ** 2,
    ),
    "a median along an axis": (
        lambda x: np.median(x, axis=0, keepdims=True),
        lambda x: np.mean(x, axis=0, keepdims=True),
    ),
    "the logarithm of a determinant": (
        lambda x: np.linalg.slogdet(x @ x.T)[1],
        lambda x: np.log(np.linalg.det(x @ x.T)),
    ),
    "the power of a matrix": (lambda x: np.linalg.matrix_power(x @ x.T, 3), lambda x: x @ x.T @ x @ x.T @ x @ x.T),
    "systems with one right-hand side": (
        lambda x: np.linalg.solve(np.stack([x @ x.T, x @ x.T + 1]), x[:, 0]),
        lambda x: np.linalg.inv(np.stack([x @ x.T, x @ x.T + 1])) @ x[:, 0],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_has_the_differences_of_what_it_is_another_way_of_writing(name: str) -> None:
    f, plainly = FORMS[name]
    v = np.random.default_rng(0).normal(size=np.shape(plainly(X)))
    (expected,) = differences(plainly, [X], v)
    for index in np.ndindex(X.shape):
        d = np.zeros(X.shape)
        d[index] = 1.0
        found = forward_derivative(lambda a: np.sum(v * f(a[0])), [X], [[d]])
        assert found == pytest.approx(expected[index], rel=1e-8, abs=1e-8)  # of h = 1e-4 extrapolated
