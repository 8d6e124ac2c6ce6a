"""What C computes at the edges of its forms, and what has no form: that runs by NumPy, and says why."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl
from tests.program.runners import RUNNERS
from tinygrad_lecture.program.c import runner as c_runner
from tinygrad_lecture.program.c.source import source
from tinygrad_lecture.program.running import computed

pytestmark = pytest.mark.skipif("C" not in RUNNERS, reason="there is no C compiler")

A = np.arange(6.0).reshape(2, 3)
WHOLE = np.arange(3)

NO_FORM: dict[str, tuple[Any, tuple[Any, ...], str]] = {
    "products of stacks by np.dot": (
        np.dot,
        (np.ones((2, 3, 4)), np.ones((4, 5))),
        "np.dot of shapes (2, 3, 4) and (4, 5)",
    ),
    "np.dot with an array of no axis": (np.dot, (A, np.float64(2.0)), "np.dot of a number"),
    "np.dot with a plain number": (lambda x: np.dot(x, 2.0), (A,), "a plain number (2.0) where an array is needed"),
    "a product of whole numbers": (lambda i: i @ i, (WHOLE,), "a product of dtypes int64"),
    "a maximum of truth values": (lambda x: np.max(x > 1), (A,), "max of bool"),
    "a minimum of truth values": (lambda x: np.min(x > 1), (A,), "min of bool"),
    "arrays joined after they are flattened": (
        lambda x: np.concatenate([x, x], axis=None),
        (A,),
        "np.concatenate of flattened arrays",
    ),
    "half precision": (lambda x: x * 2, (A.astype(np.float16),), "numbers of dtype float16"),
    "sorting": (lambda x: np.sort(np.tanh(x)), (A,), "sort of float64"),
}


@pytest.mark.parametrize("name", NO_FORM)
def test_what_has_no_form_in_c_runs_by_numpy_to_the_bit_and_says_why(name: str) -> None:
    f, args, why = NO_FORM[name]
    jitted = tl.jit(f)
    got, wanted = jitted(*args), f(*args)
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)
    assert f"run by NumPy (C has no form for {why})" in jitted.report()


EXACT: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "a number that is none": (lambda x: np.where(x > 2, x, np.nan), (A,)),
    "infinite numbers": (lambda x: np.where(x > 2, np.inf, -np.inf) * x, (A[:, 1:],)),
    "no elements": (lambda x: (x[:0] * 2.0, x[:0].T, x[:, :0].reshape(0, 2), x[:, 3:].T + 1.0), (A,)),
    "a part that is turned round": (lambda x: (x * 2.0)[::-1] + x, (WHOLE * 0.5,)),
    "a product read by columns": (lambda x: (x * 2.0).T + (x + 1.0), (np.arange(9.0).reshape(3, 3),)),
    "elements that move": (lambda x: (x + 1.0).T.reshape(-1), (A,)),
    "what hands on no error": (lambda x: x.detach() * 3.0 if isinstance(x, tl.Tensor) else x * 3.0, (A,)),
    "truth over rows and columns": (
        lambda x: (np.any(x > 4, axis=1), np.all(x > 2, axis=1), np.any(x > 4, axis=0), np.all(x >= 0)),
        (A,),
    ),
    "extrema over rows": (lambda x: (np.max(x, axis=1), np.min(x, axis=1), np.max(x, axis=0)), (A,)),
    "extrema of whole numbers": (
        lambda i: (np.max(i, axis=1), np.min(i, axis=0), np.max(i), np.min(i), np.max(np.abs(i).astype(np.uint8))),
        (np.arange(-40, 38).reshape(6, 13) * 7 % 50 - 25,),
    ),
    "products of several dtypes": (
        lambda x, i, h: (x @ i, i.T @ x.T, np.dot(h, i), h @ x[0], np.dot(x[0], h.T)),
        (A, np.arange(12).reshape(3, 4), A.astype(np.float32)),
    ),
    "joined inside": (lambda x: np.concatenate([x * 2.0, x + 1.0], axis=1), (A,)),
    "results too large for the kept buffers": (lambda x: (x * 2.0, x[:3] + 1.0), (np.arange(5000.0),)),
    "results that lie apart in an argument": (lambda x: x[::2, 1] * 1.0, (np.arange(12.0).reshape(4, 3),)),
}


@pytest.mark.parametrize("name", EXACT)
def test_what_rounds_nothing_is_exact(name: str) -> None:
    f, args = EXACT[name]
    jitted = tl.jit(f, runner="C")
    with np.errstate(invalid="ignore"):
        wanted = f(*args)
    got = jitted(*args)
    for c, numpys in zip(*((y if isinstance(y, tuple) else (y,)) for y in (got, wanted)), strict=True):
        assert c.dtype == numpys.dtype
        np.testing.assert_array_equal(c, numpys)


def test_what_is_not_zero_is_counted_by_rows_as_by_columns() -> None:
    f = lambda x: (np.count_nonzero(x, axis=1), np.count_nonzero(x, axis=0), np.count_nonzero(x))
    for c, numpys in zip(tl.jit(f, runner="C")(A), f(A), strict=True):
        np.testing.assert_array_equal(c, numpys)


def test_large_values_that_are_no_longer_needed_give_up_their_place() -> None:
    def f(x: Any) -> Any:
        for _ in range(6):
            x = x * 0.5 + np.sum(x)  # each needs the whole of the one before
        return np.sum(x)

    x = np.ones(4000)
    program = tl.record(f)(x)
    assert source(program, computed(program)).workspace <= 3 * x.nbytes
    # six sums of 4,000 terms in another order
    np.testing.assert_allclose(tl.jit(f, runner="C")(x), f(x), rtol=6 * 4000 * np.finfo(float).eps)


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_index_out_of_range_in_the_midst_of_a_scan_is_an_error(runner: str) -> None:
    step = lambda carry, i: (carry, carry[i] * 2.0)
    carry = np.arange(3.0)
    with pytest.raises(IndexError, match=r"an index is out of range, in step 2" if runner == "C" else r"out of bounds"):
        tl.scan(step, carry, np.array([[0], [2], [3], [1]]), runner=runner)


@pytest.mark.parametrize("seconds", [0.0, 60.0])
@pytest.mark.parametrize("halts", [False, True])
def test_many_steps_in_several_calls_are_those_of_single_ones(
    halts: bool, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(a: Any, b: Any, kept: Any, x: Any) -> Any:
        return b, a * 0.5 + np.sum(b) * x, kept, np.tanh(a), np.sum(a) > 2.5

    monkeypatch.setattr(c_runner, "CHUNK", seconds)
    xs = np.linspace(0.5, 0.9, 9)
    given = [np.array([0.3, 0.1]), np.array([0.2, 0.4]), np.array([7.0])]
    program = tl.record(step)(*given, xs[0])
    run = c_runner.CRunner(program, [0, 1, 3, 4], halt=4 if halts else None)
    calls, plain = [], run._run
    run._run = lambda n, *rest: (calls.append(n), plain(n, *rest))[1]
    for n in (1, 2, 7, 9):
        a, b = given[:2]
        ys, stops, whole = [], [], 0
        for t in range(n):
            new_a, new_b, y, stop = run([a, b, given[2], xs[t]])
            ys.append(y)
            stops.append(stop)
            if halts and stop:
                break
            a, b, whole = new_a, new_b, whole + 1
        calls.clear()
        done, after, (put_out, told) = run.many(n, [*given, xs[:n]], [(0, 0), (1, 1)], [3])
        assert done == whole
        assert halts == (done < n) or n < 7
        assert calls == [1] * len(ys) if seconds == 0 else len(calls) <= 2
        for got, single in zip((*after, put_out[: len(ys)], told[: len(ys)]), (a, b, ys, stops), strict=True):
            np.testing.assert_array_equal(got, single)


FOREVER = """
import threading, _thread, numpy as np, tinygrad_lecture as tl
threading.Timer(0.5, _thread.interrupt_main).start()
w = np.array([0.25, 0.5])
try:
    tl.scan(lambda w, _: (np.tanh(w), ()), w, length=10**15, runner="C")
except KeyboardInterrupt:
    print(w, tl.scan(lambda w, _: (w * 2.0, ()), w, length=3, runner="C")[0])
"""


def test_a_scan_that_would_take_years_can_be_interrupted() -> None:
    done = subprocess.run([sys.executable, "-c", FOREVER], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[0.25 0.5 ] [2. 4.]\n", done.stderr
