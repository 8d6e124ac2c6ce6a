"""The machine that C is compiled on: its compiler, where files are kept; and what is said without them."""

from __future__ import annotations

import sys
from importlib import util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl
from tests.program.runners import RUNNERS
from tinygrad_lecture.program.c import build

CACHED = (build.compiler, build.flags, build._version, build._machine)
X = np.arange(3.0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A machine to be changed, whose folder for compiled files is empty; `look()` has it looked at anew."""
    monkeypatch.setenv("TINYGRAD_LECTURE_CACHE", str(tmp_path / "cache"))

    def look() -> None:
        for cached in CACHED:
            cached.cache_clear()

    look()
    yield SimpleNamespace(look=look, folder=tmp_path, cache=tmp_path / "cache", setattr=monkeypatch.setattr)
    monkeypatch.undo()
    look()


needs_c = pytest.mark.skipif("C" not in RUNNERS, reason="there is no C compiler")


def test_the_compiler_of_the_package_ziglang_serves_where_there_is_no_other(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine.folder))
    monkeypatch.setenv("CC", "")
    monkeypatch.setattr(util, "find_spec", lambda name: object() if name == "ziglang" else None)
    assert build.compiler() == (sys.executable, "-m", "ziglang", "cc")


@needs_c
def test_the_compiler_that_is_named_is_taken_with_its_options(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build.compiler()[0]
    machine.look()
    monkeypatch.setenv("CC", f"{path} -g0")
    assert build.compiler() == (path, "-g0")


def test_files_are_kept_in_the_users_cache_folder_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert build.folder() == Path(build.os.environ["TINYGRAD_LECTURE_CACHE"])
    monkeypatch.delenv("TINYGRAD_LECTURE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert build.folder() == tmp_path / "xdg" / "tinygrad_lecture"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert build.folder() == tmp_path / "home" / ".cache" / "tinygrad_lecture"


@pytest.mark.skipif(sys.platform == "win32", reason="the compiler is a shell script here")
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("#!/bin/sh\nexec sleep 60\n", "--version.*timed out after 0.5 seconds"),
        ("no program at all", "Exec format error"),
    ],
)
def test_a_compiler_that_does_not_even_say_its_version_is_asked_once(
    machine: Any, monkeypatch: pytest.MonkeyPatch, script: str, why: str
) -> None:
    bad = machine.folder / "bad"
    bad.write_text(script)
    bad.chmod(0o755)
    monkeypatch.setenv("CC", str(bad))
    monkeypatch.setattr(build, "TIMEOUT", 2.0)
    for x in (X, X[:1]):
        with pytest.raises(RuntimeError, match=why):
            tl.jit(lambda x: x + 1.0, runner="C")(x)
        monkeypatch.setattr(build.subprocess, "run", lambda *_, **__: pytest.fail("asked again"))
        np.testing.assert_array_equal(tl.jit(lambda x: x + 1.0)(x), x + 1.0)


@pytest.mark.skipif(sys.platform == "win32", reason="the compiler is a shell script here")
def test_a_compiler_that_does_not_come_to_an_end_is_given_up_and_leaves_nothing_behind(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = machine.folder / "slow"
    slow.write_text('#!/bin/sh\n[ "$1" = --version ] || exec sleep 60\n')
    slow.chmod(0o755)
    monkeypatch.setenv("CC", str(slow))
    build._machine()
    machine.setattr(build, "TIMEOUT", 0.2)
    with pytest.raises(build.NoCompilerError, match=r"slow failed: .* timed out after 0\.2 seconds"):
        build._compiled("int f(void) { return 1; }\n", ())
    assert list(machine.cache.iterdir()) == []
    f = tl.jit(np.tanh)
    np.testing.assert_array_equal(f(np.ones(3)), np.tanh(np.ones(3)))
    assert "run by NumPy" in f.report()


@needs_c
def test_a_processor_that_the_system_does_not_describe_is_compiled_for_too(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    described, exists = build._machine(), Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: str(path) != "/proc/cpuinfo" and exists(path))
    machine.look()
    assert described.startswith(build._machine())
    f = tl.jit(lambda x: x * 1.625, runner="C")
    np.testing.assert_array_equal(f(np.ones(3)), np.full(3, 1.625))
