"""What a recorded function refers to beside its arguments, so that a change of it is noticed."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..engine.tensor import Tensor
from ..engine.tree import flatten
from .program import Program

Snapshot = dict[str, Any]


def snapshot(f: Callable[..., Any]) -> Snapshot:
    """Name → value of whatever f's code refers to: cells, globals, defaults, those of functions in them too."""
    found: Snapshot = {}
    for name, value in _referred(f, "", set()):
        found[name] = _seen(value)
    return found


def changed(f: Callable[..., Any], before: Snapshot) -> str | None:
    """The first name whose value is another one than in the snapshot; None where all are the same."""
    now = snapshot(f)
    for name in now.keys() | before.keys():
        if name not in now or name not in before or not _same(now[name], before[name]):
            return name
    return None


def recorded_purely(f: Callable[..., Any], what: str, record: Callable[[], Program]) -> tuple[Program, Snapshot]:
    """The program that recording gives, and what f refers to. what: how errors call f.

    Raises TypeError where recording changed what f refers to, or drew random numbers: that would happen once only.
    """
    before, drawn = snapshot(f), _global_generators()
    program = record()
    name = changed(f, before)
    way_out = "once, when it is recorded, and never again"
    if name is not None:
        raise TypeError(
            f"{what}: it changes {name!r}, which would happen {way_out}; return what changes, and pass it in"
        )
    if _global_generators() != drawn:
        raise TypeError(
            f"{what}: it draws from NumPy's global generator or Python's, {way_out}; pass random numbers in"
        )
    return program, before


def _global_generators() -> Any:
    """The states of the generators that all code shares."""
    import random

    numpys: Any = np.random.get_state(legacy=False)  # noqa: NPY002  (whether somebody else draws from it)
    return repr(numpys["state"]["pos"]), numpys["state"]["key"].tobytes(), random.getstate()


def stale(program: Program) -> bool:
    """Whether an array or Tensor that a constant was copied from has other values now."""
    for v, origin in program.origins.items():
        a, c = origin.numpy() if origin.__class__ is Tensor else origin, program.constants[v]
        if a.shape != c.shape or a.dtype != c.dtype or not _equal(a, c):
            return True
    return False


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal bits, so that NaN equals itself, and 0.0 is not −0.0."""
    if a.dtype.kind == "f" and a.size < 64:
        return a.tobytes() == b.tobytes()
    return bool(np.array_equal(a, b)) or a.tobytes() == b.tobytes()


def _referred(f: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    f = getattr(f, "__wrapped__", f)
    f = getattr(f, "__func__", f)
    if not isinstance(f, types.FunctionType) or id(f) in seen or _of_a_library(f):
        return
    seen.add(id(f))
    named: dict[str, Any] = {}
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        try:
            named[name] = cell.cell_contents
        except ValueError:  # not yet filled
            continue
    for code in _codes(f.__code__):
        named |= {name: f.__globals__[name] for name in code.co_names if name in f.__globals__}
    named |= {f"default {i}": value for i, value in enumerate(f.__defaults__ or ())}
    named |= {f"default {name}": value for name, value in (f.__kwdefaults__ or {}).items()}
    for name, value in named.items():
        yield path + name, value
        yield from _referred(value, f"{path}{name}.", seen)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A function's code and that of the functions written inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _of_a_library(f: types.FunctionType) -> bool:
    """Whether a function belongs to NumPy, to SciPy or to us: what they refer to does not change."""
    return (f.__module__ or "").partition(".")[0] in ("numpy", "scipy", __name__.partition(".")[0])


def _seen(value: Any) -> Any:
    """What is kept of a value to compare with later: numbers and texts, copies of arrays, else which object it is."""
    try:
        leaves = flatten(value)[0]
    except RecursionError:
        return value
    return [_kept(x) for x in leaves]


def _kept(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.copy()
    if x.__class__ is Tensor:
        return x.numpy().copy()
    return repr(x.bit_generator.state) if isinstance(x, np.random.Generator) else x


def _same(a: Any, b: Any) -> bool:
    if len(a) != len(b):
        return False
    for x, y in zip(a, b, strict=True):
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
            if x.shape != y.shape or x.dtype != y.dtype or not (x.dtype.hasobject or _equal(x, y)):
                return False
        elif isinstance(x, bool | int | float | str | bytes | np.generic):
            if type(x) is not type(y) or repr(x) != repr(y):
                return False
        elif x is not y:
            return False
    return True
