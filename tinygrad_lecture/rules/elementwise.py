"""Slopes dy/dx of elementwise functions; the engine multiplies them with the error that arrives.

Exponentials and logarithms, trigonometric and hyperbolic functions have pages of their own:
`exponential`, `trigonometric`.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from ..engine.op import composed, slopes
from ..engine.values import Array
from .quotient import over_again
from .trigonometric import sech2 as sech2

# arithmetic
slopes(np.add, 1.0, 1.0)
slopes(np.subtract, 1.0, -1.0)
slopes(np.multiply, lambda y, a, b: b, lambda y, a, b: a, promotes=False)
slopes(np.divide, lambda y, a, b: np.divide(1.0, b), lambda y, a, b: -over_again(y, a, b))
slopes(np.negative, -1.0)
slopes(np.positive, 1.0)
slopes(np.conjugate, 1.0)
slopes(np.absolute, lambda y, x: np.sign(x))
slopes(np.fabs, lambda y, x: np.sign(x))
slopes(np.square, lambda y, x: 2.0 * x)
slopes(np.reciprocal, lambda y, x: -y * y)
slopes(np.mod, 1.0, lambda y, a, b: -np.floor_divide(a, b))
slopes(np.fmod, 1.0, lambda y, a, b: -np.rint((a - y) / b))  # a − y is the multiple of b, up to one rounding
composed(np.divmod)(lambda x1, x2, /: (np.floor_divide(x1, x2), np.remainder(x1, x2)))
composed(np.real)(lambda val: +val)

# powers and roots
slopes(np.sqrt, lambda y, x: 0.5 / y)
slopes(np.cbrt, lambda y, x: 1.0 / (3.0 * y * y))


def _power_slope_in_base(y: Array, x: Array, p: Array) -> Array:
    """p x^(p−1); 0 for p = 0, whatever x is.

    For |p| < ½ it is p y/x, since p − 1 would lose the last digits of p, which log x makes large.
    """
    if isinstance(p, int | float) and (p == 0 or abs(p) >= 0.5):
        return 2.0 * x if p == 2 else p * np.power(x, p - 1) if p else 0.0
    small = (np.abs(p) < 0.5) & (x != 0)
    zero = (p == 0) & ~(np.abs(x) > 0)
    power = np.where(small, y, np.power(x, np.where(small | zero, 1.0, p - 1.0)))
    return np.where(zero, 0.0, p * power / np.where(small, x, 1.0))


def _power_slope_in_exponent(y: Array, x: Array, p: Array) -> Array:
    """y log x; 0 at x = 0 for p > 0, NaN for x < 0."""
    return np.where((x == 0) & (p > 0), 0.0, y * np.log(x))


slopes(np.power, _power_slope_in_base, _power_slope_in_exponent)
slopes(np.float_power, _power_slope_in_base, _power_slope_in_exponent)
slopes(operator.pow, _power_slope_in_base, _power_slope_in_exponent)  # ** of NumPy scalars rounds otherwise

# angles in other units
slopes(np.deg2rad, math.pi / 180.0)
slopes(np.radians, math.pi / 180.0)
slopes(np.rad2deg, 180.0 / math.pi)
slopes(np.degrees, 180.0 / math.pi)
