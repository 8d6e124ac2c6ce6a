"""The state of a training in one place, and what one epoch and one update do to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..engine.debug import NotFiniteError as NotFiniteError
from ..engine.tensor import Tensor
from ..engine.tree import tree_map
from ..nn.init import warn_of_spread
from ..nn.losses import Loss
from ..nn.losses import loss as loss_of
from ..nn.network import Network
from ..transforms import gradient_moments
from .callbacks import Callback, tell, verdict
from .compiled import Updates
from .fields import COUNT, whole_number
from .history import History
from .interrupts import Interrupts
from .patterns import cast, checked, how_many, parts, some
from .progress import Progress
from .rules import rule as rule_of
from .update import PIECE


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
        self.loss = loss_of(loss)
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
        self._moments = gradient_moments(self.sum_of_errors) if getattr(self.rule, "needs_moments", False) else None
        self._of_epoch: Any = None  # moments over all patterns, once they were needed in this epoch
        self.compiled: Updates | None = None
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
        with Interrupts() as interrupts:
            self.net.metaparameters = dict(self.history.metaparameters)
            tell(callbacks, "at_start", self)
            if checkpoint:
                from . import checkpoint as file

                with interrupts.written():
                    if resume and checkpoint[0].exists():
                        file.take_up(self, checkpoint[0], callbacks)
                    else:  # of the start: from what is broken off before the first epoch nothing else would lead back
                        file.write_down(self, checkpoint[0], callbacks)
            # stopped by a callback before: asked again, it may now have more patience
            reason = verdict(callbacks, self) if self.history.stopped else ""
            self.history.stopped = ""
            with Progress(epochs, progress) as bar:
                while not (reason or interrupts.came) and len(self.history) < epochs:
                    if not self.one_epoch(interrupts):
                        break
                    bar.show(self.history)
                    reason = verdict(callbacks, self)
                    n = len(self.history)
                    if checkpoint and (n % checkpoint[1] == 0 or reason or n == epochs):
                        self.history.stopped = reason
                        with interrupts.written():
                            file.write_down(self, checkpoint[0], callbacks)
            self.history.stopped = reason or ("interrupted" if interrupts.came else "epochs")
            tell(callbacks, "at_end", self)
        if interrupts.came and not reason:  # perhaps only at the end
            self.history.stopped = "interrupted"
        return self.history

    def one_epoch(self, interrupts: Interrupts) -> bool:
        """All patterns once; False where Ctrl-C came first, and the epoch is not in the history."""
        begin = perf_counter()
        total = squares = eta = 0.0
        errors = []
        self._of_epoch = None
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is looked for, and told better
            for batches in self._batches():
                size = self.T if batches[0] is None else len(batches[0])
                while batches:
                    if interrupts.came:
                        return False
                    found, norms, etas = self._some_updates(batches, size, interrupts)
                    batches = batches[len(found) :]
                    for error, norm in zip(found, norms, strict=True):
                        total += error * size
                        squares += norm * norm
                    errors += found
                    eta = etas[-1]
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

    def _some_updates(
        self, batches: list[np.ndarray | None], size: int, interrupts: Interrupts
    ) -> tuple[list[float], list[float], list[float]]:
        """Error, |g| and η of the first of these updates: of as many as one call of compiled code makes, or of one."""
        if self.compiled is not None:
            found = self.compiled.run(batches, interrupts)
            if found[0]:
                return found
            # the first one would not be finite: made by itself, it says what is not
        batch = batches[0]
        error, norm, eta = self.one_update(some(self.x, batch), some(self.target, batch), size, interrupts)
        return [error], [norm], [eta]

    def one_update(self, x: Any, target: Any, size: int, interrupts: Interrupts) -> tuple[float, float, float]:
        """E and |g| of a batch, and η; the weights are written last, and all at once."""
        net, leaves = self.net, self.net.leaves
        for t in leaves.values():
            t.zero_grad()  # of another walk, or of one that was interrupted
        E = self.loss(net(x, leaves), target)
        if isinstance(E, Tensor):  # else all weights are blocked, and g is 0
            E.backward()
        error = float(E.item())
        del E  # the activities of a large batch need not stay while the weights are written
        g = net.collect()
        norm = float(np.sqrt(g.dot(g)))
        if not (np.isfinite(error) and np.isfinite(norm)):
            self._must_be_finite(error, gradient=g)
        moments = None if self._moments is None else self._spread(x, target, size)
        eta = float(self.rule.eta if self.schedule is None else self.schedule(self.update))
        delta, state = self.rule.delta_w(g, self.state, w=net.w, eta=eta, moments=moments)
        if not _finite_sum(net.w, delta):
            self._must_be_finite(error, **{"update Δw": delta, "sum w + Δw": net.w + delta})
        with interrupts.written():
            net.weights.add(delta)
            self.state = state
            self.update += 1
        return error, norm, eta

    def _batches(self) -> Iterator[list[np.ndarray | None]]:
        """Batches of one size in a list, each the numbers of its patterns, or None for all; what is left comes last."""
        if self.batch_size is None:
            yield [None]
            return
        order = self.rng.permutation(self.T)
        B, whole = self.batch_size, self.T - self.T % self.batch_size
        if whole:
            yield [order[begin : begin + B] for begin in range(0, whole, B)]
        if whole < self.T:
            yield [order[whole:]]

    def write(self, w: np.ndarray, state: Any, n: int, interrupts: Interrupts) -> None:
        """Take over what n updates have come to."""
        with interrupts.written():
            self.net.assign(w)
            self.state = state
            self.update += n

    def moments_of_epoch(self, size: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and variance over all patterns, where the rule needs them and batches of one have none."""
        return self._spread(self.x, self.target, 1) if size == 1 and self._moments is not None else None

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

    def sum_of_errors(self, p: Any, x: Any, target: Any) -> Any:
        """Σ_t E_t of some patterns, for weights p by name."""
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
        try:
            self.net.inputs_of(x)
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from error
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


def _finite_sum(w: np.ndarray, delta: np.ndarray) -> bool:
    """Whether w + Δw and its square are finite, a piece at a time: no vector is made.

    Raises ValueError for a Δw of another shape than w.
    """
    if np.shape(delta) != w.shape:
        raise ValueError(
            f"the rule gave Δw of shape {np.shape(delta)}, but w has shape {w.shape}; they must be the same"
        )
    for begin in range(0, w.size, PIECE):
        part = w[begin : begin + PIECE] + delta[begin : begin + PIECE]
        if not np.isfinite(part.dot(part)):
            return False
    return True


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
