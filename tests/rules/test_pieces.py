"""What functions of shape promise beside gradients: lists and tuples as NumPy's, Tensors as indices, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl

X = np.array([[3.0, 1.0, 2.0, 0.5], [0.0, -1.0, 4.0, 0.25]])
OTHER = X[::-1, ::-1] * 2.0

SEVERAL: dict[str, Callable[[Any], Any]] = {
    "split": lambda x: np.split(x, 2, axis=1),
    "split at places": lambda x: np.split(x, [1, 3], 1),
    "array_split": lambda x: np.array_split(x, 3, axis=1),
    "hsplit": lambda x: np.hsplit(x, 2),
    "vsplit": lambda x: np.vsplit(x, [1]),
    "dsplit": lambda x: np.dsplit(x[..., None], 1),
    "unstack": lambda x: np.unstack(x, axis=1) if hasattr(np, "unstack") else (x,),
    "atleast_1d": lambda x: np.atleast_1d(x, x[0], 2.0),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, x[0], 1.0),
    "meshgrid": lambda x: np.meshgrid(x[0], x[1], sparse=True),
    "gradient": lambda x: np.gradient(x),
    "average": lambda x: np.average(x, axis=0, weights=[1.0, 3.0], returned=True),
    "average of all": lambda x: np.average(x, returned=True),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_results_come_as_numpys_do(name: str) -> None:
    ours, numpys = SEVERAL[name](tl.Tensor(X, requires_grad=True)), SEVERAL[name](X)
    assert type(ours) is type(numpys)
    for a, b in zip(ours, numpys, strict=True):
        a = a.numpy() if isinstance(a, tl.Tensor) else a
        assert (np.shape(a), a.dtype) == (np.shape(b), np.asarray(b).dtype)
        np.testing.assert_array_equal(a, b)


INDEXED: dict[str, Callable[[Any], Any]] = {
    "take": lambda x: np.take(x, np.argmax(x[0]), axis=1),
    "take, wrapped": lambda x: np.take(x, np.argsort(x[0]) + 2, axis=1, mode="wrap"),
    "take, clipped": lambda x: np.take(x, np.argsort(x[1]) + 2, 1, None, "clip"),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1),
    "take_along_axis of an array": lambda x: np.take_along_axis(X * 1.0, np.argsort(x, axis=1), axis=1) + 0.0 * x,
    "sort": lambda x: np.sort(x, axis=None),
    "median": lambda x: np.median(x, axis=1),
    "pad": lambda x: np.pad(x, 1, "reflect"),
}


@pytest.mark.parametrize("name", INDEXED)
def test_an_index_computed_from_the_input_is_recorded(name: str) -> None:
    f = INDEXED[name]
    np.testing.assert_array_equal(tl.record(f)(X)(OTHER), f(OTHER))
    slope = tl.grad(lambda x: np.sum(f(x) ** 2))
    np.testing.assert_array_equal(tl.record(slope)(X)(OTHER), slope(OTHER))


def test_a_shape_that_depends_on_values_is_refused_while_recording() -> None:
    refused: list[Callable[[Any], Any]] = [
        lambda x: np.repeat(x, np.argsort(x[0]), axis=1),
        lambda x: np.compress(x[0] > 1, x, axis=1),
        lambda x: np.extract(x > 1, x),
    ]
    for f in refused:
        with pytest.raises(TypeError, match="while recording"):
            tl.record(f)(X)
    t = tl.Tensor(X, requires_grad=True)
    np.testing.assert_array_equal(np.repeat(t, tl.Tensor([0, 1, 2, 0]), 1).numpy(), np.repeat(X, [0, 1, 2, 0], 1))
    np.testing.assert_array_equal(np.extract(t > 1, t).numpy(), X[X > 1])


REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "pad, a ramp": (lambda t: np.pad(t, 1, "linear_ramp"), TypeError, "linear_ramp.*constant, edge, reflect"),
    "pad, odd": (lambda t: np.pad(t, 1, "reflect", reflect_type="odd"), TypeError, "reflect_type='odd'"),
    "pad, a function": (lambda t: np.pad(t, 1, lambda *_: None), TypeError, "no local rule"),
    "pad, another mode's option": (lambda t: np.pad(t, 1, "edge", constant_values=1), ValueError, "constant_values=1"),
    "pad, negative": (lambda t: np.pad(t, -1), ValueError, "negative"),
    "split unevenly": (lambda t: np.split(t, 3, axis=1), ValueError, "no 3 equal parts; use np.array_split"),
    "vsplit of a vector": (lambda t: np.vsplit(t[0], 2), ValueError, "vsplit.*2 axes"),
    "squeeze": (lambda t: np.squeeze(t, 0), ValueError, r"axis 0.*\(2, 4\)"),
    "take with out=": (lambda t: np.take(t, [0], out=np.empty(1)), TypeError, "out="),
    "take in a strange mode": (lambda t: np.take(t, [0], mode="other"), ValueError, "'raise', 'wrap' or 'clip'"),
    "take beyond the end": (lambda t: np.take(t, [9]), IndexError, "out of bounds"),
    "concatenate with dtype=": (lambda t: np.concatenate([t, t], dtype=np.float32), TypeError, r"dtype=.*astype"),
    "stack with casting=": (lambda t: np.stack([t, t], casting="unsafe"), TypeError, "casting="),
    "hstack with dtype=": (lambda t: np.hstack([t, t], dtype=np.float32), TypeError, "dtype="),
    "block of uneven lists": (lambda t: np.block([t, [t]]), ValueError, "same depth"),
    "block of tuples": (lambda t: np.block([t, (t,)]), TypeError, "not tuples"),
    "ravel in memory's order": (lambda t: np.ravel(t, "K"), ValueError, "order='K'"),
    "diag of three axes": (lambda t: np.diag(t[None]), ValueError, r"\(1, 2, 4\)"),
    "coordinates with a gradient": (lambda t: np.gradient(X, t[0], axis=1), TypeError, "requires a gradient"),
    "var with a mean": (lambda t: np.var(t, mean=np.zeros(())), TypeError, "mean="),
    "sum where": (lambda t: np.nansum(t, where=X > 0), TypeError, "where="),
    "median with out=": (lambda t: np.median(t, out=np.empty(())), TypeError, "out="),
    "gradient of too little": (lambda t: np.gradient(t, axis=0, edge_order=2), ValueError, "3 elements.*axis 0"),
    "gradient of one": (lambda t: np.gradient(t[:1], axis=0), ValueError, "2 elements"),
    "gradient at another edge": (lambda t: np.gradient(t, edge_order=3), ValueError, "edge_order"),
    "gradient, too many spacings": (lambda t: np.gradient(t, 1.0, 2.0, 3.0), TypeError, "2 axes, not 3"),
    "ediff1d from the front": (lambda t: np.ediff1d(t.astype(int), to_begin=[0.5]), TypeError, "fit into int64"),
    "ediff1d at the end": (lambda t: np.ediff1d(t.astype(int), [0.5]), TypeError, "fit into int64"),
    "take_along_axis of too few axes": (lambda t: np.take_along_axis(t, [0], 0), ValueError, "must have 2 axes"),
    "rollaxis": (lambda t: np.rollaxis(t, 0, 5), ValueError, "-2 … 2"),
    "meshgrid": (lambda t: np.meshgrid(t, indexing="yx"), ValueError, "'xy' or 'ij'"),
    "array_split into nothing": (lambda t: np.array_split(t, 0), ValueError, "at least one section"),
    "matrix_transpose of a vector": (lambda t: np.matrix_transpose(t[0]), ValueError, r"\(4,\)"),
    "outer of no vector": (lambda t: np.linalg.outer(t[0], t), ValueError, r"outer.*vectors.*\(4,\).*\(2, 4\)"),
    "outer of a number": (lambda t: np.linalg.outer(t, t[0]), ValueError, r"outer.*vectors.*\(2, 4\).*\(4,\)"),
    "outer product with out=": (lambda t: np.add.outer(t, t, out=np.zeros((2, 4, 2, 4))), TypeError, "add.*out="),
    "diff backwards": (lambda t: np.diff(t, -1), ValueError, "negative"),
}

if hasattr(np, "cumulative_sum"):
    REFUSED["cumulative_sum without an axis"] = (lambda t: np.cumulative_sum(t), ValueError, "axis= must be given")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_names_its_cause(name: str) -> None:
    f, kind, text = REFUSED[name]
    with pytest.raises(kind, match=text):
        f(tl.Tensor(X, requires_grad=True))


def test_what_asks_for_nothing_new_is_accepted() -> None:
    t = tl.Tensor(X, requires_grad=True)
    for y in (np.concatenate([t], 0, None, dtype=None), np.sum(t, None, None, None), np.var(t, dtype=None)):
        assert y.requires_grad


def test_integers_and_booleans_keep_to_numpys_ways() -> None:
    whole, flags = np.array([3, 1, 1, 5]), np.array([True, False, False, True])
    calls: list[tuple[Callable[[Any], Any], np.ndarray]] = [
        (np.diff, flags),
        (lambda x: np.diff(x, 2), whole),
        (lambda x: np.gradient(x), whole),
        (np.tril, flags),
        (np.copy, flags),
        (lambda x: np.pad(x, 1, constant_values=1), flags),
        (lambda x: np.take(x, [True, False]), whole),
        (lambda x: np.resize(x, (2, 3)), whole),
        (lambda x: np.resize(x[:0], (2, 3)), whole),
        (lambda x: np.take(x, [0, 0], axis=-1), np.array(5)),
        (np.atleast_3d, whole[:0]),
        (lambda x: np.gradient(x[:2], [0, 3]), whole),
        (np.std, whole),
        (np.median, whole),
    ]
    for f, x in calls:
        ours, numpys = np.asarray(f(tl.Tensor(x))), np.asarray(f(x))
        assert (ours.dtype, ours.shape, ours.tobytes()) == (numpys.dtype, numpys.shape, numpys.tobytes())


def test_the_widths_of_a_pad_may_be_a_dictionary() -> None:
    t = tl.Tensor(X, requires_grad=True)
    np.testing.assert_array_equal(np.pad(t, {-1: (1, 2)}, "edge").numpy(), np.pad(X, ((0, 0), (1, 2)), "edge"))
    np.testing.assert_array_equal(np.pad(t, {0: 2}).numpy(), np.pad(X, ((2, 2), (0, 0))))


def test_padding_and_diagonals_keep_signs_of_zero_and_dtypes() -> None:
    x = np.array([-0.0, 1.0], np.float32)
    for f in (lambda x: np.pad(x, 1), lambda x: np.pad(x, 1, constant_values=2.5), np.diag):
        y = f(tl.Tensor(x, requires_grad=True)).numpy()
        assert (y.dtype, y.tobytes()) == (np.float32, f(x).tobytes())
