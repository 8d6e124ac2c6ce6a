"""Slopes of trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

import math

import numpy as np
from numpy import cosh, ndarray, reciprocal, square

from ..engine.op import Op, slopes
from ..engine.primitives import own
from ..engine.values import Array
from .quotient import over_again


@np.errstate(over="ignore")  # as a decorator in half the time of a with block
def silent_cosh(x: Array, out: np.ndarray | None = None) -> Array:
    """cosh x, which overflows to ∞ without a word: for those who want 1/∞."""
    return cosh(x, out)


@own(Op("sech2"))
def sech2(x: Array) -> Array:
    """1/cosh²x, which keeps its digits where 1 − tanh²x is 0."""
    if not isinstance(x, ndarray) and abs(x) < 10.0:  # one number, whose cosh is finite in half precision too
        c = 1.0 / cosh(x)
        return c * c
    c = silent_cosh(x)
    return square(reciprocal(c, c), c) if type(c) is ndarray else square(1.0 / c)


@own(Op("cosquare"))
def cosquare(x: Array) -> Array:
    """1 − x² = (1 − x)(1 + x): keeps its digits near ±1.

    A primitive, since the product's own slope (1 − x) − (1 + x) would lose those of small x.
    """
    return (1.0 - x) * (1.0 + x)


slopes(cosquare, lambda y, x: -2.0 * x)

# of an angle
slopes(np.sin, lambda y, x: np.cos(x))
slopes(np.cos, lambda y, x: -np.sin(x))
slopes(np.tan, lambda y, x: 1.0 + y * y)
slopes(np.arcsin, lambda y, x: 1.0 / np.sqrt(cosquare(x)))
slopes(np.arccos, lambda y, x: -1.0 / np.sqrt(cosquare(x)))
slopes(np.arctan, lambda y, x: np.square(1.0 / np.hypot(1.0, x)))  # 1 + x² would overflow


@own(Op("cosine"))
def cosine(a: Array, b: Array) -> Array:
    """a/h, h = hypot(a, b): the cosine of the angle between (a, b) and the first axis; 0 at the cone a = b = 0.

    Where h overflows, or is too small to have all its digits, it is sign(a)/hypot(1, b/a). A primitive, since the
    slope of the quotient, 1/h − a²/h³, would lose the digits of a small b.
    """
    with np.errstate(over="ignore"):
        h = np.hypot(a, b)
    info = np.finfo(h.dtype)
    usual = (h == 0) | (h > info.smallest_normal / info.eps) & (h < np.inf)
    ratio = np.where(usual, 0.0, b) / np.where(usual, 1.0, a)
    return np.where(h == 0, 0.0, np.where(usual, a / np.where(h == 0, 1.0, h), np.sign(a) / np.hypot(1.0, ratio)))[()]


def _turn(a: Array, b: Array) -> Array:
    """a/h², h = hypot(a, b): in two steps, since h² overflows and underflows, and by halves, where h itself does."""
    info = np.finfo(np.result_type(a, b))
    half = np.where((np.abs(a) > 0.5 * info.max) | (np.abs(b) > 0.5 * info.max), 0.5, 1.0).astype(info.dtype)
    return half * over_again(cosine(a, b), half * a, np.hypot(half * a, half * b))


slopes(np.hypot, lambda y, a, b: cosine(a, b), lambda y, a, b: cosine(b, a))
slopes(cosine, lambda y, a, b: _turn(b, a) * cosine(b, a), lambda y, a, b: -_turn(b, a) * y)
slopes(np.arctan2, lambda y, a, b: _turn(b, a), lambda y, a, b: -_turn(a, b))

# hyperbolic
slopes(np.sinh, lambda y, x: np.cosh(x))
slopes(np.cosh, lambda y, x: np.sinh(x))
slopes(np.tanh, lambda y, x: sech2(x))
slopes(sech2, lambda y, x: -2.0 * np.tanh(x) * y)
slopes(np.arcsinh, lambda y, x: 1.0 / np.hypot(1.0, x))
slopes(np.arccosh, lambda y, x: 1.0 / np.sqrt(x - 1.0) / np.sqrt(x + 1.0))  # (x − 1)(x + 1) overflows
slopes(np.arctanh, lambda y, x: 1.0 / cosquare(x))


@own(Op("sinc_slope"))
def sinc_slope(x: Array, order: int = 1) -> Array:
    """The derivative fₙ of that order of sinc x = sin(πx)/(πx): a power series where |πx| is small.

    Elsewhere x fₙ + n fₙ₋₁ = πⁿ⁻¹ sin(πx + nπ/2), what x sinc x = sin(πx)/π gives. A primitive, since
    (cos πx − sinc x)/x loses its digits near 0, and each further order more of them.
    """
    near = np.abs(x) < 2.75 / math.pi  # from there on, either form loses as much
    small = np.where(near, x, 0.0)
    u = math.pi * small
    terms = [  # Σ (−1)ᵏ u²ᵏ⁻ⁿ / ((2k−n)! (2k+1)), by Horner's scheme
        (-1) ** k / (math.factorial(2 * k - order) * (2 * k + 1)) for k in range((order + 1) // 2, 2 * order + 16)
    ]
    series = 0.0 * u
    for c in reversed(terms):
        series = series * u * u + c
    series = math.pi ** (order + order % 2) * series
    series = series * small if order % 2 else series

    far = np.where(near, 1.0, x)
    r = math.pi * np.fmod(far, 2.0)  # the remainder is exact: cos πx keeps its digits where x is large
    sines = (np.sin(r), np.cos(r), -np.sin(r), -np.cos(r))
    f = sines[0] / math.pi / far
    for n in range(1, order + 1):
        f = (math.pi ** (n - 1) * sines[n % 4] - n * f) / far
    return np.where(near, series, f)[()]


slopes(sinc_slope, lambda y, x, order=1: sinc_slope(x, order + 1), signature="x, order=")
slopes(np.sinc, lambda y, x: sinc_slope(x), signature="x")
