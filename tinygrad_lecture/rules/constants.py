"""Piecewise constant functions: they give Tensors without gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.op import composed, constant, slopes
from ..engine.values import Array

for comparison in (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal):
    constant(comparison)
for logical in (
    *(np.logical_and, np.logical_or, np.logical_xor, np.logical_not),
    *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift),
    *(np.isnan, np.isfinite, np.isinf, np.signbit),
):
    constant(logical)
for test in (np.isneginf, np.isposinf, np.isreal, np.iscomplex):
    constant(test, "x, out!")
constant(np.isclose, "a, b, rtol=, atol=, equal_nan=")
constant(np.isin, "element, test_elements, assume_unique=, invert=, kind=")

for step in (np.sign, np.floor, np.ceil, np.trunc, np.rint, np.floor_divide):
    constant(step)
constant(np.fix, "x, out!")
constant(np.round, "a, decimals=, out!")
composed(np.around)(np.round)
slopes(np.heaviside, None, lambda y, x, h: x == 0)  # a step in x; its height at 0 is h

for position in (np.argmax, np.argmin, np.nanargmax, np.nanargmin):
    constant(position, "a, axis=, out!, keepdims=")
for whether in (np.any, np.all):
    constant(whether, "a, axis=, out!, keepdims=, where!")
constant(np.count_nonzero, "a, axis=, keepdims=")
constant(np.argsort, "a, axis=, kind=, order!, stable=")
constant(np.argpartition, "a, kth=, axis=, kind=, order!")
constant(np.digitize, "x, bins, right=")


def _searchsorted(a: Array, v: Array, sorter: Array = None, side: Any = "left") -> Array:
    return np.searchsorted(a, v, side, sorter)


constant(np.searchsorted, "a, v, side=, sorter").forward = _searchsorted
