"""The verdict on every derivative of a gradient check: what each of the rungs says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..engine.tensor import Tensor
from ..transforms import grad
from .diagnosis import CAUSES, Steps, wrong
from .dual import Blur
from .ladder import RUNS, Derivative, Reading, readings, usable
from .quotient import EPS, Quotient
from .result import Element


@dataclass(frozen=True)
class Check:
    """One gradient check on its way: F(values, weights) at points, the names of these, and which rungs to climb.

    finite: whether f is; missing: a rung that was not possible and why → for how many derivatives, for notes.
    """

    F: Callable[..., Any]
    weights: Any
    points: list[np.ndarray]
    labels: list[str]
    rungs: tuple[str, ...]
    steps: Steps
    finite: bool
    missing: dict[tuple[str, str], int] = field(default_factory=dict)

    def elements(self, order: int) -> Iterator[Element]:
        """The checks of every order from 1 on: of F, of a projection of its gradient, and so on."""
        rng = np.random.default_rng(0)
        F, above = self.F, list[list[np.ndarray]]()
        for k in range(1, order + 1):
            gradient = grad(F)
            yield from self._one_order(F, gradient, above, k)
            above = [*above, [signed(rng, p.shape) for p in self.points]]
            F = _projection(gradient, above[-1])

    def _one_order(
        self, F: Callable[..., Any], gradient: Callable[..., Any], above: list[list[np.ndarray]], order: int
    ) -> Iterator[Element]:
        """Every element of the gradient of F, then two directions over all elements, each array at its own scale.

        above: the directions along which F is a derivative already.
        """
        rng = np.random.default_rng(order)
        wide = [p.astype(float) for p in self.points]
        given = [np.asarray(g, dtype=float) for g in gradient([p[()] for p in self.points])]
        exact = [np.asarray(g) for g in gradient([p[()] for p in wide])]
        largest = max((float(np.max(np.abs(g))) for g in exact if g.size), default=0.0)
        eps = self.steps.eps
        terms = _terms_of(F, wide, eps)
        told: set[str] = set()

        for n, point in enumerate(wide):
            for index in np.ndindex(point.shape):

                def along(t: float, n: int = n, index: tuple[int, ...] = index) -> tuple[float, float]:
                    moved = list(wide)
                    moved[n] = wide[n].copy()
                    moved[n][index] += t
                    return float(moved[n][index]), _number(F([p[()] for p in moved]))

                unit = [np.zeros(p.shape) for p in wide]
                unit[n][index] = 1.0
                d = Derivative(
                    self.F, self.weights, wide, [*above, unit], along, abs(float(point[index])), 0.0, eps, terms
                )
                name = self.labels[n] + (f"[{', '.join(map(str, index))}]" if index else "")
                element = self._judged(d, float(given[n][index]), float(exact[n][index]), largest, name)
                told.add(element.diagnosis)
                yield element

        finite = [np.isfinite(p) for p in wide]
        sizes = [
            ok * max(1.0, float(np.max(np.abs(p), initial=0.0, where=ok))) for p, ok in zip(wide, finite, strict=True)
        ]
        for i in range(2):
            direction = [size * signed(rng, p.shape) for p, size in zip(wide, sizes, strict=True)]

            def along_all(t: float, direction: list[np.ndarray] = direction) -> tuple[float, float]:
                return t, _number(F([(p + t * d)[()] for p, d in zip(wide, direction, strict=True)]))

            s, s_exact = (
                float(sum(np.sum(g * d) for g, d in zip(gs, direction, strict=True))) for gs in (given, exact)
            )
            total = float(sum(np.sum(np.abs(g * d)) for g, d in zip(exact, direction, strict=True)))
            d = Derivative(self.F, self.weights, wide, [*above, direction], along_all, 0.0, EPS, eps, terms)
            element = self._judged(d, s, s_exact, total, f"direction {i + 1}")
            if element.verdict == "wrong" and element.diagnosis not in told:  # a sum has a factor of its own
                element = replace(element, diagnosis=CAUSES["direction"])
            yield element

    def _judged(self, d: Derivative, given: float, exact: float, largest: float, name: str) -> Element:
        """The verdict on one derivative; tolerances come from the rungs and the dtypes alone.

        given: the gradient at the arguments as they are; exact: at the same arguments in float64.
        """
        if not np.isfinite(d.scale):
            return Element(name, len(d.directions), given, np.nan, np.nan, "", "unclear", CAUSES["argument"])
        if not self.finite:
            return Element(name, len(d.directions), given, np.nan, np.nan, "", "not finite", CAUSES["value"])
        quotient, found, missing = readings(d, self.rungs)
        for pair in missing.items():
            self.missing[pair] = self.missing.get(pair, 0) + 1
        coarse = max((np.finfo(p.dtype) for p in self.points), key=lambda info: info.eps)
        passed = ""
        told = found[0] if found else Reading("", np.nan, np.nan)
        decided: list[bool] = []
        for r in found:
            tolerance = r.tolerance + _slack(r, found, np.finfo(float), largest)
            reading = replace(r, tolerance=max(tolerance, r.tolerance + _slack(r, found, coarse, largest)))
            holds = abs(exact - r.value) <= tolerance and abs(given - r.value) <= reading.tolerance
            clear = usable(reading, quotient, abs(exact)) or given == exact == r.value == 0.0
            if clear or not holds:
                told, decided = reading, [*decided, holds]
            if clear and holds:
                passed = r.rung
        verdict, diagnosis = _verdict(quotient, decided, given)
        if verdict == "wrong":
            diagnosis = wrong(given, told.value)
        rung = passed if verdict in ("ok", "wrong") else ""
        return Element(name, len(d.directions), given, told.value, told.tolerance, rung, verdict, diagnosis)

    def notes(self) -> tuple[str, ...]:
        """What else is to be known: silent broadcasts, and the rungs that were not possible, with the reason."""
        rungs = (f"rung {rung} not possible for {n}: {why}" for (rung, why), n in self.missing.items())
        return (*self.steps.broadcasts, *rungs)


def _verdict(q: Quotient | None, decided: list[bool], given: float) -> tuple[str, str]:
    """Verdict and diagnosis of a derivative: the highest rung decides, but for kinks and jumps."""
    if not np.isfinite(given):
        return "not finite", CAUSES["not finite"]
    if q is not None and q.trouble in ("kink", "jump"):
        return q.trouble, CAUSES[q.trouble]
    if not decided:
        return "unclear", CAUSES["rounding" if q is not None and q.rounded else "unclear"]
    return ("ok", "") if decided[-1] else ("wrong", "")


def _slack(r: Reading, found: list[Reading], dtype: Any, largest: float) -> float:
    """What rounding in a dtype, a finfo, may add to a derivative: 100 ε Σ|terms|, and what it cannot represent.

    The upper rungs have counted that of float64. Without a rung that knows Σ|terms|, the largest derivative beside it
    stands for them.
    """
    eps, wide = float(dtype.eps), dtype.bits >= 64
    lost = 0.0 if wide else 4.0 * float(dtype.smallest_subnormal)
    terms = max((other.terms for other in found), default=0.0)
    if r.terms:
        return lost if wide else 100.0 * eps * terms + lost
    return eps * (1e3 * abs(r.value) + (100.0 * terms or 10.0 * largest)) + lost


def _terms_of(F: Callable[..., Any], points: list[np.ndarray], eps: float) -> float:
    """The size of what F is summed from: by how much it moves when its arguments are off, per relative error."""
    blur = Blur(np.random.default_rng(0), eps**0.5)
    middle = _number(F([p[()] for p in points]))
    moves = [abs(_number(F([blur(p)[()] for p in points])) - middle) / blur.size for _ in range(RUNS)]
    return max((m for m in moves if np.isfinite(m)), default=0.0)


def _projection(gradient: Callable[..., Any], directions: list[np.ndarray]) -> Callable[[list[Any]], Any]:
    def projected(values: list[Any]) -> Any:
        return sum(np.sum(g * d) for g, d in zip(gradient(values), directions, strict=True))

    return projected


def signed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers of both signs, none near 0."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))


def _number(y: Any) -> float:
    return float(y._data if type(y) is Tensor else y)
