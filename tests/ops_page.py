"""Writes tests/ops.md, the table of all operations, from the tables of rules: `python tests/ops_page.py`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, it finds the package and tests.*

from tests.cases import CASES, KINKS, title
from tests.cases.underflow import UNDERFLOW
from tests.rungs import RUNGS, reached
from tinygrad_lecture.engine.op import COMPOSED, METHODS, OPS, PLAIN, Op
from tinygrad_lecture.show.formula import formula, text_of

PAGE = Path(__file__).with_name("ops.md")

HEAD = """# Operations

What every function does with a Tensor. This page is written by `python tests/ops_page.py` from the tables in
`tinygrad_lecture/rules/`; a test keeps it current. Where no error arrives none is handed on (`⊙`: 0 · ∞ = 0).

`y` is the output, `err` the error that arrives. Options are static; any other argument of NumPy's (`out=`, `dtype=`,
`where=`, …) is refused with an error that says what to write.
"""

UNDERFLOWS = """Under `np.errstate(all="raise")` nothing is raised on the way back where a slope is finite and no
smaller than the smallest normal number, but underflow here, where the slope is right all the same.
"""

LADDER = """The orders of derivative that the tests compare on each rung, by oracles that share no code with the engine;
`tests/README.md` says where. Two rungs are the least, and one of them 4 or higher.
"""


def operations() -> dict[str, Op]:
    """Title → operation, of NumPy's and SciPy's functions and of our own."""
    everything = {title(fn): op for fn, op in OPS.items()}
    return {name: everything[name] for name in sorted(everything, key=str.lower)}


def arguments(op: Op) -> tuple[list[str], list[str]]:
    """The names of an operation's inputs and options."""
    if callable(op.signature):
        parameters = inspect.signature(op.signature).parameters.values()
        options = [p.name for p in parameters if p.default is not p.empty]
        inputs = ["*" * (p.kind is p.VAR_POSITIONAL) + p.name for p in parameters if p.default is p.empty]
        return inputs, options
    parts = op.signature.split(", ")
    return [p for p in parts if p[-1] not in "=!"], [p.rstrip("=").split("|")[0] for p in parts if p.endswith("=")]


def code(names: list[str]) -> str:
    return ", ".join(f"`{n.replace('|', ' or ')}`" for n in names)


def differentiable() -> Iterator[list[str]]:
    for name, op in operations().items():
        if not op.differentiable:
            continue
        inputs, options = arguments(op)
        n = len(op.slopes or op.rules or ()) or 1
        letters = [i.split("|")[0] for i in inputs]
        texts = [formula(op, k, "y", letters) if op.each is None else text_of(op.each) for k in range(n)]
        yield [f"`{name}`", code(inputs), code(options), "<br>".join(_cell(t) for t in texts)]


def _cell(text: str) -> str:
    return f"`{text.replace('|', '∣')}`" if text else "none"


def compositions() -> Iterator[list[str]]:
    for fn in sorted(COMPOSED, key=lambda fn: title(fn).lower()):
        other = COMPOSED[fn]
        if other in OPS or other in COMPOSED:
            yield [f"`{title(fn)}`", f"another name of `{title(other)}`"]
            continue
        doc = (inspect.getdoc(other) or "").split("\n\n")[0].replace("\n", " ").replace("|", "∣")
        yield [f"`{title(fn)}{_signature(other)}`", doc]


def _signature(fn: Callable[..., Any]) -> str:
    parameters = [p.replace(annotation=p.empty) for p in inspect.signature(fn).parameters.values()]
    return str(inspect.Signature(parameters)).replace("|", "∣")


def constants() -> Iterator[list[str]]:
    for name, op in operations().items():
        if not op.differentiable:
            yield [f"`{name}`", code(arguments(op)[1])]


def methods() -> Iterator[list[str]]:
    for (ufunc, method), fn in METHODS.items():
        doc = title(fn) if fn in OPS or fn in COMPOSED else (inspect.getdoc(fn) or "").split("\n")[0]
        yield [f"`np.{ufunc.__name__}.{method}`", doc]


def kinks() -> Iterator[list[str]]:
    for row in sorted(KINKS, key=lambda row: row.op.lower()):
        yield [f"`{row.op}`", row.where.replace("|", "∣"), row.value.replace("|", "∣")]


def underflow() -> Iterator[list[str]]:
    for name in sorted(UNDERFLOW, key=str.lower):
        yield [f"`{name}`", UNDERFLOW[name]]


def ladder() -> Iterator[list[str]]:
    for name in sorted(CASES, key=str.lower):
        yield [f"`{name}`", *(reached(name).get(rung, "") for rung in RUNGS)]


def table(head: list[str], rows: Iterator[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def page() -> str:
    """The whole page."""
    rows = list(differentiable())
    sections = [
        HEAD,
        f"## Differentiable: {len(rows)} operations\n",
        table(["operation", "inputs", "options", "slope or rule, per input"], iter(rows)),
        f"## Compositions of these: {len(COMPOSED)}\n",
        table(["function", "what it is"], compositions()),
        "## At the kinks\n",
        table(["operation", "where", "slope"], kinks()),
        "## Where slopes underflow\n",
        UNDERFLOWS,
        table(["operation", "what underflows"], underflow()),
        "## Piecewise constant: Tensors without gradient\n",
        table(["operation", "options"], constants()),
        "## Plain answers, and constants shaped like a Tensor\n",
        ", ".join(f"`{name}`" for name in sorted(title(fn) for fn in PLAIN)) + "\n",
        "## Methods of ufuncs\n",
        table(["method", "what it is"], methods()),
        "## The rungs of the ladder that each has reached\n",
        LADDER,
        table(["operation", *(f"{rung}: {oracle}" for rung, oracle in RUNGS.items())], ladder()),
    ]
    return "\n".join(sections)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
