"""grad and value_and_grad: which arguments, which containers, which orders, and what comes back."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lecture as tl
from tinygrad_lecture import Tensor, grad, value_and_grad
from tinygrad_lecture.engine.tree import paths

small = st.floats(-2.0, 2.0)
EPS = np.finfo(float).eps


def poly(a: Any, b: Any, c: Any) -> Any:
    return a * a * b + 3.0 * c


# which arguments


@pytest.mark.parametrize(
    ("argnums", "wanted"),
    [
        (0, 12.0),
        (1, 4.0),
        (2, 3.0),
        (-1, 3.0),
        (-3, 12.0),
        ((0,), (12.0,)),
        ((0, 2), (12.0, 3.0)),
        ((2, 0), (3.0, 12.0)),
        ((-1, 1), (3.0, 4.0)),
        ((0, 1, 2), (12.0, 4.0, 3.0)),
        ([1, 0], (4.0, 12.0)),
        ((), ()),
    ],
    ids=repr,
)
def test_argnums_chooses_the_arguments_and_their_order(argnums: Any, wanted: Any) -> None:
    g = grad(poly, argnums)(2.0, 3.0, 5.0)
    assert type(g) is type(wanted) or isinstance(argnums, int)
    assert g == wanted


def test_argnums_may_be_a_numpy_integer() -> None:
    assert [grad(poly, i)(2.0, 3.0, 5.0) for i in np.arange(3)] == [12.0, 4.0, 3.0]


def test_the_same_array_twice_is_two_arguments() -> None:
    a = np.array([1.0, 2.0])
    first, second = grad(lambda x, y: np.sum(x * y * y), (0, 1))(a, a)
    np.testing.assert_array_equal(first, a * a)
    np.testing.assert_array_equal(second, 2 * a * a)
    assert not np.shares_memory(first, second)


def test_other_arguments_are_passed_on_as_they_are() -> None:
    seen = []

    def f(x: Any, n: int, *rest: Any, flag: bool = False, **options: Any) -> Any:
        seen.append((n, rest, flag, options))
        return x**n

    assert grad(f)(3.0, 2, "text", None, flag=True, mode=[1]) == 6.0
    assert seen == [(2, ("text", None), True, {"mode": [1]})]


def test_a_function_keeps_its_name_and_docstring() -> None:
    def error(x: Any) -> Any:
        """The error of x."""
        return x

    for g in (grad(error), value_and_grad(error)):
        assert g.__name__ == "error"
        assert g.__doc__ == "The error of x."


# value and aux


@given(small, small)
def test_the_value_is_what_the_function_computes_on_arrays(a: float, b: float) -> None:
    def f(x: Any, y: Any) -> Any:
        return np.tanh(x) * np.exp(y) + x / (2.5 + y)

    value, g = value_and_grad(f)(a, b)
    assert value == f(np.float64(a), np.float64(b))
    assert g == grad(f)(a, b)
    assert isinstance(value, np.floating)
    assert isinstance(g, np.floating)


def test_aux_is_handed_through_in_arrays() -> None:
    def f(x: Any) -> Any:
        return np.sum(x * x), {"mean": np.mean(x), "text": "kept", "parts": [x + 1, None, 3]}

    x = np.array([1.0, 2.0])
    (value, aux), g = value_and_grad(f, has_aux=True)(x)
    other, aux_again = grad(f, has_aux=True)(x)
    assert value == 5.0
    np.testing.assert_array_equal(g, 2 * x)
    np.testing.assert_array_equal(other, 2 * x)
    for a in (aux, aux_again):
        assert a["text"] == "kept"
        assert a["parts"][1:] == [None, 3]
        assert isinstance(a["parts"][0], np.ndarray)
        assert isinstance(a["mean"], np.floating)
        np.testing.assert_array_equal(a["parts"][0], x + 1)


def test_aux_of_an_inner_gradient_stays_in_the_graph_of_the_outer_one() -> None:
    def inner(y: Any, x: Any) -> Any:
        return y * x, x**3

    def f(x: Any) -> Any:
        g, aux = grad(inner, has_aux=True)(2.0, x)
        return g + aux

    assert grad(f)(3.0) == 1.0 + 27.0


# containers


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass(frozen=True)
class Layer:
    W: Any
    b: Any = None


@dataclass(frozen=True, slots=True)
class Slotted:
    W: Any


@dataclass
class Checked:
    W: Any

    def __post_init__(self) -> None:
        if not isinstance(self.W, np.ndarray):
            raise TypeError("W must be an array")


@dataclass(frozen=True)
class Derived:
    W: Any
    twice: Any = field(init=False, default=None)


TREES: dict[str, Any] = {
    "array": np.array([1.0, -2.0]),
    "float": 1.5,
    "tuple": (1.0, np.array([2.0])),
    "nested": [(1.0, {"a": np.ones(2)}), [[2.0]], ()],
    "dict": {"W1": np.ones((2, 2)), "b1": np.zeros(2)},
    "dict with any keys": {1: 2.0, ("a", 0): 3.0, None: 4.0},
    "ordered dict": OrderedDict(b=1.0, a=2.0),
    "default dict": defaultdict(list, a=1.0),
    "named tuple": Pair(1.0, Pair(np.ones(2), [2.0])),
    "dataclass": Layer(np.ones((2, 2)), np.zeros(2)),
    "dataclass with None": Layer(np.ones((2, 2))),
    "dataclass with slots": Slotted(2.0),
    "dataclass with a check": Checked(np.ones(2)),
    "dataclass with a field of its own": Derived(2.0),
    "list of dataclasses": [Layer(np.ones((2, 2)), 1.0), Layer(2.0)],
    "None": None,
    "empty": {},
    "float32": {"a": np.float32(1.5), "b": np.ones(2, np.float32)},
}


def leaves_of(tree: Any) -> list[Any]:
    """The leaves, by rules written anew here."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [x for v in tree.values() for x in leaves_of(v)]
    if isinstance(tree, list | tuple):
        return [x for v in tree for x in leaves_of(v)]
    if hasattr(tree, "__dataclass_fields__"):
        return [x for name in tree.__dataclass_fields__ for x in leaves_of(getattr(tree, name))]
    return [tree]


def skeleton(tree: Any) -> Any:
    """Types and keys, without the values of the leaves."""
    if isinstance(tree, dict):
        return type(tree), [(k, skeleton(v)) for k, v in tree.items()]
    if isinstance(tree, list | tuple):
        return type(tree), [skeleton(v) for v in tree]
    if hasattr(tree, "__dataclass_fields__"):
        return type(tree), [(n, skeleton(getattr(tree, n))) for n in tree.__dataclass_fields__]
    return None if tree is None else (np.shape(tree), np.asarray(tree).dtype)


@pytest.mark.parametrize("name", TREES)
def test_a_gradient_has_the_form_of_its_argument(name: str) -> None:
    tree = TREES[name]

    def f(t: Any) -> Any:
        assert [type(x) for x in leaves_of(t)] == [Tensor] * len(leaves_of(tree))
        return sum((np.sum(k * x**2) for k, x in enumerate(leaves_of(t), 1)), start=np.float64(0.0))

    value, g = value_and_grad(f)(tree)
    assert skeleton(g) == skeleton(tree)
    for k, (slope, x) in enumerate(zip(leaves_of(g), leaves_of(tree), strict=True), 1):
        np.testing.assert_array_equal(slope, 2 * k * np.asarray(x))
    assert value == sum(np.sum(k * np.asarray(x) ** 2) for k, x in enumerate(leaves_of(tree), 1))


@pytest.mark.parametrize("name", TREES)
def test_the_path_of_a_leaf_is_the_python_that_reaches_it(name: str) -> None:
    tree = TREES[name]
    assert [id(eval(f"tree{path}", {"tree": tree})) for path in paths(tree)] == [id(x) for x in leaves_of(tree)]


def test_the_path_of_a_field_is_its_name() -> None:
    tree = {"a": [Pair(1.0, Layer(2.0, 3.0))]}
    assert paths(tree) == ["['a'][0].left", "['a'][0].right.W", "['a'][0].right.b"]


def test_a_default_dict_keeps_its_factory() -> None:
    assert grad(lambda d: d["a"] ** 2)(defaultdict(list, a=1.0)).default_factory is list


def test_containers_are_rebuilt_not_written_into() -> None:
    tree = {"W": [np.ones(2)], "b": np.zeros(1)}
    parts = (tree["W"], tree["W"][0], tree["b"])
    grad(lambda t: np.sum(t["W"][0] * 2) + np.sum(t["b"]))(tree)
    assert all(a is b for a, b in zip((tree["W"], tree["W"][0], tree["b"]), parts, strict=True))


def test_a_function_that_fills_its_container_does_not_change_the_callers() -> None:
    def f(p: dict[str, Any]) -> Any:
        p["W"] = p["W"] * 2
        return np.sum(p["W"])

    tree = {"W": np.ones(2)}
    g = grad(f)(tree)
    assert isinstance(tree["W"], np.ndarray)
    np.testing.assert_array_equal(tree["W"], [1, 1])
    np.testing.assert_array_equal(g["W"], [2, 2])


def test_containers_of_several_arguments_come_in_a_tuple() -> None:
    g = grad(lambda p, q: p["a"] * q[0] * q[1], (0, 1))({"a": 2.0}, [3.0, 5.0])
    assert g == ({"a": 15.0}, [10.0, 6.0])


# what comes back


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)], ids=str)
def test_independence_gives_zeros_of_the_arguments_shape_and_dtype(dtype: str, shape: tuple[int, ...]) -> None:
    x = np.ones(shape, dtype)
    functions: list[Callable[[Any], Any]] = [
        lambda x: 1.5,
        lambda x: np.float64(2.0),
        lambda x: np.sum(np.sign(x)) + 0.0,
        lambda x: np.sum(x.detach()),
        lambda x: tl.Tensor(3.0, requires_grad=True) * 2,
    ]
    for f in functions:
        g = grad(f)(x)
        assert g.shape == shape
        assert g.dtype == x.dtype
        assert isinstance(g, np.ndarray | np.generic)
        assert not np.any(g)


def test_independence_of_one_argument_leaves_the_others_gradient_right() -> None:
    g = grad(lambda p: np.sum(p["used"] ** 2))({"used": np.array([3.0]), "unused": np.ones((2, 2), np.float32)})
    np.testing.assert_array_equal(g["used"], [6.0])
    np.testing.assert_array_equal(g["unused"], np.zeros((2, 2)))
    assert g["unused"].dtype == np.float32


RESULTS: dict[str, Callable[[Any], Any]] = {
    "sum": np.sum,
    "itself": lambda x: x[0, 0],
    "transpose": lambda x: np.sum(x.T),
    "reshape": lambda x: np.sum(x.reshape(-1) * np.arange(6.0)),
    "half the square": lambda x: 0.5 * np.sum(x * x),
    "dot with itself": lambda x: np.einsum("ij,ij", x, x),
    "independent": lambda x: 1.0,
    "broadcast": lambda x: np.sum(np.broadcast_to(x, (4, 2, 3))),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_plain_writable_arrays_that_share_nothing_with_the_inputs(name: str) -> None:
    x = np.arange(1.0, 7.0).reshape(2, 3)
    before = x.copy()
    g, h = grad(lambda x, y: RESULTS[name](x) + RESULTS[name](y), (0, 1))(x, x)
    assert type(g) is np.ndarray
    assert not np.shares_memory(g, x)
    assert not np.shares_memory(g, h)
    wanted = h.copy()
    g[...] = 99.0
    np.testing.assert_array_equal(h, wanted)
    np.testing.assert_array_equal(x, before)


def test_the_value_does_not_share_memory_with_the_argument() -> None:
    x = np.array(4.0)
    value, _ = value_and_grad(lambda a: a)(x)
    assert value is not x
    assert not np.shares_memory(value, x)


def test_inputs_are_never_written_into() -> None:
    x = np.arange(1.0, 7.0).reshape(2, 3)
    x.flags.writeable = False
    grad(lambda a: np.sum(np.tanh(a @ a.T) * np.max(a)))(x)
    assert not x.flags.writeable


def test_an_argument_of_any_memory_layout_gives_the_same_gradient() -> None:
    a = np.arange(12.0).reshape(3, 4)
    f = grad(lambda x: np.sum(np.sin(x) * np.arange(12.0).reshape(3, 4)))
    wanted = f(a)
    for b in (np.asfortranarray(a), np.repeat(a, 2, axis=1)[:, ::2], a[::-1][::-1], a.astype(">f8")):
        np.testing.assert_array_equal(f(b), wanted)


def test_an_argument_of_a_subclass_of_ndarray_has_a_plain_gradient() -> None:
    class Signal(np.ndarray):
        pass

    x = np.array([1.0, 2.0])
    value, g = value_and_grad(lambda a: np.sum(a * a))(x.view(Signal))
    assert value == 5.0
    assert type(g) is np.ndarray
    np.testing.assert_array_equal(g, 2 * x)


# closed forms and orders


CLOSED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "polynomial": (lambda x: x**5 - 2 * x**3 + x, lambda x: x**5 - 2 * x**3 + x),
    "sine of exp": (lambda x: np.sin(np.exp(x)), lambda x: mpmath.sin(mpmath.exp(x))),
    "tanh": (lambda x: np.tanh(2 * x) * x, lambda x: mpmath.tanh(2 * x) * x),
    "logistic": (tl.logistic, lambda x: 1 / (1 + mpmath.exp(-x))),
    "softplus": (tl.softplus, lambda x: mpmath.log(1 + mpmath.exp(x))),
    "root and log": (lambda x: np.sqrt(x + 3) * np.log(x + 4), lambda x: mpmath.sqrt(x + 3) * mpmath.log(x + 4)),
    "quotient": (lambda x: x / (1 + x * x), lambda x: x / (1 + x * x)),
    "power of itself": (lambda x: (x + 3) ** x, lambda x: (x + 3) ** x),
}


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("name", CLOSED)
def test_every_order_agrees_with_mpmath(name: str, order: int) -> None:
    f, exact = CLOSED[name]
    g = f
    for _ in range(order):
        g = grad(g)
    for x in (-1.75, -0.3, 0.4, 1.25):
        with mpmath.workdps(60):
            wanted = float(mpmath.diff(exact, mpmath.mpf(x), order))
        # the order 4 terms of these functions cancel to at most 1e-4 of their size
        np.testing.assert_allclose(g(x), wanted, rtol=1e-11, atol=1e-11)


def test_perturbations_of_two_levels_are_not_confused() -> None:
    assert grad(lambda x: x * grad(lambda y: x * y)(1.0))(3.0) == 6.0
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(3.0) == 1.0
    assert grad(lambda x: grad(lambda y: x * y * y)(x))(3.0) == 12.0  # d/dx of 2x·x
    assert grad(lambda x: x * grad(lambda y: y)(2.0))(3.0) == 1.0


def test_three_levels_are_kept_apart() -> None:
    def f(x: Any) -> Any:
        return grad(lambda y: grad(lambda z: x * y * z + x * z * z * y * y)(2.0))(3.0)

    # d/dz at 2: xy + 4xy²; d/dy at 3: x + 24x = 25x
    assert f(5.0) == 125.0
    assert grad(f)(5.0) == 25.0


def test_an_inner_gradient_at_a_point_made_from_the_outer_argument() -> None:
    # h(x) = g'(x²) with g(u) = sin(u)·x, so h = x cos x², h' = cos x² − 2x² sin x²
    def h(x: Any) -> Any:
        return grad(lambda u: np.sin(u) * x)(x * x)

    np.testing.assert_allclose(grad(h)(0.7), np.cos(0.49) - 0.98 * np.sin(0.49), rtol=1e-14)


def test_a_node_of_the_outer_function_that_the_inner_one_only_returns_has_no_inner_gradient() -> None:
    def f(x: Any) -> Any:
        outer = x * x
        value, g = value_and_grad(lambda y: outer)(1.0)
        return value + g

    assert grad(f)(3.0) == 6.0


@given(hnp.arrays(float, 3, elements=small), hnp.arrays(float, (3, 3), elements=small))
def test_a_hessian_is_symmetric_and_right(x: np.ndarray, a: np.ndarray) -> None:
    def f(v: Any) -> Any:
        return np.sum(np.sin(v @ a @ v)) + np.sum(v**3)

    h = np.stack([grad(lambda v, k=k: grad(f)(v)[k])(x) for k in range(3)])
    q, s = x @ a @ x, a + a.T
    wanted = np.cos(q) * s - np.sin(q) * np.outer(s @ x, s @ x) + np.diag(6 * x)
    scale = np.abs(s).max() + np.abs(s @ x).max() ** 2 + 12.0
    np.testing.assert_allclose(h, wanted, atol=1e-13 * scale * (1 + abs(q)))  # sin q is as uncertain as q
    np.testing.assert_allclose(h, h.T, atol=1e-13 * scale * (1 + abs(q)))


def test_gradients_in_containers_nest() -> None:
    def f(p: Any) -> Any:
        inner = grad(lambda q: np.sum(q["W"] ** 2 * p["W"]))({"W": np.array([2.0, 3.0])})
        return np.sum(inner["W"] * p["b"])

    g = grad(f)({"W": np.array([1.0, 1.0]), "b": np.array([5.0, 7.0])})
    np.testing.assert_array_equal(g["W"], [20, 42])
    np.testing.assert_array_equal(g["b"], [4, 6])


def test_an_unrolled_descent_is_differentiated_through() -> None:
    # w ← w − η (w − a), k times from 0: w = a (1 − (1−η)^k), so dw/dη = a k (1−η)^(k−1)
    def descent(eta: Any) -> Any:
        w: Any = 0.0
        for _ in range(5):
            w = w - eta * grad(lambda v: 0.5 * (v - 3.0) ** 2)(w)
        return w

    np.testing.assert_allclose(grad(descent)(0.1), 3 * 5 * 0.9**4, rtol=1e-14)


# Tensors of the outside


def test_a_tensor_of_the_outside_that_requires_a_gradient_keeps_the_result_in_its_graph() -> None:
    w = Tensor(3.0, requires_grad=True)
    g = grad(lambda x: x * x * w)(2.0)
    assert isinstance(g, Tensor)
    assert g.item() == 12.0
    g.backward()
    assert w.grad == 4.0


def test_a_tensor_argument_that_requires_a_gradient_keeps_the_result_in_its_graph() -> None:
    w = Tensor(3.0, requires_grad=True)
    value, g = value_and_grad(lambda x: x**3)(w)
    (value + g).backward()
    assert w.grad == 27.0 + 18.0


def test_a_tensor_argument_without_gradient_gives_arrays() -> None:
    value, g = value_and_grad(lambda x: x**3)(Tensor(3.0))
    assert not isinstance(value, Tensor)
    assert not isinstance(g, Tensor)
    assert (value, g) == (27.0, 27.0)


def test_a_value_that_only_a_tensor_of_the_outside_made_is_not_detached() -> None:
    w = Tensor(3.0, requires_grad=True)
    value, g = value_and_grad(lambda x: w * 1.0)(2.0)
    (value + g).backward()
    assert w.grad == 1.0


def test_a_tensor_of_the_outside_returned_as_it_is_is_not_detached() -> None:
    w = Tensor(3.0, requires_grad=True)
    value, g = value_and_grad(lambda x: w)(2.0)
    assert isinstance(value, Tensor)
    (value + g).backward()
    assert w.grad == 1.0


def test_aux_that_depends_on_a_tensor_of_the_outside_is_not_detached() -> None:
    w = Tensor(3.0, requires_grad=True)
    _, aux = grad(lambda x: (x * x, x * w), has_aux=True)(2.0)
    assert isinstance(aux, Tensor)
    aux.backward()
    assert w.grad == 2.0


def test_a_tensor_of_the_outside_cannot_be_written_to_inside() -> None:
    w = Tensor(3.0, requires_grad=True)

    def f(x: Any) -> Any:
        w.assign(5.0)
        return x * w

    with pytest.raises(TypeError, match="inside a transform"):
        grad(f)(2.0)
    assert w.item() == 3.0


def test_a_gradient_leaves_grad_of_tensors_of_the_outside_alone() -> None:
    w = Tensor(3.0, requires_grad=True)
    grad(lambda x: x * x * w)(2.0)
    assert w.grad is None


# recording on and off


def test_no_grad_inside_the_function_cuts_the_graph_there() -> None:
    def f(x: Any) -> Any:
        with tl.no_grad():
            constant = x * x
        return constant * x

    assert grad(f)(3.0) == 9.0


def test_a_function_that_is_wholly_inside_no_grad_has_gradient_zero() -> None:
    @tl.no_grad()
    def f(x: Any) -> Any:
        return x * x

    assert grad(f)(3.0) == 0.0


def test_grad_works_inside_no_grad_and_switches_nothing_on_outside() -> None:
    w = Tensor(2.0, requires_grad=True)
    with tl.no_grad():
        assert grad(lambda x: x**3)(2.0) == 12.0
        assert grad(grad(lambda x: x**3))(2.0) == 12.0
        assert not (w * 2).requires_grad


def test_what_grad_gives_inside_no_grad_requires_no_gradient() -> None:
    w = Tensor(2.0, requires_grad=True)
    with tl.no_grad():
        value, g = value_and_grad(lambda x: x * x * w)(3.0)
    for result in (value, g):
        assert not getattr(result, "requires_grad", False)
    assert float(value) == 18.0
    assert float(g) == 12.0


def test_a_value_of_an_inner_gradient_inside_no_grad_is_a_constant_of_the_outer_one() -> None:
    def f(x: Any) -> Any:
        with tl.no_grad():
            value, g = value_and_grad(lambda z: z * x)(1.0)
        return (value + g) * x

    assert grad(f)(3.0) == 6.0  # as for any other constant of the value 3 + 3


def test_detach_inside_an_inner_gradient_cuts_both_levels() -> None:
    assert grad(lambda x: grad(lambda y: y * y * x.detach())(x))(3.0) == 6.0


def test_grad_works_in_threads_as_it_does_alone() -> None:
    def f(x: Any) -> Any:
        return np.sum(grad(lambda y: np.sum(np.tanh(y) * x))(x) ** 2)

    points = [np.random.default_rng(k).normal(size=4) for k in range(32)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(grad(f), points))
    for a, x in zip(together, points, strict=True):
        np.testing.assert_array_equal(a, grad(f)(x))


def test_a_function_may_compute_its_parts_in_threads() -> None:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(lambda k: np.sin(x * k), [1.0, 2.0, 3.0]))

    np.testing.assert_allclose(grad(f)(0.3), sum(k * np.cos(0.3 * k) for k in (1.0, 2.0, 3.0)), rtol=1e-15)


def test_an_inner_gradient_in_a_thread_stays_in_the_graph_of_the_outer_one() -> None:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(grad(lambda y: y * y * x), 2.0).result()

    assert grad(f)(3.0) == 4.0


def test_an_exception_in_the_function_restores_everything() -> None:
    def f(x: Any) -> Any:
        raise KeyError

    with pytest.raises(KeyError):
        grad(f)(1.0)
    value = grad(lambda x: x * x)(3.0)
    assert value == 6.0
    assert not isinstance(value, Tensor)


def test_the_same_call_twice_gives_the_same_bits() -> None:
    x = np.random.default_rng(0).normal(size=(5, 4))
    f = grad(lambda a: np.sum(np.tanh(a @ a.T) ** 2) / np.sum(np.exp(a)))
    assert f(x).tobytes() == f(x).tobytes()
