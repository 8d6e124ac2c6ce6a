"""Many nets that learn side by side, each with its own first weights, order of patterns, and η.

Twenty trainings, pattern by pattern, are twenty times the same small step; stacked along a leading axis R they take
about the time of one. Run r is what `train` makes of `MLP(sizes, rng=seed)` with `rng=seed`, to rounding (a test
compares them): E = Σ_r E_r, so that the gradient by the weights of run r is that of E_r.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..engine.values import Array
from ..nn.mlp import MLP
from ..transforms import grad

Stack = dict[str, Array]
"""Name → the weights of all runs: W1 (R, n_out, n_in), b1 (R, 1, n_out), ….."""


def stacked(sizes: Sequence[int], seeds: Sequence[int]) -> Stack:
    """The first weights of one net for each seed: tanh in the hidden layers, linear outputs."""
    nets = [MLP(sizes, rng=seed).parameters for seed in seeds]
    stack = {name: np.stack([net[name] for net in nets]) for name in nets[0]}
    return {name: w[:, None, :] if w.ndim == 2 else w for name, w in stack.items()}


def errors(p: Any, x: Array, target: Array) -> Any:
    """E_r = 1/B Σ_t ½ |out − tar|² of every run, (R,); x: (R, B, n) or (B, n) for all, target alike."""
    n_layers, out = len(p) // 2, x
    for layer in range(1, n_layers + 1):
        net = out @ p[f"W{layer}"].mT + p[f"b{layer}"]
        out = np.tanh(net) if layer < n_layers else net
    d = out - target
    return 0.5 * np.sum(d * d, axis=(-2, -1)) / np.shape(x)[-2]


def course(
    p: Stack, x: Array, target: Array, *, eta: Any, batch_size: int | None, seeds: Sequence[int]
) -> Iterator[Stack]:
    """The weights of all runs after each update Δw = −η g, without end.

    x, target: (T, n), (T, m), or (R, T, n), (R, T, m) where each run has its own; eta: a number, or one for each run;
    batch_size: None for all patterns at once, the same for all; seeds: for the order of the patterns, one for each run.
    """
    T, eta = np.shape(x)[-2], np.reshape(eta, (-1, 1, 1))
    gradient = grad(lambda p, x, target: np.sum(errors(p, x, target)))
    rngs = [np.random.default_rng(seed) for seed in seeds]
    own_x, own_target = (np.broadcast_to(a, (len(seeds), *np.shape(a)[-2:])) for a in (x, target))
    rows = np.arange(len(seeds))[:, None]
    while True:
        order = None if batch_size is None else np.array([rng.permutation(T) for rng in rngs])
        for begin in range(0, T, batch_size or T):
            if order is None:
                g = gradient(p, x, target)
            else:
                which = rows, order[:, begin : begin + (batch_size or T)]
                g = gradient(p, own_x[which], own_target[which])
            p = {name: w - eta * g[name] for name, w in p.items()}
            yield p


def learnt(p: Stack, x: Array, target: Array, updates: int, **options: Any) -> Stack:
    """The weights of all runs after so many updates; options: those of `course`."""
    runs = course(p, x, target, **options)
    for _ in range(updates):
        p = next(runs)
    return p
