"""C11, C12, C13: one ravine under plain descent, momentum, Vario-Eta and Adam.

A linear neuron learns from two inputs of very different size, which were not standardised: along one weight E is 25
times as curved as along the other. Every rule starts at the same place, sees all patterns at once, and has the best
of the same 40 η. Plain descent zig-zags between the walls; the others damp that, each in its way.
python demos/ravine.py --figure ravine.png draws the four ways.
"""

import common
import numpy as np

import tinygrad_lecture as tl
from tinygrad_lecture.learning.rules import Adam, GradientDescent, Momentum, VarioEta

options = common.options(__doc__)

RULES = {"plain": GradientDescent(), "momentum": Momentum(), "Vario-Eta": VarioEta(), "Adam": Adam()}
START = np.array([0.8, 5.0])  # from the optimum: along the steep weight, along the gentle one

rng = np.random.default_rng(0)
x = rng.normal(size=(100, 2)) * [5.0, 1.0]
target = x @ [1.0, -1.0] + 0.5 * rng.normal(size=100)
optimum = np.linalg.lstsq(x, target, rcond=None)[0]


def error(w, x, target):
    """Σ_t E_t of the linear neuron."""
    return np.sum(0.5 * (x @ w - target) ** 2)


gradient, moments = tl.grad(error), tl.gradient_moments(error)
G = tl.hessian(error)(optimum, x, target) / len(x)


def way(rule, eta, updates):
    """The weights, as seen from the optimum, from update to update."""
    seen, state, w = [START], rule.start(optimum), optimum + START
    for _ in range(updates):
        spread = moments(w, x, target) if rule.needs_moments else None
        delta, state = rule.delta_w(gradient(w, x, target) / len(x), state, w=w, eta=eta, moments=spread)
        w = np.clip(w + delta, -100, 100)  # what diverges need not overflow
        seen.append(w - optimum)
    return np.array(seen)


def updates_to(seen, share=0.01):
    """Updates until the excess of E stays below a share of that at the start."""
    excess = np.einsum("ti,ij,tj->t", seen, G, seen)
    after = np.flatnonzero(excess >= share * excess[0])[-1] + 1
    return after if after < len(seen) else np.inf


print(f"Curvature of E: {G[0, 0]:.1f} along w1, {G[1, 1]:.1f} along w2; condition number {np.linalg.cond(G):.0f}.")
sigma = np.sqrt(moments(optimum, x, target)[1])
rounder = np.linalg.cond(G / np.sqrt(np.outer(sigma, sigma)))
print(f"Spread of the g_t at the optimum: {sigma[0]:.2f}, {sigma[1]:.2f}; divided by it, {rounder:.1f} is left.\n")
print("rule         best η   updates to 1 %   turns along w1 of 20   left of E after 150")
ways, etas = {}, np.geomspace(0.01, 3.0, 40)
for name, rule in RULES.items():
    eta = etas[np.argmin([updates_to(way(rule, eta, 150)) for eta in etas])]
    seen = ways[name] = way(rule, eta, 150)
    turns, left = np.sum(np.diff(np.sign(np.diff(seen[:22, 0]))) != 0), (seen[-1] @ G @ seen[-1]) / (START @ G @ START)
    print(f"{name:11} {eta:7.3f} {updates_to(seen):11.0f} {turns:20} {left:22.0e}")

print("\nWith that η Vario-Eta is quick to come near, and then zig-zags; to settle it needs a smaller one.")

if options.figure:
    from tinygrad_lecture.show.plots import COLOURS, figure

    fig, axes = figure(2, 2)
    a, b = np.meshgrid(np.linspace(-6, 6, 121), np.linspace(-1.3, 1.3, 101))
    E = 0.5 * (G[1, 1] * a**2 + 2 * G[0, 1] * a * b + G[0, 0] * b**2)
    for one, (name, seen), colour in zip(axes.flat, ways.items(), COLOURS, strict=False):
        one.contour(a, b, np.sqrt(E), 12, colors="#bbbbbb", linewidths=1)
        one.plot(seen[:60, 1], seen[:60, 0], "o-", color=colour, markersize=4, linewidth=2)
        one.plot(0, 0, "k+", markersize=16, markeredgewidth=3)
        one.set_title(f"{name}: {updates_to(seen):.0f} updates", fontsize=18)
        one.set(xlabel="w2 − optimum (gentle)", ylabel="w1 − optimum (steep)", xlim=(-6, 6), ylim=(-1.3, 1.3))
    fig.savefig(options.figure)
