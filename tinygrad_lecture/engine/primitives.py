"""The engine's own primitives, and `local_rule`, by which users make theirs.

⊙ (`odot`) is the product of the error that arrives and a slope; `getitem` and `scatter_add` are
each the other's rule; `cast` changes the dtype, and the walk casts the error back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from numpy import ndarray

from .op import OPS, Op, Rule, constant, lookup, name_of, rules, slopes, sorts
from .tensor import CAST, DETACH, GETITEM, NO_OPTIONS, TRUNCATE, Tensor, apply, call
from .values import Array, copied

F = TypeVar("F", bound=Callable[..., Any])


def local_rule(
    fn: F,
    *,
    slopes: Rule | Sequence[Rule] | None = None,
    rules: Rule | Sequence[Rule] | None = None,
    broadcasts: bool = False,
) -> F:
    """The function made differentiable by local rules, to all orders.

    fn: computes one array from arrays; its first parameters are the inputs, one for each slope or
        rule, the others are options. A NumPy or SciPy function is then known by its own name too.
    slopes: for an elementwise fn, dy/dx = slope(y, *inputs, **options) per input (a number where constant).
    rules: for any other fn, rule(err, y, *inputs, **options) per input, linear in err, the error
        that arrives, of y's shape; it hands back an error of that input's shape.
    broadcasts: a rule may hand back the shape to which broadcasting stretched its input.
    None in place of a slope or a rule: not differentiable in that input.
    Raises TypeError where there are neither or both, more of them than parameters, or a NumPy function
    that has its rules already; a rule that hands back a wrong shape is a ValueError when it runs. Source: C3.

    >>> cube = local_rule(lambda x: x**3, slopes=lambda y, x: 3 * x**2)
    """
    if (slopes is None) == (rules is None):
        raise TypeError(f"local_rule({name_of(fn)}): give either slopes= or rules=")
    given = slopes if rules is None else rules
    per_input: tuple[Rule, ...] = tuple(given) if isinstance(given, Sequence) else (given,)
    for rule in per_input:
        if not (rule is None or callable(rule) or isinstance(rule, float | int)):
            raise TypeError(f"local_rule({name_of(fn)}): a {type(rule).__name__} is neither a function nor a number")
    per_input = tuple(float(r) if isinstance(r, int | float) else r for r in per_input)
    if rules is not None:
        per_input = tuple(_guarded(r) if callable(r) else r for r in per_input)
    op = declared(fn, per_input, elementwise=rules is None, broadcasts=broadcasts)
    if not (isinstance(fn, np.ufunc) or hasattr(fn, "_implementation")):
        return differentiable(fn, op)
    if lookup(fn) is not None and fn not in _USERS:
        raise TypeError(
            f"local_rule({name_of(fn)}): it has its rules already; give others to a function of your own around it"
        )
    OPS[fn] = op
    _USERS.add(fn)
    return fn


_USERS: set[Any] = set()
"""NumPy and SciPy functions whose rules users gave."""


def _guarded(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A user's rule, with an error of its own to write into and a result that nobody else holds."""

    @wraps(rule)
    def guarded(err: Array, *given: Any, **options: Any) -> Array:
        e = rule(err if type(err) is Tensor else err.copy(), *given, **options)
        return e.copy() if type(e) is ndarray else e

    return guarded


def declared(fn: Callable[..., Any], per_input: tuple[Rule, ...], *, elementwise: bool, broadcasts: bool) -> Op:
    """The operation of a user's function: its first parameters are inputs, the others options."""
    op = Op(getattr(fn, "__name__", repr(fn)))
    if isinstance(fn, np.ufunc):
        parameters = list("abcdefgh"[: fn.nin])
    else:
        from inspect import Parameter, signature

        known = signature(fn).parameters.values()
        parameters = [p.name for p in known if p.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)]
    if len(per_input) > len(parameters):
        raise TypeError(
            f"local_rule({op.name}): {len(per_input)} rules for a function of {len(parameters)} named arguments"
        )
    op.forward = fn
    sorts(op, ", ".join(p + "=" * (i >= len(per_input)) for i, p in enumerate(parameters)))
    op.slopes, op.rules = (per_input, None) if elementwise else (None, per_input)
    op.promotes = len(per_input) > 1
    op.broadcasts, op.differentiable = broadcasts, True
    return op


_PLAIN = frozenset({ndarray, np.float64, np.float32, float, int, type(None), tuple})
"""Classes that a function of ours meets most; with arguments of these alone it runs as it is."""


def differentiable(fn: F, op: Op) -> F:
    """A function that runs as it is on arrays, and is recorded as `op` where it meets a Tensor."""

    @wraps(fn)
    def function(*args: Any, **kwargs: Any) -> Any:
        for x in args:
            if type(x) is Tensor:
                return call(op, args, kwargs) if kwargs or len(args) > op.leading else apply(op, args, NO_OPTIONS)
            if type(x) not in _PLAIN:
                break
        else:
            if not kwargs:
                return fn(*args)
        if any(type(x) is Tensor for x in (*args, *kwargs.values())):
            return call(op, args, kwargs)
        for x in args:  # as NumPy does with its own functions, for arrays of another kind
            if hasattr(x, "__array_function__") and not isinstance(x, ndarray):
                return x.__array_function__(function, (type(x),), args, kwargs)
        return fn(*args, **kwargs)

    function.op = op  # type: ignore[attr-defined]
    return function  # type: ignore[return-value]


def own(op: Op) -> Callable[[F], F]:
    """An operation of our own, under its public name; its rules are declared beside it."""

    def name(fn: F) -> F:
        op.forward = fn
        return differentiable(fn, op)

    return name


@own(Op("odot"))
def odot(err: Array, slope: Array) -> Array:
    """err ⊙ slope: their product, but where no error arrives none is handed on: 0 ⊙ ∞ = 0 ⊙ NaN = 0."""
    with np.errstate(invalid="ignore"):
        product = err * slope
    lost = np.isnan(product) & (np.asarray(err) == 0)
    return np.where(lost, err, product)[()] if lost.any() else product


slopes(odot, lambda y, err, slope: slope, lambda y, err, slope: err)


@own(GETITEM)
def getitem(x: Array, index: tuple[Any, ...]) -> Array:
    """x[index], for every kind of index NumPy knows."""
    return x[_raw(index)]


@own(Op("scatter_add"))
def scatter_add(err: Array, index: tuple[Any, ...], shape: tuple[int, ...]) -> Array:
    """Zeros of a shape, with err added at index; where an index repeats, the errors sum."""
    place = _raw(index)
    z = np.zeros(shape, err.dtype)
    if all(_never_repeats(i) for i in place):
        z[place] = err
    elif z.ndim == 1 or err.size < 256 or 8 * err.size < z.size:
        np.add.at(z, place, err)
    else:  # by positions in the flat array: the same sums in the same order, several times as fast
        flat = np.arange(z.size).reshape(shape)[place]
        np.add.at(z.reshape(-1), flat.ravel(), np.broadcast_to(err, flat.shape).ravel())
    return z


def _raw(index: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([i._data if type(i) is Tensor else i for i in index])


def _never_repeats(i: Any) -> bool:
    kind = i.dtype.kind if isinstance(i, ndarray) else None
    return i is None or i is Ellipsis or isinstance(i, int | slice | np.integer) or kind == "b"


rules(getitem, lambda err, y, x, index: scatter_add(err, index, x.shape), signature="x, index=")
rules(scatter_add, lambda err, y, x, index, shape: getitem(err, index), signature="err, index=, shape=")


@own(CAST)
def cast(x: Array, dtype: Any) -> Array:
    """x in another floating dtype; the walk casts the error back."""
    return x.astype(dtype)


slopes(cast, 1.0, signature="x, dtype=")


@own(TRUNCATE)
def truncate(x: Array, dtype: Any) -> Array:
    """x as integers or booleans: piecewise constant."""
    return x.astype(dtype)


@own(DETACH)
def detach(x: Array) -> Array:
    """x itself, out of the graph; a copy where it is a view: packed weights are overwritten in place."""
    return x if x.base is None else copied(x)


constant(truncate, "x, dtype=")
constant(detach)
