"""One case per operation, by family; and the table of what slopes are at kinks."""

from . import elementwise, linear, network, reduction, selection, shape  # noqa: F401  (each adds its cases)
from .base import CASES, KINKS, Case, Drawn, Kink, title

__all__ = ["CASES", "KINKS", "Case", "Drawn", "Kink", "title"]
