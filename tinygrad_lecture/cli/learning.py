"""Commands that train nets, compare metaparameters, and predict with what was saved."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ..learning.compare import compare
from ..learning.experiment import train_with
from ..learning.metaparameters import Metaparameters, parsed
from ..nn.losses import LOSSES
from ..nn.network import Network
from ..nn.store import load_with_extras, save
from ..show.flow import MOST, Flow
from ..show.parts import Parts
from ..show.trace import trace
from .common import FAILED, INTERRUPTED, UsageError
from .prepare import Raw, as_labels, fitted, inputs_of, parted, predicted, raw, targets_of


def run_train(options: argparse.Namespace) -> int:
    """Train a net as the metaparameters say, print its course and its error, and save it; 130 where Ctrl-C ended it."""
    given = _given(options)
    changes = {"hidden": options.hidden, "epochs": options.epochs}
    m = _metaparameters(options.metaparameters, given).changed({k: v for k, v in changes.items() if v is not None})
    learnt, held_out, preparation = _prepared(given, options.holdout, m)
    if options.out:  # found now, not after the training
        _must_be_writable(Path(options.out))
    patterns = inputs_of(learnt, preparation), targets_of(learnt, preparation)
    validation = None if held_out is None else (inputs_of(held_out, preparation), targets_of(held_out, preparation))
    net, history = train_with(m, patterns, validation=validation, progress=options.progress)
    print(history)
    if m.epochs == 0:
        print("nothing was learnt in 0 epochs: these are the first weights")
    for what, part in (("learnt" if m.epochs else "not learnt", learnt), ("held out", held_out)):
        if part is not None:
            print(f"{what}: {len(part.inputs)} patterns, {_quality(net, part, preparation)}")
    if options.out:
        save(options.out, net, preparation=preparation, history=history.to_dict())
        print(f"saved: {options.out}")
    return INTERRUPTED if history.interrupted else 0


def _given(options: argparse.Namespace) -> Raw:
    given = raw(options.data, options.target)
    if options.target not in (None, given.target_name):
        raise UsageError(f"--target is for CSV files; what {options.data} is about is its {given.target_name}")
    return given


def run_compare(options: argparse.Namespace) -> int:
    """Compare variants, and print the table; 1 where all runs of all variants failed."""
    given = _given(options)
    variants = _compared(options, given)
    learnt, held_out, preparation = _prepared(given, options.holdout, *variants.values())
    result = compare(
        variants,
        (inputs_of(learnt, preparation), targets_of(learnt, preparation)),
        validation=None if held_out is None else (inputs_of(held_out, preparation), targets_of(held_out, preparation)),
        seeds=options.seeds,
        workers=options.workers,
        progress=options.progress,
    )
    if options.plot:
        result.plot(options.plot)
    print(json.dumps(result.to_dict(), indent=2) if options.json else result)
    return FAILED if result.best is None else 0


def run_predict(options: argparse.Namespace) -> int:
    """Print a prediction for each pattern as CSV, and on standard error how good they are where the target is there."""
    net, extras, given = _model_and_data(options.model, options.data)
    preparation = extras["preparation"]
    said = predicted(net(inputs_of(given, preparation)), preparation).tolist()
    rows = [[f"predicted {preparation['target']}"], *([value] for value in said)]
    if options.out:
        with Path(options.out).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    else:
        csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
    if given.target is not None:
        print(_quality(net, given, preparation), file=sys.stderr)
    return 0


def trace_of_model(options: argparse.Namespace) -> Flow | Parts:
    """The flow of error through a saved net: of one pattern of the data by neuron, or of all by cluster.

    Of a net too large to be read neuron by neuron one pattern is shown by cluster too.
    """
    net, extras, given = _model_and_data(options.what, options.data)
    if given.target is None:
        raise UsageError(f"{options.data} has no column {extras['preparation']['target']!r}: no error without targets")
    x, target = inputs_of(given, extras["preparation"]), targets_of(given, extras["preparation"])
    if options.pattern is not None:
        if options.pattern >= len(x):
            raise UsageError(f"--pattern: there is no pattern {options.pattern}; there are 0 … {len(x) - 1}")
        x, target = x[options.pattern][None], target[options.pattern][None]
    flow = trace(net, x, target, loss=net.metaparameters.get("loss", "squared_error"), eta=options.eta)
    return flow if options.pattern is None or flow.connections > MOST else flow.neurons()


def _model_and_data(model: str, data: str) -> tuple[Network, dict[str, Any], Raw]:
    """A net that train saved, what was saved with it, and the columns of the data that it knows."""
    net, extras = load_with_extras(model)
    if extras.get("preparation") is None:
        raise UsageError(f"{model} does not say how its inputs were scaled: it was not saved by train")
    return net, extras, _known(data, extras["preparation"])


def _known(data: str, preparation: Mapping[str, Any]) -> Raw:
    """The columns that the net knows; the target too, where the data has it."""
    names, target = list(preparation["inputs"]), preparation["target"]
    try:
        given = raw(data, target, names)
        return as_labels(given) if "classes" in preparation else given
    except ValueError as error:
        if f"has no column {target!r}" not in str(error):
            raise
    return raw(data, None, names, must_have_target=False)


def _prepared(given: Raw, share: float, *variants: Metaparameters) -> tuple[Raw, Raw | None, dict[str, Any]]:
    """The patterns to learn from, those held out, and what to do to both, from the first alone."""
    if all(LOSSES[m.loss].classes for m in variants):
        given = as_labels(given)
    for m in variants:
        if LOSSES[m.loss].classes != given.labels:
            kind, way_out = ("labels", "cross_entropy") if given.labels else ("numbers", "squared_error")
            raise UsageError(f"{given.target_name!r} holds {kind}, which {m.loss} does not measure; take {way_out}")
    learnt, held_out = parted(given, share)
    return learnt, held_out, fitted(learnt, given.target)


def _metaparameters(path: str | None, given: Raw) -> Metaparameters:
    """Those of a file, or the defaults; a loss that is not given is the one for this kind of target."""
    usual = {"loss": "cross_entropy"} if given.labels else {}
    if path is None:
        return Metaparameters.from_dict(usual)
    try:
        data = parsed(Path(path).read_text(encoding="utf-8"))
        return Metaparameters.from_dict({**usual, **data} if isinstance(data, dict) else data)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: {error}") from error


def _compared(options: argparse.Namespace, given: Raw) -> dict[str, Metaparameters]:
    """The variants: one for each file, or one for each value of the field that varies."""
    files = options.metaparameters
    if options.vary is None:
        if not files:
            raise UsageError("compare needs variants: --metaparameters A.json B.json, or --vary eta 0.01 0.1")
        named = {Path(path).stem: _metaparameters(path, given) for path in files}
        if len(named) < len(files):
            raise UsageError(f"--metaparameters: two files have the same name: {', '.join(files)}")
        return named
    if len(files) > 1:
        raise UsageError(f"--vary starts from one file of metaparameters, not from {len(files)}")
    field, *values = options.vary
    known = [f.name for f in fields(Metaparameters)]
    if field not in known or not values:
        raise UsageError(
            f"--vary needs a field and its values, as in --vary eta 0.01 0.1; fields are {', '.join(known)}"
        )
    base = _metaparameters(files[0] if files else None, given)
    try:
        return {f"{field}={value}": base.changed({field: _value(value)}) for value in values}
    except (ValueError, TypeError) as error:
        raise UsageError(f"--vary: {error}") from error


def _value(text: str) -> Any:
    """A value as JSON, or else as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _quality(net: Network, given: Raw, preparation: Mapping[str, Any]) -> str:
    """How good the predictions are, in words that need no knowledge of the loss."""
    said = predicted(net(inputs_of(given, preparation)), preparation)
    assert given.target is not None
    if "classes" in preparation:
        return f"{np.mean(said == given.target):.1%} right"
    rest, spread = np.mean((said - given.target) ** 2), np.var(given.target)
    share = f", {rest / spread:.3g} of their variance" if spread > 0 else ""
    return f"mean squared error {rest:.4g}{share}"


def _must_be_writable(path: Path) -> None:
    if path.suffix not in (".npz", ".safetensors"):
        raise UsageError(f"--out: {path} must end in .npz or .safetensors")
    if not path.parent.is_dir():
        raise UsageError(f"--out: there is no folder {path.parent}")
