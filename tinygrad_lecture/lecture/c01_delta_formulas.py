"""C1 measured: automatic gradients are the δ formulas, to rounding.

The formulas stand in `verify.deltas`, derived by hand and sharing no code with the engine. Two kinds of
experiment, since each can miss what the other sees:

- **Random nets** in great variety (depth, widths, an activation for each layer, with and without biases,
  one pattern or many, small and large weights) try the formulas wherever they might differ, the δ_j
  themselves included; nets without layers, wired at random with shared weights, try the sum over the
  successors of a neuron and over the uses of a weight.
- **Trained nets** on real data are where gradients are used, and where they are hardest to get right:
  neurons saturate, and near a minimum the contributions of the patterns cancel. Digits (logistic outputs)
  and sunspots (linear output) are learnt by plain gradient descent with the automatic gradient. That the
  error falls shows that the comparison is made on a net that has learnt something.

Differences are measured in the unit of rounding, the sum of the absolute values of the terms
(`verify.deltas.absolute_terms`): relative to a number that is nearly 0 because its terms cancel, two right
computations differ by any amount. Their bar, 1e-14, is about 50 roundings in double precision. On the trained
nets the difference must also be below 1e-12 of the largest gradient in its array, which is what learning feels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from ..data import load_digits, load_sunspots, standardise, windows
from ..engine.values import Array
from ..nn.activations import ACTIVATIONS
from ..nn.mlp import MLP
from ..rules.network import linear, squared_error
from ..transforms import grad, value_and_grad
from ..verify.deltas import Layer, absolute_terms, by_hand, disagreement
from ..verify.deltas_any import any_topology
from .statement import Row

OF_THE_TERMS, OF_THE_LARGEST = 1e-14, 1e-12
LAYERED, WIRED = 1000, 300
Wires = list[tuple[int, int, int]]


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C1. Source: C1, C8."""
    yield from layered_nets(20 if small else LAYERED)
    yield wired_nets(10 if small else WIRED)
    yield digits()
    yield sunspots()


def layered_nets(n_nets: int = LAYERED) -> Iterator[Row]:
    """Random layered nets: the δ_j, and the gradients."""
    deltas, gradients, n_deltas, n_gradients = [], [], 0, 0
    for seed in range(n_nets):
        problem = layers, _, x, _ = random_layers(np.random.default_rng(seed))
        no_nudge = [np.zeros((len(x), len(w))) for w, _ in layers]
        by_layer, by_net_input = grad(layered_error, argnums=(0, 1))(layers, no_nudge, *problem[1:])
        formula, unit = by_hand(*problem), absolute_terms(*problem)
        automatic = [len(x) * g for g in by_net_input]  # E averages over the patterns, E_t in δ_j does not
        deltas.append(worst(automatic, formula.deltas, unit.deltas))
        gradients.append(worst(arrays(by_layer), arrays(formula.gradients), arrays(unit.gradients)))
        n_deltas += sum(delta.size for delta in formula.deltas)
        n_gradients += sum(a.size for a in arrays(layers))
    yield _row(
        "δ_j = ∂E_t/∂in_j: at an output δ_k = (out_k − tar_k) f'(in_k), below it δ_j = f'(in_j) Σ_k w_kj δ_k",
        deltas,
        f"{n_deltas:,} δ_j of {n_nets} random nets of 1 to 6 layers",
    )
    yield _row("∂E_t/∂w_ji = δ_j out_i, and for a bias δ_j", gradients, f"{n_gradients:,} gradients of the same nets")


def random_layers(rng: np.random.Generator) -> tuple[list[Layer], list[str], Array, Array]:
    """Layers (W, b or None), the name of an activation for each, inputs and targets, all drawn at random."""
    sizes = rng.integers(1, 17, size=rng.integers(2, 8))
    scale, biased = rng.choice([0.5, 1.0, 3.0]), rng.random() < 0.7
    layers = [
        (scale / np.sqrt(n) * rng.normal(size=(m, n)), scale * rng.normal(size=m) if biased else None)
        for n, m in pairwise(sizes)
    ]
    names = [str(name) for name in rng.choice(list(ACTIVATIONS), size=len(layers))]
    n_patterns = rng.integers(1, 33)
    return layers, names, rng.normal(size=(n_patterns, sizes[0])), rng.normal(size=(n_patterns, sizes[-1]))


def layered_error(layers: list[Layer], nudges: list[Array], names: list[str], x: Array, target: Array) -> Array:
    """E of a layered net; its gradient by a nudge to each net input is δ_j / T."""
    out = x
    for (w, b), nudge, name in zip(layers, nudges, names, strict=True):
        out = ACTIVATIONS[name](linear(out, w, b) + nudge)
    return squared_error(out, target)


def wired_nets(n_nets: int = WIRED) -> Row:
    """Nets without layers: each neuron fed by some of those before it, over weights of which many are shared."""
    differences, n_connections = [], 0
    for seed in range(n_nets):
        rng = np.random.default_rng(seed)
        n, hidden, k = rng.integers(1, 5), rng.integers(1, 9), rng.integers(1, 4)
        n_all = n + hidden + k
        names = [str(name) for name in rng.choice(list(ACTIVATIONS), size=n_all)]
        upwards = np.tril(rng.random((n_all, n_all)) < 0.6, k=-1)
        upwards[:n] = False
        heads, feet = np.nonzero(upwards)
        weights = rng.normal(size=1 + len(heads) // 2)
        shared = rng.integers(len(weights), size=len(heads))  # which weight each connection uses
        x, target = rng.normal(size=(8, n)), rng.normal(size=(8, k))
        automatic = grad(wired_error)(weights, list(zip(heads, feet, shared, strict=True)), names, x, target)

        w = np.zeros((n_all, n_all))
        w[heads, feet] = weights[shared]
        over_uses = [np.bincount(shared, g[heads, feet], len(weights)) for g in any_topology(w, names, x, target)]
        differences.append(disagreement(automatic, *over_uses))
        n_connections += len(heads)
    return _row(
        "In any feed-forward topology δ_j sums over the successors of j, and a weight used in several "
        "places gets the sum over its uses",
        differences,
        f"{n_nets} nets wired at random, {n_connections:,} connections that share weights",
    )


def wired_error(weights: Array, wires: Wires, names: list[str], x: Array, target: Array) -> Array:
    """E of a net given by its connections (to, from, which weight), neuron by neuron."""
    out = list(x.T)
    for j in range(len(out), len(names)):
        net = sum((weights[s] * out[i] for head, i, s in wires if head == j), start=np.zeros(len(x)))
        out.append(ACTIVATIONS[names[j]](net))
    return squared_error(np.stack(out[-target.shape[1] :], axis=1), target)


def digits() -> Row:
    """A net that has learnt to read digits: 64-32-10, all 1797 patterns."""
    data = load_digits()
    x = standardise(data.inputs.reshape(len(data), -1)).values
    net = MLP([x.shape[1], 32, 10], activation="tanh", output="logistic", rng=0)
    return trained("digits", net, x, np.eye(10)[data.targets], eta=0.5, steps=200, factor=10)


def sunspots() -> Row:
    """A net that has learnt to predict sunspots, the next year from 12: 12-8-1, all 297 patterns."""
    series = windows(standardise(load_sunspots().targets).values, n_past=12)
    net = MLP([12, 8, 1], activation="tanh", output="identity", rng=0)
    return trained("sunspots", net, series.inputs, series.targets, eta=0.2, steps=1000, factor=5)


def trained(name: str, net: MLP, x: Array, target: Array, eta: float, steps: int, factor: float) -> Row:
    """Train by Δw = −η g with the automatic gradient, then compare it with the formulas over all patterns."""
    error_and_gradient = value_and_grad(lambda p: squared_error(net(x, p), target))
    p = net.parameters
    before, g = error_and_gradient(p)
    for _ in range(steps):
        p = {key: w - eta * g[key] for key, w in p.items()}
        error, g = error_and_gradient(p)
    problem = (layers_of(net, p), net.activations, x, target)
    automatic, formula = arrays(layers_of(net, g)), arrays(by_hand(*problem).gradients)
    of_the_terms = worst(automatic, formula, arrays(absolute_terms(*problem).gradients))
    of_the_largest = worst(automatic, formula, [np.full_like(a, np.max(np.abs(a))) for a in formula])
    sizes, n_gradients = "-".join(map(str, net.sizes)), sum(a.size for a in formula)
    return Row(
        "C1",
        f"The same on a net that has learnt: {name}, {sizes}, {steps} steps of Δw = −η g",
        f"|automatic − formula| ≤ {of_the_largest:.1e} of the largest gradient, {of_the_terms:.1e} of the terms; "
        f"{n_gradients:,} gradients over {len(x):,} patterns; error {before:.3f} → {error:.3f}",
        f"≤ {OF_THE_LARGEST:g} and ≤ {OF_THE_TERMS:g}; error falls to 1/{factor:g}",
        bool(of_the_largest <= OF_THE_LARGEST and of_the_terms <= OF_THE_TERMS and error <= before / factor),
        of_the_largest,
    )


def layers_of(net: MLP, values: dict[str, Array]) -> list[Layer]:
    """Values under the names W1, b1, … of a net as one (W, b) per layer, b None where it has none."""
    return [(values[f"W{layer}"], values.get(f"b{layer}")) for layer in range(1, len(net.sizes))]


def arrays(layers: Iterable[Layer]) -> list[Array]:
    """The arrays of all layers in a row: W1, b1, W2, …, without the biases that are None."""
    return [a for layer in layers for a in layer if a is not None]


def worst(automatic: Sequence[Array], formula: Sequence[Array], unit: Sequence[Array]) -> float:
    """The worst disagreement over several arrays; NaN where one is NaN."""
    return float(np.max([disagreement(*three) for three in zip(automatic, formula, unit, strict=True)]))


def _row(statement: str, differences: list[float], on: str) -> Row:
    most = float(np.max(differences))
    bar = f"≤ {OF_THE_TERMS:g} of the sum of the terms"
    return Row("C1", statement, f"|automatic − formula| ≤ {most:.1e} for {on}", bar, most <= OF_THE_TERMS, most)
