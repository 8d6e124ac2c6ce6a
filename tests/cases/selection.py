"""Cases of functions that choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from .base import (
    Draw,
    Drawn,
    anything,
    away_from_zero,
    case,
    kink,
    shapes,
    some_pair,
)

inf, nan = np.inf, np.nan


@case(np.where)
def _where(draw: Draw, rng: np.random.Generator) -> Drawn:
    sizes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3)).input_shapes
    mask = rng.random(sizes[0]) < 0.5
    return Drawn(lambda a, b: np.where(mask, a, b), [anything(rng, sizes[1]), anything(rng, sizes[2])])


def extreme(f: Callable[..., Any]) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        pair = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
        a, b = anything(rng, pair[0]), anything(rng, pair[1])
        return Drawn(f, [np.round(a, 1), np.round(b, 1) + 0.05])

    case(f, complex=False)(make)


extreme(np.maximum)
extreme(np.minimum)
extreme(np.fmax)
extreme(np.fmin)


@case(np.copysign, complex=False)
def _copysign(draw: Draw, rng: np.random.Generator) -> Drawn:
    pair = some_pair(draw)
    return Drawn(np.copysign, [away_from_zero(rng, pair[0]), away_from_zero(rng, pair[1])])


@case(np.nan_to_num, complex=False)
def _nan_to_num(draw: Draw, rng: np.random.Generator) -> Drawn:
    options = {"copy": True, "nan": 0.5, "posinf": 2.0, "neginf": -3.0}
    given = {k: v for k, v in options.items() if draw(st.booleans())}
    replaced = [nan, *[inf] * ("posinf" in given), *[-inf] * ("neginf" in given)]  # by what differences can subtract
    forms = [
        lambda x: np.nan_to_num(x, **given),
        lambda x: np.nan_to_num(x, True, 0.25, given.get("posinf"), given.get("neginf")),
        lambda x: np.nan_to_num(x, nan=np.full(x.shape[-1:], 0.5), **{k: v for k, v in given.items() if k != "nan"}),
    ]
    x = anything(rng, draw(shapes))
    return Drawn(draw(st.sampled_from(forms)), [np.where(rng.random(x.shape) < 0.5, x, rng.choice(replaced, x.shape))])


@case(np.clip, complex=False)
def _clip(draw: Draw, rng: np.random.Generator) -> Drawn:
    sizes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=2, max_side=3)).input_shapes
    x, lo, hi = (
        np.round(anything(rng, sizes[0]), 1),
        rng.uniform(-1.98, -0.02, sizes[1]),
        rng.uniform(0.02, 1.98, sizes[2]),
    )
    lo, hi = np.round(lo, 1) + 0.03, np.round(hi, 1) + 0.06
    forms = [
        (lambda x, lo, hi: np.clip(x, lo, hi), [x, lo, hi]),
        (lambda x, hi, lo: np.clip(x, lo, hi), [x, lo, hi]),  # crossed: hi below lo
        (lambda x, lo: np.clip(x, lo, None), [x, lo]),
        (lambda x, hi: np.clip(x, None, hi), [x, hi]),
        (lambda x, lo, hi: np.clip(x, a_min=lo, a_max=hi), [x, lo, hi]),
        (lambda x, lo, hi: x.clip(lo, hi), [x, lo, hi]),
        (lambda x, hi: x.clip(max=hi), [x, hi]),
        (lambda x: np.clip(x, -0.55, 0.55), [x]),
    ]
    return Drawn(*draw(st.sampled_from(forms)))


OTHER = "all to the other side; ½ each of two NaN"
HALF = "½ each, so maximum(x, x) passes 1"
kink(np.maximum, "tie", HALF, np.maximum, ([1.0, 2.0, 0.0], [1.0, 0.0, 2.0]), ([0.5, 1, 0], [0.5, 0, 1]))
kink(np.maximum, "tie with itself", "1 in all", lambda x: np.maximum(x, x), ([3.0],), ([1],))
kink(np.maximum, "tie with a number", "½, where relu has 0", lambda x: np.maximum(x, 0), ([0.0],), ([0.5],))
kink(np.maximum, "NaN", "the error goes to the NaN", np.maximum, ([nan, 1.0], [0.0, nan]), ([1, 0], [0, 1]))
kink(np.minimum, "tie", "½ each", np.minimum, ([1.0, 2.0, 0.0], [1.0, 0.0, 2.0]), ([0.5, 0, 1], [0.5, 1, 0]))
kink(
    np.clip,
    "at a bound",
    "1 inside and at the bound, 0 outside",
    lambda x, lo, hi: np.clip(x, lo, hi),
    ([-2.0, -1.0, 0.0, 1.0, 2.0], -1.0, 1.0),
    ([0, 1, 1, 1, 0], 1, 1),
)
kink(
    np.where,
    "side not chosen, infinite slope there",
    "0",
    lambda x: np.where(x > 0, np.log(x), 0.0),
    ([0.0, 2.0],),
    ([0, 0.5],),
)
kink(
    np.where,
    "side not chosen, NaN slope there",
    "0",
    lambda x: np.where(x > 0, np.sqrt(x), 0.0),
    ([-1.0, 4.0],),
    ([0, 0.25],),
)
kink(np.fmax, "tie", "½ each", np.fmax, ([1.0, 2.0, 0.0], [1.0, 0.0, 2.0]), ([0.5, 1, 0], [0.5, 0, 1]))
kink(np.fmax, "NaN", OTHER, np.fmax, ([nan, 1.0, nan], [0.0, nan, nan]), ([0, 1, 0.5], [1, 0, 0.5]))
kink(np.fmin, "tie", "½ each", np.fmin, ([1.0, 2.0, 0.0], [1.0, 0.0, 2.0]), ([0.5, 0, 1], [0.5, 1, 0]))
kink(np.fmin, "NaN", OTHER, np.fmin, ([nan, 1.0, nan], [0.0, nan, nan]), ([0, 1, 0.5], [1, 0, 0.5]))
kink(np.minimum, "NaN", "the error goes to the NaN", np.minimum, ([nan, 1.0], [0.0, nan]), ([1, 0], [0, 1]))
kink(np.copysign, "0", "0", lambda a: np.copysign(a, [-1.0, -1.0, -0.0]), ([0.0, 2.0, -2.0],), ([0, -1, 1],))
kink(np.nan_to_num, "NaN, ∞", "0", np.nan_to_num, ([nan, inf, -inf, 2.0],), ([0, 0, 0, 1],))
