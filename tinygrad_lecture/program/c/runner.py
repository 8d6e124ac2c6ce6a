"""Running a program's compiled C: on the arrays of one call, or over many steps in one call."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import prod
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np

from ..memory import n_bytes
from ..program import Program, Spec
from .build import built, empty, shared
from .plan import NoFormError
from .source import source

SMALL = 2**15
"""Arrays of so many bytes or fewer are copied rather than asked for their address."""

CHUNK = 0.04
"""Seconds that one call of many steps takes at most, as far as can be foreseen: in between Ctrl-C has its turn."""

LONGEST = 3000
"""Equations in the longest program that is compiled: some seconds of work for a C compiler."""


class CRunner:
    """A program as compiled C.

    program: what to run; written: the numbers of the outputs that it computes; halt: which of them, a truth value,
    stops a run of many steps. seconds: what compiling took, 0 where it was on disk.
    Raises NoFormError where something has no form in C, NoCompilerError where there is no compiler.
    """

    name = "C"

    def __init__(self, program: Program, written: Sequence[int], halt: int | None = None) -> None:
        if len(program.equations) > LONGEST:
            raise NoFormError(f"{len(program.equations)} equations, more than the {LONGEST} that are compiled at once")
        self.program = program
        self.source = source(program, written, halt)
        library, self.seconds = built(self.source.text)
        self._run = library.run
        self._run.restype = ctypes.c_int64
        self._run.argtypes = [ctypes.c_int64, *[ctypes.c_void_p] * 4, ctypes.c_int64, *[ctypes.c_void_p] * 2]
        for T in self.source.shared:
            addresses, seconds = shared(T)
            self.seconds += seconds
            library[f"use_shared_{T}"](*map(ctypes.c_void_p, addresses))
        self._in_place = self.source.in_place if halt is None else ()  # after a halt what was before is wanted
        known = program.specs()
        self._written: list[Spec] = [known[program.outputs[i]] for i in written]
        self._constants = [a.ctypes.data for a in self.source.constants]
        self._workspace = empty(self.source.workspace)
        n_in = len(program.inputs) + len(self._constants)
        self._still = np.zeros(max(n_in, len(written), 1), np.int64)
        self._chunk = 1  # so many steps fit into CHUNK, as far as is known
        self._lock = Lock()  # the buffers and the workspace serve one call at a time
        self._in_buffers = [_buffer(known[v]) for v in program.inputs]
        self._out_buffers = [_buffer(s) for s in self._written]
        pointers = [0 if b is None else b.ctypes.data for b in self._in_buffers] + self._constants
        self._ins = (ctypes.c_void_p * max(1, n_in))(*pointers)
        self._outs = (ctypes.c_void_p * max(1, len(written)))(
            *[0 if b is None else b.ctypes.data for b in self._out_buffers]
        )
        still = self._still.ctypes.data
        addresses_once = (ctypes.addressof(self._ins), ctypes.addressof(self._outs), self._workspace.ctypes.data)
        self._once = (1, *addresses_once, still, 0, still, still)

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """The written outputs for the inputs of one call.

        Small arrays are copied into and out of buffers whose addresses are known: that is quicker than asking for
        those of other arrays.
        """
        held = []  # until the call is over
        with self._lock:
            for i, a in enumerate(arrays):
                buffer = self._in_buffers[i]
                if buffer is None:
                    a = np.asarray(a, order="C")
                    held.append(a)
                    self._ins[i] = a.ctypes.data
                else:
                    buffer[...] = a
            outs = []
            for k, out in enumerate(self._out_buffers):
                if out is None:
                    s = self._written[k]
                    out = _new(s.shape, s)
                    self._outs[k] = out.ctypes.data
                outs.append(out)
            if self._run(*self._once) < 0:
                raise IndexError(f"{self.program.name}: an index is out of range")
            return [
                (a.copy() if a.ndim else a[()]) if b is not None else a
                for a, b in zip(outs, self._out_buffers, strict=True)
            ]

    def many(
        self, n: int, arrays: Sequence[Any], carried: Sequence[tuple[int, int]], moving: Sequence[int]
    ) -> tuple[int, list[np.ndarray], list[np.ndarray]]:
        """Up to n steps: how many were whole, what is carried after them, and what each has put out.

        arrays: one for each input; carried: pairs of an input and the written output that takes its place in the next
        step; moving: inputs that have a leading axis, one element for each step. Raises IndexError for an index that
        is out of range.
        """
        given = [np.asarray(a, order="C") for a in arrays]
        back = {out: place for place, out in carried}
        outs = [_new(s.shape if k in back else (n, *s.shape), s) for k, s in enumerate(self._written)]
        for place, k in carried:
            if (place, k) not in self._in_place:  # it is written over in the second step
                given[place] = given[place].copy()
        in_moves, out_moves = np.zeros_like(self._still), np.zeros_like(self._still)
        for place in moving:
            in_moves[place] = given[place].nbytes // max(n, 1)
        for k, a in enumerate(outs):
            if k not in back:
                out_moves[k] = a.nbytes // max(n, 1)
        where = [(place, k, (place, k) in self._in_place) for place, k in carried]
        done = self._steps(n, given, outs, in_moves, out_moves, np.array(where, np.int64).reshape(-1))
        after = [outs[k] if done and (stays or done % 2) else given[place] for place, k, stays in where]
        return done, after, [a for k, a in enumerate(outs) if k not in back]

    def _steps(
        self,
        n: int,
        given: list[np.ndarray],
        outs: list[np.ndarray],
        in_moves: np.ndarray,
        out_moves: np.ndarray,
        carried: np.ndarray,
    ) -> int:
        pointers = [a.ctypes.data for a in given] + self._constants
        ins = (ctypes.c_void_p * max(1, len(pointers)))(*pointers)
        out = (ctypes.c_void_p * max(1, len(outs)))(*[a.ctypes.data for a in outs])
        where = [ctypes.addressof(ins), ctypes.addressof(out), self._workspace.ctypes.data, carried.ctypes.data]
        rest = len(carried) // 3, in_moves.ctypes.data, out_moves.ctypes.data
        done = 0
        with self._lock:
            while done < n:  # each call goes on where the one before has moved the addresses to
                wanted = min(n - done, self._chunk)
                begin = perf_counter()
                now = self._run(wanted, *where, *rest)
                self._chunk = max(1, int(CHUNK / max(perf_counter() - begin, 1e-9) * wanted))
                if now < 0:
                    step = f", in step {done - 1 - now}" if n > 1 else ""
                    raise IndexError(f"{self.program.name}: an index is out of range{step}")
                done += now
                if now < wanted:
                    break
        return done


def _buffer(s: Spec) -> np.ndarray | None:
    """A buffer for a small array; a large one is used where it lies."""
    return _new(s.shape, s) if n_bytes(s) <= SMALL else None


def _new(shape: tuple[int, ...], s: Spec) -> np.ndarray:
    """An array that begins where vectors of numbers do: they are read and written in one go then."""
    return empty(prod(shape) * s.dtype.itemsize).view(s.dtype).reshape(shape)
