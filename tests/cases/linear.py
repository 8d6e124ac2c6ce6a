"""Cases of linear algebra."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lecture as tl

from .base import (
    Draw,
    Drawn,
    anything,
    case,
)


@case(np.matmul)
def _matmul(draw: Draw, rng: np.random.Generator) -> Drawn:
    sizes = draw(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, max_side=3)).input_shapes
    f = draw(st.sampled_from([np.matmul, lambda a, b: a @ b]))
    return Drawn(f, [anything(rng, s) for s in sizes])


@case(np.linalg.solve)
def _solve(draw: Draw, rng: np.random.Generator) -> Drawn:
    n = draw(st.integers(1, 3))
    batch_a, batch_b = draw(st.sampled_from([((), ()), ((2,), ()), ((2,), (2,)), ((), (2,)), ((2, 1), (3,))]))
    a = rng.uniform(-1, 1, (*batch_a, n, n)) + 4.0 * np.eye(n)
    b = anything(rng, (n,)) if draw(st.booleans()) else anything(rng, (*batch_b, n, draw(st.integers(1, 2))))
    return Drawn(np.linalg.solve, [a, b])


EINSUMS = (
    "ij,jk->ik",
    "ij,jk",
    "i,i->",
    "i,j->ij",
    "ij->ji",
    "ij->j",
    "ij->",
    "ii->",
    "ii->i",
    "iij->j",
    "ii,i->",
    "iii->i",
    "ij,kj,i->k",
    "ij,k->i",
    "i,i,i->i",
    "...i,...i->...",
    "...ij,jk->...ik",
    "i...,i->...",
    "ij...,j...->i...",
    "...,i->...i",
    "...i",
    "j i , i k -> j k",
)


@case(np.einsum)
def _einsum(draw: Draw, rng: np.random.Generator) -> Drawn:
    subscripts = draw(st.sampled_from(EINSUMS))
    length = dict(zip("ijk", draw(st.tuples(*[st.integers(1, 3)] * 3)), strict=True))
    operands = subscripts.replace(" ", "").split("->")[0].split(",")
    xs = []
    for term in operands:
        dots = [draw(st.sampled_from([1, 2]))] * draw(st.integers(0, 1)) if "..." in term else []
        sizes: list[int] = []
        for part in term.replace("...", "."):
            sizes += dots if part == "." else [length[part]]
        xs.append(anything(rng, tuple(sizes)))
    optimize = draw(st.sampled_from([{}, {"optimize": True}]))
    return Drawn(lambda *xs: np.einsum(subscripts, *xs, **optimize), xs)


@case(tl.linear)
def _linear(draw: Draw, rng: np.random.Generator) -> Drawn:
    n, m = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    lead = draw(st.sampled_from([(), (1,), (4,), (2, 3)]))
    xs = [anything(rng, (*lead, n)), anything(rng, (m, n)), anything(rng, (m,))]
    return Drawn(tl.linear, xs if draw(st.booleans()) else xs[:2])
