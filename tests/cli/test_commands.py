"""The commands beside the lecture: what they print, what they refuse, and their exit codes."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_lecture as tl
from tinygrad_lecture import cli
from tinygrad_lecture.cli.arguments import parser
from tinygrad_lecture.learning.metaparameters import Metaparameters
from tinygrad_lecture.nn.store import load_with_extras, save

COMMANDS = ("lecture", "check", "trace", "train", "compare", "predict", "draw", "data")
QUICK = ["--epochs", "5"]

MODEL = """
import numpy as np
import tinygrad_lecture as tl

def error(w, x):
    return np.sum(np.tanh(x @ w) ** 2)

def matrix(W):
    return np.sum(W @ np.ones((7, 1)))

def fails(x):
    raise ZeroDivisionError("never mind")

wrong = tl.local_rule(lambda x: x**3, slopes=lambda y, x: 2.9 * x**2)

def constant(x):
    return 3.0
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two columns to predict y = 3 a − b + 10 from, and a label."""
    rng = np.random.default_rng(0)
    rows = [(a, b, 3 * a - b + 10, "high" if a > b else "low") for a, b in rng.uniform(-5, 5, size=(60, 2)).tolist()]
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("a", "b", "y", "kind"), *rows])
    return path


def without(path: Path, column: str, name: str = "other.csv") -> Path:
    """The same table without a column."""
    rows = list(csv.DictReader(path.read_text().splitlines()))
    other = path.with_name(name)
    with other.open("w", newline="") as file:
        writer = csv.DictWriter(file, [n for n in rows[0] if n != column], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return other


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said on standard error by a command that ends with exit code 2 and prints nothing else."""
    try:
        code = cli.main(arguments)
    except SystemExit as stop:
        code = stop.code  # type: ignore[assignment]
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    return err.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    (example,) = re.findall(rf"example: tinygrad-lecture ({command}.*)", re.sub(r"\n(?=\S)", " ", text).strip())
    parser().parse_args(example.split())  # it is one that can be given


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"^ +{command} ", text, flags=re.MULTILINE), command


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "invalid choice: 'learn'" in refused(["learn"], capsys)


# check and trace


def test_check_prints_the_table_and_ends_with_0(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", f"{model}:error"]) == 0
    assert capsys.readouterr().out.startswith("gradcheck of error: 8 derivatives hold")


def test_check_ends_with_1_where_a_derivative_is_wrong(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", f"{model}:wrong"]) == 1
    assert "derivatives do not hold" in capsys.readouterr().out


def test_check_takes_the_arguments_of_the_file(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.write_text(MODEL + "\ndef example_args():\n    return np.ones((2, 7)),\n")
    assert cli.main(["check", f"{model}:matrix"]) == 0
    assert "gradcheck of matrix: 16 derivatives hold" in capsys.readouterr().out


def test_check_takes_random_arguments_of_the_shapes_given(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", f"{model}:matrix", "--shape", "3x7"]) == 0
    assert "23 derivatives hold" in capsys.readouterr().out
    assert cli.main(["check", f"{model}:error", "--shape", "2", "--shape", "5x2", "--order", "2"]) == 0
    assert "28 derivatives hold" in capsys.readouterr().out


def test_check_climbs_the_rungs_that_are_chosen(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", f"{model}:error", "--rungs", "central,forward"]) == 0
    assert "forward" in capsys.readouterr().out
    assert cli.main(["check", f"{model}:error", "--rungs", "central"]) == 0
    assert "forward" not in capsys.readouterr().out
    text = refused(["check", f"{model}:error", "--rungs", "central,newton"], capsys)
    assert "--rungs takes some of central, richardson, complex, forward, mpmath, with commas between" in text


def test_trace_prints_the_flow_of_the_error(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trace", f"{model}:error"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[:2] == ["node", "forward"]
    assert re.search(r"^w +leaf", out, flags=re.MULTILINE)
    assert re.search(r"^x +leaf", out, flags=re.MULTILINE)


@pytest.fixture
def iris(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A net of 4-2-3 that was trained on the irises."""
    path = str(tmp_path / "iris.npz")
    assert cli.main(["train", "--data", "iris", "--hidden", "2", *QUICK, "--out", path]) == 0
    capsys.readouterr()
    return path


def test_trace_of_a_saved_net_shows_a_pattern_by_neuron_with_the_loss_it_learnt_with(
    iris: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["trace", iris, "--data", "iris", "--pattern", "3", "--eta", "0.5"]) == 0
    head, titles, *_ = lines = capsys.readouterr().out.splitlines()
    assert re.search(r"\(cross_entropy\).*, η = 0.5$", head)
    assert titles.split()[0] == "neuron"
    assert [line.split()[0] for line in lines[3:] if line[0] != " "][:4] == ["out[0]", "out[1]", "out[2]", "hid1[0]"]
    x = tl.data.load_iris().inputs
    (of_input,) = re.findall(r"^in\[2\] +(\S+)", "\n".join(lines), flags=re.MULTILINE)
    # learnt are 120 of the 150, so their mean is near that of all
    assert float(of_input) == pytest.approx((x[3, 2] - x[:, 2].mean()) / x[:, 2].std(), abs=0.2)


def test_trace_of_a_pattern_is_by_neuron_up_to_1000_weights_and_by_cluster_beyond(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n, first in ((8, "out[0]"), (140, "out")):  # 67 weights, 1123
        net = str(tmp_path / f"{n}.npz")
        assert cli.main(["train", "--data", "iris", "--hidden", str(n), "--epochs", "1", "--out", net]) == 0
        capsys.readouterr()
        assert cli.main(["trace", net, "--data", "iris", "--pattern", "3"]) == 0
        names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
        assert first in names
    cli.main(["trace", net, "--data", "iris"])
    assert "of 150 patterns" in capsys.readouterr().out


def test_trace_of_a_saved_net_shows_all_patterns_by_cluster(iris: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trace", iris, "--data", "iris"]) == 0
    out = capsys.readouterr().out
    assert "of 150 patterns" in out
    assert re.search(r"^hid1 2 ", out, flags=re.MULTILINE)


def test_trace_of_a_saved_net_refuses_what_is_not_there(iris: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(["trace", iris, "--data", "iris", "--pattern", "150"], capsys)
    assert "there is no pattern 150; there are 0 … 149" in said
    assert "is a saved net: trace it with --data, it has no gradient to check" in refused(["trace", iris], capsys)
    assert "is a saved net: trace it with --data" in refused(["check", iris], capsys)


def test_trace_of_a_saved_net_needs_targets(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = str(tmp_path / "net.npz")
    columns = str(without(table, "kind", "numbers.csv"))
    assert cli.main(["train", "--data", columns, "--target", "y", "--hidden", "2", *QUICK, "--out", net]) == 0
    capsys.readouterr()
    blind = str(without(Path(columns), "y"))
    assert "has no column 'y': no error without targets" in refused(["trace", net, "--data", blind], capsys)


def test_a_pattern_is_of_data(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(["trace", f"{model}:error", "--pattern", "1"], capsys)
    assert "--pattern is of the data that a saved net is traced with: give --data too" in said


def test_a_saved_net_is_drawn_with_the_loss_it_learnt_with(iris: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = Path(iris).with_suffix(".svg")
    assert cli.main(["draw", iris, "--out", str(out)]) == 0
    assert "softmax" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("{model}", "write FILE.py:FUNCTION, as in model.py:error"),
        ("{model}:nothing", "has no function 'nothing'; it has error, matrix, fails"),
        ("missing.py:f", "there is no file missing.py"),
        ("{model}:fails", "with vectors it raised ZeroDivisionError: never mind; give --shape"),
        ("{model}:matrix", "no random arguments suited it"),
        ("{notes}:error", "is no Python file: its name must end in .py"),
    ],
)
def test_a_function_that_cannot_be_checked_is_refused(
    what: str, message: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = model.with_suffix(".txt")
    notes.touch()
    assert message in refused(["check", what.format(model=model, notes=notes)], capsys)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (["3"], "1 times --shape, but the arguments are w, x"),
        (["0", "2"], "--shape must be like 3 or 2x3, or - for"),
        (["-", "ax2"], "--shape must be like"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    shapes: list[str], message: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [part for shape in shapes for part in ("--shape", shape)]
    assert message in refused(["check", f"{model}:error", *given], capsys)


def test_a_file_that_cannot_be_loaded_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "odd.py").write_text("import nothing_of_that_name\n")
    said = refused(["check", f"{tmp_path / 'odd.py'}:f"], capsys)
    assert "odd.py cannot be loaded: ModuleNotFoundError" in said


def test_a_function_that_ignores_its_arguments_has_no_flow(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "it returned float, which depends on none of its" in refused(["trace", f"{model}:constant"], capsys)


# train and predict


@pytest.mark.parametrize("data", ["digits", "sunspots", "iris"])
def test_train_saves_a_net_that_predicts_what_it_printed(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "net.npz")
    assert cli.main(["train", "--data", data, "--hidden", "6", *QUICK, "--holdout", "0", "--out", out]) == 0
    printed = capsys.readouterr().out
    assert "stopped: epochs" in printed
    (quality,) = re.findall(r"learnt: \d+ patterns, (.*)", printed)
    assert cli.main(["predict", out, "--data", data]) == 0
    rows, said = capsys.readouterr()
    assert said.strip() == quality
    assert len(rows.splitlines()) == 1 + {"digits": 1797, "sunspots": 297, "iris": 150}[data]


def test_train_without_epochs_says_that_nothing_was_learnt(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--data", "iris", "--epochs", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "nothing was learnt in 0 epochs: these are the first weights" in lines
    assert any(line.startswith("not learnt: 120 patterns, ") for line in lines)
    assert not any(line.startswith("learnt: ") for line in lines)


def test_train_learns_a_table_of_numbers_and_predicts_on_its_scale(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, out = without(table, "kind"), str(tmp_path / "net.npz")
    code = cli.main(
        ["train", "--data", str(numbers), "--target", "y", "--hidden", "8", "--epochs", "300", "--out", out]
    )
    assert code == 0
    capsys.readouterr()
    inputs = without(numbers, "y", "inputs.csv")
    assert cli.main(["predict", out, "--data", str(inputs)]) == 0
    rows, said = capsys.readouterr()
    assert said == ""  # nothing to compare with
    predicted = [float(row["predicted y"]) for row in csv.DictReader(StringIO(rows))]
    wanted = [float(row["y"]) for row in csv.DictReader(table.read_text().splitlines())]
    assert np.mean(np.subtract(predicted, wanted) ** 2) < 0.05 * np.var(wanted)


def test_what_standardises_one_pattern_is_what_the_net_was_trained_with(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, out = without(table, "kind"), str(tmp_path / "net.npz")
    cli.main(["train", "--data", str(numbers), "--target", "y", *QUICK, "--out", out])
    capsys.readouterr()
    cli.main(["predict", out, "--data", str(numbers)])
    whole = capsys.readouterr().out.splitlines()
    one = tmp_path / "one.csv"
    one.write_text("\n".join(numbers.read_text().splitlines()[:2]))
    cli.main(["predict", out, "--data", str(one)])
    first = capsys.readouterr().out.splitlines()[1]
    assert float(first) == pytest.approx(float(whole[1]), rel=1e-13)  # a product of another shape rounds otherwise


def test_train_learns_labels_with_cross_entropy_by_itself(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = without(table, "y"), tmp_path / "net.npz"
    assert cli.main(["train", "--data", str(data), "--target", "kind", "--epochs", "100", "--out", str(out)]) == 0
    assert float(re.findall(r"held out: 12 patterns, (.*)% right", capsys.readouterr().out)[0]) > 80
    net, extras = load_with_extras(out)
    assert Metaparameters.from_dict(net.metaparameters).loss == "cross_entropy"
    assert extras["preparation"]["classes"] == ["high", "low"]
    assert cli.main(["predict", str(out), "--data", str(data), "--out", str(tmp_path / "p.csv")]) == 0
    assert set((tmp_path / "p.csv").read_text().split()) == {"predicted", "kind", "high", "low"}


def test_numbers_are_labels_where_the_loss_wants_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, m, out = tmp_path / "d.csv", tmp_path / "m.json", str(tmp_path / "net.npz")
    data.write_text("a,class\n" + "".join(f"{i},{i // 15}\n" for i in range(30)))
    m.write_text('{"loss": "cross_entropy", "epochs": 50}')
    assert cli.main(["train", "--data", str(data), "--target", "class", "--metaparameters", str(m), "--out", out]) == 0
    assert "% right" in capsys.readouterr().out
    assert cli.main(["predict", out, "--data", str(data)]) == 0
    printed, said = capsys.readouterr()
    assert set(printed.split()[2:]) == {"0", "1"}
    assert "% right" in said


def test_held_out_patterns_do_not_enter_the_standardising(tmp_path: Path) -> None:
    out = tmp_path / "net.npz"
    cli.main(["train", "--data", "sunspots", *QUICK, "--holdout", "0.5", "--out", str(out)])
    series = tl.data.load_sunspots().targets
    learnt = np.lib.stride_tricks.sliding_window_view(series[:-1], 12)[:149]  # of 297 windows the first half
    np.testing.assert_allclose(load_with_extras(out)[1]["preparation"]["mean"], learnt.mean(axis=0), rtol=1e-12)
    assert load_with_extras(out)[1]["preparation"]["target_mean"] == pytest.approx(series[12:161].mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("a,b\n1,2\n3,x\n", "b", "row 3, column 'b': 'x' is no number"),
        ("a,b\n1,2\nx,4\n", "b", "row 3, column 'a': 'x' is no number"),
        ("a,b\n1,2\nnan,4\n", "b", "row 3, column 'a': nan is not finite; leave the row out or fill it"),
        ("a,b\n1,2\n3,inf\n", "b", "row 3, column 'b': inf is not finite"),
        ("a,b\n1,2\n,4\n", "b", "row 3, column 'a': the cell is empty"),
        ("a,b\n1,2\n3,\n", "b", "row 3, column 'b': the cell is empty"),
        ("a,b\n1,2\n3\n", "b", "row 3 has 1 cells, but the header has 2"),
        ("a,b\n1,2\n", "c", "has no column 'c'; it has a, b"),
        ("a,a\n1,2\n", "a", "has the column 'a' twice"),
        ("b\n1\n", "b", "has no column to predict 'b' from"),
        ("a,b\n", "b", "has a header, but no rows below it"),
        ("", "b", "is empty: its first row must name the columns"),
        ('a,b\n1,"2\n', "b", "unexpected end of data"),
        ("a,b\n1,2\n", None, "--target COLUMN is needed to say which column"),
    ],
)
def test_a_table_that_cannot_be_learnt_is_refused(
    text: str, target: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(text)
    named = [] if target is None else ["--target", target]
    said = refused(["train", "--data", str(path), *named], capsys)
    assert message in said
    assert "odd.csv" in said


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_cells_may_be_parted_by_semicolons_or_tabs(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\ufeffa;b\n1;2\n\n3;4.5\n".replace(";", delimiter), encoding="utf-8")
    from tinygrad_lecture.data.table import read_table

    read = read_table(path, "b")
    assert (read.names, read.inputs.tolist()) == (("a",), [[1.0], [3.0]])
    assert read.target is not None
    assert read.target.tolist() == [2.0, 4.5]


def test_a_table_in_another_encoding_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("grün,b\n1,2\n".encode("latin-1"))
    assert "is not a text in UTF-8" in refused(["train", "--data", str(path), "--target", "b"], capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nothing"], "--data: there is no set or file 'nothing'; the sets are digits, sunspots, iris"),
        (["--data", "nothing.csv", "--target", "y"], "there is no file nothing.csv"),
        (["--data", "iris", "--target", "y"], "--target is for CSV files; what iris is about is its label"),
        (["--data", "iris", "--holdout", "1"], "must be a number from 0 to below 1, not '1'"),
        (["--data", "iris", "--holdout", "half"], "must be a number from 0 to below 1, not 'half'"),
        (["--data", "iris", "--hidden", "few"], "must be a whole number of at least 1, not 'few'"),
        (["--data", "iris", "--holdout", "0.999"], "of 150 patterns none would be left to learn from"),
        (["--data", "iris", "--hidden", "0"], "must be a whole number of at least 1, not '0'"),
        (["--data", "iris", "--out", "net.pickle"], "--out: net.pickle must end in .npz or .safetensors"),
        (["--data", "iris", "--out", "no/such/net.npz"], "--out: there is no folder no/such"),
        (["--data", "iris", "--metaparameters", "none.json"], "there is no file none.json"),
        ([], "the following arguments are required: --data"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(["train", *arguments], capsys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"loss": "absolute"}', "'label' holds labels, which absolute does not measure; take cross_entropy"),
        ('{"hiden": [3]}', "m.json: metaparameters have no field 'hiden': write hidden; they have hidden"),
        ('{"eta": -1}', "m.json: Metaparameters.eta must lie in [0, ∞), not be -1"),
        ("[1]", "m.json: metaparameters must be an object with fields, not [1]"),
        ("{", "m.json: metaparameters: this is no JSON"),
    ],
)
def test_metaparameters_that_cannot_be_are_refused(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    assert message in refused(["train", "--data", "iris", "--metaparameters", str(path)], capsys)


def test_a_training_that_diverges_ends_with_1_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.json"
    path.write_text('{"eta": 1e200, "activation": "relu"}')
    assert cli.main(["train", "--data", "sunspots", "--metaparameters", str(path)]) == 1
    assert "not finite" in capsys.readouterr().err


def test_predict_refuses_other_columns_and_other_labels(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = without(table, "y"), str(tmp_path / "net.npz")
    cli.main(["train", "--data", str(data), "--target", "kind", *QUICK, "--out", out])
    capsys.readouterr()
    assert "has no column 'b'; it has a, kind" in refused(["predict", out, "--data", str(without(data, "b"))], capsys)
    assert "the net knows the inputs a, b, the data has sepal length" in refused(
        ["predict", out, "--data", "iris"], capsys
    )
    said = refused(["predict", out, "--data", "digits"], capsys)
    assert said.endswith("the net knows the inputs a, b, the data has ink 1, ink 2, ink 3, … (64 columns)")


def test_trace_refuses_a_label_that_the_net_does_not_know_and_labels_in_place_of_numbers(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = without(table, "y"), str(tmp_path / "net.npz")
    cli.main(["train", "--data", str(data), "--target", "kind", *QUICK, "--out", out])
    data.write_text(data.read_text().replace("high", "huge"))
    capsys.readouterr()
    assert "the label 'huge' is none of those that the net knows: " in refused(
        ["trace", out, "--data", str(data)], capsys
    )
    numbers = without(table, "kind")
    cli.main(["train", "--data", str(numbers), "--target", "y", *QUICK, "--out", out])
    lines = numbers.read_text().splitlines()
    numbers.write_text("\n".join([lines[0], *(line.rsplit(",", 1)[0] + ",much" for line in lines[1:])]))
    capsys.readouterr()
    assert "column 'y' holds labels, but the net predicts numbers" in refused(
        ["trace", out, "--data", str(numbers)], capsys
    )


@pytest.mark.parametrize("content", [b"", b"no net at all"])
def test_predict_refuses_what_is_no_saved_net(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.npz"
    path.write_bytes(content)
    assert "net.npz is damaged or was not written by this package" in refused(
        ["predict", str(path), "--data", "iris"], capsys
    )
    assert "there is no file" in refused(["predict", str(path) + "z.npz", "--data", "iris"], capsys)


def test_predict_refuses_a_net_that_does_not_say_how_to_scale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "net.npz", tl.MLP([4, 2, 3]))
    said = refused(["predict", str(tmp_path / "net.npz"), "--data", "iris"], capsys)
    assert "does not say how its inputs were scaled: it was not saved by train" in said


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise on Windows")
def test_ctrl_c_ends_a_training_with_130_and_saves_what_it_has_learnt(tmp_path: Path) -> None:
    out = tmp_path / "net.npz"
    env = {**os.environ, "PYTHONPATH": str(Path(tl.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "tinygrad_lecture", "train", "--data", "iris", "--epochs", "1000000"]
    running = subprocess.Popen(
        [*command, "--progress", "--out", str(out)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    assert running.stderr is not None
    said = b""
    while b"error" not in said:  # the first epochs are over
        said += running.stderr.read(1)
    time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    printed, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "stopped: interrupted" in printed.decode()
    assert load_with_extras(out)[1]["history"]["stopped"] == "interrupted"


# compare


def test_compare_prints_a_row_for_each_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tmp_path / "base.json"
    base.write_text('{"epochs": 2, "hidden": [3]}')
    vary = ["--vary", "rule", "momentum", '{"name": "adam"}']
    code = cli.main(["compare", "--data", "iris", "--metaparameters", str(base), *vary, "--seeds", "2", "--json"])
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    assert [v["metaparameters"]["rule"]["name"] for v in found["variants"].values()] == ["momentum", "adam"]
    assert {v["metaparameters"]["epochs"] for v in found["variants"].values()} == {2}
    assert found["seeds"] == [0, 1]


def test_compare_takes_files_as_variants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for name, eta in (("slow", 0.01), ("fast", 0.1)):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps({"epochs": 2, "eta": eta}))
    assert cli.main(["compare", "--data", "iris", "--metaparameters", *map(str, paths), "--seeds", "2"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["variant", "slow", "fast"]


def test_compare_draws_what_it_has_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="it draws")
    out = tmp_path / "courses.png"
    plot = ["--vary", "epochs", "1", "2", "--seeds", "1", "--plot", str(out)]
    assert cli.main(["compare", "--data", "iris", *plot]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_compare_ends_with_1_where_all_runs_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "--data", "sunspots", "--vary", "eta", "1e300", "--seeds", "1"]) == 1
    assert "1 of 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "compare needs variants: --metaparameters A.json B.json, or --vary eta 0.01 0.1"),
        (["--vary", "eta"], "--vary needs a field and its values, as in --vary eta 0.01 0.1; fields are hidden, "),
        (["--vary", "lr", "0.1"], "--vary needs a field and its values"),
        (["--vary", "eta", "big"], "--vary: Metaparameters.eta must be a number, not 'big'"),
        (["--vary", "eta", "0.1", "--metaparameters", "a.json", "b.json"], "--vary starts from one file of"),
        (["--metaparameters", "a.json", "./a.json"], "two files have the same name: a.json, ./a.json"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text("{}")
    assert message in refused(["compare", "--data", "iris", *arguments], capsys)


# draw and data


def test_draw_writes_a_picture_of_sizes_or_of_a_saved_net(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, net = str(tmp_path / "net.svg"), str(tmp_path / "net.npz")
    assert cli.main(["draw", "--sizes", "2-8-1", "--out", picture]) == 0
    assert capsys.readouterr().out == f"MLP(2-8-1, tanh, identity, bias=True): {picture}\n"
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    cli.main(["train", "--data", "iris", *QUICK, "--out", net])
    assert cli.main(["draw", net, "--out", picture]) == 0
    assert "MLP(4-8-3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "2-x-1", "--out", "n.svg"], "--sizes must be like 2-8-1, not '2-x-1'"),
        (["--sizes", "2", "--out", "n.svg"], "--sizes must be like 2-8-1, not '2'"),
        (["--sizes", "2-8-1", "--out", "n.png"], "--out: n.png must end in .svg"),
        (["none.npz", "--out", "n.svg"], "there is no file none.npz"),
        (["--out", "n.svg"], "one of the arguments MODEL --sizes is required"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(["draw", *arguments], capsys)


def test_data_lists_the_sets_and_describes_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["digits", "1797"],
        ["iris", "150"],
        ["sunspots", "309"],
    ]
    for name in ("digits", "iris", "sunspots"):
        assert cli.main(["data", name]) == 0
        text = capsys.readouterr().out
        assert "Source: " in text
        assert "Licence: " in text
        assert max(map(len, text.splitlines())) <= 100


def test_an_unknown_set_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no set 'mnist'; there are digits, iris, sunspots" in refused(["data", "mnist"], capsys)
