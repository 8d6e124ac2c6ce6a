"""What a recorded function refers to beside its arguments, so that a change of it is noticed.

Looked at are the names in its code: cells, globals, defaults, and the attributes that it reads of whatever these stand
for, through methods, properties, containers and other functions. What no name leads to is not seen: a clock, an
iterator, an attribute whose name is computed.
"""

from __future__ import annotations

import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property, partial
from inspect import getattr_static, unwrap
from operator import getitem
from random import Random
from sysconfig import get_paths
from typing import Any

import numpy as np

from ..engine.op import Op
from ..engine.tensor import Tensor
from ..engine.tree import flatten, form
from .program import Program

_FIXED: tuple[Any, ...] = (bool, int, float, complex, str, bytes, type(None), types.FunctionType)
_FIXED += (types.BuiltinFunctionType, types.ModuleType, type, np.ufunc, np.dtype, np.generic)
"""What cannot change while it is the same object; what a function, module or class refers to is watched for itself."""


@dataclass(slots=True)
class Watched:
    """A name in the function's code, how its value is read, and what it was.

    inside: what `_inside` told of it, where it may change in itself; else None.
    """

    name: str
    read: Callable[[], Any]
    value: Any
    inside: Any

    def same(self) -> bool:
        """Whether the name stands for the same value as then."""
        try:
            now = self.read()
        except (ValueError, LookupError, AttributeError):  # an empty cell, a name that is gone
            return False
        if now is self.value and self.inside is None:
            return True
        return _same(_inside(now), self.inside or _inside(self.value))


Snapshot = list[Watched]


def snapshot(f: Callable[..., Any], objects: Iterable[Any] = ()) -> Snapshot:
    """Whatever the code of f refers to, and that of what is given to it."""
    seen: set[Any] = set()
    found = list(_referred(f, "", frozenset(), seen))
    for x in objects:
        found += _referred(x, f"{type(x).__name__}.", frozenset(_names(f)), seen)
    return found


def changed(before: Snapshot) -> str | None:
    """The first name in a snapshot whose value is another one now; None where all are the same."""
    for watched in before:
        if not watched.same():
            return watched.name
    return None


def recorded_purely(
    f: Callable[..., Any], what: str, record: Callable[[], Program], objects: Iterable[Any] = ()
) -> tuple[Program, Snapshot]:
    """The program that recording gives, and what f refers to. what: how errors call f; objects: what it is given.

    Raises TypeError where recording changed what f refers to, or drew random numbers: that would happen once only.
    """
    before, drawn = snapshot(f, objects), _global_generators()
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
    """Whether an array or leaf that it was recorded with has other values now."""
    for origin, stamp, c in program.origins:
        if type(origin) is Tensor and origin.stamp == stamp:
            continue  # whoever writes a leaf gives it another stamp
        a = origin._data if type(origin) is Tensor else origin
        if np.shape(a) != c.shape or a.dtype != c.dtype or not _equal(np.asarray(a), c):
            return True
    return False


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal bits, so that NaN equals itself, and 0.0 is not −0.0."""
    if a.size < 1024:
        return a.tobytes() == b.tobytes()
    return bool(np.array_equal(a, b)) or a.tobytes() == b.tobytes()


def _referred(x: Any, path: str, names: frozenset[str], seen: set[Any]) -> Iterator[Watched]:
    """What a value refers to, of which code uses these names as attributes."""
    owner = getattr(x, "__self__", None) if isinstance(x, types.MethodType | types.BuiltinMethodType) else None
    if owner is not None and _of_a_library(owner):
        yield from _watched(path + "self", partial(getattr, x, "__self__"), owner, names, seen)
    elif owner is not None:
        yield from _function(getattr(x, "__func__", x), path, owner, seen)
    elif isinstance(x, types.FunctionType):
        yield from _function(x, path, None, seen)
        op = getattr(x, "op", None)
        if isinstance(op, Op):
            for rule in (*(op.slopes or ()), *(op.rules or ())):
                yield from _referred(rule, path, names, seen)
    elif isinstance(x, partial):
        yield from _referred(x.func, path, names, seen)
        yield from _watched(path + "partial", partial(getattr, x, "keywords"), x.keywords, names, seen)
        yield from _watched(path + "partial", partial(getattr, x, "args"), x.args, names, seen)
    elif getattr_static(x, "__wrapped__", None) is not None:
        yield from _referred(x.__wrapped__, path, names, seen)
    elif not _of_a_library(x):
        yield from _attributes(x, path, names | _special(x), seen)


def _function(f: Any, path: str, owner: Any, seen: set[Any]) -> Iterator[Watched]:
    """What the code of a function refers to, and of its owner, if it is a method of one."""
    f = unwrap(f)
    if not isinstance(f, types.FunctionType) or (id(f), id(owner)) in seen or _of_a_library(f):
        return
    seen.add((id(f), id(owner)))
    names = frozenset(_names(f))
    reads: list[tuple[str, partial[Any]]] = []
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        reads.append((name, partial(getattr, cell, "cell_contents")))
    reads += [(name, partial(getitem, f.__globals__, name)) for name in sorted(names) if name in f.__globals__]
    reads += [(f"default {i}", partial(getitem, f.__defaults__, i)) for i in range(len(f.__defaults__ or ()))]
    reads += [(f"default {name}", partial(getitem, f.__kwdefaults__, name)) for name in f.__kwdefaults__ or ()]
    for name, read in reads:
        try:
            value = read()
        except ValueError:  # a cell that is not yet filled
            continue
        yield from _watched(path + name, read, value, names, seen)
    if owner is not None and not _of_a_library(owner):
        yield from _attributes(owner, f"{path}self.", names | _special(owner), seen)


def _watched(name: str, read: partial[Any], value: Any, names: frozenset[str], seen: set[Any]) -> Iterator[Watched]:
    """A value, and what it refers to."""
    inside = None if _is_fixed(value) else _inside(value)
    if inside and inside[-1] is value:
        inside = None  # an object whose inside is not looked into: that it is the same one is all that can be seen
    place = tuple(map(id, read.args))
    if place not in seen:
        seen.add(place)
        yield Watched(name, read, value, inside)
    for x in (value, *_leaves(value)):
        yield from _referred(x, f"{name}.", names, seen)


def _attributes(x: Any, path: str, names: frozenset[str], seen: set[Any]) -> Iterator[Watched]:
    """Those attributes of an object, class or module that are read under one of some names."""
    if (id(x), names) in seen:
        return
    seen.add((id(x), names))
    for name in sorted(names):
        found = getattr_static(x, name, None)
        if isinstance(found, property | cached_property):  # not asked for: that would run it
            yield from _function(found.fget if isinstance(found, property) else found.func, path, x, seen)
            continue
        read = partial(getattr, x, name)
        try:
            value = read()
        except AttributeError:
            continue
        yield from _watched(path + name, read, value, names, seen)


def _names(f: Any) -> Iterator[str]:
    """The names of globals and attributes in a function's code, and in that of the functions written inside it."""
    f = unwrap(getattr(f, "__func__", f))
    waiting = [f.__code__] if isinstance(f, types.FunctionType) else []
    for code in waiting:
        yield from code.co_names
        waiting += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]


def _special(x: Any) -> frozenset[str]:
    """The methods by which an object's class answers to calls and operators, which code does not name."""
    if isinstance(x, types.ModuleType | type):
        return frozenset()
    own = [vars(kind) for kind in type(x).__mro__ if not _of_a_library(kind)]
    ways = {name for known in own for name, method in known.items() if isinstance(method, types.FunctionType)}
    return frozenset(name for name in ways if name.startswith("__")) - {"__init__", "__new__", "__getattribute__"}


_INSTALLED = tuple(get_paths()[place] for place in ("stdlib", "platstdlib", "purelib", "platlib"))
"""Folders of what Python comes with and what was installed: what their code refers to does not change."""


def _of_a_library(x: Any) -> bool:
    """Whether a function, class, module, or the class of an object is of an installed package, Python's own or ours."""
    if isinstance(x, types.SimpleNamespace):
        return False
    kind = x if isinstance(x, type | types.FunctionType) else type(x)
    module = x.__name__ if isinstance(x, types.ModuleType) else getattr(kind, "__module__", None) or ""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top == __name__.partition(".")[0]:
        return top != "__main__"
    return (getattr(sys.modules.get(top), "__file__", None) or "").startswith(_INSTALLED)


def _is_fixed(value: Any) -> bool:
    """Whether a value cannot change while it is the same object: frozen data of such values, too."""
    if isinstance(value, _FIXED):
        return True
    how = getattr(type(value), "__dataclass_params__", None)
    return how is not None and how.frozen and all(_is_fixed(getattr(value, f.name)) for f in fields(value))


def _leaves(value: Any) -> list[Any]:
    """The leaves of a container; of one that contains itself, itself."""
    try:
        return flatten(value)[0]
    except RecursionError:
        return [value]


def _inside(value: Any) -> list[Any]:
    """What is kept of a value that may change in itself: its form, copies of its arrays, and whatever else it holds."""
    leaves = _leaves(value)
    return [None if leaves and leaves[0] is value else form(value), *map(_kept, leaves)]


def _kept(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.copy()
    if type(x) is Tensor:
        return np.array(x._data)
    if isinstance(x, set | frozenset | deque | bytearray):
        return type(x), type(x)(x)
    if isinstance(x, Random):
        return repr(x.getstate())
    if isinstance(x, np.random.RandomState):
        return repr(x.get_state(legacy=False))
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
        elif isinstance(x, tuple | types.MethodType):  # a form, or an object made anew each time it is asked for
            if x != y:
                return False
        elif x is not y:
            return False
    return True
