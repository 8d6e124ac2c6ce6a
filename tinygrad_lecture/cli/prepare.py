"""Data as nets take it: standardised, with what was done to it kept, so that a saved net does the same to new data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data import load_digits, load_iris, load_sunspots, standardise, windows
from ..data.table import read_table
from .common import UsageError

N_PAST = 12
"""Years from which the next is predicted, as is customary for the sunspots."""


@dataclass(frozen=True, eq=False)
class Raw:
    """Data as it is: inputs (T, n), the names of their columns, and the target, numbers (T,), labels as text, or None.

    series: whether the patterns follow each other in time.
    """

    names: tuple[str, ...]
    inputs: np.ndarray
    target: np.ndarray | None
    target_name: str
    series: bool = False

    @property
    def labels(self) -> bool:
        """Whether the target is a label."""
        return self.target is not None and self.target.dtype.kind == "U"


def raw(data: str, target: str | None, inputs: list[str] | None = None, must_have_target: bool = True) -> Raw:
    """A bundled set by its name, or a CSV file; inputs: the columns wanted of it, all but the target by default."""
    if data in ("digits", "iris"):
        labelled = load_digits() if data == "digits" else load_iris()
        flat = labelled.inputs.reshape(len(labelled), -1)
        names = labelled.input_names
        names = names if len(names) == flat.shape[1] else tuple(f"{names[0]} {i + 1}" for i in range(flat.shape[1]))
        return Raw(names, flat, np.array(labelled.target_names)[labelled.targets], "label")
    if data == "sunspots":
        w = windows(load_sunspots().targets, N_PAST)
        names = tuple(f"{N_PAST - i} years before" for i in range(N_PAST))
        return Raw(names, w.inputs, w.targets[:, 0], "sunspot number", series=True)
    if not Path(data).exists() and "." not in data:
        raise UsageError(f"--data: there is no set or file {data!r}; the sets are digits, sunspots, iris")
    if target is None and must_have_target:
        raise UsageError(f"--target COLUMN is needed to say which column of {data} to predict")
    table = read_table(data, target, inputs)
    return Raw(table.names, table.inputs, table.target, target or "")


def as_labels(given: Raw) -> Raw:
    """The same data, its target taken as labels: for classes that are written as numbers."""
    if given.target is None or given.labels:
        return given
    labels = np.array([f"{value:.12g}" for value in given.target.tolist()])
    return replace(given, target=labels)


def parted(given: Raw, share: float) -> tuple[Raw, Raw | None]:
    """The patterns to learn from and those held out: drawn at random, the last ones of a series."""
    T = len(given.inputs)
    n = round(share * T)
    if n == 0:
        return given, None
    if n == T:
        raise UsageError(f"--holdout {share}: of {T} patterns none would be left to learn from")
    order = np.arange(T) if given.series else np.random.default_rng(0).permutation(T)
    return _some(given, np.sort(order[: T - n])), _some(given, np.sort(order[T - n :]))


def _some(given: Raw, which: np.ndarray) -> Raw:
    assert given.target is not None
    return Raw(given.names, given.inputs[which], given.target[which], given.target_name, given.series)


def fitted(given: Raw, all_labels: np.ndarray | None = None) -> dict[str, Any]:
    """What is to be done to such data, as plain data that is saved with a net: means, spreads, names, classes.

    all_labels: the labels that there are, of held-out patterns too.
    """
    s = standardise(given.inputs)
    about: dict[str, Any] = {
        "inputs": list(given.names),
        "mean": s.mean.tolist(),
        "std": s.std.tolist(),
        "target": given.target_name,
    }
    assert given.target is not None
    if given.labels:
        classes = np.unique(given.target if all_labels is None else all_labels)
        return {**about, "classes": classes.tolist()}
    t = standardise(given.target)
    return {**about, "target_mean": t.mean.item(), "target_std": t.std.item()}


def inputs_of(given: Raw, preparation: Mapping[str, Any]) -> np.ndarray:
    """The inputs on the scale that the net knows; 0 for columns that did not vary when it learnt."""
    if list(given.names) != list(preparation["inputs"]):
        raise UsageError(
            f"the net knows the inputs {_listed(preparation['inputs'])}, the data has {_listed(given.names)}"
        )
    mean, std = np.array(preparation["mean"]), np.array(preparation["std"])
    return np.asarray((given.inputs - mean) / np.where(std > 0, std, np.inf))


def _listed(names: Sequence[str]) -> str:
    """The names of columns; of many the first ones, and how many there are."""
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:3])}, … ({len(names)} columns)"


def targets_of(given: Raw, preparation: Mapping[str, Any]) -> np.ndarray:
    """The targets as the loss takes them: class numbers (T,), or standardised values (T, 1)."""
    assert given.target is not None
    if "classes" in preparation:
        classes = list(preparation["classes"])
        unknown = sorted(set(given.target.astype(str).tolist()) - set(classes))
        if unknown:
            raise UsageError(f"the label {unknown[0]!r} is none of those that the net knows: {', '.join(classes)}")
        return np.array([classes.index(label) for label in given.target.astype(str).tolist()])
    if given.labels:
        raise UsageError(f"column {given.target_name!r} holds labels, but the net predicts numbers")
    std = preparation["target_std"] or np.inf
    return np.asarray((given.target - preparation["target_mean"]) / std)[:, None]


def predicted(out: np.ndarray, preparation: Mapping[str, Any]) -> np.ndarray:
    """What the outputs of the net mean: labels, or values on the scale of the data."""
    if "classes" in preparation:
        return np.asarray(np.array(preparation["classes"])[np.argmax(out, axis=1)])
    return np.asarray(out[:, 0] * preparation["target_std"] + preparation["target_mean"])
