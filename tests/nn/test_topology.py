"""Clusters and connectors as data: what fits together, in which order signals flow, and what is refused."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lecture.nn.order import in_order
from tinygrad_lecture.nn.topology import ONE, Cluster, Connector, Topology, at

X, H, Y = Cluster("x", 2), Cluster("h", 3, "tanh"), Cluster("y", 1)


def topology(*connectors: Connector, clusters: tuple[Cluster, ...] = (X, H, Y), **ends: Any) -> Topology:
    return Topology(clusters, connectors, **ends)


def test_inputs_and_outputs_are_the_clusters_at_the_ends() -> None:
    t = topology(Connector("x", "h"), Connector("h", "y"), Connector(ONE, "y"), Connector("h", "h", delay=1))
    assert (t.inputs, t.outputs, t.order) == (("x",), ("y",), ("x", "h", "y"))
    assert t.shapes == {"W1": (3, 2), "W2": (1, 3), "b1": (1,), "W3": (3, 3)}


def test_a_cluster_fed_by_blocked_or_delayed_connectors_only_is_no_input() -> None:
    t = topology(Connector("x", "h", blocked=True), Connector("h", "y", delay=1), Connector("x", "y"))
    assert t.inputs == ("x",)
    assert t.outputs == ("h", "y")  # what leads from h leads to a later step


def test_names_of_weights_are_given_in_order_around_those_that_are_taken() -> None:
    t = topology(
        Connector("x", "h", "W2"), Connector("x", "h"), Connector("h", "y"), Connector(ONE, "h"), Connector(ONE, "y")
    )
    assert [c.weights for c in t.connectors] == ["W2", "W1", "W3", "b1", "b2"]


def test_inputs_and_outputs_can_be_named_also_by_one_text() -> None:
    t = topology(Connector("x", "h"), Connector("h", "y"), inputs="x", outputs=["h", "y"])
    assert (t.inputs, t.outputs) == (("x",), ("h", "y"))


def test_a_topology_is_a_value() -> None:
    a, b = (Topology([X, Y], [Connector("x", "y")]) for _ in range(2))  # type: ignore[arg-type]
    assert a == b
    assert hash(a) == hash(b)
    assert a != a.blocked("W1")
    assert a.blocked("W1") == a.blocked("W1").blocked("W1")


@given(st.integers(0, 2**32 - 1))
def test_the_order_is_one_in_which_signals_flow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    names = [f"c{i}" for i in rng.permutation(n)]
    feeds = {name: {f"c{i}" for i in range(int(name[1:])) if rng.random() < 0.4} for name in names}
    order = in_order(feeds)
    assert sorted(order) == sorted(names)
    for i, name in enumerate(order):
        assert feeds[name] <= set(order[:i])
    back = f"c{rng.integers(n)}"
    feeds[back].add(back)
    with pytest.raises(ValueError, match=f"form a cycle, {back} → {back}: give one of them delay=1 and unroll"):
        in_order({**feeds, back: {back}})


def test_a_cycle_is_named_in_the_direction_of_its_signals() -> None:
    with pytest.raises(
        ValueError, match=r"a cycle, (a → b → c → a|b → c → a → b|c → a → b → c): give one of them delay"
    ):
        in_order({"x": set(), "a": {"c", "x"}, "b": {"a"}, "c": {"b"}, "y": {"c"}})


def test_the_time_to_order_many_steps_grows_with_their_number_only() -> None:
    cell = topology(Connector("x", "h"), Connector("h", "h", delay=1), Connector("h", "y"))
    start = perf_counter()
    t = cell.unrolled(2000)
    assert len(t.order) == 6000
    assert perf_counter() - start < 5  # 0.1 s where it is linear, minutes where it is not


def test_unrolling_makes_a_copy_for_each_step_and_shares_all_weights() -> None:
    cell = topology(Connector("x", "h"), Connector("h", "h", delay=2), Connector("h", "y"), Connector(ONE, "h"))
    t = cell.unrolled(3)
    assert t.shapes == cell.shapes
    assert t.inputs == ("x[1]", "x[2]", "x[3]")
    assert t.outputs == ("y[1]", "y[2]", "y[3]")
    assert [(c.source, c.target) for c in t.connectors if c.weights == "W2"] == [("h[1]", "h[3]")]
    assert not any(c.delay for c in t.connectors)
    assert {c.source for c in t.connectors if c.weights == "b1"} == {ONE}
    assert cell.unrolled(3, outputs="last").outputs == ("y[3]",)
    assert at("h", 2) == "h[2]"
    assert at(ONE, 2) == ONE


def test_a_cluster_fed_from_the_past_alone_is_silent_in_its_first_steps() -> None:
    cell = topology(Connector("x", "h"), Connector("h", "y", delay=2))
    t = cell.unrolled(3)
    assert {"y[1]", "y[2]"} <= set(t.silent)
    assert "y[3]" not in t.silent
    assert t.inputs == ("x[1]", "x[2]", "x[3]")


def test_matrices_that_feed_one_cluster_stand_side_by_side() -> None:
    t = topology(
        Connector("x", "h"), Connector("h", "y"), Connector("x", "y"), Connector(ONE, "y"), Connector("h", "h", delay=1)
    )
    assert t.side_by_side() == [("W1", "W4"), ("W2", "W3")]
    assert t.blocked("W3").side_by_side() == [("W1", "W4"), ("W2",)]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Cluster("", 2), ValueError, "a cluster's name must be a text, not ''"),
        (lambda: Cluster(3, 2), ValueError, "a cluster's name must be a text, not 3"),
        (lambda: Cluster("one", 2), ValueError, "'one' is the cluster that is always 1; it is there already"),
        (lambda: Cluster("x", 0), ValueError, "cluster 'x' needs at least one neuron; n=0 was given"),
        (lambda: Cluster("x", 2.0), TypeError, "cluster 'x': n must be a whole number, not 2.0"),
        (
            lambda: Cluster("x", 2, "sine"),
            ValueError,
            "unknown activation 'sine'; perhaps 'sin' is meant; choose one of ident",
        ),
        (lambda: Cluster("x", 2, "sigmoid"), ValueError, "unknown activation 'sigmoid'; perhaps 'logistic' is meant"),
        (lambda: Cluster("x", 2, np.tanh), ValueError, "unknown activation <ufunc 'tanh'>; perhaps 'tanh' is meant"),
        (lambda: Connector("x", "one"), ValueError, "x → one: the cluster that is always 1 takes no input"),
        (lambda: Connector("x", "y", delay=-1), ValueError, "x → y: delay must be 0, 1, 2, …, not -1"),
        (lambda: Connector("x", "y", delay=0.5), ValueError, "delay must be 0, 1, 2, …, not 0.5"),
        (lambda: Connector("one", "y", delay=1), ValueError, "one → y: what is always 1 has no delay"),
        (lambda: Connector("x", 3), TypeError, "a connector's target must be a name, not 3"),
        (lambda: Connector(X, "y"), TypeError, r"a connector's source must be a name, not Cluster\(name='x'"),
        (lambda: Connector("x", "y", weights=1), TypeError, "a connector's weights must be a name, not 1"),
        (lambda: topology(clusters=(X, ("y", 1))), TypeError, r"clusters must be Cluster\(…\), not \('y', 1\)"),
        (lambda: topology(("x", "y")), TypeError, r"connectors must be Connector\(…\), not \('x', 'y'\)"),
        (
            lambda: Topology([X, Y], Connector("x", "y")),
            TypeError,
            r"connectors must be a list, \[Connector\(…\), …\], not Connector\(source='x', target='y'",
        ),
        (
            lambda: Topology(X, []),
            TypeError,
            r"clusters must be a list, \[Cluster\(…\), …\], not Cluster\(name='x', n=2",
        ),
        (lambda: topology(inputs=5), TypeError, r"inputs must be names of clusters, as \('x',\), not 5"),
        (
            lambda: topology(outputs=Y),
            TypeError,
            r"outputs must be names of clusters, as \('x',\), not Cluster\(name='y'",
        ),
        (
            lambda: Topology([X, Y]),
            TypeError,
            r"Topology: missing a required argument: 'connectors'; it is called as Top",
        ),
        (
            lambda: Cluster("x"),
            TypeError,
            r"Cluster: missing a required argument: 'n'; it is called as Cluster\(name, n, activation='identity'\)",
        ),
        (
            lambda: Cluster("x", units=2),
            TypeError,
            "Cluster has no argument 'units': write n=; it is called as Cluster",
        ),
        (
            lambda: Connector("x", "y", weight="W"),
            TypeError,
            "Connector has no argument 'weight': write weights=; it is",
        ),
        (lambda: topology(clusters=(X, Y, X)), ValueError, "the cluster 'x' is there twice"),
        (
            lambda: topology(Connector("x", "z")),
            ValueError,
            "connector x → z: there is no cluster 'z'; there are x, h, y, one",
        ),
        (lambda: topology(Connector("z", "y")), ValueError, "z → y: there is no cluster 'z'"),
        (
            lambda: topology(Connector("x", "h", "W"), Connector("h", "y", "W")),
            ValueError,
            r"connector W: h → y needs weights of shape \(1, 3\), but W is shared, of shape \(3, 2\)",
        ),
        (
            lambda: topology(Connector("x", "y", "W"), Connector(ONE, "y", "W")),
            ValueError,
            r"connector W: one → y needs weights of shape \(1,\), but W is shared, of shape \(1, 2\)",
        ),
        (
            lambda: topology(Connector("x", "h"), Connector("h", "y"), Connector("y", "h"), outputs=("y",)),
            ValueError,
            "the connectors form a cycle, (h → y → h|y → h → y): give one of them delay=1 and unroll the net",
        ),
        (
            lambda: topology(Connector("x", "y"), inputs=("x",)),
            ValueError,
            "nothing leads to the cluster 'h', and it is no input; connect it or name it in inputs=",
        ),
        (
            lambda: topology(Connector("x", "h"), Connector("h", "y"), inputs=("x", "h")),
            ValueError,
            "connector W1: x → h leads to the input 'h'; an input is what you give it",
        ),
        (lambda: topology(Connector("x", "h"), inputs=("z",)), ValueError, "inputs: there is no cluster 'z'"),
        (lambda: topology(Connector("x", "h"), outputs=("z",)), ValueError, "outputs: there is no cluster 'z'"),
        (
            lambda: topology(Connector("x", "h"), Connector("h", "y"), outputs=("y", "y")),
            ValueError,
            "outputs: the cluster 'y' is named twice",
        ),
        (
            lambda: Topology((H,), (Connector("h", "h", delay=1),)),
            ValueError,
            r"a network needs inputs: name the clusters that are, inputs=\(…\)",
        ),
        (
            lambda: topology(Connector("x", "h"), Connector("h", "y")).blocked("W9"),
            ValueError,
            "there are no weights 'W9'; there are W1, W2",
        ),
        (
            lambda: topology(Connector("x", "h"), Connector("h", "y")).unrolled(0),
            ValueError,
            "unrolled needs at least one step and outputs 'all' or 'last', not 0 and 'all'",
        ),
        (
            lambda: topology(Connector("x", "h"), Connector("h", "y")).unrolled(2, "first"),
            ValueError,
            "not 2 and 'first'",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_an_unknown_cluster_is_a_key_error_that_names_those_there_are() -> None:
    with pytest.raises(KeyError, match="there is no cluster 'z'; there are x, h, y"):
        topology(Connector("x", "h"), Connector("h", "y"))["z"]


def test_a_cycle_that_leaves_no_output_is_called_a_cycle() -> None:
    clusters = [Cluster("a", 1), Cluster("b", 1), Cluster("c", 1)]
    with pytest.raises(ValueError, match=r"cycle, (b → c → b|c → b → c): give one of them delay=1"):
        Topology(tuple(clusters), (Connector("a", "b"), Connector("b", "c"), Connector("c", "b")))
