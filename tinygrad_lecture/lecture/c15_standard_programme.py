"""C15 measured: the "standard programme", w ∈ (−0.3, 0.3) whatever the sizes, still works quite well.

Nets with one hidden layer learn digits (64 inputs), sunspots (12) and iris (4) from both kinds of initial weights, the
standard programme's and the lecture's rule of C14: the same seeds, the same order of the patterns, the same learning
rule and η, over 20 seeds. The inputs are standardised, and E is measured on patterns that were not learnt: the digits
after the 1200th, the years after the 200th pattern of 297, every third iris. The sets differ in what 0.3 is of the
lecture's r = √3/√n: 1.4, 0.6 and 0.35 times as much. "Quite well" is taken as a median error of at most 1.25 times
that from the lecture's rule.

Where it must end is told beside: since σ = √n · 0.3/√3 for standardised inputs, it is right at n = 33 alone. A layer of
1000 hidden neurons gives the outputs net inputs of several times the right size; the same digits are learnt with it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..data import load_iris, standardise
from ..engine.values import Array
from ..learning.rules import Momentum
from ..learning.train import train
from ..nn.losses import loss as loss_of
from ..nn.mlp import MLP
from .c14_initialisation import digits
from .experiments import spread, sunspot_patterns
from .statement import Row

SEEDS = 20
QUITE_WELL = 1.25

Patterns = tuple[Array, Array]


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C15. Source: C15."""
    seeds = 3 if small else SEEDS
    for name, (learnt, held, sizes, loss, epochs) in problems().items():
        yield standard_and_lecture(name, learnt, held, sizes, loss, 4 if small and name == "digits" else epochs, seeds)
    yield wide(1 if small else SEEDS)


def problems() -> dict[str, tuple[Patterns, Patterns, list[int], str, int]]:
    """Name → patterns to learn, patterns held out, sizes of the net, loss, epochs."""
    x, labels = digits()
    years, numbers = sunspot_patterns()
    flowers = load_iris()
    iris, third = standardise(flowers.inputs).values, np.arange(len(flowers)) % 3 == 2
    return {
        "digits": ((x[:600], labels[:600]), (x[1200:], labels[1200:]), [64, 24, 10], "cross_entropy", 10),
        "sunspots": ((years[:200], numbers[:200]), (years[200:], numbers[200:]), [12, 8, 1], "squared_error", 30),
        "iris": (
            (iris[~third], flowers.targets[~third]),
            (iris[third], flowers.targets[third]),
            [4, 8, 3],
            "cross_entropy",
            30,
        ),
    }


def errors(
    init: str, learnt: Patterns, held: Patterns, sizes: list[int], loss: str, epochs: int, seeds: int
) -> list[float]:
    """E on the held-out patterns after learning, for each seed."""
    found = []
    for seed in range(seeds):
        net = MLP(sizes, init=init, rng=seed)
        train(net, learnt, rule=Momentum(0.01), loss=loss, batch_size=16, epochs=epochs, rng=seed)
        found.append(float(loss_of(loss)(net(held[0]), held[1])))
    return found


def standard_and_lecture(
    name: str,
    learnt: Patterns,
    held: Patterns,
    sizes: list[int],
    loss: str,
    epochs: int,
    seeds: int,
    init: str = "standard",
) -> Row:
    """Training from ±0.3 beside training from the lecture's r."""
    standard, lecture = (errors(kind, learnt, held, sizes, loss, epochs, seeds) for kind in (init, "lecture"))
    ratio = float(np.median(standard) / np.median(lecture))
    won = int(np.sum(np.array(standard) < np.array(lecture)))
    return Row(
        "C15",
        f'The "standard programme" w ∈ (−0.3, 0.3) still works quite well: {name}',
        f"{'-'.join(map(str, sizes))}, {epochs} epochs, {seeds} seeds: held-out E {spread(standard, 3)} from ±0.3, "
        f"{spread(lecture, 3)} from r = √3/√n; ratio {ratio:.2f}; ±0.3 better at {won}",
        f"ratio of medians ≤ {QUITE_WELL:g}",
        ratio <= QUITE_WELL,
        ratio,
    )


def wide(seeds: int) -> Row:
    """The digits with 1000 hidden neurons, from both."""
    learnt, held, _, loss, _ = problems()["digits"]
    found = {init: errors(init, learnt, held, [64, 1000, 10], loss, 2, seeds) for init in ("standard", "lecture")}
    nets = {}
    for init in found:
        net = MLP([64, 1000, 10], init=init, rng=0)
        nets[init] = float(np.std(net(held[0])))
    return Row(
        "C15",
        "Caution: it is right for n = 33 inputs alone, and its σ grows as √n",
        f"64-1000-10, 2 epochs, digits, {seeds} seeds: the outputs' net inputs start with σ = {nets['standard']:.1f}, "
        f"by the lecture's rule {nets['lecture']:.1f}; E {spread(found['standard'])} and {spread(found['lecture'])}",
        "σ > 2 and < 1",
        nets["standard"] > 2.0 and nets["lecture"] < 1.0,
        nets["standard"],
    )
