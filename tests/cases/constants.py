"""The case of a step whose height is differentiable."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from .base import (
    Draw,
    Drawn,
    anything,
    away_from_zero,
    case,
    kink,
    some_pair,
)


@case(np.heaviside, complex=False)
def _heaviside(draw: Draw, rng: np.random.Generator) -> Drawn:
    pair = some_pair(draw)
    x, h = away_from_zero(rng, pair[0]), anything(rng, pair[1])
    zeros = x * (rng.random(x.shape) < 0.5)
    return Drawn(*draw(st.sampled_from([(np.heaviside, [x, h]), (lambda h: np.heaviside(zeros, h), [h])])))


kink(np.heaviside, "0", "1 in its height there", lambda h: np.heaviside([-1.0, 0.0, 2.0], h), (0.5,), (1,))
