"""Which rungs of the ladder each operation has reached, read from the tables that its tests go through."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import tinygrad_lecture as tl
from tests.cases import CASES, title
from tests.cases.exact import EXACT
from tests.cases.totals import TOTALS
from tinygrad_lecture.engine.op import OPS
from tinygrad_lecture.verify import deltas
from tinygrad_lecture.verify.dual_composed import COMPOSED
from tinygrad_lecture.verify.dual_table import LINEAR, MULTILINEAR, SLOPES

RUNGS = {
    0: "δ formulas by hand",
    3: "differences, extrapolated",
    4: "complex step",
    5: "forward mode",
    6: "60 digits of mpmath",
}
"""Number of a rung in the ladder → its oracle; 1 and 2, plain differences, are what 3 extrapolates."""

FORWARD = {*SLOPES, *LINEAR, *MULTILINEAR, *COMPOSED}
BY_THEMSELVES = {"np.linalg.det": "tests/rules/test_systems.py"}
"""Operations whose comparison with mpmath has no table → where it stands."""


def reached(name: str) -> dict[int, str]:
    """Rung → the orders of derivative that an operation's tests compare there."""
    bare = name.rsplit(".", 1)[-1]
    rungs = {3: "2" if CASES[name].complex else "1, 2"}
    if name in in_networks():
        rungs[0] = "1"
    if CASES[name].complex:
        rungs[4] = "1"
    if bare in FORWARD or name == "**":
        rungs[5] = "1"
    if name in EXACT:
        rungs[6] = "1, 2, 3" if any(e.smooth for e in EXACT[name]) else "1"
    elif name in TOTALS or name in BY_THEMSELVES:
        rungs[6] = "1"
    return rungs


@cache
def in_networks() -> set[str]:
    """What the networks are made of whose gradients are compared with the δ formulas by hand."""
    titles = {id(op): title(fn) for fn, op in OPS.items()}
    found: set[str] = set()
    for activation in deltas.F:
        net = tl.MLP([2, 2, 1], activation, rng=0)
        todo: list[Any] = [tl.squared_error(net(np.ones((3, 2)), net.leaves), np.ones((3, 1)))]
        while todo:
            node = todo.pop()
            if isinstance(node, tl.Tensor) and node.op is not None:
                found.add(titles[id(node.op)])
                todo += node.inputs
    return found
