"""The digits of every slope against mpmath with 60 of them: over the whole range, past overflow and below underflow."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import title
from tests.cases.exact import EXACT, Exact, sinc_derivative
from tests.cases.exact_special import erfcx_derivative
from tests.cases.numbers import FEWER, FEWEST, HARD, INFO, grid, inside, number
from tests.cases.underflow import UNDERFLOW
from tests.oracles import NUDGE, misjudged
from tinygrad_lecture.engine.op import OPS
from tinygrad_lecture.rules.special import erfcx_slope
from tinygrad_lecture.rules.trigonometric import sinc_slope

ENTRIES = {f"{name} {k}" if k else name: e for name, entries in EXACT.items() for k, e in enumerate(entries)}
QUICK = {name: [e for e in entries if not e.slow] for name, entries in EXACT.items()}
QUICK = {name: entries for name, entries in QUICK.items() if entries}
each_dtype = pytest.mark.parametrize("dtype", INFO, ids=lambda dtype: dtype.__name__)


seeds = st.integers(0, 2**32 - 1)


def some_dtype(rng: np.random.Generator) -> Any:
    return list(INFO)[rng.integers(len(INFO))]


def point(rng: np.random.Generator, e: Exact, dtype: Any) -> tuple[Any, ...]:
    return tuple(number(rng, interval, dtype, e.least) for interval in e.domain)


def slope_at(e: Exact, k: int, at: tuple[Any, ...], flags: Any = "ignore") -> float:
    """What arrives at input k where 1 arrives at the output; flags: what np.errstate does on the way back."""
    ts = [tl.Tensor(x, requires_grad=i == k) for i, x in enumerate(at)]
    y = e.f(*ts)
    with np.errstate(all=flags):
        y.backward(np.ones((), y.dtype))
    return float(ts[k].grad)


def check(name: str, e: Exact, at: tuple[Any, ...], dtype: Any) -> None:
    """Every slope at a point has its digits, and nothing is flagged but what overflows itself, or is documented."""
    info = INFO[dtype]
    for k, slope in enumerate(e.slopes):
        if slope is None:
            continue
        try:
            flag, got = "", slope_at(e, k, at, "raise")
        except FloatingPointError as error:
            flag, got = str(error).split(" ")[0], slope_at(e, k, at)
        if np.isnan(got) and np.isnan(np.asarray(e.f(*at))):  # NumPy's own value is none
            continue
        where = f"{name}, slope {k} at {[float(x) for x in at]}"
        with mp.workdps(60):
            wrong = misjudged(slope, [mp.mpf(float(x)) for x in at], got, info, e.times)
        assert not wrong, f"{where}: {wrong}"
        if flag and not np.isinf(got):
            assert flag == "underflow", f"{where}: {flag}"
            assert abs(got) <= 2 * float(info.smallest_normal) or name in UNDERFLOW, f"{where}: {flag}"


@each_dtype
@pytest.mark.parametrize("name", ENTRIES)
def test_a_slope_keeps_its_digits_where_they_are_lost_most_easily(name: str, dtype: Any) -> None:
    e = ENTRIES[name]
    sizes = FEWEST if e.slow else HARD if len(e.domain) == 1 else FEWER
    points = list(product(*[grid(sizes, interval, dtype, e.least) for interval in e.domain]))
    assert len(points) > 4
    with np.errstate(all="ignore"):
        for at in points:
            check(name.split(" ")[0], e, at, dtype)


@pytest.mark.parametrize("name", QUICK)
def test_a_slope_keeps_its_digits_over_the_whole_range(name: str) -> None:
    @given(seeds)
    def holds(seed: int) -> None:
        rng = np.random.default_rng(seed)
        e, dtype = QUICK[name][rng.integers(len(QUICK[name]))], some_dtype(rng)
        with np.errstate(all="ignore"):
            check(name, e, point(rng, e, dtype), dtype)

    holds()


# further orders, where a rule that is right but loses digits would show in the next

ORDINARY = (1e-8, 1e-4, 0.64, 1.7, 12.0, 300.0, 700.0)
FEW = (1e-4, 1.7)
SMOOTH = [name for name, e in ENTRIES.items() if e.smooth]


def partials(n: int) -> list[tuple[int, ...]]:
    """The inputs in which a function of n is differentiated, of second and third order."""
    return [p for order in (2, 3) for p in combinations_with_replacement(range(n), order)]


def check_order(name: str, at: tuple[Any, ...], which: tuple[int, ...]) -> None:
    """A derivative of second or third order: to 1e-9 of it, and what ε of the inputs makes."""
    e = ENTRIES[name]
    first, *others = which
    slope, g = e.slopes[first], e.f
    for i in which:
        g = tl.grad(g, argnums=i)
    with np.errstate(all="ignore"):
        got = float(g(*at))

    def derivative(*more: int) -> Any:
        counts = tuple([*others, *more].count(i) for i in range(len(at)))
        return mp.re(mp.diff(slope, exactly, counts) if len(at) > 1 else mp.diff(slope, exactly[0], counts[0]))

    with mp.workdps(e.digits):
        exactly = tuple(mp.mpf(x) for x in at)
        try:
            size = abs(slope(*exactly))
        except (ZeroDivisionError, ValueError):
            return  # a pole
        expected = derivative()
        if abs(expected) > float(INFO[np.float64].max) * (1 - 1e-9):
            return
        noise = mp.mpf(10) ** (20 - e.digits) * size  # of mpmath's own differences
        allowed = 1e-9 * abs(expected) + float(INFO[np.float64].smallest_normal) + noise
        if not abs(got - expected) <= allowed:
            steepness = sum(abs(x * derivative(i)) for i, x in enumerate(exactly))
            allowed += float(INFO[np.float64].eps) * steepness
        assert abs(got - expected) <= allowed, f"{name}, {which} at {at}: {got!r}, not {mp.nstr(expected, 17)}"


@pytest.mark.parametrize("name", SMOOTH)
def test_the_second_and_third_derivative_keep_nine_digits(name: str) -> None:
    e = ENTRIES[name]
    sizes = FEW[1:] if e.slow else ORDINARY if len(e.domain) == 1 else FEW
    for at in product(*[grid(sizes, interval, np.float64, e.least) for interval in e.domain]):
        for which in partials(len(at)):
            check_order(name, at, which)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SMOOTH if not ENTRIES[name].slow])
def test_the_second_and_third_derivative_keep_nine_digits_at_any_ordinary_number(name: str) -> None:
    e = ENTRIES[name]

    @given(seeds)
    def holds(seed: int) -> None:
        rng = np.random.default_rng(seed)
        ordinary = [number(rng, (max(lo, -1e3), min(hi, 1e3)), np.float64, 1e-8) for lo, hi in e.domain]
        which = partials(len(e.domain))
        check_order(name, tuple(ordinary), which[rng.integers(len(which))])

    holds()


def test_the_second_derivative_at_a_tie_of_logaddexp_is_a_quarter() -> None:
    assert tl.grad(tl.grad(lambda x: np.logaddexp(x, 0.0)))(0.0) == 0.25
    np.testing.assert_allclose(tl.grad(tl.grad(lambda x: np.logaddexp2(x, 0.0)))(0.0), np.log(2) / 4, rtol=1e-15)


def test_the_mixed_derivatives_of_power_agree_at_exponent_0() -> None:
    in_base = tl.grad(np.power, argnums=0)
    in_exponent = tl.grad(np.power, argnums=1)
    x, p = np.float64(2.0), np.float64(0.0)
    assert tl.grad(in_base, argnums=1)(x, p) == 0.5
    assert tl.grad(in_exponent, argnums=0)(x, p) == 0.5


@pytest.mark.parametrize(
    ("slope", "exactly", "switch"),
    [(erfcx_slope, erfcx_derivative, 0.55), (sinc_slope, sinc_derivative, 2.75 / np.pi)],
    ids=["erfcx", "sinc"],
)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_slope_of_two_forms_keeps_its_digits_where_they_meet(
    slope: Any, exactly: Any, switch: float, order: int
) -> None:
    for x in switch * np.array([0.95, 0.99, 1 - 1e-9, 1 + 1e-9, 1.01, 1.05]):
        with mp.workdps(60):
            wrong = misjudged(lambda x: exactly(x, order), [mp.mpf(x)], float(slope(x, order)), INFO[np.float64])
        assert not wrong, f"{x}: {wrong}"


@pytest.mark.parametrize(("a", "b"), [(0.49, 0.9), (0.9, 0.49), (0.9, 0.9)])
def test_the_slopes_of_an_angle_keep_their_digits_where_its_hypotenuse_overflows(a: float, b: float) -> None:
    at = [float(INFO[np.float64].max) * x for x in (a, b)]
    slopes: list[Any] = [lambda a, b: b / (a * a + b * b), lambda a, b: -a / (a * a + b * b)]
    for got, slope in zip(tl.grad(np.arctan2, argnums=(0, 1))(*at), slopes, strict=True):
        with mp.workdps(60):
            wrong = misjudged(slope, [mp.mpf(x) for x in at], float(got), INFO[np.float64])
        assert not wrong


def test_a_slope_that_goes_by_its_values_goes_by_those_of_each_run() -> None:
    slope = tl.grad(lambda a: np.sum(np.arctan2(a, np.array([2.0, 3e-200]))))
    program = tl.record(slope)(np.array([1.0, 2.0]))
    for a in (np.array([1.0, 2.0]), np.array([1e-310, 1e200])):
        assert program(a).tobytes() == slope(a).tobytes()


# the table itself


@pytest.mark.parametrize("name", ENTRIES)
def test_the_slopes_of_the_table_are_those_of_its_functions(name: str) -> None:
    """By differences of 40 digits: what slopes are judged by is calculus, not a copy of the rules."""
    e = ENTRIES[name]
    points = [[x for x in (-1.7, -0.35, 0.0, 0.4, 0.45, 1.65, 2.3) if inside(x, interval)] for interval in e.domain]
    for at in product(*points):
        for k, slope in enumerate(e.slopes):
            if slope is None or len(set(at)) < len(at) or (0 in at and (not e.smooth or len(at) > 1)):
                continue
            with mp.workdps(40):
                exactly = [mp.mpf(x) for x in at]
                try:
                    expected = slope(*exactly)
                except (ZeroDivisionError, ValueError):
                    continue
                above, below = (e.exact(*[x + h * (i == k) for i, x in enumerate(exactly)]) for h in (NUDGE, -NUDGE))
                assert abs((above - below) / (2 * NUDGE) - expected) <= 1e-15 * (1 + abs(expected)), (k, at)


def test_every_elementwise_operation_is_in_the_table() -> None:
    assert {title(fn) for fn, op in OPS.items() if op.slopes is not None and op.differentiable} == set(EXACT)
    assert set(UNDERFLOW) <= set(EXACT)
