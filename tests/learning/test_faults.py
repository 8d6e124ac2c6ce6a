"""Trainings that are killed or interrupted at random moments: they go on as if they had not been, to the last bit.

`-s` prints how many moments there were and what they met; `-m slow` tries as many as RELIABILITY promises.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture
from tests.kills import TARGET, X, bits, found_by, lines, traced
from tinygrad_lecture.learning import compiled, rules
from tinygrad_lecture.learning.callbacks import BestWeights
from tinygrad_lecture.learning.history import COLUMNS, History
from tinygrad_lecture.learning.train import train
from tinygrad_lecture.learning.training import Training
from tinygrad_lecture.nn.losses import squared_error
from tinygrad_lecture.nn.mlp import MLP

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
PACKAGE = Path(tinygrad_lecture.__file__).parent
EPOCHS = 3


@needs_fork
@pytest.mark.parametrize("trials", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_training_that_was_killed_again_and_again_ends_as_one_that_was_not(trials: int) -> None:
    found = found_by("tests.kills", "training", trials)
    assert found["trials"] >= trials
    assert found["left a temporary file"] > 0  # moments inside a save were met


# Ctrl-C
class Notes:
    """A schedule that notes the state before each update, and a callback that notes it at the end."""

    def __init__(self) -> None:
        self.training: Training | None = None
        self.states: dict[int, Any] = {}
        self.end: Any = None

    def at_start(self, training: Training) -> None:
        self.training = training

    def __call__(self, of: Any) -> Any:
        if of is self.training:
            return None
        self.states[of] = bits(self.training)
        return 0.05

    def at_end(self, training: Training) -> None:
        self.end = self.states[training.update] = bits(training)


def course(
    net: MLP, rule: Any, batch_size: int | None, compiled: bool | str, path: Path
) -> tuple[History | None, Notes]:
    """A whole training, from a checkpoint where there is one; None where KeyboardInterrupt came out of it."""
    notes = Notes()
    try:
        history = train(
            net,
            (X, TARGET),
            rule=rule,
            batch_size=batch_size,
            epochs=EPOCHS,
            schedule=notes,
            validation=(X[:5], -TARGET[:5]),
            callbacks=[notes],
            checkpoint=path,
            resume=True,
            compiled=compiled,
        )
    except KeyboardInterrupt:
        return None, notes
    return history, notes


Ended = tuple[History | None, Notes]


def pressed_at_line(line: int, times: int, folder: Path, course: Callable[[], Ended]) -> Ended:
    """A training with Ctrl-C before a line of the files of a folder."""

    def press(n: int) -> None:
        for _ in range(times * (n == line)):
            signal.raise_signal(signal.SIGINT)

    with traced(lines(press, folder)):
        return course()


def pressed_after(seconds: float, times: int, course: Callable[[], Ended]) -> Ended:
    """A training with Ctrl-C after so many seconds, which nobody hears before it begins and after it has ended."""

    def press() -> None:
        time.sleep(seconds)
        for _ in range(times):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(1e-4)  # two at once would come as one

    signal.signal(signal.SIGINT, lambda number, frame: None)
    finger = threading.Thread(target=press)
    finger.start()
    ended = course()
    finger.join()
    return ended


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    """Another SIGINT handler of the test runner would be what training puts back."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@dataclass
class Whole:
    """A training that nobody interrupts, in how many lines and seconds, and what it is held against."""

    rule: Any
    batch_size: int | None
    compiled: bool | str
    folder: Path

    def __post_init__(self) -> None:
        self.lines: Counter[Path] = Counter()
        for among in (PACKAGE, PACKAGE / "learning"):
            count: list[int] = []
            with traced(lines(count.append, among)):
                self.course(f"in {among.name}")
            self.lines[among] = len(count)
        begin = time.perf_counter()
        self.course("in one go")
        self.seconds = time.perf_counter() - begin
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compiled, "CHUNK", 0.0)  # one update a call, so that the state of each is seen
            _, self.known = self.course("step by step")

    def course(self, name: str, net: MLP | None = None) -> Ended:
        path = self.folder / f"{self.rule} {self.compiled} {name}.npz"
        return course(net or MLP([2, 3, 1], rng=0), self.rule, self.batch_size, self.compiled, path)

    def judged(self, ended: Ended, net: MLP, times: int) -> str:
        """What Ctrl-C has left is a state of this training, to the bit, with the history up to there."""
        history, notes = ended
        training = notes.training
        if training is None or training.update == 0:
            assert net.w.tobytes() == MLP([2, 3, 1], rng=0).w.tobytes()
            return "before the first update"
        now, then, whole = bits(training), self.known.states[training.update], self.known.end["history"]
        assert (now["w"], now["state"]) == (then["w"], then["state"])
        if history is None:
            assert times > 1 or notes.end is not None  # the first one interrupts nothing before training has ended
            return "raised between updates"
        updates = len(range(0, len(X), self.batch_size or len(X)))
        n = training.update // updates
        assert history is training.history
        assert now["history"] == {**whole, **{name: column[:n] for name, column in whole.items() if name in COLUMNS}}
        assert history.interrupted or notes.end == self.known.end
        return "in an epoch" if training.update % updates else "between epochs"

    def must_go_on(self, name: str, net: MLP) -> None:
        """Taken up with the very net that was interrupted, it ends as if nobody had."""
        _, notes = self.course(name, net)
        assert notes.end == self.known.end
        assert net.w.tobytes().hex() == self.known.end["w"]


COURSES = [
    (rules.Adam(), 4, False),
    (rules.Rprop(), None, False),
    (rules.VarioEta(), 1, False),
    (rules.RMSprop(momentum=0.5), 4, False),
]
COMPILED = [(rules.Adam(), 4, "auto"), (rules.VarioEta(), 1, "auto")]
each_number = pytest.mark.parametrize("trials", [20, pytest.param(400, marks=pytest.mark.slow)])


def met(trials: int, press: Callable[..., Ended], courses: list[Any], folder: Path) -> dict[str, int]:
    """What Ctrl-C met in so many trials, once and twice by turns; each ends as if there had been none."""
    rng, found = np.random.default_rng(trials), Counter[str]()
    wholes = [Whole(*options, folder) for options in courses]
    for k in range(trials):
        whole, net, times = wholes[k % len(wholes)], MLP([2, 3, 1], rng=0), 1 + k // len(wholes) % 2
        ended = press(whole, rng.random(), times, lambda: whole.course(f"{k}", net))  # noqa: B023 - called at once
        found[f"× {times} {whole.judged(ended, net, times)}"] += 1
        whole.must_go_on(f"{k}", net)
    return dict(sorted(found.items()))


@each_number
def test_ctrl_c_before_any_line_leaves_a_state_of_before_or_after_an_update(trials: int, tmp_path: Path) -> None:
    def press(whole: Whole, share: float, times: int, course: Callable[[], Ended]) -> Ended:
        among = PACKAGE if share < 0.5 else PACKAGE / "learning"  # most lines are the engine's
        return pressed_at_line(int(2 * share % 1 * whole.lines[among]), times, among, course)

    print(f"Ctrl-C before {trials} lines: {met(trials, press, COURSES, tmp_path)}")


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals for a thread on this system")
@each_number
def test_ctrl_c_at_any_moment_leaves_a_state_of_before_or_after_an_update(trials: int, tmp_path: Path) -> None:
    def press(whole: Whole, share: float, times: int, course: Callable[[], Ended]) -> Ended:
        return pressed_after(share * whole.seconds, times, course)

    print(f"Ctrl-C at {trials} moments: {met(trials, press, COURSES + COMPILED, tmp_path)}")


def test_gradients_that_another_walk_has_left_are_not_learnt() -> None:
    clean, net = MLP([2, 3, 1], rng=0), MLP([2, 3, 1], rng=0)
    squared_error(net(X, net.leaves), TARGET).backward()
    for each in (clean, net):
        train(each, (X, TARGET), epochs=1)
    assert net.w.tobytes() == clean.w.tobytes()


def test_ctrl_c_between_epochs_draws_no_order_for_an_epoch_that_does_not_come() -> None:
    ended, broken = np.random.default_rng(7), np.random.default_rng(7)
    train(MLP([2, 3, 1], rng=0), (X, TARGET), epochs=1, rng=ended)
    press = lambda training: signal.raise_signal(signal.SIGINT)
    history = train(MLP([2, 3, 1], rng=0), (X, TARGET), epochs=3, rng=broken, callbacks=[press])
    assert (len(history), history.stopped) == (1, "interrupted")
    assert broken.bit_generator.state == ended.bit_generator.state


def test_ctrl_c_at_the_very_end_is_told_and_the_best_weights_are_put_back() -> None:
    class Late:
        def __call__(self, training: Training) -> None:
            pass

        def at_end(self, training: Training) -> None:
            assert training.history.stopped == "epochs"
            signal.raise_signal(signal.SIGINT)

    best = BestWeights()
    net = MLP([2, 3, 1], rng=0)
    worse = {"validation": (X, -TARGET), "batch_size": None}  # each epoch makes it worse
    history = train(net, (X, TARGET), epochs=3, callbacks=[Late(), best], **worse)
    assert (len(history), history.stopped) == (3, "interrupted")
    assert net.w.tobytes() == best.w.tobytes()
