"""Tensor's whole surface: what it is, what changes it, how it meets arrays and numbers, how it leaves the graph."""

from __future__ import annotations

import copy
import inspect
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lecture as tl
from tinygrad_lecture import Tensor
from tinygrad_lecture.engine.methods import ArrayMethods
from tinygrad_lecture.engine.tensor import leaf
from tinygrad_lecture.engine.tree import flatten

A = np.array([[1.5, -2.0, 0.25], [3.0, -0.5, 2.0]])
finite = st.floats(-1e3, 1e3, width=32, allow_subnormal=False)
arrays = hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=3, max_side=4), elements=finite)


def weight(values: Any = A) -> Tensor:
    return Tensor(values, requires_grad=True)


def same(got: Any, wanted: Any) -> None:
    """The same numbers, bit for bit, the same shape and the same dtype."""
    wanted = np.asarray(wanted)
    assert isinstance(got, Tensor)
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got.detach().numpy(), wanted)


# what it is


@given(arrays)
def test_a_tensor_has_the_shape_dtype_and_values_of_its_array(a: np.ndarray) -> None:
    t = Tensor(a)
    assert (t.shape, t.dtype, t.ndim, t.size) == (a.shape, a.dtype, a.ndim, a.size)
    np.testing.assert_array_equal(t.numpy(), a)
    assert t.tolist() == a.tolist()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", "int8", "int64", "uint8", "bool"])
def test_every_real_dtype_is_kept(dtype: str) -> None:
    assert Tensor(np.ones(3, dtype)).dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [(2.0, "float64"), (2, "int64"), (True, "bool"), ([1.0, 2], "float64"), (np.float32(2), "float32")],
    ids=repr,
)
def test_numbers_and_lists_become_what_numpy_makes_of_them(values: Any, dtype: str) -> None:
    assert Tensor(values).dtype == np.dtype(dtype)


def test_a_leaf_requires_a_gradient_only_when_asked_and_has_none_at_first() -> None:
    assert Tensor(A).requires_grad is False
    assert weight().requires_grad is True
    assert weight().grad is None


def test_what_is_computed_from_a_leaf_with_gradient_requires_one_and_from_others_not() -> None:
    assert (weight() * 2).requires_grad is True
    assert (Tensor(A) * 2).requires_grad is False


def test_requires_grad_is_not_written() -> None:
    with pytest.raises(AttributeError):
        Tensor(A).requires_grad = True  # type: ignore[misc]


def test_a_tensor_takes_no_further_attributes() -> None:
    with pytest.raises(AttributeError):
        Tensor(A).name = "w"  # type: ignore[attr-defined]


def test_a_subclass_is_refused_or_keeps_its_gradient() -> None:
    try:

        class Weight(Tensor):
            pass

    except TypeError:
        return
    x = Weight([1.0, 2.0], requires_grad=True)
    np.sum(x * 2).backward()
    np.testing.assert_array_equal(x.grad, [2, 2])


# copies and views


def test_a_leaf_owns_a_copy_of_what_it_was_made_from() -> None:
    a = A.copy()
    t = Tensor(a)
    a[:] = 7
    np.testing.assert_array_equal(t.numpy(), A)


@pytest.mark.parametrize(
    "make", [lambda: Tensor(A), lambda: weight() * 2, lambda: Tensor(2.0)], ids=["leaf", "node", "0-d"]
)
def test_data_is_a_read_only_view(make: Callable[[], Tensor]) -> None:
    t = make()
    assert not t.data.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        t.data[...] = 0
    np.testing.assert_array_equal(t.data, t.numpy())


def test_data_cannot_be_made_writable_again() -> None:
    with pytest.raises(ValueError, match="WRITEABLE"):
        Tensor(A).data.flags.writeable = True


def test_data_is_not_assigned_to() -> None:
    with pytest.raises(AttributeError):
        Tensor(A).data = A  # type: ignore[misc]


def test_numpy_gives_a_writable_copy() -> None:
    t = weight()
    t.numpy()[:] = 7
    np.testing.assert_array_equal(t.numpy(), A)


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t,
        lambda t: t.T,
        lambda t: t.reshape(-1),
        lambda t: t[0],
        lambda t: t.detach(),
        lambda t: np.broadcast_to(t, (4, 2, 3)),
    ],
    ids=["itself", "T", "reshape", "row", "detach", "broadcast"],
)
def test_no_array_handed_out_leads_into_a_leaf(make: Callable[[Tensor], Tensor]) -> None:
    t = Tensor(A)
    for out in (make(t).numpy(), np.asarray(make(t)), make(t).data):
        if out.flags.writeable:
            out[...] = 7
    np.testing.assert_array_equal(t.numpy(), A)


# assign


def test_assign_writes_a_copy_of_new_values() -> None:
    t, new = weight(), A + 1
    t.assign(new)
    new[:] = 0
    np.testing.assert_array_equal(t.numpy(), A + 1)


@pytest.mark.parametrize("requires_grad", [True, False], ids=["leaf with gradient", "leaf without"])
def test_a_graph_built_before_an_assign_refuses_to_go_backward(requires_grad: bool) -> None:
    x, other = weight(), Tensor(A, requires_grad=requires_grad)
    y = np.sum(np.sin(x) * other)
    other.assign(A + 1)
    with pytest.raises(RuntimeError, match=r"shape \(2, 3\) that went into multiply was overwritten by assign"):
        y.backward()
    assert x.grad is None


@pytest.mark.parametrize(
    "view", [np.transpose, np.ravel, lambda t: t[0], lambda t: t.astype(np.float32)], ids=["T", "flat", "row", "cast"]
)
def test_a_graph_through_a_view_of_what_was_assigned_refuses_too(view: Callable[[Tensor], Tensor]) -> None:
    x = weight()
    y = np.sum(view(x) * 2)
    x.assign(A)
    with pytest.raises(RuntimeError, match=r"leaf of shape \(2, 3\) that went into .* was overwritten by assign"):
        y.backward()


def test_a_graph_refuses_also_where_the_same_values_were_assigned_again() -> None:
    x = weight()
    y = np.sum(x * x)
    x.assign(x.numpy())
    with pytest.raises(RuntimeError, match="overwritten"):
        y.backward()


def test_a_refused_walk_writes_no_gradient_anywhere() -> None:
    first, second = weight(), weight()
    y = np.sum(first * 2) + np.sum(second * 3)
    first.assign(A)
    with pytest.raises(RuntimeError, match="overwritten"):
        y.backward()
    assert first.grad is None
    assert second.grad is None


def test_a_graph_built_after_an_assign_sees_the_new_values() -> None:
    x = weight(2.0)
    x.assign(5.0)
    (x * x).backward()
    assert x.grad == 10.0


def test_an_assign_leaves_graphs_of_other_leaves_alone() -> None:
    x, other = weight(2.0), weight(3.0)
    y = x * x
    other.assign(1.0)
    y.backward()
    assert x.grad == 4.0


def test_assign_keeps_dtype_shape_and_gradient() -> None:
    x = weight(np.ones(3, np.float32))
    np.sum(x * 2).backward()
    x.assign([1, 2, 3])
    assert (x.dtype, x.shape) == (np.dtype("float32"), (3,))
    np.testing.assert_array_equal(x.grad, [2, 2, 2])


@pytest.mark.parametrize(
    ("values", "error"),
    [(np.ones(3), ValueError), (1.0, ValueError), (A * 1j, TypeError)],
    ids=["shape", "scalar", "complex"],
)
def test_assign_of_what_does_not_fit_changes_nothing(values: Any, error: type[Exception]) -> None:
    t = weight()
    y = np.sum(t)
    with pytest.raises(error):
        t.assign(values)
    np.testing.assert_array_equal(t.numpy(), A)
    y.backward()  # nothing was written, so the graph still holds


def test_assign_of_floats_to_an_integer_leaf_is_refused() -> None:
    with pytest.raises(TypeError, match=r"float64 would not fit int64"):
        Tensor([1, 2]).assign([1.5, 2.5])


# backward


@pytest.mark.parametrize("name", ["fill", "tobytes", "strides", "flat", "view"])
def test_an_attribute_of_arrays_that_a_tensor_lacks_is_an_error_with_the_way_out(name: str) -> None:
    t = tl.Tensor([[1.0, 2.0]])
    with pytest.raises(
        AttributeError, match=rf"no attribute '{name}' \(an ndarray has\).* or t.numpy\(\).{name} outside"
    ):
        getattr(t, name)
    assert not hasattr(t, name)
    assert name not in dir(t)
    assert all(hasattr(t, offered) for offered in dir(t))


def test_other_attributes_that_a_tensor_lacks_are_errors_with_its_name() -> None:
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'gradient'"):
        tl.Tensor(1.0).gradient  # noqa: B018


def test_every_attribute_is_found_by_pythons_own_quick_way() -> None:
    # with a __getattr__ or __getattribute__ of its own, all of them would take several times as long
    assert not {"__getattr__", "__getattribute__"} & {name for kind in tl.Tensor.__mro__[:-1] for name in vars(kind)}


def test_backward_adds_the_gradient_into_the_leaves() -> None:
    x = weight()
    np.sum(x**3).backward()
    np.testing.assert_allclose(x.grad, 3 * A**2, rtol=1e-15)  # two roundings


@given(hnp.arrays(np.float64, (2, 3), elements=st.floats(0.1, 10.0)))
def test_a_second_backward_adds_exactly_the_same_once_more(a: np.ndarray) -> None:
    x = Tensor(a, requires_grad=True)
    y = np.sum(np.tanh(x) * np.log(x))
    y.backward()
    once = x.grad.copy()
    y.backward()
    np.testing.assert_array_equal(x.grad, once + once)


def test_the_graph_stays_usable_for_another_output() -> None:
    x = weight(3.0)
    h = x * x
    h.backward()
    (h * 2.0).backward()
    assert x.grad == 6.0 + 12.0


def test_zero_grad_forgets_what_was_collected() -> None:
    x = weight(3.0)
    (x * x).backward()
    x.zero_grad()
    assert x.grad is None
    (x * 2.0).backward()
    assert x.grad == 2.0


def test_backward_of_a_leaf_gives_it_the_error_itself() -> None:
    x, err = weight(), np.arange(6.0).reshape(2, 3)
    x.backward(err)
    np.testing.assert_array_equal(x.grad, err)


def test_backward_gives_nothing_to_leaves_that_require_none() -> None:
    x, constant = weight(), Tensor(A)
    np.sum(x * constant).backward()
    assert constant.grad is None


def test_nodes_keep_no_gradient() -> None:
    x = weight()
    h = x * 2
    np.sum(h).backward()
    assert h.grad is None


@given(hnp.arrays(np.float64, (2, 3), elements=finite))
def test_backward_is_linear_in_the_error_that_arrives(err: np.ndarray) -> None:
    x = weight()
    (x * A).backward(err)
    np.testing.assert_array_equal(x.grad, err * A)


@pytest.mark.parametrize(
    "err",
    [np.ones((2, 3), np.float32), np.ones((2, 3), int), [[1, 1, 1], [1, 1, 1]], Tensor(np.ones((2, 3)))],
    ids=["float32", "int", "list", "Tensor"],
)
def test_an_error_may_be_any_array_of_the_shape(err: Any) -> None:
    x = weight()
    (x * A).backward(err)
    assert isinstance(x.grad, np.ndarray)
    assert x.grad.dtype == np.float64
    np.testing.assert_array_equal(x.grad, A)


@pytest.mark.parametrize("shape", [(), (3,), (2, 1), (1, 2, 3), (3, 2)], ids=str)
def test_an_error_of_another_shape_is_refused_even_if_it_would_broadcast(shape: tuple[int, ...]) -> None:
    x = weight()
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (both shapes are looked for below)
        (x * 2).backward(np.ones(shape))
    assert str(shape) in str(caught.value)
    assert "(2, 3)" in str(caught.value)
    assert x.grad is None


def test_an_output_of_one_element_with_axes_is_no_scalar() -> None:
    with pytest.raises(ValueError, match=r"shape \(1,\) needs err"):
        (weight([2.0]) * 2).backward()


ALIASING: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda a, b: a + b,
    "add to itself": lambda a, b: a + a + b,
    "positive": lambda a, b: +a + +b,
    "subtract": lambda a, b: a - b,
    "reshape": lambda a, b: a.reshape(2, 3) + b.reshape(2, 3),
    "transpose": lambda a, b: (a.T + b.T).T,
    "broadcast": lambda a, b: (np.broadcast_to(a, (1, 2, 3)) + np.broadcast_to(b, (1, 2, 3)))[0],
    "concatenate": lambda a, b: np.concatenate([a, b])[:2] + np.concatenate([a, b])[2:],
    "stack": lambda a, b: np.stack([a, b])[0] + np.stack([b, a])[0],
    "getitem": lambda a, b: a[:] + b[...],
    "where": lambda a, b: np.where(True, a, 0.0) + np.where(False, 0.0, b),
    "astype": lambda a, b: a.astype(float) + b.astype(float),
    "sum over no axis": lambda a, b: np.sum(a, axis=()) + np.sum(b, axis=()),
    "multiply": lambda a, b: a * b,
}


@pytest.mark.parametrize("name", ALIASING)
def test_gradients_share_no_memory_with_each_other_the_error_or_the_inputs(name: str) -> None:
    raw = [A.copy(), A.copy() + 1]
    a, b = weight(raw[0]), weight(raw[1])
    err = np.arange(1.0, 7.0).reshape(2, 3)
    y = ALIASING[name](a, b)
    y.backward(err)
    first_b = b.grad.copy()
    a.grad[...] = 77
    np.testing.assert_array_equal(b.grad, first_b)
    np.testing.assert_array_equal(err, np.arange(1.0, 7.0).reshape(2, 3))
    np.testing.assert_array_equal(a.numpy(), A)
    np.testing.assert_array_equal(b.numpy(), A + 1)
    err[...] = -55
    np.testing.assert_array_equal(b.grad, first_b)
    assert not np.shares_memory(a.grad, b.grad)
    a.zero_grad()
    b.zero_grad()
    y.backward(np.arange(1.0, 7.0).reshape(2, 3))
    np.testing.assert_array_equal(b.grad, first_b)


def test_the_gradient_of_a_leaf_that_is_the_output_does_not_alias_the_error() -> None:
    x, err = weight(), np.ones((2, 3))
    x.backward(err)
    x.grad[...] = 9
    np.testing.assert_array_equal(err, np.ones((2, 3)))


def test_a_gradient_does_not_alias_an_array_that_a_rule_handed_back() -> None:
    kept = np.ones(2)
    total = tl.local_rule(lambda x: x.sum(), rules=lambda err, y, x: kept)
    x = weight([1.0, 2.0])
    total(x).backward()
    x.grad[...] = 9
    np.testing.assert_array_equal(kept, [1, 1])


# leaving the graph


def test_detach_gives_the_values_and_stops_the_error() -> None:
    x = weight(3.0)
    d = (x * x).detach()
    assert d.requires_grad is False
    (d * x).backward()
    assert x.grad == 9.0


@pytest.mark.parametrize(
    ("values", "kind"), [(2.5, float), ([[3]], int), ([True], bool), (np.float32(0.5), float)], ids=repr
)
def test_item_gives_a_python_number(values: Any, kind: type) -> None:
    got = Tensor(values).item()
    assert type(got) is kind
    assert got == np.asarray(values).item()


def test_item_of_a_tensor_that_requires_a_gradient_leaves_on_purpose() -> None:
    assert (weight(2.0) * 3).item() == 6.0


def test_item_of_several_elements_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one element|size 1|scalar"):
        Tensor(A).item()


def test_a_tensor_without_gradient_converts_freely() -> None:
    assert float(Tensor(2.5)) == 2.5
    assert int(Tensor(3)) == 3
    assert bool(Tensor(A)[0, 0] > 0) is True
    assert [10, 20, 30][Tensor(1)] == 20
    np.testing.assert_array_equal(np.asarray(Tensor(A)), A)
    np.testing.assert_array_equal(np.array(Tensor(A), dtype=np.float32), A.astype(np.float32))


def test_a_comparison_of_tensors_with_gradient_gives_one_without() -> None:
    x = weight()
    for mask in (x > 0, x == x, np.isnan(x), np.argmax(x), np.floor(x)):
        assert mask.requires_grad is False
    assert (x > 0).dtype == bool
    np.testing.assert_array_equal(A[x > 0], A[A > 0])


# as a sequence, as text


def test_len_is_the_first_axis_and_iteration_gives_its_parts_in_the_graph() -> None:
    x = weight()
    assert len(x) == 2
    rows = list(x)
    assert [row.shape for row in rows] == [(3,), (3,)]
    np.sum(rows[1] * 5).backward()
    np.testing.assert_array_equal(x.grad, [[0, 0, 0], [5, 5, 5]])


def test_a_tensor_without_axes_has_no_len_and_no_parts() -> None:
    with pytest.raises(TypeError, match="len"):
        len(Tensor(2.0))
    with pytest.raises(TypeError, match="iteration"):
        iter(Tensor(2.0))


def test_unpacking_takes_a_tensor_apart() -> None:
    first, second = weight([2.0, 3.0])
    assert (first * second).item() == 6.0


def test_repr_shows_value_shape_dtype_and_the_op_that_made_it() -> None:
    text = repr(np.tanh(weight(np.zeros((1, 2), np.float32))))
    for piece in ("[[0., 0.]]", "shape=(1, 2)", "dtype=float32", "tanh", "requires_grad=True"):
        assert piece in text
    leaf = repr(Tensor([1, 2]))
    assert "[1, 2]" in leaf
    assert "op=" not in leaf
    assert "requires_grad" not in leaf


def test_repr_of_a_large_tensor_is_short() -> None:
    assert len(repr(Tensor(np.zeros(10**5)))) < 200
    assert ["..." in repr(Tensor(np.zeros(n))) for n in (100, 101)] == [False, True]


def test_format_takes_a_number_format_for_one_element() -> None:
    assert f"{weight(2.0) * 1.5:.2f}" == "3.00"
    assert f"{Tensor(A)}" == repr(Tensor(A))
    with pytest.raises((TypeError, ValueError)):
        f"{Tensor(A):.2f}"


def test_an_array_of_a_tensor_is_copied_only_where_it_must_be() -> None:
    for values in ([1, 2], [1.0, 2.0]):
        t = Tensor(values)
        assert np.shares_memory(np.asarray(t, copy=False), np.asarray(t))
        assert t.__array__(np.float32).dtype == np.float32


def test_a_tensor_is_not_hashable_since_it_compares_by_element() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Tensor(A))


# pickling and copying


@pytest.mark.parametrize(
    "again", [lambda t: pickle.loads(pickle.dumps(t)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
@pytest.mark.parametrize(
    "values", [A, 2.0, np.array(2.0), np.ones(2, np.float32)], ids=["array", "number", "0-d", "float32"]
)
def test_a_leaf_comes_again_with_its_values_and_gradient_and_shares_nothing(
    again: Callable[[Tensor], Tensor], values: Any
) -> None:
    t = weight(values)
    np.sum(t * t).backward()
    grad = np.array(t.grad)
    other = again(t)
    same(other, values)
    assert other.requires_grad is True
    assert other.op is None
    np.testing.assert_array_equal(other.grad, grad)
    np.sum(other * 3).backward()
    other.assign(np.zeros(t.shape))
    if isinstance(other.grad, np.ndarray):
        other.grad[...] = 9
    np.testing.assert_array_equal(t.grad, grad)
    same(t, values)


@pytest.mark.parametrize(
    "again", [lambda t: pickle.loads(pickle.dumps(t)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_writing_into_the_gradient_of_a_copy_leaves_the_original_alone(again: Callable[[Tensor], Tensor]) -> None:
    t = weight()
    np.sum(t * 3).backward()
    again(t).grad[...] = 9
    np.testing.assert_array_equal(t.grad, np.full((2, 3), 3.0))


@pytest.mark.parametrize("again", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_a_node_is_neither_pickled_nor_copied_and_the_error_points_to_record(again: Callable[[Tensor], Any]) -> None:
    with pytest.raises(TypeError, match=r"made by an operation.*tl\.record"):
        again(weight() * 2)


def test_copy_as_a_method_is_a_node_through_which_the_error_flows() -> None:
    x = weight(3.0)
    (x.copy() * x).backward()
    assert x.grad == 6.0


def test_what_is_detached_from_a_view_does_not_change_with_it() -> None:
    written = np.zeros((2, 3))
    whole, row = leaf(written), leaf(written[0])
    kept, same_array = row.detach(), whole.detach()
    written[...] = 1.0
    np.testing.assert_array_equal(kept.numpy(), np.zeros(3))
    np.testing.assert_array_equal(same_array.numpy(), np.ones((2, 3)))  # what is no view belongs to its Tensor alone


# methods

METHODS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda a: a.sum(),
    "sum over an axis": lambda a: a.sum(axis=1, keepdims=True),
    "mean": lambda a: a.mean(0),
    "max": lambda a: a.max(axis=-1),
    "min": lambda a: a.min(),
    "prod": lambda a: a.prod(axis=0),
    "argmax": lambda a: a.argmax(axis=1),
    "argmin": lambda a: a.argmin(),
    "clip": lambda a: a.clip(-1, 1),
    "clip by keyword": lambda a: a.clip(min=0),
    "dot": lambda a: a.dot(a.T),
    "dot with a vector": lambda a: a.dot(a[0]),
    "dot with a number": lambda a: a.dot(a.dtype.type(2.0)),
    "reshape": lambda a: a.reshape(3, 2),
    "reshape by a tuple": lambda a: a.reshape((3, -1)),
    "reshape in Fortran order": lambda a: a.reshape(3, 2, order="F"),
    "ravel": lambda a: a.ravel(),
    "flatten": lambda a: a.flatten(),
    "transpose": lambda a: a.transpose(),
    "transpose by axes": lambda a: a.transpose(1, 0),
    "transpose by a tuple": lambda a: a.transpose((1, 0)),
    "T": lambda a: a.T,
    "mT": lambda a: a.mT,
    "mT of three axes": lambda a: a[:, None].mT,
    "astype": lambda a: a.astype(np.float32),
    "astype to integers": lambda a: a.astype(int),
    "copy": lambda a: a.copy(),
    "getitem": lambda a: a[1, ::-1],
    "getitem by a list": lambda a: a[:, [0, 0, 2]],
    "getitem by nothing": lambda a: a[[]],
    "getitem by a mask": lambda a: a[a > 0],
    "getitem by a new axis": lambda a: a[:, None],
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_method_gives_what_the_arrays_method_gives(name: str, dtype: str) -> None:
    a = A.astype(dtype)
    same(METHODS[name](weight(a)), METHODS[name](a))


NEEDED: dict[str, tuple[Any, ...]] = {
    "clip": (0.0,),
    "dot": (2.0,),
    "repeat": (2,),
    "reshape": (4, 9),
    "swapaxes": (0, 2),
    "take": ([-1, 0],),
}
"""What a method cannot be called without; the others need nothing."""
OPTIONS = {"axis": 2, "axis1": 2, "axis2": 2, "ddof": 1, "offset": 1, "decimals": 1}
OPTIONS |= {"keepdims": True, "stable": True, "kind": "stable", "mode": "clip", "order": "F", "max": 1.5}
"""What an option may be, other than it is by default."""


def options_of_methods() -> list[tuple[str, str]]:
    """Each method that the others do not test, with each of its options."""
    methods = {n: m for n, m in vars(ArrayMethods).items() if n[0] != "_" and n != "searchsorted" and callable(m)}
    return [
        (name, option)
        for name, method in methods.items()
        for k, (option, p) in enumerate(inspect.signature(method).parameters.items())
        if p.default is not p.empty and k > len(NEEDED.get(name, ()))
    ]


@pytest.mark.parametrize("name", sorted(n for n in vars(ArrayMethods) if n[0] != "_" and n != "searchsorted"))
def test_what_a_method_does_without_options_is_what_the_arrays_method_does(name: str) -> None:
    a = np.random.default_rng(0).permutation(36).reshape(3, 1, 4, 3) / 7.0 - 2.0
    ours, numpys = getattr(weight(a), name), getattr(a, name)
    same(*[m(*NEEDED.get(name, ())) if callable(m) and not isinstance(m, Tensor) else m for m in (ours, numpys)])


@pytest.mark.parametrize(("name", "option"), options_of_methods())
def test_an_option_of_a_method_is_that_of_the_arrays_method(name: str, option: str) -> None:
    a = np.random.default_rng(0).permutation(36).reshape(3, 1, 4, 3) / 7.0 - 2.0
    options = {option: 1 if name == "squeeze" else OPTIONS[option]}
    same(*[getattr(x, name)(*NEEDED.get(name, ()), **options) for x in (weight(a), a)])


# operators

BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
OTHERS: dict[str, Any] = {
    "array": np.array([[2.0, -1.0, 0.5], [1.0, 4.0, -3.0]]),
    "row": np.array([2.0, -1.0, 0.5]),
    "column": np.array([[2.0], [-4.0]]),
    "0-d array": np.array(2.0),
    "integers": np.array([1, 2, 3]),
    "float32 array": np.array([2.0, -1.0, 0.5], np.float32),
    "float": 1.7,
    "int": 3,
    "bool": True,
    "float64": np.float64(1.7),
    "float32": np.float32(1.7),
    "int64": np.int64(3),
    "int8": np.int8(3),
    "list": [2.0, -1.0, 0.5],
    "nested list": [[2.0], [-4.0]],
}


def spelt(x: Any) -> Any:
    return np.asarray(x) if isinstance(x, list) else x


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("symbol", BINARY)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_operator_gives_numpys_result_with_the_tensor_on_either_side(symbol: str, other: str, dtype: str) -> None:
    f, x, a = BINARY[symbol], OTHERS[other], A.astype(dtype)
    same(f(weight(a), x), f(a, spelt(x)))
    same(f(x, weight(a)), f(spelt(x), a))
    same(f(weight(a), Tensor(x)), f(a, np.asarray(x) if isinstance(x, list | np.ndarray) else np.array(x)[()]))


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_power_gives_numpys_result_with_the_tensor_on_either_side(other: str, dtype: str) -> None:
    a, x = np.abs(A).astype(dtype), OTHERS[other]
    positive = abs(spelt(x))
    same(weight(a) ** x, a ** spelt(x))
    same(positive ** weight(a), positive**a)


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/"])
@pytest.mark.parametrize("other", OTHERS)
def test_the_error_flows_through_an_operator_with_the_tensor_on_either_side(symbol: str, other: str) -> None:
    f, x = BINARY[symbol], OTHERS[other]
    wide = np.broadcast_to(np.asarray(x, float), A.shape)
    left = {"+": np.ones(A.shape), "-": np.ones(A.shape), "*": wide, "/": 1 / wide}[symbol]
    right = {"+": np.ones(A.shape), "-": -np.ones(A.shape), "*": wide, "/": -wide / A**2}[symbol]
    err = np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])
    for y, x_slope in ((f(t := weight(), x), left), (f(x, u := weight()), right)):
        y.backward(err)
        np.testing.assert_allclose((t if x_slope is left else u).grad, err * x_slope, rtol=1e-6)  # float32 operands


def test_matrix_products_meet_arrays_on_either_side() -> None:
    same(weight() @ A.T, A @ A.T)
    same(A.T @ weight(), A.T @ A)
    same(weight() @ [1.0, 2.0, 3.0], A @ [1.0, 2.0, 3.0])
    same([1.0, 2.0] @ weight(), [1.0, 2.0] @ A)


FUNCTIONS: dict[Callable[..., Any], np.ufunc] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.divide,
    operator.matmul: np.matmul,
    operator.floordiv: np.floor_divide,
    operator.mod: np.mod,
    operator.and_: np.bitwise_and,
    operator.or_: np.bitwise_or,
    operator.xor: np.bitwise_xor,
    operator.lt: np.less,
    operator.le: np.less_equal,
    operator.gt: np.greater,
    operator.ge: np.greater_equal,
    operator.eq: np.equal,
    operator.ne: np.not_equal,
    operator.neg: np.negative,
    operator.pos: np.positive,
    operator.abs: np.absolute,
    operator.invert: np.invert,
}


@pytest.mark.parametrize("symbol", FUNCTIONS, ids=lambda f: f.__name__)
def test_an_operator_makes_the_node_that_its_function_makes(symbol: Callable[..., Any]) -> None:
    fn = FUNCTIONS[symbol]
    t = Tensor(np.array([[3, 5], [1, 2]]))
    calls: list[tuple[Any, ...]] = [(t,)] if fn.nin == 1 else [(t, t), (t, t.numpy()), (t.numpy(), t)]
    for xs in calls:
        assert symbol(*xs).op is fn(*xs).op
        same(symbol(*xs), fn(*xs))


def test_unary_operators_give_numpys_result() -> None:
    same(-weight(), -A)
    same(+weight(), +A)
    same(abs(weight()), abs(A))
    same(~(weight() > 0), ~(A > 0))
    same((weight() > 0) & (A < 2), (A > 0) & (A < 2))
    same(True | (weight() > 0), True | (A > 0))
    same((weight() > 0) ^ True, (A > 0) ^ True)


@pytest.mark.parametrize("symbol", ["+=", "-=", "*=", "/=", "**=", "%=", "//="])
def test_an_in_place_operator_makes_a_new_tensor_and_leaves_the_old_one(symbol: str) -> None:
    f = {"+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv}
    f |= {"**=": operator.ipow, "%=": operator.imod, "//=": operator.ifloordiv}
    x = weight()
    y = f[symbol](x, 2.0)
    assert y is not x
    assert y.op is not None
    np.testing.assert_array_equal(x.numpy(), A)


def test_an_array_is_not_changed_in_place_by_a_tensor() -> None:
    a = A.copy()
    with pytest.raises(TypeError, match=r"write a = a \+ t"):
        a += weight()
    np.testing.assert_array_equal(a, A)


# weak promotion


FLOAT32: dict[str, Callable[[Tensor], Tensor]] = {
    "float on the right": lambda t: t * 2.5,
    "float on the left": lambda t: 2.5 / t,
    "int": lambda t: 3 - t,
    "bool": lambda t: t + True,
    "power": lambda t: t**2,
    "root": lambda t: np.abs(t) ** 0.5,
    "power of a number": lambda t: 2.0**t,
    "np.add": lambda t: np.add(t, 1.0),
    "maximum": lambda t: np.maximum(t, 0.0),
    "where": lambda t: np.where(t > 0, t, 0.0),
    "clip": lambda t: np.clip(t, -1.0, 1.0),
    "mean": lambda t: np.mean(t),
    "average": lambda t: np.average(t, axis=0),
    "tanh": lambda t: np.tanh(t),
    "logistic": tl.logistic,
    "relu": tl.relu,
    "softplus": tl.softplus,
    "logsumexp": tl.logsumexp,
    "log_softmax": tl.log_softmax,
    "linear": lambda t: tl.linear(t, np.ones((4, 3), np.float32)),
    "squared_error": lambda t: tl.squared_error(t, np.zeros((2, 3), np.float32)),
    "cross_entropy": lambda t: tl.cross_entropy(t, [0, 2]),
    "prod": lambda t: np.prod(t),
    "einsum": lambda t: np.einsum("ij->j", t),
    "0-d": lambda t: t[0, 0] * 2.5,
    "getitem": lambda t: t[[0, 0]],
}


@pytest.mark.parametrize("name", FLOAT32)
def test_float32_stays_float32_forward_and_backward(name: str) -> None:
    x = weight(A.astype(np.float32))
    y = FLOAT32[name](x)
    assert y.dtype == np.float32
    y.backward(np.ones(y.shape))
    assert x.grad.dtype == np.float32
    assert x.grad.shape == x.shape


def test_a_float64_array_is_not_weak() -> None:
    x = weight(np.float32(2.0))
    assert (x * np.float64(2.0)).dtype == np.float64
    assert (x * np.array(2.0)).dtype == np.float64


@given(st.sampled_from(["float16", "float32", "float64"]), st.sampled_from(["float16", "float32", "float64", "int32"]))
def test_two_dtypes_meet_as_in_numpy_and_each_leaf_gets_its_own_back(left: str, right: str) -> None:
    a, b = np.array([1.0, 2.0], left), np.array([3, 4], right)
    t = weight(a)
    other = Tensor(b, requires_grad=right != "int32")
    y = t * other
    same(y, a * b)
    y.backward(np.ones(2))
    assert t.grad.dtype == left
    np.testing.assert_array_equal(t.grad, b.astype(left))
    if right != "int32":
        assert other.grad.dtype == right


# casts


def test_a_cast_to_integers_has_no_gradient_and_one_to_floats_has() -> None:
    assert weight().astype(int).requires_grad is False
    assert weight().astype(bool).requires_grad is False
    assert weight().astype(np.float32).requires_grad is True


@pytest.mark.parametrize("dtype", ["complex128", "U8", "object", "datetime64[s]"])
def test_a_cast_to_what_no_tensor_holds_is_refused(dtype: Any) -> None:
    with pytest.raises(TypeError, match=r"complex|string|object|datetime"):
        weight().astype(dtype)


def test_a_number_is_divided_by_a_tensor_with_its_remainder_and_places_are_searched_for() -> None:
    a = np.array([1.0, 2.0, 4.0])
    quotient, rest = divmod(7.0, Tensor(a, requires_grad=True))
    np.testing.assert_array_equal(quotient.numpy(), 7.0 // a)
    np.testing.assert_array_equal(rest.numpy(), 7.0 % a)
    for ours, numpys in zip(divmod(weight(a), 1.5), divmod(a, 1.5), strict=True):
        same(ours, numpys)
    same(Tensor(a).searchsorted([2.0, 3.0]), a.searchsorted([2.0, 3.0]))
    same(Tensor(a).searchsorted([2.0, 3.0], side="right"), a.searchsorted([2.0, 3.0], side="right"))


def test_a_tensor_of_a_tensor_without_gradient_has_its_values() -> None:
    first = Tensor([1.0, 2.0])
    second = Tensor(first, requires_grad=True)
    first.assign([3.0, 4.0])
    np.testing.assert_array_equal(second.numpy(), [1.0, 2.0])


@pytest.mark.parametrize("tree", [[1.0, 2.0], (1.0, 2.0), {"a": 1.0, "b": [2.0]}])
def test_a_container_is_not_rebuilt_from_too_few_leaves(tree: Any) -> None:
    _, rebuild = flatten(tree)
    with pytest.raises((ValueError, StopIteration)):
        rebuild([1.0])
