"""Compiled C of what goes by axes: contractions, indices of arrays and slices, places of extrema, running sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.profiles import tries
from tests.program.runners import RUNNERS

pytestmark = pytest.mark.skipif("C" not in RUNNERS, reason="there is no C compiler")

some = settings(max_examples=tries(50), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
"""Each example compiles a program."""


def same_as_eager(f: Any, args: Sequence[Any], units: float) -> None:
    """In C what NumPy computes, to so many units in the last place of the largest element."""
    given_ = [a if a.ndim else a[()] for a in args]
    for got, numpys in zip(tl.jit(f, runner="C")(*given_), f(*given_), strict=True):
        assert got.shape == numpys.shape
        assert got.dtype == numpys.dtype
        largest = float(np.nanmax(np.abs(numpys), initial=0.0))
        np.testing.assert_allclose(got, numpys, rtol=0, atol=units * np.finfo(numpys.dtype).eps * largest)


@st.composite
def einsums(draw: st.DrawFn) -> tuple[str, list[tuple[int, ...]]]:
    """Subscripts and shapes: letters repeated, summed at once, in no order, of length 1 or 0 in one operand."""
    names = "abcde"[: draw(st.integers(1, 5))]
    terms = draw(st.lists(st.lists(st.sampled_from(names), max_size=3), min_size=1, max_size=3))
    used = sorted({c for term in terms for c in term})
    out = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
    length = {c: draw(st.sampled_from([0, 1, 2, 3, 7, 20])) for c in names}
    one = draw(st.booleans()) and all(len(set(term)) == len(term) for term in terms)
    shapes = [tuple(1 if one and draw(st.integers(0, 9)) == 0 else length[c] for c in term) for term in terms]
    return ",".join("".join(term) for term in terms) + "->" + "".join(out), shapes


@some
@example(("ij,jk->ik", [(3, 1), (4, 5)]), "float64", 0)  # a 1 stands for 4
@example(("ij,jk->ki", [(3, 4), (1, 5)]), "float64", 0)
@example(("aij,ajk->aik", [(1, 3, 4), (2, 1, 5)]), "float32", 0)
@example(("aij,aj->i", [(2, 3, 1), (1, 5)]), "float64", 0)
@given(einsums(), st.sampled_from(["float32", "float64"]), st.integers(0, 99))
def test_an_einsum_and_its_gradients_are_products_of_matrices(
    drawn: tuple[str, list[tuple[int, ...]]], dtype: str, seed: int
) -> None:
    subscripts, shapes = drawn
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(0.5, 1.0, size=shape).astype(dtype) for shape in shapes]
    try:
        np.einsum(subscripts, *arrays)
    except ValueError:  # a letter of length 1 that two operands have at other lengths
        assume(False)

    def f(*arrays: Any) -> Any:
        y = np.einsum(subscripts, *arrays)
        return y, *tl.grad(lambda *a: np.sum(np.einsum(subscripts, *a)), argnums=tuple(range(len(a := arrays))))(*a)

    # all terms are positive, up to 20⁴ of them in one sum, whose relative error grows as their number at worst
    same_as_eager(f, arrays, units=200)


@some
@given(st.data(), st.integers(0, 99))
def test_a_tensordot_is_a_product_of_matrices(data: st.DataObject, seed: int) -> None:
    rng = np.random.default_rng(seed)
    met = data.draw(st.lists(st.integers(0, 5), max_size=2))
    own = [data.draw(st.lists(st.integers(1, 9), max_size=2)) for _ in range(2)]
    places = [data.draw(st.permutations(range(len(met) + len(mine))))[: len(met)] for mine in own]
    arrays = []
    for mine, place in zip(own, places, strict=True):
        shape = list(mine)
        for at in sorted(place):
            shape.insert(at, met[place.index(at)])
        arrays.append(rng.uniform(0.5, 1.0, size=shape))
    axes = [[k - (np.ndim(a) if k % 2 else 0) for k in place] for a, place in zip(arrays, places, strict=True)]
    same_as_eager(lambda a, b: (np.tensordot(a, b, axes=axes),), arrays, units=30)


@st.composite
def indices(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Any]]:
    """A shape, and an index of numbers, slices, None, … and arrays, as the shapes of these."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    wide = draw(st.lists(st.integers(1, 3), max_size=2))
    items: list[Any] = []
    n = draw(st.integers(1, len(shape)))
    dots = draw(st.integers(0, 2 * n))  # where … stands, if at all
    for k in range(n):
        items += [Ellipsis] * (k == dots) + [None] * (draw(st.integers(0, 7)) == 0)
        length = shape[k + (len(shape) - n if dots <= k else 0)]
        kind = draw(st.sampled_from(["array", "array", "number", "slice"]))
        if kind == "array":
            own = tuple(draw(st.sampled_from([m, m, 1])) for m in wide)
            items.append(
                np.array(
                    draw(
                        st.lists(
                            st.integers(-length, length - 1),
                            min_size=(size := int(np.prod(own, dtype=int))),
                            max_size=size,
                        )
                    ),
                    int,
                ).reshape(own)
            )
        elif kind == "number":
            items.append(draw(st.integers(-length, length - 1)))
        else:
            items.append(draw(st.slices(length)))
    return shape, items


ROW, COLUMN = np.array([1, 0, 1]), np.array([[2], [0]])


@some
@example(((2, 2, 4, 3), [slice(None), ROW, slice(1, None), COLUMN]))  # the axes of the arrays come first
@example(((4, 2, 3), [slice(3, None, -2), ROW, COLUMN]))  # … stand where the arrays stand
@example(((4, 2, 3), [slice(2), 1, COLUMN]))
@example(((2, 4, 3), [1, slice(2), COLUMN]))
@example(((4, 2, 3), [slice(2), ROW, Ellipsis, COLUMN]))
@example(((4, 2, 3), [slice(2), ROW, None, COLUMN]))
@given(indices())
def test_elements_are_gathered_by_any_index_and_their_errors_added_up(drawn: tuple[tuple[int, ...], list[Any]]) -> None:
    shape, items = drawn
    arrays = [i for i in items if isinstance(i, np.ndarray)]

    def taken(x: Any, arrays: Sequence[Any]) -> Any:
        given_ = iter(arrays)
        return x[tuple(next(given_) if isinstance(i, np.ndarray) else i for i in items)]

    def f(x: Any, *arrays: Any) -> Any:
        return taken(2.0 * x, arrays), tl.grad(lambda x: np.sum(taken(2.0 * x, arrays) ** 2))(x)

    same_as_eager(f, [np.arange(1.0, 1.0 + np.prod(shape, dtype=int)).reshape(shape), *arrays], units=10)


@pytest.mark.parametrize(
    "index", [(slice(None), np.array([0, 3])), (np.array([-4]), slice(1)), (1, Ellipsis, np.array([3]))]
)
def test_an_index_out_of_range_beside_slices_is_an_error(index: Any) -> None:
    x = np.ones((3, 3))
    place = next(k for k, i in enumerate(index) if isinstance(i, np.ndarray))
    f = tl.jit(lambda x, i: (x * 2.0)[(*index[:place], i, *index[place + 1 :])], runner="C")
    np.testing.assert_array_equal(
        f(x, index[place] * 0), 2.0 * x[(*index[:place], index[place] * 0, *index[place + 1 :])]
    )
    with pytest.raises(IndexError, match="an index is out of range"):
        f(x, index[place])


X = np.random.default_rng(3).normal(size=(3, 4, 2))
LOST = np.where(X > 0.2, np.nan, X)
LOST[1] = np.nan
IN_OTHER_WORDS: dict[str, tuple[Any, np.ndarray]] = {
    **{f"norm {o}": (lambda x, o=o: (np.linalg.norm(x, o, axis=1),), X) for o in (None, 1, 2, np.inf, -np.inf)},
    **{
        f"vector_norm {o}": (lambda x, o=o: (np.linalg.vector_norm(x, axis=(0, 2), ord=o, keepdims=True),), X)
        for o in (1, 2, np.inf, -np.inf)
    },
    "Frobenius": (lambda x: (np.linalg.norm(x, "fro", axis=(0, 1)), np.linalg.norm(x[0])), X),
    "nanmax": (lambda x: (np.nanmax(x), np.nanmax(x, axis=0), np.nanmax(x, axis=(0, 1), keepdims=True)), LOST),
    "nanmin": (lambda x: (np.nanmin(x), np.nanmin(x, axis=1)), LOST),
    "nanmean": (lambda x: (np.nanmean(x), np.nanmean(x, axis=2), np.nanmean(x, axis=0, keepdims=True)), LOST),
    "round": (lambda x: (np.round(x), np.round(2.5 + 0 * x)), 3.0 * X),
    "sinc": (lambda x: (np.sinc(x), np.sinc(0.0 * x)), X),
    "remainder": (lambda x: (x % 0.3, x % -0.3, 0.5 % x, np.trunc(x) % 1.0), X),
}


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")  # of nothing but NaN
@pytest.mark.parametrize("name", IN_OTHER_WORDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_written_in_other_words_is_the_same(name: str, dtype: str) -> None:
    f, x = IN_OTHER_WORDS[name]
    same_as_eager(f, [x.astype(dtype)], units=10)  # at most a dozen terms, in another order


ALONG = {
    "argmax": np.argmax,
    "argmin": np.argmin,
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
}


@pytest.mark.parametrize("name", ALONG)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8", "bool"])
def test_what_runs_along_an_axis_is_exact(name: str, dtype: str) -> None:
    """Ties, NaN and signed zeros included: sums run in NumPy's order, so that each bit is the same."""
    rng, call = np.random.default_rng(0), ALONG[name]
    x = rng.integers(-2, 3, size=(4, 1, 5, 3)).astype(dtype)
    if x.dtype.kind == "f":
        x = x * x.dtype.type(0.3)
        x[rng.uniform(size=x.shape) < 0.25] = np.nan
        x[rng.uniform(size=x.shape) < 0.1] = -0.0

    def f(x: Any) -> list[Any]:
        views = [np.transpose(x, (2, 0, 3, 1)), x[::-1, :, 1:, ::-1], x[0, 0, 0], x[0, 0, 0, 0], x[..., :1, :1]]
        ys = [call(a, axis=axis) for a in views for axis in (None, *range(-np.ndim(a), np.ndim(a)))]
        return ys + ([call(x, axis=0, keepdims=True), call(x, keepdims=True)] if name.startswith("arg") else [])

    for got, numpys in zip(tl.jit(f, runner="C")(x), f(x), strict=True):
        assert np.shape(got) == np.shape(numpys)
        assert got.dtype == numpys.dtype
        np.testing.assert_array_equal(got, numpys)


@pytest.mark.parametrize("n", [1, 15, 16, 32, 33, 64, 100, 131])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_extremum_of_a_long_line_is_found_wherever_it_is(n: int, dtype: str) -> None:
    def f(x: Any) -> Any:
        calls = np.max, np.min, np.argmax, np.argmin
        return [
            call(a, axis=axis) for call in calls for a in (x, x[:, ::-1], x[1:, 1:]) for axis in (0, -1, None) if a.size
        ]

    rng, jitted = np.random.default_rng(n), tl.jit(f, runner="C")
    for lost in (0, 0, 1, 3):
        x = np.abs(rng.normal(size=(2 * n, n))).astype(dtype)
        for row in x:  # twice the least and the largest, and what is lost, each at any place
            row[rng.integers(n, size=2)] = -1.0
            row[rng.integers(n, size=2)] = 9.0
            row[rng.integers(n, size=lost)] = np.nan
        for got, numpys in zip(jitted(x), f(x), strict=True):
            np.testing.assert_array_equal(got, numpys)


def test_a_net_takes_inputs_of_another_dtype() -> None:
    net, x = tl.MLP([3, 200, 2], rng=0), np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32)

    def f(w: Any, x: Any) -> Any:
        E, g = tl.value_and_grad(lambda p: tl.squared_error(net(x, p), x[:, :2]))(net.weights.named(w))
        return E, *g.values()

    same_as_eager(f, [net.w.copy(), x], units=100)  # sums of some hundred terms
