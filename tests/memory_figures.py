"""How deep, how long and how large: each figure measured in a process of its own.

`python tests/memory_figures.py` prints them; tests/engine/test_memory.py holds them to their bars.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

Figures = dict[str, float]

SIZES, BATCH = (1024, 2048, 2048, 10), 256
ETA = 1e-3


def peak() -> float:
    """The most memory this process has had, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def chain(n: int = 10**6) -> Figures:
    """A chain of n scalar nodes: built, back-propagated, freed, with room for 200 nested calls."""
    import tinygrad_lecture as tl

    x = tl.Tensor(1.0, requires_grad=True)
    np.tanh(x).backward()  # what is imported on first use
    x.zero_grad()
    sys.setrecursionlimit(200)
    begin, wall = time.process_time(), time.perf_counter()
    y = x
    for _ in range(n // 2):
        y = y * 0.999999 + 1e-6
    y.backward()
    del y
    seconds, wall = time.process_time() - begin, time.perf_counter() - wall
    left = sum(isinstance(o, tl.Tensor) for o in gc.get_objects()) - 1
    wrong = abs(x.grad / np.exp(n // 2 * np.log(0.999999)) - 1)
    return {"CPU seconds": seconds, "seconds": wall, "MB": peak(), "nodes left": left, "relative error": wrong}


def steps(compiled: bool | str, updates: int = 10**5) -> Figures:
    """So many updates of a small net with the collector off: what grows after the first two thousand."""
    import tinygrad_lecture as tl

    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(1000, 2)), rng.normal(size=(1000, 1))
    before: list[float] = []

    def from_here(training: Any) -> None:
        if len(training.history) == 2:
            gc.collect()
            gc.disable()
            before[:] = resident(), len(gc.get_objects()), sys.getallocatedblocks()

    def to_here(training: Any) -> None:
        if len(training.history) == updates // 1000 + 2:
            after = resident(), len(gc.get_objects()), sys.getallocatedblocks()
            names = ("MB grown", "objects grown", "blocks grown")
            found.update({name: now - then for name, now, then in zip(names, after, before, strict=True)})
            found["in cycles"] = gc.collect()

    found: Figures = {}
    options: dict[str, Any] = {"rule": tl.Momentum(eta=1e-4), "batch_size": 1, "rng": 0, "compiled": compiled}
    tl.train(tl.MLP([2, 8, 1]), (x, target), epochs=updates // 1000 + 2, callbacks=[from_here, to_here], **options)
    return found


def resident() -> float:
    """The memory this process has now, in MB; where the system does not tell, the most it has had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak()
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def large_step(who: str) -> Figures:
    """The most memory that one step of a large net takes, weights and patterns included, imported code not."""
    import tinygrad_lecture.learning.train

    assert tinygrad_lecture
    tracemalloc.start()
    rng = np.random.default_rng(0)
    x, target = (rng.standard_normal((BATCH, n), dtype=np.float32) for n in (SIZES[0], SIZES[-1]))
    step = STEPPERS[who](x, target)
    step()
    gc.collect()
    tracemalloc.reset_peak()
    error = step()
    return {"MB": tracemalloc.get_traced_memory()[1] / 1e6, "error": float(error)}


def layers() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Matrices and biases, by which all who take part begin alike."""
    rng = np.random.default_rng(1)
    ws = [rng.standard_normal((m, n), dtype=np.float32) / np.float32(n**0.5) for n, m in pairwise(SIZES)]
    return ws, [np.zeros(m, np.float32) for m in SIZES[1:]]


def by_hand(x: np.ndarray, target: np.ndarray) -> Callable[[], Any]:
    """The step as it is written by hand in NumPy, activities and gradients kept no longer than needed."""
    ws, bs = layers()

    def step() -> Any:
        out = [x]
        for w, b in zip(ws[:-1], bs[:-1], strict=True):
            out.append(np.tanh(out[-1] @ w.T + b))
        d = out[-1] @ ws[-1].T + bs[-1] - target
        error = 0.5 * np.sum(d * d) / BATCH
        d /= BATCH
        gradients = []
        for k in reversed(range(len(ws))):
            gradients.append((d.T @ out[k], d.sum(axis=0)))
            if k:
                d = (d @ ws[k]) * (1 - out[k] ** 2)
        for w, b, (gw, gb) in zip(ws, bs, reversed(gradients), strict=True):
            w -= ETA * gw
            b -= ETA * gb
        return error

    return step


def by_train(x: np.ndarray, target: np.ndarray) -> Callable[[], Any]:
    """An update of tl.train."""
    import tinygrad_lecture as tl

    net = tl.MLP(list(SIZES), activation="tanh", dtype=np.float32)
    ws, bs = layers()
    net.assign(net.weights.packed({f"{c}{k + 1}": a for c, of in (("W", ws), ("b", bs)) for k, a in enumerate(of)}))
    del ws, bs
    options: dict[str, Any] = {"rule": tl.GradientDescent(ETA), "batch_size": None, "epochs": 1, "compiled": False}
    return lambda: tl.train(net, (x, target), **options).error[-1]


def by_value_and_grad(x: np.ndarray, target: np.ndarray) -> Callable[[], Any]:
    """tl.value_and_grad of the same error, written in NumPy, and the update by hand."""
    import tinygrad_lecture as tl

    def error(ws: Any, bs: Any) -> Any:
        out = x
        for w, b in zip(ws[:-1], bs[:-1], strict=True):
            out = np.tanh(out @ w.T + b)
        return 0.5 * np.sum((out @ ws[-1].T + bs[-1] - target) ** 2) / BATCH

    ws, bs = layers()
    gradient = tl.value_and_grad(error, argnums=(0, 1))

    def step() -> Any:
        value, (gws, gbs) = gradient(ws, bs)
        for p, g in zip(ws + bs, gws + gbs, strict=True):
            p -= ETA * g
        return value

    return step


STEPPERS = {"by hand": by_hand, "tl.train": by_train, "tl.value_and_grad": by_value_and_grad}

FIGURES: dict[str, Callable[[], Figures]] = {
    "chain of 10⁶ scalar nodes": chain,
    "10⁵ updates, eager": lambda: steps(compiled=False),
    "10⁵ updates, compiled": lambda: steps(compiled="auto"),
    **{f"W5 step {who}": lambda who=who: large_step(who) for who in STEPPERS},  # type: ignore[misc]
}
"""What is measured, by name."""


def measured(name: str) -> Figures:
    """One of the figures, from a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, name], capture_output=True, text=True, timeout=600, check=False, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr}")
    figures: Figures = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps({what: float(value) for what, value in FIGURES[sys.argv[1]]().items()}))
    else:
        for name in FIGURES:
            print(f"{name}: " + ", ".join(f"{what} {value:.4g}" for what, value in measured(name).items()), flush=True)
