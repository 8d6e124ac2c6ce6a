"""What a gradient check found, and how it prints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


class GradcheckError(AssertionError):
    """A gradient that its check did not confirm; the text is the table of the check."""


@dataclass(frozen=True, slots=True)
class Element:
    """One derivative: what the engine says, what the highest rung says, and whether these agree.

    tolerance was computed before the two were compared. rung is the highest rung passed, "" for none. verdict is
    "ok", "wrong", "kink" (the derivative jumps here), "jump" (the function does), "unclear" (no rung can tell) or
    "not finite"; diagnosis says what that means, "" where all is well.
    """

    name: str
    order: int
    automatic: float
    numeric: float
    tolerance: float
    rung: str
    verdict: str
    diagnosis: str = ""

    @property
    def relative_error(self) -> float:
        """|automatic − numeric| / max(|automatic|, |numeric|), 0 where both are 0."""
        scale = max(abs(self.automatic), abs(self.numeric))
        return abs(self.automatic - self.numeric) / scale if scale else 0.0

    @property
    def error_over_tolerance(self) -> float:
        """|automatic − numeric| / tolerance: up to 1 the derivative holds."""
        error = abs(self.automatic - self.numeric)
        return error / self.tolerance if self.tolerance else (np.inf if error else 0.0)


@dataclass(frozen=True, slots=True)
class GradcheckResult:
    """What a gradient check found: truthy when every derivative holds; prints as a table.

    notes: what else is to be known: rungs that were not possible and why, shapes that were silently broadcast.
    """

    function: str
    elements: tuple[Element, ...]
    unchecked: tuple[str, ...]
    weighted: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return all(e.verdict == "ok" for e in self.elements)

    @property
    def worst(self) -> Element:
        """The element furthest beyond its tolerance."""
        return max(self.elements, key=_badness)

    @property
    def diagnoses(self) -> dict[str, int]:
        """What is the matter → with how many derivatives, the most frequent first."""
        found = [e.diagnosis for e in self.elements if e.diagnosis]
        return {text: found.count(text) for text in sorted(set(found), key=lambda t: (-found.count(t), t))}

    def __str__(self) -> str:
        """The failing elements first, the worst at the top, 20 at most; then diagnoses, and what was not checked."""
        shown = sorted(self.elements, key=_badness, reverse=True)[:20]
        width = max(len("element"), *(len(_title(e)) for e in shown))
        head = f"{'element':<{width}}  {'automatic':>13}  {'numeric':>13}  {'rel. error':>10}  {'err/tol':>7}"
        lines = [f"{head}  {'rung':<10}  verdict"]
        lines += [
            f"{_title(e):<{width}}  {e.automatic:>13.7g}  {e.numeric:>13.7g}  {e.relative_error:>10.1e}  "
            f"{e.error_over_tolerance:>7.1g}  {e.rung or '-':<10}  {e.verdict}"
            for e in shown
        ]
        if len(self.elements) > len(shown):
            lines.append(f"… and {len(self.elements) - len(shown)} more, none of them worse")
        lines += [f"{text} ({n} of {len(self.elements)})" for text, n in list(self.diagnoses.items())[:5]]
        lines += [f"not checked, not floating: {name}" for name in self.unchecked]
        lines += self.notes
        if self.weighted:
            lines.append(
                f"{self.function} returns shape {self.weighted}: the derivatives are those of Σ v f, v random signed"
            )
        return "\n".join([self.summary(), *lines])

    def summary(self) -> str:
        """One line: how many hold, and which element is worst."""
        bad = sum(e.verdict != "ok" for e in self.elements)
        if not bad:
            return f"gradcheck of {self.function}: {len(self.elements)} derivatives hold"
        w = self.worst
        return (
            f"gradcheck of {self.function}: {bad} of {len(self.elements)} derivatives do not hold; "
            f"worst {_title(w)}: {w.verdict}, automatic {w.automatic:.7g}, numeric {w.numeric:.7g}"
        )


def _badness(e: Element) -> float:
    """How far an element is beyond its tolerance; what could not be judged comes right after what is wrong."""
    if e.verdict == "not finite":
        return float("inf")
    beyond = e.error_over_tolerance
    return {"ok": 0.0, "wrong": 1e19}.get(e.verdict, 1e16) + min(beyond, 1e18) if not np.isnan(beyond) else 1e17


def _title(e: Element) -> str:
    return e.name if e.order == 1 else f"order {e.order}: {e.name}"
