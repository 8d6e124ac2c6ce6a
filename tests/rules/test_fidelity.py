"""Every operation on a Tensor is NumPy's own: the same bits, dtype and shape, for every kind of array NumPy knows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import CASES, Case


def reversed_strides(x: np.ndarray) -> np.ndarray:
    """The same values behind negative strides."""
    backwards = (..., *(slice(None, None, -1),) * x.ndim)
    return np.array(x[backwards], order="C")[backwards]


def every_other(x: np.ndarray) -> np.ndarray:
    """The same values with gaps between them."""
    wide = np.empty(tuple(2 * n for n in x.shape), x.dtype)
    wide[...] = 7.0
    view = wide[(..., *(slice(None, None, 2),) * x.ndim)]
    view[...] = x
    return view


def read_only(x: np.ndarray) -> np.ndarray:
    y = x.copy()
    y.flags.writeable = False
    return y


def repeated(x: np.ndarray) -> np.ndarray:
    """The first row for all rows, by a stride of 0."""
    return np.broadcast_to(x[:1], x.shape) if x.ndim and len(x) else x


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": lambda x: np.array(x, order="C"),
    "Fortran": lambda x: np.array(x, order="F"),
    "negative strides": reversed_strides,
    "gaps": every_other,
    "read-only": read_only,
    "broadcast": repeated,
}


def outcome(f: Callable[..., Any], xs: list[Any]) -> Any:
    """What f gives, or the kind of error it raises."""
    try:
        with np.errstate(all="ignore"):
            return f(*xs)
    except (ValueError, IndexError, np.linalg.LinAlgError) as error:
        return next(kind for kind in (np.linalg.LinAlgError, IndexError, ValueError) if isinstance(error, kind))


def same(ours: Any, numpys: Any) -> None:
    a, b = np.asarray(ours), np.asarray(numpys)
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    if a.dtype == np.longdouble:  # its padding bytes are not part of the value
        np.testing.assert_array_equal(a, b)
    else:
        assert a.tobytes() == b.tobytes()


def check(case: Case, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    drawn = case.make(data.draw, rng)
    xs = []
    for x in drawn.xs:
        layout = data.draw(st.sampled_from(sorted(LAYOUTS)), label="layout")
        dtype = data.draw(st.sampled_from([np.float64, np.float32]), label="dtype")
        xs.append(LAYOUTS[layout](np.asarray(x).astype(dtype)))
    warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of means of nothing but NaN
    before = [(x.tobytes(), x.strides, x.flags.writeable) for x in xs]
    numpys = outcome(drawn.f, xs)
    leaves = [tl.Tensor(x, requires_grad=True) for x in xs]
    if isinstance(numpys, type):
        assert outcome(lambda *xs: tl.vjp(drawn.f, *xs), xs) is numpys
        assert outcome(drawn.f, leaves) is numpys
        return

    with np.errstate(all="ignore"):
        ours, pull_back = tl.vjp(drawn.f, *xs)
        gradients = outcome(pull_back, [np.ones(np.shape(ours))])
        in_object_style = drawn.f(*leaves)
    same(ours, numpys)
    same(in_object_style.numpy(), numpys)
    if gradients is np.linalg.LinAlgError:  # rows were made the same: log |det| has no slope at a singular matrix
        return
    for g, x in zip(gradients, xs, strict=True):
        assert g.dtype == x.dtype
        assert np.shape(g) == x.shape
    assert [(x.tobytes(), x.strides, x.flags.writeable) for x in xs] == before


@pytest.mark.parametrize("name", CASES)
def test_an_operation_on_tensors_is_numpys_bit_for_bit(name: str) -> None:
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        with warnings.catch_warnings():
            check(CASES[name], data)

    holds()
