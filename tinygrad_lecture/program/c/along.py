"""Operations that run along an axis and look at one element after the other, as C: places of extrema, running sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..program import Equation
from .loops import Nest, nest
from .plan import TYPES, NoFormError, View, contiguous

if TYPE_CHECKING:
    from .source import Printer


def _lines(p: Printer, eq: Equation) -> tuple[Nest, Nest, str, str]:
    """Loops over the lines of an array along an axis, loops along one line, and pointers to their output and input.

    Where no axis is named, all elements are one line. Views of both loops: the output and the input.
    """
    if set(eq.options) - {"axis", "keepdims"}:
        raise NoFormError(f"{eq.op.name} with {', '.join(eq.options)}")
    a, out, axis = p.view(eq.args[0]), p.view(eq.out), eq.options.get("axis")
    d = len(a.shape)
    inside = list(range(d)) if axis is None or not d else [axis % d]
    kept = [i for i in range(d) if i not in inside]
    to = contiguous(a.shape)
    if eq.op.name not in CUMULATED:  # one number for each line
        to = contiguous(tuple(1 if i in inside else n for i, n in enumerate(a.shape)))
        to = tuple(0 if i in inside else s for i, s in enumerate(to))

    def loops(axes: list[int], begin: int) -> Nest:
        shape = tuple(a.shape[i] for i in axes)
        both = ((out, to), (a, a.strides))
        return nest(shape, [View(v.base, begin * v.offset, shape, tuple(s[i] for i in axes)) for v, s in both])

    lines = loops(kept, 1)
    return lines, loops(inside, 0), f"{p.pointer(out.base)} + {lines.at(0)}", f"{p.pointer(a.base)} + {lines.at(1)}"


def extremum(p: Printer, T: str, which: str, x: str, n: int) -> None:
    """Make s, one of n elements at x, the largest or smallest, or NaN: many side by side, as no compiler would."""
    f, wide = "f" if T == "float" else "", 128 // (4 if T == "float" else 8)
    p.line(f"{{ {T} side[{wide}]; int64_t i = 0;")
    p.line(f"for (int64_t j = 0; j < {wide}; j++) side[j] = s;")
    p.line(f"for (; i + {wide} <= {n}; i += {wide})")
    p.line(f"  for (int64_t j = 0; j < {wide}; j++) side[j] = {which}{f}(side[j], ({x})[i + j]);")
    p.line(f"for (int64_t j = 0; j < {wide}; j++) s = {which}{f}(s, side[j]);")
    p.line(f"for (; i < {n}; i++) s = {which}{f}(s, ({x})[i]); }}")


def place_of_extremum(p: Printer, eq: Equation) -> None:
    """np.argmax and np.argmin: the first place of the extremum, or of the first NaN."""
    lines, line, to, x = _lines(p, eq)
    if 0 in p.view(eq.args[0]).shape:
        raise NoFormError(f"{eq.op.name} of nothing")
    T, sign = TYPES[p.spec(eq.args[0]).dtype.name], "<>"[eq.op.name == "argmax"]
    p.lines(lines.opening())
    p.line(f"const {T} *x = {x}; {T} s = *x; int64_t n = 0; {TYPES[eq.dtype.name]} *to = {to}; *to = 0;")
    if len(line.lengths) == 1 and line.strides[1] == (1,) and T in ("double", "float"):
        extremum(p, T, {"<": "smaller", ">": "larger"}[sign], "x", line.lengths[0])
        p.line(f"for (int hit = 0; n + 32 <= {line.lengths[0]}; n += 32) {{")
        p.line("for (int64_t j = n; j < n + 32; j++) hit |= (x[j] == s) | (x[j] != x[j]);")
        p.line("if (hit) break;")
        p.line("}")
        p.line("while (x[n] != s && x[n] == x[n]) n++;")
        p.line("*to = n;")
    else:
        p.lines(line.opening())
        p.line(f"const {T} e = x[{line.at(1)}];")
        p.line(f"if (s == s && (e {sign} s || e != e)) {{ s = e; *to = n; }}")
        p.line("n++;")
        p.lines(line.closing())
    p.lines(lines.closing())


CUMULATED = {"cumsum": ("0", "+"), "cumprod": ("1", "*")}
"""How the total begins, and how it takes one more."""


def cumulated(p: Printer, eq: Equation) -> None:
    """np.cumsum and np.cumprod."""
    lines, line, to, x = _lines(p, eq)
    T, (start, sign) = TYPES[eq.dtype.name], CUMULATED[eq.op.name]
    p.lines(lines.opening())
    p.line(f"const {TYPES[p.spec(eq.args[0]).dtype.name]} *x = {x}; {T} *to = {to}, s = {start};")
    p.lines(line.opening())
    p.line(f"to[{line.at(0)}] = s = s {sign} ({T})x[{line.at(1)}];")
    p.lines(line.closing())
    p.lines(lines.closing())
