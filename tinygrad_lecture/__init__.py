"""Backpropagation as a university lecture derives it, as an autograd engine over NumPy.

A Tensor is an array and how it came about; NumPy's own functions work on it, and each knows its
local rule: what it hands on of the error that arrives. See README.md.
"""

from __future__ import annotations

from . import rules as rules  # declares the local rules of NumPy's functions
from .engine.primitives import local_rule
from .engine.recording import enable_grad, no_grad
from .engine.tensor import Tensor
from .rules.network import (
    cross_entropy,
    linear,
    log_softmax,
    logistic,
    logsumexp,
    relu,
    softplus,
    squared_error,
)
from .transforms import grad, value_and_grad

__version__ = "0.1.0"
