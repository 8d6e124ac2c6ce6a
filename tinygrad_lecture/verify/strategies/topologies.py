"""Networks of any topology, and problems for them: weights, inputs and targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...nn.activations import ACTIVATIONS
from ...nn.network import Network
from ...nn.topology import ONE, Cluster, Connector

Arrays = dict[str, np.ndarray]

KINKED = ("relu", "leaky_relu")
"""The activations that have a kink."""


@st.composite
def networks(draw: st.DrawFn, most: int = 4, smooth: bool = False, blocked: bool = True) -> Network:
    """Feed-forward networks: skips, shared weights, biases, blocked connectors, several inputs and outputs.

    most: neurons of a cluster; smooth: without activations that have a kink; blocked: whether some connectors are.
    Their clusters and connectors stand in any order. Source: C4, C5.

    >>> networks(most=2, smooth=True)
    networks(most=2, smooth=True)
    """
    n_inputs, n_others = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    sizes = st.integers(1, most)
    activations = [name for name in ACTIVATIONS if not (smooth and name in KINKED)]
    clusters = [Cluster(f"x{i}", draw(sizes)) for i in range(n_inputs)]
    connectors: list[Connector] = []
    for j in range(n_others):
        new = Cluster(f"c{j}", draw(sizes), draw(st.sampled_from(activations)))
        names = [c.name for c in reversed(clusters)]
        for source in draw(st.lists(st.sampled_from([*names, ONE]), min_size=1, max_size=4)):
            n = 0 if source == ONE else next(c.n for c in clusters if c.name == source)
            shared = f"V{new.n}_{n}" if draw(st.booleans()) else ""
            connectors.append(Connector(source, new.name, shared, blocked and draw(st.integers(0, 6)) == 6))
        clusters.append(new)
    taken = {c.source for c in connectors}
    ends = [c.name for c in clusters[n_inputs:] if c.name not in taken]
    also = draw(st.sampled_from([c.name for c in clusters[n_inputs:]]))  # an output may feed others
    return Network(
        draw(st.permutations(clusters)),
        draw(st.permutations(connectors)),
        inputs=[c.name for c in clusters[:n_inputs]],
        outputs=list(dict.fromkeys([*ends, also])),
    )


@dataclass(frozen=True)
class Problem:
    """A network with all that a loss needs.

    net: the network; parameters: weights for it by name; inputs, targets: those of some patterns, by cluster. Targets
    lie in 0 … 1, so that they suit every loss. Source: C4.
    """

    net: Network
    parameters: Arrays
    inputs: Arrays
    targets: Arrays

    def plain(self) -> tuple[Any, ...]:
        """The same as the tuples and dicts that `verify.deltas_any.by_clusters` takes: without blocked connectors."""
        topology = self.net.topology
        return (
            {c.name: (c.n, c.activation) for c in topology.clusters},
            [(c.source, c.target, c.weights) for c in topology.connectors if not c.blocked],
            self.parameters,
            self.inputs,
            self.targets,
        )

    def outputs(self, parameters: Any = None) -> dict[str, Any]:
        """The net's outputs by cluster, also where there is one only; parameters: by default those of the net."""
        names = self.net.topology.outputs
        out = self.net(self.inputs, parameters)
        return out if len(names) > 1 else {names[0]: out}

    def __repr__(self) -> str:
        topology = self.net.topology
        data = "\n".join(f"{name}: {values}" for name, values in vars(self).items() if name != "net")
        return "\n".join(["Problem", *map(str, topology.clusters), *map(str, topology.connectors), data])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # as hypothesis shows what failed


@st.composite
def problems(draw: st.DrawFn, nets: st.SearchStrategy[Network] | None = None, patterns: int = 6) -> Problem:
    """A network with weights of any scale, inputs and targets.

    nets: a strategy for the network, by default `networks()`; patterns: how many at most. The numbers come from a
    Generator with a drawn seed. Source: C4.

    >>> problems(networks(most=2), patterns=1)
    problems(nets=networks(most=2), patterns=1)
    """
    net = draw(networks() if nets is None else nets)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    scale = draw(st.sampled_from([1.0, 0.3, 3.0]), label="scale")
    n_patterns = draw(st.integers(1, patterns), label="patterns")
    topology = net.topology
    return Problem(
        net,
        {name: scale * rng.normal(size=shape) for name, shape in topology.shapes.items()},
        {name: rng.normal(size=(n_patterns, topology[name].n)) for name in topology.inputs},
        {name: rng.uniform(size=(n_patterns, topology[name].n)) for name in topology.outputs},
    )
