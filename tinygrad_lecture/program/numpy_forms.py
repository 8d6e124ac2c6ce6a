"""Operations as calls that write into a buffer: the same NumPy loops, in the same order, so the same bits.

A *form* writes an equation with a `Writer`, and says whether it could; what has none is called as it is, and gives a
fresh array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..rules.network import relu, softplus
from ..rules.trigonometric import cosquare
from .passes import written_out
from .program import Equation, Program, Spec, Var, library_names

if TYPE_CHECKING:
    from .numpy_text import Writer

Form = Callable[["Writer", Equation], bool]

VIEWS = frozenset({"getitem", "reshape", "transpose", "broadcast_to", "diagonal", "detach"})
"""Operations whose result may be a view."""


def _linear(x: Any, w: Any, b: Any = None) -> Any:
    y = x.dot(w.T) if x.ndim <= 2 else x @ w.T
    return y if b is None else y + b


def _squared_error(out: Any, target: Any) -> Any:
    d = np.reshape(out - target, -1)
    return 0.5 * d.dot(d) / (np.shape(out)[0] if np.ndim(out) else 1)


def _logistic(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


def _over_patterns(d: Any) -> Any:
    return np.dot(np.ones(d.shape[0], d.dtype), d)


WRITTEN_OUT: dict[str, Callable[..., Any]] = {
    "over_patterns": _over_patterns,
    "linear": _linear,
    "squared_error": _squared_error,
    "logistic": _logistic,
    "cosquare": cosquare.__wrapped__,  # type: ignore[attr-defined]
    "relu": relu.__wrapped__,  # type: ignore[attr-defined]
    "softplus": softplus.__wrapped__,  # type: ignore[attr-defined]
}
"""Operation of our own → what its forward step does, operation by operation, as it can be recorded."""


def in_plain_numpy(program: Program) -> Program:
    """The program with the operations of this table written out."""
    names = library_names()
    return written_out(program, lambda eq, _: WRITTEN_OUT.get(names.get(eq.op, "")))


_SCALAR = {"add": "{} + {}", "subtract": "{} - {}", "multiply": "{} * {}", "divide": "{} / {}", "negative": "-{}"}
"""On NumPy scalars an operator is several times as fast as the ufunc, and rounds alike."""


def ufunc(w: Writer, eq: Equation) -> bool:
    """u(a, b, out); one number at a time as a + b."""
    u = eq.op.forward
    if not isinstance(u, np.ufunc) or u.nout != 1 or u.nin != len(eq.args) or eq.options:
        return False
    if w.is_scalar(eq):
        w.number_line(eq, _SCALAR[eq.op.name].format(*[w.scalar(a) for a in eq.args]))
        return True
    given = [(u.signature is None and _unbroadcast(w, a, eq)) or w.operand(a, eq) for a in eq.args]
    # power squares one number, but not where it overwrites it; and NumPy takes one for two that may overlap
    apart = u.signature is not None or u is np.power or prod(eq.shape) == 1
    out = w.buffer(eq, over=() if apart else eq.args)
    how = "out=" if u in (np.maximum, np.minimum) else ""  # where a third positional argument is deprecated
    w.line(f"{w.function(u)}({', '.join(given)}, {how}{out})")
    return True


def _unbroadcast(w: Writer, x: Any, eq: Equation) -> str:
    """A view of an operand in the shape of the result, where nothing is repeated: NumPy's broadcasting takes longer."""
    if type(x) is not Var or w.specs[x].shape in ((), eq.shape) or prod(w.specs[x].shape) != prod(eq.shape):
        return ""
    return w.view(x, f".reshape({eq.shape})")


def is_scalar(eq: Equation, specs: Mapping[Var, Spec]) -> bool:
    """Whether an equation is arithmetic of single floating numbers of one dtype."""
    if eq.shape != () or eq.dtype.kind != "f" or eq.op.name not in _SCALAR or not isinstance(eq.op.forward, np.ufunc):
        return False
    return all(specs[a] == Spec((), eq.dtype) if type(a) is Var else plain_number(a, eq.dtype) for a in eq.args)


def plain_number(x: Any, dtype: np.dtype[Any]) -> bool:
    """Whether x is a Python number that becomes the same number of a floating dtype wherever that is done."""
    if dtype.kind != "f" or type(x) not in (int, float):
        return False
    return bool(abs(x) < (2**11 if type(x) is int else np.finfo(dtype).max))


def odot(w: Writer, eq: Equation) -> bool:
    """The plain product; only where that holds a NaN (its squares then sum to NaN) it is looked at more closely."""
    err, slope = eq.args
    given = [w.operand(a, eq) for a in eq.args]
    if eq.dtype.kind != "f" or type(err) is not Var:
        return False
    out = w.buffer(eq, over=() if slope == err else (slope,))
    w.line(f"multiply({', '.join(given)}, {out})")
    w.once(f'{out}_flat = {out}.ravel("K")')
    w.line(f"if (s := {out}_flat.dot({out}_flat)) != s: without_lost({out}, {given[0]})")
    return True


def without_lost(out: np.ndarray, err: Any) -> None:
    """Put err where the product with it is NaN although err is 0: no error in, no error out."""
    np.copyto(out, err, where=np.isnan(out) & (err == 0))


def sech2(w: Writer, eq: Equation) -> bool:
    """1/cosh²x, silent where cosh is ∞."""
    if w.layouts[eq.out] is None or eq.dtype != w.specs[eq.vars()[0]].dtype:
        return False
    out = w.buffer(eq, over=eq.args)
    w.line(f"silent_cosh({w.name(eq.args[0])}, {out})")
    w.line(f"{w.function(np.divide)}({w.number(1.0, eq.dtype)}, {out}, {out})")
    w.line(f"square({out}, {out})")
    return True


def power(w: Writer, eq: Equation) -> bool:
    """x ** 2 of an array is its square; ** of one number rounds as no ufunc does."""
    x, p = eq.args
    if type(p) not in (int, float) or p != 2 or w.layouts[eq.out] is None or eq.dtype.kind != "f":
        return False
    if type(x) is not Var or w.specs[x].dtype != eq.dtype:  # whole numbers would be squared as such
        return False
    w.line(f"square({w.name(x)}, {w.buffer(eq, over=eq.args)})")
    return True


def dot(w: Writer, eq: Equation) -> bool:
    """a.dot(b, out), for floating arrays; out must be contiguous."""
    if any(type(a) is not Var or not w.specs[a].shape or w.specs[a].dtype != eq.dtype for a in eq.args):
        return False
    if eq.dtype.kind != "f" or not w.contiguous(eq.out):
        return False
    a, b = map(w.name, eq.args)
    if eq.shape == ():
        w.number_line(eq, f"{a}.dot({b})")
    else:
        w.line(f"{a}.dot({b}, {w.buffer(eq)})")
    return True


_REDUCTIONS = {np.sum: np.add, np.prod: np.multiply, np.max: np.maximum, np.min: np.minimum}
_START = np.add.reduce(np.array([-0.0]))
"""What NumPy's sums start from: 0.0 + −0.0 is 0.0."""


def reduction(w: Writer, eq: Equation) -> bool:
    """add.reduce(x, axis, None, out, keepdims); over axes of length 1 it is one addition."""
    (x,), u = eq.args, _REDUCTIONS[eq.op.forward]
    if type(x) is not Var or eq.options.keys() - {"axis", "keepdims"}:
        return False
    size, dtype = int(np.prod(w.specs[x].shape, dtype=int)), w.specs[x].dtype
    if u is np.add and eq.dtype == dtype and dtype.kind == "f" and size == int(np.prod(eq.shape, dtype=int)) and size:
        same = w.view(x, f".reshape({eq.shape})")
        if same:
            w.line(f"add({same}, {w.number(_START, dtype)}, {w.buffer(eq)})")
            return True
    axis, keepdims = w.literal(eq.options.get("axis")), bool(eq.options.get("keepdims", False))
    w.line(f"{w.function(u)}.reduce({w.name(x)}, {axis}, None, {w.buffer(eq)}, {keepdims})")
    return True


def where(w: Writer, eq: Equation) -> bool:
    """Copy the one, and the other where it is chosen."""
    chosen, a, b = eq.args
    if type(chosen) is not Var or w.specs[chosen].dtype != bool:
        return False
    out = w.buffer(eq)
    w.line(f"{out}[...] = {w.operand(b, eq)}")
    w.line(f"copyto({out}, {w.operand(a, eq)}, where={w.name(chosen)})")
    return True


def cast(w: Writer, eq: Equation) -> bool:
    """An assignment converts."""
    w.line(f"{w.buffer(eq)}[...] = {w.name(eq.args[0])}")
    return True


def reshape(w: Writer, eq: Equation) -> bool:
    """A reshape that cannot be a view: the elements one by one, into a buffer that is seen in the old shape."""
    (x,) = eq.args
    if type(x) is not Var or eq.options.get("order", "C") != "C" or not w.contiguous(eq.out):
        return False
    out = w.buffer(eq)
    w.once(f"{out}_seen = {out}.reshape({w.specs[x].shape})")
    w.line(f"{out}_seen[...] = {w.name(x)}")
    return True


def concatenate(w: Writer, eq: Equation) -> bool:
    """Pieces are computed where they belong if they can be, else copied there."""
    axis = eq.options.get("axis", 0)
    if axis is None or eq.options.keys() - {"axis"} or any(type(a) is not Var for a in eq.args):
        return False
    out, axis = w.buffer(eq), axis % len(eq.shape)
    at = 0
    for k, a in enumerate(eq.args):
        n = w.specs[a].shape[axis]
        if n and not w.put_inside(a, eq, axis, at):
            index = ", ".join([":"] * axis + [f"{at}:{at + n}"])
            w.once(f"{out}_part{k} = {out}[{index}]")
            w.line(f"{out}_part{k}[...] = {w.name(a)}")
        at += n
    return True


def scatter_add(w: Writer, eq: Equation) -> bool:
    """Zeros, and the error put into a part that is a view."""
    index = eq.options["index"]
    if type(eq.args[0]) is not Var or not basic(index):
        return False
    out = w.buffer(eq)
    w.once(f"{out}_part = {out}[{w.index(index, w.specs[eq.args[0]].shape)}]")
    w.line(f"{out}[...] = 0.0")
    w.line(f"{out}_part[...] = {w.name(eq.args[0])}")
    return True


def basic(index: tuple[Any, ...]) -> bool:
    """Whether an index takes a part of an array that is a view: whole numbers, slices, None and …."""
    return all(i is None or i is Ellipsis or type(i) in (int, slice) for i in index)


FORMS: dict[str, Form] = {
    "odot": odot,
    "sech2": sech2,
    "pow": power,
    "dot": dot,
    "where": where,
    "cast": cast,
    "truncate": cast,
    "reshape": reshape,
    "concatenate": concatenate,
    "scatter_add": scatter_add,
    "sum": reduction,
    "prod": reduction,
    "max": reduction,
    "min": reduction,
}
"""Operation → its form; ufuncs have one of their own."""
