"""Fields of frozen data that know their allowed values: refused when they are made, not when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import inf
from numbers import Real
from operator import index
from typing import Any, TypeVar

import numpy as np

from ..misnamed import chosen

T = TypeVar("T", bound="Checked")


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers from low to high, an end included where it is closed; infinity never is. Prints as [0, 1)."""

    low: float
    high: float
    closed_low: bool = False
    closed_high: bool = False

    def __contains__(self, x: float) -> bool:
        return self.low < x < self.high or (self.closed_low and x == self.low) or (self.closed_high and x == self.high)

    def __str__(self) -> str:
        high = "∞" if self.high == inf else f"{self.high:g}"
        return f"{'[' if self.closed_low else '('}{self.low:g}, {high}{']' if self.closed_high else ')'}"


POSITIVE = Interval(0.0, inf)
NOT_NEGATIVE = Interval(0.0, inf, closed_low=True)
SHARE = Interval(0.0, 1.0, closed_low=True)
INNER_SHARE = Interval(0.0, 1.0)
FACTOR = Interval(0.0, 1.0, closed_high=True)
ABOVE_1 = Interval(1.0, inf)
COUNT = Interval(1.0, inf, closed_low=True)


def number(allowed: Interval, *, optional: bool = False) -> dict[str, Any]:
    """The metadata of a field that holds a Python float of the allowed interval, or None where it is optional."""
    return {"check": _number, "allowed": allowed, "optional": optional}


def whole(allowed: Interval) -> dict[str, Any]:
    """The metadata of a field that holds a Python int of the allowed interval."""
    return {"check": whole_number, "allowed": allowed, "optional": False}


def flag() -> dict[str, Any]:
    """The metadata of a field that holds True or False."""
    return {"check": _flag, "allowed": None, "optional": False}


@dataclass(frozen=True)  # with slots, Python 3.11 answers a write to an unknown name with a wrong error in subclasses
class Checked:
    """Frozen data whose fields are checked, and made plain Python numbers, when it is made.

    A np.float64 is turned into a float: it would not be weak, and widen float32 weights.
    """

    def __post_init__(self) -> None:
        name = type(self).__name__
        for f in fields(self):
            value = getattr(self, f.name)
            if "check" in f.metadata and not (value is None and f.metadata["optional"]):
                plain = f.metadata["check"](value, f"{name}.{f.name}", f.metadata["allowed"])
                object.__setattr__(self, f.name, plain)
        self._must_agree()

    def _must_agree(self) -> None:
        """What is asked of several fields together; nothing, unless a class says so."""


def made(table: Mapping[str, type[T]], what: str, name: str, given: Mapping[str, Any]) -> T:
    """The entry of a table by its name, or its class's, made with the given fields; errors list what there is."""
    kind = next((kind for kind in table.values() if kind.__name__ == name), None) or chosen(table, what, name)
    return kind(**given)


def named(table: Mapping[str, type[T]], entry: T) -> dict[str, Any]:
    """The name of an entry of a table, and its fields, as plain data: `made` makes it again."""
    name = next(name for name, kind in table.items() if kind is type(entry))
    return {"name": name, **asdict(entry)}


def whole_number(value: Any, name: str, allowed: Interval) -> int:
    """A whole number as an int. Raises TypeError for what is none, ValueError outside the allowed interval."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    try:
        plain = index(value)
    except TypeError as error:
        raise TypeError(f"{name} must be a whole number, not {value!r}") from error
    if plain not in allowed:
        raise ValueError(f"{name} must lie in {allowed}, not be {value!r}")
    return plain


def _number(value: Any, name: str, allowed: Interval) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}")
    try:
        plain = float(value)
    except OverflowError:
        plain = inf
    if plain not in allowed:
        raise ValueError(f"{name} must lie in {allowed}, not be {value!r}")
    return plain


def _flag(value: Any, name: str, allowed: None) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return bool(value)
