"""Commands that show what there is: the drawing of a net, the sets that come with the package."""

from __future__ import annotations

import argparse
from pathlib import Path
from textwrap import fill

from .. import data
from ..data import DataSet
from ..nn.mlp import MLP
from ..nn.network import Network
from ..nn.store import load
from ..show.drawing import draw
from .common import UsageError

SETS = {"digits": data.load_digits, "iris": data.load_iris, "sunspots": data.load_sunspots}


def run_draw(options: argparse.Namespace) -> int:
    """Write the drawing of a saved net, or of a net of the given sizes."""
    path, loss = Path(options.out), "squared_error"
    if path.suffix != ".svg":
        raise UsageError(f"--out: {path} must end in .svg")
    if options.sizes is None:
        net = load(options.model)
        loss = net.metaparameters.get("loss", loss)
    else:
        net = _of_sizes(options.sizes)
    path.write_text(draw(net, loss), encoding="utf-8")
    print(f"{net}: {path}")
    return 0


def _of_sizes(text: str) -> Network:
    try:
        sizes = [int(n) for n in text.split("-")]
        return MLP(sizes)
    except ValueError as error:
        raise UsageError(f"--sizes must be like 2-8-1, not {text!r} ({error})") from error


def run_data(options: argparse.Namespace) -> int:
    """List the bundled sets, or describe one."""
    if options.name is None:
        print(f"{'set':<10}{'patterns':>9}  {'inputs':<14}{'what'}")
        for name, get in SETS.items():
            s = get()
            shape = "×".join(map(str, s.inputs.shape[1:])) or "1"
            print(f"{name:<10}{len(s):>9}  {shape:<14}{s.description.split(':')[0].split('.')[0]}")
        return 0
    if options.name not in SETS:
        raise UsageError(f"there is no set {options.name!r}; there are {', '.join(SETS)}")
    print(_described(SETS[options.name]()))
    return 0


def _described(s: DataSet) -> str:
    names = ", ".join(s.target_names)
    lines = [
        f"{s.name}: {len(s)} patterns, inputs {s.inputs.shape}, targets {s.targets.shape}",
        s.description,
        f"Inputs: {', '.join(s.input_names)}. Targets: {names}.",
        f"Source: {s.source}.",
        f"Licence: {s.licence}.",
    ]
    return "\n".join(fill(line, 98, break_long_words=False) for line in lines)
