"""Functions of functions: the gradient of plain NumPy code, arrays in and arrays out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from operator import index
from typing import Any

import numpy as np

from .engine.op import OPS
from .engine.recording import current, enclosed
from .engine.tensor import NO_OPTIONS, Tensor, leaf, node
from .engine.tree import flatten, paths, tree_map
from .engine.values import Array, must_float, operand
from .engine.walk import arriving, errors_at_ends


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that computes the gradient of a scalar function f.

    f: plain NumPy code, f(*args) → one floating-point number (with has_aux: a pair of it and anything else).
    argnums: by which argument, or a tuple of them; each an array, a float, or any nesting of tuples,
        lists, dicts and dataclasses of them.
    Returns g(*args) → ∂f/∂args[argnums], of the same form, shapes and dtypes (with has_aux: a pair of
    it and the rest). An array that f does not depend on gets zeros. Nested, it gives higher orders.
    Raises ValueError for an output that is no scalar or an argnum out of range, TypeError for
    arguments that are not floating. Source: C1, C8.

    >>> grad(lambda x: x**3)(2.0)
    np.float64(12.0)
    """
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return gradient


def value_and_grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that computes the value of a scalar function f and its gradient, in one pass.

    Arguments and errors as for `grad`. Returns h(*args) → (f(*args), ∂f/∂args[argnums]); with has_aux
    the first is the pair that f returns. Source: C1, C8.
    """
    must_call(f, "grad")
    name = getattr(f, "__name__", "f")
    single = not isinstance(argnums, tuple | list)
    wanted = tuple(argnums) if isinstance(argnums, tuple | list) else (index(argnums),)

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        places = _places(wanted, len(args), name)
        chosen = [args[i] for i in places]
        leaves, rebuild = flatten(chosen)
        enclosing = current()
        with enclosed():
            inputs = []
            for k, a in enumerate(leaves):
                t = argument(a)
                if t is None:
                    raise _refused(chosen, k, places, name)
                inputs.append(t)
            new = list(args)
            for i, a in zip(places, rebuild(inputs), strict=True):
                new[i] = a
            result = f(*new, **kwargs)
        y, aux = _pair(result, name) if has_aux else (result, None)
        y = scalar(y, name)
        gradients, as_tensors = gradients_of(y, inputs, differentiable=enclosing.depth > 0)
        out: Any = rebuild(gradients)
        out = out[0] if single else tuple(out)
        if not as_tensors:
            y = _plain(y)
            y = y[()] if isinstance(y, np.ndarray) else y
            aux = tree_map(lambda a: a if _reaches_outside(a, inputs) else _plain(a), aux) if has_aux else None
        elif not enclosing.records:
            y, aux = _detached(y), tree_map(_detached, aux) if has_aux else None
        return ((y, aux) if has_aux else y), out

    return value_and_gradient


def must_call(f: Any, name: str) -> None:
    """Refuse what is no function, before it is used as one."""
    if not callable(f):
        raise TypeError(f"{name} needs a function as its first argument, written in NumPy, not a {type(f).__name__}")


def argument(a: Any) -> Tensor | None:
    """A Tensor that stands for an argument of a transform; None for what has no gradient.

    A raw array becomes a leaf; a Tensor of an enclosing transform a node of its own, so that this
    transform's error ends here and the enclosing one's flows through.
    """
    if a.__class__ is Tensor:
        t = node(OPS[np.positive], (a,), NO_OPTIONS, a._data)
        t.needs = True
        return t if a.dtype.kind == "f" else None
    if a.__class__ is float:
        a = np.float64(a)
    if a.__class__ is not np.ndarray and not isinstance(a, np.generic):
        if not isinstance(a, np.ndarray) or isinstance(a, np.ma.MaskedArray | np.matrix):
            return None
        a = np.asarray(a)
    return leaf(a) if a.dtype.kind == "f" else None


def _refused(chosen: list[Any], k: int, places: list[int], name: str) -> TypeError:
    """The error for the k-th leaf of the arguments, which has no gradient."""
    head, _, rest = paths(chosen)[k][1:].partition("]")
    where = f"argument {places[int(head)]}{rest} of {name}"
    a = flatten(chosen)[0][k]
    if not isinstance(a, Tensor | np.ndarray | np.generic | int):
        return TypeError(f"{where} is a {type(a).__name__}; differentiate by arrays and floats only (argnums chooses)")
    try:
        must_float(
            a if a.__class__ is Tensor else operand(a if isinstance(a, np.ndarray) else np.asarray(a), where), where
        )
    except TypeError as error:
        return error
    raise AssertionError(f"{where} was refused without a reason")


def scalar(y: Any, name: str) -> Any:
    """The output of a function to differentiate, if it is one floating-point number."""
    if isinstance(y, Tensor | np.ndarray | np.generic | float | int):
        dtype = y.dtype if hasattr(y, "dtype") else np.asarray(y).dtype
        if np.shape(y) == () and dtype.kind == "f":
            return y
        what = f"an array of shape {np.shape(y)} and dtype {dtype}"
    else:
        what = f"a {type(y).__name__}"
    raise ValueError(
        f"grad needs a function with one floating-point number as its output, but {name} returned {what}; "
        "reduce it, for example with np.sum, or return the rest as aux (has_aux=True)"
    )


def gradients_of(y: Any, inputs: list[Tensor], differentiable: bool) -> tuple[list[Array], bool]:
    """The gradient of y by each input, and whether these are Tensors.

    They are Tensors below an enclosing transform or recording, and where they depend on Tensors
    outside that require a gradient: nothing is detached silently.
    """
    ends: list[tuple[Tensor, Array]] = []
    differentiable = differentiable or any(x.inputs and x.inputs[0].needs for x in inputs)
    if y.__class__ is Tensor and y.needs and inputs:
        differentiable = differentiable or y.stamp < inputs[0].stamp
        start, first, last = arriving(y, None), inputs[0].stamp, inputs[-1].stamp
        ends, outside = errors_at_ends(y, start, first=first, last=last, differentiable=differentiable)
        if outside and not differentiable:
            differentiable = True
            ends, _ = errors_at_ends(y, start, first=first, last=last, differentiable=True)
    errors = {x.stamp: e for x, e in ends}
    zeros = [np.zeros_like(x._data)[()] if x.stamp not in errors else None for x in inputs]
    zeros = [leaf(z, needs=False) if differentiable and z is not None else z for z in zeros]
    return [errors.get(x.stamp, z) for x, z in zip(inputs, zeros, strict=True)], differentiable


def _places(wanted: tuple[int, ...], n: int, name: str) -> list[int]:
    for i in wanted:
        if not -n <= i < n:
            raise ValueError(f"argnums={i} is out of range: {name} was called with {n} positional arguments")
    places = [i % n for i in wanted]
    if len(set(places)) < len(places):
        raise ValueError(f"argnums={wanted} names an argument twice")
    return places


def _pair(result: Any, name: str) -> tuple[Any, Any]:
    if not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(f"has_aux=True needs {name} to return a pair (value, aux), not a {type(result).__name__}")
    return result


def _plain(a: Any) -> Any:
    """A Tensor's values, as plain NumPy code would have returned them."""
    return a._data if a.__class__ is Tensor else a


def _detached(a: Any) -> Any:
    return a.detach() if a.__class__ is Tensor else a


def _reaches_outside(a: Any, inputs: list[Tensor]) -> bool:
    """Whether an output depends on a Tensor that requires a gradient and is no input of the transform."""
    ours = {x.stamp for x in inputs}
    waiting = [a] if a.__class__ is Tensor and a.needs else []
    seen: set[int] = set()
    while waiting:
        t = waiting.pop()
        if t.stamp in ours or t.stamp in seen:
            continue
        seen.add(t.stamp)
        if not t.inputs:
            return True
        waiting += [x for x in t.inputs if x.__class__ is Tensor and x.needs]
    return False
