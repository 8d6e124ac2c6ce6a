"""C6 measured: y = f₂(W₂ f₁(W₁ x + b₁) + b₂), where a bias is the weight from an input that is always 1.

- **The same net twice**, on iris (4-6-3): once with explicit biases, written out with NumPy as in the formula, and
  once as a network without any, that has one more input, x₀ = 1 for all patterns, with connectors to both layers.
  Outputs and gradients of the two, and of `MLP`, whose biases lead from the cluster that is always 1, must be equal;
  and the δ formulas give for b the same as for the weight from x₀.
- **Whether one needs it depends on the task.** With tanh and a linear output a net without biases is an odd function,
  net(−x) = −net(x). So for a task that is even it cannot do better than E of y = 0, while an odd one takes no bias:
  x² − 0.3 and sin 3x on (−1, 1), 1-8-1 nets. And on real data, sunspots (12-4-1), standardised and as they are (÷ 190
  to bring them to 0 … 1): told, not judged. All are trained with the same rule, Adam, and number of epochs, with and
  without, from Glorot's first weights (the lecture's assume standardised inputs).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..data import load_iris, load_sunspots, standardise, windows
from ..engine.values import Array
from ..learning.rules import Adam
from ..learning.train import train
from ..nn.losses import LOSSES
from ..nn.mlp import MLP
from ..nn.network import Network
from ..nn.topology import Cluster, Connector
from ..rules.network import logistic
from ..transforms import grad
from ..verify.deltas import by_hand
from .experiments import spread, sunspot_patterns
from .statement import Row

SEEDS, EPOCHS = 20, 300
ROUNDING = 1e-14


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C6. Source: C6."""
    yield the_same_net(2 if small else SEEDS)
    yield the_same_learning(2 if small else SEEDS)
    yield needed_or_not(2 if small else SEEDS, EPOCHS)
    if not small:  # pragma: no cover  (the main job has the time for it)
        yield on_real_data(SEEDS, 100)


def iris_patterns() -> tuple[Array, Array]:
    """Iris, standardised, and one output for each species."""
    data = load_iris()
    return standardise(data.inputs).values, np.eye(3)[data.targets]


def with_extra_input(net: MLP) -> Network:
    """A network without biases that has one more input, x0, with the biases of a 4-6-3 net as the weights from it."""
    extra = Network(
        [Cluster("x", 4), Cluster("x0", 1), Cluster("hid", 6, "tanh"), Cluster("out", 3, "logistic")],
        [
            Connector("x", "hid", "W1"),
            Connector("x0", "hid", "b1"),
            Connector("hid", "out", "W2"),
            Connector("x0", "out", "b2"),
        ],
        inputs=("x", "x0"),
    )
    extra.assign({name: w if w.ndim == 2 else w[:, None] for name, w in net.parameters.items()})
    return extra


def written_out(p: Any, x: Array) -> Any:
    """y = f₂(W₂ f₁(W₁ x + b₁) + b₂) for patterns along the leading axis."""
    return logistic(np.tanh(x @ p["W1"].T + p["b1"]) @ p["W2"].T + p["b2"])


def some_net(seed: int) -> MLP:
    """A 4-6-3 net with biases that are not 0."""
    net = MLP([4, 6, 3], output="logistic", rng=seed)
    net.assign(net.w + 0.5 * np.random.default_rng(seed).normal(size=net.w.shape))
    return net


def the_same_net(seeds: int) -> Row:
    """Outputs and gradients of the net with an extra input beside the two with biases, and the δ formulas."""
    x, target = iris_patterns()
    one, loss = np.ones((len(x), 1)), LOSSES["squared_error"]
    outputs = gradients = 0.0
    for seed in range(seeds):
        net = some_net(seed)
        extra, p = with_extra_input(net), net.parameters
        g = grad(lambda p, net=extra: loss(net({"x": x, "x0": one}, p), target))(extra.parameters)
        y = extra({"x": x, "x0": one})
        layers = [(p["W1"], p["b1"]), (p["W2"], p["b2"])]
        formula = by_hand(layers, net.activations, x, target).gradients
        others: list[dict[str, Any]] = [
            grad(lambda p: loss(written_out(p, x), target))(p),
            grad(lambda p, net=net: loss(net(x, p), target))(p),
            {"W1": formula[0][0], "b1": formula[0][1], "W2": formula[1][0], "b2": formula[1][1]},
        ]
        outputs = max(outputs, *(float(np.max(np.abs(y - out) / y)) for out in (written_out(p, x), net(x))))
        for other in others:
            for name, g_w in other.items():
                difference = np.abs(np.reshape(g[name], g_w.shape) - g_w)
                gradients = max(gradients, float(np.max(difference) / np.max(np.abs(g_w))))
    return Row(
        "C6",
        "A bias needs no new derivation: it is an additional input that is always 1",
        f"iris, {seeds} 4-6-3 nets: one with the input x₀ = 1 and no bias, beside explicit biases and δ formulas: "
        f"outputs differ by ≤ {outputs:.1e}, gradients by ≤ {gradients:.1e} of the largest",
        f"≤ {ROUNDING:g}",
        outputs <= ROUNDING and gradients <= ROUNDING,
        max(outputs, gradients),
    )


def the_same_learning(seeds: int, epochs: int = 10) -> Row:
    """Both nets trained in the same way: the same weights at the end."""
    x, target = iris_patterns()
    one, worst = np.ones((len(x), 1)), 0.0
    for seed in range(seeds):
        net = some_net(seed)
        extra = with_extra_input(net)
        train(net, (x, target), rule="gradient_descent", batch_size=10, epochs=epochs, rng=seed)
        train(extra, ({"x": x, "x0": one}, target), rule="gradient_descent", batch_size=10, epochs=epochs, rng=seed)
        for name, w in net.parameters.items():
            worst = max(worst, float(np.max(np.abs(w - np.reshape(extra.parameters[name], w.shape)))))
    return Row(
        "C6",
        "… a matter of topology: both learn the same",
        f"iris, {seeds} pairs of nets after {epochs * 15} updates: weights and biases differ by ≤ {worst:.1e}",
        "≤ 1e-12",
        worst <= 1e-12,
        worst,
    )


def after_training(x: Array, target: Array, bias: bool, n_hidden: int, seeds: int, epochs: int) -> list[float]:
    """E of nets trained with or without biases."""
    found = []
    for seed in range(seeds):
        net = MLP([x.shape[1], n_hidden, 1], bias=bias, init="glorot_uniform", rng=seed)
        train(net, (x, target), rule=Adam(0.03), batch_size=None, epochs=epochs, rng=seed)
        found.append(float(LOSSES["squared_error"](net(x), target)))
    return found


def needed_or_not(seeds: int, epochs: int) -> Row:
    """An even and an odd task."""
    x = np.linspace(-1.0, 1.0, 41)[:, None]
    even, odd = x**2 - 0.3, np.sin(3.0 * x)
    without, with_ = (after_training(x, even, bias, 8, seeds, epochs) for bias in (False, True))
    odd_without, odd_with = (after_training(x, odd, bias, 8, seeds, epochs) for bias in (False, True))
    least = 0.5 * float(np.mean(even**2))
    return Row(
        "C6",
        "Whether one needs it depends on the task",
        f"x²−0.3 (even): E {np.median(without):.4f} without, which can reach no less than {least:.4f}, "
        f"{np.median(with_):.5f} with; sin 3x (odd): {np.median(odd_without):.4f} without, {np.median(odd_with):.4f} "
        f"with; medians of {seeds} nets",
        "even: with ≤ 1/10, without ≥ its bound; odd: both ≤ 0.01",
        max(with_) <= least / 10 and min(without) >= least * (1 - 1e-12) and max(*odd_without, *odd_with) <= 0.01,
        float(np.median(with_)),
    )


def on_real_data(seeds: int, epochs: int) -> Row:
    """Sunspots, standardised, and as they are."""
    raw = windows(load_sunspots().targets / 190.0, n_past=12)
    texts = []
    for name, (x, target) in (("standardised", sunspot_patterns()), ("÷ 190", (raw.inputs, raw.targets))):
        without, with_ = (after_training(x, target, bias, 4, seeds, epochs) for bias in (False, True))
        scale = 2.0 / np.var(target)  # E as a share of that of predicting the mean
        texts.append(
            f"{name} {spread(scale * np.array(without), 3)} without, {spread(scale * np.array(with_), 3)} with"
        )
        ratio = float(np.median(without) / np.median(with_))
    return Row(
        "C6",
        "… and on real data?",
        f"E of sunspots ÷ that of the mean, {epochs} epochs: {'; '.join(texts)}; {seeds} nets each",
        "none",
        None,
        ratio,
    )
