"""The schedules: η as a pure function of the number of the update."""

from __future__ import annotations

import dataclasses
import inspect
import json
import pickle
import re
from collections.abc import Callable
from math import exp, log
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lecture.learning import schedules
from tinygrad_lecture.learning.rules import GradientDescent
from tinygrad_lecture.learning.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Exponential,
    Schedule,
    StepDecay,
    WarmUp,
    schedule,
)

EXAMPLES: dict[str, list[Schedule]] = {
    "constant": [Constant(0.1), Constant(0.0)],
    "step_decay": [StepDecay(0.1, every=10), StepDecay(0.3, every=1, factor=0.5), StepDecay(0.3, 7, 1.0)],
    "exponential": [Exponential(0.1, factor=0.99), Exponential(0.3, 0.5, every=10)],
    "cosine": [Cosine(0.1, total=50), Cosine(0.3, 7, eta_min=0.07), Cosine(0.1, 1, 0.1)],
    "warm_up": [WarmUp(5, Constant(0.1)), WarmUp(1, Cosine(0.3, 20)), WarmUp(2, WarmUp(3, Constant(1.0)))],
}

each = pytest.mark.parametrize("it", [it for examples in EXAMPLES.values() for it in examples], ids=repr)
steps = st.integers(0, 200)

FORMULAS: dict[str, Callable[[Any, int], Any]] = {
    "constant": lambda s, k: mpmath.mpf(s.eta),
    "step_decay": lambda s, k: mpmath.mpf(s.eta) * mpmath.mpf(s.factor) ** mpmath.floor(mpmath.mpf(k) / s.every),
    "exponential": lambda s, k: mpmath.mpf(s.eta) * mpmath.mpf(s.factor) ** (mpmath.mpf(k) / s.every),
    "cosine": lambda s, k: (
        mpmath.mpf(s.eta_min)
        + (mpmath.mpf(s.eta) - s.eta_min) * (1 + mpmath.cos(mpmath.pi * min(k, s.total) / s.total)) / 2
    ),
    "warm_up": lambda s, k: (
        reference(s.then, 0) * (k + 1) / (s.steps + 1) if k < s.steps else reference(s.then, k - s.steps)
    ),
}


def reference(it: Schedule, k: int) -> Any:
    (name,) = [name for name, kind in SCHEDULES.items() if kind is type(it)]
    return FORMULAS[name](it, k)


@each
def test_every_eta_is_the_formula_in_numbers_of_50_digits(it: Schedule) -> None:
    with mpmath.workdps(50):
        for k in range(60):
            # a power of k/every takes over the rounding of its exponent; the cosine is near 0 at its end
            assert abs(it(k) - reference(it, k)) <= 1e-15 * reference(it, 0) + 1e-14 * reference(it, k), k


@each
def test_an_eta_is_a_python_float_and_the_same_on_every_call(it: Schedule) -> None:
    for k in (0, 1, np.int64(3), 10**6):
        assert type(it(k)) is float
        assert it(k) == it(int(k))


@each
@given(k=steps)
def test_an_eta_is_never_negative_and_never_above_the_first_that_is_full(it: Schedule, k: int) -> None:
    full = it
    while isinstance(full, WarmUp):
        full = full.then
    assert 0.0 <= it(k) <= full(0)


@pytest.mark.parametrize("it", [it for n, of in EXAMPLES.items() if n != "warm_up" for it in of], ids=repr)
def test_without_a_warm_up_eta_never_rises(it: Schedule) -> None:
    etas = [it(k) for k in range(200)]
    assert etas == sorted(etas, reverse=True)
    assert etas[0] == it.eta  # type: ignore[attr-defined]


def test_a_step_decay_by_hand() -> None:
    it = StepDecay(1.0, every=3, factor=0.5)
    assert [it(k) for k in range(8)] == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_an_exponential_meets_the_step_decay_where_it_jumps() -> None:
    smooth, steep = Exponential(0.3, 0.5, every=10), StepDecay(0.3, 10, 0.5)
    for k in range(0, 100, 10):
        assert smooth(k) == steep(k)
    assert abs(smooth(5) - 0.3 * exp(0.5 * log(0.5))) < 1e-16


def test_an_eta_that_has_decayed_to_nothing_is_0() -> None:
    assert StepDecay(0.1, 1, 0.1)(10**6) == Exponential(0.1, 0.1)(10**6) == 0.0


@given(eta=st.floats(0.0, 10.0), share=st.floats(0.0, 1.0), total=st.integers(1, 10**6), more=st.integers(0, 10**6))
def test_a_cosine_begins_and_ends_exactly(eta: float, share: float, total: int, more: int) -> None:
    it = Cosine(eta, total, eta * share)
    assert it(0) == eta
    assert it(total) == it(total + more) == it.eta_min


@given(eta=st.floats(1e-6, 10.0), n=st.integers(1, 1000))
def test_a_warm_up_rises_by_equal_steps_from_above_0_to_what_follows(eta: float, n: int) -> None:
    it = WarmUp(n, Constant(eta))
    etas = np.array([0.0, *(it(k) for k in range(n + 1))])
    np.testing.assert_allclose(np.diff(etas), eta / (n + 1), rtol=1e-12, atol=4e-16 * eta)
    assert it(n) == it(n + 1) == eta


def test_what_follows_a_warm_up_begins_at_its_own_beginning() -> None:
    it = WarmUp(4, StepDecay(1.0, every=2, factor=0.5))
    assert [it(k) for k in range(4, 10)] == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_a_schedule_gives_the_eta_of_an_update() -> None:
    g = np.array([1.0])
    deltas = [GradientDescent().delta_w(g, {}, w=g, eta=Cosine(1.0, 2)(k))[0].item() for k in range(3)]
    np.testing.assert_allclose(deltas, [-1.0, -0.5, 0.0], atol=1e-16)


# plain data


@each
def test_a_schedule_is_frozen_hashable_and_pickles(it: Schedule) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        it.eta = 1.0  # type: ignore[attr-defined]
    assert len({it, dataclasses.replace(it)}) == 1
    assert pickle.loads(pickle.dumps(it)) == it


@each
def test_what_it_prints_makes_it_again(it: Schedule) -> None:
    assert eval(repr(it), dict(vars(schedules))) == it


@each
def test_its_dict_as_json_makes_it_again(it: Schedule) -> None:
    assert schedule(**json.loads(json.dumps(it.to_dict()))) == it


def test_numbers_of_numpy_are_kept_as_plain_ones() -> None:
    it = StepDecay(np.float64(0.1), np.int64(5), np.float32(0.5))  # type: ignore[arg-type]
    assert [type(v) for v in dataclasses.astuple(it)] == [float, int, float]


# what is refused


BAD_FIELDS: list[tuple[Callable[..., Any], dict[str, Any], str, str]] = [
    (Constant, {}, "eta", "[0, ∞)"),
    (StepDecay, {"every": 1}, "eta", "[0, ∞)"),
    (StepDecay, {"eta": 0.1, "every": 1}, "factor", "(0, 1]"),
    (Exponential, {"factor": 0.5}, "eta", "[0, ∞)"),
    (Exponential, {"eta": 0.1}, "factor", "(0, 1]"),
    (Cosine, {"total": 1}, "eta", "[0, ∞)"),
    (Cosine, {"eta": 0.1, "total": 1}, "eta_min", "[0, ∞)"),
]

COUNTS: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (StepDecay, {"eta": 0.1}, "every"),
    (Exponential, {"eta": 0.1, "factor": 0.5}, "every"),
    (Cosine, {"eta": 0.1}, "total"),
    (WarmUp, {"then": Constant(0.1)}, "steps"),
]

OUTSIDE: dict[str, tuple[float, ...]] = {"[0, ∞)": (-1e-9,), "(0, 1]": (0.0, -0.5, 1.0000001)}


@pytest.mark.parametrize(
    ("kind", "others", "name", "allowed"), BAD_FIELDS, ids=lambda x: getattr(x, "__name__", str(x))
)
def test_a_number_out_of_range_is_refused(kind: Any, others: dict[str, Any], name: str, allowed: str) -> None:
    for bad in (*OUTSIDE[allowed], float("nan"), float("inf"), -float("inf")):
        with pytest.raises(
            ValueError, match=re.escape(f"{kind.__name__}.{name} must lie in {allowed}, not be {bad!r}")
        ):
            kind(**others, **{name: bad})
    for bad in (True, "0.1", None, 1j):
        with pytest.raises(TypeError, match=re.escape(f"{kind.__name__}.{name} must be a number, not {bad!r}")):
            kind(**others, **{name: bad})


@pytest.mark.parametrize(("kind", "others", "name"), COUNTS, ids=lambda x: getattr(x, "__name__", str(x)))
def test_a_count_must_be_whole_and_at_least_1(kind: Any, others: dict[str, Any], name: str) -> None:
    for bad in (0, -1):
        with pytest.raises(ValueError, match=re.escape(f"{kind.__name__}.{name} must lie in [1, ∞), not be {bad}")):
            kind(**others, **{name: bad})
    for wrong in (1.5, 2.0, True, "3", None, float("nan")):
        with pytest.raises(TypeError, match=re.escape(f"{kind.__name__}.{name} must be a whole number, not {wrong!r}")):
            kind(**others, **{name: wrong})


def test_every_field_of_every_schedule_is_among_those_tried() -> None:
    tried = {(kind, name) for kind, _, name, _ in BAD_FIELDS} | {(kind, name) for kind, _, name in COUNTS}
    every = {(kind, f.name) for kind in SCHEDULES.values() for f in dataclasses.fields(kind)}
    assert tried == every - {(WarmUp, "then")}


def test_an_eta_min_above_eta_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Cosine\.eta_min must lie in \[0, eta\] = \[0, 0\.1\], not be 0\.2"):
        Cosine(0.1, 10, 0.2)


@pytest.mark.parametrize("bad", [0.1, None, "constant", Constant, GradientDescent()], ids=repr)
def test_a_warm_up_to_no_schedule_is_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match=r"WarmUp\.then must be a schedule, as Constant\(0\.1\), not"):
        WarmUp(5, bad)


@each
@pytest.mark.parametrize("step", [0.5, 1.0, True, None, "1"], ids=repr)
def test_the_number_of_an_update_must_be_whole(it: Schedule, step: Any) -> None:
    with pytest.raises(TypeError, match="the number of an update must be a whole number, not"):
        it(step)


@each
def test_the_number_of_an_update_must_not_be_negative(it: Schedule) -> None:
    with pytest.raises(ValueError, match=r"the number of an update must lie in \[0, ∞\), not be -1"):
        it(-1)


# by name


def test_every_schedule_of_the_module_stands_in_the_table_and_here() -> None:
    found = {v for v in vars(schedules).values() if inspect.isclass(v) and issubclass(v, Schedule)}
    assert found == {*SCHEDULES.values(), Schedule}
    assert EXAMPLES.keys() == FORMULAS.keys() == SCHEDULES.keys()
    for name, examples in EXAMPLES.items():
        assert {type(it) for it in examples} == {SCHEDULES[name]}


def test_a_schedule_is_made_by_its_name_or_the_name_of_its_class() -> None:
    for name, kind in SCHEDULES.items():
        if kind is not WarmUp:
            example = EXAMPLES[name][0]
            assert schedule(name, **dataclasses.asdict(example)) == example
            assert schedule(kind.__name__, **dataclasses.asdict(example)) == example


def test_an_unknown_schedule_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match="unknown schedule 'linear'; choose one of constant, step_decay, exponential"):
        schedule("linear")


def test_an_unknown_field_is_refused_with_those_that_exist() -> None:
    with pytest.raises(
        TypeError, match=r"Cosine has no argument 'period'; it is called as Cosine\(eta, total, eta_min="
    ):
        schedule("cosine", period=3)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_says_how_it_is_called(name: str) -> None:
    kind = SCHEDULES[name].__name__
    with pytest.raises(TypeError, match=rf"^{kind} has no argument 'rounds'; it is called as {kind}\("):
        SCHEDULES[name](rounds=3)


def test_a_missing_field_is_refused_with_its_name() -> None:
    with pytest.raises(TypeError, match="'total'"):
        schedule("cosine", eta=0.1)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_shows_its_formula_and_says_what_it_holds_and_where_it_is_from(name: str) -> None:
    doc = SCHEDULES[name].__doc__ or ""
    assert doc.startswith("η(k) = ")
    assert "Source: " in doc
    for f in dataclasses.fields(SCHEDULES[name]):
        assert re.search(rf"\b{f.name}\b", doc), f.name


def test_what_is_left_out_is_as_documented() -> None:
    assert StepDecay(1.0, every=10) == StepDecay(1.0, every=10, factor=0.1)
    assert Exponential(1.0, factor=0.5) == Exponential(1.0, factor=0.5, every=1)
    assert Cosine(1.0, total=10) == Cosine(1.0, total=10, eta_min=0.0)
