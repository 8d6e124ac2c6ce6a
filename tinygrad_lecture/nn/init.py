"""Initial weights: each rule makes a matrix (n_out, n_in), row = target, of a size that follows from an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np

from ..engine.recording import user_frame
from ..misnamed import chosen

Generator = np.random.Generator


def lecture(rng: Generator | int, n_out: int, n_in: int, sigma_x: float = 1.0) -> np.ndarray:
    """Weights U(−r, r) with r = √3 / (σ_x √n): they give net inputs Σ_i w_i x_i of standard deviation 1.

    So tanh starts in its roughly linear range. The lecture computes r = 3/√n: that is this rule for its
    uniform inputs x ~ U(−1, 1), of σ_x = 1/√3; for standardised inputs, of σ_x = 1, it is √3/√n.
    rng: a Generator or a seed; n_in: n, how many sources feed each of n_out targets; sigma_x: σ of the
    independent inputs of mean zero. Returns (n_out, n_in), row = target.
    Raises ValueError for sizes below 1 or a sigma_x that is not positive and finite. Source: C14.
    """
    _must_be_sizes(n_out, n_in)
    if not 0 < sigma_x < np.inf:
        raise ValueError(f"sigma_x must be positive and finite, not {sigma_x}")
    return _uniform(rng, n_out, n_in, np.sqrt(3.0) / (sigma_x * np.sqrt(n_in)))


def standard(rng: Generator | int, n_out: int, n_in: int, r: float = 0.3) -> np.ndarray:
    """Weights U(−r, r), r = 0.3 whatever the sizes: the "standard programme"; assumes moderate widths.

    Raises ValueError for an r that is negative or not finite. Source: C15.
    """
    if not 0 <= r < np.inf:
        raise ValueError(f"r must be finite and not negative, not {r}")
    _must_be_sizes(n_out, n_in)
    return _uniform(rng, n_out, n_in, r)


def glorot_uniform(rng: Generator | int, n_out: int, n_in: int) -> np.ndarray:
    """U(−r, r), r = √(6/(n_in + n_out)): keeps the size of signals upwards and of errors downwards alike.

    Assumes activations of slope 1 around 0 (tanh). Source: Glorot and Bengio 2010.
    """
    _must_be_sizes(n_out, n_in)
    return _uniform(rng, n_out, n_in, np.sqrt(6.0 / (n_in + n_out)))


def glorot_normal(rng: Generator | int, n_out: int, n_in: int) -> np.ndarray:
    """N(0, σ²), σ = √(2/(n_in + n_out)): as `glorot_uniform`. Source: Glorot and Bengio 2010."""
    _must_be_sizes(n_out, n_in)
    return _normal(rng, n_out, n_in, np.sqrt(2.0 / (n_in + n_out)))


def he_uniform(rng: Generator | int, n_out: int, n_in: int) -> np.ndarray:
    """U(−r, r), r = √(6/n_in): keeps the size of signals though relu stops half of them. Source: He et al. 2015."""
    _must_be_sizes(n_out, n_in)
    return _uniform(rng, n_out, n_in, np.sqrt(6.0 / n_in))


def he_normal(rng: Generator | int, n_out: int, n_in: int) -> np.ndarray:
    """N(0, σ²), σ = √(2/n_in): as `he_uniform`, for relu. Source: He et al. 2015."""
    _must_be_sizes(n_out, n_in)
    return _normal(rng, n_out, n_in, np.sqrt(2.0 / n_in))


def lecun(rng: Generator | int, n_out: int, n_in: int) -> np.ndarray:
    """N(0, σ²), σ = 1/√n_in: net inputs of standard deviation 1 for standardised inputs. Source: LeCun et al. 1998."""
    _must_be_sizes(n_out, n_in)
    return _normal(rng, n_out, n_in, 1.0 / np.sqrt(n_in))


def orthogonal(rng: Generator | int, n_out: int, n_in: int) -> np.ndarray:
    """A random matrix with orthonormal rows or columns, whichever are fewer: it keeps lengths and angles.

    Drawn evenly from all such (signs by the diagonal of R). Source: Saxe, McClelland and Ganguli 2014.
    """
    _must_be_sizes(n_out, n_in)
    tall = np.random.default_rng(rng).normal(size=(max(n_out, n_in), min(n_out, n_in)))
    q, r = np.linalg.qr(tall)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return np.ascontiguousarray(q if n_out >= n_in else q.T)


def zeros(rng: Generator | int, n_out: int, n_in: int) -> np.ndarray:
    """All 0: every hidden neuron of a layer then stays like its neighbours; for biases and for showing just that."""
    return constant(rng, n_out, n_in, 0.0)


def constant(rng: Generator | int, n_out: int, n_in: int, value: float = 0.1) -> np.ndarray:
    """All of one value: as `zeros`, no neuron can become different from its neighbours."""
    _must_be_sizes(n_out, n_in)
    return np.full((n_out, n_in), float(value))


INITS: dict[str, Callable[..., np.ndarray]] = {
    "lecture": lecture,
    "standard": standard,
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun": lecun,
    "orthogonal": orthogonal,
    "zeros": zeros,
    "constant": constant,
}
"""Name → rule, called as rule(rng, n_out, n_in, **options)."""


def initial_weights(
    name: str,
    shapes: Mapping[str, tuple[int, ...]],
    rng: Generator | int,
    side_by_side: Iterable[Sequence[str]] = (),
    dtype: Any = np.float64,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Initial values for named weights: matrices by a rule of INITS, in their order from one generator, biases 0.

    side_by_side: names of matrices that feed the same cluster. They are drawn as one matrix and split, since a net
    input sums over all their columns: n is the number of all its sources. A shared one is drawn where it comes first.
    dtype: of what is returned; all is drawn in double precision. options: of the rule, as sigma_x of "lecture". Raises
    ValueError, naming those that exist, for an unknown rule, TypeError for an option that the rule does not have.
    Source: C14, C15.
    """
    rule = chosen(INITS, "initialisation", name)
    _must_be_options(name, options)
    rng = np.random.default_rng(rng)
    matrices = [key for key, shape in shapes.items() if len(shape) == 2]
    group_of = {key: tuple(group) for group in reversed(list(side_by_side)) for key in group}
    drawn: dict[str, np.ndarray] = {}
    for first in matrices:
        group = group_of.get(first, (first,))
        if first in drawn:
            continue
        widths = [shapes[key][1] for key in group]
        parts = _split(rule(rng, shapes[first][0], sum(widths), **options), widths, dtype)
        for key, part in zip(group, parts, strict=True):
            drawn.setdefault(key, part)
    return {key: drawn[key] if key in drawn else np.zeros(shape, dtype) for key, shape in shapes.items()}


def _split(whole: np.ndarray, widths: Sequence[int], dtype: Any) -> list[np.ndarray]:
    """A matrix as several of such widths, side by side."""
    return [np.ascontiguousarray(part, dtype) for part in np.split(whole, np.cumsum(widths)[:-1], axis=1)]


def warn_of_spread(x: np.ndarray, sigma_x: float = 1.0) -> None:
    """Warn where inputs have another spread than the rule "lecture" assumed for its weights.

    x: (T, n). It warns where the root of the mean square of the inputs is not within a factor of 2 of sigma_x, since
    net inputs then do not have the standard deviation 1 that the rule promises. Source: C14.
    """
    with np.errstate(over="ignore"):  # then the spread is told as inf
        spread = float(np.sqrt(np.mean(np.square(x, dtype=float)))) if np.size(x) else sigma_x
    if not sigma_x / 2 <= spread <= 2 * sigma_x:
        import warnings

        warnings.warn(
            f"the initialisation 'lecture' assumed inputs of spread {sigma_x:g}, these have {spread:.3g}: net inputs "
            f"start with standard deviation {spread / sigma_x:.2g}, not 1. Standardise them (data.standardise)",
            stacklevel=1 + len(user_frame()[1]),  # where the user trains
        )


def _uniform(rng: Generator | int, n_out: int, n_in: int, r: float) -> np.ndarray:
    return np.random.default_rng(rng).uniform(-r, r, size=(n_out, n_in))


def _normal(rng: Generator | int, n_out: int, n_in: int, sigma: float) -> np.ndarray:
    return np.random.default_rng(rng).normal(0.0, sigma, size=(n_out, n_in))


def _must_be_sizes(n_out: int, n_in: int) -> None:
    if n_out < 1 or n_in < 1:
        raise ValueError(f"weights of {n_out} targets from {n_in} sources: both must be at least 1")


def _must_be_options(name: str, options: Mapping[str, Any]) -> None:
    known = list(signature(INITS[name]).parameters)[3:]
    for option in options:
        if option not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise TypeError(f"initialisation {name!r} has no option {option!r}; {has}")
