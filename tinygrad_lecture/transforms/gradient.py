"""The gradient of a scalar function."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..engine.tensor import Tensor
from ..engine.walk import arriving
from ..misnamed import explained
from .arguments import chosen_places, must_call, name_of, places_among, plain_tree, run


@explained("grad(f)(*args)")
def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that computes the gradient of a scalar function f.

    f: plain NumPy code, f(*args) → one floating-point number (with has_aux: a pair of it and anything else).
    argnums: by which argument, or a tuple of them; each an array, a float, or any nesting of tuples,
        lists, dicts and dataclasses of them.
    Returns g(*args) → ∂f/∂args[argnums], of the same form, shapes and dtypes (with has_aux: a pair of
    it and the rest). An array that f does not depend on gets zeros. Nested, it gives higher orders.
    Raises ValueError for an output that is no scalar or an argnum out of range, TypeError for
    arguments that are not floating and argnums that are no numbers. Source: C1, C8.

    >>> grad(lambda x: x**3)(2.0)
    np.float64(12.0)
    """
    both = value_and_grads(f, argnums, has_aux, "grad")

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return gradient


@explained("value_and_grad(f)(*args)")
def value_and_grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that computes the value of a scalar function f and its gradient, in one pass.

    Arguments and errors as for `grad`. Returns h(*args) → (f(*args), ∂f/∂args[argnums]); with has_aux
    the first is the pair that f returns. Source: C1, C8.
    """
    return value_and_grads(f, argnums, has_aux, "value_and_grad")


def value_and_grads(f: Callable[..., Any], argnums: Any, has_aux: bool, transform: str) -> Callable[..., Any]:
    """What `value_and_grad` gives; transform: for the errors, what the user has called."""
    must_call(f, transform)
    name = name_of(f)
    wanted, single = chosen_places(argnums, f, transform)
    if not isinstance(has_aux, bool | np.bool_):
        raise TypeError(f"{transform}: has_aux must be True or False, not {has_aux!r}")

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        ran = run(f, args, places_among(wanted, len(args), name), kwargs)
        y, aux = _pair(ran.result, name) if has_aux else (ran.result, None)
        y = scalar(y, name)
        starts = [(y, arriving(y, None))] if type(y) is Tensor and y.needs else []
        gradients, fit = ran.gradients(starts)
        out: Any = ran.rebuild(gradients)
        out = out[0] if single else tuple(out)
        y = fit(y)  # the walk has seen whether anything outside depends on it
        return ((y, plain_tree(ran, aux)) if has_aux else y), out

    return value_and_gradient


def scalar(y: Any, name: str) -> Any:
    """The output of a function to differentiate, if it is one floating-point number."""
    if type(y) is Tensor and not y._data.shape and y._data.dtype.kind == "f":
        return y  # in little time
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


def _pair(result: Any, name: str) -> tuple[Any, Any]:
    if not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(f"has_aux=True needs {name} to return a pair (value, aux), not a {type(result).__name__}")
    return result
