"""Networks of all kinds for the tests of what is shown of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.topology import Cluster, Connector

recurrent = Network(
    [Cluster("x", 2), Cluster("h", 3, "tanh"), Cluster("y", 1)],
    [
        Connector("x", "h"),
        Connector("h", "h", delay=1),
        Connector("one", "h"),
        Connector("h", "y"),
        Connector("one", "y"),
    ],
)

several = Network(
    [
        Cluster("age", 1),
        Cluster("picture", 20),
        Cluster("a", 3, "relu"),
        Cluster("b", 3, "gauss"),
        Cluster("kind", 4),
        Cluster("value", 1, "softplus"),
    ],
    [
        Connector("age", "a"),
        Connector("picture", "a"),
        Connector("picture", "b"),
        Connector("age", "b"),
        Connector("a", "kind", "V"),
        Connector("b", "kind", "V"),
        Connector("b", "value"),
        Connector("age", "value"),
        Connector("one", "kind"),
        Connector("one", "value"),
        Connector("a", "value", "closed", blocked=True),
    ],
)

KINDS: dict[str, Network] = {
    "layers": MLP([2, 8, 1]),
    "wide": MLP([784, 512, 10], output="logistic"),
    "unrolled": recurrent.unrolled(4),
    "unrolled, last output": recurrent.unrolled(3, "last"),
    "several inputs and outputs": several,
    "skips": Network(
        [Cluster("x", 2), Cluster("h", 3, "tanh"), Cluster("g", 30, "gelu"), Cluster("y", 1)],
        [
            Connector("x", "h"),
            Connector("x", "y"),
            Connector("x", "g", blocked=True),
            Connector("one", "h"),
            Connector("h", "y"),
            Connector("h", "g"),
            Connector("g", "y"),
            Connector("one", "y", blocked=True),
        ],
    ),
    "all that can be connected": Network(
        [Cluster("x", 3), Cluster("a", 3, "tanh"), Cluster("b", 4, "relu"), Cluster("c", 2, "sin"), Cluster("y", 2)],
        [Connector(s, t) for i, s in enumerate("xabcy") for t in "xabcy"[i + 1 :]]
        + [Connector("one", t) for t in "abcy"],
        outputs=["b", "y"],
    ),
    "feedback, unrolled": Network(
        [Cluster("x", 2), Cluster("h", 3, "sin"), Cluster("y", 1)],
        [Connector("x", "h"), Connector("h", "h", delay=2), Connector("y", "h", delay=1), Connector("h", "y")],
    ).unrolled(4),
}


def problem(net: Network, seed: int, patterns: int = 4) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Inputs by cluster, targets by cluster (probabilities, so that they suit all losses), and parameters."""
    rng = np.random.default_rng(seed)
    x = {name: rng.normal(size=(patterns, net.topology[name].n)) for name in net.topology.inputs}
    target = {name: rng.uniform(size=(patterns, net.topology[name].n)) for name in net.topology.outputs}
    return x, target, {name: 0.7 * rng.normal(size=a.shape) for name, a in net.parameters.items()}


def given_to(net: Network, parts: dict[str, Any]) -> Any:
    """Parts by cluster as a network takes them: the array itself where there is one."""
    return next(iter(parts.values())) if len(parts) == 1 else parts
