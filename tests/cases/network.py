"""Cases of what networks are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tinygrad_lecture.rules.network import softmax

from .base import (
    Draw,
    Drawn,
    anything,
    case,
    kink,
    positive,
    shapes,
    some_axis_shapes,
)


@case(tl.log_softmax)
def _log_softmax(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    return Drawn(
        lambda x: tl.log_softmax(x, axis=axis), [x], lambda x: x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))
    )


@case(softmax)
def _softmax(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    options = {} if axis == -1 and draw(st.booleans()) else {"axis": axis}
    return Drawn(
        lambda x: softmax(x, **options), [x], lambda x: np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)
    )


@case(tl.squared_error)
def _squared_error(draw: Draw, rng: np.random.Generator) -> Drawn:
    shape = draw(shapes)
    patterns = shape[0] if shape else 1
    return Drawn(
        tl.squared_error,
        [anything(rng, shape), anything(rng, shape)],
        lambda out, tar: np.sum((out - tar) ** 2 / 2) / patterns,
    )


@case(tl.cross_entropy)
def _cross_entropy(draw: Draw, rng: np.random.Generator) -> Drawn:
    t, k = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    logits = anything(rng, (t, k))

    def reference(a: np.ndarray, p: np.ndarray) -> Any:
        return -np.sum(p * (a - np.log(np.sum(np.exp(a), axis=1, keepdims=True)))) / t

    if draw(st.booleans()):
        return Drawn(tl.cross_entropy, [logits, positive(rng, (t, k))], reference)
    labels = rng.integers(0, k, t)
    return Drawn(lambda a: tl.cross_entropy(a, labels), [logits], lambda a: reference(a, np.eye(k)[labels]))


kink(tl.relu, "0", "0", tl.relu, ([-1.0, 0.0, 2.0],), ([0, 0, 1],))
