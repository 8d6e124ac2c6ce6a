"""Gradients of single patterns: g_t for every pattern t of a batch, and their mean and variance.

The definition is one gradient for each slice of one pattern. Where a weight enters as an operand of a product or is
broadcast over the patterns, g_t follows from what one walk over the whole batch has at hand locally: the error δ_t that
arrives and the input x_t give g_t = δ_t x_tᵀ. That short way is compared with gradients of parts of the batch
before it is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import numpy as np

from ..engine.op import OPS
from ..engine.primitives import getitem, odot, scatter_add
from ..engine.recording import current
from ..engine.tensor import Tensor
from ..engine.tree import flatten, tree_map
from ..engine.values import Array
from ..engine.walk import arriving, errors_at_ends, promoted, unbroadcast
from ..rules.network import linear
from .arguments import Run, must_call, name_of, run
from .gradient import grad, scalar

AT_ONCE = 2**22
"""So many numbers of the g_t are held at once while their moments are computed."""


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
        if T > 1 and not current().depth and not any(a.__class__ is Tensor for a in flatten([w, patterns])[0]):
            ran = run(f, (w, *patterns), [0], {})
            found = _by_locality(ran, scalar(ran.result, name), T)
            key = tuple(np.shape(a) for a in flatten([w, patterns])[0])
            if found is not None and (key in trusted or _agrees_on_parts(found, gradient, w, patterns, T)):
                trusted.add(key)
                return rebuild(found)
        slices = [flatten(gradient(w, *_part(patterns, slice(t, t + 1))))[0] for t in range(T)]
        stacked = [
            np.stack([g[i] for g in slices]) if slices else np.zeros((0, *np.shape(a)), np.asarray(a).dtype)
            for i, a in enumerate(leaves)
        ]
        if T:
            sizes = [np.sum(np.abs(_raw(g)), axis=0) for g in stacked]
            must_sum([np.sum(g, axis=0) for g in stacked], sizes, flatten(gradient(w, *patterns))[0], T, name)
        return rebuild(stacked)

    return gradients


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
            gs, _ = flatten(per_pattern(w, *part))
            means = [np.mean(g, axis=0) for g in gs]
            spreads = [np.sum((g - mean_g) ** 2, axis=0) for g, mean_g in zip(gs, means, strict=True)]
            if n:
                shift = [new - old for new, old in zip(means, mean, strict=True)]
                means = [old + d * (m / (n + m)) for old, d in zip(mean, shift, strict=True)]
                spreads = [a + b + d**2 * (n * m / (n + m)) for a, b, d in zip(spread, spreads, shift, strict=True)]
            n, mean, spread = n + m, means, spreads
        if step < T:
            sizes = [T * np.abs(_raw(g)) + np.sqrt(T * _raw(s)) for g, s in zip(mean, spread, strict=True)]
            must_sum([g * T for g in mean], sizes, flatten(gradient(w, *patterns))[0], T, name)
        return rebuild(mean), rebuild([s / T for s in spread])

    return moments


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
    if all(_close(*three) for three in zip(totals, g, sizes, strict=True)):
        return
    way_out = "let it return Σ_t E_t, each E_t computed from pattern t alone"
    if all(_close(total, b * T, size) for total, b, size in zip(totals, g, sizes, strict=True)):
        way_out = f"it seems to average over them: let it return its value times their number, here {T}"
    raise ValueError(f"{name} does not sum over its patterns, the g_t do not add up to its gradient; {way_out}")


def _close(a: Array, b: Array, sizes: Array) -> bool:
    """Whether two sums of the same terms agree up to rounding, measured by the sizes of the terms."""
    a, b = _raw(a), _raw(b)
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= 1e3 * np.finfo(a.dtype).eps * (sizes + np.max(sizes, initial=0.0))
    return bool(np.all(near | (np.isnan(a) & np.isnan(b)) | (a == b)))


def _raw(a: Array) -> Array:
    return np.asarray(a._data if a.__class__ is Tensor else a)


def _part(patterns: tuple[Any, ...], which: Any) -> Any:
    return tree_map(lambda p: p[which] if isinstance(p, Tensor | np.ndarray) else np.asarray(p)[which], patterns)


def _agrees_on_parts(found: list[Array], gradient: Any, w: Any, patterns: Any, T: int) -> bool:
    """Whether the g_t add up to the gradients of parts of the batch: for each binary digit the patterns with a 0 there.

    Any two patterns are told apart by a digit, so that an f which mixes two patterns is seen.
    """
    for digit in range((T - 1).bit_length()):
        chosen = np.flatnonzero((np.arange(T) >> digit) % 2 == 0)
        parts, _ = flatten(gradient(w, *_part(patterns, chosen)))
        for a, g in zip(found, parts, strict=True):
            if not _close(np.sum(a[chosen], axis=0), g, np.sum(np.abs(a), axis=0)):
                return False
    return True


def _by_locality(ran: Run, y: Any, T: int) -> list[Array] | None:
    """The g_t of every weight from one walk over the whole batch; None where a weight is used in another way."""
    found: dict[int, Array] = {}
    weights = {x.stamp for x in ran.inputs}
    unknown = False

    def watch(n: Tensor, k: int, err: Array, e: Array) -> None:
        nonlocal unknown
        x = n.inputs[k]
        views = list(_views(x, weights))
        if unknown or not views or _is_view(n):
            return  # no weight, or one that is only looked at from another side
        g = _of_each_pattern(n, k, x, err, T)
        for view in views[:-1]:
            g = None if g is None else _seen_from_below(view, g)
        if g is None:
            unknown = True
            return
        stamp = views[-1].stamp
        found[stamp] = found[stamp] + g if stamp in found else g

    if y.__class__ is Tensor and y.needs:
        first, last = ran.inputs[0].stamp, ran.inputs[-1].stamp
        _, outside = errors_at_ends([(y, arriving(y, None))], first=first, last=last, watch=watch)
        if unknown or outside:
            return None
    return [found.get(x.stamp, np.zeros((T, *x.shape), x.dtype)) for x in ran.inputs]


def _is_view(n: Tensor) -> bool:
    """Whether a node only shows its one input from another side: transposed, reshaped, or in part."""
    if n.op is getitem.op:  # type: ignore[attr-defined]
        return all(i is Ellipsis or isinstance(i, int | slice | np.integer) for i in n.options["index"])
    return n.op is OPS[np.transpose] or n.op is OPS[np.reshape]


def _views(x: Tensor, weights: set[int]) -> Iterator[Tensor]:
    """The nodes from x down to the weight that it is a view of, the weight last; nothing where it is none."""
    chain = [x]
    while chain[-1].stamp not in weights and chain[-1].inputs and _is_view(chain[-1]):
        chain.append(chain[-1].inputs[0])
    if chain[-1].stamp in weights:
        yield from chain


def _seen_from_below(view: Tensor, g: Array) -> Array:
    """The g_t of a view as those of what it is a view of: the view's own rule, with one axis more in front."""
    x = view.inputs[0]
    if view.op is OPS[np.transpose]:
        axes = view.options.get("axes")
        back = range(x.ndim)[::-1] if axes is None else np.argsort(np.mod(axes, x.ndim))
        return np.transpose(g, (0, *(int(i) + 1 for i in back)))
    if view.op is OPS[np.reshape]:
        return None if view.options.get("order", "C") != "C" else np.reshape(g, (len(g), *x.shape))
    return scatter_add(g, (slice(None), *view.options["index"]), (len(g), *x.shape))


def _of_each_pattern(n: Tensor, k: int, x: Tensor, err: Array, T: int) -> Array | None:
    """What node n hands on to its input k for each pattern by itself: (T, *x.shape); None where it cannot tell."""
    if err.ndim == 0 or err.shape[0] != T:
        return None
    values = [v._data if v.__class__ is Tensor else v for v in n.inputs]
    op: Any = n.op
    if op.slopes is not None:
        return _broadcast_weight(n, k, x, err, promoted(values, n._data) if op.promotes else values)
    other = np.asarray(values[0])
    if k == 0 or other.ndim != err.ndim + (op is not linear.op and x.ndim == 1):  # type: ignore[attr-defined]
        return None
    if op is linear.op and k == 1:  # type: ignore[attr-defined]
        return _outer(err, other).astype(x.dtype, copy=False)
    if op is linear.op:  # type: ignore[attr-defined]
        return np.reshape(err, (T, -1, err.shape[-1])).sum(axis=1).astype(x.dtype, copy=False)
    if op in (OPS[np.matmul], OPS.get(np.dot)) and x.ndim <= 2:
        g = _outer(other, err if x.ndim == 2 else err[..., None])
        return np.reshape(g, (T, *x.shape)).astype(x.dtype, copy=False)
    return None


def _outer(a: Array, b: Array) -> Array:
    """Σ over the axes between of a bᵀ, for each pattern: (T, …, m) and (T, …, n) give (T, m, n)."""
    if a.ndim == 2:
        return a[:, :, None] * b[:, None, :]
    T = len(a)
    return np.reshape(a, (T, -1, a.shape[-1])).mT @ np.reshape(b, (T, -1, b.shape[-1]))


def _broadcast_weight(n: Tensor, k: int, x: Tensor, err: Array, values: list[Array]) -> Array | None:
    """err ⊙ slope for each pattern, where broadcasting repeated the weight over the patterns."""
    op: Any = n.op
    if x.ndim == n.ndim and x.shape[0] != 1:
        return None
    slope = op.slopes[k]
    if slope is None:
        return None
    e = err * slope if slope.__class__ is float else odot(err, slope(n._data, *values, **n.options))
    e = np.broadcast_to(e, n.shape)
    own = x.shape if x.ndim < n.ndim else x.shape[1:]
    between = (1,) * (n.ndim - 1 - len(own))
    return np.reshape(unbroadcast(e, (n.shape[0], *between, *own)), (n.shape[0], *x.shape)).astype(x.dtype, copy=False)
