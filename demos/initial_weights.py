"""C14, C15: how large first weights should be: σ of the net inputs against their number, and saturation by depth.

Weights U(−r, r) with r = √3/√n give net inputs of σ = 1 for standardised inputs, whatever n; the "standard programme",
U(−0.3, 0.3), does so for n = 33 alone. In a deep net too small an r lets the signals vanish, too large a one saturates
every tanh. python demos/initial_weights.py --figure weights.png draws it.
"""

from itertools import pairwise

import common
import numpy as np

import tinygrad_lecture as tl
from tinygrad_lecture.data import load_digits, standardise
from tinygrad_lecture.nn.init import lecture, standard

options = common.options(__doc__)

NUMBERS = (3, 10, 33, 100, 333, 1000, 3333, 10_000)
FACTORS = {"r / 10": 0.1, "r / 3": 1 / 3, "r": 1.0, "3 r": 3.0, "10 r": 10.0}
SEEDS = range(20)
SIZES = [64, *[32] * 8, 10]


def sigma(init, n, seed):
    """σ of the net inputs of 40 neurons over 40 standardised patterns of n inputs."""
    rng = np.random.default_rng(seed)
    return np.sqrt(np.mean((rng.normal(size=(40, n)) @ init(rng, 40, n).T) ** 2))


def by_depth(factor, seed):
    """For each hidden layer σ of its outputs, and the share of its neurons with tanh' < 0.1."""
    net, rng = tl.MLP(SIZES, rng=seed), np.random.default_rng(seed)
    net.assign({f"W{i}": factor * lecture(rng, m, n) for i, (n, m) in enumerate(pairwise(SIZES), 1)})
    out = net.activity(digits)
    layers = [out[f"hid{i}"] for i in range(1, len(SIZES) - 1)]
    return [(np.std(y), np.mean(1 - y**2 < 0.1)) for y in layers]


print("σ of the net inputs, mean and standard deviation of 20 seeds")
print("       n    r = √3/√n         r = 0.3")
curves = {"lecture: r = √3/√n": lecture, "standard programme: r = 0.3": standard}
found = {name: np.array([[sigma(init, n, s) for s in SEEDS] for n in NUMBERS]) for name, init in curves.items()}
for i, n in enumerate(NUMBERS):
    print(f"{n:8,}  " + "   ".join(f"{f[i].mean():6.2f} ± {f[i].std():5.2f}" for f in found.values()))

data = load_digits()
digits = standardise(data.inputs.reshape(len(data), -1)).values[:500]
print("\nDigits through 8 layers of 32 tanh neurons: σ of outputs, share of neurons with tanh' < 0.1")
print("layer  " + "".join(f"{name:>17}" for name in FACTORS))
depth = {name: np.median([by_depth(f, s) for s in SEEDS], axis=0) for name, f in FACTORS.items()}
for layer in range(8):
    cells = (f"{depth[name][layer][0]:10.1e} {depth[name][layer][1]:5.0%}" for name in FACTORS)
    print(f"{layer + 1:5}  " + "".join(f"{cell:>17}" for cell in cells))

if options.figure:
    from tinygrad_lecture.show.plots import figure, legend

    fig, ((left, middle), (right, corner)) = figure(2, 2, size=(14.0, 10.0))
    for (name, f), line in zip(found.items(), ("o-", "s--"), strict=True):
        left.errorbar(NUMBERS, f.mean(axis=1), f.std(axis=1), fmt=line, label=name, capsize=4)
    left.axhline(1.0, color="black", linewidth=1)
    left.set(xscale="log", yscale="log", xlabel="n, inputs of a neuron", ylabel="σ of its net input")
    legend(left)
    for (name, values), line in zip(depth.items(), ("o:", "v--", "s-", "^--", "D:"), strict=True):
        middle.plot(range(1, 9), values[:, 0], line, label=name, markersize=8)
        right.plot(range(1, 9), 100 * values[:, 1], line, label=name, markersize=8)
    middle.set(xlabel="hidden layer", ylabel="σ of its outputs", yscale="log")
    right.set(xlabel="hidden layer", ylabel="neurons with tanh' < 0.1 (%)", ylim=(-3, 103))
    corner.axis("off")
    legend(corner, handles=middle.lines, title="first weights within ±", title_fontsize=16, loc="center", fontsize=16)
    fig.savefig(options.figure)
