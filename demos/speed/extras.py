"""What a step does not show: import, the price of a gradient, memory, and the cost curve with its limit."""

import os
import subprocess
import sys
from importlib.util import find_spec
from time import perf_counter

from measure import Row, compared
from peers import IMPORTS, NATIVE_LIMIT, NUMPY_LIMIT, OURS, PEERS, Peer, chosen
from workloads import WORKLOADS, of_size

SIZES = tuple(10**k for k in range(3, 8))
"""Numbers of weights, from a thousand to ten million."""

SIDE = 1024
"""Rows and columns of the square matrices whose product is taken for the machine's peak."""


def imports(rounds):
    """Seconds of a whole process that imports one library and ends; all have their compiled bytecode by then."""
    usual = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    rows = [Row(name, steps=1, why="" if find_spec(m.split(".")[0]) else "missing") for m, name in IMPORTS.items()]
    for n in range(rounds + 1):
        for row, module in zip(rows, IMPORTS, strict=True):
            if not row.why:
                begin = perf_counter()
                subprocess.run([sys.executable, "-W", "ignore", "-c", f"import {module}"], check=True, env=usual)
                if n:  # the first one may have written the bytecode
                    row.seconds.append(perf_counter() - begin)
    return rows


def one_way(workload, back):
    """run(n) with n forward passes, recorded, and with as many backward passes if wanted."""
    from peer_lecture import net_of

    import tinygrad_lecture as tl

    net, x, target, _ = net_of(workload)

    def run(n):
        """So many passes; the error."""
        for _ in range(n):
            E = tl.squared_error(net(x, net.leaves), target)
            if back:
                E.backward()
                net.collect()
        return float(E.numpy())

    return run


def forward(workload):
    """The forward pass of `one_way`."""
    return one_way(workload, back=False)


def both(workload):
    """Both passes of `one_way`."""
    return one_way(workload, back=True)


def gradient(rounds, wanted=(), up_to=SIZES[-1]):
    """Workload → rows of the forward pass, and of both passes, for W4 to W6 (or those wanted), and growing nets."""
    passes = (Peer("forward", "extras", "forward"), Peer("forward and backward", "extras", "both"))
    workloads = [WORKLOADS[name] for name in wanted or ("W4", "W5", "W6")]
    workloads += [of_size(n) for n in SIZES if n <= up_to]
    return {w: compared(passes, (w,), rounds, tolerance=w.tolerance) for w in workloads}


def memory(wanted=(), peers=()):
    """Workload → rows by hand and of this library, whose peaks are what the processes have held at most, for W5."""
    peers = chosen(PEERS, peers or (OURS, "by hand"))
    workloads = [WORKLOADS[name] for name in wanted or ("W5",)]
    return {w: compared(peers, (w,), 1, tolerance=w.tolerance) for w in workloads}


def product():
    """run(n) with n products of large square matrices in float32, by NumPy."""
    import numpy as np

    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(SIDE, SIDE)).astype(np.float32) for _ in range(2))
    c = np.empty_like(a)

    def run(n):
        """So many products; the sum of the last one's diagonal."""
        for _ in range(n):
            np.dot(a, b, c)
        return float(np.trace(c))

    return run


def curve(rounds, wanted=(), up_to=SIZES[-1]):
    """Workload → rows, and the peak in operations a second: the best product that was measured."""
    usual = (NUMPY_LIMIT, NATIVE_LIMIT, f"{OURS}, eager", f"{OURS}, scan, C", "PyTorch, eager", "JAX, lax.scan")
    found, best = {}, []
    for w in map(of_size, (n for n in SIZES if n <= up_to)):
        best += compared([Peer("matrix product", "extras", "product")], (), max(3, rounds // 3), check=2)[0].seconds
        found[w] = compared(chosen(PEERS, wanted or usual), (w,), rounds, tolerance=w.tolerance)
    return found, 2 * SIDE**3 / min(best)


def threads_of_all(n):
    """Let every library that is loaded later on use so many threads, and every process so many cores."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(n)
    if hasattr(os, "sched_setaffinity"):  # what JAX goes by
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n])
