"""The steps of a network's local algorithm, one after the other: which quantities each reads, and which it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .functions import Loss, activation_of
from .terms import ETA, ONE, E, Names, T, Term, phrase, total

FORWARD, ERROR, BACKWARD, GRADIENT, UPDATE = PHASES = ("forward ↑", "error", "backward ↓", "gradient ↑ · ↓", "update")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a local algorithm: target = value, at one place of the network.

    number: from 1, as in the equations; phase: one of PHASES; at: the cluster or weights it happens at, "E" for the
    error; target: the quantity it writes; value: the right side, in its three renderings.
    """

    number: int
    phase: str
    at: str
    target: Term
    value: Term

    @property
    def writes(self) -> str:
        """The name of the quantity that this step computes."""
        return self.target.text

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of the quantities that it computes it from; it sees no others."""
        return self.value.reads

    @property
    def text(self) -> str:
        """The formula in plain Unicode: "in_y = W1 out_x + b1"."""
        return f"{self.target.text} = {self.value.text}"

    @property
    def latex(self) -> str:
        """The formula in LaTeX, aligned at its equals sign."""
        return f"{self.target.latex} &= {self.value.latex}"

    @property
    def code(self) -> str:
        """The formula as a line of NumPy code."""
        return f"{self.target.code} = {self.value.code}"


def names_of(net: Any) -> Names:
    """What the quantities of a network are called."""
    topology = net.topology
    return Names(tuple(c.name for c in topology.clusters), tuple(topology.shapes))


Part = tuple[str, str, Term, Term]


class Builder:
    """The steps of one topology by phase, without their numbers: (phase, place, target, value)."""

    def __init__(self, topology: Any, loss: Loss, in_one: int) -> None:
        self.topology, self.loss, self.in_one = topology, loss, in_one
        self.names = Names(tuple(c.name for c in topology.clusters), tuple(topology.shapes))
        self.inner = [name for name in topology.order if name not in topology.inputs]
        open_ones = [c for c in topology.connectors if not c.blocked]
        self.blamed: set[str] = set()  # the clusters that an error arrives at
        for name in reversed(self.inner):
            if name in topology.outputs or any(c.source == name and c.target in self.blamed for c in open_ones):
                self.blamed.add(name)
        self.heads = [c for c in open_ones if c.target in self.blamed]
        self.uses = {name: uses for name in topology.shapes if (uses := [c for c in self.heads if c.weights == name])}

    def q(self, kind: str, name: str) -> Term:
        """A quantity of a cluster."""
        return self.names.of_cluster(kind, name)

    def w(self, name: str, kind: str = "w") -> Term:
        """Weights, their gradient or their update."""
        return self.names.of_weights(kind, name)

    def forward(self) -> Iterator[Part]:
        """in_j = Σ_i W_ji out_i + b_j and out_j = f(in_j), in the order in which signals flow."""
        for j in self.inner:
            parts = [
                self.w(c.weights)
                if c.source == ONE
                else phrase("$w $out", r"$w\, $out", "$out @ $w.T", w=self.w(c.weights), out=self.q("out", c.source))
                for c in sorted(self.topology.into(j), key=lambda c: c.source == ONE)
            ]
            if all(
                c.source == ONE for c in self.topology.into(j)
            ):  # biases alone do not say how many patterns there are
                zero = "" if parts else "0"
                parts = [phrase(zero, zero, f"np.zeros(($T, {self.topology[j].n}))", T=T), *parts]
            yield FORWARD, j, self.q("in", j), total(parts)
            yield FORWARD, j, self.q("out", j), activation_of(self.topology[j].activation).of(self.q("in", j))

    def error(self) -> Part:
        """E, the mean over the patterns, of all outputs together."""
        parts = [self._of_loss(self.loss.error, name) for name in self.topology.outputs]
        mean = phrase("1/T Σ_t $s", r"\frac{1}{T} \sum_t $s", "$s / $T", s=_grouped(parts), T=T)
        return ERROR, "E", E, mean

    def _of_loss(self, templates: tuple[str, str, str], name: str) -> Term:
        number = str(self.topology[name].n * self.in_one)
        return phrase(*templates, o=self.q("out", name), t=self.q("tar", name), K=Term(number, number, number))

    def backward(self) -> Iterator[Part]:
        """err_j = ∂E_t/∂out_j + Σ_k W_kjᵀ δ_k and δ_j = f'(in_j) ⊙ err_j, where an error arrives."""
        for j in reversed(self.inner):
            if j not in self.blamed:
                continue
            own = [self._of_loss(self.loss.derivative, j)] if j in self.topology.outputs else []
            collected = [
                phrase("$wᵀ $d", r"$w^{\top} $d", "$d @ $w", w=self.w(c.weights), d=self.q("delta", c.target))
                for c in self.heads
                if c.source == j
            ]
            err = self.q("err", j)
            yield BACKWARD, j, err, total([*own, *collected])
            f = activation_of(self.topology[j].activation)
            yield BACKWARD, j, self.q("delta", j), f.backward(self.q("in", j), err)

    def gradients(self) -> Iterator[Part]:
        """∂W = 1/T Σ_t δ_j out_iᵀ, summed over all connectors that use W."""
        for name, uses in self.uses.items():
            parts = [
                phrase("$d", "$d", "np.sum($d, axis=0)", d=self.q("delta", c.target))
                if c.source == ONE
                else phrase(
                    "$d $outᵀ",
                    r"$d\, $out^{\top}",
                    "$d.T @ $out",
                    d=self.q("delta", c.target),
                    out=self.q("out", c.source),
                )
                for c in uses
            ]
            mean = phrase("1/T Σ_t $s", r"\frac{1}{T} \sum_t $s", "$s / $T", s=_grouped(parts), T=T)
            yield GRADIENT, name, self.w(name, "gradient"), mean

    def updates(self) -> Iterator[Part]:
        """ΔW = −η ∂W."""
        for name in self.uses:
            value = phrase("−$eta $g", "-$eta $g", "-$eta * $g", eta=ETA, g=self.w(name, "gradient"))
            yield UPDATE, name, self.w(name, "update"), value


def _grouped(parts: list[Term]) -> Term:
    """The sum of terms as one factor: in brackets where there are several."""
    if len(parts) == 1:
        return parts[0]
    return phrase("($s)", r"\left($s\right)", "($s)", s=total(parts))
