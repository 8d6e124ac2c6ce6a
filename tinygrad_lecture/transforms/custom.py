"""One rule for a whole function: what it hands back, in place of what its single steps would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from ..engine.leaving import refuse_while_recording
from ..engine.primitives import local_rule
from ..engine.tensor import Tensor
from ..engine.tree import Rebuild, flatten, paths
from ..engine.values import Array
from ..misnamed import explained
from .arguments import must_call, name_of, shown


@explained("custom_rule(f, rule)")
def custom_rule(f: Callable[..., Any], rule: Callable[..., Any]) -> Callable[..., Any]:
    """The function f with one rule of its own, which stands in place of the rules of all steps inside it.

    f: computes one array from arrays, floats, or nestings of them; what else is among its arguments is static.
    rule: rule(err, y, *args), linear in err, the error that arrives, of y's shape: a tuple with one error for
        each argument, of its form and shapes, None for an argument that gets none (for an f of one argument, the
        error alone). Plain NumPy code has all orders.
    Use it where the derivative is known in a better form than that of the steps: an iteration that has converged, a
    sum that can be simplified. `local_rule` is for single operations, with a slope or rule for each input.
    Raises TypeError where f refers to a Tensor that is no argument, ValueError for errors of another form or shape
    when the rule runs. Source: C3; C5, steering the flow of error.

    >>> damped = custom_rule(lambda x: x, lambda err, y, x: 0.5 * err)
    """
    must_call(f, "custom_rule")
    if not callable(rule):
        raise TypeError(f"custom_rule({name_of(f)}): the rule must be a function rule(err, y, *args)")
    name = name_of(f)

    def forward(packed: Array, form: Form) -> Array:
        y = f(*form.unpacked(packed))
        if type(y) is Tensor:
            raise TypeError(f"{name} refers to a Tensor that is none of its arguments; pass it as one")
        return y

    def backward(err: Array, y: Array, packed: Array, form: Form) -> Array:
        back = rule(err, y, *form.unpacked(packed))
        return form.packed(back if form.several else (back,), name)

    forward.__name__ = name
    backward.__doc__ = rule.__doc__ or f"the rule given to {name}"
    op = local_rule(forward, rules=backward)

    @wraps(f)
    def function(*args: Any) -> Any:
        leaves, rebuild = flatten(args)
        if not any(type(a) is Tensor for a in leaves):
            return f(*args)
        inputs = [a if _floating(a) else None for a in leaves]
        leaves = [a if x is not None else _static(a, name) for x, a in zip(inputs, leaves, strict=True)]
        if not any(type(x) is Tensor for x in inputs):
            return f(*rebuild(leaves))
        form = Form(
            rebuild,
            tuple(paths(args)),
            tuple(None if x is not None else a for x, a in zip(inputs, leaves, strict=True)),
            tuple(None if x is None else np.shape(x) for x in inputs),
            tuple(None if x is None else getattr(x, "dtype", np.dtype(float)) for x in inputs),
            len(args) > 1,
        )
        parts = [np.ravel(x) for x in inputs if x is not None]
        return op(parts[0] if len(parts) == 1 else np.concatenate(parts), form=form)

    return function


def _static(a: Any, name: str) -> Any:
    """An argument without gradient as f gets it: the plain values of a Tensor."""
    if type(a) is not Tensor:
        return a.copy() if isinstance(a, np.ndarray) else a  # what is written into it later is not what f saw
    refuse_while_recording(a, f"an argument of {name} that is not floating")
    return a._data


def _floating(a: Any) -> bool:
    return isinstance(a, float) or (isinstance(a, Tensor | np.ndarray | np.generic) and a.dtype.kind == "f")


@dataclass(frozen=True, slots=True)
class Form:
    """How arguments lie in one packed vector, so that a single rule can hand back the error of all of them."""

    rebuild: Rebuild
    paths: tuple[str, ...]
    static: tuple[Any, ...]
    shapes: tuple[tuple[int, ...] | None, ...]
    dtypes: tuple[Any, ...]
    several: bool

    def __str__(self) -> str:
        return ", ".join(str(shape) for shape in self.shapes if shape is not None)

    def unpacked(self, vector: Array) -> Any:
        """The arguments that lie in a vector, beside the static ones."""
        leaves, begin = [], 0
        for static, shape, dtype in zip(self.static, self.shapes, self.dtypes, strict=True):
            if shape is None:
                leaves.append(static)
                continue
            end = begin + int(np.prod(shape))
            part = np.reshape(vector[begin:end], shape)
            leaves.append(part if part.dtype == dtype else part.astype(dtype))
            begin = end
        return self.rebuild(leaves)

    def packed(self, errors: Any, name: str) -> Array:
        """The vector of the errors that a rule handed back, zeros where it handed None."""
        args = self.rebuild(list(range(len(self.shapes))))
        if not isinstance(errors, tuple | list) or len(errors) != len(args):
            raise ValueError(
                f"{name}: its rule must hand back a tuple with one error for each of {len(args)} arguments, "
                f"not a {type(errors).__name__}" + (f" of {len(errors)}" if isinstance(errors, tuple | list) else "")
            )
        parts: dict[int, Any] = {}
        for k, (e, arg) in enumerate(zip(errors, args, strict=True)):
            if e is None:
                continue
            places = dict(zip(paths(arg), flatten(arg)[0], strict=True))
            given = dict(zip(paths(e), flatten(e)[0], strict=True))
            wanted = [path for path, i in places.items() if self.shapes[i] is not None]
            if set(given) not in (set(wanted), set(places)):
                raise ValueError(
                    f"{name}: its rule handed back {shown(list(given))} for argument {k}, not {shown(wanted)}"
                )
            parts.update({i: given.get(path) for path, i in places.items()})
        vector = []
        for i, shape in enumerate(self.shapes):
            if shape is None:
                continue
            e = np.zeros(shape, self.dtypes[i]) if parts.get(i) is None else parts[i]
            if np.shape(e) != shape:
                raise ValueError(
                    f"{name}: its rule handed back shape {np.shape(e)} for argument {self.paths[i]}, "
                    f"but that argument has shape {shape}"
                )
            vector.append(np.ravel(e))
        return vector[0] if len(vector) == 1 else np.concatenate(vector)
