"""C4 … C9 measured: the rows hold in their small mode, and would not if what they measure were wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tinygrad_lecture.engine.op import OPS
from tinygrad_lecture.learning.rules import GradientDescent
from tinygrad_lecture.learning.train import train
from tinygrad_lecture.lecture import (
    c04_correspondence,
    c05_topology,
    c06_bias,
    c07_pattern_by_pattern,
    c08_steepest_descent,
    c09_batches,
    hills,
    outliers,
)
from tinygrad_lecture.lecture.experiments import sunspot_patterns
from tinygrad_lecture.lecture.side_by_side import course, errors, learnt, stacked
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.topology import Topology
from tinygrad_lecture.show.algorithm import algorithm
from tinygrad_lecture.show.drawing import draw
from tinygrad_lecture.show.equations import equations

MODULES = {
    "C4": (c04_correspondence, 3),
    "C5": (c05_topology, 4),
    "C6": (c06_bias, 3),
    "C7": (c07_pattern_by_pattern, 7),
    "C8": (c08_steepest_descent, 5),
    "C9": (c09_batches, 5),
}


@pytest.mark.parametrize("tag", MODULES)
def test_every_row_holds_in_its_small_mode(tag: str) -> None:
    module, n = MODULES[tag]
    rows = list(module.measure(small=True))
    assert [row.tag for row in rows] == [tag] * n
    assert [row.statement for row in rows if row.holds is False] == []
    assert all(len(row.measured) <= 240 and row.value is not None for row in rows)


def test_rows_that_only_the_main_job_has_time_for_are_measured_too() -> None:
    real = c06_bias.on_real_data(2, 2)
    assert real.holds is None
    assert 0.1 < real.value < 10.0
    own_eta = outliers.outliers_with_own_eta(2, 1)
    assert own_eta.contradicted == (own_eta.value <= 1.0)
    assert "5 % wrong targets, 1 epochs" in own_eta.measured


def test_the_same_row_twice_gives_the_same_figures() -> None:
    assert c07_pattern_by_pattern.out_of_poor_minima(2, 5, (0.1,)) == c07_pattern_by_pattern.out_of_poor_minima(
        2, 5, (0.1,)
    )
    assert c09_batches.noise(2, (1, 8), replacement=False) == c09_batches.noise(2, (1, 8), replacement=False)


# nets side by side


@given(st.integers(0, 10_000), st.sampled_from([1, 7, None]))
def test_nets_side_by_side_learn_what_train_makes_of_each(seed: int, batch_size: int | None) -> None:
    rng = np.random.default_rng(seed)
    x, target = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    seeds, etas = [seed, seed + 1], [0.05, 0.1]
    updates = 2 if batch_size is None else 2 * -(-20 // batch_size)
    p = learnt(stacked([3, 4, 2], seeds), x, target, updates, eta=etas, batch_size=batch_size, seeds=seeds)
    for r, eta in enumerate(etas):
        net = MLP([3, 4, 2], rng=seeds[r])
        train(net, (x, target), rule=GradientDescent(eta), batch_size=batch_size, epochs=2, rng=seeds[r])
        for name, w in net.parameters.items():
            # some ten updates, each rounded in another order
            np.testing.assert_allclose(p[name][r].reshape(w.shape), w, rtol=1e-9, atol=1e-11)
        assert errors(p, x, target)[r] == pytest.approx(float(tl.squared_error(net(x), target)), rel=1e-9)


def test_each_run_may_have_patterns_of_its_own() -> None:
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(2, 10, 3)), rng.normal(size=(2, 10, 1))
    both = next(course(stacked([3, 2, 1], [0, 1]), x, target, eta=0.1, batch_size=3, seeds=[5, 6]))
    for r in range(2):
        alone = next(course(stacked([3, 2, 1], [r]), x[r], target[r], eta=0.1, batch_size=3, seeds=[5 + r]))
        for name, w in alone.items():
            np.testing.assert_allclose(both[name][r], w[0], rtol=1e-12, atol=1e-14)


# the hills


def test_the_surface_has_two_minima_the_better_one_at_the_higher_hill() -> None:
    b = np.linspace(-4.5, 4.5, 901)
    E = np.mean(0.5 * (np.exp(-((hills.x - b[:, None]) ** 2)) - hills.target) ** 2, axis=1)
    minima = b[1:-1][(E[1:-1] < E[:-2]) & (E[1:-1] < E[2:])]
    np.testing.assert_allclose(minima, [hills.POOR, hills.GOOD], atol=0.02)
    assert E[np.argmin(np.abs(b - hills.GOOD))] < 0.5 * E[np.argmin(np.abs(b - hills.POOR))]
    np.testing.assert_allclose(
        hills.slope_on_hills(b[1:-1], hills.x[None], hills.target[None]), (E[2:] - E[:-2]) / (b[2:] - b[:-2]), atol=1e-4
    )
    k = int(np.argmin(np.abs(b - hills.GOOD)))
    curvature = (E[k - 1] - 2 * E[k] + E[k + 1]) / (b[1] - b[0]) ** 2
    assert hills.bound_at_the_good_minimum() == pytest.approx(2 / curvature, rel=1e-3)


# planted faults


def test_a_drawing_of_another_net_is_told() -> None:
    net, other = c04_correspondence.wired_at_random(2)
    assert c04_correspondence.contradictions(net) == []
    assert c04_correspondence.contradictions(net, draw(other)) != []


def test_equations_of_another_net_are_told_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    net, deeper = MLP([2, 3, 1]), MLP([2, 3, 3, 1])
    monkeypatch.setattr(c04_correspondence, "equations", lambda n: equations(deeper if n is net else net))
    told = c04_correspondence.contradictions(net)
    assert "a number that is no step: 18" in told
    assert "equation 17 is not Δb2 = −η ∂b2" in told
    last = list(algorithm(deeper))[-1]
    assert f"LaTeX {last.number} is not {last.latex}" in c04_correspondence.contradictions(deeper)


def test_a_name_that_is_missing_in_the_drawing_is_told() -> None:
    net = MLP([2, 3, 1])
    drawn = draw(net).replace(">↑ in_hid1<", "><")
    assert c04_correspondence.contradictions(net, drawn) == ["in_hid1 is not written at hid1"]


def test_a_step_that_stands_elsewhere_in_one_view_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(net: Network) -> Any:
        steps = algorithm(net)
        first, second, *rest = steps
        return replace(steps, steps=(replace(first, at=rest[0].at), second, *rest))

    monkeypatch.setattr(c04_correspondence, "algorithm", swapped)
    assert not c04_correspondence.refer_to_each_other(3).holds


def test_a_slope_that_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OPS[np.tanh], "slopes", (lambda y, x: 1 - y * y * (1 + 1e-10),))
    assert not c04_correspondence.are_the_net(10).holds
    assert not c04_correspondence.signal_times_error(2).holds
    assert not c05_topology.any_topology(10).holds
    assert not c05_topology.recurrence(1).holds
    assert not c06_bias.the_same_net(2).holds


def test_an_error_that_passes_a_blocked_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Topology, "blocked", lambda self, *weights: self)
    assert not c05_topology.blocked(3).holds


def test_an_extra_input_that_is_not_1_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "ones", lambda *shape: np.full(*shape, 1.0 + 1e-12))
    assert not c06_bias.the_same_net(2).holds


@dataclass(frozen=True)
class Doubled(GradientDescent):
    """Steepest descent that doubles one part of its Δw."""

    def delta_w(self, g: Any, state: Any, **options: Any) -> Any:
        delta, state = super().delta_w(g, state, **options)
        return np.where(np.arange(len(delta)) == 3, 2 * delta, delta), state


def test_a_rule_that_is_not_the_gradient_is_told() -> None:
    assert c07_pattern_by_pattern.decomposition(10).holds
    assert not c07_pattern_by_pattern.decomposition(10, Doubled(0.01)).holds


def test_noise_of_another_size_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    right = c07_pattern_by_pattern.packed_gradients
    monkeypatch.setattr(c09_batches, "packed_gradients", lambda *a: 1.1 * right(*a))
    assert not c09_batches.noise(8, (1, 8), replacement=True).holds


def test_a_surface_without_noise_gives_no_larger_share(monkeypatch: pytest.MonkeyPatch) -> None:
    right = c07_pattern_by_pattern.ends_on_hills
    monkeypatch.setattr(c07_pattern_by_pattern, "ends_on_hills", lambda *a: right(*a[:-1], False))
    assert not c07_pattern_by_pattern.out_of_poor_minima(3, 20, (0.1,)).holds


def test_a_wrong_curvature_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    right = c08_steepest_descent.hvp
    monkeypatch.setattr(
        c08_steepest_descent,
        "hvp",
        lambda f: lambda p, v: {name: 1.03 * Gv for name, Gv in right(f)(p, v).items()},
    )
    assert not c08_steepest_descent.remainders(2, 2).holds
    assert not c08_steepest_descent.bound_of_a_neuron(2).holds


def test_parts_that_are_not_weighted_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    right = c09_batches.error_of
    monkeypatch.setattr(
        c09_batches, "error_of", lambda net, x, t: lambda p: right(net, x, t)(p) * (1.0 + 1e-9 * len(x))
    )
    assert not c09_batches.parts(2).holds


def test_wrong_targets_are_those_of_the_share_and_the_right_ones_stay() -> None:
    _, target = sunspot_patterns()
    wrong = outliers.with_outliers([0, 1])
    changed = np.sum(wrong != target, axis=(1, 2))
    assert changed.tolist() == [15, 15]
    assert not np.array_equal(wrong[0], wrong[1])
    assert set(np.abs(wrong[wrong != np.stack([target, target])])) == {outliers.WRONG}
