"""Backpropagation written by hand in NumPy: as one writes it, and as fast as NumPy can do it."""

import numpy as np


def plain(workload):
    """As one writes it first: an array for each result."""
    weights, x, target = workload.data()
    step = workload.eta / workload.batch

    def run(n):
        """So many steps; the error of the last."""
        for _ in range(n):
            outs = [x]
            for W, b in weights[:-1]:
                outs.append(np.tanh(outs[-1] @ W.T + b))
            W, b = weights[-1]
            delta = outs[-1] @ W.T + b - target
            E = 0.5 * np.sum(delta**2) / len(x)
            for k in reversed(range(len(weights))):
                W, b = weights[k]
                err = delta @ W if k else None
                W -= step * (delta.T @ outs[k])
                b -= step * np.sum(delta, axis=0)
                if k:
                    delta = err * (1.0 - outs[k] ** 2)
        return float(E)

    return run


def preallocated(workload):
    """The NumPy limit: every array made once, −η/T put into the first δ, one addition for the whole update."""
    start, x, target = workload.data()
    dtype, T = x.dtype, workload.batch
    w = np.concatenate([a.ravel() for pair in start for a in pair])
    g, ones, one, scale = np.empty_like(w), np.ones(T, dtype), np.array(1, dtype), np.array(-workload.eta / T, dtype)
    forward, backward, place, out = [], [], 0, x
    for W, b in start:
        (m, n), below = W.shape, out
        parts = []
        for vector in (w, g):
            here = vector[place : place + W.size + m]
            parts += [here[: W.size].reshape(m, n), here[W.size :]]
        place += W.size + m
        W, b, gW, gb = parts
        out, delta = np.empty((T, m), dtype), np.empty((T, m), dtype)
        forward.append((below, W.T, b, out))
        backward.insert(0, (delta, delta.T, W, below, gW, gb))
    hidden, (last_x, last_W, last_b, last_out) = forward[:-1], forward[-1]
    deltas = [step[0] for step in backward]
    top, flat = deltas[0], deltas[0].ravel()
    inner = [(*step, err) for step, err in zip(backward[:-1], deltas[1:], strict=True)]
    _, first_T, _, _, first_gW, first_gb = backward[-1]
    dot, add, subtract, multiply, tanh = np.dot, np.add, np.subtract, np.multiply, np.tanh

    def run(n):
        """So many steps; the error of the last."""
        for _ in range(n):
            for below, W, b, out in hidden:
                dot(below, W, out)
                add(out, b, out)
                tanh(out, out)
            dot(last_x, last_W, last_out)
            add(last_out, last_b, last_out)
            subtract(last_out, target, top)
            E = 0.5 * dot(flat, flat) / T
            multiply(top, scale, top)
            for delta, delta_T, W, below, gW, gb, err in inner:
                dot(delta_T, below, gW)
                dot(ones, delta, gb)
                dot(delta, W, err)
                multiply(below, below, below)  # y is not needed any more: 1 − y² takes its place
                subtract(one, below, below)
                multiply(err, below, err)
            dot(first_T, x, first_gW)
            dot(ones, deltas[-1], first_gb)
            add(w, g, w)
        return float(E)

    return run
