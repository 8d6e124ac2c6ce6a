"""Gradient checks: every element of a gradient against differences of the function itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..engine.tensor import Tensor
from ..engine.tree import flatten, paths
from ..transforms import grad, must_call
from .quotient import EPS, SAFETY, Quotient, settled_quotient


class GradcheckError(AssertionError):
    """A gradient that its check did not confirm; the text is the table of the check."""


@dataclass(frozen=True, slots=True)
class Element:
    """One derivative: what the engine says, what differences say, and whether these agree.

    tolerance was computed before the two were compared. verdict is "ok", "wrong", "kink" (the
    derivative jumps here), "unclear" (the differences do not settle) or "not finite".
    """

    name: str
    order: int
    automatic: float
    numeric: float
    tolerance: float
    verdict: str

    @property
    def relative_error(self) -> float:
        """|automatic − numeric| / max(|automatic|, |numeric|), 0 where both are 0."""
        scale = max(abs(self.automatic), abs(self.numeric))
        return abs(self.automatic - self.numeric) / scale if scale else 0.0


@dataclass(frozen=True, slots=True)
class GradcheckResult:
    """What a gradient check found: truthy when every derivative holds; prints as a table."""

    function: str
    elements: tuple[Element, ...]
    unchecked: tuple[str, ...]
    weighted: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return all(e.verdict == "ok" for e in self.elements)

    @property
    def worst(self) -> Element:
        """The element furthest beyond its tolerance."""
        return max(self.elements, key=_badness)

    def __str__(self) -> str:
        """The failing elements first, the worst at the top, 20 at most; then what was not checked."""
        shown = sorted(self.elements, key=_badness, reverse=True)[:20]
        width = max(len("element"), *(len(_title(e)) for e in shown))
        lines = [f"{'element':<{width}}  {'automatic':>14}  {'numeric':>14}  {'rel. error':>10}  verdict"]
        lines += [
            f"{_title(e):<{width}}  {e.automatic:>14.7g}  {e.numeric:>14.7g}  {e.relative_error:>10.1e}  {e.verdict}"
            for e in shown
        ]
        if len(self.elements) > len(shown):
            lines.append(f"… and {len(self.elements) - len(shown)} more, none of them worse")
        lines += [f"not checked, not floating: {name}" for name in self.unchecked]
        if self.weighted:
            lines.append(
                f"{self.function} returns shape {self.weighted}: the derivatives are those of Σ v f, v random signed"
            )
        return "\n".join([self.summary(), *lines])

    def summary(self) -> str:
        """One line: how many hold, and which element is worst."""
        bad = sum(e.verdict != "ok" for e in self.elements)
        if not bad:
            return f"gradcheck of {self.function}: {len(self.elements)} derivatives hold"
        w = self.worst
        return (
            f"gradcheck of {self.function}: {bad} of {len(self.elements)} derivatives do not hold; "
            f"worst {_title(w)}: {w.verdict}, automatic {w.automatic:.7g}, numeric {w.numeric:.7g}"
        )


def gradcheck(f: Callable[..., Any], *args: Any, order: int = 1, raise_on_fail: bool = True) -> GradcheckResult:
    """Compare the gradient of f at args with central differences, element by element.

    D = (F(x + h) − F(x − h)) / ((x + h) − (x − h)) for each element of each floating array in args, and
    along two random directions over all of them; h follows the scale of x and the dtype, and is
    refined until D settles. An array-valued f is weighted first, F = Σ v f with random signed v; a scalar one
    with −2, which is divided out of what is told: a rule that forgets the error is found.
    Differences are computed in float64, also for float32 arguments.

    args: arrays, floats, and containers of them; others are held fixed and listed as not checked.
    order: 1, or up to which order to check; order k is the derivative of a random projection of order k − 1.
    Returns a result that is truthy when all hold and prints as a table.
    Raises GradcheckError (an AssertionError), with that table, unless raise_on_fail is False; TypeError
    where nothing is floating, ValueError where f changes its arguments or is not deterministic.
    Source: central differences, Press et al., Numerical Recipes, 5.7.

    >>> bool(gradcheck(lambda x: np.sum(np.tanh(x) ** 2), np.array([0.3, -1.2])))
    True
    """
    must_call(f, "gradcheck")
    if order < 1:
        raise ValueError(f"gradcheck: order must be at least 1, not {order}")
    name = getattr(f, "__name__", "f")
    leaves, rebuild = flatten(list(args))
    floating = [i for i, a in enumerate(leaves) if _is_floating(a)]
    if not floating:
        raise TypeError("gradcheck: there is nothing floating among the arguments; write 3.0 in place of 3")
    points = [np.array(leaves[i]) for i in floating]
    _must_repeat(f, args, leaves, name)
    weights = _weights(f(*args), name)
    wide = rebuild([np.asarray(a, dtype=float)[()] if i in floating else a for i, a in enumerate(leaves)])
    eps = float(np.finfo(np.asarray(f(*wide)).dtype).eps)

    def on_leaves(values: list[Any]) -> Any:
        new = list(leaves)
        for i, value in zip(floating, values, strict=True):
            new[i] = value
        return np.sum(f(*rebuild(new)) * weights)

    names = [f"argument {path[1:].replace(']', '', 1)}" for path in paths(list(args))]
    labels = [names[i] for i in floating]
    with np.errstate(all="ignore"):  # a step may leave the domain; it is then not the one that is used
        elements = list(_elements(on_leaves, points, labels, order, eps))
    unchecked = tuple(name for i, name in enumerate(names) if i not in floating)
    if np.shape(weights) == ():  # told without the error; division by −2 is exact
        elements = [_divided(e, float(weights)) for e in elements]
    result = GradcheckResult(name, tuple(elements), unchecked, np.shape(weights))
    if raise_on_fail and not result:
        raise GradcheckError(str(result))
    return result


def _elements(
    F: Callable[[list[Any]], Any], points: list[np.ndarray], labels: list[str], order: int, eps: float
) -> Iterator[Element]:
    """The checks of every order from 1 on: of F, of a projection of its gradient, and so on."""
    rng = np.random.default_rng(0)
    for k in range(1, order + 1):
        gradient = grad(F)
        yield from _one_order(F, gradient, points, labels, k, eps)
        F = _projection(gradient, [_signed(rng, p.shape) for p in points])


def _projection(gradient: Callable[..., Any], directions: list[np.ndarray]) -> Callable[[list[Any]], Any]:
    def projected(values: list[Any]) -> Any:
        return sum(np.sum(g * d) for g, d in zip(gradient(values), directions, strict=True))

    return projected


def _one_order(
    F: Callable[[list[Any]], Any],
    gradient: Callable[..., Any],
    points: list[np.ndarray],
    labels: list[str],
    order: int,
    eps: float,
) -> Iterator[Element]:
    """Every element of the gradient of F, then two directions over all elements, each array at its own scale."""
    rng = np.random.default_rng(order)
    wide = [p.astype(float) for p in points]
    given = [np.asarray(g, dtype=float) for g in gradient([p[()] for p in points])]
    exact = [np.asarray(g) for g in gradient([p[()] for p in wide])]
    rounding = max(float(np.finfo(p.dtype).eps) for p in points)
    largest = max((float(np.max(np.abs(g))) for g in exact if g.size), default=0.0)

    for n, point in enumerate(wide):
        for index in np.ndindex(point.shape):

            def along(t: float, n: int = n, index: tuple[int, ...] = index) -> tuple[float, float]:
                moved = list(wide)
                moved[n] = wide[n].copy()
                moved[n][index] += t
                return float(moved[n][index]), _number(F([p[()] for p in moved]))

            name = labels[n] + (f"[{', '.join(map(str, index))}]" if index else "")
            quotient = settled_quotient(along, abs(float(point[index])), eps)
            yield _judged(quotient, float(given[n][index]), float(exact[n][index]), rounding, largest, name, order)

    sizes = [max(1.0, float(np.max(np.abs(p), initial=0.0))) for p in wide]
    for i in range(2):
        direction = [size * _signed(rng, p.shape) for p, size in zip(wide, sizes, strict=True)]

        def along_all(t: float, direction: list[np.ndarray] = direction) -> tuple[float, float]:
            return t, _number(F([(p + t * d)[()] for p, d in zip(wide, direction, strict=True)]))

        s, s_exact = (float(sum(np.sum(g * d) for g, d in zip(gs, direction, strict=True))) for gs in (given, exact))
        total = float(sum(np.sum(np.abs(g * d)) for g, d in zip(exact, direction, strict=True)))
        quotient = settled_quotient(along_all, 0.0, eps, blur=EPS)
        yield _judged(quotient, s, s_exact, rounding, total, f"direction {i + 1}", order)


def _judged(q: Quotient, given: float, exact: float, rounding: float, largest: float, name: str, order: int) -> Element:
    """The verdict on one derivative; its tolerance comes from the quotient and the dtypes alone.

    given: the gradient at the arguments as they are; exact: at the same arguments in float64.
    """
    tolerance = SAFETY * q.error
    slack = tolerance + rounding * (1e3 * abs(q.value) + 10.0 * largest)
    if not np.isfinite(given):
        verdict = "not finite"
    elif q.trouble:
        verdict = q.trouble
    elif given == exact == q.value == 0.0:
        verdict = "ok"  # F does not move, or alike on both sides, and the gradient says so
    elif not tolerance <= 5e-4 * max(abs(q.value), abs(exact), q.reach):
        verdict = "unclear" if abs(exact - q.value) <= tolerance or not np.isfinite(q.value) else "wrong"
    else:
        close = abs(exact - q.value) <= tolerance + EPS * (1e3 * abs(q.value) + 10.0 * largest)
        verdict = "ok" if close and abs(given - q.value) <= slack else "wrong"
    return Element(name, order, given, q.value, slack, verdict)


def _badness(e: Element) -> float:
    """How far an element is beyond its tolerance; what could not be judged comes right after what is wrong."""
    if e.verdict == "not finite":
        return float("inf")
    beyond = abs(e.automatic - e.numeric) / e.tolerance if e.tolerance else 0.0
    return {"ok": 0.0, "wrong": 1e9}.get(e.verdict, 1e6) + min(beyond, 1e8) if np.isfinite(beyond) else 1e7


def _title(e: Element) -> str:
    return e.name if e.order == 1 else f"order {e.order}: {e.name}"


def _is_floating(a: Any) -> bool:
    if a.__class__ is Tensor:
        raise TypeError("gradcheck takes arrays and floats, not Tensors; pass t.numpy()")
    return isinstance(a, float) or (isinstance(a, np.ndarray | np.generic) and a.dtype.kind == "f")


def _signed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers of both signs, none near 0."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))


def _weights(y: Any, name: str) -> Any:
    """The error that arrives at f: random signed for an array, −2 for a scalar, so that a rule cannot do without it."""
    y = np.asarray(y)
    if y.dtype.kind != "f":
        raise TypeError(f"gradcheck: {name} returned {y.dtype} values of shape {y.shape}; it must return floating ones")
    return np.float64(-2.0) if y.shape == () else _signed(np.random.default_rng(1), y.shape)


def _divided(e: Element, weight: float) -> Element:
    automatic, numeric = e.automatic / weight + 0.0, e.numeric / weight + 0.0
    return replace(e, automatic=automatic, numeric=numeric, tolerance=e.tolerance / abs(weight))


def _number(y: Any) -> float:
    return float(y._data if y.__class__ is Tensor else y)


def _must_repeat(f: Callable[..., Any], args: tuple[Any, ...], leaves: list[Any], name: str) -> None:
    """Refuse a function that writes into its arguments, or gives two results for the same ones."""
    before = [np.array(a) for a in leaves]
    first, second = np.asarray(f(*args)), np.asarray(f(*args))
    if any(
        not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(before, map(np.asarray, leaves), strict=True)
    ):
        raise ValueError(f"gradcheck: {name} writes into its arguments; let it work on copies")
    if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
        raise ValueError(f"gradcheck: {name} gave two results for the same arguments; fix its random numbers")
