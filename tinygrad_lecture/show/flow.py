"""The flow of error through a network in the lecture's names: in, out, err, δ and Δw, by cluster and by neuron.

    δ_j = f'(in_j) err_j            Δw_ji = −η δ_j out_i

All numbers come from one walk over the recorded net: err_j is what arrives at the node out_j, δ_j what arrives at in_j.
The network says which nodes these are. E is the mean of E_t over T patterns, so the walk starts with the error T:
what then arrives in the row of pattern t is ∂E_t, as in the lecture's formulas.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.recording import enable_grad
from ..engine.tensor import Tensor
from ..engine.values import Array
from .parts import Part, Parts, Use, number
from .steps import names_of
from .terms import ONE
from .trace import Trace, walked

SMALL, MOST = 40, 1000
"""Up to how many weights in use a net is printed neuron by neuron without being asked, and when asked."""


@dataclass(frozen=True)
class Flow:
    """The flow of error through a network for some patterns.

    Prints neuron by neuron where the net is small and there is one pattern, else cluster by cluster.
    error: E; loss: its name; eta: η; clusters: all of them; updates: weights → ΔW = −η ∂E/∂W, summed over all their
    uses by the walk; nodes: the whole walk, node by node, under the names of the local algorithm (in_j is called out_j
    where f is the identity). Source: C1, C2, C3.
    """

    error: float
    loss: str
    eta: float
    clusters: Parts
    updates: dict[str, Array]
    nodes: Trace

    @property
    def patterns(self) -> int:
        """T, how many patterns there are."""
        return len(self.clusters.parts[0].out)

    @property
    def connections(self) -> int:
        """How many weights there are, each as often as it is used."""
        return sum(np.size(u.w) for part in self.clusters for u in part.uses)

    def neurons(self, pattern: int = 0) -> Parts:
        """The flow at one pattern, neuron by neuron, in numbers.

        pattern: its row in x. Of several patterns Δw is what this one asks for; the net's ΔW is the mean of these.
        Raises IndexError where there is no such pattern, ValueError for a net too large to be read so.
        """
        if not 0 <= pattern < self.patterns:
            raise IndexError(f"there is no pattern {pattern}; there are 0 … {self.patterns - 1}")
        if self.connections > MOST:
            raise ValueError(
                f"this net has {self.connections} weights in use, and at most {MOST} are shown neuron by neuron; "
                "print the trace for its clusters, or read trace.clusters['name']"
            )
        parts = [_neuron(c, j, pattern, self.eta) for c in self.clusters for j in range(c.out.shape[1])]
        head = self.clusters.head
        if self.patterns == 1:
            return Parts(tuple(parts), head, _totals(parts, self.updates))
        return Parts(tuple(parts), f"{head}; pattern {pattern}, whose share of ΔW is Δw / {self.patterns}")

    def __str__(self) -> str:
        if self.patterns == 1 and self.connections <= SMALL:
            return str(self.neurons())
        note = "A cluster's numbers are roots of mean squares over its neurons and all patterns."
        return str(Parts(self.clusters.parts, f"{self.clusters.head}\n{note}"))


def flow(net: Any, x: Any = None, target: Any = None, *, loss: Any = "squared_error", eta: float = 1.0) -> Flow:
    """The flow of error through a network, from E down to the inputs (`tl.trace` of a network).

    x, target: patterns as for calling the net, one a row, and what they should give, a dict where there are several
    outputs; loss: by name; eta: the learning rate η. Raises TypeError where x or target is missing, ValueError for what
    does not fit, for an eta that is no finite number, and where nothing leads to an output. Source: C1, C2, C3.
    """
    if x is None or target is None:
        raise TypeError("trace of a network needs patterns and their targets: trace(net, x, target)")
    if not np.isfinite(eta):
        raise ValueError(f"eta must be a finite number, not {eta}")
    names = names_of(net)
    with enable_grad():
        E, nets, outs = net.error_and_signals(x, target, loss)
    if not isinstance(E, Tensor) or not E.needs:
        raise ValueError("no error flows through this net: neither weights nor inputs lead to its outputs")
    topology, leaves, t = net.topology, net.leaves, len(next(iter(outs.values())))
    signals = {names.of_cluster("in", j).text: a for j, a in nets.items()}
    signals |= {names.of_cluster("out", j).text: a for j, a in outs.items()}
    nodes = walked(E, t, {name: a for name, a in {**leaves, **signals, "E": E}.items() if isinstance(a, Tensor)})
    arrived = {step.name: step.err for step in nodes}
    updates = {name: -eta / t * arrived.get(name, np.zeros(topology.shapes[name])) for name in leaves}

    def part(j: str) -> Part:
        err, delta = (_error(a, nodes, arrived) for a in (outs[j], nets.get(j)))
        uses = []
        for c in sorted(topology.into(j), key=lambda c: c.source == ONE):
            out = np.ones((t, 1)) if c.source == ONE else _values(outs[c.source])
            w = _values(leaves[c.weights])
            dw = np.zeros(w.shape) if delta is None else np.reshape(-eta / t * (delta.T @ out), w.shape)
            uses.append(Use(c.weights, c.source, w, out, dw))
        return Part(j, _values(nets.get(j)), _values(outs[j]), err, delta, tuple(uses))

    downwards = [j for j in reversed(topology.order) if j in nets] + list(topology.inputs)
    called = loss if isinstance(loss, str) else loss.name
    several = f" of {t} patterns, ΔW their mean" if t > 1 else ""
    head = f"E = {E.item():.6g} ({called}){several}; δ = f'(in) err, Δw = −η δ out, η = {eta:g}"
    return Flow(E.item(), called, eta, Parts(tuple(map(part, downwards)), head), updates, nodes)


def _error(a: Any, nodes: Trace, arrived: dict[str, Array]) -> Any:
    """The error that arrived at a Tensor; None where none did."""
    return arrived.get(nodes.names.get(a.stamp, "")) if isinstance(a, Tensor) else None


def _values(a: Any) -> Any:
    return a.numpy() if isinstance(a, Tensor) else a


def _neuron(c: Part, j: int, t: int, eta: float) -> Part:
    """Neuron j of a cluster at pattern t."""
    net_input, out, err, delta = (None if a is None else a[t, j].item() for a in (c.net_input, c.out, c.err, c.delta))
    uses = []
    for u in c.uses:
        for i in range(u.out.shape[1]):
            place, source = (f"{j}", u.source) if u.source == ONE else (f"{j},{i}", f"{u.source}[{i}]")
            w = u.w[j] if u.source == ONE else u.w[j, i]
            sent = u.out[t, i].item()
            dw = 0.0 if delta is None else -eta * delta * sent
            uses.append(Use(f"{u.weights}[{place}]", source, w.item(), sent, dw))
    return Part(f"{c.name}[{j}]", net_input, out, err, delta, tuple(uses))


def _totals(parts: list[Part], updates: dict[str, Array]) -> tuple[str, ...]:
    """What the uses of each weight that several neurons share add up to."""
    uses = Counter(u.weights for p in parts for u in p.uses)
    total = {
        f"{name}[{','.join(map(str, place))}]": v.item()
        for name, values in updates.items()
        for place, v in np.ndenumerate(values)
    }
    return tuple(f"{name} is used {n} times: Δw = {number(total[name])} in all" for name, n in uses.items() if n > 1)
