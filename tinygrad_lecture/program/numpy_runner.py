"""Running a program by NumPy: calls bound to buffers and views that are made once, with the bits of the plain run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np

from ..engine.values import copied
from .memory import Layouts, lifetimes, n_bytes, new, strides_of
from .numpy_forms import VIEWS, in_plain_numpy
from .numpy_text import Writer
from .passes import optimised, without_dead
from .program import Program, Var, substitute

Step = Callable[[], None]
Form = tuple[Any, ...]

MOST = 8
"""Bindings that are kept for one program, each for inputs that lie in memory otherwise."""

WORTH = 4000
"""Bytes that are copied in the time that one more view takes to be made."""


class NumpyRunner:
    """A program run by NumPy, to the last bit as equation by equation.

    program: what to run; written: the numbers of the outputs that it computes; halt: which of them, a truth value,
    stops a run of many steps. The first call is a plain run, which shows where in memory NumPy puts everything: on that
    the last bits of sums depend. From then on a generated function runs; `text` shows it.
    """

    name = "NumPy"
    seconds = 0.0

    def __init__(self, program: Program, written: Sequence[int], halt: int | None = None) -> None:
        self.program, self._written, self._halt = program, list(written), halt
        self.text = ""
        self._plain = in_plain_numpy(without_dead(program))
        self._bindings: dict[Form, Binding] = {}
        self._lock = Lock()
        walks = any(eq.op.name == "odot" for eq in program.equations)
        self._run = _silently if walks else _aloud

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """The written outputs for the inputs of one call."""
        binding = self._bindings.get(tuple([a.strides if isinstance(a, np.ndarray) else None for a in arrays]))
        if binding is None or not self._lock.acquire(blocking=False):
            return self._first(arrays)  # somebody else writes into the buffers
        try:
            return self._run(binding.once, arrays)  # type: ignore[no-any-return]
        finally:
            self._lock.release()

    def many(
        self, n: int, arrays: Sequence[Any], carried: Sequence[tuple[int, int]], moving: Sequence[int]
    ) -> tuple[int, list[np.ndarray], list[np.ndarray]]:
        """Up to n steps, as `CRunner.many`."""
        given = [np.asarray(a)[()] if i not in moving else a for i, a in enumerate(arrays)]
        first = [a[0] if i in moving and n else a for i, a in enumerate(given)]
        form = _form(first)
        if n and form not in self._bindings:
            self._first(first)
        binding = self._bindings.get(form)
        places = all(binding is not None and binding.fits(k, first[place]) for place, k in carried)
        if not n or binding is None or not places or not self._lock.acquire(blocking=False):
            return self._one_by_one(n, given, carried, moving)
        try:
            return self._run(binding.many, n, given, carried, moving, self._place_of_halt())  # type: ignore[no-any-return]
        finally:
            self._lock.release()

    def _place_of_halt(self) -> int | None:
        return None if self._halt is None else self._written.index(self._halt)

    def _first(self, arrays: Sequence[Any]) -> list[Any]:
        """A plain run, and a binding for the next one."""
        outs, layouts, views = self._run(plain_run, self._plain, arrays)
        form = _form(arrays)
        if form not in self._bindings:
            if len(self._bindings) >= MOST:
                self._bindings.clear()
            writer = Writer(optimised(self._plain, layouts), self._written, layouts, views)
            self._bindings[form] = Binding(writer)
            self.text = writer.text
        return [np.array(outs[i])[()] for i in self._written]

    def _one_by_one(
        self, n: int, given: list[Any], carried: Sequence[tuple[int, int]], moving: Sequence[int]
    ) -> tuple[int, list[np.ndarray], list[np.ndarray]]:
        """Many steps as many calls: where one step hands to the next what lies otherwise in memory."""
        back = {k for _, k in carried}
        ys: dict[int, list[Any]] = {k: [] for k in range(len(self._written)) if k not in back}
        done, halt = 0, self._place_of_halt()
        for t in range(n):
            outs = self([a[t] if i in moving else a for i, a in enumerate(given)])
            for k, found in ys.items():
                found.append(outs[k])
            if halt is not None and outs[halt]:
                break
            for place, k in carried:
                given[place] = outs[k]
            done += 1
        specs = self.program.specs()
        kinds = [specs[self.program.outputs[self._written[k]]] for k in ys]
        stacked = [np.array(y, s.dtype).reshape(len(y), *s.shape) for y, s in zip(ys.values(), kinds, strict=True)]
        return done, [np.array(given[place]) for place, _ in carried], stacked


@np.errstate(divide="ignore", invalid="ignore")
def _silently(f: Callable[..., Any], *args: Any) -> Any:
    """Call f as a backward walk calls slopes: where one is infinite and no error arrives, nobody is told."""
    return f(*args)


def _aloud(f: Callable[..., Any], *args: Any) -> Any:
    return f(*args)


class Binding:
    """The generated function for one form of the inputs, its buffers, and what is bound to them."""

    def __init__(self, writer: Writer) -> None:
        known = dict(writer.known)
        exec(writer.code(), known)
        self._bound: Callable[..., Step] = known["bound"]
        self._buffers = [np.empty(max(size, 1), np.uint8) for size in writer.buffers]
        outputs = [writer.program.outputs[i] for i in writer.written]
        self._outs = [(writer.specs[x], writer.layouts[x]) for x in outputs]
        size = sum(n_bytes(writer.specs[v]) for v in (*writer.program.inputs, *outputs))
        self._copies = size <= WORTH * writer.n_once
        self._kept: tuple[list[Any], list[np.ndarray], Step] | None = None

    def once(self, arrays: Sequence[Any]) -> list[Any]:
        """One step: on copies in fixed places where that is little, else bound to these very arrays."""
        if not self._copies:
            outs = self._new()
            self._bound(*arrays, *outs, self._buffers)()
            return [o if o.ndim else o[()] for o in outs]
        if self._kept is None:
            ins, outs = [copied(np.asarray(a)) for a in arrays], self._new()
            self._kept = ins, outs, self._bound(*ins, *outs, self._buffers)
        ins, outs, step = self._kept
        for place, a in zip(ins, arrays, strict=True):
            place[...] = a
        step()
        return [o.copy("K") if o.ndim else o[()] for o in outs]

    def fits(self, k: int, a: Any) -> bool:
        """Whether output k can be the next step's input in place of a."""
        return strides_of(a) == self._outs[k][1]

    def many(
        self, n: int, given: list[Any], carried: Sequence[tuple[int, int]], moving: Sequence[int], halt: int | None
    ) -> tuple[int, list[np.ndarray], list[np.ndarray]]:
        """Up to n steps: what is carried goes to and fro between two places, so that it is never copied."""
        ins, outs = [np.asarray(a) for a in given], self._new()
        for i in moving:
            ins[i] = copied(np.asarray(given[i][0]))
        for place, _ in carried:
            ins[place] = copied(ins[place])
        back_ins, back_outs = list(ins), list(outs)
        for place, k in carried:
            back_ins[place], back_outs[k] = outs[k], ins[place]
        steps = [self._bound(*ins, *outs, self._buffers), self._bound(*back_ins, *back_outs, self._buffers)]
        back = {k for _, k in carried}
        ys = [(np.empty((n, *o.shape), o.dtype), o) for k, o in enumerate(outs) if k not in back]
        moves = [(given[i], ins[i]) for i in moving]
        stop = None if halt is None else outs[halt]
        done = n
        for t in range(n):
            for a, now in moves:
                now[...] = a[t]
            steps[t % 2]()
            for y, o in ys:
                y[t] = o
            if stop is not None and stop:
                done = t
                break
        after = [outs[k] if done % 2 else ins[place] for place, k in carried]
        return done, after, [y[: done + 1] for y, _ in ys]

    def _new(self) -> list[np.ndarray]:
        """New arrays for the outputs, that lie in memory as they do in a plain run."""
        return [new(spec, strides) for spec, strides in self._outs]


def plain_run(program: Program, arrays: Sequence[Any]) -> tuple[dict[int, Any], Layouts, frozenset[Var]]:
    """The outputs of a program by number, run equation by equation; where all values lay, and which were views."""
    values: dict[Var, Any] = {**program.constants, **dict(zip(program.inputs, arrays, strict=True))}
    layouts = {v: strides_of(x) for v, x in values.items()}
    last = {v: end for v, (_, end) in lifetimes(program, {eq.out: (eq.out,) for eq in program.equations}).items()}
    views = set()

    def value(x: Any) -> Any:
        return values[x] if x.__class__ is Var else x

    for n, eq in enumerate(program.equations):
        args, options = [value(a) for a in eq.args], {k: substitute(v, value) for k, v in eq.options.items()}
        y = values[eq.out] = eq.op.forward(*args, **options)
        layouts[eq.out] = strides_of(y)
        part = eq.op.name in VIEWS and eq.vars() == [eq.args[0]]
        if part and (eq.op.name == "getitem" or (isinstance(y, np.ndarray) and np.may_share_memory(args[0], y))):
            views.add(eq.out)
        for v in {*eq.vars(), eq.out}:
            if last.get(v) == n:
                del values[v]
    return {i: value(x) for i, x in enumerate(program.outputs)}, layouts, frozenset(views)


def _form(arrays: Sequence[Any]) -> Form:
    """How the inputs lie in memory."""
    return tuple([a.strides if isinstance(a, np.ndarray) else None for a in arrays])
