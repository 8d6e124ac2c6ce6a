"""What can be done after each epoch of training: stop early, keep the best weights.

A callback is called with the training after every epoch; a text that it returns is the reason to stop. It may have
more: at_start(training) and at_end(training), and arrays() and restore(arrays) for what a checkpoint keeps of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..misnamed import explained
from .fields import COUNT, NOT_NEGATIVE, Checked, number, whole

if TYPE_CHECKING:
    from .training import Training

Callback = Callable[["Training"], Any]
"""Called with the training after every epoch; a text that it returns is the reason to stop."""


def watched(training: Training) -> list[float]:
    """The errors that tell how good a net is: on held-out patterns where there are any, else on the training's own."""
    held_out = training.history.validation
    return [v for v in held_out if v is not None] or training.history.error


@explained()
@dataclass(frozen=True, slots=True)
class EarlyStopping(Checked):
    """Stop when the error (on validation, where there is one) has not fallen for a number of epochs.

    patience: so many epochs whose best is not lower than the best before them, at least 1; min_delta: by how much it
    must be lower. It looks at the history alone, so that a resumed training stops where an uninterrupted one does.
    Raises ValueError for a patience below 1 or a negative min_delta. Source: Prechelt 1998.
    """

    patience: int = field(default=10, metadata=whole(COUNT))
    min_delta: float = field(default=0.0, metadata=number(NOT_NEGATIVE))

    def __call__(self, training: Training) -> str | None:
        """The reason to stop, once there is one."""
        errors = watched(training)
        before, lately = errors[: -self.patience], errors[-self.patience :]
        # fmin passes over NaN, which is no best
        if not before or np.fmin.reduce(lately) < np.fmin.reduce(before) - self.min_delta:
            return None
        return f"no new best for {self.patience} epochs"


class BestWeights:
    """Keep the weights of the epoch with the lowest error (on validation, where there is one) for the end.

    They travel in checkpoints, so that a resumed training ends with the same ones. error, w: the best so far, of
    this training alone: it may be used for another one. Source: Prechelt 1998.
    """

    def __init__(self) -> None:
        self.error = np.inf
        self.w: np.ndarray | None = None

    def at_start(self, training: Training) -> None:
        """Forget the training before."""
        self.error, self.w = np.inf, None

    def __call__(self, training: Training) -> None:
        """Keep the weights where they are the best so far."""
        error = watched(training)[-1]
        if error < self.error:
            self.error, self.w = error, training.net.w.copy()

    def at_end(self, training: Training) -> None:
        """Put the best weights back."""
        if self.w is not None:
            training.net.assign(self.w)

    def arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps of it."""
        return {} if self.w is None else {"w": self.w, "error": np.asarray(self.error)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up what a checkpoint kept."""
        if arrays:
            self.w, self.error = arrays["w"].copy(), float(arrays["error"])


def listed(callbacks: Iterable[Callback]) -> tuple[Callback, ...]:
    """The callbacks as a tuple. Raises TypeError for what is none, for a single one, and for a class."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a list of them, as [EarlyStopping()], not {callbacks!r}")
    found = tuple(callbacks)
    for callback in found:
        if isinstance(callback, type):
            raise TypeError(f"callbacks: {callback.__name__} is a class; write {callback.__name__}()")
        if not callable(callback):
            raise TypeError(f"callbacks: {callback!r} cannot be called")
    return found


def tell(callbacks: Iterable[Callback], what: str, training: Training) -> None:
    """Call at_start or at_end of those callbacks that have it."""
    for callback in callbacks:
        if hasattr(callback, what):
            getattr(callback, what)(training)


def verdict(callbacks: Iterable[Callback], training: Training) -> str:
    """The first reason to stop that a callback gives; every callback is called."""
    reasons = [callback(training) for callback in callbacks]
    return next((reason for reason in reasons if isinstance(reason, str) and reason), "")
