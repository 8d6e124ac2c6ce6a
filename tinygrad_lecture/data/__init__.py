"""Patterns to learn from: the bundled sets, windows over a series, standardised inputs.

Arrays in and arrays out: nothing here knows of the engine.
"""

from __future__ import annotations

from .patterns import Standardised, Windows, standardise, windows
from .sets import DataSet, load_digits, load_iris, load_sunspots

__all__ = [
    "DataSet",
    "Standardised",
    "Windows",
    "load_digits",
    "load_iris",
    "load_sunspots",
    "standardise",
    "windows",
]
