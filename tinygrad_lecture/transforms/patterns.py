"""Gradients of single patterns: g_t for every pattern t of a batch, and their mean and variance.

The definition is one gradient for each slice of one pattern. The short way, one walk over the whole batch, is in
`locality`; what it finds is compared with parts of the batch before it is trusted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..engine.recording import current
from ..engine.tensor import Tensor
from ..engine.tree import flatten, tree_map
from ..engine.values import Array
from ..misnamed import explained
from .arguments import must_call, name_of, run
from .gradient import grad, scalar
from .locality import by_locality, close, raw

AT_ONCE = 2**22
"""So many numbers of the g_t are held at once while their moments are computed."""


@explained("per_pattern_grad(f)(w, *patterns)")
def per_pattern_grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function that computes the gradient g_t of every single pattern.

    f: plain NumPy code, f(w, *patterns) → one number that sums over the leading axis of the patterns: Σ_t E_t.
    Returns G(w, *patterns) → a container of w's form with an array (T, *s) for every array of shape s; its sum over t
    is the gradient of f. w: arrays, floats, or any nesting of them; patterns: arrays (T, …), or nestings of them.
    Raises ValueError for patterns of unequal number, and for an f that does not sum over them; else what `grad`
    raises. Source: C7, g_t; C11.

    >>> per_pattern_grad(lambda w, x: np.sum(np.tanh(x @ w)))(np.zeros(2), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [3., 4.]])
    """
    must_call(f, "per_pattern_grad")
    gradient, name = grad(f), name_of(f)
    trusted: set[Any] = set()

    @wraps(f)
    def gradients(w: Any, *patterns: Any) -> Any:
        T = how_many(patterns, name)
        leaves, rebuild = flatten(w)
        arrays = flatten([w, patterns])[0]
        if T > 1 and leaves and not current().depth and not any(type(a) is Tensor for a in arrays):
            ran = run(f, (w, *patterns), [0], {})
            found, _ = by_locality(ran, scalar(ran.result, name), T)
            key = tuple(np.shape(a) for a in arrays)
            parts = _parts(T)[: 1 if key in trusted else None]  # one still sees an f that mixes all patterns
            if found is not None and _agrees_on(parts, found, f, w, patterns):
                trusted.add(key)
                return rebuild(found)
        slices = [flatten(gradient(w, *_part(patterns, slice(t, t + 1))))[0] for t in range(T)]
        g, _ = flatten(gradient(w, *patterns))
        stacked = [
            np.stack([of_t[i] for of_t in slices]) if T else np.zeros((0, *np.shape(total)), total.dtype)
            for i, total in enumerate(g)
        ]
        sizes = [np.sum(np.abs(raw(of_each)), axis=0) for of_each in stacked]
        must_sum([np.sum(of_each, axis=0) for of_each in stacked], sizes, g, T, name)
        return rebuild(stacked)

    return gradients


@explained("gradient_moments(f)(w, *patterns)")
def gradient_moments(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function that computes mean and variance over the patterns of the gradients g_t, for each weight by itself.

    f, w, patterns and errors: as for `per_pattern_grad`; there must be at least one pattern.
    Returns m(w, *patterns) → (g, variance), g = 1/T Σ_t g_t and 1/T Σ_t (g_t − g)², both of w's form and shapes.
    It holds the g_t of a part of the patterns at a time, and merges the moments of the parts without cancellation.
    Source: C11; Chan, Golub and LeVeque 1983.

    >>> gradient_moments(lambda w, x: np.sum(w * x))(1.0, np.array([1.0, 2.0, 6.0]))
    (np.float64(3.0), np.float64(4.666666666666667))
    """
    must_call(f, "gradient_moments")
    per_pattern, gradient, name = per_pattern_grad(f), grad(f), name_of(f)

    @wraps(f)
    def moments(w: Any, *patterns: Any) -> tuple[Any, Any]:
        T = how_many(patterns, name)
        if T == 0:
            raise ValueError(f"gradient_moments: there are no patterns to average over; {name} got none")
        leaves, rebuild = flatten(w)
        size = max(1, sum(np.size(a) for a in leaves))
        step = max(1, AT_ONCE // size)
        n = 0
        mean: list[Array] = []
        spread: list[Array] = []
        for begin in range(0, T, step):
            part = _part(patterns, slice(begin, begin + step))
            m = min(step, T - begin)
            means, spreads = _moments(flatten(per_pattern(w, *part))[0])
            if n:
                shift = [new - old for new, old in zip(means, mean, strict=True)]
                means = [old + d * (m / (n + m)) for old, d in zip(mean, shift, strict=True)]
                spreads = [a + b + d**2 * (n * m / (n + m)) for a, b, d in zip(spread, spreads, shift, strict=True)]
            n, mean, spread = n + m, means, spreads
        if step < T:
            sizes = [T * np.abs(raw(g)) + np.sqrt(T * raw(s)) for g, s in zip(mean, spread, strict=True)]
            must_sum([g * T for g in mean], sizes, flatten(gradient(w, *patterns))[0], T, name)
        return rebuild(mean), rebuild([s / T for s in spread])

    return moments


def recorded_moments(f: Callable[..., Any]) -> Callable[..., Any]:
    """What `gradient_moments` gives, as part of a recording, for an f that is known to sum over its patterns.

    f, w, patterns: as for `gradient_moments`, where f is one of the library. Raises TypeError where a weight is used in
    a way that does not show its g_t locally.
    """

    def moments(w: Any, *patterns: Any) -> tuple[Any, Any]:
        T, rebuild = how_many(patterns, name_of(f)), flatten(w)[1]
        ran = run(f, (w, *patterns), [0], {})
        found, _ = by_locality(ran, scalar(ran.result, name_of(f)), T, differentiable=True)
        if found is None:
            raise TypeError(f"the g_t of {name_of(f)} cannot be recorded: a weight is not used pattern by pattern")
        mean, spread = _moments(found)
        return rebuild(mean), rebuild([s / T for s in spread])

    return moments


def _moments(gs: list[Array]) -> tuple[list[Array], list[Array]]:
    """Mean of the g_t, and the sum of their squared distances from it."""
    apart = [g - g[:1] for g in gs]  # exactly 0 where all are the same
    middles = [np.mean(d, axis=0) for d in apart]
    means = [g[0] + middle for g, middle in zip(gs, middles, strict=True)]
    return means, [np.sum((d - middle) ** 2, axis=0) for d, middle in zip(apart, middles, strict=True)]


def how_many(patterns: tuple[Any, ...], name: str) -> int:
    """T, the common length of the leading axes of the patterns."""
    leaves, _ = flatten(patterns)
    lengths = [np.shape(p)[0] if np.ndim(p) else None for p in leaves]
    if not lengths or None in lengths or len(set(lengths)) > 1:
        shapes = ", ".join(str(np.shape(p)) for p in leaves) or "none"
        raise ValueError(
            f"the patterns of {name} must be arrays whose leading axes have one length T; their shapes are {shapes}"
        )
    return int(lengths[0] or 0)


def must_sum(totals: list[Array], sizes: list[Array], g: list[Array], T: int, name: str) -> None:
    """Refuse an f whose gradient g is not the sum of those of its patterns; sizes: the sums of their magnitudes."""
    if all(close(*three) for three in zip(totals, g, sizes, strict=True)):
        return
    way_out = "let it return Σ_t E_t, each E_t computed from pattern t alone"
    if all(close(total, b * T, size) for total, b, size in zip(totals, g, sizes, strict=True)):
        way_out = f"it seems to average over them: let it return its value times their number, here {T}"
    raise ValueError(f"{name} does not sum over its patterns, the g_t do not add up to its gradient; {way_out}")


def _part(patterns: tuple[Any, ...], which: Any) -> Any:
    return tree_map(lambda p: p[which] if isinstance(p, Tensor | np.ndarray) else np.asarray(p)[which], patterns)


def _parts(T: int) -> list[np.ndarray]:
    """For each binary digit of t the patterns with a 0 there, and those with a 1: any two stand apart somewhere."""
    t = np.arange(T)
    return [np.flatnonzero((t >> digit) % 2 == value) for digit in range((T - 1).bit_length()) for value in (0, 1)]


def _agrees_on(parts: list[np.ndarray], found: list[Array], f: Any, w: Any, patterns: Any) -> bool:
    """Whether parts of the batch alone give the same g_t, and these add up to their gradients.

    An f which mixes two patterns is seen where one of them is without the other. A part has another number of patterns
    than the whole, so that an axis which by chance is as long as the patterns are many is not taken for theirs.
    """
    name, T = name_of(f), len(found[0])
    for chosen in parts:
        try:
            ran = run(f, (w, *_part(patterns, chosen)), [0], {})
        except Exception as error:
            error.add_note(f"This was with {len(chosen)} of the {T} patterns, which {name} must work with as well.")
            raise
        alone, g = by_locality(ran, scalar(ran.result, name), len(chosen))
        if alone is None:
            return False
        for all_, some, total in zip(found, alone, g, strict=True):
            sizes = np.abs(some)
            if not close(all_[chosen], some, sizes) or not close(np.sum(some, axis=0), total, np.sum(sizes, axis=0)):
                return False
    return True
