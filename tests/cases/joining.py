"""Cases of functions that make one array of several, or of one several times over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .base import (
    Draw,
    Drawn,
    anything,
    case,
    shapes,
    sizes,
    some_axis_shapes,
)


@case(np.concatenate)
def _concatenate(draw: Draw, rng: np.random.Generator) -> Drawn:
    base = draw(some_axis_shapes)
    axis = draw(st.one_of(st.none(), st.integers(-len(base), len(base) - 1)))
    n = draw(st.integers(1, 4))
    sizes = [list(base) for _ in range(n)]
    for size in sizes:
        size[axis or 0] = draw(st.integers(0, 3))
    forms = [lambda *xs: np.concatenate(xs, axis=axis), lambda *xs: np.concatenate(list(xs), axis)]
    forms += [lambda *xs: np.concatenate(xs)] if axis == 0 else []
    return Drawn(draw(st.sampled_from(forms)), [anything(rng, tuple(s)) for s in sizes])


@case(np.stack)
def _stack(draw: Draw, rng: np.random.Generator) -> Drawn:
    shape = draw(shapes)
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    forms = [lambda *xs: np.stack(xs, axis=axis), lambda *xs: np.stack(list(xs), axis), lambda *xs: np.stack(xs)]
    return Drawn(draw(st.sampled_from(forms)), [anything(rng, shape) for _ in range(draw(st.integers(1, 4)))])


def beside_each_other(fn: Any, axis_of: Callable[[int], int | None], column: bool = False) -> None:
    """np.hstack and its kind: arrays that may differ in length along one axis, which depends on how many there are."""

    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        base = draw(sizes(0))
        axis = axis_of(len(base))
        several = []
        for _ in range(draw(st.integers(1, 3))):
            shape = list(base)
            if axis is not None and base:
                shape[axis] = draw(st.integers(0, 3))
            several.append(anything(rng, tuple(shape)))
        f = draw(st.sampled_from([lambda *xs: fn(xs), lambda *xs: fn(list(xs))]))
        return Drawn(f, several)

    case(fn)(make)


beside_each_other(np.hstack, lambda ndim: 0 if ndim == 1 else 1 if ndim > 1 else None)
beside_each_other(np.vstack, lambda ndim: 0 if ndim > 1 else None)
beside_each_other(np.dstack, lambda ndim: 2 if ndim == 3 else None)
beside_each_other(np.column_stack, lambda ndim: 1 if ndim > 1 else None)


@case(np.block)
def _block(draw: Draw, rng: np.random.Generator) -> Drawn:
    a, b, c, d = (anything(rng, s) for s in ((2, 3), (2, 1), (1, 3), (1, 1)))
    v = anything(rng, (3,))
    forms = [
        (lambda a, b, c, d: np.block([[a, b], [c, d]]), [a, b, c, d]),
        (lambda a, b: np.block([a, b, a]), [a, b]),
        (lambda a, v: np.block([[a], [v]]), [a, v]),
        (lambda a: np.block([[a, np.eye(2)]]), [a]),
        (lambda v, d: np.block([v, 2.0, v]) * d, [v, d]),
        (lambda a: np.block(a), [a]),
        (lambda a, b: np.block([[[a, b]], [[a, b]]]), [a, b]),
    ]
    return Drawn(*draw(st.sampled_from(forms)))


@case(np.append)
def _append(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(sizes(1)))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    forms = [
        (lambda x, v: np.append(x, v), [x, anything(rng, draw(shapes))]),
        (lambda x, v: np.append(x, v, axis=axis), [x, anything(rng, x.shape)]),
        (lambda v: np.append([1.0, 2.0], v), [x]),
    ]
    return Drawn(*draw(st.sampled_from(forms)))


@case(np.tile)
def _tile(draw: Draw, rng: np.random.Generator) -> Drawn:
    reps = draw(st.one_of(st.integers(0, 3), st.lists(st.integers(0, 3), max_size=4).map(tuple)))
    return Drawn(lambda x: np.tile(x, reps), [anything(rng, draw(shapes))])


@case(np.repeat)
def _repeat(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    each, of_all = rng.integers(0, 3, x.shape[axis]), rng.integers(0, 3, x.size)
    n = draw(st.integers(0, 3))
    forms = [
        lambda x: np.repeat(x, n),
        lambda x: np.repeat(x, n, axis),
        lambda x: np.repeat(x, [n], axis=axis),
        lambda x: np.repeat(x, each, axis=axis),
        lambda x: np.repeat(x, list(of_all)),
        lambda x: x.repeat(each, axis),
    ]
    return Drawn(draw(st.sampled_from(forms)), [x])


@case(np.resize)
def _resize(draw: Draw, rng: np.random.Generator) -> Drawn:
    new = draw(st.sampled_from([5, (2, 2), (7,), (2, 0), (), (3, 4)]))
    return Drawn(lambda x: np.resize(x, new), [anything(rng, draw(some_axis_shapes))])


@case(np.pad)
def _pad(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    each = st.tuples(st.integers(0, 4), st.integers(0, 4))
    width = draw(st.one_of(st.integers(0, 4), each, st.lists(each, min_size=x.ndim, max_size=x.ndim)))
    mode = draw(st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]))
    forms: list[Any] = [lambda x: np.pad(x, width, mode), lambda x: np.pad(x, width, mode=mode)]
    if mode == "constant":
        value = draw(st.sampled_from([0, 1.5, (0.5, 2.0)]))
        forms = [lambda x: np.pad(x, width), lambda x: np.pad(x, width, "constant", constant_values=value)]
    elif mode in ("reflect", "symmetric"):
        forms += [lambda x: np.pad(x, width, mode, reflect_type="even")]
    return Drawn(draw(st.sampled_from(forms)), [x])
