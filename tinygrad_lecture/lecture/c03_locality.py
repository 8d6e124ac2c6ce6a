"""C3 measured: the algorithm is local, and therefore efficient.

- **Nothing but local.** For every operation of the table a node is made, its local rules are taken out, and run in an
  empty context on copies of the four things they may see: the error that arrives, the node's own output, its inputs,
  its options. They must hand on, bit for bit, what the walk handed on; and their code must capture nothing.
- **Actors.** Nets of neurons wired at random, with shared weights, are taken apart into actors that exchange nothing
  but messages along the edges, in random order (`actors`). Summed in the order of the walk, the errors must give its
  gradient bit for bit; summed as the messages come, up to the rounding of the sums.
- **Cost.** A layered net from 10² to 10⁶ weights: the time of a gradient over that of a forward pass, the median of
  interleaved runs. Beside it finite differences, two forward passes for each weight, timed on some of the weights
  and multiplied up. A batch of 64 patterns is taken, so that arithmetic and not Python's bookkeeping is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import Context
from time import perf_counter
from types import FunctionType
from typing import Any

import numpy as np

from ..engine.op import Op
from ..engine.tensor import Tensor, apply
from ..engine.values import Array
from ..engine.walk import arriving, errors_at_ends, walk
from ..nn.mlp import MLP
from ..rules.network import squared_error
from ..transforms import value_and_grad
from ..verify.examples import examples
from .actors import as_they_come, gradients_by_messages
from .statement import Row

NETS, SCHEDULES = 20, 3
WIDTHS = (7, 22, 70, 223, 707)
"""Inputs, and neurons in each of two hidden layers: 10² to 10⁶ weights."""

MOST_TIMES = 8.0
"""A gradient may cost this many forward passes: two products of matrices for one, and the bookkeeping of small nets."""


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C3. Source: C3."""
    yield nothing_but_local()
    yield by_messages(3 if small else NETS)
    yield from cost(WIDTHS[:3], 3) if small else cost(WIDTHS, 9)


def nothing_but_local() -> Row:
    """Every local rule, run on its four local things alone."""
    n_ops, n_rules, failures = 0, 0, []
    for title, make in examples().items():
        y = make()
        n_rules += len(y.inputs)
        n_ops += 1
        if not _alone(y) or _captures(y.op):
            failures.append(title)
    return Row(
        "C3",
        "A node needs what it saw in its own forward step and the error that arrives, nothing else",
        f"the rules of {n_ops} operations ({n_rules} inputs), run on copies of error, output, inputs and options in an "
        f"empty context: the same bits at {n_ops - len(failures)}; captured, global or default state: none"
        + (f"; not so: {', '.join(failures)}" if failures else ""),
        "all, bit for bit",
        not failures,
        float(len(failures)),
    )


def _alone(y: Tensor) -> bool:
    """Whether y's rules, run on copies of their local things, hand on what the walk hands on."""
    rng = np.random.default_rng(0)
    err = np.asarray(rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape)).astype(y.dtype)[()]
    walked: dict[int, Array] = {}

    def watch(n: Tensor, k: int, err: Array, e: Array) -> None:
        assert n is y  # what goes into an example has no history
        walked[k] = e

    errors_at_ends([(y, arriving(y, err))], watch=watch)

    op, options = y.op, y.options
    assert op is not None
    copies = [Tensor(x.numpy(), requires_grad=x.requires_grad) if type(x) is Tensor else x for x in y.inputs]

    def by_itself() -> dict[int, Array]:
        node = apply(op, tuple(copies), options)  # a node of its own, without a history
        handed: dict[int, Array] = {}
        with np.errstate(divide="ignore", invalid="ignore"):  # as in the walk above
            walk([(node, err.copy())], 0, 0, True, lambda n, k, err, e: handed.update({k: e}))
        return handed

    alone = Context().run(by_itself)
    return alone.keys() == walked.keys() and all(np.array_equal(alone[k], walked[k], equal_nan=True) for k in walked)


def _captures(op: Op | None) -> bool:
    """Whether a rule of the operation holds anything: a closure, a default that can change, an attribute."""
    assert op is not None
    for rule in (*(op.slopes or ()), *(op.rules or ()), op.each):
        if isinstance(rule, FunctionType):
            changeable = [
                d for d in rule.__defaults__ or () if not isinstance(d, bool | int | float | str | tuple | None)
            ]
            if rule.__closure__ or changeable or rule.__dict__:
                return True
    return False


def by_messages(n_nets: int) -> Row:
    """Nets of actors that exchange messages along their edges in random order."""
    exact, n, worst, messages = 0, 0, 0.0, 0
    for seed in range(n_nets):
        E, weights = wired_net(np.random.default_rng(seed))
        E.backward()
        for schedule in range(SCHEDULES):
            by_actors, sent = gradients_by_messages(E, schedule)
            messages += sent
            exact += all(np.array_equal(by_actors[w.stamp], w.grad) for w in weights)
            as_come, _ = gradients_by_messages(E, schedule, as_they_come)
            largest = max(float(np.max(np.abs(w.grad))) for w in weights)
            worst = max(worst, *(float(np.max(np.abs(as_come[w.stamp] - w.grad))) / largest for w in weights))
            n += 1
    return Row(
        "C3",
        'The computed error "flies" top-down through the net and is used locally',
        f"{n_nets} random nets as actors, {messages:,} messages in {SCHEDULES} random orders each: the gradient of the "
        f"walk bit for bit in {exact} of {n} runs; summed as the messages come, ≤ {worst:.1e} of the largest gradient",
        "all bit for bit; ≤ 1e-13 in any order of sums",
        exact == n and worst <= 1e-13,
        worst,
    )


def wired_net(rng: np.random.Generator) -> tuple[Tensor, list[Tensor]]:
    """E of a net of single neurons, each fed by some of those before it over shared weights; and the weights."""
    n, hidden = int(rng.integers(1, 4)), int(rng.integers(2, 8))
    weights = [Tensor(w, requires_grad=True) for w in rng.normal(size=3 + hidden)]
    outs: list[Any] = list(rng.normal(size=(n, 5)))
    for _ in range(hidden + 1):
        feet = rng.choice(len(outs), size=min(len(outs), 3), replace=False)
        net: Any = weights[rng.integers(len(weights))] * 1.0
        for i in feet:
            net = net + weights[rng.integers(len(weights))] * outs[i]
        outs.append(np.tanh(net))
    E = squared_error(outs[-1], rng.normal(size=5))
    waiting, used = [E], set()
    while waiting:
        t = waiting.pop()
        used.add(t.stamp)
        waiting += [x for x in t.inputs if type(x) is Tensor]
    return E, [w for w in weights if w.stamp in used]


def cost(widths: tuple[int, ...], repeats: int) -> Iterator[Row]:
    """The time of a gradient and of finite differences, over that of a forward pass."""
    rows = [_costs(width, repeats) for width in widths]
    sizes = [n for n, _, _ in rows]
    gradient, differences = [g for _, g, _ in rows], [d for _, _, d in rows]
    curve = ", ".join(f"{g:.1f} at {n:,}" for n, g in zip(sizes, gradient, strict=True))
    yield Row(
        "C3",
        "⇒ efficient: the cost of a gradient is a small constant times that of a forward pass",
        f"gradient ÷ forward by number of weights: {curve}",
        f"≤ {MOST_TIMES:g} at every size",
        max(gradient) <= MOST_TIMES,
        max(gradient),
    )
    slope = float(np.polyfit(np.log(sizes), np.log(differences), 1)[0])
    yield Row(
        "C3",
        "… whatever the number of weights, while finite differences grow with it",
        f"differences ÷ forward: {differences[0]:,.0f} at {sizes[0]:,} to {differences[-1]:,.0f} at {sizes[-1]:,} "
        f"weights (two passes a weight, timed on 4 of them): slope {slope:.2f} on a log-log plot",
        "slope of differences 0.9 … 1.1",
        0.9 <= slope <= 1.1,
        slope,
    )


def _costs(width: int, repeats: int) -> tuple[int, float, float]:
    """The number of weights, and gradient and differences in units of a forward pass."""
    rng = np.random.default_rng(0)
    net = MLP([width, width, width, 1], rng=0)
    x, target = rng.normal(size=(64, width)), rng.normal(size=(64, 1))

    def error(p: Any) -> Any:
        return squared_error(net(x, p), target)

    n = sum(p.size for p in net.parameters.values())
    with_gradient = value_and_grad(error)
    first = net.parameters["W1"]

    def eight_differences() -> None:
        for i in range(4):
            for step in (1e-6, -1e-6):
                moved = first.copy()
                moved.flat[i] += step
                error({**net.parameters, "W1": moved})

    forward, gradient, differences = medians(
        [lambda: error(net.parameters), lambda: with_gradient(net.parameters), eight_differences], repeats
    )
    return n, gradient / forward, differences / 8 * 2 * n / forward


def medians(calls: list[Callable[[], Any]], repeats: int) -> list[float]:
    """The median time of each call in seconds, run in turn, each long enough to be measured."""
    for call in calls:
        call()
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, kept in zip(calls, times, strict=True):
            start, n = perf_counter(), 0
            while n == 0 or perf_counter() - start < 0.004:
                call()
                n += 1
            kept.append((perf_counter() - start) / n)
    return [float(np.median(kept)) for kept in times]
