"""The rungs that a gradient climbs: oracles that share no code with it, each with a tolerance of its own.

central     difference quotients, (F(x + h) − F(x − h)) / 2h      what they show of their own error
richardson  what these tend to                                    likewise
complex     Im F(x + ih)/h, where F is analytic                   1e-10 relative, or 100 ε Σ|terms|
forward     dual numbers with a table of their own                100 ε Σ|terms|
mpmath      60 digits                                             16 ε Σ|terms|

A tolerance is known before the gradient is looked at. Σ|terms|, the absolute sum of what a derivative is summed from,
is measured: let every step of F be off by one rounding, and see by how many roundings the derivative is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .complex_step import complex_step
from .dual import Blur, NotPossibleError, forward_derivative
from .exact import exact_derivative
from .quotient import SAFETY, Quotient, settled_quotient
from .richardson import extrapolated

RUNGS = ("central", "richardson", "complex", "forward", "mpmath")
"""All rungs, from the lowest on."""

USUAL = RUNGS[:4]
"""What is climbed by default: all that needs NumPy alone."""

NEEDS = {"complex": "central", "mpmath": "forward"}
"""Rung → the one below it without which it cannot tell: whether f is analytic, or Σ|terms|."""

DIFFERENCES = RUNGS[:2]
"""Those that see nothing of f but its values."""

BLUR, RUNS = 2.0**-30, 3
"""The size of the roundings that measure Σ|terms|, and in how many runs."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rung says of a derivative, how far the gradient may be from it, and Σ|terms|, 0 where not known."""

    rung: str
    value: float
    tolerance: float
    terms: float = 0.0


@dataclass(frozen=True)
class Derivative:
    """What is to be differentiated: F at points along directions, as many as the order.

    F(values, weights): Σ weights f(values), run on whatever arrays an oracle has. along(t) → (position, F) on the last
    direction at distance t, for differences of the lower order; scale, blur: of positions. eps: the rounding of f;
    terms: the size of what the lower order is summed from.
    """

    F: Callable[[list[Any], Any], Any]
    weights: Any
    points: list[np.ndarray]
    directions: list[list[Any]]
    along: Callable[[float], tuple[float, float]]
    scale: float
    blur: float
    eps: float
    terms: float


def readings(d: Derivative, rungs: Iterable[str]) -> tuple[Quotient | None, list[Reading], dict[str, str]]:
    """What each rung reads, the lowest first; those that are not possible apart, and why.

    A rung that contradicts the differences below it is no oracle here, and is left out too. But where central
    differences agree with forward mode, their extrapolation is what errs: two that are equal by chance look like one.
    """
    quotient = settled_quotient(d.along, d.scale, d.eps, d.blur, d.terms) if set(DIFFERENCES) & set(rungs) else None
    read: dict[str, Reading] = {}
    missing: dict[str, str] = {}
    for rung in (r for r in RUNGS if r in rungs):
        if rung == "complex" and len(d.directions) > 1:
            continue  # it gives first derivatives only
        try:
            read[rung] = _ORACLES[rung](d, quotient, list(read.values()))
        except Exception as error:  # of f, which need not know what an oracle calls it with
            missing[rung] = str(error) if isinstance(error, NotPossibleError) else _first_line(error)
    lower = {rung: read[rung] for rung in DIFFERENCES if rung in read and usable(read[rung], quotient)}
    fails = [rung for rung, r in lower.items() if "forward" in read and _apart(read["forward"], r)]
    if fails == ["richardson"] and "central" in lower:
        missing["richardson"] = "forward mode and central differences contradict it"
        del read["richardson"], lower["richardson"]
    for r in [r for r in read.values() if r.rung not in DIFFERENCES]:
        against = [below.rung for below in lower.values() if _apart(r, below)]
        if against:
            analytic = "f is not analytic (np.abs, np.max, a comparison, …)"
            missing[r.rung] = analytic if r.rung == "complex" else f"it contradicts the rung {against[0]}"
            del read[r.rung]
    return quotient, list(read.values()), missing


def _apart(r: Reading, below: Reading) -> bool:
    return abs(r.value - below.value) > r.tolerance + below.tolerance


def _central(d: Derivative, q: Quotient | None, found: list[Reading]) -> Reading:
    if q is None or not np.isfinite(q.value):
        raise NotPossibleError("f is not finite here, or not beside")
    return Reading("central", q.value, SAFETY * q.error)


def _richardson(d: Derivative, q: Quotient | None, found: list[Reading]) -> Reading:
    limit = extrapolated(q) if q is not None and q.steps else None
    if limit is None:  # also where there is no quotient at all
        raise NotPossibleError("the differences do not tend to a limit fast enough")
    return Reading("richardson", limit[0], SAFETY * limit[1])


def _complex(d: Derivative, q: Quotient | None, found: list[Reading]) -> Reading:
    if not any(r.rung == "central" and usable(r, q) for r in found):
        raise NotPossibleError("no difference quotient confirms here that f is analytic")
    rng = np.random.default_rng(0)

    def derivative(blur: Callable[[Any], Any]) -> float:
        weights = blur(d.weights)
        return complex_step(lambda values: d.F(values, weights), [blur(p) for p in d.points], d.directions[0])

    value = derivative(lambda a: a)
    terms = _terms(value, [derivative(Blur(rng, BLUR)) for _ in range(RUNS)])
    return Reading("complex", value, 1e-10 * abs(value) + 100.0 * d.eps * terms, terms)


def _forward(d: Derivative, q: Quotient | None, found: list[Reading]) -> Reading:
    def derivative(blur: Blur | None) -> float:
        return forward_derivative(lambda values: d.F(values, d.weights), d.points, d.directions, blur)

    rng = np.random.default_rng(0)
    value = derivative(None)
    terms = _terms(value, [derivative(Blur(rng, BLUR)) for _ in range(RUNS)])
    return Reading("forward", value, 100.0 * d.eps * terms + 4.0 * SMALLEST, terms)


def _mpmath(d: Derivative, q: Quotient | None, found: list[Reading]) -> Reading:
    terms = next((r.terms for r in found if r.rung == "forward"), None)
    if terms is None:
        raise NotPossibleError("its tolerance needs the rung forward")
    value = exact_derivative(lambda values: d.F(values, d.weights), d.points, d.directions)
    return Reading("mpmath", value, 16.0 * d.eps * terms + 4.0 * SMALLEST, terms)


SMALLEST = float(np.finfo(float).smallest_subnormal)

_ORACLES = {
    "central": _central,
    "richardson": _richardson,
    "complex": _complex,
    "forward": _forward,
    "mpmath": _mpmath,
}


def _terms(value: float, blurred: list[float]) -> float:
    """Σ|terms| of a derivative from its spread, and at least its own size."""
    if not np.isfinite([value, *blurred]).all():
        raise NotPossibleError("it is not finite here")
    return abs(value) + float(np.max(np.abs(np.subtract(blurred, value)))) / BLUR


def usable(r: Reading, q: Quotient | None, size: float = 0.0) -> bool:
    """Whether a reading can tell a gradient that is wrong by a part in a thousand; size: what the gradient may be.

    The upper rungs always can: theirs is a tolerance by Σ|terms|, and where terms cancel, nobody has more digits.
    """
    if r.rung not in DIFFERENCES:
        return True
    assert q is not None
    return bool(r.tolerance <= 5e-4 * max(abs(r.value), size, q.reach))


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
