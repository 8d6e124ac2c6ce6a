"""JAX: jit of a step, and lax.scan over many."""

from functools import partial

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)  # else float64 becomes float32; float32 stays what it is


def start(workload):
    """First weights, and the step (weights) → (new weights, E)."""
    weights, x, target = jax.tree.map(jnp.asarray, workload.data())

    def error(weights, x, target):
        for W, b in weights[:-1]:
            x = jnp.tanh(x @ W.T + b)
        W, b = weights[-1]
        return 0.5 * jnp.sum((x @ W.T + b - target) ** 2) / workload.batch

    def step(weights, x, target):
        E, g = jax.value_and_grad(error)(weights, x, target)
        return jax.tree.map(lambda w, g: w - workload.eta * g, weights, g), E

    return weights, x, target, step


def jit(workload):
    """A compiled call for each step; the old weights' memory is given away."""
    weights, x, target, step = start(workload)
    step = jax.jit(step, donate_argnums=0)

    def run(n):
        """So many steps; the error of the last."""
        nonlocal weights
        for _ in range(n):
            weights, E = step(weights, x, target)
        jax.block_until_ready(weights)
        return float(E)

    return run


def scan(workload):
    """lax.scan: many steps in one compiled call."""
    weights, x, target, step = start(workload)

    @partial(jax.jit, static_argnums=3, donate_argnums=0)
    def many(weights, x, target, n):
        return jax.lax.scan(lambda w, _: step(w, x, target), weights, length=n)

    def run(n):
        """So many steps; the error of the last."""
        nonlocal weights
        weights, errors = many(weights, x, target, n)
        jax.block_until_ready(weights)
        return float(errors[-1])

    return run
