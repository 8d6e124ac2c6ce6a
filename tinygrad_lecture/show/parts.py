"""The parts of a network, clusters or neurons, with what flowed through them; as data and as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDE, NAMED = 100, (0, 5, 7)
"""The widest that the table gets, and which of its columns hold names."""


@dataclass(frozen=True, slots=True)
class Use:
    """Weights where they are used: the error from above meets what their sender put out, Δw = −η δ out.

    weights: "W1", of one weight "W1[j,i]" as NumPy counts; source: the cluster or neuron they come from; w, out: their
    value, and what the source put out, 1 for a bias; dw: what this use adds to Δw. Arrays for clusters, where dw is the
    mean over the patterns; numbers for neurons.
    """

    weights: str
    source: str
    w: Any
    out: Any
    dw: Any


@dataclass(frozen=True, slots=True)
class Part:
    """A cluster, or one neuron at one pattern: what flowed up through it, and what flowed down.

    name: "hid", of a neuron "hid[0]"; net_input, out: in_j and out_j = f(in_j); err, delta: the error that arrived at
    out_j, and δ_j = f'(in_j) err_j, of inputs err alone; uses: the weights that lead to it. Arrays (T, n) for clusters,
    numbers for neurons, None for what there is not: no error arrives where nothing leads to E, and none is computed
    where nothing could learn from it.
    """

    name: str
    net_input: Any
    out: Any
    err: Any
    delta: Any
    uses: tuple[Use, ...]


@dataclass(frozen=True)
class Parts:
    """Clusters or neurons from the outputs down to the inputs; prints as a table, `parts[name]` is one of them.

    parts: in this order; head: what stands above the table; foot: what stands below.
    """

    parts: tuple[Part, ...]
    head: str
    foot: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Part:
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(f"there is no {name!r} here; there are {', '.join(p.name for p in self.parts)}")

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def __str__(self) -> str:
        """A row for each part, and one for each of its weights; at most 100 columns wide."""
        kind = "cluster" if np.ndim(self.parts[0].out) else "neuron"
        rows: list[tuple[str, ...]] = [(kind, "in ↑", "out ↑", "err ↓", "δ ↓", "weight", "w", "from", "its out", "Δw")]
        for p in self.parts:
            own = (_sized(p.name, np.shape(p.out)[1:]), *(number(v) for v in (p.net_input, p.out, p.err, p.delta)))
            uses = [
                (_sized(u.weights, np.shape(u.w)), number(u.w), u.source, number(u.out), number(u.dw)) for u in p.uses
            ]
            rows += [((own if i == 0 else ("",) * 5) + use) for i, use in enumerate(uses or [("",) * 5])]
        widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
        rest = WIDE - 2 * (len(widths) - 1) - sum(w for c, w in enumerate(widths) if c not in NAMED)
        widths = [min(w, rest // len(NAMED)) if c in NAMED else w for c, w in enumerate(widths)]
        lines = [
            "  ".join(
                _cut(cell, w).ljust(w) if c in NAMED else cell.rjust(w)
                for c, (cell, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        lines.insert(1, "  ".join("─" * w for w in widths))
        return "\n".join([self.head, *lines, *self.foot])


def number(v: Any) -> str:
    """A number in a cell, in at most 8 characters; of an array the root of its mean square."""
    if v is None:
        return ""
    x = (float(np.sqrt(np.mean(np.square(v, dtype=float)))) if np.ndim(v) else float(v)) + 0.0  # no −0
    if x == 0 or 1e-3 <= abs(x) < 99:
        return f"{x:.4f}"
    text = f"{x:.6g}" if 99 <= abs(x) < 1e5 else f"{x:.1e}"
    return text if len(text) <= 8 else f"{x:.0e}"


def _sized(name: str, shape: tuple[int, ...]) -> str:
    """A name with the lengths of its axes, if it has any."""
    return f"{name} {'×'.join(map(str, shape))}" if shape else name


def _cut(text: str, width: int) -> str:
    """A name that fits, with its index or shape."""
    if len(text) <= width:
        return text
    end = re.search(r"((\[[^\[]*\])+| \S*)?$", text)
    kept = end.group() if end and len(end.group()) < width - 1 else ""
    return f"{text[: width - len(kept) - 1]}…{kept}"
