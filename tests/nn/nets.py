"""Networks drawn at random: skips, shared weights, several inputs and outputs, biases, blocked connectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_lecture.nn.activations import ACTIVATIONS
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.topology import ONE, Cluster, Connector

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """A network, values for its weights, inputs by cluster, and targets for each output."""

    net: Network
    parameters: Arrays
    inputs: Arrays
    targets: Arrays

    def plain(self) -> tuple[Any, ...]:
        """The same as the tuples and dicts that `by_clusters` takes: without the connectors that are blocked."""
        topology = self.net.topology
        return (
            {c.name: (c.n, c.activation) for c in topology.clusters},
            [(c.source, c.target, c.weights) for c in topology.connectors if not c.blocked],
            self.parameters,
            self.inputs,
            self.targets,
        )

    def outputs(self, parameters: Any = None) -> dict[str, Any]:
        """The net's outputs by cluster, also where there is one only."""
        names = self.net.topology.outputs
        out = self.net(self.inputs, parameters)
        return out if len(names) > 1 else {names[0]: out}


@st.composite
def problems(draw: st.DrawFn, blocked: bool = True) -> Problem:
    """A problem for a network of up to 3 inputs, 6 other clusters, and up to 3 outputs, which may feed others."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    n_inputs, n_others = draw(st.integers(1, 3), label="inputs"), draw(st.integers(1, 6), label="others")
    names = list(ACTIVATIONS)
    sizes = [int(n) for n in rng.integers(1, 4, size=n_inputs + n_others)]
    clusters = [Cluster(f"c{i}", n, str(rng.choice(names))) for i, n in enumerate(sizes)]
    connectors: list[Connector] = []
    shapes: dict[str, tuple[int, ...]] = {}
    for j in range(n_inputs, len(clusters)):
        sources = [ONE] * (rng.random() < 0.5) + [f"c{i}" for i in range(j) if rng.random() < 0.5]
        for source in sources or [f"c{rng.integers(j)}"]:
            shape = (sizes[j],) if source == ONE else (sizes[j], sizes[int(source[1:])])
            alike = [name for name, other in shapes.items() if other == shape]
            name = str(rng.choice(alike)) if alike and rng.random() < 0.5 else f"{'wb'[source == ONE]}{len(shapes)}"
            shapes[name] = shape
            connectors.append(Connector(source, f"c{j}", name, blocked=blocked and rng.random() < 0.15))
    order = [clusters[i] for i in rng.permutation(len(clusters))]  # signals find their way in any order
    inputs = [f"c{i}" for i in range(n_inputs)]
    taken = {c.source for c in connectors}
    outputs = [c.name for c in clusters[n_inputs:] if c.name not in taken or rng.random() < 0.2]
    net = Network(order, [connectors[i] for i in rng.permutation(len(connectors))], inputs=inputs, outputs=outputs)
    scale = draw(st.sampled_from([0.3, 1.0, 3.0]), label="scale")
    n_patterns = draw(st.integers(1, 6), label="patterns")
    return Problem(
        net,
        {name: scale * rng.normal(size=shape) for name, shape in net.topology.shapes.items()},
        {name: rng.normal(size=(n_patterns, net.topology[name].n)) for name in inputs},
        {name: rng.normal(size=(n_patterns, net.topology[name].n)) for name in outputs},
    )
