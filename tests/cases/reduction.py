"""Cases of reductions."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import tinygrad_lecture as tl

from .base import (
    Draw,
    Drawn,
    anything,
    case,
    distinct,
    kink,
    positive,
    reduction,
    some_axis_shapes,
)


def some_zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Some elements are 0; none is so large that differences of a product of 27 would see its sixth derivative."""
    return rng.uniform(0.3, 1.2, shape) * rng.choice([-1.0, 1.0], shape) * (rng.random(shape) < 0.8)


reduction(np.sum, anything)
reduction(np.mean, anything)
reduction(np.prod, some_zeros)
reduction(np.max, distinct, complex=False)
reduction(np.min, distinct, complex=False)
reduction(tl.logsumexp, anything, lambda x, **o: np.log(np.sum(np.exp(x), **o)))


@case(np.average)
def _average(draw: Draw, rng: np.random.Generator) -> Drawn:
    a = anything(rng, draw(some_axis_shapes))
    axis = draw(st.integers(-a.ndim, a.ndim - 1))
    keep = draw(st.booleans())
    forms = [
        (lambda a: np.average(a, axis=axis, keepdims=keep), [a]),
        (lambda a, w: np.average(a, axis, w), [a, positive(rng, a.shape)]),
        (lambda a, w: np.average(a, weights=w), [a, positive(rng, a.shape)]),
        (lambda a, w: np.average(a, axis=axis, weights=w, keepdims=keep), [a, positive(rng, (a.shape[axis],))]),
    ]
    return Drawn(*draw(st.sampled_from(forms)))


nan = np.nan
kink(np.max, "ties", "shared evenly", np.max, ([2.0, 1.0, 2.0],), ([0.5, 0, 0.5],))
kink(np.max, "NaN", "the error goes to the NaN positions", np.max, ([nan, 1.0, nan],), ([0.5, 0, 0.5],))
kink(np.min, "ties", "shared evenly", np.min, ([1.0, 1.0, 2.0, 1.0],), ([1 / 3, 1 / 3, 0, 1 / 3],))
kink(np.prod, "one zero", "the product of the others, at the zero alone", np.prod, ([2.0, 0.0, 3.0],), ([0, 6, 0],))
kink(np.prod, "two zeros", "0", np.prod, ([2.0, 0.0, 0.0],), ([0, 0, 0],))
