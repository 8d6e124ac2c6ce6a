"""C12 measured: momentum, v₀ = 0, v_{t+1} = β v_t + g_t, Δw_t = −η v_{t+1}, β = 0.9.

- **The recursion**, on a net for the sunspots (12-8-1), learning pattern by pattern: each Δw of a training beside the
  sum written out, −η Σ_s β^{t−s} g_s, with the g_s of the δ formulas (`verify.deltas`) at the weights of the
  moment. Nothing is shared with the rule, and the sum is no recursion.
- **What it adds up to**: in a steady direction the steps grow to η / (1 − β) times the gradient, ten times as far.
- **How large η may be**: along a direction of curvature λ the recursion is stable for η < 2 (1 + β) / λ, where plain
  descent is for η < 2 / λ. Both are tried just below and just above, on quadratic bowls of random curvature.
- **In a ravine** of condition number κ, steepest descent with the best fixed η, 2 / (λ₁ + λ₂), needs about κ / 2
  updates for each factor e. Momentum has β = 0.9 as the lecture sets it and the best η of a ladder, and must show where
  this helps and where it does not: κ = 10, 100, 1000. Starts are drawn at random on a circle.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..engine.values import Array
from ..learning.rules import GradientDescent, Momentum, Rule
from ..learning.train import train
from ..nn.mlp import MLP
from .experiments import Watched, gradients_by_hand, spread, sunspot_patterns
from .statement import Row

SEEDS, UPDATES = 20, 297
ROUNDING = 1e-12


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C12. Source: C12."""
    yield recursion(30 if small else UPDATES)
    yield steady()
    yield stability(3 if small else SEEDS)
    yield in_a_ravine(3 if small else SEEDS, (10.0, 100.0) if small else (10.0, 100.0, 1000.0))


def recursion(updates: int, rule: Rule | None = None) -> Row:
    """Each Δw of a training beside the sum over all gradients before it."""
    x, target = (side[:updates] for side in sunspot_patterns())
    net, watched = MLP([12, 8, 1], rng=0), Watched(rule or Momentum(0.01))
    train(net, (x, target), rule=watched, batch_size=1, epochs=1, rng=0)
    by_hand, order = MLP([12, 8, 1], rng=0), np.random.default_rng(0).permutation(updates)
    gs: list[Array] = []
    worst = 0.0
    for t, step in zip(order, watched.steps, strict=True):
        gs.append(gradients_by_hand(by_hand, x[t : t + 1], target[t : t + 1])[0])
        weights = 0.9 ** np.arange(len(gs) - 1, -1, -1)
        expected = -0.01 * (weights @ np.array(gs))
        worst = max(worst, float(np.max(np.abs(step - expected)) / np.max(np.abs(expected))))
        by_hand.assign(by_hand.w + expected)
    return Row(
        "C12",
        "v₀ = 0, β = 0.9, v_{t+1} = β v_t + g_t, Δw_t = −η v_{t+1}",
        f"{updates} updates on sunspots, pattern by pattern: each Δw is −η Σ_s 0.9^(t−s) g_s, g_s by hand, to "
        f"{worst:.1e} of its largest part",
        f"≤ {ROUNDING:g}",
        worst <= ROUNDING,
        worst,
    )


def steady(rule: Rule | None = None) -> Row:
    """The step in a steady direction, and in one that changes its sign with every update."""
    rule, w = rule or Momentum(0.01), np.zeros(2)
    state = rule.start(w)
    for t in range(400):
        delta, state = rule.delta_w(np.array([1.0, (-1.0) ** t]), state, w=w, eta=1.0)
    along, across = float(np.abs(delta[0])), float(np.abs(delta[1]))
    return Row(
        "C12",
        "So a steady direction is accelerated, and one that turns at each update is damped",
        f"after 400 updates |Δw| = {along:.6f} η |g| where g is steady (1/(1−β) = 10), {across:.6f} where it turns "
        f"each time (1/(1+β) = {1 / 1.9:.6f})",
        "both to 1e-10",
        abs(along - 10.0) <= 1e-9 and abs(across - 1 / 1.9) <= 1e-10,
        along,
    )


def stability(seeds: int) -> Row:
    """Convergence just below the bound on η, and divergence just above."""
    curvature = 10.0 ** np.random.default_rng(0).uniform(-2.0, 2.0, size=(seeds, 1))
    right = 0
    for rule, bound in ((GradientDescent(), 2.0 / curvature), (Momentum(), 2.0 * 1.9 / curvature)):
        for factor in (0.99, 1.01):
            since = arrivals(rule, factor * bound, curvature, np.ones((seeds, 1)), 3000)
            right += int(np.sum(np.isfinite(since) == (factor < 1)))
    return Row(
        "C12",
        "It bears a larger η: η < 2 (1 + β) / λ, where plain descent has 2 / λ",
        f"{seeds} bowls of curvature λ = 0.01 … 100, both rules, η 1 % below and above: converge or diverge as said in "
        f"{right} of {4 * seeds} runs",
        "all",
        right == 4 * seeds,
        right / (4 * seeds),
    )


def in_a_ravine(seeds: int, ravines: tuple[float, ...]) -> Row:
    """Updates for each κ: plain with the best η there is, momentum with the best of a ladder."""
    texts, gains = [], []
    angles = np.random.default_rng(0).uniform(0.0, 2 * np.pi, size=seeds)
    starts = np.column_stack([np.cos(angles), np.sin(angles)])
    for kappa in ravines:
        curvature, most = np.array([kappa, 1.0]), int(10 * kappa) + 400
        plain = arrivals(GradientDescent(), np.array(2.0 / (kappa + 1.0)), curvature, starts, most)
        ladder = np.geomspace(0.02, 0.95, 24)[:, None, None] * 3.8 / kappa
        tried = arrivals(Momentum(), ladder, curvature, np.broadcast_to(starts, (24, seeds, 2)), 1000)
        best = min(tried, key=np.median)
        gains.append(float(np.median(plain) / np.median(best)))
        texts.append(f"{spread(plain, 0)} → {spread(best, 0)} at κ = {kappa:g}")
    return Row(
        "C12",
        "In a ravine it needs fewer updates, if the ravine is narrow enough for β",
        f"updates to 1e-4 of the way, plain with its best η → momentum 0.9: {'; '.join(texts)}; {seeds} starts",
        "fewer at κ ≥ 100",
        min(gain for gain, kappa in zip(gains, ravines, strict=True) if kappa >= 100) > 1.0,
        gains[-1],
    )


def arrivals(rule: Rule, eta: Array, curvature: Array, w: Array, most: int) -> Array:
    """The update after which each run on E = ½ Σ λ w² stays within 1e-4 of the minimum, ∞ where it does not.

    w: (…, n), a start for each run; eta, curvature: as they broadcast against it. Returns (…).
    """
    state, since = rule.start(w), np.full(w.shape[:-1], np.inf)
    for update in range(1, most + 1):
        delta, state = rule.delta_w(curvature * w, state, w=w, eta=eta)
        w = np.clip(w + delta, -1e100, 1e100)  # what diverges need not overflow
        since = np.where(np.linalg.norm(w, axis=-1) <= 1e-4, np.minimum(since, update), np.inf)
    return since
