"""Whether operations leave a node behind, and for whom: one value, kept in a ContextVar.

Threads and asyncio tasks each have their own; an exception restores what was there before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Mode:
    """How operations are recorded here and now.

    records: whether results remember how they came about.
    depth: how many transforms or recordings enclose this line; a walk below one is differentiable.
    tape: where every operation is listed while a program is recorded, else None.
    """

    records: bool = True
    depth: int = 0
    tape: list[Any] | None = None


_mode: ContextVar[Mode] = ContextVar("tinygrad_lecture.mode", default=Mode())  # noqa: B039  (frozen)
current = _mode.get


@contextmanager
def _switched(mode: Mode) -> Iterator[None]:
    token = _mode.set(mode)
    try:
        yield
    finally:
        _mode.reset(token)


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside: results do not require a gradient. A context manager and a decorator."""
    with _switched(replace(current(), records=False)):
        yield


@contextmanager
def enable_grad() -> Iterator[None]:
    """Record again inside a `no_grad()`. A context manager and a decorator."""
    with _switched(replace(current(), records=True)):
        yield


@contextmanager
def enclosed(tape: list[Any] | None = None) -> Iterator[None]:
    """Recording on, one level deeper: what transforms and program recordings run a function in."""
    mode = current()
    with _switched(Mode(True, mode.depth + 1, mode.tape if tape is None else tape)):
        yield


def user_line() -> str:
    """Where the user's code stands now: file, line and text."""
    import linecache
    import sys
    from pathlib import Path

    import numpy as np

    here, numpys = str(Path(__file__).parent.parent), str(Path(np.__file__).parent)
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith((here, numpys)):
        frame = frame.f_back
    name, line = frame.f_code.co_filename, frame.f_lineno
    return f"{name}:{line}: {linecache.getline(name, line).strip()}"
