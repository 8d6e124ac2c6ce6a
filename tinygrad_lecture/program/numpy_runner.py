"""Running a program by NumPy: calls bound to buffers and views that are made once, with the bits of the plain run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from ..engine.values import copied
from .memory import Layouts, lifetimes, n_bytes, new, strides_of
from .numpy_forms import VIEWS, in_plain_numpy
from .numpy_text import Writer
from .passes import optimised, without_dead
from .program import Program, Var, substitute

Step = Callable[..., None]
Once = Callable[..., list[Any]]
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
        self._told: Callable[[Any], Any] = _silently if walks else _aloud

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """The written outputs for the inputs of one call."""
        binding = self._bindings.get(_form(arrays))
        if binding is None or not self._lock.acquire(False):
            return self._first(arrays)  # somebody else writes into the buffers
        try:
            return binding.once(arrays)
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
            return self._told(binding.many)(n, given, carried, moving, self._place_of_halt())  # type: ignore[no-any-return]
        finally:
            self._lock.release()

    def _place_of_halt(self) -> int | None:
        return None if self._halt is None else self._written.index(self._halt)

    def _first(self, arrays: Sequence[Any]) -> list[Any]:
        """A plain run, and a binding for the next one."""
        outs, layouts, views = self._told(plain_run)(self._plain, arrays)
        form = _form(arrays)
        if form not in self._bindings:
            if len(self._bindings) >= MOST:
                self._bindings.clear()
            writer = Writer(optimised(self._plain, layouts), self._written, layouts, views)
            self._bindings[form] = Binding(writer, arrays, self._told)
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


_silently = np.errstate(divide="ignore", invalid="ignore")
"""As a backward walk calls slopes: where one is infinite and no error arrives, nobody is told."""


def _aloud(f: Callable[..., Any]) -> Callable[..., Any]:
    return f


class Binding:
    """The generated functions for one form of the inputs, their buffers, and what is bound to them.

    writer: has their text; arrays: inputs of this form; told: what is put around functions that compute.
    once(inputs) → outputs is one step: on copies in fixed places where that is little, else bound to these very arrays.
    """

    def __init__(self, writer: Writer, arrays: Sequence[Any], told: Callable[[Any], Any]) -> None:
        known = dict(writer.known)
        exec(writer.code(), known)
        self._bound: Callable[..., tuple[Step, Once]] = known["bound"]
        self._buffers = [np.empty(max(size, 1), np.uint8) for size in writer.buffers]
        outputs = [writer.program.outputs[i] for i in writer.written]
        self._outs = [(writer.specs[x], writer.layouts[x]) for x in outputs]
        inputs, ins, outs = writer.program.inputs, writer.placed_ins, writer.placed_outs
        self._placed_ins, self._loose_ins = ins, [i for i in range(len(inputs)) if i not in ins]
        self._placed_outs, self._loose_outs = outs, [k for k in range(len(outputs)) if k not in outs]
        size = sum(n_bytes(writer.specs[v]) for v in (*[inputs[i] for i in ins], *[outputs[k] for k in outs]))
        copies = size <= WORTH * writer.n_once
        once = self._on([copied(np.asarray(a)) for a in arrays], self._new())[1] if copies else self._rebound
        self.once: Once = told(once)

    def _rebound(self, arrays: Sequence[Any]) -> list[Any]:
        outs = self._new()
        self._step(arrays, outs)()
        return [o if o.ndim else o[()] for o in outs]

    def _on(self, ins: Sequence[Any], outs: Sequence[Any]) -> tuple[Step, Once]:
        """The functions, bound to some inputs and outputs as the places of what lies in one."""
        placed = [ins[i] for i in self._placed_ins] + [outs[k] for k in self._placed_outs]
        return self._bound(*placed, self._buffers)

    def _step(self, ins: Sequence[Any], outs: Sequence[Any]) -> Callable[[], None]:
        """A step from these inputs to these outputs."""
        step, _ = self._on(ins, outs)
        return partial(step, *[ins[i] for i in self._loose_ins], *[outs[k] for k in self._loose_outs])

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
        steps = [self._step(ins, outs), self._step(back_ins, back_outs)]
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
        return values[x] if type(x) is Var else x

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
    """How the inputs lie in memory: single numbers have no strides, and are told from arrays of no axis."""
    return tuple([a.strides or type(a) for a in arrays])
