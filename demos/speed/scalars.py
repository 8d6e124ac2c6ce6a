"""Graphs of 10,000 single numbers, built and walked back: sums, products and tanh."""

NODES = 10_000
CHAINS, LINKS = 101, 33
"""101 chains of 33 links of three nodes (·, +, tanh) each, and their sum with 100 more: 10,099 nodes, none deep."""

LEAVES = (0.5, 0.9, 0.1)


def graph(leaves, tanh):
    """Σ over the chains of x ← tanh(x w + b)."""
    start, w, b = leaves
    total = None
    for _ in range(CHAINS):
        x = start
        for _ in range(LINKS):
            x = tanh(x * w + b)
        total = x if total is None else total + x
    return total


def by_backward(leaf, tanh, gradient, clear):
    """run(n) for a library whose results have backward(); leaves by leaf(value), errors by gradient(leaf)."""
    leaves = [leaf(value) for value in LEAVES]

    def run(n):
        """So many graphs; ∂/∂w of the last."""
        for _ in range(n):
            for x in leaves:
                clear(x)
            graph(leaves, tanh).backward()
        return float(gradient(leaves[1]))

    return run


def lecture():
    """tinygrad_lecture."""
    import numpy as np

    import tinygrad_lecture as tl

    return by_backward(lambda v: tl.Tensor(v, requires_grad=True), np.tanh, lambda x: x.grad, lambda x: x.zero_grad())


def micrograd():
    """Micrograd, with a tanh in its manner."""
    from micrograd.engine import Value
    from peer_micrograd import tanh

    return by_backward(Value, tanh, lambda x: x.grad, lambda x: setattr(x, "grad", 0))


def pytorch():
    """PyTorch, with tensors of no axes."""
    import torch

    def leaf(value):
        return torch.tensor(value, dtype=torch.float64, requires_grad=True)

    return by_backward(leaf, torch.tanh, lambda x: x.grad, lambda x: setattr(x, "grad", None))


def mygrad():
    """MyGrad, with tensors of no axes."""
    import mygrad as mg

    return by_backward(mg.tensor, mg.tanh, lambda x: x.grad, lambda x: x.null_grad())


def autograd():
    """HIPS autograd, whose gradient is a function."""
    import autograd.numpy as anp
    from autograd import grad

    gradient = grad(lambda leaves: graph(leaves, anp.tanh))

    def run(n):
        """So many graphs; ∂/∂w of the last."""
        for _ in range(n):
            g = gradient(list(LEAVES))
        return float(g[1])

    return run
