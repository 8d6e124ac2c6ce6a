"""What the passes make of a program, and what that saves."""

from __future__ import annotations

from math import prod

from .memory import lifetimes, n_bytes, shared
from .numpy_forms import VIEWS, basic
from .passes import PASSES
from .program import Equation, Program, Spec, Var

_PRODUCTS = frozenset({"dot", "matmul", "linear", "inner", "matvec", "vecmat", "vecdot", "vdot"})


def explained(program: Program) -> str:
    """The program before and after the passes, between them a table: what is left after each, and what it saved."""
    rows = [("as recorded", program)]
    for step in PASSES:
        rows.append((step.__name__, step(rows[-1][1])))
    lines = [f"{'':22}{'equations':>10}{'bytes':>14}{'operations':>16}"]
    for k, (name, p) in enumerate(rows):
        now, saved = cost(p), ""
        if k:
            less = [a - b for a, b in zip(cost(rows[k - 1][1]), now, strict=True)]
            saved = f"   saves {less[0]:,} equations, {less[1]:,} bytes, {less[2]:,} operations" if any(less) else ""
        lines.append(f"{name:22}{now[0]:10,}{now[1]:14,}{now[2]:16,}{saved}")
    least = least_memory(rows[-1][1])
    reused = f"Values that are not needed at the same time can share memory: of those bytes {least:,} do."
    return "\n".join([str(program), "", *lines, reused, "", str(rows[-1][1])])


def least_memory(program: Program) -> int:
    """Bytes of all values that a program computes, where those of one size share memory as soon as they can."""
    specs = program.specs()
    homes: dict[Var, tuple[Var, ...]] = {}
    for eq in program.equations:
        homes[eq.out] = homes.get(eq.args[0], ()) if _is_view(eq) else (eq.out,)
    lives = {v: (first, last + 1) for v, (first, last) in lifetimes(program, homes).items()}
    sizes = {v: n_bytes(specs[v]) for v in lives}
    return sum({number: sizes[v] for v, number in shared(lives, sizes).items()}.values())


def _is_view(eq: Equation) -> bool:
    return type(eq.args[0]) is Var and eq.op.name in VIEWS and basic(eq.options.get("index", ()))


def cost(program: Program) -> tuple[int, int, int]:
    """Equations, bytes of the values that they compute, and operations.

    An operation is one element computed, or read by a reduction; of a product of (m, k) and (k, n) there are 2mnk.
    What shows the elements of another value, like a reshape or a part of it, counts as nothing.
    """
    specs = program.specs()
    bytes_ = sum(0 if _is_view(eq) else prod(eq.shape) * eq.dtype.itemsize for eq in program.equations)
    return len(program.equations), bytes_, sum(_operations(eq, specs) for eq in program.equations)


def _operations(eq: Equation, specs: dict[Var, Spec]) -> int:
    if _is_view(eq):
        return 0
    sizes = [specs[a].shape for a in eq.args if type(a) is Var]
    if eq.op.name in _PRODUCTS and sizes and sizes[0]:
        bias = prod(eq.shape) if eq.op.name == "linear" and len(eq.args) > 2 else 0
        return 2 * prod(eq.shape) * (sizes[0][-2] if eq.op.name == "vecmat" else sizes[0][-1]) + bias
    return max([prod(eq.shape), *map(prod, sizes)])
