"""The README's examples run as they stand, and print what it says they print."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parent.parent / "README.md"
ILLUSTRATION = "slopes(np.tanh"  # a piece of the table of rules, not a program


def test_the_examples_of_the_readme_run_one_after_the_other_and_print_what_it_says() -> None:
    blocks = re.findall(r"```(python|text)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    printed = ""
    shown = 0
    for kind, body in blocks:
        if kind == "text":
            assert printed.strip() == body.strip()
            shown += 1
        elif not body.startswith(ILLUSTRATION):
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(body, names)
            printed = out.getvalue()
    assert shown == 5
    assert names["w"].grad == pytest.approx(1.0000737296422, abs=1e-13)


def test_the_illustrated_rules_are_the_rules() -> None:
    text = README.read_text(encoding="utf-8")
    table = Path(README.parent, "tinygrad_lecture", "rules", "trigonometric.py").read_text(encoding="utf-8")
    assert "slopes(np.tanh, lambda y, x: sech2(x))" in text
    assert "slopes(np.tanh, lambda y, x: sech2(x))" in table
