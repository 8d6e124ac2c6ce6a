"""What the slopes are where a function has a kink, a jump or an infinite slope: one table, one test a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl
from tests.cases import KINKS, Kink

inf, nan = np.inf, np.nan

POWER = {  # (x, p): (slope in x, slope in p); p x^(p−1), 0 for p = 0; y log x, 0 at x = 0 for p > 0, NaN for x < 0
    (0.0, 0.0): (0.0, -inf),
    (0.0, 0.5): (inf, 0.0),
    (0.0, 1.0): (1.0, 0.0),
    (0.0, 2.0): (0.0, 0.0),
    (0.0, -1.0): (-inf, -inf),
    (-2.0, 0.0): (0.0, nan),
    (-2.0, 1.0): (1.0, nan),
    (-2.0, 2.0): (-4.0, nan),
    (-2.0, 3.0): (12.0, nan),
    (-2.0, -1.0): (-0.25, nan),
    (-2.0, 0.5): (nan, nan),
    (2.0, 0.0): (0.0, np.log(2.0)),
    (2.0, 3.0): (12.0, 8.0 * np.log(2.0)),
}


def gradients(f: Any, *xs: Any) -> list[Any]:
    ts = [tl.Tensor(np.array(x), requires_grad=True) for x in xs]
    with np.errstate(all="ignore"):
        y = f(*ts)
    y.backward(np.ones(y.shape))
    return [t.grad for t in ts]


@pytest.mark.parametrize("row", KINKS, ids=lambda row: f"{row.op} at {row.where} is {row.value}")
def test_the_value_at_a_kink(row: Kink) -> None:
    for g, e in zip(gradients(row.f, *row.xs), row.slopes, strict=True):
        np.testing.assert_array_equal(g, np.broadcast_to(e, np.shape(g)))


@pytest.mark.parametrize("form", [np.power, lambda x, p: x**p], ids=["np.power", "**"])
@pytest.mark.parametrize(("x", "p"), POWER)
def test_every_cell_of_the_table_of_powers(x: float, p: float, form: Any) -> None:
    slope_x, slope_p = POWER[x, p]
    np.testing.assert_allclose(gradients(form, x, p), [slope_x, slope_p], rtol=1e-15)
    np.testing.assert_allclose(gradients(lambda t: form(t, p), x), [slope_x], rtol=1e-15)
    if p == int(p):
        np.testing.assert_allclose(gradients(lambda t: form(t, int(p)), x), [slope_x], rtol=1e-15)


def test_slopes_keep_their_digits_in_the_tails() -> None:
    """Against closed forms that do not cancel; 1 − tanh² would be 0 beyond 19, σ(1 − σ) beyond 37."""
    x = np.array([-300.0, -40.0, -20.0, 20.0, 40.0, 300.0])
    e = np.exp(-2 * np.abs(x))
    np.testing.assert_allclose(gradients(np.tanh, x)[0], 4 * e / (1 + e) ** 2, rtol=1e-15)
    e = np.exp(-np.abs(x))
    np.testing.assert_allclose(gradients(tl.logistic, x)[0], e / (1 + e) ** 2, rtol=1e-15)
    b = np.array([1e200])
    np.testing.assert_allclose(gradients(lambda b: 1e100 / b, b)[0], [0.0], atol=1e-300)
    np.testing.assert_allclose(gradients(lambda b: 1e250 / b, b)[0], [-1e-150], rtol=1e-15)
    logits = np.array([[50.0, 0.0]])
    p = np.exp(-50.0) / (1 + np.exp(-50.0))
    np.testing.assert_allclose(
        gradients(lambda a: tl.cross_entropy(a, np.array([0])), logits)[0], [[-p, p]], rtol=1e-15
    )


def test_higher_orders_hold_at_the_middle_of_even_slopes() -> None:
    """logistic, tanh and softplus have slopes written with |x|: their odd orders at 0 must not vanish."""
    for f, third in ((np.tanh, -2.0), (tl.logistic, -0.125), (tl.softplus, 0.0)):
        assert tl.grad(tl.grad(tl.grad(f)))(0.0) == third
    assert tl.grad(tl.grad(tl.softplus))(0.0) == 0.25


def test_logsumexp_meets_infinities() -> None:
    assert tl.logsumexp(np.array([-inf, -inf])) == -inf
    assert tl.logsumexp(np.array([inf, 0.0])) == inf
    assert tl.logsumexp(np.array([1000.0, 1000.0])) == 1000.0 + np.log(2.0)
    np.testing.assert_array_equal(gradients(tl.logsumexp, [-inf, 0.0])[0], [0.0, 1.0])
    np.testing.assert_array_equal(gradients(tl.logsumexp, [inf, 0.0, inf])[0], [0.5, 0.0, 0.5])
    np.testing.assert_array_equal(gradients(tl.logsumexp, [-inf, -inf])[0], [0.5, 0.5])


def test_integers_are_numbers_for_the_stable_functions_too() -> None:
    a = [[1, 2], [3, 5]]
    floats = np.array(a, dtype=float)
    assert tl.logsumexp(a) == tl.logsumexp(floats)
    np.testing.assert_array_equal(tl.log_softmax(a), tl.log_softmax(floats))
    assert tl.cross_entropy(a, [0, 1]) == tl.cross_entropy(floats, [0, 1])
