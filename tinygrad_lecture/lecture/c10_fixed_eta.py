"""C10 measured: a fixed η jumps over good minima, and crawls where the error surface is flat.

The surface has one weight, so that both can be seen: the place b of a bell-shaped neuron, out = gauss((x − b) / ½),
which is to fit a target of two hills. One hill is just such a bell at b = 2: a good minimum, narrow and steep.
The other, around b = −3, is low and four times as broad: a poor minimum, wide and shallow. Elsewhere neuron and hills
do not overlap, and the surface is flat.

- **Jumps over.** A minimum of curvature E'' holds steepest descent only while η < 2 / E'' (the bound of C8): runs start
  within the good basin, and stay or do not.
- **Crawls.** Runs start on the flat part beside the good minimum, where the slope is a tenth, a hundredth, … of the
  largest on their way, with η = 1 / E'', which is the best there is near that minimum. The way out is the sum of
  η |g|, so that the updates should grow as 1 / |g|. How flat matters: from 1 % of the largest slope it is no crawl yet.
- **Both.** From 0.1 % of the largest slope, a range of fixed η beside a rate that each run adapts to its own state
  (Rprop, whose steps grow on flat parts and shrink where the sign of g changes): it is the fixed η that costs the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine.values import Array
from ..learning.rules import GradientDescent, Rprop, Rule
from ..nn.activations import gauss
from ..transforms import grad, hessian
from .statement import Row

RUNS = 20
GOOD = 2.0
NEAR, STAY = 0.05, 20
"""A run has arrived when it stays so near to the good minimum for so many updates; the basin is about 1 wide."""

x = np.linspace(-12.0, 12.0, 121)
target = gauss((x - GOOD) / 0.5) + 0.4 * gauss((x + 3.0) / 2.0)


def surface(b: Any) -> Any:
    """E(b) for every run's own b: (R,) → (R,); half the sum of squares over the patterns."""
    d = gauss((x - b[:, None]) / 0.5) - target
    return 0.5 * np.sum(d * d, axis=1)


def slopes(b: Array) -> Array:
    """E'(b) for every run."""
    return np.asarray(grad(lambda b: np.sum(surface(b)))(b))


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C10. Source: C10."""
    bound = float(2.0 / hessian(lambda b: np.sum(surface(b)))(np.array([GOOD]))[0, 0])
    yield jumps_over(bound)
    yield crawls(bound, (0.1, 0.03, 0.01) if small else (0.1, 0.01, 0.001, 0.0001))
    yield both(
        bound, 0.01 if small else 0.001, (0.3, 0.9, 3.0) if small else (0.1, 0.3, 0.5, 0.9, 1.1, 3.0, 10.0, 100.0)
    )


def jumps_over(bound: float, rule: Rule | None = None) -> Row:
    """Runs from within the good basin, and which η keep them there."""
    starts = GOOD + np.random.default_rng(0).uniform(-0.2, 0.2, size=RUNS)
    kept, ends = {}, {}
    for factor in (0.3, 0.9, 1.1, 3.0, 10.0):
        updates, b = arrivals(rule or GradientDescent(), factor * bound, starts, 200)
        kept[factor] = float(np.mean(np.isfinite(updates)))
        ends[factor] = float(np.median(surface(b)))
    below, above = min(kept[0.3], kept[0.9]), max(kept[f] for f in (1.1, 3.0, 10.0))
    shares = ", ".join(f"{share:.0%} at {factor:g}" for factor, share in kept.items())
    return Row(
        "C10",
        "A fixed η jumps over good minima",
        f"of {RUNS} runs from within a narrow minimum, E'' = {2 / bound:.1f}, stay by η ÷ (2/E''): {shares}; "
        f"median E there {ends[0.9]:.2f}, and {ends[10.0]:.2f} with 10",
        "all stay below 1, none above",
        below == 1.0 and above == 0.0,
        above,
    )


def crawls(bound: float, flatness: tuple[float, ...]) -> Row:
    """Updates from ever flatter places to the good minimum, with η = 1 / E''."""
    medians, spread = [], []
    for share in flatness:
        updates, _ = arrivals(GradientDescent(), bound / 2, flat_places(share), int(50 / share))
        medians.append(float(np.median(updates)))
        spread.append(np.quantile(updates, [0.25, 0.75]))
    slope = float(np.polyfit(np.log(flatness), np.log(medians), 1)[0])
    curve = ", ".join(
        f"{m:,.0f} [{q[0]:,.0f}–{q[1]:,.0f}] from {share:g}"
        for share, m, q in zip(flatness, medians, spread, strict=True)
    )
    return Row(
        "C10",
        "… and crawls on flat error surfaces",
        f"updates to the same minimum, η = 1/E'', by |g| ÷ its largest at the start: {curve}: about |g|^{slope:.2f}",
        "grow with each; as |g|^−1 ± 0.3",
        bool(np.all(np.diff(medians) > 0)) and abs(slope + 1.0) <= 0.3,
        slope,
    )


def both(bound: float, flat: float, factors: tuple[float, ...]) -> Row:
    """From the flat part into the narrow minimum: fixed η, and one that adapts."""
    starts = flat_places(flat)
    needed = {}
    for factor in factors:
        most = int(10 / flat / factor) if factor < 1 else 2000  # far more than those that arrive need
        needed[factor] = float(np.median(arrivals(GradientDescent(), factor * bound, starts, most)[0]))
    adapted = float(np.median(arrivals(Rprop(eta=0.01), 0.01, starts, 1000)[0]))
    curve = ", ".join(f"{n:,.0f} at {f:g}" if np.isfinite(n) else f"never at {f:g}" for f, n in needed.items())
    best = min(needed.values())
    return Row(
        "C10",
        "On a surface with both, a fixed η that holds the minimum crawls, and one that hurries jumps",
        f"median updates from |g| = {flat:g} of its largest by η ÷ (2/E''): {curve}; with a rate that adapts "
        f"(Rprop): {adapted:.0f}",
        "never above 1; below it slower than with the adapted rate",
        all(np.isinf(n) == (f > 1) for f, n in needed.items()) and best > adapted,
        best,
    )


def flat_places(share: float) -> Array:
    """Places beside the good minimum, where the slope is about this share of the largest on the way to it."""
    b = np.linspace(GOOD, 6.0, 2001)
    g = np.abs(slopes(b))
    top = int(np.argmax(g))
    place = b[top + int(np.argmax(g[top:] < share * g[top]))]
    return np.asarray(place + np.random.default_rng(1).uniform(-0.05, 0.05, size=RUNS))


def arrivals(rule: Rule, eta: float, starts: Array, most: int) -> tuple[Array, Array]:
    """The update after which each run is near the good minimum and stays, ∞ where there is none; and where it ends."""
    b, state = starts, rule.start(starts)
    since = np.full(len(b), np.inf)
    for update in range(1, most + STAY + 1):
        delta, state = rule.delta_w(slopes(b), state, w=b, eta=eta)
        b = b + delta
        since = np.where(np.abs(b - GOOD) < NEAR, np.minimum(since, update), np.inf)
        if np.all(update - since >= STAY):
            break
    return np.where(since <= most, since, np.inf), b
