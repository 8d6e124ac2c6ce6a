"""jit and scan: the function's values and gradients, recorded anew whenever what it depends on has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.profiles import tries
from tests.program.runners import RUNNERS
from tinygrad_lecture.program import scan

X = np.array([0.5, -1.25, 2.0])
each_runner = pytest.mark.parametrize("runner", RUNNERS)


def error(w: Any, x: Any, t: Any) -> Any:
    return tl.squared_error(np.tanh(x @ w.T), t)


@each_runner
@settings(max_examples=tries(5))
@given(seed=st.integers(0, 2**32 - 1))
def test_a_jitted_gradient_is_the_gradient(runner: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, x, t = rng.normal(size=(2, 3)), rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    f = tl.jit(tl.value_and_grad(error), runner=runner)
    for _ in range(2):
        value, g = f(w, x, t)
        expected, g_expected = tl.value_and_grad(error)(w, x, t)
        if runner == "NumPy":
            assert value == expected
            np.testing.assert_array_equal(g, g_expected)
        # a few units in the last place of each function, sums of five terms in another order
        np.testing.assert_allclose(value, expected, rtol=1e-13)
        np.testing.assert_allclose(g, g_expected, rtol=1e-12, atol=1e-14)
        w = w - 0.1 * g
    assert len(f.programs) == 1


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass
class Box:
    a: Any
    n: Any


@each_runner
def test_arguments_and_results_may_be_nested(runner: str) -> None:
    def f(p: Any, box: Any) -> Any:
        return {"sum": p["w"] + box.a, "pair": Pair(p["b"][0] * 2.0, None), "n": box.n, "list": [p["w"]]}

    p = {"w": X, "b": (np.float64(3.0),)}
    got, wanted = tl.jit(f, runner=runner)(p, Box(X, 4)), f(p, Box(X, 4))
    np.testing.assert_array_equal(got["sum"], wanted["sum"])
    assert got["pair"] == wanted["pair"]
    assert type(got["pair"]) is Pair
    assert got["n"] == 4
    np.testing.assert_array_equal(got["list"][0], X)


@each_runner
def test_results_belong_to_the_caller_even_where_they_are_arguments_or_constants(runner: str) -> None:
    c = np.array([1.0, 2.0])
    f = tl.jit(lambda x: (x, x + c, c, x * 1.0), runner=runner)
    x = np.array([3.0, 4.0])
    for part in f(x):
        part[...] = 99.0
    np.testing.assert_array_equal(x, [3.0, 4.0])
    np.testing.assert_array_equal(c, [1.0, 2.0])
    again = f(x)
    np.testing.assert_array_equal(again[1], [4.0, 6.0])
    first = f(x)[1]
    f(x + 1.0)
    np.testing.assert_array_equal(first, [4.0, 6.0])  # not written into by the next call


@each_runner
def test_other_shapes_dtypes_and_static_numbers_have_programs_of_their_own(runner: str) -> None:
    f = tl.jit(lambda x, k: np.sum(x) * k, runner=runner)
    assert f(X, 2.0) == np.sum(X) * 2.0
    assert f(X, 3.0) == np.sum(X) * 3.0
    assert f(X, 2) == np.sum(X) * 2
    assert f(X[:2], 2.0) == np.sum(X[:2]) * 2.0
    single = f(X.astype(np.float32), 2.0)
    assert single.dtype == np.float32
    assert len(f.programs) == 5
    assert f(X[::-1], np.float64(2.0)) == np.sum(X[::-1]) * 2.0
    assert f.report().count("\n") == 5


K = 2.0
TABLE = np.array([1.0, 2.0, 3.0])


def refers_to_globals(x: Any) -> Any:
    return helper(x) * TABLE


def helper(x: Any) -> Any:
    return x * K


def test_a_changed_global_number_or_array_is_noticed_also_in_a_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    f = tl.jit(refers_to_globals)
    np.testing.assert_array_equal(f(X), X * 2.0 * TABLE)
    monkeypatch.setitem(globals(), "K", 5.0)
    np.testing.assert_array_equal(f(X), X * 5.0 * TABLE)
    TABLE[0] = 10.0
    try:
        np.testing.assert_array_equal(f(X), X * 5.0 * TABLE)
    finally:
        TABLE[0] = 1.0
    monkeypatch.setitem(globals(), "TABLE", np.array([0.0, 1.0, 0.0]))
    np.testing.assert_array_equal(f(X), X * 5.0 * TABLE)
    monkeypatch.setitem(globals(), "helper", lambda x: x)
    np.testing.assert_array_equal(f(X), X * TABLE)


def test_a_changed_cell_default_or_net_is_noticed() -> None:
    scale = [1.0]
    k = 1.0

    def f(x: Any, base: Any = None) -> Any:
        return x * scale[0] + k

    g = tl.jit(f)
    np.testing.assert_array_equal(g(X), X + 1.0)
    scale[0] = 3.0
    k = 2.0
    np.testing.assert_array_equal(g(X), X * 3.0 + 2.0)

    net = tl.MLP([3, 2, 1])
    out = tl.jit(lambda x: net(x))
    np.testing.assert_allclose(out(X[None]), net(X[None]), rtol=1e-14)
    net.assign(net.w * 2.0)
    np.testing.assert_allclose(out(X[None]), net(X[None]), rtol=1e-14)


def test_a_leaf_or_a_net_written_since_is_noticed_and_equal_values_are_not_recorded_anew() -> None:
    w, net = tl.Tensor([2.0]), tl.MLP([3, 2, 1])
    times, out = tl.jit(lambda x: x * w), tl.jit(lambda x: net(x))
    for new in (3.0, 3.0, -0.0):
        w.assign([new])
        np.testing.assert_array_equal(times(np.ones(1)), [new])
        assert np.signbit(times(np.ones(1))[0]) == np.signbit(new)
        net.weights.add(np.full_like(net.w, new))
        np.testing.assert_allclose(out(X[None]), net(X[None]), rtol=1e-14)
    known = next(iter(times.programs.values()))
    w.assign(w.numpy())
    times(np.ones(1))
    assert next(iter(times.programs.values())) is known


def test_frozen_data_that_holds_something_that_changes_is_looked_into() -> None:
    @dataclass(frozen=True)
    class Held:
        k: float
        table: Any

    fixed, array, numbers = Held(2.0, 3.0), Held(2.0, np.ones(1)), Held(2.0, [1.0])
    f = tl.jit(lambda x: x * fixed.table * array.table * numbers.table[0])
    np.testing.assert_array_equal(f(np.ones(1)), [3.0])
    array.table[0] = 5.0
    np.testing.assert_array_equal(f(np.ones(1)), [15.0])
    numbers.table[0] = 2.0
    np.testing.assert_array_equal(f(np.ones(1)), [30.0])
    fixed = Held(2.0, 1.0)
    np.testing.assert_array_equal(f(np.ones(1)), [10.0])


def test_an_array_that_only_an_attribute_holds_is_noticed_where_it_is_written_into() -> None:
    class Layer:
        __slots__ = ("w",)

    layer = Layer()
    layer.w = np.array([1.0, 2.0])
    f = tl.jit(lambda x: x * layer.w)
    np.testing.assert_array_equal(f(np.ones(2)), [1.0, 2.0])
    layer.w[0] = 5.0
    np.testing.assert_array_equal(f(np.ones(2)), [5.0, 2.0])


def test_what_draws_or_counts_while_it_runs_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(TypeError, match=r"jit\(<lambda>\): it changes 'rng', which would happen once"):
        tl.jit(lambda x: x + rng.normal(size=3))(X)
    counted = [0]

    def counts(x: Any) -> Any:
        counted[0] += 1
        return x * 2.0

    with pytest.raises(TypeError, match=r"jit\(counts\): it changes 'counted'"):
        tl.jit(counts)(X)


def test_global_random_numbers_are_refused() -> None:
    with pytest.raises(TypeError, match=r"it draws from NumPy's global generator"):
        tl.jit(lambda x: x + np.random.normal(size=3))(X)  # noqa: NPY002  (what it is about)


def test_too_many_programs_are_warned_of() -> None:
    f = tl.jit(lambda x, eta: x * eta, runner="NumPy")
    for i in range(16):
        f(X, 0.1 * i)
    with pytest.warns(UserWarning, match=r"recorded 16 times.*pass what changes as an array: np\.float64\(eta\)"):
        f(X, 1.6)


def test_inside_transforms_and_recordings_it_is_the_function_itself() -> None:
    f = tl.jit(lambda x: np.sum(np.tanh(x) ** 2))
    np.testing.assert_array_equal(tl.grad(f)(X), tl.grad(f.f)(X))
    np.testing.assert_array_equal(tl.hessian(f)(X), tl.hessian(f.f)(X))
    x = tl.Tensor(X, requires_grad=True)
    f(x).backward()
    np.testing.assert_array_equal(x.grad, tl.grad(f.f)(X))
    assert len(tl.record(f)(X).equations) == 3
    assert f.programs == {}


def test_what_cannot_be_recorded_is_said_with_its_line() -> None:
    def branches(x: Any) -> Any:
        return x if x[0] > 0 else -x

    with pytest.raises(TypeError, match=r"while recording, at .*test_jit"):
        tl.jit(branches)(X)


@pytest.mark.parametrize("make", [tl.jit, lambda f, **k: tl.scan(f, 0.0, X, **k)])
def test_wrong_arguments_are_named(make: Any) -> None:
    with pytest.raises(ValueError, match=r"runner must be one of auto, C, NumPy, not 'cuda'"):
        make(lambda *x: x, runner="cuda")
    with pytest.raises(TypeError, match="not"):
        make(3.0)


@each_runner
def test_what_a_mask_hides_is_not_computed_with(runner: str) -> None:
    double = tl.jit(lambda x: 2.0 * x, runner=runner)
    double(X)
    masked = np.ma.array(X, mask=X > 1)
    for call in (double, tl.record(lambda x: 2.0 * x)(X), lambda x: tl.scan(lambda c, x: (c + x, c), 0.0, x)):
        with pytest.raises(TypeError, match="MaskedArray is more than its numbers"):
            call(masked)


class Scaled:
    """A class one of whose methods is compiled."""

    def __init__(self, k: float) -> None:
        self.k = k

    @tl.jit
    def times(self, x: Any) -> Any:
        return self.k * x


def test_a_jitted_method_gets_its_owner() -> None:
    two, three = Scaled(2.0), Scaled(3.0)
    for _ in range(2):
        np.testing.assert_array_equal(two.times(X), 2.0 * X)
        np.testing.assert_array_equal(three.times(X), 3.0 * X)
    two.k = 4.0
    np.testing.assert_array_equal(two.times(X), 4.0 * X)
    assert "times(" in two.times.report()


def test_a_function_is_reported_before_its_first_call() -> None:
    assert tl.jit(error).report() == "error was not called yet"
    assert tl.jit(error).__name__ == "error"


# scan


@each_runner
@settings(max_examples=tries(5))
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 7))
def test_a_scan_is_the_loop(runner: str, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    xs = {"x": rng.normal(size=(n, 4, 3)), "t": rng.normal(size=(n, 4, 2))}
    carry = {"w": rng.normal(size=(2, 3)), "v": np.zeros((2, 3)), "n": 0, "kept": np.arange(3.0)}

    def step(c: Any, now: Any) -> Any:
        E, g = tl.value_and_grad(error)(c["w"], now["x"], now["t"])
        v = 0.9 * c["v"] + g
        return {"w": c["w"] - 0.1 * v, "v": v, "n": c["n"] + 1, "kept": c["kept"]}, (E, np.sum(v))

    got, ys = tl.scan(step, carry, xs, runner=runner)
    c, expected = carry, []
    for i in range(n):
        c, y = step(c, {k: a[i] for k, a in xs.items()})
        expected.append(y)
    assert got["n"] == n
    np.testing.assert_array_equal(got["kept"], carry["kept"])
    if runner == "NumPy":
        np.testing.assert_array_equal(got["w"], c["w"])
    # steps of at most 1e-16 relative each, in a well-conditioned descent
    np.testing.assert_allclose(got["w"], c["w"], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(np.stack(ys, axis=1), expected, rtol=1e-11, atol=1e-12)


@each_runner
def test_a_carry_may_swap_repeat_or_drop_its_parts(runner: str) -> None:
    def step(c: Any, x: Any) -> Any:
        a, b, _ = c
        return (b, a + x, b), (a, 1.0)

    (a, b, c), (ys, ones) = tl.scan(step, (0.0, 10.0, -1.0), np.arange(4.0), runner=runner)
    assert (float(a), float(b), float(c)) == (12.0, 14.0, 12.0) or (a, b, c) == _swapped(4)
    np.testing.assert_array_equal(ys, [0.0, 10.0, 0.0, 11.0])
    np.testing.assert_array_equal(ones, np.ones(4))


def _swapped(n: int) -> tuple[float, float, float]:
    a, b, c = 0.0, 10.0, -1.0
    for x in range(n):
        a, b, c = b, a + x, b
    return a, b, c


@each_runner
def test_a_scan_without_xs_runs_for_its_length(runner: str) -> None:
    total, ys = tl.scan(lambda c, _: (c * 2.0, c), 1.0, length=5, runner=runner)
    assert total == 32.0
    np.testing.assert_array_equal(ys, [1.0, 2.0, 4.0, 8.0, 16.0])


def test_a_scan_of_tensors_or_inside_a_transform_has_gradients() -> None:
    def f(w: Any) -> Any:
        return tl.scan(lambda s, x: (s * w + x, s), 0.0, X)[0]

    by_hand = 2 * 1.5 * X[0] + X[1]  # d/dw of (x0 w + x1) w + x2
    assert tl.grad(f)(1.5) == pytest.approx(by_hand, rel=1e-15)
    w = tl.Tensor(1.5, requires_grad=True)
    total, parts = tl.scan(lambda s, x: (s * w + x, s), tl.Tensor(0.0), X)
    total.backward()
    assert w.grad == pytest.approx(by_hand, rel=1e-15)
    assert parts.shape == (3,)


@pytest.mark.parametrize(
    ("step", "carry", "xs", "options", "error", "text"),
    [
        (lambda c, x: c, 0.0, X, {}, TypeError, r"must return \(carry, y\)"),
        (lambda c, x: (np.stack([c, c]), x), 0.0, X, {}, TypeError, r"carry was of shape \(\) .* comes back as \(2,\)"),
        (lambda c, x: (c > 0, x), 0.0, X, {}, TypeError, r"dtype float64, and comes back as \(\) bool; cast"),
        (lambda c, x: ((c, c), x), 0.0, X, {}, TypeError, r"was given a carry with .*, and gives back"),
        (lambda c, x: (c, x), 0.0, 3.0, {}, ValueError, r"every part of xs must have a leading axis"),
        (lambda c, x: (c, x), 0.0, (X, X[:2]), {}, ValueError, r"xs and length say 2, 3 steps"),
        (lambda c, x: (c, x), 0.0, X, {"length": 4}, ValueError, r"xs and length say 3, 4 steps"),
        (lambda c, x: (c, x), 0.0, None, {}, ValueError, r"without xs, length must say how many"),
        (lambda c, x: (c, x), 0.0, X[:0], {}, ValueError, r"there are no steps"),
    ],
)
def test_what_does_not_fit_a_scan_is_said(
    step: Any, carry: Any, xs: Any, options: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        tl.scan(step, carry, xs, **options)


def test_a_scan_whose_step_refers_to_a_leaf_that_requires_a_gradient_hands_the_error_on() -> None:
    w = tl.Tensor(np.ones(3), requires_grad=True)
    for _ in range(2):
        total, _ = tl.scan(lambda s, x: (s + np.sum(x * w), s), 0.0, np.ones((2, 3)))
        (total + 0.5 * np.sum(w * w)).backward()
    np.testing.assert_array_equal(w.grad, np.full(3, 6.0))


def test_a_scan_of_no_steps_or_of_parts_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"length must be at least 1, not -1"):
        tl.scan(lambda c, _: (c, c), 0.0, length=-1)
    with pytest.raises(TypeError, match="float"):
        tl.scan(lambda c, _: (c, c), 0.0, length=2.7)  # type: ignore[arg-type]
    for carry in (0.0, tl.Tensor(0.0, requires_grad=True)):
        with pytest.raises(ValueError, match=r"there are no steps"):
            tl.scan(lambda c, _: (c, c), carry, length=0)


def test_a_scan_records_its_step_once(capsys: pytest.CaptureFixture[str]) -> None:
    def step(c: Any, x: Any) -> Any:
        print("recorded")
        return c + x, c * 2.0

    for k in range(3):
        after, ys = tl.scan(step, np.float64(k), X)
        assert after == k + X.sum()
        np.testing.assert_array_equal(ys, 2.0 * np.array([k, k + X[0], k + X[0] + X[1]]))
    assert capsys.readouterr().out == "recorded\n"


@dataclass
class Decay:
    """A step that is a method, and one that is an object, which cannot be hashed."""

    rate: float

    def step(self, c: Any, x: Any) -> Any:
        print("recorded")
        return c * self.rate + x, c

    __call__ = step

    def other(self, c: Any, x: Any) -> Any:
        return c - x * self.rate, c


@pytest.mark.parametrize("which", ["step", "__call__", "itself"])
def test_a_scan_records_a_method_and_an_object_once_and_tells_them_from_others(
    which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    slow, fast = Decay(0.9), Decay(0.5)
    for _ in range(3):
        for decay in (slow, fast):
            total, _ = tl.scan(decay if which == "itself" else getattr(decay, which), 0.0, X)
            assert total == pytest.approx((X[0] * decay.rate + X[1]) * decay.rate + X[2], rel=1e-15)
    assert capsys.readouterr().out == "recorded\n" * 2
    assert tl.scan(slow.other, 0.0, X)[0] == pytest.approx(-np.sum(X) * slow.rate, rel=1e-15)
    slow.rate = 0.0
    total, _ = tl.scan(slow if which == "itself" else getattr(slow, which), 0.0, X)
    assert total == X[2]


def test_steps_that_are_gone_are_forgotten_and_of_others_the_last_are_kept() -> None:
    scan._KNOWN.clear()

    def once(k: float) -> None:
        tl.scan(lambda c, x: (c + k * x, c), 0.0, X, runner="NumPy")

    for k in range(3):
        once(float(k))
    assert not scan._KNOWN
    objects = [Decay(k / 100) for k in range(2 * scan.STEPS)]
    for decay in objects:
        tl.scan(decay.step, 0.0, X, runner="NumPy")
        tl.scan(objects[0].step, 0.0, X, runner="NumPy")
    assert len(scan._KNOWN) == scan.STEPS
    assert (id(objects[0]), id(Decay.step)) in scan._KNOWN


def test_a_scan_sees_what_has_changed_since_it_was_recorded() -> None:
    k = 1.0

    def step(c: Any, x: Any) -> Any:
        return c + k * x, c

    assert tl.scan(step, 0.0, X)[0] == pytest.approx(np.sum(X), rel=1e-15)
    k = 3.0
    assert tl.scan(step, 0.0, X)[0] == pytest.approx(3.0 * np.sum(X), rel=1e-15)


@each_runner
def test_the_carry_and_the_xs_are_left_as_they_were(runner: str) -> None:
    carry, xs = np.array([1.0, 2.0]), np.arange(6.0).reshape(3, 2)
    before = carry.copy(), xs.copy()
    out, _ = tl.scan(lambda c, x: (c + x, x), carry, xs, runner=runner)
    out[...] = -1.0
    np.testing.assert_array_equal(carry, before[0])
    np.testing.assert_array_equal(xs, before[1])
