"""The matrix product that compiled programs share: against exact sums, for any strides, threads, fork and values."""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.profiles import tries
from tinygrad_lecture.program.c import build

try:
    build.flags()
except build.NoCompilerError as error:
    pytest.skip(f"compiled code needs a C compiler: {error}", allow_module_level=True)

C_TYPES = {"float32": ("float", ctypes.c_float), "float64": ("double", ctypes.c_double)}
LENGTHS = st.one_of(st.just(1), st.integers(1, 20), st.sampled_from([31, 32, 33, 64, 100, 257, 300, 520, 700]))
BUSY = (300, 400, 500)
"""So many multiplications that every thread gets a part."""


def library(dtype: str) -> Any:
    """The compiled text, of which the tests may change the number of threads."""
    T, _ = C_TYPES[dtype]
    found, _ = build.built(f"#define T {T}\n" + (build.Path(build.__file__).with_name("shared.c")).read_text("utf-8"))
    return found


def gemm(a: np.ndarray, b: np.ndarray, c: np.ndarray, alpha: float = 1.0, beta: float = 0.0) -> np.ndarray:
    """C ← α A B + β C, in place."""
    dtype = c.dtype.name
    number = C_TYPES[dtype][1]
    i64, pointer = ctypes.c_int64, ctypes.c_void_p
    function = library(dtype).gemm
    function.argtypes = [i64, i64, i64, number, pointer, i64, i64, pointer, i64, i64, number, pointer, pointer]
    function.restype = None
    strides = [s // c.itemsize for x in (a, b) for s in x.strides]
    (m, k), n = a.shape, b.shape[1]
    function(
        m, n, k, alpha, a.ctypes.data, *strides[:2], b.ctypes.data, *strides[2:], beta, c.ctypes.data, c.ctypes.data
    )
    return c


LAID_OUT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "every other": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
    "backwards": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
}


def drawn(rng: np.random.Generator, shape: tuple[int, int], dtype: str, how: str) -> np.ndarray:
    return LAID_OUT[how](rng.normal(size=shape).astype(dtype))


@settings(max_examples=tries(60))
@given(
    LENGTHS, LENGTHS, LENGTHS,
    st.sampled_from([*C_TYPES]), st.sampled_from([*LAID_OUT]), st.sampled_from([*LAID_OUT]),
    st.sampled_from([(1.0, 0.0), (1.0, 1.0), (-0.5, 1.0), (2.0, 0.25)]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_every_element_is_its_sum_to_the_bound_of_its_terms(
    m: int, n: int, k: int, dtype: str, of_a: str, of_b: str, factors: tuple[float, float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = drawn(rng, (m, k), dtype, of_a), drawn(rng, (k, n), dtype, of_b)
    alpha, beta = factors
    before = rng.normal(size=(m, n)).astype(dtype)
    got = gemm(a, b, before.copy(), alpha, beta)
    must_be_sums(got, a, b, alpha, beta, before)


def must_be_sums(
    got: np.ndarray, a: np.ndarray, b: np.ndarray, alpha: float = 1.0, beta: float = 0.0, before: Any = 0.0
) -> None:
    """Each element of α A B + β D to the bound of its terms."""
    x, y, d = (np.asarray(v).astype(np.longdouble) for v in (a, b, before))
    wanted = alpha * (x @ y) + beta * d
    terms = abs(alpha) * (abs(x) @ abs(y)) + abs(beta * d)
    # γ_k of Higham 2002, 3.5, and a rounding for each factor
    assert np.all(abs(got - wanted) <= (a.shape[1] + 4) * np.finfo(got.dtype).eps * terms)


@pytest.mark.parametrize("dtype", C_TYPES)
@pytest.mark.parametrize("shape", [(9, 71, 301), (4, 40, 33), (13, 64, 600), (1, 130, 77), (90, 1, 77), (90, 70, 1)])
def test_each_way_to_multiply_takes_every_layout(shape: tuple[int, int, int], dtype: str) -> None:
    rng, (m, n, k) = np.random.default_rng(7), shape
    for of_a, of_b in itertools.product(LAID_OUT, LAID_OUT):
        a, b, d = drawn(rng, (m, k), dtype, of_a), drawn(rng, (k, n), dtype, of_b), drawn(rng, (m, n), dtype, "rows")
        must_be_sums(gemm(a, b, d.copy(), -0.5, 2.0), a, b, -0.5, 2.0, d)


@pytest.mark.parametrize("dtype", C_TYPES)
def test_old_values_count_for_nothing_where_they_are_not_wanted(dtype: str) -> None:
    a, b = np.ones((9, 40), dtype), np.ones((40, 37), dtype)
    np.testing.assert_array_equal(gemm(a, b, np.full((9, 37), np.nan, dtype)), np.full((9, 37), 40.0))


@pytest.mark.parametrize("dtype", C_TYPES)
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_its_row_alone(dtype: str, broken: float) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(20, 300)).astype(dtype), rng.normal(size=(300, 45)).astype(dtype)
    a[13, 299] = broken
    with np.errstate(invalid="ignore"):
        wanted = a @ b
    got = gemm(a, b, np.empty((20, 45), dtype))
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(wanted))
    np.testing.assert_array_equal(got[13], wanted[13])  # ±∞ and NaN are the same whoever sums
    a[13] = 0.0
    b[7, 40] = broken  # and 0 times it is NaN
    assert np.isnan(gemm(a, b, np.empty((20, 45), dtype))[13, 40])


@pytest.mark.parametrize("dtype", C_TYPES)
def test_threads_change_no_bit(dtype: str) -> None:
    rng = np.random.default_rng(4)
    vectors = [(1, 3000, 3000), (3000, 1, 3000), (3000, 1000, 1), (7, 3001, 900)]
    for (m, n, k), how in itertools.product([BUSY, (2000, 9, 400), (3, 4000, 700), *vectors], ("rows", "columns")):
        a, b = rng.normal(size=(m, k)).astype(dtype), drawn(rng, (k, n), dtype, how)
        results = []
        for threads in (1, 2, 3, 8):
            library(dtype).use_threads(threads)
            results += [gemm(a, b, np.empty((m, n), dtype)) for _ in range(3)]
        library(dtype).use_threads(1)
        for result in results[1:]:
            np.testing.assert_array_equal(result, results[0])


def test_many_callers_at_once_get_what_is_theirs() -> None:
    rng = np.random.default_rng(5)
    m, n, k = BUSY
    pairs = [(rng.normal(size=(m, k)), rng.normal(size=(k, n))) for _ in range(16)]
    alone = [gemm(a, b, np.empty((m, n))) for a, b in pairs]
    library("float64").use_threads(3)
    with ThreadPoolExecutor(8) as callers:
        for _ in range(5):
            for got, wanted in zip(callers.map(lambda p: gemm(*p, np.empty((m, n))), pairs), alone, strict=True):
                np.testing.assert_array_equal(got, wanted)
    library("float64").use_threads(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_child_multiplies_as_its_parent_does() -> None:
    code = """
import os, sys
sys.path.insert(0, {root!r})
import numpy as np
from tests.program.test_shared import gemm, library
library("float64").use_threads(4)
rng = np.random.default_rng(0)
a, b = rng.normal(size=(300, 400)), rng.normal(size=(400, 500))
wanted = gemm(a, b, np.empty((300, 500)))
for _ in range(20):
    child = os.fork()
    if not child:
        os._exit(0 if all(np.array_equal(gemm(a, b, np.empty((300, 500))), wanted) for _ in range(3)) else 1)
    gemm(a, b, np.empty((300, 500)))
    assert os.waitpid(child, 0)[1] == 0
print("the same")
"""
    root = str(build.Path(__file__).parents[2])
    run = [sys.executable, "-W", "ignore", "-c", code.format(root=root)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120)
    assert done.stdout == "the same\n", done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pages are protected by mprotect(2)")
def test_nothing_is_read_or_written_behind_a_matrix() -> None:
    code = """
import ctypes, mmap, sys
sys.path.insert(0, {root!r})
import numpy as np
from tests.program.test_shared import gemm

protect = ctypes.CDLL(None).mprotect
protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

def fenced(a):
    # the same values, right before a page that nobody may look at
    pages = -(-a.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, pages + mmap.PAGESIZE)
    whole = np.frombuffer(memory, np.uint8)
    assert protect(whole.ctypes.data + pages, mmap.PAGESIZE, 0) == 0
    copy = whole[pages - a.nbytes : pages].view(a.dtype).reshape(a.shape)
    copy[...] = a
    return copy

rng = np.random.default_rng(0)
for trial in range(400):
    m, n, k = rng.integers(1, 70, size=3)
    dtype = ["float32", "float64"][trial % 2]
    a, b = (rng.normal(size=shape).astype(dtype) for shape in ((m, k), (k, n)))
    c = rng.normal(size=(m, n)).astype(dtype)
    turned = rng.integers(0, 2, size=2)
    one = fenced(a) if turned[0] else fenced(np.ascontiguousarray(a.T)).T
    two = fenced(b) if turned[1] else fenced(np.ascontiguousarray(b.T)).T
    np.testing.assert_allclose(gemm(one, two, fenced(c), 0.5, 1.0), 0.5 * (a @ b) + c, rtol=0, atol=1e-4)
print("nothing")
"""
    root = str(build.Path(__file__).parents[2])
    run = [sys.executable, "-W", "ignore", "-c", code.format(root=root)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120)
    assert done.stdout == "nothing\n", done.stderr


def test_as_many_threads_as_the_variables_of_numpys_blas_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert build.threads() == 3
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "many")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert build.threads() == 5
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= build.threads() <= (os.cpu_count() or 1)
