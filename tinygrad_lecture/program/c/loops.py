"""Nested loops over arrays with strides, as C text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .plan import View


@dataclass(frozen=True, slots=True)
class Nest:
    """Loops over a shape that several views share: axes that can be run through in one go are merged.

    lengths: of each loop, outermost first; strides: of each view in each loop; opening, closing: the C text around
    the body, in which `at(k)` is the place of view k's element.
    """

    lengths: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    views: tuple[View, ...]

    def opening(self, simd: str = "") -> list[str]:
        """`for` lines; simd: a pragma for the innermost, where it has more than one element."""
        lines = []
        for axis, n in enumerate(self.lengths):
            if axis == len(self.lengths) - 1 and simd:
                lines.append(simd)
            lines.append(f"for (int64_t i{axis} = 0; i{axis} < {n}; i{axis}++) {{")
        return lines

    def closing(self) -> list[str]:
        """The brackets that end the loops."""
        return ["}" * len(self.lengths)] if self.lengths else []

    def at(self, k: int) -> str:
        """The place of the element of view k, as an index in C."""
        parts = [f"{s} * i{axis}" if s != 1 else f"i{axis}" for axis, s in enumerate(self.strides[k]) if s]
        if self.views[k].offset or not parts:
            parts.insert(0, str(self.views[k].offset))
        return " + ".join(parts)


def nest(shape: Sequence[int], views: Sequence[View]) -> Nest:
    """Loops over a shape; views are broadcast to it."""
    full = [broadcast(v, tuple(shape)) for v in views]
    lengths: list[int] = []
    strides: list[list[int]] = []  # for each loop, that of each view
    for axis, n in enumerate(shape):
        steps = [v.strides[axis] for v in full]
        if n == 1:
            continue
        if lengths and all(a == b * n for a, b in zip(strides[-1], steps, strict=True)):
            lengths[-1] *= n
            strides[-1] = steps
        else:
            lengths.append(n)
            strides.append(steps)
    per_view = tuple(tuple(s[k] for s in strides) for k in range(len(full)))
    return Nest(tuple(lengths), per_view, tuple(full))


def broadcast(v: View, shape: tuple[int, ...]) -> View:
    """The view stretched to a shape: stride 0 along axes that it does not have."""
    lead = len(shape) - len(v.shape)
    strides = (0,) * lead + tuple(0 if n == 1 else s for n, s in zip(v.shape, v.strides, strict=True))
    return View(v.base, v.offset, shape, strides)


def count(shape: Sequence[int]) -> int:
    """The number of elements."""
    return int(np.prod(shape, dtype=int))
