"""The script that makes things wrong does: in functions, in the lambdas of tables, and the tests hear of it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.mutants import mutants

ROOT = Path(__file__).parents[1]
TABLE = '''"""A table."""

slopes(np.multiply, lambda y, a, b: b, lambda y, a, b: a)
slopes(np.tanh, lambda y, x: 0.5 * sech2(x))
'''


def pieces(source: str) -> set[str]:
    return {m.name for m in mutants(source)}


def test_the_lambdas_of_a_table_at_module_level_are_made_wrong() -> None:
    """Both the formula and the input that is handed back: what mutmut leaves as it is."""
    tanh, product = "slopes(np.tanh) λ: ", "slopes(np.multiply) λ: "
    assert pieces(TABLE) >= {
        tanh + "0.5 * sech2(x) → 0.5 / sech2(x)",
        tanh + "0.5 * sech2(x) → sech2(x)",
        tanh + "0.5 → 0.501",
        tanh + "0.5 → -0.5",
        product + "a → b",
    }


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("def f(a, b):\n    return a + b", "f: a + b → a - b"),
        ("def f(a, b):\n    return a < b", "f: a < b → a <= b"),
        ("def f(a, b):\n    return a and b", "f: a and b → a or b"),
        ("def f(a, b):\n    return not a", "f: not a → a"),
        ("def f(a, b):\n    return g(a, b)", "f: g(a, b) → g(b, a)"),
        ("def f(a, b):\n    return g(a, k=b)", "f: g(a, k=b) → g(a)"),
        ("def f(a, b):\n    return a", "f: a → b"),
        ("def f(a, b):\n    if a:\n        g(b)", "f: a → not a"),
        ("def f(a, b):\n    a.x = b", "f: a.x = b → pass"),
        ("def f(a, b):\n    raise g(a)", "f: raise g(a) → pass"),
        ("def f(a, b):\n    if a:\n        return b\n    return 3", "f: if a: return b → pass"),
        ("def f(a, b):\n    a -= b", "f: a -= b → a += b"),
    ],
    ids=lambda text: text.split(": ")[-1] if "→" in text else "",
)
def test_each_kind_of_thing_is_made_wrong(source: str, wrong: str) -> None:
    assert wrong in pieces(source)


def test_texts_annotations_and_docstrings_are_left_alone() -> None:
    assert not mutants("for a in zip(*b, strict=True):\n    d = a")
    assert not mutants('"""A text."""\n\ndef f(a: "1 + 1" = "x") -> "2":\n    """Another."""\n    x: int | None\n')


@pytest.mark.parametrize("room", ["engine", "learning", "rules"])
def test_every_mutant_of_the_package_is_python_with_one_thing_wrong_and_a_name_of_its_own(room: str) -> None:
    path = max((ROOT / "tinygrad_lecture" / room).glob("*.py"), key=lambda p: p.stat().st_size)
    source = path.read_text(encoding="utf-8")
    found = mutants(source)
    assert len(found) > 100
    assert max(Counter(m.name for m in found).values()) == 1
    for m in found[::10]:
        ast.parse(m.source)
        assert m.source != source
        assert m.source.count("\n") == source.count("\n")


def test_a_mutant_stands_in_the_function_that_runs_it() -> None:
    source = "def f(a):\n    return lambda b: (\n        b + 1)\n"
    lines = {m.name: m.function for m in mutants(source)}
    assert lines["f: lambda b: ( b + 1) → a"] == 1
    assert lines["f λ: b + 1 → b - 1"] == 2


def test_every_survivor_has_a_verdict_and_a_reason() -> None:
    text = (ROOT / "tests" / "mutation_survivors.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    assert rows
    for mutant, verdict, reason in rows:
        assert mutant.endswith("`")
        assert verdict in ("equivalent", "harmless", "gap", "open")
        assert reason


PLANTED = """
import sys
from pathlib import Path
from tests.mutants import mutants
from tests.mutation import Court

copy = Path(sys.argv[1])
court = Court(copy, ["test_table.py"])
court.measure()
for mutant in mutants((copy / "table.py").read_text()):
    print(mutant.name, "|", *court.verdict(copy / "table.py", mutant, quick=True))
"""


def test_what_is_planted_in_the_lambda_of_a_table_is_found_where_a_test_looks_and_survives_where_none_does(
    tmp_path: Path,
) -> None:
    (tmp_path / "table.py").write_text("TABLE = {}\nTABLE.update(dict(f=lambda y, x: 2 * x, g=lambda y, x: 0.5))\n")
    (tmp_path / "test_table.py").write_text("import table\ndef test_f(): assert table.TABLE['f'](1, 3) == 6\n")
    command = [sys.executable, "-c", PLANTED, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    of_f, of_g = "2 * x → 2 / x | found test_table.py::test_f", "0.5 → 0.501 | survived"
    assert of_f in run.stdout
    assert of_g in run.stdout
    assert "table.py::test_f" not in run.stdout.split("0.5 → 0.501")[1].splitlines()[0]
