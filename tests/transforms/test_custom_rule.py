"""custom_rule: one rule in place of those of all steps, in all transforms, and what a wrong one is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.oracles import complex_step
from tinygrad_lecture import Tensor, custom_rule, grad, hessian, hvp, jacobian, jvp, vjp

ROUNDING = {"rtol": 1e-12, "atol": 1e-13}
seeds = st.integers(0, 2**32 - 1)


def newton_sqrt(a: Any) -> Any:
    """√a by Newton's iteration, as an example of what has converged."""
    y = np.ones_like(a)
    for _ in range(40):
        y = 0.5 * (y + a / y)
    return y


root = custom_rule(newton_sqrt, lambda err, y, a: err / (2.0 * root(a)))


@dataclass(frozen=True)
class Layer:
    W: Any
    b: Any
    name: str = "hidden"


def layer(p: Any, x: Any, power: int = 1) -> Any:
    return np.tanh(x @ p.W + p.b) ** power


def layer_rule(err: Any, y: Any, p: Any, x: Any, power: int = 1) -> Any:
    h = np.tanh(x @ p.W + p.b)
    local = err * power * h ** (power - 1) * (1 - h * h)
    return Layer(x.T @ local, np.sum(local, axis=0), "error"), local @ p.W.T, None


fused = custom_rule(layer, layer_rule)


# in place of the steps


def test_the_rule_stands_in_place_of_those_of_the_steps() -> None:
    damped = custom_rule(lambda x: x * x, lambda err, y, x: 0.25 * err)
    assert grad(damped)(3.0) == 0.25
    assert grad(lambda x: damped(damped(x)))(3.0) == 0.0625
    w = Tensor(3.0, requires_grad=True)
    y = damped(w)
    assert y.item() == 9.0
    assert y.op.name == "<lambda>"
    y.backward(8.0)
    assert w.grad == 2.0


@given(seeds)
def test_a_layer_with_one_rule_has_the_gradients_of_its_steps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W, b, x, v = (rng.normal(size=s) for s in ((3, 2), (2,), (4, 3), (4, 2)))

    def f(p: Any, x: Any) -> Any:
        return np.sum(v * fused(p, x, 2))

    p, e = grad(lambda p, x: f(Layer(p["W"], p["b"]), x), (0, 1))({"W": W, "b": b}, x)
    wanted = complex_step(lambda W, b, x: np.tanh(x @ W + b) ** 2, [W, b, x], v)
    for got, want in zip((p["W"], p["b"], e), wanted, strict=True):
        np.testing.assert_allclose(got, want, **ROUNDING)


@given(seeds)
def test_all_orders_follow_from_a_rule_that_is_numpy_code(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, u = rng.uniform(0.5, 3.0, 3), rng.normal(size=3)

    def f(x: Any) -> Any:
        return np.sum(root(x) * x)  # x^(3/2)

    np.testing.assert_allclose(grad(f)(x), 1.5 * x**0.5, **ROUNDING)
    np.testing.assert_allclose(hessian(f)(x), np.diag(0.75 * x**-0.5), **ROUNDING)
    np.testing.assert_allclose(hvp(f)(x, u), 0.75 * x**-0.5 * u, **ROUNDING)
    np.testing.assert_allclose(jvp(root, (x,), (u,))[1], 0.5 * x**-0.5 * u, **ROUNDING)
    np.testing.assert_allclose(jacobian(root)(x), np.diag(0.5 * x**-0.5), **ROUNDING)
    np.testing.assert_allclose(jvp(grad(f), (x,), (u,))[1], 0.75 * x**-0.5 * u, **ROUNDING)
    third = grad(lambda x: np.sum(hvp(f)(x, np.ones(3))))(x)
    np.testing.assert_allclose(third, -0.375 * x**-1.5, **ROUNDING)


def test_the_forward_steps_run_on_arrays_and_the_rule_once_a_walk() -> None:
    seen = []

    def forward(x: Any) -> Any:
        seen.append(("forward", type(x)))
        return x * x

    def rule(err: Any, y: Any, x: Any) -> Any:
        seen.append(("rule", type(err)))
        return 2.0 * err * x

    square = custom_rule(forward, rule)
    assert vjp(lambda x: square(x) * np.sum(x), np.array([3.0]))[1](np.ones(1))[0] == 27.0
    assert seen == [("forward", np.ndarray), ("rule", np.ndarray)]
    seen.clear()
    assert square(np.array([3.0])) == 9.0
    assert seen == [("forward", np.ndarray)]


def test_a_function_of_arrays_alone_gets_them_as_they_are() -> None:
    p = Layer(np.eye(2), np.zeros(2))
    same = custom_rule(lambda q, n: q is p and n == 3, lambda err, y, q, n: None)
    assert same(p, 3)


# containers, static arguments, dtypes


def test_containers_in_any_order_of_their_keys() -> None:
    product = custom_rule(
        lambda p, q: p["a"] * p["b"] + q[0] * q[1][0],
        lambda err, y, p, q: ({"b": err * p["a"], "a": err * p["b"]}, [err * q[1][0], (err * q[0],)]),
    )
    p, q = grad(product, (0, 1))({"a": 2.0, "b": 3.0}, [5.0, (7.0,)])
    assert p == {"a": 3.0, "b": 2.0}
    assert q == [7.0, (5.0,)]


def test_none_gives_an_argument_no_error() -> None:
    left = custom_rule(lambda x, y: x * y, lambda err, z, x, y: (err * y, None))
    by_x, by_y = grad(lambda x, y: np.sum(left(x, y)), (0, 1))(np.ones(2), np.full(2, 3.0))
    np.testing.assert_array_equal(by_x, [3, 3])
    np.testing.assert_array_equal(by_y, [0, 0])
    nothing = custom_rule(lambda x: x * 2.0, lambda err, y, x: None)
    assert grad(nothing)(3.0) == 0.0
    _, dy = jvp(nothing, (3.0,), (1.0,))
    assert dy == 0.0


def test_static_arguments_are_passed_on_as_they_are() -> None:
    seen = []

    def f(x: Any, how: str, which: Any, n: int, nothing: None, p: Any) -> Any:
        seen.append((how, which.dtype, n, nothing, p["mode"]))
        return x[which] * n * p["scale"]

    def rule(err: Any, y: Any, x: Any, how: str, which: Any, n: int, nothing: None, p: Any) -> Any:
        e = np.zeros(x.shape)
        e[which] = err * n * p["scale"]
        return e, None, None, None, None, {"scale": np.sum(err * n * x[which])}

    chosen = custom_rule(f, rule)
    which, x = np.array([2, 0]), np.array([1.0, 2.0, 3.0])
    by_x, by_scale = grad(lambda x, s: np.sum(chosen(x, "fast", which, 3, None, {"mode": 1, "scale": s})), (0, 1))(
        x, 2.0
    )
    np.testing.assert_array_equal(by_x, [6, 0, 6])
    assert by_scale == 12.0
    assert seen == [("fast", which.dtype, 3, None, 1)]


def test_tensors_that_are_not_floating_are_static() -> None:
    masked = custom_rule(lambda x, m: x * m, lambda err, y, x, m: (err * m, None))
    np.testing.assert_array_equal(grad(lambda x: np.sum(masked(x, x > 0)))(np.array([1.0, -2.0])), [1, 0])
    np.testing.assert_array_equal(masked(3, Tensor([1, 2])), [3, 6])


def test_a_static_tensor_of_a_recording_is_refused_since_its_value_would_be_frozen() -> None:
    masked = custom_rule(lambda x, m: x * m, lambda err, y, x, m: (err * m, None))
    with pytest.raises(TypeError, match=r"an argument of <lambda> that is not floating while recording, at "):
        tl.record(lambda x: masked(x, x > 0))(np.array([1.0, -2.0]))


def test_mixed_dtypes_arrive_as_they_were_and_errors_come_in_that_of_the_argument() -> None:
    seen = []

    def f(x: Any, y: Any) -> Any:
        seen.append((x.dtype, y.dtype))
        return x * y

    product = custom_rule(f, lambda err, z, x, y: (err * y, err * x))
    by_x, by_y = grad(lambda x, y: np.sum(product(x, y)), (0, 1))(np.float32([1, 2]), np.array([0.1, 0.2]))
    assert seen == [(np.float32, np.float64)]
    assert (by_x.dtype, by_y.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(by_x, np.float32([0.1, 0.2]))
    np.testing.assert_array_equal(by_y, [1, 2])
    narrow = grad(lambda x: np.sum(product(x, x)))(np.float32([1, 2]))
    assert narrow.dtype == np.float32


def test_empty_arrays_and_matrices_keep_their_shapes() -> None:
    sums = custom_rule(
        lambda a, b, c: np.sum(a) + np.sum(b) + c, lambda err, y, a, b, c: (0 * a, err * np.ones_like(b), err)
    )
    by_a, by_b, by_c = grad(sums, (0, 1, 2))(np.zeros((0, 3)), np.ones((2, 2)), 1.0)
    assert by_a.shape == (0, 3)
    np.testing.assert_array_equal(by_b, np.ones((2, 2)))
    assert by_c == 1.0


def test_errors_that_share_memory_are_kept_apart() -> None:
    same = custom_rule(lambda x, y: x + y, lambda err, z, x, y: (err, err))
    by_x, by_y = grad(lambda x, y: np.sum(same(x, y)), (0, 1))(np.ones(2), np.ones(2))
    assert not np.shares_memory(by_x, by_y)
    writes = custom_rule(lambda x: 2.0 * x, lambda err, y, x: np.multiply(err, 2.0, out=err))
    err = np.ones(2)
    np.testing.assert_array_equal(vjp(lambda x: (writes(x), x), np.ones(2))[1]((err, err))[0], [3, 3])
    np.testing.assert_array_equal(err, [1, 1])


# wrong rules


@pytest.mark.parametrize(
    ("back", "said"),
    [
        (lambda e: (e,), "its rule must hand back a tuple with one error for each of 2 arguments, not a tuple of 1"),
        (lambda e: (e, e, e), "for each of 2 arguments, not a tuple of 3"),
        (lambda e: e, "for each of 2 arguments, not a ndarray"),
        (lambda e: None, "for each of 2 arguments, not a NoneType"),
        (
            lambda e: (e, {"W": e}),
            "product: its rule handed back arrays at ['W'] for argument 1, not arrays at ['W'], ['b']",
        ),
        (lambda e: (e, {"W": e, "c": e}), "arrays at ['W'], ['c'] for argument 1, not arrays at ['W'], ['b']"),
        (lambda e: (e, e), "handed back one array for argument 1"),
        (lambda e: ([e], None), "handed back arrays at [0] for argument 0, not one array"),
        (
            lambda e: (np.sum(e), None),
            "product: its rule handed back shape () for argument [0], but that argument has shape",
        ),
        (lambda e: (None, {"W": e[:1], "b": e}), "handed back shape (1,) for argument [1]['W'], but that argument has"),
    ],
)
def test_a_rule_that_hands_back_another_form_is_told_what_and_where(back: Any, said: str) -> None:
    def product(x: Any, p: Any) -> Any:
        return x * p["W"] + p["b"]

    f = custom_rule(product, lambda err, y, x, p: back(err))
    x = np.ones(2)
    with pytest.raises(ValueError, match=re.escape(said)):
        grad(lambda x: np.sum(f(x, {"W": x, "b": x})))(x)


def test_a_function_that_refers_to_a_tensor_is_told_to_take_it_as_an_argument() -> None:
    for w in (Tensor(2.0, requires_grad=True), Tensor(2.0)):
        scaled = custom_rule(lambda x, w=w: x * w, lambda err, y, x: err)
        with pytest.raises(
            TypeError, match="<lambda> refers to a Tensor that is none of its arguments; pass it as one"
        ):
            scaled(Tensor(1.0, requires_grad=True))


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="custom_rule needs a function as its first argument"):
        custom_rule(3.0, lambda err, y, x: err)  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match=re.escape("custom_rule(newton_sqrt): the rule must be a function rule(err, y, *a")
    ):
        custom_rule(newton_sqrt, 0.5)  # type: ignore[arg-type]


def test_several_outputs_are_refused() -> None:
    pair = custom_rule(lambda x: (x, x), lambda err, y, x: err)
    with pytest.raises(TypeError, match="returned a tuple: a differentiable operation has one output array"):
        pair(Tensor(1.0, requires_grad=True))


# what it looks like


def test_it_keeps_its_name_prints_and_is_traced() -> None:
    assert root.__name__ == "newton_sqrt"
    assert root.__doc__ == newton_sqrt.__doc__
    w = Tensor(4.0, requires_grad=True)
    y = root(w)
    assert repr(y) == "Tensor(2., shape=(), dtype=float64, op=newton_sqrt, requires_grad=True)"
    steps = tl.trace(y, y=y, w=w)
    assert steps["y"].handed[0].rule == "the rule given to newton_sqrt"
    assert steps["y"].forward == "newton_sqrt(v1, form=())"
    assert steps["w"].err == 0.25
    assert str(steps).count("\n") == 4


def test_a_node_without_gradient_keeps_nothing() -> None:
    y = root(Tensor(4.0))
    assert not y.requires_grad
    assert y.inputs == ()
    with tl.no_grad():
        assert not root(Tensor(4.0, requires_grad=True)).requires_grad


def test_a_program_may_be_recorded_through_it() -> None:
    program = tl.record(lambda x: grad(lambda x: np.sum(root(x)))(x))(np.array([4.0, 9.0]))
    np.testing.assert_allclose(program(np.array([16.0, 25.0])), [1 / 8, 1 / 10], rtol=1e-14)
