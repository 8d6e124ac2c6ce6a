"""Depth and memory: long chains, long trainings and large nets stay within what is promised."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lecture as tl
from tests import memory_figures
from tests.memory_figures import STEPPERS, measured


@pytest.mark.slow
def test_a_chain_of_a_million_nodes_takes_ten_seconds_600_megabytes_and_no_recursion() -> None:
    figures = measured("chain of 10⁶ scalar nodes")
    assert figures["relative error"] < 1e-9  # a million roundings, 10⁶ ε at the worst
    assert figures["nodes left"] == 0
    assert figures["CPU seconds"] <= 10  # of its own: other workers share the processor
    assert figures["MB"] <= 600


def test_doubling_sixty_times_is_linear_in_the_doublings() -> None:
    x = tl.Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(60):
        y = y + y
    trace = tl.trace(y)
    assert len(trace) == 61
    assert sum(len(step.handed) for step in trace) == 120  # an error once along each of the edges
    y.backward()
    assert x.grad == 2.0**60
    curvature = tl.hvp(lambda a: sum_of_doublings(a) ** 2)(1.0, 1.0)
    assert curvature == 2.0 * 2.0**120


def sum_of_doublings(a: tl.Tensor) -> tl.Tensor:
    for _ in range(60):
        a = a + a
    return a


@pytest.mark.slow
@pytest.mark.parametrize("how", ["eager", "compiled"])
def test_a_hundred_thousand_updates_without_the_collector_leave_nothing_behind(how: str) -> None:
    figures = measured(f"10⁵ updates, {how}")
    assert figures["MB grown"] < 5
    assert figures["objects grown"] < 100  # what is made once, not with each of 100,000 updates
    assert figures["in cycles"] < 100
    assert figures["blocks grown"] < 2_000  # the history keeps 7 numbers of each of 100 epochs


@pytest.mark.slow
@pytest.mark.parametrize("who", sorted(set(STEPPERS) - {"by hand"}))
def test_a_step_of_a_large_net_takes_a_tenth_more_memory_than_numpy_by_hand_at_most(who: str) -> None:
    ours, hand = measured(f"W5 step {who}"), measured("W5 step by hand")
    assert ours["error"] == pytest.approx(hand["error"], rel=1e-5)  # float32, sums in another order
    assert ours["MB"] <= 1.1 * hand["MB"]


@pytest.mark.parametrize("who", sorted(STEPPERS))
def test_those_who_are_compared_compute_the_same(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_figures, "SIZES", (6, 5, 4, 3))
    rng = np.random.default_rng(0)
    x, target = (rng.normal(size=(memory_figures.BATCH, n)).astype(np.float32) for n in (6, 3))
    step, reference = STEPPERS[who](x, target), memory_figures.by_hand(x, target)
    errors = [(step(), reference()) for _ in range(3)]
    np.testing.assert_allclose(*zip(*errors, strict=True), rtol=1e-5)
    assert errors[0][0] > errors[2][0]
