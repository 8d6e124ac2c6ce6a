"""Networks in files: what a net is made of as plain data beside its packed weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..misnamed import explained
from .files import DamagedFile, read, write
from .mlp import MLP
from .network import Network
from .topology import Cluster, Connector, Topology
from .weights import Weights

__all__ = ["DamagedFile", "load", "load_with_extras", "read", "save", "write"]
ARRAY = "array in this file"


@explained("save('net.npz', net)")
def save(path: str | Path, net: Network, **extras: Any) -> None:
    """Write a net into a file: topology, weights, initialisation, dtype and what it was trained with.

    path: ends in .npz (NumPy alone) or .safetensors (the extra `io`); net: an MLP or a Network, whose metaparameters
    travel along; extras: whatever else shall, by name, any nesting of dicts, lists and dataclasses of arrays and plain
    data (how inputs were scaled, the state of a rule).
    The file is written whole or not at all: a crash leaves the old one or the new one (see `nn.files.write`).
    Raises TypeError for what is no path or no net, a class of net that `load` could not make again, or extras that are
    no plain data, ValueError for another ending or arrays that are no numbers, ImportError where safetensors is not
    installed. Source: C16.

    >>> save("net.npz", MLP([2, 3, 1]), mean=np.zeros(2))  # doctest: +SKIP
    >>> load("net.npz")  # doctest: +SKIP
    MLP(2-3-1, tanh, identity, bias=True)
    """
    if not isinstance(net, Network):
        given = f"a {type(path).__name__} and a {type(net).__name__}"
        raise TypeError(f"save needs a path and then a net, as save('net.npz', net), not {given}")
    arrays: dict[str, np.ndarray] = {"w": net.w}
    info = {"kind": "net", "net": _described(net), "extras": _taken_out(extras, "extra", arrays)}
    write(path, arrays, info)


@explained("load('net.npz')")
def load(path: str | Path) -> Network:
    """The net that `save` wrote: of the same class, with the same weights to the last bit, and its metaparameters.

    path: ends in .npz or .safetensors. Nothing is unpickled, and no more is allocated than the file is long.
    Raises DamagedFile, saying what is wrong, for whatever is not as it was written, FileNotFoundError where there is
    no file, TypeError for what is no path, ImportError where safetensors is not installed. Source: C16.
    """
    return load_with_extras(path)[0]


def load_with_extras(path: str | Path) -> tuple[Network, dict[str, Any]]:
    """The net that `save` wrote, and what travelled along, by name; arguments and errors as for `load`. Source: C16."""
    arrays, info = read(path)
    if info.get("kind") != "net":
        raise DamagedFile(path, f"it holds no net, but a {info.get('kind')}")
    try:
        return _made_again(info["net"], arrays["w"]), dict(_put_back(info["extras"], arrays))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise DamagedFile(path, f"no net can be made of it ({type(error).__name__}: {error})") from error


def _described(net: Network) -> dict[str, Any]:
    """What a net is made of, without the values of its weights, as plain data."""
    if type(net) not in (MLP, Network):
        raise TypeError(
            f"save knows MLP and Network, not {type(net).__name__}: save Network(net.topology, weights=net.weights)"
        )
    plain = {"init": net.init, "dtype": net.weights.dtype.name, "metaparameters": net.metaparameters}
    if isinstance(net, MLP):
        hidden = net.activations[0] if len(net.sizes) > 2 else "tanh"
        return {
            "class": "MLP",
            "sizes": list(net.sizes),
            "activation": hidden,
            "output": net.activations[-1],
            "bias": net.bias,
            **plain,
        }
    t = net.topology
    return {
        "class": "Network",
        "clusters": [asdict(c) for c in t.clusters],
        "connectors": [asdict(c) for c in t.connectors],
        **{what: list(getattr(t, what)) for what in ("inputs", "outputs", "silent")},
        "steps": net.steps,
        "stacks": net.stacks,
        "weights": {name: list(shape) for name, shape in net.weights.shapes.items()},
        **plain,
    }


def _made_again(plain: dict[str, Any], w: np.ndarray) -> Network:
    """The net that was described, with its weights. Raises ValueError where these do not fit."""
    if w.dtype.name != plain["dtype"]:
        raise ValueError(f"weights of dtype {w.dtype} for a net of dtype {plain['dtype']}")
    net: Network
    if plain["class"] == "MLP":
        sizes, bias = plain["sizes"], bool(plain["bias"])
        _must_hold(w, sum(m * (n + bias) for n, m in pairwise(sizes)))
        net = MLP(sizes, plain["activation"], plain["output"], bias, init="zeros", dtype=w.dtype)
    elif plain["class"] == "Network":
        shapes = {name: tuple(shape) for name, shape in plain["weights"].items()}
        _must_hold(w, sum(prod(shape) for shape in shapes.values()))
        topology = Topology(
            tuple(Cluster(**c) for c in plain["clusters"]),
            tuple(Connector(**c) for c in plain["connectors"]),
            *(tuple(plain[what]) for what in ("inputs", "outputs", "silent")),
        )
        net = Network(topology, weights=Weights(shapes, w.dtype))
        net.steps, net.stacks = plain["steps"], plain["stacks"]
    else:
        raise ValueError(f"its class is {plain['class']!r}")
    net.init, net.metaparameters = plain["init"], dict(plain["metaparameters"])
    net.weights.fill(w)
    return net


def _must_hold(w: np.ndarray, n: int) -> None:
    """Refuse a net of another size than its weights, before any memory is taken for it."""
    if w.shape != (n,):
        raise ValueError(f"weights of shape {w.shape} for a net of {n}")


def _taken_out(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """A nesting in which each array is replaced by its name, the array itself being put among the arrays."""
    if isinstance(value, np.ndarray):
        while name in arrays:
            name += "'"
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str) or key == ARRAY), None)
        if wrong is not None:
            raise TypeError(f"extras: {wrong!r} cannot be a key; keys must be texts other than {ARRAY!r}")
        return {key: _taken_out(v, f"{name}.{key}", arrays) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_taken_out(v, f"{name}.{i}", arrays) for i, v in enumerate(value)]
    return value


def _put_back(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        return arrays[value[ARRAY]] if set(value) == {ARRAY} else {k: _put_back(v, arrays) for k, v in value.items()}
    return [_put_back(v, arrays) for v in value] if isinstance(value, list) else value
