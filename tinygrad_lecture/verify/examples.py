"""One small call of every operation of the tables, for whatever looks at all of them in turn."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..engine.op import OPS, Op, name_of
from ..engine.primitives import cast, scatter_add
from ..engine.tensor import Tensor
from ..rules.network import cross_entropy, linear, over_patterns, squared_error

ARRAYS: dict[str, Any] = {
    "u": [0.3, 0.5, 0.7],
    "v": [0.4, 0.9, 0.2],
    "h": [1.5, 2.0, 3.0],
    "A": [[0.3, -0.5, 0.7], [0.9, 0.2, -0.4]],
    "B": [[0.4, 0.1], [-0.8, 0.6], [0.2, 0.5]],
    "S": [[2.0, 0.3, 0.1], [-0.2, 1.5, 0.4], [0.3, 0.1, 1.8]],
}
"""What examples are about: each is a Tensor that requires a gradient."""

CALLS: dict[str, Callable[[Any], Any]] = {
    "pow": lambda t: t.u**t.v,
    "arccosh": lambda t: np.arccosh(t.h),
    "reshape": lambda t: np.reshape(t.A, (3, 2)),
    "transpose": lambda t: np.transpose(t.A),
    "broadcast_to": lambda t: np.broadcast_to(t.u, (2, 3)),
    "concatenate": lambda t: np.concatenate([t.u, t.v]),
    "stack": lambda t: np.stack([t.u, t.v]),
    "getitem": lambda t: t.A[:, [0, 0, 2]],
    "scatter_add": lambda t: scatter_add(t.u, ([0, 1, 1],), (4,)),
    "cast": lambda t: cast(t.u, np.dtype(np.float32)),
    "where": lambda t: np.where([True, False, True], t.u, t.v),
    "clip": lambda t: np.clip(t.A, -0.45, 0.6),
    "partition": lambda t: np.partition(t.A, 1),
    "einsum": lambda t: np.einsum("ij,jk->ik", t.A, t.B),
    "tensordot": lambda t: np.tensordot(t.A, t.B, 1),
    "matmul": lambda t: t.A @ t.B,
    "dot": lambda t: np.dot(t.A, t.B),
    "matvec": lambda t: np.matvec(t.S, t.u),
    "vecmat": lambda t: np.vecmat(t.u, t.S),
    "solve": lambda t: np.linalg.solve(t.S, t.u),
    "inv": lambda t: np.linalg.inv(t.S),
    "det": lambda t: np.linalg.det(t.S),
    "cofactors": lambda t: _own("cofactors")(t.S),
    "slogdet.logabsdet": lambda t: np.linalg.slogdet(t.S)[1],
    "trace": lambda t: np.trace(t.S),
    "diagonal": lambda t: np.diagonal(t.S),
    "over_patterns": lambda t: over_patterns(t.A),
    "linear": lambda t: linear(t.A, t.S, t.u),
    "squared_error": lambda t: squared_error(t.A, -t.A.detach()),
    "cross_entropy": lambda t: cross_entropy(t.A, np.array([0, 2])),
}
"""Name of an operation → a call of it; the others are called with as many vectors as they have slopes or rules."""


def examples() -> dict[str, Callable[[], Tensor]]:
    """Title → a function that makes a node of that operation, for every differentiable one of NumPy's and ours.

    SciPy's are not among them, since SciPy need not be there.
    """
    return {title(fn): partial(_node, fn, op) for fn, op in OPS.items() if op.differentiable and not _of_scipy(fn)}


def title(fn: Any) -> str:
    """The name under which a user knows an operation: np.tanh, np.linalg.solve, `**`; our own by their bare names."""
    if fn is operator.pow:
        return "**"
    return str(fn.op.name) if _is_own(fn) else name_of(fn)


def _is_own(fn: Any) -> bool:
    return isinstance(getattr(fn, "op", None), Op)


def _of_scipy(fn: Any) -> bool:
    return fn.__module__.endswith("rules.special") if _is_own(fn) else not name_of(fn).startswith(("np.", "_operator."))


def _own(name: str) -> Callable[..., Any]:
    """One of our own operations, by name."""
    found: Callable[..., Any] = next(fn for fn, op in OPS.items() if op.name == name and _is_own(fn))
    return found


def _node(fn: Callable[..., Any], op: Op) -> Tensor:
    """A node of an operation, made of new Tensors."""
    t = SimpleNamespace(**{name: Tensor(a, requires_grad=True) for name, a in ARRAYS.items()})
    vectors = [t.u, t.v][: len(op.slopes or op.rules or ())]
    y: Tensor = CALLS[op.name](t) if op.name in CALLS else fn(*vectors)
    if y.op is not op:
        raise AssertionError(f"the example of {title(fn)} made a node of {y.op}")
    return y
