"""Damaged files of a small net, made at random: `python -m tests.damage .npz 100000`.

In a process of its own, whose address space may not grow by more than 100 MB, and which hears when anything is
unpickled. What is found is printed as JSON; what is wrong ends the run with an AssertionError.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import sys
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.store import DamagedFile, load_with_extras, read, save, write

MEGABYTES, SECONDS = 100, 1.0  # of the processor: others may keep it busy
V = np.arange(3.0)
JUNK: list[Any] = [
    *(None, True, "", "tanh", "\x00", -1, 0, 1, 3, 2.5, -0.0, 1e308, float("nan"), float("inf"), 2**31, 2**63, 10**400),
    *([], {}, [[]], [[[[]]]], [0], [-1, -13], [2, 3, 1], [10**9, 10**9], [1] * 1000, {"array in this file": "w"}),
    *({"array in this file": []}, {"w": [13]}, "x" * 10_000, json.loads("[" * 480 + "]" * 480)),
]


def small(path: Path) -> Network:
    """A small net, with something of each kind beside it."""
    net = MLP([2, 3, 1], rng=0)
    net.metaparameters = {"eta": 0.1, "hidden": [3]}
    save(path, net, v=V, words=["δ", None, True])
    return net


def same(found: tuple[Network, dict[str, Any]], net: Network) -> bool:
    again, extras = found
    return (
        (repr(again), again.init, again.metaparameters) == (repr(net), net.init, net.metaparameters)
        and (again.w.dtype, again.w.tobytes()) == (net.w.dtype, net.w.tobytes())
        and (extras["v"].dtype, extras["v"].tobytes()) == (V.dtype, V.tobytes())
        and extras["words"] == ["δ", None, True]
    )


# three depths of damage
def edited(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes with up to four edits: other bytes, more, fewer, doubled or exchanged ones, other numbers, an early end."""
    b = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        i, j = sorted(int(k) for k in rng.integers(len(b) + 1, size=2))
        j = min(j, i + int(rng.choice([1, 4, 16, 200])))
        at = int(rng.integers(len(b) + 1))
        kind = rng.integers(7)
        if kind == 0:
            b[i:j] = rng.bytes(j - i)
        elif kind == 1:
            b[i:i] = rng.bytes(int(rng.integers(20)))
        elif kind == 2:
            del b[i:j]
        elif kind == 3:
            b[at:at] = b[i:j]
        elif kind == 4:
            b[i:j] = bytes([int(rng.choice([0, 255, 32, 48, 57, 91]))]) * (j - i)
        elif kind == 5 and i + 4 <= len(b):
            size = int(rng.choice([2, 4, 8]))
            b[i : i + size] = int(rng.choice([0, 1, 2**15, 2**16 - 1])).to_bytes(
                size, str(rng.choice(["little", "big"]))
            )
        elif kind == 6 and rng.random() < 0.3:
            del b[i:]
    return bytes(b)


def repacked(data: bytes, rng: np.random.Generator) -> bytes:
    """One part with edits, in a container whose own sums and lengths are right again."""
    if not data.startswith(b"PK"):
        length = int.from_bytes(data[:8], "little")
        head = edited(data[8 : 8 + length], rng)
        return len(head).to_bytes(8, "little") + head + data[8 + length :]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    chosen, out = str(rng.choice(list(parts))), io.BytesIO()
    parts[chosen] = edited(parts[chosen], rng)
    with zipfile.ZipFile(out, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return out.getvalue()


def redescribed(tree: Any, rng: np.random.Generator) -> Any:
    """Plain data of which one piece, at any depth, is something else, missing, doubled or new."""
    if isinstance(tree, dict | list) and tree and rng.random() < 0.85:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        key = keys[int(rng.integers(len(keys)))]
        copy = dict(tree) if isinstance(tree, dict) else list(tree)
        if rng.random() < 0.1:
            del copy[key]
        elif rng.random() < 0.1 and isinstance(copy, dict):
            copy["new"] = copy[key]
        else:
            copy[key] = redescribed(copy[key], rng)
        return copy
    return JUNK[int(rng.integers(len(JUNK)))]


def damages(form: str, trials: int, folder: Path) -> dict[str, Any]:
    """Load so many damaged files: each is refused as DamagedFile, or is the net that was saved or that is described."""
    path, rng, found = folder / f"net{form}", np.random.default_rng(trials), Counter(trials=0)
    net = small(path)
    whole, (arrays, info) = path.read_bytes(), read(path)
    slowest, most = 0.0, limited(MEGABYTES)
    heard = listening()

    def described() -> bytes:
        """A file with a right checksum, written by somebody who describes nets in his own way."""
        write(path, arrays, redescribed(info, rng) if rng.random() < 0.95 else {"kind": "net", "net": {}})
        return path.read_bytes()

    kinds: dict[str, Callable[[], bytes]] = {
        "bytes": lambda: edited(whole, rng),
        "parts": lambda: repacked(whole, rng),
        "descriptions": described,
    }
    kinds_in_turn = itertools.cycle(["bytes", "parts", "bytes", "descriptions"])
    while found["trials"] < trials:
        kind = next(kinds_in_turn)
        try:
            data = kinds[kind]()
        except (TypeError, ValueError):  # not written, as it is no table
            continue
        path.write_bytes(data)
        begin = time.process_time()
        try:
            loaded = load_with_extras(path)
        except DamagedFile:
            found[f"{kind}: refused"] += 1
        else:
            assert kind == "descriptions" or same(loaded, net), f"{kind}: another net came out"
            found[f"{kind}: loaded"] += 1
        slowest = max(slowest, time.process_time() - begin)
        found["trials"] += 1
    assert slowest < SECONDS, f"one took {slowest} s"
    assert not heard, f"unpickled: {heard}"
    pickle.loads(pickle.dumps(np.float64))
    assert heard, "an unpickling would have been heard"
    return {**found, "slowest (ms)": round(1e3 * slowest, 1), "at most (MB)": most}


def limited(megabytes: int) -> int | None:
    """Let the process grow by so many megabytes at most; None where the system does not say how large it is."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return None
    import resource

    now = int(statm.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + megabytes * 2**20, resource.RLIM_INFINITY))
    return megabytes


def listening() -> list[str]:
    """What is unpickled from now on."""
    heard: list[str] = []
    sys.addaudithook(lambda event, arguments: heard.append(str(arguments)) if event.startswith("pickle.") else None)
    return heard


if __name__ == "__main__":
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        os.fsync = lambda fd: None  # files that only this process reads need not be on the disk
        print(json.dumps(damages(sys.argv[1], int(sys.argv[2]), Path(folder))))
