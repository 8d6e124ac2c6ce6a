"""Programs as compiled C: what NumPy computes, to the stated bounds, or a word why there is no C."""

from __future__ import annotations

import contextlib
import importlib
import re
import subprocess
import sys
import threading
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import CASES, Case
from tests.cases.base import Drawn
from tinygrad_lecture.engine.tree import flatten
from tinygrad_lecture.program.c import build
from tinygrad_lecture.program.c.expressions import FLOATING, TRUTH, WHOLE
from tinygrad_lecture.program.c.plan import NoFormError
from tinygrad_lecture.program.c.runner import CRunner
from tinygrad_lecture.program.c.source import source
from tinygrad_lecture.program.running import CannotCompileError, computed

try:
    build.flags()
except build.NoCompilerError as error:
    pytest.skip(f"compiled code needs a C compiler: {error}", allow_module_level=True)

EDGES = np.array(
    [0, -0.0, 1, -1, 0.5, -0.5, 2, -3, 1e-8, -1e-8, 20, -20, 88, 800, -800, 1e30, -1e30, np.inf, -np.inf, np.nan]
)


def run_as_c(program: Any, *args: Any) -> list[Any]:
    written = computed(program)
    arrays = [a for a in flatten(list(args))[0] if isinstance(a, np.ndarray | np.generic)]
    return CRunner(program, written)(arrays)


def wanted(program: Any, *args: Any) -> list[Any]:
    outs = flatten(program(*args))[0]
    return [outs[i] for i in computed(program)]


def agree(got: Any, numpys: Any, units: float) -> None:
    """To so many units in the last place of the largest element, NaN with NaN, ∞ with the same ∞."""
    got, numpys = np.asarray(got), np.asarray(numpys)
    assert got.shape == numpys.shape
    assert got.dtype == numpys.dtype
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, numpys)
        return
    with np.errstate(invalid="ignore"):
        largest = np.max(np.abs(numpys), initial=0.0, where=np.isfinite(numpys))
        np.testing.assert_allclose(got, numpys, rtol=0, atol=units * np.finfo(got.dtype).eps * float(largest))


@pytest.mark.parametrize("case", CASES.values(), ids=lambda c: c.name)
@settings(max_examples=1 if settings.default.max_examples <= 100 else 50, suppress_health_check=list(HealthCheck))
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_a_function_and_its_backward_pass_compute_what_numpy_computes(case: Case, data: Any, seed: int) -> None:
    with np.errstate(all="ignore"), warnings.catch_warnings():  # what a case overflows or divides by is not at stake
        warnings.simplefilter("ignore", RuntimeWarning)
        _both_agree(case, case.make(data.draw, rng := np.random.default_rng(seed)), rng)


def _both_agree(case: Case, d: Drawn, rng: np.random.Generator) -> None:
    y = d.f(*d.xs)
    errors = rng.normal(size=np.shape(y)).astype(np.asarray(y).dtype)

    def forward_and_back(xs: Any, err: Any) -> Any:
        y, pull = tl.vjp(d.f, *xs)
        return y, pull(err)

    given_ = (list(d.xs), errors if errors.ndim else errors[()])
    program = tl.record(forward_and_back)(*given_)
    try:
        got = run_as_c(program, *given_)
    except NoFormError as error:
        why = str(error)
        got = None
    if got is None:
        assert re.search(NO_FORM, why), f"{case.name} has no form in C, which nothing explains: {why}"
        return
    for c, numpys in zip(got, wanted(program, *given_), strict=True):
        # a few units for every function, and sums in another order, of at most some dozen terms
        agree(c, numpys, units=500)


NO_FORM = "|".join(
    [
        # decompositions, sorting and the like run in NumPy's own compiled code
        "solve|inv of|det of|cofactors|slogdet|sort|partition|median",
        "norm of|weighted_average|nan(var|std)|nanarg|searchsorted|digitize",
        # SciPy's functions are not in C's library
        "erfc|erfinv|erfcinv|ndtr|log_ndtr|gamma|psi|digamma|polygamma|[jyi][01v] of|i[01]e|logit",
        "xlogy|xlog1py|entr|rel_entr|kl_div",
        # what no table of C types has, or no loop of ours
        "float128|float16|longdouble|index of|plain number|a product of dtypes|np.dot of|flattened|operand of type",
        "floor_divide|logaddexp2|isposinf|isneginf|round|isclose|polygamma|linear of|shape|count",
        "max of|min of|prod of|with (initial|ddof|correction)",
    ]
)
"""What may have no form in C: it runs by NumPy, and `report()` says so."""


def test_most_operations_have_a_form_in_c() -> None:
    assert len(FLOATING) > 50
    assert {"tanh", "exp", "logistic", "odot", "maximum"} <= FLOATING.keys()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_elementwise_operation_keeps_its_tails_zeros_infinities_and_nans(dtype: Any) -> None:
    """One program for all of them: the functions of one number at all edges, those of two at all pairs of edges."""
    from tinygrad_lecture.engine.op import OPS
    from tinygrad_lecture.engine.tensor import apply

    with contextlib.suppress(ImportError):  # SciPy's are among them where it is installed
        special = importlib.import_module("scipy.special")
        tl.grad(special.erf)(0.5)
        assert {"erf", "expit", "log_expit"} <= {op.name for op in OPS.values()}
    ops = {op.name: op for op in OPS.values()}
    a, b = (np.ascontiguousarray(x.ravel(), dtype) for x in np.meshgrid(EDGES, EDGES))
    names = [n for n in {**FLOATING, **TRUTH} if n in ops and n not in ("clip", "bitwise_and", "bitwise_or")]
    names = [n for n in names if n not in ("bitwise_xor", "invert", "conjugate")]

    def all_of_them(a: Any, b: Any) -> Any:
        outs = {}
        for n in names:
            outs[n] = apply(ops[n], (a, b) if "{1}" in {**FLOATING, **TRUTH}[n] else (a,), {})
        return outs

    with np.errstate(all="ignore"):
        program = tl.record(all_of_them)(a, b)
        numpys = program(a, b)
    got = dict(zip([n for i, n in enumerate(numpys)], run_as_c(program, a, b), strict=True))
    tiny = np.finfo(dtype).tiny
    for n in names:
        y, c = numpys[n], got[n]
        assert c.dtype == y.dtype, n
        if y.dtype.kind == "b":
            np.testing.assert_array_equal(c, y, err_msg=n)
            continue
        np.testing.assert_array_equal(np.isnan(c), np.isnan(y), err_msg=n)
        infinite = np.isinf(y)
        np.testing.assert_array_equal(c[infinite], y[infinite], err_msg=n)
        zero = (y == 0) & (c == 0)
        if n not in (
            "maximum",
            "minimum",
            "fmax",
            "fmin",
            "relu",
        ):  # which of two zeros NumPy gives depends on the machine
            np.testing.assert_array_equal(np.signbit(c[zero]), np.signbit(y[zero]), err_msg=n)
        rest = np.isfinite(y)
        with np.errstate(over="ignore"):
            off = np.abs(c[rest].astype(np.longdouble) - y[rest]) / (np.abs(y[rest].astype(np.longdouble)) + tiny)
        # glibc's vector functions are at most 4 units in the last place off, NumPy's as many; ours combine two or three
        assert np.max(off) <= 16 * np.finfo(dtype).eps, (n, float(np.max(off) / np.finfo(dtype).eps))


def test_integers_and_masks_are_computed_exactly() -> None:
    i, j = np.arange(-6, 6), np.array([3, -2, 1] * 4)
    m, k = i % 2 == 0, j > 0

    def f(i: Any, j: Any, m: Any, k: Any) -> Any:
        whole = (i + j, i - j, i * j, -i, np.abs(i), np.maximum(i, j), np.minimum(i, j), np.sign(i), np.square(i))
        whole += (i & j, i | j, i ^ j, ~i)
        truth = (m & k, m | k, m ^ k, ~m, i < j, i == j, np.logical_and(i, m), np.where(m, i, j), np.where(k, 1.5, i))
        return whole + truth + (np.sum(i), np.any(m), np.all(k), np.sum(m), i / j, m * 2.0)

    program = tl.record(f)(i, j, m, k)
    for c, numpys in zip(run_as_c(program, i, j, m, k), wanted(program, i, j, m, k), strict=True):
        agree(c, numpys, units=2)
    assert WHOLE.keys() <= {e.op.name for e in program.equations} | {"positive"}


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 7, 1), (40, 30, 50), (200, 64, 3), (2, 100, 100)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products_of_every_orientation_and_size_are_right(shape: tuple[int, int, int], dtype: Any) -> None:
    """Small ones are loops, large ones go to shared.c; both against the sum written out."""
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)

    def f(a: Any, b: Any, at: Any, bt: Any) -> Any:
        return a @ b, at.T @ b, a @ bt.T, at.T @ bt.T, a[::-1] @ b[:, ::-1], a @ b[:, 0], a[0] @ b, a[0] @ b[:, 0]

    args = (a, b, np.ascontiguousarray(a.T), np.ascontiguousarray(b.T))
    whole = np.einsum("ik,kj->ij", a.astype(np.longdouble), b.astype(np.longdouble))
    terms = np.abs(a).astype(np.longdouble) @ np.abs(b).astype(np.longdouble)
    expected = [(whole, terms)] * 4 + [(whole[::-1, ::-1], terms[::-1, ::-1])]
    expected += [(whole[:, 0], terms[:, 0]), (whole[0], terms[0]), (whole[0, 0], terms[0, 0])]
    for got, (y, size) in zip(run_as_c(tl.record(f)(*args), *args), expected, strict=True):
        # γ_k = k ε / (1 − k ε) of the sum of absolute terms, for any order of summation
        assert np.all(np.abs(got - y) <= 2 * (k + 2) * np.finfo(dtype).eps * size)


@pytest.mark.parametrize("index", [(5,), (-6,), (0, 9)])
def test_an_index_out_of_range_is_an_error_as_in_numpy(index: tuple[int, ...]) -> None:
    x = np.arange(5.0)
    program = tl.record(lambda x, i: x[i])(x, np.array([0] * len(index)))
    with pytest.raises(IndexError, match=r"an index is out of range"):
        run_as_c(program, x, np.array(index))
    np.testing.assert_array_equal(run_as_c(program, x, np.array([-1] * len(index)))[0], x[[-1] * len(index)])


def test_the_c_is_readable_and_names_the_lectures_equations() -> None:
    net = tl.MLP([2, 3, 1])

    def error(w: Any, x: Any, t: Any) -> Any:
        return tl.squared_error(net(x, net.weights.named(w)), t)

    program = tl.record(tl.grad(error))(net.w.copy(), np.zeros((4, 2)), np.zeros((4, 1)))
    text = source(program, computed(program)).text
    for equation in ("[in = W out]", "[out = f(in)]", "[err = Wᵀ δ]", "[δ = f'(in) ⊙ err]", "[∂W = Σ_t δ_t out_tᵀ]"):
        assert equation in text
    step = text[text.index("static inline int step") : text.index("/* Up to n")]
    depth = 0
    for line in step.splitlines()[1:-3]:
        if line.strip() and not line.lstrip().startswith(("/*", "v", "for (int64_t j = 0; j < 3; j++) side")):
            leading = len(line.lstrip()) - len(line.lstrip().lstrip("}"))
            assert len(line) - len(line.lstrip()) == max(0, 2 * (1 + depth - leading)), line
            depth += line.count("{") - line.count("}")


# the compiler


def with_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for cached in (build.compiler, build.flags, build._machine):
        cached.cache_clear()


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Another folder for compiled files, and a compiler that is looked for anew."""
    with_environment(monkeypatch, TINYGRAD_LECTURE_CACHE=str(tmp_path / "cache"))
    yield tmp_path / "cache"
    monkeypatch.undo()
    with_environment(monkeypatch)


def test_compiled_files_are_kept_and_found_again(fresh: Path) -> None:
    program = tl.record(lambda x: np.tanh(x) + 3.25)(np.zeros(3))
    first = CRunner(program, computed(program))
    again = CRunner(program, computed(program))
    assert first.seconds > 0
    assert again.seconds == 0
    assert not [f for f in fresh.iterdir() if f.suffix != ".so"]  # neither sources nor temporary files stay


def test_other_flags_compilers_and_sources_have_other_files(fresh: Path) -> None:
    before = build._compiled("int f(void) { return 1; }\n", ("-O1",))[0]
    assert build._compiled("int f(void) { return 2; }\n", ("-O1",))[0] != before
    assert build._compiled("int f(void) { return 1; }\n", ("-O2",))[0] != before
    assert build._compiled("int f(void) { return 1; }\n", ("-O1",)) == (before, False)


def test_many_at_once_compile_the_same_source_without_harm(fresh: Path) -> None:
    program = tl.record(lambda x: np.exp(x) - 2.125)(np.zeros(3))
    wanted_, found = np.exp(np.ones(3)) - 2.125, []

    def go() -> None:
        found.append(CRunner(program, computed(program))([np.ones(3)])[0])

    threads = [threading.Thread(target=go) for _ in range(4)]
    code = (
        "import numpy as np, tinygrad_lecture as tl\n"
        "f = tl.jit(lambda x: np.exp(x) - 2.125, runner='C')\n"
        "print(f(np.ones(3))[0])"
    )
    others = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for other in others:
        assert float(other.communicate(timeout=120)[0]) == pytest.approx(wanted_[0], rel=1e-14)
    for got in found:
        np.testing.assert_allclose(got, wanted_, rtol=1e-14)  # a few units in the last place
    assert not [f for f in fresh.iterdir() if f.suffix != ".so"]


def test_without_a_compiler_auto_runs_by_numpy_and_c_says_what_to_install(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_environment(monkeypatch, PATH=str(fresh), CC="")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # no ziglang either
    f = tl.jit(lambda x: np.tanh(x) * 2.0)
    np.testing.assert_array_equal(f(np.ones(3)), np.tanh(np.ones(3)) * 2.0)
    assert "run by NumPy (there is no C compiler: set CC, install gcc or clang" in f.report()
    with pytest.raises(
        CannotCompileError, match=r"there is no C compiler: set CC, install gcc or clang, or `python -m pip"
    ):
        tl.jit(lambda x: np.tanh(x), runner="C")(np.ones(3))


def test_a_compiler_that_fails_or_a_folder_that_cannot_be_written_is_told(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_environment(monkeypatch, CC="false")
    f = tl.jit(lambda x: np.tanh(x) * 2.5)
    f(np.ones(3))
    assert "compiles nothing" in f.report()
    file = fresh.parent / "a file"
    file.write_text("")
    with_environment(monkeypatch, CC="cc", TINYGRAD_LECTURE_CACHE=str(file))
    g = tl.jit(lambda x: np.tanh(x) * 2.75)
    g(np.ones(3))
    assert "cannot be kept in" in g.report() or "compiles nothing" in g.report()


def test_a_long_program_is_not_compiled_and_says_so() -> None:
    def long(x: Any) -> Any:
        for _ in range(1600):
            x = np.tanh(x) + 0.5
        return x

    f = tl.jit(long)
    np.testing.assert_array_equal(f(np.ones(2)), long(np.ones(2)))
    assert "3200 equations, more than the 3000 that are compiled at once" in f.report()


def test_many_small_values_do_not_fill_the_stack_of_a_thread() -> None:
    def wide(x: Any) -> Any:
        parts = [np.tanh(x * (0.001 * i)) for i in range(600)]  # 600 values of 4 kB, all alive to the end
        return [p @ p for p in parts] + [np.sum(p * q) for p, q in pairwise(parts)]

    x = np.linspace(-1, 1, 512)
    program = tl.record(wide)(x)
    run, found = CRunner(program, computed(program)), []
    before = threading.stack_size(2**19)
    try:
        thread = threading.Thread(target=lambda: found.append(run([x])))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    for c, numpys in zip(found[0], wanted(program, x), strict=True):
        agree(c, numpys, units=600)


def test_a_function_of_ones_own_is_not_taken_for_one_of_the_library() -> None:
    def relu(x: Any) -> Any:
        return x * 3.0

    def counted(x: Any) -> Any:
        return np.array([float(v) + 1.0 for v in x])  # no plain NumPy code

    mine = tl.local_rule(relu, slopes=3.0)
    strange = tl.local_rule(counted, slopes=1.0)
    x = np.array([-1.0, 2.0])
    program = tl.record(lambda x: mine(x) + tl.relu(x))(x)
    np.testing.assert_array_equal(run_as_c(program, x)[0], [-3.0, 8.0])
    with pytest.raises(NoFormError, match=r"counted, a function of your own that cannot be recorded"):
        run_as_c(tl.record(lambda x: strange(x) * 2.0)(x), x)
    np.testing.assert_array_equal(tl.jit(lambda x: strange(x) * 2.0)(x), [0.0, 6.0])

    def dot(a: Any, b: Any) -> Any:
        return a - b

    ours, half = tl.local_rule(dot, slopes=(1.0, -1.0)), x.astype(np.float32)
    program = tl.record(lambda x, half: ours(x, half) + np.dot(x, half))(x, half)
    np.testing.assert_array_equal(run_as_c(program, x, half)[0], [5.0, 5.0])


V, M, B = np.random.default_rng(5).normal(size=3), np.arange(9.0).reshape(3, 3) - 2.5, np.ones((2, 1, 3))
WAYS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "inner of a vector and a matrix": (np.inner, (V, M)),
    "inner of a matrix and a vector": (np.inner, (M, V)),
    "inner of matrices": (np.inner, (M, M.T + 1.0)),
    "vecdot along the first axis": (lambda a, b: np.vecdot(a, b, axis=0), (V, M)),
    "vecdot of two matrices along the first axis": (lambda a, b: np.vecdot(a, b, axis=0), (M, M.T)),
    "ravel in order F": (lambda a: np.ravel(a, order="F"), (M[:2],)),
    "reshape in order F": (lambda a: np.reshape(a, (3, 2), order="F"), (M[:2],)),
    "var with more degrees than numbers": (lambda v: np.var(v, ddof=5), (V,)),
    "std with more degrees than numbers": (lambda v: np.std(v, ddof=5), (V,)),
    "var with ddof along an axis": (lambda a: np.var(a, axis=1, ddof=1, keepdims=True), (M,)),
    "a sum of one number along an axis": (lambda a: np.sum(a, axis=0), (np.float64(3.0),)),
    "the largest of one number along an axis": (lambda a: np.max(a, axis=-1), (np.float64(3.0),)),
    "the root of one number below 0": (lambda a: a**0.5, (np.float64(-np.inf),)),
    "the root of −0": (lambda a: 1.0 / a**0.5, (np.float64(-0.0),)),
    "the root of numbers below 0": (lambda a: a**0.5, (np.array([-np.inf, -0.0, 4.0]),)),
    "np.power with ½": (lambda a: np.power(a, 0.5), (np.array([-np.inf, -0.0, 4.0]),)),
    "1/relu": (lambda a: 1.0 / tl.relu(a), (np.array([-0.0, 0.0, -1.0, 2.0, np.nan]),)),
    "an index that is true": (lambda a: a[True] * 2.0, (M,)),
    "an index that is false": (lambda a: a[False] * 2.0, (M,)),
    "the gradient of an index that is true": (tl.grad(lambda a, b: np.sum(a[True] * b)), (M, M[None])),
    "the gradient of an index with None and true": (
        tl.grad(lambda a, b: np.sum(a[None, True] * b)),
        (M, M[None, None]),
    ),
    "small whole numbers and one too large": (lambda u: (u < 300, u >= 300), (np.array([1, 200, 255], np.uint8),)),
    "numbers without sign and one below 0": (lambda u: (u > -1, u == -1), (np.array([0, 255], np.uint8),)),
    "whole numbers and one that is huge": (lambda n: n < 2**70, (np.array([1, -1]),)),
    "whole numbers with and without sign": (lambda a, b: a > b, (np.array([2**53 + 1], np.uint64), np.array([2**53]))),
    "their sum": (lambda a, b: a + b, (np.array([7], np.uint64), np.array([-9]))),
}


@pytest.mark.parametrize("runner", ["auto", "NumPy"])
@pytest.mark.parametrize("name", WAYS)
def test_options_and_edges_that_C_may_not_have_are_computed_as_by_numpy(name: str, runner: str) -> None:
    f, args = WAYS[name]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        fast = tl.jit(f, runner=runner)
        for _ in range(2):
            for got, plain in zip(flatten(fast(*args))[0], flatten(f(*args))[0], strict=True):
                agree(got, plain, units=20)
                np.testing.assert_array_equal(np.signbit(got), np.signbit(plain))


def test_a_damaged_file_in_the_cache_is_made_anew(fresh: Path) -> None:
    text = "import numpy as np, tinygrad_lecture as tl; print(tl.jit(lambda x: x * 2.125, runner='C')(np.ones(3)))"

    def printed() -> str:  # in a process of its own: a library that is open is not looked at again
        return subprocess.run([sys.executable, "-c", text], check=True, capture_output=True, text=True).stdout

    assert printed() == "[2.125 2.125 2.125]\n"
    sizes = {p: p.stat().st_size for p in fresh.glob("*.so")}
    for p, size in sizes.items():
        p.write_bytes(p.read_bytes()[: size // 3])
    assert printed() == "[2.125 2.125 2.125]\n"
    assert sorted(p.stat().st_size for p in fresh.glob("*.so")) == sorted(sizes.values())
