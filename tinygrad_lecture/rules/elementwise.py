"""Slopes dy/dx of elementwise functions; the engine multiplies them with the error that arrives."""

from __future__ import annotations

import operator

import numpy as np

from ..engine.op import Op, slopes
from ..engine.primitives import own
from ..engine.values import Array

# arithmetic
slopes(np.add, 1.0, 1.0)
slopes(np.subtract, 1.0, -1.0)
slopes(np.multiply, lambda y, a, b: b, lambda y, a, b: a)
slopes(np.divide, lambda y, a, b: np.divide(1.0, b), lambda y, a, b: -y / b)  # −a/b² would underflow where b is large
slopes(np.negative, -1.0)
slopes(np.positive, 1.0)
slopes(np.absolute, lambda y, x: np.sign(x))
slopes(np.square, lambda y, x: 2.0 * x)
slopes(np.reciprocal, lambda y, x: -y * y)
slopes(np.mod, 1.0, lambda y, a, b: -np.floor_divide(a, b))

# exponentials
slopes(np.exp, lambda y, x: y)
slopes(np.expm1, lambda y, x: np.exp(x))  # y + 1 loses its digits where y is near −1
slopes(np.log, lambda y, x: 1 / x)
slopes(np.log1p, lambda y, x: 1 / (1 + x))
slopes(np.sqrt, lambda y, x: 0.5 / y)


def _power_slope_in_base(y: Array, x: Array, p: Array) -> Array:
    """p x^(p−1); 0 for p = 0, whatever x is."""
    if isinstance(p, int | float):
        return 2.0 * x if p == 2 else p * np.power(x, p - 1) if p else 0.0
    return np.where(p == 0, 0.0, p * np.power(x, np.where(p == 0, 1.0, p - 1.0)))


def _power_slope_in_exponent(y: Array, x: Array, p: Array) -> Array:
    """y log x; 0 at x = 0 for p > 0, NaN for x < 0."""
    return np.where((x == 0) & (p > 0), 0.0, y * np.log(x))


slopes(np.power, _power_slope_in_base, _power_slope_in_exponent)
slopes(operator.pow, _power_slope_in_base, _power_slope_in_exponent)  # ** of NumPy scalars rounds otherwise


# trigonometric and hyperbolic
@own(Op("sech2"))
def sech2(x: Array) -> Array:
    """1/cosh²x = 4e/(1+e)², e = exp(−2|x|): keeps its digits where 1 − tanh²x is 0."""
    e = np.exp(-2.0 * abs(x))
    d = 1.0 + e
    return 4.0 * e / (d * d)


slopes(sech2, lambda y, x: -2.0 * np.tanh(x) * y)
slopes(np.sin, lambda y, x: np.cos(x))
slopes(np.cos, lambda y, x: -np.sin(x))
slopes(np.tanh, lambda y, x: sech2(x))
