"""Debug mode: an eye on every node that is made, and on every error that is handed on.

It stands where nodes are made (`tensor.node`) and beside the walk, as what `tl.trace` watches with does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any
from zlib import crc32

import numpy as np

from .recording import Mode, Switch, line_of, unchecked, user_frame
from .tensor import Tensor
from .tree import flatten
from .values import Array


class NotFiniteError(FloatingPointError):
    """A value, an error or an update that is NaN or infinite, found at its first place by `debug` or `train`."""


def debug() -> Switch:
    """Look at every value and every error inside, and name the line where it goes wrong.

    A context manager and a decorator, for this thread or asyncio task alone. Inside it the first value or error that
    is NaN or infinite raises NotFiniteError, with its operation, the ranges of the inputs and the line that made it;
    an array that was written to between the forward and the backward pass is a RuntimeError with its name; and an
    elementwise operation of shapes (T,) and (T, 1), which gives (T, T), warns. It looks at operations on Tensors;
    those on plain arrays are NumPy's. Ten to twenty times slower. Source: C3, what a node knows when it goes wrong.

    >>> with debug():
    ...     y = np.log(Tensor(1.0, requires_grad=True))
    """
    return Switch(lambda mode: Mode(mode.records, mode.depth, mode.tape, Debug()), "tl.debug()")


class Noted(dict[str, Any]):
    """The options of a node, and what was noted when it was made; a note lives as long as its node.

    line: of the user's code; names: what that line calls the inputs, "" where it does not; sums: checksums of the
    arrays that the node refers to.
    """

    __slots__ = ("line", "names", "sums")

    line: str
    names: tuple[str, ...]
    sums: list[int]


class Debug:
    """What looks on inside `tl.debug()`; with checks off it only takes notes."""

    __slots__ = ("checks",)

    def __init__(self, checks: bool = True) -> None:
        self.checks = checks

    def made(self, t: Tensor, inputs: tuple[Any, ...]) -> None:
        """Look at a node just made from these inputs, and take a note of it."""
        frame, _ = user_frame()
        line, names = line_of(frame), tuple([_name(x, frame) for x in inputs])
        if self.checks:
            if not _finite(t):
                assert t.op is not None
                raise NotFiniteError(
                    f"{t.op.name} gave what is not finite, at {line}\n"
                    f"  its value: {_range(t)}{_ranges(inputs, names)}\n"
                    "Keep its inputs where it is finite, or compute outside tl.debug() what is meant to be infinite"
                )
            _warn_of_outer(t, inputs, line, frame)
        if t.inputs:
            note = Noted(t.options)
            note.line, note.names = line, names
            note.sums = [_sum(a) for _, a in _arrays(t, names)]
            t.options = note

    def without_checks(self) -> Debug:
        """The same, which only takes notes."""
        return Debug(checks=False)

    def walked(self, walk: Callable[..., Any], starts: Any, watch: Any, how: dict[str, Any]) -> Any:
        """Run a walk, and look at every error in it; watch: who else wants to look.

        What local rules compute on the way is not looked at: an infinite slope where no error arrives is right.
        """

        def look(n: Tensor, k: int, err: Array, e: Array) -> None:
            _must_be_untouched(n)
            _must_have_arrived(n, err)
            if not _finite(e):
                names = getattr(n.options, "names", ("",) * len(n.inputs))
                raise NotFiniteError(
                    f"backward through {_node(n)}\n  handed on to {_called(names, k)}: {_range(e)}\n"
                    f"  arrived: {_range(err)}{_ranges(n.inputs, names)}\n"
                    "Keep its inputs away from where its slope is infinite, or choose with np.where before it"
                )
            if watch is not None:
                watch(n, k, err, e)

        for _, err in starts:
            if not _finite(err):
                raise NotFiniteError(f"backward: the error it was given is not finite: {_range(err)}")
        with unchecked():
            ends, outside = walk(starts, watch=look, **how)
        for x, e in ends:
            _must_have_arrived(x, e)
        return ends, outside


def _must_have_arrived(n: Tensor, err: Array) -> None:
    """Refuse a sum of finite errors that is not finite."""
    if not _finite(err):
        raise NotFiniteError(
            f"backward: errors that are finite have a sum that is not: {_range(err)}. Scale the error function down; "
            f"they arrived at {_node(n)}"
        )


def _must_be_untouched(n: Tensor) -> None:
    """Refuse a node whose arrays were written to after it was made."""
    if type(n.options) is not Noted:
        return
    note: Any = n.options
    assert n.op is not None
    for before, (what, a) in zip(note.sums, _arrays(n, note.names), strict=True):
        if _sum(a) != before:
            raise RuntimeError(
                f"backward: {what} of {n.op.name}, an array of shape {a.shape}, was written to after the step at "
                f"{note.line}; its gradient would be wrong. Give it a copy, a.copy(), or go backward before you write"
            )


def _arrays(t: Tensor, names: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays that a node refers to, each with what to call it."""
    for k, x in enumerate((*t.inputs, t)):
        a = x._data if type(x) is Tensor else x
        if type(a) is np.ndarray:
            yield (_called(names, k) if x is not t else "the output"), a
    for key, option in t.options.items():
        for a in flatten(option)[0] if isinstance(option, np.ndarray | tuple | list) else ():
            if type(a) is np.ndarray:
                yield f"{key}=", a


def _sum(a: np.ndarray) -> int:
    return crc32(a.tobytes())


def _warn_of_outer(t: Tensor, inputs: tuple[Any, ...], line: str, frame: FrameType) -> None:
    """Warn where an elementwise operation made a table (T, T) of two columns of T numbers."""
    op: Any = t.op
    T = t.shape[0] if t.shape else 0
    if T < 2 or t.shape != (T, T) or not (op.slopes is not None or isinstance(op.forward, np.ufunc)):
        return
    shapes = [np.shape(x) for x in inputs]
    if (T,) in shapes and (T, 1) in shapes:
        import warnings

        warnings.warn_explicit(
            f"{op.name}: shapes ({T},) and ({T}, 1) were broadcast to ({T}, {T}), at {line}; where each shall meet "
            "its own, give both one shape, a[:, None]; where each shall meet all, say so with a[None, :]",
            UserWarning,
            frame.f_code.co_filename,
            frame.f_lineno,
            registry=frame.f_globals.setdefault("__warningregistry__", {}),
        )


def _finite(a: Array) -> bool:
    return bool(np.isfinite(a._data if type(a) is Tensor else a).all())


def _name(x: Any, frame: FrameType) -> str:
    """What the user's code calls a Tensor or array; "" where it is a number or has no name there."""
    if type(x) is Tensor or type(x) is np.ndarray:
        for names in (frame.f_locals, frame.f_globals):
            for name, value in names.items():
                if value is x:
                    return name
    return ""


def _called(names: tuple[str, ...], k: int) -> str:
    return f"input {k}" + (f" ({names[k]})" if names[k] else "")


def _node(n: Tensor) -> str:
    """A node in words: its operation, and where it was made."""
    if n.op is None:
        return f"a leaf of shape {n.shape}"
    return f"{n.op.name}, made {'at ' + n.options.line if isinstance(n.options, Noted) else 'outside tl.debug()'}"


def _ranges(inputs: tuple[Any, ...], names: tuple[str, ...]) -> str:
    """A line for each input: its name, its shape and where its numbers lie."""
    return "".join(f"\n  {_called(names, k)}: {_range(x)}" for k, x in enumerate(inputs) if x is not None)


def _range(x: Any) -> str:
    """Where numbers lie, and the first of those that are not finite."""
    a = np.asarray(x._data if type(x) is Tensor else x)
    if a.ndim == 0:
        return f"{a.item():.6g}"
    kind = f"{a.dtype} {a.shape}"
    bad = ~np.isfinite(a)
    good = a[~bad]
    text = f"{kind} from {good.min().item():.6g} to {good.max().item():.6g}" if good.size else kind
    if not bad.any():
        return text
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{text}, but {bad.sum()} of {a.size} not finite, the first {a[first]} at {list(first)}"
