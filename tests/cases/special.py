"""Cases of scipy.special's functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sp
from hypothesis import strategies as st

from tinygrad_lecture.engine.op import lookup
from tinygrad_lecture.rules.special import erfcx_slope, gauss, polygamma

from .base import Draw, Drawn, anything, away_from_zero, case, kink, positive, shapes, some_pair, unary

lookup(sp.erf)  # declares the slopes


def share(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.1, 0.9, shape)


def of_both_signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return 2.0 * share(rng, shape) - 1.0


def away_from_poles(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Of both signs, no nearer to 0, −1, … than 0.2."""
    return rng.integers(-2, 4, shape) + rng.uniform(0.2, 0.8, shape)


def around_one(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(-1.0, 3.0, shape)


def erfcx_derivative(n: int, x: Any) -> Any:
    first = 2 * x * sp.erfcx(x) - 2 / np.sqrt(np.pi)
    return first if n == 1 else 2 * sp.erfcx(x) + 2 * x * first


unary(sp.expit, anything, lambda x: 1 / (1 + np.exp(-x)))
unary(sp.log_expit, anything, lambda x: -np.log1p(np.exp(-x)))
unary(sp.logit, share, lambda x: np.log(x / (1 - x)))
unary(sp.entr, positive, lambda x: -x * np.log(x))
unary(sp.erf, anything)
unary(sp.erfc, anything)
unary(sp.erfcx, anything)
unary(sp.ndtr, anything)
unary(sp.log_ndtr, anything)
unary(sp.erfinv, of_both_signs, complex=False)
unary(sp.erfcinv, share, complex=False)
for by_differences in (sp.gamma, sp.gammaln):
    unary(by_differences, away_from_poles, complex=False)
unary(sp.digamma, away_from_poles)
for bessel in (sp.i0, sp.i1, sp.j0, sp.j1):
    unary(bessel, anything, complex=False)
for bessel in (sp.y0, sp.y1):
    unary(bessel, positive, complex=False)


def with_order(f: Any, of: Any, orders: list[Any], domain: Any, reference: Any = None, complex: bool = True) -> None:
    """A function of x with a static order n, as of(n, x)."""

    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        n = draw(st.sampled_from(orders))
        g = reference and (lambda x: reference(n, x))
        return Drawn(lambda x: of(n, x), [domain(rng, draw(shapes))], g)

    case(f, complex)(make)


for bessel in (sp.iv, sp.jv, sp.yv):
    with_order(bessel, bessel, [0, 1, 2.5], positive, complex=False)
with_order(polygamma, polygamma, [0, 1, 2], positive, complex=False)
with_order(gauss, lambda c, x: gauss(x, c), [0.5, 1.0], anything, lambda c, x: np.exp(-c * x * x))
with_order(erfcx_slope, lambda n, x: erfcx_slope(x, n), [1, 2], around_one, erfcx_derivative)


def product(f: Any, second: Any) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        pair = some_pair(draw)
        return Drawn(f, [away_from_zero(rng, pair[0]), second(rng, pair[1])])

    case(f)(make)


product(sp.xlogy, positive)
product(sp.xlog1py, positive)

inf = np.inf
kink(sp.xlogy, "x = 0", "log y in x; 0 in y, at y = 0 too", sp.xlogy, ([0.0, 0.0], [1.0, 0.0]), ([0, -inf], [0, 0]))
kink(
    sp.xlog1py,
    "x = 0",
    "log1p y in x; 0 in y",
    sp.xlog1py,
    ([0.0, 0.0], [0.0, -1.0]),
    ([0, -inf], [0, 0]),
)
kink(sp.entr, "0, an error arrives", "∞", sp.entr, ([0.0],), ([inf],))
kink(sp.logit, "0 and 1, an error arrives", "∞", sp.logit, ([0.0, 1.0],), ([inf, inf],))
kink(sp.erfcinv, "0 and 2, an error arrives", "−∞", sp.erfcinv, ([0.0, 2.0],), ([-inf, -inf],))
kink(sp.erfinv, "±1, an error arrives", "∞", sp.erfinv, ([-1.0, 1.0],), ([inf, inf],))
