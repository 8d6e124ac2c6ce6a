"""Functions that forward mode knows as compositions of what stands in its table, apart from the engine's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from .dual import Dual, NotPossibleError, primal


def _where(condition: Any, *choices: Any) -> Any:
    if not choices:
        return np.where(primal(condition))
    depth = next(x for x in choices if isinstance(x, Dual))
    pair = [[getattr(x, part) if isinstance(x, Dual) else other for x, other in zip(choices, others, strict=True)]
            for part, others in (("v", choices), ("t", (0.0, 0.0)))]  # fmt: skip
    return Dual(np.where(primal(condition), *pair[0]), np.where(primal(condition), *pair[1]), depth.blur)


def _extreme(pick: Any) -> Callable[..., Any]:
    """max or min over axes: the ties share evenly."""

    def function(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        hit = primal(a) == pick(primal(a), axis=axis, keepdims=True)
        return np.sum(np.where(hit, a / np.sum(hit, axis=axis, keepdims=True), 0.0), axis=axis, keepdims=keepdims)

    return function


def _sort(a: Any, axis: int | None = -1, **kwargs: Any) -> Any:
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.take_along_axis(a, np.argsort(primal(a), axis=axis, kind="stable"), axis=axis)


def _median(a: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    if isinstance(axis, tuple):
        raise NotPossibleError("median over several axes is not in the table of dual numbers")
    flat, along = (np.ravel(a), 0) if axis is None else (a, axis)
    n = flat.shape[along]
    middle = np.mean(np.take(_sort(flat, along), [(n - 1) // 2, n // 2], axis=along), axis=along)
    if not keepdims:
        return middle
    return np.reshape(middle, (1,) * a.ndim) if axis is None else np.expand_dims(middle, along)


def _prod(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """One factor after the other: no division, so zeros are no trouble."""
    axes = tuple(range(a.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for k in sorted(k % a.ndim for k in axes):
        y = np.take(a, [0], axis=k)
        for i in range(1, a.shape[k]):
            y = y * np.take(a, [i], axis=k)
        a = y
    return a if keepdims else np.squeeze(a, axis=axes)


def _cumprod(a: Any, axis: int | None = None) -> Any:
    a, k = (np.ravel(a), 0) if axis is None else (a, axis)
    parts = [np.take(a, [0], axis=k)]
    for i in range(1, a.shape[k]):
        parts.append(parts[-1] * np.take(a, [i], axis=k))
    return np.concatenate(parts, axis=k)


def _var(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    away = np.square(a - np.mean(a, axis=axis, keepdims=True))
    total = np.sum(away, axis=axis, keepdims=keepdims)
    return total / (np.size(primal(a)) / np.size(primal(total)) - ddof)


def _average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    if returned:
        raise NotPossibleError("np.average with returned=True is not in the table of dual numbers")
    if weights is None:
        return np.mean(a, axis=axis, keepdims=keepdims)
    if np.shape(primal(weights)) != np.shape(primal(a)):
        weights = np.reshape(weights, [n if k == axis % a.ndim else 1 for k, n in enumerate(a.shape)])
    top = np.sum(a * weights, axis=axis, keepdims=keepdims)
    return top / np.sum(np.broadcast_to(weights, np.shape(primal(a))), axis=axis, keepdims=keepdims)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord not in (None, 2, "fro") or (ord == 2 and axis is None and x.ndim == 2):
        raise NotPossibleError(f"norms of order {ord} are not in the table of dual numbers")
    return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))


def _inv(a: Any) -> Any:
    y = np.linalg.inv(a.v)
    return Dual(y, -(y @ a.t @ y), a.blur)


def _solve(a: Any, b: Any) -> Any:
    return np.linalg.inv(a) @ b


def _det(a: Any) -> Any:
    y = np.linalg.det(a.v)
    return Dual(y, y * np.trace(np.linalg.inv(a.v) @ a.t, axis1=-2, axis2=-1), a.blur)


class SignAndLog(NamedTuple):
    """What np.linalg.slogdet returns."""

    sign: Any
    logabsdet: Any


def _slogdet(a: Any) -> Any:
    sign, log = np.linalg.slogdet(a.v)
    change = np.trace(np.linalg.inv(a.v) @ a.t, axis1=-2, axis2=-1)
    return SignAndLog(primal(sign), Dual(log, change, a.blur))


def _matrix_power(a: Any, n: int) -> Any:
    base = np.linalg.inv(a) if n < 0 else a
    y = np.eye(primal(a).shape[-1]) + 0.0 * a if n == 0 else base
    for _ in range(abs(n) - 1):
        y = y @ base
    return y


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def _logsumexp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    top = np.max(primal(a), axis=axis, keepdims=True)
    y = np.log(np.sum(np.exp(a - top), axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis=axis)


def _softmax(a: Any, axis: int = -1) -> Any:
    if isinstance(a, Dual):
        y = _softmax(a.v, axis)
        return Dual(y, y * _less_mean(a.t, y, axis), a.blur)
    e = np.exp(a - np.max(a, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _less_mean(t: Any, p: Any, axis: int) -> Any:
    """t − Σ p t for shares p that sum to 1: of differences from the winner's, so that its 1 − p does not cancel."""
    winner = np.expand_dims(np.argmax(primal(p), axis=axis), axis)
    d = t - np.take_along_axis(t, winner, axis=axis)
    return d - np.sum(p * d, axis=axis, keepdims=True)


def _log_softmax(a: Any, axis: int = -1) -> Any:
    if isinstance(a, Dual):
        return Dual(_log_softmax(a.v, axis), _less_mean(a.t, _softmax(a.v, axis), axis), a.blur)
    shifted = a - np.max(primal(a), axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _linear(x: Any, w: Any, b: Any = None) -> Any:
    y = x @ np.transpose(w)
    return y if b is None else y + b


def _squared_error(out: Any, target: Any) -> Any:
    shape = np.shape(primal(out))
    return 0.5 * np.sum(np.square(out - target)) / (shape[0] if shape else 1)


def _cross_entropy(logits: Any, target: Any) -> Any:
    log_p = _log_softmax(logits)
    if np.ndim(primal(target)) == 2:
        return -np.sum(np.where(primal(target) == 0, 0.0, target * log_p)) / len(log_p)
    return -np.sum(log_p[np.arange(len(log_p)), target]) / len(log_p)


COMPOSED: dict[str, Callable[..., Any]] = {
    "where": _where,
    "max": _extreme(np.max),
    "amax": _extreme(np.max),
    "min": _extreme(np.min),
    "amin": _extreme(np.min),
    "ptp": lambda a, axis=None, keepdims=False: (
        np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)
    ),
    "sort": _sort,
    "median": _median,
    "prod": _prod,
    "cumprod": _cumprod,
    "cumulative_prod": lambda a, axis=None: _cumprod(a, axis),
    "astype": lambda a, dtype, copy=True: a.astype(dtype),
    "cast": lambda a, dtype: a,
    "real": lambda a: a,
    "nan_to_num": lambda a, *args, **kwargs: np.where(
        np.isfinite(primal(a)), a, np.nan_to_num(primal(a), *args, **kwargs)
    ),
    "multi_dot": lambda arrays: reduce(np.dot, arrays),
    "var": _var,
    "std": lambda *args, **kwargs: np.sqrt(_var(*args, **kwargs)),
    "nansum": lambda a, **kwargs: np.sum(np.where(np.isnan(primal(a)), 0.0, a), **kwargs),
    "nanmean": lambda a, axis=None, keepdims=False: (
        np.nansum(a, axis=axis, keepdims=keepdims) / np.sum(~np.isnan(primal(a)), axis=axis, keepdims=keepdims)
    ),
    "average": _average,
    "norm": _norm,
    "vector_norm": lambda x, *, axis=None, keepdims=False, ord=2: _norm(
        np.ravel(x) if axis is None else x, ord, axis, keepdims
    ),
    "inv": _inv,
    "solve": _solve,
    "det": _det,
    "slogdet": _slogdet,
    "matrix_power": _matrix_power,
    "clip": _clip,
    "logsumexp": _logsumexp,
    "log_softmax": _log_softmax,
    "softmax": _softmax,
    "linear": _linear,
    "squared_error": _squared_error,
    "cross_entropy": _cross_entropy,
}
