"""jit: record at the first call, run as compiled code from then on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from types import MethodType
from typing import Any

import numpy as np

from ..engine.recording import current
from ..engine.tensor import Tensor
from ..engine.tree import LEAVES, flatten, form
from ..transforms import must_call
from .frozen import Snapshot, changed, recorded_purely, stale
from .program import Program, Var, is_array, static_key
from .record import record
from .running import RUNNERS, computed, runner

MANY = 16
"""Programs of one function after which a warning says why there are so many."""


ARRAYS: frozenset[Any] = frozenset({np.ndarray, np.float64, np.float32})
"""Arguments that are arrays, seen at one glance."""


@dataclass(slots=True)
class Recorded:
    """A program of a function, what runs it, and what it has frozen."""

    program: Program
    runner: Any
    why: str
    written: list[int]
    frozen: Snapshot
    calls: int = 0

    def holds(self) -> bool:
        """Whether what it has frozen is as it was."""
        return not stale(self.program) and changed(self.frozen) is None

    def __call__(self, arrays: Sequence[Any]) -> Any:
        """Run it on the array arguments."""
        self.calls += 1
        found = self.runner(arrays)
        if len(found) == len(self.program.outputs):  # each is computed
            return self.program.rebuild(found)
        outs = dict(zip(self.written, found, strict=True))
        given = dict(zip(self.program.inputs, arrays, strict=True))
        return self.program.rebuild(
            [outs[i] if i in outs else _own(x, given, self.program) for i, x in enumerate(self.program.outputs)]
        )


def _own(x: Any, given: dict[Var, Any], program: Program) -> Any:
    """An output that no equation computes: a copy of an input or a constant, or a plain number."""
    if type(x) is not Var:
        return x
    return np.array(given[x] if x in given else program.constants[x])[()]


class Jit:
    """A function that is recorded once for each form, shapes, dtypes and static numbers of its arguments; see `jit`."""

    def __init__(self, f: Callable[..., Any], wanted: str) -> None:
        update_wrapper(self, f, updated=())  # an object that is called may have attributes of the same names
        self.f, self.wanted = f, wanted
        self.name = getattr(f, "__name__", type(f).__name__)
        self.programs: dict[Any, Recorded] = {}
        self._usual: dict[Any, Recorded] = {}  # those for nothing but arrays, under a key that is soon made

    def __call__(self, *args: Any) -> Any:
        """The function's result, computed by its program."""
        try:
            known = self._usual.get(tuple([(type(a), a.shape, a.dtype) for a in args]))
        except AttributeError:  # a container, or a plain number
            known = None
        if known is not None and not current().depth and known.holds():
            return known(args)
        leaves = list(args) if LEAVES.issuperset(map(type, args)) else flatten(args)[0]
        if current().depth or Tensor in map(type, leaves):
            return self.f(*args)  # inside a transform or a recording it is one more part of what is recorded there
        known = self.recorded(args, leaves)
        if known.program.loses and current().records:
            return self.f(*args)  # an error shall flow on to what requires a gradient
        if ARRAYS.issuperset(map(type, args)) and not known.program.loses:
            self._usual[tuple([(type(a), a.shape, a.dtype) for a in args])] = known
        return known([a for a in leaves if type(a) in ARRAYS or is_array(a)])

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        """As a method of a class: its owner is the first argument."""
        return self if owner is None else MethodType(self, owner)

    def recorded(self, args: tuple[Any, ...], leaves: list[Any]) -> Recorded:
        """The program for these arguments, recorded where there is none yet, or where what it froze has changed."""
        key = form(args), tuple([(a.shape, a.dtype) if type(a) in ARRAYS else static_key(a) for a in leaves])
        known = self.programs.get(key)
        if known is not None and known.holds():
            return known
        if known is None and len(self.programs) == MANY:
            warnings.warn(
                f"{self.name} has been recorded {MANY} times, for as many forms of its arguments; Python numbers "
                f"are static, so pass what changes as an array: np.float64(eta)",
                stacklevel=3,
            )
        objects = [a for a in leaves if not is_array(a)]
        program, before = recorded_purely(self.f, f"jit({self.name})", lambda: record(self.f)(*args), objects)
        written = computed(program)
        found, why = runner(program, written, self.wanted)
        self.programs[key] = Recorded(program, found, why, written, before)
        return self.programs[key]

    def report(self) -> str:
        """One line for each program: for what arguments, how long it is, what runs it and why, how often it ran."""
        lines = []
        for r in self.programs.values():
            took = f", compiled in {r.runner.seconds:.2f} s" if r.runner.seconds else ""
            why = f" ({r.why})" if r.why else ""
            if r.program.loses:
                why += ", or as it is, where gradients are wanted: it refers to a Tensor that requires one"
            lines.append(
                f"{self.name}({', '.join(map(str, r.program.static))}): {len(r.program.equations)} equations, "
                f"run by {r.runner.name}{why}{took}, {r.calls} calls"
            )
        return "\n".join(lines) or f"{self.name} was not called yet"


def jit(f: Callable[..., Any], *, runner: str = "auto") -> Jit:
    """The same function, recorded at its first call and run as compiled code.

    f: plain NumPy code, with transforms and learning rules inside if wanted (see `record`). For each form, shapes and
    dtypes of its arguments it is recorded once; Python numbers, texts, functions and whatever else is no array are
    static, and part of the key. What its code only refers to by names and attributes is frozen, and recorded anew when
    it has changed; what no name leads to, a clock or a generator made inside, stays as it was when it was recorded.
    runner: "auto" compiles to C where a compiler is found and all operations have a form in C, else calls NumPy
    with the same bits as the function itself; "C" and "NumPy" insist.
    It may stand before a method, too; `f.report()` says what runs. Compiled, each function of each element is at most
    a few units in the last place from NumPy's, and sums are added in another order. Inside transforms and recordings
    it is f itself, and where it refers to a Tensor that requires a gradient, outside of `no_grad`.
    Raises TypeError where f cannot be recorded, RuntimeError where C was asked for and cannot be had. Source: C4.

    >>> double = jit(lambda x: 2.0 * np.tanh(x))
    >>> double(np.zeros(3))
    array([0., 0., 0.])
    """
    must_call(f, "jit")
    if runner not in RUNNERS:
        raise ValueError(f"jit: runner must be one of {', '.join(RUNNERS)}, not {runner!r}")
    return Jit(f, runner)
