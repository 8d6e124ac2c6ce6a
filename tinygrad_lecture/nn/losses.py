"""The errors that networks lower, by name: one number E_t for each pattern, and their mean E = 1/T Σ_t E_t.

Each is plain NumPy code, e(out, target) → (T,), for arrays and Tensors alike; `loss` makes the mean of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from ..engine.tensor import Tensor
from ..engine.values import Array
from ..misnamed import chosen
from ..rules.network import cross_entropy, log_softmax, softplus, squared_error


def squared(out: Array, target: Array) -> Array:
    """E_t = Σ_k ½ (out_k − tar_k)², the lecture's. Source: C1."""
    d = out - target
    return 0.5 * _over_outputs(d * d)


def mean_squared(out: Array, target: Array) -> Array:
    """E_t = 1/K Σ_k (out_k − tar_k)²: 2/K times the lecture's."""
    d = out - target
    return _over_outputs(d * d) / max(1, int(np.prod(np.shape(out)[1:])))


def absolute(out: Array, target: Array) -> Array:
    """E_t = Σ_k |out_k − tar_k|: an outlier pulls no harder than any other pattern."""
    return _over_outputs(np.abs(out - target))


def log_cosh(out: Array, target: Array) -> Array:
    """E_t = Σ_k log cosh(out_k − tar_k): squared for small differences, absolute for large ones.

    Below 1 as ½ log1p(sinh² d), else as |d| + log1p(exp(−2|d|)) − log 2: no cosh that overflows, and neither the
    error nor its slope tanh d is ever a small difference of large numbers.
    """
    d = out - target
    far = np.abs(d)
    near = far < 1.0
    s = np.sinh(np.where(near, d, 0.0))
    far = np.where(near, 1.0, far)
    rest = np.log1p(np.square(np.exp(-far)))  # −2|d| itself would overflow in the end
    return _over_outputs(np.where(near, 0.5 * np.log1p(s * s), far + rest - log(2.0)))


def cross_entropies(out: Array, target: Array) -> Array:
    """E_t = −Σ_k p_k log softmax(out)_k: out are logits (T, K), target class numbers (T,) or probabilities (T, K)."""
    logp = log_softmax(out)
    if np.ndim(target) == 1:
        return -logp[np.arange(np.shape(target)[0]), target]
    return -np.sum(target * np.where(target == 0, 0.0, logp), axis=1)


def binary_cross_entropies(out: Array, target: Array) -> Array:
    """E_t = −Σ_k p_k log σ(out_k) + (1 − p_k) log(1 − σ(out_k)): out are logits, target probabilities, shape of out.

    As softplus(out) − p out, which neither overflows nor takes the logarithm of 0.
    """
    return _over_outputs(softplus(out) - target * out)


def _over_outputs(e: Array) -> Array:
    """The sum over all axes but the first, which counts the patterns."""
    return np.sum(e, axis=tuple(range(1, np.ndim(e)))) if np.ndim(e) > 1 else e


@dataclass(frozen=True, slots=True)
class Loss:
    """An error by name, called as E = loss(out, target): the mean over the patterns.

    per_pattern: e(out, target) → (T,). mean: another form of the mean, with a rule of its own, where there is one.
    classes: whether targets may be class numbers (T,) for outputs (T, K).
    Of a net with several outputs, out and target are dicts by the names of its clusters; their errors are added.
    Raises ValueError for shapes that do not fit: (T,) against (T, 1) is refused, never broadcast.
    """

    name: str
    per_pattern: Callable[[Array, Array], Array]
    mean: Callable[[Array, Array], Array] | None = None
    classes: bool = False

    def __call__(self, out: Any, target: Any) -> Any:
        """E = 1/T Σ_t E_t for outputs and targets of the same shape (T, …)."""
        self.must_fit(out, target)
        if isinstance(out, Mapping):
            return sum(self(out[name], target[name]) for name in out)
        if self.mean is not None:
            return self.mean(out, target)
        return np.sum(self.per_pattern(out, target)) / np.shape(out)[0]

    def errors(self, out: Any, target: Any) -> Any:
        """E_t for every pattern: (T,)."""
        self.must_fit(out, target)
        if isinstance(out, Mapping):
            return sum(self.errors(out[name], target[name]) for name in out)
        return self.per_pattern(out, target)

    def must_fit(self, out: Any, target: Any) -> None:
        """Refuse shapes that would broadcast, class numbers that are none, and no patterns at all."""
        if isinstance(out, Mapping) or isinstance(target, Mapping):
            self._each_must_fit(out, target)
            return
        shape, wanted = np.shape(out), np.shape(target)
        if not shape or shape[0] == 0:
            raise ValueError(f"{self.name}: there are no patterns; outputs have shape {shape}")
        if self.classes and len(shape) != 2:
            raise ValueError(f"{self.name}: outputs must be (T, K), one for each class; they have shape {shape}")
        if self.classes and wanted == shape[:1]:
            _must_be_classes(target, shape[1], self.name)
        elif shape != wanted:
            also = f", or class numbers {shape[:1]}" if self.classes else ""
            raise ValueError(f"{self.name}: outputs have shape {shape}, targets {wanted}; they must be {shape}{also}")

    def _each_must_fit(self, out: Any, target: Any) -> None:
        """Refuse outputs of several clusters that have no targets of their own, or the wrong ones."""
        outs = tuple(out) if isinstance(out, Mapping) else None
        targets = tuple(target) if isinstance(target, Mapping) else None
        if outs is None:
            raise ValueError(f"{self.name}: the net has one output: give its targets as one array, not as a dict")
        if targets is None or set(outs) != set(targets):
            given = "one array" if targets is None else ", ".join(map(str, targets)) or "none"
            raise ValueError(
                f"{self.name}: the outputs are {', '.join(outs)}: give a dict of their targets, not {given}"
            )
        for name in outs:
            try:
                self.must_fit(out[name], target[name])
            except ValueError as error:
                raise ValueError(f"output {name}: {error}") from error


def _must_be_classes(target: Array, n: int, name: str) -> None:
    dtype = target.dtype if isinstance(target, Tensor) else np.asarray(target).dtype
    if dtype.kind not in "iu":
        raise ValueError(f"{name}: class numbers must be integers, not {dtype}; cast with .astype(int)")
    if not isinstance(target, Tensor) and not (np.min(target) >= 0 and np.max(target) < n):
        raise ValueError(f"{name}: class numbers must lie in 0 … {n - 1}, found {np.min(target)} … {np.max(target)}")


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("squared_error", squared, squared_error),
        Loss("mean_squared", mean_squared),
        Loss("absolute", absolute),
        Loss("log_cosh", log_cosh),
        Loss("cross_entropy", cross_entropies, cross_entropy, classes=True),
        Loss("binary_cross_entropy", binary_cross_entropies),
    )
}
"""Name → loss."""


def loss(given: str | Loss) -> Loss:
    """The loss of a name; a Loss is one already.

    Raises ValueError, naming those that exist, for any other name, TypeError for what is neither. Source: C1, C16.
    """
    if isinstance(given, Loss):
        return given
    if isinstance(given, str):
        return chosen(LOSSES, "loss", given)
    meant = [x.name for x in LOSSES.values() if callable(given) and (given is x.mean or given is x.per_pattern)]
    what = f"the function {given.__name__}" if hasattr(given, "__name__") else f"a {type(given).__name__}"
    say = f": write loss={meant[0]!r}" if meant else ", or nn.losses.Loss(name, f) for your own f(out, target) → (T,)"
    raise TypeError(f"loss must be a name, one of {', '.join(LOSSES)}, not {what}{say}")
