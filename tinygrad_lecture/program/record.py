"""Recording: a function is run once on Tensors, and every operation is written down as an equation.

Whatever is computed from an array given as an argument is recorded: masks, indices and counts,
the backward pass and the update too, since rules are plain NumPy code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from ..engine.op import Op
from ..engine.recording import Tape, enclosed
from ..engine.tensor import Tensor, leaf, next_stamp
from ..engine.tree import Rebuild, flatten, paths, tree_map
from ..engine.values import owned
from ..transforms import must_call

INPUT = Op("input")


class Var:
    """The value number `number` of a program: an input, a constant, or what an equation computed."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Var) and other.number == self.number

    def __hash__(self) -> int:
        return hash(self.number)

    def __repr__(self) -> str:
        return f"v{self.number}"


@dataclass(frozen=True, slots=True)
class Equation:
    """out = op(*args, **options), with the shape and dtype that out had when it was recorded."""

    out: Var
    op: Op
    args: tuple[Any, ...]
    options: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __repr__(self) -> str:
        given = [_short(a) for a in self.args] + [f"{k}={_short(v)}" for k, v in self.options.items()]
        return f"{self.out}: {self.dtype}{list(self.shape)} = {self.op.name}({', '.join(given)})"


@dataclass(frozen=True)
class Program:
    """A recorded function: its inputs, its constants, its equations in order, its outputs.

    Called with arguments of the recorded form, shapes and dtypes, it runs the equations. Python
    numbers among the arguments are static: they must be what they were when it was recorded.
    """

    name: str
    inputs: tuple[Var, ...]
    paths: tuple[str, ...]
    static: tuple[Any, ...]
    constants: dict[Var, np.ndarray]
    equations: tuple[Equation, ...]
    outputs: tuple[Any, ...]
    rebuild: Rebuild

    def __call__(self, *args: Any) -> Any:
        """Run the program. Raises ValueError for arguments of another form, shape or dtype."""
        leaves, _ = flatten(list(args))
        where = tuple(paths(list(args)))
        static = tuple(_static_key(a) for a in leaves)
        if where != self.paths or static != self.static:
            raise ValueError(_mismatch(self, where, static))
        values: dict[Var, Any] = dict(self.constants)
        values.update(zip(self.inputs, (a for a in leaves if _is_array(a)), strict=True))

        def value(x: Any) -> Any:
            return values[x] if x.__class__ is Var else x

        for eq in self.equations:
            options = {k: _substitute(v, value) for k, v in eq.options.items()}
            values[eq.out] = eq.op.forward(*[value(a) for a in eq.args], **options)
        return self.rebuild([value(x).copy() if x in self.constants else value(x) for x in self.outputs])

    def __str__(self) -> str:
        """One equation a line, with shapes and dtypes."""
        head = f"{self.name}({', '.join(map(str, self.inputs))})"
        arrays = [(p, s) for p, s in zip(self.paths, self.static, strict=True) if s.__class__ is _Spec]
        given = [
            f"  {v}: {s.dtype}{list(s.shape)} = argument {p}" for v, (p, s) in zip(self.inputs, arrays, strict=True)
        ]
        constants = [f"  {v}: {c.dtype}{list(c.shape)} = constant {_short(c)}" for v, c in self.constants.items()]
        body = [f"  {eq!r}" for eq in self.equations]
        return "\n".join([head, *given, *constants, *body, f"  return {', '.join(_short(x) for x in self.outputs)}"])


@dataclass(frozen=True, slots=True)
class _Spec:
    """What a program asks of an array argument."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"an array of shape {self.shape} and dtype {self.dtype}"


@dataclass(frozen=True, slots=True)
class _Static:
    """A static argument: the same one has the same type, and prints alike (so NaN is NaN, and 0.0 not −0.0)."""

    kind: type
    text: str

    def __str__(self) -> str:
        return f"the static {self.kind.__name__} {self.text}"


def record(f: Callable[..., Any]) -> Callable[..., Program]:
    """The recorder of f: called with example arguments, it gives a Program that computes f for others like them.

    f: plain NumPy code, with transforms inside if wanted. Arrays among its arguments, nested in
    containers or not, are inputs; arrays it only refers to are copied as constants.
    Raises TypeError, naming the line, where f branches on, converts, or writes into what was recorded.
    Source: C4, the local algorithm as a list of steps.

    >>> print(record(lambda x: np.tanh(x) * 2.0)(np.float64(0.5)))
    <lambda>(v0)
      v0: float64[] = argument [0]
      v1: float64[] = tanh(v0)
      v2: float64[] = multiply(v1, 2.0)
      return v2
    """
    must_call(f, "record")

    def recorded(*example: Any) -> Program:
        leaves, rebuild = flatten(list(example))
        if any(a.__class__ is Tensor for a in leaves):
            raise TypeError("record takes arrays as example arguments, not Tensors; pass t.numpy()")
        tape = Tape(next_stamp())
        with enclosed(tape):
            given = [leaf(owned(a), needs=False, op=INPUT) if _is_array(a) else a for a in leaves]
            tape.stamps.update(t.stamp for t in given if t.__class__ is Tensor)
            result = f(*rebuild(given))
            outputs, rebuild_result = flatten(result)
            tape.derived(outputs)
        number = count()
        names: dict[int, Var] = {t.stamp: Var(next(number)) for t in given if t.__class__ is Tensor}
        inputs = tuple(names.values())
        constants: dict[Var, np.ndarray] = {}

        def reference(x: Any) -> Any:
            if x.__class__ is Tensor and x.stamp in names:
                return names[x.stamp]
            if x.__class__ is Tensor or x.__class__ is np.ndarray:
                v = Var(next(number))
                constants[v] = owned(np.asarray(x._data if x.__class__ is Tensor else x))
                return v
            return x

        equations = []
        for t in tape.nodes:
            assert t.op is not None
            args = tuple(reference(x) for x in t.inputs)
            options = {k: _substitute(v, reference) for k, v in t.options.items()}
            names[t.stamp] = Var(next(number))
            equations.append(Equation(names[t.stamp], t.op, args, options, t.shape, t.dtype))
        return Program(
            name=getattr(f, "__name__", "f"),
            inputs=inputs,
            paths=tuple(paths(list(example))),
            static=tuple(_static_key(a) for a in leaves),
            constants=constants,
            equations=tuple(equations),
            outputs=tuple(reference(x) for x in outputs),
            rebuild=rebuild_result,
        )

    return recorded


def _is_array(a: Any) -> bool:
    return isinstance(a, np.ndarray | np.generic)


def _static_key(a: Any) -> Any:
    return _Spec(a.shape, a.dtype) if _is_array(a) else _Static(type(a), repr(a))


def _substitute(option: Any, fn: Callable[[Any], Any]) -> Any:
    """An option with every Tensor or variable in it replaced; an index holds some."""
    return tree_map(fn, option) if isinstance(option, tuple | list | np.ndarray | Var) else option


def _short(x: Any) -> str:
    if isinstance(x, np.ndarray):
        return np.array2string(x, threshold=4, edgeitems=1, precision=4, separator=",").replace("\n", "")
    return repr(x)


def _mismatch(program: Program, where: tuple[str, ...], static: tuple[Any, ...]) -> str:
    """Which argument differs from what the program was recorded with."""
    for path, now, path_then, then in zip(where, static, program.paths, program.static, strict=False):
        if path != path_then or now != then:
            return f"{program.name} was recorded with {then} as argument {path_then}, not with {now} as {path}"
    return f"{program.name} was recorded with {len(program.paths)} arguments, not {len(where)}"
