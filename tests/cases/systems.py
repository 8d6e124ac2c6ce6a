"""Cases of linear systems, inverses and determinants."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tinygrad_lecture.rules.systems import cofactors, logabsdet

from .base import (
    Draw,
    Drawn,
    anything,
    case,
    kink,
)

leads = st.sampled_from([(), (), (2,), (0,), (1, 2)])


def regular(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Matrices far from singular."""
    return rng.uniform(-1, 1, shape) + 4.0 * np.eye(shape[-1])


@case(np.linalg.solve)
def _solve(draw: Draw, rng: np.random.Generator) -> Drawn:
    n = draw(st.integers(0, 3))
    batch_a, batch_b = draw(st.sampled_from([((), ()), ((2,), ()), ((2,), (2,)), ((), (2,)), ((2, 1), (3,))]))
    a = regular(rng, (*batch_a, n, n))
    b = anything(rng, (n,)) if draw(st.booleans()) else anything(rng, (*batch_b, n, draw(st.integers(0, 2))))
    form = draw(st.sampled_from(["both", "both", "integers left", "integers right"]))
    if form == "integers left":
        whole = np.round(a).astype(int)
        return Drawn(lambda b: np.linalg.solve(whole, b), [b])
    if form == "integers right":
        whole = np.round(b).astype(int)
        return Drawn(lambda a: np.linalg.solve(a, whole), [a])
    return Drawn(np.linalg.solve, [a, b])


@case(np.linalg.inv)
def _inv(draw: Draw, rng: np.random.Generator) -> Drawn:
    n = draw(st.integers(0, 3))
    return Drawn(np.linalg.inv, [regular(rng, (*draw(leads), n, n))])


def any_rank(draw: Draw, rng: np.random.Generator, largest: int = 5) -> np.ndarray:
    """Matrices of any rank, rank 0 too; some with a row of zeros, so that singular values are exactly 0."""
    n = draw(st.integers(0, largest))
    rank = draw(st.integers(0, n))
    lead = draw(leads)
    a = anything(rng, (*lead, n, rank)) @ anything(rng, (*lead, rank, n)) / max(rank, 1)
    a[..., : draw(st.sampled_from([0, 0, 1])), :] = 0.0
    return a


def by_permutations(a: np.ndarray) -> np.ndarray:
    """det A = Σ ± a_1σ1 … a_nσn: no division, so that singular matrices may be moved by a complex step."""
    n = a.shape[-1]
    if n == 0:
        return np.ones(a.shape[:-2])
    y = 0.0
    for j in range(n):
        rest = np.delete(a[..., 1:, :], j, axis=-1)
        y = y + (-1.0) ** j * a[..., 0, j] * by_permutations(rest)
    return np.asarray(y)


@case(np.linalg.det)
def _det(draw: Draw, rng: np.random.Generator) -> Drawn:
    return Drawn(np.linalg.det, [any_rank(draw, rng)], by_permutations)


@case(cofactors)
def _cofactors(draw: Draw, rng: np.random.Generator) -> Drawn:
    def reference(a: np.ndarray) -> np.ndarray:
        n = a.shape[-1]
        y = np.zeros(a.shape, a.dtype)
        for i in range(n):
            for j in range(n):
                minor = np.delete(np.delete(a, i, axis=-2), j, axis=-1)
                y[..., i, j] = (-1.0) ** (i + j) * by_permutations(minor)
        return y

    return Drawn(cofactors, [any_rank(draw, rng, 4)], reference)


def signed_rows(draw: Draw, rng: np.random.Generator) -> np.ndarray:
    """Matrices far from singular, with determinants of either sign."""
    n = draw(st.integers(0, 3))
    shape = (*draw(leads), n, n)
    return regular(rng, shape) * rng.choice([-1.0, 1.0], shape[:-1])[..., None]


@case(logabsdet)
def _logabsdet(draw: Draw, rng: np.random.Generator) -> Drawn:
    return Drawn(logabsdet, [signed_rows(draw, rng)], lambda a: 0.5 * np.log(np.linalg.det(a) ** 2))


@case(np.linalg.slogdet)
def _slogdet(draw: Draw, rng: np.random.Generator) -> Drawn:
    def named(a: np.ndarray) -> np.ndarray:
        y = np.linalg.slogdet(a)
        return y.sign * y.logabsdet

    def unpacked(a: np.ndarray) -> np.ndarray:
        sign, logabsdet = np.linalg.slogdet(a)
        return sign * logabsdet

    def reference(a: np.ndarray) -> np.ndarray:
        d = np.linalg.det(a)
        return np.sign(d.real) * 0.5 * np.log(d**2)

    return Drawn(draw(st.sampled_from([named, unpacked])), [signed_rows(draw, rng)], reference)


singular = [[1.0, 2.0], [2.0, 4.0]]
kink(np.linalg.det, "a singular matrix", "its cofactors", np.linalg.det, (singular,), ([[4.0, -2.0], [-2.0, 1.0]],))
kink(np.linalg.det, "0, n > 1", "0", np.linalg.det, (np.zeros((4, 4)),), (np.zeros((4, 4)),))
