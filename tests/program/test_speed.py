"""How long a step takes, beside hand-written NumPy and C in the same process: ratios alone, with wide margins.

The margins are wide, at least half as much again as was measured when they were set: they find what has become slower
by much, such as a program that is recorded anew at each call, or a loop that is no longer compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import pytest

SPEED = Path(__file__).parents[2] / "demos" / "speed"
STEPS = {"W1": 1000, "W2": 500, "W3": 200, "W4": 5, "W6": 10, "W7": 50}
"""Workload → steps of a sample; W5 takes too long for a test."""

EAGER = {"W1": 7.0, "W2": 6.0, "W3": 3.8, "W4": 2.0, "W6": 2.8, "W7": 4.0}
JIT_NUMPY = {"W1": 4.0, "W2": 3.5, "W3": 2.6, "W4": 1.8, "W6": 2.0, "W7": 2.6}
SCAN_NUMPY = {"W1": 1.7, "W2": 1.9, "W3": 1.8, "W4": 1.6, "W6": 1.9, "W7": 2.6}
SCAN = {"W1": 0.1, "W2": 0.5, "W3": 1.0, "W4": 1.5, "W6": 1.5, "W7": 1.0}
"""At most so many times the time of preallocated NumPy."""

NATIVE = 1.8
"""At most so many times the time of hand-written C."""

pytestmark = pytest.mark.slow


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SPEED))
    import peer_c
    import peer_lecture
    import peer_numpy
    from workloads import WORKLOADS

    class Peers:
        c, lecture, numpy, workloads = peer_c, peer_lecture, peer_numpy, WORKLOADS

    return Peers


def ratio(run: Callable[[int], float], to: Callable[[int], float], n: int, more: int = 1, rounds: int = 15) -> float:
    """How many times longer a step of run takes than one of to: best of each, by turns; run does more · n steps.

    In time of the processor, so that what else the machine does counts for little.
    """
    times: tuple[list[float], list[float]] = [], []
    for _ in range(rounds):
        for f, steps, found in ((run, n * more, times[0]), (to, n, times[1])):
            f(steps)
            begin = process_time()
            f(steps)
            found.append((process_time() - begin) / steps)
    return min(times[0]) / min(times[1])


@pytest.mark.parametrize("name", STEPS)
def test_an_eager_step_takes_a_few_times_that_of_hand_written_numpy(name: str, peers: Any) -> None:
    w = peers.workloads[name]
    assert ratio(peers.lecture.eager(w), peers.numpy.preallocated(w), STEPS[name]) <= EAGER[name]


@pytest.mark.parametrize("name", STEPS)
def test_a_recorded_step_called_in_numpy_is_near_hand_written_numpy(name: str, peers: Any) -> None:
    w = peers.workloads[name]
    assert ratio(peers.lecture.jit_numpy(w), peers.numpy.preallocated(w), STEPS[name]) <= JIT_NUMPY[name]


@pytest.mark.parametrize("name", STEPS)
def test_many_steps_by_numpy_are_level_with_hand_written_numpy(name: str, peers: Any) -> None:
    w = peers.workloads[name]
    assert ratio(peers.lecture.scan_numpy(w), peers.numpy.preallocated(w), STEPS[name]) <= SCAN_NUMPY[name]


@pytest.mark.parametrize("name", STEPS)
def test_many_steps_in_one_compiled_call_are_ahead_of_hand_written_numpy(name: str, peers: Any) -> None:
    compiler_or_skip()
    w = peers.workloads[name]
    more = 100 if name == "W1" else 1  # else the call itself is what is timed
    assert ratio(peers.lecture.scan_c(w), peers.numpy.preallocated(w), STEPS[name], more) <= SCAN[name]


@pytest.mark.parametrize("name", STEPS)
def test_many_steps_in_one_compiled_call_are_near_hand_written_c(name: str, peers: Any) -> None:
    compiler_or_skip()
    w = peers.workloads[name]
    n = STEPS[name] * (100 if name == "W1" else 1)
    assert ratio(peers.lecture.scan_c(w), peers.c.steps(w), n) <= NATIVE


@pytest.mark.parametrize("name", ["W4", "W6"])
def test_the_backward_pass_takes_a_few_times_the_forward_pass(name: str, peers: Any) -> None:
    import extras

    w = peers.workloads[name]
    assert ratio(extras.both(w), extras.forward(w), STEPS[name]) - 1 <= 6.0  # twice the bar, 3


def compiler_or_skip() -> None:
    from tinygrad_lecture.program.c.build import NoCompilerError, compiler

    try:
        compiler()
    except NoCompilerError as error:
        pytest.skip(str(error))
