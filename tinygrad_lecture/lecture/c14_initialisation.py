"""C14 measured: weights U(−r, r) with r = 3/√n start the first hidden layer in the linear range of tanh.

- **σ of the net inputs** over n = 10 … 100,000, for the lecture's uniform inputs and for standardised ones, each with
  the r that is right for them. The number is the mean square of 900 net inputs (30 neurons, 30 patterns) for each of 20
  seeds; it must be 1 within four standard errors of the mean over the seeds, which is the sampling error as measured.
- **The root of n**: with one r for all n, σ = √n r/3 must rise with slope ½ on a log-log plot.
- **The caution of the notes**: r = 3/√n with standardised inputs (σ_x = 1) gives σ = √3, and tanh units in saturation.
- **Real inputs**, the standardised digits: pixels are neither independent nor uniform. Over the draws of the weights
  independence of the weights is enough, σ² = Σ_i x_i² r²/3, so σ should be 1 but for the pixels that never change.
- **Too small and too large r**: r times 1/30, 1/3, 1, 3, 30 in a net of four hidden layers for the digits. What it does
  to the activations is measured before learning (their spread in the last hidden layer, and the share of units with
  slope below 0.1), what it does to learning by the accuracy on held-out digits after ten epochs of Momentum, one η for
  all. Depth is there on purpose: what one layer does to a signal, four do four times over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from ..data import load_digits, standardise
from ..engine.values import Array
from ..learning.rules import Momentum
from ..learning.train import train
from ..learning.training import NotFiniteError
from ..nn.init import lecture
from ..nn.mlp import MLP
from .experiments import spread
from .statement import Row

SEEDS = 20
NEURONS = PATTERNS = 30
FEW_SLOPE = 0.1
SIGMA_UNIFORM = 1 / np.sqrt(3.0)
FACTORS = (1 / 30, 1 / 3, 1.0, 3.0, 30.0)
NAMES = ("r/30", "r/3", "r", "3r", "30r")
SIZES = (64, 24, 24, 24, 24, 10)

Rule = Callable[..., Array]


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C14. Source: C14."""
    yield sigma_of_net_inputs((10, 100, 1000) if small else (10, 100, 1000, 10_000, 100_000))
    yield root_of_n((10, 100, 1000) if small else (10, 100, 1000, 10_000))
    yield caution()
    yield real_inputs()
    yield from sizes_of_weights(2 if small else SEEDS, 1 if small else 10)


def squares(n: int, seed: int, uniform: bool, init: Rule = lecture) -> float:
    """The mean square of the net inputs of 30 neurons over 30 patterns."""
    rng = np.random.default_rng(seed)
    if uniform:
        x, w = rng.uniform(-1.0, 1.0, size=(PATTERNS, n)), init(rng, NEURONS, n, sigma_x=SIGMA_UNIFORM)
    else:
        x, w = rng.normal(size=(PATTERNS, n)), init(rng, NEURONS, n)
    return float(np.mean((x @ w.T) ** 2))


def sigma_of_net_inputs(numbers: tuple[int, ...], init: Rule = lecture) -> Row:
    """σ for n over orders of magnitude, both kinds of inputs."""
    off, sigmas = 0.0, []
    for uniform in (True, False):
        for n in numbers:
            found = [squares(n, seed, uniform, init) for seed in range(SEEDS)]
            error = np.std(found, ddof=1) / np.sqrt(SEEDS)
            off = max(off, float(abs(np.mean(found) - 1.0) / error))
            sigmas.append(float(np.sqrt(np.mean(found))))
    return Row(
        "C14",
        "r = 3/√n gives net inputs of σ = 1 for x ~ U(−1, 1), and r = √3/√n for standardised ones",
        f"σ = {min(sigmas):.3f} … {max(sigmas):.3f} for n = {numbers[0]:,} … {numbers[-1]:,}, both kinds of inputs, "
        f"{SEEDS} seeds; σ² off 1 by ≤ {off:.1f} standard errors",
        "≤ 4 standard errors at each n",
        off <= 4.0,
        off,
    )


def root_of_n(numbers: tuple[int, ...]) -> Row:
    """σ for one fixed r: the standard programme's 0.3."""

    def fixed(rng: np.random.Generator, n_out: int, n_in: int, sigma_x: float) -> Array:
        return rng.uniform(-0.3, 0.3, size=(n_out, n_in))

    sigmas = [np.sqrt(np.mean([squares(n, seed, True, fixed) for seed in range(SEEDS)])) for n in numbers]
    slope = float(np.polyfit(np.log(numbers), np.log(sigmas), 1)[0])
    ratio = [float(s / (np.sqrt(n) * 0.1)) for s, n in zip(sigmas, numbers, strict=True)]
    return Row(
        "C14",
        "For the sum over n inputs σ = √n · r/3",
        f"one r = 0.3 for n = {numbers[0]:,} … {numbers[-1]:,}: σ {sigmas[0]:.2f} … {sigmas[-1]:.2f}, slope "
        f"{slope:.3f} on a log-log plot; σ ÷ (√n r/3) = {min(ratio):.3f} … {max(ratio):.3f}",
        "slope 0.5 ± 0.02",
        abs(slope - 0.5) <= 0.02,
        slope,
    )


def caution() -> Row:
    """r = 3/√n with inputs of σ = 1."""
    found = {}
    for name, sigma_x in (("3/√n", SIGMA_UNIFORM), ("√3/√n", 1.0)):
        nets = []
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            nets.append(rng.normal(size=(200, 100)) @ lecture(rng, 50, 100, sigma_x=sigma_x).T)
        slopes = [float(np.mean(1 - np.tanh(net) ** 2 < FEW_SLOPE)) for net in nets]
        found[name] = (float(np.sqrt(np.mean(np.square(nets)))), float(np.mean(slopes)))
    (wrong, many), (right, few) = found["3/√n"], found["√3/√n"]
    return Row(
        "C14",
        "Caution: the slide speaks of standardised inputs, but computes with uniform ones",
        f"inputs of σ = 1, n = 100: r = 3/√n gives σ(net) = {wrong:.2f} and {many:.0%} of tanh units with slope < 0.1; "
        f"r = √3/√n gives {right:.2f} and {few:.0%}",
        "1.73 ± 0.05 and 1 ± 0.05; 29 % and 7 %, ± 2",
        bool(
            abs(wrong - 1.73) <= 0.05
            and abs(right - 1) <= 0.05
            and abs(many - 0.29) <= 0.02
            and abs(few - 0.07) <= 0.02
        ),
        wrong,
    )


def real_inputs() -> Row:
    """σ of the net inputs of standardised digits."""
    x, _ = digits()
    changing = int(np.sum(x.std(axis=0) > 0))
    found = [float(np.sqrt(np.mean((x @ lecture(seed, 32, 64).T) ** 2))) for seed in range(SEEDS)]
    expected = float(np.sqrt(changing / 64))
    error = float(np.std(found, ddof=1) / np.sqrt(SEEDS))
    off = float(abs(np.mean(found) - expected) / error)
    return Row(
        "C14",
        "On real inputs, neither independent nor uniform",
        f"standardised digits: σ(net) = {spread(found)} over {SEEDS} draws of weights; {64 - changing} of 64 pixels "
        f"never change, so that {expected:.3f} is due: off by {off:.1f} standard errors",
        "≤ 4 standard errors",
        off <= 4.0,
        float(np.mean(found)),
    )


def digits() -> tuple[Array, Array]:
    """The standardised digits, (1797, 64), and their labels."""
    data = load_digits()
    return standardise(data.inputs.reshape(len(data), -1)).values, data.targets


def scaled(factor: float, seed: int) -> MLP:
    """A net of four hidden layers whose initial weights have r times a factor."""
    net = MLP(SIZES, rng=seed)
    rng = np.random.default_rng(seed)
    net.assign({f"W{i}": factor * lecture(rng, m, n) for i, (n, m) in enumerate(pairwise(SIZES), 1)})
    return net


def sizes_of_weights(seeds: int, epochs: int) -> Iterator[Row]:
    """Too small, right and too large: activations before learning, and accuracy after some."""
    x, labels = digits()
    learnt, held = slice(0, 600), slice(1200, 1797)
    deepest, flat, accuracy = {}, {}, {}
    for factor in FACTORS:
        rows = []
        for seed in range(seeds):
            net = scaled(factor, seed)
            out = net.activity(x[learnt])["hid4"]
            try:
                with np.errstate(over="ignore"):
                    train(net, (x[learnt], labels[learnt]), rule=Momentum(0.005), loss="cross_entropy", epochs=epochs)
                right = float(np.mean(np.argmax(net(x[held]), axis=1) == labels[held]))
            except NotFiniteError:
                right = 0.0
            rows.append((float(np.std(out)), float(np.mean(1 - out**2 < FEW_SLOPE)), right))
        deepest[factor], flat[factor], accuracy[factor] = np.array(rows).T
    small, one, large = FACTORS[0], 1.0, FACTORS[-1]
    by_factor = [
        f"{np.median(deepest[f]):.1g} and {np.median(flat[f]):.0%} with {name}"
        for f, name in zip(FACTORS, NAMES, strict=True)
    ]
    yield Row(
        "C14",
        "Too small r: signals vanish; too large: tanh saturates",
        f"fourth hidden layer of a digits net, σ(out) and share of units with slope < 0.1: {', '.join(by_factor)}",
        "σ < 0.001 small, > 50 % large, neither with r",
        bool(
            np.median(deepest[small]) < 1e-3
            and np.median(flat[large]) > 0.5
            and np.median(deepest[one]) > 0.1
            and np.median(flat[one]) < 0.5
        ),
        float(np.median(flat[large])),
    )
    learning = [f"{spread(accuracy[f])} with {name}" for f, name in zip(FACTORS, NAMES, strict=True)]
    worse = {f: int(np.sum(accuracy[f] < accuracy[one])) for f in (small, large)}
    yield Row(
        "C14",
        "… and learning suffers from both",
        f"held-out digits right after {epochs} epochs: {', '.join(learning)}; {seeds} seeds, worse than r at "
        f"{worse[small]} (r/30) and {worse[large]} (30r)",
        "r/30, 30r worse at 9 of 10 seeds",
        min(worse.values()) >= 0.9 * seeds,
        float(np.median(accuracy[one])),
    )
