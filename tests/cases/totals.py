"""Functions that sum and multiply, the same in mpmath, and the sizes of the terms that their gradients are sums of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

import tinygrad_lecture as tl
from tinygrad_lecture.engine.primitives import getitem, scatter_add
from tinygrad_lecture.rules.network import over_patterns, softmax
from tinygrad_lecture.rules.reduction import weighted_average

from .base import title


@dataclass(frozen=True)
class Total:
    """A function that sums or multiplies, of inputs of some shapes; NumPy's own runs on arrays of mpmath's numbers too.

    exact: the same function where it does not. size: the sum of the sizes of the terms that make each component of
    the gradient, where it is not what the function makes of the sizes of all numbers.
    more: roundings of a term besides those of the sum; spread: over how many powers of 2 the numbers go, up and down;
    offset: what is added to all of them.
    """

    f: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    exact: Callable[..., Any] | None = None
    size: Callable[..., list[Any]] | None = None
    more: int = 0
    spread: float = 16.0
    offset: float = 0.0


TOTALS: dict[str, list[Total]] = {}


def total(fn: Any, *shapes: tuple[int, ...], f: Any = None, **options: Any) -> None:
    TOTALS.setdefault(title(fn), []).append(Total(f or fn, shapes, **options))


def itself(err: Any, slopes: list[Any], *xs: Any) -> list[Any]:
    """Every term is a product: its own size counts."""
    return [np.abs(err) @ np.abs(d) for d in slopes]


each = np.vectorize(lambda f, x: f(x), otypes=[object])

for shapes in (
    ((3, 4), (4, 2)),
    ((4,), (4, 2)),
    ((3, 4), (4,)),
    ((4,), (4,)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3, 2)),
):
    total(np.matmul, *shapes)
    total(np.dot, *shapes)
total(np.dot, (), (2, 3))
total(np.inner, (3, 4), (2, 4))
total(np.tensordot, (2, 2, 2), (2, 2, 2), f=lambda a, b: np.tensordot(a, b, ([0, 1], [1, 0])))
total(np.vdot, (2, 3), (2, 3))
total(np.vecdot, (3, 4), (4,))
if hasattr(np, "matvec"):  # from NumPy 2.2 on
    total(np.matvec, (2, 2, 3), (3,))
    total(np.vecmat, (3,), (2, 3, 2))
total(np.einsum, (2, 3), (3, 4), (4,), f=lambda a, b, c: np.einsum("ij,jk,k->i", a, b, c), more=2)
total(np.einsum, (3, 3), f=lambda a: np.einsum("ii->", a))
total(np.trace, (3, 3))
total(tl.linear, (5, 3), (2, 3), (2,), exact=lambda x, w, b: x @ w.T + b)
total(over_patterns, (3, 4), exact=lambda d: d.sum(axis=0))
total(np.sum, (3, 4), f=lambda a: np.sum(a, axis=1))
total(np.mean, (3, 4), f=lambda a: np.mean(a, axis=0))
total(np.prod, (9,), more=9, spread=8.0)
total(np.prod, (2, 5), f=lambda a: np.prod(a, axis=1), more=5)
total(np.cumsum, (7,))
total(np.cumprod, (7,), more=12, spread=8.0)
total(np.broadcast_to, (3, 1), f=lambda a: np.broadcast_to(a, (2, 3, 4)))
total(getitem, (4,), f=lambda a: a[np.array([0, 2, 2, 1, 2])])
added = lambda e: np.array([e[0], e[1] + e[2], 0, 0])
total(scatter_add, (3,), f=lambda e: scatter_add(e, (np.array([0, 1, 1]),), (4,)), exact=added)

HOLES = np.array([[True, False, False, False], [False, False, True, False]])
holed = lambda f: lambda a: f(np.where(HOLES, np.nan, a), axis=1)
filled = lambda f, by: lambda a: f(np.where(HOLES, mp.mpf(by), a), axis=1)
total(np.nansum, (2, 4), f=holed(np.nansum), exact=filled(np.sum, 0))
total(np.nanmean, (2, 4), f=holed(np.nanmean), exact=lambda a: filled(np.sum, 0)(a) / 3)
total(np.nanprod, (2, 4), f=holed(np.nanprod), exact=filled(np.prod, 1), more=4)


def average(a: Any, w: Any) -> Any:
    return np.sum(w * a, axis=1) / np.sum(w, axis=1)


def size_of_average(err: Any, slopes: list[Any], a: Any, w: Any) -> list[Any]:
    """The weights get err (a − y) / Σ w, a small difference where a is close to its mean."""
    e = np.abs(err)[:, None] / np.sum(w, axis=1)[:, None]
    return [(e * w).ravel(), (e * (np.abs(a) + average(np.abs(a), w)[:, None])).ravel()]


total(
    weighted_average,
    (2, 4),
    (2, 4),
    f=lambda a, w: np.average(a, axis=1, weights=np.abs(w)),
    exact=lambda a, w: average(a, np.abs(w)),
    size=lambda err, slopes, a, w: size_of_average(err, slopes, a, np.abs(w)),
    more=6,
)


# spread and norms
def variance(a: Any) -> Any:
    d = a - np.mean(a, axis=1)[:, None]
    return np.sum(d * d, axis=1) / 3


def size_of_variance(err: Any, slopes: list[Any], a: Any) -> list[Any]:
    """The deviations, with what is left of the rounding of their mean."""
    d = np.abs(a - np.mean(a, axis=1)[:, None])
    return [(np.abs(err)[:, None] * 2 / 3 * (d + np.mean(d, axis=1)[:, None])).ravel()]


def size_of_deviation(err: Any, slopes: list[Any], a: Any) -> list[Any]:
    root = 2 * variance(a) ** 0.5
    return [(size_of_variance(err, slopes, a)[0].reshape(a.shape) / root[:, None]).ravel()]


deviation = lambda a: variance(a) ** 0.5
beside = lambda f: lambda a: f(np.concatenate([a, np.nan * a], axis=1), axis=1, ddof=1)
some_spread: tuple[dict[str, float], ...] = ({}, {"offset": 3e4, "spread": 5.0})  # small beside their mean
for near in some_spread:
    of_variance = {"exact": variance, "size": size_of_variance, "more": 6, **near}
    of_deviation = {"exact": deviation, "size": size_of_deviation, "more": 8, **near}
    total(np.var, (2, 4), f=lambda a: np.var(a, axis=1, ddof=1), **of_variance)
    total(np.std, (2, 4), f=lambda a: np.std(a, axis=1, ddof=1), **of_deviation)
    total(np.nanvar, (2, 4), f=beside(np.nanvar), **of_variance)
    total(np.nanstd, (2, 4), f=beside(np.nanstd), **of_deviation)
for p in (1, 2, 3, 0.5, -2):
    by_power = lambda x, p=p: np.sum(np.abs(x) ** mp.mpf(p), axis=1) ** (1 / mp.mpf(p))
    for norm in (np.linalg.norm, np.linalg.vector_norm):
        total(norm, (2, 4), f=lambda x, p=p, norm=norm: norm(x, ord=p, axis=1), exact=by_power, size=itself, more=12)


# what networks are made of: an exponential makes the rounding of its exponent, as large as its inputs, a relative one
def logsumexp(a: Any) -> Any:
    return each(mp.log, np.sum(each(mp.exp, a), axis=1))


def shares(a: Any) -> Any:
    return each(mp.exp, a - logsumexp(a)[:, None])


def exponents(a: Any) -> Any:
    return 1 + np.abs(a) + np.max(np.abs(a), axis=1)[:, None]


def size_of_shares(err: Any, slopes: list[Any], a: Any) -> list[Any]:
    return [(np.abs(err)[:, None] * shares(a) * exponents(a)).ravel()]


def size_of_softmax(err: Any, slopes: list[Any], a: Any) -> list[Any]:
    e, p = np.abs(err).reshape(a.shape), shares(a)
    return [((e + np.sum(e * p, axis=1)[:, None]) * p * exponents(a)).ravel()]


def size_of_log_softmax(err: Any, slopes: list[Any], a: Any) -> list[Any]:
    e = np.abs(err).reshape(a.shape)
    return [(e + np.sum(e, axis=1)[:, None] * shares(a) * exponents(a)).ravel()]


def size_of_cross_entropy(err: Any, slopes: list[Any], a: Any) -> list[Any]:
    """The others' shares, also at the class that was meant, whose slope is minus their sum."""
    p = shares(a)
    p[[0, 1], [2, 0]] = 0
    p[[0, 1], [2, 0]] = np.sum(p, axis=1)
    return [(np.abs(err) * p * exponents(a) / 2).ravel()]


some = {"spread": 4.0}
total(tl.logsumexp, (2, 4), f=lambda a: tl.logsumexp(a, axis=1), exact=logsumexp, size=size_of_shares, **some)
total(softmax, (2, 4), exact=shares, size=size_of_softmax, more=6, **some)
total(tl.log_softmax, (2, 4), exact=lambda a: a - logsumexp(a)[:, None], size=size_of_log_softmax, **some)
total(
    tl.cross_entropy,
    (2, 4),
    f=lambda a: tl.cross_entropy(a, np.array([2, 0])),
    exact=lambda a: (np.sum(logsumexp(a)) - a[0, 2] - a[1, 0]) / 2,
    size=size_of_cross_entropy,
    more=3,
    **some,
)
total(
    tl.squared_error,
    (3, 2),
    (3, 2),
    exact=lambda out, target: np.sum((out - target) ** 2) / 6,
    size=itself,
    more=2,
)

MOVES = "it hands errors on, whole or in equal shares, and adds none"
CONDITION = "its digits depend on the condition of the matrix: tests/rules/test_systems.py"
WITHOUT: dict[str, str] = {
    **dict.fromkeys(["np.reshape", "np.transpose", "np.concatenate", "np.stack", "np.diagonal"], MOVES),
    **dict.fromkeys(
        ["np.sort", "np.partition", "np.median", "np.max", "np.min", "np.ptp", "np.nanmax", "np.nanmin"], MOVES
    ),
    **dict.fromkeys(["np.linalg.solve", "np.linalg.inv", "np.linalg.det", "slogdet.logabsdet", "cofactors"], CONDITION),
}
