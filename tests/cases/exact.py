"""What every elementwise function and its slopes are in mpmath: the oracle of 60 digits, over the whole range.

The slopes stand here as calculus gives them, without a thought for rounding: 60 digits have room for it. Where
numbers from 1e-300 to 1e300 meet in one sum, `wide` adds the digits that this needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

import tinygrad_lecture as tl
from tinygrad_lecture.engine.primitives import cast, odot
from tinygrad_lecture.rules.trigonometric import cosine, cosquare, sech2, sinc_slope

from .numbers import Interval

inf = float("inf")
WHOLE: Interval = (-inf, inf)
POSITIVE: Interval = (0.0, inf)
INSIDE: Interval = (-1.0, 1.0)


@dataclass(frozen=True)
class Exact:
    """A function as NumPy, SciPy or we write it, the same in mpmath, and its slopes there.

    domain: the open interval that each input is drawn from. smooth: whether it has slopes of second and third order.
    digits: how many the oracle of these needs. ours: whether its values are ours to get right.
    slow: whether mpmath takes so long that a grid must do. times: by how much SciPy's own functions, of which the
    slope is made, are off the bound; least: below which size, 0 apart, no digits are promised.
    """

    f: Callable[..., Any]
    exact: Callable[..., Any]
    slopes: tuple[Callable[..., Any] | None, ...]
    domain: tuple[Interval, ...] = (WHOLE,)
    smooth: bool = True
    digits: int = 60
    ours: bool = False
    slow: bool = False
    times: float = 1.0
    least: float = 0.0


EXACT: dict[str, list[Exact]] = {}
"""Title of an operation → its function in mpmath; several where it has options."""


def exact(title: str, f: Any, in_mpmath: Any, *slopes: Any, **options: Any) -> None:
    EXACT.setdefault(title, []).append(Exact(f, in_mpmath, slopes, **options))


def wide(f: Callable[..., Any]) -> Callable[..., Any]:
    """f with digits enough for 1 + 1e-600."""

    def with_more(*xs: Any) -> Any:
        with mp.extradps(700):
            return f(*xs)

    return with_more


def two(title: str, f: Any, in_mpmath: Any, first: Any, second: Any, **options: Any) -> None:
    exact(title, f, in_mpmath, first, second, **{"domain": (WHOLE, WHOLE), **options})


def piecewise(title: str, f: Any, in_mpmath: Any, *slopes: Any) -> None:
    exact(title, f, in_mpmath, *slopes, domain=(WHOLE,) * len(slopes), smooth=False)


one, zero, half = (lambda *xs: mp.mpf(1)), (lambda *xs: mp.mpf(0)), mp.mpf(1) / 2

# arithmetic
two("np.add", np.add, lambda a, b: a + b, one, one)
two("np.subtract", np.subtract, lambda a, b: a - b, one, lambda a, b: mp.mpf(-1))
two("np.multiply", np.multiply, lambda a, b: a * b, lambda a, b: b, lambda a, b: a)
two("odot", odot, lambda a, b: a * b, lambda a, b: b, lambda a, b: a)
two("np.divide", np.divide, lambda a, b: a / b, lambda a, b: 1 / b, lambda a, b: -a / b**2)
exact("np.negative", np.negative, lambda x: -x, lambda x: mp.mpf(-1))
exact("np.positive", np.positive, lambda x: x, one)
exact("np.conjugate", np.conjugate, lambda x: x, one)
exact("cast", lambda x: cast(x, np.longdouble), lambda x: x, one)
exact("np.square", np.square, lambda x: x * x, lambda x: 2 * x)
exact("np.reciprocal", np.reciprocal, lambda x: 1 / x, lambda x: -1 / x**2)
for in_radians in (np.deg2rad, np.radians):
    exact(f"np.{in_radians.__name__}", in_radians, lambda x: x * mp.pi / 180, lambda x: mp.pi / 180)
for in_degrees in (np.rad2deg, np.degrees):
    exact(f"np.{in_degrees.__name__}", in_degrees, lambda x: x * 180 / mp.pi, lambda x: 180 / mp.pi)

# what has kinks or jumps; at these themselves the table of kinks holds
for size in (np.absolute, np.fabs):
    piecewise(f"np.{size.__name__}", size, abs, mp.sign)
piecewise("np.remainder", np.remainder, lambda a, b: a - b * mp.floor(a / b), one, lambda a, b: -mp.floor(a / b))
piecewise("np.fmod", np.fmod, lambda a, b: a - b * to_zero(a / b), one, lambda a, b: -to_zero(a / b))
for larger in (np.maximum, np.fmax):
    piecewise(f"np.{larger.__name__}", larger, max, lambda a, b: share(a > b, a, b), lambda a, b: share(b > a, a, b))
for smaller in (np.minimum, np.fmin):
    piecewise(f"np.{smaller.__name__}", smaller, min, lambda a, b: share(a < b, a, b), lambda a, b: share(b < a, a, b))
piecewise("np.copysign", np.copysign, lambda a, b: abs(a) * mp.sign(b), lambda a, b: mp.sign(a) * sign_of(b), None)
piecewise("np.heaviside", np.heaviside, lambda a, b: mp.mpf(a > 0) if a else b, None, lambda a, b: mp.mpf(a == 0))
piecewise("np.where", lambda a, b: np.where([True, False], a, b)[0], lambda a, b: a, one, zero)
piecewise(
    "np.clip",
    lambda x: np.clip(x, -2.5, 40.0),
    lambda x: min(max(x, -2.5), 40),
    lambda x: mp.mpf(-2.5 <= x <= 40),
)
piecewise("tl.relu", tl.relu, lambda x: max(x, 0), lambda x: mp.mpf(x > 0))


def to_zero(q: Any) -> Any:
    return mp.sign(q) * mp.floor(abs(q))


def share(wins: bool, a: Any, b: Any) -> Any:
    return half if a == b else mp.mpf(wins)


def sign_of(b: Any) -> Any:
    """The sign of b; 0 has none here, and two in NumPy: that is for the table of kinks."""
    return mp.sign(b) if b else mp.nan


# powers and roots
exact("np.sqrt", np.sqrt, mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), domain=(POSITIVE,))
exact("np.cbrt", np.cbrt, lambda x: mp.sign(x) * mp.cbrt(abs(x)), lambda x: 1 / (3 * mp.cbrt(abs(x)) ** 2))
raised = lambda a, b: mp.exp(b * mp.log(a))
for title, power in (("np.power", np.power), ("np.float_power", np.float_power), ("**", lambda a, b: a**b)):
    in_base, in_exponent = (lambda a, b: b / a * raised(a, b)), (lambda a, b: mp.log(a) * raised(a, b))
    two(title, power, raised, in_base, in_exponent, domain=(POSITIVE, WHOLE))
    for p in (2, 3, -1, 0.5, 2.5, 1e-3, -0.25, 40.0) if title == "np.power" else (2, -1, 0.3):
        of_x = lambda x, p=p: p * x ** (mp.mpf(p) - 1)
        domain = WHOLE if p == int(p) else POSITIVE
        exact(title, lambda x, f=power, p=p: f(x, p), lambda x, p=p: x**p, of_x, domain=(domain,))

# exponentials and logarithms
exact("np.exp", np.exp, mp.exp, mp.exp)
exact("np.exp2", np.exp2, lambda x: mp.power(2, x), lambda x: mp.log(2) * mp.power(2, x))
exact("np.expm1", np.expm1, mp.expm1, mp.exp)
exact("np.log", np.log, mp.log, lambda x: 1 / x, domain=(POSITIVE,))
exact("np.log2", np.log2, lambda x: mp.log(x) / mp.log(2), lambda x: 1 / x / mp.log(2), domain=(POSITIVE,))
exact("np.log10", np.log10, lambda x: mp.log(x) / mp.log(10), lambda x: 1 / x / mp.log(10), domain=(POSITIVE,))
exact("np.log1p", np.log1p, mp.log1p, wide(lambda x: 1 / (1 + x)), domain=((-1.0, inf),))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def bell(x: Any) -> Any:
    return 1 / (mp.exp(x / 2) + mp.exp(-x / 2)) ** 2


def added(a: Any, b: Any, base: Any = mp.e) -> Any:
    """log(baseᵃ + baseᵇ) to that base."""
    return max(a, b) + mp.log1p(mp.power(base, -abs(a - b))) / mp.log(base)


apart = wide(lambda a, b: a - b)
two(
    "np.logaddexp",
    np.logaddexp,
    added,
    lambda a, b: sigmoid(apart(a, b)),
    lambda a, b: sigmoid(apart(b, a)),
    digits=420,
)
two(
    "np.logaddexp2",
    np.logaddexp2,
    lambda a, b: added(a, b, 2),
    lambda a, b: sigmoid(apart(a, b) * mp.log(2)),
    lambda a, b: sigmoid(apart(b, a) * mp.log(2)),
    digits=420,
)
exact("tl.logistic", tl.logistic, sigmoid, bell, ours=True)
exact("tl.softplus", tl.softplus, lambda x: max(x, 0) + mp.log1p(mp.exp(-abs(x))), sigmoid, digits=420, ours=True)

# of angles
exact("np.sin", np.sin, mp.sin, mp.cos)
exact("np.cos", np.cos, mp.cos, lambda x: -mp.sin(x))
exact("np.tan", np.tan, mp.tan, lambda x: mp.sec(x) ** 2)
one_less_square = wide(lambda x: 1 - x * x)
exact("cosquare", cosquare, one_less_square, lambda x: -2 * x, ours=True)
exact("np.arcsin", np.arcsin, mp.asin, lambda x: 1 / mp.sqrt(one_less_square(x)), domain=(INSIDE,))
exact("np.arccos", np.arccos, mp.acos, lambda x: -1 / mp.sqrt(one_less_square(x)), domain=(INSIDE,))
exact("np.arctan", np.arctan, mp.atan, lambda x: 1 / (1 + x * x))
two(
    "np.arctan2",
    np.arctan2,
    mp.atan2,
    lambda a, b: b / (a * a + b * b),
    lambda a, b: -a / (a * a + b * b),
)
three = lambda a, b: mp.hypot(a, b) ** 3
two(
    "cosine",
    cosine,
    lambda a, b: a / mp.hypot(a, b),
    lambda a, b: b * b / three(a, b),
    lambda a, b: -a * b / three(a, b),
    ours=True,
    least=1e-300,  # where these slopes overflow, b/h² does a little earlier
)
two("np.hypot", np.hypot, mp.hypot, lambda a, b: a / mp.hypot(a, b), lambda a, b: b / mp.hypot(a, b))


def sinc_derivative(x: Any, order: int) -> Any:
    """The derivative of that order of sin(πx)/(πx), as ∫₀¹ cos(πxt) dt has it in closed form, or by its series."""
    if abs(x) < 1:  # Σ (−1)ᵏ π²ᵏ x²ᵏ⁻ⁿ / ((2k−n)! (2k+1))
        ks = range((order + 1) // 2, order + mp.mp.dps)
        factors = ((-1) ** k * mp.pi ** (2 * k) / (mp.factorial(2 * k - order) * (2 * k + 1)) for k in ks)
        return sum(c * x ** (2 * k - order) for k, c in zip(ks, factors, strict=True))
    here = mp.sincpi(x)
    for n in range(1, order + 1):  # x fₙ + n fₙ₋₁ = πⁿ⁻¹ sin(πx + nπ/2)
        angle = (mp.sinpi, mp.cospi, lambda x: -mp.sinpi(x), lambda x: -mp.cospi(x))[n % 4]
        here = (mp.pi ** (n - 1) * angle(x) - n * here) / x
    return here


exact("np.sinc", np.sinc, mp.sincpi, lambda x: sinc_derivative(x, 1))
exact("sinc_slope", sinc_slope, lambda x: sinc_derivative(x, 1), lambda x: sinc_derivative(x, 2), ours=True)
exact(
    "sinc_slope",
    lambda x: sinc_slope(x, order=2),
    lambda x: sinc_derivative(x, 2),
    lambda x: sinc_derivative(x, 3),
    ours=True,
)

# hyperbolic
exact("np.sinh", np.sinh, mp.sinh, mp.cosh)
exact("np.cosh", np.cosh, mp.cosh, mp.sinh)
exact("np.tanh", np.tanh, mp.tanh, lambda x: mp.sech(x) ** 2)
exact("sech2", sech2, lambda x: mp.sech(x) ** 2, lambda x: -2 * mp.tanh(x) * mp.sech(x) ** 2, ours=True)
exact("np.arcsinh", np.arcsinh, mp.asinh, lambda x: 1 / mp.sqrt(1 + x * x))
exact("np.arccosh", np.arccosh, mp.acosh, lambda x: 1 / mp.sqrt(-one_less_square(x)), domain=((1.0, inf),))
exact("np.arctanh", np.arctanh, mp.atanh, lambda x: 1 / one_less_square(x), domain=(INSIDE,))
