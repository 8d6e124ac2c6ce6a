"""The case of np.einsum."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .base import (
    Draw,
    Drawn,
    anything,
    case,
)

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


def interleaved(subscripts: str, xs: tuple[Any, ...]) -> list[Any]:
    """The arguments of einsum with lists of numbers in place of letters: a, [0, 1], b, [1, 2], [0, 2]."""
    left, arrow, out = subscripts.replace(" ", "").replace("...", ".").partition("->")
    lists = [[Ellipsis if c == "." else "ijk".index(c) for c in term] for term in [*left.split(","), out]]
    given = [part for pair in zip(xs, lists, strict=False) for part in pair]
    return [*given, lists[-1]] if arrow else given


@case(np.einsum)
def _einsum(draw: Draw, rng: np.random.Generator) -> Drawn:
    subscripts = draw(st.sampled_from(EINSUMS))
    smallest = draw(st.sampled_from([0, 1, 1, 1]))
    length = dict(zip("ijk", draw(st.tuples(*[st.integers(smallest, 3)] * 3)), strict=True))
    operands = subscripts.replace(" ", "").split("->")[0].split(",")
    xs = []
    for term in operands:
        dots = [draw(st.sampled_from([1, 2]))] * draw(st.integers(0, 1)) if "..." in term else []
        sizes: list[int] = []
        for part in term.replace("...", "."):
            one = len(operands) > 1 and len(term) == len(set(term)) and draw(st.integers(0, 9)) == 0
            sizes += dots if part == "." else [1 if one else length[part]]
        xs.append(anything(rng, tuple(sizes)))
    optimize = draw(st.sampled_from([{}, {"optimize": True}]))
    if draw(st.booleans()):
        return Drawn(lambda *xs: np.einsum(*interleaved(subscripts, xs), **optimize), xs)
    return Drawn(lambda *xs: np.einsum(subscripts, *xs, **optimize), xs)
