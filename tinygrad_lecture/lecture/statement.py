"""What a statement of the lecture is here: rows that were measured, and what became of the bar of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Row:
    """One statement, measured.

    tag: C1 … C16; statement: what the lecture says; measured: what was found, and on what; bar: what had
    to be met; holds: whether it was, None where the row gives no such verdict: it is told without a bar, or
    it is `contradicted`, a claim of the lecture that a right measurement does not confirm. A bar that the software
    should meet and does not is never one of these. value: the number that met the bar or did not, None where there is
    no one number.
    """

    tag: str
    statement: str
    measured: str
    bar: str
    holds: bool | None
    value: float | None = None
    contradicted: bool = False

    @property
    def verdict(self) -> str:
        """The row's verdict in a word."""
        if self.contradicted:
            return "contradicted"
        return "told" if self.holds is None else "yes" if self.holds else "NO"


STATEMENTS: dict[str, str] = {
    "C1": "c01_delta_formulas",
    "C2": "c02_blame",
    "C3": "c03_locality",
    "C4": "c04_correspondence",
    "C5": "c05_topology",
    "C6": "c06_bias",
    "C7": "c07_pattern_by_pattern",
    "C8": "c08_steepest_descent",
    "C9": "c09_batches",
    "C10": "c10_fixed_eta",
    "C11": "c11_vario_eta",
    "C12": "c12_momentum",
    "C13": "c13_adam",
    "C14": "c14_initialisation",
    "C15": "c15_standard_programme",
    "C16": "c16_metaparameters",
}
"""Tag → the module of this room that measures it, with `measure(small) -> Iterator[Row]`; loaded when it runs."""


def run(only: Iterable[str] | None = None, small: bool = False) -> Iterator[Row]:
    """Measure the statements in the lecture's order, giving each row as soon as it is there.

    only: the tags to measure, in any order, upper or lower case; all where it is None. small: with few draws and
    short trainings, to see that it runs.
    Raises ValueError at once for a tag that is not known, naming those that are. Source: C1 … C16.
    """
    wanted = set(STATEMENTS) if only is None else {tag.strip().upper() for tag in only}
    unknown = sorted(wanted - set(STATEMENTS))
    if unknown or not wanted:
        raise ValueError(f"unknown statement {', '.join(unknown) or '(none given)'}; known are {', '.join(STATEMENTS)}")
    return _rows([tag for tag in STATEMENTS if tag in wanted], small)


def _rows(tags: Iterable[str], small: bool) -> Iterator[Row]:
    for tag in tags:
        yield from import_module(f".{STATEMENTS[tag]}", __package__).measure(small)
