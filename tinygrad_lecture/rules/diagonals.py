"""Rules of functions of a diagonal: each writes the error onto it, or reads it there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..engine.op import composed, rules
from ..engine.primitives import scatter_add
from ..engine.values import Array


def _length(rows: int, columns: int, offset: int) -> int:
    """How many elements a diagonal has."""
    return max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)


def _diagonal(rows: int, columns: int, offset: int) -> slice:
    """Where a diagonal lies in a matrix that is written as one row: every (columns + 1)-th element."""
    length = _length(rows, columns, offset)
    start = offset if offset > 0 else -offset * columns
    return slice(start, start + length * (columns + 1), columns + 1) if length else slice(0)


def _on_diagonal(d: Array, shape: tuple[int, ...], offset: int) -> Array:
    """Zeros of a shape, with d on the diagonals of its last two axes."""
    *lead, rows, columns = shape
    flat = scatter_add(d, (Ellipsis, _diagonal(rows, columns, offset)), (*lead, rows * columns))
    return np.reshape(flat, shape)


def _diagonal_rule(err: Array, y: Array, a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The error on the diagonal, 0 elsewhere."""
    pair = normalize_axis_index(axis1, a.ndim), normalize_axis_index(axis2, a.ndim)
    lead = tuple([n for i, n in enumerate(a.shape) if i not in pair])
    return np.moveaxis(_on_diagonal(err, (*lead, a.shape[axis1], a.shape[axis2]), offset), (-2, -1), pair)


def _trace_rule(err: Array, y: Array, a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The same error all along the diagonal."""
    length = _length(a.shape[axis1], a.shape[axis2], offset)
    along = np.broadcast_to(np.reshape(err, (*err.shape, 1)), (*err.shape, length))
    return _diagonal_rule(along, y, a, offset, axis1, axis2)


rules(np.diagonal, _diagonal_rule, signature="a, offset=, axis1=, axis2=")
rules(np.trace, _trace_rule, signature="a, offset=, axis1=, axis2=, dtype!, out!")
composed(np.linalg.diagonal)(lambda x, /, *, offset=0: np.diagonal(x, offset, -2, -1))
composed(np.linalg.trace)(lambda x, /, *, offset=0: np.trace(x, offset, -2, -1))


@composed(np.diag)
def diag(v: Array, k: int = 0) -> Array:
    """np.diag: the diagonal of a matrix, or a matrix with this diagonal."""
    if v.ndim == 1:
        n = v.shape[0] + abs(k)
        return _on_diagonal(v, (n, n), k)
    if v.ndim == 2:
        return np.diagonal(v, k)
    raise ValueError(f"diag needs one or two axes, this Tensor has shape {v.shape}")


composed(np.diagflat)(lambda v, k=0: diag(np.ravel(v), k))


def _where_below(m: Array, k: int, below: bool) -> Any:
    """m up to its diagonal k and 0 above it, or the reverse."""
    if m.ndim == 0:
        raise ValueError("tril and triu need at least one axis, this Tensor has none")
    lower = np.tri(m.shape[-2] if m.ndim > 1 else m.shape[-1], m.shape[-1], k, bool)
    return np.where(lower == below, m, np.zeros(1, m.dtype))


composed(np.tril)(lambda m, k=0: _where_below(m, k, True))
composed(np.triu)(lambda m, k=0: _where_below(m, k - 1, False))
