"""The state of a training in one place, and what one epoch and one update do to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..engine.tree import tree_map
from ..nn.init import warn_of_spread
from ..nn.losses import Loss
from ..nn.losses import loss as loss_of
from ..nn.network import Network
from ..transforms import gradient_moments
from .callbacks import Callback, tell, verdict
from .fields import COUNT, whole_number
from .history import History
from .interrupts import Interrupts
from .patterns import cast, checked, how_many, parts, some
from .progress import Progress
from .rules import rule as rule_of


class NotFiniteError(ArithmeticError):
    """A gradient, an error or an update that is NaN or infinite: training stopped before any weight was written."""


class Training:
    """The state of a training: the net, the rule's state, the generator, the history so far.

    net, rule, loss, schedule: what it is trained with; state: of the rule; update: the number of updates so far;
    history: of the epochs so far. Arguments and errors are those of `train`; metaparameters: plain data that the
    history keeps, by default what was given here.
    """

    def __init__(
        self,
        net: Network,
        patterns: Any,
        *,
        rule: Any,
        loss: str | Loss,
        batch_size: int | None,
        rng: np.random.Generator | int,
        schedule: Any = None,
        validation: Any = None,
        per_update: bool = False,
        metaparameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.net, self.rule, self.schedule = net, _rule(rule), _schedule(schedule)
        self.loss = loss_of(loss) if isinstance(loss, str) else loss
        self.x, self.target = self._fitting(patterns, "patterns")
        self.held_out = None if validation is None else self._fitting(validation, "validation")
        self.T = how_many(self.x)
        self.batch_size = None if batch_size is None else whole_number(batch_size, "batch_size", COUNT)
        if rng is None or isinstance(rng, bool):
            raise TypeError(f"rng must be a seed or a numpy Generator, so that the order can be drawn again, not {rng}")
        self.rng = np.random.default_rng(rng)
        self.per_update = per_update
        self.state = self.rule.start(net.w)
        self.update = 0
        self._given = None if metaparameters is None else dict(metaparameters)
        self.history = History(metaparameters=self._given or self.described())
        self._moments = gradient_moments(self._sum_of_errors) if getattr(self.rule, "needs_moments", False) else None
        self._of_epoch: Any = None  # moments over all patterns, once they were needed in this epoch
        if net.init == "lecture" and isinstance(self.x, np.ndarray):
            warn_of_spread(self.x)

    def described(self) -> dict[str, Any]:
        """What it is trained with, as plain data; how long is not part of it."""
        given = {} if self._given is None else {k: v for k, v in self._given.items() if k != "epochs"}
        return {
            **given,
            "net": repr(self.net),
            "dtype": str(self.net.w.dtype),
            "rule": _plain(self.rule),
            "loss": self.loss.name,
            "batch_size": self.batch_size,
            "schedule": None if self.schedule is None else _plain(self.schedule),
            "patterns": _fingerprint(self.x, self.target),
            "validation": None if self.held_out is None else _fingerprint(*self.held_out),
            "generator": type(self.rng.bit_generator).__name__,
            "per_update": bool(self.per_update),
        }

    def run(
        self,
        epochs: int,
        callbacks: tuple[Callback, ...],
        progress: bool,
        checkpoint: tuple[Path, int] | None,
        resume: bool,
    ) -> History:
        """Go on until there are so many epochs, or something stops it; checkpoint: a file, and how often."""
        tell(callbacks, "at_start", self)
        self.net.metaparameters = dict(self.history.metaparameters)
        if checkpoint:
            from . import checkpoint as file
        if checkpoint and resume and checkpoint[0].exists():
            file.take_up(self, checkpoint[0], callbacks)
        # stopped by a callback before: asked again, it may now have more patience
        reason = verdict(callbacks, self) if self.history.stopped else ""
        self.history.stopped = ""
        with Interrupts() as interrupts, Progress(epochs, progress) as bar:
            while not reason and len(self.history) < epochs:
                if not self.one_epoch(interrupts):
                    break
                bar.show(self.history)
                reason = verdict(callbacks, self)
                n = len(self.history)
                if checkpoint and (n % checkpoint[1] == 0 or reason or n == epochs):
                    self.history.stopped = reason
                    file.write_down(self, checkpoint[0], callbacks)
        self.history.stopped = reason or ("interrupted" if interrupts.came else "epochs")
        tell(callbacks, "at_end", self)
        return self.history

    def one_epoch(self, interrupts: Interrupts) -> bool:
        """All patterns once; False where Ctrl-C came first, and the epoch is not in the history."""
        begin = perf_counter()
        total = squares = eta = 0.0
        errors = []
        self._of_epoch = None
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is looked for, and told better
            for batch in self._batches():
                if interrupts.came:
                    return False
                size = self.T if batch is None else len(batch)
                error, norm, eta = self.one_update(some(self.x, batch), some(self.target, batch), size, interrupts)
                total += error * size
                squares += norm * norm
                errors.append(error)
            v = None if self.held_out is None else float(self.loss(self.net(self.held_out[0]), self.held_out[1]))
            w_norm = float(np.linalg.norm(self.net.w))
        h = self.history
        h.error.append(total / self.T)
        h.gradient_norm.append(float(np.sqrt(squares / len(errors))))
        h.weight_norm.append(w_norm)
        h.eta.append(eta)
        h.validation.append(v)
        h.updates += errors if self.per_update else []
        h.seconds.append(perf_counter() - begin)
        return True

    def one_update(self, x: Any, target: Any, size: int, interrupts: Interrupts) -> tuple[float, float, float]:
        """E and |g| of a batch, and η; the weights are written last, and all at once."""
        net = self.net
        E = self.loss(net(x, net.leaves), target)
        E.backward()
        g = net.collect()
        error, norm = E.item(), float(np.sqrt(g.dot(g)))
        if not (np.isfinite(error) and np.isfinite(norm)):
            self._must_be_finite(error, gradient=g)
        moments = None if self._moments is None else self._spread(x, target, size)
        eta = float(self.rule.eta if self.schedule is None else self.schedule(self.update))
        delta, state = self.rule.delta_w(g, self.state, w=net.w, eta=eta, moments=moments)
        w = net.w + delta
        if not np.isfinite(w.dot(w)):
            self._must_be_finite(error, **{"update Δw": delta, "sum w + Δw": w})
        with interrupts.written():
            net.assign(w)
            self.state = state
            self.update += 1
        return error, norm, eta

    def _batches(self) -> Iterator[np.ndarray | None]:
        """The numbers of the patterns of each batch; None for all of them."""
        if self.batch_size is None:
            yield None
            return
        order = self.rng.permutation(self.T)
        for begin in range(0, self.T, self.batch_size):
            yield order[begin : begin + self.batch_size]

    def _spread(self, x: Any, target: Any, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the g_t over the batch, packed; over all patterns for a batch of one, which has none."""
        if size == 1 and self._of_epoch is not None:
            found: tuple[np.ndarray, np.ndarray] = self._of_epoch
            return found
        assert self._moments is not None
        of = (x, target) if size > 1 else (self.x, self.target)
        mean, variance = self._moments(self.net.parameters, *of)
        found = self.net.weights.packed(mean), self.net.weights.packed(variance)
        if size == 1:
            self._of_epoch = found
        return found

    def _sum_of_errors(self, p: Any, x: Any, target: Any) -> Any:
        return np.sum(self.loss.errors(self.net(x, p), target))

    def _fitting(self, given: Any, what: str) -> tuple[Any, Any]:
        """Patterns in the dtype of the weights, whose shapes fit the net and the loss."""
        x, target = checked(given, what)
        dtype = self.net.w.dtype
        with np.errstate(over="ignore"):  # looked for below
            x, target = cast(x, dtype), cast(target, dtype, classes=self.loss.classes)
        for name, side in (("inputs", x), ("targets", target)):
            if not all(np.all(np.isfinite(part)) for part in parts(side)):
                raise ValueError(f"{what}: {name} are too large for the {dtype} weights of this net; standardise them")
        T = how_many(x)
        out = tree_map(lambda o: np.broadcast_to(o, (T, *o.shape[1:])), self.net(some(x, slice(0, 1))))
        try:
            self.loss.must_fit(out, target)
        except ValueError as error:
            fits = not isinstance(out, dict) and out.shape[1:] == (1,) and np.shape(target) == (T,)
            raise ValueError(f"{what}: {error}{'; write target[:, None]' if fits else ''}") from error
        return x, target

    def _must_be_finite(self, error: float, **vectors: np.ndarray) -> None:
        """Raise NotFiniteError for the connectors whose part of a vector is not finite, or for the error."""
        where = f"in update {self.update + 1} (epoch {len(self.history) + 1})"
        for what, vector in vectors.items():
            bad = [name for name, part in self.net.weights.named(vector).items() if not np.all(np.isfinite(part))]
            if bad:
                connectors = [str(c) for c in self.net.topology.connectors if c.weights in bad]
                raise NotFiniteError(
                    f"the {what} of {', '.join(connectors)} is not finite {where}; no weight was written. "
                    "Take a smaller η, standardise the inputs, or look at the patterns of that batch"
                )
        if not np.isfinite(error):
            raise NotFiniteError(f"the error is {error} {where}; no weight was written. Look at its patterns")


def _rule(given: Any) -> Any:
    if isinstance(given, str):
        return rule_of(given)
    if isinstance(given, type) or not (hasattr(given, "start") and hasattr(given, "delta_w")):
        raise TypeError(f"rule must be a learning rule, as Momentum(eta=0.1), or its name, not {given!r}")
    return given


def _schedule(given: Any) -> Any:
    if given is not None and (isinstance(given, type) or not callable(given)):
        raise TypeError(f"schedule must give η for the number of an update, as Constant(0.1), not {given!r}")
    return given


def _plain(given: Any) -> Any:
    """A rule or a schedule as plain data, the same in every process."""
    if is_dataclass(given) and not isinstance(given, type):
        return {"class": type(given).__name__, **asdict(given)}
    return getattr(given, "__qualname__", type(given).__qualname__)


def _fingerprint(x: Any, target: Any) -> str:
    """How many patterns, and a sum over all their bits."""
    digest = sha256()
    for side in (x, target):
        for a in parts(side):
            digest.update(f"{a.shape} {a.dtype}".encode() + np.ascontiguousarray(a).tobytes())
    return f"{how_many(x)}, {digest.hexdigest()[:16]}"
