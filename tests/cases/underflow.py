"""Where a slope is an ordinary number and underflow is flagged all the same, under np.errstate(under="raise").

A slope that is itself too small for a normal number may underflow everywhere; of the operations that are not listed
here, nothing else does.
"""

from __future__ import annotations

EXPONENTIAL = "an exponential of a large negative number is 0 beside 1"
SQUARE = "the square of a tiny number is 0 beside 1"
TINY = "a subnormal number is halved or scaled"
NUMPY = "NumPy's own function flags tiny numbers in float32"

UNDERFLOW: dict[str, str] = {
    **dict.fromkeys(["np.logaddexp", "np.logaddexp2", "tl.softplus", "scipy.special.log_expit"], EXPONENTIAL),
    **dict.fromkeys(["np.tan", "np.sinc", "sinc_slope"], SQUARE),
    **dict.fromkeys(["gauss", *[f"scipy.special.{name}" for name in ("erf", "erfc", "erfinv", "erfcinv")]], SQUARE),
    **dict.fromkeys(["scipy.special.ndtr", "scipy.special.log_ndtr"], SQUARE),
    **dict.fromkeys([f"scipy.special.{name}" for name in ("i1", "iv", "j1", "jv")], SQUARE),
    **dict.fromkeys(["tl.logistic", "scipy.special.expit", "erfcx_slope", "scipy.special.erfcx"], TINY),
    **dict.fromkeys(["np.arctan2", "np.hypot", "cosine", "np.divide", "np.tanh"], TINY),
    **dict.fromkeys(["np.expm1", "np.sin", "np.cos", "np.power", "np.float_power", "**", "scipy.special.logit"], NUMPY),
}
"""Title of an operation → why it underflows."""
