"""Each script in demos/ runs by itself and shows what it is about."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lecture as tl

DEMOS = Path(__file__).parents[1] / "demos"

SHOWS = {
    "sunspots.py": [
        "autoregression of order 12, least squares       0.126                0.358",
        "12-8-1 net, Weigend and others 1990             0.086                0.35",
        "mean of ",
    ],
    "three_views.py": [
        "   (9)    δ_h = tanh'(in_h) ⊙ err_h",
        "   ↑ out_h   ↓ err_h   ↑ in_h   ↓ δ_h   h · tanh",
        " / 3 = 0.056937; engine 0.056937",
    ],
    "error_surface.py": [
        "Good minimum: E = 0.0096 at b = 2; poor one: E = 0.0482 at b = −2. Bound 2/E'' for η: 26.0",
        "steepest descent            0.9     0%   100%          0%",
        "crawls: 67 updates to the minimum.",
    ],
    "gradient_noise.py": [
        "median of 20 nets [quartiles], 100 batches of each size",
        "With replacement the noise falls as B^-0.50: four times the work halves it.",
    ],
    "taylor.py": [
        "Slopes on a log-log plot: 2.000 and 3.002.",
        "guaranteed to second order for η < 2 gᵀg / gᵀGg = 0.7311; half of it is best.",
        "  η = 1.50 of the bound: E changes by  0.05909, HIGHER",
    ],
    "ravine.py": [
        "Curvature of E: 23.6 along w1, 0.9 along w2; condition number 27.",
        "divided by it, 5.6 is left.",
        "With that η Vario-Eta is quick to come near, and then zig-zags",
    ],
    "initial_weights.py": [
        "      33    0.99 ±  0.02     0.98 ±  0.02",
        "  10,000    1.00 ±  0.02    17.34 ±  0.33",
        "Digits through 8 layers of 32 tanh neurons",
    ],
    "contributions_and_blame.py": [
        "FORWARD ↑   in = Σ w·out + b = 0.9831 + 0.2000 = 1.1831",
        "1        0.6640   0.7000    0.4648      47.28%   -0.011223   47.28%    0.016033",
        "Ranks: contribution [1, 2, 3], blame [1, 2, 3]; activity |out| [3, 2, 1], correction [3, 2, 1]",
        "b2       leaf               [0.2]         [-0.02414]",
    ],
    "cost_of_a_gradient.py": [
        "  weights      forward     gradient   ÷ forward     by differences   ÷ forward   they differ by",
        "The gradient stays a small constant; differences grow with the number of weights.",
    ],
    "message_passing.py": [
        "  x1 → h1    -0.04699936   -0.04699936",
        "100 times the same gradient, bit for bit.",
        "It is that of the whole net, to rounding.",
    ],
    "digits.py": [
        "64-64-10: 100 digits learnt, 50 tested; 2 seeds, median [quartiles]; seconds of one core",
        "tl.train, as it comes                right ",
        "MLPClassifier",
    ],
    "delta_formulas.py": [
        "E = ½ (out − tar)² = ½ (0.7356 − 0.9000)² = 0.013522",
        "hidden 2  f₁'(in) w δ^out     =  0.4869 · -0.5 · -0.031988 =  0.007788",
        "The 9 automatic gradients are the δ formulas",
    ],
}
"""Script → lines that it prints."""

OPTIONS = {"digits.py": ["--small"], "sunspots.py": ["--small"]}
"""Script → what makes it quick, where it takes long."""

SOURCES = {path.name: path.read_text("utf-8") for path in sorted(DEMOS.glob("*.py")) if path.name != "common.py"}
"""Script → its text, for all but what they share."""

FIGURES = [name for name, source in SOURCES.items() if "figure=False" not in source]
"""The scripts that draw."""

TRAIN = [name for name, source in SOURCES.items() if re.search(r"\btl\.(train|train_with|compare)\(", source)]
"""The scripts that train nets."""

CTRL_C = "__import__('signal').raise_signal(2)"
"""An expression that presses it."""

each_demo = pytest.mark.parametrize("name", SOURCES)
each_that_draws = pytest.mark.parametrize("name", FIGURES)


def run(name: str, cwd: Path, *options: str, modules: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A demo run by itself in the folder cwd; modules: name → source of what is imported in place of the real ones."""
    for module, source in (modules or {}).items():
        (cwd / "instead" / module).parent.mkdir(parents=True, exist_ok=True)
        (cwd / "instead" / f"{module}.py").write_text(source, encoding="utf-8")
    sources = [str(cwd / "instead"), str(Path(tl.__file__).parents[1])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sources), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", str(DEMOS / name), *OPTIONS.get(name, []), *options]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, encoding="utf-8", check=False)


def missing(module: str) -> dict[str, str]:
    """For run: a library that is not installed."""
    return {module: f"raise ImportError('no {module} here')"}


def test_every_demo_has_its_expected_lines_here() -> None:
    assert sorted(SOURCES) == sorted(SHOWS)


@pytest.mark.parametrize("name", SHOWS)
def test_a_demo_runs_alone_and_shows_what_it_is_about(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path)
    assert done.stderr == ""
    assert done.returncode == 0
    for line in SHOWS[name]:
        assert line in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


@each_that_draws
def test_a_demo_draws_a_figure_for_a_projector(name: str, tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image", reason="figures need matplotlib, the extra plot")
    done = run(name, tmp_path, "--figure", "figure.png")
    assert done.stderr == ""
    assert done.returncode == 0
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = image.imread(tmp_path / "figure.png")[..., :3]  # from 0 to 1
    assert pixels.shape[1] >= 1000
    assert np.mean(np.any(pixels != pixels[0, 0], axis=2)) > 0.03  # letters and lines beside the paper
    # what is shown is in colour: axes with nothing in them are grey, without one such pixel
    assert np.mean(np.ptp(pixels, axis=2) > 0.25) > 0.0002


def test_all_demos_draw_but_the_two_that_the_readme_names() -> None:
    assert sorted(set(SHOWS) - set(FIGURES)) == ["contributions_and_blame.py", "message_passing.py"]
    line = next(
        line for line in (DEMOS.parent / "README.md").read_text("utf-8").splitlines() if "--figure FILE" in line
    )
    assert "all but `contributions_and_blame.py` and `message_passing.py`" in line


@each_that_draws
def test_a_demo_takes_its_figure_from_the_package_which_knows_what_to_install(name: str) -> None:
    source = SOURCES[name]
    assert re.search(r"^    from tinygrad_lecture\.show\.plots import .*\bfigure\b", source, re.MULTILINE)
    assert not re.search(r"^\s*(import|from) matplotlib", source, re.MULTILINE)


@each_demo
def test_a_demo_explains_itself_and_measures_nothing(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path, "--help")
    assert (done.stderr, done.returncode) == ("", 0)
    assert SOURCES[name].split('"""')[1].strip() in done.stdout
    assert SHOWS[name][0] not in done.stdout
    assert ("--figure FILE.png" in done.stdout) == (name in FIGURES)


@each_demo
@pytest.mark.parametrize("options", [("--figures", "figure.png"), ("figure.png",)], ids=["misspelt", "without a name"])
def test_an_option_that_a_demo_does_not_have_is_an_error(name: str, options: tuple[str, ...], tmp_path: Path) -> None:
    done = run(name, tmp_path, *options)
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr.startswith(f"usage: {name} [-h]")
    assert done.stderr.endswith(f"{name}: error: unrecognized arguments: {' '.join(options)}\n")


@each_that_draws
@pytest.mark.parametrize(
    ("figure", "fault"),
    [
        ((), "expected one argument"),
        (("nowhere/figure.png",), "there is no folder nowhere; make it first, or name a file in another one"),
        (("folder.png",), "folder.png cannot be written to; name another file"),
        (("figure.txt",), "no figure is written as figure.txt; end the name with one of "),
        (("figure",), "no figure is written as figure; end the name with one of "),
    ],
    ids=["no name", "no such folder", "a folder", "unknown suffix", "no suffix"],
)
def test_a_figure_that_cannot_be_written_is_an_error_at_the_start(
    name: str, figure: tuple[str, ...], fault: str, tmp_path: Path
) -> None:
    if "one of" in fault:
        pytest.importorskip("matplotlib", reason="it knows the suffixes")
    (tmp_path / "folder.png").mkdir()
    done = run(name, tmp_path, "--figure", *figure)
    assert (done.stdout, done.returncode) == ("", 2)
    assert f"{name}: error: argument --figure: {fault}" in done.stderr
    assert (", .pdf, " in done.stderr) == ("one of" in fault)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


@each_that_draws
def test_a_figure_without_matplotlib_says_at_the_start_how_to_install_it(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path, "--figure", "figure.png", modules=missing("matplotlib"))
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr.endswith('install it with: python -m pip install "tinygrad-lecture[plot]"\n')
    assert not (tmp_path / "figure.png").exists()


def test_the_nets_own_drawing_needs_no_matplotlib(tmp_path: Path) -> None:
    done = run("three_views.py", tmp_path, "--figure", "views.SVG", modules=missing("matplotlib"))
    assert (done.stderr, done.returncode) == ("", 0)
    assert (tmp_path / "views.SVG").read_text("utf-8").startswith("<svg")


# Ctrl-C


AT_THE_FIRST_LINE = f"""
import builtins
write = builtins.print
builtins.print = lambda *what, file=None: write(*what, file=file) if file else {CTRL_C}
"""


@each_demo
@pytest.mark.parametrize(
    "modules", [{"numpy": CTRL_C}, {"sitecustomize": AT_THE_FIRST_LINE}], ids=["in its imports", "when it first prints"]
)
def test_ctrl_c_ends_a_demo_with_one_line(name: str, modules: dict[str, str], tmp_path: Path) -> None:
    done = run(name, tmp_path, modules=modules)
    assert (done.stdout, done.stderr, done.returncode) == ("", "\ninterrupted\n", 130)


def test_ctrl_c_between_messages_ends_all_neurons(tmp_path: Path) -> None:
    pressed = f"import asyncio\nwait = asyncio.sleep\nasyncio.sleep = lambda seconds: ({CTRL_C}, wait(seconds))[1]"
    done = run("message_passing.py", tmp_path, modules={"sitecustomize": pressed})
    assert (done.stdout, done.stderr, done.returncode) == ("", "\ninterrupted\n", 130)


IN_TRAINING = f"""
import tinygrad_lecture as tl
train = tl.train
def pressed(*args, **options):
    print("a training")
    return train(*args, **options, callbacks=[lambda training: {CTRL_C}])
tl.train = pressed
"""


@pytest.mark.parametrize("name", TRAIN)
def test_ctrl_c_in_a_training_ends_the_demo_and_not_that_training_alone(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path, modules={"sitecustomize": IN_TRAINING})
    assert (done.stderr, done.returncode) == ("\ninterrupted\n", 130)
    assert done.stdout.count("a training") == 1


SCIKIT_LEARN = f"""
import warnings
class MLPClassifier:
    def __init__(self, *args, **options):
        print("a training")
    def fit(self, x, target):
        try:
            {CTRL_C}
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.")  # and goes on, as the real one does
        return self
    def predict(self, x):
        return 0
"""


def test_ctrl_c_in_a_training_of_scikit_learn_ends_the_demo(tmp_path: Path) -> None:
    done = run("digits.py", tmp_path, modules={"sklearn/neural_network": SCIKIT_LEARN, "sklearn/__init__": ""})
    assert (done.stderr, done.returncode) == ("\ninterrupted\n", 130)
    assert done.stdout.count("a training") == 1


def test_another_error_in_a_demo_shows_where_it_comes_from(tmp_path: Path) -> None:
    done = run("taylor.py", tmp_path, modules={"numpy": "raise ValueError('of its own')"})
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ValueError: of its own\n")


def test_digits_are_read_without_scikit_learn_and_it_says_how_to_install_it(tmp_path: Path) -> None:
    done = run("digits.py", tmp_path, modules=missing("sklearn"))
    assert (done.stderr, done.returncode) == ("", 0)
    assert "MLPClassifier: scikit-learn is missing; install it with: python -m pip install scikit-learn" in done.stdout
    right = re.findall(r"^tl\.train, .* right (\d+\.\d) %", done.stdout, re.MULTILINE)
    assert len(right) == 2
    assert min(map(float, right)) > 50  # chance reads 10 % of them
