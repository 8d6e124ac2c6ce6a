"""Which of the two runners runs a program, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .c.build import NoCompilerError
from .c.plan import NoFormError
from .numpy_runner import NumpyRunner
from .program import Program, Var

RUNNERS = ("auto", "C", "NumPy")
"""How a runner can be asked for: C where it can be had, C or an error, NumPy."""


class CannotCompileError(RuntimeError):
    """C was asked for, and cannot be had; the text says why."""


def runner(program: Program, written: Sequence[int], wanted: str, halt: int | None = None) -> tuple[Any, str]:
    """The runner of a program, and why it is not C where it is not.

    written: the numbers of the outputs that it computes; wanted: one of RUNNERS; halt: as for `CRunner`.
    Raises CannotCompileError where C was asked for and cannot be had.
    """
    if wanted == "NumPy":
        return NumpyRunner(program, written, halt), "NumPy was asked for"
    from .c.runner import CRunner

    try:
        return CRunner(program, written, halt), ""
    except NoFormError as error:
        why = f"C has no form for {error}"
    except NoCompilerError as error:
        why = str(error)
    if wanted == "C":
        raise CannotCompileError(f"{program.name} cannot run as C: {why}")
    return NumpyRunner(program, written, halt), why


def computed(program: Program) -> list[int]:
    """The numbers of the outputs that equations compute: neither inputs, nor constants, nor plain numbers."""
    known = {*program.inputs, *program.constants}
    return [i for i, x in enumerate(program.outputs) if type(x) is Var and x not in known]
