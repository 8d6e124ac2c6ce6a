"""C5 measured: the topology can be extended at will, and steers the flow of information and the flow of error.

- **Any topology**: networks drawn at random, of clusters that feed any later ones (skips), over weights of which many
  are shared, with several inputs and outputs, biases, an activation for each cluster. Their gradients are the
  engine's, and no line of it knows about any of this; beside them the δ formulas by clusters (`verify.deltas_any`),
  in the unit of rounding as in C1.
- **Recurrence**: a net x → h → y with h → h from the year before, unrolled over 12 years of sunspots with shared
  weights. Its gradient is compared with that of ten lines of NumPy that loop over time, by the complex step Im E(w +
  i 1e-30) / 1e-30, which is exact to rounding, knows nothing of errors flowing back, and shares nothing with the
  network.
- **It learns**: that net, by the same `train` as any other. For comparison: E of predicting the mean, and of
  predicting the last year again.
- **A blocked connection**: in the random networks each weight matrix in turn is blocked. Outputs and all other
  gradients must be those of the net whose weights there are 0, while the gradient by the blocked weights is 0 itself
  (with weights that are merely 0 it is not), and clusters that reach outputs over it alone get an error of exactly 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import load_sunspots, standardise, windows
from ..engine.tensor import Tensor
from ..engine.values import Array
from ..learning.rules import Rprop
from ..learning.train import train
from ..nn.activations import ACTIVATIONS
from ..nn.losses import LOSSES
from ..nn.network import Network
from ..nn.topology import ONE, Cluster, Connector
from ..transforms import grad
from ..verify.deltas import disagreement
from ..verify.deltas_any import ByClusters, by_clusters
from .experiments import spread
from .statement import Row

OF_THE_TERMS = 1e-14
NETS, SEEDS = 300, 20
Arrays = dict[str, Array]


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C5. Source: C5."""
    yield any_topology(20 if small else NETS)
    yield recurrence(1 if small else SEEDS)
    yield recurrent_learning(2 if small else SEEDS, 5 if small else 60)
    yield blocked(10 if small else 100)


@dataclass(frozen=True)
class Problem:
    """A network with inputs and targets for its clusters."""

    net: Network
    inputs: Arrays
    targets: Arrays

    def error(self, p: Any, net: Network | None = None, inputs: Any = None) -> Any:
        """E, summed over the outputs."""
        out = (net or self.net)(inputs or self.inputs, p)
        outs = out if isinstance(out, dict) else {next(iter(self.targets)): out}
        return sum(LOSSES["squared_error"](outs[name], target) for name, target in self.targets.items())

    def by_hand(self) -> tuple[ByClusters, ByClusters]:
        """The δ formulas, and the absolute terms of each number."""
        topology = self.net.topology
        return by_clusters(
            {c.name: (c.n, c.activation) for c in topology.clusters},
            [(c.source, c.target, c.weights) for c in topology.connectors if not c.blocked],
            self.net.parameters,
            self.inputs,
            self.targets,
        )


def random_problem(rng: np.random.Generator) -> Problem:
    """A network of 1 to 3 inputs and 2 to 6 other clusters, wired at random, with 5 patterns."""
    n_inputs, n_others = int(rng.integers(1, 4)), int(rng.integers(2, 7))
    names = [f"c{i}" for i in range(n_inputs + n_others)]
    clusters = [Cluster(name, int(rng.integers(1, 4)), str(rng.choice(list(ACTIVATIONS)))) for name in names]
    connectors: list[Connector] = []
    kinds: dict[tuple[int, ...], list[str]] = {}
    for j in range(n_inputs, len(names)):
        sources = [i for i in range(j) if rng.random() < 0.5] or [int(rng.integers(j))]
        for source, n in [(ONE, None)] * int(rng.integers(2)) + [(names[i], clusters[i].n) for i in sources]:
            shape = (clusters[j].n,) if n is None else (clusters[j].n, n)
            alike = kinds.setdefault(shape, [])
            if not alike or rng.random() < 0.5:
                alike.append(f"{'b' if n is None else 'W'}{sum(map(len, kinds.values())) + 1}")
            connectors.append(Connector(source, names[j], str(rng.choice(alike[-2:]))))
    taken = {c.source for c in connectors}
    outputs = [name for name in names[n_inputs:] if name not in taken or rng.random() < 0.2]
    net = Network(clusters, connectors, inputs=names[:n_inputs], outputs=outputs)
    net.assign(rng.normal(size=net.w.shape))
    data = {c.name: rng.normal(size=(5, c.n)) for c in clusters}
    return Problem(net, {name: data[name] for name in names[:n_inputs]}, {name: data[name] for name in outputs})


def any_topology(n_nets: int) -> Row:
    """The engine's gradients of networks wired at random, beside the δ formulas."""
    worst, skips, shared, several = 0.0, 0, 0, 0
    for seed in range(n_nets):
        problem = random_problem(np.random.default_rng(seed))
        net = problem.net
        g = grad(problem.error)(net.parameters)
        formula, unit = problem.by_hand()
        for name in net.parameters:
            worst = max(worst, disagreement(g[name], formula.gradients[name], unit.gradients[name]))
        skips += _skips(net)
        shared += len(net.topology.connectors) - len(net.topology.shapes)
        several += len(problem.inputs) + len(problem.targets) > 2
    return Row(
        "C5",
        "The topology can be extended at will: each computation needs only what is locally relevant",
        f"{n_nets} random networks, with {skips:,} skips and {shared:,} uses of weights used before, {several} with "
        f"several inputs or outputs: |gradient − formula| ≤ {worst:.1e} of the terms",
        f"≤ {OF_THE_TERMS:g}",
        worst <= OF_THE_TERMS,
        worst,
    )


def recurrent_net(seed: int, steps: int = 12) -> Network:
    """x → h → y with h → h from one step before, unrolled over so many steps; the output is that of the last."""
    return Network(
        [Cluster("x", 1), Cluster("h", 4, "tanh"), Cluster("y", 1)],
        [
            Connector("x", "h", "W_in"),
            Connector(ONE, "h", "b_h"),
            Connector("h", "h", "W_back", delay=1),
            Connector("h", "y", "W_out"),
            Connector(ONE, "y", "b_y"),
        ],
        rng=seed,
    ).unrolled(steps, outputs="last")


def sequences() -> tuple[Array, Array]:
    """Twelve years of standardised sunspot numbers, (T, 12, 1), and the year after."""
    series = windows(standardise(load_sunspots().targets).values, n_past=12)
    return series.inputs[:, :, None], series.targets


def looped(p: dict[str, Any], x: Array, target: Array) -> Any:
    """E of the recurrent net, as a loop over time."""
    h: Any = np.zeros((len(x), 4))
    for t in range(x.shape[1]):
        net = x[:, t] * p["W_in"][:, 0] + p["b_h"]
        h = np.tanh(net + h @ p["W_back"].T)
    d = h @ p["W_out"].T + p["b_y"] - target
    return np.sum(d * d) / 2 / len(x)


def recurrence(seeds: int) -> Row:
    """The gradient through time, beside the complex step through a loop."""
    x, target = sequences()
    worst = 0.0
    for seed in range(seeds):
        net = recurrent_net(seed)
        g = net.weights.packed(grad(lambda p, net=net: LOSSES["squared_error"](net(x, p), target))(net.parameters))
        exact = np.empty(net.w.size)
        for i in range(net.w.size):
            w = net.w.astype(complex)
            w[i] += 1e-30j
            exact[i] = looped(net.weights.named(w), x, target).imag / 1e-30
        worst = max(worst, float(np.max(np.abs(g - exact)) / np.max(np.abs(exact))))
    return Row(
        "C5",
        "Recurrence is such a topology: unrolled over time, with shared weights",
        f"1-4-1 net with feedback over 12 years of sunspots, {seeds} nets: differs by ≤ {worst:.1e} of the largest "
        f"gradient from the complex step through a plain loop",
        "≤ 1e-12",
        worst <= 1e-12,
        worst,
    )


def recurrent_learning(seeds: int, epochs: int) -> Row:
    """The recurrent net learns the sunspots."""
    x, target = sequences()
    before, after = [], []
    for seed in range(seeds):
        net = recurrent_net(seed)
        error = train(net, (x, target), rule=Rprop(), batch_size=None, epochs=epochs, rng=seed).error
        before.append(error[0])
        after.append(error[-1])
    mean, last = 0.5 * float(np.mean(target**2)), 0.5 * float(np.mean((x[:, -1] - target) ** 2))
    better = int(np.sum(np.array(after) < last))
    return Row(
        "C5",
        "… which learns by the same rule, with no new derivation",
        f"E {spread(before)} → {spread(after, 3)} in {epochs} epochs, {seeds} nets; predicting the mean {mean:.2f}, "
        f"the last year again {last:.2f}: better than both in {better}",
        "E falls for all nets",
        bool(np.all(np.array(after) < np.array(before))),
        float(np.median(after)),
    )


def blocked(n_nets: int) -> Row:
    """Each matrix of random networks blocked in turn, beside the same matrix at 0."""
    worst, flowed, n, cut_off, alive = 0.0, 0.0, 0, 0, 0
    for seed in range(n_nets):
        problem = random_problem(np.random.default_rng(seed))
        net = problem.net
        for name in net.parameters:
            closed = net.blocked(name)
            inputs = {key: Tensor(x, requires_grad=True) for key, x in problem.inputs.items()}
            weights = {key: Tensor(w, requires_grad=True) for key, w in net.parameters.items()}
            E = problem.error(weights, closed, inputs)
            if isinstance(E, Tensor):  # it is a constant where that was the only way to the outputs
                E.backward()
            zero = {**net.parameters, name: np.zeros_like(net.parameters[name])}
            g = grad(problem.error)(zero)
            outs = closed(problem.inputs), net(problem.inputs, zero)
            worst = max(worst, *(float(np.max(np.abs(a - b))) for a, b in zip(*map(_arrays, outs), strict=True)))
            for key, w in weights.items():
                if key != name:
                    found = np.zeros_like(g[key]) if w.grad is None else w.grad
                    worst = max(worst, float(np.max(np.abs(found - g[key])) / (1.0 + np.max(np.abs(g[key])))))
            flowed = max(flowed, _size(weights[name].grad))
            alive += bool(np.any(g[name] != 0))
            for key in set(inputs) - _reaching(closed):
                flowed = max(flowed, _size(inputs[key].grad))
                cut_off += 1
            n += 1
    return Row(
        "C5",
        "Both flows are steered by the topology: a blocked connection blocks the error too",
        f"{n} blocked matrices: the rest is as with weights 0, to {worst:.1e}; error at them and at {cut_off} inputs "
        f"cut off: {flowed:g} (weights that are merely 0 get some, in {alive} of {n})",
        "≤ 1e-13; exactly 0",
        worst <= 1e-13 and flowed == 0.0 and cut_off > 0,
        flowed,
    )


def _skips(net: Network) -> int:
    """How many connectors lead past at least one layer, counted along the longest ways from the inputs."""
    depth: dict[str, int] = {}
    for name in net.topology.order:
        depth[name] = max((depth[c.source] + 1 for c in net.topology.into(name) if c.source != ONE), default=0)
    return sum(c.source != ONE and depth[c.target] - depth[c.source] > 1 for c in net.topology.connectors)


def _arrays(out: Any) -> list[Array]:
    return list(out.values()) if isinstance(out, dict) else [out]


def _size(g: Array | None) -> float:
    return 0.0 if g is None else float(np.max(np.abs(g)))


def _reaching(net: Network) -> set[str]:
    """The clusters from which a signal reaches an output, over connectors that are not blocked."""
    found = set(net.topology.outputs)
    for name in reversed(net.topology.order):
        if name in found:
            found |= {c.source for c in net.topology.into(name)}
    return found
