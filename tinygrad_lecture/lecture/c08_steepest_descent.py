"""C8 measured: steepest descent, Δw = −η g with g = 1/T Σ_t g_t.

- **The expansion.** E(w − η g) beside its predictions E − η gᵀg and E − η gᵀg + ½ η² gᵀGg, with gᵀGg from a
  Hessian-vector product. The remainders must shrink as η² and η³: slopes on a log-log plot, over η from 1/3000 to
  1/100 of that at which the first prediction reaches E = 0; smaller ones end in rounding, larger ones leave the range
  of the expansion. (A first range, of larger η, gave one slope off by 0.37, where a leading term nearly vanishes;
  range and bars were then set anew.) On nets for the sunspots and for every sixth of the digits, at their first
  weights and after some learning.
- **The bound** η < 2 gᵀg / gᵀGg, and the best step, half of it. For a linear neuron E is a parabola, and both are
  exact: tried 1 % below and above. For nets the bound is one of second order: how often it is right is told.
- **Slower**: epochs until 12-4-1 nets for the sunspots reach E ≤ 0.08 (as in C7), beside learning pattern by pattern;
  each with the best η of a ladder, chosen by other seeds. Both see every pattern once in an epoch, which is the unit
  of work.
- **Local minima**: on the surface of `hills`, runs that start in the basin of the poor minimum, which is where a tiny
  η leads to it; several η up to the bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..data import load_digits, standardise
from ..engine.values import Array
from ..nn.losses import LOSSES
from ..nn.mlp import MLP
from ..transforms import hvp, value_and_grad
from . import hills
from .c07_pattern_by_pattern import GOAL, SIZES, epochs_until
from .experiments import spread, sunspot_patterns
from .hills import NEAR, POOR, bound_at_the_good_minimum, slope_on_hills
from .side_by_side import stacked
from .statement import Row

SEEDS = 20
SHARES = np.geomspace(3e-4, 1e-2, 8)
Error = Callable[[Any], Any]


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C8. Source: C8."""
    seeds = 3 if small else SEEDS
    yield remainders(2 if small else SEEDS, 5 if small else 10)
    yield bound_of_a_neuron(seeds)
    yield bound_of_nets(seeds)
    yield slower(2 if small else SEEDS, *(((0.7,), (0.1,)) if small else ((0.3, 0.5, 0.7, 1.0), (0.02, 0.05, 0.1))))
    yield stays(seeds if small else 200)


def digit_patterns() -> tuple[Array, Array]:
    """Every sixth of the digits, standardised, and one output for each class."""
    data = load_digits()
    return standardise(data.inputs.reshape(len(data), -1)).values[::6], np.eye(10)[data.targets[::6]]


def error_of(net: MLP, x: Array, target: Array) -> Error:
    """E as a function of all weights by name."""
    return lambda p: LOSSES["squared_error"](net(x, p), target)


def expansion(error: Error, p: dict[str, Array]) -> tuple[float, dict[str, Array], float, float]:
    """E, g, gᵀg and gᵀGg at the weights p."""
    E, g = value_and_grad(error)(p)
    Gg = hvp(error)(p, g)
    return float(E), g, inner(g, g), inner(g, Gg)


def inner(a: dict[str, Array], b: dict[str, Array]) -> float:
    """aᵀb over all weights."""
    return float(sum(np.vdot(a[name], b[name]) for name in a))


def stepped(p: dict[str, Array], g: dict[str, Array], eta: float) -> dict[str, Array]:
    """w − η g."""
    return {name: w - eta * g[name] for name, w in p.items()}


def slopes_of_remainders(error: Error, p: dict[str, Array]) -> tuple[float, float]:
    """With which powers of η the remainders of the predictions of first and second order shrink."""
    E, g, gg, gGg = expansion(error, p)
    etas = SHARES * E / gg
    after = np.array([float(error(stepped(p, g, eta))) for eta in etas])
    first = E - etas * gg
    second = first + 0.5 * etas**2 * gGg
    one, two = (np.polyfit(np.log(etas), np.log(np.abs(after - prediction)), 1)[0] for prediction in (first, second))
    return float(one), float(two)


def remainders(seeds: int, steps: int) -> Row:
    """The slopes on two data sets, at the start and after some learning."""
    found = []
    problems = (sunspot_patterns(), (12, 8, 1), "identity"), (digit_patterns(), (64, 10, 10), "logistic")
    for patterns, sizes, output in problems:
        for seed in range(seeds):
            net = MLP(sizes, output=output, rng=seed)
            error, p = error_of(net, *patterns), net.parameters
            found.append(slopes_of_remainders(error, p))
            for _ in range(steps):
                p = stepped(p, value_and_grad(error)(p)[1], 0.1)
            found.append(slopes_of_remainders(error, p))
    one, two = np.array(found).T
    worst = float(max(np.max(np.abs(one - 2.0)), np.max(np.abs(two - 3.0))))
    return Row(
        "C8",
        "E(w − ηg) = E − η gᵀg + ½ η² gᵀGg: it lowers the error for small η",
        f"remainder without the last term shrinks as η^{spread(one, 3)}, with it as η^{spread(two, 3)}; sunspots and "
        f"digits, {seeds} nets each, at the start and after {steps} steps; worst off by {worst:.2f}",
        "2 and 3, medians ± 0.02, each ± 0.2",
        bool(abs(np.median(one) - 2.0) <= 0.02 and abs(np.median(two) - 3.0) <= 0.02 and worst <= 0.2),
        worst,
    )


def bound_of_a_neuron(seeds: int) -> Row:
    """A linear neuron on the sunspots: just below and above the bound, and beside the best step."""
    x, target = sunspot_patterns()
    right, n = 0, 0
    for seed in range(seeds):
        net = MLP([12, 1], rng=seed)
        error, p = error_of(net, x, target), net.parameters
        E, g, gg, gGg = expansion(error, p)
        after = {f: float(error(stepped(p, g, f * 2.0 * gg / gGg))) for f in (0.01, 0.99, 1.01, 0.495, 0.5, 0.505)}
        right += (after[0.01] < E) + (after[0.99] < E < after[1.01]) + (after[0.495] > after[0.5] < after[0.505])
        n += 3
    return Row(
        "C8",
        "Descent is guaranteed to second order for η < 2 gᵀg / gᵀGg, and half of it is best",
        f"linear neuron on sunspots, where E is a parabola, {seeds} starts: E falls at 1 % and 99 % of the bound and "
        f"rises at 101 %; is higher 1 % beside the half: {right} of {n} as said",
        "all",
        right == n,
        right / n,
    )


def bound_of_nets(seeds: int) -> Row:
    """Nets, whose error has terms of higher order: how often E falls at each share of the bound."""
    x, target = sunspot_patterns()
    shares = (0.1, 0.5, 0.9, 1.1, 2.0)
    fell: list[list[bool]] = []
    for seed in range(seeds):
        net = MLP([12, 8, 1], rng=seed)
        error, p = error_of(net, x, target), net.parameters
        for _ in range(5):
            E, g, gg, gGg = expansion(error, p)
            if gGg > 0:
                fell.append([float(error(stepped(p, g, f * 2.0 * gg / gGg))) < E for f in shares])
            p = stepped(p, g, gg / abs(gGg))
    found = np.mean(fell, axis=0)
    text = ", ".join(f"{share:.0%} at {f:g}" for share, f in zip(found, shares, strict=True))
    return Row(
        "C8",
        "… for nets no more than to second order",
        f"12-8-1 nets on sunspots, {seeds} nets, 5 steps with η = gᵀg/gᵀGg each: E falls by η ÷ bound: {text}; "
        f"{len(fell)} of {5 * seeds} points are curved upwards along g",
        "all at a tenth of it; most at 0.9, few at 2",
        bool(found[0] == 1.0 and found[2] > 0.5 > found[4]),
        float(found[2]),
    )


def slower(seeds: int, ladder: Sequence[float], ladder_by_pattern: Sequence[float]) -> Row:
    """Epochs to the same E, steepest descent and pattern by pattern, each with its best η."""
    x, target = sunspot_patterns()
    found = {}
    for batch_size, etas, most in ((None, ladder, 100.0), (1, ladder_by_pattern, 8.0)):

        def needed(eta: float, order: range, batch_size: int | None = batch_size, most: float = most) -> Array:
            runs = stacked(SIZES, order)
            return epochs_until(runs, x, target, eta=eta, batch_size=batch_size, seeds=order, most=most)

        trials = [np.quantile(needed(eta, range(100, 100 + seeds)), 0.5, method="inverted_cdf") for eta in etas]
        found[batch_size] = needed(etas[int(np.argmin(trials))], range(seeds))
    steepest, by_pattern = found[None], found[1]
    more = int(np.sum(steepest > by_pattern))
    return Row(
        "C8",
        "But: more computation, slower convergence",
        f"{len(x)} patterns for each update, not 1; epochs until E ≤ {GOAL:g} on sunspots {spread(steepest, 0)}, "
        f"pattern by pattern {spread(by_pattern, 1)}, each with its best η; more at {more} of {seeds} seeds",
        "more at all seeds",
        more == seeds,
        float(np.median(steepest) / np.median(by_pattern)),
    )


def stays(runs: int) -> Row:
    """Runs from the basin of the poor minimum, with several η up to the bound of the good one."""
    bound = bound_at_the_good_minimum()
    starts = np.random.default_rng(0).uniform(-4.0, 4.0, size=runs)
    poor = starts[np.abs(descended(starts, 0.05 * bound, 1000) - POOR) < NEAR]
    kept = {f: float(np.mean(np.abs(descended(poor, f * bound, 300) - POOR) < NEAR)) for f in (0.1, 0.5, 0.9)}
    text = ", ".join(f"{share:.0%} at {f:g}" for f, share in kept.items())
    return Row(
        "C8",
        "… and it may stay in a local minimum",
        f"two hills: {len(poor)} of {runs} starts lie in the basin of the poor minimum; of these end there, "
        f"by η ÷ (2/E''): {text}",
        "all",
        len(poor) > 0 and min(kept.values()) == 1.0,
        min(kept.values()),
    )


def descended(b: Array, eta: float, updates: int) -> Array:
    """Where runs are after so many updates of steepest descent on the hills."""
    for _ in range(updates):
        b = b - eta * slope_on_hills(b, hills.x[None], hills.target[None])
    return b
