"""C2 measured: what an output is made of, and how the blame for its error is divided.

Contributions and blame belong to connections. Over the connection from hidden neuron j to output k flows the
contribution c_kj = w_kj out_j, and in_k is their sum. The error δ_k that this sum gets is divided among them:
connection kj answers for b_kj = w_kj ∂E/∂w_kj, which by C1 is δ_k c_kj: blame in proportion to contribution, hence in
the same order.
Both sides are computed apart, c from the forward pass alone, b from the automatic gradient alone.

"The weight responsible for most of the error is corrected most" can be read in two ways, and each has its row. The
correction |Δw_kj| = η |δ_k| |out_j| grows with what flows through the weight, out_j: this always holds, and is the
bar of the first. It need not be the connection with the largest contribution w_kj out_j, which may have a large weight
on a quiet neuron: so the second reading is contradicted, and its row says how often it is right.

The nets are drawn at random, since a statement about every net shall not hang on one; the first row shows a small one
in numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..engine.tensor import Tensor
from ..engine.values import Array
from ..rules.network import linear, logistic, squared_error
from ..show.trace import Trace, trace
from .statement import Row

ROUNDING = 1e-14
"""The bar of relative differences, about 50 roundings: both sides are products of three or four factors."""

NETS = 300
Net = tuple[Array, Array, Array, Array, Array, Array]


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C2. Source: C2."""
    n_nets = 20 if small else NETS
    yield by_numbers()
    yield in_proportion(n_nets)
    yield from most_corrected(n_nets)
    yield collected_and_handed_on(n_nets)


def random_net(rng: np.random.Generator) -> Net:
    """Weights W1, b1, W2, b2 of an n-h-m net, one pattern x and its target."""
    n, h, m = rng.integers(1, 6), rng.integers(2, 9), rng.integers(1, 4)
    W1, W2 = rng.normal(size=(h, n)), rng.normal(size=(m, h))
    return W1, rng.normal(size=h), W2, rng.normal(size=m), rng.normal(size=(1, n)), rng.normal(size=(1, m))


def small_net() -> Net:
    """A 2-3-1 net with weights of one digit."""
    W1, b1 = np.array([[0.4, -0.6], [-0.3, 0.8], [0.9, 0.2]]), np.array([0.1, -0.2, 0.3])
    W2, b2 = np.array([[0.7, -0.5, 0.2]]), np.array([0.2])
    return W1, b1, W2, b2, np.array([[1.0, -0.5]]), np.array([[0.9]])


def error_flow(net: Net) -> tuple[Trace, dict[str, Tensor]]:
    """The trace of E for one pattern, with the lecture's names: in_hid, out_hid, in_out, out."""
    W1, b1, W2, b2, x, target = net
    t = {name: Tensor(a, requires_grad=True) for name, a in {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "x": x}.items()}
    t["in_hid"] = linear(t["x"], t["W1"], t["b1"])
    t["out_hid"] = np.tanh(t["in_hid"])  # type: ignore[assignment]
    t["in_out"] = linear(t["out_hid"], t["W2"], t["b2"])
    t["out"] = logistic(t["in_out"])
    t["E"] = squared_error(t["out"], target)
    return trace(t["E"], **t), t


def contributions(net: Net) -> tuple[Array, Array, Array]:
    """w_kj out_j, out_j and in_k by plain arithmetic of the forward pass."""
    W1, b1, W2, b2, x, _ = net
    out = np.tanh(W1 @ x[0] + b1)
    return W2 * out, out, W2 @ out + b2


def by_numbers() -> Row:
    """One pattern in a 2-3-1 net: what can be read off it."""
    net = small_net()
    c, _, in_out = contributions(net)
    flow, _ = error_flow(net)
    blame = net[2] * flow["W2"].err
    delta = flow["in_out"].err[0, 0]
    worst = float(max(abs(c.sum() + net[3][0] - in_out[0]), np.max(np.abs(blame - delta * c) / np.abs(blame))))
    return Row(
        "C2",
        "An output is the weighted sum of what the hidden neurons contribute; their error can be read off, one by one",
        f"2-3-1 net: contributions w·out {_numbers(c[0])} and bias {net[3][0]:.2f} add up to in = {in_out[0]:.3f}; "
        f"δ = {delta:.4f}; blame w·∂E/∂w {_numbers(blame[0], 4)}",
        f"sum and blame = δ · contribution to {ROUNDING:g}",
        worst <= ROUNDING,
        worst,
    )


def in_proportion(n_nets: int) -> Row:
    """Blame is divided in proportion to contribution, so that their ranks agree."""
    worst, same, n = 0.0, 0, 0
    for seed in range(n_nets):
        net = random_net(np.random.default_rng(seed))
        c, _, _ = contributions(net)
        blame = net[2] * error_flow(net)[0]["W2"].err
        for c_k, b_k in zip(c, blame, strict=True):
            share_c, share_b = np.abs(c_k) / np.abs(c_k).sum(), np.abs(b_k) / np.abs(b_k).sum()
            worst = max(worst, float(np.max(np.abs(share_b - share_c) / share_c)))
            same += bool(np.array_equal(np.argsort(np.abs(b_k)), np.argsort(np.abs(c_k))))
            n += 1
    return Row(
        "C2",
        "The error comes from the neurons in proportion to their contributions",
        f"shares of blame and of contribution differ by ≤ {worst:.1e} of the share; rank of blame = rank of "
        f"contribution at {same} of {n} outputs of {n_nets} random nets",
        f"≤ {ROUNDING:g}; all ranks",
        worst <= ROUNDING and same == n,
        worst,
    )


def most_corrected(n_nets: int) -> Iterator[Row]:
    """|Δw_kj| follows what flows through the weight, and so not the largest contribution."""
    same, largest, n = 0, 0, 0
    for seed in range(n_nets):
        net = random_net(np.random.default_rng(seed))
        c, out, _ = contributions(net)
        g = error_flow(net)[0]["W2"].err
        for c_k, g_k in zip(c, g, strict=True):
            same += bool(np.array_equal(np.argsort(np.abs(g_k)), np.argsort(np.abs(out))))
            largest += int(np.argmax(np.abs(g_k)) == np.argmax(np.abs(c_k)))
            n += 1
    yield Row(
        "C2",
        "The weight responsible for most of the error is corrected most",
        f"read per unit of weight: |Δw_kj| ranks as |out_j|, what flows through it, at {same} of {n} outputs",
        "ranks of |Δw| and |out| agree",
        same == n,
        same / n,
    )
    yield Row(
        "C2",
        "… read as the weight whose contribution w·out is largest",
        f"corrected most at {largest / n:.0%} of {n} outputs only: a large weight on a quiet neuron is not",
        "at every output",
        True if largest == n else None,
        largest / n,
        contradicted=largest < n,
    )


def collected_and_handed_on(n_nets: int) -> Row:
    """A hidden neuron collects the error over its outgoing weights, and hands it on over its incoming ones."""
    worst = 0.0
    for seed in range(n_nets):
        net = random_net(np.random.default_rng(seed))
        W1, _, W2, _, _, _ = net
        flow, _ = error_flow(net)
        delta_out, delta_hid = flow["in_out"].err[0], flow["in_hid"].err[0]
        for got, weights, delta in ((flow["out_hid"].err[0], W2, delta_out), (flow["x"].err[0], W1, delta_hid)):
            sizes = np.abs(weights.T) @ np.abs(delta)
            by_hand = np.array([sum(w * d for w, d in zip(column, delta, strict=True)) for column in weights.T])
            worst = max(worst, float(np.max(np.abs(got - by_hand) / sizes)))
    return Row(
        "C2",
        "A hidden neuron has no error of its own: it collects Σ_k w_kj δ_k from above, and hands w_ji δ_j down",
        f"what arrives at hidden neurons and inputs is that sum to {worst:.1e} of its terms, {n_nets} random nets",
        f"≤ {ROUNDING:g}",
        worst <= ROUNDING,
        worst,
    )


def _numbers(values: Array, digits: int = 3) -> str:
    return "(" + ", ".join(f"{v:.{digits}f}" for v in values) + ")"
