"""Schedules: η as a function of the number of the update, or of the epoch, counted from 0.

A schedule is frozen data of plain numbers; it computes a Python float, which a recorded step takes as an input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import cos, pi
from typing import Any

from ..misnamed import explained
from .fields import COUNT, FACTOR, NOT_NEGATIVE, Checked, made, named, number, whole, whole_number


@dataclass(frozen=True)
class Schedule(Checked, ABC):
    """What all schedules share: called with the number of an update, 0, 1, …, it gives η as a float."""

    def __call__(self, step: int) -> float:
        """The η of update number `step`. Raises TypeError for no whole number, ValueError for a negative one."""
        return self._eta(whole_number(step, "the number of an update", NOT_NEGATIVE))

    @abstractmethod
    def _eta(self, step: int) -> float: ...

    def to_dict(self) -> dict[str, Any]:
        """Its name and fields as plain data for JSON; `schedule(**d)` makes it again."""
        return named(SCHEDULES, self)


@explained()
@dataclass(frozen=True)
class Constant(Schedule):
    """η(k) = η: the same for all updates.

    eta: η ≥ 0. Raises ValueError outside that range, TypeError for no number. Source: C10.
    """

    eta: float = field(metadata=number(NOT_NEGATIVE))

    def _eta(self, step: int) -> float:
        return self.eta


@explained()
@dataclass(frozen=True)
class StepDecay(Schedule):
    """η(k) = η factor^⌊k / every⌋: constant for a while, then smaller by a factor, again and again.

    eta: η ≥ 0 of the first stretch; every: its length, at least 1; factor: in (0, 1], 0.1 for a smaller order of
    magnitude each time. Raises ValueError outside these ranges, TypeError for no number.
    Source: C10, which asks for large steps on flat surfaces and small ones near minima.
    """

    eta: float = field(metadata=number(NOT_NEGATIVE))
    every: int = field(metadata=whole(COUNT))
    factor: float = field(default=0.1, metadata=number(FACTOR))

    def _eta(self, step: int) -> float:
        return float(self.eta * self.factor ** (step // self.every))


@explained()
@dataclass(frozen=True)
class Exponential(Schedule):
    """η(k) = η factor^(k / every): `StepDecay` without its jumps.

    eta: η ≥ 0 at the start; factor: in (0, 1], by which η falls over `every` updates; every: at least 1, an epoch's
    number of updates for a factor per epoch. Raises ValueError outside these ranges, TypeError for no number.
    Source: C10.
    """

    eta: float = field(metadata=number(NOT_NEGATIVE))
    factor: float = field(metadata=number(FACTOR))
    every: int = field(default=1, metadata=whole(COUNT))

    def _eta(self, step: int) -> float:
        return float(self.eta * self.factor ** (step / self.every))


@explained()
@dataclass(frozen=True)
class Cosine(Schedule):
    """η(k) = η_min + ½ (η − η_min) (1 + cos(π k / total)) until k = total, η_min from there on.

    eta: η ≥ 0 at the start; total: the updates it falls over, at least 1; eta_min: where it ends, 0 ≤ η_min ≤ η. Both
    ends are exact. Raises ValueError outside these ranges, TypeError for no number. Source: Loshchilov and Hutter 2017.
    """

    eta: float = field(metadata=number(NOT_NEGATIVE))
    total: int = field(metadata=whole(COUNT))
    eta_min: float = field(default=0.0, metadata=number(NOT_NEGATIVE))

    def _must_agree(self) -> None:
        if self.eta_min > self.eta:
            raise ValueError(f"Cosine.eta_min must lie in [0, eta] = [0, {self.eta:g}], not be {self.eta_min!r}")

    def _eta(self, step: int) -> float:
        share = 0.5 * (1.0 + cos(pi * (min(step, self.total) / self.total)))
        return share * self.eta + (1.0 - share) * self.eta_min


@explained()
@dataclass(frozen=True)
class WarmUp(Schedule):
    """η(k) = (k + 1) / (steps + 1) · then(0) for k < steps, then(k − steps) from there on: a linear start.

    The first update is not lost, for η starts above 0, and it reaches then(0) without a jump. steps: at least 1;
    then: the schedule that follows, or its `to_dict`. Raises ValueError for steps below 1, TypeError for what is no
    whole number or no schedule. Source: Goyal et al. 2017.
    """

    steps: int = field(metadata=whole(COUNT))
    then: Schedule

    def _must_agree(self) -> None:
        if isinstance(self.then, Mapping):
            object.__setattr__(self, "then", schedule(**self.then))
        if not isinstance(self.then, Schedule):
            raise TypeError(f"WarmUp.then must be a schedule, as Constant(0.1), not {self.then!r}")

    def _eta(self, step: int) -> float:
        if step < self.steps:
            return self.then(0) * ((step + 1) / (self.steps + 1))
        return self.then(step - self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Its name and fields as plain data for JSON, with those of the schedule that follows."""
        return {"name": "warm_up", "steps": self.steps, "then": self.then.to_dict()}


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step_decay": StepDecay,
    "exponential": Exponential,
    "cosine": Cosine,
    "warm_up": WarmUp,
}
"""Name → class."""


def schedule(name: str, **fields: Any) -> Schedule:
    """The schedule of a name, made with the given fields.

    name: one of SCHEDULES, or the name of its class; fields: of that class. Raises ValueError, naming those that
    exist, for an unknown name, TypeError for an unknown field; else what the class raises. Source: C16.

    >>> schedule("step_decay", eta=1.0, every=10, factor=0.5)(25)
    0.25
    """
    return made(SCHEDULES, "schedule", name, fields)
