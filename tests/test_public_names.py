"""The public names: each exists, says what it is and where it comes from, and stands in the README."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tinygrad_lecture as tl

PACKAGE = Path(tl.__file__).parent
README = PACKAGE.parent / "README.md"
ROOMS = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
MODULES = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}

each_name = pytest.mark.parametrize("name", tl.__all__)


def readme_names() -> set[str]:
    """What the README calls tl.… in a code span, in prose or in a table: `tl.grad`, not the code of its examples."""
    text = re.sub(r"^```.*?^```", "", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`]+)`", text)
    return {name for span in spans for name in re.findall(r"\btl\.([A-Za-z_]\w*)", span)}


def readme_examples() -> set[str]:
    """What the README's Python examples call tl.…, read from their syntax."""
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    nodes = [node for block in blocks for node in ast.walk(ast.parse(block))]
    return {
        n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "tl"
    }


def test_no_name_is_listed_twice() -> None:
    assert len(set(tl.__all__)) == len(tl.__all__)


@each_name
def test_a_public_name_exists(name: str) -> None:
    assert hasattr(tl, name)


@each_name
def test_a_public_name_has_a_docstring_that_begins_with_a_sentence(name: str) -> None:
    doc = inspect.getdoc(getattr(tl, name))
    assert doc
    first = doc.split("\n\n")[0].replace("\n", " ")
    assert re.search(r"[.:]( |$)|\.$", first), first
    assert doc != inspect.getdoc(AssertionError)


@each_name
def test_a_public_name_is_documented_where_it_is_defined(name: str) -> None:
    assert getattr(tl, name).__doc__, "inherited docstrings do not count"


@each_name
def test_a_public_function_or_class_names_its_source_or_shows_an_example(name: str) -> None:
    value = getattr(tl, name)
    doc = inspect.getdoc(value) or ""
    if inspect.isclass(value) and issubclass(value, BaseException):
        return  # an exception is raised by what has the source
    assert "Source: " in doc or ">>> " in doc, doc


@each_name
def test_a_public_function_says_what_each_parameter_is(name: str) -> None:
    value = getattr(tl, name)
    if inspect.isclass(value) and issubclass(value, BaseException):
        return
    doc = inspect.getdoc(value) or ""
    for parameter in inspect.signature(value).parameters.values():
        if parameter.name != "self" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            assert re.search(rf"\b{parameter.name}\b", doc), parameter.name


@each_name
def test_a_public_name_stands_in_the_readme(name: str) -> None:
    assert name in readme_names(), f"README.md lacks `tl.{name}` between backticks"


def test_the_readme_names_nothing_that_does_not_exist() -> None:
    named = readme_names() | readme_examples()
    assert named - set(tl.__all__) <= ROOMS | {"__version__"}


def test_what_stands_in_the_readme_is_told_apart_from_its_examples() -> None:
    assert readme_examples() <= readme_names() | ROOMS, "an example uses what the README does not explain"


def public_attributes() -> set[str]:
    return {name for name in vars(tl) if not name.startswith("_")}


def test_nothing_is_public_beyond_the_list_and_the_rooms() -> None:
    for name in tl.__all__:
        getattr(tl, name)  # what is loaded on first use too
    extra = public_attributes() - set(tl.__all__) - ROOMS - MODULES - {"annotations"}
    assert extra == set()
    for name in public_attributes() & (ROOMS | MODULES) - set(tl.__all__):
        assert isinstance(getattr(tl, name), ModuleType)


def test_the_module_of_a_public_name_does_not_hide_it() -> None:
    # a name that is both a module and a function would change its meaning when the module is imported
    assert not set(tl.__all__) & (ROOMS | MODULES)


def test_dir_lists_what_is_not_loaded_yet() -> None:
    script = f"""
import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})
import tinygrad_lecture as tl
assert set(tl.__all__) <= set(dir(tl)), set(tl.__all__) - set(dir(tl))
from tinygrad_lecture import *
assert all(name in globals() for name in tl.__all__)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="'tinygrad_lecture' has no attribute 'gradient'"):
        tl.gradient  # noqa: B018


def test_the_version_is_that_of_the_project() -> None:
    project = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{tl.__version__}"' in project


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_public_methods_and_properties_of_tensor_have_docstrings() -> None:
    missing = [n for n, v in inspect.getmembers(tl.Tensor) if not n.startswith("_") and not inspect.getdoc(v)]
    slots = {n for klass in tl.Tensor.__mro__ for n in getattr(klass, "__slots__", ())}
    assert set(missing) <= slots


def test_dir_lists_every_public_name_those_loaded_on_first_use_too() -> None:
    assert set(tl.__all__) <= set(dir(tl))
