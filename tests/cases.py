"""One case per operation: how to draw its inputs and options, and what to compare its gradient with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lecture as tl
from tinygrad_lecture.engine.primitives import odot, scatter_add
from tinygrad_lecture.rules.elementwise import sech2

Arrays = list[np.ndarray]
Draw = Callable[[Any], Any]


@dataclass(frozen=True)
class Drawn:
    """One draw: f, plain NumPy code with its options filled in, the arrays, and the oracle's forward.

    reference: the same function in a form that complex numbers go through, where f's own is not.
    """

    f: Callable[..., Any]
    xs: Arrays
    reference: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Case:
    """An operation's case: `make(draw, rng)` gives a Drawn; complex says whether the complex step is its oracle."""

    name: str
    make: Callable[[Draw, np.random.Generator], Drawn]
    complex: bool = True


CASES: dict[str, Case] = {}


def case(name: str, complex: bool = True) -> Callable[[Any], Any]:
    def add(make: Any) -> Any:
        CASES[name] = Case(name, make, complex)
        return make

    return add


# domains -------------------------------------------------------------------------------------------------------------


def anything(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape) * 1.5


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.2, 3.0, shape)


def away_from_zero(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.3, 3.0, shape) * rng.choice([-1.0, 1.0], shape)


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """No two values nearer than 0.1: differences do not step over a kink."""
    n = int(np.prod(shape))
    return (rng.permutation(n) * 0.3 + rng.uniform(0, 0.2, n) - 0.15 * n).reshape(shape)


shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3)
some_axis_shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)


def unary(
    name: str,
    f: Callable[..., Any],
    domain: Callable[..., np.ndarray],
    reference: Callable[..., Any] | None = None,
    complex: bool = True,
) -> None:
    CASES[name] = Case(name, lambda draw, rng: Drawn(f, [domain(rng, draw(shapes))], reference), complex)


def binary(
    name: str,
    f: Callable[..., Any],
    first: Callable[..., np.ndarray],
    second: Callable[..., np.ndarray],
    complex: bool = True,
) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        pair = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
        return Drawn(f, [first(rng, pair[0]), second(rng, pair[1])])

    CASES[name] = Case(name, make, complex)


# elementwise ---------------------------------------------------------------------------------------------------------

binary("add", np.add, anything, anything)
binary("subtract", np.subtract, anything, anything)
binary("multiply", np.multiply, anything, anything)
binary("divide", np.divide, anything, away_from_zero)
binary("power", np.power, positive, anything)
unary("negative", np.negative, anything)
unary("positive", np.positive, anything)
unary("absolute", np.absolute, away_from_zero, complex=False)
unary("square", np.square, anything)
unary("reciprocal", np.reciprocal, away_from_zero)
unary("exp", np.exp, anything)
unary("expm1", np.expm1, anything)
unary("log", np.log, positive)
unary("log1p", np.log1p, positive)
unary("sqrt", np.sqrt, positive)
unary("sin", np.sin, anything)
unary("cos", np.cos, anything)
unary("tanh", np.tanh, anything)
unary("sech2", sech2, anything, lambda x: 1 / np.cosh(x) ** 2)
unary("logistic", tl.logistic, anything, lambda x: 1 / (1 + np.exp(-x)))
unary("relu", tl.relu, away_from_zero, complex=False)
unary("softplus", tl.softplus, anything, lambda x: np.log1p(np.exp(x)))
binary("odot", odot, anything, anything)


@case("pow")
def _pow(draw: Draw, rng: np.random.Generator) -> Drawn:
    p = draw(st.sampled_from([2, 3, 0.5, -1, 1, 0, 2.5, "array", "base"]))
    x = positive(rng, draw(shapes))
    if p == "array":
        return Drawn(lambda x, p: x**p, [x, anything(rng, x.shape)])
    return Drawn((lambda x: 2.0**x) if p == "base" else (lambda x: x**p), [x])


@case("remainder", complex=False)
def _mod(draw: Draw, rng: np.random.Generator) -> Drawn:
    shape = draw(shapes)
    b = away_from_zero(rng, shape)
    a = b * (rng.integers(-3, 4, shape) + rng.uniform(0.1, 0.9, shape))
    return Drawn(np.mod, [a, b])


# selection -----------------------------------------------------------------------------------------------------------


@case("where")
def _where(draw: Draw, rng: np.random.Generator) -> Drawn:
    sizes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3)).input_shapes
    mask = rng.random(sizes[0]) < 0.5
    return Drawn(lambda a, b: np.where(mask, a, b), [anything(rng, sizes[1]), anything(rng, sizes[2])])


def extreme(name: str, f: Callable[..., Any]) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        pair = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
        a, b = anything(rng, pair[0]), anything(rng, pair[1])
        return Drawn(f, [np.round(a, 1), np.round(b, 1) + 0.05])

    CASES[name] = Case(name, make, complex=False)


extreme("maximum", np.maximum)
extreme("minimum", np.minimum)


@case("clip", complex=False)
def _clip(draw: Draw, rng: np.random.Generator) -> Drawn:
    sizes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=2, max_side=3)).input_shapes
    x, lo, hi = (
        np.round(anything(rng, sizes[0]), 1),
        rng.uniform(-1.98, -0.02, sizes[1]),
        rng.uniform(0.02, 1.98, sizes[2]),
    )
    lo, hi = np.round(lo, 1) + 0.03, np.round(hi, 1) + 0.06
    forms = [
        (lambda x, lo, hi: np.clip(x, lo, hi), [x, lo, hi]),
        (lambda x, hi, lo: np.clip(x, lo, hi), [x, lo, hi]),  # crossed: hi below lo
        (lambda x, lo: np.clip(x, lo, None), [x, lo]),
        (lambda x, hi: np.clip(x, None, hi), [x, hi]),
        (lambda x, lo, hi: np.clip(x, a_min=lo, a_max=hi), [x, lo, hi]),
        (lambda x: np.clip(x, -0.55, 0.55), [x]),
    ]
    return Drawn(*draw(st.sampled_from(forms)))


# reductions ----------------------------------------------------------------------------------------------------------


def an_axis(draw: Draw, ndim: int, several: bool = True) -> Any:
    one = st.integers(-ndim, ndim - 1) if ndim else st.none()
    some = st.lists(st.integers(0, ndim - 1), min_size=1, unique=True).map(tuple) if ndim and several else st.none()
    return draw(st.one_of(st.none(), one, some))


def reduction(name: str, f: Callable[..., Any], domain: Any, reference: Any = None, complex: bool = True) -> None:
    def make(draw: Draw, rng: np.random.Generator) -> Drawn:
        x = domain(rng, draw(shapes))
        options: dict[str, Any] = {"axis": an_axis(draw, x.ndim)}
        if draw(st.booleans()):
            options["keepdims"] = draw(st.booleans())
        other = None if reference is None else (lambda x: reference(x, **options))
        return Drawn(lambda x: f(x, **options), [x], other)

    CASES[name] = Case(name, make, complex)


def some_zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Some elements are 0; none is so large that differences of a product of 27 would see its sixth derivative."""
    return rng.uniform(0.3, 1.2, shape) * rng.choice([-1.0, 1.0], shape) * (rng.random(shape) < 0.8)


reduction("sum", np.sum, anything)
reduction("mean", np.mean, anything)
reduction("prod", np.prod, some_zeros)
reduction("max", np.max, distinct, complex=False)
reduction("min", np.min, distinct, complex=False)
reduction("logsumexp", tl.logsumexp, anything, lambda x, **o: np.log(np.sum(np.exp(x), **o)))


@case("average")
def _average(draw: Draw, rng: np.random.Generator) -> Drawn:
    a = anything(rng, draw(some_axis_shapes))
    axis = draw(st.integers(-a.ndim, a.ndim - 1))
    keep = draw(st.booleans())
    forms = [
        (lambda a: np.average(a, axis=axis, keepdims=keep), [a]),
        (lambda a, w: np.average(a, axis, w), [a, positive(rng, a.shape)]),
        (lambda a, w: np.average(a, weights=w), [a, positive(rng, a.shape)]),
        (lambda a, w: np.average(a, axis=axis, weights=w, keepdims=keep), [a, positive(rng, (a.shape[axis],))]),
    ]
    return Drawn(*draw(st.sampled_from(forms)))


# linear algebra ------------------------------------------------------------------------------------------------------


@case("matmul")
def _matmul(draw: Draw, rng: np.random.Generator) -> Drawn:
    sizes = draw(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, max_side=3)).input_shapes
    f = draw(st.sampled_from([np.matmul, lambda a, b: a @ b]))
    return Drawn(f, [anything(rng, s) for s in sizes])


@case("solve")
def _solve(draw: Draw, rng: np.random.Generator) -> Drawn:
    n = draw(st.integers(1, 3))
    batch_a, batch_b = draw(st.sampled_from([((), ()), ((2,), ()), ((2,), (2,)), ((), (2,)), ((2, 1), (3,))]))
    a = rng.uniform(-1, 1, (*batch_a, n, n)) + 4.0 * np.eye(n)
    b = anything(rng, (n,)) if draw(st.booleans()) else anything(rng, (*batch_b, n, draw(st.integers(1, 2))))
    return Drawn(np.linalg.solve, [a, b])


EINSUMS = (
    "ij,jk->ik",
    "ij,jk",
    "i,i->",
    "i,j->ij",
    "ij->ji",
    "ij->j",
    "ij->",
    "ii->",
    "ii->i",
    "iij->j",
    "ii,i->",
    "iii->i",
    "ij,kj,i->k",
    "ij,k->i",
    "i,i,i->i",
    "...i,...i->...",
    "...ij,jk->...ik",
    "i...,i->...",
    "ij...,j...->i...",
    "...,i->...i",
    "...i",
    "j i , i k -> j k",
)


@case("einsum")
def _einsum(draw: Draw, rng: np.random.Generator) -> Drawn:
    subscripts = draw(st.sampled_from(EINSUMS))
    length = dict(zip("ijk", draw(st.tuples(*[st.integers(1, 3)] * 3)), strict=True))
    operands = subscripts.replace(" ", "").split("->")[0].split(",")
    xs = []
    for term in operands:
        dots = [draw(st.sampled_from([1, 2]))] * draw(st.integers(0, 1)) if "..." in term else []
        sizes: list[int] = []
        for part in term.replace("...", "."):
            sizes += dots if part == "." else [length[part]]
        xs.append(anything(rng, tuple(sizes)))
    optimize = draw(st.sampled_from([{}, {"optimize": True}]))
    return Drawn(lambda *xs: np.einsum(subscripts, *xs, **optimize), xs)


@case("linear")
def _linear(draw: Draw, rng: np.random.Generator) -> Drawn:
    n, m = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    lead = draw(st.sampled_from([(), (1,), (4,), (2, 3)]))
    xs = [anything(rng, (*lead, n)), anything(rng, (m, n)), anything(rng, (m,))]
    return Drawn(tl.linear, xs if draw(st.booleans()) else xs[:2])


# shape ---------------------------------------------------------------------------------------------------------------


@case("reshape")
def _reshape(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(st.sampled_from([(2, 3), (6,), (3, 1, 2)])))
    new = draw(st.sampled_from([(6,), (3, 2), (-1,), -1, (2, 1, 3), (2, -1)]))
    order = draw(st.sampled_from(["C", "F"]))
    forms = [lambda x: np.reshape(x, new, order=order), lambda x: x.reshape(new), lambda x: x.ravel()]
    return Drawn(draw(st.sampled_from(forms)), [x])


@case("transpose")
def _transpose(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(shapes))
    axes = draw(st.permutations(range(x.ndim)))
    signed = tuple(a - x.ndim * draw(st.booleans()) for a in axes)
    forms = [lambda x: np.transpose(x), lambda x: x.T, lambda x: np.transpose(x, signed)]
    forms += [lambda x: x.transpose(*signed)] if x.ndim else []
    forms += [lambda x: x.mT] if x.ndim > 1 else []
    return Drawn(draw(st.sampled_from(forms)), [x])


@case("broadcast_to")
def _broadcast_to(draw: Draw, rng: np.random.Generator) -> Drawn:
    both = draw(hnp.mutually_broadcastable_shapes(num_shapes=1, base_shape=(2, 3, 2), max_dims=3))
    return Drawn(lambda x: np.broadcast_to(x, both.result_shape), [anything(rng, both.input_shapes[0])])


@case("concatenate")
def _concatenate(draw: Draw, rng: np.random.Generator) -> Drawn:
    base = draw(some_axis_shapes)
    axis = draw(st.one_of(st.none(), st.integers(-len(base), len(base) - 1)))
    n = draw(st.integers(1, 4))
    sizes = [list(base) for _ in range(n)]
    for size in sizes:
        size[axis or 0] = draw(st.integers(0, 3))
    return Drawn(lambda *xs: np.concatenate(xs, axis=axis), [anything(rng, tuple(s)) for s in sizes])


@case("stack")
def _stack(draw: Draw, rng: np.random.Generator) -> Drawn:
    shape = draw(shapes)
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    return Drawn(lambda *xs: np.stack(xs, axis=axis), [anything(rng, shape) for _ in range(draw(st.integers(1, 4)))])


def an_index(draw: Draw, rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    kind = draw(st.sampled_from(["basic", "integer", "boolean", "repeated", "mixed", "empty", "list"]))
    if kind == "basic":
        return draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    if kind == "integer":
        return draw(hnp.integer_array_indices(shape))
    if kind == "boolean":
        return rng.random(shape) < 0.5
    if kind == "repeated":
        return np.array([0, -1, 0, 0])
    if kind == "empty":
        return np.array([], dtype=int)
    if kind == "list":
        return [0, 0, shape[0] - 1]
    return (np.array([[0], [-1]]), slice(None, None, -1)) if len(shape) > 1 else (np.array([0, 0]), None)


@case("getitem")
def _getitem(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    index = an_index(draw, rng, x.shape)
    return Drawn(lambda x: x[index], [x])


@case("scatter_add")
def _scatter_add(draw: Draw, rng: np.random.Generator) -> Drawn:
    shape = draw(some_axis_shapes)
    index = an_index(draw, rng, shape)
    parts = index if isinstance(index, tuple) else (np.asarray(index) if isinstance(index, list) else index,)
    err = anything(rng, np.zeros(shape)[parts].shape)
    return Drawn(lambda err: scatter_add(err, parts, shape), [err], lambda err: _add_at(err, parts, shape))


def _add_at(err: np.ndarray, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """By a loop over the elements: independent of np.add.at and of assignment."""
    where = np.arange(int(np.prod(shape))).reshape(shape)[index].ravel()
    z = np.zeros(int(np.prod(shape)), dtype=err.dtype)
    for place, e in zip(where, np.ravel(err), strict=True):
        z[place] += e
    return z.reshape(shape)


@case("cast")
def _cast(draw: Draw, rng: np.random.Generator) -> Drawn:
    return Drawn(lambda x: x.astype(np.longdouble), [anything(rng, draw(shapes))], lambda x: x * 1.0)


# networks ------------------------------------------------------------------------------------------------------------


@case("log_softmax")
def _log_softmax(draw: Draw, rng: np.random.Generator) -> Drawn:
    x = anything(rng, draw(some_axis_shapes))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    return Drawn(
        lambda x: tl.log_softmax(x, axis=axis), [x], lambda x: x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))
    )


@case("squared_error")
def _squared_error(draw: Draw, rng: np.random.Generator) -> Drawn:
    shape = draw(shapes)
    patterns = shape[0] if shape else 1
    return Drawn(
        tl.squared_error,
        [anything(rng, shape), anything(rng, shape)],
        lambda out, tar: np.sum((out - tar) ** 2 / 2) / patterns,
    )


@case("cross_entropy")
def _cross_entropy(draw: Draw, rng: np.random.Generator) -> Drawn:
    t, k = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    logits = anything(rng, (t, k))

    def reference(a: np.ndarray, p: np.ndarray) -> Any:
        return -np.sum(p * (a - np.log(np.sum(np.exp(a), axis=1, keepdims=True)))) / t

    if draw(st.booleans()):
        return Drawn(tl.cross_entropy, [logits, positive(rng, (t, k))], reference)
    labels = rng.integers(0, k, t)
    return Drawn(lambda a: tl.cross_entropy(a, labels), [logits], lambda a: reference(a, np.eye(k)[labels]))
