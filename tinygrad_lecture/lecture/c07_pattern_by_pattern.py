"""C7 measured: pattern by pattern, Δw_t = −η g_t = −η g − η (g_t − g), the mean gradient and a stochastic search.

- **The decomposition**, on a net for the sunspots (12-8-1): every Δw of an epoch of `train` beside −η g_t of the δ
  formulas, and Σ_t (g_t − g) = 0 with those g_t and the g that the engine finds for all patterns at once.
- **How much of g_t is search**: the share of patterns whose g_t points against g, before and after learning.
- **What the noise costs** near a minimum: by expansion ½ η² tr(C G) for each update, C the covariance of the g_t. It
  is compared with the mean over all patterns of E(w − η g_t) − E(w − η g), on sunspots: for a linear neuron, whose E
  is a parabola, and for a net that has learnt. Its inputs are years in a row, far from independent, so that the
  diagonal is not all.
- **A poor minimum**, on the surface of `hills`. A run is good when it ends within 0.7 of the better minimum. Both
  ways have the same ladder of η, as shares of the bound 2 / E'' at the good minimum, and the best η by seeds of their
  own. The whole ladder is told, since noise that leaves poor minima can leave good ones as well.
- **Redundant data**: the sunspot patterns k times over, learnt by 12-4-1 nets with one η; epochs until E ≤ 0.08 (0.9
  at the start, 0.06 is about what such a net reaches), looked at eleven times in 297 updates.
- **Outliers**: see `outliers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from ..engine.values import Array
from ..learning.rules import GradientDescent, Rule
from ..learning.train import train
from ..nn.losses import LOSSES
from ..nn.mlp import MLP
from ..transforms import grad, hessian, per_pattern_grad
from .experiments import Watched, gradients_by_hand, spread, sunspot_patterns
from .hills import GOOD, NEAR, bound_at_the_good_minimum, ends_on_hills
from .outliers import one_wrong_target, outliers, outliers_with_own_eta
from .side_by_side import Stack, course, errors, learnt, stacked
from .statement import Row

SEEDS, SIZES = 20, (12, 4, 1)
GOAL = 0.08
ROUNDING = 1e-12


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C7. Source: C7."""
    seeds = 3 if small else SEEDS
    yield decomposition(40 if small else 297)
    yield opposed(seeds, 50 if small else 500)
    yield cost_of_noise(2 if small else SEEDS, 50 if small else 1000)
    yield out_of_poor_minima(seeds, *((20, (0.1,)) if small else (60, (0.01, 0.03, 0.1, 0.2, 0.4))))
    yield redundant(seeds, (1, 4) if small else (1, 2, 4, 8), eta=0.05 if small else 0.005)
    yield one_wrong_target(seeds, 1 if small else 20)
    if not small:  # pragma: no cover  (its ladders take long: for the main job)
        yield outliers_with_own_eta(seeds, 20)
    yield outliers(seeds, *((3, (0.1,)) if small else (40,)))


def decomposition(updates: int, rule: Rule | None = None) -> Row:
    """Each Δw of a training beside −η g_t by hand, and the sum of the noise over the patterns."""
    x, target = (side[:updates] for side in sunspot_patterns())
    net, watched = MLP([12, 8, 1], rng=0), Watched(rule or GradientDescent(0.01))
    start = net.w.copy()
    train(net, (x, target), rule=watched, batch_size=1, epochs=1, rng=0)
    replica, worst, noise = MLP([12, 8, 1], rng=0), 0.0, 0.0
    for t, step in zip(np.random.default_rng(0).permutation(updates), watched.steps, strict=True):
        expected = -0.01 * gradients_by_hand(replica, x[t : t + 1], target[t : t + 1])[0]
        worst = max(worst, float(np.max(np.abs(step - expected)) / np.max(np.abs(expected))))
        replica.assign(replica.w + expected)
    for w in (start, replica.w.copy()):
        replica.assign(w)
        gs = gradients_by_hand(replica, x, target)
        g = replica.weights.packed(grad(lambda p: LOSSES["squared_error"](replica(x, p), target))(replica.parameters))
        noise = max(noise, float(np.max(np.abs(np.sum(gs - g, axis=0)) / np.sum(np.abs(gs), axis=0))))
    return Row(
        "C7",
        "Δw_t = −η g_t = −η g − η (g_t − g): the mean gradient plus a stochastic search",
        f"{updates} updates on sunspots: Δw_t is −η g_t by hand to {worst:.1e}; Σ_t (g_t − g) is 0 to {noise:.1e} of "
        "Σ_t |g_t|, first and last",
        f"≤ {ROUNDING:g}",
        worst <= ROUNDING and noise <= ROUNDING,
        max(worst, noise),
    )


def packed_gradients(net: MLP, x: Array, target: Array) -> Array:
    """Every g_t of the engine, packed: (T, n)."""
    found = per_pattern_grad(lambda p, x, target: np.sum(LOSSES["squared_error"].errors(net(x, p), target)))(
        net.parameters, x, target
    )
    return np.concatenate([np.reshape(found[name], (len(x), -1)) for name in net.parameters], axis=1)


def learnt_nets(seeds: Sequence[int], updates: int, eta: float = 0.3, sizes: Sequence[int] = SIZES) -> list[MLP]:
    """Nets for the sunspots, after so many updates of steepest descent."""
    x, target = sunspot_patterns()
    p = learnt(stacked(sizes, seeds), x, target, updates, eta=eta, batch_size=None, seeds=seeds)
    return [run(p, r, sizes) for r in range(len(seeds))]


def run(p: Stack, r: int, sizes: Sequence[int] = SIZES) -> MLP:
    """One of the nets side by side."""
    net = MLP(sizes)
    net.assign({name: w[r].reshape(net.weights.shapes[name]) for name, w in p.items()})
    return net


def opposed(seeds: int, updates: int) -> Row:
    """The share of the patterns whose g_t points against g, at the start and after learning."""
    x, target = sunspot_patterns()
    shares = []
    for nets in (learnt_nets(range(seeds), 0), learnt_nets(range(seeds), updates)):
        found = []
        for net in nets:
            gs = packed_gradients(net, x, target)
            found.append(float(np.mean(gs @ np.mean(gs, axis=0) < 0)))
        shares.append(found)
    more = sum(b > a for a, b in zip(*shares, strict=True))
    return Row(
        "C7",
        "… so that part of the patterns pull against the mean, more of them near the optimum",
        f"g_t · g < 0 for {spread(shares[0])} of the patterns at the start, {spread(shares[1])} after {updates} "
        f"updates of steepest descent; sunspots, {seeds} nets; more in {more}",
        "more, for all nets",
        more == seeds,
        float(np.median(shares[1])),
    )


def cost_of_noise(seeds: int, updates: int, eta: float = 0.01) -> Row:
    """What the noise of one update adds to E, beside ½ η² tr(C G)."""
    x, target = sunspot_patterns()
    ratios: dict[str, list[float]] = {"neuron": [], "net": []}
    diagonals: list[float] = []
    for kind, sizes in (("neuron", (12, 1)), ("net", SIZES)):
        for net in learnt_nets(range(seeds), updates, eta=0.1, sizes=sizes):
            gs = packed_gradients(net, x, target)
            g = np.mean(gs, axis=0)
            C = (gs - g).T @ (gs - g) / len(gs)
            G = hessian(lambda w, net=net: LOSSES["squared_error"](net(x, net.weights.named(w)), target))(net.w)
            after = [float(LOSSES["squared_error"](net(x, net.weights.named(w)), target)) for w in net.w - eta * gs]
            without = float(LOSSES["squared_error"](net(x, net.weights.named(net.w - eta * g)), target))
            predicted = 0.5 * eta**2 * float(np.sum(C * G))
            ratios[kind].append(float(np.mean(after) - without) / predicted)
            if kind == "neuron":
                diagonals.append(float(np.diag(C) @ np.diag(G) / np.sum(C * G)))
    worst = float(np.max(np.abs(np.array(ratios["neuron"]) - 1.0)))
    return Row(
        "C7",
        "Near a minimum its noise raises E by ½ η² tr(C G) for each update",
        f"sunspots, η = {eta:g}: a linear neuron has {spread(ratios['neuron'], 6)} times this, a net "
        f"{spread(ratios['net'])}; the diagonal alone gives {spread(diagonals)} of it, {seeds} seeds",
        "neuron: 1 to 1e-8; net: within 10 %",
        worst <= 1e-8 and abs(float(np.median(ratios["net"])) - 1.0) <= 0.1,
        float(np.median(ratios["net"])),
    )


def out_of_poor_minima(groups: int, epochs: int, factors: Sequence[float], runs: int = 30) -> Row:
    """The share of runs that end in the good minimum, for each η, pattern by pattern and by steepest descent."""
    eta = np.array(factors) * bound_at_the_good_minimum()
    share: dict[bool, Array] = {}
    chosen: dict[bool, int] = {}
    for by_pattern, n in ((True, epochs), (False, 4 * epochs)):  # steepest descent has longer to arrive
        trials, found = (
            np.mean(np.abs(ends_on_hills(*many, runs, eta, n, by_pattern) - GOOD) < NEAR, axis=2)
            for many in ((1, 3), (0, groups))
        )
        chosen[by_pattern] = int(np.argmax(trials.mean(axis=1)))
        share[by_pattern] = found
    noisy, steepest = (share[way][chosen[way]] for way in (True, False))
    curve = ", ".join(f"{s:.0%} at {f:g}" for s, f in zip(share[True].mean(axis=1), factors, strict=True))
    return Row(
        "C7",
        "The noise helps out of local minima",
        f"runs in the better minimum {spread(noisy)}, steepest descent {spread(steepest)}, best η each, {groups} × "
        f"{runs}; by η ÷ (2/E''): {curve}: too much leaves it",
        "a larger share in ≥ 90 % of groups",
        bool(np.mean(noisy > steepest) >= 0.9),
        float(np.median(noisy) - np.median(steepest)),
    )


def epochs_until(
    p: Stack, x: Array, target: Array, *, eta: float, batch_size: int | None, seeds: Sequence[int], most: float
) -> Array:
    """Epochs until E on the sunspots is at most GOAL, for each run; ∞ where it is not within `most` of them."""
    all_x, all_target = sunspot_patterns()
    per_epoch = 1 if batch_size is None else -(-len(x) // batch_size)
    every = max(1, round(len(all_x) / (batch_size or len(all_x)) / 11))
    found = np.full(len(seeds), np.inf)
    runs = course(p, x, target, eta=eta, batch_size=batch_size, seeds=seeds)
    with np.errstate(over="ignore", invalid="ignore"):  # with too large an η
        for update, p in enumerate(islice(runs, int(most * per_epoch)), 1):
            if update % every == 0:
                arrived = errors(p, all_x, all_target) <= GOAL
                found = np.where(arrived & np.isinf(found), update / per_epoch, found)
                if np.all(np.isfinite(found)):
                    break
    return found


def redundant(seeds: int, times: Sequence[int], eta: float) -> Row:
    """Epochs on the data repeated k times."""
    x, target = sunspot_patterns()
    order = range(seeds)
    medians, texts = [], []
    for k in times:
        many = np.tile(x, (k, 1)), np.tile(target, (k, 1))
        found = epochs_until(stacked(SIZES, order), *many, eta=eta, batch_size=1, seeds=order, most=40 / k)
        medians.append(float(np.median(found)))
        texts.append(f"{spread(found)} at k = {k}")
    power = float(np.polyfit(np.log(times), np.log(medians), 1)[0])
    return Row(
        "C7",
        "Fast where the data are redundant: k times the same patterns take 1/k of the epochs",
        f"sunspots, epochs until E ≤ {GOAL:g}: {', '.join(texts)}; {seeds} seeds: as k^{power:.2f}",
        "power −1 ± 0.1",
        abs(power + 1.0) <= 0.1,
        power,
    )
