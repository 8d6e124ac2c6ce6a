"""The whole state of a training in one file: it goes on from there as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..nn.store import read, write
from .callbacks import Callback
from .history import History

if TYPE_CHECKING:
    from .training import Training


def write_down(training: Training, path: str | Path, callbacks: tuple[Callback, ...]) -> None:
    """Write weights, rule state, generator state, position and history, all at once or not at all. Source: C16."""
    arrays = {"w": training.net.w}
    arrays |= {f"state.{name}": np.asarray(a) for name, a in training.state.items()}
    for i, callback in enumerate(callbacks):
        if hasattr(callback, "arrays"):
            arrays |= {f"callback.{i}.{name}": np.asarray(a) for name, a in callback.arrays().items()}
    info = {
        "kind": "checkpoint",
        "training": _plain({**training.described(), "compiled": mode(training)}),
        "callbacks": _kept(callbacks),
        "update": training.update,
        "generator": _plain(training.rng.bit_generator.state),
        "history": _plain(training.history.to_dict()),
    }
    write(path, arrays, info)


def take_up(training: Training, path: str | Path, callbacks: tuple[Callback, ...]) -> None:
    """Go on from a checkpoint. Raises ValueError where it is of another training, naming the difference."""
    arrays, info = read(path)
    if info.get("kind") != "checkpoint":
        raise ValueError(f"{path} is no checkpoint of a training, but a {info.get('kind') or 'saved net'}")
    now = _plain({**training.described(), "compiled": mode(training), "callbacks": _kept(callbacks)})
    then = {**info["training"], "callbacks": info["callbacks"]}
    for name in [*now, *then]:
        if now.get(name) != then.get(name):
            raise ValueError(f"{path} is of another training: {name} was {then.get(name)}, and is {now.get(name)} now")
    history = History.from_dict(info["history"])
    history.metaparameters = training.history.metaparameters  # of which the number of epochs may be another
    training.net.assign(arrays["w"])
    training.state = {name: arrays[f"state.{name}"] for name in training.state}
    training.rng.bit_generator.state = _revived(info["generator"])
    training.update, training.history = info["update"], history
    for i, callback in enumerate(callbacks):
        if hasattr(callback, "restore"):
            begin = f"callback.{i}."
            callback.restore({name.removeprefix(begin): a for name, a in arrays.items() if name.startswith(begin)})


def mode(training: Training) -> str | bool:
    """What runs the updates: "C" or "NumPy" where they are compiled, else False; each rounds in its own way."""
    return False if training.compiled is None else training.compiled.runner


def mode_of(path: Path) -> Any:
    """What ran the updates of a checkpoint, so that "auto" goes on with it; "auto" where there is no checkpoint."""
    if not path.exists():
        return "auto"
    return read(path)[1].get("training", {}).get("compiled", False)


def _kept(callbacks: tuple[Callback, ...]) -> list[str]:
    """Which callbacks have something of theirs in a checkpoint, and at which place."""
    return [f"{i} {type(callback).__name__}" for i, callback in enumerate(callbacks) if hasattr(callback, "arrays")]


def _plain(value: Any) -> Any:
    """Plain JSON data; arrays inside the state of some generators become lists."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": str(value.dtype)}
    return value.item() if isinstance(value, np.generic) else value


def _revived(value: Any) -> Any:
    """The state of a generator as it was before `_plain`."""
    if isinstance(value, dict):
        if set(value) == {"array", "dtype"}:
            return np.array(value["array"], dtype=value["dtype"])
        return {key: _revived(v) for key, v in value.items()}
    return value
