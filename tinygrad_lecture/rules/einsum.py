"""The rule of np.einsum: an einsum in which the error takes the place of an operand."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from ..engine.op import plain, rules
from ..engine.values import Array

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MANY = 30_000
"""Products from which on it pays to look for a matrix product among them (measured: at matrices of 32 × 32)."""


def letters(subscripts: str, shapes: Iterable[tuple[int, ...]]) -> tuple[list[str], str]:
    """The letters of each einsum operand and of the output, with every ellipsis spelt out."""
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    operands = left.split(",")
    spare = [c for c in LETTERS if c not in subscripts]
    hidden = [len(s) - len(t.replace("...", "")) if "..." in t else 0 for s, t in zip(shapes, operands, strict=True)]
    stretch = "".join(spare[: max(hidden)])
    if not arrow:
        once = sorted(c for c in set(left) - {",", "."} if left.count(c) == 1)
        out = ("..." if stretch else "") + "".join(once)
    spelt = [t.replace("...", stretch[len(stretch) - h :]) for t, h in zip(operands, hidden, strict=True)]
    return spelt, out.replace("...", stretch)


def _einsum_each(k: int, err: Array, y: Array, *xs: Array, subscripts: str, optimize: Any = False) -> Array:
    """The einsum in which the error takes the place of operand k.

    A letter that only operand k has, or has at its full length, meets ones; one repeated in it an identity.
    """
    operands, out = letters(subscripts, [np.shape(x) for x in xs])
    mine = operands[k]
    terms = [out, *(t for i, t in enumerate(operands) if i != k)]
    factors = [err, *(x for i, x in enumerate(xs) if i != k)]
    lengths: dict[str, int] = {}
    for term, factor in zip(terms, factors, strict=True):
        for c, n in zip(term, np.shape(factor), strict=True):
            lengths[c] = n if lengths.get(c, 1) == 1 else lengths[c]
    spare = iter(c for c in LETTERS if c not in {*lengths, *mine})
    target = ""
    for c, n in zip(mine, np.shape(xs[k]), strict=True):
        if c in target:
            twin = next(spare)
            terms.append(c + twin)
            factors.append(np.eye(n, dtype=err.dtype))
            target += twin
        else:
            if c not in lengths or lengths[c] == 1 != n:
                terms.append(c)
                factors.append(np.ones(n, dtype=err.dtype))
            target += c
    by_blas = len(factors) > 2 or bool(optimize) or prod(lengths.values()) > MANY
    return np.einsum(f"{','.join(terms)}->{target}", *factors, optimize=by_blas)


def _term(places: Iterable[Any]) -> str:
    """The letters that stand for numbers of axes."""
    places = list(places)
    if not all(i is Ellipsis or i in range(len(LETTERS)) for i in places):
        raise ValueError(f"einsum: axes are numbered from 0 to {len(LETTERS) - 1}, these are {places}")
    return "".join("..." if i is Ellipsis else LETTERS[i] for i in places)


def _spelt(*operands: Any) -> tuple[str, tuple[Any, ...]]:
    """The subscripts as one string, and the operands: einsum(a, [0, 1], b, [1, 2]) is einsum("AB,BC", a, b)."""
    if isinstance(operands[0], str):
        return operands[0], operands[1:]
    n = len(operands) // 2
    subscripts = ",".join(_term(t) for t in operands[1 : 2 * n : 2])
    return subscripts + "".join("->" + _term(t) for t in operands[2 * n :]), operands[: 2 * n : 2]


def _einsum_call(*operands: Any, optimize: Any = False) -> tuple[tuple[Any, ...], dict[str, Any]]:
    subscripts, arrays = _spelt(*operands)
    return arrays, {"subscripts": subscripts, "optimize": optimize}


rules(
    np.einsum,
    each=_einsum_each,
    signature=_einsum_call,
    forward=lambda *xs, subscripts, optimize: np.einsum(subscripts, *xs, optimize=optimize),
    broadcasts=True,
)


def _einsum_path(*operands: Any, optimize: Any = "greedy") -> Any:
    """np.einsum_path, which looks at shapes alone."""
    subscripts, arrays = _spelt(*operands)
    return np.einsum_path(subscripts, *[np.broadcast_to(0.0, np.shape(x)) for x in arrays], optimize=optimize)


plain(np.einsum_path, _einsum_path)
