"""Slopes of scipy.special's functions, declared once somebody has imported SciPy, and `polygamma`."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from ..engine.op import LATER, Op, slopes
from ..engine.primitives import own
from ..engine.values import Array
from .network import logistic
from .trigonometric import sech2

sp: Any = None
"""scipy.special, from the moment on when the slopes that call it are declared."""

SQRT_PI, SQRT_2, SQRT_HALF = math.sqrt(math.pi), math.sqrt(2.0), math.sqrt(0.5)


@own(Op("gauss"))
def gauss(x: Array, c: float = 1.0) -> Array:
    """exp(−c x²) for c = 1 or ½: x² is split, x = h + l with a short h, so that no rounding of it is made large.

    A primitive, since the short part of a number has no slope.
    """
    x = np.clip(x, -40.0, 40.0)  # beyond, it is 0
    h = np.rint(64.0 * x) / 64.0
    return np.exp(-c * h * h) * np.exp(-c * (x - h) * (x + h))


slopes(gauss, lambda y, x, c=1.0: -2.0 * c * (x * y), signature="x, c=")  # −2c x would overflow


@own(Op("erfcx_slope"))
def erfcx_slope(x: Array, order: int = 1) -> Array:
    """The derivative of that order of erfcx x = exp(x²) erfc x: (−2)ⁿ vₙ, vₙ = 2/√π ∫₀^∞ tⁿ exp(−t² − 2xt) dt.

    By parts, v₁ = 1/√π − x v₀ and vₙ₊₁ = n/2 vₙ₋₁ − x vₙ. Where x is large these lose their digits, and
    rₙ = vₙ₊₁/vₙ = (n+1)/2 / (x + rₙ₊₁) is taken from far above, where rₙ₊₁ and rₙ are all but the same: a primitive,
    since further orders would lose them too.
    """
    y = sp.erfcx(x)
    far = np.asarray(x) > 0.55
    near, z = np.where(far, 0.55, x), np.where(far, x, 0.55)
    before, v = 0.0, sp.erfcx(near)
    for n in range(order):
        before, v = v, (n / 2.0 * before if n else 1.0 / SQRT_PI) - near * v
    top = order + 400
    ratio = 0.5 * (np.hypot(z, math.sqrt(2.0 * top + 2.0)) - z)
    for n in reversed(range(top)):
        ratio = (n + 1) / 2.0 / (z + ratio)
        if n < order:
            y = y * ratio
    return ((-2.0) ** order * np.where(far, y, v))[()]


slopes(erfcx_slope, lambda y, x, order=1: erfcx_slope(x, order + 1), signature="x, order=")


@own(Op("polygamma"))
def polygamma(n: int, x: Array) -> Array:
    """The derivative of order n of digamma, elementwise: scipy.special.polygamma, for Tensors too.

    n: 0, 1, …, not differentiable; x: any shape, of which the dtype is kept. Its slope is that of order n + 1.
    Raises ImportError where SciPy is missing, ValueError for an order that is none.
    Source: scipy.special.polygamma.
    """
    if not isinstance(n, int | np.integer) or n < 0:
        raise ValueError(f"polygamma: the order n must be 0, 1, 2, …, not {n!r}")
    try:
        scipys = import_module("scipy.special").polygamma
    except ImportError as error:
        raise ImportError("polygamma needs SciPy: python -m pip install scipy") from error
    x = np.asarray(x)
    return scipys(n, x).astype(x.dtype if x.dtype.kind == "f" else float)[()]


def _polygamma(x: Array, n: int) -> Array:
    """The same with its input first, as nodes have it."""
    return polygamma.__wrapped__(n, x)  # type: ignore[attr-defined]


slopes(polygamma, lambda y, x, n: polygamma(n + 1, x), signature="n=, x").forward = _polygamma


def _finite(y: Array) -> Array:
    """y; for ∞, what erfcinv gives for the smallest numbers."""
    return np.where(y == np.inf, 27.0, y)


def _normal(x: Array) -> Array:
    """x, but 0 in place of the subnormal numbers, for which SciPy's iv is NaN."""
    return np.where((np.abs(x) > 1e-300) | (x == 0), x, 0.0)


def _normal_over_its_integral(x: Array) -> Array:
    """φ(x)/Φ(x) for the normal distribution: by erfcx where x < 0, which would overflow elsewhere."""
    above, below = np.where(x > 0, x, 0.0), np.where(x > 0, 0.0, x)
    density = SQRT_HALF / SQRT_PI * gauss(above, 0.5) / sp.ndtr(above)
    return np.where(x > 0, density, SQRT_2 / SQRT_PI / sp.erfcx(-SQRT_HALF * below))


def declare() -> None:
    """Declare the slopes of scipy.special's functions."""
    global sp
    sp = import_module("scipy.special")

    # logistic
    slopes(sp.expit, lambda y, x: 0.25 * sech2(0.5 * x))
    slopes(sp.log_expit, lambda y, x: logistic(-x))
    slopes(sp.logit, lambda y, x: 1.0 / (x * (1.0 - x)))

    # logarithms, by a number that may be 0
    slopes(sp.entr, lambda y, x: -1.0 - np.log(x))
    slopes(sp.xlogy, lambda y, a, b: np.log(b), lambda y, a, b: np.where((a == 0) & (b == 0), 0.0, a / b))
    slopes(sp.xlog1py, lambda y, a, b: np.log1p(b), lambda y, a, b: np.where((a == 0) & (b == -1), 0.0, a / (1.0 + b)))

    # the normal distribution
    slopes(sp.erf, lambda y, x: 2.0 / SQRT_PI * gauss(x))
    slopes(sp.erfc, lambda y, x: -2.0 / SQRT_PI * gauss(x))
    slopes(sp.erfcx, lambda y, x: erfcx_slope(x))
    slopes(sp.erfinv, lambda y, x: 0.5 * SQRT_PI / gauss(y))
    slopes(sp.erfcinv, lambda y, x: -0.5 * SQRT_PI * sp.erfcx(_finite(y)) / x)  # exp(y²) would make y's rounding large
    slopes(sp.ndtr, lambda y, x: SQRT_HALF / SQRT_PI * gauss(x, 0.5))
    slopes(sp.log_ndtr, lambda y, x: _normal_over_its_integral(x))

    # the gamma function
    slopes(sp.gamma, lambda y, x: y * sp.digamma(x))
    slopes(sp.gammaln, lambda y, x: sp.digamma(x))
    slopes(sp.digamma, lambda y, x: polygamma(1, x))

    # Bessel functions: of any real order, which is not differentiable, and of orders 0 and 1
    slopes(sp.iv, None, lambda y, v, x: 0.5 * sp.iv(v - 1.0, x) + 0.5 * sp.iv(v + 1.0, x))
    slopes(sp.jv, None, lambda y, v, x: 0.5 * (sp.jv(v - 1.0, x) - sp.jv(v + 1.0, x)))
    slopes(sp.yv, None, lambda y, v, x: np.where(np.isinf(y), -y, sp.yv(v - 1.0, x) - np.where(v == 0, 0.0, v * y / x)))
    slopes(sp.i0, lambda y, x: sp.i1(x))
    slopes(sp.i1, lambda y, x: 0.5 * sp.i0(x) + 0.5 * sp.iv(2.0, _normal(x)))
    slopes(sp.j0, lambda y, x: -sp.j1(x))
    slopes(sp.j1, lambda y, x: np.where(np.abs(x) < 4, 0.5 * (sp.j0(x) - sp.jv(2.0, x)), sp.j0(x) - y / x))
    slopes(sp.y0, lambda y, x: -sp.y1(x))
    slopes(sp.y1, lambda y, x: sp.y0(x) - y / x)


LATER["scipy.special"] = declare
