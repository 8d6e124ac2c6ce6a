"""The quantities of a network by name, and terms made of them: each as text, in LaTeX and in NumPy code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from keyword import iskeyword
from string import Template

ONE = "one"
"""The cluster that is always 1: a connector from it is a bias."""


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a formula.

    text: as plain Unicode; latex: as LaTeX; code: as a NumPy expression; reads: the names of the quantities in it, each
    once, in the order in which they appear.
    """

    text: str
    latex: str
    code: str
    reads: tuple[str, ...] = ()


def phrase(text: str, latex: str, code: str, **terms: Term) -> Term:
    r"""The term that three templates give, in which $a stands for the term a.

    text, latex, code: the templates; terms: what stands for each name in them.

    >>> phrase("$a ⊙ $b", r"$a \odot $b", "$a * $b", a=Term("x", "x", "x", ("x",)), b=Term("2", "2", "2.0")).code
    'x * 2.0'
    """
    return Term(
        Template(text).substitute({key: t.text for key, t in terms.items()}),
        Template(latex).substitute({key: t.latex for key, t in terms.items()}),
        Template(code).substitute({key: t.code for key, t in terms.items()}),
        union(t.reads for t in terms.values()),
    )


def total(terms: Iterable[Term]) -> Term:
    """The sum of at least one term; one without a text is seen in the code alone."""
    several = list(terms)
    return Term(
        " + ".join(t.text for t in several if t.text),
        " + ".join(t.latex for t in several if t.latex),
        " + ".join(t.code for t in several),
        union(t.reads for t in several),
    )


def union(reads: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The names in all of these, each once, in the order in which they first appear."""
    return tuple(dict.fromkeys(name for names in reads for name in names))


PREFIXES = {
    "in": ("in_", r"\mathrm{in}", "in_"),
    "out": ("out_", r"\mathrm{out}", "out_"),
    "err": ("err_", r"\mathrm{err}", "err_"),
    "delta": ("δ_", r"\delta", "delta_"),
    "tar": ("tar_", r"\mathrm{tar}", "tar_"),
}
"""Kind of quantity of a cluster → how its name begins as text, in LaTeX, in code."""

T = Term("T", "T", "T", ("T",))
ETA = Term("η", r"\eta", "eta", ("η",))
E = Term("E", "E", "E", ("E",))


@dataclass(frozen=True)
class Names:
    """What the quantities of one network are called, everywhere that it is shown.

    Cluster j has in_j, out_j, err_j (the error that arrives at out_j), δ_j (that at in_j), and an output tar_j; weights
    W have ∂W, the gradient ∂E/∂W, and ΔW, the update. `of_cluster` and `of_weights` give the terms.
    clusters, weights: their names in the network. Raises ValueError for weights that are called like another quantity.
    """

    clusters: tuple[str, ...]
    weights: tuple[str, ...]
    terms: dict[tuple[str, str], Term] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        terms: dict[tuple[str, str], Term] = {}
        # spoken for: what the expressions themselves mention, and Python's own words, which end in no such name
        taken = {"np", "T", "eta", "E"}
        for name in self.clusters:
            for kind, (text, latex, code) in PREFIXES.items():
                called = f"{text}{name}"
                terms[kind, name] = Term(
                    called, f"{latex}_{{{_upright(name)}}}", _identifier(f"{code}{name}", taken), (called,)
                )
        for name in self.weights:
            symbol = _symbol(name)
            terms["w", name] = Term(name, symbol, _identifier(name, taken), (name,))
            gradient, update = f"∂{name}", f"Δ{name}"
            terms["gradient", name] = Term(
                gradient, rf"\frac{{\partial E}}{{\partial {symbol}}}", _identifier(f"g_{name}", taken), (gradient,)
            )
            terms["update", name] = Term(update, rf"\Delta {symbol}", _identifier(f"Delta_{name}", taken), (update,))
        seen = {"T", "η", "E"}
        for (kind, name), term in terms.items():
            if term.text in seen:
                raise ValueError(
                    f"the {'weights' if kind in ('w', 'gradient', 'update') else 'cluster'} {name!r}: another quantity "
                    f"of the network is called {term.text!r} already; give it another name, as in weights='W1'"
                )
            seen.add(term.text)
        object.__setattr__(self, "terms", terms)

    def of_cluster(self, kind: str, name: str) -> Term:
        """The quantity of a cluster: kind "in", "out", "err", "delta" or "tar"; name: of the cluster."""
        return self.terms[kind, name]

    def of_weights(self, kind: str, name: str) -> Term:
        """The weights themselves, kind "w", their "gradient" or their "update"; name: of the weights."""
        return self.terms[kind, name]

    def identifiers(self) -> dict[str, str]:
        """What each quantity is called in code, by its name."""
        fixed = {term.text: term.code for term in (T, ETA, E)}
        return fixed | {term.text: term.code for term in self.terms.values()}


def _identifier(name: str, taken: set[str]) -> str:
    """An ASCII name for code that none has taken yet: other characters become _, a number tells equal ones apart."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name.replace("δ", "delta")).strip("_") or "w"
    if plain[0].isdigit() or iskeyword(plain):
        plain = f"w_{plain}"
    found, number = plain, 2
    while found in taken:
        found, number = f"{plain}_{number}", number + 1
    taken.add(found)
    return found


SPECIAL = {"\\": r"\backslash ", "^": r"\wedge ", "~": r"\sim ", " ": r"\ "} | {c: f"\\{c}" for c in "_&%$#{}"}


def _upright(name: str) -> str:
    return rf"\mathrm{{{''.join(SPECIAL.get(c, c) for c in name)}}}"


def _symbol(weights: str) -> str:
    """W1 as W₁ in italics, any other name upright."""
    parts = re.fullmatch(r"([A-Za-z])_?([0-9]*)", weights)
    if parts is None:
        return _upright(weights)
    letter, number = parts.groups()
    return f"{letter}_{{{number}}}" if number else letter
