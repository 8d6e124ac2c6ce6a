"""Comparisons: the same for any number of processes, failures counted, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl
from tinygrad_lecture.learning import pool, worker
from tinygrad_lecture.learning.compare import Comparison, Run, Variant, compare
from tinygrad_lecture.learning.experiment import train_with
from tinygrad_lecture.learning.metaparameters import Metaparameters

X = np.random.default_rng(0).normal(size=(24, 2))
TARGET = np.sin(X[:, :1])
BASE = Metaparameters(hidden=(3,), epochs=4, batch_size=8)
VARIANTS: dict[str, Any] = {"plain": {}, "momentum": {"rule": "momentum"}, "wild": {"eta": 1e30}}


def without_seconds(c: Comparison) -> dict[str, Any]:
    data = c.to_dict()
    for variant in data["variants"].values():
        variant.pop("seconds")
        for run in variant["runs"]:
            run.pop("seconds")
    return data


@pytest.fixture(scope="module")
def compared() -> Comparison:
    return compare(VARIANTS, (X, TARGET), validation=(X[:6], TARGET[:6]), base=BASE, seeds=3, workers=2)


def test_each_run_is_the_training_of_its_metaparameters_to_the_last_bit(compared: Comparison) -> None:
    for name in ("plain", "momentum"):
        for run in compared[name].runs:
            m = BASE.changed({**VARIANTS[name], "seed": run.seed})
            _, history = train_with(m, (X, TARGET), validation=(X[:6], TARGET[:6]))
            assert run.history is not None
            assert run.history.error == history.error
            assert run.history.validation == history.validation
            assert Metaparameters.from_dict(run.history.metaparameters) == m


def test_the_number_of_processes_does_not_change_the_result(compared: Comparison) -> None:
    other = compare(VARIANTS, (X, TARGET), validation=(X[:6], TARGET[:6]), base=BASE, seeds=3, workers=1)
    assert without_seconds(other) == without_seconds(compared)


def test_variants_begin_with_the_same_weights_and_patterns(compared: Comparison) -> None:
    for a, b in zip(compared["plain"].runs, compared["momentum"].runs, strict=True):
        assert a.seed == b.seed
        # E of the first batch of the first epoch is met before the first update; η = 0 keeps it so for the epoch
    still = compare({"a": {"eta": 0.0}, "b": {"rule": "adam", "eta": 0.0}}, (X, TARGET), base=BASE, seeds=2)
    assert still["a"].error == still["b"].error


def test_medians_and_quartiles_are_those_of_the_scores(compared: Comparison) -> None:
    scores = sorted(compared["plain"].validation)
    assert compared["plain"].scores == compared["plain"].validation
    assert compared["plain"].median == scores[1]
    assert compared["plain"].quartiles == pytest.approx(((scores[0] + scores[1]) / 2, (scores[1] + scores[2]) / 2))
    assert compared.measure == "validation"


def test_a_variant_that_raises_counts_as_failures_with_the_text(compared: Comparison) -> None:
    wild = compared["wild"]
    assert (wild.failures, len(wild.runs), wild.scores) == (3, 3, [])
    assert np.isnan(wild.median)
    assert all(run.failure.startswith("NotFiniteError: the ") for run in wild.runs)
    assert compared["plain"].failures == 0
    assert compared.best is not None
    assert compared.best.name in ("plain", "momentum")


def test_it_prints_a_row_for_each_variant_and_the_failures(compared: Comparison) -> None:
    title, plain, momentum, wild, *failures = str(compared).splitlines()
    assert title.split() == ["variant", "median", "validation", "quartiles", "seconds", "failures"]
    assert (plain.split()[0], momentum.split()[0], wild.split()[0]) == ("plain", "momentum", "wild")
    assert wild.endswith("3 of 3")
    assert failures[0].startswith("wild: ")
    assert " × NotFiniteError" in failures[0]


def test_its_dict_is_plain_json_without_nan(compared: Comparison) -> None:
    data = json.loads(json.dumps(compared.to_dict(), allow_nan=False))
    assert data == compared.to_dict()
    assert data["seeds"] == [0, 1, 2]
    assert data["variants"]["wild"]["median"] is None
    for run, row in zip(compared["plain"].runs, data["variants"]["plain"]["runs"], strict=True):
        h = run.history
        assert h is not None
        assert row == {
            "seed": run.seed,
            "error": h.error[-1],
            "validation": h.validation[-1],
            "seconds": sum(h.seconds),
            "failure": "",
        }
    assert Metaparameters.from_dict(data["variants"]["momentum"]["metaparameters"]).rule.beta == 0.9


def test_its_figure_shows_each_variant_that_has_runs(compared: Comparison, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    fig = compared.plot(tmp_path / "c.png")
    (axes,) = fig.axes
    assert [line.get_label() for line in axes.lines] == ["plain (3 runs)", "momentum (3 runs)"]
    assert axes.get_ylabel() == "validation E"
    assert (tmp_path / "c.png").exists()
    middle = np.median([h.validation for h in compared["plain"].histories], axis=0)
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), np.column_stack([np.arange(1, 5), middle]))
    assert axes.get_yscale() == "log"
    assert np.array_equal(axes.get_xticks(), np.round(axes.get_xticks()))
    assert all(band.get_alpha() < 0.5 for band in axes.collections)  # lines behind it are seen


def test_the_figure_of_a_comparison_in_which_all_failed_has_no_lines() -> None:
    pytest.importorskip("matplotlib")
    nothing = Comparison((Variant("wild", BASE, (Run(0, None, "failed"),)),), (0,), "error")
    (axes,) = nothing.plot().axes
    assert (len(axes.lines), axes.get_yscale()) == (0, "linear")


def test_seeds_may_be_listed() -> None:
    c = compare({"a": {}}, (X, TARGET), base=BASE, seeds=[5, 3])
    assert [run.seed for run in c["a"].runs] == [5, 3]
    assert c.measure == "error"


def test_warnings_of_the_processes_are_told_once() -> None:
    with pytest.warns(UserWarning, match="the initialisation 'lecture' assumed inputs of spread 1") as told:
        compare({"a": {}, "b": {"eta": 1e-9}}, (X * 9, TARGET), base=BASE.changed({"eta": 1e-9}), seeds=2)
    assert [Path(warning.filename) for warning in told] == [Path(__file__)]  # where it was called


@pytest.mark.parametrize(
    ("variants", "options", "message"),
    [
        ({}, {}, r"compare needs variants, a dict name → Metaparameters"),
        (["a"], {}, r"compare needs variants, a dict name → Metaparameters"),
        ({"a": {"lr": 1}}, {}, r"metaparameters have no field 'lr': write eta"),
        ({"a": {"eta": -1}}, {}, r"Metaparameters\.eta must lie in"),
        ({"a": {}}, {"seeds": 0}, r"seeds must lie in \[1, ∞\), not be 0"),
        ({"a": {}}, {"seeds": [1, 1]}, r"seeds must be different, and at least one: \(1, 1\)"),
        ({"a": {}}, {"seeds": []}, r"seeds must be different, and at least one: \(\)"),
        ({"a": {}}, {"workers": 0}, r"workers must lie in \[1, ∞\), not be 0"),
        ({"a": {"loss": "cross_entropy"}}, {"validation": (X, X[:, 0])}, None),
    ],
)
def test_what_cannot_be_compared_is_refused(variants: Any, options: dict[str, Any], message: str | None) -> None:
    if message is None:  # a run that cannot be is a failure, not a refusal
        assert compare(variants, (X, TARGET), base=BASE, seeds=1, **options)["a"].failures == 1
        return
    with pytest.raises(ValueError, match=message):
        compare(variants, (X, TARGET), **options)


def test_an_error_in_a_variant_names_the_variant() -> None:
    with pytest.raises(ValueError, match="epochs") as caught:
        compare({"fine": {}, "odd": {"epochs": -1}}, (X, TARGET))
    assert caught.value.__notes__ == ["This was in the variant 'odd'."]


def test_an_unknown_name_lists_those_there_are(compared: Comparison) -> None:
    with pytest.raises(KeyError, match="there is no variant 'x'; there are plain, momentum, wild"):
        compared["x"]


# processes


def children() -> set[int]:
    """The processes that this one has started and that still run."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and state != "Z":
            found.add(int(stat.parent.name))
    return found


has_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")


@has_proc
def test_ctrl_c_ends_the_processes() -> None:
    before = children()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(1.0, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)).start()
    begin = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            compare({"a": {"epochs": 10**9}}, (X, TARGET), seeds=2, workers=2)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert time.monotonic() - begin < 30
    assert children() == before


@has_proc
def test_no_process_is_left_after_a_comparison() -> None:
    before = children()
    compare({"a": {}}, (X, TARGET), base=BASE, seeds=2)
    assert children() == before


@has_proc
def test_a_process_that_dies_fails_its_run_and_the_others_go_on() -> None:
    before = children()
    jobs = [BASE.changed({"epochs": 10**9}), BASE.changed({"epochs": 2})]
    answers = pool.answers(jobs, (X, TARGET), None, workers=1)

    def kill() -> None:
        until = time.monotonic() + 30
        while not (new := children() - before) and time.monotonic() < until:
            time.sleep(0.05)
        process = new.pop()
        sessions.append(os.getsid(process))
        os.kill(process, signal.SIGKILL)

    sessions: list[int] = []
    killer = threading.Thread(target=kill)
    killer.start()
    found = dict(answers)
    killer.join()
    assert os.getsid(0) not in sessions  # so that Ctrl-C in a terminal is not for it
    assert found[0].failure == "the process that trained it ended with code -9"
    assert found[1].failure == ""
    assert found[1].history is not None
    assert len(found[1].history) == 2


def test_a_process_ends_when_nobody_asks_any_more(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", inputs=X, targets=TARGET)
    root = str(Path(tl.__file__).parents[1])
    command = [sys.executable, "-P", "-m", "tinygrad_lecture.learning.worker", str(tmp_path / "p.npz")]
    request = json.dumps({"metaparameters": BASE.changed({"epochs": 10**9}).to_dict()})
    done = subprocess.run(
        command, input=request + "\n", text=True, env={**os.environ, "PYTHONPATH": root}, timeout=60, check=False
    )
    assert done.returncode == 0


def test_a_process_answers_each_line_with_a_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", inputs=X, targets=TARGET, held_inputs=X[:5], held_targets=TARGET[:5])
    command = [sys.executable, "-P", "-m", "tinygrad_lecture.learning.worker", str(tmp_path / "p.npz")]
    env = {**os.environ, "PYTHONPATH": str(Path(tl.__file__).parents[1])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, encoding="utf-8") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for seed in (3, 4):
            m = BASE.changed({"seed": seed})
            process.stdin.write(json.dumps({"metaparameters": m.to_dict()}) + "\n")
            process.stdin.flush()
            reply = json.loads(process.stdout.readline())
            _, wanted = train_with(m, (X, TARGET), validation=(X[:5], TARGET[:5]))
            assert reply["warnings"] == []
            for name in ("error", "validation"):
                assert reply["history"][name] == getattr(wanted, name)
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_a_request_that_cannot_be_is_answered_with_a_failure() -> None:
    reply = worker.answer({"metaparameters": {"eta": -1}}, (X, TARGET), None)
    assert reply["failure"].startswith("ValueError: Metaparameters.eta must lie in")


def test_a_warning_is_handed_on_even_where_warnings_are_errors() -> None:
    m = BASE.changed({"eta": 1e-9})
    with pytest.warns(UserWarning, match="assumed inputs of spread 1"):
        train_with(m, (X * 9, TARGET))
    reply = worker.answer({"metaparameters": m.to_dict()}, (X * 9, TARGET), None)
    assert "history" in reply
    (text,) = reply["warnings"]
    assert "assumed inputs of spread 1" in text


@pytest.mark.parametrize("early", [False, True], ids=["it may be asked before", "it cannot even be asked"])
def test_a_process_that_dies_is_quoted_with_the_last_it_has_said(early: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    dies = "import sys; print('Traceback', 'at a line', 'the reason', sep='\\n', file=sys.stderr); sys.exit(3)"

    class Dying(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str], **options: Any) -> None:
            super().__init__([command[0], "-c", dies], **options)
            if early:
                self.wait()

    monkeypatch.setattr(subprocess, "Popen", Dying)
    ((_, answer),) = pool.answers([BASE], (X, TARGET), None, workers=1)
    assert answer.failure == "the process that trained it ended with code 3: the reason"


@has_proc
def test_what_ends_before_a_process_was_started_starts_none(tmp_path: Path) -> None:
    done: SimpleQueue[Any] = SimpleQueue()
    waiting = SimpleNamespace(get_nowait=lambda: crew.end() or 0)
    crew = pool._Worker(tmp_path, 0, [BASE], waiting, done)  # type: ignore[arg-type]
    before = children()
    crew.start()
    assert done.get(timeout=30) == (0, pool.Answer(failure="interrupted"))
    crew.join()
    assert children() == before


@has_proc
def test_no_process_is_left_where_not_all_could_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    before, start, started = children(), threading.Thread.start, []

    def at_most_one(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", at_most_one)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        list(pool.answers([BASE] * 3, (X, TARGET), None, workers=3))
    assert children() == before
    assert not started[0].is_alive()


def test_the_processes_run_the_package_that_asks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "tinygrad_lecture"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('another version was found')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert compare({"a": {}}, (X, TARGET), base=BASE, seeds=1)["a"].failures == 0


def test_a_program_that_is_not_guarded_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        "import numpy as np, tinygrad_lecture as tl\n"
        "print('begin')\n"
        "x = np.linspace(-1, 1, 20)[:, None]\n"
        "c = tl.compare({'a': {'epochs': 2}}, (x, x**2), seeds=2)\n"
        "print(c['a'].failures)\n"
    )
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the user was imported')")
    env = {**os.environ, "PYTHONPATH": str(Path(tl.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-P", str(script)], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["begin", "0"]


def test_progress_is_silent_unless_asked(capfd: pytest.CaptureFixture[str]) -> None:
    compare({"a": {}}, (X, TARGET), base=BASE, seeds=1)
    assert capfd.readouterr() == ("", "")


def test_progress_tells_of_each_run_its_error_or_that_it_failed(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    variants = {"plain": {}, "wild": {"eta": 1e30}, "none": {"epochs": 0}}
    c = compare(variants, (X, TARGET), base=BASE, seeds=1, workers=1, progress=True)
    lines = capfd.readouterr().err.splitlines()
    assert lines == [f"run 1 of 3: error {c['plain'].error[0]:.4g}", "run 2 of 3: failed", "run 3 of 3: "]


def test_so_many_processes_train_as_there_are_cores_and_no_more_than_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(jobs: Any, patterns: Any, validation: Any, workers: int) -> Any:
        asked.append(workers)
        return iter([])

    def ask(workers: int | None = None) -> int:
        compare({"a": {}}, (X, TARGET), base=BASE, seeds=7, workers=workers)
        return asked[-1]

    monkeypatch.setattr(sys.modules[compare.__module__], "answers", counted)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0: {0, 2, 3}}[pid], raising=False)
    assert [ask(), ask(2), ask(9)] == [3, 2, 7]
    monkeypatch.delattr(os, "sched_getaffinity")  # as on systems other than Linux
    assert ask() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert ask() == 1


def test_a_process_that_cannot_be_started_fails_its_run_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: Any) -> Any:
        raise OSError("no more processes")

    monkeypatch.setattr(pool, "_started", cannot)
    ((_, answer),) = pool.answers([BASE], (X, TARGET), None, workers=1)
    assert answer.failure == "OSError: no more processes"
