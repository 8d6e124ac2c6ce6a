"""What the measurements of C11 … C15 share: a rule that is watched, a ravine, sunspots, and how a spread is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data import load_sunspots, standardise, windows
from ..engine.values import Array
from ..learning.rules import Rule
from ..learning.train import train
from ..nn.mlp import MLP
from ..verify.deltas import by_hand

T = 100
"""Patterns of a ravine."""

FAR = np.array([0.5, 5.0])
"""Where learning starts, from the optimum: ten times as far along the gentle direction."""


@dataclass(frozen=True)
class Watched:
    """A learning rule that keeps each gradient and each Δw that it gives, for looking at them afterwards."""

    rule: Rule
    gradients: list[Array] = field(default_factory=list)
    steps: list[Array] = field(default_factory=list)

    @property
    def eta(self) -> float:
        """The rule's η."""
        return self.rule.eta

    @property
    def needs_moments(self) -> bool:
        """Whether the rule does."""
        return self.rule.needs_moments

    def start(self, w: Any) -> Any:
        """The rule's start."""
        return self.rule.start(w)

    def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
        """The rule's Δw, kept."""
        delta, state = self.rule.delta_w(g, state, w=w, eta=eta, moments=moments)
        self.gradients.append(np.array(g))
        self.steps.append(np.array(delta))
        return delta, state


def sunspot_patterns() -> tuple[Array, Array]:
    """The next of the standardised sunspot numbers from the last 12."""
    series = windows(standardise(load_sunspots().targets).values, n_past=12)
    return series.inputs, series.targets


def gradients_by_hand(net: MLP, x: Array, target: Array) -> Array:
    """Every g_t by the δ formulas, one pattern after the other: (T, n), packed as the net's weights."""
    p = net.parameters
    layers = [(p[f"W{layer}"], p[f"b{layer}"]) for layer in range(1, len(net.sizes))]
    found = []
    for t in range(len(x)):
        parts = by_hand(layers, net.activations, x[t : t + 1], target[t : t + 1]).gradients
        named = {f"{kind}{i}": part for i, two in enumerate(parts, 1) for kind, part in zip("Wb", two, strict=True)}
        found.append(net.weights.packed(named))
    return np.array(found)


def ravine(seed: int) -> tuple[MLP, Array, Array, Array]:
    """A linear neuron far up the gentle direction; inputs of σ 5 and 1, targets; and the optimal weights."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(T, 2)) * [5.0, 1.0]
    target = x @ [[1.0], [-1.0]] + 0.5 * rng.normal(size=(T, 1))
    optimum = np.linalg.lstsq(x, target, rcond=None)[0][:, 0]
    net = MLP([2, 1], bias=False, init="zeros")
    net.assign(optimum + FAR)
    return net, x, target, optimum


def learnt(rule: Rule, seed: int, epochs: int, batch_size: int | None = 1) -> tuple[Array, Array]:
    """Δw of all updates in a ravine, (updates, 2), and w − w* after each."""
    net, x, target, optimum = ravine(seed)
    start = net.w - optimum
    watched = Watched(rule)
    with np.errstate(over="ignore"):
        train(net, (x, target), rule=watched, batch_size=batch_size, epochs=epochs, rng=seed)
    steps = np.array(watched.steps)
    return steps, start + np.cumsum(steps, axis=0)


def zigzag(steps: Array) -> tuple[float, float]:
    """Steps along the steep weight over those along the gentle one; the share of turns along the steep one."""
    size = np.sqrt(np.mean(steps**2, axis=0))
    return float(size[0] / size[1]), float(np.mean(steps[1:, 0] * steps[:-1, 0] < 0))


def spread(values: Any, digits: int = 2) -> str:
    """The median and the quartiles in brackets."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf")  # takes ∞ as well
    return f"{middle:.{digits}f} [{low:.{digits}f}–{high:.{digits}f}]"
