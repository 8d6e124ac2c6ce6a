"""A program as the text of a Python function: NumPy calls on buffers that were made before.

`bound(inputs…, outputs…, buffers)` makes, once, everything that does not depend on values: constants, buffers, views.
It is given what views are made of; what is used as a whole comes with each step. It returns `step(inputs…, outputs…)`,
which computes, and `once(inputs)`, which copies what must lie in its place, steps, and returns the outputs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from math import prod
from textwrap import indent
from types import CodeType
from typing import Any

import numpy as np

from ..rules.trigonometric import silent_cosh
from .memory import Layouts, contiguous, new
from .numpy_forms import FORMS, basic, is_scalar, plain_number, ufunc, without_lost
from .numpy_places import Places
from .program import Equation, Program, Spec, Var, library_names

_REDUCERS = (np.add, np.multiply, np.maximum, np.minimum)


class Writer:
    """Writes the text for one program and one layout of its values.

    views: which values are views, as NumPy made them; written: the numbers of the outputs that it computes.
    """

    def __init__(self, program: Program, written: Sequence[int], layouts: Layouts, views: frozenset[Var]) -> None:
        self.program, self.written, self.layouts = program, list(written), layouts
        self.specs: dict[Var, Spec] = program.specs()
        self.known: dict[str, Any] = {
            name: getattr(np, name) for name in ("add", "array", "copyto", "multiply", "ndarray", "square")
        }
        self.known |= {f.__name__: f for f in (without_lost, silent_cosh, new)}
        self.known |= {repr(v): np.asarray(c) for v, c in program.constants.items()}
        self._step: list[str] = []
        self._once: list[str | Var] = []  # a value stands for the line that makes its buffer
        self._n_views = 0
        self._numbers: dict[str, str] = {}
        self._fixed = {*program.inputs, *program.constants}  # what is there before the first step
        self.holds: dict[Var, tuple[Var, ...]] = {}  # value → buffers, named after values, that it lies in
        self.over: dict[Var, tuple[Var, ...]] = {}  # buffer → operands that it may overwrite
        self.inside: dict[Var, tuple[Var, int]] = {}
        self._results = {x for x in program.outputs if type(x) is Var}
        self._met_by_arrays = self._readers()
        self._loose: set[Var] = set()  # numbers that lie in no buffer
        self._names = library_names()
        self._forwards = {op.forward for op in self._names} | set(_REDUCERS)
        for eq in program.equations:
            self._equation(eq, eq.out in views)
        self._finish()

    # what forms ask for
    def name(self, x: Var) -> str:
        """The name of a value."""
        return repr(x)

    def line(self, text: str) -> None:
        """One more line of each step."""
        self._step.append(text)

    def once(self, text: str) -> None:
        """One more line of what is done once."""
        self._once.append(text)

    def literal(self, x: Any) -> str:
        """Something static as Python writes it, variables in it by their names; else a name for it."""
        if isinstance(x, tuple | list):
            parts = [self.literal(i) for i in x]
            return f"({', '.join(parts)}{',' * (len(parts) == 1)})" if isinstance(x, tuple) else f"[{', '.join(parts)}]"
        if type(x) is Var:
            return self._value(x)
        if x is None or x is Ellipsis or type(x) in (bool, int, str) or (type(x) is float and math.isfinite(x)):
            return "..." if x is Ellipsis else repr(x)
        return self._named(x)

    def index(self, index: tuple[Any, ...], shape: tuple[int, ...] = (1,)) -> str:
        """A basic index as Python writes it; with … where one element would come out as a scalar."""
        parts = [_slice(i) if type(i) is slice else self.literal(i) for i in index]
        return ", ".join(parts if parts and (shape or Ellipsis in index) else [*parts, "..."])

    def function(self, fn: Callable[..., Any], name: str = "") -> str:
        """The name of a function."""
        name = name or fn.__name__
        if fn not in self._forwards or not name.isidentifier():
            name = re.sub(r"\W", "_", f"{name}_")  # a user's may be called anything; no value's name ends like this
        while self.known.setdefault(name, fn) is not fn:
            name += "_"
        return name

    def number(self, x: Any, dtype: np.dtype[Any]) -> str:
        """The name of an array of one number: NumPy would make it anew at each call from a Python number."""
        text = f"array({float(x)!r}, {dtype.name!r})"
        return self._numbers.setdefault(text, f"c{len(self._numbers)}")

    def operand(self, x: Any, eq: Equation) -> str:
        """An operand of a ufunc."""
        if type(x) is Var:
            return repr(x)
        kinds = {self.specs[a].dtype for a in eq.args if type(a) is Var}
        if len(kinds) == 1 and plain_number(x, *kinds) and (type(x) is float or _of_one_dtype(eq.op.forward)):
            return self.number(x, *kinds)
        return self.literal(x)

    def is_scalar(self, eq: Equation) -> bool:
        """Whether an equation is arithmetic of single numbers."""
        return is_scalar(eq, self.specs)

    def number_line(self, eq: Equation, text: str) -> None:
        """The line of one number; an output, or what arrays are combined with, goes into a buffer."""
        if eq.out in self._results or self._met_by_arrays[eq.out]:
            self.line(f"{self.buffer(eq)}[()] = {text}")
        else:
            self.line(f"{eq.out} = {text}")
            self._loose.add(eq.out)

    def scalar(self, x: Any) -> str:
        """An operand as one number."""
        if type(x) is Var:
            return f"{x}[()]" if self._bound(x) else repr(x)
        return repr(x) if x >= 0 else f"({x!r})"

    def contiguous(self, x: Var) -> bool:
        """Whether the elements of a value follow each other."""
        return self.layouts[x] in (None, contiguous(self.specs[x]))

    def buffer(self, eq: Equation, over: Sequence[Any] = ()) -> str:
        """The buffer of what an equation computes; it may lie where one of the operands `over` lay."""
        if eq.out not in self.holds:
            self._once.append(eq.out)
            self.holds[eq.out] = (eq.out,)
            self.over[eq.out] = tuple(a for a in over if type(a) is Var)
        return repr(eq.out)

    def view(self, x: Var, how: str) -> str:
        """A view that is made once, of a value that lies in one place and is contiguous; empty for any other."""
        if not self._bound(x) or not self.contiguous(x):
            return ""
        self._n_views += 1
        name = f"{x}_{self._n_views}"
        self.once(f"{name} = {x}{how}")
        return name

    def put_inside(self, a: Var, eq: Equation, axis: int, at: int) -> bool:
        """Let a piece be computed at its place in the whole, if that is one stretch of memory.

        What is not bound may lie elsewhere than what it was computed from.
        """
        homes = self.holds.get(a, ())
        if not self._bound(a) or len(homes) != 1 or any(n != 1 for n in eq.shape[:axis]) or not self.contiguous(eq.out):
            return False
        (home,) = homes
        taken = home in self.inside or home in self._results or home == eq.out or home not in self.over
        alike = prod(self.specs[home].shape) == prod(self.specs[a].shape) and self.specs[home].dtype == eq.dtype
        if taken or not alike or not (self.contiguous(home) and self.contiguous(a)):
            return False
        self.inside[home] = eq.out, at * prod(eq.shape[axis + 1 :])
        return True

    # one equation
    def _bound(self, x: Any) -> bool:
        """Whether a value lies where it lay in the last step, so that views of it are made once."""
        return x in self._fixed

    def _equation(self, eq: Equation, is_view: bool) -> None:
        if is_view and eq.op in self._names and self._as_view(eq):
            return
        form = FORMS.get(self._names.get(eq.op, ""), ufunc)
        if not form(self, eq):
            self._fresh(eq)
        elif eq.out not in self._loose:
            self._fixed.add(eq.out)

    def _readers(self) -> dict[Var, bool]:
        """Whether an equation other than arithmetic of single numbers reads a value."""
        found = {eq.out: False for eq in self.program.equations}
        for eq in self.program.equations:
            if not is_scalar(eq, self.specs):
                found.update({v: True for v in eq.vars() if v in found})
        return found

    def _as_view(self, eq: Equation) -> bool:
        (x,), name = eq.args, eq.op.name
        if not self._bound(x) or not basic(eq.options.get("index", ())):
            return False
        if name == "getitem":
            text = f"{x}[{self.index(eq.options['index'], eq.shape)}]"
        elif name == "reshape" and eq.options.get("order", "C") == "C":
            text = f"{x}.reshape({eq.shape})"
        elif name == "transpose" and not eq.options.get("axes"):
            text = f"{x}.T"
        elif name == "detach":
            text = f"{x}"
        else:
            options = "".join(f", {k}={self.literal(o)}" for k, o in eq.options.items())
            text = f"{self.function(eq.op.forward, name)}({x}{options})"
        self.once(f"{eq.out} = {text}")
        self.holds[eq.out] = self.holds.get(x, ())
        self._fixed.add(eq.out)
        return True

    def _fresh(self, eq: Equation) -> None:
        """Call the operation as it is. What it gives may be a view of anything that it was given."""
        given = [self.literal(a) for a in eq.args] + [f"{k}={self.literal(o)}" for k, o in eq.options.items()]
        self.line(f"{eq.out} = {self.function(eq.op.forward, eq.op.name)}({', '.join(given)})")
        self.holds[eq.out] = tuple({h: None for v in eq.vars() for h in self.holds.get(v, ())})

    def _value(self, x: Var) -> str:
        """A value as an operation is given it that has no form: what is a scalar without a runner is one here."""
        return f"{x}[()]" if self.layouts[x] is None and x in self._fixed else repr(x)

    def _named(self, x: Any) -> str:
        name = f"k{sum(n[0] == 'k' and n[1:].isdigit() for n in self.known)}"
        self.known[name] = x
        return name

    # all together
    def _finish(self) -> None:
        """The text; how many bytes each of its buffers has, and how many lines run once."""
        direct: set[Var] = set()
        outs: list[str] = []
        for k, i in enumerate(self.written):
            x = self.program.outputs[i]
            outs.append(f"o{k}")
            if x in self.over and x not in self.inside and x not in direct:
                outs[k] = repr(x)
                direct.add(x)
            else:
                self._step.append(f"o{k}[...] = {x}")
        places = Places(self.program, self.specs, self.layouts, self.holds, self.over, self.inside, direct)
        self.buffers = places.buffers
        lines = [f"{name} = {text}" for text, name in self._numbers.items()]
        for entry in self._once:
            lines += [entry] if isinstance(entry, str) else places.lines(entry)
        self.n_once = len(lines)
        seen = set(re.findall(r"\b[vo]\d+\b", "\n".join(lines)))
        ins = [repr(v) for v in self.program.inputs]
        specs = [self.specs[self.program.outputs[i]] for i in self.written]
        shapes = [self.specs[v].shape for v in self.program.inputs]
        self.placed_ins = [i for i, name in enumerate(ins) if name in seen or shapes[i] == ()]
        """Inputs that lie in their places; the others come with each step."""
        self.placed_outs = [k for k, name in enumerate(outs) if name in seen or specs[k].shape == ()]
        """Outputs that lie in their places."""
        self.text = self._text(lines, ins, outs)

    def _text(self, lines: list[str], ins: list[str], outs: list[str]) -> str:
        """The text of the functions, from the lines of what is done once, and the names of inputs and outputs."""
        placed_ins, placed_outs = [ins[i] for i in self.placed_ins], [outs[k] for k in self.placed_outs]
        given = ", ".join([*placed_ins, *placed_outs, "b"])
        loose = ", ".join([x for x in ins if x not in placed_ins] + [y for y in outs if y not in placed_outs])
        copies = [f"{x}[...] = {x}_given" for x in placed_ins]
        fresh, found = [], []
        for k, y in enumerate(outs):
            value = self.program.outputs[self.written[k]]
            spec, strides = self.specs[value], self.layouts[value]
            found.append(y if k not in self.placed_outs else f'{y}.copy("K")' if spec.shape else f"{y}[()]")
            if k not in self.placed_outs and self.contiguous(value):
                fresh.append(f"{y} = ndarray({spec.shape}, {spec.dtype.str!r})")
            elif k not in self.placed_outs:
                fresh.append(f"{y} = new({self._named(spec)}, {strides})")
        unpacked = f"[{', '.join(f'{x}_given' if x in placed_ins else x for x in ins)}] = inputs"
        step = _function(f"step({loose})", self._step or ["pass"])
        once = _function("once(inputs)", [unpacked, *copies, *fresh, f"step({loose})", f"return [{', '.join(found)}]"])
        return _function(f"bound({given})", [*lines, "", step, once, "return step, once"])

    def code(self) -> CodeType:
        """The text, compiled."""
        return compile(self.text, f"<{self.program.name} by NumPy>", "exec")


def _function(head: str, lines: list[str]) -> str:
    return f"def {head}:\n" + indent("\n".join(lines), "    ") + "\n"


def _slice(s: slice) -> str:
    start, stop = ("" if i is None else str(i) for i in (s.start, s.stop))
    return f"{start}:{stop}" + (f":{s.step}" if s.step is not None else "")


def _of_one_dtype(u: Any) -> bool:
    """Whether a ufunc wants all its operands in one dtype; np.ldexp wants a whole number beside a floating one."""
    kinds = [t.partition("->")[0] for t in getattr(u, "types", [])]  # ⊙ is no ufunc, but as good as the product
    return all(len(set(t)) == 1 for t in kinds if not set(t) & set("mMO"))
