"""A training from metaparameters alone: the net is built, and learns, as they say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..misnamed import explained
from ..nn.losses import LOSSES
from ..nn.network import Network
from .callbacks import Callback
from .history import History
from .metaparameters import Metaparameters
from .patterns import checked
from .train import course
from .training import Training


@explained("train_with(tl.Metaparameters(hidden=(8,)), (x, target))")
def train_with(
    metaparameters: Metaparameters,
    patterns: Any,
    *,
    validation: Any = None,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    per_update: bool = False,
    checkpoint: str | Path | None = None,
    every: int = 1,
    resume: bool = False,
    compiled: bool | str = "auto",
) -> tuple[Network, History]:
    """Build a net as the metaparameters say, and train it.

    metaparameters: all that is chosen; patterns: (inputs (T, n), targets (T, m) or class numbers (T,)), or what has
    .inputs and .targets; they say how many inputs and outputs the net has: as many outputs as columns of the
    targets, or as the highest class number says, of validation too.
    validation, callbacks, progress, per_update, checkpoint, every, resume, compiled: as for `train`.
    Returns the net and its history, which keeps the metaparameters. Raises what `train` raises, ValueError also for a
    checkpoint of other metaparameters (their epochs aside). Source: C16.

    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> net, history = train_with(Metaparameters(hidden=(4,), epochs=5), (x, x**2))
    >>> net, len(history), history.metaparameters["hidden"]
    (MLP(1-4-1, tanh, identity, bias=True), 5, [4])
    """
    m = metaparameters
    if not isinstance(m, Metaparameters):
        raise TypeError(f"train_with needs Metaparameters, as Metaparameters(hidden=(8,)), not {m!r}")
    n_inputs, n_outputs = sizes(m, patterns, validation)
    order = m.generators()[1]
    training = Training(
        m.network(n_inputs, n_outputs),
        patterns,
        rule=m.learning_rule,
        loss=m.loss,
        batch_size=m.batch_size,
        rng=order,
        schedule=m.schedule,
        validation=validation,
        per_update=per_update,
        metaparameters=m.to_dict(),
    )
    return training.net, course(training, m.epochs, callbacks, progress, checkpoint, every, resume, compiled)


def sizes(m: Metaparameters, patterns: Any, validation: Any = None) -> tuple[int, int]:
    """How many inputs and outputs a net for these patterns has. Raises ValueError where they do not say."""
    x, target = checked(patterns, "patterns")
    if isinstance(x, dict) or isinstance(target, dict) or x.ndim != 2:
        shape = "a dict" if isinstance(x, dict) or isinstance(target, dict) else f"inputs of shape {x.shape}"
        raise ValueError(f"metaparameters build a net of one input cluster: inputs must be (T, n), not {shape}")
    if target.ndim == 2:
        return x.shape[1], target.shape[1]
    if target.ndim == 1 and LOSSES[m.loss].classes and target.dtype.kind in "iu":
        held_out = [] if validation is None else [np.ravel(checked(validation, "validation")[1])]
        return x.shape[1], 1 + int(max(np.max(part) for part in (target, *held_out)))
    raise ValueError(
        f"targets must be (T, m), or class numbers (T,) for cross_entropy; they are {target.shape} {target.dtype}, the "
        f"loss is {m.loss}; for one output write target[:, None]"
    )
