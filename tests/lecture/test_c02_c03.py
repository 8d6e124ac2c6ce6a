"""C2 and C3 measured: the rows hold, and would not if backpropagation were wrong or not local."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tinygrad_lecture.engine.op import OPS
from tinygrad_lecture.lecture import c02_blame, c03_locality
from tinygrad_lecture.lecture.actors import as_they_come, gradients_by_messages


def test_every_row_of_c2_holds_in_its_small_mode() -> None:
    rows = list(c02_blame.measure(small=True))
    assert [row.tag for row in rows] == ["C2"] * 5
    assert [row.statement for row in rows if row.holds is False] == []


def test_every_row_of_c3_but_the_timings_holds_in_its_small_mode() -> None:
    rows = list(c03_locality.measure(small=True))
    assert [row.tag for row in rows] == ["C3"] * 4
    assert [row.statement for row in rows[:2] if row.holds is False] == []
    assert all(np.isfinite(row.value) for row in rows)  # times are not judged where other tests run beside


def test_what_a_measurement_contradicts_is_not_said_to_hold() -> None:
    by_activity, by_contribution = c02_blame.most_corrected(20)
    assert by_activity.verdict == "yes"
    assert by_contribution.verdict == "contradicted"
    assert by_contribution.holds is None
    assert 0.1 < by_contribution.value < 0.9


def test_blame_that_is_not_in_proportion_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = tl.linear.op.rules
    monkeypatch.setattr(tl.linear.op, "rules", (right[0], lambda *a, **o: right[1](*a, **o) ** 2, right[2]))
    assert not c02_blame.in_proportion(5).holds
    assert not c02_blame.by_numbers().holds


def test_an_error_that_is_not_collected_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = tl.linear.op.rules
    monkeypatch.setattr(tl.linear.op, "rules", (lambda err, y, x, w, b=None: err.dot(np.abs(w)), *right[1:]))
    assert not c02_blame.collected_and_handed_on(5).holds


def test_a_rule_that_captures_something_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(OPS[np.tanh], "slopes", (lambda y, x: seen.append(x) or 1 - y * y,))
    row = c03_locality.nothing_but_local()
    assert not row.holds
    assert "np.tanh" in row.measured


def test_a_rule_that_depends_on_what_is_not_local_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OPS[np.tanh], "slopes", (_fickle,))
    row = c03_locality.nothing_but_local()
    assert not row.holds
    assert "np.tanh" in row.measured


CALLS = [0]


def _fickle(y: Any, x: Any) -> Any:
    CALLS[0] += 1
    return (1 - y * y) * CALLS[0]


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_actors_give_the_gradient_of_the_walk_bit_for_bit_in_every_order(net: int, schedule: int) -> None:
    E, weights = c03_locality.wired_net(np.random.default_rng(net))
    E.backward()
    by_actors, _ = gradients_by_messages(E, schedule)
    in_turn, _ = gradients_by_messages(E, schedule, as_they_come)
    for w in weights:
        assert np.array_equal(by_actors[w.stamp], w.grad)
        # sums of at most some ten terms in another order
        np.testing.assert_allclose(in_turn[w.stamp], w.grad, rtol=1e-12, atol=1e-13)


def test_actors_wait_for_an_input_that_hands_on_nothing() -> None:
    x, y = tl.Tensor(2.0, requires_grad=True), tl.Tensor(-1.0, requires_grad=True)
    E = np.copysign(x, y * 1.0) * x
    E.backward()
    found, sent = gradients_by_messages(E, 0)
    assert found[x.stamp] == x.grad
    assert found[y.stamp] == 0.0
    assert sent > 0


def test_a_message_that_is_lost_is_not_forgotten() -> None:
    """Without its messages an actor would wait for ever, and not answer wrongly: each edge is used twice."""
    x = tl.Tensor([1.0, 2.0], requires_grad=True)
    E = np.sum(np.sin(x) * x)
    _, sent = gradients_by_messages(E, 1)
    edges = 1 + 2 + 1  # sin ← x, · ← sin and x, sum ← ·
    assert sent == 2 * edges


def test_the_cost_of_differences_grows_with_the_weights_in_the_figures() -> None:
    _, growth = c03_locality.cost(c03_locality.WIDTHS[:3], 3)
    assert growth.value is not None
    assert 0.5 < growth.value < 1.5  # on a loaded machine; the main job's bar is narrower
