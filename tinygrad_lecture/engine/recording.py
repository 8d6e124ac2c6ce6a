"""Whether operations leave a node behind, and for whom: one value, kept in a ContextVar.

Threads and asyncio tasks each have their own; an exception restores what was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from functools import wraps
from types import FrameType
from typing import Any, TypeVar

import numpy as np

from .tree import tree_map
from .values import copied

F = TypeVar("F", bound=Callable[..., Any])


class Seen:
    """A value that a recording knows, by its stamp alone: the numbers of the one run need not stay."""

    __slots__ = ("stamp",)

    def __init__(self, stamp: int) -> None:
        self.stamp = stamp


class Tape:
    """What a program recording has seen: every operation on what was computed from its inputs, in order.

    calls: (stamp of what came of it, op, inputs, options, shape, dtype) each; what is known already is Seen in them.
    What was computed from other things alone is a constant of the program, and known as such. A
    Tensor of another thread or task is neither, and refused: it may depend on the inputs.
    """

    __slots__ = ("calls", "constants", "originals", "read", "stamps", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.calls: list[tuple[int, Any, tuple[Any, ...], dict[str, Any], tuple[int, ...], Any]] = []
        self.stamps: set[int] = set()
        self.constants: set[int] = set()
        self.originals: dict[int, tuple[Any, Any]] = {}
        self.read: dict[int, tuple[Any, Any]] = {}

    def kept(self, x: Any) -> Any:
        """A copy of an array that goes into a program, which knows what it is a copy of."""
        copy = copied(x)
        self.originals[id(copy)] = copy, x
        return copy

    def reads(self, t: Any) -> None:
        """Note that the recorded function has read an older leaf, of which its program may know some numbers alone."""
        if t.op is None and t.stamp < self.start and t.stamp not in self.read:
            self.read[t.stamp] = t, copied(np.asarray(t._data))

    def derived(self, values: Iterable[Any]) -> bool:
        """Whether one of these is an input of the recording, or computed from one."""
        found = False
        for x in values:
            stamp = getattr(x, "stamp", 0)
            if stamp in self.stamps:
                found = True
            elif stamp > self.start and x.op is not None and stamp not in self.constants:
                raise TypeError(
                    f"a Tensor that another thread or task computed while recording, at {user_line()}: "
                    "the program cannot know whether it depends on its inputs; compute it in the recorded function"
                )
        return found

    def add(self, t: Any, op: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
        """List an operation on values computed from the inputs, and the Tensor that it made."""

        def seen(x: Any) -> Any:
            return Seen(x.stamp) if getattr(x, "stamp", 0) in self.stamps else x

        options = {k: tree_map(seen, v) if isinstance(v, tuple | list) else v for k, v in options.items()}
        self.calls.append((t.stamp, op, tuple([seen(x) for x in inputs]), options, t.shape, t.dtype))
        self.stamps.add(t.stamp)


class Mode:
    """How operations are recorded here and now; never changed, only replaced.

    records: whether results remember how they came about.
    depth: how many transforms or recordings enclose this line; a walk below one is differentiable.
    tape: where every operation is listed while a program is recorded, else None.
    debug: what looks at every node and every error inside `tl.debug()`, else None.
    observed: whether there is a tape or a debug, so that who makes a node asks once.
    """

    __slots__ = ("debug", "depth", "observed", "records", "tape")

    def __init__(self, records: bool = True, depth: int = 0, tape: Tape | None = None, debug: Any = None) -> None:
        self.records = records
        self.depth = depth
        self.tape = tape
        self.debug = debug
        self.observed = tape is not None or debug is not None


_mode: ContextVar[Mode] = ContextVar("tinygrad_lecture.mode", default=Mode())  # noqa: B039  (never changed)
current = _mode.get


class Switch(ContextDecorator):
    """Another mode inside a `with` block, or inside every call of a decorated function."""

    __slots__ = ("change", "name", "token")

    def __init__(self, change: Callable[[Mode], Mode], name: str = "tl.no_grad()") -> None:
        self.change = change
        self.name = name
        self.token: Token[Mode] | None = None

    def _recreate_cm(self) -> Switch:
        return Switch(self.change, self.name)

    def __call__(self, fn: F) -> F:
        """Switch inside every call of fn, a function or a coroutine function."""
        from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction

        if isgeneratorfunction(fn) or isasyncgenfunction(fn):
            raise TypeError(
                f"{fn.__name__} is a generator: write `with {self.name}:` inside it, around what it computes"
            )
        if not iscoroutinefunction(fn):
            return super().__call__(fn)

        @wraps(fn)
        async def switched(*args: Any, **kwargs: Any) -> Any:
            with self._recreate_cm():
                return await fn(*args, **kwargs)

        return switched  # type: ignore[return-value]

    def __enter__(self) -> None:
        if self.token is not None:
            raise RuntimeError(f"this switch is in use already; write {self.name} anew for each block")
        self.token = _mode.set(self.change(current()))

    def __exit__(self, *exception: object) -> None:
        if self.token is not None:
            _mode.reset(self.token)
            self.token = None


def no_grad() -> Switch:
    """Record nothing inside: results do not require a gradient. A context manager and a decorator.

    It holds for this thread or asyncio task alone. Source: C5, a blocked connection.

    >>> with no_grad():
    ...     pass
    """
    return Switch(lambda mode: Mode(False, mode.depth, mode.tape, mode.debug))


def enable_grad() -> Switch:
    """Record again inside a `no_grad()` block. A context manager and a decorator. Source: C5."""
    return Switch(lambda mode: Mode(True, mode.depth, mode.tape, mode.debug))


def enclosed(tape: Tape | None = None) -> Switch:
    """Recording on, one level deeper: what transforms and program recordings run a function in."""
    return Switch(lambda mode: Mode(True, mode.depth + 1, mode.tape if tape is None else tape, mode.debug))


def unchecked() -> Switch:
    """No checks of values inside, though a debug takes its notes: for steps whose infinities ⊙ takes care of."""

    def change(mode: Mode) -> Mode:
        return mode if mode.debug is None else Mode(mode.records, mode.depth, mode.tape, mode.debug.without_checks())

    return Switch(change)


def here() -> str:
    """The words "while recording, at FILE:LINE: TEXT" for an error's text; none outside recordings."""
    return f" while recording, at {user_line()}" if current().tape is not None else ""


def user_line() -> str:
    """Where the user's code stands now: file, line and text."""
    return line_of(user_frame()[0])


def line_of(frame: FrameType) -> str:
    """Where a frame stands: file, line and text."""
    import linecache

    name, line = frame.f_code.co_filename, frame.f_lineno
    return f"{name}:{line}: {linecache.getline(name, line).strip()}"


def user_frame() -> tuple[FrameType, list[str]]:
    """The innermost frame that is neither ours nor NumPy's or SciPy's, and the functions of theirs that it called."""
    import sys
    from pathlib import Path

    libraries = [sys.modules[name].__file__ or "" for name in ("numpy", "scipy") if name in sys.modules]
    folders = (str(Path(__file__).parent.parent), *(str(Path(file).parent) for file in libraries if file))
    frame, called = sys._getframe(1), []
    while frame.f_back and frame.f_code.co_filename.startswith(folders):
        called.append(frame.f_code.co_name)
        frame = frame.f_back
    return frame, called


def user_operator() -> str:
    """The operator that the user's code applies now, as "+" or "+=", whether or not its text is there; else ""."""
    from dis import get_instructions

    frame, _ = user_frame()
    now = next((i for i in get_instructions(frame.f_code) if i.offset == frame.f_lasti), None)
    return now.argrepr if now and now.opname == "BINARY_OP" else ""


def user_expression() -> str:
    """What the user's code evaluates now, as text, or what it calls in a library where the text is not there."""
    import linecache
    from opcode import opname

    frame, called = user_frame()
    spots = list(frame.f_code.co_positions())
    first, last, begin, end = spots[frame.f_lasti // 2]
    if first is None or last is None or begin is None or end is None:
        return " ".join(f"{name}(" for name in called)
    lines = [linecache.getline(frame.f_code.co_filename, n) for n in range(first, last + 1)]
    if not all(lines):
        return " ".join(f"{name}(" for name in called)
    raw = [line.encode() for line in lines]  # columns count bytes
    raw[-1] = raw[-1][:end]
    raw[0] = raw[0][begin:]
    stores = opname[frame.f_code.co_code[frame.f_lasti]] == "STORE_SUBSCR"
    return b"".join(raw).decode(errors="replace") + " = …" * stores
