"""Where the buffers of a program lie: in shared memory, in an output, or inside of another one."""

from __future__ import annotations

from collections.abc import Mapping, Set
from math import prod

from .memory import Layouts, contiguous, lifetimes, n_bytes, shared
from .program import Program, Spec, Var


class Places:
    """The places of buffers, each named after the value that is computed into it.

    holds: value → the buffers that it lies in; over: buffer → the operands that its equation may overwrite;
    inside: buffer → the one of which it is a part, and from which element on; direct: buffers that are outputs.
    """

    def __init__(
        self,
        program: Program,
        specs: Mapping[Var, Spec],
        layouts: Layouts,
        holds: Mapping[Var, tuple[Var, ...]],
        over: Mapping[Var, tuple[Var, ...]],
        inside: Mapping[Var, tuple[Var, int]],
        direct: Set[Var],
    ) -> None:
        self.program, self.specs, self.layouts = program, specs, layouts
        self.over, self.inside, self.direct = over, inside, direct
        self.holds = {v: tuple({self._home(h): None for h in homes}) for v, homes in holds.items()}
        lives = lifetimes(program, self.holds)
        ends = {m: self._end(m, life) for m, life in lives.items() if m not in direct}
        sizes = {m: n_bytes(specs[m]) for m in ends}
        self.place = shared(ends, sizes)
        self.buffers = [0] * (1 + max(self.place.values(), default=-1))
        """The bytes of each piece of memory that they share."""
        for m, number in self.place.items():
            self.buffers[number] = sizes[m]
        self._made: set[Var] = set()

    def lines(self, v: Var) -> list[str]:
        """The lines that make a buffer; before it those that make the one that it is a part of."""
        if v in self._made:
            return []
        self._made.add(v)
        spec, strides, before = self.specs[v], self.layouts[v], []
        if v in self.direct:
            return []  # the output has its name
        if v in self.inside:
            whole, at = self.inside[v]
            before = self.lines(whole)
            flat = f"{whole}" if len(self.specs[whole].shape) == 1 else f"{whole}.reshape(-1)"
            text = f"{flat}[{at}:{at + prod(spec.shape)}]" + (f".reshape({spec.shape})" if len(spec.shape) != 1 else "")
        else:
            how = "" if strides is None or strides == contiguous(spec) else f", 0, {strides}"
            text = f"ndarray({spec.shape}, {spec.dtype.str!r}, b[{self.place[v]}]{how})"
        return [*before, f"{v} = {text}"]

    def _home(self, m: Var) -> Var:
        while m in self.inside:
            m = self.inside[m][0]
        return m

    def _end(self, m: Var, life: tuple[int, int]) -> tuple[int, int]:
        """When a buffer is free: after the equation that last reads it, or in it, if its result may take the place."""
        first, last = life
        if first < last < len(self.program.equations):
            eq = self.program.equations[last]
            alike = self.specs[eq.out] == self.specs[m] and self.layouts[eq.out] == self.layouts[m]
            reads = [v for v in eq.vars() if m in self.holds.get(v, ())]
            if alike and all(v == m and v in self.over.get(eq.out, ()) for v in reads):
                return first, last
        return first, last + 1
