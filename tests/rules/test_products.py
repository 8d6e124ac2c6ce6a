"""Products: their order, what they refuse, and how einsum is asked about."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl


@pytest.mark.parametrize(
    ("f", "keyword"),
    [
        (lambda t: np.matmul(t, t, axes=[(0, 1)] * 3), "axes="),
        (lambda t: np.matmul(t, t, keepdims=True), "keepdims="),
        (lambda t: np.matmul(t, t, out=np.zeros((2, 2))), "out="),
        (lambda t: np.dot(t, t, out=np.zeros((2, 2))), "out="),
        (lambda t: np.einsum("ij,jk", t, t, dtype=float), "dtype="),
        (lambda t: np.einsum("ij,jk", t, t, casting="no"), "casting="),
        (lambda t: np.linalg.multi_dot([t, t], out=np.zeros((2, 2))), "out="),
    ],
)
def test_keywords_that_no_rule_knows_are_refused(f: Any, keyword: str) -> None:
    with pytest.raises(TypeError, match=f"does not take {keyword}"):
        f(tl.Tensor(np.eye(2), requires_grad=True))


def test_the_path_of_an_einsum_is_a_plain_answer() -> None:
    a, b = np.ones((2, 3)), np.ones((3, 4))
    ts = [tl.Tensor(x, requires_grad=True) for x in (a, b)]
    assert np.einsum_path("ij,jk->ik", *ts) == np.einsum_path("ij,jk->ik", a, b)
    assert np.einsum_path(ts[0], [0, 1], ts[1], [1, 2])[0] == np.einsum_path(a, [0, 1], b, [1, 2])[0]
    with pytest.raises(ValueError, match="numbered from 0 to 51"):
        np.einsum(ts[0], [0, 52])


@pytest.mark.parametrize("n", [2, 3])
def test_a_cross_product_is_of_vectors_with_three_components(n: int) -> None:
    with pytest.raises(ValueError, match="both must have 3"):
        np.cross(tl.Tensor(np.ones(2), requires_grad=True), np.ones(n))


def test_the_chain_of_many_matrices_is_multiplied_in_numpys_order() -> None:
    """Bit for bit, which another order would not give."""
    rng = np.random.default_rng(2)
    for n in [*[3] * 50, *rng.integers(2, 8, 50)]:  # of three NumPy decides in another way
        lengths = rng.integers(1, 9, n + 1)
        xs = [rng.normal(size=(m, n)) for m, n in pairwise(lengths)]
        y = np.linalg.multi_dot([tl.Tensor(x) for x in xs])
        assert y.numpy().tobytes() == np.linalg.multi_dot(xs).tobytes()


@pytest.mark.parametrize("subscripts", ["ij,jk->ik", "ij,kj->ik", "bij,bjk->bik", "ij,j->i"])
def test_large_einsums_hand_on_what_small_ones_do(subscripts: str) -> None:
    """The rule looks for matrix products where there is much to multiply."""
    rng = np.random.default_rng(4)
    left, right = subscripts.split("->")[0].split(",")
    length = {"b": 2, "i": 40, "j": 50, "k": 60}
    xs = [rng.normal(size=[length[c] for c in term]) for term in (left, right)]
    y = np.einsum(subscripts, *(ts := [tl.Tensor(x, requires_grad=True) for x in xs]))
    err = rng.normal(size=y.shape)
    y.backward(err)
    out = subscripts.split("->")[1]
    a, b = xs
    np.testing.assert_allclose(ts[0].grad, np.einsum(f"{out},{right}->{left}", err, b), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ts[1].grad, np.einsum(f"{out},{left}->{right}", err, a), rtol=1e-12, atol=1e-12)


def test_the_first_power_of_a_leaf_is_a_node_of_its_own() -> None:
    t = tl.Tensor(np.eye(2), requires_grad=True)
    y = np.linalg.matrix_power(t, 1)
    t.assign(np.zeros((2, 2)))
    np.testing.assert_array_equal(y.numpy(), np.eye(2))
