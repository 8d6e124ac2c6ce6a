"""Cases of functions of a diagonal."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .base import (
    Draw,
    Drawn,
    anything,
    case,
    sizes,
)

offsets = st.integers(-3, 3)


def _of_two_axes(fn: Any, method: str) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        x = anything(rng, draw(st.one_of(sizes(2), st.sampled_from([(1, 4), (4, 1), (2, 4, 3), (3, 2, 3, 2)]))))
        k = draw(offsets)
        i, j = (a - x.ndim * draw(st.booleans()) for a in draw(st.permutations(range(x.ndim)))[:2])
        forms = [
            lambda x: fn(x),
            lambda x: fn(x, k),
            lambda x: fn(x, k, i, j),
            lambda x: fn(x, offset=k, axis1=i, axis2=j),
            lambda x: getattr(x, method)(k, i, j),
        ]
        return Drawn(draw(st.sampled_from(forms)), [x])

    case(fn)(make)


_of_two_axes(np.trace, "trace")
_of_two_axes(np.diagonal, "diagonal")


def _of_matrices(fn: Any, keyword: str, min_dims: int) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        options = draw(st.fixed_dictionaries({}, optional={keyword: offsets}))
        return Drawn(lambda x: fn(x, **options), [anything(rng, draw(sizes(min_dims)))])

    case(fn)(make)


_of_matrices(np.linalg.trace, "offset", 2)
_of_matrices(np.linalg.diagonal, "offset", 2)
_of_matrices(np.tril, "k", 1)
_of_matrices(np.triu, "k", 1)
_of_matrices(np.diagflat, "k", 0)


@case(np.diag)
def _diag(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(st.sampled_from([(0,), (1,), (3,), (2, 3), (3, 2), (3, 3), (0, 2)])))
    k = draw(offsets)
    return Drawn(draw(st.sampled_from([lambda x: np.diag(x), lambda x: np.diag(x, k), lambda x: np.diag(x, k=k)])), [x])
