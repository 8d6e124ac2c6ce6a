"""Derivatives with 60 digits, by mpmath: differences whose rounding is far below that of any float."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .complex_step import size_of_moving
from .dual import NotPossibleError
from .dual_composed import COMPOSED
from .dual_table import names

DIGITS = 60
H = 10.0**-40
"""The step, relative to the argument: its square is the error, and so many digits are lost for each order."""

FUNCTIONS = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "deg2rad": "radians", "rad2deg": "degrees", "sinc": "sincpi",
    "digamma": "digamma", "psi": "digamma",
}  # fmt: skip
"""NumPy's and SciPy's names of functions → mpmath's, where these differ."""

SAME = names("exp expm1 log log10 log1p sin cos tan sinh cosh tanh sqrt hypot floor ceil sign erf erfc degrees radians")
PLAIN = names(
    "add subtract multiply divide negative positive absolute square power matmul vecdot matvec vecmat "
    "maximum minimum greater greater_equal less less_equal equal not_equal remainder reciprocal"
)
"""ufuncs that NumPy itself runs on arrays of Python objects."""


def _formulas(mp: Any) -> dict[str, Callable[..., Any]]:
    """What mpmath has under no name of its own."""

    def logistic(x: Any) -> Any:
        return 1 / (1 + mp.exp(-x))

    return {
        "exp2": lambda x: mp.power(2, x),
        "log2": lambda x: mp.log(x) / mp.log(2),
        "logaddexp": lambda a, b: mp.log(mp.exp(a) + mp.exp(b)),
        "logaddexp2": lambda a, b: mp.log(mp.power(2, a) + mp.power(2, b)) / mp.log(2),
        "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
        "gammaln": lambda x: mp.log(abs(mp.gamma(x))),
        "float_power": mp.power,
        "fabs": abs,
        "fmax": max,
        "fmin": min,
        "isnan": mp.isnan,
        "isfinite": mp.isfinite,
        "logistic": logistic,
        "expit": logistic,
        "log_expit": lambda x: -mp.log1p(mp.exp(-x)),
        "logit": lambda x: mp.log(x / (1 - x)),
        "softplus": lambda x: mp.log1p(mp.exp(x)),
        "relu": lambda x: x if x > 0 else x * 0,
        "xlogy": lambda a, b: a * mp.log(b),
        "ndtr": mp.ncdf,
    }


class Exact(NDArrayOperatorsMixin):
    """An array of mpmath numbers, on which NumPy's elementwise functions are mpmath's."""

    __slots__ = ("a",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, a: Any) -> None:
        self.a = np.asarray(a, dtype=object)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__
        if method != "__call__" or kwargs:
            raise NotPossibleError(f"np.{name} with options, or a method of it, at 60 digits")
        return _wrapped(ufunc if name in PLAIN else elementwise(name), args, {})

    def __array_function__(self, fn: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name, module = fn.__name__, fn.__module__ or ""
        if not module.startswith(("numpy", "tinygrad_lecture.")):
            return fn.__wrapped__(*args, **kwargs)
        if name in FUNCTIONS or (module.startswith("tinygrad") and name not in COMPOSED):
            return _wrapped(elementwise(name), args, kwargs)
        if module.startswith("tinygrad") or name in ("clip", "var", "std", "average", "ptp", "median"):
            return COMPOSED[name](*args, **kwargs)
        return _wrapped(fn, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise NotPossibleError("np.asarray of numbers with 60 digits")

    def astype(self, dtype: Any, **kwargs: Any) -> Any:
        """The same digits where the dtype is a floating one."""
        return self if np.dtype(dtype).kind == "f" else self.a.astype(dtype)

    def __getitem__(self, index: Any) -> Exact:
        return Exact(self.a[index])

    def __len__(self) -> int:
        return len(self.a)

    def __getattr__(self, name: str) -> Any:
        """What arrays have: a.shape is the shape, a.sum() is np.sum(a)."""
        if name in ("shape", "ndim", "size", "dtype"):
            return getattr(self.a, name)
        if name in ("T", "mT"):
            return Exact(getattr(self.a, name))
        if name.startswith("_") or not callable(getattr(np.ndarray, name, None)):
            raise AttributeError(f"an array of numbers with 60 digits has no {name}")
        return lambda *args, **kwargs: _out(getattr(self.a, name)(*args, **kwargs))


def elementwise(name: str) -> Any:
    """A ufunc of NumPy's name that calls mpmath for each element."""
    import mpmath as mp

    function = _formulas(mp).get(name) or (
        getattr(mp, FUNCTIONS.get(name, name)) if name in FUNCTIONS or name in SAME else None
    )
    if function is None:
        raise NotPossibleError(f"{name} is not among the functions with 60 digits")
    return lambda *args: np.frompyfunc(function, len(args), 1)(*args)


def _wrapped(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return _out(fn(*map(_in, args), **kwargs))


def _in(x: Any) -> Any:
    """The array of objects; floating constants become mpmath numbers of exactly that value."""
    if type(x) in (list, tuple):
        return type(x)(_in(e) for e in x)
    if isinstance(x, Exact):
        return x.a
    return _exactly(x) if np.asarray(x).dtype.kind == "f" else x


def _exactly(x: Any) -> Any:
    import mpmath as mp

    return np.frompyfunc(lambda e: mp.mpf(float(e)), 1, 1)(np.asarray(x))


def _out(y: Any) -> Any:
    if type(y) in (list, tuple):
        return type(y)(map(_out, y))
    y = np.asarray(y, dtype=object)
    return y.astype(bool)[()] if all(isinstance(e, bool | np.bool_) for e in y.ravel()) and y.size else Exact(y)


def exact_derivative(F: Callable[[list[Any]], Any], points: list[Any], directions: list[Any]) -> float:
    """The derivative of F along each of the directions in turn, with 60 digits, by mixed central differences.

    F, points, directions: as for `forward_derivative`; F is run on arrays of mpmath numbers. Raises ImportError where
    mpmath is missing, NotPossibleError where F takes a step that mpmath does not know.
    """
    mp = library()
    for digits in (DIGITS, 20 * DIGITS):  # in a tail, the first digits of f all stay as they are
        with mp.workdps(digits + 60 * len(directions)):
            value, rounding = _mixed_difference(F, points, directions)
            if abs(value) > 1e20 * rounding:
                return float(value)
    raise NotPossibleError(f"it is 0, or below the first {20 * DIGITS} digits of f")


def library() -> Any:
    """The library mpmath. Raises ImportError, with the install command, where it is missing."""
    try:
        import mpmath
    except ImportError as error:
        raise ImportError("mpmath is not installed; install it with: pip install mpmath") from error
    return mpmath


def _mixed_difference(F: Callable[[list[Any]], Any], points: list[Any], directions: list[Any]) -> tuple[Any, Any]:
    """(F(x + h) − F(x − h)) / 2h in each direction, and the rounding of it."""
    import mpmath as mp

    order = len(directions)
    h = mp.mpf(H) * size_of_moving(points, directions[-1])
    xs = [_exactly(x) for x in points]
    total = largest = mp.mpf(0)
    for signs in product((1, -1), repeat=order):
        steps = [sum(s * h * _exactly(d[i]) for s, d in zip(signs, directions, strict=True)) for i in range(len(xs))]
        y = F([Exact(x + step) for x, step in zip(xs, steps, strict=True)])
        y = y.a[()] if isinstance(y, Exact) else mp.mpf(float(y))
        total, largest = total + int(np.prod(signs)) * y, max(largest, abs(y))
    return total / (2 * h) ** order, largest * mp.eps / (2 * h) ** order
