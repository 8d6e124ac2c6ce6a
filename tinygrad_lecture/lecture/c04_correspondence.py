"""C4 measured: equations, architecture and local algorithm are three views of one thing.

- **They refer to each other.** One network gives its equations (text and LaTeX), its drawing, and its list of steps.
  Every step must stand in the equations under its number, and in the drawing, under its number, at the very box or
  line of the place where it happens; every quantity of a cluster must be written there; and neither view may have a
  number that is no step. For the lecture's y = w₂ f(w₁ x), and for networks wired at random, since three views
  written for one net could agree by hand. Another net's drawing must not pass, which is tried as well.
- **They are the net.** The steps, taken one after the other with NumPy alone, must give outputs, E and gradients of
  the network and the engine; differences are in the unit of rounding, as in C1.
- **Δw = ↑ · ↓.** The lecture's E = Σ_t (out_t − tar_t)² for y = w₂ tanh(w₁ x) on the sunspots, next year from this
  year: −η times the signal at the foot times the error at the head, pattern by pattern in plain Python, beside −η
  ∂E/∂w of the engine. (The package's E has ½ and the mean over the patterns: it differs by a factor of 2T.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import cosh, tanh
from typing import Any

import numpy as np

from ..nn.network import Network
from ..nn.topology import Cluster, Connector
from ..show.algorithm import Algorithm, algorithm
from ..show.drawing import draw
from ..show.equations import equations
from ..transforms import grad, value_and_grad
from ..verify.deltas import disagreement
from .c05_topology import random_problem
from .experiments import sunspot_patterns
from .statement import Row

NETS = 60
OF_THE_TERMS = 1e-14


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C4. Source: C4."""
    n_nets = 10 if small else NETS
    yield refer_to_each_other(n_nets)
    yield are_the_net(n_nets)
    yield signal_times_error(3 if small else 20)


def lecture_net(seed: int = 0) -> Network:
    """y = w₂ tanh(w₁ x)."""
    return Network(
        [Cluster("x", 1), Cluster("h", 1, "tanh"), Cluster("y", 1)],
        [Connector("x", "h", "w1"), Connector("h", "y", "w2")],
        rng=seed,
    )


def wired_at_random(n_nets: int) -> Iterator[Network]:
    """Networks of any topology, each with one output at least."""
    return (random_problem(np.random.default_rng(seed)).net for seed in range(n_nets))


def refer_to_each_other(n_nets: int) -> Row:
    """Each step in all three views, and what is missing or too much."""
    lecture = contradictions(lecture_net())
    nets = list(wired_at_random(n_nets))
    found = [contradictions(net) for net in nets]
    steps = sum(len(algorithm(net)) for net in nets)
    strangers = sum(
        bool(contradictions(net, draw(other))) for net, other in zip(nets, nets[1:] + nets[:1], strict=True)
    )
    wrong = len(lecture) + sum(map(len, found))
    return Row(
        "C4",
        "Equations ↔ architectures ↔ local algorithms are three views of one thing",
        f"y = w₂ tanh(w₁ x): {len(algorithm(lecture_net()))} steps, and {steps:,} of {n_nets} random networks, each in "
        f"equations and drawing under its number and at its place: {wrong} amiss; another net's drawing is told in "
        f"{strangers} of {n_nets}",
        "none amiss, all others told",
        wrong == 0 and strangers == n_nets,
        float(wrong),
    )


def contradictions(net: Network, drawing: str | None = None) -> list[str]:
    """Where equations, drawing and steps do not agree: one line for each."""
    steps, written = algorithm(net), equations(net)
    lines = {int(n): rest.strip() for n, rest in re.findall(r"^ *\((\d+)\) (.*)$", written.text, re.MULTILINE)}
    tags = [int(n) for n in re.findall(r"\\tag\{(\d+)\}", written.latex)]
    places = _places(drawing or draw(net))
    drawn = {number: formula for titles, _ in places for number, formula in titles}
    found = [f"a number that is no step: {n}" for n in {*lines, *tags, *drawn} - {step.number for step in steps}]
    for step in steps:
        if lines.get(step.number) != step.text:
            found.append(f"equation {step.number} is not {step.text}")
        if tags.count(step.number) != 1 or step.latex not in written.latex:
            found.append(f"LaTeX {step.number} is not {step.latex}")
        here = {
            word for titles, texts in places if (step.number, step.text) in titles for t in texts for word in t.split()
        }
        if step.at not in here:
            found.append(f"step {step.number} is not drawn at {step.at}")
        elif step.writes.startswith(("in_", "out_", "err_", "δ_")) and step.writes not in here:
            found.append(f"{step.writes} is not written at {step.at}")
    return found


def _places(drawing: str) -> list[tuple[set[tuple[int, str]], list[str]]]:
    """The groups of an SVG picture: the numbered formulas of the tooltip of each, and its visible texts."""
    from xml.etree import ElementTree

    svg = "{http://www.w3.org/2000/svg}"
    found = []
    for group in ElementTree.fromstring(drawing).iter(f"{svg}g"):
        title = group.findtext(f"{svg}title", "")
        titles = {(int(n), formula) for n, formula in re.findall(r"^\((\d+)\)  (.*)$", title, re.MULTILINE)}
        found.append((titles, ["".join(text.itertext()) for text in group.iter(f"{svg}text")]))
    return found


def are_the_net(n_nets: int) -> Row:
    """The steps, executed, beside the network and the engine."""
    worst, n = 0.0, 0
    for seed in range(n_nets):
        problem = random_problem(np.random.default_rng(seed))
        net = problem.net
        E, g = value_and_grad(problem.error)(net.parameters)
        known = executed(algorithm(net), problem.inputs, problem.targets, net)
        _, unit = problem.by_hand()
        outs = net.activity(problem.inputs)
        worst = max(worst, abs(float(known["E"]) - float(E)) / float(unit.error))
        for name in problem.targets:
            worst = max(worst, disagreement(known[f"out_{name}"], outs[name], unit.outputs[name]))
        for name, g_w in g.items():
            computed = known.get(f"∂{name}", np.zeros_like(g_w))
            worst = max(worst, disagreement(computed, g_w, unit.gradients[name]))
            n += g_w.size
    return Row(
        "C4",
        "… and what they say is what the net computes",
        f"the steps of {n_nets} random networks, taken with NumPy alone: outputs, E and {n:,} gradients differ from "
        f"network and engine by ≤ {worst:.1e} of the terms",
        f"≤ {OF_THE_TERMS:g}",
        worst <= OF_THE_TERMS,
        worst,
    )


def executed(steps: Algorithm, inputs: Any, targets: Any, net: Network) -> dict[str, Any]:
    """Every quantity of a network by name, from its steps."""
    return steps.run(inputs, targets, 0.1, net.parameters)


def signal_times_error(seeds: int, eta: float = 0.1) -> Row:
    """Δw of y = w₂ tanh(w₁ x), by the engine, by signal times error in plain Python, and by the net's own steps."""
    x, target = sunspot_patterns()
    x, T, worst = x[:, -1:], len(x), 0.0
    for seed in range(seeds):
        net = lecture_net(seed)
        net.assign(np.random.default_rng(seed).normal(size=2))
        w1, w2 = (float(w[0, 0]) for w in net.parameters.values())
        g = grad(lambda p, net=net: np.sum((net(x, p) - target) ** 2))(net.parameters)
        sums, sizes = {"w1": 0.0, "w2": 0.0}, {"w1": 0.0, "w2": 0.0}
        for x_t, tar_t in zip(x[:, 0].tolist(), target[:, 0].tolist(), strict=True):
            h = tanh(w1 * x_t)  # ↑
            error = 2.0 * (w2 * h - tar_t)  # ↓ at y, the head of w2
            for name, signal, arrived in (("w2", h, error), ("w1", x_t, error * w2 / cosh(w1 * x_t) ** 2)):
                sums[name] -= eta * signal * arrived
                sizes[name] += eta * abs(signal * arrived)
        steps = algorithm(net).run(x, target, eta, net.parameters)
        for name in sums:
            for delta in (-eta * g[name].item(), 2 * T * steps[f"Δ{name}"].item()):
                worst = max(worst, abs(delta - sums[name]) / sizes[name])
    return Row(
        "C4",
        "Δw = −η ∂E/∂w = ↑ · ↓: for each weight −η times the signal at its foot, times the error at its head",
        f"y = w₂ tanh(w₁ x), E = Σ_t (out − tar)², {T} years of sunspots, {seeds} nets: engine and steps differ from "
        f"↑ · ↓ in plain Python by ≤ {worst:.1e} of the terms",
        f"≤ {OF_THE_TERMS:g}",
        worst <= OF_THE_TERMS,
        worst,
    )
