"""Functions of functions: derivatives of plain NumPy code, arrays in and arrays out.

`arguments` runs a function on Tensors in place of its arguments; `gradient` and `pull` send errors back through
what was recorded, `push` sends changes forward, `patterns` tells the patterns of a batch apart, and `custom` gives a
whole function one rule.
"""

from .arguments import must_call
from .custom import custom_rule
from .gradient import grad, value_and_grad
from .patterns import gradient_moments, per_pattern_grad
from .pull import hessian, hvp, jacobian, vjp
from .push import jvp

__all__ = [
    "custom_rule",
    "grad",
    "gradient_moments",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "must_call",
    "per_pattern_grad",
    "value_and_grad",
    "vjp",
]
