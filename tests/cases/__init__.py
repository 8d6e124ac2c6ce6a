"""One case per operation, by family; and the table of what slopes are at kinks."""

from . import (  # noqa: F401  (each adds its cases)
    constants,
    cumulative,
    diagonals,
    einsum,
    elementwise,
    exact,
    exact_special,
    joining,
    network,
    norms,
    pieces,
    products,
    reduction,
    selection,
    shape,
    special,
    systems,
    totals,
)
from .base import CASES, KINKS, Case, Drawn, Kink, title

__all__ = ["CASES", "KINKS", "Case", "Drawn", "Kink", "title"]
