"""Shapes, and arrays whose numbers keep away from kinks."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Shape = tuple[int, ...]
Shapes = Sequence[Shape]


@st.composite
def shapes(draw: st.DrawFn, min_dims: int = 0, max_dims: int = 3, max_side: int = 3, empty: bool = False) -> Shape:
    """Shapes of few short axes.

    min_dims, max_dims: how many axes; max_side: the longest; empty: whether one draw in ten may have an axis of 0.

    >>> shapes(max_dims=2).filter(len)
    shapes(max_dims=2).filter(len)
    """
    return draw(hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=_least(draw, empty), max_side=max_side))


@st.composite
def broadcastable(draw: st.DrawFn, n: int = 2, max_dims: int = 3, max_side: int = 3, empty: bool = False) -> Shapes:
    """n shapes that broadcast with each other.

    max_dims, max_side, empty: as of `shapes`.

    >>> broadcastable(3)
    broadcastable(n=3)
    """
    whole = draw(st.lists(st.integers(_least(draw, empty), max_side), max_size=max_dims))
    found = []
    for _ in range(n):
        axes = whole[draw(st.integers(0, len(whole))) :]
        found.append(tuple(1 if draw(st.integers(0, 3)) == 3 else side for side in axes))
    return tuple(found)


def _least(draw: st.DrawFn, empty: bool) -> int:
    return 0 if empty and draw(st.integers(0, 9)) == 9 else 1


@st.composite
def values(
    draw: st.DrawFn,
    shapes: Shapes | st.SearchStrategy[Shapes],
    low: float | None = None,
    high: float | None = None,
    avoid: Sequence[float] = (0.0,),
    margin: float = 0.1,
) -> tuple[np.ndarray, ...]:
    """An array for each shape; all numbers lie `margin` apart in size, and as far from what to avoid.

    So no difference quotient of a smaller step meets the kinks of abs, max, sort, maximum, or those at what is avoided.
    shapes: of the arrays, or a strategy for these, such as `broadcastable(2)`; low, high: the ends of the range, by
    default −3 … 3, or as much as all need; avoid: where the kinks are.
    Raises ValueError where the range has no room for so many numbers.

    >>> values([(2, 3), (3,)], low=0.5)
    values(shapes=[(2, 3), (3,)], low=0.5)
    """
    given: Shapes = draw(shapes) if isinstance(shapes, st.SearchStrategy) else shapes
    sizes = [prod(shape) for shape in given]
    if not margin > 0:
        raise ValueError(f"values: margin is {margin}; it must be positive, such as 0.1")
    width = max(3.0, 2 * margin * (sum(sizes) + 1 + 3 * len(avoid)))
    low, high = -width if low is None else low, width if high is None else high
    places = _places(low, high, avoid, margin)
    if sum(sizes) > len(places):
        raise ValueError(
            f"values: {low} … {high} has room for {len(places)} numbers that lie {margin} apart, not for {sum(sizes)}; "
            "widen the range, take a smaller margin, or smaller shapes"
        )
    seed, rough = draw(st.integers(0, 2**32 - 1), label="seed"), draw(st.booleans(), label="rough")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(places) if seed else np.array(places)  # what fails becomes round numbers in order
    numbers = chosen[: sum(sizes)] + rough * margin * rng.uniform(size=sum(sizes))
    parts = np.split(numbers, np.cumsum(sizes)[:-1]) if sizes else []
    return tuple(part.reshape(shape) for part, shape in zip(parts, given, strict=True))


def _places(low: float, high: float, avoid: Sequence[float], margin: float) -> list[float]:
    """Where the stretches of length `margin` begin from which numbers are taken, by size.

    Between two of them lies the same length, between their absolute values too: of each size there is one sign.
    """
    places: list[float] = []
    for k in range(int(max(-low, high) / margin / 2) + 1):
        size = 2 * k * margin
        ends = [(start, start + margin) for start in (size, -size - margin)]
        free = [
            start
            for start, end in ends
            if low <= start and end <= high and all(kink <= start - margin or kink >= end + margin for kink in avoid)
        ]
        if free:
            places.append(round(free[(k + 1) % len(free)], 12))
    return places
