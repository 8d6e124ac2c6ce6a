"""tl.trace of a network: in, out, err, δ and Δw of clusters and neurons, as the formulas that were derived by hand."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.show.nets import KINDS, given_to, problem, recurrent
from tinygrad_lecture import Tensor, trace
from tinygrad_lecture.nn.activations import ACTIVATIONS
from tinygrad_lecture.nn.losses import LOSSES
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.topology import Cluster, Connector
from tinygrad_lecture.show.algorithm import algorithm
from tinygrad_lecture.show.flow import MOST, SMALL, Flow
from tinygrad_lecture.show.parts import Parts
from tinygrad_lecture.verify.deltas import absolute_terms, by_hand, disagreement
from tinygrad_lecture.verify.deltas_any import ByClusters, by_clusters
from tinygrad_lecture.verify.strategies import Problem, networks, problems

EXACT = 1e-12
"""Some thousand roundings, of the sum of the absolute values of all terms: two ways to compute the same formulas."""


def targets_of(net: Network, targets: dict[str, Any]) -> Any:
    """Targets by output cluster, as the network gives its outputs: the copies over time in one array."""
    if net.steps is None:
        return given_to(net, targets)
    over_time = defaultdict(list)
    for name, a in targets.items():
        over_time[name.rpartition("[")[0]].append(a)
    stacked = {name: np.stack(copies, axis=1) if net.stacks else copies[-1] for name, copies in over_time.items()}
    return given_to(net, stacked)


def traced(p: Problem, **options: Any) -> Flow:
    p.net.assign(p.parameters)
    assume(any(p.net.topology.into(name) for name in p.net.topology.outputs))  # else there is nothing to trace
    return trace(p.net, p.inputs, targets_of(p.net, p.targets), **options)


def near(found: Any, expected: np.ndarray, unit: np.ndarray) -> bool:
    return disagreement(np.asarray(found), expected, unit) <= EXACT


def check_clusters(flow: Flow, net: Network, hand: ByClusters, unit: ByClusters, weights: Any) -> None:
    """Every number of every cluster, and every ΔW."""
    topology = net.topology
    for part in flow.clusters:
        name = part.name
        assert near(part.out, hand.outputs[name], np.maximum(unit.outputs[name], 1e-30))
        if name in topology.inputs:
            assert part.net_input is None
            assert part.delta is None
            assert part.uses == ()
            assert near(0.0 * part.out if part.err is None else part.err, hand.deltas[name], unit.deltas[name])
            continue
        assert near(part.net_input, hand.net_inputs[name], np.maximum(unit.net_inputs[name], 1e-30))
        if part.delta is None:  # nothing leads from there to E, or nothing below could learn
            assert not topology.into(name) or np.all(hand.deltas[name] == 0)
        else:
            assert near(part.delta, hand.deltas[name], unit.deltas[name])
        for use in part.uses:
            np.testing.assert_array_equal(use.w, weights[use.weights])
            products = (
                [np.ones((flow.patterns, 1))] * 2
                if use.source == "one"
                else [h.outputs[use.source] for h in (hand, unit)]
            )
            dw, dw_unit = (
                np.reshape(np.einsum("tj,ti->ji", h.deltas[name], out), np.shape(use.w)) / flow.patterns
                for h, out in zip((hand, unit), products, strict=True)
            )
            if part.delta is not None:
                assert near(use.dw, -flow.eta * dw, flow.eta * dw_unit)
        assert [(u.source, name, u.weights) for u in part.uses] == sorted(
            ((c.source, c.target, c.weights) for c in topology.into(name)), key=lambda c: c[0] == "one"
        )
    for name, update in flow.updates.items():
        assert near(update, -flow.eta * hand.gradients[name], flow.eta * unit.gradients[name])


def check_neurons(flow: Flow, hand: ByClusters, unit: ByClusters) -> None:
    """Every δ of every neuron at every pattern, and every Δw: summed over its uses, in the mean over the patterns."""
    total = {name: np.zeros(np.shape(g)) for name, g in hand.gradients.items()}
    for t in range(flow.patterns):
        for neuron in flow.neurons(t):
            cluster, j = re.fullmatch(r"(.*)\[(\d+)\]", neuron.name).groups()  # type: ignore[union-attr]
            at = (t, int(j))
            if neuron.delta is not None:
                assert near(neuron.delta, hand.deltas[cluster][at], unit.deltas[cluster][at])
            for use in neuron.uses:
                weights, place = re.fullmatch(r"(.*)\[([\d,]+)\]", use.weights).groups()  # type: ignore[union-attr]
                index = tuple(map(int, place.split(",")))
                delta, delta_unit = hand.deltas[cluster][at], unit.deltas[cluster][at]
                sent, sent_unit = 1.0, 1.0
                if use.source != "one":
                    source, i = re.fullmatch(r"(.*)\[(\d+)\]", use.source).groups()  # type: ignore[union-attr]
                    assert index == (int(j), int(i))
                    sent, sent_unit = hand.outputs[source][t, index[1]], unit.outputs[source][t, index[1]]
                assert near(use.out, np.asarray(sent), np.maximum(sent_unit, 1e-30))
                if neuron.delta is not None:
                    assert near(use.dw, -flow.eta * delta * sent, flow.eta * delta_unit * sent_unit)
                total[weights][index] += use.dw / flow.patterns
    for name, dw in total.items():
        assert near(dw, -flow.eta * hand.gradients[name], flow.eta * unit.gradients[name])


# the numbers, beside the formulas


@given(problems(), st.sampled_from([1.0, 0.3]))
def test_every_cluster_of_any_topology_has_what_the_formulas_give(p: Problem, eta: float) -> None:
    flow = traced(p, eta=eta)
    hand, unit = by_clusters(*p.plain())
    assert flow.error == pytest.approx(hand.error, rel=1e-12, abs=1e-12 * unit.error)
    check_clusters(flow, p.net, hand, unit, p.parameters)


@given(problems(), st.sampled_from([1.0, 0.3]))
def test_every_neuron_of_any_topology_has_what_the_formulas_give(p: Problem, eta: float) -> None:
    check_neurons(traced(p, eta=eta), *by_clusters(*p.plain()))


@given(networks(), st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_shared_weights_and_doubled_connectors_have_what_the_formulas_give(net: Network, seed: int, n: int) -> None:
    x, targets, parameters = problem(net, seed, n)
    p = Problem(net, parameters, x, targets)
    flow = traced(p)
    check_clusters(flow, net, *by_clusters(*p.plain()), parameters)
    check_neurons(flow, *by_clusters(*p.plain()))


@pytest.mark.parametrize("kind", [k for k, net in KINDS.items() if net.steps])
def test_a_net_over_time_has_what_the_formulas_give_for_its_copies(kind: str) -> None:
    net = KINDS[kind]
    x, targets, parameters = problem(net, 3, 2)
    net.assign(parameters)
    sequence = np.stack(list(x.values()), axis=1)
    flow = trace(net, sequence, targets_of(net, targets), eta=0.5)
    hand, unit = by_clusters(*Problem(net, parameters, x, targets).plain())
    check_clusters(flow, net, hand, unit, parameters)
    check_neurons(flow, hand, unit)


@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=5),
    st.sampled_from(list(ACTIVATIONS)),
    st.sampled_from(list(ACTIVATIONS)),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_every_layer_has_what_the_formulas_for_layers_give(
    sizes: list[int], hidden: str, output: str, bias: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    net = tl.MLP(sizes, activation=hidden, output=output, bias=bias, rng=rng)
    x, target = rng.normal(size=(3, sizes[0])), rng.normal(size=(3, sizes[-1]))
    flow = trace(net, x, target)
    p = net.parameters
    layers = [(p[f"W{i}"], p.get(f"b{i}")) for i in range(1, len(sizes))]
    hand = by_hand(layers, net.activations, x, target)
    unit = absolute_terms(layers, net.activations, x, target)
    for i, name in enumerate([*(f"hid{i}" for i in range(1, len(sizes) - 1)), "out"]):
        assert near(flow.clusters[name].delta, hand.deltas[i], unit.deltas[i])
        for found, g, u in zip((f"W{i + 1}", f"b{i + 1}"), hand.gradients[i], unit.gradients[i], strict=True):
            if g is not None:
                assert near(flow.updates[found], -g, u)


@given(networks(smooth=True), st.sampled_from(list(LOSSES)), st.integers(0, 2**32 - 1))
def test_the_names_and_numbers_are_those_of_the_local_algorithm_for_every_loss(
    net: Network, loss: str, seed: int
) -> None:
    x, targets, parameters = problem(net, seed)
    flow = traced(Problem(net, parameters, x, targets), loss=loss, eta=0.25)
    run = algorithm(net, loss).run(given_to(net, x), given_to(net, targets), 0.25, parameters)

    def same(found: Any, expected: Any) -> None:
        # sums of some hundred roundings; where terms cancel, of the size of the largest
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * (1.0 + np.max(np.abs(expected))))

    same(flow.error, run["E"])
    for part in flow.clusters:
        for prefix, found in (("in", part.net_input), ("out", part.out), ("err", part.err), ("δ", part.delta)):
            if found is not None and f"{prefix}_{part.name}" in run:
                same(found, run[f"{prefix}_{part.name}"])
    for name, update in flow.updates.items():
        same(update, run.get(f"Δ{name}", np.zeros_like(update)))
    assert {s.name for s in flow.nodes if not re.fullmatch(r"v\d+", s.name)} <= {*run, *net.parameters}


# where they come from


def small() -> Network:
    net = tl.MLP([2, 2, 1], output="logistic")
    net.assign(
        {
            "W1": [[0.5, -1.0], [1.5, 0.5]],
            "b1": [0.0, -0.5],
            "W2": [[1.0, -2.0]],
            "b2": [0.5],
        }
    )
    return net


def test_errors_are_those_that_arrive_in_the_walk() -> None:
    flow = trace(small(), [[1.0, 0.5], [0.0, 2.0]], [[1.0], [0.0]])
    for name in ("hid1", "out"):
        assert flow.clusters[name].delta is flow.nodes[f"in_{name}"].err
        assert flow.clusters[name].err is flow.nodes[f"out_{name}"].err
    assert flow.clusters["in"].err is flow.nodes["out_in"].err
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(flow.updates[name], -0.5 * flow.nodes[name].err)


def test_a_wrong_local_rule_is_seen_at_its_neuron_and_below(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tl.local_rule(lambda x: np.tanh(x), slopes=lambda y, x: 1.001 * (1 - y * y))
    right = trace(small(), [[1.0, 0.5]], [[1.0]])
    monkeypatch.setitem(ACTIVATIONS, "tanh", wrong)
    found = trace(small(), [[1.0, 0.5]], [[1.0]])
    assert found.clusters["out"].delta == right.clusters["out"].delta
    np.testing.assert_allclose(found.clusters["hid1"].delta, 1.001 * right.clusters["hid1"].delta, rtol=1e-14)
    np.testing.assert_allclose(found.updates["W1"], 1.001 * right.updates["W1"], rtol=1e-14)


def test_nothing_is_added_to_any_gradient() -> None:
    net = small()
    trace(net, [[1.0, 0.5]], [[1.0]])
    assert all(leaf.grad is None for leaf in net.leaves.values())


def test_it_is_traced_where_recording_is_off_too() -> None:
    with tl.no_grad():
        assert str(trace(small(), [[1.0, 0.5]], [[1.0]])) == str(trace(small(), [[1.0, 0.5]], [[1.0]]))


def test_inputs_may_be_whole_numbers_and_weights_single_precision() -> None:
    net = tl.MLP([2, 2, 1], dtype=np.float32)
    flow = trace(net, [[1, 0]], [[1]])
    assert flow.updates["W1"].dtype == np.float32
    assert flow.clusters["in"].out.tolist() == [[1.0, 0.0]]
    assert trace(net, np.float32([[1, 0]]), np.float32([[1]])).clusters["hid1"].delta.dtype == np.float32


def test_no_error_is_computed_for_inputs_that_want_none() -> None:
    flow = trace(small(), Tensor([[1.0, 0.5]]), [[1.0]])
    assert flow.clusters["in"].err is None
    assert flow.neurons()["in[0]"].err is None
    assert str(flow).splitlines()[-1].split() == ["in[1]", "0.5000"]


def test_what_does_not_lead_to_the_error_gets_none_and_its_weights_stay() -> None:
    net = recurrent.unrolled(2, "last")
    flow = trace(net, np.ones((1, 2, 2)), [[0.0]])
    assert flow.clusters["y[1]"].delta is None
    assert [u.dw.tolist() for u in flow.clusters["y[1]"].uses] == [[[0.0, 0.0, 0.0]], [0.0]]
    assert {u.dw for u in flow.neurons()["y[1][0]"].uses} == {0.0}


def test_weights_that_no_error_reaches_have_no_update() -> None:
    net = small().blocked("W2")
    flow = trace(net, [[1.0, 0.5]], [[1.0]])
    assert flow.updates["W1"].tolist() == [[0, 0], [0, 0]]
    assert flow.updates["b2"] != 0


@given(problems(), st.sampled_from(["squared_error", "absolute", "log_cosh"]))
def test_a_net_gives_its_error_and_signals_as_it_computes_them(p: Problem, loss: str) -> None:
    p.net.assign(p.parameters)
    targets = given_to(p.net, p.targets)
    E, nets, outs = p.net.error_and_signals(p.inputs, targets, loss)
    for name, out in p.net.activity(p.inputs).items():
        np.testing.assert_array_equal(_numbers(outs[name]), out)
    assert set(nets) == set(outs) - set(p.inputs)
    assert _numbers(E) == pytest.approx(
        sum(LOSSES[loss](out, p.targets[k]) for k, out in p.outputs().items()), rel=1e-12
    )


def _numbers(a: Any) -> Any:
    return a.numpy() if isinstance(a, Tensor) else a


# what is printed


def test_a_small_net_prints_exactly_so() -> None:
    assert str(trace(small(), [[1.0, -0.5]], [[1.0]], eta=0.5)) == PRINTED


PRINTED = """\
E = 0.12609 (squared_error); δ = f'(in) err, Δw = −η δ out, η = 0.5
neuron      in ↑    out ↑    err ↓      δ ↓  weight         w  from     its out       Δw
───────  ───────  ───────  ───────  ───────  ───────  ───────  ───────  ───────  ───────
out[0]   -0.0087   0.4978  -0.5022  -0.1255  W2[0,0]   1.0000  hid1[0]   0.7616   0.0478
                                             W2[0,1]  -2.0000  hid1[1]   0.6351   0.0399
                                             b2[0]     0.5000  one       1.0000   0.0628
hid1[0]   1.0000   0.7616  -0.1255  -0.0527  W1[0,0]   0.5000  in[0]     1.0000   0.0264
                                             W1[0,1]  -1.0000  in[1]    -0.5000  -0.0132
                                             b1[0]     0.0000  one       1.0000   0.0264
hid1[1]   0.7500   0.6351   0.2511   0.1498  W1[1,0]   1.5000  in[0]     1.0000  -0.0749
                                             W1[1,1]   0.5000  in[1]    -0.5000   0.0374
                                             b1[1]    -0.5000  one       1.0000  -0.0749
in[0]              1.0000   0.1983
in[1]             -0.5000   0.1276"""


def test_the_numbers_of_the_small_net_by_pencil_and_paper() -> None:
    neurons = trace(small(), [[1.0, -0.5]], [[1.0]], eta=0.5).neurons()
    hid = [np.tanh(1.0), np.tanh(0.75)]  # 0.5 + 0.5, and 1.5 − 0.25 − 0.5
    out = 1 / (1 + np.exp(-(hid[0] - 2 * hid[1] + 0.5)))
    delta = (out - 1) * out * (1 - out)
    assert neurons["out[0]"].delta == pytest.approx(delta, rel=1e-14)
    assert neurons["hid1[1]"].err == pytest.approx(-2 * delta, rel=1e-14)
    assert neurons["hid1[1]"].delta == pytest.approx(-2 * delta * (1 - hid[1] ** 2), rel=1e-14)
    assert [u.dw for u in neurons["out[0]"].uses] == pytest.approx(
        [-0.5 * delta * hid[0], -0.5 * delta * hid[1], -0.5 * delta], rel=1e-14
    )


def test_several_patterns_print_by_cluster_with_sizes() -> None:
    net = small()
    lines = str(trace(net, np.ones((4, 2)), np.ones((4, 1)))).splitlines()
    assert "of 4 patterns, ΔW their mean" in lines[0]
    assert lines[1].startswith("A cluster's numbers are roots of mean squares")
    assert [line.split()[:2] for line in lines[4:] if line[0] != " "] == [["out", "1"], ["hid1", "2"], ["in", "2"]]
    assert "W1 2×2" in lines[6]


def test_one_of_several_patterns_is_shown_by_neuron_with_its_own_errors() -> None:
    x, target = np.array([[1.0, 0.5], [0.0, 2.0]]), np.array([[1.0], [0.0]])
    one, two = trace(small(), x[1:], target[1:]), trace(small(), x, target)
    assert [p.err for p in two.neurons(1)] == pytest.approx([p.err for p in one.neurons()], rel=1e-14)
    assert "; pattern 1, whose share of ΔW is Δw / 2" in str(two.neurons(1)).splitlines()[0]


def test_a_large_net_prints_by_cluster() -> None:
    net = tl.MLP([4, SMALL, 1])
    flow = trace(net, np.ones((1, 4)), np.ones((1, 1)))
    assert "W1 40×4" in str(flow)
    assert len(flow.neurons()) == 4 + SMALL + 1


def test_what_shared_weights_add_up_to_stands_below() -> None:
    net = Network(
        [Cluster("x", 1), Cluster("h", 1, "tanh"), Cluster("y", 1)],
        [Connector("x", "h", "V"), Connector("h", "y", "V")],
    )
    net.assign({"V": [[2.0]]})
    flow = trace(net, [[0.5]], [[1.0]])
    h = np.tanh(1.0)
    delta = 2 * h - 1
    dw = -delta * h - 2 * delta * (1 - h**2) * 0.5
    assert flow.updates["V"] == pytest.approx(dw, rel=1e-13)
    assert str(flow).splitlines()[-1] == f"V[0,0] is used 2 times: Δw = {dw:.4f} in all"


@given(networks(), st.integers(0, 2**32 - 1), st.sampled_from([1e-9, 1.0, 1e7]))
def test_no_line_is_wider_than_100_columns_or_ends_in_spaces(net: Network, seed: int, scale: float) -> None:
    x, targets, parameters = problem(net, seed, 1)
    flow = traced(Problem(net, {k: scale * a for k, a in parameters.items()}, x, targets))
    for line in [*str(flow).splitlines(), *str(flow.neurons()).splitlines(), *str(flow.clusters).splitlines()]:
        assert len(line) <= 100
        assert line == line.rstrip()


def test_a_long_name_keeps_its_index() -> None:
    net = Network(
        [Cluster("picture_of_a_digit", 2), Cluster("answer_to_it", 1)],
        [Connector("picture_of_a_digit", "answer_to_it")],
    )
    table = str(trace(net, -1234.5678 * np.ones((1, 2)), [[1.0]]))
    assert "…[1]" in table
    assert max(map(len, table.splitlines())) <= 100


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "0.0000"),
        (-0.0, "0.0000"),
        (-98.9999, "-98.9999"),
        (0.001, "0.0010"),
        (-0.00099, "-9.9e-04"),
        (-12345.678, "-12345.7"),
        (123456.0, "1.2e+05"),
        (-1e-200, "-1e-200"),
        (np.inf, "inf"),
        (np.nan, "nan"),
        (np.array([[3.0, -4.0]]), "3.5355"),
    ],
)
def test_a_number_takes_at_most_8_characters(value: Any, text: str) -> None:
    from tinygrad_lecture.show.parts import number

    assert number(value) == text


def test_clusters_neurons_and_nodes_are_found_by_name() -> None:
    flow = trace(small(), [[1.0, 0.5]], [[1.0]])
    assert isinstance(flow.clusters, Parts)
    assert [p.name for p in flow.clusters] == ["out", "hid1", "in"]
    assert [p.name for p in flow.neurons()] == ["out[0]", "hid1[0]", "hid1[1]", "in[0]", "in[1]"]
    assert len(flow.clusters) == 3
    assert flow.nodes.steps[0].name == "E"
    with pytest.raises(KeyError, match="there is no 'hidden' here; there are out, hid1, in"):
        flow.clusters["hidden"]


# what is refused


@pytest.mark.parametrize(
    ("x", "target", "options", "message"),
    [
        ([1.0, 0.5], [1.0], {}, r"in has shape \(2,\); it must be \(T, n\), a single pattern as x\[None\]"),
        ([[1.0]], [[1.0]], {}, "the net has 2 inputs: the last axis must be 2"),
        ([[1.0, 0.5]], [1.0], {}, r"outputs have shape \(1, 1\), targets \(1,\)"),
        ([[1.0, 0.5]], [[1.0]], {"eta": np.nan}, "eta must be a finite number, not nan"),
        ([[1.0, 0.5]], [[1.0]], {"loss": "square"}, "unknown loss 'square'"),
    ],
)
def test_what_does_not_fit_is_refused(x: Any, target: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trace(small(), x, target, **options)


def test_a_network_without_patterns_is_refused_with_what_to_write() -> None:
    for parts in ((), ([[1.0, 0.5]],)):
        with pytest.raises(TypeError, match=r"needs patterns and their targets: trace\(net, x, target\)"):
            trace(small(), *parts)


def test_targets_of_several_outputs_are_named() -> None:
    net = KINDS["several inputs and outputs"]
    x, targets, _ = problem(net, 0)
    with pytest.raises(ValueError, match="several outputs: give targets as a dict with kind, value"):
        trace(net, x, targets["kind"])
    with pytest.raises(ValueError, match="several outputs: give targets as a dict with kind, value"):
        trace(net, x, {"kind": targets["kind"], "worth": targets["value"]})


def test_a_net_through_which_no_error_can_flow_is_refused() -> None:
    net = tl.MLP([2, 1]).blocked("W1", "b1")
    with pytest.raises(ValueError, match="neither weights nor inputs lead to its outputs"):
        trace(net, [[1.0, 0.5]], [[1.0]])


def test_a_net_that_looks_back_in_time_is_unrolled_first() -> None:
    with pytest.raises(ValueError, match="looks back in time: unroll the net first"):
        trace(recurrent, [[1.0, 0.5]], [[1.0]])


def test_weights_that_are_called_like_a_quantity_are_refused() -> None:
    net = Network([Cluster("x", 1), Cluster("y", 1)], [Connector("x", "y", "in_y")])
    with pytest.raises(ValueError, match="is called 'in_y' already"):
        trace(net, [[1.0]], [[1.0]])


def test_a_pattern_that_is_not_there_is_refused() -> None:
    flow = trace(small(), np.ones((3, 2)), np.ones((3, 1)))
    for k in (-1, 3):
        with pytest.raises(IndexError, match=f"there is no pattern {k}; there are 0 … 2"):
            flow.neurons(k)


def test_a_net_too_large_to_be_read_by_neuron_says_what_to_print() -> None:
    flow = trace(tl.MLP([MOST, 1]), np.ones((1, MOST)), [[1.0]])
    with pytest.raises(ValueError, match=f"{MOST + 1} weights in use, and at most {MOST} are shown neuron by neuron"):
        flow.neurons()
