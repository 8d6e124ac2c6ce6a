"""Cases of functions that take pieces of an array, or its elements in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lecture as tl
from tinygrad_lecture.engine.primitives import getitem, scatter_add

from .base import (
    Draw,
    Drawn,
    an_axis,
    anything,
    case,
    distinct,
    kink,
    shapes,
    sizes,
    some_axis_shapes,
)


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


# one behind the other
def one_of_several(fn: Any, min_dims: int, axis_at: int | None, only_equal: bool = True) -> None:
    """np.split and its kind: one piece of those that come of a number of pieces, or of the places between them."""

    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        x = anything(rng, draw(sizes(min_dims)))
        axis = draw(st.integers(-x.ndim, x.ndim - 1)) if axis_at is None else min(axis_at, x.ndim - 1)
        n = x.shape[axis]
        numbers = [k for k in range(1, 5) if not only_equal or n % k == 0]
        places = st.lists(st.integers(-1, 4), max_size=3).map(sorted)
        parts = draw(st.one_of(st.sampled_from(numbers), places, places.map(tuple), places.map(np.array)))
        axis_is_default = axis_at is not None or (axis == 0 and draw(st.booleans()))
        options = {} if axis_is_default else {"axis": axis}
        k = draw(st.integers(0, len(fn(x, parts, **options)) - 1))
        return Drawn(lambda x: fn(x, parts, **options)[k], [x])

    case(fn)(make)


one_of_several(np.split, 1, None)
one_of_several(np.array_split, 1, None, only_equal=False)
one_of_several(np.hsplit, 1, 1)
one_of_several(np.vsplit, 2, 0)
one_of_several(np.dsplit, 3, 2)


if hasattr(np, "unstack"):

    @case(np.unstack)
    def _unstack(draw: Draw, rng: np.random.Generator) -> Drawn:
        x = anything(rng, draw(some_axis_shapes))
        axis = draw(st.integers(-x.ndim, x.ndim - 1))
        k = draw(st.integers(0, x.shape[axis] - 1))
        first = draw(st.integers(0, x.shape[0] - 1))
        forms = [lambda x: np.unstack(x, axis=axis)[k], lambda x: np.unstack(x)[first]]
        return Drawn(draw(st.sampled_from(forms)), [x])


# the other way round
@case(np.flip)
def _flip(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(shapes))
    axis = an_axis(draw, x.ndim)
    return Drawn(draw(st.sampled_from([lambda x: np.flip(x), lambda x: np.flip(x, axis)])), [x])


case(np.fliplr)(lambda draw, rng: Drawn(np.fliplr, [anything(rng, draw(sizes(2)))]))
case(np.flipud)(lambda draw, rng: Drawn(np.flipud, [anything(rng, draw(sizes(1)))]))


@case(np.roll)
def _roll(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(sizes(1)))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    shift, more = draw(st.integers(-5, 5)), draw(st.integers(-2, 2))
    forms = [
        lambda x: np.roll(x, shift),
        lambda x: np.roll(x, shift, axis),
        lambda x: np.roll(x, (shift, more), axis=(axis, 0)),
        lambda x: np.roll(x, shift, (0, axis)),
    ]
    return Drawn(draw(st.sampled_from(forms)), [x])


@case(np.rot90)
def _rot90(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(sizes(2)))
    k, axes = draw(st.integers(-4, 5)), tuple(draw(st.permutations(range(x.ndim)))[:2])
    forms = [lambda x: np.rot90(x), lambda x: np.rot90(x, k), lambda x: np.rot90(x, k=k, axes=axes)]
    return Drawn(draw(st.sampled_from(forms)), [x])


# by number
@case(np.take)
def _take(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    n = x.shape[axis]
    i = rng.integers(-n, n, draw(st.sampled_from([(), (0,), (1,), (4,), (2, 2)])))
    far = rng.integers(-9, 9, (3,))
    mode = draw(st.sampled_from(["wrap", "clip"]))
    forms = [
        lambda x: np.take(x, i % x.size),
        lambda x: np.take(x, i, axis),
        lambda x: np.take(x, i.tolist(), axis=axis),
        lambda x: np.take(x, far, axis=axis, mode=mode),
        lambda x: np.take(x, far, mode=mode),
        lambda x: np.take(x, tl.Tensor(i), axis=axis),
        lambda x: x.take(i, axis=axis, mode="raise"),
    ]
    return Drawn(draw(st.sampled_from(forms)), [x])


@case(np.take_along_axis)
def _take_along_axis(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    n, k = x.shape[axis], draw(st.integers(0, 4))
    i = rng.integers(-n, n, tuple(k if a == axis % x.ndim else m for a, m in enumerate(x.shape)))
    one = rng.integers(0, n, (1,) * x.ndim)
    of_all = rng.integers(0, x.size, (k,))
    forms = [
        lambda x: np.take_along_axis(x, i, axis),
        lambda x: np.take_along_axis(x, one, axis=axis),
        lambda x: np.take_along_axis(x, of_all, axis=None),
        lambda x: np.take_along_axis(x, tl.Tensor(i) if isinstance(x, tl.Tensor) else i, axis),
    ]
    if np.lib.NumpyVersion(np.__version__) >= "2.3.0":
        last = rng.integers(-x.shape[-1], max(x.shape[-1], 1), (*x.shape[:-1], 2 if x.shape[-1] else 0))
        forms += [lambda x: np.take_along_axis(x, last)]
    return Drawn(draw(st.sampled_from(forms)), [x])


@case(np.delete)
def _delete(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    axis = draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    n = x.size if axis is None else x.shape[axis]
    which = draw(st.sampled_from([0, -1, [0, n - 1], slice(None, None, 2), [], rng.random(n) < 0.5]))
    return Drawn(lambda x: np.delete(x, which, axis=axis), [x])


@case(np.compress)
def _compress(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    axis = draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    n = x.size if axis is None else x.shape[axis]
    holds = rng.random(draw(st.integers(0, n))) < 0.5
    forms = [lambda x: np.compress(holds, x, axis), lambda x: np.compress(holds.tolist(), x, axis=axis)]
    return Drawn(draw(st.sampled_from(forms)), [x])


@case(np.extract)
def _extract(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    holds = rng.random(x.shape) < 0.5
    return Drawn(lambda x: np.extract(holds, x), [x])


# by size
@case(np.sort, complex=False)
def _sort(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = distinct(rng, draw(sizes(1)))
    axis = draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    kind = draw(st.sampled_from(["quicksort", "stable", "mergesort", "heapsort"]))
    forms = [
        lambda x: np.sort(x),
        lambda x: np.sort(x, axis),
        lambda x: np.sort(x, axis=axis, kind=kind),
        lambda x: np.sort(x, axis=axis, stable=True),
    ]
    return Drawn(draw(st.sampled_from(forms)), [x])


@case(np.partition)
def _partition(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = distinct(rng, draw(st.sampled_from([(5,), (9,), (2, 5), (4, 1), (2, 3, 2)])))
    axis = draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    n = x.size if axis is None else x.shape[axis]
    kth = draw(st.one_of(st.integers(-n, n - 1), st.lists(st.integers(0, n - 1), min_size=1, max_size=2)))

    def reference(x: np.ndarray) -> np.ndarray:
        x, k = (x.ravel(), 0) if axis is None else (x, axis)
        order, ranks = np.argsort(x.real, k), np.argsort(np.argsort(np.partition(x.real, kth, k), k), k)
        return np.take_along_axis(x, np.take_along_axis(order, ranks, k), k)

    return Drawn(lambda x: np.partition(x, kth, axis=axis), [x], reference)


kink(np.sort, "ties", "by stable position", lambda x: np.sort(x) * [1.0, 2.0, 3.0], ([2.0, 1.0, 1.0],), ([3, 1, 2],))
kink(
    np.sort, "NaN", "by stable position", lambda x: np.sort(x) * [1.0, 2.0, 3.0], ([np.nan, np.nan, 1.0],), ([2, 3, 1],)
)
kink(
    np.partition,
    "ties",
    "of equal rank",
    lambda x: np.partition(x, 1) * [1.0, 2.0, 3.0],
    ([1.0, 1.0, 0.0],),
    ([2, 3, 1],),
)
