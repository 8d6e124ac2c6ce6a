"""Cases of functions that move elements about."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_lecture.engine.primitives import getitem, scatter_add

from .base import (
    Draw,
    Drawn,
    anything,
    case,
    shapes,
    some_axis_shapes,
)


@case(np.reshape)
def _reshape(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(st.sampled_from([(2, 3), (6,), (3, 1, 2)])))
    new = draw(st.sampled_from([(6,), (3, 2), (-1,), -1, (2, 1, 3), (2, -1)]))
    order = draw(st.sampled_from(["C", "F"]))
    forms = [lambda x: np.reshape(x, new, order=order), lambda x: x.reshape(new), lambda x: x.ravel()]
    return Drawn(draw(st.sampled_from(forms)), [x])


@case(np.transpose)
def _transpose(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(shapes))
    axes = draw(st.permutations(range(x.ndim)))
    signed = tuple(a - x.ndim * draw(st.booleans()) for a in axes)
    forms = [lambda x: np.transpose(x), lambda x: x.T, lambda x: np.transpose(x, signed)]
    forms += [lambda x: x.transpose(*signed)] if x.ndim else []
    forms += [lambda x: x.mT] if x.ndim > 1 else []
    return Drawn(draw(st.sampled_from(forms)), [x])


@case(np.broadcast_to)
def _broadcast_to(draw: Draw, rng: np.random.Generator) -> Drawn:
    both = draw(hnp.mutually_broadcastable_shapes(num_shapes=1, base_shape=(2, 3, 2), max_dims=3))
    return Drawn(lambda x: np.broadcast_to(x, both.result_shape), [anything(rng, both.input_shapes[0])])


@case(np.concatenate)
def _concatenate(draw: Draw, rng: np.random.Generator) -> Drawn:
    base = draw(some_axis_shapes)
    axis = draw(st.one_of(st.none(), st.integers(-len(base), len(base) - 1)))
    n = draw(st.integers(1, 4))
    sizes = [list(base) for _ in range(n)]
    for size in sizes:
        size[axis or 0] = draw(st.integers(0, 3))
    return Drawn(lambda *xs: np.concatenate(xs, axis=axis), [anything(rng, tuple(s)) for s in sizes])


@case(np.stack)
def _stack(draw: Draw, rng: np.random.Generator) -> Drawn:
    shape = draw(shapes)
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    return Drawn(lambda *xs: np.stack(xs, axis=axis), [anything(rng, shape) for _ in range(draw(st.integers(1, 4)))])


def an_index(draw: Draw, rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    kind = draw(st.sampled_from(["basic", "integer", "boolean", "repeated", "mixed", "empty", "list"]))
    if kind == "basic":
        return draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    if kind == "integer":
        return draw(hnp.integer_array_indices(shape))
    if kind == "boolean":
        return rng.random(shape) < 0.5
    if kind == "repeated":
        return np.array([0, -1, 0, 0])
    if kind == "empty":
        return np.array([], dtype=int)
    if kind == "list":
        return [0, 0, shape[0] - 1]
    return (np.array([[0], [-1]]), slice(None, None, -1)) if len(shape) > 1 else (np.array([0, 0]), None)


@case(getitem)
def _getitem(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    index = an_index(draw, rng, x.shape)
    return Drawn(lambda x: x[index], [x])


@case(scatter_add)
def _scatter_add(draw: Draw, rng: np.random.Generator) -> Drawn:
    shape = draw(some_axis_shapes)
    index = an_index(draw, rng, shape)
    parts = index if isinstance(index, tuple) else (np.asarray(index) if isinstance(index, list) else index,)
    err = anything(rng, np.zeros(shape)[parts].shape)
    return Drawn(lambda err: scatter_add(err, parts, shape), [err], lambda err: _add_at(err, parts, shape))


def _add_at(err: np.ndarray, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """By a loop over the elements: independent of np.add.at and of assignment."""
    where = np.arange(int(np.prod(shape))).reshape(shape)[index].ravel()
    z = np.zeros(int(np.prod(shape)), dtype=err.dtype)
    for place, e in zip(where, np.ravel(err), strict=True):
        z[place] += e
    return z.reshape(shape)
