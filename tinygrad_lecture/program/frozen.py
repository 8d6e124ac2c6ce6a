"""What a recorded function refers to beside its arguments, so that a change of it is noticed."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..engine.tensor import Tensor
from ..engine.tree import flatten
from .program import Program

_FIXED: tuple[Any, ...] = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    type,
    types.ModuleType,
    types.FunctionType,
)
_FIXED += (types.BuiltinFunctionType, np.ufunc, np.dtype, np.generic)
"""What cannot change while it is the same object; what a function refers to is watched for itself."""


@dataclass(slots=True)
class Watched:
    """A name in the function's code, where its value is found, and what it was.

    parts: copies of the arrays in it, and whatever else it holds, where it may change in itself; else None.
    """

    name: str
    where: Any
    key: Any
    value: Any
    parts: list[Any] | None

    def same(self) -> bool:
        """Whether the name stands for the same value as then."""
        try:
            now = self.where.cell_contents if self.key is None else self.where[self.key]
        except (ValueError, KeyError):  # an empty cell, a name that is gone
            return False
        if now is not self.value and not _same([now], [self.value]):
            return False
        return self.parts is None or _same(_parts(now), self.parts)


Snapshot = list[Watched]


def snapshot(f: Callable[..., Any]) -> Snapshot:
    """Whatever f's code refers to: cells, globals, defaults, those of functions among them too."""
    return list(_referred(f, "", set()))


def changed(before: Snapshot) -> str | None:
    """The first name in a snapshot whose value is another one now; None where all are the same."""
    for watched in before:
        if not watched.same():
            return watched.name
    return None


def recorded_purely(f: Callable[..., Any], what: str, record: Callable[[], Program]) -> tuple[Program, Snapshot]:
    """The program that recording gives, and what f refers to. what: how errors call f.

    Raises TypeError where recording changed what f refers to, or drew random numbers: that would happen once only.
    """
    before, drawn = snapshot(f), _global_generators()
    program = record()
    name = changed(before)
    way_out = "once, when it is recorded, and never again"
    if name is not None:
        raise TypeError(f"{what}: it changes {name!r}, which would happen {way_out}; return and pass in what changes")
    if _global_generators() != drawn:
        raise TypeError(f"{what}: it draws from NumPy's global generator or Python's, {way_out}; pass in what it draws")
    return program, before


def _global_generators() -> Any:
    """The states of the generators that all code shares."""
    import random

    numpys: Any = np.random.get_state(legacy=False)  # noqa: NPY002  (whether somebody else draws from it)
    return repr(numpys["state"]["pos"]), numpys["state"]["key"].tobytes(), random.getstate()


def stale(program: Program) -> bool:
    """Whether an array or Tensor that a constant was copied from has other values now."""
    for v, (origin, stamp) in program.origins.items():
        if origin.__class__ is Tensor and origin.stamp == stamp:
            continue  # whoever writes a leaf gives it another stamp
        a, c = origin._data if origin.__class__ is Tensor else origin, program.constants[v]
        if np.shape(a) != c.shape or a.dtype != c.dtype or not _equal(np.asarray(a), c):
            return True
    return False


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal bits, so that NaN equals itself, and 0.0 is not −0.0."""
    if a.size < 1024:
        return a.tobytes() == b.tobytes()
    return bool(np.array_equal(a, b)) or a.tobytes() == b.tobytes()


def _referred(f: Any, path: str, seen: set[int]) -> Iterator[Watched]:
    f = getattr(f, "__wrapped__", f)
    f = getattr(f, "__func__", f)
    if not isinstance(f, types.FunctionType) or id(f) in seen or _of_a_library(f):
        return
    seen.add(id(f))
    places: list[tuple[str, Any, Any]] = []
    places += [(name, cell, None) for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)]
    names = {name for code in _codes(f.__code__) for name in code.co_names if name in f.__globals__}
    places += [(name, f.__globals__, name) for name in sorted(names)]
    places += [(f"default {i}", f.__defaults__, i) for i in range(len(f.__defaults__ or ()))]
    places += [(f"default {name}", f.__kwdefaults__, name) for name in f.__kwdefaults__ or ()]
    for name, where, key in places:
        try:
            value = where.cell_contents if key is None else where[key]
        except ValueError:  # a cell that is not yet filled
            continue
        parts = None if _is_fixed(value) else _parts(value)
        if parts is not None and len(parts) == 1 and parts[0] is value:
            parts = None  # an object whose inside is not looked into: that it is the same one is all that can be seen
        yield Watched(path + name, where, key, value, parts)
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


def _is_fixed(value: Any) -> bool:
    """Whether a value cannot change while it is the same object: frozen data of such values, too."""
    if isinstance(value, _FIXED):
        return True
    how = getattr(type(value), "__dataclass_params__", None)
    return how is not None and how.frozen and all(_is_fixed(getattr(value, f.name)) for f in fields(value))


def _parts(value: Any) -> list[Any]:
    """What is kept of a value that may change in itself: copies of its arrays, and whatever else it holds."""
    try:
        leaves = flatten(value)[0]
    except RecursionError:
        return [value]
    return [_kept(x) for x in leaves]


def _kept(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.copy()
    if x.__class__ is Tensor:
        return np.array(x._data)
    return repr(x.bit_generator.state) if isinstance(x, np.random.Generator) else x


def _same(a: list[Any], b: list[Any]) -> bool:
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
