"""tinygrad_lecture: eager, recorded and run a step at a time, and many steps in one call."""

import numpy as np

import tinygrad_lecture as tl


def net_of(workload):
    """The net with its first weights, the patterns, the targets, and the learning rule."""
    weights, x, target = workload.data()
    net = tl.MLP(workload.sizes, dtype=workload.dtype)
    net.assign(np.concatenate([a.ravel() for pair in weights for a in pair]))
    return net, x, target, tl.GradientDescent(workload.eta)


def eager(workload):
    """The net records, error.backward() walks back, the rule updates: nothing is compiled."""
    net, x, target, rule = net_of(workload)
    state = rule.start(net.w)

    def run(n):
        """So many steps; the error of the last."""
        nonlocal state
        for _ in range(n):
            E = tl.squared_error(net(x, net.leaves), target)
            E.backward()
            state = tl.update(net, rule, state)
        return float(E.numpy())

    return run


def step_of(net, rule):
    """A whole step as a function of arrays: (w, x, target) → (w + Δw, E)."""

    def step(w, x, target):
        E, g = tl.value_and_grad(lambda p: tl.squared_error(net(x, p), target))(net.weights.named(w))
        g = np.concatenate([np.ravel(part) for part in g.values()])
        delta, _ = rule.delta_w(g, {}, w=w, eta=rule.eta)
        return w + delta, E

    return step


def recorded(workload, runner):
    """tl.jit: a call for each step."""
    net, x, target, rule = net_of(workload)
    step, w = tl.jit(step_of(net, rule), runner=runner), net.w.copy()

    def run(n):
        """So many steps; the error of the last."""
        nonlocal w
        for _ in range(n):
            w, E = step(w, x, target)
        return float(E)

    return run


def jit_numpy(workload):
    """tl.jit with the NumPy runner."""
    return recorded(workload, "NumPy")


def jit_c(workload):
    """tl.jit with the C runner."""
    return recorded(workload, "C")


def scan_numpy(workload):
    """tl.scan with the NumPy runner: many steps a call."""
    return scanned(workload, "NumPy")


def scan_c(workload):
    """tl.scan with the C runner."""
    return scanned(workload, "C")


def scanned(workload, runner):
    """tl.scan: many steps a call."""
    net, x, target, rule = net_of(workload)
    step, w = step_of(net, rule), net.w.copy()

    def one(carry, _):
        new, E = step(*carry)
        return (new, *carry[1:]), E

    def run(n):
        """So many steps; the error of the last."""
        nonlocal w
        (w, *_), E = tl.scan(one, (w, x, target), length=n, runner=runner)
        return float(E[-1])

    return run
