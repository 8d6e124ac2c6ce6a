"""Cases of functions that give an array another shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from .base import (
    Draw,
    Drawn,
    anything,
    case,
    shapes,
    sizes,
)


def an_axis_of(draw: Draw, ndim: int) -> int:
    return int(draw(st.integers(-ndim, ndim - 1)))


@case(np.reshape)
def _reshape(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(st.sampled_from([(2, 3), (6,), (3, 1, 2)])))
    new = draw(st.sampled_from([(6,), (3, 2), (-1,), -1, (2, 1, 3), (2, -1)]))
    order = draw(st.sampled_from(["C", "F"]))
    forms = [
        lambda x: np.reshape(x, new, order=order),
        lambda x: np.reshape(x, new, order),
        lambda x: x.reshape(new),
        lambda x: x.reshape(*np.atleast_1d(new), order=order),
    ]
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        forms += [lambda x: np.reshape(x, new, copy=True)]
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


@case(np.ravel)
def _ravel(draw: Draw, rng: np.random.Generator) -> Drawn:
    order = draw(st.sampled_from(["C", "F"]))
    forms = [
        lambda x: np.ravel(x),
        lambda x: np.ravel(x, order),
        lambda x: np.ravel(x, order=order),
        lambda x: x.ravel(),
        lambda x: x.ravel(order),
        lambda x: x.flatten(order),
    ]
    return Drawn(draw(st.sampled_from(forms)), [anything(rng, draw(shapes))])


@case(np.swapaxes)
def _swapaxes(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(sizes(1)))
    i, j = an_axis_of(draw, x.ndim), an_axis_of(draw, x.ndim)
    return Drawn(draw(st.sampled_from([lambda x: np.swapaxes(x, i, j), lambda x: x.swapaxes(i, j)])), [x])


@case(np.moveaxis)
def _moveaxis(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(sizes(1)))
    n = draw(st.integers(1, x.ndim))
    source, destination = (
        [i - x.ndim * draw(st.booleans()) for i in draw(st.permutations(range(x.ndim)))[:n]] for _ in "ab"
    )
    i, j = an_axis_of(draw, x.ndim), an_axis_of(draw, x.ndim)
    forms = [lambda x: np.moveaxis(x, i, j), lambda x: np.moveaxis(x, source=source, destination=destination)]
    return Drawn(draw(st.sampled_from(forms)), [x])


@case(np.rollaxis)
def _rollaxis(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(sizes(1)))
    i, start = an_axis_of(draw, x.ndim), draw(st.integers(-x.ndim, x.ndim))
    return Drawn(draw(st.sampled_from([lambda x: np.rollaxis(x, i), lambda x: np.rollaxis(x, i, start=start)])), [x])


@case(np.matrix_transpose)
def _matrix_transpose(draw: Draw, rng: np.random.Generator) -> Drawn:
    f = draw(st.sampled_from([np.matrix_transpose, np.linalg.matrix_transpose]))
    return Drawn(f, [anything(rng, draw(sizes(2)))])


@case(np.expand_dims)
def _expand_dims(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(shapes))
    axis = draw(st.sampled_from([0, -1, x.ndim, (0, -1), (1, 0), [-1, 0]]))
    return Drawn(
        draw(st.sampled_from([lambda x: np.expand_dims(x, axis), lambda x: np.expand_dims(x, axis=axis)])), [x]
    )


@case(np.squeeze)
def _squeeze(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(st.sampled_from([(), (1,), (1, 3, 1), (1, 1), (2, 1, 0), (2, 3)])))
    ones = [i - x.ndim * draw(st.booleans()) for i, n in enumerate(x.shape) if n == 1]
    axis = draw(st.sampled_from([None, tuple(ones), *ones]))
    forms = [lambda x: np.squeeze(x), lambda x: np.squeeze(x, axis=axis), lambda x: x.squeeze(axis)]
    return Drawn(draw(st.sampled_from(forms)), [x])


def _at_least(fn: Any) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        xs = [anything(rng, draw(shapes)) for _ in range(draw(st.integers(1, 3)))]
        k = draw(st.integers(0, len(xs) - 1))
        return Drawn((lambda x: fn(x)) if len(xs) == 1 else (lambda *xs: fn(*xs)[k]), xs)

    case(fn)(make)


_at_least(np.atleast_1d)
_at_least(np.atleast_2d)
_at_least(np.atleast_3d)


@case(np.broadcast_arrays)
def _broadcast_arrays(draw: Draw, rng: np.random.Generator) -> Drawn:
    some = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, min_side=0, max_dims=3, max_side=3)).input_shapes
    k = draw(st.integers(0, 2))
    return Drawn(lambda *xs: np.broadcast_arrays(*xs)[k] + 0.0, [anything(rng, s) for s in some])


@case(np.meshgrid)
def _meshgrid(draw: Draw, rng: np.random.Generator) -> Drawn:
    xs = [anything(rng, (draw(st.integers(1, 3)),)) for _ in range(draw(st.integers(1, 3)))]
    k = draw(st.integers(0, len(xs) - 1))
    options = draw(
        st.fixed_dictionaries({}, optional={"indexing": st.sampled_from(["xy", "ij"]), "sparse": st.booleans()})
    )
    return Drawn(lambda *xs: np.meshgrid(*xs, **options)[k], xs)


@case(np.copy)
def _copy(draw: Draw, rng: np.random.Generator) -> Drawn:
    forms = [lambda x: np.copy(x), lambda x: np.copy(x, order="C"), lambda x: x.copy()]
    return Drawn(draw(st.sampled_from(forms)), [anything(rng, draw(shapes))])


if hasattr(np, "astype"):

    @case(np.astype)
    def _astype(draw: Draw, rng: np.random.Generator) -> Drawn:
        options = draw(st.sampled_from([{}, {"copy": False}]))
        f = lambda x: np.astype(x, np.longdouble, **options)
        takes_numbers = np.lib.NumpyVersion(np.__version__) >= "2.1.0"
        return Drawn(f, [anything(rng, draw(shapes if takes_numbers else shapes.filter(bool)))], lambda x: x * 1.0)
