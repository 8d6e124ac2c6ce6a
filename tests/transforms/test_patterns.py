"""Gradients of single patterns: always those of the slices, the short way where there is one, else refused."""

from __future__ import annotations

import re
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.oracles import complex_step, differences
from tests.profiles import tries
from tinygrad_lecture import Tensor, grad, gradient_moments, per_pattern_grad, value_and_grad
from tinygrad_lecture.transforms import patterns as module
from tinygrad_lecture.transforms.patterns import recorded_moments

ROUNDING = {"rtol": 1e-12, "atol": 1e-13}  # sums of some ten terms of size 1, in another order
seeds = st.integers(0, 2**32 - 1)

N_IN, N_HIDDEN, N_OUT = 3, 4, 2
CONSTANTS = np.random.default_rng(7).normal(size=(6, 4))


def by_slices(f: Any, w: list[np.ndarray], *patterns: np.ndarray) -> list[np.ndarray]:
    """g_t by complex step, one pattern at a time: no code of the engine."""
    T = len(patterns[0])
    each = [complex_step(lambda *w, t=t: f(w, *(p[t : t + 1] for p in patterns)), w, np.asarray(1.0)) for t in range(T)]
    return [np.stack([g[i] for g in each]) for i in range(len(w))]


def mlp(w: Any, x: Any, target: Any) -> Any:
    h = np.tanh(x @ w[0] + w[1])
    return 0.5 * np.sum((h @ w[2] - target) ** 2)


def transposed(w: Any, x: Any, target: Any) -> Any:
    return 0.5 * np.sum((np.tanh(x @ w[0].T + w[1][:, 0]) @ w[2].T - target) ** 2)


def shared(w: Any, x: Any, target: Any) -> Any:
    h = np.tanh(x @ w[0])
    return np.sum(np.tanh(np.tanh(h @ w[1]) @ w[1] + w[2]) @ w[1][:, :N_OUT] * target)


def packed(w: Any, x: Any, target: Any) -> Any:
    v, n = w[0], N_IN * N_HIDDEN
    h = np.tanh(x @ v[:n].reshape(N_IN, N_HIDDEN) + v[n : n + N_HIDDEN])
    return 0.5 * np.sum((h @ v[n + N_HIDDEN :].reshape(N_OUT, N_HIDDEN).T - target) ** 2)


def packed_columns(w: Any, x: Any, target: Any) -> Any:
    h = np.sin(x @ np.transpose(w[0].reshape(2, N_IN, N_OUT), (1, 0, 2))[:, 1] * w[1][::-1])
    return np.sum((h + w[0][-N_OUT:] * w[1][1]) * target)


def packed_cube(w: Any, x: Any, target: Any) -> Any:
    W = np.transpose(w[0][1:].reshape(N_HIDDEN, N_OUT, N_IN), (-1, 0, 1))  # a turn that is not its own inverse
    return np.sum(np.sin(x @ W[:, 1:, 0]) + w[0][0]) + np.sum(np.sin(x @ W[..., -1]) * 0.5)


def vectors(w: Any, x: Any, target: Any) -> Any:
    return np.sum(np.sin(x @ w[0]) * w[1] + w[2]) + np.sum(w[2] * target)


def masked(w: Any, x: Any, target: Any) -> Any:
    mask = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    return np.sum(np.tanh(x @ (w[0] * mask)) @ w[1] * target)


def sequences(w: Any, x: Any, target: Any) -> Any:
    s = np.sin(x[:, :, None] * w[2])  # (T, n, k)
    return np.sum(np.sum(np.tanh(s @ w[0] + w[1]), axis=1) * target)


def convolution(w: Any, x: Any, target: Any) -> Any:
    windows = np.stack([x[:, i : i + 2] for i in range(2)], axis=1)
    return np.sum(np.sin(np.einsum("tpk,ko->tpo", windows, w[0])) * target[:, None])


def columns(w: Any, x: Any, target: Any) -> Any:
    return np.sum(np.tanh(w[0] @ x.T + w[1]) * CONSTANTS[:N_HIDDEN, :1] * target[:, 0])


def elementwise(w: Any, x: Any, target: Any) -> Any:
    return np.sum(w[0] * np.exp(0.1 * x) / (2.0 + w[1] ** 2)) + np.sum(target * w[2])


def unused(w: Any, x: Any, target: Any) -> Any:
    return np.sum(x * w[0])


FUNCTIONS: dict[str, tuple[Any, list[tuple[int, ...]], bool]] = {
    "mlp": (mlp, [(N_IN, N_HIDDEN), (N_HIDDEN,), (N_HIDDEN, N_OUT)], True),
    "transposed": (transposed, [(N_HIDDEN, N_IN), (N_HIDDEN, 1), (N_OUT, N_HIDDEN)], True),
    "shared": (shared, [(N_IN, N_HIDDEN), (N_HIDDEN, N_HIDDEN), (N_HIDDEN,)], True),
    "packed": (packed, [(N_IN * N_HIDDEN + N_HIDDEN + N_OUT * N_HIDDEN,)], True),
    "packed, other axes": (packed_columns, [(2 * N_IN * N_OUT,), (2,)], False),
    "packed, turned": (packed_cube, [(1 + N_IN * N_HIDDEN * N_OUT,)], True),
    "vectors and numbers": (vectors, [(N_IN,), (), ()], True),
    "masked": (masked, [(N_IN, N_HIDDEN), (N_HIDDEN, N_OUT)], False),
    "sequences": (sequences, [(5, N_OUT), (N_OUT,), (1, 1, 5)], True),
    "convolution": (convolution, [(2, N_OUT)], False),
    "patterns in columns": (columns, [(N_HIDDEN, N_IN), (N_HIDDEN, 1)], False),
    "elementwise": (elementwise, [(1, N_IN), (), (N_OUT,)], False),
    "a weight that is not used": (unused, [(), (2, 2)], True),
}
"""Name → a function, the shapes of its weights, and whether the short way must be taken."""


def weights(name: str, rng: np.random.Generator) -> list[np.ndarray]:
    return [np.asarray(rng.normal(size=shape)) for shape in FUNCTIONS[name][1]]


def some_patterns(rng: np.random.Generator, T: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(T, N_IN)), rng.normal(size=(T, N_OUT))


# what they are


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_single_patterns_are_those_of_the_slices(name: str) -> None:
    @settings(max_examples=tries(12))
    @given(seeds, st.integers(1, 7))  # among them as many patterns as inputs, hidden neurons, outputs
    def holds(seed: int, T: int) -> None:
        rng = np.random.default_rng(seed)
        f, w, patterns = FUNCTIONS[name][0], weights(name, rng), some_patterns(rng, T)
        before = [a.tobytes() for a in (*w, *patterns)]
        found = per_pattern_grad(f)(w, *patterns)
        for got, want in zip(found, by_slices(f, w, *patterns), strict=True):
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, **ROUNDING)
        again = per_pattern_grad(f)(w, *patterns)
        assert [a.tobytes() for a in found] == [a.tobytes() for a in again]
        assert [a.tobytes() for a in (*w, *patterns)] == before

    holds()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_short_way_is_taken_where_a_weight_is_an_operand_of_a_product_or_broadcast(name: str) -> None:
    f, _, short = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    calls = []

    def counted(w: Any, x: Any, target: Any) -> Any:
        calls.append(len(x))
        return f(w, x, target)

    w, patterns = weights(name, rng), some_patterns(rng, 33)
    per_pattern = per_pattern_grad(counted)
    per_pattern(w, *patterns)
    # the whole batch, and two parts of it for each binary digit of t; or a slice for each pattern
    assert (len(calls) == 1 + 2 * 6) if short else (calls.count(1) == 33)
    calls.clear()
    per_pattern(w, *patterns)
    assert not short or len(calls) == 2  # trusted now, but for one part


def test_linear_takes_the_short_way() -> None:
    calls = []

    def f(w: Any, x: Any) -> Any:
        calls.append(len(x))
        return np.sum(np.sin(tl.linear(np.tanh(tl.linear(x, w[0], w[1])), w[2])))

    rng = np.random.default_rng(1)
    for x in (rng.normal(size=(5, 3)), rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 4, 2, 3))):
        w = [rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(2, 4))]
        calls.clear()
        found = per_pattern_grad(f)(w, x)
        assert len(calls) == 1 + 2 * 3
        for t in range(5):
            for got, want in zip(found, grad(f)(w, x[t : t + 1]), strict=True):
                np.testing.assert_allclose(got[t], want, **ROUNDING)


def test_the_short_way_is_faster_than_the_slices() -> None:
    rng = np.random.default_rng(0)
    w, x, target = (
        [rng.normal(size=s) for s in ((10, 20), (20,), (20, 2))],
        rng.normal(size=(200, 10)),
        np.ones((200, 2)),
    )
    per_pattern, slice_by_slice = per_pattern_grad(mlp), grad(mlp)
    per_pattern(w, x, target)

    def seconds(run: Any) -> float:
        times = []
        for _ in range(3):
            start = perf_counter()
            run()
            times.append(perf_counter() - start)
        return min(times)

    short = seconds(lambda: per_pattern(w, x, target))
    slices = seconds(lambda: [slice_by_slice(w, x[t : t + 1], target[t : t + 1]) for t in range(200)])
    assert short < slices / 4  # 12 to 18 times as measured on one core; a machine under load is forgiven much


def test_zero_hidden_neurons_have_no_gradients() -> None:
    w = (np.zeros((0, 3)), np.zeros(0), np.ones((2, 0)))
    found = per_pattern_grad(lambda w, x: np.sum(tl.linear(tl.linear(x, w[0], w[1]), w[2])))(w, np.ones((5, 3)))
    assert [g.shape for g in found] == [(5, 0, 3), (5, 0), (5, 2, 0)]
    w3 = per_pattern_grad(lambda w, x: np.sum(x @ w))(np.zeros((3, 0)), np.ones((5, 2, 3)))
    assert w3.shape == (5, 3, 0)


@pytest.mark.parametrize("T", [0, 1])
def test_no_and_one_pattern(T: int) -> None:
    w = {"W": np.ones((3, 2), np.float32), "b": 1.5}
    found = per_pattern_grad(lambda w, x: np.sum(x @ w["W"]) * w["b"])(w, np.ones((T, 3)))
    assert found["W"].shape == (T, 3, 2)
    assert found["W"].dtype == np.float32
    assert found["b"].shape == (T,)
    inside = grad(lambda w: np.sum(per_pattern_grad(lambda w, x: np.sum(x @ w) ** 3)(w, np.ones((T, 2)))))(np.ones(2))
    np.testing.assert_array_equal(inside, np.full(2, 24.0 * T))  # f = s³, Σ g = 3 s² · 2, by w 12 s


def test_float32_weights_have_float32_gradients() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 3))
    w = (rng.normal(size=(3, 2)).astype(np.float32), np.float32(0.5), rng.normal(size=2))
    found = per_pattern_grad(lambda w, x: np.sum(np.tanh(x @ w[0] * w[1] + w[2])))(w, x)
    assert [g.dtype for g in found] == [np.float32, np.float32, np.float64]
    narrow = per_pattern_grad(lambda w, x: np.sum(np.tanh(x @ w)))(w[0], x.astype(np.float32))
    assert narrow.dtype == np.float32


def test_patterns_may_be_containers_and_of_any_dtype() -> None:
    def f(w: Any, p: Any, label: Any) -> Any:
        z = p["x"] @ w + p["b"]
        return np.sum(tl.logsumexp(z, axis=1) - z[np.arange(len(label)), label])

    rng = np.random.default_rng(0)
    p, label = {"x": rng.normal(size=(6, 3)), "b": np.float32(rng.normal(size=(6, 1)))}, np.arange(6) % 4
    w = rng.normal(size=(3, 4))
    found = per_pattern_grad(f)(w, p, label)
    for t in range(6):
        want = grad(f)(w, {k: v[t : t + 1] for k, v in p.items()}, label[t : t + 1])
        np.testing.assert_allclose(found[t], want, **ROUNDING)


# what is refused


@pytest.mark.parametrize(
    "patterns",
    [(), (1.0,), (np.ones(3), np.ones(4)), (np.ones((3, 2)), np.array(1.0)), ({"a": np.ones(2), "b": [np.ones(3)]},)],
)
@pytest.mark.parametrize("transform", [per_pattern_grad, gradient_moments], ids=lambda t: t.__name__)
def test_patterns_of_unequal_number_are_refused_with_their_shapes(transform: Any, patterns: Any) -> None:
    def f(w: Any, *patterns: Any) -> Any:
        raise AssertionError

    with pytest.raises(ValueError, match="patterns of f must be arrays whose leading axes have one length T; their sh"):
        transform(f)(1.0, *patterns)


def averaged(w: Any, x: Any) -> Any:
    return np.mean(np.tanh(x @ w))


def regularised(w: Any, x: Any) -> Any:
    return np.sum(np.tanh(x @ w)) + np.sum(w**2)


def around_the_mean(w: Any, x: Any) -> Any:
    z = x @ w
    return np.sum(np.tanh(z - np.mean(z)))


def in_order(w: Any, x: Any) -> Any:
    return np.sum(np.sort(x @ w) * np.arange(1.0, len(x) + 1.0))


def with_the_next(w: Any, x: Any) -> Any:
    z = np.tanh(x @ w)
    return np.sum(z) + np.sum(z[1:] * z[:-1])


def two_of_them(w: Any, x: Any) -> Any:
    z = np.tanh(x @ w)
    return np.sum(z) + z[0] * z[-1]


def without_patterns(w: Any, x: Any) -> Any:
    return w[0]


@pytest.mark.parametrize(
    "f",
    [averaged, regularised, around_the_mean, in_order, with_the_next, two_of_them, without_patterns],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("T", [2, 3, 4, 7])
def test_a_function_that_does_not_sum_over_its_patterns_is_refused(f: Any, T: int) -> None:
    rng = np.random.default_rng(T)
    w, x = rng.normal(size=3), rng.normal(size=(T, 3))
    text = rf"{f.__name__} does not sum over its patterns, the g_t do not add up to its gradient; "
    average = f in (averaged, without_patterns)
    way_out = f"it seems to average .* times their number, here {T}" if average else "let it return Σ_t E_t, each"
    for _ in range(2):
        with pytest.raises(ValueError, match=text + way_out):
            per_pattern_grad(f)(w, x)


def test_a_function_that_begins_to_mix_its_patterns_is_refused_though_it_was_trusted() -> None:
    mixes = []

    def f(w: Any, x: Any) -> Any:
        z = x @ w
        return np.sum(np.tanh(z - np.mean(z) if mixes else z))

    per_pattern = per_pattern_grad(f)
    w, x = np.ones(2), np.random.default_rng(0).normal(size=(6, 2))
    per_pattern(w, x)
    mixes.append(True)
    with pytest.raises(ValueError, match="does not sum over its patterns"):
        per_pattern(w, x)


def test_a_function_that_only_works_with_all_patterns_says_so() -> None:
    target = np.ones(5)

    def f(w: Any, x: Any) -> Any:
        return np.sum((x @ w - target) ** 2)

    with pytest.raises(ValueError, match="broadcast") as caught:
        per_pattern_grad(f)(np.ones(2), np.ones((5, 2)))
    assert caught.value.__notes__ == ["This was with 3 of the 5 patterns, which f must work with as well."]


def test_no_output_but_one_number_will_do() -> None:
    with pytest.raises(ValueError, match="one floating-point number as its output"):
        per_pattern_grad(lambda w, x: x * w)(1.0, np.ones(3))
    with pytest.raises(TypeError, match="values of dtype int64 have no gradient"):
        per_pattern_grad(lambda w, x: np.sum(x * w))(3, np.ones(3))


# traps: an axis that by chance is as long as the patterns are many


def test_patterns_in_columns_are_not_taken_for_rows_though_all_sums_agree() -> None:
    # four hidden neurons, four patterns with the XOR of their inputs: every half of the rows of z sums to what that
    # half of the columns does, and no pattern has the gradient of its row
    x = np.stack([np.ones(4), np.array([1.0, -1.0, -1.0, 1.0])], axis=1)
    M = np.array([[0.25, 1.0]] * 4)

    def f(w: Any, x: Any) -> Any:
        return np.sum(w * (M @ x.T))

    np.testing.assert_array_equal(per_pattern_grad(f)(1.0, x), [5, -3, -3, 5])


@pytest.mark.parametrize(
    "f",
    [
        lambda w, x: np.sum(np.tanh(x[::-1] @ w)),
        lambda w, x: np.sum(np.tanh(x[np.argsort(x[:, 0])] @ w)),
        lambda w, x: np.sum(np.tanh(np.concatenate([x[1::2], x[::2]]) @ w)),
        lambda w, x: np.sum(np.tanh(np.concatenate([x, x]) @ w)),
        lambda w, x: np.sum(np.tanh(np.stack([x] * 4) @ w)),
        lambda w, x: np.sum(np.tanh(np.stack([k * x for k in range(4)]) @ w[:, None])),
        lambda w, x: np.sum(np.tanh(x.T * w[:, None])),
        lambda w, x: np.sum(np.diagonal(np.tanh(x * w) @ x.T)),
        lambda w, x: np.sum(np.diagonal((x @ w)[:, None] * np.ones(4) @ np.ones((4, len(x))))),
        lambda w, x: np.sum(np.sort(x @ w)),
    ],
    ids=["reversed", "sorted", "even and odd", "twice", "stacked", "scaled", "turned", "Gram", "outer", "sorted after"],
)
def test_additive_functions_give_the_gradients_of_the_slices_however_they_arrange_the_patterns(f: Any) -> None:
    rng = np.random.default_rng(3)
    w, x = rng.normal(size=4), rng.normal(size=(4, 4))
    want = np.stack([grad(f)(w, x[t : t + 1]) for t in range(4)])
    np.testing.assert_allclose(per_pattern_grad(f)(w, x), want, **ROUNDING)


@pytest.mark.parametrize("n", [2, 4])
def test_square_weights_and_as_many_patterns_as_neurons(n: int) -> None:
    def f(w: Any, x: Any) -> Any:
        h = np.tanh(x @ w["A"] + w["b"])
        h = np.tanh(h @ w["A"].T * w["c"] + w["b"])
        return np.sum(h @ w["v"])

    rng = np.random.default_rng(n)
    shapes = {"A": (n, n), "b": (n,), "c": (1, n), "v": (n,)}
    w, x = {k: rng.normal(size=s) for k, s in shapes.items()}, rng.normal(size=(n, n))
    found = per_pattern_grad(f)(w, x)
    wanted = by_slices(lambda w, x: f(dict(zip(shapes, w, strict=True)), x), list(w.values()), x)
    for got, want in zip(found.values(), wanted, strict=True):
        np.testing.assert_allclose(got, want, **ROUNDING)


# orders, and Tensors of the outside


def test_the_variance_of_the_gradients_has_a_gradient() -> None:
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=3), rng.normal(size=(4, 3))

    def f(w: Any, x: Any) -> Any:
        return np.sum(np.tanh(x @ w) ** 2)

    def variance(w: Any) -> Any:
        return np.sum(gradient_moments(f)(w, x)[1])

    def by_hand(w: np.ndarray) -> np.ndarray:
        y = np.tanh(x @ w)
        return np.asarray(np.sum(np.var((2 * y * (1 - y**2))[:, None] * x, axis=0)))

    np.testing.assert_allclose(variance(w), by_hand(w), rtol=1e-12)
    np.testing.assert_allclose(grad(variance)(w), differences(by_hand, [w], np.ones(()))[0], rtol=1e-8)
    by_size = grad(lambda w: np.sum(per_pattern_grad(f)(w, x) ** 2))(w)
    wanted = differences(
        lambda w: np.asarray(np.sum(by_slices(lambda w, x: f(w[0], x), [w], x)[0] ** 2)), [w], np.ones(())
    )
    np.testing.assert_allclose(by_size, wanted[0], rtol=1e-7)


def test_gradients_depend_on_tensors_of_the_outside() -> None:
    v = Tensor(3.0, requires_grad=True)
    found = per_pattern_grad(lambda w, x: np.sum(x * w * v))(2.0, np.array([1.0, 5.0]))
    np.sum(found).backward()
    assert v.grad == 6.0
    assert per_pattern_grad(lambda w, x: np.sum(x * v))({}, np.array([1.0, 5.0])) == {}


def test_tensors_may_be_weights_and_patterns() -> None:
    x = np.array([1.0, 5.0])
    w = Tensor(2.0, requires_grad=True)
    found = per_pattern_grad(lambda w, x: np.sum(x * w * w))(w, Tensor(x))
    np.testing.assert_array_equal(found.numpy(), 4 * x)
    np.sum(found).backward()
    assert w.grad == 12.0


# moments


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("at_once", [None, 1, 60])
def test_moments_are_those_of_the_single_gradients_whole_or_in_parts(
    name: str, at_once: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    f, w, patterns = FUNCTIONS[name][0], weights(name, rng), some_patterns(rng, 11)
    of_each = by_slices(f, w, *patterns)
    if at_once:
        monkeypatch.setattr(module, "AT_ONCE", at_once)
    mean, variance = gradient_moments(f)(w, *patterns)
    for m, v, g in zip(mean, variance, of_each, strict=True):
        assert m.shape == v.shape == g.shape[1:]
        np.testing.assert_allclose(m, g.mean(axis=0), **ROUNDING)
        np.testing.assert_allclose(v, g.var(axis=0), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("at_once", [None, 3])
def test_the_variance_of_identical_patterns_is_exactly_zero(
    at_once: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if at_once:
        monkeypatch.setattr(module, "AT_ONCE", at_once)
    for value in (0.1, 1 / 3, 1e10 / 7):
        mean, variance = gradient_moments(lambda w, x: np.sum(np.sin(x) * w))(0.3, np.full(10, value))
        assert variance == 0.0
        assert mean == np.sin(value)


@pytest.mark.parametrize("at_once", [None, 7])
def test_a_tiny_variance_beside_a_large_mean_keeps_its_digits(
    at_once: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if at_once:
        monkeypatch.setattr(module, "AT_ONCE", at_once)
    z = np.random.default_rng(0).integers(-1000, 1000, 100).astype(float)
    x = 1e6 + z * 2.0**-10  # exact: variance relative to the squared mean some 1e-13
    _, variance = gradient_moments(lambda w, x: np.sum(w * x))(1.0, x)
    np.testing.assert_allclose(variance, np.var(z) * 2.0**-20, rtol=1e-6)


def test_moments_keep_float32_and_containers() -> None:
    w = {"a": np.float32(0.5), "b": (np.ones(3, np.float32),)}
    mean, variance = gradient_moments(lambda w, x: np.sum(x * w["b"][0] * w["a"]))(w, np.ones((4, 3), np.float32))
    for m in (mean, variance):
        assert m["a"].dtype == m["b"][0].dtype == np.float32
        assert m["b"][0].shape == (3,)


def test_moments_of_no_patterns_are_refused() -> None:
    def f(w: Any, x: Any) -> Any:
        return np.sum(x * w)

    with pytest.raises(
        ValueError, match=re.escape("gradient_moments: there are no patterns to average over; f got none")
    ):
        gradient_moments(f)(1.0, np.ones(0))


def test_moments_in_parts_see_a_function_that_averages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 1)  # each pattern by itself is its own average
    with pytest.raises(ValueError, match=r"it seems to average over them: .* times their number, here 5"):
        gradient_moments(averaged)(np.ones(1), np.arange(5.0)[:, None])


@pytest.mark.parametrize("transform", [per_pattern_grad, gradient_moments], ids=lambda t: t.__name__)
def test_the_new_function_keeps_the_name_and_what_is_no_function_is_refused(transform: Any) -> None:
    assert transform(averaged).__name__ == "averaged"
    with pytest.raises(TypeError, match=f"{transform.__name__} needs a function as its first argument"):
        transform(1.0)


def test_the_mean_is_the_gradient_over_the_number_of_patterns() -> None:
    rng = np.random.default_rng(5)
    w, patterns = weights("mlp", rng), some_patterns(rng, 9)
    mean, _ = gradient_moments(mlp)(w, *patterns)
    for m, g in zip(mean, value_and_grad(mlp)(w, *patterns)[1], strict=True):
        np.testing.assert_allclose(m, g / 9, **ROUNDING)


def test_moments_of_a_weight_that_shows_no_g_t_locally_cannot_be_recorded() -> None:
    moments = recorded_moments(lambda w, x: np.sum(np.cumsum(w) * np.sum(x, axis=0)))
    with pytest.raises(TypeError, match=r"the g_t of <lambda> cannot be recorded: a weight is not used pattern by"):
        moments(np.ones(3), np.ones((4, 3)))


def test_a_weight_without_slope_has_zeros_as_its_g_t() -> None:
    x = np.linspace(-1.0, 1.0, 12).reshape(4, 3)
    np.testing.assert_array_equal(per_pattern_grad(lambda w, x: np.sum(np.copysign(x, w)))(np.ones(3), x), 0 * x)
