"""Updates where the weights stand: y = x + s G, where G is joined from products, by `shared.c` alone and without G.

A matrix product is C ← α A B + β C there. With C = x, α = s and β = 1 it is gradient and update in one, and large
weights go through memory less often. In a run of many steps y may even lie where x lies, if nothing reads the old x
afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..program import Equation, Spec, Var
from .plan import Block, Plan, View

Stretch = tuple[int, int]
"""From one element of a buffer until before another."""


@dataclass(frozen=True, slots=True)
class Update:
    """y = x ± s G for an input x and an output y of one shape (n,), and G = (product | … | other).

    s: a number, or an input that is one; block: the number of the loop that computes it; products: the value of a
    product → its stretch in G, x and y.
    """

    x: Var
    y: Var
    s: float | Var
    minus: bool
    G: Var
    block: int
    products: dict[Var, Stretch]

    def rest(self, n: int) -> list[Stretch]:
        """What of the n elements is left to the loop."""
        ends = [0, *(at for stretch in sorted(self.products.values()) for at in stretch), n]
        return [(a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if a < b]


def updates(plan: Plan, outputs: set[Var], large: Callable[[Equation], bool]) -> list[Update]:
    """The updates in a plan. outputs: what is computed where it comes out; large: whether `gemm` takes a product."""
    found = (_update(plan, n, large) for n in range(len(plan.blocks)))
    return [u for u in found if u is not None and u.y in outputs and u.x in plan.program.inputs]


def _update(plan: Plan, n: int, large: Callable[[Equation], bool]) -> Update | None:
    """The update that a block is: one multiplication by a number, and one addition."""
    block = plan.blocks[n]
    if not block.loop or [eq.op.name for eq in block.equations] not in (["multiply", "add"], ["multiply", "subtract"]):
        return None
    scaled, added = block.equations
    if scaled.out not in added.args or scaled.out in plan.stored or len(block.shape or ()) != 1:
        return None
    x = added.args[1 - added.args.index(scaled.out)]
    minus = added.op.name == "subtract"
    G = next((a for a in scaled.args if type(a) is Var and a in plan.made and plan.specs[a].shape), None)
    if type(x) is not Var or G is None or (minus and added.args[0] != x):
        return None
    s = scaled.args[1 - scaled.args.index(G)]
    if s in plan.made and plan.made[s].op.name == "negative":
        s, minus = plan.made[s].args[0], not minus
    number = isinstance(s, int | float | np.floating)
    if not number and not (s in plan.program.inputs and plan.specs[s] == Spec((), added.dtype)):
        return None
    joined, results = plan.made.get(G), {plan.view(v).base for v in plan.program.outputs if type(v) is Var}
    if joined is None or joined.op.name != "concatenate" or _readers(plan, G) != [scaled] or G in results:
        return None
    for v in (x, G, added.out):
        if plan.view(v) != View(v, 0, added.shape, (1,)) or plan.specs[v].dtype != added.dtype:
            return None
    products = {}
    for v, (into, at) in plan.inside.items():
        alone = all(eq is joined or plan.views[eq.out].base == v for eq in _readers(plan, v))
        once = sum(plan.views[a].base == v for a in joined.vars()) == 1
        if into == G and large(plan.made[v]) and alone and once:
            products[v] = at, at + int(np.prod(plan.specs[v].shape, dtype=int))
    return Update(x, added.out, float(s) if number else s, minus, G, n, products) if products else None


def _readers(plan: Plan, base: Var) -> list[Equation]:
    """The equations that read a value or a view of it."""
    return [eq for eq in plan.program.equations if any(plan.views[v].base == base for v in eq.vars())]


def may_lie_in_place(plan: Plan, u: Update) -> bool:
    """Whether y may lie where x lies: no block reads a part of x that it, or one before, has overwritten."""
    if any(plan.view(v).base == u.x for v in plan.program.outputs if type(v) is Var):
        return False
    home = {eq.out: n for n, block in enumerate(plan.blocks) for eq in block.equations}
    writes = [(home[v], stretch) for v, stretch in u.products.items()]
    writes += [(u.block, stretch) for stretch in u.rest(plan.specs[u.y].shape[0])]
    for n, block in enumerate(plan.blocks):
        for view in {plan.view(v) for eq in block.equations for v in eq.vars()}:
            if view.base == u.x and n != u.block and any(since <= n and _meet(view, w) for since, w in writes):
                return False
    return True


def _meet(view: View, stretch: Stretch) -> bool:
    ends = [s * (n - 1) for s, n in zip(view.strides, view.shape, strict=True)]
    low, high = view.offset + sum(min(e, 0) for e in ends), view.offset + sum(max(e, 0) for e in ends)
    return low < stretch[1] and stretch[0] <= high


def part(block: Block, v: View, stretch: Stretch) -> View:
    """The stretch of an operand of a loop; a single number stays what it is."""
    if v.shape != block.shape:
        return v
    return View(v.base, v.offset + stretch[0], (stretch[1] - stretch[0],), v.strides)
