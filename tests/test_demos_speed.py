"""demos/speed: all peers learn the same, whoever does not is found, and the tables say what was measured."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl

SPEED = Path(__file__).parents[1] / "demos" / "speed"
OURS = ("--peer", "by hand", "--peer", "tinygrad_lecture")
JAX_MISSING = set() if importlib.util.find_spec("jax") else {"JAX, lax.scan"}
SMALLEST = ("--rounds", "1", "--threads", "1")

MODULES = "compare drawing extras measure peer_c peer_lecture peer_numpy peers printing scalars workloads"


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules of the demo by name."""
    monkeypatch.syspath_prepend(str(SPEED))
    return SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES.split()})


def run(
    cwd: Path, *options: str, script: Path = SPEED / "compare.py", **environment: str
) -> subprocess.CompletedProcess[str]:
    """The demo run by itself in the folder cwd, where modules are found first."""
    sources = [str(cwd), str(Path(tl.__file__).parents[1])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sources), "PYTHONIOENCODING": "utf-8", **environment}
    command = [sys.executable, "-W", "error", str(script), *options]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, encoding="utf-8", check=False)


def has_compiler() -> bool:
    from tinygrad_lecture.program.c.build import NoCompilerError, compiler

    try:
        compiler()
    except NoCompilerError:
        return False
    return True


# the peers


@pytest.mark.skipif(not has_compiler(), reason="needs a C compiler")
def test_the_hand_written_c_leaves_subnormal_numbers_to_the_process(demo: Any) -> None:
    demo.peer_c.steps(demo.workloads.WORKLOADS["W1"])
    smallest = np.nextafter(np.zeros(3), 1.0)
    assert np.all(smallest * 1.0 > 0.0)


def small(demo: Any, name: str) -> Any:
    """A workload of the table, or one of four layers that takes no BLAS."""
    deep = demo.workloads.Workload("deep", (5, 4, 3, 6, 2), 7, "float64", 0.1)
    return deep if name == "deep" else demo.workloads.WORKLOADS[name]


def test_ten_steps_by_hand_are_ten_steps_down_the_slope_that_differences_find(demo: Any) -> None:
    w = dataclasses.replace(small(demo, "deep"), eta=0.1)
    weights, x, target = w.data()
    packed = np.concatenate([a.ravel() for pair in weights for a in pair])
    shapes = list(pairwise(w.sizes))

    def error(packed: np.ndarray) -> float:
        outs, place = x, 0
        for k, (n, m) in enumerate(shapes):
            W = packed[place : place + n * m].reshape(m, n)
            place += n * m + m
            outs = np.einsum("ti,ji->tj", outs, W) + packed[place - m : place]
            outs = outs if k == len(shapes) - 1 else np.sinh(outs) / np.cosh(outs)
        return float(np.mean([0.5 * d.dot(d) for d in outs - target]))

    h, units = 1e-5, np.eye(packed.size)
    for _ in range(9):
        packed = packed - w.eta * np.array([(error(packed + h * e) - error(packed - h * e)) / (2 * h) for e in units])
    # central differences: h² of truncation, and rounding of 1e-16 / h
    assert demo.peer_numpy.plain(w)(10) == pytest.approx(error(packed), rel=1e-8)


@pytest.mark.parametrize("name", ["W1", "W2", "W3", "deep"])
@pytest.mark.parametrize(
    "peer",
    [
        "peer_numpy.preallocated",
        "peer_c.steps",
        "peer_lecture.eager",
        "peer_lecture.jit_numpy",
        "peer_lecture.jit_c",
        "peer_lecture.scan_c",
        "peer_torch.eager",
        "peer_jax.jit",
        "peer_jax.scan",
        "peer_autograd.steps",
        "peer_mygrad.steps",
        "peer_sklearn.steps",
    ],
)
def test_a_peer_learns_what_plain_numpy_learns(peer: str, name: str, demo: Any) -> None:
    module, _, function = peer.partition(".")
    if function.endswith("_c") or module == "peer_c":
        if not has_compiler():
            pytest.skip("there is no C compiler")
    elif module not in ("peer_numpy", "peer_lecture"):
        pytest.importorskip(module.removeprefix("peer_"), reason="a peer that is compared where it is installed")
    w = small(demo, name)
    run, plain = getattr(importlib.import_module(module), function)(w), demo.peer_numpy.plain(w)
    for n in (1, 2, 7):  # in several calls, each going on where the one before has stopped
        assert run(n) == pytest.approx(plain(n), rel=w.tolerance)


def test_micrograd_learns_what_plain_numpy_learns(demo: Any) -> None:
    pytest.importorskip("micrograd", reason="a peer that is compared where it is installed")
    w = dataclasses.replace(small(demo, "deep"), batch=3)
    run = importlib.import_module("peer_micrograd").steps(w)
    assert run(5) == pytest.approx(demo.peer_numpy.plain(w)(5), rel=1e-12)


@pytest.mark.parametrize("name", ["W1", "W2", "W3", "W4", "W6", "W7"])
def test_a_step_that_is_a_tenth_too_long_would_be_found(name: str, demo: Any) -> None:
    w = demo.workloads.WORKLOADS[name]
    right = demo.peer_numpy.plain(w)(demo.workloads.STEPS)
    wrong = demo.peer_numpy.plain(dataclasses.replace(w, eta=1.1 * w.eta))(demo.workloads.STEPS)
    assert abs(wrong - right) > w.tolerance * right


def test_scalar_graphs_have_the_nodes_they_are_said_to_have_and_the_right_gradient(demo: Any) -> None:
    count = 0

    class Counted(float):
        def __mul__(self, other: float) -> Counted:
            return made(float(self) * float(other))

        def __add__(self, other: float) -> Counted:
            return made(float(self) + float(other))

    def made(value: float) -> Counted:
        nonlocal count
        count += 1
        return Counted(value)

    def value(w: float) -> float:
        return demo.scalars.graph((Counted(0.5), Counted(w), Counted(0.1)), lambda x: made(np.tanh(float(x))))

    value(0.9)
    assert count == pytest.approx(demo.scalars.NODES, rel=0.02)
    difference = (value(0.9 + 1e-6) - value(0.9 - 1e-6)) / 2e-6
    assert demo.scalars.lecture()(2) == pytest.approx(difference, rel=1e-6)


# the whole of it


def test_the_smallest_run_prints_a_table_in_which_all_come_to_one_error(tmp_path: Path) -> None:
    (tmp_path / "mygrad.py").write_text("raise ModuleNotFoundError('none here', name='mygrad')", encoding="utf-8")
    done = run(tmp_path, "--workload", "W1", *SMALLEST, *OURS, "--peer", "mygrad")
    assert done.stderr == ""
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("1 thread; ")
    assert lines[1].startswith(f"numpy {np.__version__}")
    assert lines[3] == (
        "W1  2-8-1, batch 1, float64: 33 weights; µs a step, 1 round; all come to E = 0.0186094 after 10 steps"
    )
    assert lines[4].split() == ["median", "[quartiles]", "best", "÷", "NumPy", "limit", "÷", "native", "limit"]
    number = r"[\d.,]+k?"
    timed = rf"^(\S.*?\S) +{number}  \[{number} - {number}\] +{number}(?: +{number} ×)+$"
    labels = [m[1] for m in (re.match(timed, line) for line in lines) if m]
    expected = ["NumPy by hand, plain", "NumPy by hand, preallocated", "tinygrad_lecture, eager"]
    expected += ["tinygrad_lecture, jit, NumPy", "tinygrad_lecture, scan, NumPy"]
    compiled = ["C by hand, NumPy's OpenBLAS", "tinygrad_lecture, jit, C", "tinygrad_lecture, scan, C"]
    assert set(expected + compiled * has_compiler()) == set(labels)
    left = [line for line in lines if "left out" in line]
    assert re.fullmatch(r"MyGrad +left out: MyGrad is missing; install it with: python -m pip install mygrad", left[-1])
    assert max(map(len, lines)) <= 120


WRONG = """
import dataclasses, os, numpy, peer_numpy
def longer(w):
    return peer_numpy.plain(dataclasses.replace(w, eta=1.001 * w.eta))
def ends(w):
    return lambda n: 0.0 if n == 1 else os._exit(3)
def raises(w):
    raise ValueError("no such net")
def large(w):
    run, held, never_touched = peer_numpy.plain(w), numpy.ones(25_000_000), numpy.empty(50_000_000)
    return lambda n: run(n) + 0 * held[n] + 0 * never_touched.size
"""
"""Peers by a user, as a module."""


def with_wrong_ones(cwd: Path, *peers: str) -> Path:
    """A script that runs the demo with plain NumPy and these peers."""
    (cwd / "wrong.py").write_text(WRONG, encoding="utf-8")
    script = cwd / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(SPEED)!r})\n"
        "import compare, extras\n"
        "from peers import PEERS, Peer\n"
        f"compare.PEERS = extras.PEERS = (PEERS[0], *(Peer(f, 'wrong', f) for f in {peers!r}))\n"
        "if __name__ == '__main__':\n"
        "    sys.exit(compare.main())\n",
        encoding="utf-8",
    )
    return script


def test_a_peer_that_learns_something_else_or_breaks_is_left_out_and_makes_the_exit_code_1(tmp_path: Path) -> None:
    script = with_wrong_ones(tmp_path, "longer", "ends", "raises")
    done = run(tmp_path, "--workload", "W1", *SMALLEST, script=script)
    assert (done.stderr, done.returncode) == ("", 1)
    for left_out in (
        r"^longer +left out: after 10 steps it is at 0\.018\d+, the first at 0\.018\d+$",
        r"^ends +left out: its process ended in run\(9\)$",
        r"^raises +left out: ValueError: no such net$",
    ):
        assert re.search(left_out, done.stdout, re.M), left_out


def test_the_memory_of_a_peer_is_what_its_own_process_held(tmp_path: Path) -> None:
    script = with_wrong_ones(tmp_path, "large")
    options = ("--memory", "--workload", "W1", "--peer", "plain", "--peer", "large", "--json")
    done = run(tmp_path, *options, *SMALLEST, script=script)
    assert (done.stderr, done.returncode) == ("", 0)
    plain, large = json.loads(done.stdout)["memory"]["W1"]
    assert 195e6 < large["peak"] - plain["peak"] < 230e6  # 25 million numbers of 8 bytes, and some pages


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is not None, reason="ziglang is a compiler wherever PATH leads")
def test_without_a_compiler_c_is_left_out_with_a_word_and_that_is_no_fault(tmp_path: Path) -> None:
    options = ("--workload", "W1", *SMALLEST, "--peer", "C by hand", "--peer", "scan", "--peer", "plain")
    done = run(tmp_path, *options, PATH=str(tmp_path), CC="")
    assert (done.stderr, done.returncode) == ("", 0)
    left_out = dict(re.findall(r"^(\S.*\S) +left out: (.*)$", done.stdout, re.M))
    assert set(left_out) == {"C by hand, NumPy's OpenBLAS", "tinygrad_lecture, scan, C", *JAX_MISSING}
    for label in set(left_out) - JAX_MISSING:
        assert "there is no C compiler: set CC, install gcc or clang" in left_out[label]


def test_json_holds_every_round(tmp_path: Path) -> None:
    options = ("--workload", "W1", "--workload", "W2", "--rounds", "3", "--threads", "1", "--peer", "NumPy by hand")
    done = run(tmp_path, *options, "--json")
    assert (done.stderr, done.returncode) == ("", 0)
    data = json.loads(done.stdout)
    assert data["threads"] == 1
    assert set(data["table"]) == {"W1", "W2"}
    for rows in data["table"].values():
        assert [row["label"] for row in rows] == ["NumPy by hand, plain", "NumPy by hand, preallocated"]
        for row in rows:
            assert len(row["seconds"]) == 3
            assert all(0 < s < 1 for s in row["seconds"])
            assert row["steps"] >= 1
            assert not row["fault"]


def test_several_workloads_end_with_one_table_of_all_and_a_figure(tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image", reason="figures need matplotlib, the extra plot")
    options = ("--workload", "W1", "--workload", "W2", *SMALLEST, "--peer", "NumPy by hand", "--peer", "eager")
    done = run(tmp_path, *options, "--figure", "figure.png")
    assert (done.stderr, done.returncode) == ("", 0)
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows[0] == ("| µs a step: median (best) | W1 2-8-1, batch 1, float64 | W2 8-16-4, batch 32, float64 |")
    assert re.fullmatch(r"\| NumPy by hand, plain \| [\d.]+ \([\d.]+\) \| [\d.]+ \([\d.]+\) \|", rows[2])
    pixels = image.imread(tmp_path / "figure.png")[..., :3]
    assert pixels.shape[1] >= 1000
    assert np.mean(np.ptp(pixels, axis=2) > 0.25) > 0.0002  # marks in colour


def test_the_other_parts_print_their_tables(tmp_path: Path) -> None:
    parts = ("--scalars", "--imports", "--gradient", "--memory", "--curve", "--up-to", "1000", "--workload", "W1")
    done = run(tmp_path, *parts, *SMALLEST, "--peer", "NumPy by hand", "--peer", "scalars", "--peer", "eager")
    assert (done.stderr, done.returncode) == ("", 0)
    for form in (
        r"^A graph of 10,000 single numbers .* µs a node$",
        r"^tinygrad_lecture, scalars +[\d.]+ ",
        r"^A process that imports it and ends: ms$",
        r"^tinygrad_lecture +[\d.]+ .* [\d.]+ ×$",
        r"^W1  2-8-1, batch 1, float64 +33 +[\d.]+ +-?[\d.]+ ×$",
        r"^W1: most memory of the process +MB   ÷ NumPy limit$",
        r"^NumPy by hand, preallocated +\d+ +1\.00 ×$",
        r"^NumPy by hand, preallocated +[\d.]+ \(\d+ %\)$",
        r"^products alone, at the peak +[\d.]+$",
    ):
        assert re.search(form, done.stdout, re.M), form


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--rounds", "0"), "rounds must be at least 1"),
        (("--threads", "0"), "threads from 1 to"),
        (("--scalars", "--figure", "a.png"), "a figure shows either the table or the curve: ask for one of them"),
        (("--table", "--curve", "--figure", "a.png"), "a figure shows either the table or the curve"),
        (("--peer", "nobody"), "no peer is called nobody"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_measured(
    options: tuple[str, ...], says: str, demo: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        demo.compare.arguments([*options])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


# the arithmetic of the tables


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0612, "0.061"),
        (4.32, "4.3"),
        (9.96, "10"),
        (24.1, "24.1"),
        (99.7, "100"),
        (1890.2, "1890"),
        (63_210, "63.2k"),
    ],
)
def test_numbers_are_short(number: float, text: str, demo: Any) -> None:
    assert demo.printing.short(number) == text


def test_a_ratio_is_the_median_of_the_ratios_within_rounds(demo: Any) -> None:
    a = demo.measure.Row("a", seconds=[2.0, 20.0, 3.0])  # the machine was ten times slower in the second round
    b = demo.measure.Row("b", seconds=[1.0, 10.0, 3.0])
    assert a.ratio(b) == 2.0
    assert np.isnan(a.ratio(demo.measure.Row("left out")))


def test_operations_are_those_of_the_matrix_products(demo: Any) -> None:
    w = demo.workloads.Workload("", (3, 5, 2), 7, "float32")
    forward, gradient, errors = 7 * (3 * 5 + 5 * 2), 7 * (3 * 5 + 5 * 2), 7 * (5 * 2)
    assert w.operations == 2 * (forward + gradient + errors)
    assert w.n_weights == (3 + 1) * 5 + (5 + 1) * 2


@pytest.mark.parametrize("n", [10**3, 10**5, 10**7])
def test_nets_of_the_curve_have_the_weights_asked_for(n: int, demo: Any) -> None:
    assert demo.workloads.of_size(n).n_weights == pytest.approx(n, rel=0.03)
