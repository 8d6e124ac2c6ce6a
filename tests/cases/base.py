"""What a case of an operation is: how to draw its inputs and options, and what to compare its gradient with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tinygrad_lecture.verify import examples, strategies

Arrays = list[np.ndarray]
Draw = Callable[[Any], Any]


@dataclass(frozen=True)
class Drawn:
    """One draw: f, plain NumPy code with its options filled in, the arrays, and the oracle's forward.

    reference: the same function in a form that complex numbers go through, where f's own is not.
    """

    f: Callable[..., Any]
    xs: Arrays
    reference: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Case:
    """An operation's case: `make(draw, rng)` gives a Drawn; complex says whether the complex step is its oracle.

    make draws every option that the operation takes, and every form in which it is written (function, method,
    operator).
    """

    name: str
    make: Callable[[Draw, np.random.Generator], Drawn]
    complex: bool = True


@dataclass(frozen=True)
class Kink:
    """What the slopes of an operation are at a kink, a jump or an infinite slope: in words, and as an example."""

    op: str
    where: str
    value: str
    f: Callable[..., Any]
    xs: tuple[Any, ...]
    slopes: tuple[Any, ...]


CASES: dict[str, Case] = {}
KINKS: list[Kink] = []


def title(fn: Any) -> str:
    """The name under which a user knows an operation: np.tanh, np.linalg.solve, tl.linear, `**`."""
    name = examples.title(fn)
    return f"tl.{name}" if hasattr(fn, "op") and name in tl.__all__ else name


def case(fn: Any, complex: bool = True) -> Callable[[Any], Any]:
    def add(make: Any) -> Any:
        CASES[title(fn)] = Case(title(fn), make, complex)
        return make

    return add


def kink(fn: Any, where: str, value: str, f: Any, xs: tuple[Any, ...], slopes: tuple[Any, ...]) -> None:
    """A row of the table of kinks: what arrives at the inputs xs of f where an error of ones arrives at its output."""
    KINKS.append(Kink(title(fn), where, value, f, xs, slopes))


def anything(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape) * 1.5


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.2, 3.0, shape)


def away_from_zero(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.3, 3.0, shape) * rng.choice([-1.0, 1.0], shape)


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """No two values nearer than 0.1: differences do not step over a kink."""
    n = int(np.prod(shape))
    return (rng.permutation(n) * 0.3 + rng.uniform(0, 0.2, n) - 0.15 * n).reshape(shape)


def sizes(min_dims: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of up to three short axes; in one of ten draws an axis may be empty."""
    return strategies.shapes(min_dims, empty=True)


shapes = sizes(0)
some_axis_shapes = strategies.shapes(min_dims=1)


def some_pair(draw: Draw) -> tuple[tuple[int, ...], ...]:
    """Two shapes that broadcast with each other."""
    return draw(strategies.broadcastable(2, empty=True))


def unary(
    f: Callable[..., Any],
    domain: Callable[..., np.ndarray],
    reference: Callable[..., Any] | None = None,
    complex: bool = True,
) -> None:
    case(f, complex)(lambda draw, rng: Drawn(f, [domain(rng, draw(shapes))], reference))


def binary(
    f: Callable[..., Any],
    first: Callable[..., np.ndarray],
    second: Callable[..., np.ndarray],
    complex: bool = True,
) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        pair = some_pair(draw)
        return Drawn(f, [first(rng, pair[0]), second(rng, pair[1])])

    case(f, complex)(make)


def an_axis(draw: Draw, ndim: int, several: bool = True) -> Any:
    one = st.integers(-ndim, ndim - 1) if ndim else st.none()
    some = st.lists(st.integers(0, ndim - 1), min_size=1, unique=True).map(tuple) if ndim and several else st.none()
    return draw(st.one_of(st.none(), one, some))


def reduction(f: Callable[..., Any], domain: Any, reference: Any = None, complex: bool = True) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        x = domain(rng, draw(shapes))
        options: dict[str, Any] = {"axis": an_axis(draw, x.ndim)}
        if draw(st.booleans()):
            options["keepdims"] = draw(st.booleans())
        other = None if reference is None else (lambda x: reference(x, **options))
        return Drawn(lambda x: f(x, **options), [x], other)

    case(f, complex)(make)
