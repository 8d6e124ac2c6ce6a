"""Errors that users meet: each names its cause and the way out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl
from tinygrad_lecture import Tensor
from tinygrad_lecture.engine.op import COMPOSED, IN_PLACE, OPS, name_of, op_of, unknown
from tinygrad_lecture.engine.recording import user_expression

A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def w(values: Any = A) -> Tensor:
    return Tensor(values, requires_grad=True)


def set_item(target: Any, value: Any) -> None:
    target[0] = value


def added_in_place() -> None:
    total = A.copy()
    total += w()


def multiplied_in_place() -> None:
    total = np.eye(3)
    total @= w(np.eye(3))


def raised_in_place() -> None:
    total = A.copy()
    total **= w()


def overwritten() -> None:
    x = w()
    y = np.sum(np.sin(x))
    x.assign(A)
    y.backward()


def wrong_rule() -> None:
    row_sum = tl.local_rule(lambda x: x.sum(axis=1), rules=lambda err, y, x: err)
    row_sum(w()).backward(np.ones(2))


def wrong_slope() -> None:
    column = tl.local_rule(lambda x: np.ones((2, 1)) * x, slopes=lambda y, x: np.ones((5, 2, 3)))
    column(w([1.0, 2.0, 3.0])).backward(np.ones((2, 3)))


def square(x: Any) -> Any:
    return np.sum(x * x)


Kind = type[Exception] | tuple[type[Exception], ...]
Error = tuple[Callable[[], Any], Kind, tuple[str, ...]]

ERRORS: dict[str, Error] = {
    # functions without a rule
    "unknown NumPy function": (
        lambda: np.linalg.eigvals(w(np.eye(2))),
        TypeError,
        ("no local rule", "np.linalg.eigvals", "tl.local_rule", "t.detach()", "t.numpy()"),
    ),
    "unknown function names the nearest": (
        lambda: np.nancumsum(w()),
        TypeError,
        ("np.nancumsum", "nearest", "np.cumsum"),
    ),
    "unknown function that others can replace": (
        lambda: np.convolve(w([1.0, 2.0]), [1.0, 1.0]),
        TypeError,
        ("np.convolve", "+ np.arange(k)] @ w", "tl.local_rule"),
    ),
    "unknown ufunc": (lambda: np.nextafter(w(), 0.5), TypeError, ("no local rule", "np.nextafter", "tl.local_rule")),
    "unknown function with a Tensor without gradient": (
        lambda: np.nanquantile(Tensor(A), 0.5),
        TypeError,
        ("no local rule", "np.nanquantile"),
    ),
    "ufunc method": (lambda: np.add.reduceat(w([1.0, 2.0]), [0]), TypeError, ("np.add.reduceat",)),
    "ufunc at": (lambda: np.add.at(w([1.0, 2.0]), [0], 1.0), TypeError, ("np.add.at",)),
    # out=
    "out= of a ufunc": (lambda: np.tanh(w(), out=np.empty((2, 3))), TypeError, ("np.tanh", "out=", "never written")),
    "out= of a ufunc, a Tensor": (lambda: np.add(A, A, out=w()), TypeError, ("np.add", "out=")),
    "out= by place": (lambda: np.tanh(w(), np.empty((2, 3))), TypeError, ("tanh", "out")),
    "out= of a reduction": (lambda: np.sum(w(), axis=0, out=np.empty(3)), TypeError, ("sum", "out=", "never written")),
    "out= of matmul": (lambda: np.matmul(w(), A.T, out=np.empty((2, 2))), TypeError, ("matmul", "out=")),
    "out= of concatenate": (
        lambda: np.concatenate([w(), w()], out=np.empty((4, 3))),
        TypeError,
        ("concatenate", "out="),
    ),
    "out= of clip": (lambda: np.clip(w(), 0, 1, out=np.empty((2, 3))), TypeError, ("clip", "out=")),
    "out= of einsum": (lambda: np.einsum("ij->j", w(), out=np.empty(3)), TypeError, ("einsum", "out=")),
    "array.__iadd__(Tensor)": (lambda: A.copy().__iadd__(w()), TypeError, ("add", "out=")),
    "array += Tensor": (added_in_place, TypeError, ("in place", "write a = a + t in place of a += t")),
    "array += Tensor, without its text": (
        lambda: exec("a += t", {"a": A.copy(), "t": w()}),
        TypeError,
        ("write a = a + t in place of a += t",),
    ),
    "array @= Tensor": (multiplied_in_place, TypeError, ("in place", "write a = a @ t in place of a @= t")),
    "array **= Tensor": (raised_in_place, TypeError, ("write a = a ** t in place of a **= t",)),
    "dtype= of a sum": (lambda: np.sum(w(), dtype=np.float32), TypeError, ("sum", "dtype=", ".astype")),
    "where= of a sum": (lambda: np.sum(w(), where=A > 2), TypeError, ("sum", "where=", "np.where")),
    "a misspelt option": (lambda: np.sum(w(), axes=0), TypeError, ("axes",)),
    # shapes that do not fit
    "operator": (lambda: w() + np.ones(2), ValueError, ("add", "(2, 3)", "(2,)")),
    "operator from the right": (lambda: np.ones(2) * w(), ValueError, ("multiply", "(2, 3)", "(2,)")),
    "list on the left": (lambda: [1.0, 2.0] - w(), ValueError, ("subtract", "(2, 3)", "(2,)")),
    "ufunc": (lambda: np.maximum(w(), np.ones(2)), ValueError, ("maximum", "(2, 3)", "(2,)")),
    "matmul": (lambda: w() @ A, ValueError, ("matmul", "(2, 3) and (2, 3)")),
    "matmul with a number": (lambda: w() @ 2.0, ValueError, ("matmul", "(2, 3)")),
    "reshape": (lambda: w().reshape(4, 2), ValueError, ("reshape", "(2, 3)", "(4,2)")),
    "broadcast_to": (lambda: np.broadcast_to(w(), (3, 2)), ValueError, ("broadcast_to", "(2, 3)")),
    "concatenate": (lambda: np.concatenate([w(), np.ones((2, 2))]), ValueError, ("concatenate", "(2, 3)", "(2, 2)")),
    "stack": (lambda: np.stack([w(), np.ones(2)]), ValueError, ("stack", "(2, 3)", "(2,)")),
    "einsum": (lambda: np.einsum("ij,jk", w(), A), ValueError, ("einsum", "(2, 3)")),
    "solve": (lambda: np.linalg.solve(w(np.eye(2)), np.ones(3)), ValueError, ("solve", "(2, 2)", "(3,)")),
    "transpose": (lambda: w().transpose(0, 2), ValueError, ("transpose", "axis 2", "(2, 3)")),
    "axis": (lambda: np.sum(w(), axis=2), ValueError, ("sum", "axis 2")),
    "index": (lambda: w()[5], IndexError, ("index 5", "(2, 3)")),
    "linear": (lambda: tl.linear(w(), np.ones((4, 2))), ValueError, ("linear", "(2, 3)", "(4, 2)")),
    "linear with a bias": (
        lambda: tl.linear(w(), np.ones((4, 3)), np.ones(3)),
        ValueError,
        ("linear", "(4, 3)", "(3,)", "b (m,)"),
    ),
    "squared_error": (
        lambda: tl.squared_error(w([1.0, 2.0]), np.ones((2, 1))),
        ValueError,
        ("squared_error", "(2,)", "(2, 1)", "same shape"),
    ),
    "cross_entropy": (
        lambda: tl.cross_entropy(w(), [0, 1, 2]),
        ValueError,
        ("cross_entropy: logits", "(2, 3)", "(3,)"),
    ),
    "class number": (lambda: tl.cross_entropy(w(), [0, 3]), ValueError, ("cross_entropy", "0 … 2", "3")),
    "class numbers that are floats": (
        lambda: tl.cross_entropy(w(), [0.0, 1.0]),
        TypeError,
        ("integers", ".astype(int)"),
    ),
    # backward
    "non-scalar backward": (lambda: (w() * 2).backward(), ValueError, ("(2, 3)", "err", "np.sum")),
    "wrong err": (lambda: (w() * 2).backward(np.ones(3)), ValueError, ("backward", "(3,)", "(2, 3)")),
    "err of strings": (lambda: w(1.0).backward("x"), TypeError, ("backward(err)", "strings")),
    "complex err": (lambda: w(1.0).backward(1j), TypeError, ("backward(err)", "complex")),
    "err that requires a gradient": (lambda: w(1.0).backward(w(1.0)), TypeError, ("err", ".detach()", "tl.grad")),
    "backward without anything to reach": (
        lambda: np.sum(Tensor(A)).backward(),
        TypeError,
        ("does not depend", "requires_grad=True"),
    ),
    "overwritten leaf": (overwritten, RuntimeError, ("(2, 3)", "sin", "assign()", "forward pass again")),
    "rule of a wrong shape": (wrong_rule, ValueError, ("rule for input 0", "(2,)", "must be (2, 3)")),
    "slope of a wrong shape": (
        wrong_slope,
        ValueError,
        ("slope for input 0", "(5, 2, 3)", "has shape (3,)", "must be (2, 3)"),
    ),
    # what a leaf may hold
    "integer leaf": (lambda: Tensor([1, 2], requires_grad=True), TypeError, ("int64", "np.asarray(a, dtype=float)")),
    "boolean leaf": (lambda: Tensor(True, requires_grad=True), TypeError, ("bool", "dtype=float")),
    "object data": (lambda: Tensor([object()]), TypeError, ("Python objects", "dtype=float")),
    "string data": (lambda: Tensor("abc"), TypeError, ("strings", "dtype=float")),
    "bytes data": (lambda: Tensor(b"abc"), TypeError, ("bytes", "dtype=float")),
    "complex data": (lambda: Tensor(1j), TypeError, ("complex", "dtype=float")),
    "dates": (lambda: Tensor(np.array(["2020-01-01"], "datetime64[D]")), TypeError, ("datetime64",)),
    "complex operand": (lambda: w() * 1j, TypeError, ("multiply", "complex")),
    "string operand": (lambda: w() + "a", TypeError, ("add", "strings")),
    "object operand": (lambda: np.add(w(), np.array([None] * 3)), TypeError, ("add", "Python objects")),
    "masked array operand": (lambda: w() + np.ma.array(A, mask=A > 2), TypeError, ("MaskedArray", "np.asarray")),
    "masked array as a leaf": (lambda: Tensor(np.ma.array(A, mask=A > 2)), TypeError, ("MaskedArray",)),
    "Tensor of a Tensor with gradient": (lambda: Tensor(w()), TypeError, ("gradient", "detach")),
    "assign of a wrong shape": (lambda: w().assign(np.ones(3)), ValueError, ("assign", "(3,)", "(2, 3)")),
    "assign of a wrong dtype": (lambda: Tensor([1]).assign([0.5]), TypeError, ("float64", "int64", "cast")),
    "assign to a node": (lambda: (w() * 2).assign(A), TypeError, ("assign", "leaves")),
    # conversions that would lose the gradient
    "float(t)": (lambda: float(w(1.0)), TypeError, ("float(t)", "requires a gradient", "t.item()")),
    "int(t)": (lambda: int(w(1.0)), TypeError, ("int(t)", "requires a gradient", "t.item()")),
    "bool(t)": (lambda: bool(w(1.0)), TypeError, ("bool(t)", "t.item()", "np.where")),
    "t as an index": (lambda: [1, 2][w(1.0)], TypeError, ("using t as an index: this Tensor", "t.item()")),
    "np.asarray(t)": (lambda: np.asarray(w()), TypeError, ("np.asarray(t)", "gradient", "write t.numpy()")),
    "np.array([t, t])": (lambda: np.array([w(), w()]), TypeError, ("t.numpy()", "np.stack")),
    "np.array of scalars": (lambda: np.array([w(1.0), w(2.0)]), TypeError, ("np.stack",)),
    "np.sum([t, t])": (
        lambda: np.sum([w(), w()]),
        TypeError,
        ("write np.sum(np.stack(ts), …) in place of np.sum(ts, …)", "t."),
    ),
    "np.exp of a list": (lambda: np.exp([w(), w()]), TypeError, ("np.stack(ts) for a list", "np.exp(np.stack(ts), …)")),
    "np.linalg.norm of a list": (
        lambda: np.linalg.norm([w(), w()], axis=0),
        TypeError,
        ("write np.linalg.norm(np.stack(ts), …) in place of np.linalg.norm(ts, …) for Tensors ts, or t.numpy()",),
    ),
    "np.dot of a list": (
        lambda: np.dot([w(), w()], A.T),
        TypeError,
        ("write np.dot(np.stack(ts), …) in place of np.",),
    ),
    "an array and a list": (lambda: np.ones(2) * [w(), w()], TypeError, ("write t.numpy() for its values, np.stack",)),
    "np.full(3, t)": (lambda: np.full(3, w(1.0)), TypeError, ("np.broadcast_to(t, shape)", "np.full")),
    "np.r_": (lambda: np.r_[w([1.0]), w([2.0])], TypeError, ("np.concatenate", "np.r_")),
    "np.c_": (lambda: np.c_[w([1.0]), w([2.0])], TypeError, ("np.stack", "axis=-1", "np.c_")),
    "array.dot(t)": (lambda: np.ones(2).dot(w([1.0, 2.0])), TypeError, ("a @ t", "a.dot(t)")),
    "math.sin(t)": (lambda: math.sin(w(1.0)), TypeError, ("np.sin", "math.sin")),
    # items
    "t[0] = 1": (lambda: set_item(w(), 1.0), TypeError, ("np.where", "anew")),
    "t[0] += 1": (lambda: set_item(w(), w()[0] + 1), TypeError, ("np.where", "anew")),
    "array[0] = t": (lambda: set_item(np.zeros(2), w(1.0)), (TypeError, ValueError), ("np.where", "a[i] = t")),
    "array[0] = row": (lambda: set_item(np.zeros((2, 3)), w()[0]), TypeError, ("np.where", "a[i] = t")),
    # transforms
    "grad of a vector": (
        lambda: tl.grad(lambda x: x * 2)(A),
        ValueError,
        ("one floating-point number", "(2, 3)", "np.sum", "has_aux=True"),
    ),
    "grad of a vector of one": (lambda: tl.grad(lambda x: x * 2)(np.ones(1)), ValueError, ("(1,)", "np.sum")),
    "grad of a tuple": (lambda: tl.grad(lambda x: (x, x))(1.0), ValueError, ("tuple", "has_aux=True")),
    "grad of nothing": (lambda: tl.grad(lambda x: None)(1.0), ValueError, ("NoneType",)),
    "grad of an integer": (lambda: tl.grad(lambda x: np.argmax(x))(A), ValueError, ("int64",)),
    "grad names the function": (lambda: tl.grad(np.tanh)(A), ValueError, ("tanh returned",)),
    "argnum out of range": (lambda: tl.grad(square, argnums=1)(A), ValueError, ("argnums=1", "square", "1 positional")),
    "negative argnum out of range": (lambda: tl.grad(square, argnums=-2)(A), ValueError, ("argnums=-2", "square")),
    "argnum twice": (lambda: tl.grad(lambda a, b: a * b, argnums=(0, -2))(1.0, 2.0), ValueError, ("(0, -2)", "twice")),
    "argnum of a keyword": (lambda: tl.grad(square)(x=A), ValueError, ("argnums=0", "0 positional", "and keyword")),
    "a value in place of argnums": (
        lambda: tl.grad(square, 3.0),
        TypeError,
        ("grad: argnums must be", "not 3.0", "grad(square)(3.0)"),
    ),
    "an array in place of argnums": (
        lambda: tl.value_and_grad(square, np.ones(2)),
        TypeError,
        ("value_and_grad: argnums", "value_and_grad(square)(array([1., 1.]))"),
    ),
    "a Tensor in place of argnums": (
        lambda: tl.grad(square, w(3.0)),
        TypeError,
        ("grad: argnums must be", "not Tensor(…)", "grad(square)(Tensor(…))"),
    ),
    "a whole number in place of argnums": (
        lambda: tl.grad(square, 3)(),
        ValueError,
        ("argnums=3 is out of range", "argnums counts these from 0"),
    ),
    "arrays in place of argnums": (
        lambda: tl.jacobian(square, [A, A]),
        TypeError,
        ("jacobian: argnums", "not list(…)"),
    ),
    "argnums by name": (lambda: tl.hessian(square, "x"), TypeError, ("hessian: argnums", "not 'x'", "argnums=0")),
    "argnums by names": (lambda: tl.grad(np.outer, ("b", "a")), TypeError, ("write argnums=(1, 0)",)),
    "argnums by no name": (lambda: tl.hvp(square, "y"), TypeError, ("hvp: argnums", "square has the arguments x,")),
    "argnums by name of a builtin": (lambda: tl.grad(max, "x"), TypeError, ("argnums", "max has the arguments")),
    "argnums True": (lambda: tl.grad(square, True), TypeError, ("argnums", "not True")),
    "argnums None": (lambda: tl.grad(square, None), TypeError, ("argnums", "not None")),
    "argnums of floats": (lambda: tl.grad(square, (0, 1.0)), TypeError, ("argnums", "not (0, 1.0)")),
    "has_aux that is no answer": (lambda: tl.grad(square, 0, 3.0), TypeError, ("grad: has_aux", "not 3.0")),
    "a point given to hvp": (lambda: tl.hvp(square, A, A), TypeError, ("hvp: too many", "hvp(f)(*args, v)")),
    "patterns given too soon": (
        lambda: tl.per_pattern_grad(square, A),
        TypeError,
        ("too many", "per_pattern_grad(f)(w, *patterns)"),
    ),
    "weights given too soon": (
        lambda: tl.gradient_moments(square, A),
        TypeError,
        ("gradient_moments(f)(w, *patterns)",),
    ),
    "jvp without tangents": (lambda: tl.jvp(square, (A,)), TypeError, ("jvp: missing", "'tangents'", "(x,), (dx,)")),
    "vjp with an option of grad": (lambda: tl.vjp(square, A, argnums=0), TypeError, ("vjp has no", "vjp(f, *args)")),
    "a misspelt argnums": (lambda: tl.grad(square, argnum=0), TypeError, ("grad has no argument", "write argnums=")),
    "custom_rule without a rule": (lambda: tl.custom_rule(square), TypeError, ("custom_rule(f, rule)",)),
    "a static argument of vjp": (lambda: tl.vjp(square, "x"), TypeError, ("a str", "lambda x: square(x, …)")),
    "integer argument": (
        lambda: tl.grad(square)(np.array([1, 2])),
        TypeError,
        ("argument 0 of square", "int64", "dtype=float"),
    ),
    "Python int argument": (lambda: tl.grad(square)(3), TypeError, ("argument 0 of square", "3.0 in place of 3")),
    "integer in a container": (
        lambda: tl.grad(lambda p: p["W"][0])({"W": [1, 2.0]}),
        TypeError,
        ("argument 0['W'][0]", "int64"),
    ),
    "masked argument": (lambda: tl.grad(square)(np.ma.array(A, mask=A > 2)), TypeError, ("argument 0", "MaskedArray")),
    "object argument": (lambda: tl.grad(square)(object()), TypeError, ("argument 0", "object")),
    "complex argument": (lambda: tl.grad(square)(1j), TypeError, ("argument 0", "complex")),
    "Tensor as an argument of record": (lambda: tl.record(square)(Tensor(A)), TypeError, ("record", "Tensor")),
    "string argument": (lambda: tl.grad(lambda x: 1.0)("relu"), TypeError, ("argument 0", "str", "argnums")),
    "has_aux without a pair": (lambda: tl.grad(square, has_aux=True)(A), TypeError, ("has_aux=True", "square", "pair")),
    # local_rule
    "local_rule without a rule": (lambda: tl.local_rule(square), TypeError, ("square", "slopes=", "rules=")),
    "local_rule with both": (
        lambda: tl.local_rule(square, slopes=1.0, rules=1.0),
        TypeError,
        ("square", "slopes=", "rules="),
    ),
    "local_rule with too many": (
        lambda: tl.local_rule(square, slopes=(1.0, 1.0)),
        TypeError,
        ("square", "2 rules", "1 named"),
    ),
    "local_rule with a string": (lambda: tl.local_rule(square, slopes=["x"]), TypeError, ("square", "str")),
    "an option that is a Tensor": (lambda: np.sum(w(), axis=Tensor(0)), TypeError, ("axis=", "static")),
    "several outputs": (
        lambda: tl.local_rule(lambda x: (x, x), rules=lambda err, y, x: err)(w()),
        TypeError,
        ("tuple", "one output"),
    ),
    # others
    "len of a scalar": (lambda: len(w(1.0)), TypeError, ("without axes",)),
    "iteration over a scalar": (lambda: list(w(1.0)), TypeError, ("without axes",)),
    "mT of a vector": (lambda: w([1.0]).mT, ValueError, ("mT", "(1,)")),
    "order of a reshape": (lambda: w().reshape(6, order="A"), ValueError, ("order='A'", "'C'")),
    "grad of no function": (lambda: tl.grad(3), TypeError, ("grad", "function", "int")),
    "gradcheck of no function": (lambda: tl.gradcheck(3, 1.0), TypeError, ("gradcheck", "function", "int")),
    "record of no function": (lambda: tl.record(3), TypeError, ("record", "function", "int")),
    "method without a rule": (
        lambda: w([1.0]).tobytes(),
        AttributeError,
        ("'tobytes'", "ndarray", "t.numpy().tobytes"),
    ),
    "no method at all": (lambda: w([1.0]).frobnicate(), AttributeError, ("Tensor", "'frobnicate'")),
    "out and target of two shapes": (
        lambda: tl.squared_error(np.ones(3), np.ones((3, 1))),
        ValueError,
        ("(3,)", "(3, 1)", "same shape"),
    ),
    "a layer that does not fit": (lambda: tl.linear(A, np.ones((2, 2))), ValueError, ("(m, n)", "(2, 2)")),
    "no argument": (lambda: op_of(np.sum).bind((), {}), TypeError, ("sum needs its argument 'a'",)),
    "an argument twice": (lambda: tl.linear(w(), A, w=A), TypeError, ("linear got its argument 'w' twice",)),
    "too many arguments": (lambda: tl.linear(w(), A, A, 1, 2), TypeError, ("linear takes at most 3", "5 were given")),
    "an option alone": (lambda: tl.logsumexp(axis=w()), TypeError, ("axis= is a static option",)),
    "a composed function": (lambda: np.diff(w(), -1), ValueError, ("diff: n must not be negative",)),
    "out in its place": (lambda: tl.relu(w(), A), TypeError, ("relu", "out=", "never written into")),
    "a vector for an outer product": (lambda: np.linalg.outer(w(), A), ValueError, ("outer", "vectors", "(2, 3)")),
    "the power of no square": (lambda: np.linalg.matrix_power(w(), 2), np.linalg.LinAlgError, ("equal", "(2, 3)")),
    "a chain of one": (lambda: np.linalg.multi_dot([w()]), ValueError, ("multi_dot", "two arrays")),
    "no chain": (lambda: np.linalg.multi_dot([w(), A, A]), np.linalg.LinAlgError, ("(2, 3), (2, 3)", "chain")),
    "a triangle of a number": (lambda: np.tril(w(1.0)), ValueError, ("tril", "axis")),
    "coordinates of another length": (lambda: np.gradient(w([1.0, 2.0, 4.0]), [0.0, 1.0]), ValueError, ("(2,)", "3")),
    "half a width": (lambda: np.pad(w(), 0.5), TypeError, ("pad", "integers", "0.5")),
    "compress with out": (lambda: np.compress([True], w(), out=np.ones(3)), TypeError, ("compress", "out=")),
    "axes to fewer places": (lambda: np.moveaxis(w(), (0, 1), 0), ValueError, ("2 axes", "1 places")),
    "an array without a copy": (lambda: np.asarray(Tensor(A), np.float32, copy=False), ValueError, ("copy=False",)),
    "unknown public name": (lambda: tl.gradd, AttributeError, ("tinygrad_lecture", "gradd")),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_names_its_cause_and_the_way_out(name: str) -> None:
    call, kind, pieces = ERRORS[name]
    with pytest.raises(kind) as caught:
        call()
    causes = [caught.value, caught.value.__cause__]  # NumPy wraps what a conversion raises
    text = "\n".join(str(c) for c in causes if c is not None)
    assert [p for p in pieces if p not in text] == [], text


@pytest.mark.parametrize("name", [name for name, (_, kind, _) in ERRORS.items() if kind is not AttributeError])
def test_an_error_is_no_assertion_and_no_attribute_error_from_within(name: str) -> None:
    call, _, _ = ERRORS[name]
    with pytest.raises(Exception) as caught:  # noqa: PT011  (its kind and text are tested above)
        call()
    assert not isinstance(caught.value, AssertionError | AttributeError | KeyError | NameError)


def test_what_the_user_evaluates_is_read_from_the_lines_it_stands_on() -> None:
    texts = ["é", user_expression(), user_expression(
    ), "ß"]  # fmt: skip
    assert texts[1:3] == ["user_expression()", "user_expression(\n    )"]


@pytest.mark.parametrize(
    "fn",
    [np.fft.fft, np.linalg.eig, np.linalg.eigh, np.histogram, np.polyfit, np.interp, np.i0, np.lexsort, np.bincount],
    ids=lambda fn: fn.__name__,
)
def test_no_function_is_called_near_that_only_sounds_a_little_alike(fn: Any) -> None:
    assert "nearest" not in str(unknown(fn))


def without_rule(pattern: str) -> list[Any]:
    """NumPy's functions without a rule whose names match a pattern."""
    homes = (np, np.linalg, np.fft)
    fns = [fn for home in homes for fn in vars(home).values() if hasattr(fn, "_implementation")]
    return [fn for fn in fns if fn not in OPS and fn not in COMPOSED and re.search(pattern, name_of(fn))]


@pytest.mark.parametrize("pattern", IN_PLACE)
def test_what_has_another_way_out_has_no_rule_and_its_way_out_has(pattern: str) -> None:
    assert without_rule(pattern)
    for name in re.findall(r"np\.((?:linalg\.)?[a-z]+)(?!\w|\.)", IN_PLACE[pattern]):
        fn = getattr(np.linalg, name.partition(".")[2]) if "." in name else getattr(np, name)
        assert fn in OPS or fn in COMPOSED or fn in (np.arange, np.eye, np.linspace), name


T = np.array([3.0, 1.0, 2.0, 5.0])
B = np.array([[1.0, 2.0, 4.0, 7.0], [0.0, 3.0, 1.0, 2.0]])
REPLACED: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "real part of fft": (np.fft.fft(T).real, lambda t: t @ np.fft.fft(np.eye(4)).real),
    "imaginary part of fft": (np.fft.fft(T).imag, lambda t: t @ np.fft.fft(np.eye(4)).imag),
    "correlate": (
        np.correlate(T, [1.0, 2.0], "valid"),
        lambda t: t[np.arange(4 - 2 + 1)[:, None] + np.arange(2)] @ np.array([1.0, 2.0]),
    ),
    "convolve": (
        np.convolve(T, [1.0, 2.0], "valid"),
        lambda t: t[np.arange(4 - 2 + 1)[:, None] + np.arange(2)] @ np.array([1.0, 2.0])[::-1],
    ),
    "linspace": (np.linspace(1.0, 3.0, 5), lambda t: t[1] + (t[0] - t[1]) * np.linspace(0, 1, 5)),
    "polyval": (np.polyval(T[::-1], 0.5), lambda t: np.sum(t * 0.5 ** np.arange(4))),
    "lstsq": (
        np.linalg.lstsq(B.T, T)[0],
        lambda t: np.linalg.solve(B @ B.T, B @ t),
    ),
    "cov": (
        np.cov(np.stack([T, T**2])),
        lambda t: covariance(np.stack([t, t**2])),
    ),
}


def covariance(t: Any) -> Any:
    d = t - np.mean(t, axis=1, keepdims=True)
    return d @ d.T / (t.shape[1] - 1)


@pytest.mark.parametrize("name", REPLACED)
def test_what_is_written_in_place_of_a_function_without_a_rule_gives_the_same(name: str) -> None:
    wanted, way_out = REPLACED[name]
    t = w(T)
    np.testing.assert_allclose(way_out(t).numpy(), wanted, rtol=1e-12, atol=1e-12)  # other orders of the same sums
    np.sum(way_out(t) ** 2).backward()
    assert np.any(t.grad)


@pytest.mark.parametrize("name", ["float(t)", "np.asarray(t)", "bool(t)", "array[0] = t"])
def test_the_way_out_of_a_conversion_works(name: str) -> None:
    ways: dict[str, Callable[[], Any]] = {
        "float(t)": lambda: w(1.0).item(),
        "np.asarray(t)": lambda: np.asarray(w().numpy()),
        "bool(t)": lambda: bool(w(1.0).detach()),
        "array[0] = t": lambda: set_item(np.zeros(2), w(1.0).detach()),
    }
    ways[name]()
