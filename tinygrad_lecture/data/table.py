"""Tables from CSV files: named columns of numbers, and a column to predict."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .readonly import read_only


@dataclass(frozen=True, eq=False)
class Table:
    """The columns of a CSV file that are wanted.

    names: of the inputs; inputs: (T, n) float64; target: (T,) float64, or text where the column holds labels, None
    where no target was asked for.
    """

    names: tuple[str, ...]
    inputs: NDArray[Any]
    target: NDArray[Any] | None


def read_table(path: str | Path, target: str | None = None, inputs: Sequence[str] | None = None) -> Table:
    """Read a CSV file whose first row names the columns; commas, semicolons or tabs between the cells.

    target: the column to predict, numbers or labels; inputs: the columns to predict it from, all others by default.
    Raises ValueError, which names row (the first is the header) and column, for a cell that is no finite number, a row
    of another length, a column that is not there or there twice; FileNotFoundError where there is no such file.
    """
    header, rows = _rows(Path(path))
    for name in [*([] if target is None else [target]), *(inputs or ())]:
        if name not in header:
            raise ValueError(f"{path} has no column {name!r}; it has {', '.join(header)}")
    names = tuple(name for name in header if name != target) if inputs is None else tuple(inputs)
    if not names:
        raise ValueError(f"{path} has no column to predict {target!r} from")
    at = [header.index(name) for name in names]
    numbers = [[_number(cells[i], header[i], row, path) for i in at] for row, cells in rows]
    wanted = (
        None if target is None else _target([(row, cells[header.index(target)]) for row, cells in rows], target, path)
    )
    return Table(names, read_only(np.array(numbers)), None if wanted is None else read_only(wanted))


def _rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and every row that is not empty with its number in the file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text in UTF-8: {error.reason} at byte {error.start}") from error
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        raise ValueError(f"{path} is empty: its first row must name the columns")
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader)]
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except csv.Error as error:
        raise ValueError(f"{path}, row {reader.line_num}: {error}") from error
    twice = [name for i, name in enumerate(header) if name in header[:i]]
    if twice:
        raise ValueError(f"{path} has the column {twice[0]!r} twice")
    for row, cells in rows:
        if len(cells) != len(header):
            raise ValueError(f"{path}, row {row} has {len(cells)} cells, but the header has {len(header)}")
    if not rows:
        raise ValueError(f"{path} has a header, but no rows below it")
    return header, rows


def _number(cell: str, column: str, row: int, path: str | Path) -> float:
    try:
        value = float(cell)
    except ValueError:
        what = f"{cell!r} is no number" if cell else "the cell is empty"
        raise ValueError(f"{path}, row {row}, column {column!r}: {what}") from None
    if not isfinite(value):
        raise ValueError(f"{path}, row {row}, column {column!r}: {cell} is not finite; leave the row out or fill it")
    return value


def _target(cells: list[tuple[int, str]], column: str, path: str | Path) -> NDArray[Any]:
    """Labels where no cell is a number, else numbers."""
    for row, cell in cells:
        if not cell:
            raise ValueError(f"{path}, row {row}, column {column!r}: the cell is empty")
    if not any(_is_number(cell) for _, cell in cells):
        return np.array([cell for _, cell in cells])
    return np.array([_number(cell, column, row, path) for row, cell in cells])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
