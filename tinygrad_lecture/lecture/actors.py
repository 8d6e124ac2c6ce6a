"""Backpropagation by message passing: every node of a graph is an actor that knows nothing but its own step.

An actor gets values from below and errors from above, over the edges of the graph, and sends the like. It holds its
operation, its options, and what it has received; it never sees the graph, the net, or another actor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.op import Op
from ..engine.tensor import Tensor, apply
from ..engine.values import Array

Edge = tuple[int, int]
"""The number of a node, and which of its inputs: the name of a connection."""


class Actor:
    """One node: `upward` when the values of its inputs are there, `downward` when all errors are."""

    __slots__ = ("constants", "errors", "last", "number", "op", "options", "own", "step", "values", "wants")

    def __init__(
        self, number: int, op: Op | None, options: dict[str, Any], constants: dict[int, Any], own: Any
    ) -> None:
        self.number, self.op, self.options, self.constants, self.own = number, op, options, constants, own
        self.values: dict[int, Array] = {}
        self.errors: dict[Edge, Array] = {}
        self.step: Tensor | None = None
        self.last: list[Tensor | Any] = []

    def upward(self) -> Array:
        """The node's output from the values it received: for a leaf its own."""
        if self.op is None:
            return self.own
        n = len(self.values) + len(self.constants)
        self.last = [
            Tensor(self.values[k], requires_grad=True) if k in self.values else self.constants[k] for k in range(n)
        ]
        self.step = apply(self.op, tuple(self.last), self.options)
        return self.step.numpy()

    def downward(self, order: Callable[[list[Edge]], list[Edge]]) -> tuple[Array, dict[int, Array]]:
        """The sum of the errors that arrived, and what the local rule hands on to each input; None is no error."""
        err = None
        for edge in order(list(self.errors)):
            e = self.errors[edge]
            err = e if err is None else err if e is None else err + e
        if err is not None and self.step is not None:
            self.step.backward(err)
        return err, {k: self.last[k].grad for k in self.values}


def youngest_first(edges: list[Edge]) -> list[Edge]:
    """The order in which the engine's walk sums errors: those of the youngest node first."""
    return sorted(edges, key=lambda edge: (-edge[0], edge[1]))


def as_they_come(edges: list[Edge]) -> list[Edge]:
    """The order in which the messages arrived."""
    return edges


def gradients_by_messages(
    y: Tensor, rng: np.random.Generator | int, order: Callable[[list[Edge]], list[Edge]] = youngest_first
) -> tuple[dict[int, Array], int]:
    """The gradient of a scalar y by every leaf below it (by the leaf's stamp), and how many messages it took.

    y: its graph is taken apart into actors, one for each node, which run as asyncio tasks, started in random order,
    each pausing a random number of turns before every message; rng: a Generator or a seed for both; order: in which
    order an actor sums its errors. Source: C3.
    """
    import asyncio

    return asyncio.run(_run(y, np.random.default_rng(rng), order))


async def _run(
    y: Tensor, rng: np.random.Generator, order: Callable[[list[Edge]], list[Edge]]
) -> tuple[dict[int, Array], int]:
    import asyncio

    nodes = _nodes(y)
    number = {n.stamp: i for i, n in enumerate(nodes)}
    mailboxes: list[asyncio.Queue[tuple[str, Any, Array]]] = [asyncio.Queue() for _ in nodes]
    above: list[list[Edge]] = [[] for _ in nodes]  # over which edges a node's value goes up
    below: list[dict[int, int]] = [{} for _ in nodes]  # input k → the node it comes from
    actors = []
    for i, n in enumerate(nodes):
        below[i] = {k: number[x.stamp] for k, x in enumerate(n.inputs) if type(x) is Tensor and x.stamp in number}
        for k, j in below[i].items():
            above[j].append((i, k))
        constants = {k: x for k, x in enumerate(n.inputs) if k not in below[i]}
        actors.append(Actor(i, n.op if n.inputs else None, n.options, constants, None if n.inputs else n.numpy()))
    sent = 0
    leaves: dict[int, Array] = {}

    async def send(to: int, message: tuple[str, Any, Array]) -> None:
        nonlocal sent
        for _ in range(rng.integers(0, 4)):
            await asyncio.sleep(0)
        sent += 1
        mailboxes[to].put_nowait(message)

    async def live(actor: Actor) -> None:
        me = actor.number
        while len(actor.values) < len(below[me]):
            _, k, value = await mailboxes[me].get()
            actor.values[k] = value
        value = actor.upward()
        if not above[me]:
            actor.errors[me + 1, 0] = value.dtype.type(1)  # from outside: the output's own error
        for to, k in _shuffled(above[me], rng):
            await send(to, ("value", k, value))
        while len(actor.errors) < len(above[me]):
            _, edge, err = await mailboxes[me].get()
            actor.errors[edge] = err
        err, handed = actor.downward(order)
        if not below[me]:
            leaves[nodes[me].stamp] = np.zeros_like(value)[()] if err is None else err
        for k, e in _shuffled(list(handed.items()), rng):
            await send(below[me][k], ("error", (me, k), e))

    await asyncio.gather(*(live(actor) for actor in _shuffled(actors, rng)))
    return leaves, sent


def _shuffled(things: list[Any], rng: np.random.Generator) -> list[Any]:
    return [things[i] for i in rng.permutation(len(things))]


def _nodes(y: Tensor) -> list[Tensor]:
    """The nodes below y that an error reaches, the oldest first."""
    found: dict[int, Tensor] = {}
    waiting = [y]
    while waiting:
        n = waiting.pop()
        if n.needs and n.stamp not in found:
            found[n.stamp] = n
            waiting += [x for x in n.inputs if type(x) is Tensor]
    return [found[stamp] for stamp in sorted(found)]
