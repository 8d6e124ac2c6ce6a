"""C7, C8, C10: an error surface with a poor minimum, and how runs of different kinds move on it.

A bell-shaped neuron out = gauss(x − b) is to fit two hills, and has one weight, its place b. At b = 2 it fits the
higher hill: the good minimum. At b = −2 stands a hill half as high: the poor one. Outside both the surface is flat.
python demos/error_surface.py --figure surface.png draws the surface and some runs.
"""

import common
import numpy as np

import tinygrad_lecture as tl

options = common.options(__doc__)

x = np.linspace(-8, 8, 65)
target = np.exp(-((x - 2) ** 2)) + 0.5 * np.exp(-((x + 2) ** 2))


def errors(b, x, target):
    """E of every run's own place b (R,), over its patterns (R, B): the mean of ½ (out − tar)²."""
    return 0.5 * np.mean((np.exp(-((x - b[:, None]) ** 2)) - target) ** 2, axis=1)


gradient = tl.grad(lambda b, x, target: np.sum(errors(b, x, target)))
bound = 2 / tl.hessian(lambda b: np.sum(errors(b, x[None], target[None])))(np.array([2.0]))[0, 0]


def steepest(b, eta, updates):
    """The ways of runs from the places b, all patterns at once: (updates + 1, R)."""
    way = [b]
    for _ in range(updates):
        way.append(way[-1] - eta * gradient(way[-1], x[None], target[None]))
    return np.array(way)


def by_pattern(b, eta, epochs, rng):
    """The ways pattern by pattern, each run in an order of its own, looked at once an epoch: (epochs + 1, R)."""
    way = [b]
    for _ in range(epochs):
        for t in np.argsort(rng.random((len(b), len(x))), axis=1).T[:, :, None]:
            b = b - eta * gradient(b, x[t], target[t])
        way.append(b)
    return np.array(way)


E = errors(np.array([2.0, -2.0]), x[None], target[None])
print(f"Good minimum: E = {E[0]:.4f} at b = 2; poor one: E = {E[1]:.4f} at b = −2. Bound 2/E'' for η: {bound:.1f}\n")
print("200 runs from b = −3.5 … −0.5, the basin of the poor minimum: where they are after 60 epochs")
print("                    η ÷ (2/E'')   good   poor   elsewhere")
starts = np.linspace(-3.5, -0.5, 200)
for kind, factor in [(steepest, 0.1), (steepest, 0.9)] + [(by_pattern, f) for f in (0.02, 0.1, 0.2, 0.4)]:
    rng = () if kind is steepest else (np.random.default_rng(0),)
    ends = kind(starts, factor * bound, 60, *rng)[-1]
    good, poor = np.mean(np.abs(ends - 2) < 0.7), np.mean(np.abs(ends + 2) < 0.7)
    name = "steepest descent" if kind is steepest else "pattern by pattern"
    print(f"{name:20} {factor:10g} {good:6.0%} {poor:6.0%} {1 - good - poor:11.0%}")
print("Some noise leaves the poor minimum and stays in the good one; too much stays nowhere.\n")

jump, crawl = steepest(np.array([2.2]), 4 * bound, 3)[:, 0], steepest(np.array([5.6]), bound / 2, 3000)[:, 0]
print(f"η of 4 bounds, from b = 2.2, jumps out of the good minimum: b = {jump[1]:.2f}, then {jump[2]:.2f}.")
arrived = np.flatnonzero(np.abs(crawl - 2) < 0.05)
print(f"η of half a bound, from the flat part at b = 5.6, crawls: {arrived[0]} updates to the minimum.")

if options.figure:
    from tinygrad_lecture.show.plots import COLOURS, figure, legend

    fig, axes = figure(1, 2, (16, 6.5))
    b = np.linspace(-7, 7, 701)
    axes[0].plot(b, errors(b, x[None], target[None]), color="#000000")
    noisy = by_pattern(np.array([-3.0]), 0.1 * bound, 60, np.random.default_rng(1))
    ways = {"steepest descent": steepest(np.array([-3.0]), 0.1 * bound, 60), "pattern by pattern": noisy}
    ways |= {"η too large": jump[:, None], "from the flat part": crawl[:81, None]}
    for (name, way), colour, mark in zip(ways.items(), COLOURS, "osD^", strict=False):
        axes[0].plot(way[:, 0], errors(way[:, 0], x[None], target[None]), mark, color=colour, markersize=8, label=name)
        axes[1].plot(way[:, 0], "-" + mark, color=colour, markersize=6)
    axes[0].set(xlabel="place b of the neuron (weight)", ylabel="error E (mean over 65 patterns)", xlim=(-9, 7))
    axes[1].set(xlabel="epoch", ylabel="place b of the neuron (weight)")
    legend(axes[0], loc="lower left")
    fig.savefig(options.figure)
