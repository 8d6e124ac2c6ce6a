"""Forward mode by dual numbers: a value and how it changes, pushed through plain NumPy code together.

Nothing of the engine is imported here, and no table shared with it: what forward mode finds confirms reverse mode.
A dual number may be made of dual numbers: nested k deep, they give derivatives of order k.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class NotPossibleError(TypeError):
    """A step of a function that an oracle cannot take; the text says which."""


@dataclass(frozen=True, slots=True)
class Blur:
    """Every number off by a random relative error of at most `size`: what rounding does, made visible."""

    rng: np.random.Generator
    size: float

    def __call__(self, a: Any) -> Any:
        """The array with its roundings."""
        return a * (1.0 + self.size * self.rng.uniform(-1.0, 1.0, np.shape(a)))


class Dual(NDArrayOperatorsMixin):
    """v, an array or a Dual, and its tangent t of the same form: how v changes.

    With a blur, each result is off by a rounding of that size; the spread of a few runs is
    the rounding error of the derivative in units of it.
    """

    __slots__ = ("blur", "t", "v")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, v: Any, t: Any, blur: Blur | None = None) -> None:
        if blur and not isinstance(v, Dual):
            v, t = blur(v), blur(t)
        self.v, self.t, self.blur = v, t, blur

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            raise NotPossibleError(f"np.{ufunc.__name__}.{method} is not in the table of dual numbers")
        return _applied(ufunc, args, kwargs)

    def __array_function__(self, fn: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _applied(fn, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise NotPossibleError("np.asarray would drop the tangent of a dual number")

    def __getitem__(self, index: Any) -> Dual:
        return Dual(self.v[index], self.t[index], self.blur)

    def __len__(self) -> int:
        return len(self.v)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __getattr__(self, name: str) -> Any:
        """The methods of arrays: x.sum(axis=0) is np.sum(x, axis=0)."""
        if name.startswith("_") or not hasattr(np.ndarray, name) or not callable(getattr(np, name, None)):
            raise AttributeError(f"a dual number has no {name}")
        return lambda *args, **kwargs: getattr(np, name)(self, *args, **kwargs)

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        """Another shape, given as a tuple or as numbers."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **kwargs)

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order, given as a tuple or as numbers."""
        return np.transpose(self, axes[0] if len(axes) == 1 else axes or None)

    def flatten(self, order: Any = "C") -> Any:
        """All elements in a row."""
        return np.ravel(self, order)

    def astype(self, dtype: Any, **kwargs: Any) -> Any:
        """In another floating dtype; integers and booleans have no tangent."""
        if np.dtype(dtype).kind != "f":
            return primal(self).astype(dtype)
        return self  # float32 would blur what is to be a yardstick

    T = property(lambda self: np.transpose(self))
    mT = property(lambda self: np.swapaxes(self, -1, -2))  # noqa: N815  (as NumPy has it)
    shape = property(lambda self: self.v.shape)
    ndim = property(lambda self: self.v.ndim)
    size = property(lambda self: self.v.size)
    dtype = property(lambda self: self.v.dtype)


def forward_derivative(
    F: Callable[[list[Any]], Any], points: list[Any], directions: list[Any], blur: Any = None
) -> float:
    """The derivative of F at points along each of the directions in turn: D₁ D₂ … F, by dual numbers nested so deep.

    F: takes a list of arrays and returns a number, in plain NumPy code; points: that list; directions: as many such
    lists as the order. blur: a Blur, to see what rounding does. Raises NotPossibleError where F takes a step that is in
    no table here. Source: Clifford 1873; Fike and Alonso 2011 for the nesting.
    """
    xs = []
    for i, x in enumerate(points):
        known: list[Any] = [np.asarray(x, dtype=float)]  # the parts of a nested number, the value first
        for d in directions:
            known += [np.array(d[i], dtype=float) if k == 0 else np.zeros(np.shape(x)) for k in range(len(known))]
        xs.append(_nested(known, blur))
    with np.errstate(all="ignore"):  # an infinite slope where no change arrives
        y = F(xs)
    for _ in directions:
        y = y.t if isinstance(y, Dual) else 0.0
    return float(y)


def _nested(parts: list[Any], blur: Any) -> Any:
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return Dual(_nested(parts[:half], blur), _nested(parts[half:], blur), blur)


def primal(x: Any) -> Any:
    """The value of a dual number, of any depth, and of every one in a list or tuple; everything else as it is."""
    while isinstance(x, Dual):
        x = x.v
    return type(x)(primal(e) for e in x) if type(x) in (list, tuple) else x


def _applied(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a function makes of dual numbers, by the table that knows it."""
    from . import dual_composed, dual_table

    name, module = fn.__name__, "numpy" if isinstance(fn, np.ufunc) else fn.__module__ or ""
    if kwargs.get("out") is not None:
        raise NotPossibleError(f"{name} with out=")
    if not module.startswith(("numpy", "tinygrad_lecture.")):
        return fn.__wrapped__(
            *args, **kwargs
        )  # a function of the user's with a rule of its own: its steps are what counts
    if name in dual_table.CONSTANT:
        return fn(*map(primal, args), **kwargs)
    if name in dual_table.SLOPES:
        return elementwise(fn, dual_table.SLOPES[name], args, kwargs)
    if name in dual_composed.COMPOSED:
        return dual_composed.COMPOSED[name](*args, **kwargs)
    if name in dual_table.LINEAR:
        return linear(fn, args, kwargs)
    if name in dual_table.MULTILINEAR:
        return multilinear(fn, args, kwargs)
    raise NotPossibleError(f"{name} is not in the table of dual numbers")


def elementwise(fn: Any, slopes: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Dual:
    """f(v) with the tangent Σ_k ∂f/∂v_k t_k; where no change arrives none is passed on: 0 times ∞ is 0."""
    if kwargs.get("where", True) is not True:
        raise NotPossibleError(f"{fn.__name__} with where=")
    if not args:
        args, kwargs = tuple(kwargs.values()), {}
    blur = _blur(args)
    depth = max(map(_depth, args))
    duals = [isinstance(x, Dual) and _depth(x) == depth for x in args]
    values = [x.v if dual else _wide(x) for x, dual in zip(args, duals, strict=True)]
    y = fn(*values, **kwargs)
    t: Any = None
    for slope, x, dual in zip(slopes, args, duals, strict=True):
        if dual:
            part = _times(slope(*values) if callable(slope) else slope, x.t)
            t = part if t is None else t + part
    return Dual(y, t if np.shape(primal(t)) == y.shape else np.broadcast_to(t, y.shape), blur)


def _wide(x: Any) -> Any:
    """A constant in float64, since 1.0/b of a float32 b would be rounded to float32."""
    return x.astype(float) if isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f" else x


def _times(slope: Any, t: Any) -> Any:
    product = slope * t
    if all(np.all(np.isfinite(part)) for part in _parts(product)):
        return product
    still = np.logical_and.reduce(np.broadcast_arrays(*[part == 0 for part in _parts(t)]))
    return np.where(still, 0.0, product)


def linear(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function that is linear in its arrays: tangents go the same way as values, constants beside them are 0."""
    if fn.__name__ == "trapezoid" and any(map(_holds_dual, (*args[1:], *kwargs.values()))):
        raise NotPossibleError("trapezoid by its places is not in the table of dual numbers")
    blur = _blur((*args, *kwargs.values()))

    def along(which: str) -> Any:
        given = [_each(x, which) if k == 0 or _holds_dual(x) else x for k, x in enumerate(args)]
        named = {k: _each(x, which) if k in DATA or _holds_dual(x) else x for k, x in kwargs.items()}
        return fn(*given, **named)

    return _paired(along("v"), along("t"), blur)


DATA = ("prepend", "append", "to_begin", "to_end", "values")
"""Keywords of arrays that a function puts beside its first one."""


def multilinear(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function that is linear in each argument: the product rule."""
    blur = _blur(args)
    if blur:
        args = tuple(blur(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in args)
    values = [_each(x, "v") for x in args]
    parts = [fn(*values[:k], x.t, *values[k + 1 :], **kwargs) for k, x in enumerate(args) if isinstance(x, Dual)]
    return Dual(fn(*values, **kwargs), sum(parts[1:], start=parts[0]), blur)


def _each(x: Any, which: str) -> Any:
    """The values (v) or tangents (t) of dual numbers in a nested list; the tangents of all else are 0."""
    if type(x) in (list, tuple):
        return [_each(e, which) for e in x]
    if isinstance(x, Dual):
        return getattr(x, which)
    return x if which == "v" or isinstance(x, str) else np.zeros(np.shape(x))


def _paired(v: Any, t: Any, blur: Any) -> Any:
    return (
        type(v)(_paired(a, b, blur) for a, b in zip(v, t, strict=True))
        if type(v) in (list, tuple)
        else Dual(v, t, blur)
    )


def _parts(x: Any) -> list[Any]:
    """The arrays of which a dual number is made."""
    return [*_parts(x.v), *_parts(x.t)] if isinstance(x, Dual) else [x]


def _holds_dual(x: Any) -> bool:
    return isinstance(x, Dual) or (type(x) in (list, tuple) and any(map(_holds_dual, x)))


def _depth(x: Any) -> int:
    return 1 + _depth(x.v) if isinstance(x, Dual) else 0


def _blur(args: Any) -> Any:
    """The blur of the first dual number among the arguments."""
    if isinstance(args, Dual):
        return args.blur
    found = (_blur(x) for x in args) if type(args) in (list, tuple) else ()
    return next((blur for blur in found if blur), None)
