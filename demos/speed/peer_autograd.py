"""HIPS autograd."""

import autograd.numpy as anp
from autograd import value_and_grad


def steps(workload):
    """value_and_grad of the error by all weights, and an update in place."""
    weights, x, target = workload.data()

    def error(weights):
        out = x
        for W, b in weights[:-1]:
            out = anp.tanh(anp.dot(out, W.T) + b)
        W, b = weights[-1]
        return 0.5 * anp.sum((anp.dot(out, W.T) + b - target) ** 2) / workload.batch

    gradient = value_and_grad(error)

    def run(n):
        """So many steps; the error of the last."""
        for _ in range(n):
            E, g = gradient(weights)
            for pair, parts in zip(weights, g, strict=True):
                for a, part in zip(pair, parts, strict=True):
                    a -= workload.eta * part
        return float(E)

    return run
