"""C10 … C16 measured: the rows hold, and would not with a wrong rule, a wrong derivation or a field in name alone."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.profiles import tries
from tinygrad_lecture.learning.metaparameters import Metaparameters
from tinygrad_lecture.learning.rules import RULES, Adam, GradientDescent, Momentum, Rprop, VarioEta
from tinygrad_lecture.lecture import (
    c10_fixed_eta,
    c11_vario_eta,
    c12_momentum,
    c13_adam,
    c14_initialisation,
    c15_standard_programme,
    c16_metaparameters,
)
from tinygrad_lecture.lecture.experiments import gradients_by_hand, ravine, spread, sunspot_patterns, zigzag
from tinygrad_lecture.nn.mlp import MLP

MODULES = {
    "C10": ("c10_fixed_eta", 3),
    "C11": ("c11_vario_eta", 7),
    "C12": ("c12_momentum", 4),
    "C13": ("c13_adam", 3),
    "C14": ("c14_initialisation", 6),
    "C15": ("c15_standard_programme", 4),
    "C16": ("c16_metaparameters", 4),
}


@pytest.mark.parametrize("tag", MODULES)
def test_every_row_holds_in_small_mode_under_its_own_tag_and_is_short_enough_to_read(tag: str) -> None:
    name, n_rows = MODULES[tag]
    rows = list(import_module(f"tinygrad_lecture.lecture.{name}").measure(small=True))
    assert [row.tag for row in rows] == [tag] * n_rows
    assert [row.statement for row in rows if row.holds is False] == []
    assert max(len(row.measured) for row in rows) <= 240
    assert all(row.value is not None and np.isfinite(row.value) for row in rows)


def test_a_measurement_is_the_same_each_time() -> None:
    assert list(c12_momentum.measure(small=True)) == list(c12_momentum.measure(small=True))
    assert c11_vario_eta.damped(2) == c11_vario_eta.damped(2)


# C10
BOUND = 0.16


def test_a_rate_that_adapts_is_not_found_to_jump_over_the_minimum() -> None:
    row = c10_fixed_eta.jumps_over(BOUND, Rprop(eta=0.01))
    assert not row.holds


def test_where_nothing_is_flat_nothing_crawls() -> None:
    assert not c10_fixed_eta.crawls(BOUND, (0.5, 0.49)).holds


def test_places_are_as_flat_as_they_are_asked_to_be() -> None:
    steepest = np.max(np.abs(c10_fixed_eta.slopes(np.linspace(2.0, 6.0, 401))))
    for share in (0.1, 0.001):
        found = np.median(np.abs(c10_fixed_eta.slopes(c10_fixed_eta.flat_places(share)))) / steepest
        assert share / 3 < found < share * 3  # places vary by a tenth of the neuron's width


# C11
@dataclass(frozen=True, slots=True)
class Uncentred(VarioEta):
    """The root of the mean square in place of the standard deviation: some software calls that Vario-Eta."""

    def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
        mean, variance = moments
        return VarioEta.delta_w(self, g, state, w=w, eta=eta, moments=(mean, variance + mean**2))


@dataclass(frozen=True, slots=True)
class OverTMinusOne(VarioEta):
    """The variance of a sample, over T − 1."""

    def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
        mean, variance = moments
        return VarioEta.delta_w(self, g, state, w=w, eta=eta, moments=(mean, variance * 297 / 296))


@dataclass(frozen=True, slots=True)
class Multiplied(VarioEta):
    """As the slide stands, without its fraction bar: the root multiplies."""

    def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
        return -eta * np.sqrt(moments[1]) * g, state


@pytest.mark.parametrize(
    "rule", [Uncentred(0.01), OverTMinusOne(0.01), Multiplied(0.01)], ids=lambda r: type(r).__name__
)
def test_another_denominator_is_seen(rule: VarioEta) -> None:
    assert c11_vario_eta.denominator().holds
    assert not c11_vario_eta.denominator(rule).holds


def test_a_root_that_multiplies_does_not_damp() -> None:
    assert not c11_vario_eta.damped(3, Multiplied(1e-4)).holds


def test_a_streaming_form_of_another_smoothing_is_seen() -> None:
    assert not c11_vario_eta.streaming(2, VarioEta(0.01, smoothing=0.91)).holds


def test_an_epsilon_that_matters_makes_the_update_depend_on_the_size_of_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Guarded(VarioEta):
        def __init__(self, eta: float, epsilon: float) -> None:
            super().__init__(eta, epsilon=0.1)

    monkeypatch.setattr(c11_vario_eta, "VarioEta", Guarded)
    assert not c11_vario_eta.scale_of_the_error(2).holds


def test_gradients_by_hand_are_those_of_the_patterns() -> None:
    """Against central differences of E of one pattern; h² f''' and ε / h leave 1e-7 of the largest."""
    x, target = sunspot_patterns()
    net = MLP([12, 3, 1], rng=0)
    g, w, h = gradients_by_hand(net, x[:3], target[:3]), net.w.copy(), 6e-6
    for i in range(0, w.size, 5):
        up, down = (MLP([12, 3, 1]) for _ in range(2))
        up.assign(w + h * (np.arange(w.size) == i))
        down.assign(w - h * (np.arange(w.size) == i))
        numeric = [
            0.5 * (np.sum((up(x[t : t + 1]) - target[t]) ** 2) - np.sum((down(x[t : t + 1]) - target[t]) ** 2))
            for t in range(3)
        ]
        np.testing.assert_allclose(g[:, i], np.array(numeric) / (2 * h), atol=1e-7 * np.abs(g).max())


def test_a_ravine_is_25_times_as_curved_in_one_direction_and_starts_up_the_gentle_one() -> None:
    for seed in range(5):
        net, x, target, optimum = ravine(seed)
        curvature = np.linalg.eigvalsh(x.T @ x / len(x))
        assert 15 < curvature[1] / curvature[0] < 45  # 100 patterns: each σ² is off by some 14 %
        np.testing.assert_allclose(x.T @ (x @ optimum - target[:, 0]), 0.0, atol=1e-9)
        np.testing.assert_allclose(net.w - optimum, [0.5, 5.0])


def test_zigzag_counts_turns_along_the_steep_weight() -> None:
    steps = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    assert zigzag(steps) == (1.0, 2 / 3)


@settings(max_examples=tries(30))
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_a_spread_is_told_by_numbers_that_occurred(values: list[float]) -> None:
    middle = float(spread(values, 6).split()[0])
    assert min(abs(middle - v) for v in values) <= 1e-6
    assert "inf" in spread([1.0, np.inf, np.inf])


# C12
@dataclass(frozen=True, slots=True)
class Late(Momentum):
    """Δw from v before the gradient was added."""

    def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
        return -eta * state["v"], {"v": self.beta * state["v"] + g}


@dataclass(frozen=True, slots=True)
class Averaged(Momentum):
    """v as an average, (1 − β) g added, as some write it."""

    def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
        v = self.beta * state["v"] + (1 - self.beta) * g
        return -eta * v, {"v": v}


@pytest.mark.parametrize(
    "rule", [Late(0.01), Averaged(0.01), Momentum(0.01, beta=0.9001), GradientDescent(0.01)], ids=str
)
def test_another_recursion_than_momentum_is_seen(rule: Any) -> None:
    assert not c12_momentum.recursion(10, rule).holds


def test_what_does_not_accelerate_is_seen() -> None:
    assert not c12_momentum.steady(Averaged()).holds


# C13
@dataclass(frozen=True, slots=True)
class Uncorrected(Adam):
    """Adam without the correction of its moments."""

    def delta_w(self, g: Any, state: Any, *, w: Any, eta: Any, moments: Any = None) -> Any:
        m, v = 0.9 * state["m"] + 0.1 * g, 0.999 * state["v"] + 0.001 * g * g
        return -eta * m / (np.sqrt(v) + self.epsilon), {"m": m, "v": v, "t": state["t"] + 1}


@pytest.mark.parametrize("rule", [Uncorrected(), Adam(beta2=0.99901), RULES["rmsprop"](eta=0.001)], ids=str)
def test_another_rule_than_adam_is_seen(rule: Any) -> None:
    assert not c13_adam.moments(1, rule).holds


def test_a_missing_correction_is_seen_in_the_first_step() -> None:
    assert not c13_adam.first_step(Uncorrected(epsilon=1e-30)).holds


# C14 and C15
@pytest.mark.parametrize("wrong", [1.05, 1 / 1.05, np.sqrt(3.0)])
def test_a_wrong_size_of_the_weights_is_seen(wrong: float) -> None:
    def init(*args: Any, **options: Any) -> Any:
        return wrong * c14_initialisation.lecture(*args, **options)

    assert not c14_initialisation.sigma_of_net_inputs((100, 1000), init).holds


def test_weights_of_a_size_that_does_not_follow_n_are_seen() -> None:
    def init(rng: Any, n_out: int, n_in: int, sigma_x: float = 1.0) -> Any:
        return rng.uniform(-0.3, 0.3, size=(n_out, n_in))

    assert not c14_initialisation.sigma_of_net_inputs((10, 100), init).holds


def test_a_net_that_runs_away_has_no_digit_right(monkeypatch: pytest.MonkeyPatch) -> None:
    learn = c14_initialisation.train

    def runs_away(net: Any, *args: Any, **options: Any) -> Any:
        if np.abs(net.w).max() > 3.0:  # with 30 r
            raise c14_initialisation.NotFiniteError("no weight was written")
        return learn(net, *args, **options)

    monkeypatch.setattr(c14_initialisation, "train", runs_away)
    _, learning = c14_initialisation.sizes_of_weights(1, 1)
    assert learning.holds
    assert "0.00 [0.00–0.00] with 30r" in learning.measured


def test_a_programme_that_does_not_work_well_is_seen() -> None:
    learnt, held, sizes, loss, _ = c15_standard_programme.problems()["digits"]
    row = c15_standard_programme.standard_and_lecture("digits", learnt, held, sizes, loss, 1, 2, init="zeros")
    assert not row.holds


def test_patterns_that_are_held_out_are_not_learnt() -> None:
    for learnt, held, _, _, _ in c15_standard_programme.problems().values():
        assert len(learnt[0]) + len(held[0]) <= 1797
        seen = {row.tobytes() for row in np.hstack([learnt[0], learnt[1].reshape(len(learnt[0]), -1)])}
        overlap = [row.tobytes() in seen for row in np.hstack([held[0], held[1].reshape(len(held[0]), -1)])]
        assert sum(overlap) <= 1  # two irises have the same measures


# C16
def test_every_field_has_a_wrong_value_and_another_one_in_the_tables() -> None:
    names = set(Metaparameters.__dataclass_fields__)
    assert set(c16_metaparameters.WRONG) == set(c16_metaparameters.OTHER) == names


def test_a_choice_without_a_field_is_seen() -> None:
    row = c16_metaparameters.one_place({**c16_metaparameters.CHOICES, "dropout": ("dropout",)})
    assert not row.holds
    assert "dropout" in row.measured


def test_a_right_value_is_not_taken_for_a_refused_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not c16_metaparameters.clearly_refused("epochs", 10)
    monkeypatch.setitem(c16_metaparameters.WRONG, "bias", (True,))
    assert not c16_metaparameters.refused().holds


def test_an_error_that_does_not_name_the_field_is_not_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise ValueError("no")

    monkeypatch.setattr(c16_metaparameters, "Metaparameters", refuse)
    assert not c16_metaparameters.clearly_refused("eta", -1)


def test_a_field_that_changes_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(c16_metaparameters.OTHER, "eta", 0.1)  # the rule's own
    assert not c16_metaparameters.varied(("eta",), 1).holds


def test_a_training_that_diverges_takes_infinitely_many_updates() -> None:
    with np.errstate(all="ignore"):  # it shall overflow
        assert c11_vario_eta._until(GradientDescent(eta=1e6), 0) == np.inf
