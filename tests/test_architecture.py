"""The rooms, and the one direction in which they import each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture
from tinygrad_lecture.engine.op import COMPOSED, OPS, PLAIN, Op

PACKAGE = Path(tinygrad_lecture.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

ABOVE_ENGINE = {"engine", "misnamed"}
ABOVE_RULES = ABOVE_ENGINE | {"rules"}
ABOVE_TRANSFORMS = ABOVE_RULES | {"transforms"}
ORACLES = {f"verify.{name}" for name in ("quotient", "richardson", "complex_step", "dual", "exact", "ladder")}
ORACLES |= {"verify.dual_table", "verify.dual_composed"}
CLIMBING = {"verify.gradcheck", "verify.climb", "verify.diagnosis", "verify.result"}
FREE = {"data", "verify.deltas", "verify.deltas_any"} | ORACLES
MAY_IMPORT: dict[str, set[str]] = {
    "misnamed": set(),  # what errors say of names: all may ask it, and it knows nobody
    "engine": ABOVE_ENGINE,
    "rules": ABOVE_RULES,
    "transforms": ABOVE_TRANSFORMS,
    "nn": ABOVE_TRANSFORMS | {"nn"},
    "nn.files": {"nn.files", "nn.replacing"},  # files know nothing of what is in them: programs are kept as nets are
    "nn.replacing": {"nn.replacing"},
    "program": ABOVE_TRANSFORMS | {"program", "nn.files"},
    **dict.fromkeys(CLIMBING, ABOVE_TRANSFORMS | CLIMBING | ORACLES),
    **dict.fromkeys(ORACLES, ORACLES),  # a yardstick shares no code with what it measures
    "verify": FREE | ABOVE_TRANSFORMS | {"verify"} | CLIMBING,
    "verify.strategies": ABOVE_TRANSFORMS | {"nn", "verify.strategies"},
    "show": ABOVE_TRANSFORMS | {"show"},
    "data": {"data"},
    "verify.deltas": {"verify.deltas"},
    "verify.deltas_any": {"verify.deltas", "verify.deltas_any"},
    "learning": FREE | ABOVE_TRANSFORMS | {"nn", "program", "verify.gradcheck", "verify", "show", "learning"},
}
MAY_IMPORT["lecture"] = MAY_IMPORT["learning"] | {"lecture"}
MAY_IMPORT["cli"] = MAY_IMPORT["lecture"] | {"cli", ""}  # "" is the package itself: its version
MAY_IMPORT["__main__"] = {"cli"}
MAY_IMPORT[""] = MAY_IMPORT["lecture"] - {"lecture"}
for rooms in MAY_IMPORT.values():
    rooms |= {"nn.network", "nn.files"} if "nn" in rooms else set()
MAY_IMPORT["nn.network"] = MAY_IMPORT["nn"] | {"show"}  # a net draws itself: inside its methods, which need it first
"""Room → the rooms it may import, read from the arrows; a room that is missing here fails the tests below."""


def name_of(path: Path) -> str:
    """The dotted name of a module within the package: engine/op.py → engine.op, __init__.py → ""."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room a module belongs to: the longest name in the table that begins its own."""
    while module and module not in MAY_IMPORT:
        module = module.rpartition(".")[0]
    return module


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def statements(tree: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    """Every node that runs: those inside functions only if asked, those for type checkers never."""
    for child in ast.iter_child_nodes(tree):
        if is_type_checking(child):
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield other
                yield from statements(other, inside_functions)
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not inside_functions:
            continue
        yield child
        yield from statements(child, inside_functions)


def imported(path: Path, inside_functions: bool = True) -> set[str]:
    """The absolute dotted names that a module imports; of `from package import module` the module alone."""
    here = ["tinygrad_lecture", *name_of(path).split(".")] if name_of(path) else ["tinygrad_lecture"]
    package = here if path.name == "__init__.py" else here[:-1]
    names: set[str] = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8")), inside_functions):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = PACKAGE.parent.joinpath(*module.split("."), alias.name)
                is_module = inner.with_suffix(".py").exists() or (inner / "__init__.py").exists()
                names.add(f"{module}.{alias.name}" if is_module else module)
    return names


def within(names: set[str]) -> set[str]:
    """Of the imported names, those of the package, without its name."""
    return {n.partition(".")[2] for n in names if n.split(".")[0] == "tinygrad_lecture"}


each_module = pytest.mark.parametrize("path", MODULES, ids=lambda p: name_of(p) or "__init__")


@each_module
def test_a_module_imports_only_what_lies_before_it(path: Path) -> None:
    room = room_of(name_of(path))
    assert room or name_of(path) == "", f"{name_of(path)} is in no room of the table"
    allowed = MAY_IMPORT[room]
    for name in within(imported(path)):
        assert room_of(name) in allowed, f"{name_of(path)} imports {name or 'the package itself'}"


def test_the_table_forbids_what_the_arrows_forbid() -> None:
    order = ["engine", "rules", "transforms", "nn", "learning", "lecture", "cli"]
    for i, room in enumerate(order):
        assert not MAY_IMPORT[room] & set(order[i + 1 :])
    for sibling in ("nn", "program", "verify.gradcheck", "show"):
        assert not MAY_IMPORT[sibling] & ({"nn", "program", "verify.gradcheck", "show"} - {sibling})


def test_the_reading_of_imports_sees_all_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
import a.b
from typing import TYPE_CHECKING
from . import op
from .. import MLP
from ..nn.mlp import MLP
if TYPE_CHECKING:
    from ..show import page
else:
    import c
class K:
    import d
    def f(self):
        from ..lecture import statement
"""
    package = tmp_path / "tinygrad_lecture"
    for room in ("engine", "nn", "lecture", "show"):
        (package / room).mkdir(parents=True)
    for file in ("engine/op.py", "nn/mlp.py", "lecture/statement.py"):
        (package / file).write_text("")
    (package / "engine" / "made_up.py").write_text(source)
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", package)
    at_once = {"a.b", "typing", "c", "d"}
    at_once |= {"tinygrad_lecture", "tinygrad_lecture.engine.op", "tinygrad_lecture.nn.mlp"}
    assert imported(package / "engine" / "made_up.py", inside_functions=False) == at_once
    later = {"tinygrad_lecture.lecture.statement"}
    assert imported(package / "engine" / "made_up.py") == at_once | later


@pytest.mark.parametrize("room", ["data", "verify/deltas.py", "misnamed.py"])
def test_what_stands_apart_imports_nothing_of_the_engine(room: str) -> None:
    for path in MODULES:
        if path.relative_to(PACKAGE).as_posix().startswith(room):
            own = {n for n in within(imported(path)) if n and not n.startswith(room.split(".")[0].replace("/", "."))}
            assert own == set()


HEAVY = {
    "asyncio",
    "matplotlib",
    "tqdm",
    "scipy",
    "hypothesis",
    "pytest",
    "mpmath",
    "multiprocessing",
    "unittest",
    "email",
    "http",
}


@each_module
def test_a_heavy_library_is_not_imported_at_module_level(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported(path, inside_functions=False)}
    if room_of(name_of(path)) == "verify.strategies":  # whose functions it decorates; nothing else imports that room
        roots -= {"hypothesis"}
    assert not roots & HEAVY


@each_module
def test_nothing_but_numpy_and_optional_plots_is_needed_beyond_the_standard_library(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported(path)}
    assert roots - set(sys.stdlib_module_names) <= {
        "numpy",
        "tinygrad_lecture",
        "matplotlib",
        "tqdm",
        "scipy",
        "safetensors",
        "mpmath",
        "hypothesis",
    }


def run(script: str) -> str:
    """What a fresh interpreter prints, which sees the package but not this test run."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{script}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_loads_nothing_but_numpy_beyond_the_standard_library() -> None:
    script = """
import numpy
before = set(sys.modules)
import tinygrad_lecture
new = {m.split(".")[0] for m in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names) - {"numpy", "tinygrad_lecture"}))
heavy = ("asyncio", "matplotlib", "tqdm", "scipy", "unittest", "hypothesis")
print(sorted(m for m in sys.modules if m.split(".")[0] in heavy and m not in before))
print(sorted(m for m in sys.modules if m.startswith("tinygrad_lecture.")))
"""
    foreign, heavy, own = run(script).splitlines()
    assert foreign == "[]"
    assert heavy == "[]"
    for late in ("nn", "program", "verify", "data", "lecture", "cli", "learning", "show"):
        assert f"tinygrad_lecture.{late}" not in own, f"{late} is loaded before its first use"


def test_importing_the_package_prints_nothing_and_changes_no_setting_of_numpy() -> None:
    script = """
import numpy, warnings
before = numpy.geterr(), numpy.get_printoptions(), list(warnings.filters)
state = numpy.random.get_state()[1].tobytes()
import tinygrad_lecture
from tinygrad_lecture import *
assert before == (numpy.geterr(), numpy.get_printoptions(), list(warnings.filters))
assert state == numpy.random.get_state()[1].tobytes()
"""
    assert run(script) == ""


def test_the_engine_imports_without_the_rules_and_the_rules_without_the_nets() -> None:
    # the package's own __init__ declares the rules, so the rooms are looked up beside a bare package
    script = f"""
import types
package = types.ModuleType("tinygrad_lecture"); package.__path__ = [{str(PACKAGE)!r}]
sys.modules["tinygrad_lecture"] = package
import tinygrad_lecture.engine.walk, tinygrad_lecture.engine.tree, tinygrad_lecture.engine.primitives
def rooms():
    return {{m.split(".")[1] for m in sys.modules if m.startswith("tinygrad_lecture.")}} - {{"misnamed"}}
assert rooms() == {{"engine"}}, rooms()
import tinygrad_lecture.rules
assert rooms() == {{"engine", "rules"}}, rooms()
"""
    run(script)


# the table of rules


def declared() -> list[tuple[str, Any]]:
    """Every operation of the tables, our own primitives too, with the functions that are its rules."""
    ops: dict[int, Op] = {id(op): op for op in OPS.values()}
    found = []
    for op in ops.values():
        for kind in ("slopes", "rules"):
            for k, rule in enumerate(getattr(op, kind) or ()):
                found.append((f"{op.name}.{kind}[{k}]", rule))
        if op.each is not None:
            found.append((f"{op.name}.each", op.each))
        found.append((f"{op.name}.forward", op.forward))
    return found


def test_there_are_rules_to_look_at() -> None:
    assert sum(isinstance(rule, FunctionType) for _, rule in declared()) > 50
    assert {"add", "tanh", "matmul", "odot", "getitem", "scatter_add", "cast"} <= {op.name for op in OPS.values()}


def test_no_rule_captures_anything() -> None:
    captured = [name for name, rule in declared() if getattr(rule, "__closure__", None) is not None]
    assert captured == []


def test_no_rule_has_a_mutable_default() -> None:
    for name, rule in declared():
        for default in getattr(rule, "__defaults__", None) or ():
            assert default is None or isinstance(default, bool | int | float | str | tuple), name


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def test_no_rule_writes_to_a_global() -> None:
    import dis

    for name, rule in declared():
        if isinstance(rule, FunctionType):
            for code in codes(rule.__code__):
                written = [i for i in dis.get_instructions(code) if i.opname in ("STORE_GLOBAL", "DELETE_GLOBAL")]
                assert not written, name


def test_a_slope_that_is_constant_is_a_plain_float() -> None:
    for name, rule in declared():
        if ".slopes[" in name and rule is not None and not callable(rule):
            assert type(rule) is float, name  # np.float64 is not weak, and an int would not be multiplied


def test_an_operation_has_one_of_the_two_forms_and_no_third() -> None:
    for op in {id(op): op for op in OPS.values()}.values():
        forms = [op.slopes is not None, bool(op.rules), op.each is not None]
        if op.differentiable:
            assert sum(forms) == 1, op.name
        else:
            assert not any(forms), op.name


def test_a_function_stands_in_one_table_only() -> None:
    differentiable = {fn for fn, op in OPS.items() if op.differentiable or op.forward is not None}
    tables = [differentiable, set(COMPOSED), set(PLAIN)]
    for i, a in enumerate(tables):
        for b in tables[i + 1 :]:
            assert not a & b


def test_every_operation_of_the_table_was_declared() -> None:
    for fn, op in OPS.items():
        assert getattr(op.forward, "__name__", "") != "_undeclared", fn
        assert getattr(op.bind, "__name__", "") != "_undeclared", fn


def test_a_node_is_plain_data() -> None:
    x = tinygrad_lecture.Tensor([1.0, 2.0], requires_grad=True)
    y = np.sum(np.tanh(x) * 2.0, axis=0)
    assert isinstance(y.op, Op)
    assert isinstance(y.inputs, tuple)
    assert isinstance(y.options, dict)
    assert y.options == {"axis": 0}
    assert not any(callable(value) for value in y.options.values())
    assert not hasattr(y, "__dict__")
