"""The elementwise operations as C: one expression each, in which {0}, {1}, … are the operands and {f} is a float's "f".

All operands of an expression are of the type in which NumPy computes it. The helper functions stand in `PRELUDE`, each
in the form that keeps its digits; none relies on what -ffast-math would assume: NaN, ∞ and −0 are what they are.
"""

from __future__ import annotations

_SAME_IN_C = (
    "exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan sinh cosh tanh floor ceil trunc rint hypot copysign"
)
_ARC = "sin cos tan sinh cosh tanh tan2"

FLOATING: dict[str, str] = {
    **{name: f"{name}{{f}}({{0}})" for name in _SAME_IN_C.split()},
    **{f"arc{name}": f"a{name}{{f}}({{0}})" for name in _ARC.split()},
    "hypot": "hypot{f}({0}, {1})",
    "copysign": "copysign{f}({0}, {1})",
    "arctan2": "atan2{f}({0}, {1})",
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "negative": "-{0}",
    "positive": "{0}",
    "conjugate": "{0}",
    "absolute": "fabs{f}({0})",
    "fabs": "fabs{f}({0})",
    "square": "{0} * {0}",
    "reciprocal": "1 / {0}",
    "sign": "{0} != {0} ? {0} : ({0} > 0) - ({0} < 0)",
    "fix": "trunc{f}({0})",
    "deg2rad": "{0} * ({t})0.017453292519943295",
    "radians": "{0} * ({t})0.017453292519943295",
    "rad2deg": "{0} * ({t})57.29577951308232",
    "degrees": "{0} * ({t})57.29577951308232",
    "maximum": "larger{f}({0}, {1})",
    "minimum": "smaller{f}({0}, {1})",
    "fmax": "fmax{f}({0}, {1})",
    "fmin": "fmin{f}({0}, {1})",
    "clip": "smaller{f}(larger{f}({0}, {1}), {2})",
    "cosquare": "(1 - {0}) * (1 + {0})",
    "fmod": "fmod{f}({0}, {1})",
    "remainder": "remainder_{f}({0}, {1})",
    "power": "pow{f}({0}, {1})",
    "float_power": "pow{f}({0}, {1})",
    "pow": "pow{f}({0}, {1})",
    "logaddexp": "logaddexp{f}({0}, {1})",
    "logistic": "logistic{f}({0})",
    "softplus": "softplus{f}({0})",
    "expit": "logistic{f}({0})",
    "log_expit": "-softplus{f}(-{0})",
    "erf": "erf{f}({0})",
    "relu": "larger{f}(0, {0})",
    "tanh": "tanh_{f}({0})",
    "sech2": "sech2{f}({0})",
    "odot": "odot{f}({0}, {1})",
    "heaviside": "{0} != {0} ? {0} : {0} == 0 ? {1} : ({t})({0} > 0)",
}
"""Operations on floating numbers that give one of the same type."""

WHOLE: dict[str, str] = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "negative": "-{0}",
    "positive": "{0}",
    "absolute": "{0} < 0 ? -{0} : {0}",
    "square": "{0} * {0}",
    "maximum": "{0} > {1} ? {0} : {1}",
    "minimum": "{0} < {1} ? {0} : {1}",
    "sign": "({0} > 0) - ({0} < 0)",
    "bitwise_and": "{0} & {1}",
    "bitwise_or": "{0} | {1}",
    "bitwise_xor": "{0} ^ {1}",
    "invert": "~{0}",
}
"""The same for integers."""

TRUTH: dict[str, str] = {
    "equal": "{0} == {1}",
    "not_equal": "{0} != {1}",
    "less": "{0} < {1}",
    "less_equal": "{0} <= {1}",
    "greater": "{0} > {1}",
    "greater_equal": "{0} >= {1}",
    "logical_and": "({0} != 0) & ({1} != 0)",
    "logical_or": "({0} != 0) | ({1} != 0)",
    "logical_xor": "({0} != 0) ^ ({1} != 0)",
    "logical_not": "{0} == 0",
    "isnan": "{0} != {0}",
    "isfinite": "{0} - {0} == 0",
    "isinf": "{0} == {0} && {0} - {0} != 0",
    "bitwise_and": "{0} & {1}",
    "bitwise_or": "{0} | {1}",
    "bitwise_xor": "{0} ^ {1}",
    "invert": "!{0}",
    "signbit": "signbit({0}) != 0",
}
"""Operations that give true or false."""

ANY_TYPE = ("where", "cast", "truncate", "detach")
"""Operations that choose or convert, whatever the types."""

PRELUDE = """\
#include <stdint.h>
#include <string.h>

#ifdef VECTOR_MATH /* the vector versions of glibc's functions, at most 4 units in the last place off */
#define ONE(name) __attribute__((simd("notinbranch"), const, nothrow)) extern double name(double); \\
                  __attribute__((simd("notinbranch"), const, nothrow)) extern float name##f(float);
#define TWO(name) __attribute__((simd("notinbranch"), const, nothrow)) extern double name(double, double); \\
                  __attribute__((simd("notinbranch"), const, nothrow)) extern float name##f(float, float);
#else
#define ONE(name) extern double name(double); extern float name##f(float);
#define TWO(name) extern double name(double, double); extern float name##f(float, float);
#endif
ONE(exp) ONE(exp2) ONE(expm1) ONE(log) ONE(log2) ONE(log10) ONE(log1p) ONE(cbrt)
ONE(sin) ONE(cos) ONE(tan) ONE(sinh) ONE(cosh) ONE(tanh)
ONE(asin) ONE(acos) ONE(atan) ONE(asinh) ONE(acosh) ONE(atanh) ONE(erf)
TWO(pow) TWO(hypot) TWO(atan2)
extern double fmod(double, double); extern float fmodf(float, float);
#define sqrt __builtin_sqrt
#define sqrtf __builtin_sqrtf
#define fabs __builtin_fabs
#define fabsf __builtin_fabsf
#define floor __builtin_floor
#define floorf __builtin_floorf
#define ceil __builtin_ceil
#define ceilf __builtin_ceilf
#define trunc __builtin_trunc
#define truncf __builtin_truncf
#define rint __builtin_rint
#define rintf __builtin_rintf
#define fmax __builtin_fmax
#define fmaxf __builtin_fmaxf
#define fmin __builtin_fmin
#define fminf __builtin_fminf
#define copysign __builtin_copysign
#define copysignf __builtin_copysignf
#define signbit __builtin_signbit

#define HELPERS(T, f) \\
  static inline T larger##f(T a, T b) { return a >= b || a != a ? a : b; } \\
  static inline T smaller##f(T a, T b) { return a <= b || a != a ? a : b; } \\
  static inline T logistic##f(T x) { T e = exp##f(-fabs##f(x)); return (x >= 0 ? 1 : e) / (1 + e); } \\
  static inline T softplus##f(T x) { T l = log1p##f(exp##f(-fabs##f(x))); return larger##f(x, 0) + l; } \\
  static inline T sech2##f(T x) { T e = exp##f(-2 * fabs##f(x)), s = 1 + e; return 4 * e / (s * s); } \\
  static inline T remainder_##f(T a, T b) { /* of the sign of b */ \\
    T r = fmod##f(a, b); return r == 0 ? copysign##f(0, b) : (b < 0) != (r < 0) ? r + b : r; } \\
  static inline T odot##f(T err, T slope) { T p = err * slope; return err == 0 && p != p ? err : p; } \\
  static inline T logaddexp##f(T a, T b) { \\
    T d = a - b, l = log1p##f(exp##f(-fabs##f(d))); \\
    return a == b ? a + (T)0.6931471805599453 : d != d ? d : larger##f(a, b) + l; }
HELPERS(double, ) HELPERS(float, f)

/* tanh in single precision: by the same exp as its slope, and near 0 by a polynomial, to 3 units in the last place */
static inline double tanh_(double x) { return tanh(x); }
static inline float tanh_f(float x) {
  float a = fabsf(x), e = expf(-2 * fabsf(x)), u = a * a;
  float p = -0.33333317f + u * (0.1333258f + u * (-0.05385187f + u * (0.02107025f - u * 0.00627261f)));
  return copysignf(a < 0.55f ? a + a * u * p : (1 - e) / (1 + e), x);
}
"""
"""What every program begins with."""
