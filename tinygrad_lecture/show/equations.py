"""The equations of a network, as text and as LaTeX: the steps of its local algorithm, written as mathematics."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from .algorithm import Algorithm, algorithm
from .functions import activation_of, loss_of
from .steps import Step

MEANINGS = {
    "backward ↓": "err_j = ∂E_t/∂out_j, δ_j = ∂E_t/∂in_j",
    "gradient ↑ · ↓": "∂W = ∂E/∂W",
}
"""Phase → what its letters stand for."""


@dataclass(frozen=True)
class Equations:
    """The equations of one network and one loss, with the names and numbers of its algorithm.

    They are those of one pattern t of T, with columns; of shared weights the gradient sums over all uses, and blocked
    connectors are left out. Prints as text; notebooks show the LaTeX. algorithm: the steps that are written here.
    Source: C1, C4, C6.
    """

    algorithm: Algorithm

    @property
    def text(self) -> str:
        """The equations in plain Unicode, by phase, each with the number of its step."""
        wide = max(len(step.writes) for step in self.algorithm)
        lines = []
        for phase, steps in groupby(self.algorithm, key=lambda step: step.phase):
            meaning = f":  {MEANINGS[phase]}" if phase in MEANINGS else ""
            lines.append(f"{phase}{meaning}")
            lines += [f"{f'({s.number})':>6}  {s.writes:>{wide}} = {s.value.text}" for s in steps]
        if says := self._says(latex=False):
            lines += ["where", *(f"{'':8}{line}" for line in says)]
        if idle := self.algorithm.idle:
            lines.append(f"no error arrives at {', '.join(idle)}, so that they stay as they are")
        return "\n".join(lines)

    @property
    def latex(self) -> str:
        r"""The equations as one `align` environment of LaTeX, each tagged with the number of its step."""
        lines = [_tagged(step) for step in self.algorithm]
        lines += [rf"& {line} \notag" for line in self._says(latex=True)]
        body = " \\\\\n".join(lines)
        return f"\\begin{{align}}\n{body}\n\\end{{align}}"

    def _says(self, latex: bool) -> list[str]:
        """What the functions in the equations are."""
        functions = [activation_of(name) for name in self.algorithm.activations]
        said = [(f.says, f.latex_says) for f in functions]
        loss = loss_of(self.algorithm.loss)
        return [line[latex] for line in (*said, (loss.says, loss.latex_says)) if line[latex]]

    def _repr_latex_(self) -> str:
        return self.latex

    def __str__(self) -> str:
        return self.text


def equations(net: Any, loss: str = "squared_error") -> Equations:
    """The equations of a network: what its clusters compute, how the error flows back, how its weights change.

    net: a Network; loss: the name of the error that it lowers. They are the steps of `algorithm`, with the same names
    and numbers. Raises ValueError as `algorithm` does. Source: C1, C4, C6.
    """
    return Equations(algorithm(net, loss))


def _tagged(step: Step) -> str:
    return rf"{step.latex} \tag{{{step.number}}}"
