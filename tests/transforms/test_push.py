"""jvp: changes pushed forward through every operation, held against the walk back and against NumPy alone."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import CASES, Case
from tests.profiles import tries
from tinygrad_lecture import Tensor, grad, hessian, jvp, vjp

EPS = np.finfo(float).eps
BY_COMPLEX_STEP = {"rtol": 1e-11, "atol": 1e-12}  # as for gradients: some ten terms of size 1, no cancellation
BY_DIFFERENCES = {"rtol": 1e-8, "atol": 1e-8}  # h = 1e-4 extrapolated: h⁴ and ε/h


def signed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


def change_of(plain: Any, f: Any, xs: list[np.ndarray], us: list[np.ndarray], complex: bool) -> np.ndarray:
    """The change of f(xs) along us, without the engine: by complex step, or by extrapolated differences."""
    if not any(x.size for x in xs):
        return np.zeros(np.shape(plain(*xs)))
    if complex:
        return np.imag(f(*[np.asarray(x + 1e-20j * u) for x, u in zip(xs, us, strict=True)])) / 1e-20

    def quotient(h: float) -> np.ndarray:
        above, below = (f(*[np.asarray(x + s * u) for x, u in zip(xs, us, strict=True)]) for s in (h, -h))
        return np.asarray(above - below) / (2 * h)

    return (4 * quotient(1e-4) - quotient(2e-4)) / 3


def check(case: Case, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    drawn = case.make(data.draw, rng)
    f, xs = drawn.f, [np.array(x) for x in drawn.xs]
    try:
        plain = np.asarray(f(*xs))
    except (ValueError, IndexError):  # NumPy refuses some empty arrays
        assert any(x.size == 0 for x in xs)
        return
    us, v = [signed(rng, x.shape) for x in xs], signed(rng, plain.shape)

    y, dy = jvp(f, tuple(xs), tuple(us))
    np.testing.assert_array_equal(y, plain)
    assert np.shape(dy) == plain.shape
    assert dy.dtype == plain.dtype
    expected = change_of(f, drawn.reference or f, xs, us, case.complex)
    np.testing.assert_allclose(dy, expected, **(BY_COMPLEX_STEP if case.complex else BY_DIFFERENCES))

    back = vjp(f, *xs)[1](v)
    forth = v * dy
    pairs = [g * u for g, u in zip(back, us, strict=True)]
    terms = np.sum(np.abs(forth)) + sum(np.sum(np.abs(p)) for p in pairs)
    assert abs(np.sum(forth) - sum(np.sum(p) for p in pairs)) <= 1e3 * EPS * (terms + 1e-3)

    _, nothing = jvp(f, tuple(xs), tuple(np.zeros_like(x) for x in xs))
    assert not np.any(nothing)

    narrow = tuple(x.astype(np.float32) for x in xs)
    y32, dy32 = jvp(f, narrow, tuple(us))
    assert dy32.dtype == y32.dtype == np.asarray(f(*narrow)).dtype
    rounded = change_of(f, drawn.reference or f, [x.astype(float) for x in narrow], us, case.complex)
    scale = max(1.0, float(np.max(np.abs(rounded), initial=0.0)))
    np.testing.assert_allclose(dy32, rounded, rtol=1e-4, atol=1e-4 * scale)  # 1000 ε of float32


@pytest.mark.parametrize("name", CASES)
def test_every_operation_pushes_changes_forward_as_the_transpose_of_what_it_hands_back(name: str) -> None:
    @settings(max_examples=tries(10), suppress_health_check=list(HealthCheck))
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of means of nothing
            check(CASES[name], data)

    holds()


# no change in, no change out


@pytest.mark.parametrize(
    "f",
    [
        np.sqrt,
        lambda x: x**0.5,
        np.cbrt,
        lambda x: np.log(x) * 0.0 + x,
        lambda x: np.sqrt(x)[..., None] @ np.ones((1, 2)),
        lambda x: np.linalg.norm(x),
        lambda x: np.concatenate([np.sqrt(x), x]),
        lambda x: np.arccos(1.0 - x),
    ],
    ids=["sqrt", "power", "cbrt", "log", "matmul", "norm", "concatenate", "arccos"],
)
def test_no_change_gives_exactly_none_at_infinite_slopes(f: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # log 0 itself
        _, dy = jvp(f, (np.zeros(2),), (np.zeros(2),))
        assert not np.any(dy)
        with_depth = grad(lambda u: np.sum(jvp(np.sqrt, (np.ones(2),), (u,))[1]))(np.zeros(2))
    np.testing.assert_array_equal(with_depth, [0.5, 0.5])


def test_a_change_goes_only_where_it_came_from() -> None:
    _, dy = jvp(lambda x, y: np.sqrt(x) + y * y, (np.zeros(2), np.ones(2)), (np.zeros(2), np.array([1.0, 3.0])))
    np.testing.assert_array_equal(dy, [2, 6])


# containers and forms


def test_changes_go_through_containers() -> None:
    p = {"W": np.array([[1.0, 2.0], [3.0, 4.0]]), "b": (np.ones(2), 5.0)}
    u = {"W": np.eye(2), "b": (np.array([0.0, 1.0]), 2.0)}
    y, dy = jvp(lambda p, x: {"h": p["W"] @ x + p["b"][0], "s": [p["b"][1] ** 2, x]}, (p, np.ones(2)), (u, np.zeros(2)))
    np.testing.assert_array_equal(y["h"], [4, 8])
    np.testing.assert_array_equal(dy["h"], [1, 2])
    assert dy["s"][0] == 20.0
    np.testing.assert_array_equal(dy["s"][1], [0, 0])


def test_the_identity_and_constants_share_no_memory_with_what_was_given() -> None:
    x, u = np.ones(2), np.array([1.0, 2.0])
    _, dy = jvp(lambda x: (x, x, np.ones(3)), (x,), (u,))
    np.testing.assert_array_equal(dy[0], u)
    np.testing.assert_array_equal(dy[2], np.zeros(3))
    assert not np.shares_memory(dy[0], u)
    assert not np.shares_memory(dy[0], dy[1])
    dy[0][:] = 7.0
    np.testing.assert_array_equal(u, [1, 2])


@pytest.mark.parametrize(
    ("tangents", "said"),
    [
        ((np.ones(2), 1.0), "form of the arguments of f: arrays at [0], not arrays at [0], [1]"),
        ((), "arrays at [0], not arrays at (nowhere)"),
        ((np.ones(3),), "tangents at [0] has shape (3,), but the arguments of f has shape (2,)"),
        ((1.0,), "tangents at [0] has shape ()"),
        (((np.ones(2),),), "not arrays at [0][0]"),
    ],
)
def test_tangents_of_another_form_or_shape_are_refused(tangents: Any, said: str) -> None:
    def f(x: Any) -> Any:
        return x

    with pytest.raises(ValueError, match=re.escape(said)):
        jvp(f, (np.ones(2),), tangents)


def test_arguments_that_are_no_tuple_are_refused_with_the_call_to_write() -> None:
    for args, tangents in ((1.0, (1.0,)), ((1.0,), 1.0), (np.ones(2), np.ones(2))):
        with pytest.raises(TypeError, match=r"jvp\(f, \(x,\), \(dx,\)\)"):
            jvp(np.sin, args, tangents)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="jvp needs a function as its first argument"):
        jvp(1.0, (1.0,), (1.0,))  # type: ignore[arg-type]


@pytest.mark.parametrize("u", [1j, "text"], ids=repr)
def test_tangents_that_are_no_real_numbers_are_refused(u: Any) -> None:
    with pytest.raises(TypeError, match=r"tangents: .* have no gradient here; pass real numbers"):
        jvp(np.sin, (1.0,), (u,))


def test_tangents_of_another_real_dtype_are_cast_to_that_of_the_argument() -> None:
    for u in (2, True, np.float32(2.0), np.longdouble(2.0)):
        _, dy = jvp(lambda x: 3.0 * x, (np.float32(1.0),), (u,))
        assert dy == 3.0 * float(u)
        assert dy.dtype == np.float32


def test_a_narrow_input_does_not_make_the_slope_of_a_wide_one_narrow() -> None:
    a, b = np.float32([0.3, 1.7]), np.array([2.5, -0.5])
    _, dy = jvp(np.power, (a, b), (np.zeros(2), np.ones(2)))
    wide = a.astype(float)
    np.testing.assert_allclose(dy, wide**b * np.log(wide), rtol=1e-14)


# orders, and Tensors of the outside


def cubic(x: Any) -> Any:
    return np.sum(x**3) + np.prod(x)


def test_jvp_of_a_gradient_is_the_hessian_times_the_change() -> None:
    x, u = np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0, 2.0])
    g, dg = jvp(grad(cubic), (x,), (u,))
    h = np.diag(6 * x) + np.array([[0, 3, 2], [3, 0, 1], [2, 1, 0.0]])
    np.testing.assert_allclose(g, 3 * x**2 + [6, 3, 2], rtol=1e-15)
    np.testing.assert_allclose(dg, h @ u, rtol=1e-14)


def test_the_gradient_of_jvp_is_the_hessian_times_the_change_by_the_point_and_the_gradient_by_the_change() -> None:
    x, u = np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0, 2.0])
    by_x, by_u = grad(lambda x, u: jvp(cubic, (x,), (u,))[1], (0, 1))(x, u)
    np.testing.assert_allclose(by_x, hessian(cubic)(x) @ u, rtol=1e-14)
    np.testing.assert_allclose(by_u, grad(cubic)(x), rtol=1e-14)


def test_jvp_of_jvp_gives_the_second_derivative_and_jvp_of_that_the_third() -> None:
    def derivative(f: Any) -> Any:
        return lambda x: jvp(f, (x,), (np.ones_like(np.asarray(1.0)),))[1]

    for x in (0.3, -1.2):
        np.testing.assert_allclose(derivative(derivative(np.sin))(x), -np.sin(x), rtol=1e-14)
        np.testing.assert_allclose(derivative(derivative(derivative(np.sin)))(x), -np.cos(x), rtol=1e-14)
        np.testing.assert_allclose(derivative(derivative(lambda x: x * x * x))(x), 6 * x, rtol=1e-14)


def test_an_inner_jvp_keeps_its_argument_apart_from_the_outer_one() -> None:
    # d/dx x · d/dy (x + y) = 1, not 2
    assert jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (3.0,), (1.0,))[1] == 1.0
    assert grad(lambda x: x * jvp(lambda y: x * y, (1.0,), (1.0,))[1])(3.0) == 6.0
    assert jvp(lambda x: x * grad(lambda y: x * y)(1.0), (3.0,), (1.0,))[1] == 6.0


def test_second_order_goes_through_rules_that_are_transposed() -> None:
    a = np.array([[2.0, 1.0], [0.5, 3.0]])

    def f(x: Any) -> Any:
        return np.linalg.solve(a * np.exp(x), np.sort(x)[::-1]) @ x

    x, u = np.array([0.3, -0.4]), np.array([1.0, 2.0])
    np.testing.assert_allclose(grad(lambda x: jvp(f, (x,), (u,))[1])(x), hessian(f)(x) @ u, rtol=1e-12)
    np.testing.assert_allclose(jvp(grad(f), (x,), (u,))[1], hessian(f)(x) @ u, rtol=1e-12)


def test_values_and_changes_depend_on_tensors_of_the_outside() -> None:
    for f in (lambda x, w: x * x * w, lambda x, w: np.concatenate([x, x]) @ np.concatenate([w, w]) * x):
        w = Tensor([3.0], requires_grad=True)
        y, dy = jvp(lambda x, w=w, f=f: f(x, w), (np.array([2.0]),), (np.array([1.0]),))
        np.sum(y + 10.0 * dy).backward()
        np.testing.assert_allclose(w.grad, grad(lambda w, f=f: f(np.array([2.0]), w)[0] * 11.0)(np.array([3.0])))


def test_a_change_that_is_a_tensor_gives_tensors_only_where_it_requires_a_gradient() -> None:
    for f in (lambda x: x * x, lambda x: np.diag(x) @ x):
        u = Tensor([1.0, 2.0])
        _, dy = jvp(f, (np.ones(2),), (u,))
        assert isinstance(dy, np.ndarray)
        np.testing.assert_array_equal(dy, [2, 4])
        u = Tensor([1.0, 2.0], requires_grad=True)
        _, dy = jvp(f, (np.ones(2),), (u,))
        np.sum(dy).backward()
        np.testing.assert_array_equal(u.grad, [2, 2])


def test_no_grad_inside_the_function_stops_the_change_there() -> None:
    def f(x: Any) -> Any:
        with tl.no_grad():
            constant = x * x
        return constant * x

    assert jvp(f, (3.0,), (1.0,)) == (27.0, 9.0)


def test_what_jvp_gives_below_no_grad_requires_no_gradient() -> None:
    u = Tensor(2.0, requires_grad=True)
    with tl.no_grad():
        y, dy = jvp(lambda x: x, (3.0,), (u,))
        assert grad(lambda x: jvp(lambda z: z, (3.0,), (x,))[1] * x)(2.0) == 4.0
    assert not getattr(y, "requires_grad", False)
    assert not getattr(dy, "requires_grad", False)
    assert (float(y), float(dy)) == (3.0, 2.0)

    def stopped(x: Any) -> Any:
        with tl.no_grad():
            dy = jvp(lambda z: z, (3.0,), (x,))[1]
        return dy * x

    assert grad(stopped)(2.0) == 2.0


def test_a_long_chain_needs_no_recursion() -> None:
    def f(x: Any) -> Any:
        for _ in range(5000):
            x = x + 1e-3
        return x

    assert jvp(f, (1.0,), (2.0,))[1] == 2.0
