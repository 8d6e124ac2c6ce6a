"""The drawing: well-formed, complete, within its frame, and nothing on top of anything else."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given

from tests.show.nets import KINDS, recurrent
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.topology import Cluster, Connector
from tinygrad_lecture.show.drawing import SHARED, draw
from tinygrad_lecture.show.layout import layout
from tinygrad_lecture.show.routes import ERROR
from tinygrad_lecture.verify.strategies import networks

SVG = "{http://www.w3.org/2000/svg}"
ALL = KINDS | {"with a delay": recurrent}

each_kind = pytest.mark.parametrize("kind", ALL)


def parsed(net: Network) -> ElementTree.Element:
    return ElementTree.fromstring(draw(net))


def texts(root: ElementTree.Element) -> list[str]:
    return [t.text or "" for t in root.iter(f"{SVG}text")]


@given(networks())
def test_any_net_gives_well_formed_xml_with_a_title_and_a_description(net: Network) -> None:
    root = parsed(net)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    for c in net.topology.clusters:
        assert f"{c.name} ({c.n})" in (title.text or "")
    for k in net.topology.connectors:
        assert str(k) in (desc.text or "")


@given(networks())
def test_every_cluster_and_every_connector_is_drawn(net: Network) -> None:
    root = parsed(net)
    said = texts(root)
    for c in net.topology.clusters:
        assert f"↑ out_{c.name}" in said
    for weights in net.parameters:
        uses = [k for k in net.topology.connectors if k.weights == weights]
        assert said.count(weights) == len(uses)
    paths = list(root.iter(f"{SVG}path"))
    assert len(paths) == len(net.topology.connectors) + len(net.topology.outputs)
    dashed = [p for p in paths if p.get("stroke-dasharray")]
    assert len(dashed) == len(list(root.iter(f"{SVG}line"))) == sum(k.blocked for k in net.topology.connectors)


@given(networks(most=9))
def test_boxes_do_not_overlap_and_lines_with_lanes_pass_beside_them(net: Network) -> None:
    places = layout(net.topology, lambda name: (200.0, 100.0))
    for a, b in combinations(places.boxes.values(), 2):
        assert a.right < b.left or b.right < a.left or a.y + a.h < b.y or b.y + b.h < a.y
    for _, points in places.lines:
        for (ax, ay), (bx, by) in pairwise(points):
            for box in places.boxes.values():
                beside = max(ax, bx) <= box.left or min(ax, bx) >= box.right
                away = max(ay, by) <= box.y or min(ay, by) >= box.y + box.h
                assert beside or away
    x0, x1, y0, y1 = places.size
    assert all(x0 <= x <= x1 and y0 <= y <= y1 for _, points in places.lines for x, y in points)


@each_kind
def test_no_two_lines_share_a_stretch(kind: str) -> None:
    # boxes of different widths, so that lanes beside them are close to each other, but not in line
    places = layout(ALL[kind].topology, lambda name: (206.0 if name == "g" else 200.0, 100.0))
    stretches = [
        (number, (ax, ay), (bx, by))
        for number, (_, points) in enumerate(places.lines)
        if len(points) > 2
        for (ax, ay), (bx, by) in pairwise(points)
    ]
    for (n, *a), (m, *b) in combinations(stretches, 2):
        for along, across in ((0, 1), (1, 0)):
            straight = all(p[across] == q[across] for p, q in (a, b))
            if n != m and straight and abs(a[0][across] - b[0][across]) < 10:
                (low_a, high_a), (low_b, high_b) = (sorted(p[along] for p in ends) for ends in (a, b))
                assert high_a <= low_b or high_b <= low_a


@given(networks())
def test_signals_flow_up_from_the_inputs_to_the_error(net: Network) -> None:
    places = layout(net.topology, lambda name: (200.0, 100.0))
    for k in net.topology.connectors:
        if k.source != "one":
            assert places.boxes[k.source].y > places.boxes[k.target].y + places.boxes[k.target].h
    assert places.boxes[ERROR].y == min(box.y for box in places.boxes.values())


def test_an_unrolled_net_has_a_column_for_each_time_step() -> None:
    places = layout(recurrent.unrolled(4).topology, lambda name: (200.0, 100.0))
    for t in range(1, 5):
        assert len({places.boxes[f"{name}[{t}]"].x for name in "xhy"}) == 1
    for name in "xhy":
        assert len({places.boxes[f"{name}[{t}]"].y for t in range(1, 5)}) == 1
        xs = [places.boxes[f"{name}[{t}]"].x for t in range(1, 5)]
        assert xs == sorted(xs)


@each_kind
def test_texts_do_not_lie_on_each_other_and_stay_within_the_picture(kind: str) -> None:
    root = parsed(ALL[kind])
    x0, y0, wide, tall = (float(part) for part in str(root.get("viewBox")).split())
    frames = []
    for t in root.iter(f"{SVG}text"):
        size, x, y = (float(str(t.get(key))) for key in ("font-size", "x", "y"))
        width = 0.6 * size * len(t.text or "")
        left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[str(t.get("text-anchor"))] * width
        frames.append((left, y - 0.7 * size, left + width, y, t.text))
        assert x0 <= left
        assert left + width <= x0 + wide
        assert y0 <= y - size
        assert y <= y0 + tall
        assert size >= 14
    for a, b in combinations(frames, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)


def test_few_neurons_are_circles_and_many_are_a_number() -> None:
    few, many = parsed(MLP([2, 8, 1], bias=False)), parsed(MLP([784, 512, 10], bias=False))
    assert len(list(few.iter(f"{SVG}circle"))) == 2 + 8 + 1
    assert not list(many.iter(f"{SVG}circle"))
    assert {"784 neurons", "512 neurons", "10 neurons"} <= set(texts(many))


def test_shared_weights_have_one_colour_each_and_others_none() -> None:
    root = parsed(recurrent.unrolled(3))
    pens: dict[str, set[tuple[str | None, str | None]]] = {}
    for group in root.iter(f"{SVG}g"):
        title, path = group.find(f"{SVG}title"), group.find(f"{SVG}path")
        if title is not None and path is not None:
            weights = re.findall(r"Δ(\w+) =", title.text or "")[0]
            pens.setdefault(weights, set()).add((path.get("stroke"), path.get("stroke-width")))
    assert set(pens) == {"W1", "W2", "W3", "b1", "b2"}
    assert all(len(some) == 1 for some in pens.values())
    assert len({pen for some in pens.values() for pen in some}) == 5
    assert {colour for some in pens.values() for colour, _ in some} == set(SHARED)
    assert not any(f'stroke="{colour}"' in draw(MLP([2, 3, 1])) for colour in SHARED)


def test_a_delay_is_written_beside_its_connector() -> None:
    assert "W2, delay 1" in texts(parsed(recurrent))


def test_names_of_all_kinds_are_escaped() -> None:
    hostile = "<script>&\"' \x00\ud800 日本"
    net = Network([Cluster(hostile, 2), Cluster("]]>", 1)], [Connector(hostile, "]]>", "<W&>")])
    said = texts(parsed(net))
    assert "<W&>" in said
    assert "↑ out_<script>&\"' �� 日本" in said
    assert draw(net).encode("utf-8")


def test_connectors_of_the_same_ends_and_weights_are_drawn_apart() -> None:
    net = Network([Cluster("x", 2), Cluster("y", 2)], [Connector("x", "y", "W"), Connector("x", "y", "W")])
    lines = [points for line, points in layout(net.topology, lambda name: (200.0, 100.0)).lines if line.weights]
    assert lines[0] != lines[1]


def test_the_same_net_gives_the_same_picture() -> None:
    assert draw(MLP([2, 8, 1], rng=1)) == draw(MLP([2, 8, 1], rng=2))


def test_what_has_no_formula_is_refused() -> None:
    with pytest.raises(ValueError, match="no formula for the loss 'hinge'"):
        draw(MLP([2, 1]), "hinge")
    with pytest.raises(ValueError, match="no formula for the loss 'hinge'"):
        draw(recurrent, "hinge")
