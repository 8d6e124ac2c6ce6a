"""C16 measured: every choice that the lecture lists is one named field of one place, `learning.Metaparameters`.

A table says for each choice of the lecture which field holds it; what is claimed of the fields is then done for each:

- **Refused**: each wrong value raises ValueError or TypeError whose text names the field and shows the value, before
  anything is trained. A field for which there is no wrong value in the table below fails.
- **Saved**: a net is trained with another than the default value; the history, turned to JSON text and read back,
  and the net, saved and loaded, must give the same metaparameters, and with them a training that repeats to the last
  bit.
- **Varied**: one comparison with a variant for each field, beside the default, on irises. A field which changes
  nothing that was learnt is a field in name alone: the errors must differ from those of the default. The seed is what
  a comparison varies by itself, for all variants.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..data import load_iris, standardise
from ..engine.values import Array
from ..learning.compare import compare
from ..learning.experiment import train_with
from ..learning.history import History
from ..learning.metaparameters import Metaparameters
from ..nn.network import Network
from ..nn.store import load, save
from .statement import Row

CHOICES: dict[str, tuple[str, ...]] = {
    "number of layers": ("hidden",),
    "neurons per layer": ("hidden",),
    "activation functions": ("activation", "output"),
    "bias or not": ("bias",),
    "which connectors exist": ("skips", "blocked"),
    "loss function": ("loss",),
    "initialisation": ("init",),
    "η for rules with a fixed one": ("eta", "schedule"),
    "learning rule": ("rule",),
    "batch size": ("batch_size",),
    "number of epochs": ("epochs",),
}
"""What the lecture lists → the fields that hold it; dtype and seed are needed beside to repeat a result."""

WRONG: dict[str, tuple[Any, ...]] = {
    "hidden": ((8, 0), 8.5),
    "activation": ("tanhh", ("tanh", "tanh")),
    "output": ("softmaxx",),
    "bias": ("yes",),
    "skips": ((("out", "in"),), "in-out"),
    "blocked": ((("in", "nowhere"),),),
    "loss": ("squarred",),
    "init": ("big",),
    "rule": ("gradient",),
    "eta": (-0.1, float("nan"), "fast"),
    "schedule": ("sometimes",),
    "batch_size": (0, 1.5),
    "epochs": (-1, 1.5),
    "dtype": ("int8",),
    "seed": (-1, 0.5),
}
"""Field → values that it must refuse."""

OTHER: dict[str, Any] = {
    "hidden": (6, 4),
    "activation": "relu",
    "output": "tanh",
    "bias": False,
    "skips": (("in", "out"),),
    "blocked": (("one", "hid1"),),
    "loss": "absolute",
    "init": "standard",
    "rule": {"name": "momentum", "beta": 0.5},
    "eta": 0.03,
    "schedule": {"name": "step_decay", "eta": 0.1, "every": 5},
    "batch_size": 10,
    "epochs": 3,
    "dtype": "float32",
    "seed": 7,
}
"""Field → another value than the default."""

BASE = Metaparameters(epochs=2)


def measure(small: bool = False) -> Iterator[Row]:
    """The rows of C16. Source: C16."""
    yield one_place()
    yield refused()
    yield saved()
    yield varied(("eta", "skips") if small else tuple(OTHER), 1 if small else 20)


def one_place(choices: Mapping[str, tuple[str, ...]] | None = None) -> Row:
    """Each choice has its fields, and each field is a choice, or needed to repeat."""
    choices, names = CHOICES if choices is None else choices, [f.name for f in fields(Metaparameters)]
    missing = [choice for choice, held in choices.items() if not held or any(name not in names for name in held)]
    beside = [name for name in names if not any(name in held for held in choices.values())]
    return Row(
        "C16",
        "Topology and learning: every choice is one named field of one place",
        f"{len(choices) - len(missing)} of {len(choices)} choices in {len(names) - len(beside)} fields of "
        f"Metaparameters; beside them {', '.join(beside)}, to repeat a result"
        + (f"; without one: {', '.join(missing)}" if missing else ""),
        "all choices",
        not missing and beside == ["dtype", "seed"],
        float(len(missing)),
    )


def refused() -> Row:
    """Wrong values, field by field, each to be refused by name and value."""
    unclear, n = [], 0
    for f in fields(Metaparameters):
        for value in WRONG.get(f.name, ()):
            n += 1
            if not clearly_refused(f.name, value):
                unclear.append(f"{f.name} = {value!r}")
    unclear += [f"{f.name}: not tried" for f in fields(Metaparameters) if f.name not in WRONG]
    return Row(
        "C16",
        "… validated with a clear error",
        f"{n} wrong values for {len(WRONG)} fields: {n - len(unclear)} refused by an error that names field and value"
        + (f"; not so {', '.join(unclear)}" if unclear else ""),
        "all",
        not unclear,
        float(len(unclear)),
    )


def clearly_refused(name: str, value: Any) -> bool:
    """Whether a wrong value of a field is refused by an error that names the field and shows what is wrong in it."""
    try:
        Metaparameters(**{name: value})
    except (ValueError, TypeError) as error:
        told = str(error)
        shown = [value, *value] if isinstance(value, tuple) else [value]
        return name in told and any(repr(part) in told or str(part) in told for part in shown)
    return False


def irises() -> tuple[Array, Array]:
    """The standardised irises, and their species as 0 and 1: targets for every loss."""
    flowers = load_iris()
    return standardise(flowers.inputs).values, np.eye(3)[flowers.targets]


def saved() -> Row:
    """Each field, at another value, through a training and its history as JSON text, or the saved net, and back."""
    kept = repeated = 0
    for name, value in OTHER.items():
        m = BASE.changed({name: value})
        net, history = train_with(m, irises())
        read = History.from_dict(json.loads(json.dumps(history.to_dict())))
        again = Metaparameters.from_dict(read.metaparameters)
        kept += again == m == Metaparameters.from_json(m.to_json()) == Metaparameters.from_dict(through_a_file(net))
        repeated += np.array_equal(train_with(again, irises())[0].w, net.w)
    return Row(
        "C16",
        "… saved with the result",
        f"a training for each of {len(OTHER)} fields at another value: read back from its history as JSON and from the "
        f"saved net, {kept} are the same, and {repeated} train to the same bits",
        "all",
        kept == repeated == len(OTHER) == len(fields(Metaparameters)),
        float(kept),
    )


def through_a_file(net: Network) -> dict[str, Any]:
    """The metaparameters of a net that was saved and loaded."""
    with TemporaryDirectory() as folder:
        save(Path(folder) / "net.npz", net)
        return load(Path(folder) / "net.npz").metaparameters


def varied(names: tuple[str, ...], seeds: int) -> Row:
    """One comparison with a variant for each field but the seed, which it varies itself."""
    tried = [name for name in names if name != "seed"]
    variants: dict[str, Any] = {"default": {}, **{name: {name: OTHER[name]} for name in tried}}
    comparison = compare(variants, irises(), base=BASE, seeds=seeds, workers=1 if seeds == 1 else 2)
    default = comparison["default"]
    failures = sum(v.failures for v in comparison.variants)
    moved = [name for name in tried if comparison[name].error != default.error]
    ratio = {name: comparison[name].median / default.median for name in tried if name != "loss"}  # another E
    best, worst = min(ratio, key=lambda name: ratio[name]), max(ratio, key=lambda name: ratio[name])
    return Row(
        "C16",
        "… and can be varied in a comparison",
        f"irises, {len(tried)} variants beside the default, {seeds} seeds, {failures} failures: {len(moved)} learn "
        f"differently; from {ratio[best]:.2f} ({best}) to {ratio[worst]:.2f} ({worst}) of its median E",
        "all differ, no failure",
        len(moved) == len(tried) and failures == 0,
        float(len(moved)),
    )
