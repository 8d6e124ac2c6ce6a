"""Updates of a training as a recorded program: many of them in one call, with the results of one at a time."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.tree import tree_map
from ..nn.losses import LOSSES
from ..nn.mlp import MLP
from ..nn.network import Network
from ..transforms import value_and_grad
from ..transforms.patterns import recorded_moments
from .rules import RULES

if TYPE_CHECKING:
    from ..program.scan import Steps
    from .interrupts import Interrupts
    from .training import Training

WORTH = 10_000
"""Updates of a training from which on compiling, some tenths of a second, pays for itself."""

CHUNK = 0.04
"""Seconds that one call takes at most, as far as can be foreseen: in between Ctrl-C and progress have their turn."""


class Updates:
    """The updates of a training, compiled; one program for each size of a batch.

    training: whose weights and state they write; wanted: of the runner, as for `tl.jit`.
    """

    def __init__(self, training: Training, wanted: str) -> None:
        self.training, self.wanted = training, wanted
        self.steps: dict[int, Steps] = {}
        self.made_for: tuple[Any, Any, Any] = (None, None, [])  # rule, loss, and what these refer to
        self.seconds = 0.0  # that one update takes

    def run(
        self, batches: list[np.ndarray | None], interrupts: Interrupts
    ) -> tuple[list[float], list[float], list[float]]:
        """Error, gradient norm and η of the first of these updates, which have one size; as many as fit into a chunk.

        None at all where the first would not be finite: nothing is written then.
        """
        t = self.training
        size = t.T if batches[0] is None else len(batches[0])
        most = max(1, int(CHUNK / self.seconds)) if self.seconds else 1
        batches = batches[:most]
        etas = [float(t.rule.eta if t.schedule is None else t.schedule(t.update + i)) for i in range(len(batches))]
        carry = t.net.w, t.state, t.x, t.target, t.moments_of_epoch(size)
        xs = np.array(etas), None if batches[0] is None else np.array(batches)
        leaves, rebuild = _arrays(carry)
        self._look()
        if size not in self.steps:
            self.steps[size] = self._recorded(carry, xs)
        begin = perf_counter()
        done, after, (_, errors, norms) = self.steps[size](len(batches), leaves, _arrays(xs)[0])
        if done:
            self.seconds = (perf_counter() - begin) / done
            w, state, *_ = rebuild(after)
            t.write(w, state, done, interrupts)
        return errors[:done].tolist(), norms[:done].tolist(), etas[:done]

    def _look(self) -> None:
        """Forget the programs of a rule or an error that somebody has replaced or changed since."""
        from ..program.frozen import changed, snapshot

        t = self.training
        rule, loss, before = self.made_for
        if t.rule is not rule or t.loss is not loss or changed(before) is not None:
            self.steps.clear()
            self.made_for = t.rule, t.loss, snapshot(t.rule.delta_w, [t.loss])

    def _recorded(self, carry: Any, xs: Any) -> Steps:
        from ..program.scan import steps

        first = tree_map(lambda a: a[0], xs)
        with np.errstate(all="ignore"):  # what overflows will be told of by the update itself
            return steps(update(self.training), carry, first, self.wanted, halts=True)

    @property
    def runner(self) -> str:
        """The name of what runs them: "C" or "NumPy"."""
        name: str = next(iter(self.steps.values())).runner.name
        return name

    def warm(self) -> None:
        """Record the whole batches' program now, so that what cannot be recorded is told before anything is written."""
        t = self.training
        size = t.T if t.batch_size is None else min(t.batch_size, t.T)
        which = None if t.batch_size is None else np.zeros((1, size), np.intp)
        self._look()
        self.steps[size] = self._recorded(
            (t.net.w, t.state, t.x, t.target, t.moments_of_epoch(size)), (np.zeros(1), which)
        )


def update(training: Training) -> Callable[[Any, Any], Any]:
    """One update as a step: carry (w, state, x, target, moments) and (η, which patterns) → carry, (halt, E, |g|)."""
    net, loss, rule = training.net, training.loss, training.rule
    spread = recorded_moments(training.sum_of_errors) if getattr(rule, "needs_moments", False) else None

    def step(carry: Any, now: Any) -> Any:
        w, state, x, target, moments = carry
        eta, which = now
        part, wanted = (x, target) if which is None else tree_map(lambda a: a[which], (x, target))
        p = net.weights.named(w)
        E, parts = value_and_grad(lambda p: loss(net(part, p), wanted))(p)
        g = packed(parts)
        norm = np.sqrt(g.dot(g))
        given = moments
        if spread is not None and moments is None:
            given = tuple(packed(m) for m in spread(p, part, wanted))
        delta, new = rule.delta_w(g, state, w=w, eta=eta, moments=given)
        after = w + delta
        halt = ~(np.isfinite(E) & np.isfinite(norm) & np.isfinite(after.dot(after)))
        return (after, new, x, target, moments), (halt, E, norm)

    return step


def packed(parts: dict[str, Any]) -> Any:
    """Arrays by name as one vector, as `Weights` packs them."""
    return np.concatenate([np.reshape(a, -1) for a in parts.values()])


def compiled(training: Training, wanted: bool | str, epochs: int) -> Updates | None:
    """The compiled updates of a training, or None where they are made one by one.

    wanted: False; True or "C"; "NumPy", the same program without a compiler, with the bits of updates one by one;
    or "auto": where it pays, and where nothing but the library's own net, loss and rule take part.
    Raises ValueError for another wish, CannotCompileError or TypeError, saying why, where True cannot be granted.
    """
    if wanted is False:
        return None
    if wanted is True or wanted in ("C", "NumPy"):
        updates = Updates(training, "C" if wanted is True else str(wanted))
        updates.warm()
        return updates
    if wanted != "auto":
        raise ValueError(f'compiled must be True, False, "C", "NumPy" or "auto", not {wanted!r}')
    if why_not(training, epochs):
        return None
    updates = Updates(training, "auto")
    try:
        updates.warm()
    except TypeError:  # of a net that holds what cannot be recorded
        return None
    return updates


def why_not(training: Training, epochs: int) -> str:
    """Why a training is not compiled of itself; empty where it is."""
    batches = 1 if training.batch_size is None else -(-training.T // training.batch_size)
    if type(training.rule) not in RULES.values():
        return f"{type(training.rule).__name__} is no rule of the library: it may do more than compute"
    if training.loss not in LOSSES.values():
        return f"{training.loss.name} is no loss of the library: it may do more than compute"
    if type(training.net) not in (MLP, Network):
        return f"{type(training.net).__name__} is no net of the library: it may do more than compute"
    if batches * epochs < WORTH:
        return f"{batches * epochs} updates are fewer than the {WORTH} from which on compiling pays"
    return ""


def _arrays(tree: Any) -> tuple[list[np.ndarray], Any]:
    from ..engine.tree import flatten

    leaves, rebuild = flatten(tree)
    return [np.asarray(a) for a in leaves], rebuild
