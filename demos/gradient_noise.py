"""C9: the noise of the gradient of a batch, beside σ / √B, on the sunspots.

A 12-4-1 net at its first weights; batches of B patterns are drawn at random, and the distance of their gradients from
that of all patterns is measured. Drawn without replacement, a batch of all patterns has no noise at all.
python demos/gradient_noise.py --figure noise.png draws both curves.
"""

import common
import numpy as np

import tinygrad_lecture as tl
from tinygrad_lecture.data import load_sunspots, standardise, windows

options = common.options(__doc__)

NETS, DRAWS = 20, 100
series = windows(standardise(load_sunspots().targets).values, n_past=12)
x, target = series.inputs, series.targets
T = len(x)
sizes = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, T])


def packed(g):
    """Gradients by name as one vector."""
    return np.concatenate([np.ravel(part) for part in g.values()])


measured = {"with": np.zeros((NETS, len(sizes))), "without": np.zeros((NETS, len(sizes)))}
sigma = np.zeros(NETS)
for seed in range(NETS):
    rng, net = np.random.default_rng(seed), tl.MLP([12, 4, 1], rng=seed)
    gradient = tl.grad(lambda p, x, target, net=net: tl.squared_error(net(x, p), target))
    g = packed(gradient(net.parameters, x, target))
    g_t = np.array([packed(gradient(net.parameters, x[t : t + 1], target[t : t + 1])) for t in range(T)])
    sigma[seed] = np.sqrt(np.mean(np.sum((g_t - g) ** 2, axis=1)))
    for how, noise in measured.items():
        for i, B in enumerate(sizes):
            squares = []
            for _ in range(DRAWS):
                t = rng.choice(T, size=B, replace=how == "with")
                squares.append(np.sum((packed(gradient(net.parameters, x[t], target[t])) - g) ** 2))
            noise[seed, i] = np.sqrt(np.mean(squares)) / sigma[seed]

formula = {"with": 1 / np.sqrt(sizes), "without": np.sqrt((T - sizes) / (T - 1) / sizes)}
print(f"Noise of the gradient of a batch of B of {T} patterns, as a share of that of one pattern;")
print(f"median of {NETS} nets [quartiles], {DRAWS} batches of each size\n")
print("          drawn with replacement            drawn without")
print("  B       measured             1/√B         measured             1/√B · √((T−B)/(T−1))")
for i, B in enumerate(sizes):
    texts = []
    for how, noise in measured.items():
        low, middle, high = np.quantile(noise[:, i], [0.25, 0.5, 0.75])
        texts.append(f"{middle:.3f} [{low:.3f}–{high:.3f}]   {formula[how][i]:.3f}")
    print(f"{B:4}      {'        '.join(texts)}")
power = np.polyfit(np.log(sizes), np.log(np.median(measured["with"], axis=0)), 1)[0]
print(f"\nWith replacement the noise falls as B^{power:.2f}: four times the work halves it.")

if options.figure:
    from tinygrad_lecture.show.plots import COLOURS, figure, legend

    fig, axes = figure()
    B = np.geomspace(1, T, 400)
    curves = {"with": 1 / np.sqrt(B), "without": np.sqrt((T - B) / (T - 1) / B)}
    for (how, noise), colour, mark in zip(measured.items(), COLOURS, "os", strict=False):
        low, middle, high = np.quantile(noise, [0.25, 0.5, 0.75], axis=0)
        axes.plot(B, curves[how], color=colour)
        bars = (middle - low, high - middle)
        axes.errorbar(sizes, middle, bars, fmt=mark, color=colour, markersize=9, label=f"{how} replacement")
    axes.set(xscale="log", yscale="log", xlabel="batch size B (patterns)", ylim=(0.02, 1.3))
    axes.set_ylabel("noise $|g_B - g|$ ÷ that of one pattern")
    legend(axes, title="lines: the formulas", title_fontsize=14)
    fig.savefig(options.figure)
