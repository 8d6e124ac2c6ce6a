"""A recorded function as data: values, equations over NumPy functions, and the program they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.op import OPS, Op
from ..engine.tree import Rebuild, flatten, form, paths, tree_map
from ..engine.values import must_be_plain


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

    def vars(self) -> list[Var]:
        """The values that it reads, those in its options too: an index holds some."""
        found = [a for a in self.args if type(a) is Var]
        for option in self.options.values():
            if isinstance(option, tuple | list | np.ndarray | Var):
                found += [x for x in flatten(option)[0] if type(x) is Var]
        return found

    def __repr__(self) -> str:
        given = [short(a) for a in self.args] + [f"{k}={short(v)}" for k, v in self.options.items()]
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
    origins: tuple[tuple[Any, int, np.ndarray], ...] = field(default=(), repr=False, compare=False)
    """Arrays and leaves that it was made from, as far as they are known, each with its stamp and its values then."""
    form: Any = field(default=None, repr=False, compare=False)
    """The form of its arguments, None where a file has told no more of it than the paths."""
    loses: bool = field(default=False, repr=False, compare=False)
    """Whether an output depends on a Tensor that requires a gradient, which arrays do not carry on."""

    def specs(self) -> dict[Var, Spec]:
        """Shape and dtype of every value."""
        found = dict(zip(self.inputs, (s for s in self.static if type(s) is Spec), strict=True))
        found |= {v: Spec(c.shape, c.dtype) for v, c in self.constants.items()}
        return found | {eq.out: Spec(eq.shape, eq.dtype) for eq in self.equations}

    def __call__(self, *args: Any) -> Any:
        """Run the program. Raises ValueError for arguments of another form, shape or dtype."""
        leaves, _ = flatten(list(args))
        where = tuple(paths(list(args)))
        static = tuple(static_key(a) for a in leaves)
        if where != self.paths or static != self.static or self.form not in (None, form(args)):
            raise ValueError(_mismatch(self, where, static))
        values: dict[Var, Any] = dict(self.constants)
        values.update(zip(self.inputs, (a for a in leaves if is_array(a)), strict=True))

        def value(x: Any) -> Any:
            return values[x] if type(x) is Var else x

        for eq in self.equations:
            options = {k: substitute(v, value) for k, v in eq.options.items()}
            values[eq.out] = eq.op.forward(*[value(a) for a in eq.args], **options)
        return self.rebuild([value(x).copy() if x in self.constants else value(x) for x in self.outputs])

    def explain(self) -> str:
        """The program before and after the passes of `passes`, and the bytes and operations that each of them saves."""
        from .explain import explained

        return explained(self)

    def save(self, path: str | Path) -> None:
        """Write the program into a file, whole or not at all, which `Program.load` reads; never pickled.

        path: ends in .npz, or .safetensors. Raises TypeError for a function of one's own in it, which no file can hold.
        Source: C4.
        """
        from ..nn.files import write
        from .saving import described

        info, arrays = described(self)
        write(path, arrays, {"kind": "program", "program": info})

    @classmethod
    def load(cls, path: str | Path) -> Program:
        """The program that `save` wrote. Raises DamagedFile for whatever is not as it was written. Source: C4."""
        from ..nn.files import DamagedFile, read
        from .saving import made_again

        arrays, info = read(path)
        if info.get("kind") != "program":
            raise DamagedFile(path, f"it holds no program, but a {info.get('kind')}")
        try:
            return made_again(info["program"], arrays)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            raise DamagedFile(path, f"no program can be made of it ({type(error).__name__}: {error})") from error

    def __str__(self) -> str:
        """One equation a line, with shapes and dtypes."""
        head = f"{self.name}({', '.join(map(str, self.inputs))})"
        arrays = [(p, s) for p, s in zip(self.paths, self.static, strict=True) if type(s) is Spec]
        given = [
            f"  {v}: {s.dtype}{list(s.shape)} = argument {p}" for v, (p, s) in zip(self.inputs, arrays, strict=True)
        ]
        constants = [f"  {v}: {c.dtype}{list(c.shape)} = constant {short(c)}" for v, c in self.constants.items()]
        body = [f"  {eq!r}" for eq in self.equations]
        return "\n".join([head, *given, *constants, *body, f"  return {', '.join(short(x) for x in self.outputs)}"])


@dataclass(frozen=True, slots=True)
class Spec:
    """What a program asks of an array argument."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"an array of shape {self.shape} and dtype {self.dtype}"


@dataclass(frozen=True, slots=True)
class Static:
    """A static number or text: the same one has the same type, and prints alike (so NaN is NaN, and 0.0 not −0.0)."""

    kind: type
    text: str

    def __str__(self) -> str:
        return f"the static {self.kind.__name__} {self.text}"


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Another static argument, a function or net for example: the same one is the same object."""

    value: Any

    @property
    def kind(self) -> type:
        """Its class."""
        return type(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)

    def __str__(self) -> str:
        return f"the static {self.kind.__name__} {self.value!r}"


_PRINTED = (bool, int, float, complex, str, bytes, type(None), np.dtype, slice, range, type(...))
"""Static arguments that are the same where they print alike."""


def is_array(a: Any) -> bool:
    """Whether an argument is an input of a program; everything else is static."""
    return isinstance(a, np.ndarray | np.generic)


def static_key(a: Any) -> Any:
    """What an argument must agree in with the one that was recorded. Raises TypeError for what has a mask to lose."""
    must_be_plain(a, "an argument")
    if is_array(a):
        return Spec(a.shape, a.dtype)
    return Static(type(a), repr(a)) if isinstance(a, _PRINTED) else Held(a)


def substitute(option: Any, fn: Callable[[Any], Any]) -> Any:
    """An option with every Tensor or variable in it replaced; an index holds some."""
    return tree_map(fn, option) if isinstance(option, tuple | list | np.ndarray | Var) else option


def short(x: Any) -> str:
    """A value as it is printed: a large array by its ends."""
    if isinstance(x, np.ndarray):
        return np.array2string(x, threshold=4, edgeitems=1, precision=4, separator=",").replace("\n", "")
    return repr(x)


def library_names() -> dict[Op, str]:
    """Operation → name, of NumPy's functions and our own: a user's function may be called like one of them."""
    return {op: op.name for op in OPS.values()}


def _mismatch(program: Program, where: tuple[str, ...], static: tuple[Any, ...]) -> str:
    """Which argument differs from what the program was recorded with."""
    for path, now, path_then, then in zip(where, static, program.paths, program.static, strict=False):
        if path != path_then or now != then:
            return f"{program.name} was recorded with {then} as argument {path_then}, not with {now} as {path}"
    if len(where) != len(program.paths):
        return f"{program.name} was recorded with {len(program.paths)} arguments, not {len(where)}"
    return f"{program.name} was recorded with the same arrays in other containers, or with None at other places"
