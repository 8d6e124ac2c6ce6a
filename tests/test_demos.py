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

FIGURES = sorted(path.name for path in DEMOS.glob("*.py") if '"--figure"' in path.read_text(encoding="utf-8"))
"""The scripts that draw."""


def run(name: str, cwd: Path, *options: str, without: str = "") -> subprocess.CompletedProcess[str]:
    """A demo run by itself in the folder cwd; without: a library that is not to be found."""
    sources = [str(Path(tl.__file__).parents[1])]
    if without:
        (cwd / "hidden").mkdir()
        (cwd / "hidden" / f"{without}.py").write_text(f"raise ImportError('no {without} here')", encoding="utf-8")
        sources.insert(0, str(cwd / "hidden"))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sources), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", str(DEMOS / name), *OPTIONS.get(name, []), *options]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, encoding="utf-8", check=False)


def test_every_demo_has_its_expected_lines_here() -> None:
    assert sorted(path.name for path in DEMOS.glob("*.py")) == sorted(SHOWS)


@pytest.mark.parametrize("name", SHOWS)
def test_a_demo_runs_alone_and_shows_what_it_is_about(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path)
    assert done.stderr == ""
    assert done.returncode == 0
    for line in SHOWS[name]:
        assert line in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize("name", FIGURES)
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


def test_all_demos_but_the_two_that_print_alone_draw() -> None:
    assert set(SHOWS) - set(FIGURES) == {"contributions_and_blame.py", "message_passing.py"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_demo_takes_its_figure_from_the_package_which_knows_what_to_install(name: str) -> None:
    source = (DEMOS / name).read_text(encoding="utf-8")
    assert re.search(r"^    from tinygrad_lecture\.show\.plots import .*\bfigure\b", source, re.MULTILINE)
    assert not re.search(r"^\s*(import|from) matplotlib", source, re.MULTILINE)


@pytest.mark.parametrize("name", ["delta_formulas.py", "digits.py"])
def test_a_figure_without_matplotlib_says_how_to_install_it(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path, "--figure", "figure.png", without="matplotlib")
    assert done.returncode == 1
    assert done.stderr.endswith('install it with: python -m pip install "tinygrad-lecture[plot]"\n')
    assert not (tmp_path / "figure.png").exists()


def test_digits_are_read_without_scikit_learn_and_it_says_how_to_install_it(tmp_path: Path) -> None:
    done = run("digits.py", tmp_path, without="sklearn")
    assert (done.stderr, done.returncode) == ("", 0)
    assert "MLPClassifier: scikit-learn is missing; install it with: python -m pip install scikit-learn" in done.stdout
    right = re.findall(r"^tl\.train, .* right (\d+\.\d) %", done.stdout, re.MULTILINE)
    assert len(right) == 2
    assert min(map(float, right)) > 50  # chance reads 10 % of them
