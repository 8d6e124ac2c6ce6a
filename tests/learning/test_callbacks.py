"""Callbacks: when they stop a training, which weights they keep, and when they are called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lecture.learning.callbacks import BestWeights, EarlyStopping
from tinygrad_lecture.learning.history import History
from tinygrad_lecture.learning.train import train
from tinygrad_lecture.nn.mlp import MLP

X = np.random.default_rng(0).normal(size=(20, 2))
TARGET = np.sin(X[:, :1])


def seen_as(errors: list[float], validation: list[float] | None = None) -> Any:
    held_out = [None] * len(errors) if validation is None else validation
    return SimpleNamespace(history=History(error=errors, validation=list(held_out)))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 4))
def test_early_stopping_waits_so_many_epochs_for_a_new_best(errors: list[int], patience: int) -> None:
    best, since = np.inf, 0
    for error in errors:
        best, since = (error, 0) if error < best else (best, since + 1)
    stops = EarlyStopping(patience)(seen_as([float(e) for e in errors])) is not None
    assert stops == (since >= patience)


@pytest.mark.parametrize(
    ("errors", "min_delta", "stops"),
    [
        ([1.0, 0.95, 0.9], 0.2, True),
        ([1.0, 0.95, 0.7], 0.2, False),
        ([1.0, np.nan, np.nan], 0.0, True),
        ([np.inf, np.nan, 3.0], 0.0, False),
    ],
)
def test_a_best_must_be_lower_by_min_delta_and_nan_is_none(errors: list[float], min_delta: float, stops: bool) -> None:
    assert (EarlyStopping(2, min_delta)(seen_as(errors)) is not None) == stops


def test_validation_is_what_counts_where_there_is_one() -> None:
    assert EarlyStopping(1)(seen_as([2.0, 1.0], [1.0, 2.0])) == "no new best for 1 epochs"
    assert EarlyStopping(1)(seen_as([1.0, 2.0], [2.0, 1.0])) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"patience": 0}, r"EarlyStopping\.patience must lie in \[1, ∞\), not be 0"),
        ({"min_delta": -1.0}, r"EarlyStopping\.min_delta must lie in \[0, ∞\), not be -1"),
        ({"min_delta": np.nan}, r"EarlyStopping\.min_delta must lie in \[0, ∞\), not be nan"),
    ],
)
def test_early_stopping_refuses_what_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**fields)


def test_ten_epochs_are_waited_for_any_lower_error_unless_something_else_is_said() -> None:
    lowered = np.nextafter(1.0, 0.0)
    assert EarlyStopping()(seen_as([1.0] * 10)) is None
    assert EarlyStopping()(seen_as([1.0] * 11)) == "no new best for 10 epochs"
    assert EarlyStopping()(seen_as([1.0] * 10 + [lowered])) is None


def test_a_new_best_counts_wherever_it_lies_among_the_last_epochs() -> None:
    assert EarlyStopping(4)(seen_as([2.0, 1.0, 2.0, 2.0, 2.0])) is None
    assert EarlyStopping(4)(seen_as([2.0, 1.0, 2.0, 2.0, 2.0, 2.0])) is not None


def test_a_training_stops_early_and_says_why() -> None:
    history = train(MLP([2, 3, 1]), (X, TARGET), epochs=50, schedule=lambda k: 0.0, callbacks=[EarlyStopping(4)])
    assert len(history) == 5
    assert history.stopped == "no new best for 4 epochs"


def test_best_weights_are_put_back_at_the_end() -> None:
    net, kept = MLP([2, 3, 1]), []
    history = train(
        net,
        (X, TARGET),
        epochs=12,
        schedule=lambda k: 0.1 if k < 5 else 3.0,  # it gets worse from there on
        batch_size=None,
        validation=(X, TARGET),
        callbacks=[BestWeights(), lambda t: kept.append(t.net.w.copy())],
    )
    best = int(np.argmin(history.validation))
    assert best < 11
    assert np.array_equal(net.w, kept[best])


def test_of_equal_errors_the_first_has_the_best_weights() -> None:
    best = BestWeights()
    for n, error in enumerate([2.0, 1.0, 1.0]):
        training = seen_as([error])
        training.net = SimpleNamespace(w=np.array([float(n)]))
        best(training)
    assert best.w is not None
    assert (best.error, best.w.tolist()) == (1.0, [1.0])


def test_best_weights_forget_the_training_before() -> None:
    best = BestWeights()
    good, bad = MLP([2, 3, 1]), MLP([2, 3, 1], rng=5)
    train(good, (X, TARGET), epochs=20, callbacks=[best])
    train(bad, (X, TARGET), epochs=1, schedule=lambda k: 0.0, callbacks=[best])
    assert np.array_equal(bad.w, MLP([2, 3, 1], rng=5).w)


def test_callbacks_are_all_called_after_each_epoch_and_the_first_reason_counts() -> None:
    calls: list[str] = []

    class Both:
        def at_start(self, training: Any) -> None:
            calls.append("start")

        def at_end(self, training: Any) -> None:
            calls.append("end")

        def __call__(self, training: Any) -> str | None:
            calls.append(f"epoch {len(training.history)}")
            return "enough" if len(training.history) == 2 else None

    history = train(MLP([2, 3, 1]), (X, TARGET), epochs=9, callbacks=[Both(), lambda t: "too" * (len(t.history) == 2)])
    assert calls == ["start", "epoch 1", "epoch 2", "end"]
    assert history.stopped == "enough"


def test_what_a_callback_returns_stops_only_as_a_text() -> None:
    assert len(train(MLP([2, 3, 1]), (X, TARGET), epochs=3, callbacks=[lambda t: np.array([1.0, 2.0])])) == 3


def test_an_empty_text_is_no_reason_and_hides_none() -> None:
    history = train(MLP([2, 3, 1]), (X, TARGET), epochs=3, callbacks=[lambda t: "", lambda t: "enough"])
    assert (len(history), history.stopped) == (1, "enough")


def test_callbacks_may_be_given_one_by_one() -> None:
    calls: list[int] = []
    train(MLP([2, 3, 1]), (X, TARGET), epochs=3, callbacks=(callback for callback in [lambda t: calls.append(1)]))
    assert calls == [1, 1, 1]


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (EarlyStopping(3), r"callbacks must be a list of them, as \[EarlyStopping\(\)\]"),
        ([EarlyStopping], r"callbacks: EarlyStopping is a class; write EarlyStopping\(\)"),
        ([3], r"callbacks: 3 cannot be called"),
    ],
)
def test_what_is_no_callback_is_refused(callbacks: Any, message: str) -> None:
    net = MLP([2, 3, 1])
    before = net.w.tobytes()
    with pytest.raises(TypeError, match=message):
        train(net, (X, TARGET), callbacks=callbacks)
    assert net.w.tobytes() == before


def test_best_weights_of_no_epoch_are_none_and_leave_the_net_as_it_is() -> None:
    net, best = MLP([1, 1], rng=0), BestWeights()
    before = net.w.tobytes()
    assert (best.error, best.w) == (np.inf, None)
    assert best.arrays() == {}
    best.restore({})
    train(net, (np.ones((3, 1)), np.ones((3, 1))), epochs=0, callbacks=[best])
    assert net.w.tobytes() == before
