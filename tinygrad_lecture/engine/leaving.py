"""The ways out of the graph: on purpose by name (`t.numpy()`), never silently (`float(t)`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from .recording import current, user_expression, user_line
from .values import Array, view_of

INSTEAD = {
    r"\blog_softmax\(": "tl.log_softmax(t) in place of SciPy's",
    r"\bsoftmax\(": "tl.softmax(t) in place of SciPy's",
    r"\blogsumexp\(": "tl.logsumexp(t) in place of SciPy's",
    r"\bpolygamma\(": "tl.polygamma(n, t) in place of SciPy's",
    r"\barray\(": "np.stack([t, …]) in place of np.array([t, …])",
    r"\bfull\(": "np.broadcast_to(t, shape) in place of np.full(shape, t)",
    r"\br_\[": "np.concatenate([t, …]) in place of np.r_[t, …]",
    r"\bc_\[": "np.stack([t, …], axis=-1) in place of np.c_[t, …]",
    r"(?<!\bnp)\.dot\(": "a @ t or np.dot(a, t) in place of a.dot(t)",
    r"\bmath\.\w+\(": "np.sin(t) and its kind in place of math.sin(t)",
    r" = …$": "np.where(mask, t, a), or np.concatenate of the parts, in place of a[i] = t",
}
"""What NumPy does not hand to a Tensor, as a pattern of the user's text → what to write in its place."""

IN_A_LIST = {
    r"(?s)^np\.(?!as\w*array\()([\w.]+)\(.*\)$": r"np.\1(np.stack(ts), …) in place of np.\1(ts, …) for Tensors ts",
}
"""The same where NumPy makes an array of Tensors: a function that one were given to itself would have called it."""


class Leaving:
    """What turns a Tensor into plain numbers.

    `data`, `numpy`, `item` and `tolist` always may, outside recordings. Python's and NumPy's own
    conversions (`float(t)`, `if t:`, `np.asarray(t)`) may where nothing is lost: while the Tensor
    requires no gradient.
    """

    __slots__ = ()

    _data: Array
    needs: bool
    op: Any

    @property
    def data(self) -> np.ndarray:
        """The values as a read-only view."""
        refuse_while_recording(self, "data")
        return view_of(np.asarray(self._data))

    def numpy(self) -> np.ndarray:
        """A copy of the values as an ndarray, outside the graph."""
        refuse_while_recording(self, "numpy()")
        return np.array(self._data)

    def item(self) -> float | int | bool:
        """The value of a Tensor of one element as a Python number, outside the graph."""
        refuse_while_recording(self, "item()")
        return self._data.item()  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers, outside the graph."""
        refuse_while_recording(self, "tolist()")
        return self._data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        way_out = "t.numpy() for its values, np.stack(ts) for a list of Tensors"
        must_convert(self, "np.asarray(t)", way_out, {**INSTEAD, **IN_A_LIST})
        if dtype is None or np.dtype(dtype) == self._data.dtype:
            return np.array(self._data) if copy else self.data
        if copy is False:
            raise ValueError(
                f"np.asarray(t, {np.dtype(dtype)}, copy=False): a Tensor of {self._data.dtype} must be copied for it"
            )
        return np.array(self._data, dtype=dtype)

    def __float__(self) -> float:
        must_convert(self, "float(t)", "t.item() for its value")
        return float(self._data)

    def __int__(self) -> int:
        must_convert(self, "int(t)", "t.item() for its value")
        return int(self._data)

    def __index__(self) -> int:
        must_convert(self, "using t as an index", "t.item() for its value")
        return self._data.__index__()  # type: ignore[no-any-return]

    def __bool__(self) -> bool:
        must_convert(self, "bool(t)", "t.item() for its value, np.where to choose between Tensors")
        return bool(self._data)

    def __format__(self, spec: str) -> str:
        if not spec:
            return repr(self)
        refuse_while_recording(self, f"format(t, {spec!r})")
        if self._data.size != 1:
            raise TypeError(f"format {spec!r} needs a Tensor of one element, this one has shape {self._data.shape}")
        return format(self._data.item(), spec)


def recorded(t: Leaving) -> bool:
    """Whether a program is being recorded and this Tensor is its input, or was computed from one."""
    tape = current().tape
    return tape is not None and tape.derived((t,))


def must_convert(t: Leaving, what: str, way_out: str, instead: Mapping[str, str] = INSTEAD) -> None:
    """Refuse to turn a Tensor into plain numbers without a word where that would lose a gradient or a recording."""
    if t.needs:
        written = user_expression()
        found = [m.expand(text) for pattern, text in instead.items() if (m := re.search(pattern, written))]
        way_out = ", or ".join([*found[:1], way_out])
        raise TypeError(f"{what}: this Tensor requires a gradient, which would be lost without a word; write {way_out}")
    refuse_while_recording(t, what)


def refuse_while_recording(t: Leaving, what: str) -> None:
    """Refuse to read a value of one run into a program for many, naming the user's line."""
    tape = current().tape
    if tape is None:
        return
    tape.reads(t)
    if recorded(t):
        raise TypeError(
            f"{what} while recording, at {user_line()}: the recorded program would keep the value of this one run. "
            "Use np.where for a choice, and NumPy functions on the Tensor itself"
        )
