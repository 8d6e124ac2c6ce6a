"""Slopes of exponentials and logarithms."""

from __future__ import annotations

import math

import numpy as np

from ..engine.op import slopes
from ..engine.values import Array
from .network import logistic

LOG2, LOG10 = math.log(2.0), math.log(10.0)

slopes(np.exp, lambda y, x: y)
slopes(np.exp2, lambda y, x: LOG2 * y)
slopes(np.expm1, lambda y, x: np.exp(x))  # y + 1 loses its digits where y is near −1
slopes(np.log, lambda y, x: 1 / x)
slopes(np.log2, lambda y, x: 1.0 / LOG2 / x)  # x log 2 loses the digits of a subnormal x
slopes(np.log10, lambda y, x: 1.0 / LOG10 / x)  # x log 10 overflows
slopes(np.log1p, lambda y, x: 1 / (1 + x))


def _apart(a: Array, b: Array) -> Array:
    """a − b; 0 where both are the same infinity."""
    with np.errstate(over="ignore"):
        return np.where(np.isinf(a) & (a == b), 0.0, a - b)


slopes(np.logaddexp, lambda y, a, b: logistic(_apart(a, b)), lambda y, a, b: logistic(_apart(b, a)))
slopes(
    np.logaddexp2,
    lambda y, a, b: logistic(LOG2 * _apart(a, b)),
    lambda y, a, b: logistic(LOG2 * _apart(b, a)),
)
