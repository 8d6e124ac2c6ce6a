"""Lowering: operations that C has no form for are written with others that it has, as plain NumPy code.

Each of these functions is recorded on the shapes at hand, and its equations take the place of the one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from ...engine.op import Op
from ..program import Equation, Program, Spec, Var, library_names, substitute
from ..record import record
from .kernels import KERNELS
from .plan import VIEWS, NoFormError, elementwise


def lowered(program: Program) -> Program:
    """The program with every operation of the table below written out."""
    kept: set[Var] = set()
    library = library_names()
    while any(
        _in_other_words(eq, library) for eq in program.equations if eq.out not in kept
    ):  # these may name others again
        program = _once(program, kept, library)
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


def _once(program: Program, kept: set[Var], library: Collection[Op]) -> Program:
    """Every operation written out once; kept: the outputs of those that cannot be."""
    specs = program.specs()
    number = count(1 + max((v.number for v in specs), default=0))
    constants = dict(program.constants)
    now: dict[Var, Any] = {}

    def current(x: Any) -> Any:
        return now.get(x, x) if x.__class__ is Var else x

    equations: list[Equation] = []
    for eq in program.equations:
        eq = replace(
            eq,
            args=tuple(current(a) for a in eq.args),
            options={k: substitute(v, current) for k, v in eq.options.items()},
        )
        written = None if eq.out in kept else _in_other_words(eq, library)
        part = None if written is None else _recorded(written, eq, specs)
        if part is None:
            kept.add(eq.out)
            equations.append(eq)
            continue
        local: dict[Var, Any] = dict(zip(part.inputs, [a for a in eq.args if a.__class__ is Var], strict=True))
        for v, c in part.constants.items():
            local[v] = Var(next(number))
            constants[local[v]] = c
        for e in part.equations:
            local[e.out] = Var(next(number))
            equations.append(_renamed(e, local))
            specs[local[e.out]] = Spec(e.shape, e.dtype)
        (out,) = part.outputs
        now[eq.out] = local[out] if out.__class__ is Var else out
    outputs = tuple(current(x) for x in program.outputs)
    return replace(program, equations=tuple(equations), constants=constants, outputs=outputs)


def _renamed(eq: Equation, names: dict[Var, Any]) -> Equation:
    """An equation with other names for its values."""

    def renamed(x: Any) -> Any:
        return names.get(x, x) if x.__class__ is Var else x

    options = {k: substitute(v, renamed) for k, v in eq.options.items()}
    return replace(eq, out=names[eq.out], args=tuple(renamed(a) for a in eq.args), options=options)


def _recorded(written: Callable[..., Any], eq: Equation, specs: dict[Var, Spec]) -> Program | None:
    """The equations of one operation, recorded on ones of the shapes of its inputs; None where it cannot be."""
    places = [i for i, a in enumerate(eq.args) if a.__class__ is Var]

    def f(*given: Any) -> Any:
        args = list(eq.args)
        for place, x in zip(places, given, strict=True):
            args[place] = x
        y = written(*args, **eq.options)
        return y.astype(eq.dtype) if y.dtype != eq.dtype else y

    given = [specs[eq.args[i]] for i in places]  # zeros for whole numbers, which are indices at times
    examples = [np.full(s.shape, s.dtype.kind == "f", s.dtype) for s in given]
    try:
        with np.errstate(all="ignore"):
            part = record(f)(*[e if e.ndim else e[()] for e in examples])
    except Exception:  # code that is no plain NumPy code: then the operation stays, and has no form in C
        return None
    itself = any(e.op is eq.op for e in part.equations)
    return None if itself or len(part.outputs) != 1 else part


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
    return np.sum(d * d, axis=axis, keepdims=keepdims) / (_count(a, axis) - ddof)


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
    "inner": lambda a, b: np.matmul(a, np.transpose(b)) if np.ndim(a) == np.ndim(b) == 2 else np.dot(a, b),
    "vdot": lambda a, b: np.dot(np.reshape(a, -1), np.reshape(b, -1)),
    "vecdot": lambda a, b, axis=-1: np.sum(a * b, axis=axis),
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
