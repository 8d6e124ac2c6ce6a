"""Cases of elementwise functions."""

from __future__ import annotations

import operator

import numpy as np
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tinygrad_lecture.engine.primitives import cast, odot
from tinygrad_lecture.rules.elementwise import sech2

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
    unary,
)

binary(np.add, anything, anything)
binary(np.subtract, anything, anything)
binary(np.multiply, anything, anything)
binary(np.divide, anything, away_from_zero)
binary(np.power, positive, anything)
unary(np.negative, anything)
unary(np.positive, anything)
unary(np.absolute, away_from_zero, complex=False)
unary(np.square, anything)
unary(np.reciprocal, away_from_zero)
unary(np.exp, anything)
unary(np.expm1, anything)
unary(np.log, positive)
unary(np.log1p, positive)
unary(np.sqrt, positive)
unary(np.sin, anything)
unary(np.cos, anything)
unary(np.tanh, anything)
unary(sech2, anything, lambda x: 1 / np.cosh(x) ** 2)
unary(tl.logistic, anything, lambda x: 1 / (1 + np.exp(-x)))
unary(tl.relu, away_from_zero, complex=False)
unary(tl.softplus, anything, lambda x: np.log1p(np.exp(x)))
binary(odot, anything, anything)


@case(operator.pow)
def _pow(draw: Draw, rng: np.random.Generator) -> Drawn:
    p = draw(st.sampled_from([2, 3, 0.5, -1, 1, 0, 2.5, "array", "base"]))
    x = positive(rng, draw(shapes))
    if p == "array":
        return Drawn(lambda x, p: x**p, [x, anything(rng, x.shape)])
    return Drawn((lambda x: 2.0**x) if p == "base" else (lambda x: x**p), [x])


@case(np.remainder, complex=False)
def _mod(draw: Draw, rng: np.random.Generator) -> Drawn:
    shape = draw(shapes)
    b = away_from_zero(rng, shape)
    a = b * (rng.integers(-3, 4, shape) + rng.uniform(0.1, 0.9, shape))
    return Drawn(np.mod, [a, b])


@case(cast)
def _cast(draw: Draw, rng: np.random.Generator) -> Drawn:
    return Drawn(lambda x: x.astype(np.longdouble), [anything(rng, draw(shapes))], lambda x: x * 1.0)


inf = np.inf
kink(np.absolute, "0", "0", np.abs, ([-1.0, 0.0, 2.0],), ([-1, 0, 1],))
kink(np.sqrt, "0, an error arrives", "∞", np.sqrt, ([0.0, 4.0],), ([inf, 0.25],))
kink(np.sqrt, "0, no error arrives", "0", lambda x: np.sqrt(x) * [0.0, 1.0], ([0.0, 4.0],), ([0, 0.25],))
kink(np.log, "0, an error arrives", "∞", np.log, ([0.0, 2.0],), ([inf, 0.5],))
kink(operator.pow, "0, exponent below 1", "∞", lambda x: x**0.5, ([0.0],), ([inf],))
kink(np.sign, "everywhere", "0", lambda x: np.sign(x) + 0.0 * x, ([-1.0, 0.0, 1.0],), ([0, 0, 0],))
kink(np.mod, "jumps", "1 in a, −floor_divide(a, b) in b", np.mod, ([7.5, -7.5], [2.0, 2.0]), ([1, 1], [-3, 4]))
