"""MLP: the layered net of the lecture, y = f₂(W₂ f₁(W₁ x + b₁) + b₂)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import index
from typing import Any

import numpy as np

from ..engine.values import Array
from ..rules.network import linear
from .activations import activation as activation_of
from .init import lecture


class MLP:
    """A net of layers, each out = f(W out_below + b).

    sizes: neurons per layer, inputs first: [n, …, m]; activation: f of the hidden layers; output: f of the
    last; bias: whether layers have a b; rng: a Generator or a seed for the first weights, U(−r, r) with
    r = √3/√n (`init.lecture`), biases 0; dtype: of the parameters.
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
        dtype: Any = np.float64,
    ) -> None:
        self.sizes = _whole(sizes)
        n_hidden = len(self.sizes) - 2
        self.activations = (activation,) * n_hidden + (output,)
        self.bias = bias
        self._f = [activation_of(activation)] * n_hidden + [activation_of(output)]
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"dtype must be floating, not {np.dtype(dtype)}: integers have no gradient")
        rng = np.random.default_rng(rng)
        self.parameters: dict[str, np.ndarray] = {}
        for layer, (n_in, n_out) in enumerate(pairwise(self.sizes), 1):
            self.parameters[f"W{layer}"] = lecture(rng, n_out, n_in).astype(dtype)
            if bias:
                self.parameters[f"b{layer}"] = np.zeros(n_out, dtype)

    def __call__(self, x: Array, parameters: Mapping[str, Array] | None = None) -> Array:
        """The net's outputs: (T, m) for patterns x: (T, n).

        parameters: arrays or Tensors under the names of `net.parameters`, which are used where none are
        given. Arrays in, an array out, and nothing is recorded.
        Raises ValueError for an x of another width and for parameters that are missing, unknown or of
        another shape. Source: C1, C6.
        """
        n = self.sizes[0]
        if np.shape(x)[-1:] != (n,):
            raise ValueError(f"x has shape {np.shape(x)}, but the net has {n} inputs: the last axis must be {n}")
        p = self.parameters if parameters is None else self._fitting(parameters)
        out = x
        for layer, f in enumerate(self._f, 1):
            out = f(linear(out, p[f"W{layer}"], p.get(f"b{layer}")))
        return out

    def __repr__(self) -> str:
        return f"MLP({'-'.join(map(str, self.sizes))}, {', '.join(self.activations)}, bias={self.bias})"

    def _fitting(self, parameters: Mapping[str, Array]) -> Mapping[str, Array]:
        """The parameters themselves, if they are the net's own by name and shape."""
        missing = [name for name in self.parameters if name not in parameters]
        if missing:
            raise ValueError(f"parameters lack {', '.join(missing)}; this net has {', '.join(self.parameters)}")
        for name, value in parameters.items():
            if name not in self.parameters:
                raise ValueError(f"unknown parameter {name!r}; this net has {', '.join(self.parameters)}")
            if np.shape(value) != self.parameters[name].shape:
                raise ValueError(f"{name} has shape {np.shape(value)}, this net needs {self.parameters[name].shape}")
        return parameters


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
