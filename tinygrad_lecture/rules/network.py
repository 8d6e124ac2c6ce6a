"""What networks are made of, in forms that keep their digits: activations, the linear step, errors."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy import add, asarray, ndarray, subtract

from ..engine.op import Op, rules, slopes
from ..engine.primitives import own
from ..engine.values import Array, shape_of
from .elementwise import sech2
from .reduction import axes_of, kept


@own(Op("logistic"))
def logistic(x: Array) -> Array:
    """The logistic function 1/(1 + exp(−x)), elementwise, right to the last digits in both tails.

    x: any shape. Slope e/(1 + e)², e = exp(−|x|). Source: C1, as f.
    """
    e = np.exp(-np.abs(x))
    return np.where(np.asarray(x) >= 0, 1.0, e) / (1.0 + e)


slopes(logistic, lambda y, x: 0.25 * sech2(0.5 * x))


@own(Op("relu"))
def relu(x: Array) -> Array:
    """max(x, 0), elementwise; slope 0 at 0 (np.maximum(x, 0) has ½ there). NaN stays NaN.

    x: any shape. Source: Nair and Hinton 2010.
    """
    return np.maximum(x, 0.0)


slopes(relu, lambda y, x: x > 0)


@own(Op("softplus"))
def softplus(x: Array) -> Array:
    """log(1 + exp(x)) = max(x, 0) + log1p(exp(−|x|)), elementwise; slope logistic(x).

    x: any shape. Source: Dugas et al. 2001.
    """
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


slopes(softplus, lambda y, x: logistic(x))


def _shifted(a: Array, axis: Any) -> tuple[Array, Array]:
    """a less its maximum along axis, and that maximum, 0 where it is infinite or there is none."""
    a = a.astype(float) if a.dtype.kind in "iub" else a
    top = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(over="ignore"):  # −∞ is right where a is that far below
        return a - top, top


def _log_of_sum(shifted: Array, axis: Any) -> Array:
    """log Σ exp(a) of shifted elements a ≤ 0: log1p of all but one that is 0, since the rest may be all but nothing."""
    top = shifted == 0
    others = np.sum(np.where(top, 0.0, np.exp(shifted)), axis=axis, keepdims=True)
    with np.errstate(divide="ignore"):  # log 0, where all are −∞
        return np.log1p(others + (np.sum(top, axis=axis, keepdims=True, dtype=others.dtype) - 1.0))


@own(Op("logsumexp"))
def logsumexp(a: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """log Σ exp(a) over an axis (all by default), without overflow.

    a: any shape; axis and keepdims as in np.sum. Source: scipy.special.logsumexp.
    """
    shifted, top = _shifted(np.asarray(a), axis)
    y = _log_of_sum(shifted, axis) + top
    return y if keepdims else np.squeeze(y, axis=axis)[()]


def _logsumexp_rule(err: Array, y: Array, a: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """err times the softmax of a; where the sum is infinite, the places that made it so share the error evenly."""
    total = kept(y, a, axis)
    top = a == total
    even = 1.0 / np.sum(top, axis=axes_of(a, axis), keepdims=True)
    share = np.where(np.isinf(total), np.where(top, even, 0.0), np.exp(np.where(np.isinf(total), 0.0, a - total)))
    return kept(err, a, axis) * share


rules(logsumexp, _logsumexp_rule, signature="a, axis=, keepdims=")


@own(Op("log_softmax"))
def log_softmax(a: Array, axis: int = -1) -> Array:
    """a − logsumexp(a) along an axis: the logarithm of the softmax.

    a: any shape with that axis. Source: scipy.special.log_softmax.
    """
    shifted, _ = _shifted(np.asarray(a), axis)
    return shifted - _log_of_sum(shifted, axis)


rules(
    log_softmax,
    lambda err, y, a, axis=-1: err - np.exp(y) * np.sum(err, axis=axis, keepdims=True),
    signature="a, axis=",
)


@own(Op("softmax"))
def softmax(a: Array, axis: int = -1) -> Array:
    """exp(a)/Σ exp(a) along an axis, without overflow: shares that sum to 1.

    a: any shape with that axis. Source: Bridle 1990; scipy.special.softmax.
    """
    shifted, _ = _shifted(np.asarray(a), axis)
    e = np.exp(shifted)
    return e / np.sum(e, axis=axis, keepdims=True)


def _softmax_rule(err: Array, y: Array, a: Array, axis: int = -1) -> Array:
    """y (err − Σ err y), of errors less the winner's: that changes nothing, since Σ y = 1, but 1 − y never cancels."""
    wins = y == np.max(y, axis=axis, keepdims=True)
    count = np.sum(wins, axis=axis, keepdims=True).astype(err.dtype)
    d = err - np.sum(np.where(wins, err, 0.0), axis=axis, keepdims=True) / count
    return y * (d - np.sum(d * y, axis=axis, keepdims=True))


rules(softmax, _softmax_rule, signature="a, axis=")


@lru_cache(maxsize=32)
def _ones(T: int, dtype: np.dtype[Any]) -> np.ndarray:
    return np.ones(T, dtype)


@own(Op("over_patterns"))
def over_patterns(d: Array) -> Array:
    """Σ_t d_t over the rows of a matrix, as a product with ones: BLAS is several times as fast as np.sum."""
    T = len(d)
    return (_ones(T, d.dtype) if T <= 2**12 else np.ones(T, d.dtype)).dot(d)  # long ones are not worth keeping


rules(over_patterns, lambda err, y, d: np.broadcast_to(err, d.shape))


@own(Op("linear"))
def linear(x: Array, w: Array, b: Array = None) -> Array:
    """The net inputs x wᵀ + b of a layer.

    x: (…, n), one pattern per row; w: (m, n), row = target neuron, column = source; b: (m,) or None.
    Returns (…, m). Raises ValueError where n or m do not fit. Source: C1, C6.
    """
    if type(x) is not ndarray or type(w) is not ndarray:
        x, w = asarray(x), asarray(w)
    shape, (m, n) = x.shape, w.shape if w.ndim == 2 else (-1, -1)
    if shape[-1:] != (n,) or (b is not None and shape_of(b) != (m,)):
        raise ValueError(f"x must be (…, n), w (m, n), b (m,); they are {x.shape}, {w.shape}, {np.shape(b)}")
    y = x.dot(w.T) if len(shape) <= 2 else x @ w.T
    if b is None:
        return y
    return add(y, b, y) if type(b) is ndarray and b.dtype is y.dtype else y + b


def _linear_weights(err: Array, y: Array, x: Array, w: Array, b: Array = None) -> Array:
    """Σ_t δ_t x_tᵀ over all patterns."""
    if err.ndim != 2:
        m, n = w.shape
        err, x = np.reshape(err, (-1, m)), np.reshape(x, (-1, n))
    return err.T.dot(x)  # for small matrices faster than @


def _linear_bias(err: Array, y: Array, x: Array, w: Array, b: Array) -> Array:
    """Σ_t δ_t over all patterns: a bias is a weight from an input that is always 1."""
    return over_patterns(err if err.ndim == 2 else np.reshape(err, (-1, w.shape[0])))


rules(
    linear,
    lambda err, y, x, w, b=None: err.dot(w),
    _linear_weights,
    _linear_bias,
    signature="x, w, b",
    promotes=False,
)


def _patterns(out: Array) -> int:
    shape = getattr(out, "shape", ())
    return shape[0] if shape else 1


@own(Op("squared_error"))
def squared_error(out: Array, target: Array) -> Array:
    """The lecture's error E = 1/T Σ_t Σ_k ½ (out_k − tar_k)².

    out, target: (T, …), the leading axis counting the patterns, of the same shape.
    Raises ValueError where the shapes differ, since (T,) against (T, 1) would broadcast to (T, T).
    Source: C1, C8.
    """
    if type(out) is not ndarray or type(target) is not ndarray:
        out, target = asarray(out), asarray(target)
    if out.shape != target.shape:
        raise ValueError(f"out of shape {out.shape} and target of shape {target.shape} must have the same shape")
    if out.size == 0:
        raise ValueError("there are no patterns to average over")
    d = subtract(out, target).ravel()
    return 0.5 * d.dot(d) / _patterns(out)


rules(
    squared_error,
    lambda err, y, out, target: (out - target) * (err / _patterns(out)),
    lambda err, y, out, target: (target - out) * (err / _patterns(out)),
    signature="out, target",
    promotes=False,
)


@own(Op("cross_entropy"))
def cross_entropy(logits: Array, target: Array) -> Array:
    """The mean over patterns of −Σ_k p_k log softmax(logits)_k.

    logits: (T, K); target: (T,) class numbers 0 … K−1, or (T, K) probabilities p.
    Raises ValueError for other shapes or a class number out of range, TypeError for class numbers
    that are not integers. Source: Bishop 2006, 4.3.4.
    """
    logp = log_softmax(np.asarray(logits))
    target = np.asarray(target)
    if logp.ndim != 2 or target.shape not in (logp.shape, logp.shape[:1]) or logp.size == 0:
        raise ValueError("logits must be (T, K), target (T,) class numbers or (T, K) probabilities, T and K at least 1")
    if target.ndim == 2:
        with np.errstate(invalid="ignore"):
            return -np.sum(np.where(target == 0, 0.0, target * logp)) / len(logp)
    if target.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: class numbers must be integers, not {target.dtype}; cast with .astype(int)")
    if target.min() < 0 or target.max() >= logp.shape[1]:
        raise ValueError(f"class numbers must lie in 0 … {logp.shape[1] - 1}, found {target.min()} … {target.max()}")
    return -np.sum(logp[np.arange(len(logp)), target]) / len(logp)


def _cross_entropy_logits(err: Array, y: Array, logits: Array, target: Array) -> Array:
    """(softmax − p)/T; for a class number p − 1 is minus the sum of the others, which keeps its digits."""
    p = np.exp(log_softmax(logits))
    if np.ndim(target) == 2:
        d = p * np.sum(target, axis=1, keepdims=True) - target
    else:
        hit = np.reshape(target, (-1, 1)) == np.arange(logits.shape[1])
        others = np.where(hit, 0.0, p)
        d = np.where(hit, -np.sum(others, axis=1, keepdims=True), p)
    return err / logits.shape[0] * d


def _cross_entropy_target(err: Array, y: Array, logits: Array, target: Array) -> Array:
    return -err / logits.shape[0] * log_softmax(logits)


rules(cross_entropy, _cross_entropy_logits, _cross_entropy_target, signature="logits, target")
