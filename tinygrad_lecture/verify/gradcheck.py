"""Gradient checks: every element of a gradient against oracles that share no code with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.recording import enclosed
from ..engine.tensor import Tensor
from ..engine.tree import flatten, paths
from ..transforms import must_call
from .climb import Check, signed
from .diagnosis import steps_of
from .exact import library
from .ladder import NEEDS, RUNGS, USUAL
from .result import Element, GradcheckError, GradcheckResult


def gradcheck(
    f: Callable[..., Any],
    *args: Any,
    order: int = 1,
    rungs: Sequence[str] = USUAL,
    raise_on_fail: bool = True,
) -> GradcheckResult:
    """Compare the gradient of f at args with oracles that share no code with it, element by element.

    For each element of each floating array in args, and along two random directions over all of them, the derivative
    climbs a ladder: central differences, refined until they settle; their Richardson extrapolation; the complex step,
    on complex NumPy arrays, where f is analytic; forward mode by dual numbers, with a table of its own; mpmath with 60
    digits. Each rung knows its tolerance before it looks, and the highest that is possible decides.
    An array-valued f is weighted first, F = Σ v f with random signed v; a scalar one with −2, which is divided out of
    what is told: a rule that forgets the error is found. All is computed in float64, also for float32 arguments.

    args: arrays, floats, and containers of them; others are held fixed and listed as not checked.
    order: 1, or up to which order to check; order k is the derivative of a random projection of order k − 1.
    rungs: which to climb, of "central", "richardson", "complex", "forward" and "mpmath"; all but the last by default.
    Returns a result that is truthy when all hold and prints as a table, with the highest rung passed and the error
    over the tolerance, a diagnosis where it does not hold, and notes: rungs that were not possible, silent broadcasts.
    Raises GradcheckError (an AssertionError), with that table, unless raise_on_fail is False; TypeError where nothing
    is floating, ValueError where f changes its arguments or is not deterministic, and for a rung without the one that
    it needs, ImportError where mpmath is wanted and missing.
    Source: central differences, Press et al., Numerical Recipes, 5.7; Squire and Trapp 1998 for the complex step.

    >>> bool(gradcheck(lambda x: np.sum(np.tanh(x) ** 2), np.array([0.3, -1.2])))
    True
    """
    must_call(f, "gradcheck")
    if order < 1:
        raise ValueError(f"gradcheck: order must be at least 1, not {order}")
    chosen = _chosen(rungs)
    name = getattr(f, "__name__", "f")
    leaves, rebuild = flatten(list(args))
    floating = [i for i, a in enumerate(leaves) if _is_floating(a)]
    if not floating:
        raise TypeError("gradcheck: there is nothing floating among the arguments; write 3.0 in place of 3")
    points = [np.array(leaves[i]) for i in floating]
    first = _must_repeat(f, args, leaves, name)
    weights = _weights(first, name)

    def on_leaves(values: list[Any], weights: Any = weights) -> Any:
        new = list(leaves)
        for i, value in zip(floating, values, strict=True):
            new[i] = value
        return np.sum(f(*rebuild(new)) * weights)

    with enclosed(), np.errstate(all="ignore"):  # f itself has warned already
        steps = steps_of(on_leaves([Tensor(p.astype(float), requires_grad=True) for p in points]))
    names = [f"argument {path[1:].replace(']', '', 1)}" for path in paths(list(args))]
    finite = bool(np.isfinite(first).all())
    check = Check(on_leaves, weights, points, [names[i] for i in floating], chosen, steps, finite)
    with np.errstate(all="ignore"):  # a step may leave the domain; it is then not the one that is used
        elements = list(check.elements(order))
    _must_still_repeat(f, args, first, name)
    unchecked = tuple(name for i, name in enumerate(names) if i not in floating)
    if np.shape(weights) == ():  # told without the error; division by −2 is exact
        elements = [_divided(e, float(weights)) for e in elements]
    result = GradcheckResult(name, tuple(elements), unchecked, np.shape(weights), check.notes())
    if raise_on_fail and not result:
        raise GradcheckError(str(result))
    return result


def _chosen(rungs: Any) -> tuple[str, ...]:
    """The rungs to climb, if there are such, and each has what it needs."""
    if not isinstance(rungs, Iterable):
        raise TypeError(f"gradcheck: rungs must be names, as in rungs=('central', 'forward'), not {rungs!r}")
    chosen = (rungs,) if isinstance(rungs, str) else tuple(rungs)
    if not chosen or not set(chosen) <= set(RUNGS):
        given = ", ".join(map(str, chosen)) or "none"
        raise ValueError(f"gradcheck: rungs must be some of {', '.join(RUNGS)}, not {given}")
    for rung, needed in NEEDS.items():
        if rung in chosen and needed not in chosen:
            raise ValueError(f"gradcheck: the rung {rung} needs {needed} too: rungs={(needed, *chosen)}")
    if "mpmath" in chosen:
        library()
    return chosen


def _is_floating(a: Any) -> bool:
    if type(a) is Tensor:
        raise TypeError("gradcheck takes arrays and floats, not Tensors; pass t.numpy()")
    return isinstance(a, float) or (isinstance(a, np.ndarray | np.generic) and a.dtype.kind == "f")


def _weights(y: Any, name: str) -> Any:
    """The error that arrives at f: random signed for an array, −2 for a scalar, so that a rule cannot do without it."""
    y = np.asarray(y)
    if y.dtype.kind != "f":
        raise TypeError(f"gradcheck: {name} returned {y.dtype} values of shape {y.shape}; it must return floating ones")
    return np.float64(-2.0) if y.shape == () else signed(np.random.default_rng(1), y.shape)


def _divided(e: Element, weight: float) -> Element:
    automatic, numeric = e.automatic / weight + 0.0, e.numeric / weight + 0.0
    return replace(e, automatic=automatic, numeric=numeric, tolerance=e.tolerance / abs(weight))


def _must_repeat(f: Callable[..., Any], args: tuple[Any, ...], leaves: list[Any], name: str) -> Any:
    """What f returns; refuse a function that writes into its arguments, or gives two results for the same ones."""
    before = [np.array(a) for a in leaves]
    first, second = np.asarray(f(*args)), np.asarray(f(*args))
    if any(
        not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(before, map(np.asarray, leaves), strict=True)
    ):
        raise ValueError(f"gradcheck: {name} writes into its arguments; let it work on copies")
    _must_agree(first, second, name)
    return first


def _must_still_repeat(f: Callable[..., Any], args: tuple[Any, ...], first: Any, name: str) -> None:
    _must_agree(first, np.asarray(f(*args)), name)


def _must_agree(first: Any, second: Any, name: str) -> None:
    if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
        raise ValueError(
            f"gradcheck: {name} is not deterministic: it gave two results for the same arguments; "
            "fix its random numbers, and let it keep no state"
        )
