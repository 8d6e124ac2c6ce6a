"""vjp, jacobian, hessian and hvp: any outputs pulled back to any arguments, against oracles that share no code."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.oracles import complex_step, differences
from tests.profiles import tries
from tinygrad_lecture import Tensor, grad, hessian, hvp, jacobian, jvp, vjp

BY_COMPLEX_STEP = {"rtol": 1e-10, "atol": 1e-12}  # composites of up to six steps, of size 1 to 10; no cancellation
BY_DIFFERENCES = {"rtol": 1e-7, "atol": 1e-7}  # h = 1e-4 extrapolated: ε/h and h⁴
ONE = np.asarray(1.0)

MATRIX = np.array([[0.6, -0.4, 0.3], [0.2, 0.5, -0.7], [-0.3, 0.8, 0.1]])
STEPS: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "tanh": np.tanh,
    "square": lambda x: x * x / (3.0 + x * x),
    "exp": lambda x: np.exp(-0.3 * np.sin(x)),
    "times a matrix": lambda x: x @ MATRIX,
    "its own logarithm": lambda x: x * np.log(3.0 + np.sin(x)) / 2.0,
    "reversed": lambda x: x[::-1],
    "repeated elements": lambda x: x[np.array([0, 0, 2])],
    "around the mean": lambda x: x - np.mean(x),
    "running sum": lambda x: np.cumsum(x) / 2.0,
    "outer": lambda x: np.sum(np.sin(x[:, None] * x), axis=0) / 3.0,
}

compositions = st.lists(st.sampled_from(sorted(STEPS)), max_size=6)
seeds = st.integers(0, 2**32 - 1)


def composed(names: list[str]) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        for name in names:
            x = STEPS[name](x)
        return x

    return f


@dataclass(frozen=True)
class Layer:
    W: Any
    b: Any


class Both(NamedTuple):
    total: Any
    parts: Any


def layered(p: Any, x: Any, names: list[str]) -> Any:
    """A function of a dataclass and an array, with three outputs in a named tuple and a dict."""
    h = composed(names)(p.W @ x + p.b)
    return Both(np.sum(h * x), {"h": h, "b": p.b * 2.0})


def flat(out: Any) -> Any:
    return np.concatenate([np.reshape(out.total, (1,)), out.parts["h"], out.parts["b"]])


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=3), rng.normal(size=7)


# vjp: against the oracle


@given(compositions, seeds)
def test_vjp_gives_the_values_and_pulls_any_error_back(names: list[str], seed: int) -> None:
    x, err = np.random.default_rng(seed).normal(size=(2, 3))
    f = composed(names)
    y, pull_back = vjp(f, x)
    np.testing.assert_array_equal(y, f(x))
    (g,) = pull_back(err)
    np.testing.assert_allclose(g, complex_step(f, [x], err)[0], **BY_COMPLEX_STEP)
    assert not np.any(pull_back(np.zeros(3))[0])
    assert pull_back(err)[0].tobytes() == g.tobytes()


@settings(max_examples=tries(30))
@given(compositions, seeds)
def test_vjp_takes_and_gives_containers(names: list[str], seed: int) -> None:
    W, b, x, err = drawn(seed)
    y, pull_back = vjp(lambda p, x: layered(p, x, names), Layer(W, b), x)
    np.testing.assert_array_equal(flat(y), flat(layered(Layer(W, b), x, names)))
    assert isinstance(y, Both)
    p, e = pull_back(Both(err[0], {"h": err[1:4], "b": err[4:]}))
    assert isinstance(p, Layer)
    wanted = complex_step(lambda W, b, x: flat(layered(Layer(W, b), x, names)), [W, b, x], err)
    for got, want in zip((p.W, p.b, e), wanted, strict=True):
        np.testing.assert_allclose(got, want, **BY_COMPLEX_STEP)


def test_pull_back_may_be_called_again_and_the_function_does_not_run_again() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return x * x

    _, pull_back = vjp(f, np.array([1.0, 3.0]))
    for err in ([1.0, 0.0], [0.0, 1.0], [2.0, -1.0]):
        np.testing.assert_array_equal(pull_back(np.array(err))[0], [2.0 * err[0], 6.0 * err[1]])
    assert len(calls) == 1


def test_an_output_used_twice_gets_both_errors() -> None:
    def f(x: Any) -> Any:
        y = x**2
        return y, y, x

    (y1, y2, _), pull_back = vjp(f, np.array([3.0]))
    assert pull_back((np.array([1.0]), np.array([10.0]), np.array([100.0])))[0] == 6.0 * 11.0 + 100.0
    assert not np.shares_memory(y1, y2)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)], ids=str)
def test_errors_that_arrive_at_several_outputs_meet_before_they_go_on(order: tuple[int, ...]) -> None:
    """Each node hands on one error, the sum: whichever of the outputs is the youngest."""
    ran: list[float] = []

    def rule(err: Any, y: Any, x: Any) -> Any:
        ran.append(float(err))
        return 2.0 * err

    twice = tl.local_rule(lambda x: 2.0 * x, rules=rule)

    def chain(x: Any) -> list[Any]:
        made = [twice(x)]
        for _ in range(3):
            made.append(twice(made[-1]))
        return [made[k] for k in order]

    _, pull_back = tl.vjp(chain, 1.0)
    assert pull_back([1.0] * 4) == (30.0,)
    assert ran == [1.0, 3.0, 7.0, 15.0]


def test_an_argument_that_no_output_depends_on_gets_zeros_of_its_dtype() -> None:
    y, pull_back = vjp(lambda x, z: x * 2.0, 1.0, {"z": np.ones(2, np.float32)})
    gx, gz = pull_back(3.0)
    assert (y, gx) == (2.0, 6.0)
    np.testing.assert_array_equal(gz["z"], np.zeros(2))
    assert gz["z"].dtype == np.float32


def test_an_output_that_depends_on_no_argument_sends_no_error() -> None:
    y, pull_back = vjp(lambda x: (np.ones(2), 3.0, x), 2.0)
    assert (y[1], y[2]) == (3.0, 2.0)
    assert pull_back((np.ones(2), 5.0, 7.0)) == (7.0,)


def test_a_function_without_arguments_has_nothing_to_pull_back_to() -> None:
    y, pull_back = vjp(lambda: np.ones(2))
    np.testing.assert_array_equal(y, [1, 1])
    assert pull_back(np.ones(2)) == ()


# what is refused


@pytest.mark.parametrize(
    ("err", "said"),
    [
        (np.ones(3), "form of the output of f: arrays at ['a'], ['b'], not one array"),
        ({"a": np.ones(2)}, "arrays at ['a'], ['b'], not arrays at ['a']"),
        ({"a": np.ones(2), "c": 1.0}, "not arrays at ['a'], ['c']"),
        ({"a": np.ones(2), "b": None}, "not arrays at ['a']"),
        ({"a": np.ones(3), "b": 1.0}, "err at ['a'] has shape (3,), but the output of f has shape (2,)"),
        ({"a": 1.0, "b": 1.0}, "err at ['a'] has shape (), but"),
        ({"a": np.ones((2, 1)), "b": 1.0}, "err at ['a'] has shape (2, 1), but"),
    ],
)
def test_an_error_of_another_form_or_shape_is_refused(err: Any, said: str) -> None:
    def f(x: Any) -> Any:
        return {"a": x * x, "b": np.sum(x)}

    _, pull_back = vjp(f, np.ones(2))
    with pytest.raises(ValueError, match=re.escape(said)):
        pull_back(err)


@pytest.mark.parametrize("err", [1j, "text", np.array("a"), np.array(None)], ids=repr)
def test_an_error_that_is_no_real_number_is_refused(err: Any) -> None:
    with pytest.raises(TypeError, match=r"err: .* have no gradient here; pass real numbers"):
        vjp(np.sin, 1.0)[1](err)


@pytest.mark.parametrize("err", [2, True, np.float32(2.0), np.longdouble(2.0)], ids=repr)
def test_an_error_of_another_real_dtype_is_cast(err: Any) -> None:
    (g,) = vjp(lambda x: 3.0 * x, 1.0)[1](err)
    assert g == 3.0 * float(err)
    assert g.dtype == np.float64


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda x: np.argmax(x), "dtype int64"),
        (lambda x: {"a": x, "b": [x > 0]}, "dtype bool at ['b'][0]"),
        (lambda x: (x, 3), "returned a int at [1]"),
        (lambda x: (x, "text"), "returned a str at [1]"),
        (lambda x: None, "returned None; it must return floating-point arrays"),
        (lambda x: (), "returned ()"),
    ],
    ids=["argmax", "mask", "int", "text", "None", "empty"],
)
@pytest.mark.parametrize("transform", ["vjp", "jvp", "jacobian"])
def test_outputs_without_derivative_are_refused_with_their_place(f: Any, said: str, transform: str) -> None:
    x = np.ones(2)
    call = {"vjp": lambda: vjp(f, x), "jvp": lambda: jvp(f, (x,), (x,)), "jacobian": lambda: jacobian(f)(x)}
    with pytest.raises(TypeError) as caught:
        call[transform]()
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{transform}: ")


def test_an_argument_that_is_not_floating_is_refused_with_its_place() -> None:
    def f(x: Any, p: Any) -> Any:
        return x

    with pytest.raises(TypeError, match=r"argument 1\['n'\] of f: values of dtype int64 have no gradient; cast them"):
        vjp(f, 1.0, {"n": np.arange(3)})


@pytest.mark.parametrize("transform", [vjp, jacobian, hessian, hvp], ids=lambda t: t.__name__)
def test_what_is_no_function_is_refused_by_the_name_of_the_transform(transform: Any) -> None:
    with pytest.raises(TypeError, match=f"{transform.__name__} needs a function as its first argument.*not a float"):
        transform(3.0)


# memory and dtypes


def test_arguments_and_values_may_be_written_into_before_the_error_comes_back() -> None:
    x = np.array([0.5, 1.0])
    y, pull_back = vjp(lambda x: (np.exp(x), x * x), x)
    wanted = np.exp(x) + 20 * x
    x -= 7.0
    y[0][:] = 0.0
    np.testing.assert_array_equal(pull_back((np.ones(2), np.full(2, 10.0)))[0], wanted)


def test_nothing_shares_memory_with_the_error_or_the_arguments() -> None:
    x, z, err = np.ones(3), np.ones(3), np.array([1.0, 2.0, 3.0])
    y, pull_back = vjp(lambda x, z: x + z, x, z)
    gx, gz = pull_back(err)
    again, _ = pull_back(err)
    arrays = [x, z, err, y, gx, gz, again]
    for i, a in enumerate(arrays):
        for b in arrays[:i]:
            assert not np.shares_memory(a, b)
    gx[:] = 7.0
    np.testing.assert_array_equal(err, [1, 2, 3])
    np.testing.assert_array_equal(pull_back(err)[0], [1, 2, 3])


def test_the_identity_gives_an_array_of_its_own() -> None:
    x, err = np.ones(3), np.ones(3)
    y, pull_back = vjp(lambda x: x, x)
    assert not np.shares_memory(y, x)
    assert not np.shares_memory(pull_back(err)[0], err)


def test_float32_stays_float32() -> None:
    x = np.array([0.5, 2.0], np.float32)
    y, pull_back = vjp(lambda x: np.tanh(x) * 3.0, x)
    (g,) = pull_back(np.ones(2))
    assert y.dtype == g.dtype == np.float32
    assert jacobian(np.tanh)(x).dtype == np.float32
    assert hvp(lambda x: np.sum(x**3))(x, np.ones(2)).dtype == np.float32
    assert hessian(lambda x: np.sum(x**3))(x).dtype == np.float32


# orders, and Tensors of the outside


@given(compositions, seeds)
def test_pull_back_inside_grad_is_differentiable_in_the_point_and_in_the_error(names: list[str], seed: int) -> None:
    x, err, u = np.random.default_rng(seed).normal(size=(3, 3))
    f = composed(names)
    by_x, by_err = grad(lambda x, err: np.sum(vjp(f, x)[1](err)[0] * u), (0, 1))(x, err)
    # ∂/∂err ⟨u, Jᵀ err⟩ = J u; ∂/∂x by differences of the complex step
    np.testing.assert_allclose(by_err, np.imag(f(x + 1e-20j * u)) / 1e-20, **BY_COMPLEX_STEP)
    wanted = differences(lambda x: np.asarray(np.sum(complex_step(f, [x], err)[0] * u)), [x], ONE)
    np.testing.assert_allclose(by_x, wanted[0], **BY_DIFFERENCES)


def test_pull_back_keeps_the_outer_argument_apart_from_its_own() -> None:
    # d/dy (x y²) at y = 3, pulled with err = x: 6 x², so the derivative is 12 x
    assert grad(lambda x: vjp(lambda y: x * y * y, 3.0)[1](x)[0])(2.0) == 24.0


def test_pull_back_after_the_outer_transform_has_ended_gives_the_same_numbers() -> None:
    kept = []

    def f(x: Any) -> Any:
        y, pull_back = vjp(lambda z: z**3 * x, x)
        kept.append(pull_back)
        return y

    assert grad(f)(2.0) == 32.0
    assert kept[0](1.0)[0].item() == 24.0


def test_values_and_errors_depend_on_tensors_of_the_outside() -> None:
    w = Tensor(3.0, requires_grad=True)
    y, pull_back = vjp(lambda x: x * x * w, 2.0)
    (y + pull_back(1.0)[0]).backward()
    assert w.grad == 4.0 + 4.0


def test_an_error_that_requires_a_gradient_outside_of_transforms_is_refused() -> None:
    _, pull_back = vjp(np.sin, 1.0)
    with pytest.raises(TypeError, match=r"err.detach\(\), or use tl.grad"):
        pull_back(Tensor(1.0, requires_grad=True))


def test_a_tensor_without_gradient_may_be_the_error() -> None:
    (g,) = vjp(lambda x: x * x, np.ones(2))[1](Tensor([1.0, 2.0]))
    assert isinstance(g, np.ndarray)
    np.testing.assert_array_equal(g, [2, 4])


def test_everything_works_below_no_grad_and_nothing_of_it_requires_a_gradient() -> None:
    w = Tensor(np.array([3.0, 4.0]), requires_grad=True)
    x = np.array([1.0, 2.0])
    with tl.no_grad():
        y, pull_back = vjp(lambda x: x * x * w, x)
        results = [
            (y, [3, 16]),
            (pull_back(np.ones(2))[0], [6, 16]),
            (jvp(lambda x: x * x * w, (x,), (np.ones(2),))[1], [6, 16]),
            (jacobian(lambda x: np.sum(x * w))(x), [3, 4]),
            (jacobian(lambda s: s * w)(2.0), [3, 4]),
            (hvp(lambda x: np.sum(x * x * w))(x, np.ones(2)), [6, 8]),
        ]
        for a, wanted in results:
            assert not getattr(a, "requires_grad", False)
            np.testing.assert_array_equal(a, wanted)
        np.testing.assert_array_equal(vjp(np.square, x)[1](np.ones(2))[0], 2 * x)


# jacobian


@given(compositions, seeds)
def test_a_jacobian_is_the_same_by_rows_and_by_columns_and_right(names: list[str], seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=3)
    f = composed(names)
    by_rows = jacobian(f)(x)
    by_columns = jacobian(lambda x: np.concatenate([f(x), x]))(x)  # more outputs than inputs
    np.testing.assert_array_equal(by_columns[3:], np.eye(3))
    wanted = np.stack([np.imag(f(x + 1e-20j * u)) / 1e-20 for u in np.eye(3)], axis=1)
    np.testing.assert_allclose(by_rows, wanted, **BY_COMPLEX_STEP)
    np.testing.assert_allclose(by_columns[:3], wanted, **BY_COMPLEX_STEP)


@pytest.mark.parametrize(("rows", "columns"), [(2, 9), (9, 2), (4, 4)])
def test_a_jacobian_goes_over_the_fewer_of_outputs_and_inputs(rows: int, columns: int) -> None:
    calls = []
    counted = tl.local_rule(lambda x: 2.0 * x, slopes=lambda y, x: calls.append(1) or 2.0 + 0.0 * x)
    a = np.ones((rows, columns))
    np.testing.assert_array_equal(jacobian(lambda x: a @ counted(x))(np.ones(columns)), 2.0 * a)
    assert len(calls) == min(rows, columns)


@pytest.mark.parametrize(("out", "of"), [((2, 3), (4,)), ((), (2, 2)), ((5,), ()), ((), ()), ((2, 1), (1, 3))])
def test_a_jacobian_has_the_axes_of_the_output_and_then_those_of_the_argument(out: Any, of: Any) -> None:
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(*out, *of)), rng.normal(size=of)
    j = jacobian(lambda x: np.tensordot(a, x, x.ndim))(x)
    assert np.shape(j) == (*out, *of)
    np.testing.assert_allclose(j, a, rtol=1e-15)


@settings(max_examples=tries(30))
@given(compositions, seeds)
def test_a_jacobian_in_containers_has_a_block_for_every_pair(names: list[str], seed: int) -> None:
    W, b, x, _ = drawn(seed)
    j = jacobian(lambda p, x: layered(p, x, names), (1, 0))(Layer(W, b), x)
    assert isinstance(j, Both)
    rows = [j.total] + [
        (block[0][i], Layer(block[1].W[i], block[1].b[i])) for block in j.parts.values() for i in (0, 1, 2)
    ]
    for (by_x, by_p), unit in zip(rows, np.eye(7), strict=True):
        wanted = complex_step(lambda W, b, x: flat(layered(Layer(W, b), x, names)), [W, b, x], unit)
        for got, want in zip((by_p.W, by_p.b, by_x), wanted, strict=True):
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, **BY_COMPLEX_STEP)


@pytest.mark.parametrize(
    ("out", "of"), [((0,), (3,)), ((3,), (0,)), ((0,), (0,)), ((2, 0), ()), ((), (0, 2)), ((0,), (2, 0))]
)
def test_a_jacobian_of_or_by_empty_arrays_is_empty(out: Any, of: Any) -> None:
    a = np.zeros((*out, *of))
    j = jacobian(lambda x: np.tensordot(a, x, x.ndim))(np.zeros(of, np.float32))
    assert np.shape(j) == (*out, *of)
    assert j.dtype == np.float32


@pytest.mark.parametrize("n", [1, 5], ids=["by rows", "by columns"])
def test_a_jacobian_has_the_dtype_of_the_argument(n: int) -> None:
    by_x, by_y = jacobian(lambda x, y: np.ones((n, 2)) @ (x * y), (0, 1))(np.ones(2, np.float32), np.ones(2))
    assert (by_x.dtype, by_y.dtype) == (np.float32, np.float64)


@pytest.mark.parametrize("shape", [(1,), (2, 5)], ids=["by rows", "by columns"])
def test_a_constant_output_has_a_jacobian_of_zeros(shape: tuple[int, ...]) -> None:
    constant, first = jacobian(lambda x: (np.ones(shape), x[0]))(np.ones(3))
    np.testing.assert_array_equal(constant, np.zeros((*shape, 3)))
    np.testing.assert_array_equal(first, [1, 0, 0])


def test_argnums_and_keywords_are_those_of_grad() -> None:
    def f(a: Any, b: Any, scale: float = 1.0) -> Any:
        return a * b * scale

    x = np.array([1.0, 2.0])
    (by_b,) = jacobian(f, (-1,))(x, 3.0 * x, scale=2.0)
    np.testing.assert_array_equal(by_b, np.diag(2 * x))
    assert jacobian(f, ())(x, x) == ()
    with pytest.raises(ValueError, match="argnums=2 is out of range: f was called with 2"):
        jacobian(f, 2)(x, x)


@settings(max_examples=tries(30))
@given(compositions, seeds)
def test_a_jacobian_of_a_jacobian_has_the_second_derivatives(names: list[str], seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=3)
    f = composed(names)
    second = jacobian(jacobian(f))(x)
    assert second.shape == (3, 3, 3)
    for i, j in np.ndindex(3, 3):
        wanted = differences(lambda x, i=i, j=j: complex_step(f, [x], np.eye(3)[i])[0][j], [x], ONE)
        np.testing.assert_allclose(second[i, j], wanted[0], **BY_DIFFERENCES)


@pytest.mark.parametrize("n", [1, 5], ids=["by rows", "by columns"])
def test_a_jacobian_is_differentiable_inside_grad(n: int) -> None:
    a = np.random.default_rng(0).normal(size=(n, 3))

    def size_of_jacobian(x: Any, scale: Any) -> Any:
        return np.sum(jacobian(lambda z: np.tanh(a @ z) * scale)(x) ** 2)

    def by_hand(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return np.asarray(np.sum((scale * (1 - np.tanh(a @ x) ** 2)[:, None] * a) ** 2))

    x = np.array([0.3, -0.5, 0.7])
    wanted = complex_step(by_hand, [x, np.asarray(1.5)], ONE)
    for got, want in zip(grad(size_of_jacobian, (0, 1))(x, 1.5), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 5], ids=["by rows", "by columns"])
def test_a_jacobian_depends_on_tensors_of_the_outside(n: int) -> None:
    w = Tensor(np.ones(n), requires_grad=True)
    j = jacobian(lambda x: w * np.sum(x * x))(np.array([1.0, 2.0]))
    np.sum(j).backward()
    np.testing.assert_array_equal(w.grad, np.full(n, 6.0))


# hessian and hvp


@given(compositions, seeds)
def test_a_hessian_is_symmetric_and_right_and_hvp_is_its_product_with_v(names: list[str], seed: int) -> None:
    x, v = np.random.default_rng(seed).normal(size=(2, 3))

    def f(x: Any) -> Any:
        return np.sum(composed(names)(x) ** 2) / 2.0 + np.prod(x)

    h = hessian(f)(x)
    scale = max(1.0, float(np.abs(h).max()))
    assert np.abs(h - h.T).max() <= 1e-10 * scale
    for i in range(3):
        wanted = differences(lambda x, i=i: complex_step(f, [x], ONE)[0][i], [x], ONE)
        np.testing.assert_allclose(h[i], wanted[0], rtol=1e-7, atol=1e-7 * scale)
    np.testing.assert_allclose(hvp(f)(x, v), h @ v, rtol=1e-10, atol=1e-10 * scale)
    assert not np.any(hvp(f)(x, np.zeros(3)))


def test_a_hessian_in_containers_has_a_block_for_every_pair() -> None:
    def f(p: Any, s: Any) -> Any:
        return s * np.sum(p["W"] @ p["b"]) + s**3

    W, b = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 3.0])
    by_p, by_s = hessian(f, (0, 1))({"W": W, "b": b}, 2.0)
    np.testing.assert_array_equal(by_p["W"][0]["b"], 2.0 * np.broadcast_to(np.eye(3), (2, 3, 3)))
    np.testing.assert_array_equal(by_p["W"][0]["W"], np.zeros((2, 3, 2, 3)))
    np.testing.assert_array_equal(by_p["b"][1], W.sum(axis=0))
    np.testing.assert_array_equal(by_s[0]["W"], np.broadcast_to(b, (2, 3)))
    assert by_s[1] == 12.0


def test_hvp_takes_v_in_the_form_of_the_arguments() -> None:
    def f(p: Any, x: Any, s: Any) -> Any:
        return s * np.sum(p["W"] * x) + s**3

    p, x = {"W": np.array([1.0, 2.0])}, np.array([5.0, 7.0])
    by_s, by_p = hvp(f, (-1, 0))(p, x, 2.0, (1.0, {"W": np.array([1.0, 1.0])}))
    np.testing.assert_array_equal(by_p["W"], x)  # ∂²f/∂W∂s
    assert by_s == 12.0 + 12.0
    assert hvp(lambda x, k=1.0: k * x**3)(2.0, 1.0, k=2.0) == 24.0


@pytest.mark.parametrize(
    ("v", "said"),
    [
        (np.ones(3), "v has shape (3,), but the argument of f has shape (2,)"),
        (1.0, "v has shape ()"),
        ((np.ones(2),), "v must have the form of the argument of f: one array, not arrays at [0]"),
    ],
)
def test_a_v_of_another_form_or_shape_is_refused(v: Any, said: str) -> None:
    def f(x: Any) -> Any:
        return np.sum(x**2)

    with pytest.raises(ValueError, match=re.escape(said)):
        hvp(f)(np.ones(2), v)


def error(x: Any) -> Any:
    return np.sum(x * x)


def test_hvp_without_v_is_refused() -> None:
    with pytest.raises(TypeError, match=r"hvp\(error\) is called with the arguments of error and then v; 1 were given"):
        hvp(error)(np.ones(2))


def test_hvp_is_differentiable_in_v_and_in_the_point() -> None:
    # f = Σ x⁴/12: H v = x² v, so ⟨1, H v⟩ has by x the gradient 2 x v and by v x²
    x, v = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    by_x, by_v = grad(lambda x, v: np.sum(hvp(lambda x: np.sum(x**4) / 12.0)(x, v)), (0, 1))(x, v)
    np.testing.assert_allclose(by_x, 2 * x * v, rtol=1e-14)
    np.testing.assert_allclose(by_v, x**2, rtol=1e-14)


@pytest.mark.parametrize("transform", [jacobian, hessian, hvp], ids=lambda t: t.__name__)
def test_the_new_function_keeps_the_name_of_the_old(transform: Any) -> None:
    assert transform(error).__name__ == "error"


def test_a_vector_output_has_no_hessian() -> None:
    with pytest.raises(ValueError, match="grad needs a function with one floating-point number"):
        hessian(np.sin)(np.ones(2))
