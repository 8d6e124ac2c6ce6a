"""The learning rules: each Δw is what its formula says, and no more than that is needed to compute it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import pickle
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lecture as tl
from tests.profiles import tries
from tinygrad_lecture.learning import fields, rules, schedules
from tinygrad_lecture.learning.rules import (
    RULES,
    Adagrad,
    Adam,
    AdamW,
    GradientDescent,
    Momentum,
    Nesterov,
    RMSprop,
    Rprop,
    Rule,
    VarioEta,
    rule,
)

TINY = 1e-300
"""An ε that leaves no trace beside gradients of ordinary size."""

VARIANTS: dict[str, Rule] = {
    "gradient_descent": GradientDescent(),
    "momentum": Momentum(),
    "momentum, forgetting fast": Momentum(eta=0.2, beta=0.3),
    "momentum without any": Momentum(eta=0.2, beta=0.0),
    "nesterov": Nesterov(),
    "nesterov, forgetting fast": Nesterov(eta=0.2, beta=0.3),
    "vario_eta": VarioEta(),
    "vario_eta, large epsilon": VarioEta(eta=0.1, epsilon=0.3),
    "vario_eta, streaming": VarioEta(smoothing=0.9),
    "vario_eta, streaming, large epsilon": VarioEta(eta=0.1, epsilon=0.3, smoothing=0.99),
    "rmsprop": RMSprop(),
    "rmsprop, large epsilon": RMSprop(eta=0.1, rho=0.6, epsilon=0.3),
    "rmsprop, centred": RMSprop(rho=0.9, centered=True),
    "rmsprop, momentum": RMSprop(rho=0.9, momentum=0.8),
    "rmsprop, centred, momentum": RMSprop(rho=0.9, epsilon=0.1, centered=True, momentum=0.8),
    "adagrad": Adagrad(),
    "adagrad, large epsilon": Adagrad(eta=0.1, epsilon=0.3),
    "adam": Adam(),
    "adam, large epsilon": Adam(eta=0.1, beta1=0.5, beta2=0.7, epsilon=0.3),
    "adam without memory": Adam(beta1=0.0, beta2=0.0),
    "adam, long memory": Adam(beta1=0.999, beta2=0.999999),
    "adamw": AdamW(),
    "adamw, large decay": AdamW(eta=0.1, beta1=0.5, beta2=0.7, epsilon=0.3, weight_decay=2.0),
    "rprop": Rprop(),
    "rprop, narrow": Rprop(eta=0.1, eta_plus=1.5, eta_minus=0.4, step_min=0.05, step_max=0.2),
}
"""Every rule, with its defaults and with other fields."""

each_variant = pytest.mark.parametrize("it", [pytest.param(r, id=name) for name, r in VARIANTS.items()])
each_rule = pytest.mark.parametrize("name", RULES)


def sequence(seed: int, shape: tuple[int, ...] = (7,), steps: int = 20, dtype: str = "float64") -> list[Any]:
    """Weights, gradients and moments of some updates; some gradients are 0, some repeat or change their sign."""
    rng = np.random.default_rng(seed)
    course = []
    for _ in range(steps):
        w, g, mean = (rng.normal(size=shape) for _ in range(3))
        g = g * 10.0 ** rng.integers(-3, 2, size=shape) * (rng.random(shape) > 0.1)
        course.append(tuple(a.astype(dtype) for a in (w, g, mean, rng.uniform(0.01, 2.0, size=shape))))
    return course


def run(it: Rule, course: list[Any], eta: Any = None) -> list[np.ndarray]:
    """The Δw of a course of updates."""
    state, deltas = it.start(course[0][0]), []
    for w, g, *moments in course:
        delta, state = it.delta_w(g, state, w=w, eta=it.eta if eta is None else eta, moments=tuple(moments))
        deltas.append(delta)
    return deltas


def same_bits(got: Any, wanted: Any) -> None:
    assert np.asarray(got).dtype == np.asarray(wanted).dtype
    assert np.shape(got) == np.shape(wanted)
    assert np.asarray(got).tobytes() == np.asarray(wanted).tobytes()


# the formulas, for one weight, in numbers of 50 digits


class Reference:
    """Each rule as its source prints it, for a single weight; a float is taken for the exact number that it is."""

    def __init__(self, it: Rule) -> None:
        self.it = it
        self.f = {k: mpmath.mpf(v) for k, v in dataclasses.asdict(it).items() if isinstance(v, float)}
        self.s: dict[str, Any] = {}
        self.t = 0

    def smoothed(self, name: str, value: Any, beta: Any) -> Any:
        self.s[name] = beta * self.s.get(name, 0) + (1 - beta) * value
        return self.s[name]

    def __call__(self, g: Any, w: Any, variance: Any) -> Any:
        self.t += 1
        return getattr(self, type(self.it).__name__)(g, w, variance)

    def GradientDescent(self, g: Any, w: Any, variance: Any) -> Any:
        return -self.f["eta"] * g

    def Momentum(self, g: Any, w: Any, variance: Any) -> Any:
        v = self.s["v"] = self.f["beta"] * self.s.get("v", 0) + g
        return -self.f["eta"] * v

    def Nesterov(self, g: Any, w: Any, variance: Any) -> Any:
        v = self.s["v"] = self.f["beta"] * self.s.get("v", 0) + g
        return -self.f["eta"] * (g + self.f["beta"] * v)

    def VarioEta(self, g: Any, w: Any, variance: Any) -> Any:
        if self.it.smoothing is not None:  # type: ignore[attr-defined]
            m = self.smoothed("m", g, self.f["smoothing"])
            variance = self.smoothed("s", g * g, self.f["smoothing"]) - m * m
        return -self.f["eta"] / (mpmath.sqrt(variance) + self.f["epsilon"]) * g

    def RMSprop(self, g: Any, w: Any, variance: Any) -> Any:
        s = self.smoothed("s", g * g, self.f["rho"])
        if self.it.centered:  # type: ignore[attr-defined]
            s = s - self.smoothed("m", g, self.f["rho"]) ** 2
        v = self.s["v"] = self.f["momentum"] * self.s.get("v", 0) + g / (mpmath.sqrt(s) + self.f["epsilon"])
        return -self.f["eta"] * v

    def Adagrad(self, g: Any, w: Any, variance: Any) -> Any:
        s = self.s["s"] = self.s.get("s", 0) + g * g
        return -self.f["eta"] * g / (mpmath.sqrt(s) + self.f["epsilon"])

    def Adam(self, g: Any, w: Any, variance: Any) -> Any:
        m = self.smoothed("m", g, self.f["beta1"]) / (1 - self.f["beta1"] ** self.t)
        v = self.smoothed("v", g * g, self.f["beta2"]) / (1 - self.f["beta2"] ** self.t)
        return -self.f["eta"] * m / (mpmath.sqrt(v) + self.f["epsilon"])

    def AdamW(self, g: Any, w: Any, variance: Any) -> Any:
        return self.Adam(g, w, variance) - self.f["eta"] * self.f["weight_decay"] * w

    def Rprop(self, g: Any, w: Any, variance: Any) -> Any:
        product = g * self.s.get("g", 0)
        step = self.s.get("step", self.f["eta"])
        step *= self.f["eta_plus"] if product > 0 else self.f["eta_minus"] if product < 0 else 1
        self.s["step"] = min(max(step, self.f["step_min"]), self.f["step_max"])
        self.s["g"] = 0 if product < 0 else g
        return -self.s["step"] * mpmath.sign(self.s["g"])


def scales(it: Rule, references: list[Any]) -> list[Any]:
    """The sizes that rounding is measured by: the largest Δw so far, since a velocity can cancel."""
    largest, out = mpmath.mpf(0), []
    for r in references:
        largest = max(largest, abs(r))
        out.append(largest)
    return out


@each_variant
def test_every_update_is_the_formula_in_numbers_of_50_digits(it: Rule) -> None:
    course = sequence(0)
    got = run(it, course)
    with mpmath.workdps(50):
        for i in range(course[0][0].size):
            reference = Reference(it)
            wanted = [
                reference(*(mpmath.mpf(float(a[i])) for a in (g, w, variance))) for w, g, _mean, variance in course
            ]
            for delta, r, scale in zip(got, wanted, scales(it, wanted), strict=True):
                assert abs(mpmath.mpf(float(delta[i])) - r) <= 1e-12 * scale


def test_there_is_a_reference_and_a_variant_for_every_rule() -> None:
    for name, kind in RULES.items():
        assert hasattr(Reference, kind.__name__)
        assert type(VARIANTS[name]) is kind
        assert VARIANTS[name] == kind()


FACTORS: list[tuple[str, Callable[[Rule], Rule]]] = [
    ("eta", lambda r: dataclasses.replace(r, eta=r.eta * 1.001)),
    ("beta", lambda r: dataclasses.replace(r, beta=r.beta * 1.001)),  # type: ignore[call-arg, attr-defined]
    ("beta1", lambda r: dataclasses.replace(r, beta1=r.beta1 * 1.0001)),  # type: ignore[call-arg, attr-defined]
    ("beta2", lambda r: dataclasses.replace(r, beta2=r.beta2 * 1.0001)),  # type: ignore[call-arg, attr-defined]
    ("epsilon", lambda r: dataclasses.replace(r, epsilon=r.epsilon * 1.001)),  # type: ignore[call-arg, attr-defined]
]


@pytest.mark.parametrize(("name", "change"), FACTORS, ids=[name for name, _ in FACTORS])
def test_a_field_that_is_a_little_off_would_be_seen(name: str, change: Callable[[Rule], Rule]) -> None:
    for it in VARIANTS.values():
        if getattr(it, name, None) and getattr(it, "epsilon", 1.0) > 0.01:
            got, wanted = run(it, sequence(0)), run(change(it), sequence(0), eta=change(it).eta)
            if not isinstance(it, Rprop):
                assert any(np.max(np.abs(a - b)) > 1e-9 for a, b in zip(got, wanted, strict=True)), it


def test_steepest_descent_is_exact_in_fractions() -> None:
    (delta,) = run(GradientDescent(eta=0.5), [(np.ones(2), np.array([0.25, -3.0]), None, None)])
    assert [Fraction(d) for d in delta.tolist()] == [Fraction(-1, 8), Fraction(3, 2)]


def test_momentum_by_hand() -> None:
    g = np.array([1.0])
    deltas = run(Momentum(eta=1.0, beta=0.5), [(g, g, None, None)] * 4)
    assert [d.item() for d in deltas] == [-1.0, -1.5, -1.75, -1.875]


def test_nesterov_by_hand() -> None:
    g = np.array([1.0])
    deltas = run(Nesterov(eta=1.0, beta=0.5), [(g, g, None, None)] * 3)
    assert [d.item() for d in deltas] == [-1.5, -1.75, -1.875]


def test_rprop_by_hand() -> None:
    it = Rprop(eta=1.0, eta_plus=2.0, eta_minus=0.5, step_min=0.25, step_max=4.0)
    gs = [3.0, 1.0, 5.0, 2.0, -1.0, -1.0, -9.0, 0.0, -1.0, 1.0, -1.0, 1.0, 1.0]
    deltas = run(it, [(np.ones(1), np.array([g]), None, None) for g in gs])
    wanted = [-1.0, -2.0, -4.0, -4.0, 0.0, 2.0, 4.0, 0.0, 4.0, 0.0, 2.0, 0.0, -1.0]
    assert [d.item() + 0.0 for d in deltas] == wanted


def test_a_rprop_step_never_leaves_its_bounds() -> None:
    it = Rprop(eta=1.0, step_min=0.5, step_max=2.0)
    for gs, end in (([1.0, 1.0], 2.0), ([1.0, -1.0, 1.0, 1.0], 0.5)):
        state = it.start(np.ones(1))
        for g in gs * 10:
            _, state = it.delta_w(np.array([g]), state, w=np.ones(1), eta=it.eta)
            assert 0.5 <= state["step"].item() <= 2.0
        assert abs(state["step"].item() - end) < 0.5


def test_another_eta_scales_the_steps_of_rprop() -> None:
    it, course = VARIANTS["rprop"], sequence(3)
    for a, b in zip(run(it, course), run(it, course, eta=4.0 * it.eta), strict=True):
        np.testing.assert_array_equal(4.0 * a, b)


def test_the_first_update_of_adam_is_eta_whatever_the_gradient() -> None:
    g = np.array([1e-3, -1.0, 1e6])
    (delta,) = run(Adam(epsilon=TINY), [(g, g, None, None)])
    np.testing.assert_allclose(delta, -0.001 * np.sign(g), rtol=1e-15)


def test_the_bias_correction_keeps_its_digits_in_the_first_updates_of_a_long_memory() -> None:
    beta = 1.0 - 2.0**-40  # 1 − βᵗ by subtraction would have lost 12 digits
    g = np.array([0.5])
    for delta in run(Adam(beta1=beta, beta2=beta, epsilon=TINY), [(g, g, None, None)] * 5):
        np.testing.assert_allclose(delta, [-0.001], rtol=1e-14)


def test_the_decay_of_adamw_is_not_divided_by_the_size_of_the_gradient() -> None:
    w = np.array([2.0, -3.0])
    (delta,) = run(AdamW(eta=0.5, weight_decay=0.1), [(w, np.zeros(2), None, None)])
    np.testing.assert_allclose(delta, -0.05 * w, rtol=1e-15)


def test_adamw_without_decay_is_adam() -> None:
    for a, b in zip(run(AdamW(weight_decay=0.0), sequence(1)), run(Adam(), sequence(1)), strict=True):
        np.testing.assert_array_equal(a, b)


# Vario-Eta


def test_streaming_vario_eta_is_centred_rmsprop() -> None:
    for smoothing, epsilon in ((0.9, 1e-8), (0.99, 0.3), (0.5, 1e-3)):
        streaming = run(VarioEta(0.1, epsilon, smoothing), sequence(2))
        centred = run(RMSprop(0.1, smoothing, epsilon, centered=True), sequence(2))
        for a, b in zip(streaming, centred, strict=True):
            np.testing.assert_allclose(a, b, rtol=4e-16)  # −η g / σ and −η (g / σ) round apart


def test_the_smoothed_variance_of_gradients_that_agree_is_never_negative() -> None:
    it = VarioEta(smoothing=0.9)
    for size in (1e8, 0.1, 1e-3):
        g = np.array([size])
        state = it.start(g)
        for k in range(2000):
            delta, state = it.delta_w(g, state, w=g, eta=0.1)
            assert state["variance"].item() >= 0, k
            assert np.isfinite(delta.item())


def test_exact_vario_eta_takes_moments_from_the_gradients_of_the_patterns() -> None:
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=3), rng.normal(size=(50, 3))
    g_t = x * (1 - np.tanh(x @ w) ** 2)[:, None]
    g, variance = tl.gradient_moments(lambda w, x: np.sum(np.tanh(x @ w)))(w, x)
    delta, state = VarioEta().delta_w(g, {}, w=w, eta=0.1, moments=(g, variance))
    np.testing.assert_allclose(delta, -0.1 / (np.std(g_t, axis=0) + 1e-8) * np.mean(g_t, axis=0), rtol=1e-12)
    assert state == {}


@given(c=st.floats(1e-3, 1e3), seed=st.integers(0, 999))
def test_exact_vario_eta_does_not_change_when_the_error_is_scaled(c: float, seed: int) -> None:
    ((w, g, mean, variance),) = sequence(seed, steps=1)
    it = VarioEta(epsilon=TINY)
    plain, _ = it.delta_w(g, {}, w=w, eta=0.1, moments=(mean, variance))
    scaled, _ = it.delta_w(c * g, {}, w=w, eta=0.1, moments=(c * mean, c * c * variance))
    np.testing.assert_allclose(scaled, plain, rtol=1e-14)


def test_vario_eta_damps_where_the_patterns_differ_and_speeds_up_where_they_agree() -> None:
    g = np.array([1.0, 1.0])
    delta, _ = VarioEta().delta_w(g, {}, w=g, eta=1.0, moments=(g, np.array([100.0, 0.01])))
    np.testing.assert_allclose(delta, [-0.1, -10.0], rtol=1e-6)


def test_only_the_exact_form_needs_moments() -> None:
    needing = {name for name, it in VARIANTS.items() if it.needs_moments}
    assert needing == {"vario_eta", "vario_eta, large epsilon"}


def test_missing_moments_are_an_error_that_names_both_ways_out() -> None:
    g = np.ones(2)
    with pytest.raises(
        ValueError, match=r"moments=\(mean, variance\).*tl\.gradient_moments.*VarioEta\(smoothing=0\.99\)"
    ):
        VarioEta().delta_w(g, {}, w=g, eta=0.1)


def test_moments_of_another_shape_are_an_error_with_both_shapes() -> None:
    g = np.ones(2)
    with pytest.raises(ValueError, match=r"variance of shape \(\) for a gradient of \(2,\)"):
        VarioEta().delta_w(g, {}, w=g, eta=0.1, moments=(g, np.ones(())))


# PyTorch


TORCH: dict[str, tuple[str, dict[str, str]]] = {
    "GradientDescent": ("SGD", {}),
    "Momentum": ("SGD", {"beta": "momentum"}),
    "Nesterov": ("SGD", {"beta": "momentum"}),
    "RMSprop": ("RMSprop", {"rho": "alpha", "epsilon": "eps", "centered": "centered", "momentum": "momentum"}),
    "Adagrad": ("Adagrad", {"epsilon": "eps"}),
    "Adam": ("Adam", {"epsilon": "eps"}),
    "AdamW": ("AdamW", {"epsilon": "eps", "weight_decay": "weight_decay"}),
    "Rprop": ("Rprop", {}),
}
"""Class → PyTorch's, and what it calls our fields; it has no Vario-Eta in the exact form."""


def torchs(torch: Any, it: Rule, w: Any) -> Any:
    kind, names = TORCH[type(it).__name__]
    given = {theirs: getattr(it, ours) for ours, theirs in names.items()}
    if isinstance(it, Nesterov):
        given["nesterov"] = it.beta > 0
    if isinstance(it, Adam):
        given["betas"] = it.beta1, it.beta2
    if isinstance(it, Rprop):
        given |= {"etas": (it.eta_minus, it.eta_plus), "step_sizes": (it.step_min, it.step_max)}
    return getattr(torch.optim, kind)([w], lr=it.eta, **given)


@pytest.mark.parametrize("it", [pytest.param(r, id=n) for n, r in VARIANTS.items() if not isinstance(r, VarioEta)])
def test_pytorch_makes_the_same_updates(it: Rule) -> None:
    torch = pytest.importorskip("torch", reason="another engine as an oracle, only where it is installed")
    course = sequence(4)
    w = course[0][0]
    theirs = torch.tensor(w.copy(), requires_grad=True)
    optimizer, state = torchs(torch, it, theirs), it.start(w)
    for _, g, *_ in course:
        delta, state = it.delta_w(g, state, w=w, eta=it.eta)
        w = w + delta
        theirs.grad = torch.tensor(g)
        optimizer.step()
        np.testing.assert_allclose(theirs.detach().numpy(), w, rtol=1e-12, atol=1e-12)


def test_every_rule_that_pytorch_has_is_compared_with_it() -> None:
    assert {kind.__name__ for kind in RULES.values()} - {"VarioEta"} == set(TORCH)


# pure functions of arrays


@each_variant
def test_a_state_is_a_dict_of_arrays_and_keeps_its_form(it: Rule) -> None:
    course = sequence(0, steps=3)
    state = it.start(course[0][0])
    form = {name: (a.shape, a.dtype) for name, a in state.items()}
    for w, g, *moments in course:
        assert type(state) is dict
        assert all(isinstance(a, np.ndarray | np.generic) for a in state.values())
        assert {name: (a.shape, a.dtype) for name, a in state.items()} == form
        _, state = it.delta_w(g, state, w=w, eta=it.eta, moments=moments)


@each_variant
def test_an_update_leaves_its_arguments_alone_and_gives_the_same_bits_again(it: Rule) -> None:
    course = sequence(0, steps=3)
    state = it.start(course[0][0])
    for w, g, *moments in course:
        state = {name: np.asarray(a).copy() for name, a in state.items()}
        given = [w, g, *moments, *state.values()]
        before = [a.copy() for a in given]
        for a in given:
            a.flags.writeable = False
        first, state1 = it.delta_w(g, state, w=w, eta=it.eta, moments=moments)
        second, state2 = it.delta_w(g, state, w=w, eta=it.eta, moments=moments)
        same_bits(first, second)
        for name in state:
            same_bits(state1[name], state2[name])
        for a, b in zip(given, before, strict=True):
            same_bits(a, b)
        assert not any(np.shares_memory(first, a) for a in given)
        state = state1


@each_variant
def test_a_recorded_update_gives_the_bits_of_the_plain_one(it: Rule) -> None:
    def step(g: Any, state: Any, w: Any, eta: Any, moments: Any) -> Any:
        return it.delta_w(g, state, w=w, eta=eta, moments=moments)

    for dtype in ("float64", "float32"):
        example, course = sequence(5, steps=1, dtype=dtype)[0], sequence(6, dtype=dtype)
        program = tl.record(step)(example[1], it.start(example[0]), example[0], np.float64(0.3), example[2:])
        state = it.start(course[0][0])
        recorded = state
        for k, (w, g, *moments) in enumerate(course):
            eta = np.float64(0.1 / (k + 1))
            plain, state = step(g, state, w, eta, tuple(moments))
            delta, recorded = program(g, recorded, w, eta, tuple(moments))
            same_bits(delta, plain)
            assert recorded.keys() == state.keys()
            for name in state:
                same_bits(recorded[name], state[name])


@each_variant
def test_a_start_can_be_recorded_too(it: Rule) -> None:
    w = np.linspace(-1, 1, 5)
    recorded = tl.record(it.start)(w)(w)
    for name, a in it.start(w).items():
        same_bits(recorded[name], a)


@each_variant
def test_tensors_are_updated_like_arrays(it: Rule) -> None:
    course = sequence(7, steps=3)
    wrapped = [tuple(tl.Tensor(a) for a in one) for one in course]
    for got, wanted in zip(run(it, wrapped), run(it, course), strict=True):
        assert isinstance(got, tl.Tensor)
        same_bits(got.numpy(), wanted)


ETAS: dict[str, Any] = {
    "float": 0.1,
    "int": 1,
    "np.float64": np.float64(0.1),
    "float64 array": np.array(0.1),
    "np.float32": np.float32(0.1),
}


@pytest.mark.parametrize("eta", ETAS.values(), ids=ETAS)
@each_variant
def test_float32_stays_float32_whatever_eta_is(it: Rule, eta: Any) -> None:
    course = sequence(8, dtype="float32")
    state = it.start(course[0][0])
    for w, g, *moments in course:
        delta, state = it.delta_w(g, state, w=w, eta=eta, moments=moments)
        assert delta.dtype == np.float32
        assert {name: a.dtype for name, a in state.items() if name != "t"} == dict.fromkeys(
            state.keys() - {"t"}, np.float32
        )


@each_variant
def test_float32_is_the_rounding_of_float64(it: Rule) -> None:
    course = sequence(9, dtype="float32")
    wide = [tuple(a.astype(float) for a in one) for one in course]
    largest = np.zeros(7)
    for got, wanted in zip(run(it, course), run(it, wide), strict=True):
        largest = np.maximum(largest, np.abs(wanted))
        # a few roundings an update, of which the smoothed ones add up
        assert np.all(np.abs(got - wanted) <= 40 * np.finfo(np.float32).eps * largest)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 4), (2, 0, 3)], ids=str)
@each_variant
def test_any_shape_is_updated_element_by_element(it: Rule, shape: tuple[int, ...]) -> None:
    course = sequence(10, shape=shape, steps=5)
    flat = [tuple(a.reshape(-1) for a in one) for one in course]
    for got, wanted in zip(run(it, course), run(it, flat), strict=True):
        assert np.shape(got) == shape
        same_bits(np.reshape(got, -1), wanted)


@each_variant
def test_zero_gradients_move_nothing_but_the_decay(it: Rule) -> None:
    zero = np.zeros(3)
    with np.errstate(all="raise"):
        deltas = run(it, [(np.ones(3), zero, zero, zero)] * 5)
    for delta in deltas:
        np.testing.assert_array_equal(delta, -it.eta * getattr(it, "weight_decay", 0.0) * np.ones(3))


@each_variant
def test_eta_0_moves_nothing(it: Rule) -> None:
    for delta in run(it, sequence(11), eta=0.0):
        np.testing.assert_array_equal(delta, 0.0)


@each_variant
def test_a_rule_is_frozen_hashable_and_pickles(it: Rule) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        it.eta = 1.0  # type: ignore[misc]
    assert len({it, dataclasses.replace(it)}) == 1
    assert pickle.loads(pickle.dumps(it)) == it


# properties


@st.composite
def courses(draw: st.DrawFn) -> list[Any]:
    """Some updates of a few weights, of gradients whose squares neither overflow nor underflow."""
    n, steps = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    size = st.floats(1e-6, 1e6)
    number = st.one_of(st.just(0.0), size, size.map(lambda x: -x))
    g = draw(hnp.arrays(float, (steps, n), elements=number))
    w = draw(hnp.arrays(float, (steps, n), elements=st.floats(-10.0, 10.0)))
    variance = draw(hnp.arrays(float, (steps, n), elements=st.floats(1e-6, 1e6)))
    return [(w[k], g[k], g[k], variance[k]) for k in range(steps)]


LINEAR: list[Rule] = [GradientDescent(), Momentum(), Nesterov()]
HOMOGENEOUS: list[Rule] = [
    VarioEta(epsilon=TINY),
    VarioEta(epsilon=TINY, smoothing=0.9),
    RMSprop(epsilon=TINY),
    RMSprop(epsilon=TINY, centered=True, momentum=0.9),
    Adagrad(epsilon=TINY),
    Adam(epsilon=TINY),
    AdamW(epsilon=TINY, weight_decay=0.1),
    Rprop(),
]


@pytest.mark.parametrize("it", LINEAR, ids=repr)
@given(course=courses(), k=st.integers(-20, 20))
def test_these_are_linear_in_the_gradients(it: Rule, course: list[Any], k: int) -> None:
    scaled = [(w, g * 2.0**k, *moments) for w, g, *moments in course]
    for a, b in zip(run(it, course), run(it, scaled), strict=True):
        np.testing.assert_array_equal(a * 2.0**k, b)  # a power of 2 changes no digit


@pytest.mark.parametrize("it", LINEAR, ids=repr)
@given(course=courses(), other=st.integers(0, 999))
def test_the_update_of_a_sum_of_gradients_is_the_sum_of_the_updates(it: Rule, course: list[Any], other: int) -> None:
    rng = np.random.default_rng(other)
    others = [(w, rng.normal(size=g.shape), *moments) for w, g, *moments in course]
    sums = [(w, g + h[1], *moments) for (w, g, *moments), h in zip(course, others, strict=True)]
    unit = sum(np.abs(g) for _, g, *_ in course) + sum(np.abs(g) for _, g, *_ in others)
    for a, b, c in zip(run(it, course), run(it, others), run(it, sums), strict=True):
        assert np.all(np.abs(a + b - c) <= 1e-14 * unit)


@pytest.mark.parametrize("it", HOMOGENEOUS, ids=repr)
@given(course=courses(), data=st.data())
def test_these_do_not_see_in_which_units_each_gradient_is_measured(it: Rule, course: list[Any], data: Any) -> None:
    n = course[0][0].size
    c = 2.0 ** data.draw(hnp.arrays(int, n, elements=st.integers(-20, 20)))
    scaled = [(w, c * g, c * mean, c * c * variance) for w, g, mean, variance in course]
    for a, b in zip(run(it, course), run(it, scaled), strict=True):
        np.testing.assert_array_equal(a, b)


@given(course=courses(), seed=st.integers(0, 999))
def test_rprop_sees_signs_alone(course: list[Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    other = [(w, g * 10.0 ** rng.uniform(-250, 250, size=g.shape), *moments) for w, g, *moments in course]
    for a, b in zip(run(Rprop(), course), run(Rprop(), other), strict=True):
        np.testing.assert_array_equal(a, b)


@each_variant
@settings(max_examples=tries(20))  # as many for each of them; most go wrong for every draw or for none
@given(course=courses(), data=st.data())
def test_each_weight_is_updated_by_itself(it: Rule, course: list[Any], data: Any) -> None:
    order = np.array(data.draw(st.permutations(range(course[0][0].size))))
    shuffled = [tuple(a[order] for a in one) for one in course]
    for a, b in zip(run(it, course), run(it, shuffled), strict=True):
        same_bits(a[order], b)


@each_variant
@settings(max_examples=tries(20))  # as many for each of them; most go wrong for every draw or for none
@given(course=courses())
def test_opposite_gradients_move_the_other_way(it: Rule, course: list[Any]) -> None:
    opposite = [(-w, -g, *moments) for w, g, *moments in course]
    for a, b in zip(run(it, course), run(it, opposite), strict=True):
        np.testing.assert_array_equal(a, -b)


@pytest.mark.parametrize("name", [n for n in RULES if n != "adamw"])
@given(course=courses())
def test_the_first_update_never_goes_up(name: str, course: list[Any]) -> None:
    w, g, *moments = course[0]
    it = RULES[name]()
    delta, _ = it.delta_w(g, it.start(w), w=w, eta=it.eta, moments=moments)
    assert np.all(delta * g <= 0)
    assert np.all((delta == 0) == (g == 0))


@each_rule
def test_every_rule_goes_down_into_a_bowl_as_eta_falls(name: str) -> None:
    it, falling = rule(name), schedules.Cosine(0.3, total=1000)
    w = np.array([3.0, -2.0])
    state = it.start(w)
    for k in range(1000):
        g = w * [1.0, 3.0]
        delta, state = it.delta_w(g, state, w=w, eta=falling(k), moments=(g, np.ones(2)))
        w = w + delta
    assert np.max(np.abs(w)) < 1e-3


# what is refused


NUMBERS: dict[str, tuple[float, ...]] = {
    "[0, ∞)": (-1.0, -1e-300),
    "(0, ∞)": (-1.0, 0.0),
    "[0, 1)": (-0.1, 1.0, 2.0),
    "(0, 1)": (-0.1, 0.0, 1.0, 2.0),
    "(1, ∞)": (-2.0, 0.5, 1.0),
}
"""Interval as it prints → numbers outside it; NaN and ±∞ lie in none."""

NO_NUMBERS: list[Any] = [True, np.True_, "0.1", None, 1j, [0.1], np.array([0.1]), np.array(0.1)]


def number_fields() -> list[tuple[type[Rule], str]]:
    every = [(kind, f) for kind in RULES.values() for f in dataclasses.fields(kind)]
    return [(kind, f.name) for kind, f in every if f.name != "centered"]


each_field = pytest.mark.parametrize(("kind", "name"), number_fields(), ids=lambda x: getattr(x, "__name__", x))


@each_field
def test_a_number_out_of_range_is_refused_with_field_value_and_range(kind: type[Rule], name: str) -> None:
    (f,) = [f for f in dataclasses.fields(kind) if f.name == name]
    allowed = str(f.metadata["allowed"])
    for bad in (*NUMBERS[allowed], float("nan"), float("inf"), -float("inf"), 10**400):
        with pytest.raises(
            ValueError, match=re.escape(f"{kind.__name__}.{name} must lie in {allowed}, not be {bad!r}")
        ):
            kind(**{name: bad})


@each_field
@pytest.mark.parametrize("bad", NO_NUMBERS, ids=repr)
def test_what_is_no_number_is_refused(kind: type[Rule], name: str, bad: Any) -> None:
    if (kind, name, bad if bad is None else 0) == (VarioEta, "smoothing", None):
        assert kind(**{name: bad}) == VarioEta()
        return
    with pytest.raises(TypeError, match=re.escape(f"{kind.__name__}.{name} must be a number, not {bad!r}")):
        kind(**{name: bad})


@each_field
def test_a_number_of_numpy_is_kept_as_a_python_float(kind: type[Rule], name: str) -> None:
    default = getattr(kind(), name) or 0.5
    for number in (np.float64(default), np.float32(default), Fraction(default)):
        assert type(getattr(kind(**{name: number}), name)) is float
    assert getattr(kind(**{name: np.float64(default)}), name) == default


RANGES: dict[str, str] = {
    "eta": "[0, ∞)",
    "beta": "[0, 1)",
    "beta1": "[0, 1)",
    "beta2": "[0, 1)",
    "momentum": "[0, 1)",
    "smoothing": "(0, 1)",
    "rho": "(0, 1)",
    "epsilon": "(0, ∞)",
    "weight_decay": "[0, ∞)",
    "eta_plus": "(1, ∞)",
    "eta_minus": "(0, 1)",
    "step_min": "(0, ∞)",
    "step_max": "(0, ∞)",
}


@each_field
def test_the_range_of_every_field(kind: type[Rule], name: str) -> None:
    (f,) = [f for f in dataclasses.fields(kind) if f.name == name]
    wanted = "(0, ∞)" if (kind, name) == (Rprop, "eta") else RANGES[name]
    assert str(f.metadata["allowed"]) == wanted


@pytest.mark.parametrize(
    "given", [{"eta": 0.1, "step_max": 0.05}, {"eta": 1e-7}, {"eta": 1.0, "step_min": 2.0}], ids=str
)
def test_an_eta_of_rprop_outside_its_steps_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Rprop\.eta must lie in \[step_min, step_max\] = \[.*\], not be"):
        Rprop(**given)


@pytest.mark.parametrize("bad", [1, 0, None, "yes", 0.0], ids=repr)
def test_centered_is_true_or_false(bad: Any) -> None:
    with pytest.raises(TypeError, match=r"RMSprop\.centered must be True or False, not"):
        RMSprop(centered=bad)
    assert RMSprop(centered=np.True_).centered is True  # type: ignore[arg-type]


@each_variant
@pytest.mark.parametrize("w", [np.arange(3), np.array([True]), np.array([1j]), 2.0, [1.0]], ids=repr)
def test_weights_that_are_no_array_of_floating_numbers_are_refused(it: Rule, w: Any) -> None:
    with pytest.raises(TypeError, match=rf"{type(it).__name__} needs an array of floating-point weights, not"):
        it.start(w)


def test_an_epsilon_that_vanishes_in_the_dtype_of_the_weights_is_refused() -> None:
    Adam(epsilon=TINY).start(np.ones(1))
    with pytest.raises(ValueError, match=r"Adam\.epsilon = 1e-300 is as good as 0 in float32; take a larger one"):
        Adam(epsilon=TINY).start(np.ones(1, np.float32))


def test_a_rule_alone_is_no_rule() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Rule(0.1)  # type: ignore[abstract]


# by name


@each_rule
def test_a_rule_is_made_by_its_name_or_the_name_of_its_class(name: str) -> None:
    kind = RULES[name]
    for called in (name, kind.__name__):
        made = rule(called, eta=0.125)
        assert type(made) is kind
        assert made.eta == 0.125


@each_variant
def test_its_name_and_fields_as_json_make_it_again(it: Rule) -> None:
    text = json.dumps({"name": type(it).__name__, **dataclasses.asdict(it)})
    assert rule(**json.loads(text)) == it


def test_an_unknown_rule_is_refused_with_those_that_exist() -> None:
    with pytest.raises(
        ValueError,
        match=r"unknown learning rule 'sgd'; perhaps 'gradient_descent' is meant; choose one of grad.*, rprop",
    ):
        rule("sgd")


def test_an_unknown_field_is_refused_with_those_that_exist() -> None:
    text = r"Momentum has no argument 'rho'; it is called as Momentum\(eta=0.01, beta=0.9\)"
    with pytest.raises(TypeError, match=text):
        rule("momentum", rho=0.9)
    with pytest.raises(TypeError, match=text):
        Momentum(rho=0.9)  # type: ignore[call-arg]


@each_rule
def test_a_rule_says_that_what_others_call_a_learning_rate_is_its_eta(name: str) -> None:
    kind = RULES[name].__name__
    for other in ("lr", "learning_rate", "Eta"):
        with pytest.raises(
            TypeError, match=rf"^{kind} has no argument '{other}': write eta=; it is called as {kind}\("
        ):
            RULES[name](**{other: 0.1})


@each_rule
def test_a_rule_shows_its_formula_and_says_what_it_holds_and_where_it_is_from(name: str) -> None:
    doc = inspect.getdoc(RULES[name]) or ""
    assert RULES[name].__doc__
    assert "Δw = " in doc.split("\n\n")[0]
    assert re.search(r"\bstate\b", doc, re.IGNORECASE)
    assert "Source: " in doc
    for f in dataclasses.fields(RULES[name]):
        assert re.search(rf"\b{f.name}\b", doc), f.name


def test_every_rule_of_the_module_stands_in_the_table() -> None:
    found = {v for v in vars(rules).values() if inspect.isclass(v) and issubclass(v, Rule) and v is not Rule}
    assert found == set(RULES.values())


@pytest.mark.parametrize("module", [rules, schedules, fields], ids=lambda m: m.__name__.rpartition(".")[2])
def test_the_rules_import_nothing_of_the_engine(module: Any) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    relative = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level}
    absolute = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    assert relative <= {"fields", "misnamed"}
    assert absolute <= {"numpy"}


AS_DOCUMENTED: dict[str, dict[str, Any]] = {
    "gradient_descent": {"eta": 0.1},
    "momentum": {"eta": 0.01, "beta": 0.9},
    "nesterov": {"eta": 0.01, "beta": 0.9},
    "vario_eta": {"eta": 0.01, "epsilon": 1e-8, "smoothing": None},
    "rmsprop": {"eta": 0.01, "rho": 0.99, "epsilon": 1e-8, "centered": False, "momentum": 0.0},
    "adagrad": {"eta": 0.01, "epsilon": 1e-10},
    "adam": {"eta": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "adamw": {"eta": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01},
    "rprop": {"eta": 0.01, "eta_plus": 1.2, "eta_minus": 0.5, "step_min": 1e-6, "step_max": 50.0},
}


@each_rule
def test_what_is_left_out_is_as_documented(name: str) -> None:
    assert dataclasses.asdict(rule(name)) == AS_DOCUMENTED[name]
