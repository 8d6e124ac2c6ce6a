"""Cases of norms."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .base import (
    Draw,
    Drawn,
    away_from_zero,
    case,
    distinct,
    kink,
    shapes,
)

inf = np.inf
ORDERS = (None, 2, 1, inf, -inf, 0, 3, 4, 2.5, 1.5, 0.5, -1, -2, -0.5, np.float64(3.0))


def apart(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Away from 0, and no two of like size: the extremum of sizes has no tie."""
    return (np.abs(distinct(rng, shape)) % 0.1 + rng.permutation(int(np.prod(shape))).reshape(shape) * 0.2 + 0.5) * (
        rng.choice([-1.0, 1.0], shape)
    )


def norm_by_hand(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    """‖x‖ of numbers that may be complex, where a sign decides by the real part: analytic away from 0."""
    size = np.where(x.real < 0, -x, x)
    if ord is None or ord in ("fro", "f", 2):
        return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
    if ord == 0:
        return np.sum(x != 0, axis=axis, keepdims=keepdims) + 0.0 * np.sum(x, axis=axis, keepdims=keepdims)
    if abs(ord) == inf:
        extreme = np.max if ord > 0 else np.min
        return extreme(size, axis=axis, keepdims=keepdims)
    return np.sum(size**ord, axis=axis, keepdims=keepdims) ** (1.0 / ord)


@case(np.linalg.norm)
def _norm(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = apart(rng, draw(shapes))
    keep = draw(st.booleans())
    forms: list[tuple[Any, Any]] = [(None, None)]
    if x.ndim == 1:
        forms += [(ord, None) for ord in ORDERS]
    if x.ndim >= 1:
        axis = draw(st.integers(-x.ndim, x.ndim - 1))
        forms += [(ord, draw(st.sampled_from([axis, (axis,)]))) for ord in ORDERS]
    if x.ndim >= 2:
        both = tuple(draw(st.permutations(range(x.ndim)))[:2])
        forms += [(ord, both) for ord in (None, "fro", "f")] * 3
    if x.ndim == 2:
        forms += [("fro", None), ("f", None)] * 3
    ord, axis = draw(st.sampled_from(forms))
    f = draw(
        st.sampled_from(
            [
                lambda x: np.linalg.norm(x, ord=ord, axis=axis, keepdims=keep),
                lambda x: np.linalg.norm(x, ord, axis, keep),
            ]
        )
    )
    return Drawn(f, [x], lambda x: norm_by_hand(x, ord, axis, keep))


@case(np.linalg.vector_norm)
def _vector_norm(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = apart(rng, draw(shapes))
    options: dict[str, Any] = {"keepdims": draw(st.booleans())}
    axes = st.lists(st.integers(0, x.ndim - 1), min_size=1, unique=True).map(tuple) if x.ndim else st.none()
    options["axis"] = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1) if x.ndim else st.none(), axes))
    ord = draw(st.sampled_from(ORDERS[1:]))
    given = {} if ord == 2 else {"ord": ord}
    return Drawn(lambda x: np.linalg.vector_norm(x, **options, **given), [x], lambda x: norm_by_hand(x, ord, **options))


@case(np.linalg.matrix_norm)
def _matrix_norm(draw: Draw, rng: np.random.Generator) -> Drawn:
    lead = draw(st.sampled_from([(), (2,), (0,)]))
    x = away_from_zero(rng, (*lead, draw(st.integers(1, 3)), draw(st.integers(1, 3))))
    keep = draw(st.booleans())
    given = draw(st.sampled_from([{}, {"ord": "fro"}]))
    return Drawn(
        lambda x: np.linalg.matrix_norm(x, keepdims=keep, **given),
        [x],
        lambda x: np.sqrt(np.sum(x * x, axis=(-2, -1), keepdims=keep)),
    )


norm = np.linalg.norm
kink(norm, "0", "0", norm, ([0.0, 0.0],), ([0, 0],))
kink(norm, "0, Frobenius", "0", norm, (np.zeros((2, 2)),), (np.zeros((2, 2)),))
kink(norm, "0 in one element, p = 1", "0 there", lambda x: norm(x, 1), ([0.0, -2.0],), ([0, -1],))
kink(norm, "0 in one element, p = ½", "0 there", lambda x: norm(x, 0.5), ([0.0, 4.0],), ([0, 1],))
kink(norm, "0 in one element, p = −1", "0", lambda x: norm(x, -1), ([0.0, 4.0],), ([0, 0],))
kink(norm, "0, p = 3", "0", lambda x: norm(x, 3), ([0.0, 0.0],), ([0, 0],))
kink(norm, "ties, p = ∞", "shared evenly", lambda x: norm(x, inf), ([-2.0, 1.0, 2.0],), ([-0.5, 0, 0.5],))
kink(norm, "ties, p = −∞", "shared evenly", lambda x: norm(x, -inf), ([-2.0, 2.0, 3.0],), ([-0.5, 0.5, 0],))
kink(norm, "0, p = ∞", "0", lambda x: norm(x, inf), ([0.0, 0.0],), ([0, 0],))
kink(norm, "p = 0", "0", lambda x: norm(x, 0), ([0.0, 3.0],), ([0, 0],))
kink(np.linalg.vector_norm, "0", "0", np.linalg.vector_norm, ([[0.0, 0.0]],), ([[0, 0]],))
