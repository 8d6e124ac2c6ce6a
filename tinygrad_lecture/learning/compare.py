"""Comparing metaparameters: each variant learns from the same seeds, and the spread is part of the answer."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.recording import user_frame
from ..misnamed import explained
from .experiment import sizes
from .fields import COUNT, NOT_NEGATIVE, whole_number
from .history import History
from .metaparameters import Metaparameters
from .patterns import checked
from .pool import Answer, answers
from .progress import Progress


@dataclass(frozen=True)
class Run:
    """One training of a variant: its history, or, where it failed, the text of the failure."""

    seed: int
    history: History | None
    failure: str = ""


@dataclass(frozen=True)
class Variant:
    """What became of one variant: its runs, one for each seed.

    name, metaparameters: as given. runs: in the order of the seeds. error and validation, one number for each run
    that did not fail: the errors of its last epoch. median, quartiles: of `validation` where there is one, else of
    `error`; NaN where no run is left. seconds: the median time of a run. failures: how many runs failed.
    """

    name: str
    metaparameters: Metaparameters
    runs: tuple[Run, ...]

    @cached_property
    def histories(self) -> list[History]:
        """The histories of the runs that did not fail."""
        return [run.history for run in self.runs if run.history is not None]

    @property
    def error(self) -> list[float]:
        """E on the patterns in the last epoch of each run."""
        return [h.error[-1] for h in self.histories if len(h)]

    @property
    def validation(self) -> list[float]:
        """E on the patterns held out after the last epoch of each run."""
        return [v for h in self.histories for v in h.validation[-1:] if v is not None]

    @property
    def scores(self) -> list[float]:
        """What the runs are judged by: validation where there is one, else error."""
        return self.validation or self.error

    @property
    def median(self) -> float:
        """The median of the scores, NaN where there are none."""
        return self._quantile(0.5)

    @property
    def quartiles(self) -> tuple[float, float]:
        """A quarter of the scores lies below the first, a quarter above the second: the spread."""
        return self._quantile(0.25), self._quantile(0.75)

    @property
    def seconds(self) -> float:
        """The median time of a run."""
        times = [sum(h.seconds) for h in self.histories]
        return float(np.median(times)) if times else np.nan

    @property
    def failures(self) -> int:
        """How many runs failed."""
        return sum(bool(run.failure) for run in self.runs)

    def _quantile(self, share: float) -> float:
        return float(np.quantile(self.scores, share)) if self.scores else np.nan


@dataclass(frozen=True)
class Comparison:
    """The variants of a comparison; prints as a table; `comparison[name]` is one Variant.

    variants: in the order given; seeds: that each was trained from; measure: by what they are judged, "validation"
    or "error".
    """

    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    measure: str

    def __getitem__(self, name: str) -> Variant:
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(f"there is no variant {name!r}; there are {', '.join(v.name for v in self.variants)}")

    @property
    def best(self) -> Variant | None:
        """The variant of the lowest median among those with the fewest failures, None where all runs failed."""
        left = [v for v in self.variants if v.scores]
        return min(left, key=lambda v: (v.failures, np.nan_to_num(v.median, nan=np.inf)), default=None)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data for JSON: numbers of each run, not whole histories; NaN as None."""
        return {
            "measure": self.measure,
            "seeds": list(self.seeds),
            "variants": {
                v.name: {
                    "metaparameters": v.metaparameters.to_dict(),
                    "median": _finite(v.median),
                    "quartiles": [_finite(q) for q in v.quartiles],
                    "seconds": _finite(v.seconds),
                    "failures": v.failures,
                    "runs": [_row(run) for run in v.runs],
                }
                for v in self.variants
            },
        }

    def __str__(self) -> str:
        """A row for each variant, and below it the distinct failures."""
        width = max(len("variant"), *(len(v.name) for v in self.variants))
        title = f"median {self.measure}"
        lines = [f"{'variant':<{width}}  {title:>17}  {'quartiles':>23}  {'seconds':>8}  {'failures':>8}"]
        failures = []
        for v in self.variants:
            low, high = v.quartiles
            spread = f"{low:.4g} … {high:.4g}"
            failed = f"{v.failures} of {len(v.runs)}"
            lines.append(f"{v.name:<{width}}  {v.median:>17.4g}  {spread:>23}  {v.seconds:>8.3f}  {failed:>8}")
            texts = [run.failure for run in v.runs if run.failure]
            failures += [f"{v.name}: {texts.count(text)} × {text}" for text in dict.fromkeys(texts)]
        return "\n".join(lines + failures)

    def plot(self, path: str | Path | None = None) -> Any:
        """The error over the epochs: for each variant the median over the seeds, and a band from quartile to quartile.

        path: where to save it; returns Matplotlib's figure. Raises ImportError, with the install command, where
        Matplotlib is missing.
        """
        from ..show.plots import figure, legend

        fig, axes = figure()
        lowest = np.inf
        for v in self.variants:
            curves = [getattr(h, self.measure) for h in v.histories if len(h)]
            if not curves:
                continue
            low, middle, high = np.quantile(np.array(curves, dtype=float), [0.25, 0.5, 0.75], axis=0)
            epochs = np.arange(1, len(middle) + 1)
            (line,) = axes.plot(epochs, middle, label=f"{v.name} ({len(curves)} runs)")
            axes.fill_between(epochs, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
            lowest = min(lowest, float(np.min(low)))
        axes.set(xlabel="epoch", ylabel=f"{self.measure} E", yscale="log" if 0 < lowest < np.inf else "linear")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if axes.lines:  # else all have failed
            legend(axes)
        if path is not None:
            fig.savefig(path)
        return fig


@explained("compare({'Adam': {'rule': 'adam'}, 'plain': {}}, (x, target), seeds=3)")
def compare(
    variants: Mapping[str, Metaparameters | Mapping[str, Any]],
    patterns: Any,
    *,
    validation: Any = None,
    base: Metaparameters | None = None,
    seeds: int | Iterable[int] = 20,
    workers: int | None = None,
    progress: bool = False,
) -> Comparison:
    """Train variants from the same seeds, with the same order of the patterns and, where nets agree, the same weights.

    variants: name → Metaparameters, or a dict of what is different from base, by default Metaparameters().
    patterns, validation: as for `train_with`. seeds: so many, or a list of them; they replace that of the variants.
    workers: how many processes train side by side, as many as cores by default; they do not change the result, the
    seconds aside. progress: whether to show how far it is. A run that raises counts as a failure of its variant.
    Ctrl-C ends it, and the processes. Returns a Comparison, which prints as a table.
    Raises ValueError for patterns or variants that cannot be. Source: C16.

    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> c = compare({"tanh": {}, "relu": {"activation": "relu"}}, (x, x**2), seeds=2, base=Metaparameters(epochs=3))
    >>> [len(v.scores) for v in c.variants]
    [2, 2]
    """
    made = _variants(variants, base or Metaparameters())
    numbers = _seeds(seeds)
    given = checked(patterns, "patterns")
    held_out = None if validation is None else checked(validation, "validation")
    for m in made.values():
        sizes(m, given, held_out)
    jobs = [replace(m, seed=seed) for m in made.values() for seed in numbers]
    replies: list[Answer] = [Answer()] * len(jobs)
    with Progress(len(jobs), progress, "run") as bar:
        for n, (i, reply) in enumerate(answers(jobs, given, held_out, _workers(workers, len(jobs))), 1):
            replies[i] = reply
            errors = [] if reply.history is None else reply.history.error[-1:]  # none of no epochs
            bar.advance(n, "failed" if reply.failure else "".join(f"error {error:.4g}" for error in errors))
    for text in sorted({text for reply in replies for text in reply.warnings}):
        warnings.warn(text, stacklevel=1 + len(user_frame()[1]))
    runs = [Run(m.seed, reply.history, reply.failure) for m, reply in zip(jobs, replies, strict=True)]
    k = len(numbers)
    done = [Variant(name, m, tuple(runs[i * k : (i + 1) * k])) for i, (name, m) in enumerate(made.items())]
    return Comparison(tuple(done), numbers, "error" if validation is None else "validation")


def _variants(given: Any, base: Metaparameters) -> dict[str, Metaparameters]:
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f"compare needs variants, a dict name → Metaparameters or what is different, not {given!r}")
    made = {}
    for name, variant in given.items():
        try:
            made[str(name)] = variant if isinstance(variant, Metaparameters) else base.changed(variant)
        except (TypeError, ValueError) as error:
            error.add_note(f"This was in the variant {name!r}.")
            raise
    return made


def _seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    if isinstance(seeds, Iterable):
        numbers = tuple(whole_number(seed, "each of seeds", NOT_NEGATIVE) for seed in seeds)
    else:
        numbers = tuple(range(whole_number(seeds, "seeds", COUNT)))
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"seeds must be different, and at least one: {numbers} were given")
    return numbers


def _workers(workers: int | None, jobs: int) -> int:
    import os

    if workers is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cores, jobs)
    return min(whole_number(workers, "workers", COUNT), jobs)


def _finite(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _row(run: Run) -> dict[str, Any]:
    h = run.history
    if h is None or not len(h):
        return {"seed": run.seed, "error": None, "validation": None, "seconds": None, "failure": run.failure}
    numbers = {"error": h.error[-1], "validation": h.validation[-1], "seconds": sum(h.seconds)}
    return {"seed": run.seed, **numbers, "failure": run.failure}
