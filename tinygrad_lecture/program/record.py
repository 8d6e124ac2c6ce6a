"""Recording: a function is run once on Tensors, and every operation is written down as an equation.

Whatever is computed from an array given as an argument is recorded: masks, indices and counts,
the backward pass and the update too, since rules are plain NumPy code.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from ..engine.op import Op
from ..engine.recording import Seen, Tape, enclosed
from ..engine.tensor import Tensor, leaf, stamps
from ..engine.tree import flatten, form, paths, tree_map
from ..engine.values import must_be_plain, owned, real, view_of
from ..transforms import must_call
from ..transforms.arguments import reaches_outside
from .program import Equation, Program, Var, is_array, static_key, substitute

INPUT = Op("input")


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
        if any(type(a) is Tensor for a in leaves):
            raise TypeError("record takes arrays as example arguments, not Tensors; pass t.numpy()")
        tape = Tape(next(stamps))
        with enclosed(tape):
            given = [_input(a) if is_array(a) else a for a in leaves]
            tape.stamps.update(t.stamp for t in given if type(t) is Tensor)
            result = f(*rebuild(given))
            outputs, _ = flatten(result)
            _, rebuild_result = flatten(tree_map(lambda _: 0, result))  # the form alone: the values need not stay
            tape.derived(outputs)
        loses = any(reaches_outside(y, []) for y in outputs)
        number = count()
        names: dict[int, Var] = {t.stamp: Var(next(number)) for t in given if type(t) is Tensor}
        inputs = tuple(names.values())
        constants: dict[Var, np.ndarray] = {}
        origins: list[tuple[Any, int, np.ndarray]] = [(t, stamp, c) for stamp, (t, c) in tape.read.items()]

        def reference(x: Any) -> Any:
            if type(x) is Seen or (type(x) is Tensor and x.stamp in names):
                return names[x.stamp]
            if type(x) is Tensor or type(x) is np.ndarray:
                v = Var(next(number))
                constants[v] = owned(np.asarray(x._data if type(x) is Tensor else x))
                if not isinstance(x, Tensor):
                    origins.append((tape.originals.get(id(x), (x, x))[1], 0, constants[v]))
                elif x.op is None and x.stamp < tape.start:  # a leaf that others know and can write
                    origins.append((x, x.stamp, constants[v]))
                return v
            return x

        equations = []
        for stamp, op, args, options, shape, dtype in tape.calls:
            read = tuple(reference(x) for x in args), {k: substitute(v, reference) for k, v in options.items()}
            names[stamp] = Var(next(number))
            equations.append(Equation(names[stamp], op, *read, shape, dtype))
        return Program(
            name=getattr(f, "__name__", "f"),
            inputs=inputs,
            paths=tuple(paths(list(example))),
            static=tuple(static_key(a) for a in leaves),
            constants=constants,
            equations=tuple(equations),
            outputs=tuple(reference(x) for x in outputs),
            rebuild=rebuild_result,
            origins=tuple(origins),
            form=form(example),
            loses=loses,
        )

    return recorded


def _input(a: Any) -> Tensor:
    """An example argument as a Tensor, without a copy."""
    must_be_plain(a, "record")
    a = view_of(np.asarray(a)) if isinstance(a, np.ndarray) else a
    return leaf(real(a, "record"), needs=False, op=INPUT)
