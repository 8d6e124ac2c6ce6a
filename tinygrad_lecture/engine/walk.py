"""The backward walk: the error that arrives at a node is handed on to its inputs.

This is backpropagation, whole. The youngest node waiting goes first; since a node is younger than
its inputs, by then every error it will ever get has arrived and been summed. A node hands
`err ⊙ slope`, or what its rule says, to each input. Errors live in the walk, never on nodes, and
there is no recursion.

The same code walks raw arrays (fast) and Tensors (the walk is then itself recorded, which gives
higher orders): rules are plain NumPy code and serve both.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy import ndarray, vdot

from .primitives import cast, odot
from .recording import current
from .tensor import Tensor, leaf
from .values import Array, owned, real

Starts = list[tuple[Tensor, Array]]
Ends = list[list[Any]]
"""Leaves, each with the error that reached it."""
Watch = Callable[[Tensor, int, Array, Array], None]


def backward(y: Tensor, err: Any = None) -> None:
    """Add the gradient of y into the leaves it depends on (`Tensor.backward`)."""
    if not y.needs:
        raise TypeError(
            "backward: this Tensor does not depend on any that requires a gradient; "
            "make one with tl.Tensor(values, requires_grad=True)"
        )
    ends, _ = errors_at_ends([(y, arriving(y, err))], differentiable=current().depth > 0)
    for x, e in ends:
        x.grad = e if x.grad is None else x.grad + e


def arriving(y: Tensor, err: Any) -> Array:
    """The error that starts a walk: of y's shape and dtype."""
    if err is None:
        if y._data.shape:
            raise ValueError(
                f"backward of a Tensor of shape {y.shape} needs err, the error that arrives, of the same shape; "
                "or reduce it to a scalar first, for example with np.sum"
            )
        return y._data.dtype.type(1)
    if type(err) is Tensor and err.needs and current().depth == 0:
        raise TypeError("backward: err requires a gradient itself; pass err.detach(), or use tl.grad for higher orders")
    given = err if type(err) is Tensor else real(np.asarray(err), "backward(err)")
    if given.shape != y.shape:
        raise ValueError(
            f"backward: err of shape {given.shape} arrives at a Tensor of shape {y.shape}; they must be the same"
        )
    if type(given) is Tensor and current().depth:
        return given.astype(y.dtype)
    return owned(np.asarray(given).astype(y.dtype))


def errors_at_ends(
    starts: Starts,
    *,
    first: int = 0,
    last: int = 0,
    differentiable: bool = False,
    watch: Watch | None = None,
) -> tuple[Ends, bool]:
    """The error that reaches each leaf below the starts, and whether one would have gone to older Tensors.

    starts: the Tensors at which errors arrive from outside, each with its error.
    Nodes with stamps from first to last are leaves too: the arguments of a transform. What is
    older than first cannot depend on them, and gets nothing.
    watch(n, k, err, e) is told that node n, where err arrived, hands e on to its input k.
    """
    debug = current().debug
    if debug is not None and debug.checks:
        how = {"first": first, "last": last, "differentiable": differentiable}
        return debug.walked(errors_at_ends, starts, watch, how)  # type: ignore[no-any-return]
    if differentiable:
        starts = [(y, err if type(err) is Tensor else leaf(err, needs=False)) for y, err in starts]
        return walk(starts, first, last, False, watch)
    return walk(starts, first, last, True, watch)


@np.errstate(divide="ignore", invalid="ignore")  # an infinite slope meets ⊙, not the user
def walk(
    starts: Starts, first: int, last: int, raw: bool, watch: Watch | None = None, only: int | None = None
) -> tuple[Ends, bool]:
    """The walk itself: node by node, each applies its local rules to the error that arrived.

    raw: rules get values, not Tensors; only: the one input that a node hands on to, all by default.
    What is handed on comes in the shape and dtype of the input.
    """
    outside = False
    arrived: dict[int, list[Any]] = {}  # stamp → the node, and the sum of the errors so far
    waiting: list[int] = []  # the stamps of those that can hand it on, negative: a heap
    for y, err in starts:
        if y.stamp in arrived:
            err = arrived[y.stamp][1] + err
        elif y.inputs and y.stamp > last:
            heappush(waiting, -y.stamp)
        elif type(err) is ndarray:
            err = err.copy()  # at an end, where somebody may write into what arrives
        arrived[y.stamp] = [y, err]
    while waiting:
        stamp = -heappop(waiting)
        n, err = arrived.pop(stamp)
        op, inputs, options, values = n.op, n.inputs, n.options, []
        for x in inputs:
            if type(x) is Tensor:
                if x.stamp > stamp:
                    raise overwritten(n, x)
                x = x._data if raw else x
            values.append(x)
        out = n._data if raw else n
        if op.promotes:
            values = promoted(values, out)
        slopes, rules = op.slopes, op.rules
        seen = (err, out, *values) if slopes is None else (out, *values)  # all that a local rule, or a slope, sees
        k = -1
        for x in inputs:
            k += 1
            if type(x) is not Tensor or not x.needs or (only is not None and k != only):
                continue  # nothing is computed for what needs no error
            at = x.stamp
            if at < first:
                outside = True
                continue
            if rules:
                rule = rules[k]
                if rule is None:
                    continue
                e = rule(*seen, **options) if options else rule(*seen)
            elif slopes:
                slope = slopes[k]
                if slope is None:
                    continue
                if type(slope) is float:
                    e = err if slope == 1.0 else err * slope
                else:
                    slope = slope(*seen, **options) if options else slope(*seen)
                    if raw:
                        e = err * slope
                        some = vdot(e, e) if type(e) is ndarray else e  # which no overflow makes NaN
                        if some != some:
                            e = odot(err, slope)
                    else:
                        e = odot(err, slope)
            else:
                e = op.each(k, *seen, **options)
            value = x._data
            if type(e) is not ndarray:
                if type(e) is not type(value):
                    e = fitted(e, n, k, x)
            elif e.shape != value.shape or e.dtype is not value.dtype:
                e = fitted(e, n, k, x)
            if watch is not None:
                watch(n, k, err, e)
            if at in arrived:
                entry = arrived[at]
                entry[1] = entry[1] + e
            elif x.inputs and at > last:
                arrived[at] = [x, e]
                heappush(waiting, -at)
            else:  # an end too
                arrived[at] = [x, e.copy() if type(e) is ndarray and (e is err or e.base is not None) else e]
    return list(arrived.values()), outside  # at those that hand on nothing


def promoted(values: list[Array], out: Array) -> list[Array]:
    """The inputs as the forward step computed with them: floating ones in the dtype of the output.

    A rule that works on a float32 input alone would lose what a float64 partner gave the output.
    """
    kind = type(out)
    if kind is not ndarray and kind is not Tensor:  # a NumPy scalar, whose class says its dtype
        for v in values:
            if type(v) is not kind and type(v) is not float:
                break
        else:
            return values
    dtype = out.dtype
    for v in values:
        if getattr(v, "dtype", dtype) is not dtype:
            return [_promoted(v, dtype) for v in values]
    return values


def _promoted(v: Array, dtype: np.dtype[np.generic]) -> Array:
    lower = isinstance(v, Tensor | ndarray | np.generic) and v.dtype.kind == "f" and v.dtype != dtype
    return v.astype(dtype) if lower else v


def fitted(e: Array, n: Tensor, k: int, x: Tensor) -> Array:
    """What is handed to input k of a node, in that input's shape and dtype.

    Broadcasting and casting are undone here, once for all operations. A rule may only hand back
    the shape of its input (or, where it declares so, what broadcasting made of it); a slope the
    shape of the output.
    """
    op = n.op
    assert op is not None
    if type(e) is not Tensor and type(e) is not ndarray:
        e = np.asarray(e)[()]
    if e.shape != x.shape:
        whole = e.shape == n.shape if op.slopes is not None else op.broadcasts
        if not whole or not _stretched(x.shape, e.shape):
            kind = "slope" if op.slopes is not None else "rule"
            wanted = n.shape if op.slopes is not None else x.shape
            raise ValueError(
                f"{op.name}: the {kind} for input {k} handed back shape {e.shape}, "
                f"but that input has shape {x.shape}; it must be {wanted}"
            )
        e = unbroadcast(e, x.shape)
    return e if e.dtype == x.dtype else cast(e, x.dtype)


def _stretched(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether broadcasting turns the shape small into the shape large."""
    lead = len(large) - len(small)
    return lead >= 0 and all(s in (1, n) for s, n in zip(small, large[lead:], strict=True))


def unbroadcast(e: Array, shape: tuple[int, ...]) -> Array:
    """Sum over the axes that broadcasting repeated: the adjoint of np.broadcast_to."""
    lead = e.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1 and e.shape[lead + i] != 1)
    return np.reshape(np.sum(e, axis=axes), shape)


def overwritten(n: Tensor, x: Tensor) -> RuntimeError:
    """The error for a walk over values that were written to after the graph had read them."""
    name = n.op.name if n.op else "leaf"
    return RuntimeError(
        f"backward: the leaf of shape {x.shape} that went into {name} was overwritten by assign() since; "
        "its gradient would be wrong. Run the forward pass again, or go backward before you assign"
    )
