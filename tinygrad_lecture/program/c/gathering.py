"""Arrays of whole numbers as an index, as C: gathering elements, and adding errors where they were gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..program import Equation, Var
from .loops import broadcast, count, nest
from .plan import TYPES, NoFormError, View, basic, whole

if TYPE_CHECKING:
    from .source import Printer


def gathered(p: Printer, eq: Equation) -> None:
    """x[index] with arrays of whole numbers in the index; numbers out of range are an error."""
    x, out = p.view(eq.args[0]), p.view(eq.out)
    places, rest = _indices(p, eq.options["index"], x, eq)
    n = nest(eq.shape, [out, *[v for v, _, _ in places], rest])
    p.lines(n.opening())
    at = _looked_up(p, places, n, 1)
    p.line(f"{p.pointer(out.base)}[{n.at(0)}] = {p.pointer(x.base)}[{at} + {n.at(len(places) + 1)}];")
    p.lines(n.closing())


def scattered(p: Printer, eq: Equation) -> None:
    """Zeros, with the error added at index: what gathering hands on."""
    err, out = p.view(eq.args[0]), p.view(eq.out)
    T = TYPES[eq.dtype.name]
    p.line(f"memset({p.pointer(out.base)} + {out.offset}, 0, {count(out.shape)} * sizeof({T}));")
    index = eq.options["index"]
    if basic(index):
        memory = np.empty(count(out.shape), np.int8).reshape(out.shape)
        part = memory[whole(index)]
        start = part.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
        into = View(out.base, out.offset + start, part.shape, part.strides)
        p.copy(into, broadcast(err, part.shape), eq.dtype, p.spec(eq.args[0]).dtype)
        return
    places, rest = _indices(p, index, out, eq, of=err.shape)
    n = nest(err.shape, [err, *[v for v, _, _ in places], rest])
    p.lines(n.opening())
    at = _looked_up(p, places, n, 1)
    p.line(f"{p.pointer(out.base)}[{at} + {n.at(len(places) + 1)}] += {p.pointer(err.base)}[{n.at(0)}];")
    p.lines(n.closing())


def _indices(
    p: Printer, index: Any, x: View, eq: Equation, of: tuple[int, ...] | None = None
) -> tuple[list[tuple[View, int, int]], View]:
    """For each array in the index its view, and length and stride of its axis; and what is left of x.

    All views have the shape of the result: the axes of the arrays stand where the arrays stand in the index, or, where
    something lies between these, first.
    """
    shape = eq.shape if of is None else of
    found: list[tuple[View, int, int]] = []
    rest: list[tuple[int, int]] = []  # length and stride of each axis that is no array's
    places: list[int] = []  # in the index, of what is no slice
    offset, axis, lead = x.offset, 0, 0
    for n, i in enumerate(_spelt_out(index, len(x.shape))):
        if i is None or i is Ellipsis:
            rest += [(1, 0)] if i is None else []
            continue
        length, stride = x.shape[axis], x.strides[axis]
        axis += 1
        if isinstance(i, slice):
            begin, end, step = i.indices(length)
            offset += stride * begin
            rest.append((len(range(begin, end, step)), stride * step))
            continue
        lead = lead if places else len(rest)
        places.append(n)
        if type(i) is Var:
            if p.spec(i).dtype.kind not in "iu":
                raise NoFormError(f"an index of dtype {p.spec(i).dtype}")
            found.append((p.view(i), length, stride))
        elif isinstance(i, int | np.integer) and not isinstance(i, bool):
            offset += stride * (int(i) % length)
        else:
            raise NoFormError(f"an index with a {type(i).__name__}")
    if places != list(range(places[0], places[0] + len(places))):
        lead = 0
    chosen = shape[lead : lead + len(shape) - len(rest)]
    before, behind = (0,) * lead, (0,) * (len(rest) - lead)
    wide = [broadcast(v, chosen) for v, _, _ in found]
    full = [View(v.base, v.offset, shape, (*before, *v.strides, *behind)) for v in wide]
    strides = [s for _, s in rest]
    left = View(x.base, offset, shape, (*strides[:lead], *(0,) * len(chosen), *strides[lead:]))
    return [(v, length, stride) for v, (_, length, stride) in zip(full, found, strict=True)], left


def _spelt_out(index: tuple[Any, ...], axes: int) -> list[Any]:
    """The index with as many slices behind … as it stands for. It stays: even for no axis at all it lies between."""
    index = whole(index)
    at = next(n for n, i in enumerate(index) if i is Ellipsis)
    missing = axes - sum(i is not None and i is not Ellipsis for i in index)
    return [*index[: at + 1], *[slice(None)] * missing, *index[at + 1 :]]


def _looked_up(p: Printer, places: list[tuple[View, int, int]], n: Any, first: int) -> str:
    """Print the lookup of each index, counted from the end where negative, and give the sum of their places."""
    terms = []
    for k, (v, length, stride) in enumerate(places):
        p.line(f"int64_t at{k} = {p.pointer(v.base)}[{n.at(first + k)}]; if (at{k} < 0) at{k} += {length};")
        p.line(f"if (at{k} < 0 || at{k} >= {length}) return OUT_OF_RANGE;")
        terms.append(f"{stride} * at{k}")
    return " + ".join(terms)
