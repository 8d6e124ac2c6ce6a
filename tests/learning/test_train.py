"""The training loop: against loops written by hand, what it refuses, and how it stops."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.profiles import tries
from tinygrad_lecture.learning import training
from tinygrad_lecture.learning.experiment import train_with
from tinygrad_lecture.learning.metaparameters import Metaparameters
from tinygrad_lecture.learning.patterns import how_many
from tinygrad_lecture.learning.rules import RULES, Adam, GradientDescent, Momentum, VarioEta
from tinygrad_lecture.learning.schedules import Constant, StepDecay
from tinygrad_lecture.learning.train import NotFiniteError, train
from tinygrad_lecture.learning.training import Training
from tinygrad_lecture.nn.losses import LOSSES, squared, squared_error
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.topology import Cluster, Connector
from tinygrad_lecture.nn.weights import Weights

X = np.random.default_rng(1).normal(size=(13, 2))
TARGET = np.tanh(X[:, :1] - 0.5 * X[:, 1:])


def by_hand(net: MLP, w: np.ndarray) -> tuple[np.ndarray, ...]:
    """W1, b1, W2, b2 of a net 2-3-1 out of its packed vector."""
    return w[:6].reshape(3, 2), w[6:9], w[9:12].reshape(1, 3), w[12:]


def gradients_by_hand(net: MLP, w: np.ndarray, x: np.ndarray, target: np.ndarray) -> np.ndarray:
    """g_t of every pattern, packed, by the δ formulas of C1: (T, n)."""
    W1, b1, W2, b2 = by_hand(net, w)
    hid = np.tanh(x @ W1.T + b1)
    delta_out = hid @ W2.T + b2 - target
    delta_hid = (1 - hid**2) * (delta_out @ W2)
    of_w1 = delta_hid[:, :, None] * x[:, None, :]
    of_w2 = delta_out[:, :, None] * hid[:, None, :]
    T = len(x)
    return np.hstack([of_w1.reshape(T, -1), delta_hid, of_w2.reshape(T, -1), delta_out])


def trained_by_hand(net: MLP, batch_size: int | None, epochs: int, seed: int, update: Any) -> tuple[np.ndarray, list]:
    """Weights after such a training, and the mean error of each epoch, in plain NumPy."""
    w, rng, errors = net.w.copy(), np.random.default_rng(seed), []
    for _ in range(epochs):
        order = np.arange(len(X)) if batch_size is None else rng.permutation(len(X))
        size = batch_size or len(X)
        total = 0.0
        for begin in range(0, len(X), size):
            x, target = X[order[begin : begin + size]], TARGET[order[begin : begin + size]]
            W1, b1, W2, b2 = by_hand(net, w)
            out = np.tanh(x @ W1.T + b1) @ W2.T + b2
            total += 0.5 * np.sum((out - target) ** 2)
            w = w + update(gradients_by_hand(net, w, x, target))
        errors.append(total / len(X))
    return w, errors


@pytest.mark.parametrize("batch_size", [1, 4, 5, 13, 100, None])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=tries(5))
def test_every_batch_size_is_one_loop_and_equals_a_loop_by_hand(batch_size: int | None, seed: int) -> None:
    net = MLP([2, 3, 1], rng=seed)
    w, errors = trained_by_hand(net, batch_size, 3, seed, lambda g: -0.1 * g.mean(axis=0))
    history = train(net, (X, TARGET), rule=GradientDescent(0.1), batch_size=batch_size, epochs=3, rng=seed)
    # sums in another order: some rounding for each of at most 39 updates
    np.testing.assert_allclose(net.w, w, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(history.error, errors, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [5, None])
def test_vario_eta_takes_the_spread_of_the_gradients_of_each_batch(batch_size: int | None) -> None:
    net = MLP([2, 3, 1])
    w, _ = trained_by_hand(net, batch_size, 2, 0, lambda g: -0.01 * g.mean(0) / (g.std(0) + 1e-8))
    train(net, (X, TARGET), rule=VarioEta(eta=0.01), batch_size=batch_size, epochs=2)
    np.testing.assert_allclose(net.w, w, rtol=1e-9)  # the deviations of the batch amplify the rounding of means


def test_vario_eta_takes_the_spread_of_the_epoch_where_a_batch_is_one_pattern() -> None:
    net = MLP([2, 3, 1])
    w = net.w.copy()
    sigma = gradients_by_hand(net, w, X, TARGET).std(axis=0)
    for t in np.random.default_rng(0).permutation(len(X)):
        w = w - 0.001 * gradients_by_hand(net, w, X[t : t + 1], TARGET[t : t + 1])[0] / (sigma + 1e-8)
    train(net, (X, TARGET), rule=VarioEta(eta=0.001), batch_size=1, epochs=1)
    np.testing.assert_allclose(net.w, w, rtol=1e-9)


def test_a_last_batch_of_one_pattern_takes_the_spread_of_all_patterns() -> None:
    net = MLP([2, 3, 1])
    train(net, (X, TARGET), rule=VarioEta(eta=0.01), batch_size=4, epochs=5)  # 13 = 3 · 4 + 1
    assert np.abs(net.w).max() < 10  # g / ε in place of g / σ would move weights by about 1e5


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_lowers_every_loss(rule: str, loss: str) -> None:
    classes = (X[:, 0] > X[:, 1]).astype(int)
    target = classes if loss == "cross_entropy" else classes[:, None].astype(float)
    net = MLP([2, 4, 2 if loss == "cross_entropy" else 1])
    before = float(LOSSES[loss](net(X), target))
    train(net, (X, target), rule=rule, loss=loss, batch_size=None, epochs=30)
    assert float(LOSSES[loss](net(X), target)) < before


def test_the_same_seed_gives_the_same_order_and_another_seed_another() -> None:
    ends = []
    for seed in (3, 3, np.random.default_rng(3), 4):
        net = MLP([2, 3, 1])
        train(net, (X, TARGET), batch_size=1, epochs=2, rng=seed)
        ends.append(net.w.tobytes())
    assert ends[0] == ends[1] == ends[2] != ends[3]


def test_each_epoch_meets_every_pattern_once_in_a_new_order() -> None:
    training = Training(MLP([2, 3, 1]), (X, TARGET), rule="gradient_descent", loss="squared_error", batch_size=4, rng=0)
    first, second = ([batch for some in training._batches() for batch in some] for _ in range(2))
    assert [len(batch) for batch in first] == [4, 4, 4, 1]
    assert sorted(np.concatenate(first)) == sorted(np.concatenate(second)) == list(range(13))
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))


def test_a_schedule_gives_eta_by_the_number_of_the_update() -> None:
    seen: list[int] = []

    def eta(update: int) -> float:
        seen.append(update)
        return 0.1 / (1 + update)

    net = MLP([2, 3, 1])
    history = train(net, (X, TARGET), batch_size=5, epochs=2, schedule=eta)
    assert seen == list(range(6))
    assert history.eta == [0.1 / 3, 0.1 / 6]


def test_a_constant_schedule_changes_nothing() -> None:
    a, b = MLP([2, 3, 1]), MLP([2, 3, 1])
    train(a, (X, TARGET), rule=Momentum(eta=0.05), epochs=3)
    train(b, (X, TARGET), rule=Momentum(eta=0.9), schedule=Constant(0.05), epochs=3)
    assert a.w.tobytes() == b.w.tobytes()


def test_validation_is_measured_after_each_epoch_and_not_learnt() -> None:
    a, b = MLP([2, 3, 1]), MLP([2, 3, 1])
    history = train(a, (X[:8], TARGET[:8]), epochs=3, validation=(X[8:], TARGET[8:]))
    without = train(b, (X[:8], TARGET[:8]), epochs=3)
    assert a.w.tobytes() == b.w.tobytes()
    out = a(X[8:])
    assert history.validation[-1] == pytest.approx(0.5 * np.mean((out - TARGET[8:]) ** 2), rel=1e-14)
    assert without.validation == [None] * 3


def test_errors_of_single_updates_are_kept_when_asked_for() -> None:
    history = train(MLP([2, 3, 1]), (X, TARGET), batch_size=5, epochs=2, per_update=True)
    assert len(history.updates) == 6
    sizes = np.array([5, 5, 3])
    np.testing.assert_allclose(history.error[0], np.sum(sizes * history.updates[:3]) / 13, rtol=1e-14)


def test_norms_are_those_of_the_gradients_and_of_the_weights() -> None:
    net = MLP([2, 3, 1])
    g = gradients_by_hand(net, net.w, X, TARGET).mean(axis=0)
    history = train(net, (X, TARGET), batch_size=None, epochs=1)
    assert history.gradient_norm[0] == pytest.approx(np.linalg.norm(g), rel=1e-12)
    assert history.weight_norm[0] == pytest.approx(np.linalg.norm(net.w), rel=1e-14)


def test_a_float32_net_stays_float32_and_computes_in_it() -> None:
    net = MLP([2, 3, 1], dtype=np.float32)
    training = Training(net, (X, TARGET), rule="adam", loss="squared_error", batch_size=4, rng=0)
    assert training.x.dtype == training.target.dtype == np.float32
    train(net, (X, TARGET), rule=Adam(), epochs=3)
    assert net.w.dtype == np.float32
    assert np.all(np.isfinite(net.w))


def test_class_numbers_stay_whole_while_shares_of_classes_take_the_dtype_of_the_net() -> None:
    options: dict[str, Any] = {"rule": "adam", "loss": "cross_entropy", "batch_size": 4, "rng": 0}
    net, classes = MLP([2, 3, 2], dtype=np.float32), np.arange(13) % 2
    assert Training(net, (X, classes), **options).target.dtype == classes.dtype
    assert Training(net, (X, np.eye(2)[classes]), **options).target.dtype == np.float32


def test_patterns_that_have_the_dtype_of_the_net_are_not_copied() -> None:
    training = Training(MLP([2, 3, 1]), (X, TARGET), rule="adam", loss="squared_error", batch_size=4, rng=0)
    assert training.x is X
    assert training.target is TARGET


def test_without_options_it_is_100_epochs_of_descent_by_batches_of_32_from_seed_0() -> None:
    x = np.random.default_rng(0).normal(size=(70, 2))
    said, left_out = MLP([2, 3, 1]), MLP([2, 3, 1])
    options = {"rule": "gradient_descent", "loss": "squared_error", "batch_size": 32, "epochs": 100, "rng": 0}
    history = train(said, (x, x[:, :1]), schedule=None, **options)
    assert len(history) == len(train(left_out, (x, x[:, :1]))) == 100
    assert left_out.w.tobytes() == said.w.tobytes()
    assert history.updates == []


def test_patterns_may_be_a_data_set_or_dicts_for_several_inputs() -> None:
    net = Network(
        [Cluster("a", 1), Cluster("b", 1), Cluster("y", 1)], [Connector("a", "y"), Connector("b", "y")], init="standard"
    )
    x = {"a": X[:, :1], "b": X[:, 1:]}
    history = train(net, (x, X[:, :1] - X[:, 1:]), epochs=200, batch_size=4)
    assert history.error[-1] < 1e-8
    np.testing.assert_allclose(net.w, [1, -1], atol=1e-3)


def test_zero_epochs_change_nothing() -> None:
    net = MLP([2, 3, 1])
    before = net.w.tobytes()
    history = train(net, (X, TARGET), epochs=0)
    assert (len(history), history.stopped, net.w.tobytes()) == (0, "epochs", before)


# what is refused, before anything is changed


NAN = np.where(np.arange(13)[:, None] == 4, np.nan, X)


@pytest.mark.parametrize(
    ("patterns", "options", "message"),
    [
        ((NAN, TARGET), {}, r"patterns: inputs hold NaN or infinite numbers, the first in pattern 4"),
        ((X, NAN[:, :1]), {}, r"patterns: targets hold NaN or infinite numbers, the first in pattern 4"),
        ((X[:5], TARGET), {}, r"patterns: there are 5 inputs, but 13 targets"),
        ((X[:0], TARGET[:0]), {}, r"patterns: there are none"),
        (X, {}, r"patterns must be a pair \(inputs, targets\)"),
        (np.stack([X, X]), {}, r"patterns must be a pair \(inputs, targets\)"),
        ((X, TARGET, TARGET), {}, r"patterns must be a pair \(inputs, targets\)"),
        (SimpleNamespace(inputs=X), {}, r"patterns must be a pair .*, or have \.inputs and \.targets"),
        (SimpleNamespace(targets=TARGET), {}, r"patterns must be a pair .*, or have \.inputs and \.targets"),
        ((0.5, 0.5), {}, r"patterns: there are none"),
        ((X.astype(str), TARGET), {}, r"patterns: inputs must be numbers, not <U"),
        ((X[:, :1], TARGET), {}, r"^patterns: x has shape \(13, 1\), but the net has 2 inputs: the last axis must"),
        (
            (X, TARGET),
            {"validation": (X[:, :1], TARGET)},
            r"^validation: x has shape \(13, 1\), but the net has 2 inputs",
        ),
        ((X, TARGET[:, 0]), {}, r"outputs have shape \(13, 1\), targets \(13,\).*; write target\[:, None\]"),
        ((X, X), {}, r"patterns: squared_error: outputs have shape \(13, 1\), targets \(13, 2\)"),
        ((X, TARGET), {"validation": (X, TARGET[:, 0])}, r"validation: squared_error: outputs"),
        ((X, TARGET), {"batch_size": 0}, r"batch_size must lie in \[1, ∞\), not be 0"),
        ((X, TARGET), {"epochs": -1}, r"epochs must lie in \[0, ∞\), not be -1"),
        ((X, TARGET), {"every": 0}, r"every must lie in \[1, ∞\), not be 0"),
        ((X, TARGET), {"loss": "cube"}, r"unknown loss 'cube'; choose one of squared_error"),
        ((X, TARGET), {"rule": "luck"}, r"unknown learning rule 'luck'; choose one of gradient_descent"),
        ((X, TARGET), {"resume": True}, r"resume=True needs the checkpoint to resume from"),
    ],
)
def test_what_does_not_fit_is_refused(patterns: Any, options: dict[str, Any], message: str) -> None:
    net = MLP([2, 3, 1])
    before = net.w.tobytes()
    with pytest.raises(ValueError, match=message):
        train(net, patterns, **options)
    assert net.w.tobytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 2.5}, r"batch_size must be a whole number, not 2\.5"),
        ({"rule": Momentum}, r"rule must be a learning rule, as Momentum\(eta=0\.1\), or its name"),
        ({"rule": 0.1}, r"rule must be a learning rule"),
        ({"schedule": 0.1}, r"schedule must give η for the number of an update"),
        (
            {"loss": squared_error},
            r"loss must be a name, one of squared_e.*, not the function squared_error: write loss='squared_error'",
        ),
        ({"loss": squared}, r"not the function squared: write loss='squared_error'"),
        ({"loss": np.hypot}, r"hypot, or nn\.losses\.Loss\(name, f\) for your own f\(out, target\) → \(T,\)"),
        ({"loss": None}, r"one of squared_error, .*, not a NoneType, or nn\.losses\.Loss"),
        ({"rng": None}, r"rng must be a seed or a numpy Generator"),
        ({"rng": True}, r"rng must be a seed or a numpy Generator"),
    ],
)
def test_what_is_of_another_type_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        train(MLP([2, 3, 1]), (X, TARGET), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"eta": 0.1},
            r"train has no argument 'eta': write rule=tl\.Adam\(eta=…\), or another rule; it is called as train\(",
        ),
        ({"lr": 0.1}, r"train has no argument 'lr': write rule=tl\.Adam\(eta=…\), or another rule"),
        ({"momentum": 0.9}, r"train has no argument 'momentum': write rule=tl\.Momentum\(beta=…\), or another rule"),
        (
            {"optimizer": "adam"},
            r"train has no argument 'optimizer': write rule=; it is called as train\(net, patterns, \*",
        ),
        ({"seed": 1}, r"train has no argument 'seed': write rng="),
        ({"batchsize": 1}, r"train has no argument 'batchsize': write batch_size="),
        (
            {"shuffle": True},
            r"train has no argument 'shuffle'; it is called as train\(net, patterns, \*, rule='gradient_de",
        ),
    ],
    ids=lambda given: ", ".join(given) if isinstance(given, dict) else "",
)
def test_an_argument_that_there_is_not_is_told_which_there_are(options: dict[str, Any], message: str) -> None:
    net = MLP([2, 3, 1])
    before = net.w.tobytes()
    with pytest.raises(TypeError, match=message):
        train(net, (X, TARGET), **options)
    assert net.w.tobytes() == before


def test_inputs_and_targets_that_are_no_pair_are_told_that_they_are_one() -> None:
    with pytest.raises(
        TypeError, match=r"train: too many positional arguments; it is called as train\(net, \(x, target\), "
    ):
        train(MLP([2, 3, 1]), X, TARGET)  # type: ignore[call-arg, misc, arg-type]


def test_patterns_may_be_any_object_that_has_inputs_and_targets() -> None:
    alike = [MLP([2, 3, 1], rng=0) for _ in range(2)]
    train(alike[0], SimpleNamespace(inputs=X, targets=TARGET), epochs=2)
    train(alike[1], (X, TARGET), epochs=2)
    assert alike[0].w.tobytes() == alike[1].w.tobytes()


def test_several_inputs_of_different_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"patterns of different numbers: 12, 13"):
        how_many({"a": X, "b": X[1:]})
    with pytest.raises(ValueError, match=r"patterns of different numbers: none"):
        how_many({})


def test_an_error_that_overflows_where_the_gradient_does_not_is_refused() -> None:
    net = MLP([2, 1], init="standard")
    before = net.w.tobytes()
    huge = pytest.raises(NotFiniteError, match=r"the error is inf in update 1 \(epoch 1\); no weight was written")
    with huge, np.errstate(over="ignore"):
        train(net, (X, np.full((13, 1), 1e160)))
    assert net.w.tobytes() == before


def test_class_numbers_beyond_the_outputs_are_refused_wherever_they_stand() -> None:
    with pytest.raises(ValueError, match=r"class numbers must lie in 0 … 1, found 0 … 2"):
        train(MLP([2, 3, 2]), (X, np.arange(13) % 3), loss="cross_entropy")


def test_numbers_too_large_for_the_dtype_of_the_net_are_refused() -> None:
    with pytest.raises(ValueError, match=r"too large for the float32 weights"), np.errstate(over="ignore"):
        train(MLP([2, 3, 1], dtype=np.float32, init="standard"), (X * 1e300, TARGET))


def heads() -> Network:
    """Two linear outputs, each with a connector of its own from one input."""
    return Network([Cluster("x", 2), Cluster("a", 1), Cluster("b", 2)], [Connector("x", "a"), Connector("x", "b")])


@pytest.mark.parametrize("rule", ["momentum", "vario_eta"])
def test_several_outputs_are_learnt_as_one_output_of_all_their_neurons(rule: str) -> None:
    several, one = heads(), MLP([2, 3], bias=False)
    one.assign({"W1": np.concatenate([several.parameters["W1"], several.parameters["W2"]])})
    target = np.concatenate([TARGET, -TARGET, TARGET**2], axis=1)
    options = {"rule": rule, "batch_size": 5, "epochs": 3, "rng": 1}
    parts = {"b": target[:, 1:], "a": target[:, :1]}  # in whatever order
    first = train(several, (X, parts), validation=(X[:3], {name: part[:3] for name, part in parts.items()}), **options)
    second = train(one, (X, target), validation=(X[:3], target[:3]), **options)
    # the same sums in another order: a few roundings
    np.testing.assert_allclose(several.w, one.w.ravel(), rtol=1e-12)
    np.testing.assert_allclose(first.error, second.error, rtol=1e-12)
    np.testing.assert_allclose(first.validation, second.validation, rtol=1e-12)


def test_several_outputs_may_each_have_class_numbers() -> None:
    net = Network([Cluster("x", 2), Cluster("a", 2), Cluster("b", 3)], [Connector("x", "a"), Connector("x", "b")])
    classes = {"a": np.arange(13) % 2, "b": np.arange(13) % 3}
    history = train(net, (X, classes), loss="cross_entropy", epochs=2)
    alone = [cross_entropy_by_hand(net(X)[name], classes[name]) for name in classes]
    assert history.error[-1] < history.error[0]
    # E after an epoch is that of the weights before each of its batches; one batch holds all 13
    following = train(net, (X, classes), loss="cross_entropy", epochs=1)
    assert following.error[0] == pytest.approx(sum(alone), rel=1e-12)


def cross_entropy_by_hand(logits: np.ndarray, classes: np.ndarray) -> float:
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return float(-np.log(shares[np.arange(len(classes)), classes]).mean())


@pytest.mark.parametrize(
    ("targets", "text"),
    [
        (TARGET, r"the outputs are a, b: give a dict of their targets, not one array"),
        ({"a": TARGET}, r"the outputs are a, b: give a dict of their targets, not a"),
        ({"a": TARGET, "b": TARGET}, r"output b: squared_error: outputs have shape \(13, 2\), targets \(13, 1\)"),
    ],
)
def test_targets_of_several_outputs_must_be_theirs(targets: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        train(heads(), (X, targets))


def test_the_targets_of_one_output_are_no_dict() -> None:
    with pytest.raises(ValueError, match=r"the net has one output: give its targets as one array"):
        train(MLP([2, 3, 1]), (X, {"out": TARGET}))


def test_a_gradient_that_is_not_finite_stops_before_writing_and_names_the_connector() -> None:
    net = MLP([2, 3, 1], activation="relu", init="standard")
    x = X.copy()
    x[7] = 1e200  # its error overflows
    before = []
    with pytest.raises(NotFiniteError, match=r"gradient of W1: in → hid1, .* is not finite in update \d+ \(epoch 1\)"):
        train(net, (x, TARGET), batch_size=1, callbacks=[lambda t: before.append(1)])
    assert np.all(np.isfinite(net.w))
    assert before == []


def test_an_update_that_is_not_finite_stops_before_writing() -> None:
    net = MLP([2, 3, 1])
    before = net.w.tobytes()
    with pytest.raises(NotFiniteError, match=r"the update Δw of W1: in → hid1, .* is not finite in update 1"):
        train(net, (X, TARGET), batch_size=None, schedule=lambda update: np.inf)
    assert net.w.tobytes() == before


def test_a_sum_that_overflows_stops_before_writing() -> None:
    net = MLP([2, 1], bias=False, init="standard")
    net.assign({"W1": np.array([[1e308, 1e308]])})
    before = net.w.tobytes()
    patterns = np.full((13, 2), 1e-308), TARGET  # so that outputs and gradients are of usual size
    with pytest.raises(NotFiniteError, match=r"the sum w \+ Δw of W1: in → out is not finite in update 1"):
        train(net, patterns, rule=Away(), batch_size=None)
    assert net.w.tobytes() == before


class Away(GradientDescent):
    """Doubles the weights."""

    def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, Any]:
        return 1.0 * w, state


def test_a_gradient_whose_square_overflows_is_learnt_from_all_the_same() -> None:
    net, x = MLP([1, 1], bias=False, init="standard"), np.array([[1e200]])
    net.assign({"W1": np.array([[1e-200]])})
    history = train(net, (x, np.zeros((1, 1))), loss="absolute", rule="rprop", epochs=1)
    assert net.w.tolist() == [1e-200 - 0.01]  # a step by the sign of g = 1e200
    assert history.gradient_norm == [np.inf]


def test_a_net_whose_connectors_are_all_blocked_learns_nothing() -> None:
    net = Network([Cluster("x", 2), Cluster("y", 1)], [Connector("x", "y", blocked=True)])
    history = train(net, (X, TARGET), epochs=2, rule="momentum")
    assert history.gradient_norm == [0.0, 0.0]
    assert history.error == [pytest.approx(0.5 * np.mean(TARGET**2), rel=1e-14)] * 2


def test_an_error_that_is_not_finite_stops_before_writing() -> None:
    net = MLP([2, 3, 1])
    net.assign({"W2": np.full((1, 3), 1e160)})  # finite weights and outputs, but E = ½ Σ d² overflows
    before = net.w.tobytes()
    with pytest.raises(NotFiniteError, match=r"not finite|the error is inf"):
        train(net, (X, TARGET), batch_size=None)
    assert net.w.tobytes() == before


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_an_update_of_another_shape_stops_before_writing(shape: tuple[int, ...], monkeypatch: Any) -> None:
    net = MLP([2, 3, 1])
    before = net.w.tobytes()
    monkeypatch.setattr(GradientDescent, "delta_w", lambda self, g, state, **_: (np.zeros(shape), state))
    text = rf"the rule gave Δw of shape {re.escape(str(shape))}, but w has shape \(13,\); they must be the same"
    with pytest.raises(ValueError, match=text):
        train(net, (X, TARGET), rule=GradientDescent())
    assert net.w.tobytes() == before


def test_a_net_of_many_pieces_is_written_as_one_of_a_single_piece(monkeypatch: Any) -> None:
    from tinygrad_lecture.learning import training

    def trained() -> bytes:
        net = MLP([2, 3, 1])
        train(net, (X, TARGET), epochs=2, rng=0)
        return net.w.tobytes()

    whole = trained()
    monkeypatch.setattr(training, "PIECE", 5)
    assert trained() == whole
    last = np.append(np.zeros(12), np.inf)
    monkeypatch.setattr(GradientDescent, "delta_w", lambda self, g, state, **_: (last, state))
    with pytest.raises(NotFiniteError, match=r"the update Δw of b2: .* is not finite in update 1"):
        train(MLP([2, 3, 1]), (X, TARGET), rule=GradientDescent())


# Ctrl-C


class Watched(GradientDescent):
    """Counts its updates in its state, so that weights and state can be held against each other."""

    def _start(self, w: Any) -> dict[str, Any]:
        return {"n": np.zeros(()), "w": np.array(w)}

    def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> tuple[Any, Any]:
        delta = -eta * g
        return delta, {"n": state["n"] + 1, "w": w + delta}


@pytest.mark.parametrize("times", [1, 2, 3])
def test_ctrl_c_leaves_weights_and_state_from_the_same_update(times: int) -> None:
    signal.signal(signal.SIGINT, _nothing)  # for what is pressed when training is over
    rng = np.random.default_rng(times)
    for _ in range(6):
        training = Training(MLP([2, 3, 1]), (X, TARGET), rule=Watched(1e-4), loss="squared_error", batch_size=1, rng=0)
        stop = threading.Thread(target=_press, args=(training, float(rng.uniform(0.0, 0.03)), times))
        stop.start()
        interrupted = False
        try:
            history = training.run(10**9, (), False, None, False)
        except KeyboardInterrupt:
            interrupted = True
        else:
            assert history.interrupted
            assert history.stopped == "interrupted"
            assert len(history) == training.update // 13
        stop.join()
        assert training.net.w.tobytes() == training.state["w"].tobytes()
        assert training.state["n"] == training.update
        assert times > 1 or not interrupted
        assert signal.getsignal(signal.SIGINT) is _nothing


def test_not_even_a_second_ctrl_c_comes_while_weights_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    net = MLP([2, 3, 1])
    training = Training(net, (X, TARGET), rule=Watched(1e-4), loss="squared_error", batch_size=1, rng=0)
    write, written = Weights.add, []

    def pressed(weights: Weights, delta: Any) -> None:
        written.append(1)
        write(weights, delta)
        for _ in range(2 * (len(written) == 20)):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Weights, "add", pressed)
    assert training.run(100, (), False, None, False).interrupted
    assert len(written) == training.update == training.state["n"] == 20
    assert net.w.tobytes() == training.state["w"].tobytes()


def _nothing(number: int, frame: Any) -> None:
    pass


def _press(training: Training, after: float, times: int) -> None:
    """Ctrl-C for the main thread, so many times, once training is on its way: before that nobody would note it."""
    while training.update == 0:
        time.sleep(0.001)
    time.sleep(after)
    for _ in range(times):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    """Another SIGINT handler of the test runner would be what training puts back."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    history = train(MLP([2, 3, 1]), (X, TARGET), epochs=3, callbacks=[lambda t: signal.raise_signal(signal.SIGINT)])
    assert history.stopped == "epochs"
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_ctrl_c_in_the_last_epoch_is_told() -> None:
    def press(training: Training) -> None:
        if len(training.history) == 3:
            signal.raise_signal(signal.SIGINT)

    history = train(MLP([2, 3, 1]), (X, TARGET), epochs=3, callbacks=[press])
    assert (len(history), history.stopped) == (3, "interrupted")


def test_training_in_another_thread_gives_the_same() -> None:
    here, there = MLP([2, 3, 1]), MLP([2, 3, 1])
    train(here, (X, TARGET), epochs=3)
    thread = threading.Thread(target=train, args=(there, (X, TARGET)), kwargs={"epochs": 3})
    thread.start()
    thread.join()
    assert here.w.tobytes() == there.w.tobytes()


# progress


def test_inputs_that_are_not_standardised_are_warned_of_where_the_user_trains() -> None:
    choices = Metaparameters(hidden=(3,), epochs=0)
    for trains in (
        lambda: train(MLP([2, 3, 1]), (9 * X, TARGET), epochs=0),
        lambda: train_with(choices, (9 * X, TARGET)),
    ):
        with pytest.warns(UserWarning, match="assumed inputs of spread 1") as told:
            trains()
        assert [Path(warning.filename) for warning in told] == [Path(__file__)]


def test_the_seconds_are_those_of_each_epoch_with_its_validation_but_without_callbacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]

    def pass_time(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(training, "perf_counter", lambda: now[0])
    run = Network.__call__
    monkeypatch.setattr(MLP, "__call__", lambda *args: (pass_time(1.0), run(*args))[1])
    history = train(
        MLP([2, 3, 1]),
        (X, TARGET),
        batch_size=None,
        epochs=3,
        validation=(X, TARGET),
        callbacks=[lambda _: pass_time(100.0)],
        compiled=False,
    )
    assert history.seconds == [2.0, 2.0, 2.0]  # one update and one validation


def test_training_is_silent_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    train(MLP([2, 3, 1]), (X, TARGET), epochs=3)
    assert capsys.readouterr() == ("", "")


def test_progress_is_told_in_plain_lines_where_there_is_no_tqdm(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tqdm", None)
    train(MLP([2, 3, 1]), (X, TARGET), epochs=20, validation=(X, TARGET), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 10
    assert err.splitlines()[-1].startswith("epoch 20 of 20: error ")
    train(MLP([2, 3, 1]), (X, TARGET), epochs=21, progress=True)
    told = [line.split(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert told == [f"epoch {n} of 21" for n in (*range(2, 21, 2), 21)]  # the last one too
    assert "validation" in err
    train(MLP([2, 3, 1]), (X, TARGET), epochs=5, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"epoch {n} of 5" for n in range(1, 6)]


def test_progress_is_a_bar_where_there_is_tqdm(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    train(MLP([2, 3, 1]), (X, TARGET), epochs=3, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "3/3" in err
    assert "epoch/s" in err
    assert "error " in err
    assert err.endswith("\n")  # the bar is closed: what is printed next begins a line


def test_a_step_decay_that_reaches_zero_stops_the_weights() -> None:
    net = MLP([2, 3, 1])
    train(net, (X, TARGET), batch_size=None, epochs=1)
    before = net.w.copy()
    train(net, (X, TARGET), batch_size=None, epochs=2, schedule=StepDecay(0.0, 1))
    assert np.array_equal(net.w, before)
