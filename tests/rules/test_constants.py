"""Functions without a gradient: piecewise constant ones, plain answers, and the methods of ufuncs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl
from tinygrad_lecture.engine.op import COMPOSED, OPS, PLAIN, Op

nan, inf = np.nan, np.inf
X = np.array([[0.4, -1.5, 2.5], [-0.0, 2.5, 7.25]])
OTHER = np.array([[3.5, 0.0, -2.5], [1.0, 1.0, -9.75]])
RISING = np.array([-1.0, 0.5, 2.5])
STEPS = np.array([nan, inf, -inf, 0.0, -2.5])

CONSTANT: dict[str, Callable[[Any], Any]] = {
    "less": lambda x: x < 2.5,
    "less_equal": lambda x: np.less_equal(x, 2.5),
    "greater": lambda x: np.greater(2.5, x),
    "greater_equal": lambda x: x >= 2.5,
    "equal": lambda x: x == 2.5,
    "not_equal": lambda x: x != 2.5,
    "logical_and": lambda x: np.logical_and(x, x > 1),
    "logical_or": lambda x: np.logical_or(x, x > 1),
    "logical_xor": lambda x: np.logical_xor(x, x > 1),
    "logical_not": np.logical_not,
    "bitwise_and": lambda x: (x > 0) & (x < 2),
    "bitwise_or": lambda x: (x < 0) | (x > 2),
    "bitwise_xor": lambda x: (x < 1) ^ (x < 2),
    "invert": lambda x: ~(x < 1),
    "left_shift": lambda x: np.left_shift(np.argsort(x), 2),
    "right_shift": lambda x: np.right_shift(np.argsort(x), 1),
    "isnan": lambda x: np.isnan(np.where(x > 1, nan, x)),
    "isfinite": lambda x: np.isfinite(np.where(x > 1, inf, x)),
    "isinf": lambda x: np.isinf(np.where(x > 1, inf, x)),
    "isneginf": lambda x: np.isneginf(np.where(x > 1, -inf, x)),
    "isposinf": lambda x: np.isposinf(np.where(x > 1, inf, x)),
    "isreal": np.isreal,
    "iscomplex": np.iscomplex,
    "signbit": np.signbit,
    "isclose": lambda x: np.isclose(x, 2.4, rtol=0.1, atol=0.01, equal_nan=True),
    "isin": lambda x: np.isin(x, [2.5, 0.4], invert=True),
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": np.rint,
    "fix": np.fix,
    "floor_divide": lambda x: x // 2.0,
    "round": np.round,
    "round to digits": lambda x: np.round(x, 1),
    "round, a method": lambda x: x.round(1),
    "around": lambda x: np.around(x, decimals=-1),
    "any": lambda x: np.any(x > 2),
    "any along an axis": lambda x: np.any(x > 2, axis=1, keepdims=True),
    "any, a method": lambda x: (x > 2).any(0),
    "all": lambda x: np.all(x, axis=(0, 1)),
    "all, a method": lambda x: (x > -9).all(axis=1, keepdims=True),
    "argmax": lambda x: np.argmax(x, axis=1, keepdims=True),
    "argmin": lambda x: x.argmin(),
    "nanargmax": lambda x: np.nanargmax(np.where(x > 2, nan, x), axis=1),
    "nanargmin": lambda x: np.nanargmin(np.where(x > 2, nan, x)),
    "argsort": np.argsort,
    "argsort of a kind": lambda x: np.argsort(x, 0, "stable"),
    "argsort, stable": lambda x: np.argsort(x, axis=None, stable=True),
    "argsort, a method": lambda x: x.argsort(axis=0, kind="stable"),
    "argpartition": lambda x: np.argpartition(x, 1, axis=1),
    "count_nonzero": np.count_nonzero,
    "count_nonzero along an axis": lambda x: np.count_nonzero(x, axis=1, keepdims=True),
    "searchsorted": lambda x: np.searchsorted(RISING, x),
    "searchsorted from the right": lambda x: np.searchsorted(RISING, x, side="right"),
    "searchsorted with a sorter": lambda x: np.searchsorted(x[0], RISING, "left", np.argsort(x[0])),
    "digitize": lambda x: np.digitize(x, RISING, right=True),
    "as integers": lambda x: x.astype(int),
}


def same(a: Any, b: Any) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@pytest.mark.parametrize("name", CONSTANT)
def test_a_piecewise_constant_function_gives_numpys_values_without_a_gradient(name: str) -> None:
    f = CONSTANT[name]
    for x in (X, X.astype(np.float32), OTHER, STEPS[3:].reshape(1, 2)):
        y = f(tl.Tensor(x, requires_grad=True))
        assert isinstance(y, tl.Tensor)
        assert not y.requires_grad
        assert y.inputs == ()  # nothing is kept alive
        same(y.numpy(), f(x))


@pytest.mark.parametrize("name", CONSTANT)
def test_a_piecewise_constant_function_is_recorded(name: str) -> None:
    program = tl.record(CONSTANT[name])(X)
    same(program(OTHER), CONSTANT[name](OTHER))


def test_every_piecewise_constant_function_is_tested() -> None:
    tested = {name.split(",")[0].split()[0] for name in CONSTANT}
    constants = {op.name for fn, op in OPS.items() if not op.differentiable and hasattr(np, op.name)}
    assert constants <= tested


def test_no_error_passes_through_a_step() -> None:
    np.testing.assert_array_equal(tl.grad(lambda x: np.sum(np.round(x) * x))(X), np.round(X))
    np.testing.assert_array_equal(tl.grad(lambda x: np.sum(np.sort(x, axis=1)[:, np.argmax(x) % 2]))(X).sum(), 2.0)


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "shape": np.shape,
    "ndim": np.ndim,
    "size": np.size,
    "size along an axis": lambda x: np.size(x, 1),
    "iscomplexobj": np.iscomplexobj,
    "isrealobj": np.isrealobj,
    "result_type": lambda x: np.result_type(x, np.float32, 1.0),
    "common_type": lambda x: np.common_type(x, np.ones(2, np.float32)),
    "can_cast": lambda x: np.can_cast(x, np.float32),
    "can_cast by a rule": lambda x: np.can_cast(x, np.float32, casting="same_kind"),
    "shares_memory": lambda x: np.shares_memory(x, OTHER),
    "may_share_memory": lambda x: np.may_share_memory(OTHER, x),
    "array2string": lambda x: np.array2string(x, precision=1, separator=", "),
    "array_repr": np.array_repr,
    "array_str": np.array_str,
}
BY_VALUES: dict[str, Callable[[Any], Any]] = {
    "allclose": lambda x: np.allclose(x, X, atol=1e-3),
    "array_equal": lambda x: np.array_equal(OTHER, x),
    "array_equiv": lambda x: np.array_equiv(x, X),
    "nonzero": np.nonzero,
    "flatnonzero": np.flatnonzero,
    "argwhere": np.argwhere,
}


def parts(answer: Any) -> tuple[Any, ...]:
    return answer if isinstance(answer, tuple) else (answer,)


@pytest.mark.parametrize("name", ANSWERS | BY_VALUES)
def test_an_answer_about_a_tensor_is_a_plain_value(name: str) -> None:
    f = (ANSWERS | BY_VALUES)[name]
    for x in (X, X.astype(np.float32)):
        answers, numpys = parts(f(tl.Tensor(x, requires_grad=True))), parts(f(x))
        for ours, other in zip(answers, numpys, strict=True):
            assert type(ours) is type(other)
            np.testing.assert_array_equal(ours, other)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_about_the_form_holds_for_a_recording(name: str) -> None:
    tl.record(lambda x: (ANSWERS[name](x), x + 1)[1])(X)


@pytest.mark.parametrize("name", BY_VALUES)
def test_an_answer_that_depends_on_values_is_refused_while_recording(name: str) -> None:
    with pytest.raises(TypeError, match=rf"np\.{name} while recording, at .*test_constants"):
        tl.record(BY_VALUES[name])(X)
    tl.record(lambda x: x + len(parts(BY_VALUES[name](tl.Tensor(X)))))(X)  # of a constant it may


def test_unique_gives_plain_values_where_no_gradient_is_lost() -> None:
    values, counts = np.unique(tl.Tensor(X), return_counts=True)
    np.testing.assert_array_equal(values, np.unique(X))
    assert counts.sum() == X.size
    with pytest.raises(TypeError, match=r"np\.unique.*requires a gradient.*t\.numpy"):
        np.unique(tl.Tensor(X, requires_grad=True))
    with pytest.raises(TypeError, match=r"np\.unique while recording"):
        tl.record(np.unique)(X)


@pytest.mark.parametrize("fn", [np.zeros_like, np.ones_like, np.empty_like])
def test_a_constant_like_a_tensor_is_a_plain_array_of_its_form(fn: Any) -> None:
    wide = np.asfortranarray(X.astype(np.float32))
    calls: list[Callable[[Any], Any]] = [
        fn,
        lambda x: fn(x, int),
        lambda x: fn(x, dtype=float, order="C", subok=False),
        lambda x: fn(x, order="F"),
        lambda x: fn(x, shape=(2, 2)),
        lambda x: fn(x, shape=3),
    ]
    for call in calls:
        ours, numpys = call(tl.Tensor(wide, requires_grad=True)), call(wide)
        assert type(ours) is np.ndarray
        assert (ours.dtype, ours.shape, ours.strides) == (numpys.dtype, numpys.shape, numpys.strides)
        if fn is not np.empty_like:
            same(ours, numpys)


def test_full_like_is_filled_with_numbers_or_with_a_tensor() -> None:
    t = tl.Tensor(X, requires_grad=True)
    same(np.full_like(t, 2), np.full_like(X, 2))
    same(np.full_like(t, 2.5, dtype=int, order="F", subok=False, shape=(3,)), np.full_like(X, 2.5, int, shape=(3,)))
    assert np.full_like(t, 2.5, order="F").flags.f_contiguous
    c = tl.Tensor(0.5, requires_grad=True)
    for filled, dtype in (
        (np.full_like(t, c), float),
        (np.full_like(t.astype(np.float32), c), np.float32),
        (np.full_like(t[0], c, shape=(2, 3), dtype=np.float32), np.float32),
    ):
        assert filled.dtype == dtype
        c.zero_grad()
        np.sum(filled * X).backward()
        np.testing.assert_allclose(c.grad, X.sum(), rtol=1e-6)


# arguments by name


@pytest.mark.parametrize("op", [op for fn, op in OPS.items() if getattr(fn, "op", None) is op], ids=lambda op: op.name)
def test_an_operation_of_our_own_knows_its_arguments_by_the_names_of_its_parameters(op: Op) -> None:
    names = [name.strip("=!") for name in op.signature.split(", ")]
    assert sorted(names) == sorted(inspect.signature(op.forward).parameters)


@pytest.mark.parametrize("fn", [tl.logistic, tl.relu, tl.softplus, tl.logsumexp], ids=lambda fn: fn.__name__)
def test_a_function_of_our_own_takes_a_tensor_by_name(fn: Any) -> None:
    (name, *_) = inspect.signature(fn).parameters
    same(fn(**{name: tl.Tensor(X)}), fn(X))


# methods of ufuncs
REDUCED: dict[str, Callable[[Any], Any]] = {
    "add.reduce": np.add.reduce,
    "add.reduce of all": lambda x: np.add.reduce(x, axis=None),
    "add.reduce along an axis": lambda x: np.add.reduce(x, 1, None, None, True),
    "add.reduce along axes": lambda x: np.add.reduce(x, axis=(0, 1), keepdims=True),
    "multiply.reduce": np.multiply.reduce,
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=-1),
    "minimum.reduce": lambda x: np.minimum.reduce(x, axis=1, keepdims=True),
    "logical_and.reduce": np.logical_and.reduce,
    "logical_or.reduce": lambda x: np.logical_or.reduce(x, axis=None),
    "add.accumulate": np.add.accumulate,
    "add.accumulate along an axis": lambda x: np.add.accumulate(x, axis=1),
    "multiply.accumulate": lambda x: np.multiply.accumulate(x, -1),
    "multiply.outer": lambda x: np.multiply.outer(x, x[0]),
    "subtract.outer": lambda x: np.subtract.outer([1.0, 2.0], x),
    "divide.outer with a number": lambda x: np.divide.outer(2.0, x + 20.0),
    "power.outer": lambda x: np.power.outer(np.abs(x) + 1.0, [2.0, 3.0]),
    "maximum.outer": lambda x: np.maximum.outer(x, x),
    "less.outer": lambda x: np.less.outer(x, x[1]),
}


@pytest.mark.parametrize("name", REDUCED)
def test_a_method_of_a_ufunc_is_numpys_bit_for_bit(name: str) -> None:
    for x in (X, X.astype(np.float32), np.random.default_rng(0).normal(size=(40, 17))):
        same(REDUCED[name](tl.Tensor(x, requires_grad=True)).numpy(), REDUCED[name](x))


def test_methods_of_ufuncs_have_the_gradients_of_their_functions() -> None:
    a, b = X[0], OTHER[1]

    def gradient(f: Callable[..., Any], *xs: np.ndarray) -> Any:
        return tl.grad(lambda *xs: np.sum(np.sin(f(*xs))), argnums=tuple(range(len(xs))))(*xs)

    np.testing.assert_array_equal(gradient(np.add.reduce, X), gradient(lambda x: np.sum(x, axis=0), X))
    np.testing.assert_array_equal(gradient(np.multiply.reduce, X), gradient(lambda x: np.prod(x, axis=0), X))
    np.testing.assert_array_equal(gradient(np.multiply.accumulate, X), gradient(lambda x: np.cumprod(x, axis=0), X))
    np.testing.assert_array_equal(gradient(np.multiply.outer, a, b), gradient(np.outer, a, b))
    np.testing.assert_array_equal(gradient(np.subtract.outer, a, b), gradient(lambda a, b: a[:, None] - b, a, b))


def test_other_methods_of_ufuncs_are_refused_and_the_error_names_those_there_are() -> None:
    t = tl.Tensor(X, requires_grad=True)
    with pytest.raises(TypeError, match=r"np\.add\.reduceat.*reduce → np\.sum, accumulate → np\.cumsum, outer"):
        np.add.reduceat(t, [0, 1])
    with pytest.raises(TypeError, match=r"np\.maximum\.accumulate.*reduce → np\.max"):
        np.maximum.accumulate(t)
    with pytest.raises(TypeError, match="dtype="):
        np.add.reduce(t, dtype=np.float32)
    with pytest.raises(TypeError, match="initial="):
        np.add.reduce(t, initial=1.0)


def test_an_alias_is_the_function_itself() -> None:
    for alias, fn in ((np.amax, np.max), (np.amin, np.min), (np.around, np.round)):
        assert COMPOSED[alias] is fn
    t = tl.Tensor(X, requires_grad=True)
    same(np.amax(t, 1, keepdims=True).numpy(), np.max(X, 1, keepdims=True))
    assert np.unique in PLAIN
