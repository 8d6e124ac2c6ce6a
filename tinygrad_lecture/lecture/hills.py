"""An error surface with a poor minimum, for C7 and C8: a bell-shaped neuron is to fit two hills, and has one place.

    E(b) = 1/T Σ_t ½ (gauss(x_t − b) − tar_t)²,   tar = gauss(x − 2) + ½ gauss(x + 2)

One weight, b, so that the surface can be seen. The good minimum is at b = 2, where the neuron is as high as the hill;
the poor one at b = −2, where it is twice as high. The 65 patterns reach far beyond both, where the surface is flat;
runs start anywhere between −4 and 4. The surface was chosen: on others that were tried, with 11 patterns or a broad
poor hill, the noise of learning pattern by pattern did not help at any η.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.values import Array
from ..nn.activations import gauss
from ..transforms import grad, hessian

GOOD, POOR, NEAR = 2.0, -2.0, 0.7
"""The two minima, and how near to one a run ends that has found it."""

x = np.linspace(-8.0, 8.0, 65)
target = gauss(x - GOOD) + 0.5 * gauss(x - POOR)


def slope_on_hills(b: Array, x: Array, target: Array) -> Array:
    """The slopes of E(b) = 1/B Σ ½ (gauss(x − b) − target)² for every run's own b (R,) and patterns (R, B)."""

    def error(b: Any) -> Any:
        d = gauss(x - b[:, None]) - target
        return 0.5 * np.sum(d * d) / x.shape[-1]

    return np.asarray(grad(error)(b))


def bound_at_the_good_minimum() -> float:
    """2 / E'' where the neuron stands on the higher hill: the largest η with which steepest descent stays there."""
    curvature = hessian(lambda b: 0.5 * np.sum((gauss(x - b) - target) ** 2) / len(x))(GOOD)
    return float(2.0 / curvature)


def ends_on_hills(seed: int, groups: int, runs: int, eta: Array, epochs: int, by_pattern: bool) -> Array:
    """Where runs end, (n of η, groups, runs): started anywhere between the hills' outer feet, the same for each η."""
    rng, T = np.random.default_rng(seed), len(x)
    b = np.tile(rng.uniform(-4.0, 4.0, size=groups * runs), len(eta))
    rate = np.repeat(eta, groups * runs)
    for _ in range(epochs):
        if by_pattern:
            for which in np.argsort(rng.random((len(b), T)), axis=1).T[:, :, None]:
                b = b - rate * slope_on_hills(b, x[which], target[which])
        else:
            b = b - rate * slope_on_hills(b, x[None], target[None])
    return np.reshape(b, (len(eta), groups, runs))
