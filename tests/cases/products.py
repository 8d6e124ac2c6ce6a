"""Cases of products of vectors and matrices."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lecture as tl
from tinygrad_lecture.rules.network import over_patterns

from .base import (
    Draw,
    Drawn,
    anything,
    case,
)

side = st.integers(0, 3)


def some_shape(draw: Draw, max_dims: int = 2, min_dims: int = 0) -> tuple[int, ...]:
    return tuple(draw(st.lists(side, min_size=min_dims, max_size=max_dims)))


MATRICES = (
    ((3,), (3,)),
    ((3, 3), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 2)),
    ((2, 3, 2), (2,)),
    ((2, 1, 2, 3), (3,)),
    ((2,), (3, 2, 3)),
    ((3, 2), (2, 2, 3)),
    ((2,), (2, 1, 2, 3)),
    ((2, 3), (2, 1, 3, 2)),
    ((2, 2, 3), (3, 2)),
    ((2, 1, 2, 3), (3, 2)),
)
"""Shapes for matmul: vectors, matrices, and one of them for a stack of the others."""


@case(np.matmul)
def _matmul(draw: Draw, rng: np.random.Generator) -> Drawn:
    any_sizes = hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, min_side=0, max_side=3)
    sizes = draw(st.one_of(any_sizes.map(lambda drawn: drawn.input_shapes), st.sampled_from(MATRICES)))
    f = draw(st.sampled_from([np.matmul, lambda a, b: a @ b, np.linalg.matmul]))
    return Drawn(f, [anything(rng, s) for s in sizes])


def beside_integers(
    draw: Draw, rng: np.random.Generator, f: Callable[..., Any], *sizes: tuple[int, ...], reference: Any = None
) -> Drawn:
    """f of two arrays, one of which is of integers sometimes."""
    xs = [anything(rng, s) for s in sizes]
    k = draw(st.sampled_from([None, None, 0, 1]))
    if k is None:
        return Drawn(f, xs, reference)
    whole = rng.integers(-3, 4, sizes[k])
    g = reference or f
    if k == 0:
        return Drawn(lambda b: f(whole, b), xs[1:], lambda b: g(whole, b))
    return Drawn(lambda a: f(a, whole), xs[:1], lambda a: g(a, whole))


@case(np.dot)
def _dot(draw: Draw, rng: np.random.Generator) -> Drawn:
    a, b = some_shape(draw, 3), some_shape(draw, 3)
    if a and b:
        a = (*a[:-1], b[max(len(b) - 2, 0)])
    if draw(st.booleans()):
        a, b = draw(st.sampled_from(MATRICES[:5]))
    if draw(st.booleans()):
        return Drawn(lambda a, b: a.dot(b), [anything(rng, a), anything(rng, b)])
    return beside_integers(draw, rng, np.dot, a, b)


@case(np.inner)
def _inner(draw: Draw, rng: np.random.Generator) -> Drawn:
    a, b = some_shape(draw, 3), some_shape(draw, 3)
    return beside_integers(draw, rng, np.inner, (*a[:-1], b[-1]) if a and b else a, b)


@case(np.vdot)
def _vdot(draw: Draw, rng: np.random.Generator) -> Drawn:
    a, b = draw(st.sampled_from([((2, 3), (6,)), ((3,), (3,)), ((), ()), ((1,), ()), ((2, 0), (0,)), ((2, 2), (2, 2))]))
    return beside_integers(draw, rng, np.vdot, a, b, reference=lambda a, b: np.dot(np.ravel(a), np.ravel(b)))


@case(np.tensordot)
def _tensordot(draw: Draw, rng: np.random.Generator) -> Drawn:
    f = draw(st.sampled_from([np.tensordot, np.linalg.tensordot]))
    met = draw(st.lists(side, max_size=2))
    a, b = some_shape(draw), some_shape(draw)
    if draw(st.booleans()):
        n = len(met)
        default = {} if n == 2 and draw(st.booleans()) else {"axes": n}
        return beside_integers(draw, rng, lambda x, y: f(x, y, **default), (*a, *met), (*met, *b))
    at_a = draw(st.permutations(range(len(a) + len(met))))[: len(met)]
    at_b = draw(st.permutations(range(len(b) + len(met))))[: len(met)]

    def shaped(rest: tuple[int, ...], at: list[int]) -> tuple[int, ...]:
        others = iter(rest)
        return tuple(met[at.index(k)] if k in at else next(others) for k in range(len(rest) + len(at)))

    sizes = shaped(a, at_a), shaped(b, at_b)
    signs = draw(st.booleans())
    axes: Any = [[k - len(sizes[0]) * signs for k in at_a], at_b]
    if len(met) == 1:
        axes = draw(st.sampled_from([axes, (axes[0][0], axes[1][0])]))
    return beside_integers(draw, rng, lambda x, y: f(x, y, axes=axes), *sizes)


@case(np.outer)
def _outer(draw: Draw, rng: np.random.Generator) -> Drawn:
    return beside_integers(draw, rng, np.outer, some_shape(draw), some_shape(draw))


@case(np.linalg.outer)
def _linalg_outer(draw: Draw, rng: np.random.Generator) -> Drawn:
    return beside_integers(draw, rng, np.linalg.outer, (draw(side),), (draw(side),))


@case(np.kron)
def _kron(draw: Draw, rng: np.random.Generator) -> Drawn:
    return beside_integers(draw, rng, np.kron, some_shape(draw, 3), some_shape(draw, 2))


def stacked_vectors(draw: Draw, n: int, axis: int) -> list[tuple[int, ...]]:
    """Two shapes that broadcast but for the axis of each that has n elements."""
    if axis >= 0:
        leads = draw(st.sampled_from([((2,), (2,)), ((1,), (3,)), ((2, 0), (1, 1))]))
    else:
        several = hnp.mutually_broadcastable_shapes(
            num_shapes=2, min_dims=-1 - axis, max_dims=2, max_side=3, min_side=0
        )
        leads = draw(several).input_shapes
    places = [axis % (len(lead) + 1) for lead in leads]
    return [(*lead[:at], n, *lead[at:]) for lead, at in zip(leads, places, strict=True)]


def of_vectors(f: Callable[..., Any]) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        axis = draw(st.sampled_from([-1, -1, -2, 0, 1]))
        options = {} if axis == -1 and draw(st.booleans()) else {"axis": axis}

        def reference(a: Any, b: Any) -> Any:
            return np.sum(np.moveaxis(a, axis, -1) * np.moveaxis(b, axis, -1), axis=-1)

        sizes = stacked_vectors(draw, draw(side), axis)
        return beside_integers(draw, rng, lambda a, b: f(a, b, **options), *sizes, reference=reference)

    case(f)(make)


of_vectors(np.vecdot)
of_vectors(np.linalg.vecdot)


if hasattr(np, "matvec"):

    @case(np.matvec)
    def _matvec(draw: Draw, rng: np.random.Generator) -> Drawn:
        sizes = draw(hnp.mutually_broadcastable_shapes(signature="(m,n),(n)->(m)", max_dims=2, max_side=3)).input_shapes
        return Drawn(np.matvec, [anything(rng, s) for s in sizes])

    @case(np.vecmat)
    def _vecmat(draw: Draw, rng: np.random.Generator) -> Drawn:
        sizes = draw(hnp.mutually_broadcastable_shapes(signature="(m),(m,n)->(n)", max_dims=2, max_side=3)).input_shapes
        return Drawn(
            np.vecmat, [anything(rng, s) for s in sizes], lambda x, a: np.matmul(x[..., None, :], a)[..., 0, :]
        )


@case(np.cross)
def _cross(draw: Draw, rng: np.random.Generator) -> Drawn:
    form = draw(st.sampled_from(["plain", "axis", "three axes"]))
    if form == "plain":
        return beside_integers(draw, rng, np.cross, *stacked_vectors(draw, 3, -1))
    if form == "axis":
        axis = draw(st.sampled_from([0, 1]))
        return beside_integers(draw, rng, lambda a, b: np.cross(a, b, axis=axis), *stacked_vectors(draw, 3, axis))
    axes = {"axisa": draw(st.sampled_from([0, -2])), "axisb": 1, "axisc": draw(st.sampled_from([0, 1, -1]))}
    return beside_integers(draw, rng, lambda a, b: np.cross(a, b, **axes), (3, 2), (2, 3))


@case(np.linalg.cross)
def _linalg_cross(draw: Draw, rng: np.random.Generator) -> Drawn:
    axis = draw(st.sampled_from([-1, -2, 0]))
    options = {} if axis == -1 else {"axis": axis}
    sizes = stacked_vectors(draw, 3, axis)
    return beside_integers(draw, rng, lambda a, b: np.linalg.cross(a, b, **options), *sizes)


@case(np.linalg.matrix_power)
def _matrix_power(draw: Draw, rng: np.random.Generator) -> Drawn:
    n = draw(st.integers(0, 3))
    a = rng.uniform(-1, 1, (*some_shape(draw), n, n)) / 5 + np.eye(n)  # far from singular
    power = draw(st.sampled_from([-3, -1, 0, 1, 2, 3, 4, 5, 7]))
    return Drawn(lambda a: np.linalg.matrix_power(a, power), [a])


@case(np.linalg.multi_dot)
def _multi_dot(draw: Draw, rng: np.random.Generator) -> Drawn:
    lengths = draw(st.lists(st.integers(1, 3), min_size=3, max_size=6))
    sizes: list[tuple[int, ...]] = list(pairwise(lengths))
    if draw(st.booleans()):
        sizes[0] = sizes[0][1:]
    if draw(st.booleans()):
        sizes[-1] = sizes[-1][:1]
    return Drawn(lambda *xs: np.linalg.multi_dot(xs), [anything(rng, s) for s in sizes])


@case(over_patterns)
def _over_patterns(draw: Draw, rng: np.random.Generator) -> Drawn:
    shape = draw(st.integers(0, 4)), draw(st.integers(0, 3))
    return Drawn(over_patterns, [anything(rng, shape)], lambda d: d.sum(axis=0))


@case(tl.linear)
def _linear(draw: Draw, rng: np.random.Generator) -> Drawn:
    n, m = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    lead = draw(st.sampled_from([(), (1,), (4,), (2, 3)]))
    xs = [anything(rng, (*lead, n)), anything(rng, (m, n)), anything(rng, (m,))]
    return Drawn(tl.linear, xs if draw(st.booleans()) else xs[:2])
