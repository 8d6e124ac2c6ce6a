"""The error flow as data and as a table: what each node kept, what arrived, what it handed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..engine.tensor import GETITEM, Tensor
from ..engine.values import Array
from ..engine.walk import arriving, errors_at_ends, promoted
from .formula import formula

if TYPE_CHECKING:
    from .flow import Flow


@dataclass(frozen=True, slots=True)
class Handed:
    """What a node handed on to one of its inputs.

    to: the input's name; rule: its slope or rule as text; slope: the slope's value, None where a rule is used; err: the
    error that was handed on, of the input's shape.
    """

    to: str
    rule: str
    slope: Array | None
    err: Array


@dataclass(frozen=True, slots=True)
class Step:
    """One node of a trace: how its value came about, and what became of the error that arrived.

    name: as in the table; forward: the operation with its inputs by name, "leaf" for a leaf; value: what it
    computed; inputs: the values it kept; err: the error that arrived, for a leaf its gradient; handed: what it
    handed on, one for each input that wanted an error.
    """

    name: str
    forward: str
    value: Array
    inputs: tuple[Array, ...]
    err: Array
    handed: tuple[Handed, ...]


@dataclass(frozen=True)
class Trace:
    """The flow of error from one Tensor back to the leaves, node by node, the youngest first.

    Prints as a table; `trace[t]` is the step of a Tensor or of a name.
    """

    steps: tuple[Step, ...]
    names: dict[int, str]

    def __getitem__(self, node: Tensor | str) -> Step:
        name = node if isinstance(node, str) else self.names.get(node.stamp)
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(
            f"no error flows through {name or 'that Tensor'} here; there are {', '.join(s.name for s in self.steps)}"
        )

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Any:
        return iter(self.steps)

    def __str__(self) -> str:
        """A row for each node, from the output down to the leaves, and one for each input it hands an error to."""
        rows = [("node", "forward ↑", "value", "error ↓", "local rule", "hands on")]
        for step in self.steps:
            lines = [(f"{_text(h.err)} → {h.to}", _rule(h)) for h in step.handed] or [("", "")]
            for i, (handed, rule) in enumerate(lines):
                own = (step.name, step.forward, _text(step.value), _text(step.err)) if i == 0 else ("",) * 4
                rows.append((*own, rule, handed))
        widths = [min(max(len(row[c]) for row in rows), LIMITS[c]) for c in range(len(LIMITS))]
        lines_of_table = [
            "  ".join(_cut(cell, w).ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        lines_of_table.insert(1, "  ".join("─" * w for w in widths))
        return "\n".join(lines_of_table)


LIMITS = (8, 17, 13, 14, 18, 20)
"""The widest that each column of the table gets."""


@overload
def trace(y: Tensor, /, err: Any = None, **names: Tensor) -> Trace: ...
@overload
def trace(y: Any, /, x: Any = ..., target: Any = ..., *, loss: Any = "squared_error", eta: float = 1.0) -> Flow: ...
def trace(y: Any, /, *given: Any, **named: Any) -> Any:
    """The flow of error from y back to the leaves: what each node kept, what arrived, its rule, what it hands on.

    `trace(y, err=None, **names)` of a Tensor y that requires a gradient. err: the error that arrives at it, of its
    shape, 1 for a scalar; names: what to call some of the nodes, as in trace(E, w=w, x=x); the others are v1, v2, … in
    the order they were made. Prints as a table, the output first, since the error comes from above.

    `trace(y, x, target, loss="squared_error", eta=1.0)` of a network y, for patterns x (T, n) and their targets:
    in, out, err, δ and Δw of each neuron where the net is small, of each cluster where it is not (see `show.flow`).

    Nothing is added to any `grad`. Raises what `Tensor.backward` raises, and what calling the network does.
    Source: C2, C3, the error that "flies" through the net.

    >>> w = Tensor(0.5, requires_grad=True)
    >>> print(trace(w * 3.0, w=w))
    node  forward ↑       value  error ↓  local rule  hands on
    ────  ──────────────  ─────  ───────  ──────────  ────────
    v1    multiply(w, 3)  1.5    1        err ⊙ 3     3 → w
    w     leaf            0.5    3
    """
    if type(y) is not Tensor and hasattr(y, "topology"):
        from .flow import flow  # which is made of the traces below

        return flow(y, *given, **named)
    return _of_tensor(y, *given, **named)


def _of_tensor(y: Tensor, /, err: Any = None, **names: Tensor) -> Trace:
    if type(y) is not Tensor:
        raise TypeError(
            f"trace needs a Tensor or a network, not a {type(y).__name__}: "
            "make one with tl.Tensor(values, requires_grad=True)"
        )
    if not y.needs:
        raise TypeError("trace: this Tensor depends on none that requires a gradient, so that no error flows back")
    for name, t in names.items():
        if type(t) is not Tensor:
            raise TypeError(f"trace: {name}= names a Tensor of the graph, and this is a {type(t).__name__}")
    return walked(y, err, names)


def walked(y: Tensor, err: Any, names: dict[str, Tensor]) -> Trace:
    """The trace of a walk that starts at y, where err arrives; names: what to call some of the nodes."""
    start = _value(arriving(y, err))
    nodes: dict[int, Tensor] = {y.stamp: y}
    arrived: dict[int, Array] = {y.stamp: start}
    handed: dict[int, list[tuple[int, Array]]] = {}

    def watch(n: Tensor, k: int, err: Array, e: Array) -> None:
        nodes[n.stamp] = n
        arrived[n.stamp] = err
        handed.setdefault(n.stamp, []).append((k, e))

    ends, _ = errors_at_ends([(y, start)], watch=watch)
    for x, e in ends:
        nodes[x.stamp] = x
        arrived[x.stamp] = e
    called = _called(nodes, names)
    steps = [
        _step(nodes[stamp], arrived[stamp], handed.get(stamp, []), called) for stamp in sorted(arrived, reverse=True)
    ]
    return Trace(tuple(steps), called)


def _called(nodes: dict[int, Tensor], names: dict[str, Tensor]) -> dict[int, str]:
    """A name for every node: the given one, else v and a number, the oldest first."""
    called = {t.stamp: name for name, t in names.items()}
    free = (f"v{i}" for i in range(1, len(nodes) + len(names) + 1) if f"v{i}" not in names)
    for stamp in sorted(nodes):
        if stamp not in called:
            called[stamp] = next(free)
    return called


def _step(n: Tensor, err: Array, handed: list[tuple[int, Array]], called: dict[int, str]) -> Step:
    name, values = called[n.stamp], tuple(_value(x) for x in n.inputs)
    if n.op is None or not n.inputs:
        return Step(name, "leaf", _value(n), (), err, ())
    inputs = [_name(x, called) for x in n.inputs]
    given = inputs + [f"{k}={_option(v)}" for k, v in n.options.items()]
    forward = f"{n.op.name}({', '.join(given)})"
    if n.op is GETITEM:
        forward = f"{inputs[0]}[{', '.join(_option(part) for part in n.options['index']) or '()'}]"
    parts = []
    for k, e in handed:
        slope = None
        if n.op.slopes is not None:
            s: Any = n.op.slopes[k]
            with np.errstate(all="ignore"):
                at = promoted(list(values), _value(n)) if n.op.promotes else values
                slope = s if type(s) is float else s(_value(n), *at, **n.options)
        parts.append(Handed(inputs[k], formula(n.op, k, name, inputs), slope, e))
    return Step(name, forward, _value(n), values, err, tuple(parts))


def _value(x: Any) -> Any:
    return x._data if type(x) is Tensor else x


def _name(x: Any, called: dict[int, str]) -> str:
    name = called.get(x.stamp) if type(x) is Tensor else None
    return name or _option(_value(x))


def _option(v: Any) -> str:
    """A value among the arguments of an operation: a number, a part of an index, the shape of an array."""
    if isinstance(v, np.ndarray) and v.ndim:
        return f"array {_shape(v)}"
    if isinstance(v, slice):
        ends = ":".join("" if part is None else str(part) for part in (v.start, v.stop, v.step))
        return ends[:-1] if v.step is None else ends
    if isinstance(v, tuple) and any(isinstance(part, slice | np.ndarray) or part is Ellipsis for part in v):
        return ", ".join(_option(part) for part in v)
    if v is Ellipsis:
        return "..."
    return f"{v:.6g}" if isinstance(v, float | np.floating) else str(v)


def _rule(h: Handed) -> str:
    """A local rule in a cell, with the value of its slope where that is one number."""
    if h.slope is None or type(h.slope) is float or np.size(h.slope) != 1:
        return h.rule
    with_value = f"{h.rule} = err · {np.asarray(h.slope).item():.4g}"
    return with_value if len(with_value) <= LIMITS[4] else h.rule


def _text(a: Any) -> str:
    """A value in a cell: its numbers where they are few, else its shape and the root of its mean square."""
    values: np.ndarray = np.asarray(a)
    if values.size <= 2 or values.ndim == 0:
        numbers = ", ".join(f"{v:.4g}" for v in values.ravel().tolist())
        return "[" * values.ndim + numbers + "]" * values.ndim
    return f"{_shape(values)} rms {float(np.sqrt(np.mean(np.square(values, dtype=float)))):.2g}"


def _shape(a: np.ndarray) -> str:
    return "×".join(map(str, a.shape))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
