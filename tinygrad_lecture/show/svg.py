"""Parts of an SVG picture as text: lines, arrowheads, labels; and how much room they take."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from itertools import pairwise
from math import hypot
from unicodedata import east_asian_width

from .routes import Point

INK = "#000000"

Frame = tuple[float, float, float, float]
"""A rectangle: left, top, right, bottom."""


def width(text: str, size: float) -> float:
    """About how wide a text is: sans-serif letters take 0.62 of their size, East Asian ones all of it."""
    return size * sum(1.0 if east_asian_width(c) in "WF" else 0.62 for c in text)


def overlap(a: Frame, b: Frame) -> float:
    """The area that two rectangles share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def along(points: list[Point], fraction: float) -> Point:
    """A point of a line: of a curve, where the curve is; of a way with corners, on its longest part."""
    if len(points) == 2 and points[0][1] != points[1][1]:
        (ax, ay), (bx, by) = points
        t = fraction
        bend = 3 * t * t - 2 * t * t * t  # the curve leaves and arrives upright
        down = 1.5 * t * (1 - t) + t**3
        return ax + (bx - ax) * bend, ay + (by - ay) * down
    parts = list(pairwise(points))
    (ax, ay), (bx, by) = max(parts, key=lambda part: hypot(part[1][0] - part[0][0], part[1][1] - part[0][1]))
    return ax + (bx - ax) * fraction, ay + (by - ay) * fraction


def samples(points: list[Point]) -> list[Point]:
    """Points all along a line, close enough for a label on it to meet one."""
    if len(points) == 2:
        return [along(points, i / 40) for i in range(41)]
    return [
        (ax + (bx - ax) * i / 40, ay + (by - ay) * i / 40) for (ax, ay), (bx, by) in pairwise(points) for i in range(41)
    ]


def shortened(points: list[Point], by: float) -> list[Point]:
    """The points with the last moved back, so that the line ends within its arrowhead."""
    (ax, ay), (bx, by_) = points[-2], points[-1]
    length = hypot(bx - ax, by_ - ay) or 1.0
    return [*points[:-1], (bx - (bx - ax) / length * by, by_ - (by_ - ay) / length * by)]


def head(before: Point, tip: Point, colour: str) -> str:
    """An arrowhead with its tip at the end of a line."""
    length = hypot(tip[0] - before[0], tip[1] - before[1]) or 1.0
    ux, uy = (tip[0] - before[0]) / length, (tip[1] - before[1]) / length
    bx, by = tip[0] - 13 * ux, tip[1] - 13 * uy
    corners = [tip, (bx - 6 * uy, by + 6 * ux), (bx + 6 * uy, by - 6 * ux)]
    return f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}" fill="{colour}"/>'


def bar(at: Point, before: Point, tip: Point) -> str:
    """The bar across a blocked line."""
    upright = abs(tip[1] - before[1]) > abs(tip[0] - before[0])
    dx, dy = (11.0, 0.0) if upright else (0.0, 11.0)
    (x, y) = at
    ends = f'x1="{x - dx:.1f}" y1="{y - dy:.1f}" x2="{x + dx:.1f}" y2="{y + dy:.1f}"'
    return f'<line {ends} stroke="{INK}" stroke-width="5"/>'


def path(d: str, colour: str, thick: float, dashed: bool) -> str:
    """A line along d, the commands of an SVG path."""
    dash = ' stroke-dasharray="8 6"' if dashed else ""
    return f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{thick:g}" stroke-linejoin="round"{dash}/>'


def rect(x: float, y: float, w: float, h: float, stroke: str, fill: str) -> str:
    """A box with round corners; x: its centre, y: its top."""
    return (
        f'<rect x="{x - w / 2:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="8" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="2"/>'
    )


def text(x: float, y: float, said: str, size: float, colour: str, anchor: str = "middle", bold: bool = False) -> str:
    """A text at a place on its base line."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"{weight}>'
        f"{safe(said)}</text>"
    )


def group(formulas: Iterable[str], parts: Iterable[str]) -> str:
    """Elements that belong together, with their formulas as a tooltip."""
    said = "\n".join(formulas)
    return "<g>" + (element("title", said) if said else "") + "".join(parts) + "</g>"


def element(tag: str, said: str) -> str:
    """A text in an element of XML."""
    return f"<{tag}>{safe(said)}</{tag}>"


def safe(text: str) -> str:
    """A text within XML: its special characters escaped, those that XML has no way to write replaced."""
    return escape(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text))
