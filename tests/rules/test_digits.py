"""The digits of every slope against its closed form: in the tails, beside poles and among subnormal numbers."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp

import tinygrad_lecture as tl
from tinygrad_lecture.rules.special import polygamma

FAR = (5e-324, 1e-310, 1e-300, 1e-160, 1e-20, 1e-8, 0.1, 0.3, 0.7, 1 - 1e-15, 1.0, 1 + 1e-15, 1.43, 2.0, 3.0, 10.0)
FAR += (19.0, 40.0, 90.0, 300.0, 700.0, 740.0, 800.0, 1e8, 1e15, 1e150, 1e200, 1e300, 1.7e308)
BOTH_SIGNS = (0.0, *FAR, *[-x for x in FAR])
INSIDE = [x for x in BOTH_SIGNS if abs(x) < 1]
SOME = (1e-310, 1e-300, 1e-150, 1e-20, 0.01, 0.1, 0.3, 0.7, 1.0, 1.5, 2.0, 3.0, 20.0, 40.5, 700.0, 800.0, 1e8, 1e150)
PAIRS = [(a, b) for a in (*SOME, 1e300) for b in (0.0, *SOME, 1e300)]
PAIRS += [(a, -b) for a, b in PAIRS] + [(-a, b) for a, b in PAIRS]
POWERS = [(a, b) for a, b in PAIRS if a > 0 and (a, b) != (1e-150, 2.0)]
HYPOT = [*PAIRS, (1.7e308, -1.7e308), (-5e-324, 1e-323)]
GAMMA = [x for x in FAR if x < 1e100] + [-0.5, -0.1, -2.3, -10.7, -100.3, 1.4616]
BESSEL = [x for x in BOTH_SIGNS if 1e-300 <= abs(x) < 709 or x == 0]


def sigmoid(d: Any) -> Any:
    return 1 / (1 + mp.exp(-d))


def sinc_slope(x: Any) -> Any:
    with mp.workdps(1400):  # what is left of the difference near 0 lies 600 digits behind
        return (mp.cos(mp.pi * x) - mp.sincpi(x)) / x if x else mp.mpf(0)


def one_less_square(x: Any) -> Any:
    with mp.workdps(700):
        return 1 - x * x


DIGITS: dict[str, tuple[Any, Any, tuple[Any, ...]]] = {  # function, points, slopes
    "absolute": (np.absolute, BOTH_SIGNS, (mp.sign,)),
    "fabs": (np.fabs, BOTH_SIGNS, (mp.sign,)),
    "square": (np.square, BOTH_SIGNS, (lambda x: 2 * x,)),
    "reciprocal": (np.reciprocal, BOTH_SIGNS, (lambda x: -1 / x**2,)),
    "divide": (np.divide, PAIRS, (lambda a, b: 1 / b, lambda a, b: -a / b**2)),
    "mod": (np.mod, PAIRS, (lambda a, b: mp.mpf(1), lambda a, b: -mp.floor(a / b))),
    "fmod": (np.fmod, PAIRS, (lambda a, b: mp.mpf(1), lambda a, b: -mp.sign(a / b) * mp.floor(abs(a / b)))),
    "exp": (np.exp, BOTH_SIGNS, (mp.exp,)),
    "exp2": (np.exp2, BOTH_SIGNS, (lambda x: mp.log(2) * mp.power(2, x),)),
    "expm1": (np.expm1, BOTH_SIGNS, (mp.exp,)),
    "log": (np.log, FAR, (lambda x: 1 / x,)),
    "log2": (np.log2, FAR, (lambda x: 1 / x / mp.log(2),)),
    "log10": (np.log10, FAR, (lambda x: 1 / x / mp.log(10),)),
    "log1p": (np.log1p, [*FAR, *[-x for x in FAR if x < 1]], (lambda x: 1 / (1 + x),)),
    "logaddexp": (np.logaddexp, PAIRS, (lambda a, b: sigmoid(a - b), lambda a, b: sigmoid(b - a))),
    "logaddexp2": (
        np.logaddexp2,
        PAIRS,
        (lambda a, b: sigmoid((a - b) * mp.log(2)), lambda a, b: sigmoid((b - a) * mp.log(2))),
    ),
    "sqrt": (np.sqrt, FAR, (lambda x: 1 / (2 * mp.sqrt(x)),)),
    "cbrt": (np.cbrt, BOTH_SIGNS, (lambda x: 1 / (3 * mp.cbrt(abs(x)) ** 2),)),
    "power": (np.power, POWERS, (lambda a, b: b * a ** (b - 1), lambda a, b: a**b * mp.log(a))),
    "float_power": (np.float_power, POWERS, (lambda a, b: b * a ** (b - 1), lambda a, b: a**b * mp.log(a))),
    "sin": (np.sin, BOTH_SIGNS, (mp.cos,)),
    "cos": (np.cos, BOTH_SIGNS, (lambda x: -mp.sin(x),)),
    "tan": (np.tan, BOTH_SIGNS, (lambda x: mp.sec(x) ** 2,)),
    "arcsin": (np.arcsin, INSIDE, (lambda x: 1 / mp.sqrt(one_less_square(x)),)),
    "arccos": (np.arccos, INSIDE, (lambda x: -1 / mp.sqrt(one_less_square(x)),)),
    "arctan": (np.arctan, BOTH_SIGNS, (lambda x: 1 / (1 + x * x),)),
    "arctan2": (np.arctan2, PAIRS, (lambda a, b: b / (a * a + b * b), lambda a, b: -a / (a * a + b * b))),
    "hypot": (
        np.hypot,
        [*PAIRS, (1.7e308, -1.7e308)],
        (lambda a, b: a / mp.hypot(a, b), lambda a, b: b / mp.hypot(a, b)),
    ),
    "sinh": (np.sinh, BOTH_SIGNS, (mp.cosh,)),
    "cosh": (np.cosh, BOTH_SIGNS, (mp.sinh,)),
    "tanh": (np.tanh, BOTH_SIGNS, (lambda x: mp.sech(x) ** 2,)),
    "arcsinh": (np.arcsinh, BOTH_SIGNS, (lambda x: 1 / mp.sqrt(1 + x * x),)),
    "arccosh": (np.arccosh, [x for x in FAR if x > 1], (lambda x: 1 / mp.sqrt(-one_less_square(x)),)),
    "arctanh": (np.arctanh, INSIDE, (lambda x: 1 / one_less_square(x),)),
    "sinc": (np.sinc, BOTH_SIGNS, (sinc_slope,)),
    "logistic": (tl.logistic, BOTH_SIGNS, (lambda x: 1 / (mp.exp(x / 2) + mp.exp(-x / 2)) ** 2,)),
    "softplus": (tl.softplus, BOTH_SIGNS, (sigmoid,)),
    "expit": (sp.expit, BOTH_SIGNS, (lambda x: 1 / (mp.exp(x / 2) + mp.exp(-x / 2)) ** 2,)),
    "log_expit": (sp.log_expit, BOTH_SIGNS, (lambda x: sigmoid(-x),)),
    "logit": (sp.logit, [x for x in INSIDE if x > 0], (lambda x: 1 / (x * (1 - x)),)),
    "entr": (sp.entr, FAR, (lambda x: -1 - mp.log(x),)),
    "xlogy": (sp.xlogy, [(a, b) for a, b in PAIRS if b > 0], (lambda a, b: mp.log(b), lambda a, b: a / b)),
    "xlog1py": (sp.xlog1py, [p for p in PAIRS if p[1] > -1], (lambda a, b: mp.log1p(b), lambda a, b: a / (1 + b))),
    "erf": (sp.erf, BOTH_SIGNS, (lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x),)),
    "erfc": (sp.erfc, BOTH_SIGNS, (lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x),)),
    "ndtr": (sp.ndtr, BOTH_SIGNS, (mp.npdf,)),
    "log_ndtr": (
        sp.log_ndtr,
        [x for x in BOTH_SIGNS if abs(x) < 1000],
        (lambda x: mp.npdf(x) / (mp.erfc(-x / mp.sqrt(2)) / 2),),
    ),
    "erfinv": (sp.erfinv, INSIDE, (lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(mp.erfinv(x) ** 2),)),
    "gammaln": (sp.gammaln, GAMMA, (lambda x: mp.psi(0, x),)),
    "digamma": (sp.digamma, GAMMA, (lambda x: mp.psi(1, x),)),
    "polygamma": (lambda x: polygamma(1, x), GAMMA, (lambda x: mp.psi(2, x),)),
    "gamma": (sp.gamma, [x for x in GAMMA if x < 200], (lambda x: mp.gamma(x) * mp.psi(0, x),)),
    "i0": (sp.i0, BESSEL, (lambda x: mp.besseli(1, x),)),
    "i1": (sp.i1, BESSEL, (lambda x: (mp.besseli(0, x) + mp.besseli(2, x)) / 2,)),
    "j0": (sp.j0, BESSEL, (lambda x: -mp.besselj(1, x),)),
    "j1": (sp.j1, BESSEL, (lambda x: (mp.besselj(0, x) - mp.besselj(2, x)) / 2,)),
    "y0": (sp.y0, [x for x in BESSEL if x > 0], (lambda x: -mp.bessely(1, x),)),
    "y1": (sp.y1, [x for x in BESSEL if x > 0], (lambda x: (mp.bessely(0, x) - mp.bessely(2, x)) / 2,)),
}


def judged(slope: Any, at: list[Any], got: float, info: np.finfo) -> str:
    """What is wrong with a slope, or nothing: within (16 + κ) ε, κ its condition, by differences of 20 digits."""
    try:
        expected = slope(*at)
    except (ZeroDivisionError, ValueError):
        return ""  # a pole: that is for the table of kinks
    if mp.isnan(expected):
        return ""
    if abs(expected) > float(info.max) * (1 - 1e-5):
        return "" if abs(got) >= float(info.max) * (1 - 1e-5) else "overflow"
    nudge = 1 + mp.mpf(10) ** -20
    moved = [slope(*[x * nudge if i == k else x for i, x in enumerate(at)]) for k in range(len(at))]
    condition = sum(abs(m / expected - 1) for m in moved) / mp.mpf(10) ** -20 if expected else 0
    allowed = (16 + condition) * float(info.eps) * abs(expected) + 4 * mp.mpf(float(info.smallest_subnormal))
    return "" if np.isfinite(got) and abs(got - expected) <= allowed else f"{got!r}, not {mp.nstr(expected, 17)}"


def gradients(f: Any, xs: Any) -> list[np.ndarray]:
    ts = [tl.Tensor(x, requires_grad=True) for x in xs]
    y = f(*ts)
    y.backward(np.ones(y.shape))
    return [t.grad for t in ts]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", DIGITS)
def test_a_slope_keeps_its_digits_over_the_whole_range(name: str, dtype: Any) -> None:
    f, points, slopes = DIGITS[name]
    with np.errstate(over="ignore", under="ignore"):
        xs = np.unique(np.array(points, dtype), axis=0)
    xs = np.atleast_2d(xs.T)
    xs = xs[:, np.isfinite(xs).all(axis=0)]
    with np.errstate(all="ignore"):
        y = f(*xs)
        columns = list(zip(*xs[:, ~np.isnan(y)], *[g[~np.isnan(y)] for g in gradients(f, xs)], strict=True))
    assert len(columns) > 5
    with mp.workdps(60):
        for column in columns:
            at = [mp.mpf(float(x)) for x in column[: len(xs)]]
            for slope, got in zip(slopes, column[len(xs) :], strict=True):
                wrong = judged(slope, at, float(got), np.finfo(dtype))
                assert not wrong, f"{name} at {[float(x) for x in at]}: {wrong}"


# further orders, where a rule that is right but loses digits would show in the next

SMALL = (0.0, 1e-200, -1e-9, 1e-4, 0.3, -0.7)
ORDINARY = (*SMALL, 1.0, -1.7, 3.0, -5.0, 12.0)
POSITIVE = (1e-3, 0.3, 1.0, 1.7, 5.0, 40.0, 1e3)
ORDERS: dict[str, tuple[Any, Any, tuple[float, ...]]] = {  # function, the same in mpmath, points
    "exp2": (np.exp2, lambda x: mp.power(2, x), ORDINARY),
    "log2": (np.log2, lambda x: mp.log(x, 2), POSITIVE),
    "log10": (np.log10, mp.log10, POSITIVE),
    "log1p": (np.log1p, mp.log1p, (*POSITIVE, -0.5, 1e-9)),
    "cbrt": (np.cbrt, mp.cbrt, POSITIVE),
    "tan": (np.tan, mp.tan, SMALL),
    "arcsin": (np.arcsin, mp.asin, (*SMALL, 0.99, -0.9999999)),
    "arccos": (np.arccos, mp.acos, (*SMALL, 0.99, -0.9999999)),
    "arctan": (np.arctan, mp.atan, (*ORDINARY, 1e6)),
    "sinh": (np.sinh, mp.sinh, ORDINARY),
    "tanh": (np.tanh, mp.tanh, (*ORDINARY, -30.0)),
    "arcsinh": (np.arcsinh, mp.asinh, (*ORDINARY, 1e6)),
    "arccosh": (np.arccosh, mp.acosh, (1.0001, 1.5, 3.0, 1e5)),
    "arctanh": (np.arctanh, mp.atanh, (*SMALL, 0.99, -0.9999999)),
    "sinc": (np.sinc, mp.sincpi, (*ORDINARY, 0.5, 0.64, 1.27, 1000.25)),
    "power": (lambda x: np.power(x, np.array(0.1)), lambda x: mp.power(x, mp.mpf(0.1)), (1e-50, *POSITIVE)),
    "logaddexp": (lambda x: np.logaddexp(x, 0.0), lambda x: mp.log1p(mp.exp(x)), ORDINARY),
    "hypot": (lambda x: np.hypot(x, 1.5), lambda x: mp.hypot(x, 1.5), ORDINARY),
    "arctan2": (lambda x: np.arctan2(x, 2.0), lambda x: mp.atan2(x, 2), ORDINARY),
    "expit": (sp.expit, lambda x: 1 / (1 + mp.exp(-x)), (*ORDINARY, -30.0, 60.0)),
    "logit": (sp.logit, lambda x: mp.log(x / (1 - x)), (1e-9, 0.3, 0.499, 0.99)),
    "erf": (sp.erf, mp.erf, ORDINARY),
    "erfcx": (sp.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), (*ORDINARY, 1.5, 30.0)),
    "log_ndtr": (sp.log_ndtr, lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) / 2), (*ORDINARY, -20.0, -60.0)),
    "erfinv": (sp.erfinv, mp.erfinv, SMALL),
    "gammaln": (sp.gammaln, mp.loggamma, POSITIVE),
    "gamma": (sp.gamma, mp.gamma, (0.1, 1.0, 2.5, 10.0, -0.5)),
    "digamma": (sp.digamma, mp.digamma, (*POSITIVE, -0.3, -2.6)),
    "i1": (sp.i1, lambda x: mp.besseli(1, x), (0.0, 1e-4, *ORDINARY[4:])),
    "j1": (sp.j1, lambda x: mp.besselj(1, x), ORDINARY),
    "y1": (sp.y1, lambda x: mp.bessely(1, x), (0.3, 1.7)),
}


@pytest.mark.parametrize("name", ORDERS)
def test_the_second_and_third_derivative_keep_ten_digits(name: str) -> None:
    f, exact, points = ORDERS[name]
    second, third = tl.grad(tl.grad(f)), tl.grad(tl.grad(tl.grad(f)))
    with mp.workdps(60):
        for x in points:
            for order, g in ((2, second), (3, third)):
                expected = mp.re(mp.diff(exact, x, order, relative=abs(x) > 1e-6))
                if abs(x) < 1e-100 and abs(expected) < 1e-25:  # it is odd: the next term of its series at 0
                    expected = mp.re(mp.diff(exact, 0, order + 1)) * x
                assert abs(g(x) - expected) <= 1e-10 * abs(expected), (order, x)


def test_the_second_derivative_at_a_tie_of_logaddexp_is_a_quarter() -> None:
    assert tl.grad(tl.grad(lambda x: np.logaddexp(x, 0.0)))(0.0) == 0.25
    np.testing.assert_allclose(tl.grad(tl.grad(lambda x: np.logaddexp2(x, 0.0)))(0.0), np.log(2) / 4, rtol=1e-15)


def test_the_mixed_derivatives_of_power_agree_at_exponent_0() -> None:
    in_base = tl.grad(np.power, argnums=0)
    in_exponent = tl.grad(np.power, argnums=1)
    x, p = np.float64(2.0), np.float64(0.0)
    assert tl.grad(in_base, argnums=1)(x, p) == 0.5
    assert tl.grad(in_exponent, argnums=0)(x, p) == 0.5
