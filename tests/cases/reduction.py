"""Cases of reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lecture as tl
from tinygrad_lecture.rules.reduction import weighted_average

from .base import (
    Draw,
    Drawn,
    an_axis,
    anything,
    case,
    distinct,
    kink,
    positive,
    reduction,
    shapes,
    some_axis_shapes,
)


def some_zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Some elements are 0; none is so large that differences of a product of 27 would see its sixth derivative."""
    return rng.uniform(0.3, 1.2, shape) * rng.choice([-1.0, 1.0], shape) * (rng.random(shape) < 0.8)


reduction(np.sum, anything)
reduction(np.mean, anything)
reduction(np.prod, some_zeros)
reduction(np.max, distinct, complex=False)
reduction(np.min, distinct, complex=False)
reduction(np.ptp, distinct, complex=False)
reduction(np.median, distinct, complex=False)
reduction(tl.logsumexp, anything, lambda x, **o: np.log(np.sum(np.exp(x), **o)))


@case(np.average)
def _average(draw: Draw, rng: np.random.Generator) -> Drawn:
    a = anything(rng, draw(some_axis_shapes))
    axis = draw(st.integers(-a.ndim, a.ndim - 1))
    keep = draw(st.booleans())
    forms = [
        (lambda a: np.average(a, axis=axis, keepdims=keep), [a]),
        (lambda a, w: np.average(a, axis, w), [a, positive(rng, a.shape)]),
        (lambda a, w: np.average(a, weights=w), [a, positive(rng, a.shape)]),
        (lambda a, w: np.average(a, axis=axis, weights=w, keepdims=keep), [a, positive(rng, (a.shape[axis],))]),
        (lambda a: np.average(a, axis, returned=True)[0], [a]),
        (lambda a, w: np.multiply(*np.average(a, axis, w, True)), [a, positive(rng, (a.shape[axis],))]),
    ]
    return Drawn(*draw(st.sampled_from(forms)))


@case(weighted_average)
def _weighted_average(draw: Draw, rng: np.random.Generator) -> Drawn:
    a = anything(rng, draw(some_axis_shapes))
    axes = tuple(draw(st.permutations(range(a.ndim)))[: draw(st.integers(1, a.ndim))])
    w = positive(rng, tuple(a.shape[i] for i in axes) if draw(st.booleans()) else a.shape)
    keep = draw(st.booleans())
    return Drawn(lambda a, w: weighted_average(a, w, axis=axes, keepdims=keep), [a, w])


# spread
def far_apart(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """No two values nearer than 0.3: differences of the gradient of a standard deviation stay off its cone."""
    return 3.0 * distinct(rng, shape)


def spread(fn: Callable[..., Any], method: str, outer: Callable[..., Any]) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        x = far_apart(rng, draw(shapes))
        axis = an_axis(draw, x.ndim)
        n = x.size // max(np.sum(x, axis=axis).size, 1)
        ddof = draw(st.sampled_from([0, 1, 0.5] if n > 1 else [0]))
        keep = draw(st.booleans())

        def reference(x: np.ndarray) -> np.ndarray:
            d = x - np.mean(x, axis=axis, keepdims=True)
            return outer(np.sum(d * d, axis=axis, keepdims=keep) / (n - ddof))

        if ddof == 0 and not keep and draw(st.booleans()):
            return Drawn(lambda x: fn(x, axis), [x], reference)
        forms = [
            lambda x: fn(x, axis, None, None, ddof, keep),
            lambda x: fn(x, axis=axis, correction=ddof, keepdims=keep),
            lambda x: getattr(x, method)(axis=axis, ddof=ddof, keepdims=keep),
        ]

        return Drawn(draw(st.sampled_from(forms)), [x], reference)

    case(fn)(make)


spread(np.var, "var", lambda v: v)
spread(np.std, "std", np.sqrt)


# NaN left out
def some_missing(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """NaN in places of even parity, so that every line of at least two elements keeps one."""
    even = np.indices(x.shape).sum(axis=0) % 2 == 0
    return np.where(even & (rng.random(x.shape) < 0.5), np.nan, x)


two_sided_shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=3)


def nan_reduction(fn: Callable[..., Any], domain: Any, reference: Any = None, with_ddof: bool = False) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        x = some_missing(rng, domain(rng, draw(two_sided_shapes)))
        options: dict[str, Any] = {"axis": an_axis(draw, x.ndim)}
        if draw(st.booleans()):
            options["keepdims"] = draw(st.booleans())
        if with_ddof and draw(st.booleans()):
            options["ddof"] = draw(st.sampled_from([0, 0.5]))
        return Drawn(lambda x: fn(x, **options), [x], reference and (lambda x: reference(x, **options)))

    case(fn)(make)


def nan_variance(x: np.ndarray, axis: Any, ddof: float = 0, keepdims: bool = False) -> np.ndarray:
    n = np.sum(~np.isnan(x), axis=axis, keepdims=True)
    d = x - np.nansum(x, axis=axis, keepdims=True) / n
    v = np.nansum(d * d, axis=axis, keepdims=True) / (n - ddof)
    return v if keepdims else np.squeeze(v, axis=axis)


def hit_by(pick: Callable[..., Any]) -> Callable[..., Any]:
    """The only largest or smallest number, as a sum, for complex numbers too."""

    def reference(x: np.ndarray, axis: Any, keepdims: bool = False) -> Any:
        hit = x.real == pick(x.real, axis=axis, keepdims=True)
        return np.sum(np.where(hit, x, 0.0), axis=axis, keepdims=keepdims)

    return reference


nan_reduction(np.nansum, anything)
nan_reduction(np.nanmean, anything)
nan_reduction(np.nanprod, some_zeros)
nan_reduction(np.nanmax, distinct, hit_by(np.nanmax))
nan_reduction(np.nanmin, distinct, hit_by(np.nanmin))
nan_reduction(np.nanvar, far_apart, nan_variance, with_ddof=True)
nan_reduction(np.nanstd, far_apart, lambda x, **options: np.sqrt(nan_variance(x, **options)), with_ddof=True)


nan = np.nan
kink(np.max, "ties", "shared evenly", np.max, ([2.0, 1.0, 2.0],), ([0.5, 0, 0.5],))
kink(np.max, "NaN", "the error goes to the NaN positions", np.max, ([nan, 1.0, nan],), ([0.5, 0, 0.5],))
kink(np.min, "ties", "shared evenly", np.min, ([1.0, 1.0, 2.0, 1.0],), ([1 / 3, 1 / 3, 0, 1 / 3],))
kink(np.prod, "one zero", "the product of the others, at the zero alone", np.prod, ([2.0, 0.0, 3.0],), ([0, 6, 0],))
kink(np.prod, "two zeros", "0", np.prod, ([2.0, 0.0, 0.0],), ([0, 0, 0],))
kink(np.prod, "zeros beside what overflows", "0", np.prod, ([0.0, 0.0, 1e200, 1e200],), ([0, 0, 0, 0],))
kink(np.ptp, "ties", "shared evenly", np.ptp, ([3.0, 1.0, 3.0, 1.0, 2.0],), ([0.5, -0.5, 0.5, -0.5, 0],))
kink(np.ptp, "a constant", "0", np.ptp, ([2.0, 2.0],), ([0, 0],))
kink(np.ptp, "NaN", "the error goes to the NaN positions", np.ptp, ([nan, 1.0, nan],), ([0.5, 0, 0.5],))
kink(
    np.median, "even count", "½ to each of the two middle ones", np.median, ([4.0, 1.0, 3.0, 2.0],), ([0, 0, 0.5, 0.5],)
)
kink(np.median, "ties", "by stable position", np.median, ([2.0, 2.0, 1.0, 2.0, 3.0],), ([0, 1, 0, 0, 0],))
kink(np.median, "NaN", "the error goes to the NaN positions", np.median, ([nan, 1.0, nan],), ([0.5, 0, 0.5],))
kink(np.std, "a constant", "0", np.std, ([2.0, 2.0],), ([0, 0],))
kink(np.std, "a constant whose mean is rounded", "0", np.std, ([0.1, 0.1, 0.1],), ([0, 0, 0],))
kink(np.var, "a constant whose mean is rounded", "0", np.var, ([0.1, 0.1, 0.1],), ([0, 0, 0],))
kink(np.nansum, "NaN", "0 there", np.nansum, ([nan, 1.0],), ([0, 1],))
kink(np.nanmean, "NaN", "0 there", np.nanmean, ([nan, 1.0, 3.0],), ([0, 0.5, 0.5],))
kink(np.nanprod, "NaN and a zero", "0 there, the product of the others", np.nanprod, ([nan, 0.0, 3.0],), ([0, 3, 0],))
kink(np.nanmax, "NaN and ties", "0 there, shared evenly", np.nanmax, ([nan, 2.0, 2.0, 1.0],), ([0, 0.5, 0.5, 0],))
kink(np.nanmin, "NaN and ties", "0 there, shared evenly", np.nanmin, ([nan, 1.0, 2.0, 1.0],), ([0, 0.5, 0, 0.5],))
kink(np.nanvar, "NaN and a constant", "0", np.nanvar, ([nan, 0.1, 0.1, 0.1],), ([0, 0, 0, 0],))
kink(np.nanstd, "NaN and a constant", "0", np.nanstd, ([nan, 0.1, 0.1, 0.1],), ([0, 0, 0, 0],))
