"""C11 measured: Vario-Eta divides, for each weight, by the spread of the gradients of the patterns.

- **The denominator**, on a net for the sunspots (12-8-1): training with `batch_size=None` and `batch_size=1`, what
  the rule gives is compared with −η g / √(1/T Σ_t (g_t − g)²) from the g_t of the δ formulas (`verify.deltas`), one
  pattern at a time; they share no code with the engine. ε is 1e-300, so that what is compared is σ.
- **A ravine.** A linear neuron with two inputs of standard deviations 5 and 1 has an error surface 25 times as curved
  along one weight as along the other, the ravine of inputs that were not standardised. 100 patterns, noisy targets,
  a start far up the gentle direction, learning pattern by pattern. How much a rule zig-zags is told by the root mean
  square of its steps along the steep weight over that along the gentle one: a number that a smaller η does not
  change. The speed of the whole way is told beside it, with all patterns at once and the best η of the
  same fine ladder for each rule, chosen with other seeds (on a coarse ladder the comparison is one of luck; with that
  η Vario-Eta then zig-zags around the optimum, and settles only with a smaller one).
- **The condition number** at the optimum of the same problem: of the Hessian, and of the Hessian divided by σ, which is
  what the rule sees. Beside it a ravine at 45°, where no rate for each weight by itself can help.
- **A factor on E**, c E in place of E: training on sunspots must not change; ε is 1e-300, since c scales σ alone.
- **The streaming form** beside centred RMSprop as published, E g² − (E g)², in long double, on the same gradients.
- **A caution**: with η too large the rule zig-zags like any other, and how much is told here as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..learning.rules import GradientDescent, RMSprop, Rule, VarioEta
from ..learning.train import train
from ..nn.losses import Loss, squared
from ..nn.mlp import MLP
from ..transforms import gradient_moments, hessian
from .experiments import FAR, T, Watched, gradients_by_hand, learnt, ravine, spread, sunspot_patterns, zigzag
from .statement import Row

SEEDS = 20
ROUNDING = 1e-10
"""Of σ: rounding of a variance over 297 patterns, by sums of squares of numbers that partly cancel."""

LADDER = tuple(float(eta) for eta in np.geomspace(0.01, 1.0, 31))


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C11. Source: C11."""
    seeds = 3 if small else SEEDS
    yield denominator()
    yield damped(seeds)
    yield sooner(2, LADDER[13:22:8]) if small else sooner(seeds, LADDER)
    yield condition_number(seeds)
    yield scale_of_the_error(3 if small else 20)
    yield streaming(2 if small else 20)
    yield too_large(seeds)


def denominator(rule: Rule | None = None) -> Row:
    """Δw of two trainings on real data, beside the formula with the g_t by hand."""
    x, target = sunspot_patterns()
    worst = 0.0
    for batch_size in (None, 1):
        net = MLP([12, 8, 1], rng=0)
        gs = gradients_by_hand(net, x, target)
        g = np.mean(gs, axis=0)
        sigma = np.sqrt(np.mean((gs - g) ** 2, axis=0))
        watched = Watched(rule or VarioEta(0.01, epsilon=1e-300))
        train(net, (x, target), rule=watched, batch_size=batch_size, epochs=1, rng=0)
        which = g if batch_size is None else gs[np.random.default_rng(0).permutation(len(x))[0]]
        expected = -0.01 * which / sigma
        unit = 0.01 * np.max(np.abs(gs), axis=0) / sigma
        worst = max(worst, float(np.max(np.abs(watched.steps[0] - expected) / unit)))
    return Row(
        "C11",
        "Δw_t = −η / √(1/T Σ_t (g_t − g)²) · g_t, for each weight by itself",
        f"Δw of training, beside the formula with {len(x)} g_t by hand, {len(sigma)} weights of a sunspot net, "
        f"steepest descent and pattern by pattern: ≤ {worst:.1e} of the largest that any pattern gives",
        f"≤ {ROUNDING:g}",
        worst <= ROUNDING,
        worst,
    )


def damped(seeds: int, rule: Rule | None = None) -> Row:
    """The first epoch in the ravine: zig-zag under both rules, and the rate that each weight gets."""
    plain, vario, rates = [], [], []
    for seed in range(seeds):
        plain.append(zigzag(learnt(GradientDescent(0.001), seed, 1)[0])[0])
        vario.append(zigzag(learnt(rule or VarioEta(0.01), seed, 1)[0])[0])
        _, x, target, optimum = ravine(seed)
        d = x @ (optimum + FAR)[:, None] - target
        sigma = np.std(d * x, axis=0)
        rates.append(sigma[0] / sigma[1])
    fell = int(sum(v < p for p, v in zip(plain, vario, strict=True)))
    return Row(
        "C11",
        "Zig-zag in one direction ⇒ the g_t differ ⇒ large denominator ⇒ damped; gentle drift ⇒ accelerated",
        f"ravine 25 : 1, {seeds} seeds: rate of the gentle weight {spread(rates)} times that of the steep one; steps "
        f"along steep ÷ gentle weight {spread(plain)} plain, {spread(vario)} with Vario-Eta",
        "less zig-zag at all seeds",
        fell == seeds,
        float(np.median(vario) / np.median(plain)),
    )


def sooner(seeds: int, ladder: tuple[float, ...]) -> Row:
    """Updates with all patterns until E's excess stays below 1 % of that at the start, each rule with its best η."""
    texts, medians = [], []
    for name, make in (("plain", GradientDescent), ("Vario-Eta", VarioEta)):
        trials = [np.median([_until(make(eta), seed) for seed in (100, 101)]) for eta in ladder]
        eta = ladder[int(np.argmin(trials))]
        found = [_until(make(eta), seed) for seed in range(seeds)]
        medians.append(float(np.median(found)))
        texts.append(f"{name} {spread(found, 0)} (η = {eta:.2g})")
    gain = medians[1] / medians[0]
    return Row(
        "C11",
        "Beside the lecture: does it also arrive sooner?",
        f"{gain:.2f} of the updates until E's excess stays below 1 %, all patterns at once, each with its best η: "
        f"{', '.join(texts)}; {seeds} seeds",
        "none",
        None,
        gain,
    )


def _until(rule: Rule, seed: int) -> float:
    """Updates until the excess of E over its minimum stays below 1 % of that at the start; ∞ where it does not."""
    try:
        _, w = learnt(rule, seed, 120, batch_size=None)
    except ArithmeticError:  # it diverged
        return np.inf
    _, x, _, _ = ravine(seed)
    excess = np.mean((w @ x.T) ** 2, axis=1)
    above = np.flatnonzero(excess >= 0.01 * np.mean((x @ FAR) ** 2))
    after = int(above[-1]) + 2 if len(above) else 1
    return float(after) if after <= len(w) else np.inf


def condition_number(seeds: int) -> Row:
    """Of the Hessian at the optimum, and of what Vario-Eta makes of it; straight and turned by 45°."""
    plain: list[float] = []
    vario: list[float] = []
    turned: list[float] = []
    rotation = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2.0)
    for seed in range(seeds):
        _, x, target, _ = ravine(seed)
        for turn, kept in ((np.eye(2), vario), (rotation, turned)):
            inputs = x @ turn
            w = np.linalg.lstsq(inputs, target, rcond=None)[0][:, 0]

            def error(w: Any, x: Any, target: Any) -> Any:
                return np.sum(0.5 * (x @ w - target[:, 0]) ** 2)

            G = hessian(error)(w, inputs, target) / T
            sigma = np.sqrt(gradient_moments(error)(w, inputs, target)[1])
            kept.append(float(np.linalg.cond(G / np.sqrt(np.outer(sigma, sigma)))))
        plain.append(float(np.linalg.cond(G)))
    ratio = float(np.median(np.log(vario) / np.log(plain)))
    return Row(
        "C11",
        "Near an optimum it makes the ravine rounder",
        f"condition number {spread(plain)} → {spread(vario)}: its power {ratio:.2f} (the root would be 0.5), {seeds} "
        f"seeds; for a ravine at 45° to the weights {spread(turned)}: no help there",
        "power 0.5 ± 0.1",
        abs(ratio - 0.5) <= 0.1,
        ratio,
    )


def scale_of_the_error(epochs: int) -> Row:
    """E → c E, on the sunspots."""
    x, target = sunspot_patterns()
    ends = {}
    for rule in (VarioEta(0.01, epsilon=1e-300), GradientDescent(0.01)):
        for c in (1.0, 1e-3, 10.0):
            net = MLP([12, 4, 1], rng=0)

            def scaled(out: Any, target: Any, c: float = c) -> Any:
                return c * squared(out, target)

            train(net, (x, target), rule=rule, loss=Loss(f"{c:g} E", scaled), batch_size=None, epochs=epochs)
            ends[type(rule), c] = net.w.copy()
    moved = {
        kind: max(float(np.max(np.abs(ends[kind, c] - ends[kind, 1.0]))) for c in (1e-3, 10.0))
        for kind in (VarioEta, GradientDescent)
    }
    return Row(
        "C11",
        "Its update does not change when E is replaced by c E",
        f"sunspots, c = 0.001 and 10, {epochs} epochs: weights differ by ≤ {moved[VarioEta]:.1e}; under plain "
        f"gradient descent by {moved[GradientDescent]:.2g}",
        "≤ 1e-10",
        moved[VarioEta] <= 1e-10 < moved[GradientDescent],
        moved[VarioEta],
    )


def streaming(epochs: int, rule: Rule | None = None) -> Row:
    """The streaming form and centred RMSprop on the gradients of one training."""
    x, target = sunspot_patterns()
    net, watched = MLP([12, 4, 1], rng=0), Watched(rule or VarioEta(0.01, smoothing=0.9))
    train(net, (x, target), rule=watched, batch_size=32, epochs=epochs)
    ours, state = RMSprop(0.01, rho=0.9, centered=True), RMSprop(centered=True).start(net.w)
    mean, square = np.zeros((2, net.w.size), np.longdouble)
    worst = from_ours = 0.0
    for g, step in zip(watched.gradients, watched.steps, strict=True):
        mean, square = 0.9 * mean + 0.1 * g.astype(np.longdouble), 0.9 * square + 0.1 * g.astype(np.longdouble) ** 2
        published = -0.01 * g / (np.sqrt(square - mean**2) + 1e-8)
        delta, state = ours.delta_w(g, state, w=net.w, eta=0.01)
        worst = max(worst, float(np.max(np.abs(step - published) / np.abs(published))))
        from_ours = max(from_ours, float(np.max(np.abs(step - delta))))
    return Row(
        "C11",
        "Its streaming form is centred RMSprop",
        f"{len(watched.steps)} updates on sunspots, the same gradients: differ by {worst:.1e} of each Δw from the "
        f"published form in long double, {from_ours:.0e} from this package's RMSprop",
        "≤ 1e-12 and ≤ 1e-15",
        worst <= 1e-12 and from_ours <= 1e-15,
        worst,
    )


def too_large(seeds: int) -> Row:
    """Turns along the steep weight under Vario-Eta, all patterns at once, with a small η and with larger ones."""
    turns = {
        eta: [zigzag(learnt(VarioEta(eta), seed, 60, batch_size=None)[0])[1] for seed in range(seeds)]
        for eta in (0.01, 0.1, 1.0)
    }
    text = ", ".join(f"{spread(share)} at η = {eta:g}" for eta, share in turns.items())
    calm, wild = float(np.median(turns[0.01])), float(np.median(turns[1.0]))
    return Row(
        "C11",
        "Caution: with η too large it zig-zags like any other rule",
        f"share of updates that turn round along the steep weight, all patterns at once: {text}; {seeds} seeds",
        "≥ 50 % with the largest η, less with the smallest",
        wild >= 0.5 > calm,
        wild,
    )
