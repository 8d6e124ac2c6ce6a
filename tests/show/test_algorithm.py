"""The local algorithm: its steps give the network's output and gradient; none sees more than its neighbours wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.oracles import complex_step
from tests.show.nets import KINDS, problem, recurrent, several
from tinygrad_lecture.nn.activations import ACTIVATIONS
from tinygrad_lecture.nn.losses import LOSSES, loss
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.topology import ONE, Cluster, Connector
from tinygrad_lecture.show import functions, terms
from tinygrad_lecture.show.algorithm import algorithm
from tinygrad_lecture.verify.strategies import networks

ROUNDING = 1e-10  # of the size of the gradients: sums of hundreds of roundings, which f' of gelu or gauss may enlarge


def error_of(net: Network, x: Any, target: dict[str, Any], name: str, p: Any) -> Any:
    """The error of all outputs together, as the engine records it."""
    activity = net.activity(x, p)
    total: Any = 0.0
    for output in net.topology.outputs:
        total = total + loss(name)(activity[output], target[output])
    return total


def close(a: Any, b: Any, size: float) -> bool:
    return bool(np.all(np.abs(np.asarray(a) - np.asarray(b)) <= ROUNDING * (1.0 + size)))


@given(networks(), st.sampled_from(list(LOSSES)), st.integers(0, 2**32 - 1))
def test_the_steps_give_the_outputs_the_error_and_the_gradient_of_the_net(net: Network, name: str, seed: int) -> None:
    x, target, parameters = problem(net, seed)
    found = algorithm(net, name).run(x, target, 0.25, parameters)
    for cluster, out in net.activity(x, parameters).items():
        assert close(found[f"out_{cluster}"], out, float(np.max(np.abs(out))))
    value, g = tl.value_and_grad(lambda p: error_of(net, x, target, name, p))(parameters)
    assert close(found["E"], value, abs(float(value)))
    size = max(float(np.max(np.abs(a))) for a in g.values())
    for weights, gradient in g.items():
        assert close(found.get(f"∂{weights}", 0.0), gradient, size), weights
        assert close(found.get(f"Δ{weights}", 0.0), -0.25 * gradient, size), weights


@given(networks(smooth=True), st.integers(0, 2**32 - 1))
def test_the_gradient_is_the_complex_step_of_the_error_that_the_steps_give(net: Network, seed: int) -> None:
    # no engine here: the forward steps with complex weights, the same text, against the backward steps
    smooth = {"identity", "tanh", "sin", "gauss", "logistic", "gelu"}
    if not {c.activation for c in net.topology.clusters} <= smooth:  # logaddexp of softplus takes no complex numbers
        return
    x, target, parameters = problem(net, seed)
    steps = algorithm(net)
    names = list(parameters)

    def error(*values: np.ndarray) -> np.ndarray:
        return np.asarray(steps.run(x, target, 1.0, dict(zip(names, values, strict=True)))["E"])

    expected = complex_step(error, list(parameters.values()), np.array(1.0))
    found = steps.run(x, target, 1.0, parameters)
    size = max(float(np.max(np.abs(a))) for a in expected)
    for name, g in zip(names, expected, strict=True):
        assert close(found.get(f"∂{name}", 0.0), g, size), name


@given(networks(), st.sampled_from(list(LOSSES)))
def test_a_step_reads_only_what_its_neighbours_wrote(net: Network, name: str) -> None:
    t = net.topology
    into = {c.name: [k for k in t.connectors if k.target == c.name and not k.blocked] for c in t.clusters}
    from_ = {c.name: [k for k in t.connectors if k.source == c.name and not k.blocked] for c in t.clusters}
    for step in algorithm(net, name):
        reads, j = set(step.reads) - {"T"}, step.at
        if step.writes == f"in_{j}":
            near = {f"out_{k.source}" for k in into[j]} | {k.weights for k in into[j]}
        elif step.writes == f"out_{j}":
            near = {f"in_{j}"}
        elif step.writes == f"err_{j}":
            near = {f"δ_{k.target}" for k in from_[j]} | {k.weights for k in from_[j]}
            near |= {f"out_{j}", f"tar_{j}"} if j in t.outputs else set()
        elif step.writes == f"δ_{j}":
            near = {f"in_{j}", f"err_{j}"}
        elif step.writes == f"∂{j}":
            uses = [k for k in t.connectors if k.weights == j and not k.blocked]
            near = {f"δ_{k.target}" for k in uses} | {f"out_{k.source}" for k in uses if k.source != ONE}
        elif step.writes == f"Δ{j}":
            near = {f"∂{j}", "η"}
        else:
            assert step.writes == "E"
            near = {f"{kind}_{o}" for o in t.outputs for kind in ("out", "tar")}
        assert reads <= near, step.text


@given(networks())
def test_a_step_reads_what_was_given_or_written_before_it(net: Network) -> None:
    steps = algorithm(net)
    known = set(steps.given)
    for number, step in enumerate(steps, 1):
        assert step.number == number
        assert set(step.reads) <= known
        assert step.writes not in known
        known.add(step.writes)


def test_a_step_that_reads_more_than_it_says_cannot_be_taken() -> None:
    net = MLP([2, 3, 1])
    steps = algorithm(net)
    first = replace(steps.steps[0], value=replace(steps.steps[0].value, reads=("W1", "out_in")))  # no b1
    short = replace(steps, steps=(first, *steps.steps[1:]))
    with pytest.raises(NameError, match="b1"):
        short.run(np.zeros((1, 2)), np.zeros((1, 1)), 0.1, net.parameters)


def test_every_activation_and_every_loss_has_its_formula() -> None:
    assert set(functions.ACTIVATIONS) == set(ACTIVATIONS)
    assert set(functions.LOSSES) == set(LOSSES)
    assert terms.ONE == ONE


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_formulas_of_activations_hold_far_out_where_exp_overflows(name: str) -> None:
    net = MLP([1, 1], output=name, bias=False)
    x = np.array([[-800.0], [-30.0], [-1.0], [0.5], [30.0], [800.0]])
    parameters = {"W1": np.ones((1, 1))}
    found = algorithm(net).run(x, np.zeros((6, 1)), 1.0, parameters)
    z = tl.Tensor(x, requires_grad=True)
    y = ACTIVATIONS[name](z)
    np.sum(y * 1.0).backward()
    assert found["out_out"] == pytest.approx(np.asarray(net(x, parameters)), rel=1e-12, abs=1e-300)
    slopes = found["δ_out"] / np.where(found["err_out"] == 0, 1.0, found["err_out"])
    expected = np.where(found["err_out"] == 0, 0.0, z.grad)
    assert slopes == pytest.approx(expected, rel=1e-11, abs=1e-13)  # σ + z σ' of gelu cancels to some 1e-14


def test_a_stacked_output_is_one_array_for_the_mean_over_outputs() -> None:
    net = recurrent.unrolled(4)
    rng = np.random.default_rng(1)
    x, target = rng.normal(size=(5, 4, 2)), rng.normal(size=(5, 4, 1))
    value, g = tl.value_and_grad(lambda p: loss("mean_squared")(net(x, p), target))(net.parameters)
    found = algorithm(net, "mean_squared").run(x, target, 0.1, net.parameters)
    assert found["E"] == pytest.approx(value, rel=1e-13)
    for name, a in g.items():
        assert found[f"∂{name}"] == pytest.approx(a, rel=1e-11, abs=1e-14)


def test_class_numbers_are_targets_for_cross_entropy() -> None:
    net, x = MLP([2, 4, 3]), np.random.default_rng(0).normal(size=(6, 2))
    classes = np.array([0, 2, 1, 1, 0, 2])
    value, g = tl.value_and_grad(lambda p: tl.cross_entropy(net(x, p), classes))(net.parameters)
    found = algorithm(net, "cross_entropy").run(x, classes, 0.1, net.parameters)
    assert found["E"] == pytest.approx(value, rel=1e-13)
    assert found["∂W1"] == pytest.approx(g["W1"], rel=1e-11, abs=1e-15)


def test_float32_stays_float32() -> None:
    net = MLP([2, 3, 1], activation="gelu", dtype=np.float32)
    found = algorithm(net).run(np.ones((2, 2), np.float32), np.ones((2, 1), np.float32), 0.1, net.parameters)
    assert {found[name].dtype for name in ("out_out", "δ_hid1", "∂W1", "ΔW1")} == {np.dtype(np.float32)}


def test_weights_that_no_error_reaches_are_named_and_have_no_step() -> None:
    net = recurrent.unrolled(3, "last").blocked("W2")
    steps = algorithm(net)
    assert steps.idle == ("W2",)
    assert "no error arrives at: W2" in str(steps)
    assert not any("W2" in step.text for step in steps)
    assert not any(step.writes == "err_y[1]" for step in steps)  # y[1] is computed, but leads to no output


def test_a_cluster_that_is_fed_by_biases_alone_or_by_nothing_has_an_input_of_all_patterns() -> None:
    net = Network(
        [Cluster("x", 2), Cluster("a", 3), Cluster("b", 3), Cluster("y", 1)],
        [
            Connector("one", "a"),
            Connector("x", "b", blocked=True),
            Connector("a", "y"),
            Connector("b", "y"),
            Connector("x", "y"),
        ],
    )
    steps = algorithm(net)
    assert [s.text for s in steps if s.at in "ab" and s.writes.startswith("in_")] == ["in_a = b1", "in_b = 0"]
    found = steps.run(np.ones((5, 2)), np.zeros((5, 1)), 0.1, net.parameters)
    assert found["in_a"].shape == found["in_b"].shape == (5, 3)


def test_it_prints_as_a_numbered_table() -> None:
    lines = str(algorithm(MLP([2, 8, 1]))).splitlines()
    assert lines[0] == "given: W1, out_in, b1, W2, b2, tar_out, T, η"
    assert lines[1].split() == ["at", "formula", "reads", "NumPy"]
    assert lines[3].split() == [
        "1",
        "hid1",
        "in_hid1",
        "=",
        "W1",
        "out_in",
        "+",
        "b1",
        "W1,",
        "out_in,",
        "b1",
        "in_hid1",
        "=",
        "out_in",
        "@",
        "W1.T",
        "+",
        "b1",
    ]
    assert [line.strip() for line in lines if line.startswith("──")] == [
        "──  forward ↑",
        "──  error",
        "──  backward ↓",
        "──  gradient ↑ · ↓",
        "──  update",
    ]
    assert lines[-1].split() == ["17", "b2", "Δb2", "=", "−η", "∂b2", "η,", "∂b2", "Delta_b2", "=", "-eta", "*", "g_b2"]


def test_names_that_are_no_names_in_code_are_told_apart() -> None:
    net = Network(
        [Cluster("x 1", 2), Cluster("x_1", 2), Cluster("ü$&", 1, "tanh"), Cluster("class", 1)],
        [
            Connector("x 1", "ü$&", "2"),
            Connector("x_1", "ü$&", "lambda"),
            Connector("ü$&", "class", "np"),
            Connector("one", "class", "eta"),
        ],
    )
    steps = algorithm(net)
    codes = list(steps.identifiers.values())
    assert len(set(codes)) == len(codes)
    assert all(code.isidentifier() and code.isascii() for code in codes)
    x, target, parameters = problem(net, 3)
    g = tl.grad(lambda p: error_of(net, x, target, "squared_error", p))(parameters)
    found = steps.run(x, target, 0.1, parameters)
    for name in ("2", "lambda", "np", "eta"):
        assert found[f"∂{name}"] == pytest.approx(g[name], rel=1e-12)


# errors


def test_a_delay_has_to_be_unrolled_first() -> None:
    with pytest.raises(ValueError, match=r"W2: h → h, delay 1 looks back in time: unroll the net first"):
        algorithm(recurrent)


def test_a_loss_without_a_formula_is_refused_naming_those_that_have_one() -> None:
    with pytest.raises(ValueError, match="no formula for the loss 'hinge'; choose one of squared_error, mean_squared"):
        algorithm(MLP([2, 1]), "hinge")


def test_an_activation_without_a_formula_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACTIVATIONS, "cube", lambda z: z**3)
    with pytest.raises(ValueError, match="no formula for the activation 'cube'; there are identity, tanh"):
        algorithm(MLP([2, 3, 1], activation="cube"))


@pytest.mark.parametrize("name", ["E", "T", "η", "out_y", "δ_y", "tar_x"])
def test_weights_that_are_called_like_another_quantity_are_refused(name: str) -> None:
    net = Network([Cluster("x", 1), Cluster("y", 1)], [Connector("x", "y", name)])
    with pytest.raises(ValueError, match=f"the weights {name!r}: another quantity of the network is called {name!r}"):
        algorithm(net)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x": np.zeros((5, 3))}, r"x has shape \(5, 3\) for the cluster 'in'; it must be \(T, 2\)"),
        ({"target": np.zeros(5)}, r"target has shape \(5,\) for the cluster 'out'; it must be \(T, 1\)"),
        ({"target": np.zeros((4, 1))}, r"one number of patterns, at least 1, not of \[4, 5\]"),
        ({"x": {"z": np.zeros((5, 2))}}, "x: z were given, needed are in"),
        ({"parameters": {}}, "parameters lack W1; this algorithm has W1, b1"),
        ({"parameters": {"W1": np.zeros((2, 1))}}, r"W1 has shape \(2, 1\), this algorithm needs \(1, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_sides(change: dict[str, Any], says: str) -> None:
    net = MLP([2, 1])
    fits = {"x": np.zeros((5, 2)), "target": np.zeros((5, 1)), "eta": 0.1, "parameters": net.parameters}
    with pytest.raises(ValueError, match=says):
        algorithm(net).run(**(fits | change))


def test_several_inputs_want_a_dict() -> None:
    with pytest.raises(ValueError, match="x: there are several clusters: give a dict with age, picture"):
        algorithm(several).run(np.zeros((3, 1)), {}, 0.1, several.parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_net_runs(kind: str) -> None:
    net = KINDS[kind]
    x, target, parameters = problem(net, 5, patterns=2)
    found = algorithm(net).run(x, target, 0.1, parameters)
    assert all(np.all(np.isfinite(found[step.writes])) for step in algorithm(net))
