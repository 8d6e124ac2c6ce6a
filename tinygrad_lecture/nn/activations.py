"""The activations f by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..rules.network import logistic, relu


def identity(x: Any) -> Any:
    """f(x) = x, elementwise: a linear neuron. x: any shape. Source: C1."""
    return x


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "identity": identity,
    "tanh": np.tanh,
    "logistic": logistic,
    "relu": relu,
}
"""Name → function of the net input, plain NumPy code for arrays and Tensors alike."""


def activation(name: str) -> Callable[[Any], Any]:
    """The activation f of a name. Raises ValueError, naming those that exist, for any other. Source: C1, C16."""
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
