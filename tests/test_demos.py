"""Each script in demos/ runs by itself and shows what it is about."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_lecture as tl

DEMOS = Path(__file__).parents[1] / "demos"

SHOWS = {
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
        "b2      leaf               [0.2]         [-0.02414]",
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
    "delta_formulas.py": [
        "E = ½ (out − tar)² = ½ (0.7356 − 0.9000)² = 0.013522",
        "hidden 2  f₁'(in) w δ^out     =  0.4869 · -0.5 · -0.031988 =  0.007788",
        "The 9 automatic gradients are the δ formulas",
    ],
}
"""Script → lines that it prints."""


def test_every_demo_has_its_expected_lines_here() -> None:
    assert sorted(path.name for path in DEMOS.glob("*.py")) == sorted(SHOWS)


@pytest.mark.parametrize("name", SHOWS)
def test_a_demo_runs_alone_and_shows_what_it_is_about(name: str, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(tl.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", str(DEMOS / name)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    for line in SHOWS[name]:
        assert line in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
