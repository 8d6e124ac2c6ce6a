"""C8: how well the Taylor expansion predicts the error after a step of steepest descent.

E(w − ηg) ≈ E − η gᵀg, and better E − η gᵀg + ½ η² gᵀGg. What is left over must shrink as η² and as η³: halve η,
and it is a quarter, an eighth. A 12-8-1 net for the sunspots. Then: up to which η does the step lower the error?
python demos/taylor.py --figure taylor.png draws both.
"""

import common
import numpy as np

import tinygrad_lecture as tl
from tinygrad_lecture.data import load_sunspots, standardise, windows

options = common.options(__doc__)

series = windows(standardise(load_sunspots().targets).values, n_past=12)
x, target = series.inputs, series.targets
net = tl.MLP([12, 8, 1], rng=0)


def error(p):
    """E, the mean over the patterns."""
    return tl.squared_error(net(x, p), target)


def inner(a, b):
    """aᵀb over all weights."""
    return sum(np.vdot(a[name], b[name]) for name in a)


p = net.parameters
E, g = tl.value_and_grad(error)(p)
gg, curvature = inner(g, g), inner(g, tl.hvp(error)(p, g))


def after(eta):
    """E(w − ηg)."""
    return error({name: w - eta * g[name] for name, w in p.items()})


etas = 2.0 ** np.arange(-13, -3)
actual = np.array([after(eta) for eta in etas])
first = E - etas * gg
second = first + 0.5 * etas**2 * curvature
left = {"first order": np.abs(actual - first), "second order": np.abs(actual - second)}
slope = {name: np.polyfit(np.log(etas[:6]), np.log(rest[:6]), 1)[0] for name, rest in left.items()}

print(f"E = {E:.6f}, gᵀg = {gg:.4f}, gᵀGg = {curvature:.4f}\n")
print("η             E(w − ηg)     left over of    ÷ that of      left over of    ÷ that of")
print("                            first order     half of η      second order    half of η")
for i, eta in enumerate(etas):
    ratios = [f"{rest[i] / rest[i - 1]:6.2f}" if i else "      " for rest in left.values()]
    texts = (f"{rest[i]:.3e}       {ratio}" for rest, ratio in zip(left.values(), ratios, strict=True))
    print(f"{eta:.6f}      {actual[i]:.6f}      {'         '.join(texts)}")
print(f"\nSlopes on a log-log plot: {slope['first order']:.3f} and {slope['second order']:.3f}.")

bound = 2 * gg / curvature
print(f"\nDescent is guaranteed to second order for η < 2 gᵀg / gᵀGg = {bound:.4f}; half of it is best.")
for share in (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5):
    change = after(share * bound) - E
    print(f"  η = {share:4.2f} of the bound: E changes by {change:8.5f}, {'lower' if change < 0 else 'HIGHER'}")
print("Here even beyond the bound: terms of higher order, which it does not know, help this net.")

if options.figure:
    from tinygrad_lecture.show.plots import figure, legend

    fig, axes = figure(1, 2, (16, 6.5))
    for (name, rest), mark in zip(left.items(), "os", strict=True):
        axes[0].plot(etas, rest, "-" + mark, markersize=9, label=f"{name}: slope {slope[name]:.2f}")
    axes[0].set(xscale="log", yscale="log", xlabel="step size η", ylabel="|E(w − ηg) − prediction|")
    many = np.linspace(0, 1.3 * bound, 101)
    axes[1].plot(many, [after(eta) for eta in many], label="E(w − ηg)")
    axes[1].plot(many, E - many * gg, "--", label="first order")
    axes[1].plot(many, E - many * gg + 0.5 * many**2 * curvature, ":", label="second order")
    axes[1].axvline(bound, color="#000000", linewidth=1.5)
    axes[1].annotate("2 gᵀg / gᵀGg", (bound, E), (-8, 30), textcoords="offset points", ha="right", fontsize=16)
    axes[1].set(xlabel="step size η", ylabel="error E", ylim=(0.3 * E, 1.5 * E))
    for one in axes:
        legend(one)
    fig.savefig(options.figure)
