"""The δ formulas of C1, derived by hand, in pure NumPy: the yardstick for automatic gradients.

Nothing of this package is imported here, and no formula is shared with it. A layered net is a list
of layers (W, b), b None where there is no bias, W[target, source], and one activation name per
layer. Patterns lie along the leading axis: x is (T, n), target (T, K).

    E = 1/T Σ_t E_t,  E_t = Σ_k ½ (out_k − tar_k)²
    δ_k^out = (out_k − tar_k) f'(in_k)            δ_j = f'(in_j) Σ_k w_kj δ_k
    ∂E_t/∂w_ji = δ_j out_i                        ∂E_t/∂b_j = δ_j
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Layer = tuple[Array, Array | None]


def _logistic(x: Array) -> Array:
    """1/(1 + exp(−x)), or exp(x)/(exp(x) + 1) where x is negative and exp(−x) might overflow; complex x too."""
    top = np.exp(np.minimum(x, 0.0))
    return np.asarray(top / (top + np.exp(-np.maximum(x, 0.0))))


def _sech2(x: Array) -> Array:
    """1/cosh² x; from |x| = 400 on it is 0 in double precision, long before cosh overflows."""
    sech: Array = 1.0 / np.cosh(np.clip(x, -400.0, 400.0))
    return sech * sech


def _softplus(x: Array) -> Array:
    """log(1 + e^x), complex x too: the larger of 0 and x, and log|1 + e| = ½ log1p(2 Re e + |e|²) of the rest."""
    e = np.exp(np.where(np.real(x) > 0, -x, x))
    rest = 0.5 * np.log1p(2 * np.real(e) + np.real(e) ** 2 + np.imag(e) ** 2)
    if np.iscomplexobj(e):
        rest = rest + 1j * np.arctan2(np.imag(e), 1 + np.real(e))
    return np.asarray(np.where(np.real(x) > 0, x, 0.0) + rest)


def _cubic(x: Array) -> tuple[Array, Array, Array]:
    """u = √(2/π) (x + 0.044715 x³) and its two derivatives; outside of ±30, where tanh u is ±1, those of ±30."""
    c, x = np.sqrt(2.0 / np.pi), np.minimum(np.maximum(x, -30.0), 30.0)
    return c * (x + 0.044715 * x**3), c * (1 + 3 * 0.044715 * x**2), c * 6 * 0.044715 * x


def _gelu(x: Array) -> Array:
    """½ x (1 + tanh u), of which the logistic function of 2u keeps the digits; left of −30 it is 0."""
    return np.asarray(np.maximum(x, -30.0) * _logistic(2 * _cubic(x)[0]))


def _gelu_slope(x: Array) -> Array:
    u, u1, _ = _cubic(x)
    return np.asarray(_logistic(2 * u) + np.clip(x, -30.0, 30.0) * _sech2(u) * u1 / 2)


def _gelu_bend(x: Array) -> Array:
    u, u1, u2 = _cubic(x)
    x = np.clip(x, -30.0, 30.0)
    return np.asarray(_sech2(u) * (u1 + x * u2 / 2 - x * np.tanh(u) * u1**2))


def _gauss(x: Array) -> Array:
    """exp(−x²); from |x| = 28 on it is 0 in double precision."""
    x = np.minimum(np.maximum(x, -28.0), 28.0)
    return np.asarray(np.exp(-(x**2)))


F: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "identity": (lambda x: x, lambda x: np.ones_like(x)),
    "tanh": (np.tanh, _sech2),
    "logistic": (_logistic, lambda x: _sech2(x / 2) / 4),
    "relu": (lambda x: np.maximum(x, 0.0), lambda x: np.where(x > 0, 1.0, 0.0)),
    "softplus": (_softplus, _logistic),
    "leaky_relu": (lambda x: x * np.where(np.real(x) > 0, 1.0, 0.01), lambda x: np.where(x > 0, 1.0, 0.01)),
    "gelu": (_gelu, _gelu_slope),
    "sin": (np.sin, np.cos),
    "gauss": (_gauss, lambda x: -2 * np.clip(x, -28.0, 28.0) * _gauss(x)),
}
"""Name → activation f and its derivative f', both as functions of the net input."""

BEND: dict[str, Callable[[Array], Array]] = {
    "identity": lambda x: np.zeros_like(x),
    "tanh": lambda x: 2 * np.abs(np.tanh(x)) * _sech2(x),
    "logistic": lambda x: np.abs(np.tanh(x / 2)) * _sech2(x / 2) / 4,
    "relu": lambda x: np.zeros_like(x),
    "softplus": lambda x: _sech2(x / 2) / 4,
    "leaky_relu": lambda x: np.zeros_like(x),
    "gelu": lambda x: np.abs(_gelu_bend(x)),
    "sin": lambda x: np.abs(np.sin(x)),
    "gauss": lambda x: np.abs(4 * np.clip(x, -28.0, 28.0) ** 2 - 2) * _gauss(x),
}
"""Name → |f''| as a function of the net input: by how much f' changes when the net input changes by 1.

Taken where the net input is, it serves where f' passes through 0 and no bound of |f''/f'| exists, and in the tails,
where a bound of |f''| over all net inputs would dwarf f'.
"""


@dataclass(frozen=True)
class ByHand:
    """What the δ formulas give for a layered net.

    error: E. net_inputs, outputs, deltas: per layer in_j, out_j = f(in_j) and δ_j = ∂E_t/∂in_j, each (T, n_l).
    gradients: per layer (∂E/∂W, ∂E/∂b), of the shapes of (W, b), None where there is no bias.
    """

    error: float
    net_inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    deltas: tuple[Array, ...]
    gradients: tuple[Layer, ...]


def by_hand(layers: Sequence[Layer], activations: Sequence[str], x: Array, target: Array) -> ByHand:
    """The whole of C1 for a layered net: net inputs, outputs, δ and the mean gradient over the patterns.

    layers: (W, b) or (W, None) per layer, W: (n_l, n_{l−1}), b: (n_l,); activations: one name per layer;
    x: (T, n_0); target: (T, n_L). Raises ValueError where shapes or names do not fit. Source: C1, C8.
    """
    _check(layers, activations, x, target)
    net_inputs, outputs = forward(layers, activations, x)
    error = outputs[-1] - target
    delta = deltas([w for w, _ in layers], _slopes(activations, net_inputs), error)
    return ByHand(
        error=float(np.sum(np.square(error)) / 2 / len(x)),
        net_inputs=net_inputs,
        outputs=outputs,
        deltas=delta,
        gradients=gradients(layers, delta, (x, *outputs[:-1])),
    )


def forward(
    layers: Sequence[Layer], activations: Sequence[str], x: Array
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """The net inputs in_j = Σ_i w_ji out_i + b_j and the outputs out_j = f(in_j), each (T, n_l) per layer.

    Arguments as for `by_hand`; complex values pass, for derivatives by complex step. Source: C1.
    """
    net_inputs, outputs = [], []
    out = x
    for (w, b), name in zip(layers, activations, strict=True):
        net = np.einsum("ti,ji->tj", out, w) + (0.0 if b is None else b)
        out = F[name][0](net)
        net_inputs.append(net)
        outputs.append(out)
    return tuple(net_inputs), tuple(outputs)


def deltas(weights: Sequence[Array], slopes: Sequence[Array], error: Array) -> tuple[Array, ...]:
    """The local errors, from the last layer down: δ^out = error ⊙ f'(in), δ_j = f'(in_j) Σ_k w_kj δ_k.

    weights: W per layer; slopes: f'(in), (T, n_l) per layer; error: out − tar, (T, n_L).
    Returns δ, (T, n_l) per layer. Source: C1.
    """
    delta = [error * slopes[-1]]
    for w_above, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        delta.append(slope * np.einsum("tk,kj->tj", delta[-1], w_above))
    return tuple(reversed(delta))


def gradients(layers: Sequence[Layer], delta: Sequence[Array], sources: Sequence[Array]) -> tuple[Layer, ...]:
    """The mean gradient over the patterns: ∂E/∂w_ji = 1/T Σ_t δ_j out_i, ∂E/∂b_j = 1/T Σ_t δ_j.

    delta: δ, (T, n_l) per layer; sources: what each layer saw, (T, n_{l−1}). Returns (∂E/∂W, ∂E/∂b) per
    layer, None where there is no bias. Source: C1, C6.
    """
    return tuple(
        (np.einsum("tj,ti->ji", d, out) / len(d), None if b is None else np.sum(d, axis=0) / len(d))
        for (_, b), d, out in zip(layers, delta, sources, strict=True)
    )


def absolute_terms(layers: Sequence[Layer], activations: Sequence[str], x: Array, target: Array) -> ByHand:
    """For each number of `by_hand` the sum of the absolute values of its terms: the unit of its rounding error.

    The same recursions with absolute values, forward and backward: |in|_j = Σ_i |w_ji| |out|_i + |b_j|,
    |out|_j = |out_j| + |f'| |in|_j, |f'|_j = |f'| + |f''| |in|_j, and |out| + |tar| in place of the error.
    Where terms cancel, a number is small but its rounding error is not: divided by this unit, differences by
    rounding are a few times 2⁻⁵² whatever the net, and wrong formulas stand out.
    Arguments, shapes and errors as for `by_hand`. Source: running error analysis, Higham 2002, section 3.3.
    """
    _check(layers, activations, x, target)
    net_inputs, outputs = forward(layers, activations, x)
    weights = [np.abs(w) for w, _ in layers]
    nets, slopes, sources = [], [], [np.abs(x)]
    for w, (_, b), name, net, out in zip(weights, layers, activations, net_inputs, outputs, strict=True):
        slope = np.abs(F[name][1](net))
        nets.append(np.einsum("ti,ji->tj", sources[-1], w) + (0.0 if b is None else np.abs(b)))
        slopes.append(slope + BEND[name](net) * nets[-1])
        sources.append(np.abs(out) + slope * nets[-1])
    error = sources[-1] + np.abs(target)
    delta = deltas(weights, slopes, error)
    return ByHand(
        error=float(np.sum(np.square(error)) / 2 / len(x)),
        net_inputs=tuple(nets),
        outputs=tuple(sources[1:]),
        deltas=delta,
        gradients=gradients(layers, delta, sources[:-1]),
    )


def disagreement(automatic: Array, formula: Array, unit: Array) -> float:
    """The worst of |automatic − formula| / unit over all elements, all three of one shape.

    0/0 counts as 0, anything else over 0 as ∞, and a NaN on either side as NaN. Below 1e-290 numbers have
    no relative precision, so no unit is smaller than that. Raises ValueError where the shapes differ.
    """
    if not (np.shape(automatic) == np.shape(formula) == np.shape(unit)):
        raise ValueError(f"shapes differ: {np.shape(automatic)}, {np.shape(formula)} and {np.shape(unit)}")
    return float(np.max(np.abs(automatic - formula) / np.maximum(unit, 1e-290), initial=0.0))


def _slopes(activations: Sequence[str], net_inputs: Sequence[Array]) -> list[Array]:
    return [F[name][1](net) for name, net in zip(activations, net_inputs, strict=True)]


def known(activations: Iterable[str]) -> None:
    """Refuse activations that have no formula here. Raises ValueError, naming those that have."""
    for name in activations:
        if name not in F:
            raise ValueError(f"unknown activation {name!r}; known are {', '.join(F)}")


def _check(layers: Sequence[Layer], activations: Sequence[str], x: Array, target: Array) -> None:
    """Refuse what does not fit, naming both sides."""
    if not layers or len(layers) != len(activations):
        raise ValueError(f"{len(layers)} layers need as many activations, {len(activations)} were given")
    known(activations)
    if np.ndim(x) != 2 or len(x) == 0:
        raise ValueError(f"x must be (T, n) with at least one pattern, it has shape {np.shape(x)}")
    width = x.shape[1]
    for number, (w, b) in enumerate(layers, 1):
        if np.ndim(w) != 2 or w.shape[1] != width:
            raise ValueError(f"W{number} has shape {np.shape(w)}, but {width} neurons feed it: it must be (m, {width})")
        width = w.shape[0]
        if b is not None and np.shape(b) != (width,):
            raise ValueError(f"b{number} has shape {np.shape(b)}, but W{number} has {width} targets")
    if np.shape(target) != (len(x), width):
        raise ValueError(f"target has shape {np.shape(target)}, but the net's output has {(len(x), width)}")
