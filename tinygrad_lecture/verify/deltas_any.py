"""The δ formulas of C1 for any feed-forward topology, in pure NumPy: neuron by neuron, and cluster by cluster.

    δ_j = f'(in_j) (e_j + Σ_{k ∈ successors(j)} w_kj δ_k)        e_j = out_j − tar_j at an output, 0 elsewhere

and a weight used in several places gets the sum over its uses. Nothing of this package is imported here but the
table of activations beside it, and no formula is shared with the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .deltas import BEND, F, known

Array = np.ndarray[Any, Any]
ONE = "one"
"""The cluster that is always 1: a connector from it is a bias."""


@dataclass(frozen=True)
class ByClusters:
    """What the δ formulas give for clusters and connectors.

    error: E. net_inputs, outputs, deltas: cluster → in_j, out_j = f(in_j) and δ_j = ∂E_t/∂in_j, each (T, n); inputs
    have no net input, and δ_j = ∂E_t/∂out_j. gradients: weights → ∂E/∂w, 0 for weights that no connector uses.
    """

    error: float
    net_inputs: dict[str, Array]
    outputs: dict[str, Array]
    deltas: dict[str, Array]
    gradients: dict[str, Array]


def by_clusters(
    clusters: Mapping[str, tuple[int, str]],
    connectors: Sequence[tuple[str, str, str]],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    targets: Mapping[str, Array],
) -> tuple[ByClusters, ByClusters]:
    """The whole of C1 for clusters and connectors, and the absolute terms of each number (see `absolute_terms`).

    clusters: name → (how many neurons, activation), that of inputs unused; connectors: (from, to, name of weights),
    from "one" for a bias; blocked ones are left out; weights: name → (n of to, n of from), (n of to,) for a bias;
    inputs, targets: cluster → (T, n). Several outputs add their errors; a cluster that nothing leads to has net
    input 0. Raises ValueError where names or shapes do not fit, and for a cycle. Source: C1, C5, C6, C8.
    """
    _check(clusters, connectors, weights, inputs, targets)
    n_patterns = len(next(iter(inputs.values())))
    order = _order([name for name in clusters if name not in inputs], connectors, set(inputs))
    one = np.ones((n_patterns, 1))
    nets: dict[str, Array] = {}
    outs: dict[str, Array] = {ONE: one, **inputs}
    net_terms: dict[str, Array] = {}
    out_terms = {name: np.abs(out) for name, out in outs.items()}
    slopes = {name: np.ones_like(x) for name, x in inputs.items()}
    slope_terms = dict(slopes)
    for name in order:
        n, activation = clusters[name]
        nets[name] = net = _net_input(name, n, connectors, weights, outs)
        net_terms[name] = terms = _net_input(name, n, connectors, _absolute(weights), out_terms)
        outs[name], slopes[name] = F[activation][0](net), F[activation][1](net)
        out_terms[name] = np.abs(outs[name]) + np.abs(slopes[name]) * terms
        slope_terms[name] = np.abs(slopes[name]) + BEND[activation](net) * terms
    errors = {name: outs[name] - target for name, target in targets.items()}
    error_terms = {name: out_terms[name] + np.abs(target) for name, target in targets.items()}
    downwards = [*reversed(order), *inputs]
    return (
        _backward(downwards, connectors, weights, nets, outs, slopes, errors),
        _backward(downwards, connectors, _absolute(weights), net_terms, out_terms, slope_terms, error_terms),
    )


def _net_input(
    name: str,
    n: int,
    connectors: Sequence[tuple[str, str, str]],
    weights: Mapping[str, Array],
    outs: Mapping[str, Array],
) -> Array:
    """in_j = Σ_i w_ji out_i over all connectors that lead to a cluster, (T, n)."""
    net = np.zeros((len(outs[ONE]), n))
    for source, target, w in connectors:
        if target == name:
            net = net + np.einsum("ti,ji->tj", outs[source], _matrix(weights[w]))
    return net


def _backward(
    downwards: Sequence[str],
    connectors: Sequence[tuple[str, str, str]],
    weights: Mapping[str, Array],
    nets: dict[str, Array],
    outs: Mapping[str, Array],
    slopes: Mapping[str, Array],
    errors: Mapping[str, Array],
) -> ByClusters:
    """The local errors from the outputs down, and for each weight the mean over patterns of Σ_uses δ_j out_i."""
    deltas: dict[str, Array] = {}
    gradients = {name: np.zeros(np.shape(w)) for name, w in weights.items()}
    for name in downwards:
        collected = errors.get(name, np.zeros_like(outs[name]))
        for source, target, w in connectors:
            if source == name:
                collected = collected + np.einsum("tk,kj->tj", deltas[target], weights[w])
        deltas[name] = slopes[name] * collected
    for source, target, w in connectors:
        used = np.einsum("tj,ti->ji", deltas[target], outs[source]) / len(outs[ONE])
        gradients[w] = gradients[w] + used.reshape(gradients[w].shape)
    error = float(sum(np.sum(np.square(e)) for e in errors.values()) / 2 / len(outs[ONE]))
    return ByClusters(error, nets, {name: out for name, out in outs.items() if name != ONE}, deltas, gradients)


def _absolute(weights: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.abs(w) for name, w in weights.items()}


def _matrix(w: Array) -> Array:
    """The weights as (to, from); a bias comes from one neuron."""
    return w if np.ndim(w) == 2 else np.reshape(w, (-1, 1))


def _order(names: list[str], connectors: Sequence[tuple[str, str, str]], done: set[str]) -> list[str]:
    """The names so that each comes after all that feed it."""
    order: list[str] = []
    known_so_far = done | {ONE}
    while len(order) < len(names):
        ready = [
            name
            for name in names
            if name not in known_so_far and all(s in known_so_far for s, target, _ in connectors if target == name)
        ]
        if not ready:
            raise ValueError(f"a cycle goes through {', '.join(n for n in names if n not in known_so_far)}")
        order += ready
        known_so_far |= set(ready)
    return order


def _check(
    clusters: Mapping[str, tuple[int, str]],
    connectors: Sequence[tuple[str, str, str]],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    targets: Mapping[str, Array],
) -> None:
    """Refuse what does not fit, naming both sides."""
    known(activation for _, activation in clusters.values())
    if not inputs or not targets:
        raise ValueError("there must be at least one input and one target")
    n_patterns = len(next(iter(inputs.values())))
    for kind, given in (("input", inputs), ("target", targets)):
        for name, a in given.items():
            if name not in clusters:
                raise ValueError(f"{kind} {name!r} is no cluster; there are {', '.join(clusters)}")
            if n_patterns == 0 or np.shape(a) != (n_patterns, clusters[name][0]):
                raise ValueError(
                    f"{kind} {name!r} has shape {np.shape(a)}, it must be (T, {clusters[name][0]}) with the same T > 0"
                )
    for source, target, w in connectors:
        if (source not in clusters and source != ONE) or target not in clusters or target in inputs:
            raise ValueError(f"a connector from {source!r} to {target!r} cannot be; there are {', '.join(clusters)}")
        n = clusters[target][0]
        shape = (n,) if source == ONE else (n, clusters[source][0])
        if w not in weights or np.shape(weights[w]) != shape:
            found = np.shape(weights[w]) if w in weights else "missing"
            raise ValueError(f"weights {w!r} from {source!r} to {target!r} must have shape {shape}; they are {found}")


def any_topology(w: Array, activations: Sequence[str], x: Array, target: Array) -> tuple[Array, Array]:
    """The δ formulas neuron by neuron, for any feed-forward topology: δ_j = f'(in_j) (e_j + Σ_k w_kj δ_k).

    The N neurons are numbered so that connections run upwards: the first n are the inputs, the last K the
    outputs, whose own error is e_j = out_j − tar_j (0 elsewhere). w: (N, N), w[j, i] from i to j, zero where
    there is no connection; activations: N names, those of inputs unused; x: (T, n); target: (T, K).
    Returns ∂E/∂w = 1/T Σ_t δ_j out_i and its absolute terms (see `absolute_terms`), both (N, N). A weight that
    several connections share gets the sum over these. Raises ValueError where a connection runs downwards or
    shapes or names do not fit. Source: C1.
    """
    n_all, n, k = len(activations), x.shape[1], target.shape[1]
    if w.shape != (n_all, n_all) or n + k > n_all or len(x) != len(target):
        raise ValueError(f"w {w.shape}, {n_all} activations, x {x.shape} and target {target.shape} do not fit")
    if np.any(np.triu(w)):
        raise ValueError("connections must run upwards: w[j, i] must be 0 for i >= j")
    known(activations)
    out, slope, error, out_terms, slope_terms, error_terms = np.zeros((6, len(x), n_all))
    out[:, :n], out_terms[:, :n] = x, np.abs(x)
    for j in range(n, n_all):
        f, f_prime = F[activations[j]]
        net, terms = np.sum(w[j] * out, axis=1), np.sum(np.abs(w[j]) * out_terms, axis=1)
        out[:, j], slope[:, j] = f(net), f_prime(net)
        out_terms[:, j] = np.abs(out[:, j]) + np.abs(slope[:, j]) * terms
        slope_terms[:, j] = np.abs(slope[:, j]) + BEND[activations[j]](net) * terms
    error[:, -k:] = out[:, -k:] - target
    error_terms[:, -k:] = out_terms[:, -k:] + np.abs(target)

    def mean_gradient(w: Array, out: Array, slope: Array, error: Array) -> Array:
        delta = np.zeros_like(out)
        for j in reversed(range(n, n_all)):
            delta[:, j] = slope[:, j] * (error[:, j] + np.sum(delta * w[:, j], axis=1))
        return np.asarray(np.einsum("tj,ti->ji", delta, out) / len(out))

    return mean_gradient(w, out, slope, error), mean_gradient(np.abs(w), out_terms, slope_terms, error_terms)
