"""Metaparameters: every choice a field, validated, through JSON and back, and what a net and a training are by them."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lecture.learning.experiment import train_with
from tinygrad_lecture.learning.metaparameters import Metaparameters
from tinygrad_lecture.learning.rules import RULES, Adam, GradientDescent, Momentum, Rprop
from tinygrad_lecture.learning.schedules import Cosine, WarmUp
from tinygrad_lecture.nn.activations import ACTIVATIONS
from tinygrad_lecture.nn.init import INITS
from tinygrad_lecture.nn.losses import LOSSES
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.store import load, save

X = np.random.default_rng(0).normal(size=(20, 3))
TARGET = np.sin(X[:, :1])
NAMES = st.sampled_from(list(ACTIVATIONS))


@st.composite
def metaparameters(draw: st.DrawFn) -> Metaparameters:
    hidden = draw(st.lists(st.integers(1, 5), max_size=3).map(tuple))
    clusters = ["in", *(f"hid{i + 1}" for i in range(len(hidden))), "out"]
    skips = [(a, b) for i, a in enumerate(clusters) for b in clusters[i + 2 :] if draw(st.booleans())]
    bias = draw(st.booleans())
    there = [*pairwise(clusters), *skips, *((("one", c) for c in clusters[1:]) if bias else ())]
    schedule = draw(st.sampled_from([None, Cosine(0.1, 50), WarmUp(3, Cosine(0.1, 50))]))
    return Metaparameters(
        hidden=hidden,
        activation=draw(NAMES | st.tuples(*[NAMES] * len(hidden))),
        output=draw(NAMES),
        bias=bias,
        skips=tuple(skips),
        blocked=tuple(pair for pair in there if draw(st.integers(0, 4)) == 0),
        loss=draw(st.sampled_from(list(LOSSES))),
        init=draw(st.sampled_from(list(INITS))),
        rule=draw(st.sampled_from([kind() for kind in RULES.values()])),
        eta=None if schedule else draw(st.none() | st.floats(1e-6, 1.0)),
        schedule=schedule,
        batch_size=draw(st.none() | st.integers(1, 64)),
        epochs=draw(st.integers(0, 1000)),
        dtype=draw(st.sampled_from(["float64", "float32"])),
        seed=draw(st.integers(0, 2**64)),
    )


@given(metaparameters())
def test_all_fields_come_back_through_json(m: Metaparameters) -> None:
    again = Metaparameters.from_json(m.to_json())
    assert again == m
    assert hash(again) == hash(m)
    assert Metaparameters.from_dict(m.to_dict()) == m


def test_its_json_has_a_line_for_each_field_and_ends_with_one() -> None:
    text = Metaparameters(hidden=()).to_json()
    assert text.startswith('{\n  "schema": 1,\n  "hidden": [],\n  "activation": "tanh",\n')
    assert text.endswith("\n}\n")


def test_what_is_left_out_is_as_documented() -> None:
    assert Metaparameters() == Metaparameters(
        hidden=(8,),
        activation="tanh",
        output="identity",
        bias=True,
        skips=(),
        blocked=(),
        loss="squared_error",
        init="lecture",
        rule="gradient_descent",
        eta=None,
        schedule=None,
        batch_size=32,
        epochs=100,
        dtype="float64",
        seed=0,
    )


@given(metaparameters())
def test_the_net_is_made_as_they_say(m: Metaparameters) -> None:
    net = m.network(3, 2)
    sizes = dict(zip(m.clusters, [3, *m.hidden, 2], strict=True))
    assert {c.name: c.n for c in net.topology.clusters} == sizes
    hidden = [m.activation] * len(m.hidden) if isinstance(m.activation, str) else m.activation
    assert [c.activation for c in net.topology.clusters[1:]] == [*hidden, m.output]
    wanted = {*pairwise(m.clusters), *m.skips}
    wanted |= {("one", c) for c in m.clusters[1:]} if m.bias else set()
    assert {(c.source, c.target) for c in net.topology.connectors} == wanted
    assert {(c.source, c.target) for c in net.topology.connectors if c.blocked} == set(m.blocked)
    assert net.w.dtype == m.dtype
    assert net(np.zeros((4, 3), m.dtype)).shape == (4, 2)


def test_plain_layers_are_an_mlp_of_the_same_weights() -> None:
    m = Metaparameters(hidden=(4, 2), seed=5)
    net = m.network(3, 1)
    assert type(net) is MLP
    assert net.w.tobytes() == MLP([3, 4, 2, 1], rng=m.generators()[0]).w.tobytes()
    assert m.network(3, 1, rng=8).w.tobytes() == MLP([3, 4, 2, 1], rng=8).w.tobytes()


def test_nets_with_and_without_skips_begin_with_the_same_other_weights() -> None:
    base = Metaparameters(seed=3, init="standard")
    plain, skipping = (base.changed({"skips": skips}).network(3, 1) for skips in ((), (("in", "out"),)))
    for name, values in plain.parameters.items():
        assert np.array_equal(skipping.parameters[name], values)
    assert set(skipping.parameters) - set(plain.parameters) == {"W3"}


def test_a_rule_that_counts_the_sources_draws_the_same_and_scales_it() -> None:
    plain, skipping = (Metaparameters(seed=3, skips=skips).network(3, 1) for skips in ((), (("in", "out"),)))
    assert np.array_equal(skipping.parameters["W1"], plain.parameters["W1"])
    # r = √3/√n, and with the skip n is 8 + 3
    np.testing.assert_allclose(skipping.parameters["W2"], plain.parameters["W2"] * np.sqrt(8 / 11), rtol=1e-14)


def test_nets_of_different_size_meet_the_patterns_in_the_same_order() -> None:
    a, b = (Metaparameters(hidden=h, seed=4).generators()[1] for h in ((2,), (50, 50)))
    assert np.array_equal(a.permutation(100), b.permutation(100))


def test_weights_and_order_are_drawn_apart() -> None:
    m = Metaparameters(seed=4)
    assert m.generators()[0].random() != m.generators()[1].random()


def test_a_rule_may_be_given_by_name_as_a_dict_or_itself() -> None:
    forms = ["momentum", {"name": "momentum"}, {"name": "Momentum", "beta": 0.9}, Momentum()]
    assert len({Metaparameters(rule=form) for form in forms}) == 1


@pytest.mark.parametrize(
    ("m", "rule"),
    [
        (Metaparameters(rule=Adam(eta=0.5)), Adam(eta=0.5)),
        (Metaparameters(rule=Adam(eta=0.5, beta1=0.8), eta=0.1), Adam(eta=0.1, beta1=0.8)),
        (Metaparameters(eta=0.3), GradientDescent(eta=0.3)),
    ],
)
def test_eta_stands_in_place_of_that_of_the_rule(m: Metaparameters, rule: Any) -> None:
    assert m.learning_rule == rule


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden": (8, 0)}, r"each size in Metaparameters\.hidden must lie in \[1, ∞\), not be 0"),
        ({"activation": "tanhh"}, r"Metaparameters\.activation must be one of identity, tanh, .*, not 'tanhh'"),
        ({"activation": ("tanh", "tanh")}, r"activation must be one name, or one for each of the 1 hidden layers"),
        ({"output": "softmax"}, r"Metaparameters\.output must be one of identity, .*, not 'softmax'"),
        ({"loss": "cube"}, r"Metaparameters\.loss must be one of squared_error, .*, not 'cube'"),
        ({"init": "luck"}, r"Metaparameters\.init must be one of lecture, .*, not 'luck'"),
        ({"dtype": "int64"}, r"Metaparameters\.dtype must be one of float64, float32, not 'int64'"),
        ({"skips": (("in", "hid1"),)}, r"skips must be new connectors; \('in', 'hid1'\) is there already"),
        ({"skips": (("out", "in"),)}, r"skips must lead from a cluster to a later one of in, hid1, out, not"),
        ({"skips": (("in", "in"),)}, r"skips must lead from a cluster to a later one"),
        ({"skips": (("in", "hid2"),)}, r"skips must lead from a cluster to a later one of in, hid1, out"),
        ({"skips": (("in", "out"),) * 2}, r"skips must name each connector once; \('in', 'out'\) is there twice"),
        ({"blocked": (("in", "out"),)}, r"Metaparameters\.blocked must be one of \('in', 'hid1'\), .*, not \('in', 'o"),
        ({"blocked": (("one", "out"),), "bias": False}, r"Metaparameters\.blocked must be one of"),
        ({"rule": "luck"}, r"Metaparameters\.rule must be one of gradient_descent, .*, not 'luck'"),
        ({"rule": {"eta": 0.1}}, r"Metaparameters\.rule must have a name, one of gradient_descent"),
        ({"rule": {"name": "momentum", "beta": 2.0}}, r"Momentum\.beta must lie in \[0, 1\), not be 2"),
        ({"eta": -0.1}, r"Metaparameters\.eta must lie in \[0, ∞\), not be -0\.1"),
        ({"eta": np.nan}, r"Metaparameters\.eta must lie in \[0, ∞\), not be nan"),
        ({"eta": 100.0, "rule": Rprop()}, r"Rprop\.eta must lie in \[step_min, step_max\]"),
        ({"eta": 0.1, "schedule": Cosine(0.1, 5)}, r"Metaparameters\.eta must be None beside a schedule, not 0\.1"),
        ({"schedule": "never"}, r"Metaparameters\.schedule must be one of constant, .*, not 'never'"),
        ({"batch_size": 0}, r"Metaparameters\.batch_size must lie in \[1, ∞\), not be 0"),
        ({"epochs": -1}, r"Metaparameters\.epochs must lie in \[0, ∞\), not be -1"),
        ({"seed": -1}, r"Metaparameters\.seed must lie in \[0, ∞\), not be -1"),
    ],
)
def test_a_wrong_value_is_refused_with_field_value_and_what_is_allowed(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Metaparameters(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden": 8}, r"Metaparameters\.hidden must be sizes of layers, as \(8,\) or \(12, 4\), not 8"),
        ({"hidden": "8"}, r"Metaparameters\.hidden must be sizes of layers"),
        ({"hidden": (2.5,)}, r"each size in Metaparameters\.hidden must be a whole number, not 2\.5"),
        ({"bias": 1}, r"Metaparameters\.bias must be True or False, not 1"),
        ({"skips": ("in", "out")}, r"Metaparameters\.skips must be pairs \(source, target\)"),
        ({"blocked": 3}, r"Metaparameters\.blocked must be pairs \(source, target\)"),
        ({"rule": Adam}, r"Metaparameters\.rule must be one of gradient_descent, .* or such a rule itself"),
        ({"rule": Cosine(0.1, 5)}, r"Metaparameters\.rule must be one of"),
        ({"rule": {"name": "adam", "gamma": 1}}, r"Adam has no argument 'gamma'; it is called as Adam\(eta=0\.001"),
        ({"schedule": 0.1}, r"Metaparameters\.schedule must be one of constant"),
        ({"batch_size": 2.0}, r"Metaparameters\.batch_size must be a whole number, not 2\.0"),
        ({"epochs": "9"}, r"Metaparameters\.epochs must be a whole number, not '9'"),
    ],
)
def test_a_value_of_another_type_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Metaparameters(**given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"hiden": [8]}', r"metaparameters have no field 'hiden': write hidden; they have hidden, activation, "),
        ('{"schema": 2}', r"metaparameters of schema 2 cannot be read here; this version reads 1"),
        ('{"schema": true}', r"metaparameters of schema True cannot be read"),
        ('{"eta": 0.1, "eta": 0.2}', r"the field 'eta' is there twice"),
        ('{"eta": NaN}', r"Metaparameters\.eta must lie in"),
        ('{"eta": 0.1', r"metaparameters: this is no JSON: Expecting"),
    ],
)
def test_json_that_is_none_of_ours_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Metaparameters.from_json(text)


def test_json_that_is_no_object_is_refused() -> None:
    with pytest.raises(TypeError, match=r"metaparameters must be an object with fields, not \[1\]"):
        Metaparameters.from_json("[1]")


def test_fields_missing_in_json_have_their_defaults() -> None:
    assert Metaparameters.from_json('{"hidden": [3]}') == Metaparameters(hidden=(3,))
    assert json.loads(Metaparameters().to_json())["schema"] == 1


def test_changes_are_refused_where_there_is_no_such_field() -> None:
    assert Metaparameters().changed({"eta": 0.5}) == Metaparameters(eta=0.5)
    with pytest.raises(ValueError, match=r"metaparameters have no field 'lr': write eta; they have"):
        Metaparameters().changed({"lr": 0.5})
    with pytest.raises(ValueError, match=r"metaparameters have no field 'rounds'; they have"):
        Metaparameters().changed({"rounds": 5})


@pytest.mark.parametrize(
    ("name", "way_out"),
    [("lr", "eta"), ("optimizer", "rule"), ("random_state", "seed"), ("rng", "seed"), ("hidden_layer_sizes", "hidden")],
)
def test_a_name_that_other_libraries_use_is_told_the_name_of_the_field(name: str, way_out: str) -> None:
    text = (
        rf"Metaparameters has no argument '{name}': write {way_out}=; it is called as Metaparameters\(hidden=\(8,\), "
    )
    with pytest.raises(TypeError, match=text):
        Metaparameters(**{name: 1})


def test_they_are_frozen_and_hold_plain_data() -> None:
    m = Metaparameters(hidden=[np.int64(3)], eta=np.float64(0.5), dtype=np.float32, epochs=np.int32(4))
    assert (type(m.hidden), type(m.hidden[0]), type(m.eta), m.dtype, type(m.epochs)) == (
        tuple,
        int,
        float,
        "float32",
        int,
    )
    with pytest.raises(AttributeError):
        m.eta = 1.0  # type: ignore[misc]


def test_every_choice_of_the_lecture_is_a_field() -> None:
    topology = {"hidden", "activation", "output", "bias", "skips", "blocked"}
    learning = {"loss", "init", "eta", "schedule", "rule", "batch_size", "epochs"}
    assert {f.name for f in fields(Metaparameters)} == topology | learning | {"dtype", "seed"}


# train_with


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden": (2, 2)},
        {"activation": "sin"},
        {"output": "tanh"},
        {"bias": False},
        {"skips": (("in", "out"),)},
        {"blocked": (("one", "hid1"),)},
        {"loss": "absolute"},
        {"init": "standard"},
        {"rule": "adam"},
        {"eta": 0.02},
        {"schedule": Cosine(0.2, 9)},
        {"batch_size": None},
        {"epochs": 4},
        {"dtype": "float32"},
        {"seed": 1},
    ],
    ids=lambda c: next(iter(c)),
)
def test_every_field_changes_what_is_learnt(changes: dict[str, Any]) -> None:
    base = Metaparameters(hidden=(3,), epochs=3, batch_size=8)
    ends = {train_with(m, (X, TARGET))[0].w.tobytes() for m in (base, base.changed(changes))}
    assert len(ends) == 2
    again = base.changed(changes)
    assert train_with(again, (X, TARGET))[0].w.tobytes() in ends


def test_net_and_history_keep_them_and_files_too(tmp_path: Path) -> None:
    m = Metaparameters(hidden=(3,), epochs=2, rule=Momentum(beta=0.5))
    net, history = train_with(m, (X, TARGET))
    assert Metaparameters.from_dict(history.metaparameters) == m
    for ending in (".npz", ".safetensors"):
        save(tmp_path / f"net{ending}", net)
        again = load(tmp_path / f"net{ending}")
        assert again.w.tobytes() == net.w.tobytes()
        assert Metaparameters.from_dict(again.metaparameters) == m


def test_class_numbers_say_how_many_outputs_there_are_also_those_held_out() -> None:
    m = Metaparameters(loss="cross_entropy", epochs=1, hidden=())
    labels = np.arange(20) % 3
    assert train_with(m, (X, labels))[0].topology["out"].n == 3
    assert train_with(m, (X[:9], labels[:9] % 2), validation=(X, labels))[0].topology["out"].n == 3


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ((X, TARGET[:, 0]), r"for one output write target\[:, None\]"),
        ((X[:, 0], TARGET), r"inputs must be \(T, n\), not inputs of shape \(20,\)"),
        (({"in": X}, TARGET), r"inputs must be \(T, n\), not a dict"),
        ((X, {"out": TARGET}), r"inputs must be \(T, n\), not a dict"),
    ],
)
def test_patterns_that_do_not_say_how_large_the_net_is_are_refused(patterns: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train_with(Metaparameters(), patterns)


def test_class_numbers_have_one_axis() -> None:
    with pytest.raises(ValueError, match=r"class numbers \(T,\) for cross_entropy; they are \(20, 1, 1\) int64"):
        train_with(Metaparameters(loss="cross_entropy"), (X, np.zeros((20, 1, 1), np.int64)))


def test_what_are_no_metaparameters_is_refused() -> None:
    with pytest.raises(TypeError, match=r"train_with needs Metaparameters, as Metaparameters\(hidden=\(8,\)\)"):
        train_with({"hidden": (8,)}, (X, TARGET))  # type: ignore[arg-type]


def test_replace_validates_too() -> None:
    with pytest.raises(ValueError, match=r"Metaparameters\.epochs"):
        replace(Metaparameters(), epochs=-3)
