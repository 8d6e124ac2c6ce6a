"""np.einsum and np.tensordot in other words: products of matrices, of which C has one for each pair of operands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ...rules.contractions import tensordot_axes
from ...rules.einsum import letters

Term = tuple[Any, list[Any]]
"""An array, and a name for each of its axes."""


def einsum(*arrays: Any, subscripts: str, optimize: Any = False) -> Any:
    """np.einsum: two operands at a time, each time summed over the letters that nobody asks for any more."""
    spelt, out = letters(subscripts, [np.shape(a) for a in arrays])
    terms = [_without_twins(a, list(term)) for a, term in zip(arrays, spelt, strict=True)]
    order = [(0, 1)] * (len(terms) - 1)
    if len(terms) > 2:
        shapes = [np.broadcast_to(0.0, np.shape(a)) for a in arrays]
        found = np.einsum_path(subscripts, *shapes, optimize="greedy")[0][1:]
        order = found if all(len(pair) == 2 for pair in found) else order
    for pair in order:
        two = [terms.pop(i) for i in sorted(pair, reverse=True)]
        terms.append(_contracted(two[1], two[0], {*out, *(c for _, names in terms for c in names)}))
    return _arranged(_summed(terms[0], out), out)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """np.tensordot: the axes that meet have one name."""
    of_a, of_b = tensordot_axes(a, b, axes)
    left: list[Any] = list(range(np.ndim(a)))
    right: list[Any] = [-1 - k for k in range(np.ndim(b))]
    for i, k in zip(of_a, of_b, strict=True):
        right[k] = i
    out = [c for c in [*left, *right] if not (c in left and c in right)]
    return _arranged(_contracted((a, left), (b, right), out), out)


def _without_twins(a: Any, names: list[Any]) -> Term:
    """The diagonal, where two axes have one name."""
    for name in list(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            a = np.diagonal(a, axis1=first, axis2=second)
            names = [c for i, c in enumerate(names) if i not in (first, second)] + [name]
    return a, names


def _summed(term: Term, wanted: Collection[Any]) -> Term:
    """The sum over the axes that nobody wants."""
    a, names = term
    over = tuple(i for i, c in enumerate(names) if c not in wanted)
    return (np.sum(a, axis=over), [c for c in names if c in wanted]) if over else term


def _contracted(left: Term, right: Term, wanted: Collection[Any]) -> Term:
    """The product of two, summed over the axes that nobody wants."""
    (a, of_a), (b, of_b) = _summed(left, {*wanted, *right[1]}), _summed(right, {*wanted, *left[1]})
    length = dict(zip(of_a, np.shape(a), strict=True))
    for c, n in zip(of_b, np.shape(b), strict=True):
        length[c] = n if length.get(c, 1) == 1 else length[c]
    stack = [c for c in of_a if c in of_b and c in wanted]
    met = [c for c in of_a if c in of_b and c not in wanted]
    rows, columns = [c for c in of_a if c not in of_b], [c for c in of_b if c not in of_a]
    names, shape = [*stack, *rows, *columns], [length[c] for c in (*stack, *rows, *columns)]
    if not met:
        return _beside(a, of_a, names) * _beside(b, of_b, names), names
    if rows or columns or not stack:
        tall = _reshaped(_stretched(a, of_a, [*stack, *rows, *met], length), len(stack), len(rows))
        wide = _reshaped(_stretched(b, of_b, [*stack, *met, *columns], length), len(stack), len(met))
        return np.reshape(np.matmul(tall, wide), shape), names
    both = _stretched(a, of_a, [*stack, *met], length) * _stretched(b, of_b, [*stack, *met], length)
    return np.sum(both, axis=tuple(range(len(stack), len(stack) + len(met)))), names


def _stretched(a: Any, own: list[Any], names: list[Any], length: dict[Any, int]) -> Any:
    """The axes in another order, each of its full length, where a 1 stood for it."""
    a, shape = _arranged((a, own), names), tuple(length[c] for c in names)
    return a if np.shape(a) == shape else np.broadcast_to(a, shape)


def _reshaped(a: Any, stack: int, first: int) -> Any:
    """A stack of matrices: the axes behind the stack, the first of them rows, the rest columns."""
    shape = np.shape(a)
    m, n = (int(np.prod(part, dtype=int)) for part in (shape[stack : stack + first], shape[stack + first :]))
    return np.reshape(a, (*shape[:stack], m, n))


def _beside(a: Any, own: list[Any], names: list[Any]) -> Any:
    """The axes in the order of the names, with an axis of length 1 for each that it does not have."""
    a = _arranged((a, own), [c for c in names if c in own])
    missing = tuple(i for i, c in enumerate(names) if c not in own)
    return np.expand_dims(a, missing) if missing else a


def _arranged(term: Term, names: Sequence[Any]) -> Any:
    """The array with its axes in the order of the names."""
    a, own = term
    order = [own.index(c) for c in names]
    return a if order == sorted(order) else np.transpose(a, order)
