"""Lowering: operations that C has no form for are written with others that it has, as plain NumPy code.

Each of these functions is recorded on the shapes at hand, and its equations take the place of the one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from ...engine.op import Op
from ..passes import as_recorded, written_out
from ..program import Equation, Program, Spec, Var, library_names
from .contracted import einsum, tensordot
from .kernels import KERNELS
from .plan import VIEWS, NoFormError, elementwise

PRODUCTS = ("dot", "matmul")
"""Operations that have a form for operands of one dtype."""


def lowered(program: Program) -> Program:
    """The program with every operation of the table below written out."""
    library = library_names()
    kept: set[Var] = set()  # the outputs of operations that cannot be

    def mixed(eq: Equation, specs: Mapping[Var, Spec]) -> bool:
        product = eq.op in library and eq.op.name in PRODUCTS and eq.dtype.kind == "f"
        return product and len({specs[v].dtype for v in eq.vars()}) > 1

    def part_of(function: Callable[..., Any], eq: Equation, specs: Mapping[Var, Spec]) -> Program | None:
        try:
            part = as_recorded(function, eq, specs)
        except Exception:  # code that is no plain NumPy code: then the operation stays, and has no form in C
            part = None
        endless = part is not None and not mixed(eq, specs) and any(e.op is eq.op for e in part.equations)
        if part is None or len(part.outputs) != 1 or endless:
            kept.add(eq.out)
            return None
        return part

    def in_other_words(eq: Equation, specs: Mapping[Var, Spec]) -> Callable[..., Any] | None:
        if eq.out in kept:
            return None
        if mixed(eq, specs):
            return lambda a, b: getattr(np, eq.op.name)(a.astype(eq.dtype), b.astype(eq.dtype))
        return _in_other_words(eq, library)

    def more() -> bool:
        specs = program.specs()
        return any(in_other_words(eq, specs) for eq in program.equations)

    while more():  # what one is written as may name others again
        program = written_out(program, in_other_words, part_of)
    strange = next((eq for eq in program.equations if eq.op not in library), None)
    if strange is not None:
        raise NoFormError(f"{strange.op.name}, a function of your own that cannot be recorded")
    return program


def _in_other_words(eq: Equation, library: Collection[Op]) -> Callable[..., Any] | None:
    """What an operation without a form in C is written as: by the table, or, for one of ours, its own NumPy code."""
    name = eq.op.name
    if eq.op not in library:
        return eq.op.forward  # a function of the user's own, which may be called like one of the library
    if name in LOWERED:
        return LOWERED[name]
    if elementwise(eq) or name in KERNELS or name in VIEWS:
        return None
    ours = (getattr(eq.op.forward, "__module__", "") or "").startswith(__name__.partition(".")[0])
    return eq.op.forward if ours else None


def _count(a: Any, axis: Any) -> int:
    axes = range(np.ndim(a)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return int(np.prod([np.shape(a)[i] for i in axes], dtype=int))


def _linear(x: Any, w: Any, b: Any = None) -> Any:
    y = np.matmul(x, np.transpose(w)) if np.ndim(x) > 1 else np.dot(w, x)
    return y if b is None else y + b


def _squared_error(out: Any, target: Any) -> Any:
    d = np.reshape(out - target, -1)
    return 0.5 * np.dot(d, d) / (np.shape(out)[0] if np.ndim(out) else 1)


def _top(a: Any, axis: Any) -> Any:
    top = np.max(a, axis=axis, keepdims=True)
    return np.where(np.isfinite(top), top, 0.0)


def _log_softmax(a: Any, axis: int = -1) -> Any:
    shifted = a - _top(a, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _softmax(a: Any, axis: int = -1) -> Any:
    e = np.exp(a - _top(a, axis))
    return e / np.sum(e, axis=axis, keepdims=True)


def _logsumexp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    top = _top(a, axis)
    y = np.log(np.sum(np.exp(a - top), axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis=axis)


def _cross_entropy(logits: Any, target: Any) -> Any:
    logp = _log_softmax(logits)
    T = np.shape(logits)[0]
    if np.ndim(target) == 2:
        return -np.sum(np.where(target == 0, 0.0, target * logp)) / T
    return -np.sum(logp[np.arange(T), target]) / T


def _mean(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.sum(a, axis=axis, keepdims=keepdims) / _count(a, axis)


def _var(a: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    d = a - np.sum(a, axis=axis, keepdims=True) / _count(a, axis)
    ddof = options.get("ddof", options.get("correction", 0)) or 0
    if options.keys() - {"ddof", "correction"}:
        raise TypeError(f"no form with {', '.join(options)}")
    return np.sum(d * d, axis=axis, keepdims=keepdims) / max(_count(a, axis) - ddof, 0)


def _must_float(a: Any) -> None:
    if a.dtype.kind != "f":
        raise TypeError(f"no form for dtype {a.dtype}")


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    along = {"axis": axis, "keepdims": keepdims}
    _must_float(x)
    if ord in (None, "fro", "f", 2):
        return np.sqrt(np.sum(x * x, **along))
    if ord == 1:
        return np.sum(np.abs(x), **along)
    if abs(ord) == np.inf:
        return (np.max if ord > 0 else np.min)(np.abs(x), **along)
    raise TypeError(f"no form with ord={ord}")


def _rounded(a: Any, decimals: int = 0) -> Any:
    if decimals:
        raise TypeError(f"no form with decimals={decimals}")
    return np.rint(a)


def _nan_mean(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    valid, along = ~np.isnan(a), {"axis": axis, "keepdims": keepdims}
    return np.sum(np.where(valid, a, 0.0), **along) / np.sum(valid * a.dtype.type(1), **along)


def _nan_top(reduce: Any, least: float) -> Any:
    def top(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        _must_float(a)
        lost, along = np.isnan(a), {"axis": axis, "keepdims": keepdims}
        return np.where(np.all(lost, **along), np.nan, reduce(np.where(lost, least, a), **along))

    return top


def _sinc(x: Any) -> Any:
    y = np.pi * np.where(x == 0, 1e-20, x)
    return np.sin(y) / y


LOWERED: dict[str, Callable[..., Any]] = {
    "linear": _linear,
    "over_patterns": lambda d: np.sum(d, axis=0),
    "squared_error": _squared_error,
    "log_softmax": _log_softmax,
    "softmax": _softmax,
    "logsumexp": _logsumexp,
    "cross_entropy": _cross_entropy,
    "mean": _mean,
    "var": _var,
    "std": lambda *args, **options: np.sqrt(_var(*args, **options)),
    "einsum": einsum,
    "tensordot": tensordot,
    "norm": _norm,
    "vector_norm": _norm,
    "round": _rounded,
    "nanmean": _nan_mean,
    "nanmax": _nan_top(np.max, -np.inf),
    "nanmin": _nan_top(np.min, np.inf),
    "sinc": _sinc,
    "inner": lambda a, b: np.dot(a, np.swapaxes(b, -1, -2) if np.ndim(b) > 1 else b),
    "vdot": lambda a, b: np.dot(np.reshape(a, -1), np.reshape(b, -1)),
    "vecdot": lambda a, b, axis=-1: np.sum(np.moveaxis(a, axis, -1) * np.moveaxis(b, axis, -1), axis=-1),
    "matvec": lambda a, b: np.sum(a * b[..., None, :], axis=-1),
    "vecmat": lambda a, b: np.sum(a[..., :, None] * b, axis=-2),
    "trace": lambda a, offset=0, axis1=0, axis2=1: np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1),
    "nansum": lambda a, axis=None, keepdims=False: np.sum(np.where(np.isnan(a), 0.0, a), axis=axis, keepdims=keepdims),
    "nanprod": lambda a, axis=None, keepdims=False: np.prod(
        np.where(np.isnan(a), 1.0, a), axis=axis, keepdims=keepdims
    ),
    "stack": lambda *arrays, axis=0: np.concatenate([np.expand_dims(a, axis) for a in arrays], axis=axis),
    "ptp": lambda a, axis=None, keepdims=False: (
        np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)
    ),
}
"""Operation → the same in other words."""
