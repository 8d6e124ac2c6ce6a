"""softmax keeps its digits where one share is nearly 1, and its slope does too."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from tinygrad_lecture import Tensor
from tinygrad_lecture.rules.network import softmax

EPS = 2.0**-52


@pytest.mark.parametrize(
    "a", [[1.0, 2.0, 3.0], [50.0, 0.0, -3.0], [600.0, -80.0, 590.0], [0.0, 0.0, 1.0], [-700.0, 0.0, 0.0]]
)
def test_shares_and_their_slopes_are_right_to_the_last_digits(a: list[float]) -> None:
    """y_k Σ_j y_j (err_k − err_j): err_k − Σ err y would cancel where y_k is nearly 1."""
    err = np.array([1.3, -0.7, 0.4])
    t = Tensor(a, requires_grad=True)
    y = softmax(t)
    y.backward(err)
    with mpmath.workdps(700):
        powers = [mpmath.exp(x) for x in a]
        shares = [p / sum(powers) for p in powers]
        e = [mpmath.mpf(float(x)) for x in err]
        slopes = [s * sum(r * (e[k] - e[j]) for j, r in enumerate(shares)) for k, s in enumerate(shares)]
        np.testing.assert_allclose(y.numpy(), [float(s) for s in shares], rtol=16 * EPS)
        np.testing.assert_allclose(t.grad, [float(s) for s in slopes], rtol=16 * EPS)


def test_softmax_meets_no_overflow_and_no_share_where_it_is_minus_infinity() -> None:
    np.testing.assert_array_equal(softmax(np.array([1e308, -1e308, -np.inf])), [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(softmax([[0, 0], [0, 0]], axis=0), np.full((2, 2), 0.5))
    t = Tensor([0.0, -np.inf], requires_grad=True)
    softmax(t).backward([1.0, 2.0])
    np.testing.assert_array_equal(t.grad, [0.0, 0.0])
    assert softmax(np.float32([1.0, 2.0])).dtype == np.float32
