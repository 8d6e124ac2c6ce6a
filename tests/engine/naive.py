"""A naive engine: each value carries all its derivatives forward. Slow, short, and of no common code with ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass(eq=False)
class Leaf:
    """Numbers that may be written anew; `version` counts how often."""

    values: np.ndarray
    needs: bool
    version: int = 0
    grad: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Naive:
    """Values, their derivatives by each leaf (values.size × leaf.size), and the leaves they read, with versions."""

    values: np.ndarray
    by: dict[Leaf, np.ndarray] = field(default_factory=dict)
    read: frozenset[tuple[Leaf, int]] = frozenset()


def of_leaf(leaf: Leaf) -> Naive:
    """A leaf as an input, as it is now."""
    return Naive(leaf.values, {leaf: np.eye(leaf.values.size)} if leaf.needs else {}, frozenset([(leaf, leaf.version)]))


def step(f: Callable[..., np.ndarray], xs: list[Naive], records: bool) -> Naive:
    """f of some values: its derivatives are what f makes of small imaginary changes, one number at a time."""
    values = f(*[x.values for x in xs])
    if not records or not any(x.by for x in xs):
        return Naive(values)
    by: dict[Leaf, np.ndarray] = {}
    for k, x in enumerate(xs):
        columns = []
        for i in range(x.values.size):
            moved = [np.array(y.values, complex) for y in xs]
            moved[k].flat[i] += 1e-30j
            columns.append(np.ravel(f(*moved)).imag / 1e-30)
        for leaf, inner in x.by.items():
            by[leaf] = by.get(leaf, 0.0) + np.transpose(columns) @ inner
    return Naive(values, by, frozenset().union(*(x.read for x in xs)))


def backward(y: Naive, err: np.ndarray) -> None:
    """Add errᵀ dy/dleaf into the gradient of each leaf; KeyError if one that y read was written since."""
    if any(leaf.version != version for leaf, version in y.read):
        raise KeyError("a leaf was written")
    for leaf, d in y.by.items():
        part = (np.ravel(err) @ d).reshape(leaf.values.shape)
        leaf.grad = part if leaf.grad is None else leaf.grad + part
