"""What is the matter where a gradient check does not hold, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.tensor import Tensor

CAUSES = {
    "kink": "kink nearby: the slopes on both sides differ; take arguments away from it",
    "jump": "jump: f itself jumps here; take arguments away from it",
    "not finite": "not finite: the gradient is infinite or NaN here",
    "value": "not finite: f itself is infinite or NaN here; take arguments where it is finite",
    "argument": "the argument is infinite or NaN: nothing can be compared there",
    "direction": "wrong gradient along a random direction over all elements",
    "unclear": "the differences do not settle: noise, or detail that is finer than their steps",
    "rounding": "step too small for the dtype: the rounding of f hides what such a step changes; "
    "compute in float64, or leave out what is large and constant",
}
"""What a derivative that could not be confirmed has met → what it means, and the way out."""


def wrong(automatic: float, numeric: float) -> str:
    """In which way a derivative is wrong."""
    if automatic == 0.0:
        return "wrong gradient: it is 0"
    if numeric == 0.0:
        return "wrong gradient: it should be 0"
    factor = automatic / numeric
    if abs(factor + 1.0) < 1e-6:
        return "wrong gradient: its sign"
    if abs(factor - 1.0) < 1e-5:
        return f"wrong gradient: off by {abs(factor - 1.0):.0e} of itself"
    return f"wrong gradient: off by a factor of {factor:.5g}"


@dataclass(frozen=True, slots=True)
class Steps:
    """What the steps of a function show: the coarsest rounding among them, and shapes that were silently broadcast."""

    eps: float
    broadcasts: tuple[str, ...]


def steps_of(y: Any) -> Steps:
    """What the graph below a function's result shows.

    An elementwise step of (T,) with (T, 1) makes (T, T) of what was most often meant to be T pairs.
    """
    eps, found = float(np.finfo(float).eps), []
    waiting, seen = [y] if type(y) is Tensor else [], set()
    while waiting:
        n = waiting.pop()
        if n.stamp in seen:
            continue
        seen.add(n.stamp)
        if n.dtype.kind == "f":
            eps = max(eps, float(np.finfo(n.dtype).eps))
        shapes = {np.shape(x) for x in n.inputs}
        vectors = {s for s in shapes if len(s) == 1 and s[0] > 1}
        if n.op is not None and n.op.slopes is not None and any((*s, 1) in shapes for s in vectors):
            named = " with ".join(map(str, (np.shape(x) for x in n.inputs)))
            found.append(
                f"shape silently broadcast: {n.op.name} of {named} gives {n.shape}; where that is meant, "
                "write a[None, :] for the vector"
            )
        waiting += [x for x in n.inputs if type(x) is Tensor]
    return Steps(eps, tuple(dict.fromkeys(reversed(found))))
