"""Learning: one loop for pattern by pattern, batches and steepest descent."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..misnamed import explained
from ..nn.losses import Loss
from ..nn.network import Network
from .callbacks import Callback, listed
from .compiled import compiled as compiled_updates
from .fields import COUNT, NOT_NEGATIVE, whole_number
from .history import History
from .training import NotFiniteError as NotFiniteError
from .training import Training


@explained(
    "train(net, (x, target), rule=tl.Adam(eta=0.01), epochs=200)",
    eta="write rule=tl.Adam(eta=…), or another rule",
    beta="write rule=tl.Momentum(beta=…), or another rule",
)
def train(
    net: Network,
    patterns: Any,
    *,
    rule: Any = "gradient_descent",
    loss: str | Loss = "squared_error",
    batch_size: int | None = 32,
    epochs: int = 100,
    rng: np.random.Generator | int = 0,
    schedule: Any = None,
    validation: Any = None,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    per_update: bool = False,
    checkpoint: str | Path | None = None,
    every: int = 1,
    resume: bool = False,
    compiled: bool | str = "auto",
) -> History:
    """Train a network: after each batch of patterns w ← w + Δw, as the learning rule says.

    net: is changed: it holds the weights it has learnt, and in net.metaparameters what with.
    patterns: (inputs, targets), or what has .inputs and .targets; for several input or output clusters dicts of
    arrays by their names; the errors of several outputs are added.
    rule: one of the learning rules, or its name; loss: its name, or a Loss of `nn.losses`.
    batch_size: 1 is learning pattern by pattern (C7), a number between a batch (C9), None all patterns at once,
    steepest descent (C8); the order of the patterns is drawn anew for each epoch from rng, a Generator or a seed.
    schedule: η by the number of the update, in place of the rule's own η. validation: patterns that are not learnt,
    whose error is measured after each epoch.
    callbacks: called after each epoch. progress: whether to show how far it is. per_update: whether to keep the error
    of every update. checkpoint: a file that holds the whole state, of the start and then after every `every` epochs;
    resume: go on from it where it is there, with the same result to the last bit as without a break.
    compiled: whether many updates run in one call of compiled code, with the same order and history, and results to
    rounding: True, or an error that says why not; False; "NumPy", without a compiler, with the same bits; "auto", for
    trainings of 10,000 updates and more, or as the checkpoint that it goes on from. Ctrl-C has its turn between such
    calls, of at most 50 ms.
    A rule that needs the spread of the g_t takes it from the patterns of each batch; for a batch of one, which has
    none, from all patterns, once an epoch. Ctrl-C ends it between two updates, with the history so far.
    Returns a History. Raises ValueError or TypeError for patterns, sizes or options that do not fit, NotFiniteError
    where a gradient is NaN or infinite, naming the connector, before any weight is written. Source: C7, C8, C9.

    >>> from tinygrad_lecture.nn.mlp import MLP
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> train(MLP([1, 8, 1]), (x, x**2), epochs=200, batch_size=5).error[-1] < 0.01
    True
    """
    training = Training(
        net,
        patterns,
        rule=rule,
        loss=loss,
        batch_size=batch_size,
        rng=rng,
        schedule=schedule,
        validation=validation,
        per_update=per_update,
    )
    return course(training, epochs, callbacks, progress, checkpoint, every, resume, compiled)


def course(
    training: Training,
    epochs: int,
    callbacks: Iterable[Callback],
    progress: bool,
    checkpoint: str | Path | None,
    every: int,
    resume: bool,
    compiled: bool | str,
) -> History:
    """The whole course of a training, from its start or from a checkpoint; arguments as for `train`."""
    epochs = whole_number(epochs, "epochs", NOT_NEGATIVE)
    every = whole_number(every, "every", COUNT)
    if resume and checkpoint is None:
        raise ValueError("resume=True needs the checkpoint to resume from: checkpoint=path")
    where = None if checkpoint is None else (Path(checkpoint), every)
    if compiled == "auto" and resume and where:
        from .checkpoint import mode_of

        compiled = mode_of(where[0])
    training.compiled = compiled_updates(training, compiled, epochs)
    try:
        return training.run(epochs, listed(callbacks), progress, where, resume)
    finally:
        training.compiled = None  # each holds the other: freed at once, not by the garbage collector
