"""The command line: runs the lecture, and prints for each statement whether it holds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .lecture.statement import Row

COLUMNS = {"": 4, "what the lecture says": 34, "what was measured": 32, "bar": 15, "holds": 5}
"""Title → width; with two blanks between them a table of 98 columns."""

FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the lecture as the arguments say, and print it as a table or as JSON.

    argv: the arguments without the program's name; those of the process where it is None.
    Returns 0 where every statement holds, 1 where one does not, 130 when interrupted, 141 when the
    reader of the output went away. Raises SystemExit(2) for arguments that cannot be understood.
    """
    try:
        code = _run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return PIPE_CLOSED
    return code


def _run(argv: Sequence[str] | None) -> int:
    import argparse

    from . import __version__
    from .lecture.statement import STATEMENTS, run

    parser = argparse.ArgumentParser(
        prog="tinygrad-lecture",
        description="Run the lecture: measure its statements, and print for each what it says, what was measured, "
        "the bar that was set, and whether it holds.",
        epilog="The exit code is 0 where every statement holds, 1 where one does not.",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list of rows in place of the table")
    parser.add_argument(
        "--only",
        action="append",
        metavar="TAG",
        help=f"run only these statements, as in --only C1 or --only C1,C2; there are {', '.join(STATEMENTS)}",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options = parser.parse_args(argv)
    only = None if options.only is None else [tag for given in options.only for tag in given.split(",")]
    try:
        rows = run(only)
    except ValueError as error:
        parser.error(f"--only: {error}")
    return _print_json(rows) if options.json else _print_table(rows)


def _print_json(rows: Iterable[Row]) -> int:
    import json

    done = list(rows)
    keys = ("tag", "statement", "measured", "bar", "holds")
    # ASCII, with δ as an escape, reads back the same whatever encoding the reader assumes
    print(json.dumps([{key: getattr(row, key) for key in keys} for row in done], indent=2))
    return 0 if all(row.holds for row in done) else FAILED


def _print_table(rows: Iterable[Row]) -> int:
    """Print each row as soon as it is measured."""
    from time import perf_counter

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without δ shall show the rest
    start = perf_counter()
    rule = "  ".join("─" * width for width in COLUMNS.values())
    print(*_wrapped(list(COLUMNS)), rule, sep="\n", flush=True)
    verdicts = []
    for row in rows:
        verdicts.append(row.holds)
        cells = [row.tag, row.statement, row.measured, row.bar, "yes" if row.holds else "NO"]
        print(*_wrapped(cells), "", sep="\n", flush=True)
    print(rule, f"{sum(verdicts)} of {len(verdicts)} hold ({perf_counter() - start:.1f} s)", sep="\n")
    return 0 if all(verdicts) else FAILED


def _wrapped(cells: Sequence[str]) -> Iterator[str]:
    """The lines of a row of the table, its cells wrapped to their columns, but not inside `a = b − c`."""
    import re
    from itertools import zip_longest
    from textwrap import wrap

    glued = [re.sub(r" (?=[=−+≤→] )|(?<=[=−+≤→]) ", "\N{NO-BREAK SPACE}", cell) for cell in cells]
    columns = [wrap(cell, width) for cell, width in zip(glued, COLUMNS.values(), strict=True)]
    for line in zip_longest(*columns, fillvalue=""):
        padded = (f"{part:<{width}}" for part, width in zip(line, COLUMNS.values(), strict=True))
        yield "  ".join(padded).replace("\N{NO-BREAK SPACE}", " ").rstrip()


def _silence_stdout() -> None:
    """Let Python's own flush at exit go nowhere, where the reader of the output went away."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
