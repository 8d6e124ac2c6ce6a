"""What SciPy's elementwise functions, and ours beside them, are in mpmath."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import scipy.special as sp

from tinygrad_lecture.rules.special import erfcx_slope, gauss, polygamma

from .exact import POSITIVE, WHOLE, bell, exact, inf, sigmoid, two, wide

SHARE = (0.0, 1.0)
GAMMA = (-170.0, inf)
MODIFIED = (-709.0, 709.0)  # beyond, SciPy's overflow
FIRST_KIND = (-1e8, 1e8)  # beyond, SciPy's rounding of x − π/4 turns them by more than an angle that ε could measure
SECOND_KIND = (0.0, 1e6)  # mpmath takes seconds beyond
OF_ANY_ORDER = (0.0, 1e6)

exact("scipy.special.expit", sp.expit, sigmoid, bell)
exact("scipy.special.log_expit", sp.log_expit, lambda x: -mp.log1p(mp.exp(-x)), lambda x: sigmoid(-x), digits=420)
exact(
    "scipy.special.logit",
    sp.logit,
    lambda x: mp.log(x / (1 - x)),
    wide(lambda x: 1 / (x * (1 - x))),
    domain=(SHARE,),
)
exact("scipy.special.entr", sp.entr, lambda x: -x * mp.log(x), lambda x: -1 - mp.log(x), domain=(POSITIVE,))
two(
    "scipy.special.xlogy",
    sp.xlogy,
    lambda a, b: a * mp.log(b),
    lambda a, b: mp.log(b),
    lambda a, b: a / b,
    domain=(WHOLE, POSITIVE),
)
two(
    "scipy.special.xlog1py",
    sp.xlog1py,
    lambda a, b: a * mp.log1p(b),
    lambda a, b: mp.log1p(b),
    wide(lambda a, b: a / (1 + b)),
    domain=(WHOLE, (-1.0, inf)),
)

# the normal distribution
normal = lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)
below = lambda x: mp.erfc(-x / mp.sqrt(2)) / 2


def erfcx(x: Any) -> Any:
    """exp(x²) erfc x; by 1/√π ∫₀^∞ exp(−t²/4 − xt) dt = (1 − 1/(2x²) + …)/(x√π) where x is huge."""
    if x > 1e25:
        return 1 / (x * mp.sqrt(mp.pi)) * (1 - 1 / (2 * x * x))
    return mp.exp(x * x) * mp.erfc(x)


def erfcx_derivative(x: Any, order: int) -> Any:
    if x > 1e25:
        return (-1) ** order * mp.factorial(order) / (x ** (order + 1) * mp.sqrt(mp.pi))
    with mp.extradps(55 * order):
        before, here = mp.mpf(0), erfcx(x)
        for n in range(order):
            before, here = here, 2 * x * here + 2 * n * before - (2 / mp.sqrt(mp.pi) if n == 0 else 0)
        return here


exact("scipy.special.erf", sp.erf, mp.erf, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x))
exact("scipy.special.erfc", sp.erfc, mp.erfc, lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x))
exact("scipy.special.ndtr", sp.ndtr, below, normal)
exact("scipy.special.erfcx", sp.erfcx, erfcx, lambda x: erfcx_derivative(x, 1))
exact("erfcx_slope", erfcx_slope, lambda x: erfcx_derivative(x, 1), lambda x: erfcx_derivative(x, 2), ours=True)
exact(
    "erfcx_slope",
    lambda x: erfcx_slope(x, order=2),
    lambda x: erfcx_derivative(x, 2),
    lambda x: erfcx_derivative(x, 3),
    ours=True,
)
exact(
    "scipy.special.log_ndtr",
    sp.log_ndtr,
    lambda x: mp.log(below(x)),
    lambda x: mp.sqrt(2 / mp.pi) / erfcx(-x / mp.sqrt(2)),
)
exact("gauss", gauss, lambda x: mp.exp(-x * x), lambda x: -2 * x * mp.exp(-x * x), ours=True)
exact("gauss", lambda x: gauss(x, c=0.5), lambda x: mp.exp(-x * x / 2), lambda x: -x * mp.exp(-x * x / 2), ours=True)


def erfcinv(x: Any) -> Any:
    """y with erfc y = x: by Newton's steps in log erfc, from SciPy's."""
    if x > half:
        return mp.erfinv(1 - x)
    y = mp.mpf(float(sp.erfcinv(max(float(x), 1e-307))))
    for _ in range(8):
        y += (mp.log(mp.erfc(y)) - mp.log(x)) * erfcx(y) * mp.sqrt(mp.pi) / 2
    return y


half = mp.mpf(1) / 2
exact(
    "scipy.special.erfinv",
    sp.erfinv,
    mp.erfinv,
    lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(mp.erfinv(x) ** 2),
    domain=((-1.0, 1.0),),
)
exact(
    "scipy.special.erfcinv",
    sp.erfcinv,
    erfcinv,
    lambda x: -mp.sqrt(mp.pi) / 2 * mp.exp(erfcinv(x) ** 2),
    domain=((0.0, 2.0),),
)

# the gamma function
exact("scipy.special.gamma", sp.gamma, mp.gamma, lambda x: mp.gamma(x) * mp.psi(0, x), domain=((-170.0, 172.0),))
exact("scipy.special.gammaln", sp.gammaln, mp.loggamma, lambda x: mp.psi(0, x), domain=(GAMMA,))
exact("scipy.special.psi", sp.digamma, lambda x: mp.psi(0, x), lambda x: mp.psi(1, x), domain=(GAMMA,))
for n in (0, 1, 2):
    exact(
        "tl.polygamma",
        lambda x, n=n: polygamma(n, x),
        lambda x, n=n: mp.psi(n, x),
        lambda x, n=n: mp.psi(n + 1, x),
        domain=(GAMMA,),
    )

# Bessel functions
exact("scipy.special.i0", sp.i0, lambda x: mp.besseli(0, x), lambda x: mp.besseli(1, x), domain=(MODIFIED,))
exact(
    "scipy.special.i1",
    sp.i1,
    lambda x: mp.besseli(1, x),
    lambda x: (mp.besseli(0, x) + mp.besseli(2, x)) / 2,
    domain=(MODIFIED,),
)
exact(
    "scipy.special.j0",
    sp.j0,
    lambda x: mp.besselj(0, x),
    lambda x: -mp.besselj(1, x),
    domain=(FIRST_KIND,),
    least=1e-300,
)
exact(
    "scipy.special.j1",
    sp.j1,
    lambda x: mp.besselj(1, x),
    lambda x: (mp.besselj(0, x) - mp.besselj(2, x)) / 2,
    domain=(FIRST_KIND,),
)
exact(
    "scipy.special.y0", sp.y0, lambda x: mp.bessely(0, x), lambda x: -mp.bessely(1, x), domain=(SECOND_KIND,), slow=True
)
exact(
    "scipy.special.y1",
    sp.y1,
    lambda x: mp.bessely(1, x),
    lambda x: (mp.bessely(0, x) - mp.bessely(2, x)) / 2,
    domain=(SECOND_KIND,),
    slow=True,
)
for v in (0.0, 1.0, 2.5):
    exact(
        "scipy.special.iv",
        lambda x, v=v: sp.iv(v, x),
        lambda x, v=v: mp.besseli(v, x),
        lambda x, v=v: (mp.besseli(v - 1, x) + mp.besseli(v + 1, x)) / 2,
        domain=((0.0, 709.0),),
        least=1e-20,
    )
    exact(
        "scipy.special.jv",
        lambda x, v=v: sp.jv(v, x),
        lambda x, v=v: mp.besselj(v, x),
        lambda x, v=v: (mp.besselj(v - 1, x) - mp.besselj(v + 1, x)) / 2,
        domain=(OF_ANY_ORDER,),
        least=1e-20,  # of smaller numbers sp.jv and sp.iv lose digits, sp.iv all of them
        times=32.0 if v == 2.5 else 1.0,  # as far as sp.jv of an order that is no whole number is off
    )
    exact(
        "scipy.special.yv",
        lambda x, v=v: sp.yv(v, x),
        lambda x, v=v: mp.bessely(v, x),
        lambda x, v=v: (mp.bessely(v - 1, x) - mp.bessely(v + 1, x)) / 2,
        domain=(SECOND_KIND,),
        slow=True,
    )
