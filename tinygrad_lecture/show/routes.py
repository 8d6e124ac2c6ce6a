"""The ways of the lines in the drawing of a network, from box to box.

Lines to the next row and to the next box of a row are direct; all others (skips over rows, feedback, recurrence over
several steps) leave their box upwards, run along a channel between rows to a lane that no box stands in, and enter
from below.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ERROR = ""
"""The name of the box of the error: no cluster is called so."""

COLUMN_GAP, CHANNEL, LANE, PAD = 92.0, 18.0, 54.0, 16.0
PLAIN_GAP, BIAS_ROOM, BIAS_WIDTH = 84.0, 56.0, 52.0

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A connector as it is drawn, from source to target.

    weights: its label, "" on the way to the error; number: tells two of the same ends and weights apart.
    """

    source: str
    target: str
    weights: str
    blocked: bool = False
    delay: int = 0
    number: int = 0


@dataclass
class Box:
    """A cluster's place: its row from below, its centre x, its size, and y, that of its top edge."""

    name: str
    row: int
    column: int
    w: float
    h: float
    x: float = 0.0
    y: float = 0.0

    @property
    def left(self) -> float:
        """The x of its left edge."""
        return self.x - self.w / 2

    @property
    def right(self) -> float:
        """The x of its right edge."""
        return self.x + self.w / 2


@dataclass
class Route:
    """The way of one line before heights are known: at which x it leaves, runs and enters, along which channels."""

    line: Line
    lane: float | None = None
    level: bool = False  # straight on, within the row
    leaves: float = 0.0
    enters: float = 0.0
    channels: list[tuple[int, int]] = field(default_factory=list)  # (gap, level), first the one above the source

    def comes_from(self, end: str, boxes: Mapping[str, Box]) -> float:
        """The x that it leads to from its source, or comes from to its target."""
        other = self.line.target if end == "source" else self.line.source
        return boxes[other].x if self.lane is None else self.lane


def routes_of(
    lines: Sequence[Line], boxes: Mapping[str, Box], biases: Mapping[str, int], apart: float
) -> tuple[list[Route], dict[str, list[float]]]:
    """The way of each line, and the x at which the biases enter each box, of which it has so many.

    The box of the error becomes as wide as its lines need, which enter it so far apart.
    """
    taken: list[tuple[float, range]] = []
    routes = []
    for line in lines:
        a, b = boxes[line.source], boxes[line.target]
        route = Route(line, level=_next_to(a, b, boxes))
        routes.append(route)
        if b.row != a.row + 1 and not route.level:
            between = range(a.row + 1, b.row) if b.row > a.row else range(b.row, a.row + 1)
            route.lane = _free_lane(a.x, b.x, between, boxes, taken)
            taken.append((route.lane, _gaps(between)))
    for route in routes:
        if route.level:
            route.leaves, route.enters = boxes[route.line.source].right, boxes[route.line.target].left
    upright = [route for route in routes if not route.level]
    ones = {}
    for name, box in boxes.items():
        for route, x in _ports([r for r in upright if r.line.source == name], "source", boxes, box.left, box.right):
            route.leaves = x
        arriving = [r for r in upright if r.line.target == name]
        if name == ERROR:
            _spread(arriving, boxes, apart)
            continue
        left, right = box.left, box.right
        if n := biases.get(name, 0):
            sides = [route.comes_from("target", boxes) - box.x for route in arriving]
            on_right = sum(d < -1.0 for d in sides) > sum(d > 1.0 for d in sides)
            begin = box.right - BIAS_WIDTH * n if on_right else box.left
            ones[name] = [begin + 24.0 + BIAS_WIDTH * i for i in range(n)]
            left, right = (left, begin) if on_right else (left + BIAS_WIDTH * n - 10.0, right)
        for route, x in _ports(arriving, "target", boxes, left, right):
            route.enters = x
    _dig(routes, boxes)
    return routes, ones


def _ports(
    routes: list[Route], end: str, boxes: Mapping[str, Box], left: float, right: float
) -> list[tuple[Route, float]]:
    """An x for each line that leaves (or enters) a box: spread over its edge in the order in which they come."""
    routes = sorted(routes, key=lambda route: route.comes_from(end, boxes))
    if len(routes) == 1 and left < boxes[getattr(routes[0].line, end)].x < right:
        return [(routes[0], boxes[getattr(routes[0].line, end)].x)]
    width = (right - left - 2 * PAD) / max(1, len(routes))
    return [(route, left + PAD + width * (i + 0.5)) for i, route in enumerate(routes)]


def _spread(arriving: list[Route], boxes: Mapping[str, Box], apart: float) -> None:
    """Let lines enter the box of the error above the outputs that they come from, but not closer than this."""
    arriving = sorted(arriving, key=lambda route: (boxes[route.line.source].x, route.comes_from("target", boxes)))
    wanted = [boxes[route.line.source].x for route in arriving]
    found: list[float] = []
    for x in wanted:
        found.append(max(x, found[-1] + apart) if found else x)
    shift = sum(a - b for a, b in zip(found, wanted, strict=True)) / len(wanted)
    for route, x in zip(arriving, found, strict=True):
        route.enters = x - shift
    error = boxes[ERROR]
    error.x = (found[0] + found[-1]) / 2 - shift
    error.w = max(error.w, found[-1] - found[0] + apart + PAD)


def _dig(routes: Sequence[Route], boxes: Mapping[str, Box]) -> None:
    """Give each line with a lane its channels: those that leave below those that enter, so that none share a part."""
    used: dict[tuple[int, bool, int], list[tuple[float, float]]] = defaultdict(list)
    found: dict[tuple[int, bool], int] = defaultdict(int)
    dug = []
    for route in routes:
        if route.lane is None:
            continue
        gaps = (boxes[route.line.source].row, boxes[route.line.target].row - 1)
        for gap, entering, end in zip(gaps, (False, True), (route.leaves, route.enters), strict=True):
            span = (min(end, route.lane) - PAD, max(end, route.lane) + PAD)
            level = 0
            while any(_meet(span, other) for other in used[gap, entering, level]):
                level += 1
            used[gap, entering, level].append(span)
            found[gap, entering] = max(found[gap, entering], level + 1)
            dug.append((route, gap, entering, level))
    for route, gap, entering, level in dug:
        route.channels.append((gap, level + (found[gap, False] if entering else 0)))


def _meet(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _next_to(a: Box, b: Box, boxes: Mapping[str, Box]) -> bool:
    """Whether b is the next box to the right of a in its row."""
    between = (box for box in boxes.values() if box.row == a.row and a.x < box.x < b.x)
    return a.row == b.row and a.x < b.x and not any(between)


def _gaps(rows: range) -> range:
    """The gaps that a lane past these rows begins in, passes and ends in."""
    return range(rows.start - 1, rows.stop)


def _free_lane(
    start: float, end: float, between: range, boxes: Mapping[str, Box], taken: Sequence[tuple[float, range]]
) -> float:
    """The x nearest to both ends at which a line can pass these rows and meets neither box nor other lane."""
    inside = [box for box in boxes.values() if box.row in between]
    edges = [x for box in inside for x in (box.left, box.right)]
    beside = [x + side * (LANE * n + 2 * PAD) for x in edges for side in (-1, 1) for n in range(len(taken) + 1)]
    lanes = [x for x, gaps in taken if set(gaps) & set(_gaps(between))]

    def free(x: float) -> bool:
        return all(not box.left - PAD < x < box.right + PAD for box in inside) and all(
            abs(x - lane) >= LANE for lane in lanes
        )

    def cost(x: float) -> tuple[float, float]:
        return abs(x - start) + abs(x - end), -x  # of two equal ones that on the right

    return min(filter(free, [start, end, *beside]), key=cost)


def stacked(boxes: Mapping[str, Box], routes: Sequence[Route], with_bias: set[int]) -> dict[int, float]:
    """Set the y of all boxes, from the error at the top down; returns the y of each gap's lowest channel."""
    top = boxes[ERROR].row
    tall = {row: max((box.h for box in boxes.values() if box.row == row), default=0.0) for row in range(top + 1)}
    levels = dict.fromkeys(range(-1, top), 0)
    wide = dict.fromkeys(levels, 0.0)
    for route in routes:
        for gap, level in route.channels:
            levels[gap] = max(levels[gap], level + 1)
        if not route.channels and not route.level:  # a curve to the side needs height
            gap = boxes[route.line.source].row
            wide[gap] = max(wide[gap], abs(route.leaves - route.enters))
    y, channel = 0.0, {}
    for row in range(top, -1, -1):
        for box in boxes.values():
            if box.row == row:
                box.y = y + (tall[row] - box.h) / 2
        y += tall[row]
        gap = row - 1
        room = BIAS_ROOM if row in with_bias else 24.0
        y += max(PLAIN_GAP if gap >= 0 and gap < top - 1 else 48.0, room + 22.0 + CHANNEL * levels[gap], wide[gap] / 5)
        channel[gap] = y - 22.0
    return channel
