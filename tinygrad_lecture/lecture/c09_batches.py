"""C9 measured: batches, the middle way between pattern by pattern (C7) and steepest descent (C8).

- **The noise** of a batch gradient: the root mean square of |g_B − g|, g_B the engine's gradient for batches drawn at
  random, with replacement and without, beside σ / √B and σ / √B · √((T − B) / (T − 1)), σ² = 1/T Σ_t |g_t − g|² from
  per-pattern gradients. Sunspots (12-4-1), every net with batches of its own; 200 for each size.
- **Parts.** The gradient of a batch is the mean of those of its parts, weighted by their numbers of patterns; the
  parts are of unequal size and go to four threads, each with a packed vector of its own, on the digits. (Threads show
  that the parts need nothing of each other; Python gives them no speed for nets so small.)
- **Between the two**: epochs and updates until E ≤ 0.08 by batch size, as in C7 and C8, each with the best η of a
  ladder chosen by other seeds.
- **Outliers**: E on the right targets after learning with 5 % wrong ones, by batch size, with one η for all (see
  `outliers`; what an η of its own for each makes of it is told under C7).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..engine.values import Array
from ..nn.mlp import MLP
from ..transforms import grad
from .c07_pattern_by_pattern import GOAL, SIZES, epochs_until, packed_gradients
from .c08_steepest_descent import digit_patterns, error_of
from .experiments import spread, sunspot_patterns
from .outliers import after_learning
from .side_by_side import errors, stacked
from .statement import Row

SEEDS = 20
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
ROUNDING = 1e-12


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C9. Source: C9."""
    seeds = 3 if small else SEEDS
    for replacement in (True, False):
        yield noise(8 if small else SEEDS, (1, 8, 64) if small else BATCHES, replacement)
    yield parts(2 if small else SEEDS)
    yield between(seeds, {8: (0.2,), 32: (0.5,)} if small else LADDERS)
    yield outliers_by_size(seeds, (32, 128) if small else (1, 8, 32, None), 8 if small else 20)


LADDERS: dict[int | None, tuple[float, ...]] = {
    1: (0.02, 0.05, 0.1),
    8: (0.1, 0.2, 0.3),
    32: (0.2, 0.4, 0.6),
    128: (0.4, 0.7, 1.0),
    None: (0.3, 0.5, 0.7, 1.0),
}
"""Batch size → the η among which the best is looked for."""


def batch_gradients(seeds: int, sizes: Sequence[int], draws: int, replacement: bool) -> tuple[Array, Array]:
    """RMS of |g_B − g| for each net and batch size, (seeds, n), and σ of each net, (seeds,)."""
    x, target = sunspot_patterns()
    T, found, sigma = len(x), np.zeros((seeds, len(sizes))), np.zeros(seeds)
    gradient = grad(lambda p, x, target: np.sum(errors(p, x, target)))
    for seed in range(seeds):
        net, rng = MLP(SIZES, rng=seed), np.random.default_rng(seed)
        gs = packed_gradients(net, x, target)
        g = np.mean(gs, axis=0)
        sigma[seed] = np.sqrt(np.mean(np.sum((gs - g) ** 2, axis=1)))
        many = stacked(SIZES, [seed] * draws)  # the same net for every draw
        for i, B in enumerate(sizes):
            which = rng.integers(T, size=(draws, B)) if replacement else np.argsort(rng.random((draws, T)))[:, :B]
            g_B = gradient(many, x[which], target[which])
            packed = np.concatenate([np.reshape(g_B[name], (draws, -1)) for name in net.parameters], axis=1)
            found[seed, i] = np.sqrt(np.mean(np.sum((packed - g) ** 2, axis=1)))
    return found, sigma


def noise(seeds: int, sizes: Sequence[int], replacement: bool, draws: int = 200) -> Row:
    """The noise of batch gradients by their size, beside the formula."""
    T, B = len(sunspot_patterns()[0]), np.array(sizes)
    found, sigma = batch_gradients(seeds, sizes, draws, replacement)
    factor = np.ones(len(B)) if replacement else np.sqrt((T - B) / (T - 1))
    ratio = found / (sigma[:, None] / np.sqrt(B) * factor)
    power = np.polyfit(np.log(B), np.log(found / factor).T, 1)[0]
    middle = np.median(ratio, axis=0)
    worst = float(np.max(np.abs(middle - 1.0)))
    what, times = ("with", "") if replacement else ("without", " · √((T−B)/(T−1))")
    ends = f"; at B = {B[-1]} the factor is {factor[-1]:.2f}" if not replacement else ""
    return Row(
        "C9",
        f"The noise of the batch gradient falls as 1/√B{times}, drawn {what} replacement",
        f"sunspots, {draws} batches of each B = 1 … {B[-1]}: noise ÷ formula {spread(ratio, 3)}, power of B "
        f"{spread(power, 3)} (−0.5){ends}; {seeds} nets",
        "ratio 1 ± 0.05 for each B, power ± 0.02",
        worst <= 0.05 and abs(float(np.median(power)) + 0.5) <= 0.02,
        float(np.median(power)),
    )


def parts(n_batches: int) -> Row:
    """The gradient of a batch of digits, beside the weighted mean of the gradients of its parts, found by threads."""
    from concurrent.futures import ThreadPoolExecutor

    x, target = digit_patterns()
    worst = 0.0
    with ThreadPoolExecutor(4) as workers:
        for seed in range(n_batches):
            rng, net = np.random.default_rng(seed), MLP([64, 16, 10], output="logistic", rng=seed)
            batch = rng.permutation(len(x))[:128]
            shares = np.split(batch, np.sort(rng.choice(np.arange(1, 128), size=3, replace=False)))

            def gradient(which: Array, net: MLP = net) -> Array:
                return net.weights.packed(grad(error_of(net, x[which], target[which]))(net.parameters))

            whole = gradient(batch)
            shared = sum(len(s) / 128 * g for s, g in zip(shares, workers.map(gradient, shares), strict=True))
            worst = max(worst, float(np.max(np.abs(shared - whole)) / np.max(np.abs(whole))))
    return Row(
        "C9",
        "It can be parallelised: the gradient of a batch is the weighted mean of those of its parts",
        f"digits, 64-16-10, {n_batches} batches of 128 in four parts of unequal size, in four threads: differs by ≤ "
        f"{worst:.1e} of the largest",
        f"≤ {ROUNDING:g}",
        worst <= ROUNDING,
        worst,
    )


def between(seeds: int, ladders: dict[int | None, tuple[float, ...]]) -> Row:
    """Epochs and updates until E is low, for each batch size with its best η."""
    x, target = sunspot_patterns()
    epochs: list[float] = []
    updates: list[float] = []
    texts: list[str] = []
    for batch_size, ladder in ladders.items():

        def needed(eta: float, order: range, batch_size: int | None = batch_size) -> Array:
            most = {1: 8.0, 8: 15.0}.get(batch_size or 0, 60.0)
            return epochs_until(
                stacked(SIZES, order), x, target, eta=eta, batch_size=batch_size, seeds=order, most=most
            )

        trials = [np.quantile(needed(eta, range(100, 100 + seeds)), 0.5, method="inverted_cdf") for eta in ladder]
        found = needed(ladder[int(np.argmin(trials))], range(seeds))
        epochs.append(float(np.quantile(found, 0.5, method="inverted_cdf")))
        updates.append(epochs[-1] * -(-len(x) // (batch_size or len(x))))
        texts.append(f"{spread(found, 1)}/{updates[-1]:.0f} at {batch_size or 'all'}")
    in_between = bool(np.all(np.diff(epochs) > 0) and np.all(np.diff(updates) < 0))
    return Row(
        "C9",
        "The middle way; its metaparameter is the batch size",
        f"epochs/updates until E ≤ {GOAL:g} by B: {', '.join(texts)}; sunspots, best η each, {seeds} seeds",
        "more epochs, fewer updates with each",
        in_between,
        epochs[-1] / epochs[0],
    )


def outliers_by_size(seeds: int, sizes: Sequence[int | None], epochs: int, eta: float = 0.05) -> Row:
    """E after learning with wrong targets, and with right ones, by batch size."""
    found = {B: [after_learning(B, (eta,), range(seeds), epochs, wrong)[0] for wrong in (True, False)] for B in sizes}
    medians = [float(np.median(wrong)) for wrong, _ in found.values()]
    text = ", ".join(f"{spread(wrong, 3)} at {B or 'all'}" for B, (wrong, _) in found.items())
    rise = [float(np.median(wrong / right)) for wrong, right in found.values()]
    return Row(
        "C9",
        "Less noise than C7, stable against outliers",
        f"{text}: E after {epochs} epochs, 5 % wrong targets, η = {eta:g}; times that of right ones: "
        f"{', '.join(f'{r:.1f}' for r in rise)}",
        "times falls with each B",
        bool(np.all(np.diff(rise) < 0)),
        medians[0],
    )
