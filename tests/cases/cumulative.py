"""Cases of running sums and products, and of differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from .base import (
    Draw,
    Drawn,
    an_axis,
    anything,
    case,
    kink,
    positive,
    some_axis_shapes,
)
from .reduction import some_zeros

maybe_empty = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)


def in_one_dtype(f: Any) -> Any:
    """f of inputs of the same dtype: NumPy rounds differences of a narrow input before it meets a wide one."""
    return lambda *xs: f(*[x.astype(np.result_type(*xs)) for x in xs])


def _running(fn: Any, method: str, domain: Any) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        x = domain(rng, draw(st.one_of(maybe_empty, st.sampled_from([(), (5,), (8,), (2, 7)]))))
        axis = an_axis(draw, x.ndim, several=False)
        forms = [lambda x: fn(x, axis), lambda x: fn(x, axis=axis), lambda x: getattr(x, method)(axis=axis)]
        return Drawn(draw(st.sampled_from(forms)), [x])

    case(fn)(make)


_running(np.cumsum, "cumsum", anything)
_running(np.cumprod, "cumprod", some_zeros)


def _cumulative(fn: Any, domain: Any) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        x = domain(rng, draw(maybe_empty))
        axis = draw(st.integers(-x.ndim, x.ndim - 1))
        options = draw(st.sampled_from([{}, {"include_initial": True}, {"include_initial": False}]))
        if x.ndim == 1 and draw(st.booleans()):
            return Drawn(lambda x: fn(x, **options), [x])
        return Drawn(lambda x: fn(x, axis=axis, **options), [x])

    case(fn)(make)


if hasattr(np, "cumulative_sum"):
    _cumulative(np.cumulative_sum, anything)
    _cumulative(np.cumulative_prod, some_zeros)


@case(np.diff)
def _diff(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    n, axis = draw(st.integers(0, 3)), draw(st.integers(-x.ndim, x.ndim - 1))
    more = draw(st.integers(0, 2))
    column = anything(rng, tuple(more if i == axis % x.ndim else k for i, k in enumerate(x.shape)))
    forms = [
        (lambda x: np.diff(x, n, axis), [x]),
        (lambda x: np.diff(x), [x]),
        (lambda x, c: np.diff(x, n, axis, prepend=c), [x, column]),
        (lambda x, c: np.diff(x, n=n, axis=axis, prepend=0.5, append=c), [x, column]),
        (lambda x, c: np.diff(x, axis=axis, append=c), [x, anything(rng, ())]),
    ]
    return Drawn(*draw(st.sampled_from(forms)))


@case(np.ediff1d)
def _ediff1d(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    forms = [
        (lambda x: np.ediff1d(x), [x]),
        (lambda x: np.ediff1d(x, [1.0, 2.0], 3.0), [x]),
        (lambda x, e: np.ediff1d(x, to_begin=e), [x, anything(rng, (2,))]),
        (lambda x, e: np.ediff1d(x, e, e), [x, anything(rng, (2, 1))]),
    ]
    f, xs = draw(st.sampled_from(forms))
    return Drawn(in_one_dtype(f), xs)


@case(np.trapezoid)
def _trapezoid(draw: Draw, rng: np.random.Generator) -> Drawn:
    y = anything(rng, draw(st.sampled_from([(0,), (1,), (4,), (3, 2), (2, 3, 4)])))
    axis = draw(st.integers(-y.ndim, y.ndim - 1))
    forms = [
        (lambda y: np.trapezoid(y), [y]),
        (lambda y, dx: np.trapezoid(y, dx=dx, axis=axis), [y, positive(rng, ())]),
        (lambda y, x: np.trapezoid(y, x, axis=axis), [y, anything(rng, (y.shape[axis],))]),
        (lambda y, x: np.trapezoid(y, x=x, axis=axis), [y, anything(rng, y.shape)]),
    ]
    f, xs = draw(st.sampled_from(forms))
    return Drawn(in_one_dtype(f), xs)


@case(np.gradient)
def _gradient(draw: Draw, rng: np.random.Generator) -> Drawn:
    f = anything(rng, draw(st.sampled_from([(3,), (5,), (4, 3), (3, 4), (3, 5, 3)])))
    axis, edge = draw(st.integers(-f.ndim, f.ndim - 1)), draw(st.sampled_from([1, 2]))
    n = f.shape[axis]
    spacings = {
        "none": [],
        "a number": [0.5],
        "coordinates": [np.cumsum(positive(rng, (n,)))],
        "equally far apart": [np.arange(n) * 3.0],
        "falling integers": [(np.arange(n, 0, -1) ** 2).astype(np.uint8)],
    }
    given = draw(st.sampled_from([*spacings, "a Tensor", "all axes", "an axis each"]))
    if given == "a Tensor":
        return Drawn(in_one_dtype(lambda f, h: np.gradient(f, h, axis=axis, edge_order=edge)), [f, positive(rng, ())])
    if given in spacings:
        return Drawn(lambda f: np.gradient(f, *spacings[given], axis=axis, edge_order=edge), [f])
    each = [0.5 + i for i in range(f.ndim)] if given == "an axis each" else []
    k = draw(st.integers(0, f.ndim - 1))
    g = lambda f: np.gradient(f, *each, edge_order=edge)
    return Drawn(lambda f: g(f)[k] if f.ndim > 1 else g(f), [f])


kink(
    np.cumprod,
    "zeros",
    "the products of the others",
    np.cumprod,
    ([2.0, 0.0, 3.0, 0.0, 5.0],),
    ([1, 2 * (1 + 3), 0, 0, 0],),
)
kink(np.cumprod, "a zero before what overflows", "0 behind it", np.cumprod, ([0.0, 1e200, 1e200],), ([np.inf, 0, 0],))
kink(np.cumprod, "overflow, no error arrives", "0", lambda x: np.cumprod(x)[0], ([1e200, 1e200, 1e200],), ([1, 0, 0],))
