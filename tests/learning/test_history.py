"""The history of a training: as data, as CSV, as a table, as a figure."""

from __future__ import annotations

import csv
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lecture.learning.history import COLUMNS, History
from tinygrad_lecture.learning.train import train
from tinygrad_lecture.nn.mlp import MLP

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def histories(draw: st.DrawFn) -> History:
    n = draw(st.integers(0, 5))
    columns = {name: draw(st.lists(NUMBERS, min_size=n, max_size=n)) for name in COLUMNS if name != "validation"}
    held_out = draw(st.lists(NUMBERS | st.none(), min_size=n, max_size=n))
    return History(**columns, validation=held_out, updates=draw(st.lists(NUMBERS)), stopped=draw(st.text(max_size=9)))


@pytest.fixture
def learnt() -> History:
    x = np.linspace(-1, 1, 20)[:, None]
    return train(MLP([1, 3, 1]), (x, x**2), epochs=25, validation=(x[:4], x[:4] ** 2))


@given(histories())
def test_a_history_comes_back_from_its_dict_also_through_json(h: History) -> None:
    assert History.from_dict(json.loads(json.dumps(h.to_dict()))) == h


@given(histories())
def test_its_dict_is_a_copy(h: History) -> None:
    data = h.to_dict()
    again = History.from_dict(data)
    for name in COLUMNS:
        data[name].append(0.0)
    assert again == h


def test_what_it_was_trained_with_is_copied_too_and_may_be_missing() -> None:
    h = History(metaparameters={"eta": 0.1})
    data = h.to_dict()
    again = History.from_dict(data)
    data["metaparameters"]["eta"] = 0.2
    assert h.metaparameters == again.metaparameters == {"eta": 0.1}
    del data["metaparameters"]
    assert History.from_dict(data).metaparameters == {}


@pytest.mark.parametrize("stopped", ["", "epochs", "interrupted", "no new best for 3 epochs"])
def test_it_is_interrupted_where_ctrl_c_ended_it_and_nowhere_else(stopped: str) -> None:
    assert History(stopped=stopped).interrupted == (stopped == "interrupted")


@given(histories())
def test_its_csv_holds_every_number_to_the_last_bit(h: History) -> None:
    rows = list(csv.DictReader(h.to_csv().splitlines()))
    assert [int(row["epoch"]) for row in rows] == list(range(1, len(h) + 1))
    for name in COLUMNS:
        assert [float(row[name]) if row[name] else None for row in rows] == getattr(h, name)


def test_csv_is_written_where_a_path_is_given(learnt: History, tmp_path: Path) -> None:
    text = learnt.to_csv(tmp_path / "h.csv")
    assert (tmp_path / "h.csv").read_bytes().decode() == text
    assert text.splitlines()[0] == "epoch,error,validation,gradient_norm,weight_norm,eta,seconds"
    assert text.endswith("\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"errors": []}, "'errors' is unknown or missing"),
        ({"error": [1.0]}, "of different lengths"),
    ],
)
def test_what_is_no_history_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        History.from_dict({**History().to_dict(), **change})
    with pytest.raises(ValueError, match="'validation' is unknown or missing"):
        History.from_dict({"error": []})


def test_it_prints_some_epochs_and_why_it_stopped(learnt: History) -> None:
    lines = str(learnt).splitlines()
    assert [int(line.split()[0]) for line in lines[1:-1]][:: len(lines) - 3] == [1, 25]
    assert len(lines) <= 13
    assert lines[-1] == "stopped: epochs"
    assert str(History()).splitlines()[-1] == "stopped: not yet"


@given(st.integers(1, 300))
def test_it_prints_at_most_ten_epochs_the_first_and_the_last_evenly_spread(n: int) -> None:
    columns = {name: [0.5] * n for name in COLUMNS}
    shown = [int(line.split()[0]) for line in str(History(**columns)).splitlines()[1:-1]]
    gaps = {b - a for a, b in pairwise(shown)}
    assert (shown[0], shown[-1], len(shown)) == (1, n, min(n, 10))
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_it_prints_the_error_of_what_was_held_out_where_there_is_one() -> None:
    columns = {name: [0.25] for name in COLUMNS}
    _, row, _ = str(History(**{**columns, "validation": [0.125]})).splitlines()
    assert row.split() == ["1", "0.25", "0.125", "0.25", "0.25", "0.250"]
    _, row, _ = str(History(**{**columns, "validation": [None]})).splitlines()
    assert row.split() == ["1", "0.25", "0.25", "0.25", "0.250"]


def test_it_keeps_with_what_it_was_trained(learnt: History) -> None:
    kept = learnt.metaparameters
    assert kept["rule"] == {"class": "GradientDescent", "eta": 0.1}
    assert (kept["loss"], kept["batch_size"], kept["net"]) == (
        "squared_error",
        32,
        "MLP(1-3-1, tanh, identity, bias=True)",
    )


def test_its_figure_has_both_errors_and_labelled_axes(learnt: History, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    fig = learnt.plot(tmp_path / "h.png")
    (axes,) = fig.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("epoch", "error E", "log")
    assert [list(line.get_ydata()) for line in axes.lines] == [learnt.error, learnt.validation]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["training", "validation"]
    assert min(text.get_fontsize() for text in axes.get_legend().get_texts()) >= 14
    assert (tmp_path / "h.png").stat().st_size > 1000


@pytest.mark.parametrize("errors", [[], [1.0, 0.0]], ids=["no epoch", "an error of 0"])
def test_errors_that_have_no_logarithm_are_drawn_on_a_linear_axis(errors: list[float]) -> None:
    pytest.importorskip("matplotlib")
    history = History(error=errors, validation=[None] * len(errors))
    (axes,) = history.plot().axes
    assert axes.get_yscale() == "linear"


def test_epochs_are_marked_by_whole_numbers(learnt: History) -> None:
    pytest.importorskip("matplotlib")
    for n in (2, 3, 5):
        (axes,) = History(error=learnt.error[:n], validation=[None] * n).plot().axes
        ticks = axes.get_xticks()
        assert np.array_equal(ticks, np.round(ticks))


def test_a_figure_without_matplotlib_says_how_to_install_it(learnt: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'python -m pip install "tinygrad-lecture\[plot\]"'):
        learnt.plot()


def test_a_figure_changes_no_setting_and_does_not_load_pyplot(learnt: History) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    before, loaded = dict(matplotlib.rcParams), "matplotlib.pyplot" in sys.modules
    learnt.plot()
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == loaded
