"""The δ formulas for any topology: against complex step, against the layered ones, and the engine against them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import tinygrad_lecture as tl
from tests.oracles import complex_step
from tinygrad_lecture.verify import deltas
from tinygrad_lecture.verify.deltas_any import ByClusters, by_clusters
from tinygrad_lecture.verify.strategies import Problem, problems

ROUNDING = 1e-14  # of the absolute terms: some 50 roundings of 2⁻⁵²; 1e-12 is what is asked for

CLUSTERS = {"x": (2, "identity"), "h": (3, "tanh"), "y": (1, "identity")}
CONNECTORS = [("x", "h", "W1"), ("one", "h", "b1"), ("h", "y", "W2"), ("x", "y", "W3")]
WEIGHTS = {"W1": np.ones((3, 2)), "b1": np.ones(3), "W2": np.ones((1, 3)), "W3": np.ones((1, 2))}
PATTERNS = {"x": np.ones((4, 2))}
TARGETS = {"y": np.zeros((4, 1))}


def error_of(problem: Problem, parameters: Any) -> Any:
    return sum(tl.squared_error(out, problem.targets[name]) for name, out in problem.outputs(parameters).items())


def worst(automatic: dict[str, np.ndarray], formula: ByClusters, unit: ByClusters) -> float:
    assert list(automatic) == list(formula.gradients)
    return max(
        (deltas.disagreement(g, formula.gradients[k], unit.gradients[k]) for k, g in automatic.items()), default=0.0
    )


@given(problems())
def test_the_automatic_gradient_of_any_network_is_the_delta_formulas(problem: Problem) -> None:
    value, g = tl.value_and_grad(lambda p: error_of(problem, p))(problem.parameters)
    formula, unit = by_clusters(*problem.plain())
    assert worst(g, formula, unit) <= ROUNDING
    assert abs(value - formula.error) <= ROUNDING * unit.error
    for name, out in problem.net.activity(problem.inputs, problem.parameters).items():
        assert deltas.disagreement(out, formula.outputs[name], unit.outputs[name]) <= ROUNDING


@given(problems())
def test_backward_into_the_leaves_of_a_network_gives_the_delta_formulas_too(problem: Problem) -> None:
    problem.net.assign(problem.parameters)
    y = error_of(problem, problem.net.leaves)
    if isinstance(y, tl.Tensor):  # every way to an output may be blocked
        y.backward()
    g = problem.net.weights.named(problem.net.collect())
    assert worst(g, *by_clusters(*problem.plain())) <= ROUNDING


@given(problems())
def test_the_formulas_are_the_derivative_of_a_forward_pass_written_by_hand(problem: Problem) -> None:
    clusters, connectors, _, inputs, targets = problem.plain()
    names = list(problem.parameters)

    def error(*arrays: np.ndarray) -> np.ndarray:
        w = dict(zip(names, arrays, strict=True))

        def out(name: str) -> np.ndarray:
            if name in inputs:
                return inputs[name]
            n, activation = clusters[name]
            net = np.zeros((len(next(iter(inputs.values()))), n))
            for source, target, weights in connectors:
                if target == name:
                    net = net + (w[weights] if source == "one" else out(source) @ w[weights].T)
            return deltas.F[activation][0](net)

        d = {name: out(name) - target for name, target in targets.items()}
        return sum(np.sum(e * e) for e in d.values()) / 2 / len(next(iter(targets.values())))

    formula, unit = by_clusters(*problem.plain())
    truth = complex_step(error, [problem.parameters[name] for name in names], np.ones(()))
    for name, g in zip(names, truth, strict=True):
        # complex arithmetic rounds a few times more, and underflows below 1e-288 (see test_deltas.py)
        assert np.all(np.abs(g - formula.gradients[name]) <= 10 * ROUNDING * unit.gradients[name] + 1e-288), name


def test_clusters_in_a_row_are_a_layered_net() -> None:
    rng = np.random.default_rng(0)
    w = {"W1": rng.normal(size=(3, 2)), "b1": rng.normal(size=3), "W2": rng.normal(size=(1, 3))}
    x, target = rng.normal(size=(4, 2)), rng.normal(size=(4, 1))
    got, unit = by_clusters(CLUSTERS, CONNECTORS[:3], w, {"x": x}, {"y": target})
    layers = [(w["W1"], w["b1"]), (w["W2"], None)]
    known, terms = (f(layers, ["tanh", "identity"], x, target) for f in (deltas.by_hand, deltas.absolute_terms))
    assert deltas.disagreement(got.gradients["W1"], known.gradients[0][0], terms.gradients[0][0]) <= ROUNDING
    assert deltas.disagreement(got.gradients["b1"], known.gradients[0][1], terms.gradients[0][1]) <= ROUNDING
    assert deltas.disagreement(got.deltas["h"], known.deltas[0], terms.deltas[0]) <= ROUNDING
    assert unit.gradients["W1"] == pytest.approx(terms.gradients[0][0], rel=1e-13)  # sums of positive terms
    assert unit.deltas["h"] == pytest.approx(terms.deltas[0], rel=1e-13)
    assert got.error == pytest.approx(known.error, rel=1e-14)


def test_a_shared_weight_by_pencil() -> None:
    # y = w (w x), x = 2, w = 3, tar = 10: δ_y = 8, δ_h = 24, ∂E/∂w = δ_y out_h + δ_h x = 48 + 48
    clusters = {"x": (1, "identity"), "h": (1, "identity"), "y": (1, "identity")}
    both = [("x", "h", "w"), ("h", "y", "w")]
    w, x, target = {"w": np.array([[3.0]])}, {"x": np.array([[2.0]])}, {"y": np.array([[10.0]])}
    got, unit = by_clusters(clusters, both, w, x, target)
    assert (got.error, got.deltas["y"].item(), got.deltas["h"].item()) == (32.0, 8.0, 24.0)
    assert got.gradients["w"].item() == 96.0
    assert unit.gradients["w"].item() > 96.0


def planted(problem: tuple[Any, ...], fault: str) -> tuple[Any, ...]:
    clusters, connectors, w, x, target = problem
    if fault == "a use forgotten":
        return clusters, connectors[:-1], w, x, target
    if fault == "a weight off by 1e-9":
        return clusters, connectors, {**w, "W3": w["W3"] * (1 + 1e-9)}, x, target
    if fault == "another activation":
        return {**clusters, "h": (3, "sin")}, connectors, w, x, target
    return clusters, connectors, w, x, {"y": target["y"] + 1e-6}


@pytest.mark.parametrize("fault", ["a use forgotten", "a weight off by 1e-9", "another activation", "another target"])
def test_formulas_of_another_net_are_seen(fault: str) -> None:
    rng = np.random.default_rng(3)
    w = {name: rng.normal(size=np.shape(a)) for name, a in WEIGHTS.items()}
    honest = (CLUSTERS, CONNECTORS, w, PATTERNS, TARGETS)
    automatic = by_clusters(*honest)[0].gradients
    formula, unit = by_clusters(*planted(honest, fault))
    assert worst(automatic, formula, unit) > 10 * ROUNDING


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clusters": {**CLUSTERS, "h": (3, "sine")}}, "unknown activation 'sine'; known are identity, tanh"),
        ({"inputs": {}}, "at least one input and one target"),
        ({"inputs": {"z": np.ones((4, 2))}}, "input 'z' is no cluster; there are x, h, y"),
        ({"inputs": {"x": np.ones((4, 3))}}, r"input 'x' has shape \(4, 3\), it must be \(T, 2\) with the same T > 0"),
        ({"targets": {"y": np.ones((3, 1))}}, r"target 'y' has shape \(3, 1\), it must be \(T, 1\)"),
        ({"inputs": {"x": np.ones((0, 2))}}, r"input 'x' has shape \(0, 2\)"),
        ({"connectors": [("q", "h", "W1")]}, "a connector from 'q' to 'h' cannot be; there are x, h, y"),
        ({"connectors": [("h", "x", "W1")]}, "a connector from 'h' to 'x' cannot be"),
        (
            {"connectors": [("x", "h", "W9")]},
            r"weights 'W9' from 'x' to 'h' must have shape \(3, 2\); they are missing",
        ),
        ({"connectors": [("x", "h", "W2")]}, r"must have shape \(3, 2\); they are \(1, 3\)"),
        ({"connectors": [("h", "h", "W4")]}, "a cycle goes through h"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    arguments = {
        "clusters": CLUSTERS,
        "connectors": CONNECTORS,
        "weights": {**WEIGHTS, "W4": np.ones((3, 3))},
        "inputs": PATTERNS,
        "targets": TARGETS,
    }
    with pytest.raises(ValueError, match=message):
        by_clusters(**{**arguments, **change})
