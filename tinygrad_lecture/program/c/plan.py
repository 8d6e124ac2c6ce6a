"""The plan of a program in C: what is only a view, which equations share a loop, and where every value lies.

Reshaping, transposing and slicing move no number: such a value is a *view* of a *base*, and costs nothing. What remains
is put into *blocks*, in an order that the program allows: elementwise equations of one shape share a loop, in which
values that nothing else reads live in registers; each other equation is a block of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..program import Equation, Program, Spec, Var
from .expressions import ANY_TYPE, FLOATING, TRUTH, WHOLE

VIEWS = frozenset({"getitem", "reshape", "transpose", "broadcast_to", "diagonal", "detach"})
TYPES = {
    "float64": "double",
    "float32": "float",
    "int64": "int64_t",
    "int32": "int32_t",
    "int16": "int16_t",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
    "uint64": "uint64_t",
    "bool": "uint8_t",
}
"""dtype → C type; a bool is 0 or 1."""


class NoFormError(Exception):
    """A program holds what has no form in C; it runs by NumPy."""


@dataclass(frozen=True, slots=True)
class View:
    """Where the elements of a value are in its base: offset and strides, counted in elements."""

    base: Var
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def plain(self) -> bool:
        """Whether it is contiguous, and begins where its base begins."""
        return self.offset == 0 and self.strides == contiguous(self.shape)


@dataclass(slots=True)
class Block:
    """A loop over a shape with several elementwise equations, or one other equation."""

    equations: list[Equation]
    shape: tuple[int, ...] | None = None
    """The shape of the loop; None for one other equation."""

    @property
    def loop(self) -> bool:
        """Whether its equations are elementwise."""
        return self.shape is not None


@dataclass(slots=True)
class Plan:
    """A program, laid out: blocks in order, a view for each value, and which values are stored."""

    program: Program
    specs: dict[Var, Spec]
    views: dict[Var, View]
    blocks: list[Block] = field(default_factory=list)
    stored: set[Var] = field(default_factory=set)
    made: dict[Var, Equation] = field(default_factory=dict)
    """The equation of each value that is neither input nor constant."""
    inside: dict[Var, tuple[Var, int]] = field(default_factory=dict)
    """A value that is computed where it will be read: in another's buffer, from an offset on."""

    def view(self, x: Var) -> View:
        """The view that a value is of its base, or of the buffer in which its base was put."""
        v = self.views[x]
        base, offset = v.base, v.offset
        while base in self.inside:
            base, more = self.inside[base]
            offset += more
        return View(base, offset, v.shape, v.strides)


def planned(program: Program) -> Plan:
    """The plan of a lowered program. Raises NoFormError where something in it has none."""
    plan = Plan(program, program.specs(), {}, made={eq.out: eq for eq in program.equations})
    for v, spec in plan.specs.items():
        if spec.dtype.name not in TYPES or not spec.dtype.isnative:
            raise NoFormError(f"numbers of dtype {spec.dtype}")
        plan.views[v] = View(v, 0, spec.shape, contiguous(spec.shape))
    real = []
    for eq in program.equations:
        view = _as_view(eq, plan.views)
        if view is None:
            real.append(eq)
        else:
            plan.views[eq.out] = view
    _schedule(plan, real)
    _place_inside(plan, real)
    _find_stored(plan)
    return plan


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of an array whose elements follow each other."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def basic(index: tuple[Any, ...]) -> bool:
    """Whether an index takes a part of an array that is a view: numbers, slices, None and …, but no arrays."""
    return all(i is None or i is Ellipsis or type(i) in (int, slice) or isinstance(i, np.integer) for i in index)


def whole(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """The index with … at its end, so that a single element too is an array."""
    return index if any(i is Ellipsis for i in index) else (*index, ...)


def elementwise(eq: Equation) -> bool:
    """Whether C computes each element of the output from the elements at the same place of the inputs."""
    name = eq.op.name
    if name == "detach":
        return False
    if name in ANY_TYPE:
        return True
    kind = eq.dtype.kind
    return name in (TRUTH if kind == "b" else FLOATING if kind == "f" else WHOLE)


def _as_view(eq: Equation, views: dict[Var, View]) -> View | None:
    """The view that an equation's output is of an earlier value; None where it is computed. NumPy itself says which."""
    if eq.op.name not in VIEWS or type(eq.args[0]) is not Var or len(eq.vars()) > 1:
        return None
    v = views[eq.args[0]]
    lengths = [abs(s) * (n - 1) for s, n in zip(v.strides, v.shape, strict=True) if n]
    memory = np.empty(v.offset + sum(lengths) + 1, np.int8)  # as many bytes as elements, never touched
    x = np.lib.stride_tricks.as_strided(memory[v.offset :], v.shape, v.strides)
    if 0 in eq.shape:
        return View(v.base, v.offset, eq.shape, contiguous(eq.shape))
    if eq.op.name != "getitem":
        y = eq.op.forward(x, **eq.options)
    elif basic(eq.options["index"]):
        y = x[whole(eq.options["index"])]
    else:
        return None
    if not (isinstance(y, np.ndarray) and np.may_share_memory(y, memory)):
        return None
    offset = y.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    return View(v.base, offset, y.shape, y.strides)


def _schedule(plan: Plan, real: Sequence[Equation]) -> None:
    """Put the equations into blocks: what can run now in a loop that is open goes there first."""
    made = {eq.out: i for i, eq in enumerate(real)}
    waits = [{plan.views[v].base for v in eq.vars()} & made.keys() for eq in real]
    left = list(range(len(real)))
    done: set[Var] = set()
    while left:
        ready = [i for i in left if waits[i] <= done]
        first = next((i for i in ready if not elementwise(real[i])), ready[0])
        block = Block([real[first]], real[first].shape if elementwise(real[first]) else None)
        left.remove(first)
        done.add(real[first].out)
        while block.loop:
            more = next((i for i in left if waits[i] <= done and _joins(real[i], block, plan)), None)
            if more is None:
                break
            block.equations.append(real[more])
            left.remove(more)
            done.add(real[more].out)
        plan.blocks.append(block)


def _joins(eq: Equation, block: Block, plan: Plan) -> bool:
    """Whether an equation can share a loop: the same shape, and of what the loop computes it reads its own place."""
    if not elementwise(eq) or eq.shape != block.shape:
        return False
    here = {e.out for e in block.equations}
    for v in eq.vars():
        view = plan.views[v]
        if view.base in here and not (view.plain and view.shape == block.shape):
            return False
    return True


def _place_inside(plan: Plan, real: Sequence[Equation]) -> None:
    """Let what is only joined together be computed at its place in the whole: no copies."""
    made = {eq.out for eq in real}
    results = {plan.views[x].base for x in plan.program.outputs if type(x) is Var}
    for eq in real:
        if eq.op.name != "concatenate" or any(type(a) is not Var for a in eq.args):
            continue
        axis = eq.options.get("axis", 0)
        if axis is None or any(n != 1 for n in eq.shape[: axis % len(eq.shape)]):
            continue
        at = 0
        for a in eq.args:
            v = plan.views[a]
            size = int(np.prod(v.shape, dtype=int))
            whole = size == int(np.prod(plan.specs[v.base].shape, dtype=int))
            same = plan.specs[v.base].dtype == eq.dtype
            if v.plain and whole and same and v.base in made and v.base not in results and v.base not in plan.inside:
                plan.inside[v.base] = (eq.out, at)
            at += size


def _find_stored(plan: Plan) -> None:
    """A value is stored where another block reads it, or where it is part of what comes out."""
    home = {eq.out: n for n, block in enumerate(plan.blocks) for eq in block.equations}
    plan.stored |= {plan.views[x].base for x in plan.program.outputs if type(x) is Var}
    for n, block in enumerate(plan.blocks):
        for eq in block.equations:
            if not block.loop:
                plan.stored.add(eq.out)
            plan.stored |= {plan.views[v].base for v in eq.vars() if home.get(plan.views[v].base) != n}
