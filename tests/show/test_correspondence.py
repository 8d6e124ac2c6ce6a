"""The correspondence principle: equations, drawing and algorithm of one net speak of the same quantities."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.show.nets import KINDS, given_to, problem
from tinygrad_lecture.nn.losses import LOSSES, loss
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.show.algorithm import algorithm
from tinygrad_lecture.show.drawing import draw
from tinygrad_lecture.show.equations import equations
from tinygrad_lecture.verify.strategies import networks

NAME = r"(?:in|out|err|tar|δ)_\w+(?:\[\d+\])?|[∂Δ]\w+|\b[WbV]\d+(?:_\d+)?|\bV\b|\bE\b|\bT\b|η"


def names_in(text: str) -> set[str]:
    return set(re.findall(NAME, text.replace("ᵀ", "")))


def of_drawing(svg: str) -> tuple[set[str], set[str]]:
    """The names that are seen, and those of the tooltips too; without title, legend and description."""
    seen = [html.unescape(t) for t in re.findall(r"<text[^>]*>([^<]*)</text>", svg) if "ΔW = " not in t]
    tips = [html.unescape(t) for t in re.findall(r"<g><title>([^<]*)</title>", svg)]
    return names_in("\n".join(seen)), names_in("\n".join(seen + tips))


def check(net: Network, loss: str) -> None:
    steps = algorithm(net, loss)
    every = {name for step in steps for name in (step.writes, *step.reads)}
    assert names_in("\n".join(step.text for step in steps)) | {"T"} == every | {"T"}
    lines = [line for line in equations(net, loss).text.splitlines() if re.match(r" *\(\d+\)", line)]
    assert names_in("\n".join(lines)) | {"T"} == every | {"T"}
    seen, told = of_drawing(draw(net, loss))
    idle = set(steps.idle) - every  # drawn, but dashed or leading nowhere
    given = {f"out_{name}" for name in net.topology.inputs}  # a box, even where all its connectors are blocked
    assert told - idle - given | {"T"} == every - given | {"T"}
    # without any tooltip: all but the constants and what belongs to lines, whose weights are written on them
    assert {n for n in every if n[0] not in "∂Δ" and n not in ("T", "η")} <= seen


@given(networks(), st.sampled_from(list(LOSSES)))
def test_the_three_have_the_same_names(net: Network, name: str) -> None:
    check(net, name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_three_have_the_same_names_in_each_kind_of_net(kind: str) -> None:
    check(KINDS[kind], "squared_error")


@given(networks())
def test_the_numbers_of_the_equations_stand_in_the_drawing_beside_what_they_are_about(net: Network) -> None:
    svg = html.unescape(draw(net))
    for step in algorithm(net):
        assert f"({step.number})  {step.text}" in svg


@given(networks(), st.sampled_from(list(LOSSES)), st.integers(0, 2**32 - 1))
def test_the_printed_table_is_a_program_that_gives_output_and_gradient(net: Network, name: str, seed: int) -> None:
    # what is printed is run, by nothing but Python and NumPy
    x, target, parameters = problem(net, seed)
    steps = algorithm(net, name)
    begin = next(line for line in str(steps).splitlines() if line.endswith("NumPy")).index("NumPy")
    rows = [line for line in str(steps).splitlines() if re.match(r" *\d+  ", line)]
    values = {steps.identifiers[key]: a for key, a in parameters.items()}
    values |= {steps.identifiers[f"out_{key}"]: a for key, a in x.items()}
    values |= {steps.identifiers[f"tar_{key}"]: a for key, a in target.items()}
    values |= {"np": np, "T": 4, "eta": 0.5}
    exec("\n".join(row[begin:] for row in rows), values)
    out = net(given_to(net, x), parameters)
    for key, a in (out if isinstance(out, dict) else {net.topology.outputs[0]: out}).items():
        assert values[steps.identifiers[f"out_{key}"]] == pytest.approx(a, rel=1e-11, abs=1e-11)

    def error(p: dict[str, np.ndarray]) -> object:
        outs = net.activity(given_to(net, x), p)
        return sum(loss(name)(outs[key], a) for key, a in target.items())

    for key, g in tl.grad(error)(parameters).items():
        found = values.get(steps.identifiers[f"∂{key}"], 0.0)
        # sums of some hundred roundings; where terms cancel, of the size of the largest
        assert np.max(np.abs(found - g)) <= 1e-10 * (1.0 + np.max(np.abs(g))), key


def test_a_net_gives_its_own_three_views() -> None:
    net = tl.MLP([2, 3, 1])
    assert str(net.equations()) == str(equations(net))
    assert str(net.algorithm()) == str(algorithm(net))
    assert net.draw() == net._repr_svg_() == draw(net)
