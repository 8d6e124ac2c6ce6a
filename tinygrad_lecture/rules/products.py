"""Products that are composed of others: outer and Kronecker products, a × b, powers and chains of matrices."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..engine.op import composed
from ..engine.values import Array
from .shape import along, array_of


@composed(np.outer)
def outer(a: Array, b: Array) -> Array:
    """np.outer: a_i b_j of all elements of both."""
    return np.multiply(np.reshape(a, (-1, 1)), np.reshape(b, (1, -1)))


@composed(np.linalg.outer)
def _linalg_outer(x1: Array, x2: Array, /) -> Array:
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(f"outer: both must be vectors, they have shapes {np.shape(x1)} and {np.shape(x2)}")
    return outer(x1, x2)


@composed(np.kron)
def kron(a: Array, b: Array) -> Array:
    """np.kron: every element of a, replaced by its product with b."""
    n = max(np.ndim(a), np.ndim(b))
    sizes_a = (1,) * (n - np.ndim(a)) + np.shape(a)
    sizes_b = (1,) * (n - np.ndim(b)) + np.shape(b)
    wide_a = np.reshape(a, tuple(k for size in sizes_a for k in (size, 1)))
    wide_b = np.reshape(b, tuple(k for size in sizes_b for k in (1, size)))
    if not (np.ndim(a) and np.ndim(b)):
        return np.multiply(a, b)
    return np.reshape(np.multiply(wide_a, wide_b), tuple(i * j for i, j in zip(sizes_a, sizes_b, strict=True)))


@composed(np.cross)
def cross(a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Array:
    """np.cross of vectors with three components: a × b."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = array_of(a), array_of(b)
    if a.shape[axisa] != 3 or b.shape[axisb] != 3:
        raise ValueError(
            f"cross: vectors of {a.shape[axisa]} and {b.shape[axisb]} components; here both must have 3 "
            "(of vectors with 2, write a[0] * b[1] - a[1] * b[0])"
        )
    (a0, a1, a2), (b0, b1, b2) = ([x[along(k % x.ndim, i)] for i in range(3)] for x, k in ((a, axisa), (b, axisb)))
    return np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=axisc)


@composed(np.linalg.cross)
def _linalg_cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    return cross(x1, x2, axis=axis)


@composed(np.linalg.matrix_power)
def matrix_power(a: Array, n: int) -> Array:
    """np.linalg.matrix_power: by squarings, in NumPy's order; of the inverse where n < 0."""
    n = operator.index(n)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"matrix_power: the last two axes must be of equal length, a has shape {a.shape}")
    if n == 0:
        return np.where(True, np.eye(a.shape[-1], dtype=a.dtype), a)  # the shape of a, but not its values
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 3:
        return (a @ a) @ a  # where the loop would give a @ (a @ a)
    square, result = a, None
    while n:
        n, bit = divmod(n, 2)
        if bit:
            result = square if result is None else result @ square
        if n:
            square = square @ square
    return +result if result is a else result  # a node of its own


@composed(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Array]) -> Array:
    """np.linalg.multi_dot: the product of matrices, in the order that takes the fewest multiplications."""
    if len(arrays) < 2:
        raise ValueError("multi_dot: expecting at least two arrays")
    if len(arrays) == 2:
        return np.dot(arrays[0], arrays[1])
    first, last = np.ndim(arrays[0]), np.ndim(arrays[-1])
    matrices = list(arrays)
    if first == 1:
        matrices[0] = np.reshape(matrices[0], (1, -1))
    if last == 1:
        matrices[-1] = np.reshape(matrices[-1], (-1, 1))
    shapes = [np.shape(m) for m in matrices]
    if any(len(s) != 2 for s in shapes) or any(s[1] != t[0] for s, t in pairwise(shapes)):
        raise np.linalg.LinAlgError(f"multi_dot: shapes {', '.join(map(str, shapes))} do not make a chain of matrices")
    y = _chain(matrices, _splits([s[0] for s in shapes] + [shapes[-1][1]]), 0, len(matrices) - 1)
    if first == 2 == last:
        return y
    return np.reshape(y, () if first == 1 == last else -1)


def _splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """After which matrix the product of matrices i … j is best split in two; matrix i is sizes[i] × sizes[i + 1]."""
    n = len(sizes) - 1
    if n == 3:  # at a tie NumPy takes the second
        left = sizes[0] * sizes[2] * (sizes[1] + sizes[3])
        right = sizes[1] * sizes[3] * (sizes[0] + sizes[2])
        return {(0, 2): 1 if left < right else 0}
    cost = dict.fromkeys([(i, i) for i in range(n)], 0)
    split = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            costs = [cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)]
            cost[i, j] = min(costs)
            split[i, j] = i + costs.index(cost[i, j])
    return split


def _chain(matrices: list[Array], split: dict[tuple[int, int], int], i: int, j: int) -> Array:
    if i == j:
        return matrices[i]
    k = split.get((i, j), i)
    return np.dot(_chain(matrices, split, i, k), _chain(matrices, split, k + 1, j))
