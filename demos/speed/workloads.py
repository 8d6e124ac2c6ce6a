"""The workloads: layered tanh nets from 33 to six million weights, and what every peer starts from."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

STEPS = 10
"""After so many steps all peers must have come to the same error."""


@dataclass(frozen=True)
class Workload:
    """A layered tanh net with biases and linear outputs, E = 1/T Σ_t Σ_k ½ (out_k − tar_k)², and Δw = −η g.

    sizes: neurons a layer, inputs first; batch: T patterns, the same in each step; dtype: of everything.
    """

    name: str
    sizes: tuple[int, ...]
    batch: int
    dtype: str
    eta: float = 0.01

    def data(self):
        """Weights [(W, b), …] with W of (outputs, inputs), patterns x, targets: the same for every peer."""
        rng = np.random.default_rng(0)
        weights = []
        for n, m in pairwise(self.sizes):
            r = (3.0 / n) ** 0.5
            W, b = rng.uniform(-r, r, (m, n)), rng.uniform(-0.1, 0.1, m)
            weights.append((W.astype(self.dtype), b.astype(self.dtype)))
        x, target = (rng.normal(size=(self.batch, k)).astype(self.dtype) for k in (self.sizes[0], self.sizes[-1]))
        return weights, x, target

    @property
    def n_weights(self):
        """How many weights there are, biases among them."""
        return sum((n + 1) * m for n, m in pairwise(self.sizes))

    @property
    def operations(self):
        """Multiplications and additions of the matrix products in one step; no error is needed for the inputs."""
        products = [n * m for n, m in pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(products) - products[0])

    @property
    def tolerance(self):
        """How far two peers' errors may differ after STEPS steps, relatively: they add in different orders."""
        return 1e-3 if self.dtype == "float32" else 1e-6

    def __str__(self):
        sizes = [str(n) for n in self.sizes]
        shape = "-".join(sizes) if len(sizes) < 6 else f"{sizes[0]}-{len(sizes) - 2}×{sizes[1]}-{sizes[-1]}"
        return f"{shape}, batch {self.batch}, {self.dtype}"


WORKLOADS = {
    w.name: w
    for w in (
        Workload("W1", (2, 8, 1), 1, "float64"),
        Workload("W2", (8, 16, 4), 32, "float64"),
        Workload("W3", (64, 64, 10), 64, "float32"),
        Workload("W4", (784, 512, 10), 128, "float32"),
        Workload("W5", (1024, 2048, 2048, 10), 256, "float32"),
        Workload("W6", (64, *[64] * 32, 10), 64, "float32"),
        Workload("W7", (784, 512, 10), 1, "float32", eta=0.001),
    )
}


def of_size(n_weights):
    """A net of three equal layers with about so many weights: what the cost curve is measured on."""
    n = round((n_weights / 3) ** 0.5)
    return Workload(f"{n_weights:.0e}".replace("e+0", "e"), (n, n, n, n), 256, "float32")
