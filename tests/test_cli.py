"""The main job: the lecture as a table and as JSON, its exit codes, and its manners in a pipe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_lecture as tl
from tinygrad_lecture import cli
from tinygrad_lecture.cli.lecture import _wrapped
from tinygrad_lecture.engine.op import OPS
from tinygrad_lecture.lecture import c01_delta_formulas, statement
from tinygrad_lecture.lecture.statement import STATEMENTS, Row, run

COMMAND = [sys.executable, "-m", "tinygrad_lecture"]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(Path(tl.__file__).parents[1]),
    "PYTHONIOENCODING": "utf-8",
    "OPENBLAS_NUM_THREADS": "1",  # threads of several processes that spin for two cores take twenty times as long
}
GOOD = Row("C1", "what is said, with a − b = c and δ", "1.0e-16", "≤ 1e-14", True, 1e-16)
BAD = Row("C2", "what does not hold", "3", "≤ 2", False, 3.0)


@pytest.fixture
def two_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lecture of two statements, of which the second fails."""
    rows = {"first": [GOOD], "second": [BAD]}
    monkeypatch.setattr(statement, "STATEMENTS", {"C1": "first", "C2": "second"})
    monkeypatch.setattr(
        statement, "import_module", lambda name, _: SimpleNamespace(measure=lambda small: iter(rows[name[1:]]))
    )


def test_a_contradicted_claim_is_no_failure_and_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        GOOD,
        replace(GOOD, holds=None, contradicted=True),
        replace(GOOD, holds=None),
        replace(GOOD, holds=None),
    ]
    monkeypatch.setattr(statement, "STATEMENTS", {"C1": "first"})
    monkeypatch.setattr(statement, "import_module", lambda *_: SimpleNamespace(measure=lambda small: iter(rows)))
    assert cli.main([]) == 0
    printed = capsys.readouterr().out
    assert "1 of 1 hold, 1 contradicted, 2 told without a bar (" in printed
    assert printed.count("  contradicted\n") == 1
    assert cli.main(["--json"]) == 0
    assert [row["holds"] for row in json.loads(capsys.readouterr().out)] == [True, None, None, None]
    rows.append(BAD)
    assert cli.main(["--json"]) == 1
    assert "1 of 2 hold" in (cli.main([]), capsys.readouterr().out)[1]


def test_the_lecture_holds_and_is_printed_as_a_table_of_100_columns() -> None:
    done = subprocess.run(
        [*COMMAND, "--only", "C1"], capture_output=True, env=ENVIRONMENT, encoding="utf-8", check=True
    )
    title, rule, *body = done.stdout.splitlines()
    assert title.split("  ")[-1] == "holds"
    for heading in ("what the lecture says", "what was measured", "bar"):
        assert heading in title
    assert set(rule) == {"─", " "}
    assert max(map(len, body)) <= len(rule) <= 100
    n_rows = sum(line.startswith("C1  ") for line in body)
    assert n_rows >= 3
    assert body[-1].startswith(f"{n_rows} of {n_rows} hold (")
    assert done.stderr == ""


def test_json_is_a_list_of_rows_with_five_keys() -> None:
    done = subprocess.run([*COMMAND, "--only", "C1", "--json"], capture_output=True, env=ENVIRONMENT, check=True)
    assert done.stdout.isascii()
    rows = json.loads(done.stdout)
    assert {frozenset(row) for row in rows} == {frozenset({"tag", "statement", "measured", "bar", "holds"})}
    assert all(row["holds"] is True and row["tag"] == "C1" for row in rows)
    assert any("δ_j = ∂E_t/∂in_j" in row["statement"] for row in rows)
    assert any("digits" in row["statement"] for row in rows)
    assert any("sunspots" in row["statement"] for row in rows)


@pytest.mark.parametrize(
    ("only", "tags"),
    [
        ([], ["C1", "C2"]),
        (["--only", "C2"], ["C2"]),
        (["--only", "c1"], ["C1"]),
        (["--only", "C2, C1"], ["C1", "C2"]),
        (["--only=C2", "--only=C1"], ["C1", "C2"]),
        (["--only", "C1,C1"], ["C1"]),
    ],
    ids=["all", "one", "lower case", "comma", "repeated", "twice"],
)
@pytest.mark.usefixtures("two_statements")
def test_only_chooses_statements(only: list[str], tags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["--json", *only])
    assert [row["tag"] for row in json.loads(capsys.readouterr().out)] == tags
    assert code == int("C2" in tags)


@pytest.mark.usefixtures("two_statements")
def test_a_row_that_fails_is_shown_and_gives_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("C")] == ["yes", "NO"]
    assert lines[-1].startswith("1 of 2 hold")


@pytest.mark.parametrize("factor", [1.001, -1.0, 1 + 1e-9])
def test_a_wrong_rule_of_the_engine_makes_the_statement_fail(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    (right,) = OPS[np.tanh].slopes or ()
    monkeypatch.setattr(OPS[np.tanh], "slopes", (lambda y, x: factor * right(y, x),))
    rows = [*c01_delta_formulas.layered_nets(), c01_delta_formulas.wired_nets(), c01_delta_formulas.sunspots()]
    assert not any(row.holds for row in rows)


@pytest.mark.parametrize("only", ["C9", "C1,C9", "", "C1,"], ids=["unknown", "one of two", "empty", "trailing comma"])
@pytest.mark.usefixtures("two_statements")
def test_an_unknown_tag_names_the_known_ones_and_gives_exit_code_2(
    only: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--only", only])
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert "known are C1, C2" in captured.err
    assert captured.out == ""


def test_no_statement_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown statement \(none given\); known are C1"):
        run([])


def test_formulas_are_not_broken_at_their_operators() -> None:
    cells = ["C1", "the net input is said to be in_j = Σ_i w_ji out_i − 1", "", "error ≤ 1e-14", "yes"]
    lines = list(_wrapped(cells))
    assert any("in_j = Σ_i" in line for line in lines)
    assert any("out_i − 1" in line for line in lines)
    assert any("≤ 1e-14" in line for line in lines)
    assert "\N{NO-BREAK SPACE}" not in "".join(lines)


def test_a_formula_wider_than_its_column_is_broken_before_its_operator_and_no_word_is() -> None:
    lines = list(_wrapped(["C15", "", "", "ratio of medians ≤ 1.25", "yes"]))
    assert [line[69:82].strip() for line in lines] == ["ratio of", "medians", "≤ 1.25"]


def test_each_row_is_printed_as_soon_as_it_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived, seen = BytesIO(), []

    def measure(small: bool = False) -> Iterator[Row]:
        yield GOOD
        seen.append(arrived.getvalue().decode())
        yield BAD

    monkeypatch.setattr(statement, "import_module", lambda *_: SimpleNamespace(measure=measure))
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(arrived, encoding="utf-8"))
    cli.main([])
    assert "what is said" in seen[0]


def test_ctrl_c_ends_with_130_and_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(small: bool = False) -> Iterator[Row]:
        yield GOOD
        raise KeyboardInterrupt

    monkeypatch.setattr(statement, "import_module", lambda *_: SimpleNamespace(measure=measure))
    assert cli.main([]) == 130
    captured = capsys.readouterr()
    assert "what is said" in captured.out
    assert captured.err == "\ninterrupted\n"


@pytest.mark.parametrize("tag", STATEMENTS)
def test_every_statement_has_a_module_that_measures_it_and_says_how(tag: str) -> None:
    module = import_module(f"tinygrad_lecture.lecture.{STATEMENTS[tag]}")
    assert module.__doc__.startswith(f"{tag} measured: ")
    assert STATEMENTS[tag].startswith(f"c{int(tag[1:]):02}_")


def test_every_module_that_measures_is_a_statement() -> None:
    files = Path(statement.__file__).parent.glob("c[0-9][0-9]_*.py")
    assert sorted(file.stem for file in files) == sorted(STATEMENTS.values())


def test_the_version_is_that_of_the_package() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, env=ENVIRONMENT, text=True, check=True)
    assert done.stdout == f"tinygrad-lecture {tl.__version__}\n"


def test_the_module_runs_as_a_program_and_refuses_an_unknown_tag() -> None:
    done = subprocess.run([*COMMAND, "--only", "C99"], capture_output=True, env=ENVIRONMENT, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("tinygrad-lecture: error: --only: unknown statement C99; known are")


@pytest.mark.usefixtures("two_statements")
def test_a_terminal_without_greek_letters_gets_the_table_too(monkeypatch: pytest.MonkeyPatch) -> None:
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding="ascii"))
    assert cli.main([]) == 1
    assert b"a ? b = c" in written.getvalue()
    assert b"1 of 2 hold" in written.getvalue()


@pytest.mark.skipif(os.name == "nt", reason="pipes close otherwise on Windows")
def test_a_reader_that_goes_away_leaves_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "--only", "C1"], stdout=write, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
    )
    os.close(write)
    assert done.stderr == b""
    assert done.returncode == 128 + signal.SIGPIPE


# the lecture as a command among others


@pytest.mark.parametrize(
    "arguments", [["lecture", "--json"], ["--json", "lecture"], ["--json", "--only", "C1,C2", "lecture"]]
)
@pytest.mark.usefixtures("two_statements")
def test_the_lecture_is_a_command_too(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 1
    assert [row["tag"] for row in json.loads(capsys.readouterr().out)] == ["C1", "C2"]


@pytest.mark.usefixtures("two_statements")
def test_the_command_chooses_statements(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lecture", "--only", "C1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 of 1 hold")


def test_a_row_is_printed_to_any_stream_that_takes_text(monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()  # has no encoding to be changed
    monkeypatch.setattr(sys, "stdout", out)
    assert cli.main(["--only", "C2"]) == 0
    assert "C2" in out.getvalue()
