"""Cases of elementwise functions."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tinygrad_lecture.engine.primitives import cast, odot
from tinygrad_lecture.rules.trigonometric import cosine, cosquare, sech2, sinc_slope

from .base import (
    Draw,
    Drawn,
    anything,
    away_from_zero,
    binary,
    case,
    kink,
    positive,
    shapes,
    some_pair,
    unary,
)

Domain = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def one(f: Any, domain: Domain, reference: Any = None, complex: bool = True, forms: tuple[Any, ...] = ()) -> None:
    """A function of one input; forms: other ways to write it."""

    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        return Drawn(draw(st.sampled_from([f, *forms])), [domain(rng, draw(shapes))], reference)

    case(f, complex)(make)


def two(
    f: Any, first: Domain, second: Domain, reference: Any = None, complex: bool = True, forms: tuple[Any, ...] = ()
) -> None:
    """A function of two inputs, of which one may be integers or a number."""

    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        form = draw(st.sampled_from([f, *forms]))
        g = reference or form
        shape_a, shape_b = some_pair(draw)
        beside = draw(st.sampled_from(["", "integers", "a number"]))
        if beside == "integers":
            n = rng.integers(1, 4, shape_b)
            return Drawn(lambda a: form(a, n), [first(rng, shape_a)], lambda a: g(a, n))
        if beside == "a number":
            return Drawn(lambda b: form(2.0, b), [second(rng, shape_b)], lambda b: g(2.0, b))
        return Drawn(form, [first(rng, shape_a), second(rng, shape_b)], g)

    case(f, complex)(make)


def inside(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(-0.9, 0.9, shape)


def above_one(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return 1.0 + positive(rng, shape)


def some_zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return away_from_zero(rng, shape) * rng.choice([0.0, 1.0, 1.0], shape)


# arithmetic
two(np.add, anything, anything, forms=(operator.add,))
two(np.subtract, anything, anything, forms=(operator.sub,))
two(np.multiply, anything, anything, forms=(operator.mul,))
two(np.divide, anything, away_from_zero, forms=(operator.truediv,))
two(np.power, positive, anything)
two(np.float_power, positive, anything)
one(np.negative, anything, forms=(operator.neg,))
one(np.positive, anything, forms=(operator.pos, lambda x: x.copy()))
one(np.conjugate, anything, lambda x: 1.0 * x, forms=(lambda x: x.conj(),))
one(np.real, anything, lambda x: 1.0 * x)
one(np.absolute, away_from_zero, complex=False, forms=(abs,))
unary(np.fabs, away_from_zero, complex=False)
unary(np.square, anything)
unary(np.reciprocal, away_from_zero)
unary(np.sqrt, positive)
unary(np.cbrt, away_from_zero, lambda x: np.sign(x.real) * (np.sign(x.real) * x) ** (1 / 3))
for in_radians in (np.deg2rad, np.radians):
    unary(in_radians, anything, lambda x: x * np.pi / 180)
for in_degrees in (np.rad2deg, np.degrees):
    unary(in_degrees, anything, lambda x: x * 180 / np.pi)
binary(odot, anything, anything)

# exponentials
unary(np.exp, anything)
unary(np.exp2, anything, lambda x: np.exp(x * np.log(2)))
unary(np.expm1, anything)
unary(np.log, positive)
unary(np.log2, positive, lambda x: np.log(x) / np.log(2))
unary(np.log10, positive, lambda x: np.log(x) / np.log(10))
unary(np.log1p, positive)
two(np.logaddexp, anything, anything, lambda a, b: np.log(np.exp(a) + np.exp(b)))
two(np.logaddexp2, anything, anything, lambda a, b: np.log(2**a + 2**b) / np.log(2))
unary(tl.logistic, anything, lambda x: 1 / (1 + np.exp(-x)))
unary(tl.relu, away_from_zero, complex=False)
unary(tl.softplus, anything, lambda x: np.log1p(np.exp(x)))

# trigonometric and hyperbolic
unary(np.sin, anything)
unary(np.cos, anything)
unary(np.tan, inside)
unary(np.arcsin, inside)
unary(np.arccos, inside)
unary(np.arctan, anything)
unary(cosquare, anything, lambda x: 1 - x * x)
two(np.arctan2, anything, away_from_zero, lambda a, b: np.arctan(a / b))
two(np.hypot, anything, away_from_zero, lambda a, b: np.sqrt(a * a + b * b))
two(cosine, anything, away_from_zero, lambda a, b: a / np.sqrt(a * a + b * b))
unary(np.sinh, anything)
unary(np.cosh, anything)
unary(np.tanh, anything)
unary(sech2, anything, lambda x: 1 - np.tanh(x) ** 2)
unary(np.arcsinh, anything)
unary(np.arccosh, above_one)
unary(np.arctanh, inside)
one(np.sinc, some_zeros, forms=(lambda x: np.sinc(x=x),))


@case(sinc_slope)
def _sinc_slope(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = away_from_zero(rng, draw(shapes))
    first = lambda x: (np.cos(np.pi * x) - np.sinc(x)) / x
    second = lambda x: -(np.pi**2) * np.sinc(x) - 2 * first(x) / x
    if draw(st.booleans()):
        return Drawn(lambda x: sinc_slope(x, order=2), [x], second)
    return Drawn(sinc_slope, [x], first)


@case(operator.pow)
def _pow(draw: Draw, rng: np.random.Generator) -> Drawn:
    p = draw(st.sampled_from([2, 3, 0.5, -1, 1, 0, 2.5, "array", "base"]))
    x = positive(rng, draw(shapes))
    if p == "array":
        return Drawn(lambda x, p: x**p, [x, anything(rng, x.shape)])
    return Drawn((lambda x: 2.0**x) if p == "base" else (lambda x: x**p), [x])


def multiples(rng: np.random.Generator, shape: tuple[int, ...]) -> list[np.ndarray]:
    """a and b with a/b away from whole numbers."""
    b = away_from_zero(rng, shape)
    return [b * (rng.integers(-3, 4, shape) + rng.uniform(0.1, 0.9, shape)), b]


@case(np.remainder, complex=False)
def _mod(draw: Draw, rng: np.random.Generator) -> Drawn:
    return Drawn(draw(st.sampled_from([np.mod, operator.mod])), multiples(rng, draw(shapes)))


@case(np.fmod, complex=False)
def _fmod(draw: Draw, rng: np.random.Generator) -> Drawn:
    return Drawn(np.fmod, multiples(rng, draw(shapes)))


@case(np.divmod)
def _divmod(draw: Draw, rng: np.random.Generator) -> Drawn:
    form, k = draw(st.sampled_from([np.divmod, divmod])), draw(st.integers(0, 1))
    wholes = lambda a, b: np.floor((a / b).real)
    reference = (lambda a, b: a - wholes(a, b) * b) if k else wholes
    return Drawn(lambda a, b: form(a, b)[k], multiples(rng, draw(shapes)), reference)


@case(cast)
def _cast(draw: Draw, rng: np.random.Generator) -> Drawn:
    return Drawn(lambda x: x.astype(np.longdouble), [anything(rng, draw(shapes))], lambda x: x * 1.0)


inf, nan = np.inf, np.nan
kink(np.absolute, "0", "0", np.abs, ([-1.0, 0.0, 2.0],), ([-1, 0, 1],))
kink(np.sqrt, "0, an error arrives", "∞", np.sqrt, ([0.0, 4.0],), ([inf, 0.25],))
kink(np.sqrt, "0, no error arrives", "0", lambda x: np.sqrt(x) * [0.0, 1.0], ([0.0, 4.0],), ([0, 0.25],))
kink(np.log, "0, an error arrives", "∞", np.log, ([0.0, 2.0],), ([inf, 0.5],))
kink(operator.pow, "0, exponent below 1", "∞", lambda x: x**0.5, ([0.0],), ([inf],))
kink(np.sign, "everywhere", "0", lambda x: np.sign(x) + 0.0 * x, ([-1.0, 0.0, 1.0],), ([0, 0, 0],))
kink(np.mod, "jumps", "1 in a, −floor_divide(a, b) in b", np.mod, ([7.5, -7.5], [2.0, 2.0]), ([1, 1], [-3, 4]))
kink(np.fmod, "jumps", "1 in a, −trunc(a/b) in b", np.fmod, ([7.5, -7.5], [2.0, 2.0]), ([1, 1], [-3, 3]))
kink(np.cbrt, "0, an error arrives", "∞", np.cbrt, ([0.0, 8.0],), ([inf, 1 / 12],))
kink(np.hypot, "0, the cone", "0", np.hypot, ([0.0, 3.0], [0.0, 4.0]), ([0, 0.6], [0, 0.8]))
kink(np.hypot, "∞", "±1 to it, 0 to the other", np.hypot, ([inf, 1.0], [1.0, -inf]), ([1, 0], [0, -1]))
kink(np.arctan2, "∞", "0", np.arctan2, ([inf, 1.0], [1.0, -inf]), ([0, 0], [0, 0]))
kink(np.arctan2, "0, 0", "NaN: there is no limit", np.arctan2, ([0.0, 0.0], [0.0, 2.0]), ([nan, 0.5], [nan, 0]))
kink(np.sinc, "0", "0", np.sinc, ([0.0],), ([0],))
kink(
    np.logaddexp,
    "infinities",
    "½ each where both are the same, else all to the larger",
    np.logaddexp,
    ([inf, -inf, inf, 0.0, inf], [inf, -inf, 0.0, -inf, -inf]),
    ([0.5, 0.5, 1, 1, 1], [0.5, 0.5, 0, 0, 0]),
)
kink(
    np.logaddexp2,
    "infinities",
    "½ each where both are the same, else all to the larger",
    np.logaddexp2,
    ([inf, -inf, inf, 0.0, inf], [inf, -inf, 0.0, -inf, -inf]),
    ([0.5, 0.5, 1, 1, 1], [0.5, 0.5, 0, 0, 0]),
)
