"""Networks of any topology: skips, sharing, several ends, biases, blocked connectors, recurrence over time (C5, C6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.oracles import complex_step
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.topology import ONE, Cluster, Connector, Topology
from tinygrad_lecture.verify.strategies import Problem, problems

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 2))
CLUSTERS = [Cluster("x", 2), Cluster("h", 3, "tanh"), Cluster("y", 1)]


def skip_net(**options: Any) -> Network:
    connectors = [Connector("x", "h"), Connector(ONE, "h"), Connector("h", "y"), Connector("x", "y")]
    return Network(CLUSTERS, connectors, **options)


def test_a_skip_connection_adds_to_the_net_input() -> None:
    net = skip_net(rng=3)
    p = net.parameters
    expected = np.tanh(X @ p["W1"].T + p["b1"]) @ p["W2"].T + X @ p["W3"].T
    assert net(X) == pytest.approx(expected, rel=1e-14)
    assert repr(net) == (
        "Network(x: 2 identity, h: 3 tanh, y: 1 identity; W1: x → h, b1: one → h, W2: h → y, W3: x → y)"
    )


def test_several_inputs_and_outputs_come_and_go_by_name() -> None:
    net = Network(
        [Cluster("a", 2), Cluster("b", 1), Cluster("s", 2, "sin"), Cluster("t", 1)],
        [Connector("a", "s", "A"), Connector("b", "s", "B"), Connector("s", "t", "C"), Connector("b", "t", "D")],
        outputs=("t", "s"),
    )
    p, b = net.parameters, X[:, :1]
    out = net({"a": X, "b": b})
    s = np.sin(X @ p["A"].T + b @ p["B"].T)
    assert list(out) == ["t", "s"]
    assert out["s"] == pytest.approx(s, rel=1e-14)
    assert out["t"] == pytest.approx(s @ p["C"].T + b @ p["D"].T, rel=1e-14)


def test_a_shared_weight_gets_the_sum_over_its_uses() -> None:
    chain = [Cluster("x", 2), Cluster("h", 2, "tanh"), Cluster("y", 2)]
    shared = Network(chain, [Connector("x", "h", "W"), Connector("h", "y", "W")])
    apart = Network(chain, [Connector("x", "h", "W1"), Connector("h", "y", "W2")])
    w = RNG.normal(size=(2, 2))
    together = tl.grad(lambda p: np.sum(shared(X, p) ** 2))({"W": w})["W"]
    uses = tl.grad(lambda p: np.sum(apart(X, p) ** 2))({"W1": w, "W2": w})
    assert list(shared.parameters) == ["W"]
    assert together == pytest.approx(uses["W1"] + uses["W2"], rel=1e-13, abs=1e-13)  # one sum, in another order


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_an_extra_input_that_is_always_one_is_a_bias(seed: int, deep: bool) -> None:
    # C6: bias as a matter of topology
    rng = np.random.default_rng(seed)
    clusters = [Cluster("x", 2), Cluster("h", 3, "tanh"), Cluster("y", 1, "logistic" if deep else "identity")]
    wires = [Connector("x", "h"), Connector("h", "y")]
    explicit = Network(clusters, [*wires, Connector(ONE, "h"), Connector(ONE, "y")])
    extra = Network(
        [*clusters, Cluster("always 1", 1)],
        [*wires, Connector("always 1", "h", "b1"), Connector("always 1", "y", "b2")],
    )
    p = {name: rng.normal(size=shape) for name, shape in explicit.topology.shapes.items()}
    columns = {name: a if a.ndim == 2 else a[:, None] for name, a in p.items()}
    x, target = rng.normal(size=(6, 2)), rng.normal(size=(6, 1))
    inputs = {"x": x, "always 1": np.ones((6, 1))}
    e1, g1 = tl.value_and_grad(lambda q: tl.squared_error(explicit(x, q), target))(p)
    e2, g2 = tl.value_and_grad(lambda q: tl.squared_error(extra(inputs, q), target))(columns)
    assert extra(inputs, columns) == pytest.approx(explicit(x, p), rel=1e-13, abs=1e-14)
    assert e2 == pytest.approx(e1, rel=1e-13)
    for name, g in g1.items():
        assert g2[name].reshape(g.shape) == pytest.approx(g, rel=1e-12, abs=1e-14)


@given(problems())
def test_blocked_connectors_pass_neither_signal_nor_error(problem: Problem) -> None:
    net, topology = problem.net, problem.net.topology
    used = {c.weights for c in topology.connectors if not c.blocked}
    g = tl.grad(lambda p: sum(np.sum(out * out) for out in problem.outputs(p).values()))(problem.parameters)
    for name in set(topology.shapes) - used:
        assert not np.any(g[name])
    wild = {name: np.full_like(a, np.inf) if name not in used else a for name, a in problem.parameters.items()}
    before, after = net.activity(problem.inputs, problem.parameters), net.activity(problem.inputs, wild)
    assert all(np.array_equal(after[name], out) for name, out in before.items())


def test_a_net_with_blocked_weights_shares_them_with_the_one_it_was_made_from() -> None:
    net = skip_net(rng=1)
    closed = net.blocked("W2", "b1")
    assert closed(X) == pytest.approx(X @ net.parameters["W3"].T, rel=1e-15)
    g = tl.grad(lambda p: np.sum(closed(X, p)))(net.parameters)
    assert {name for name, a in g.items() if np.any(a)} == {"W3"}
    net.assign(2 * net.w)
    assert np.array_equal(closed.w, net.w)
    assert closed.weights is net.weights
    with pytest.raises(ValueError, match="there are no weights 'W7'; there are W1, b1, W2, W3"):
        net.blocked("W7")


def test_with_every_connector_blocked_the_outputs_are_those_of_net_input_zero() -> None:
    net = MLP([2, 3, 1], output="logistic", dtype=np.float32).blocked("W2", "b2")
    out = net(np.ones((4, 2), int))
    assert out.tolist() == [[0.5]] * 4
    assert out.dtype == np.float32


def test_a_cluster_that_only_a_bias_feeds_is_the_same_for_all_patterns() -> None:
    net = Network(
        [Cluster("x", 2), Cluster("c", 2, "sin"), Cluster("y", 1)],
        [Connector(ONE, "c"), Connector("x", "y"), Connector("c", "y")],
        inputs="x",
    )
    net.assign({"b1": np.array([0.5, 1.0])})
    assert net.activity(X)["c"].tolist() == [np.sin([0.5, 1.0]).tolist()] * 5
    g = tl.grad(lambda p: np.sum(net(X, p)))(net.parameters)
    assert g["b1"] == pytest.approx(5 * net.parameters["W2"][0] * np.cos([0.5, 1.0]), rel=1e-14)


# recurrence
def cell(**options: Any) -> Network:
    connectors = [
        Connector("x", "h", "U"),
        Connector("h", "h", "V", delay=1),
        Connector(ONE, "h", "b"),
        Connector("h", "y", "C"),
    ]
    return Network(CLUSTERS, connectors, **options)


def by_hand(p: dict[str, Any], x: Any) -> Any:
    """The recurrent net as a loop: h_t = tanh(U x_t + V h_{t−1} + b), y_t = C h_t."""
    h, ys = np.zeros((len(x), 3)), []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ p["U"].T + h @ p["V"].T + p["b"])
        ys.append(h @ p["C"].T)
    return np.stack(ys, axis=1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.booleans())
def test_a_net_unrolled_over_time_is_the_loop_written_by_hand(seed: int, steps: int, last: bool) -> None:
    rng = np.random.default_rng(seed)
    net = cell().unrolled(steps, outputs="last" if last else "all")
    p = {name: rng.normal(size=shape) for name, shape in net.weights.shapes.items()}
    x = rng.normal(size=(4, steps, 2))
    expected = by_hand(p, x)
    expected = expected[:, -1] if last else expected
    assert net(x, p).shape == expected.shape
    assert net(x, p) == pytest.approx(expected, rel=1e-12, abs=1e-13)

    target = rng.normal(size=expected.shape)
    names = list(p)

    def error(*arrays: np.ndarray) -> np.ndarray:
        out = by_hand(dict(zip(names, arrays, strict=True)), x)
        return np.sum(((out[:, -1] if last else out) - target) ** 2) / 2

    g = tl.grad(lambda q: np.sum((net(x, q) - target) ** 2) / 2)(p)
    truth = complex_step(error, [p[name] for name in names], np.ones(()))
    for name, exact in zip(names, truth, strict=True):
        # relative to the largest of a matrix: single elements may cancel over the steps
        assert np.max(np.abs(g[name] - exact)) <= 1e-11 * (1 + np.max(np.abs(exact)))


def test_a_connector_from_two_steps_ago_sees_two_steps_ago() -> None:
    net = Network([Cluster("x", 1), Cluster("y", 1)], [Connector("x", "y", "W", delay=2)]).unrolled(4)
    net.assign({"W": [[10.0]]})
    assert net(np.arange(1.0, 5.0).reshape(1, 4, 1))[0, :, 0].tolist() == [0, 0, 10, 20]


def test_unrolled_nets_with_several_inputs_and_outputs_take_and_give_sequences_by_name() -> None:
    net = Network(
        [Cluster("a", 1), Cluster("b", 2), Cluster("y", 1), Cluster("z", 1)],
        [Connector("a", "y"), Connector("b", "y"), Connector("y", "z", delay=1)],
        outputs=("y", "z"),
    )
    a, b = RNG.normal(size=(4, 3, 1)), RNG.normal(size=(4, 3, 2))
    out = net.unrolled(3)({"a": a, "b": b})
    p = net.parameters
    y = a @ p["W1"].T + b @ p["W2"].T
    assert list(out) == ["y", "z"]
    assert out["y"] == pytest.approx(y, rel=1e-13, abs=1e-14)
    assert out["z"][:, 1:] == pytest.approx(y[:, :-1] @ p["W3"].T, rel=1e-13, abs=1e-14)
    assert not np.any(out["z"][:, 0])
    last = net.unrolled(3, outputs="last")({"a": a, "b": b})
    assert all(np.array_equal(last[name], out[name][:, -1]) for name in out)


# what goes in and comes out
def test_arrays_in_arrays_out_and_nothing_is_recorded() -> None:
    net = cell().unrolled(3)
    out = net(np.ones((4, 3, 2)))
    assert type(out) is np.ndarray
    y = net(np.ones((4, 3, 2)), net.leaves)
    assert y.requires_grad
    with tl.no_grad():
        assert not net(np.ones((4, 3, 2)), net.leaves).requires_grad


@pytest.mark.parametrize("shape", [(2,), (0, 2), (1, 2), (3, 4, 2), (0, 3, 2)])
def test_leading_axes_of_any_kind_stay(shape: tuple[int, ...]) -> None:
    net = skip_net()
    out = net(np.ones(shape))
    assert out.shape == (*shape[:-1], 1)
    g = tl.grad(lambda p: np.sum(net(np.ones(shape), p)))(net.parameters)
    one = tl.grad(lambda p: np.sum(net(np.ones((1, 2)), p)))(net.parameters)
    for name, a in g.items():
        # all patterns are alike
        assert a == pytest.approx(np.prod(shape[:-1], dtype=int) * one[name], rel=1e-14)


def test_a_list_is_taken_as_an_array() -> None:
    net = MLP([2, 3, 1]).blocked("W1", "b1")
    assert net([[1.0, 2.0]]).shape == (1, 1)
    assert np.array_equal(skip_net()(X.tolist()), skip_net()(X))


def test_float32_stays_float32_through_any_topology() -> None:
    net = cell(dtype=np.float32).unrolled(3)
    x = np.ones((4, 3, 2), np.float32)
    assert net(x).dtype == np.float32
    np.sum(net(x, net.leaves)).backward()
    assert net.collect().dtype == np.float32
    assert {a.dtype for a in net.parameters.values()} == {np.dtype(np.float32)}


def test_the_packed_gradient_is_that_of_the_transform() -> None:
    net = skip_net(rng=2)
    g = tl.grad(lambda p: np.sum(net(X, p) ** 2))(net.parameters)
    np.sum(net(X, net.leaves) ** 2).backward()
    assert np.array_equal(net.collect(), net.weights.packed(g))
    by_vector = tl.grad(lambda w: np.sum(net(X, net.weights.named(w)) ** 2))(net.w)
    assert by_vector == pytest.approx(net.g, rel=1e-14, abs=1e-15)


def test_a_net_is_recorded_with_its_weights_as_constants() -> None:
    net = skip_net(rng=2)
    program = tl.record(lambda x: net(x))(X)
    expected = net(X)
    net.assign(0 * net.w)
    assert np.array_equal(program(X), expected)


def test_first_weights_make_net_inputs_of_spread_one_over_all_connectors_of_a_cluster() -> None:
    n_out = 4000
    net = Network(
        [Cluster("a", 20), Cluster("b", 60), Cluster("y", n_out)], [Connector("a", "y"), Connector("b", "y")], rng=1
    )
    out = net({"a": RNG.normal(size=(50, 20)), "b": RNG.normal(size=(50, 60))})
    assert np.std(out) == pytest.approx(1.0, abs=4 * np.sqrt(1 / (2 * 50) + 1 / 50 / 80))  # 50 independent patterns
    bound = np.sqrt(3 / 80)
    for w in net.parameters.values():
        assert 0.99 * bound < np.abs(w).max() <= bound


def test_a_network_can_be_made_inside_a_transform() -> None:
    g = tl.grad(lambda x: np.sum(MLP([2, 1], bias=False)(x)))(X)
    assert g == pytest.approx(np.broadcast_to(MLP([2, 1]).parameters["W1"], X.shape), rel=1e-15)


def test_a_truth_value_for_bias_is_what_counts() -> None:
    assert list(MLP([2, 1], bias=2).parameters) == ["W1", "b1"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: cell()(X),
            r"connector V: h → h, delay 1 looks back in time: unroll the net first, net.unrolled\(steps",
        ),
        (lambda: skip_net()({"z": X}), "inputs z were given, the net has x"),
        (
            lambda: skip_net()(np.ones((4, 3))),
            r"x has shape \(4, 3\), but the net has 2 inputs: the last axis must be 2",
        ),
        (
            lambda: cell().unrolled(3)(np.ones((4, 5, 2))),
            r"x has shape \(4, 5, 2\), but the net is unrolled over 3 steps: \(T, 3, 2\)",
        ),
        (lambda: cell().unrolled(3)(X), r"x has shape \(5, 2\), but the net is unrolled over 3 steps"),
        (lambda: cell().unrolled(3).unrolled(2), "unrolled already, over 3 steps; unroll the one it was made from"),
        (lambda: cell().unrolled(0), "at least one step"),
        (lambda: skip_net(init="guess"), "unknown initialisation 'guess'; choose one of lecture, standard"),
        (lambda: skip_net(weights=MLP([2, 1]).weights), "do not fit a net that needs"),
        (
            lambda: Network(skip_net().topology, [Connector("x", "y")]),
            "a Topology has its connectors, inputs and outputs; give it alone",
        ),
    ],
)
def test_what_does_not_fit_is_refused(act: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        act()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Network([Cluster("x", 2), Cluster("y", 1)], Connector("x", "y")),
            TypeError,
            r"connectors must be a list, \[Connector\(…\), …\], not Connector\(source='x'",
        ),
        (
            lambda: Network([Cluster("x", 2), Cluster("y", 1)], Connector("x", "y"), Connector("one", "y")),
            TypeError,
            r"Network: too many positional arguments; it is called as Network\(\[Cluster\('x', 2\), …\], \[Connector\(",
        ),
        (lambda: Network(Cluster("x", 2), []), TypeError, r"clusters must be a list, \[Cluster\(…\), …\], not Cluster"),
        (
            lambda: Network(CLUSTERS, [], seed=1),
            TypeError,
            "Network has no argument 'seed': write rng=; it is called as",
        ),
        (
            lambda: MLP([2, 1], optimizer=1),
            TypeError,
            "MLP has no argument 'optimizer'; it is called as MLP.sizes, acti",
        ),
        (
            lambda: Network(skip_net().topology, Connector("x", "y")),
            ValueError,
            "a Topology has its connectors, inputs",
        ),
    ],
)
def test_a_net_that_is_put_together_otherwise_is_told_how(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_inputs_that_do_not_fit_each_other_are_refused() -> None:
    net = Network([Cluster("a", 1), Cluster("b", 1), Cluster("y", 1)], [Connector("a", "y"), Connector("b", "y")])
    with pytest.raises(
        ValueError, match="inputs: give a dict with a, b; a, b are inputs because no connector leads to them"
    ):
        net(np.ones((3, 1)))
    with pytest.raises(ValueError, match=r"different numbers of patterns: a \(3, 1\), b \(4, 1\)"):
        net({"a": np.ones((3, 1)), "b": np.ones((4, 1))})
    with pytest.raises(ValueError, match=r"x\['b'\] has shape \(3, 2\), but the net has 1 inputs"):
        net({"a": np.ones((3, 1)), "b": np.ones((3, 2))})
    with pytest.raises(
        ValueError, match=r"a were given, the net has a, b; b is an input because no connector leads to it$"
    ):
        net({"a": np.ones((3, 1))})
    declared = Network(net.topology.clusters, net.topology.connectors, inputs=("a", "b"))
    with pytest.raises(ValueError, match=r"this net has several inputs: give a dict with a, b$"):
        declared(np.ones((3, 1)))


def test_a_topology_makes_the_same_net_as_its_parts() -> None:
    net = skip_net(rng=4)
    again = Network(Topology(tuple(CLUSTERS), net.topology.connectors), rng=4)
    assert np.array_equal(net.w, again.w)
    assert np.array_equal(net(X), again(X))
