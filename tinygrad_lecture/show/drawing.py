"""The drawing of a network as SVG: the signal flows up, the error flows down, with the names of its equations.

A box is a cluster: at its top the signal that leaves (out) and the error that arrives (err), at its foot the signal
that arrives (in) and the error that leaves (δ). A line is a connector with the name of its weights; weights that
several connectors share have one colour. The formulas of each box and line are its tooltip, with their numbers.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from .algorithm import algorithm
from .functions import loss_of
from .layout import Layout, layout
from .routes import BIAS_ROOM, ERROR, Line, Point
from .steps import names_of
from .svg import (
    INK,
    Frame,
    along,
    bar,
    element,
    group,
    head,
    overlap,
    path,
    rect,
    safe,
    samples,
    shortened,
    text,
    width,
)
from .terms import Names

QUIET, SIGNAL, BLAME = "#6b6b6b", "#0072B2", "#D55E00"
SHARED = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours of shared weights; where there are more, thicker lines. All are of the palette of Okabe and Ito, which
colour-blind people can tell apart; blue and vermilion mean signal and error."""

FONT = "DejaVu Sans, Verdana, Arial, sans-serif"
SIZE, TITLE = 17, 20
MARGIN, FEW = 24.0, 8


def draw(net: Any, loss: str = "squared_error") -> str:
    """The drawing of a network, as the text of an SVG picture; no other program takes part.

    net: a Network; loss: the name of the error that its outputs lead to. Blocked connectors are dashed, with a bar; a
    delay is written beside its connector. Raises ValueError as `algorithm` does, but not for delays. Source: C4.
    """
    return _Picture(net, loss).svg()


class _Picture:
    """What one drawing is made of: the net's topology, its names, the formulas at each place, the colours."""

    def __init__(self, net: Any, loss: str) -> None:
        self.topology, self.loss = net.topology, loss
        loss_of(loss)
        self.names: Names = names_of(net)
        self.formulas: dict[str, list[str]] = {}
        if not any(c.delay and not c.blocked for c in self.topology.connectors):
            for step in algorithm(net, loss):
                self.formulas.setdefault(step.at, []).append(f"({step.number})  {step.text}")
        uses = Counter(c.weights for c in self.topology.connectors)
        shapes = self.topology.shapes
        shared = sorted((name for name in shapes if uses[name] > 1), key=lambda name: len(shapes[name]) == 1)
        self.pens = {name: (SHARED[i % 4], 2.5 + 2.0 * (i // 4)) for i, name in enumerate(shared)}
        self.written: list[Frame] = []
        self.passed: dict[Line, list[Point]] = {}

    def svg(self) -> str:
        targets = [width(self._q("tar", name), SIZE) for name in self.topology.outputs]
        places = layout(self.topology, self._size, apart=max(targets) + 16.0)
        x0, x1, y0, y1 = places.size
        legend = self._legend()
        wide = max(x1 - x0, max(width(line, SIZE) for line, _ in legend)) + 2 * MARGIN
        x0 -= (wide - 2 * MARGIN - (x1 - x0)) / 2 + MARGIN
        y0 -= MARGIN
        tall = y1 - y0 + MARGIN + 26.0 * len(legend) + 10.0
        under = [self._line(line, points) for line, points in places.lines]
        under += [self._bias(line, at) for line, at in places.biases]
        self.written = [(b.left, b.y, b.right, b.y + b.h) for b in places.boxes.values()] + self._ones(places)
        self.passed = {line: samples(points) for line, points in places.lines}
        labels = [self._label(line, points) for line, points in places.lines if line.weights]
        over = [self._box(name, b.x, b.y, b.w, b.h, places) for name, b in places.boxes.items()]
        foot = [
            text(x0 + wide / 2, y1 + 34.0 + 26.0 * i, line, SIZE, colour) for i, (line, colour) in enumerate(legend)
        ]
        title = "Network " + ", ".join(f"{c.name} ({c.n})" for c in self.topology.clusters)
        opening = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{tall:.0f}" '
            f'viewBox="{x0:.1f} {y0:.1f} {wide:.1f} {tall:.1f}" role="img" aria-label="{safe(title)}" '
            f'font-family="{FONT}">'
        )
        paper = f'<rect x="{x0:.1f}" y="{y0:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="#ffffff"/>'
        about = [element("title", title), element("desc", self._describe())]
        return "\n".join([opening, *about, paper, *under, *labels, *over, *foot, "</svg>", ""])

    # what is said
    def _legend(self) -> list[tuple[str, str]]:
        lines = [("↑ signal", SIGNAL), ("↓ error", BLAME), ("ΔW = −η · ↓ at the head · ↑ at the foot of its line", INK)]
        if self.pens:
            lines.append(("one colour: shared weights", INK))
        if any(c.blocked for c in self.topology.connectors):
            lines.append(("dashed, with a bar: blocked", QUIET))
        return lines

    def _describe(self) -> str:
        """The connectors in words, for those who cannot see the picture."""
        return f"Signals flow up, errors down. Connectors: {'; '.join(map(str, self.topology.connectors))}."

    def _q(self, kind: str, name: str) -> str:
        return self.names.of_cluster(kind, name).text

    def _corners(self, name: str) -> list[tuple[str, str]]:
        """What stands at the top of a box, and at its foot: signal and error. Only what the algorithm knows of."""
        if name in self.topology.inputs:
            return [(f"↑ {self._q('out', name)}", "")]
        formulas = self.formulas.get(name)
        blamed = formulas is None or any(f"  {self._q('err', name)} = " in f for f in formulas)
        err, delta = ((f"↓ {self._q(kind, name)}" if blamed else "") for kind in ("err", "delta"))
        return [(f"↑ {self._q('out', name)}", err), (f"↑ {self._q('in', name)}", delta)]

    def _heading(self, name: str) -> str:
        cluster = self.topology[name]
        return name if name in self.topology.inputs else f"{name} · {cluster.activation}"

    def _size(self, name: str) -> tuple[float, float]:
        """Width and height of the box of a cluster, or of the error, by what stands in it."""
        if name == ERROR:
            return width(f"E · {self.loss}", TITLE) + 40.0, 66.0
        corners = [width(a, SIZE) + width(b, SIZE) + 30.0 for a, b in self._corners(name)]
        return max(140.0, width(self._heading(name), TITLE), *corners, 24.0 * FEW) + 24.0, 70.0 + 26.0 * len(corners)

    # what is drawn
    def _box(self, name: str, x: float, y: float, w: float, h: float, places: Layout) -> str:
        if name == ERROR:
            parts = [rect(x, y, w, h, BLAME, "#fff4ec"), text(x, y + 27, f"E · {self.loss}", TITLE, INK, bold=True)]
            at = [points[-1][0] for line, points in places.lines if line.target == ERROR]
            for output, port in zip(self.topology.outputs, at, strict=True):
                parts.append(text(port, y + h - 12, self._q("tar", output), SIZE, INK))
            return group(self.formulas.get("E", []), parts)
        is_input = name in self.topology.inputs
        parts = [rect(x, y, w, h, INK, "#f2f2f2" if is_input else "#ffffff")]
        corners = self._corners(name)
        for (signal, error), row in zip(corners, (y + 22, y + h - 10), strict=False):
            parts.append(text(x - w / 2 + 12, row, signal, SIZE, SIGNAL, "start"))
            parts += [text(x + w / 2 - 12, row, error, SIZE, BLAME, "end")] if error else []
        parts.append(text(x, y + 52, self._heading(name), TITLE, INK, bold=True))
        n = self.topology[name].n
        if n <= FEW:
            left = x - 12.0 * (n - 1)
            parts += [
                f'<circle cx="{left + 24.0 * i:.1f}" cy="{y + 75:.1f}" r="9" fill="#d9d9d9" stroke="{INK}"/>'
                for i in range(n)
            ]
        else:
            parts.append(text(x, y + 81, f"{n} neurons", SIZE, INK))
        return group(self.formulas.get(name, []), parts)

    def _line(self, line: Line, points: list[Point]) -> str:
        colour, thick = self._pen(line)
        (ax, ay), (bx, by) = points[0], points[-1]
        if len(points) == 2 and ax != bx and ay != by:
            half = (ay - by) / 2
            d = f"M{ax:.1f},{ay:.1f} C{ax:.1f},{ay - half:.1f} {bx:.1f},{by + half:.1f} {bx:.1f},{by + 8:.1f}"
            before: Point = (bx, by + 20)
        else:
            d = "M" + " L".join(f"{px:.1f},{py:.1f}" for px, py in shortened(points, 8.0))
            before = points[-2]
        parts = [path(d, colour, thick, line.blocked), head(before, points[-1], colour)]
        if line.blocked:
            parts.append(bar(along(points, 0.82), before, points[-1]))
        return group(self._of_weights(line), parts)

    def _bias(self, line: Line, at: Point) -> str:
        x, y = at
        (colour, thick), foot = self._pen(line), y + BIAS_ROOM - 12
        parts = [
            path(f"M{x:.1f},{foot - 11:.1f} L{x:.1f},{y + 8:.1f}", colour, thick, line.blocked),
            head((x, foot), at, colour),
            *([bar((x, y + 20), (x, foot), at)] if line.blocked else []),
            f'<circle cx="{x:.1f}" cy="{foot:.1f}" r="11" fill="#ffffff" stroke="{colour}" stroke-width="2"/>',
            text(x, foot + 5, "1", 14, INK),
            text(x + 16, foot + 6, line.weights, SIZE, INK, "start"),
        ]
        return group(self._of_weights(line), parts)

    def _label(self, line: Line, points: list[Point]) -> str:
        """The name of the weights on their line, at the first place where nothing else is written."""
        label = line.weights + (f", delay {line.delay}" if line.delay else "")
        w, h = width(label, SIZE) + 10, 24.0
        spots = [along(points, f) for f in (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78, 0.15)]
        frames = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y in spots]
        others = [p for other, some in self.passed.items() if other != line for p in some]

        def hidden(frame: Frame) -> float:
            crossed = sum(frame[0] < px < frame[2] and frame[1] < py < frame[3] for px, py in others)
            return sum(overlap(frame, other) for other in self.written) + 20.0 * crossed

        best = min(frames, key=hidden)
        self.written.append(best)
        x, y = (best[0] + best[2]) / 2, (best[1] + best[3]) / 2
        colour, _ = self._pen(line)
        frame = (
            f'<rect x="{best[0]:.1f}" y="{best[1]:.1f}" width="{w:.1f}" height="{h:.1f}" rx="4" fill="#ffffff" '
            f'stroke="{colour}" stroke-width="1.5"/>'
        )
        return group(self._of_weights(line), [frame, text(x, y + 6, label, SIZE, INK)])

    def _ones(self, places: Layout) -> list[Frame]:
        """The room that biases take below their boxes."""
        return [(x - 12, y, x + 16 + width(line.weights, SIZE), y + BIAS_ROOM) for line, (x, y) in places.biases]

    def _of_weights(self, line: Line) -> list[str]:
        return [] if line.blocked else self.formulas.get(line.weights, [])

    def _pen(self, line: Line) -> tuple[str, float]:
        """The colour and the thickness of a line."""
        return (QUIET, 2.5) if line.blocked else self.pens.get(line.weights, (INK, 2.5))
