"""All weights in one vector: views by name, versions, copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.weights import Weights

SHAPES: dict[str, tuple[int, ...]] = {"W1": (3, 2), "b1": (3,), "W2": (1, 3)}


def filled() -> Weights:
    weights = Weights(SHAPES)
    weights.assign(np.arange(12.0))
    return weights


def test_names_are_views_into_the_packed_vector() -> None:
    weights = filled()
    assert weights.w.tolist() == list(range(12))
    assert weights.parameters["W1"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert weights.parameters["b1"].tolist() == [6, 7, 8]
    assert weights.parameters["W2"].tolist() == [[9, 10, 11]]
    assert all(np.shares_memory(a, weights.w) for a in weights.parameters.values())
    assert weights.places == {"W1": slice(0, 6), "b1": slice(6, 9), "W2": slice(9, 12)}
    weights.assign({"b1": [0.0, 0.0, 1.0]})
    assert weights.w.tolist() == [0, 1, 2, 3, 4, 5, 0, 0, 1, 9, 10, 11]


def test_views_are_read_only() -> None:
    weights = filled()
    for view in (weights.w, weights.g, *weights.parameters.values()):
        with pytest.raises(ValueError, match="read-only"):
            view[...] = 0.0


def test_packed_and_named_are_each_others_way_back() -> None:
    weights, v = filled(), np.random.default_rng(0).normal(size=12)
    assert np.array_equal(weights.packed(weights.named(v)), v)
    assert {name: a.shape for name, a in weights.named(list(v)).items()} == SHAPES


def test_the_gradient_is_collected_from_the_leaves_into_the_same_places() -> None:
    weights = filled()
    (np.sum(weights.leaves["W2"] * np.array([[1.0, 2.0, 3.0]])) + weights.leaves["b1"][1]).backward()
    g = weights.collect()
    assert g.tolist() == [0] * 6 + [0, 1, 0] + [1, 2, 3]
    assert g is not weights.g
    assert np.array_equal(g, weights.g)
    assert all(t.grad is None for t in weights.leaves.values())
    assert not np.any(weights.collect())


def test_a_walk_over_weights_that_were_overwritten_is_refused() -> None:
    net = MLP([2, 3, 1])
    y = np.sum(net(np.ones((4, 2)), net.leaves))
    net.assign(net.w)  # also by the same values: nobody knows
    with pytest.raises(RuntimeError, match="overwritten"):
        y.backward()
    np.sum(net(np.ones((4, 2)), net.leaves)).backward()


def test_an_error_on_its_way_to_the_inputs_notices_overwritten_weights_too() -> None:
    net = MLP([2, 3, 1])
    x = tl.Tensor(np.ones((4, 2)), requires_grad=True)
    y = np.sum(net(x))
    net.assign(2 * net.w)
    with pytest.raises(RuntimeError, match="overwritten"):
        y.backward()


@pytest.mark.parametrize(
    "view",
    [np.transpose, np.ravel, np.positive, lambda t: t[0], lambda t: t.astype(np.float32), lambda t: np.sum(t[1:].T)],
    ids=["transposed", "flat", "copied", "a row", "cast", "summed"],
)
def test_a_walk_through_a_view_of_overwritten_weights_is_refused(view: Any) -> None:
    net = MLP([2, 3, 1])
    y = np.sum(view(net.leaves["W1"]) ** 2)
    net.assign({"b1": np.zeros(3)})  # all have one version
    with pytest.raises(RuntimeError, match=r"leaf of shape \(3, 2\) that went into .* was overwritten by assign"):
        y.backward()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_added_is_the_sum_in_place_under_a_new_version(dtype: Any) -> None:
    net = MLP([2, 3, 1], rng=0, dtype=dtype)
    w, delta = net.w, np.random.default_rng(1).normal(size=net.w.size)
    expected = (net.w + delta).astype(dtype)
    y = np.sum(net(np.ones((4, 2)), net.leaves))
    net.weights.add(delta)
    assert np.array_equal(net.w, expected)
    assert np.shares_memory(net.w, w)
    with pytest.raises(RuntimeError, match="overwritten"):
        y.backward()


def test_weights_are_assigned_from_one_another_as_they_were_before() -> None:
    net = tl.Network(
        [tl.Cluster("x", 3), tl.Cluster("h", 3, "tanh"), tl.Cluster("y", 3)],
        [tl.Connector("x", "h"), tl.Connector("h", "y")],
    )
    W1, W2 = net.parameters["W1"], net.parameters["W2"]
    before = W1.copy(), W2.copy()
    net.assign({"W1": W2.T, "W2": W1})
    assert np.array_equal(W1, before[1].T)
    assert np.array_equal(W2, before[0])


def test_what_the_dtype_cannot_hold_leaves_all_as_it_was_where_it_is_an_error() -> None:
    net = MLP([2, 3, 1], dtype=np.float32)
    before, y = net.w.copy(), np.sum(net(np.ones((4, 2)), net.leaves))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        net.assign({"W1": np.ones((3, 2)), "W2": np.full((1, 3), 1e300)})
    assert np.array_equal(net.w, before)
    y.backward()


@pytest.mark.parametrize("write", [lambda net: net.assign(net.w), lambda net: net.weights.add(0 * net.w)])
def test_a_gradient_goes_with_the_weights_it_was_found_at(write: Any) -> None:
    net = MLP([2, 3, 1])
    assert not np.any(net.g)
    np.sum(net(np.ones((4, 2)), net.leaves)).backward()
    kept = net.collect()
    values = kept.copy()
    write(net)
    assert net.g.shape == net.w.shape
    assert not np.any(net.g)
    np.sum(net(np.zeros((4, 2)), net.leaves)).backward()
    net.collect()
    assert np.array_equal(kept, values)  # who holds it, keeps it


@pytest.mark.parametrize("shape", [lambda t: t, lambda t: t.T], ids=["as it is", "transposed"])
def test_detached_weights_keep_their_values_and_the_gradient_by_what_they_meet_stays_right(shape: Any) -> None:
    net = MLP([2, 3, 1], rng=0)
    before = shape(net.leaves["W1"]).numpy()
    kept = shape(net.leaves["W1"]).detach()
    x = tl.Tensor(np.ones(before.shape), requires_grad=True)
    y = np.sum(kept * x)
    net.assign(2 * net.w)
    y.backward()
    assert np.array_equal(x.grad, before)
    assert np.array_equal(kept.numpy(), before)


def test_leaves_see_what_was_assigned() -> None:
    weights = filled()
    weights.assign(-weights.w)
    assert weights.leaves["b1"].numpy().tolist() == [-6, -7, -8]
    assert weights.constants["b1"].numpy().tolist() == [-6, -7, -8]


def test_a_leaf_that_was_assigned_by_itself_is_noticed_and_mended() -> None:
    weights = filled()
    weights.leaves["b1"].assign(np.zeros(3))
    with pytest.raises(
        RuntimeError, match=r"'b1' was assigned to by itself.*write it with net.assign\({'b1': values}\)"
    ):
        weights.leaves  # noqa: B018
    weights.assign({"b1": np.ones(3)})
    assert weights.leaves["b1"].numpy().tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deepcopy", "pickle"]
)
def test_a_copy_of_a_net_is_whole_and_its_own(again: Any) -> None:
    net = MLP([2, 3, 1], rng=1)
    np.sum(net(np.ones((4, 2)), net.leaves)).backward()
    net.collect()
    twin = again(net)
    assert np.array_equal(twin.w, net.w)
    assert np.array_equal(twin.g, net.g)
    twin.assign(0 * twin.w)
    assert np.any(net.w)
    assert not np.any(twin(np.ones((4, 2))))
    assert not np.any(twin.leaves["W1"].numpy())
    assert np.shares_memory(twin.parameters["W1"], twin.w)


def test_nets_that_share_weights_share_them_in_a_common_copy_too() -> None:
    net = MLP([2, 3, 1])
    a, b = copy.deepcopy((net, net.blocked("b1")))
    a.assign(0 * a.w)
    assert not np.any(b.w)


def test_float32_weights_stay_float32() -> None:
    weights = Weights(SHAPES, np.float32)
    weights.assign(np.arange(12))
    assert weights.w.dtype == weights.g.dtype == weights.leaves["W1"].dtype == np.float32
    assert weights.packed(weights.parameters).dtype == np.float32


def test_assigning_inside_a_transform_is_refused() -> None:
    net = MLP([1, 1])

    def f(x: Any) -> Any:
        net.assign(0 * net.w)
        return np.sum(net(x))

    before = net.w.copy()
    with pytest.raises(TypeError, match=r"inside a transform or a recording.*pass new weights to the net instead"):
        tl.grad(f)(np.ones((2, 1)))
    assert np.array_equal(net.w, before)


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda w: w.assign(np.ones(11)), ValueError, r"12 weights are needed, as one vector of numbers; .*\(11,\)"),
        (lambda w: w.assign(np.ones(12, complex)), ValueError, "of shape .* and dtype complex128"),
        (lambda w: w.assign(np.ones(12, bool)), ValueError, "and dtype bool"),
        (lambda w: w.assign({"W3": np.ones(1)}), ValueError, "unknown parameter 'W3'; this net has W1, b1, W2"),
        (lambda w: w.assign({"b1": np.ones(2)}), ValueError, r"b1 has shape \(2,\), this net needs \(3,\)"),
        (lambda w: w.assign({"b1": ["a", "b", "c"]}), ValueError, "b1 must be real numbers, not of dtype <U1"),
        (lambda w: w.assign({"b1": np.ones(3, complex)}), ValueError, "b1 must be real numbers, not of dtype complex"),
        (lambda w: w.packed({"W1": np.ones((3, 2))}), ValueError, "parameters lack b1, W2; this net has W1, b1, W2"),
        (lambda w: w.named(np.ones(11)), ValueError, r"packed vector has shape \(12,\), an array of shape \(11,\)"),
        (lambda w: Weights(SHAPES, int), TypeError, "dtype must be floating, not int64: integers have no gradient"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    act: Any, error: type[Exception], message: str
) -> None:
    weights = filled()
    with pytest.raises(error, match=message):
        act(weights)
    assert weights.w.tolist() == list(range(12))


def test_gradients_set_by_hand_are_packed_in_the_dtype_and_shape_of_the_weights() -> None:
    net = tl.MLP([2, 3, 1], dtype=np.float32)
    for t in net.leaves.values():
        t.grad = np.float64(2.0)
    g = net.collect()
    assert g.dtype == np.float32
    np.testing.assert_array_equal(g, np.full(net.w.size, 2.0, np.float32))


PACKS: dict[str, Any] = {
    "collect": lambda net: net.collect(),
    "update": lambda net: tl.update(net, tl.GradientDescent(), {}),
    "pieces": lambda net: list(net.weights.gradients(2)),
}


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
@pytest.mark.parametrize("wrong", [np.ones((2, 3)), np.ones(6), np.ones((3, 1)), np.ones((1, 1))], ids=np.shape)
def test_a_gradient_of_another_shape_than_its_leaf_is_refused(pack: Any, wrong: Any) -> None:
    net = tl.MLP([2, 3, 1])
    before = net.w.copy()
    net.leaves["W1"].grad = wrong
    with pytest.raises(ValueError, match=r"the gradient of 'W1' has shape .*, its weights \(3, 2\); set grad to"):
        pack(net)
    assert np.array_equal(net.w, before)
    assert net.leaves["W1"].grad is wrong


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_gradients_of_weights_of_which_one_was_written_by_itself_are_not_packed(pack: Any) -> None:
    net = tl.MLP([2, 3, 1])
    net.leaves["b1"].assign(np.zeros(3))
    with pytest.raises(RuntimeError, match="'b1' was assigned to by itself"):
        pack(net)


@pytest.mark.parametrize("values", [lambda w: np.ma.masked_array(w, w > 0), lambda w: {"b1": np.ma.zeros(3)}])
def test_a_mask_is_not_dropped_without_a_word(values: Any) -> None:
    net = MLP([2, 3, 1])
    with pytest.raises(TypeError, match="a MaskedArray is more than its numbers"):
        net.assign(values(net.w))


VIEWS: dict[str, Any] = {
    "transposed": np.transpose,
    "reshaped": lambda t: np.reshape(t, -1),
    "a part": lambda t: t[:1],
    "one row": lambda t: t[0],
    "broadcast": lambda t: np.broadcast_to(t, (4, *t.shape)),
    "a view of a view": lambda t: np.reshape(np.transpose(t)[:1], -1),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_of_weights_that_remembers_nothing_keeps_its_values(name: str) -> None:
    net = MLP([3, 2], bias=False)
    with tl.no_grad():
        seen = VIEWS[name](net.leaves["W1"])
    constant = VIEWS[name](net.weights.constants["W1"])
    before = seen.numpy()
    np.testing.assert_array_equal(constant.numpy(), before)
    net.assign(0.0 * net.w)
    for t in (seen, constant):
        np.testing.assert_array_equal(t.numpy(), before)
        x = tl.Tensor(np.ones(before.shape), requires_grad=True)
        np.sum(x * t).backward()
        np.testing.assert_array_equal(x.grad, before)
