"""Mutants tried without importing and collecting anew: their code is put into the functions that are loaded.

A process that has imported the package and collected the tests waits for mutants, and forks for each. In the child, the
functions and lambdas that are made wrong get the code that the mutant's source has in their place; then the tests run.
What is made wrong outside of them (a table's numbers, a default, a decorator) cannot be tried in this way. Nor is a
function noticed that has run on import already: who survives here is tried once more from the start.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import IO, Any

import pytest
from _pytest.main import pytest_runtestloop as run_tests

Functions = dict[tuple[CodeType, Any], list[FunctionType]]


def loaded() -> Functions:
    """All functions that are loaded, by their code and where it stands: two lambdas of a line are two."""
    found: Functions = {}
    for f in gc.get_objects():
        if isinstance(f, FunctionType):
            found.setdefault(_place(f.__code__), []).append(f)
    return found


def _place(code: CodeType) -> tuple[CodeType, Any]:
    return code, tuple(code.co_positions())


def transplanted(functions: Functions, old: CodeType, new: CodeType, inside: bool = False) -> bool:
    """Give functions the new code where it differs from the old; False where what differs is in no function.

    inside: whether the code stands in a function that has got its new code, and so will be made anew.
    """
    mine = functions.get(_place(old), [])
    inside = inside or bool(mine)
    for f in mine:
        try:
            f.__code__ = new
        except ValueError:  # it refers to other variables around it
            return False
    below = [[c for c in code.co_consts if isinstance(c, CodeType)] for code in (old, new)]
    if len(below[0]) != len(below[1]) or (not inside and _itself(old) != _itself(new)):
        return inside
    return all(transplanted(functions, a, b, inside) for a, b in zip(*below, strict=True))


def _itself(code: CodeType) -> tuple[Any, ...]:
    """What code does, without the functions in it and the places where it stands."""
    constants = [repr(c) for c in code.co_consts if not isinstance(c, CodeType)]
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars


@dataclass
class Waiting:
    """A plugin of pytest that, once tests are collected, tries the mutants it is told of.

    told, tell: one line of JSON each way for every mutant: its path, its source and the tests to run, in their order;
    then how it ended ("elsewhere": it is in no function), and which tests failed.
    """

    told: IO[str]
    tell: IO[str]
    judge: Any
    verdict: Path
    original: dict[str, CodeType] = field(default_factory=dict)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        functions = loaded()
        items = {i.nodeid: i for i in session.items}
        for line in self.told:
            path, source, tests = json.loads(line)
            if path not in self.original:
                self.original[path] = compile(Path(path).read_text(), path, "exec")
            self.verdict.unlink(missing_ok=True)
            child = os.fork()
            if child == 0:
                os.setsid()
                session.items = [items[t] for t in tests if t in items]
                self._try(session, functions, self.original[path], compile(source, path, "exec"))
            status = os.waitpid(child, 0)[1]
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            found = {"code": -os.WTERMSIG(status), "failed": []}
            if self.verdict.exists():
                found = json.loads(self.verdict.read_text())
            print(json.dumps(found), file=self.tell, flush=True)
        return True

    def _try(self, session: pytest.Session, functions: Functions, old: CodeType, new: CodeType) -> None:
        code: int | str = "elsewhere"
        try:
            if transplanted(functions, old, new):
                with contextlib.suppress(session.Failed):
                    run_tests(session)
                code = int(bool(self.judge.failed))
            self.verdict.write_text(json.dumps({"code": code, "failed": self.judge.failed}))
        finally:
            os._exit(0)
