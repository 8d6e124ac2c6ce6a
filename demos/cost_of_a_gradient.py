"""C3: what a gradient costs, beside the same gradient by finite differences, from 10² to 10⁶ weights.

A forward pass of a layered net (64 patterns) is the unit. Backpropagation hands the error back through the same
connections, so that it costs a few such units whatever the number of weights; differences need two passes a weight.
python demos/cost_of_a_gradient.py --figure cost.png draws both.
"""

from time import perf_counter

import common
import numpy as np

import tinygrad_lecture as tl

options = common.options(__doc__)

STEP = 1e-6


def seconds(call, at_least=0.1):
    """The time of one call: the best of several, after one that does not count."""
    call()
    begin, times = perf_counter(), []
    while perf_counter() - begin < at_least or len(times) < 3:
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def in_words(duration):
    """A duration as people say it."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3)):
        if duration >= size:
            return f"{duration / size:6.1f} {unit}"
    return f"{duration * 1e6:6.1f} µs"


costs = []
print("  weights      forward     gradient   ÷ forward     by differences   ÷ forward   they differ by")
for width in (7, 22, 70, 223, 707):
    rng = np.random.default_rng(0)
    net = tl.MLP([width, width, width, 1], rng=0)
    x, target = rng.normal(size=(64, width)), rng.normal(size=(64, 1))
    n = sum(p.size for p in net.parameters.values())

    def error(p, net=net, x=x, target=target):
        """E of the net for weights p."""
        return tl.squared_error(net(x, p), target)

    def difference(i, error=error, net=net):
        """∂E/∂w of one weight, by two forward passes."""
        above, below = net.parameters["W1"].copy(), net.parameters["W1"].copy()
        above.flat[i] += STEP
        below.flat[i] -= STEP
        return (error({**net.parameters, "W1": above}) - error({**net.parameters, "W1": below})) / (2 * STEP)

    gradient = tl.grad(error)
    forward = seconds(lambda error=error, net=net: error(net.parameters))
    backward = seconds(lambda gradient=gradient, net=net: gradient(net.parameters))
    by_differences = n * seconds(lambda difference=difference: difference(0))  # one weight measured, n needed
    g = gradient(net.parameters)["W1"].flat
    costs.append((n, backward / forward, by_differences / forward))
    off = max(abs(g[i] - difference(i)) for i in range(5))
    print(
        f"{n:9,}    {in_words(forward):>9}    {in_words(backward):>9}     {backward / forward:4.1f} ×    "
        f"{in_words(by_differences):>11}   {by_differences / forward:11,.0f} ×    {off:9.0e}"
    )
print("\nThe gradient stays a small constant; differences grow with the number of weights.")

if options.figure:
    from tinygrad_lecture.show.plots import figure, legend

    fig, axes = figure()
    weights, gradients, differences = zip(*costs, strict=True)
    axes.plot(weights, differences, "s--", markersize=9, label="finite differences")
    axes.plot(weights, gradients, "o-", markersize=9, label="backpropagation")
    axes.set(xscale="log", yscale="log", xlabel="weights", ylabel="time (forward passes)", ylim=(0.5, None))
    legend(axes)
    fig.savefig(options.figure)
