"""Functions drawn at random: graphs over the table of operations, as data that prints as NumPy code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...rules import network
from .arrays import values
from .forms import FORMS, Form

LARGEST = 30.0
"""No intermediate value is larger, so that slopes do not grow beyond what differences can tell."""

NAMES = "abcdefgh"
"""What the arguments are called."""

MOST = 40
"""No intermediate array has more elements."""

RANGES = ((-3.0, 3.0), (0.2, 3.2), (-0.9, 0.9), (1.2, 4.2))
"""From which the numbers of an argument are taken: so that each operation finds some in its domain."""

# all forms, those of one input, and those of more
_ALL = (FORMS, [f for f in FORMS if f.arity == 1], [f for f in FORMS if f.arity > 1])
_ANALYTIC = tuple([f for f in forms if f.analytic] for forms in _ALL)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of an expression.

    code: with places {0}, {1}, … for its inputs; inputs: their numbers, arguments first and then steps;
    distance: how far they were from a kink or pole where it was drawn; analytic: whether complex numbers go through.
    """

    code: str
    inputs: tuple[int, ...]
    distance: float
    analytic: bool


@dataclass(frozen=True, eq=False)
class Expression:
    """A function of arrays: plain NumPy code, for raw arrays, complex ones where analytic, and Tensors alike.

    arguments: the arrays for which it was drawn; steps: its operations in order, of which the last is the result.
    print(f) shows the code, f(*f.arguments) runs it. Source: C3, a graph of local steps.
    """

    arguments: tuple[np.ndarray, ...]
    steps: tuple[Step, ...]

    def __call__(self, *xs: Any) -> Any:
        """The value for arguments of the same shapes."""
        return self._function(*xs)

    def __str__(self) -> str:
        n = len(self.arguments)
        names = [*NAMES[:n], *(f"v{i + 1}" for i in range(len(self.steps)))]
        lines = [step.code.format(*(names[i] for i in step.inputs)) for step in self.steps]
        body = [f"    {name} = {line}" for name, line in zip(names[n:], lines[:-1], strict=False)]
        return "\n".join([f"def f({', '.join(names[:n])}):", *body, f"    return {lines[-1]}"])

    def __repr__(self) -> str:
        given = [f"{name} = np.{x!r}" for name, x in zip(NAMES, self.arguments, strict=False)]
        return "\n".join([str(self), *given])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # as hypothesis shows what failed

    @property
    def distance(self) -> float:
        """How far the arguments keep every operation from its kinks and poles, at the nearest."""
        return min(step.distance for step in self.steps)

    @property
    def analytic(self) -> bool:
        """Whether complex numbers go through all of it."""
        return all(step.analytic for step in self.steps)

    @cached_property
    def _function(self) -> Callable[..., Any]:
        scope: dict[str, Any] = {"np": np, "tl": network}
        exec(compile(str(self), "<expression>", "exec"), scope)
        function: Callable[..., Any] = scope["f"]
        return function


@st.composite
def expressions(
    draw: st.DrawFn, arguments: int = 3, steps: int = 8, analytic: bool = False, margin: float = 0.05
) -> Expression:
    """Functions drawn as graphs over the table of operations, with arguments at which they are smooth.

    An operation is only drawn where its inputs keep away from its kinks and poles: nothing is discarded for that.
    arguments, steps: how many arguments and operations at most; analytic: only what complex numbers go through, so
    that a complex step can tell the derivatives; margin: how far each input is from kinks and poles at least.
    Raises ValueError for more arguments than there are names.

    >>> expressions(arguments=1, analytic=True)
    expressions(arguments=1, analytic=True)
    """
    if not 1 <= arguments <= len(NAMES):
        raise ValueError(f"expressions: arguments is {arguments}; there can be 1 … {len(NAMES)}")
    n_arguments, n_steps = draw(st.integers(1, arguments)), draw(st.integers(1, steps))
    m, n = draw(st.sampled_from([2, 3, 1])), draw(st.sampled_from([3, 2, 1]))
    kinds = st.sampled_from([(), (n,), (m, n), (n, n), (n, m), (m, 1)])  # that fit each other in most operations
    given: list[np.ndarray] = []
    for _ in range(n_arguments):
        ends = draw(st.sampled_from(RANGES))
        given += draw(values([draw(kinds)], *ends, margin=0.04))
    forms = _ANALYTIC if analytic else _ALL
    known: list[Any] = list(given)  # the values of the arguments, and of the steps
    done: list[Step] = []
    for k in range(n_steps):
        kind = draw(st.integers(0, 4))
        if kind == 0 and (done or k < n_steps - 1):
            continue  # so that hypothesis can leave out any step of a failing draw
        some = forms[1 if kind < 3 else 2]
        wanted = [some[draw(st.integers(0, len(some) - 1))] for _ in range(3)]
        turns = [max(0, draw(st.integers(-len(known), len(known) - 1))) for _ in range(3)]  # in half the draws none
        loose = set(range(len(known))) - {i for step in done for i in step.inputs}
        step, value = _next([*wanted, *forms[0]], known, loose, turns, margin)
        done.append(step)
        known.append(value)
    return _needed(given, done)


def _next(
    forms: Sequence[Form], known: list[Any], loose: set[int], turns: Sequence[int], margin: float
) -> tuple[Step, Any]:
    """The first of these forms that some inputs fit, with its value.

    Inputs that tie up most loose ends are tried first; then the newest values as the first input and the oldest as
    the others, after a turn of the order for each.
    """
    old = range(len(known))
    orders = [[*order[turn:], *order[:turn]] for order, turn in zip((old[::-1], old, old), turns, strict=True)]
    for form in forms:
        for inputs in sorted(product(*orders[: form.arity]), key=lambda inputs: -len(loose & set(inputs))):
            distance, value = _tried(form, [known[i] for i in inputs])
            if distance >= margin:
                return Step(form.code, inputs, distance, form.analytic), value
    raise AssertionError("-{0} fits everything")


def _tried(form: Form, raw: list[Any]) -> tuple[float, Any]:
    """The distance of raw inputs from where a form is not smooth, and its value; −1 where they do not fit."""
    try:
        with np.errstate(all="raise"):
            distance = float(form.distance(*raw))
            value = _compiled(form.code)(*raw)
    except (ValueError, IndexError, TypeError, FloatingPointError):  # shapes or domain
        return -1.0, None
    fits = 0 < np.size(value) <= MOST and np.all(np.abs(value) <= LARGEST)
    return (distance, value) if fits else (-1.0, None)


@cache
def _compiled(code: str) -> Callable[..., Any]:
    function: Callable[..., Any] = eval(f"lambda a, b=0, c=0: {code.format('a', 'b', 'c')}", {"np": np, "tl": network})
    return function


def _needed(given: Sequence[np.ndarray], steps: list[Step]) -> Expression:
    """The expression without the arguments and steps that its last step does not depend on."""
    n = len(given)
    needed = {n + len(steps) - 1}
    for i in range(n + len(steps) - 1, n - 1, -1):
        if i in needed:
            needed |= set(steps[i - n].inputs)
    new = {old: i for i, old in enumerate(sorted(needed))}
    kept = [
        Step(s.code, tuple(new[i] for i in s.inputs), s.distance, s.analytic)
        for i, s in enumerate(steps, n)
        if i in needed
    ]
    return Expression(tuple(given[i] for i in sorted(needed) if i < n), tuple(kept))
