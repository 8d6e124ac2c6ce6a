"""The derivatives that forward mode knows, written down apart from the engine's rules.

SLOPES: elementwise functions by name, ∂f/∂x_k as functions of all x. CONSTANT: without a derivative. LINEAR: in the
first argument. MULTILINEAR: in each argument. What is written with these stands in `dual_composed`. All of it is NumPy
code that also takes dual numbers, so that nesting them gives higher orders.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .dual import Dual, NotPossibleError, primal


def names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


LN2, LN10 = math.log(2.0), math.log(10.0)
ROOT_PI, ROOT_2PI = math.sqrt(math.pi), math.sqrt(2.0 * math.pi)


def _sech2(x: Any) -> Any:
    """1/cosh² x, whose digits hold where 1 − tanh² x has none left; 0 from |x| = 360 on, before cosh² overflows."""
    e = np.exp(-2.0 * np.where(x < 0, -x, x))
    return 4.0 * e / np.square(1.0 + e)


def logistic(x: Any) -> Any:
    """1/(1 + exp(−x)), by the sign of x."""
    e = np.exp(np.where(x < 0, x, -x))
    return np.where(x < 0, e, 1.0) / (1.0 + e)


def _larger(a: Any, b: Any) -> Any:
    """1 where a > b, ½ where they are equal, else 0."""
    a, b = primal(a), primal(b)
    return np.where(a == b, 0.5, np.where(a > b, 1.0, 0.0))


def _power_slope(x: Any, p: Any) -> Any:
    """p x^(p−1), 0 for p = 0."""
    zero = primal(p) == 0
    return np.where(zero, 0.0, p * np.power(x, np.where(zero, 1.0, p - 1.0)))


def _power_log(x: Any, p: Any) -> Any:
    """x^p log x, 0 at x = 0 for p > 0."""
    zero = (primal(x) == 0) & (primal(p) > 0)
    return np.where(zero, 0.0, np.power(x, p) * np.log(np.where(zero, 1.0, x)))


def _sinc_slope(x: Any) -> Any:
    """(cos πx − sinc x)/x, by its series where that would cancel."""
    z, near = np.pi * x, np.abs(primal(x)) < 0.1
    q = z * z
    series = -z / 3 * (1 - q / 10 * (1 - q / 28 * (1 - q / 54 * (1 - q / 88 * (1 - q / 130)))))
    far = np.where(near, 1.0, x)
    return np.where(near, np.pi * series, (np.cos(np.pi * far) - np.sinc(far)) / far)


def _gamma_slope(order: int) -> Callable[[Any], Any]:
    def slope(x: Any) -> Any:
        if isinstance(x, Dual):
            raise NotPossibleError("higher orders of the gamma function are not in the table of dual numbers")
        from scipy.special import polygamma

        return polygamma(order, x)

    return slope


def _square_sum(a: Any, b: Any) -> Any:
    return a * a + b * b


SLOPES: dict[str, tuple[Any, ...]] = {
    "add": (1.0, 1.0),
    "subtract": (1.0, -1.0),
    "multiply": (lambda a, b: b, lambda a, b: a),
    "divide": (lambda a, b: 1.0 / b, lambda a, b: -(a / b) / b),
    "negative": (-1.0,),
    "positive": (1.0,),
    "conjugate": (1.0,),
    "absolute": (lambda x: np.sign(x),),
    "fabs": (lambda x: np.sign(x),),
    "square": (lambda x: 2.0 * x,),
    "reciprocal": (lambda x: -1.0 / x / x,),
    "power": (_power_slope, _power_log),
    "float_power": (_power_slope, _power_log),
    "remainder": (1.0, lambda a, b: -np.floor(a / b)),
    "fmod": (1.0, lambda a, b: -np.trunc(a / b)),
    "sqrt": (lambda x: 0.5 / np.sqrt(x),),
    "cbrt": (lambda x: 1.0 / (3.0 * np.cbrt(x) * np.cbrt(x)),),
    "exp": (lambda x: np.exp(x),),
    "exp2": (lambda x: LN2 * np.exp2(x),),
    "expm1": (lambda x: np.exp(x),),
    "log": (lambda x: 1.0 / x,),
    "log2": (lambda x: 1.0 / (LN2 * x),),
    "log10": (lambda x: 1.0 / (LN10 * x),),
    "log1p": (lambda x: 1.0 / (1.0 + x),),
    "logaddexp": (lambda a, b: logistic(a - b), lambda a, b: logistic(b - a)),
    "logaddexp2": (lambda a, b: logistic(LN2 * (a - b)), lambda a, b: logistic(LN2 * (b - a))),
    "sin": (lambda x: np.cos(x),),
    "cos": (lambda x: -np.sin(x),),
    "tan": (lambda x: 1.0 / np.square(np.cos(x)),),
    "arcsin": (lambda x: 1.0 / np.sqrt((1.0 - x) * (1.0 + x)),),
    "arccos": (lambda x: -1.0 / np.sqrt((1.0 - x) * (1.0 + x)),),
    "arctan": (lambda x: 1.0 / (1.0 + x * x),),
    "arctan2": (lambda a, b: b / _square_sum(a, b), lambda a, b: -a / _square_sum(a, b)),
    "hypot": (lambda a, b: a / np.hypot(a, b), lambda a, b: b / np.hypot(a, b)),
    "sinh": (lambda x: np.cosh(x),),
    "cosh": (lambda x: np.sinh(x),),
    "tanh": (_sech2,),
    "arcsinh": (lambda x: 1.0 / np.hypot(1.0, x),),
    "arccosh": (lambda x: 1.0 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0)),),
    "arctanh": (lambda x: 1.0 / ((1.0 - x) * (1.0 + x)),),
    "deg2rad": (math.pi / 180.0,),
    "radians": (math.pi / 180.0,),
    "rad2deg": (180.0 / math.pi,),
    "degrees": (180.0 / math.pi,),
    "maximum": (_larger, lambda a, b: _larger(b, a)),
    "minimum": (lambda a, b: _larger(b, a), _larger),
    "fmax": (_larger, lambda a, b: _larger(b, a)),
    "fmin": (lambda a, b: _larger(b, a), _larger),
    "copysign": (lambda a, b: np.copysign(1.0, primal(a)) * np.copysign(1.0, primal(b)), 0.0),
    "sinc": (_sinc_slope,),
    "expit": (lambda x: _sech2(0.5 * x) / 4.0,),
    "log_expit": (lambda x: logistic(-x),),
    "logit": (lambda x: 1.0 / (x * (1.0 - x)),),
    "erf": (lambda x: 2.0 / ROOT_PI * np.exp(-x * x),),
    "erfc": (lambda x: -2.0 / ROOT_PI * np.exp(-x * x),),
    "ndtr": (lambda x: np.exp(-0.5 * x * x) / ROOT_2PI,),
    "entr": (lambda x: -1.0 - np.log(x),),
    "xlogy": (lambda a, b: np.log(b), lambda a, b: a / b),
    "xlog1py": (lambda a, b: np.log1p(b), lambda a, b: a / (1.0 + b)),
    "gammaln": (_gamma_slope(0),),
    "digamma": (_gamma_slope(1),),
    "psi": (_gamma_slope(1),),
    # our own, by their bare names
    "logistic": (lambda x: _sech2(0.5 * x) / 4.0,),
    "relu": (lambda x: np.where(primal(x) > 0, 1.0, 0.0),),
    "softplus": (logistic,),
    "odot": (lambda a, b: b, lambda a, b: a),
}

CONSTANT = names(
    "greater greater_equal less less_equal equal not_equal logical_and logical_or logical_not logical_xor isnan isinf "
    "isfinite isclose allclose array_equal sign signbit floor ceil rint trunc fix round around floor_divide argmax "
    "argmin argsort argpartition nonzero count_nonzero any all searchsorted shape ndim size zeros_like ones_like "
    "full_like empty_like result_type"
)
LINEAR = names(
    "sum mean reshape ravel transpose matrix_transpose permute_dims swapaxes moveaxis rollaxis "
    "expand_dims squeeze broadcast_to flip fliplr flipud roll rot90 tile repeat cumsum cumulative_sum diff "
    "trace diagonal diag diagflat tril triu atleast_1d atleast_2d atleast_3d take take_along_axis "
    "copy concatenate stack vstack hstack dstack column_stack block split array_split hsplit vsplit dsplit "
    "unstack broadcast_arrays trapezoid delete resize getitem scatter_add append meshgrid "
    "over_patterns"
)
MULTILINEAR = names("matmul dot vdot inner outer tensordot einsum kron vecdot matvec vecmat cross convolve correlate")
