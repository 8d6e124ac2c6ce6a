"""The local algorithm of a network: its steps in order, each with what it reads, what it writes, and its formula.

    in_j = Σ_i W_ji out_i + b_j,  out_j = f(in_j)                       upwards, from the inputs
    err_j = ∂E_t/∂out_j + Σ_k W_kjᵀ δ_k,  δ_j = f'(in_j) ⊙ err_j       downwards, from the outputs
    ∂W_ji = 1/T Σ_t δ_j out_iᵀ,  ΔW_ji = −η ∂W_ji                       at each connector, the two that meet there

Patterns lie along the leading axis in the NumPy code: in_j, out_j, err_j and δ_j are (T, n); the formulas are those of
one pattern, with columns. A step sees only what its neighbours wrote: `Algorithm.run` hands it nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .functions import loss_of
from .steps import Builder, Step


@dataclass(frozen=True)
class Algorithm:
    """The local steps of one network and one loss in an order in which they can be taken.

    Prints as a numbered table, whose last column is a program in NumPy.
    steps: the steps; given: the names that it starts from; identifiers: what each name is called in code; inputs,
    outputs: cluster → its number of neurons; shapes: of all weights, in the order of the network; idle: weights that no
    error arrives at, since their connectors are blocked or lead to no output: their gradient is 0;
    activations, loss: the names of the functions in it. Source: C3, C4.
    """

    steps: tuple[Step, ...]
    given: tuple[str, ...]
    identifiers: Mapping[str, str]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]
    idle: tuple[str, ...]
    activations: tuple[str, ...]
    loss: str

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def run(self, x: Any, target: Any, eta: float, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Every quantity by name, from taking the steps one after the other with NumPy alone.

        x, target: (T, n) where the network has one input and one output, a dict cluster → (T, n) for several, or
        (T, steps, n) for one unrolled over time; for cross-entropy also class numbers (T,). eta: the learning rate η;
        parameters: arrays under the names of the weights. Each step is evaluated where only NumPy and what it reads
        have a name. Raises ValueError for inputs, targets or parameters that are missing or do not fit. Source: C3, C4.
        """
        known = self._parameters(parameters)
        data = {f"out_{name}": a for name, a in _by_cluster(x, self.inputs, "x").items()}
        classes = loss_of(self.loss).classes
        data |= {f"tar_{name}": a for name, a in _by_cluster(target, self.outputs, "target", classes).items()}
        lengths = {len(a) for a in data.values()}
        if len(lengths) != 1 or lengths == {0}:
            raise ValueError(
                f"inputs and targets must be of one number of patterns, at least 1, not of {sorted(lengths)}"
            )
        known |= data | {"T": lengths.pop(), "η": eta}
        for step in self.steps:
            seen = {self.identifiers[name]: known[name] for name in step.reads}
            # exp and cosh may reach infinity where the function itself has reached its limit
            with np.errstate(over="ignore"):
                known[step.writes] = eval(step.value.code, {"__builtins__": {}, "np": np}, seen)
        return known

    def _parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        for name, shape in self.shapes.items():
            if name not in parameters:
                raise ValueError(f"parameters lack {name}; this algorithm has {', '.join(self.shapes)}")
            if np.shape(parameters[name]) != shape:
                raise ValueError(f"{name} has shape {np.shape(parameters[name])}, this algorithm needs {shape}")
        return {name: np.asarray(parameters[name]) for name in self.shapes}

    def __str__(self) -> str:
        """The table: a row for each step, uncut, since its last column can be run."""
        rows = [("", "at", "formula", "reads", "NumPy")]
        begins: dict[int, str] = {}
        for step in self.steps:
            if step.phase not in begins.values():
                begins[len(rows)] = step.phase
            rows.append((str(step.number), step.at, step.text, ", ".join(step.reads), step.code))
        widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
        lines = [f"given: {', '.join(self.given)}"]
        for i, row in enumerate(rows):
            if i in begins:
                lines.append(f"{'─' * widths[0]}  {begins[i]}")
            number = row[0].rjust(widths[0])
            rest = (cell.ljust(w) for cell, w in zip(row[1:], widths[1:], strict=True))
            lines.append("  ".join((number, *rest)).rstrip())
        return "\n".join([*lines, *([f"no error arrives at: {', '.join(self.idle)}"] if self.idle else [])])


def algorithm(net: Any, loss: str = "squared_error") -> Algorithm:
    """The local algorithm of a network: what happens where, in which order, and what each step needs to know.

    net: a Network; loss: the name of the error that it lowers; that of several outputs is the sum of theirs.
    Blocked connectors take no part. Raises ValueError for a loss or activation without a formula, for a connector with
    a delay (unroll the net first), and for weights that are called like another quantity. Source: C3, C4.
    """
    topology = net.topology
    for c in topology.connectors:
        if c.delay and not c.blocked:
            raise ValueError(f"connector {c} looks back in time: unroll the net first, net.unrolled(steps)")
    builder = Builder(topology, loss_of(loss), _outputs_in_one(net))
    parts = [*builder.forward(), builder.error(), *builder.backward(), *builder.gradients(), *builder.updates()]
    steps = tuple(Step(i, *part) for i, part in enumerate(parts, 1))
    written = {step.writes for step in steps}
    given = dict.fromkeys(name for step in steps for name in step.reads if name not in written)
    return Algorithm(
        steps=steps,
        given=tuple(given),
        identifiers=builder.names.identifiers(),
        inputs={name: topology[name].n for name in topology.inputs},
        outputs={name: topology[name].n for name in topology.outputs},
        shapes=dict(topology.shapes),
        idle=tuple(name for name in topology.shapes if name not in builder.uses),
        activations=tuple(dict.fromkeys(c.activation for c in topology.clusters if c.name not in topology.inputs)),
        loss=loss,
    )


def _outputs_in_one(net: Any) -> int:
    """How many output clusters the network gives as one array: all of its time steps, where it stacks them."""
    return len(net.topology.outputs) if getattr(net, "stacks", False) else 1


def _by_cluster(given: Any, sizes: Mapping[str, int], what: str, classes: bool = False) -> dict[str, Any]:
    """What the user gave, by cluster, each (T, n); class numbers (T,) become rows of the identity."""
    names = list(sizes)
    if isinstance(given, Mapping):
        parts = {name: np.asarray(a) for name, a in given.items()}
    elif len(names) == 1:
        parts = {names[0]: np.asarray(given)}
    elif np.ndim(given) == 3 and np.shape(given)[1] == len(names):
        parts = {name: np.asarray(given)[:, i] for i, name in enumerate(names)}
    else:
        raise ValueError(f"{what}: there are several clusters: give a dict with {', '.join(names)}")
    if set(parts) != set(names):
        raise ValueError(f"{what}: {', '.join(map(str, parts))} were given, needed are {', '.join(names)}")
    for name, a in parts.items():
        n = sizes[name]
        if classes and a.ndim == 1 and a.dtype.kind in "iu":
            parts[name] = np.eye(n)[a]
        elif a.ndim != 2 or a.shape[1] != n:
            raise ValueError(f"{what} has shape {a.shape} for the cluster {name!r}; it must be (T, {n})")
    return parts
