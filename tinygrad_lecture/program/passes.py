"""Passes: each takes a program and gives one that computes the same values, to the last bit, with less work.

A pass is a small pure function Program → Program. None reassociates: what NumPy would have rounded is rounded alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
from numpy import signbit

from .memory import Layouts
from .program import Equation, Program, Spec, Var, library_names, substitute

Pass = Callable[[Program], Program]


def optimised(program: Program, layouts: Layouts | None = None) -> Program:
    """The program after all passes, in an order in which each finds what the ones before it left.

    layouts: as for `without_identities`.
    """
    for step in PASSES:
        program = without_identities(program, layouts) if step is without_identities else step(program)
    return program


def folded(program: Program) -> Program:
    """Constant folding: an equation that no input goes into is computed now, and becomes a constant."""
    constants: dict[Var, Any] = dict(program.constants)

    def fold(eq: Equation) -> Any:
        used = eq.vars()
        if not all(v in constants for v in used):
            return eq
        values = {v: constants[v] for v in used}
        args = [values[a] if type(a) is Var else a for a in eq.args]
        options = {k: substitute(o, lambda x: values.get(x, x) if type(x) is Var else x) for k, o in eq.options.items()}
        with np.errstate(all="ignore"):  # it has been told when it was recorded
            y = eq.op.forward(*args, **options)
        constants[eq.out] = y if isinstance(y, np.generic) else np.asarray(y)  # ** of scalars rounds otherwise
        return eq.out

    return replace(_rewritten(program, fold), constants=constants)


def without_identities(program: Program, layouts: Layouts | None = None) -> Program:
    """Exact algebra: x · 1, x / 1, x − 0, +x, casts, reshapes and broadcasts that change nothing, are x itself.

    layouts: where it is given, only if x also lies in memory as that does: NumPy adds what lies otherwise
    in another order, so that a sum of x may differ from a sum of +x in its last bit.
    """
    specs, names = program.specs(), library_names()

    def same(eq: Equation) -> Any:
        kept = _IDENTITIES.get(names.get(eq.op, ""))
        x = kept(eq, program) if kept else None
        if type(x) is not Var or specs[x] != Spec(eq.shape, eq.dtype):
            return eq
        return x if layouts is None or layouts[x] == layouts[eq.out] else eq

    return _rewritten(program, same)


def without_repeats(program: Program) -> Program:
    """Common subexpressions: of two equal constants, or equations of the same operation and inputs, one is left."""
    seen: dict[Any, Var] = {}
    known = {v: seen.setdefault(_key(c), v) for v, c in program.constants.items()}

    def once(eq: Equation) -> Any:
        key = (eq.op, tuple(map(_key, eq.args)), tuple((k, _key(v)) for k, v in sorted(eq.options.items())), eq.dtype)
        if key in seen:
            return seen[key]
        seen[key] = eq.out
        return eq

    return _rewritten(program, once, known)


def without_dead(program: Program) -> Program:
    """Dead code: equations and constants that no output depends on are left out."""
    wanted = {x for x in program.outputs if type(x) is Var}
    alive = []
    for eq in reversed(program.equations):
        if eq.out in wanted:
            alive.append(eq)
            wanted.update(eq.vars())
    constants = {v: c for v, c in program.constants.items() if v in wanted}
    return replace(program, equations=tuple(reversed(alive)), constants=constants)


PASSES: tuple[Pass, ...] = (without_dead, folded, without_identities, without_repeats, without_dead)
"""All passes in order."""


def as_recorded(function: Callable[..., Any], eq: Equation, specs: Mapping[Var, Spec]) -> Program | None:
    """The equations of a function, recorded on ones of the shapes of an equation's inputs."""
    from .record import record

    places = [i for i, a in enumerate(eq.args) if type(a) is Var]

    def f(*given: Any) -> Any:
        args = list(eq.args)
        for place, x in zip(places, given, strict=True):
            args[place] = x
        y = function(*args, **eq.options)
        return y.astype(eq.dtype) if y.dtype != eq.dtype else y

    given = [specs[eq.args[i]] for i in places]  # zeros for whole numbers, which are indices at times
    with np.errstate(all="ignore"):
        return record(f)(*[np.full(s.shape, s.dtype.kind == "f", s.dtype)[()] for s in given])


def written_out(
    program: Program,
    function_of: Callable[[Equation, Mapping[Var, Spec]], Callable[..., Any] | None],
    part_of: Callable[..., Program | None] = as_recorded,
) -> Program:
    """The program with operations written out as the equations of a function.

    function_of: an equation, what is known of all values → that function, or None; part_of: as `as_recorded`, None
    where it cannot be recorded.
    """
    number = count(1 + max((v.number for v in program.specs()), default=0))
    specs, constants = program.specs(), dict(program.constants)
    now: dict[Var, Any] = {}
    equations: list[Equation] = []
    for eq in program.equations:
        eq = _with(eq, now)
        function = function_of(eq, specs)
        part = None if function is None else part_of(function, eq, specs)
        if part is None:
            equations.append(eq)
            continue
        local: dict[Var, Any] = dict(zip(part.inputs, [a for a in eq.args if type(a) is Var], strict=True))
        for v, c in part.constants.items():
            local[v] = Var(next(number))
            constants[local[v]], specs[local[v]] = c, Spec(c.shape, c.dtype)
        for e in part.equations:
            local[e.out] = Var(next(number))
            equations.append(replace(_with(e, local), out=local[e.out]))
            specs[local[e.out]] = Spec(e.shape, e.dtype)
        now[eq.out] = _in(part.outputs[0], local)
    outputs = tuple(_in(x, now) for x in program.outputs)
    return replace(program, equations=tuple(equations), constants=constants, outputs=outputs)


def _in(x: Any, now: Mapping[Var, Any]) -> Any:
    return now.get(x, x) if type(x) is Var else x


def _with(eq: Equation, now: Mapping[Var, Any]) -> Equation:
    """The equation with other values in place of some that it reads."""
    options = {k: substitute(v, lambda x: _in(x, now)) for k, v in eq.options.items()}
    return replace(eq, args=tuple(_in(a, now) for a in eq.args), options=options)


def _rewritten(program: Program, change: Callable[[Equation], Any], known: dict[Var, Any] | None = None) -> Program:
    """The program in which each equation is what `change` makes of it: an equation, or the value that stands for it.

    known: other values that others stand for.
    """
    now: dict[Var, Any] = dict(known or {})
    equations = []
    for eq in program.equations:
        new = change(_with(eq, now))
        if type(new) is Equation:
            equations.append(new)
        else:
            now[eq.out] = new
    return replace(program, equations=tuple(equations), outputs=tuple(_in(x, now) for x in program.outputs))


def _number(x: Any, program: Program) -> float | None:
    """The one number that an operand holds, where that is known now."""
    x = program.constants.get(x) if type(x) is Var else x
    if isinstance(x, bool | int | float | np.generic) or (isinstance(x, np.ndarray) and x.shape == ()):
        return float(x)
    return None


def _where(*places: tuple[int, int, float]) -> Callable[[Equation, Program], Any]:
    """Operand i where operand k is the number c, for the first of these triples that fits."""

    def kept(eq: Equation, program: Program) -> Any:
        for i, k, c in places:
            number = _number(eq.args[k], program) if len(eq.args) > max(i, k) else None
            if number == c and not signbit(number):
                return eq.args[i]
        return None

    return kept


def _first(eq: Equation, program: Program) -> Any:
    return eq.args[0]


_ONE = _where((0, 1, 1.0), (1, 0, 1.0))
_IDENTITIES: dict[str, Callable[[Equation, Program], Any]] = {
    "positive": _first,
    "cast": _first,
    "detach": _first,
    "broadcast_to": _first,
    "reshape": _first,
    "multiply": _ONE,
    "odot": _ONE,
    "divide": _where((0, 1, 1.0)),
    "pow": _where((0, 1, 1.0)),
    "power": _where((0, 1, 1.0)),
    "subtract": _where((0, 1, 0.0)),  # x + 0 is not x where x is −0
    "bitwise_or": _where((0, 1, 0.0), (1, 0, 0.0)),
    "bitwise_and": _where((1, 1, 0.0), (0, 0, 0.0)),
}


def _key(x: Any) -> Any:
    """What two equal operands or options share: arrays by their bytes, numbers by type and text (0.0 is not −0.0)."""
    if isinstance(x, tuple | list):
        return (type(x), tuple(map(_key, x)))
    if isinstance(x, slice):
        return (slice, _key(x.start), _key(x.stop), _key(x.step))
    if isinstance(x, np.ndarray) and not x.dtype.hasobject:
        return (x.dtype.str, x.shape, x.strides, x.tobytes())
    if x is None or isinstance(x, bool | int | float | str | np.generic | np.dtype | type):
        return (type(x), repr(x))
    return x if isinstance(x, Var) else (type(x), id(x))  # what a text does not show may differ
