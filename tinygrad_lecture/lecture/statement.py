"""What a statement of the lecture is here: rows that were measured, each against a bar set beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Row:
    """One statement, measured.

    tag: C1 … C16; statement: what the lecture says; measured: what was found, and on what; bar: what had
    to be met; holds: whether it was. value: the number that met the bar or did not, None where there is no one number.
    """

    tag: str
    statement: str
    measured: str
    bar: str
    holds: bool
    value: float | None = None


STATEMENTS: dict[str, str] = {
    "C1": "c01_delta_formulas",
}
"""Tag → the module of this room that measures it, with `measure() -> Iterator[Row]`; loaded when it runs."""


def run(only: Iterable[str] | None = None) -> Iterator[Row]:
    """Measure the statements in the lecture's order, giving each row as soon as it is there.

    only: the tags to measure, in any order, upper or lower case; all where it is None.
    Raises ValueError at once for a tag that is not known, naming those that are. Source: C1 … C16.
    """
    wanted = set(STATEMENTS) if only is None else {tag.strip().upper() for tag in only}
    unknown = sorted(wanted - set(STATEMENTS))
    if unknown or not wanted:
        raise ValueError(f"unknown statement {', '.join(unknown) or '(none given)'}; known are {', '.join(STATEMENTS)}")
    return _rows([tag for tag in STATEMENTS if tag in wanted])


def _rows(tags: Iterable[str]) -> Iterator[Row]:
    for tag in tags:
        yield from import_module(f".{STATEMENTS[tag]}", __package__).measure()
