"""Initial weights of a size that follows from an argument."""

from __future__ import annotations

import numpy as np


def lecture(rng: np.random.Generator | int, n_out: int, n_in: int, sigma_x: float = 1.0) -> np.ndarray:
    """Weights U(−r, r) with r = √3 / (σ_x √n): they give net inputs Σ_i w_i x_i of standard deviation 1.

    So tanh starts in its roughly linear range. The lecture computes r = 3/√n: that is this rule for its
    uniform inputs x ~ U(−1, 1), of σ_x = 1/√3; for standardised inputs, of σ_x = 1, it is √3/√n.
    rng: a Generator or a seed; n_in: n, how many sources feed each of n_out targets; sigma_x: σ of the
    independent inputs of mean zero. Returns (n_out, n_in), row = target.
    Raises ValueError for sizes below 1 or a sigma_x that is not positive and finite. Source: C14.
    """
    if n_out < 1 or n_in < 1:
        raise ValueError(f"weights of {n_out} targets from {n_in} sources: both must be at least 1")
    if not 0 < sigma_x < np.inf:
        raise ValueError(f"sigma_x must be positive and finite, not {sigma_x}")
    r = np.sqrt(3.0) / (sigma_x * np.sqrt(n_in))
    return np.random.default_rng(rng).uniform(-r, r, size=(n_out, n_in))
