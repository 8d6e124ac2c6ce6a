"""C3: a net whose neurons are independent actors. They know their own step, and talk along their connections only.

A 2-3-1 net learns nothing here; it runs one pattern forward and its error back. Every neuron is an asyncio task with a
mailbox. It waits for what flows in, does its own small computation, sends on, and waits for the errors that come
back. The order in which neurons get their turn is drawn at random; the gradient is the same every time.
"""

import asyncio

import common
import numpy as np

import tinygrad_lecture as tl

common.options(__doc__, figure=False)  # it has none but --help

WEIGHTS = {("x1", "h1"): 0.4, ("x2", "h1"): -0.6, ("x1", "h2"): -0.3, ("x2", "h2"): 0.8, ("x1", "h3"): 0.9}
WEIGHTS |= {("x2", "h3"): 0.2, ("h1", "y"): 0.7, ("h2", "y"): -0.5, ("h3", "y"): 0.2}  # from, to: the connections
INPUTS, TARGET = {"x1": 1.0, "x2": -0.5}, 0.9


async def neuron(name, incoming, outgoing, mailboxes, rng, log, gradient):
    """One neuron: incoming and outgoing are its own weights, by the neighbour's name; it knows nothing else."""

    async def send(to, kind, number):
        for _ in range(rng.integers(0, 5)):
            await asyncio.sleep(0)  # others get their turn
        log.append(f"{name:>2} → {to:<2}  {kind}  {number:9.6f}")
        mailboxes[to].put_nowait((name, number))

    async def collect(neighbours):
        arrived = {}
        while len(arrived) < len(neighbours):
            sender, number = await mailboxes[name].get()
            arrived[sender] = number
        return {sender: arrived[sender] for sender in sorted(arrived)}  # summed in one order, whatever came first

    signals = await collect(incoming)  # forward ↑
    out = np.tanh(sum(incoming[i] * signals[i] for i in incoming)) if incoming else INPUTS[name]
    for k in outgoing:
        await send(k, "out", out)

    if outgoing:  # backward ↓
        errors = await collect(outgoing)
        err = sum(outgoing[k] * errors[k] for k in outgoing)
    else:
        err = out - TARGET
    if incoming:
        delta = err * (1 - out * out)
        for i in incoming:
            gradient[i, name] = delta * signals[i]  # ↑ · ↓, at this connection and nowhere else
            await send(i, "δ  ", delta)


async def one_pattern(seed):
    """All neurons at once, in a random order of turns: the gradient by connection, and the messages in order."""
    rng, log, gradient = np.random.default_rng(seed), [], {}
    names = sorted({name for edge in WEIGHTS for name in edge})
    mailboxes = {name: asyncio.Queue() for name in names}
    tasks = []
    for name in rng.permutation(names):
        incoming = {i: w for (i, j), w in sorted(WEIGHTS.items()) if j == name}
        outgoing = {j: w for (i, j), w in sorted(WEIGHTS.items()) if i == name}
        tasks.append(neuron(name, incoming, outgoing, mailboxes, rng, log, gradient))
    await asyncio.gather(*tasks)
    return gradient, log


def error(W1, W2):
    """The same net as plain NumPy code."""
    x = np.array(list(INPUTS.values()))
    return 0.5 * np.sum((np.tanh(W2 @ np.tanh(W1 @ x)) - TARGET) ** 2)


hidden = ("h1", "h2", "h3")
W1 = np.array([[WEIGHTS[i, h] for i in INPUTS] for h in hidden])
W2 = np.array([[WEIGHTS[h, "y"] for h in hidden]])
g1, g2 = tl.grad(error, argnums=(0, 1))(W1, W2)
automatic = {(i, h): g1[a, b] for a, h in enumerate(hidden) for b, i in enumerate(INPUTS)}
automatic |= {(h, "y"): g2[0, a] for a, h in enumerate(hidden)}

gradients, logs = zip(*(asyncio.run(one_pattern(seed)) for seed in range(100)), strict=True)
print(f"The {len(logs[0])} messages of one run, in the order in which they were sent:")
for line in logs[0]:
    print("  " + line)

print("\nconnection   by messages   tl.grad of the whole net")
for edge in WEIGHTS:
    print(f"  {edge[0]} → {edge[1]}    {gradients[0][edge]:11.8f}   {automatic[edge]:11.8f}")
orders = len({tuple(log) for log in logs})
same = sum(g == gradients[0] for g in gradients)
worst = max(abs(gradients[0][e] - automatic[e]) / abs(automatic[e]) for e in WEIGHTS)
print(f"\n{len(logs)} runs, {orders} different orders of messages: {same} times the same gradient, bit for bit.")
print(f"It is that of the whole net, to {'rounding' if worst < 1e-14 else f'{worst:.0e}'}.")
