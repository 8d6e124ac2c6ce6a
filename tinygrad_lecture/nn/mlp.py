"""MLP: the layered net of the lecture, y = f₂(W₂ f₁(W₁ x + b₁) + b₂), as a network of clusters in a row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import index
from typing import Any

import numpy as np

from ..misnamed import explained
from .activations import activation as activation_of
from .network import Network
from .topology import ONE, Cluster, Connector, Topology


@explained("MLP([2, 8, 1])")
class MLP(Network):
    """A net of layers, each out = f(W out_below + b).

    sizes: neurons per layer, inputs first: [n, …, m]; activation: f of the hidden layers; output: f of the
    last; bias: whether layers have a b; rng: a Generator or a seed for the first weights; init: their rule, by default
    U(−r, r) with r = √3/√n (`nn.init.lecture`), biases 0; dtype: of the parameters.
    It is a Network of clusters in, hid1, …, out with weights W1, b1, W2, ….
    Raises ValueError for fewer than two sizes, sizes below 1, or an unknown activation, TypeError for
    sizes that are not whole numbers or a dtype that is not floating. Source: C1, C6, C14.

    >>> MLP([2, 3, 1])(np.zeros((5, 2))).shape
    (5, 1)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "tanh",
        output: str = "identity",
        bias: bool = True,
        rng: np.random.Generator | int = 0,
        init: str = "lecture",
        dtype: Any = np.float64,
    ) -> None:
        self.sizes = _whole(sizes)
        n_hidden = len(self.sizes) - 2
        self.activations = (activation,) * n_hidden + (output,)
        self.bias = bool(bias)
        for name in (activation, output):
            activation_of(name)
        names = ["in", *(f"hid{i}" for i in range(1, n_hidden + 1)), "out"]
        clusters = [
            Cluster(c, n, f) for c, n, f in zip(names, self.sizes, ("identity", *self.activations), strict=True)
        ]
        connectors: list[Connector] = []
        for below, above in pairwise(names):
            connectors += [Connector(below, above)] + [Connector(ONE, above)] * self.bias
        super().__init__(Topology(tuple(clusters), tuple(connectors)), init=init, rng=rng, dtype=dtype)

    def __repr__(self) -> str:
        return f"MLP({'-'.join(map(str, self.sizes))}, {', '.join(self.activations)}, bias={self.bias})"


def _whole(sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes as a tuple of ints, if they can be those of a net."""
    try:
        whole = tuple(index(n) for n in sizes)
    except TypeError as error:
        raise TypeError(f"sizes must be whole numbers like [2, 8, 1], not {sizes!r}") from error
    if len(whole) < 2:
        raise ValueError(f"a net has at least two sizes, inputs and outputs, like [2, 8, 1]; {list(whole)} was given")
    if min(whole) < 1:
        raise ValueError(f"every layer needs at least one neuron; sizes {list(whole)} were given")
    return whole
