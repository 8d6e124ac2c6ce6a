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
