"""Checkpoints: a training that was broken off goes on as if it had not been, to the last bit."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_lecture.learning.callbacks import BestWeights, EarlyStopping
from tinygrad_lecture.learning.experiment import train_with
from tinygrad_lecture.learning.history import History
from tinygrad_lecture.learning.metaparameters import Metaparameters
from tinygrad_lecture.learning.rules import RULES, Adam, GradientDescent, Momentum, RMSprop, VarioEta
from tinygrad_lecture.learning.schedules import Cosine
from tinygrad_lecture.learning.train import train
from tinygrad_lecture.learning.training import Training
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.store import DamagedFile, read, save

X = np.random.default_rng(0).normal(size=(17, 2))
TARGET = np.sin(X[:, :1])
EVERY_RULE = [*(kind() for kind in RULES.values()), VarioEta(smoothing=0.9), RMSprop(centered=True, momentum=0.5)]


def without_seconds(history: History) -> dict[str, Any]:
    data = history.to_dict()
    data.pop("seconds")
    return data


def learn(path: Path | None, epochs: int, resume: bool = False, **options: Any) -> tuple[MLP, History, Any]:
    """A net, its history, and the training as a callback saw it last; a fresh net and fresh callbacks each time."""
    net, seen = MLP([2, 3, 1], rng=0 if not resume else 99), []
    made = {"rng": np.random.default_rng(7), "batch_size": 4, **options}
    made["callbacks"] = [*[kind() for kind in made.get("callbacks", [])], seen.append]
    if callable(made["rng"]):
        made["rng"] = made["rng"]()
    history = train(net, (X, TARGET), epochs=epochs, checkpoint=path, resume=resume, **made)
    return net, history, seen[-1]


def same(a: tuple[MLP, History, Training], b: tuple[MLP, History, Training]) -> None:
    (net, history, training), (other, other_history, other_training) = a, b
    assert net.w.tobytes() == other.w.tobytes()
    assert without_seconds(history) == without_seconds(other_history)
    assert training.update == other_training.update
    assert str(training.rng.bit_generator.state) == str(other_training.rng.bit_generator.state)
    assert set(training.state) == set(other_training.state)
    for name, array in training.state.items():
        assert np.asarray(array).tobytes() == np.asarray(other_training.state[name]).tobytes()
        assert np.asarray(array).dtype == np.asarray(other_training.state[name]).dtype


@pytest.mark.parametrize("rule", EVERY_RULE, ids=repr)
def test_every_rule_goes_on_as_without_a_break(rule: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    whole = learn(None, 7, rule=rule)
    learn(path, 3, rule=rule)
    same(learn(path, 7, resume=True, rule=rule), whole)


@pytest.mark.parametrize("generator", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_generator_goes_on_as_without_a_break(generator: str, tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    options = {"rng": lambda: np.random.Generator(getattr(np.random, generator)(3))}
    whole = learn(None, 5, **options)
    learn(path, 2, **options)
    same(learn(path, 5, resume=True, **options), whole)


@pytest.mark.parametrize(
    "options",
    [
        {"callbacks": [BestWeights], "schedule": Cosine(0.9, 12), "validation": (X[:5], -TARGET[:5])},
        {"batch_size": None},
        {"batch_size": 1, "per_update": True},
        {"schedule": Cosine(0.5, 30), "rule": Adam()},
        {"every": 2},
    ],
    ids=["best weights", "all at once", "every update", "schedule", "every second epoch"],
)
def test_every_option_goes_on_as_without_a_break(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    whole = learn(None, 6, **options)
    learn(path, 3, **options)
    same(learn(path, 6, resume=True, **options), whole)


def test_best_weights_of_before_the_break_are_put_back_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    bad = {"callbacks": [BestWeights], "validation": (X, -TARGET), "batch_size": None}  # each epoch makes it worse
    first = learn(path, 1, **bad)[0].w.tobytes()
    assert learn(path, 6, resume=True, **bad)[0].w.tobytes() == first


def test_a_training_that_a_callback_stopped_stays_stopped_but_not_for_a_more_patient_one(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    still = {"schedule": lambda k: 0.0}
    _, history, _ = learn(path, 50, callbacks=[lambda: EarlyStopping(2)], **still)
    assert len(history) == 3
    _, history, _ = learn(path, 50, resume=True, callbacks=[lambda: EarlyStopping(2)], **still)
    assert (len(history), history.stopped) == (3, "no new best for 2 epochs")
    _, history, _ = learn(path, 50, resume=True, callbacks=[lambda: EarlyStopping(5)], **still)
    assert (len(history), history.stopped) == (6, "no new best for 5 epochs")


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """Python's own handler: in a background job Ctrl-C may be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_a_break_by_ctrl_c_in_the_middle_of_an_epoch_is_made_good(tmp_path: Path) -> None:
    path, whole = tmp_path / "c.npz", learn(None, 6)
    calls: list[int] = []

    def eta(update: int) -> float:
        calls.append(update)
        if len(calls) == 13:  # in the third epoch of five batches
            signal.raise_signal(signal.SIGINT)
        return 0.1

    broken = train(
        MLP([2, 3, 1], rng=0),
        (X, TARGET),
        epochs=6,
        rng=np.random.default_rng(7),
        batch_size=4,
        schedule=eta,
        checkpoint=path,
    )
    assert (broken.stopped, len(broken), len(calls)) == ("interrupted", 2, 13)
    net = MLP([2, 3, 1], rng=5)
    history = train(
        net,
        (X, TARGET),
        epochs=6,
        rng=np.random.default_rng(7),
        batch_size=4,
        schedule=eta,
        checkpoint=path,
        resume=True,
    )
    assert net.w.tobytes() == whole[0].w.tobytes()
    assert history.error == whole[1].error


def test_a_training_without_a_checkpoint_yet_starts_anew(tmp_path: Path) -> None:
    net = MLP([2, 3, 1], rng=99)
    path = tmp_path / "c.npz"
    assert len(train(net, (X, TARGET), epochs=2, checkpoint=path, resume=True)) == 2
    assert path.exists()


def test_a_checkpoint_is_written_at_the_start_after_every_so_many_epochs_and_the_last(tmp_path: Path) -> None:
    path, seen = tmp_path / "c.npz", []
    look = lambda t: seen.append(read(path)[1]["update"])
    train(MLP([2, 3, 1]), (X, TARGET), epochs=5, batch_size=None, checkpoint=path, every=2, callbacks=[look])
    assert seen == [0, 0, 2, 2, 4]
    assert read(path)[1]["update"] == 5


def test_a_checkpoint_is_written_where_a_callback_stops_between_two_of_them(tmp_path: Path) -> None:
    path, stop = tmp_path / "c.npz", lambda t: "enough" if len(t.history) == 3 else None
    train(MLP([2, 3, 1]), (X, TARGET), epochs=50, batch_size=None, checkpoint=path, every=10, callbacks=[stop])
    info = read(path)[1]
    assert (info["update"], info["history"]["stopped"]) == (3, "enough")


def test_without_resume_a_training_starts_anew_and_its_checkpoint_takes_the_place_of_the_old_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "c.npz"
    once = learn(None, 3)
    learn(path, 5)
    same(learn(path, 3), once)
    assert read(path)[1]["update"] == once[2].update


def test_a_checkpoint_is_written_after_every_epoch_unless_something_else_is_said(tmp_path: Path) -> None:
    path, seen = tmp_path / "c.npz", []
    look = lambda t: seen.append(read(path)[1]["update"])
    train(MLP([2, 3, 1]), (X, TARGET), epochs=3, batch_size=None, checkpoint=path, callbacks=[look])
    m = Metaparameters(hidden=(3,), epochs=3, batch_size=None)
    train_with(m, (X, TARGET), checkpoint=path, callbacks=[look])
    assert seen == [0, 1, 2] * 2


@dataclass(frozen=True)
class Several(GradientDescent):
    """A rule of one's own whose fields are no plain data."""

    parts: tuple[Any, ...] = ()


def test_a_rule_whose_fields_are_no_plain_data_goes_on_too(tmp_path: Path) -> None:
    several = Several(0.1, (np.float32(0.5), 1.0))
    path, whole = tmp_path / "c.npz", learn(None, 4, rule=several)
    learn(path, 2, rule=several)
    same(learn(path, 4, resume=True, rule=several), whole)
    with pytest.raises(ValueError, match=r"is of another training: rule was \{'class': 'Several'"):
        learn(path, 4, resume=True, rule=Several(0.1, (np.float32(0.25), 1.0)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rule": Momentum()}, r"c\.npz is of another training: rule was \{'class': 'GradientDescent'.*Momentum"),
        ({"batch_size": 5}, r"batch_size was 4, and is 5 now"),
        ({"loss": "absolute"}, r"loss was squared_error, and is absolute now"),
        ({"schedule": Cosine(0.1, 5)}, r"schedule was None, and is \{'class': 'Cosine'"),
        ({"validation": (X, TARGET)}, r"validation was None, and is 17,"),
        ({"rng": np.random.Generator(np.random.MT19937(7))}, r"generator was PCG64, and is MT19937 now"),
        ({"callbacks": [BestWeights]}, r"callbacks was \[\], and is \['0 BestWeights'\] now"),
        ({"per_update": True}, r"per_update was False, and is True now"),
    ],
)
def test_another_training_is_refused_and_nothing_changed(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    learn(path, 2)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        learn(path, 4, resume=True, **changed)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("net", "patterns", "message"),
    [
        (MLP([2, 4, 1]), (X, TARGET), r"net was MLP\(2-3-1.*MLP\(2-4-1"),
        (MLP([2, 3, 1], dtype=np.float32), (X, TARGET), r"dtype was float64, and is float32 now"),
        (MLP([2, 3, 1]), (X, TARGET + 1e-9), r"patterns was 17, [0-9a-f]+, and is 17,"),
    ],
    ids=["net", "dtype", "patterns"],
)
def test_another_net_and_other_patterns_are_refused(net: MLP, patterns: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    train(MLP([2, 3, 1]), (X, TARGET), epochs=1, checkpoint=path)
    before = net.w.tobytes()
    with pytest.raises(ValueError, match=message):
        train(net, patterns, epochs=2, checkpoint=path, resume=True)
    assert net.w.tobytes() == before


@pytest.mark.parametrize("changed", [{"seed": 1}, {"hidden": (4,)}, {"init": "standard"}, {"skips": (("in", "out"),)}])
def test_other_metaparameters_are_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    path, m = tmp_path / "c.npz", Metaparameters(hidden=(3,), epochs=2)
    train_with(m, (X, TARGET), checkpoint=path)
    with pytest.raises(ValueError, match="is of another training: "):
        train_with(m.changed(changed), (X, TARGET), checkpoint=path, resume=True)


def test_more_epochs_are_no_other_metaparameters(tmp_path: Path) -> None:
    path, m = tmp_path / "c.npz", Metaparameters(hidden=(3,), epochs=2, rule="adam")
    train_with(m, (X, TARGET), checkpoint=path)
    longer = m.changed({"epochs": 5})
    net, history = train_with(longer, (X, TARGET), checkpoint=path, resume=True)
    whole, of_whole = train_with(longer, (X, TARGET))
    assert net.w.tobytes() == whole.w.tobytes()
    assert without_seconds(history) == without_seconds(of_whole)


def test_a_saved_net_is_no_checkpoint(tmp_path: Path) -> None:
    path, net = tmp_path / "net.npz", MLP([2, 3, 1])
    save(path, net)
    with pytest.raises(ValueError, match=r"net\.npz is no checkpoint of a training, but a net"):
        train(net, (X, TARGET), checkpoint=path, resume=True)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    learn(path, 1)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DamagedFile, match=r"c\.npz is damaged"):
        learn(path, 2, resume=True)
