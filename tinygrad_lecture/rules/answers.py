"""Answers about a Tensor that are plain values, and constants shaped like one: neither is recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.leaving import must_convert, refuse_while_recording
from ..engine.op import composed, name_of, plain
from ..engine.tensor import Tensor
from ..engine.values import Array

# of its form
plain(np.shape, lambda a: a.shape)
plain(np.ndim, lambda a: a.ndim)
plain(np.size, lambda a, axis=None: np.size(a._data, axis))
plain(np.iscomplexobj, lambda x: False)
plain(np.isrealobj, lambda x: True)
plain(np.result_type, lambda *given: np.result_type(*[x.dtype if isinstance(x, Tensor) else x for x in given]))
plain(np.can_cast, lambda from_, to, casting="safe": np.can_cast(from_.dtype, to, casting))
plain(np.common_type, lambda *arrays: np.common_type(*[values(x) for x in arrays]))


def values(x: Any) -> Any:
    """The values of a Tensor; anything else as it is."""
    return x._data if isinstance(x, Tensor) else x


def _answer(fn: Any) -> None:
    """A function that looks at memory, or prints: it may have the values as they are."""
    plain(fn, lambda *args, **options: fn(*[values(x) for x in args], **options))


for about in (np.may_share_memory, np.shares_memory, np.array2string, np.array_repr, np.array_str):
    _answer(about)


def _answer_by_values(fn: Any, keeps_values: bool = False) -> None:
    """A function whose answer, or the shape of it, depends on values: those of one run, hence refused while recording.

    keeps_values: the answer holds some of the values, which would lose their gradient.
    """

    def answer(*args: Any, **options: Any) -> Any:
        for t in (*args, *options.values()):
            if isinstance(t, Tensor):
                if keeps_values:
                    must_convert(t, name_of(fn), "it of t.numpy()")
                refuse_while_recording(t, name_of(fn))
        return fn(*[values(x) for x in args], **{k: values(x) for k, x in options.items()})

    plain(fn, answer)


for whether in (np.allclose, np.array_equal, np.array_equiv, np.nonzero, np.flatnonzero, np.argwhere):
    _answer_by_values(whether)
_answer_by_values(np.unique, keeps_values=True)


def _constant_like(fn: Any) -> None:
    """np.zeros_like and its kind: an array that takes nothing but its form from a Tensor."""
    plain(fn, lambda a, *given, **options: fn(a._data, *given, **options))


_constant_like(np.zeros_like)
_constant_like(np.ones_like)
_constant_like(np.empty_like)


@composed(np.full_like)
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None
) -> Array:
    """np.full_like; a Tensor as the fill value is broadcast, and gets its gradient."""
    if not isinstance(fill_value, Tensor):
        return np.full_like(values(a), fill_value, dtype=dtype, order=order, subok=subok, shape=shape)
    fill = np.broadcast_to(fill_value, np.shape(a) if shape is None else shape)
    return fill.astype(a.dtype if dtype is None else dtype)
