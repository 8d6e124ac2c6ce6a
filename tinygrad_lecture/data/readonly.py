"""Arrays that a record keeps: nobody else's, and not to be written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def read_only(a: ArrayLike) -> NDArray[Any]:
    """A private copy of an array that refuses writing."""
    copy = np.array(a)
    copy.flags.writeable = False
    return copy
