"""Where what a program computes lies: for how long it is needed, what can share memory, how arrays are laid out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import count
from math import prod
from typing import Any

import numpy as np

from .program import Program, Spec, Var

Layouts = Mapping[Var, tuple[int, ...] | None]
"""Value → the strides of the array that it is when the program runs, None for a NumPy scalar."""


def lifetimes(program: Program, holds: Mapping[Var, Sequence[Var]]) -> dict[Var, tuple[int, int]]:
    """Memory → the number of the equation that first writes into it, and of the last that needs what is there.

    holds: value → the memories that it lies in, each named after a value; a view lies in that of another value.
    An output is needed after the last equation. What no equation writes into is left out.
    """
    first: dict[Var, int] = {}
    last: dict[Var, int] = {}
    for n, eq in enumerate(program.equations):
        for memory in holds.get(eq.out, ()):
            first.setdefault(memory, n)
        for v in (*eq.vars(), eq.out):
            last.update(dict.fromkeys(holds.get(v, ()), n))
    for x in program.outputs:
        if type(x) is Var:
            last.update(dict.fromkeys(holds.get(x, ()), len(program.equations)))
    return {memory: (n, last[memory]) for memory, n in first.items()}


def shared(lives: Mapping[Var, tuple[int, int]], kinds: Mapping[Var, Hashable]) -> dict[Var, int]:
    """Memory → the number of its buffer: those of one kind whose lives do not meet share one; no fewer would do.

    lives: each from a first equation until before another, with no last one where that is not later.
    """
    number: dict[Var, int] = {}
    numbers = count()
    free: dict[Hashable, list[tuple[int, int]]] = {}  # kind → (since when, which buffer)
    for memory, (begin, end) in sorted(lives.items(), key=lambda item: (item[1], item[0].number)):
        waiting = free.setdefault(kinds[memory], [])
        old = max((entry for entry in waiting if entry[0] <= begin), default=None)  # the last used: it is in the cache
        if old:
            waiting.remove(old)
        number[memory] = old[1] if old else next(numbers)
        waiting.append((max(begin + 1, end), number[memory]))
    return number


def n_bytes(spec: Spec) -> int:
    """The bytes of an array without gaps."""
    return prod(spec.shape) * spec.dtype.itemsize


def contiguous(spec: Spec) -> tuple[int, ...]:
    """The strides of an array whose elements follow each other, as `strides_of` gives them."""
    strides, step = [], spec.dtype.itemsize
    for n in reversed(spec.shape):
        strides.append(step if n != 1 else 0)
        step *= n
    return tuple(reversed(strides))


def strides_of(x: Any) -> tuple[int, ...] | None:
    """The strides of an array, 0 for axes of length 1, where they mean nothing; None for a number."""
    if not isinstance(x, np.ndarray):
        return None
    return tuple([0 if n == 1 else s for n, s in zip(x.shape, x.strides, strict=True)])


def new(spec: Spec, strides: tuple[int, ...] | None) -> np.ndarray:
    """A new array whose axes lie in memory in the order that these strides have."""
    if strides is None or strides == contiguous(spec):
        return np.empty(spec.shape, spec.dtype)
    order = sorted(range(len(spec.shape)), key=lambda i: -strides[i])
    return np.empty([spec.shape[i] for i in order], spec.dtype).transpose(np.argsort(order))
