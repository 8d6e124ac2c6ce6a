"""The learning rules: each computes Δw from the gradient g, for every weight by itself.

A rule is frozen data with two pure functions, start(w) → state and delta_w(g, state, w=, eta=, moments=) → (Δw, state).
Both are plain NumPy code without a branch on a value: they run on arrays, and on Tensors while a step is recorded.
w and g have one shape and one floating dtype, usually those of a packed vector (n,), which Δw keeps. η comes with each
update, so that a schedule can change it; the field eta is what it is without one. A state is a dict of arrays alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, log
from typing import Any, TypeVar

import numpy as np

from ..misnamed import explained
from .fields import ABOVE_1, INNER_SHARE, NOT_NEGATIVE, POSITIVE, SHARE, Checked, flag, made, number

F = TypeVar("F", bound=Callable[..., Any])
State = dict[str, Any]
"""Name → array: what a rule keeps from one update to the next."""


def by_weight(delta_w: F) -> F:
    """Say of a rule's `delta_w` that each weight's Δw comes from its own g, w, state and moments alone.

    A large net is then updated piece by piece. One that looks at all weights together, to clip g by its length for
    example, must not say so, and need not; nor one that refuses some values of g, when others are written already.
    """
    delta_w.by_weight = True  # type: ignore[attr-defined]
    return delta_w


@dataclass(frozen=True)
class Rule(Checked, ABC):
    """What all rules share: a default η, and two pure functions."""

    eta: float = field(metadata=number(NOT_NEGATIVE))

    @property
    def needs_moments(self) -> bool:
        """Whether delta_w needs mean and variance of the g_t over the patterns."""
        return False

    def start(self, w: Any) -> State:
        """The state before the first update.

        Raises TypeError for weights that are not floating-point numbers, ValueError for an ε too small for them.
        """
        name, dtype = type(self).__name__, getattr(w, "dtype", None)
        if dtype is None or np.dtype(dtype).kind != "f":
            raise TypeError(f"{name} needs an array of floating-point weights, not {dtype or type(w).__name__}")
        epsilon = getattr(self, "epsilon", 1.0)
        if epsilon < np.finfo(dtype).smallest_normal:
            raise ValueError(f"{name}.epsilon = {epsilon:g} is as good as 0 in {dtype}; take a larger one")
        return self._start(w)

    def _start(self, w: Any) -> State:
        return {}

    @abstractmethod
    def delta_w(self, g: Any, state: State, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, State]:
        """Δw for the gradient g, and the state after it; w, g, state are left as they are.

        eta: η of this update, a number or an array of shape (); moments: mean and variance of the g_t, where needed.
        """


@explained()
@dataclass(frozen=True)
class GradientDescent(Rule):
    """Steepest descent: Δw = −η g.

    eta: η ≥ 0, 0.1 by default: by the bound η < 2 gᵀg / gᵀGg of C8 it descends wherever the curvature along g is below
    20. State: none. Raises ValueError for a field out of range, TypeError for no number.
    Source: C7, C8, C9: the same rule for the gradient of one pattern, of all, or of some.
    """

    eta: float = field(default=0.1, metadata=number(NOT_NEGATIVE))

    @by_weight
    def delta_w(self, g: Any, state: State, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, State]:
        """Δw = −η g."""
        return -_like(eta, w) * g, {}


@explained()
@dataclass(frozen=True)
class Momentum(Rule):
    """Descent with a memory: v ← β v + g, Δw = −η v, v = 0 at first.

    beta: β in [0, 1), the lecture's 0.9 by default; eta: η ≥ 0, 0.01 by default, for in a steady direction v grows to
    g / (1 − β), and η = 0.01 then moves as far as 0.1 without memory. State: v, of w's shape.
    Raises ValueError for a field out of range, TypeError for no number. Source: C12.
    """

    eta: float = field(default=0.01, metadata=number(NOT_NEGATIVE))
    beta: float = field(default=0.9, metadata=number(SHARE))

    def _start(self, w: Any) -> State:
        return {"v": np.zeros_like(w)}

    @by_weight
    def delta_w(self, g: Any, state: State, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, State]:
        """v ← β v + g, Δw = −η v."""
        v = self.beta * state["v"] + g
        return -_like(eta, w) * v, {"v": v}


@explained()
@dataclass(frozen=True)
class Nesterov(Momentum):
    """Momentum that looks ahead: v ← β v + g, Δw = −η (g + β v), v = 0 at first.

    In the form usual in libraries, which needs the gradient at w alone: w is the point looked at.
    beta: β in [0, 1), 0.9 by default; eta: η ≥ 0, 0.01 by default, as for `Momentum`. State: v, of w's shape.
    Raises ValueError for a field out of range, TypeError for no number. Source: Sutskever et al. 2013.
    """

    @by_weight
    def delta_w(self, g: Any, state: State, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, State]:
        """v ← β v + g, Δw = −η (g + β v)."""
        v = self.beta * state["v"] + g
        return -_like(eta, w) * (g + self.beta * v), {"v": v}


@explained()
@dataclass(frozen=True)
class VarioEta(Rule):
    """A rate for each weight, small where the g_t differ: Δw = −η / (σ + ε) g, σ = √(1/T Σ_t (g_t − g)²).

    Zig-zag in one direction is damped, drift in another accelerated, and E → c E changes nothing as long as ε ≪ σ. ε
    is added to the root. σ comes from `moments`, mean and variance over many patterns: over one it is 0, and so is what
    holds the step back. With smoothing=β, the streaming form, σ² is smoothed over the gradients g of the updates:
    σ² ← β (σ² + (1 − β)(g − m)²), m ← β m + (1 − β) g. That is E g² − (E g)² without its cancellation, and the
    rule is centred RMSprop. With η too large it zig-zags like any other rule, and can run away where patterns can be
    fitted exactly: σ then vanishes with g, and steps outgrow it. Less η or more ε helps.

    eta: η ≥ 0, 0.01 by default: of the size of a weight's step for one pattern, whatever the size of E.
    epsilon: ε > 0, in units of g, 1e-8 by default, so small that it matters only where all g_t agree; the step is at
    most η |g| / ε. smoothing: β in (0, 1), None by default, the exact form. State: nothing in the exact form; mean and
    variance, of w's shape, 0 at first, in the streaming one. Raises ValueError for a field out of range, missing
    moments, or moments of another shape than g, TypeError for no number. Source: C11; Neuneier and Zimmermann 1998.
    """

    eta: float = field(default=0.01, metadata=number(NOT_NEGATIVE))
    epsilon: float = field(default=1e-8, metadata=number(POSITIVE))
    smoothing: float | None = field(default=None, metadata=number(INNER_SHARE, optional=True))

    @property
    def needs_moments(self) -> bool:
        """Whether delta_w needs mean and variance of the g_t over the patterns: in the exact form it does."""
        return self.smoothing is None

    def _start(self, w: Any) -> State:
        return {} if self.smoothing is None else {"mean": np.zeros_like(w), "variance": np.zeros_like(w)}

    @by_weight
    def delta_w(self, g: Any, state: State, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, State]:
        """Δw = −η / (σ + ε) g; moments: (mean, variance) over the patterns, each of g's shape, in the exact form."""
        if self.smoothing is not None:
            state = _moments(g, state["mean"], state["variance"], self.smoothing)
            variance = state["variance"]
        else:
            variance = _variance(moments, g)
        return -_like(eta, w) * g / (np.sqrt(variance) + self.epsilon), state


@explained()
@dataclass(frozen=True)
class RMSprop(Rule):
    """A rate for each weight by the size of its gradients: s ← ρ s + (1 − ρ) g², Δw = −η g / (√s + ε), s = 0 at first.

    With centered, the variance of the gradients stands in place of s, as in the streaming form of `VarioEta`. With
    momentum β, v ← β v + g / (√s + ε) and Δw = −η v.

    eta: η ≥ 0, 0.01; rho: ρ in (0, 1), 0.99; epsilon: ε > 0, outside the root, 1e-8; centered: False; momentum: β in
    [0, 1), 0: defaults and form are PyTorch's, so that results compare. State: square, or mean and variance where
    centred; v where there is momentum; all of w's shape. Raises ValueError for a field out of range, TypeError for no
    number. Source: Tieleman and Hinton 2012; Graves 2013 for the centred form.
    """

    eta: float = field(default=0.01, metadata=number(NOT_NEGATIVE))
    rho: float = field(default=0.99, metadata=number(INNER_SHARE))
    epsilon: float = field(default=1e-8, metadata=number(POSITIVE))
    centered: bool = field(default=False, metadata=flag())
    momentum: float = field(default=0.0, metadata=number(SHARE))

    def _start(self, w: Any) -> State:
        names = ("mean", "variance") if self.centered else ("square",)
        return {name: np.zeros_like(w) for name in (*names, *(("v",) if self.momentum else ()))}

    @by_weight
    def delta_w(self, g: Any, state: State, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, State]:
        """s ← ρ s + (1 − ρ) g², Δw = −η g / (√s + ε)."""
        if self.centered:
            new = _moments(g, state["mean"], state["variance"], self.rho)
            s = new["variance"]
        else:
            s = self.rho * state["square"] + (1.0 - self.rho) * (g * g)
            new = {"square": s}
        v = g / (np.sqrt(s) + self.epsilon)
        if self.momentum:
            v = self.momentum * state["v"] + v
            new["v"] = v
        return -_like(eta, w) * v, new


@explained()
@dataclass(frozen=True)
class Adagrad(Rule):
    """A rate for each weight that falls with its gradients so far: s ← s + g², Δw = −η g / (√s + ε), s = 0 at first.

    eta: η ≥ 0, 0.01; epsilon: ε > 0, outside the root, 1e-10: defaults and form are PyTorch's. State: sum, s, of w's
    shape. Raises ValueError for a field out of range, TypeError for no number. Source: Duchi, Hazan and Singer 2011.
    """

    eta: float = field(default=0.01, metadata=number(NOT_NEGATIVE))
    epsilon: float = field(default=1e-10, metadata=number(POSITIVE))

    def _start(self, w: Any) -> State:
        return {"sum": np.zeros_like(w)}

    @by_weight
    def delta_w(self, g: Any, state: State, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, State]:
        """s ← s + g², Δw = −η g / (√s + ε)."""
        s = state["sum"] + g * g
        return -_like(eta, w) * g / (np.sqrt(s) + self.epsilon), {"sum": s}


@explained()
@dataclass(frozen=True)
class Adam(Rule):
    """Momentum and a rate for each weight: Δw = −η m̂ / (√v̂ + ε), m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).

    m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g² start from 0; t counts the updates, and the divisions undo the
    weight that the zeros have in them. So |Δw| is about η at first, whatever the size of g.

    eta: η ≥ 0, 0.001; beta1: β₁ in [0, 1), 0.9; beta2: β₂ in [0, 1), 0.999; epsilon: ε > 0, outside the root, 1e-8:
    all the paper's. State: m and v, of w's shape; t, float64 of shape (). Raises ValueError for a field out of range,
    TypeError for no number. Source: C13; Kingma and Ba 2015.
    """

    eta: float = field(default=0.001, metadata=number(NOT_NEGATIVE))
    beta1: float = field(default=0.9, metadata=number(SHARE))
    beta2: float = field(default=0.999, metadata=number(SHARE))
    epsilon: float = field(default=1e-8, metadata=number(POSITIVE))

    def _start(self, w: Any) -> State:
        return {"m": np.zeros_like(w), "v": np.zeros_like(w), "t": np.zeros(())}

    @by_weight
    def delta_w(self, g: Any, state: State, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, State]:
        """Δw = −η m̂ / (√v̂ + ε)."""
        t = state["t"] + 1.0
        m = self.beta1 * state["m"] + (1.0 - self.beta1) * g
        v = self.beta2 * state["v"] + (1.0 - self.beta2) * (g * g)
        m_hat = m / _like(_one_minus_power(self.beta1, t), w)
        v_hat = v / _like(_one_minus_power(self.beta2, t), w)
        return -_like(eta, w) * m_hat / (np.sqrt(v_hat) + self.epsilon), {"m": m, "v": v, "t": t}


@explained()
@dataclass(frozen=True)
class AdamW(Adam):
    """Adam, and weights that decay by themselves: Δw = −η λ w − η m̂ / (√v̂ + ε).

    The decay is no part of the gradient, and so is not divided by its size. weight_decay: λ ≥ 0, 0.01 by default,
    PyTorch's; eta, beta1, beta2, epsilon, state and errors: as for `Adam`. Source: Loshchilov and Hutter 2019.
    """

    weight_decay: float = field(default=0.01, metadata=number(NOT_NEGATIVE))

    @by_weight
    def delta_w(self, g: Any, state: State, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, State]:
        """Δw = −η λ w − η m̂ / (√v̂ + ε)."""
        delta, state = Adam.delta_w(self, g, state, w=w, eta=eta)
        return delta - _like(eta, w) * self.weight_decay * w, state


@explained()
@dataclass(frozen=True)
class Rprop(Rule):
    """Steps by signs alone: Δw = −Δ sign(g), where Δ ← η⁺ Δ while the sign stays and Δ ← η⁻ Δ when it changes.

    Where it changes, the weight rests for this update, and its sign counts as 0 in the next (iRprop−, as in PyTorch).
    For gradients of all patterns: the signs of single patterns are mostly noise (C7).

    eta: the first Δ, 0.01; an update with another η has its steps scaled by η / eta, so that schedules work. eta_plus:
    η⁺ > 1, 1.2; eta_minus: η⁻ in (0, 1), 0.5; step_min ≤ Δ ≤ step_max: positive, 1e-6 and 50: all are PyTorch's.
    State: step, Δ, and sign, that of the last gradient, of w's shape. Raises ValueError for a field out of range or an
    eta not between the bounds, TypeError for no number. Source: Riedmiller and Braun 1993; Igel and Hüsken 2000.
    """

    eta: float = field(default=0.01, metadata=number(POSITIVE))
    eta_plus: float = field(default=1.2, metadata=number(ABOVE_1))
    eta_minus: float = field(default=0.5, metadata=number(INNER_SHARE))
    step_min: float = field(default=1e-6, metadata=number(POSITIVE))
    step_max: float = field(default=50.0, metadata=number(POSITIVE))

    def _must_agree(self) -> None:
        if not self.step_min <= self.eta <= self.step_max:
            bounds = f"[step_min, step_max] = [{self.step_min:g}, {self.step_max:g}]"
            raise ValueError(f"Rprop.eta must lie in {bounds}, not be {self.eta!r}")

    def _start(self, w: Any) -> State:
        return {"step": np.full_like(w, self.eta), "sign": np.zeros_like(w)}

    @by_weight
    def delta_w(self, g: Any, state: State, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, State]:
        """Δ ← clip(Δ η⁺ or Δ η⁻ or Δ, step_min, step_max), Δw = −Δ sign(g), or 0 where the sign changed."""
        sign = np.sign(g)
        same = sign * state["sign"]  # of signs, not of gradients: their product can underflow
        step = state["step"]
        step = np.where(same > 0, self.eta_plus * step, np.where(same < 0, self.eta_minus * step, step))
        step = np.clip(step, self.step_min, self.step_max)
        sign = np.where(same < 0, 0.0, sign)
        return -(_like(eta, w) / self.eta) * step * sign, {"step": step, "sign": sign}


RULES: dict[str, type[Rule]] = {
    "gradient_descent": GradientDescent,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "vario_eta": VarioEta,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adam": Adam,
    "adamw": AdamW,
    "rprop": Rprop,
}
"""Name → class."""


def rule(name: str, **fields: Any) -> Rule:
    """The learning rule of a name, made with the given fields.

    name: one of RULES, or the name of its class; fields: of that class. Raises ValueError, naming those that exist, for
    an unknown name, TypeError for an unknown field; else what the class raises. Source: C16.

    >>> rule("momentum", eta=0.1)
    Momentum(eta=0.1, beta=0.9)
    """
    return made(RULES, "learning rule", name, fields)


def _like(value: Any, w: Any) -> Any:
    """A number in the dtype of the weights: an array or a np.float64, unlike a float, would widen float32 ones."""
    return value if type(value) is float or not hasattr(value, "dtype") else value.astype(w.dtype)


def _one_minus_power(beta: float, t: Any) -> Any:
    """1 − βᵗ for t ≥ 1 as −expm1(t log β), which keeps the digits that a subtraction loses near β = 1."""
    return -np.expm1(t * (log(beta) if beta else -inf))


def _moments(g: Any, mean: Any, variance: Any, beta: float) -> State:
    """Mean and variance smoothed by one gradient more; the variance is a sum of squares, hence never negative."""
    d = g - mean
    return {"mean": beta * mean + (1.0 - beta) * g, "variance": beta * (variance + (1.0 - beta) * (d * d))}


def _variance(moments: Any, g: Any) -> Any:
    """The variance of the moments over the patterns."""
    if moments is None:
        raise ValueError(
            "VarioEta needs moments=(mean, variance) of the gradients g_t over the patterns, as from "
            "tl.gradient_moments; VarioEta(smoothing=0.99) takes them from the gradients of the updates instead"
        )
    _, variance = moments
    if np.shape(variance) != np.shape(g):
        raise ValueError(f"VarioEta got a variance of shape {np.shape(variance)} for a gradient of {np.shape(g)}")
    return variance
