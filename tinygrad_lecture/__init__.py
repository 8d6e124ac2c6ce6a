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
    softmax,
    softplus,
    squared_error,
)
from .transforms import (
    custom_rule,
    grad,
    gradient_moments,
    hessian,
    hvp,
    jacobian,
    jvp,
    per_pattern_grad,
    value_and_grad,
    vjp,
)

__version__ = "0.1.0"

_LATER = {
    "Adagrad": "learning.rules",
    "Adam": "learning.rules",
    "AdamW": "learning.rules",
    "BestWeights": "learning.callbacks",
    "Cluster": "nn.topology",
    "Connector": "nn.topology",
    "EarlyStopping": "learning.callbacks",
    "GradcheckError": "verify.result",
    "GradientDescent": "learning.rules",
    "History": "learning.history",
    "MLP": "nn.mlp",
    "Metaparameters": "learning.metaparameters",
    "Momentum": "learning.rules",
    "Nesterov": "learning.rules",
    "Network": "nn.network",
    "NotFiniteError": "engine.debug",
    "RMSprop": "learning.rules",
    "Rprop": "learning.rules",
    "VarioEta": "learning.rules",
    "compare": "learning.compare",
    "debug": "engine.debug",
    "gradcheck": "verify.gradcheck",
    "jit": "program.jit",
    "load": "nn.store",
    "polygamma": "rules.special",
    "record": "program.record",
    "save": "nn.store",
    "scan": "program.scan",
    "trace": "show.trace",
    "train": "learning.train",
    "train_with": "learning.experiment",
    "update": "learning.update",
}
"""Public names that are loaded on first use, and the module that holds each."""

__all__ = [
    "MLP",
    "Adagrad",
    "Adam",
    "AdamW",
    "BestWeights",
    "Cluster",
    "Connector",
    "EarlyStopping",
    "GradcheckError",
    "GradientDescent",
    "History",
    "Metaparameters",
    "Momentum",
    "Nesterov",
    "Network",
    "NotFiniteError",
    "RMSprop",
    "Rprop",
    "Tensor",
    "VarioEta",
    "compare",
    "cross_entropy",
    "custom_rule",
    "debug",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradient_moments",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "linear",
    "load",
    "local_rule",
    "log_softmax",
    "logistic",
    "logsumexp",
    "no_grad",
    "per_pattern_grad",
    "polygamma",
    "record",
    "relu",
    "save",
    "scan",
    "softmax",
    "softplus",
    "squared_error",
    "trace",
    "train",
    "train_with",
    "update",
    "value_and_grad",
    "vjp",
]


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_LATER[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
