"""A quotient that is divided once more, with all its digits."""

from __future__ import annotations

import numpy as np

from ..engine.tensor import Tensor
from ..engine.values import Array


def over_again(q: Array, a: Array, b: Array) -> Array:
    """q/b for the quotient q = a/b, that is a/b²: b² itself would overflow, or underflow.

    Where q is subnormal it has lost digits that count again for |b| < 1: there a is enlarged first. Not elsewhere: a
    small error that arrives goes through the enlargement too, and could underflow.
    """
    info = np.finfo(q.dtype)
    lost = (np.abs(q) < info.smallest_normal) & (np.abs(b) < 1.0)
    if type(lost) is not Tensor and not (lost.any() if lost.ndim else lost):
        return q / b
    scale = np.where(lost, info.eps, 1.0)
    return np.where(lost, a / scale / b, q) / b * scale
