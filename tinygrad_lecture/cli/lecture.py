"""The main job: the lecture as a table, or as JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .common import FAILED, UsageError

if TYPE_CHECKING:
    from ..lecture.statement import Row

COLUMNS = {"": 4, "what the lecture says": 30, "what was measured": 31, "bar": 13, "holds": 12}
"""Title → width; with two blanks between them a table of 98 columns."""


GLUE = "\N{NO-BREAK SPACE}"


def run_lecture(options: argparse.Namespace) -> int:
    """Measure the statements that are wanted, and print them; 1 where a bar is not met, else 0.

    A claim that is contradicted, and a row without a bar, are counted apart, and change nothing in the code.
    """
    from ..lecture.statement import run

    only = None if options.only is None else [tag for given in options.only for tag in given.split(",")]
    try:
        rows = run(only)
    except ValueError as error:
        raise UsageError(f"--only: {error}") from error
    return _print_json(rows) if options.json else _print_table(rows)


def _print_json(rows: Iterable[Row]) -> int:
    import json

    done = list(rows)
    keys = ("tag", "statement", "measured", "bar", "holds")
    # ASCII, with δ as an escape, reads back the same whatever encoding the reader assumes
    print(json.dumps([{key: getattr(row, key) for key in keys} for row in done], indent=2))
    return _code(done)


def _print_table(rows: Iterable[Row]) -> int:
    """Print each row as soon as it is measured."""
    from time import perf_counter

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without δ shall show the rest
    start = perf_counter()
    rule = "  ".join("─" * width for width in COLUMNS.values())
    print(*_wrapped(list(COLUMNS)), rule, sep="\n", flush=True)
    done = []
    for row in rows:
        done.append(row)
        print(*_wrapped([row.tag, row.statement, row.measured, row.bar, row.verdict]), "", sep="\n", flush=True)
    print(rule, f"{_summary(done)} ({perf_counter() - start:.1f} s)", sep="\n")
    return _code(done)


def _code(rows: Sequence[Row]) -> int:
    return FAILED if any(row.holds is False for row in rows) else 0


def _summary(rows: Sequence[Row]) -> str:
    """How many rows hold of those that can, and how many are contradicted or told without a bar."""
    n = {word: sum(row.verdict == word for row in rows) for word in ("yes", "NO", "contradicted", "told")}
    others = [f"{n['contradicted']} contradicted"] * bool(n["contradicted"])
    others += [f"{n['told']} told without a bar"] * bool(n["told"])
    return ", ".join([f"{n['yes']} of {n['yes'] + n['NO']} hold", *others])


def _wrapped(cells: Sequence[str]) -> Iterator[str]:
    """The lines of a row of the table, its cells wrapped to their columns, but not inside `a = b − c` that fits one."""
    import re
    from itertools import zip_longest
    from textwrap import wrap

    glued = [re.sub(r" (?=[=−+≤→] )|(?<=[=−+≤→]) ", GLUE, cell) for cell in cells]
    columns = [
        wrap(" ".join(w if len(w) <= width else re.sub(f"{GLUE}(?=[=−+≤→])", " ", w) for w in cell.split(" ")), width)
        for cell, width in zip(glued, COLUMNS.values(), strict=True)
    ]
    for line in zip_longest(*columns, fillvalue=""):
        padded = (f"{part:<{width}}" for part, width in zip(line, COLUMNS.values(), strict=True))
        yield "  ".join(padded).replace(GLUE, " ").rstrip()
