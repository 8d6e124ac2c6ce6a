"""The three bundled sets: sunspots, iris, digits. Real data, small enough to be part of the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .readonly import read_only

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

CC_BY = "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)"


@dataclass(frozen=True, eq=False, repr=False)
class DataSet:
    """T patterns, what they are, whose they are, and where they come from.

    inputs: (T, …). targets: (T,), labels 0, 1, … or values. Both are kept as read-only copies.
    input_names: one name for each column of the inputs, or a single one for all of them.
    target_names: the name of each label, or of the one value.
    Raises ValueError where inputs and targets differ in T.
    """

    name: str
    inputs: NDArray[Any]
    targets: NDArray[Any]
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    licence: str
    source: str
    description: str

    def __post_init__(self) -> None:
        for field in ("inputs", "targets"):
            object.__setattr__(self, field, read_only(getattr(self, field)))
        n_inputs, n_targets = np.shape(self.inputs)[:1], np.shape(self.targets)[:1]
        if n_inputs != n_targets or not n_inputs:
            raise ValueError(
                f"{self.name}: inputs of shape {self.inputs.shape} and targets of shape {self.targets.shape} "
                "must have the same number of patterns as their first axis"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def __repr__(self) -> str:
        arrays = (f"{name} {a.shape} {a.dtype}" for name, a in (("inputs", self.inputs), ("targets", self.targets)))
        return f"<DataSet {self.name}: {', '.join(arrays)}>"


def load_sunspots() -> DataSet:
    """The yearly mean sunspot numbers, 1700–2008: a series to predict.

    inputs: (309,) int64, the years. targets: (309,) float64, 0 to 190.2.
    Source: SIDC and NOAA, as distributed with statsmodels; public domain.

    >>> load_sunspots().targets[:3]
    array([ 5., 11., 16.])
    """
    rows = _rows("sunspots.csv")
    return DataSet(
        name="sunspots",
        inputs=np.array([int(year) for year, _ in rows], dtype=np.int64),
        targets=np.array([float(number) for _, number in rows]),
        input_names=("year",),
        target_names=("sunspot number",),
        licence="public domain",
        source="SIDC, Royal Observatory of Belgium, and NOAA National Geophysical Data Center: "
        "yearly mean sunspot numbers, as distributed with statsmodels",
        description="Yearly mean of the relative sunspot number, 1700 to 2008: 309 values with a period of about "
        "11 years. The numbers are those of before the revision of 2015.",
    )


def load_iris() -> DataSet:
    """Four lengths of 150 iris flowers, and which of three species each is: a small classification.

    inputs: (150, 4) float64, cm. targets: (150,) int64, labels 0 to 2, 50 of each.
    Source: Fisher 1936; UCI Machine Learning Repository; CC BY 4.0.

    >>> load_iris().target_names
    ('setosa', 'versicolor', 'virginica')
    """
    rows = _rows("iris.csv")
    species = tuple(dict.fromkeys(row[-1] for row in rows))
    return DataSet(
        name="iris",
        inputs=np.array([[float(length) for length in row[:-1]] for row in rows]),
        targets=np.array([species.index(row[-1]) for row in rows], dtype=np.int64),
        input_names=("sepal length", "sepal width", "petal length", "petal width"),
        target_names=species,
        licence=CC_BY,
        source="R. A. Fisher (1936), The use of multiple measurements in taxonomic problems, Annals of Eugenics 7; "
        "UCI Machine Learning Repository, https://doi.org/10.24432/C56C76",
        description="Sepals and petals of 150 iris flowers in cm, 50 of each of three species. Flowers 35 and 38 are "
        "as in Fisher's paper, corrected where the repository's original file deviates from it.",
    )


def load_digits() -> DataSet:
    """Handwritten digits as 1797 images of 8 × 8 pixels: a classification that takes a network.

    inputs: (1797, 8, 8) float64, whole numbers from 0 (paper) to 16 (ink). targets: (1797,) int64, labels 0 to 9.
    Source: Alpaydin & Kaynak 1998; UCI Machine Learning Repository; CC BY 4.0.

    >>> load_digits().targets[:3]
    array([0, 1, 2])
    """
    with _file("digits.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return DataSet(
        name="digits",
        inputs=images.astype(np.float64),  # in the file's uint8, a difference of two pixels would wrap around
        targets=labels.astype(np.int64),
        input_names=("ink",),
        target_names=tuple("0123456789"),
        licence=CC_BY,
        source="E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits (the test set), "
        "UCI Machine Learning Repository, https://doi.org/10.24432/C50P49",
        description="1797 digits written by 13 people. Each pixel counts the ink, 0 to 16, in a square of 4 × 4 "
        "points of a scan of 32 × 32.",
    )


def _file(name: str) -> Traversable:
    """A data file of this package, wherever it is installed."""
    from importlib.resources import files  # here, because the package is imported far more often than data is read

    return files(__package__) / name


def _rows(name: str) -> list[list[str]]:
    """The rows of a bundled table below its header."""
    import csv

    return list(csv.reader(_file(name).read_text(encoding="utf-8").splitlines()))[1:]
