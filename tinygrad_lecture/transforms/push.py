"""Changes pushed forward from the arguments to the outputs: jvp."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..engine.primitives import cast, odot
from ..engine.recording import enclosed, unchecked
from ..engine.tensor import Tensor, leaf
from ..engine.values import Array
from ..engine.walk import errors_at_ends, promoted, walk
from ..misnamed import explained
from .arguments import (
    alike,
    detached,
    must_call,
    name_of,
    outputs_of,
    plain_tree,
    reaches_outside,
    run,
    unshared,
    zeros,
)


@explained("jvp(f, (x,), (dx,))")
def jvp(f: Callable[..., Any], args: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """The outputs of f at args, and how they change when the arguments change along the tangents: dy = J dx.

    f: plain NumPy code, f(*args) → an array or any nesting of arrays; args: a tuple of arrays, floats, or nestings of
    them; tangents: a tuple of the same form and shapes. Returns (y, dy), both of y's form.
    An elementwise node passes a change on as slope ⊙ change; any other by the transpose of its local rule, which is
    linear in the error. Raises TypeError for arguments or outputs that are not floating, ValueError for tangents
    of another form or shape. Source: C8, gᵀΔw; Christianson 1992 for the transposed rule.

    >>> jvp(lambda x: x**2, (3.0,), (1.0,))
    (np.float64(9.0), np.float64(6.0))
    """
    must_call(f, "jvp")
    if not isinstance(args, tuple | list) or not isinstance(tangents, tuple | list):
        raise TypeError("jvp takes the arguments as one tuple and the tangents as another: jvp(f, (x,), (dx,))")
    name = name_of(f)
    ran = run(f, args, list(range(len(args))), {})
    outs, rebuild = outputs_of(ran.result, name, "jvp")
    changes = dict(enumerate(alike(tuple(tangents), tuple(args), "tangents", f"the arguments of {name}")))
    as_tensors = ran.differentiable() or any(type(t) is Tensor and t.needs for t in changes.values())
    dy = pushed(outs, ran.inputs, changes, as_tensors)
    return plain_tree(ran, ran.result), rebuild(dy if ran.enclosing.records else [detached(c) for c in dy])


def pushed(outs: list[Any], inputs: list[Tensor], changes: Mapping[int, Array], as_tensors: bool) -> list[Array]:
    """The change of each output when inputs change: changes[i] is that of inputs[i], 0 where there is none.

    This is the walk in the other direction: the oldest node first, along the recorded graph. The changes are Tensors
    where that is asked, and where the outputs depend on Tensors outside that require a gradient.
    """
    as_tensors = as_tensors or any(reaches_outside(y, inputs) for y in outs)
    known: dict[int, Array] = {}
    for i, change in changes.items():
        raw = change._data if type(change) is Tensor else change
        known[inputs[i].stamp] = raw if not as_tensors else change if change is not raw else leaf(raw, needs=False)
    with np.errstate(divide="ignore", invalid="ignore"), unchecked():  # an infinite slope meets ⊙, not the user
        for n in _made_from(outs, inputs):
            out = n if as_tensors else n._data
            values = [x._data if type(x) is Tensor and not as_tensors else x for x in n.inputs]
            values = promoted(values, out) if n.op and n.op.promotes else values
            total = None
            for k, x in enumerate(n.inputs):
                if type(x) is Tensor and x.stamp in known:
                    part = _passed_on(n, k, known[x.stamp], out, values)
                    total = part if total is None else total if part is None else total + part
            if total is not None:
                known[n.stamp] = total
    changes_of_outputs = [known.get(y.stamp) if type(y) is Tensor else None for y in outs]
    return [zeros(y, as_tensors) if c is None else unshared(c) for y, c in zip(outs, changes_of_outputs, strict=True)]


def _made_from(outs: list[Any], inputs: list[Tensor]) -> list[Tensor]:
    """The nodes that lead from the inputs to the outputs, the oldest first."""
    last = max((x.stamp for x in inputs), default=0)
    waiting = [y for y in outs if type(y) is Tensor]
    found: dict[int, Tensor] = {}
    while waiting:
        n = waiting.pop()
        if n.needs and n.inputs and n.stamp > last and n.stamp not in found:
            found[n.stamp] = n
            waiting += [x for x in n.inputs if type(x) is Tensor]
    return [found[stamp] for stamp in sorted(found)]


def _passed_on(n: Tensor, k: int, change: Array, out: Array, values: list[Array]) -> Array:
    """How node n changes when its input k does; None where it does not."""
    op: Any = n.op
    if op.slopes is None:
        return _transposed(n, k, change, raw=type(out) is not Tensor)
    slope = op.slopes[k]
    if slope is None:
        return None
    if type(slope) is float:
        part = change if slope == 1.0 else change * slope
    else:
        part = odot(change, slope(out, *values, **n.options))
    part = part if part.dtype == n.dtype else cast(part, n.dtype)
    return part if part.shape == n.shape else np.broadcast_to(part, n.shape)


def _transposed(n: Tensor, k: int, change: Array, *, raw: bool) -> Array:
    """The transpose of a rule: since it is linear in err, ⟨rule(err), change⟩ has by err the gradient that is asked."""
    with enclosed():
        err = leaf(np.zeros(n.shape, n.dtype)[()])
        handed, _ = walk([(n, err)], 0, n.stamp - 1, raw, only=k)  # one step, to the node's own input
    if not handed or type(handed[0][1]) is not Tensor or not handed[0][1].needs:
        return None
    e = handed[0][1]
    arriving = change if change.dtype == e.dtype else cast(change, e.dtype)
    ends, _ = errors_at_ends([(e, arriving)], first=err.stamp, last=err.stamp, differentiable=not raw)
    return ends[0][1] if ends else None
