"""Operations that are no loop over single elements, as C: products, sums and their kind, and a table of all of them.

Each function takes the printer and an equation, and prints its C.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..program import Equation, Var
from .along import CUMULATED, cumulated, extremum, place_of_extremum
from .gathering import gathered, scattered
from .loops import Nest, broadcast, count, nest
from .plan import TYPES, NoFormError, Plan, View, contiguous

if TYPE_CHECKING:
    from .source import Printer

LOOPS_UP_TO = 8_000
"""Products of fewer multiplications are loops; larger ones go to `shared.c`. Measured: there the two are as fast."""


def product(p: Printer, eq: Equation) -> None:
    """np.dot and np.matmul, of vectors, matrices and stacks of matrices."""
    a, b = (p.view(x) for x in eq.args[:2])
    out = p.view(eq.out)
    if eq.op.name == "dot" and (len(a.shape) > 2 or len(b.shape) > 2):
        raise NoFormError(f"np.dot of shapes {a.shape} and {b.shape}")
    if not a.shape or not b.shape:
        raise NoFormError("np.dot of a number")
    if len(a.shape) == 1:
        a = View(a.base, a.offset, (1, *a.shape), (0, *a.strides))
        out = View(out.base, out.offset, (*out.shape[:-1], 1, *out.shape[len(out.shape) - (len(b.shape) > 1) :]), ())
    if len(b.shape) == 1:
        b = View(b.base, b.offset, (*b.shape, 1), (*b.strides, 0))
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    stack = eq.shape[:-2] if len(eq.args) and max(len(a.shape), len(b.shape)) > 2 else ()
    out = View(out.base, out.offset, (*stack, m, n), contiguous((*stack, m, n)))
    a, b = broadcast(a, (*stack, m, k)), broadcast(b, (*stack, k, n))
    if p.types(eq.args[:2]) != {eq.dtype.name} or eq.dtype.kind != "f":
        raise NoFormError(f"a product of dtypes {', '.join(sorted(p.types(eq.args[:2])))}")
    over = nest(stack, [View(v.base, v.offset, stack, v.strides[: len(stack)]) for v in (a, b, out)])
    p.lines(over.opening())
    names = [p.pointer(v.base) + (f" + {over.at(i)}" if over.at(i) != "0" else "") for i, v in enumerate((a, b, out))]
    strides = [v.strides[-2:] for v in (a, b, out)]
    if m * n * k > LOOPS_UP_TO:
        _tiled(p, eq, names, strides, (m, n, k))
    else:
        _loops(p, eq, names, strides, (m, n, k))
    p.lines(over.closing())


def is_large(plan: Plan, eq: Equation) -> bool:
    """Whether an equation is one product of two matrices that `shared.c` is to compute."""
    if eq.op.name not in ("dot", "matmul") or len(eq.shape) != 2 or any(type(a) is not Var for a in eq.args):
        return False
    a, b = map(plan.view, eq.args)
    same = {plan.specs[x].dtype for x in eq.args} == {eq.dtype} and eq.dtype.kind == "f"
    return same and len(a.shape) == len(b.shape) == 2 and eq.shape[0] * eq.shape[1] * a.shape[-1] > LOOPS_UP_TO


def _tiled(p: Printer, eq: Equation, names: list[str], strides: list[Any], mnk: tuple[int, int, int]) -> None:
    m, n, k = mnk
    T = TYPES[eq.dtype.name]
    a, b, out = names
    (ai, ak), (bk, bj), _ = strides
    p.shared.add(T)
    gemm = f"gemm_{T}({m}, {n}, {k}, {{}}, {a}, {ai}, {ak}, {b}, {bk}, {bj}, {{}}, {{}}, {{}});"
    update = p.update_by(eq.out)
    if update is None:
        p.line(gemm.format("1", "0", out, out))
    else:
        p.lines(p.updated(update, eq.out, gemm))


def _loops(p: Printer, eq: Equation, names: list[str], strides: list[Any], mnk: tuple[int, int, int]) -> None:
    """Rows of the result, a few columns at a time, which stay in registers while k runs."""
    assert p.update_by(eq.out) is None, "the plan has left this product to shared.c"
    m, n, k = mnk
    T = TYPES[eq.dtype.name]
    a, b, out = names
    (ai, ak), (bk, bj), _ = strides
    if k == 0 or m == 0 or n == 0:
        p.line(f"memset({out}, 0, {m * n} * sizeof({T}));")
        return
    if m == 1 and n > 1 and bj != 1:  # the same as one column of as many rows
        m, n, a, b, ai, ak, bk, bj = n, 1, b, a, bj, bk, ak, 0
    p.line(f"const {T} *restrict a = {a}, *restrict b = {b}; {T} *restrict c = {out};")
    if n == 1 and bk == 1 and ak == 1 and k > 1:  # scalar products
        p.line(f"for (int64_t i = 0; i < {m}; i++) {{")
        p.line(f"{T} s = 0;")
        p.line("#pragma omp simd reduction(+:s)")
        p.line(f"for (int64_t k = 0; k < {k}; k++) s += a[{_at((ai, 'i'), (1, 'k'))}] * b[k];")
        p.line("c[i] = s;")
        p.line("}")
        return
    if bj != 1 and n > 1 and m > 1:  # columns that lie apart are put side by side once
        p.line(f"{T} side[{k * n}];")
        p.line(f"for (int64_t k = 0; k < {k}; k++)")
        p.line(f"  for (int64_t j = 0; j < {n}; j++) side[{_at((n, 'k'), (1, 'j'))}] = b[{_at((bk, 'k'), (bj, 'j'))}];")
        p.line("b = side;")
        bk, bj = n, 1
    wide = 32 if eq.dtype == np.float32 else 16
    for begin, w, count_of in ((0, wide, n // wide), (n - n % wide, n % wide, 1)):
        if w == 0 or count_of == 0:
            continue
        if count_of > 1:
            p.line(f"for (int64_t j0 = 0; j0 < {wide * count_of}; j0 += {wide}) {{")
        j = ("j0 + " if count_of > 1 else f"{begin} + " if begin else "") + "j"
        p.line(f"for (int64_t i = 0; i < {m}; i++) {{")
        p.line(f"{T} s[{w}] = {{0}};")
        p.line(f"for (int64_t k = 0; k < {k}; k++) {{")
        p.line(f"const {T} e = a[{_at((ai, 'i'), (ak, 'k'))}];")
        p.line("#pragma omp simd")
        p.line(f"for (int64_t j = 0; j < {w}; j++) s[j] += e * b[{_at((bk, 'k'), (bj, j))}];")
        p.line("}")
        p.line(f"for (int64_t j = 0; j < {w}; j++) c[{_at((n, 'i'), (1, j))}] = s[j];")
        p.line("}" if count_of == 1 else "}}")


def _at(*terms: tuple[int, str]) -> str:
    """A place as a sum of strides times counters."""
    parts = [name if s == 1 else f"{s} * ({name})" if " " in name else f"{s} * {name}" for s, name in terms if s]
    return " + ".join(parts) or "0"


REDUCED = {  # how the total begins, and how it takes one more
    "sum": ("0", "{s} + {x}", "+"),
    "count_nonzero": ("0", "{s} + ({x} != 0)", "+"),
    "prod": ("1", "{s} * {x}", "*"),
    "any": ("0", "{s} | ({x} != 0)", "|"),
    "all": ("1", "{s} & ({x} != 0)", "&"),
    "max": ("", "larger{f}({s}, {x})", ""),
    "min": ("", "smaller{f}({s}, {x})", ""),
}

WHOLE_EXTREMA = {"max": "{s} > {x} ? {s} : {x}", "min": "{s} < {x} ? {s} : {x}"}
"""The same of whole numbers, among which none is NaN."""


def reduction(p: Printer, eq: Equation) -> None:
    """np.sum and its kind over some axes."""
    name = eq.op.name
    a = p.view(eq.args[0])
    axis = eq.options.get("axis")
    d = len(a.shape)
    axes = set(range(d)) if axis is None or not d else {i % d for i in (axis if isinstance(axis, tuple) else (axis,))}
    given = p.spec(eq.args[0]).dtype
    if name in WHOLE_EXTREMA and (given.kind not in "fiu" or 0 in a.shape):
        raise NoFormError(f"{name} of {given}")
    if set(eq.options) - {"axis", "keepdims"}:
        raise NoFormError(f"{name} with {', '.join(eq.options)}")
    T = TYPES[eq.dtype.name]
    start, step, sign = REDUCED[name]
    step = WHOLE_EXTREMA[name] if name in WHOLE_EXTREMA and given.kind != "f" else step
    kept = [i for i in range(d) if i not in axes]
    out = View(p.view(eq.out).base, p.view(eq.out).offset, tuple(a.shape[i] for i in kept), ())
    out = View(out.base, out.offset, out.shape, contiguous(out.shape))
    spread = [0] * d
    for i, s in zip(kept, out.strides, strict=True):
        spread[i] = s
    into = View(out.base, out.offset, a.shape, tuple(spread))
    f = "f" if eq.dtype == np.float32 else ""

    def taken(s: str, x: str) -> str:
        return step.format(s=s, x=f"({T}){x}" if name not in ("any", "all", "count_nonzero") else x, f=f)

    last = {i for i in range(d) if a.shape[i] != 1}
    innermost_reduced = bool(last) and max(last) in axes
    if not start:  # the first element of each begins
        first = View(a.base, a.offset, out.shape, tuple(a.strides[i] for i in kept))
        n = nest(out.shape, [out, first])
        p.lines(n.opening())
        p.line(f"{p.pointer(out.base)}[{n.at(0)}] = {p.pointer(a.base)}[{n.at(1)}];")
        p.lines(n.closing())
    elif count(out.shape) == 1:
        p.line(f"{p.pointer(out.base)}[{out.offset}] = {start};")
    else:
        p.line(f"for (int64_t i = 0; i < {count(out.shape)}; i++) {p.pointer(out.base)}[{out.offset} + i] = {start};")
    n = nest(a.shape, [into, a])
    target, x = f"{p.pointer(into.base)}[{n.at(0)}]", f"{p.pointer(a.base)}[{n.at(1)}]"
    if innermost_reduced and n.lengths and n.strides[0][-1] == 0:
        p.lines(n.opening()[:-1])
        p.line(f"{T} s = {start or target};")
        if not sign and n.strides[1][-1] == 1 and given.kind == "f":
            line = Nest(n.lengths[:-1], tuple(v[:-1] for v in n.strides), n.views)
            extremum(p, T, step[: step.index("{")], f"{p.pointer(a.base)} + {line.at(1)}", n.lengths[-1])
            p.line(f"{target} = s;" + "}" * (len(n.lengths) - 1))
            return
        if sign:
            p.line(f"#pragma omp simd reduction({sign}:s)")
        p.line(f"{n.opening()[-1]} s = {taken('s', x)}; }}")
        p.line(f"{target} = {target} {sign} s;" if sign else f"{target} = s;")
        p.line("}" * (len(n.lengths) - 1))
    else:
        p.lines(n.opening("#pragma omp simd"))
        p.line(f"{target} = {taken(target, x)};")
        p.lines(n.closing())


def joined(p: Printer, eq: Equation) -> None:
    """np.concatenate: what was not computed at its place is copied there."""
    if eq.options.get("axis", 0) is None:
        raise NoFormError("np.concatenate of flattened arrays")
    axis = eq.options.get("axis", 0) % len(eq.shape)
    out = p.view(eq.out)
    at = 0
    for a in eq.args:
        if type(a) is not Var:
            raise NoFormError("np.concatenate of what is no array")
        v = p.view(a)
        place = View(out.base, out.offset + at * out.strides[axis], v.shape, out.strides)
        if v != place:
            p.copy(place, v, eq.dtype, p.spec(a).dtype)
        at += v.shape[axis]


def copied(p: Printer, eq: Equation) -> None:
    """A reshape that must move its elements."""
    if eq.options.get("order", "C") != "C":
        raise NoFormError(f"np.reshape in order {eq.options['order']}")
    v = p.view(eq.args[0])
    p.copy(View(p.view(eq.out).base, p.view(eq.out).offset, v.shape, contiguous(v.shape)), v, eq.dtype, eq.dtype)


KERNELS: dict[str, Callable[[Any, Equation], None]] = {
    "dot": product,
    "matmul": product,
    **dict.fromkeys(REDUCED, reduction),
    "argmax": place_of_extremum,
    "argmin": place_of_extremum,
    **dict.fromkeys(CUMULATED, cumulated),
    "concatenate": joined,
    "reshape": copied,
    "getitem": gathered,
    "scatter_add": scattered,
}
"""Operation → what prints its C."""
