"""Where things stand in the drawing of a network: boxes in rows from the inputs up, in columns where it is unrolled."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .routes import BIAS_ROOM, CHANNEL, COLUMN_GAP, ERROR, Box, Line, Point, Route, routes_of, stacked
from .terms import ONE


@dataclass
class Layout:
    """Boxes by name, and the points of each line; a curve is a line of two points in different rows."""

    boxes: dict[str, Box]
    biases: list[tuple[Line, Point]]
    lines: list[tuple[Line, list[Point]]]
    size: tuple[float, float, float, float]


def layout(topology: Any, size_of: Callable[[str], tuple[float, float]], apart: float = 120.0) -> Layout:
    """The places of all clusters of a topology, of its connectors, and of the error above them.

    size_of: cluster (or ERROR) → width and height of its box; apart: the room that each target needs in that of
    the error. Clusters of an unrolled network, called name[t], stand in one column for each time step; others in rows
    by the longest way from the inputs, outputs at the top.
    """
    boxes = _boxes(topology, size_of)
    lines = [
        Line(c.source, c.target, c.weights, c.blocked, c.delay, number)
        for number, c in enumerate(topology.connectors)
        if c.source != ONE
    ]
    lines += [Line(name, ERROR, "") for name in topology.outputs]
    biases: dict[str, list[Line]] = defaultdict(list)
    for c in topology.connectors:
        if c.source == ONE:
            biases[c.target].append(Line(c.source, c.target, c.weights, c.blocked))
    routes, enter = routes_of(lines, boxes, {name: len(some) for name, some in biases.items()}, apart)
    heights = stacked(boxes, routes, {boxes[name].row for name in biases})
    drawn = [(route.line, _points(route, boxes, heights)) for route in routes]
    ones = [
        (line, (x, boxes[name].y + boxes[name].h))
        for name, some in biases.items()
        for line, x in zip(some, enter[name], strict=True)
    ]
    return Layout(boxes, ones, drawn, _extent(boxes, drawn, ones))


def _boxes(topology: Any, size_of: Callable[[str], tuple[float, float]]) -> dict[str, Box]:
    """Boxes with their rows and x: column after column of an unrolled network, else each row by itself."""
    names = [c.name for c in topology.clusters]
    times = {name: re.fullmatch(r"(.*)\[(\d+)\]", name, re.DOTALL) for name in names}
    unrolled = all(times.values())
    step = {name: int(m[2]) if unrolled and m else 0 for name, m in times.items()}
    base = {name: m[1] if unrolled and m else name for name, m in times.items()}
    rows = _rows(topology, step, base)
    boxes = {name: Box(name, rows[base[name]], step[name], *size_of(name)) for name in names}
    cells: dict[tuple[int, int], list[Box]] = defaultdict(list)
    for box in boxes.values():
        cells[box.row, box.column].append(box)
    begin = 0.0
    for column in sorted({box.column for box in boxes.values()}):
        own = {row: some for (row, c), some in cells.items() if c == column}
        widths = {row: sum(b.w for b in some) + COLUMN_GAP * (len(some) - 1) for row, some in own.items()}
        for row, some in own.items():
            x = begin + (max(widths.values()) - widths[row]) / 2
            for box in some:
                box.x, x = x + box.w / 2, x + box.w + COLUMN_GAP
        begin += max(widths.values()) + COLUMN_GAP
    error = Box(ERROR, max(b.row for b in boxes.values()) + 1, 0, *size_of(ERROR))
    error.x = sum(boxes[name].x for name in topology.outputs) / len(topology.outputs)
    return boxes | {ERROR: error}


def _rows(topology: Any, step: Mapping[str, int], base: Mapping[str, str]) -> dict[str, int]:
    """The row of each cluster: the longest way to it within one time step; outputs that lead nowhere at the top."""
    inner = [c for c in topology.connectors if c.source != ONE and not c.delay and step[c.source] == step[c.target]]
    rows: dict[str, int] = {base[name]: 0 for name in step}
    for name in topology.order:
        below = [rows[base[c.source]] + 1 for c in inner if c.target == name]
        rows[base[name]] = max([rows[base[name]], *below])
    lead_on = {base[c.source] for c in inner}
    for name in topology.outputs:
        if base[name] not in lead_on and rows[base[name]]:
            rows[base[name]] = max(rows.values())
    return rows


def _points(route: Route, boxes: Mapping[str, Box], channel: Mapping[int, float]) -> list[Point]:
    """The corners of a line, from its source to its target."""
    a, b = boxes[route.line.source], boxes[route.line.target]
    if route.level:
        y = a.y + a.h / 2
        return [(route.leaves, y), (route.enters, y)]
    start, end = (route.leaves, a.y), (route.enters, b.y + b.h)
    if route.lane is None:
        return [start, end]
    first, last = (channel[gap] - CHANNEL * level for gap, level in route.channels)
    return [start, (start[0], first), (route.lane, first), (route.lane, last), (end[0], last), end]


def _extent(
    boxes: Mapping[str, Box], lines: Sequence[tuple[Line, list[Point]]], ones: Sequence[tuple[Line, Point]]
) -> tuple[float, float, float, float]:
    """The least and greatest x and y of all that is drawn."""
    points = [p for _, some in lines for p in some] + [(x, y + BIAS_ROOM) for _, (x, y) in ones]
    points += [p for box in boxes.values() for p in ((box.left, box.y), (box.right, box.y + box.h))]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), max(xs), min(ys), max(ys)
