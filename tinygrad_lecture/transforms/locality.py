"""The gradient of every single pattern from one walk over the whole batch.

Where a weight enters as an operand of a product or is broadcast over the patterns, g_t follows from what the walk has
at hand locally: the error δ_t that arrives and the input x_t give g_t = δ_t x_tᵀ. The patterns are taken to lie along
the first axis: an axis of that length. Whether they do is for the caller to check.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine.op import OPS
from ..engine.primitives import getitem, odot, scatter_add
from ..engine.tensor import Tensor
from ..engine.values import Array
from ..engine.walk import arriving, errors_at_ends, promoted, unbroadcast
from ..rules.network import linear
from .arguments import Run


def by_locality(ran: Run, y: Any, T: int, differentiable: bool = False) -> tuple[list[Array] | None, list[Array]]:
    """The g_t of every weight from one walk back from y, None where a weight is used in another way; and the gradient.

    ran: a run of a function that gave y, by its weights; T: the number of patterns; differentiable: as for the walk.
    """
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

    arrived: dict[int, Array] = {}
    if type(y) is Tensor and y.needs:
        first, last = ran.inputs[0].stamp, ran.inputs[-1].stamp
        starts = [(y, arriving(y, None))]
        ends, outside = errors_at_ends(starts, first=first, last=last, differentiable=differentiable, watch=watch)
        arrived = {x.stamp: e for x, e in ends}
        unknown = unknown or outside
    g = [arrived.get(x.stamp, np.zeros(x.shape, x.dtype)) for x in ran.inputs]
    return None if unknown else [found.get(x.stamp, np.zeros((T, *x.shape), x.dtype)) for x in ran.inputs], g


def close(a: Array, b: Array, sizes: Array) -> bool:
    """Whether two arrays agree up to rounding, measured by the sizes of the terms that were summed to them."""
    a, b = raw(a), raw(b)
    largest, unit = np.max(sizes, initial=0.0), 1e3 * np.finfo(a.dtype).eps
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b)
        if np.max(apart, initial=0.0) <= unit * largest < np.inf:
            return True  # as most often; what follows would say the same
        near = apart <= unit * (sizes + largest)
    return bool(np.all(near | (np.isnan(a) & np.isnan(b)) | (a == b)))


def raw(a: Array) -> Array:
    """The values of a Tensor or array."""
    return np.asarray(a._data if type(a) is Tensor else a)


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
    recorded = type(err) is Tensor
    values = [v if recorded or type(v) is not Tensor else v._data for v in n.inputs]
    out = n if recorded else n._data
    op: Any = n.op
    if op.slopes is not None:
        return _broadcast_weight(n, out, k, x, err, promoted(values, out) if op.promotes else values)
    other = values[0] if recorded and type(values[0]) is Tensor else np.asarray(values[0])
    if k == 0 or other.ndim != err.ndim + (op is not linear.op and x.ndim == 1):  # type: ignore[attr-defined]
        return None
    if op is linear.op and k == 1:  # type: ignore[attr-defined]
        return _as(_outer(err, other), x.dtype)
    if op is linear.op:  # type: ignore[attr-defined]
        return _as(np.sum(err, axis=tuple(range(1, err.ndim - 1))), x.dtype)
    if op in (OPS[np.matmul], OPS.get(np.dot)) and x.ndim <= 2:
        g = _outer(other, err if x.ndim == 2 else err[..., None])
        return _as(np.reshape(g, (T, *x.shape)), x.dtype)
    return None


def _outer(a: Array, b: Array) -> Array:
    """Σ over the axes between of a bᵀ, for each pattern: (T, …, m) and (T, …, n) give (T, m, n)."""
    if a.ndim == 2:
        return a[:, :, None] * b[:, None, :]
    lead = (len(a), int(np.prod(a.shape[1:-1])))
    return np.reshape(a, (*lead, a.shape[-1])).mT @ np.reshape(b, (*lead, b.shape[-1]))


def _as(g: Array, dtype: np.dtype[Any]) -> Array:
    return g if g.dtype == dtype else g.astype(dtype)


def _broadcast_weight(n: Tensor, out: Array, k: int, x: Tensor, err: Array, values: list[Array]) -> Array | None:
    """err ⊙ slope for each pattern, where broadcasting repeated the weight over the patterns."""
    op: Any = n.op
    if x.ndim == n.ndim and x.shape[0] != 1:
        return None
    slope = op.slopes[k]
    if slope is None:
        return None
    e = err * slope if type(slope) is float else odot(err, slope(out, *values, **n.options))
    e = np.broadcast_to(e, n.shape)
    own = x.shape if x.ndim < n.ndim else x.shape[1:]
    between = (1,) * (n.ndim - 1 - len(own))
    return _as(np.reshape(unbroadcast(e, (n.shape[0], *between, *own)), (n.shape[0], *x.shape)), x.dtype)
