"""The activations f by name: plain NumPy code, for arrays and Tensors alike."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np

from ..misnamed import chosen
from ..rules.network import logistic, relu, softplus


def identity(x: Any) -> Any:
    """f(x) = x, elementwise: a linear neuron. x: any shape. Source: C1."""
    return x


def leaky_relu(x: Any) -> Any:
    """x where x > 0, 0.01 x elsewhere: no neuron is ever without a slope. x: any shape. Source: Maas et al. 2013."""
    return np.where(x > 0, x, 0.01 * x)


def gelu(x: Any) -> Any:
    """x σ(2 √(2/π) (x + 0.044715 x³)), about x times the normal distribution function; exact in its tails.

    x: any shape. The form with the logistic function equals that with tanh, but does not cancel where x < 0.
    Source: Hendrycks and Gimpel 2016.
    """
    near = np.clip(x, -25.0, 25.0)  # from there on σ is 0 or 1, and x³ would overflow in the end
    share = logistic(2.0 * sqrt(2.0 / pi) * (near + 0.044715 * (near * near * near)))
    return np.maximum(x, -25.0) * share  # −∞ too gives 0


def gauss(x: Any) -> Any:
    """exp(−x²): a neuron that answers to a place, not to a direction. x: any shape. Source: Broomhead and Lowe 1988."""
    near = np.clip(x, -28.0, 28.0)  # from there on it is 0, and x² would overflow in the end
    short = np.rint(64.0 * near) / 64.0  # has an exact square: no rounding of near² is made large by exp
    return np.exp(-(short * short)) * np.exp((short - near) * (short + near))


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "identity": identity,
    "tanh": np.tanh,
    "logistic": logistic,
    "relu": relu,
    "softplus": softplus,
    "leaky_relu": leaky_relu,
    "gelu": gelu,
    "sin": np.sin,
    "gauss": gauss,
}
"""Name → function of the net input."""


def activation(name: str) -> Callable[[Any], Any]:
    """The activation f of a name. Raises ValueError, naming those that exist, for any other. Source: C1, C16."""
    return chosen(ACTIVATIONS, "activation", name)
