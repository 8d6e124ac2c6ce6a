"""Compiled training: the same updates in the same order, with the same history, faster."""

from __future__ import annotations

import copy
import gc
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.profiles import tries
from tests.program.runners import RUNNERS
from tinygrad_lecture.learning import compiled
from tinygrad_lecture.learning.rules import RULES, GradientDescent
from tinygrad_lecture.learning.schedules import StepDecay
from tinygrad_lecture.learning.training import Training
from tinygrad_lecture.nn.losses import LOSSES
from tinygrad_lecture.program.running import CannotCompileError
from tinygrad_lecture.program.scan import Steps
from tinygrad_lecture.verify.strategies import Problem, problems

X = np.random.default_rng(1).normal(size=(53, 2))
TARGET = np.tanh(X[:, :1] - 0.5 * X[:, 1:])
each_runner = pytest.mark.parametrize("runner", RUNNERS)


def both(runner: str, make: Any, patterns: Any, **options: Any) -> None:
    """Train two equal nets, compiled and update by update, and compare all that comes out."""
    one, other = make(), make()
    h = tl.train(one, patterns, compiled=False, **options)
    c = tl.train(other, patterns, compiled=runner, **options)
    if runner == "NumPy":
        np.testing.assert_array_equal(other.w, one.w)
    # rounding errors of a few dozen updates, none of which is unstable
    units = 1e5 * np.finfo(one.w.dtype).eps
    np.testing.assert_allclose(other.w, one.w, rtol=units, atol=units)
    for name in ("error", "gradient_norm", "weight_norm", "eta", "updates"):
        np.testing.assert_allclose(getattr(c, name), getattr(h, name), rtol=units, atol=units, err_msg=name)
    assert [v is None for v in c.validation] == [v is None for v in h.validation]
    assert c.stopped == h.stopped
    assert len(c) == len(h)


@each_runner
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("batch_size", [1, 7, None])
def test_every_rule_learns_as_it_does_update_by_update(runner: str, rule: str, batch_size: int | None) -> None:
    both(
        runner,
        lambda: tl.MLP([2, 4, 1], rng=3),
        (X, TARGET),
        rule=rule,
        batch_size=batch_size,
        epochs=3,
        rng=5,
        per_update=True,
        validation=(X[:5], TARGET[:5]),
    )


@each_runner
@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=tries(2), suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_loss_is_lowered_on_any_topology(runner: str, loss: str, data: Any) -> None:
    problem: Problem = data.draw(problems())
    net = problem.net
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    T = 6
    x = {n: rng.normal(size=(T, net.topology[n].n)) for n in net.topology.inputs}
    if LOSSES[loss].classes or loss == "binary_cross_entropy":
        target = {n: rng.uniform(size=(T, net.topology[n].n)) for n in net.topology.outputs}
    else:
        target = {n: rng.normal(size=(T, net.topology[n].n)) for n in net.topology.outputs}
    one = len(target) == 1
    patterns = x, next(iter(target.values())) if one else target
    w = 0.3 * rng.normal(size=net.w.shape)

    def make() -> tl.Network:
        again = tl.Network(net.topology)
        again.assign(w)
        return again

    both(runner, make, patterns, rule=tl.Momentum(eta=1e-3), loss=loss, batch_size=4, epochs=2, rng=0)


@each_runner
def test_class_numbers_several_outputs_float32_and_schedules_are_compiled_too(runner: str) -> None:
    both(
        runner,
        lambda: tl.MLP([2, 5, 3], activation="gelu", dtype=np.float32),
        (X, np.arange(53) % 3),
        loss="cross_entropy",
        rule="adam",
        schedule=StepDecay(0.01, every=5, factor=0.5),
        batch_size=10,
        epochs=3,
    )
    both(
        runner,
        lambda: tl.Network(
            [tl.Cluster("x", 2), tl.Cluster("h", 3, "logistic"), tl.Cluster("a", 1), tl.Cluster("b", 2)],
            [tl.Connector("x", "h"), tl.Connector("h", "a"), tl.Connector("h", "b"), tl.Connector("x", "b")],
        ),
        (X, {"a": TARGET, "b": np.hstack([TARGET, -TARGET])}),
        batch_size=9,
        epochs=2,
    )


@each_runner
@pytest.mark.parametrize("batch_size", [1, 6, None])
def test_what_is_not_finite_stops_with_the_same_words_and_weights(runner: str, batch_size: int | None) -> None:
    x = X.copy()
    x[40] = 1e200
    ends, texts = [], []
    for how in (False, runner):
        net = tl.MLP([2, 3, 1], activation="relu", init="standard", rng=1)
        with pytest.raises(ArithmeticError) as caught:
            tl.train(net, (x, TARGET), batch_size=batch_size, epochs=2, rng=2, compiled=how)
        ends.append(net.w.copy())
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    assert "no weight was written" in texts[0]
    # the roundings of some dozen updates: no single one is visible at 1e-10
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-10)


@each_runner
def test_a_checkpoint_is_resumed_to_the_same_bits(runner: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"rule": "adam", "batch_size": 5, "rng": 4, "compiled": runner}
    whole = tl.MLP([2, 4, 1])
    tl.train(whole, (X, TARGET), epochs=6, **options)
    file = tmp_path / "state.npz"
    first, second = tl.MLP([2, 4, 1]), tl.MLP([2, 4, 1])
    tl.train(first, (X, TARGET), epochs=2, checkpoint=file, **options)
    tl.train(second, (X, TARGET), epochs=6, checkpoint=file, resume=True, **options)
    np.testing.assert_array_equal(second.w, whole.w)


def test_a_checkpoint_goes_on_with_what_ran_it_and_refuses_another(tmp_path: Path) -> None:
    file = tmp_path / "state.npz"
    options: dict[str, Any] = {"batch_size": 5, "checkpoint": file, "resume": True}
    tl.train(tl.MLP([2, 4, 1]), (X, TARGET), epochs=1, compiled="NumPy", **options)
    with pytest.raises(ValueError, match=r"is of another training: compiled was NumPy, and is False now"):
        tl.train(tl.MLP([2, 4, 1]), (X, TARGET), epochs=2, compiled=False, **options)
    whole, parts = tl.MLP([2, 4, 1]), tl.MLP([2, 4, 1])
    tl.train(parts, (X, TARGET), epochs=2, **options)
    tl.train(whole, (X, TARGET), epochs=2, batch_size=5, compiled="NumPy")
    np.testing.assert_array_equal(parts.w, whole.w)


@each_runner
def test_how_many_updates_one_call_makes_changes_no_bit(runner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for seconds in (1e-9, 1.0):
        monkeypatch.setattr(compiled, "CHUNK", seconds)
        net = tl.MLP([2, 4, 1])
        tl.train(net, (X, TARGET), rule="adam", batch_size=3, epochs=4, compiled=runner)
        ends.append(net.w.tobytes())
    assert ends[0] == ends[1]


@pytest.mark.parametrize(("seconds", "calls"), [(0.125, [1] + [4] * 13), (0.5, [1] * 53), (2.0, [1] * 53)])
def test_a_call_makes_one_update_at_first_and_then_as_many_as_fit_into_a_chunk(
    seconds: float, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock on which every update takes so long, and a chunk half a second."""
    now, asked, run = [0.0], [], Steps.__call__

    def timed(steps: Steps, n: int, *rest: Any) -> Any:
        asked.append(n)
        found = run(steps, n, *rest)
        now[0] += seconds * found[0]
        return found

    monkeypatch.setattr(Steps, "__call__", timed)
    monkeypatch.setattr(compiled, "perf_counter", lambda: now[0])
    monkeypatch.setattr(compiled, "CHUNK", 0.5)
    tl.train(tl.MLP([2, 4, 1]), (X, TARGET), batch_size=1, epochs=1, compiled="NumPy")
    assert asked == calls


@each_runner
def test_an_error_that_overflows_where_the_gradient_does_not_stops_before_writing(runner: str) -> None:
    net = tl.MLP([2, 1], bias=False, init="standard")
    before = net.w.tobytes()
    with pytest.raises(ArithmeticError, match=r"the error is inf in update 1 \(epoch 1\); no weight was written"):
        tl.train(net, (1e-10 * X, np.full((53, 1), 1e160)), compiled=runner)  # g is about 1e150
    assert net.w.tobytes() == before


@each_runner
def test_a_rule_or_an_error_that_a_callback_replaces_or_changes_is_used(runner: str) -> None:
    class Pulled(GradientDescent):
        """Descent with an extra factor, which is no field and may change."""

        factor = 1.0

        def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
            return -eta * self.factor * g, {}

    def slower(t: Any) -> None:
        if len(t.history) == 3:
            t.rule = replace(t.rule, beta=0.0)

    def absolute(t: Any) -> None:
        if len(t.history) == 3:
            t.loss = LOSSES["absolute"]

    def stronger(t: Any) -> None:
        if len(t.history) == 3:
            object.__setattr__(t.rule, "factor", 3.0)

    for rule, callback in ((tl.Momentum(0.01), slower), (tl.Momentum(0.01), absolute), (Pulled(0.01), stronger)):
        found = []
        for compiled_ in (False, runner):
            net = tl.MLP([2, 4, 1])
            own = copy.deepcopy(rule)
            tl.train(net, (X, TARGET), rule=own, batch_size=5, epochs=6, callbacks=[callback], compiled=compiled_)
            found.append(net.w.copy())
        np.testing.assert_allclose(found[1], found[0], rtol=1e-9)
        net = tl.MLP([2, 4, 1])
        tl.train(net, (X, TARGET), rule=copy.deepcopy(rule), batch_size=5, epochs=6, compiled=False)
        assert not np.allclose(net.w, found[0], rtol=1e-6)  # else nothing would be tested


@pytest.mark.skipif("C" not in RUNNERS, reason="there is no C compiler")
def test_true_asks_for_c() -> None:
    one, other = tl.MLP([2, 4, 1]), tl.MLP([2, 4, 1])
    tl.train(one, (X, TARGET), epochs=2, compiled=True)
    tl.train(other, (X, TARGET), epochs=2, compiled="C")
    assert one.w.tobytes() == other.w.tobytes()
    training = Training(tl.MLP([2, 3, 1]), (X, TARGET), rule="adam", loss="squared_error", batch_size=1, rng=0)
    updates = compiled.compiled(training, True, 1)
    assert updates is not None
    assert updates.runner == "C"


@each_runner
def test_ctrl_c_ends_it_soon_between_two_updates(runner: str) -> None:
    net = tl.MLP([2, 30, 1])
    patterns = np.tile(X, (400, 1)), np.tile(TARGET, (400, 1))

    def press(_: Any) -> None:
        if not timer.is_alive() and not timer.finished.is_set():
            timer.start()  # from the first epoch on, in the midst of the next

    timer = threading.Timer(0.05, signal.raise_signal, [signal.SIGINT])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in a background job it may be ignored
    try:
        history = tl.train(net, patterns, batch_size=1, epochs=100, compiled=runner, callbacks=[press])
    finally:
        signal.signal(signal.SIGINT, before)
    assert history.interrupted
    assert len(history) < 100
    assert np.all(np.isfinite(net.w))


def test_short_trainings_and_what_is_not_the_librarys_own_are_not_compiled_of_themselves() -> None:
    class Own(GradientDescent):
        pass

    class OwnNet(tl.MLP):
        pass

    def why(epochs: int, **options: Any) -> str:
        given_: dict[str, Any] = {"rule": "adam", "loss": "squared_error", "batch_size": 1, "rng": 0, **options}
        return compiled.why_not(Training(tl.MLP([2, 3, 1]), (X, TARGET), **given_), epochs)

    assert why(10**6) == ""
    for batch_size, enough, per_epoch in ((1, 189, 53), (10, 1667, 6), (None, 10_000, 1)):
        assert why(enough, batch_size=batch_size) == ""
        few = (enough - 1) * per_epoch
        assert why(enough - 1, batch_size=batch_size).startswith(f"{few} updates are fewer than the 10000 from")
    assert why(10**6, rule=Own()) == "Own is no rule of the library: it may do more than compute"
    net = OwnNet([2, 3, 1])
    of_own = Training(net, (X, TARGET), rule="adam", loss="squared_error", batch_size=1, rng=0)
    assert compiled.why_not(of_own, 10**6) == "OwnNet is no net of the library: it may do more than compute"
    loss = replace(LOSSES["squared_error"], name="own")
    assert why(10**6, loss=loss) == "own is no loss of the library: it may do more than compute"
    own = Training(tl.MLP([2, 3, 1]), (X, TARGET), rule=Own(), loss="squared_error", batch_size=1, rng=0)
    assert compiled.compiled(own, "auto", 10**6) is None


def test_what_cannot_be_recorded_after_all_is_trained_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(tl.MLP([2, 3, 1]), (X, TARGET), rule="adam", loss="squared_error", batch_size=1, rng=0)
    assert isinstance(compiled.compiled(training, "auto", 10**6), compiled.Updates)

    def cannot(updates: compiled.Updates) -> None:
        raise TypeError("while recording")

    monkeypatch.setattr(compiled.Updates, "warm", cannot)
    assert compiled.compiled(training, "auto", 10**6) is None


def test_a_wish_that_cannot_be_granted_says_why() -> None:
    class Prints(GradientDescent):
        def delta_w(self, g: Any, state: Any, **options: Any) -> Any:
            return (-0.1 * g if np.sum(g) > 0 else -0.2 * g), state

    with pytest.raises(ValueError, match=r'compiled must be True, False, "C", "NumPy" or "auto", not \'fast\''):
        tl.train(tl.MLP([2, 3, 1]), (X, TARGET), compiled="fast")
    net = tl.MLP([2, 3, 1])
    before = net.w.copy()
    with pytest.raises(TypeError, match=r"while recording, at .*test_compiled.*np\.sum\(g\) > 0"):
        tl.train(net, (X, TARGET), rule=Prints(), compiled="NumPy")
    np.testing.assert_array_equal(net.w, before)


@pytest.mark.skipif("C" not in RUNNERS, reason="there is no C compiler")
@pytest.mark.parametrize("wish", [True, "C"])
def test_where_c_is_asked_for_and_cannot_be_had_nothing_else_takes_its_place(wish: bool | str) -> None:
    class Running(GradientDescent):
        def delta_w(self, g: Any, state: Any, **options: Any) -> Any:
            return -0.01 * np.sort(g), state

    net = tl.MLP([2, 3, 1])
    before = net.w.copy()
    with pytest.raises(CannotCompileError, match=r"C has no form for sort"):
        tl.train(net, (X, TARGET), rule=Running(), compiled=wish)
    np.testing.assert_array_equal(net.w, before)


def test_a_compiled_training_is_freed_as_soon_as_it_has_ended() -> None:
    seen: list[ref[Training]] = []
    gc.disable()  # what refers to itself in a circle would stay
    try:
        tl.train(tl.MLP([2, 3, 1]), (X, TARGET), epochs=1, compiled="NumPy", callbacks=[lambda t: seen.append(ref(t))])
        assert [training() for training in seen] == [None]
    finally:
        gc.enable()


@each_runner
def test_a_rule_of_ones_own_is_compiled_where_that_is_asked_for(runner: str) -> None:
    class Signs(GradientDescent):
        def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
            return -0.01 * np.sign(g), state

    both(runner, lambda: tl.MLP([2, 3, 1]), (X, TARGET), rule=Signs(), batch_size=4, epochs=2)
