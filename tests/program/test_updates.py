"""Updates by matrix products where the weights stand: the same step, whatever else reads weights or gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.profiles import tries
from tinygrad_lecture.program.c import build
from tinygrad_lecture.program.scan import steps

try:
    build.flags()
except build.NoCompilerError as error:
    pytest.skip(f"compiled code needs a C compiler: {error}", allow_module_level=True)

ETA = 0.05
SIZES = [40, 24, 24, 5]
PATTERNS = 32
"""Products of 40 · 24 · 32 and 24 · 24 · 32 multiplications go to shared.c; that of the last layer is a loop."""

Change = Callable[[Any, Any], Any]


def step_of(net: tl.Network, x: np.ndarray, target: np.ndarray, change: Change) -> Callable[[Any, Any], Any]:
    def step(w: Any, _: Any) -> Any:
        E, g = tl.value_and_grad(lambda p: tl.squared_error(net(x, p), target))(net.weights.named(w))
        return change(w, np.concatenate([np.ravel(part) for part in g.values()])), E

    return step


def given_net(
    dtype: str, seed: int, sizes: list[int] = SIZES, T: int = PATTERNS
) -> tuple[tl.Network, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    net = tl.MLP(sizes, dtype=dtype, rng=seed)
    x, target = rng.normal(size=(T, sizes[0])), rng.normal(size=(T, sizes[-1]))
    return net, x.astype(dtype), target.astype(dtype)


def ran(step: Any, w: np.ndarray, runner: str) -> tuple[np.ndarray, np.ndarray, Any]:
    """The weights after three steps, the errors, and the C where there is one."""
    made = steps(step, w, None, runner)
    _, (after,), (errors,) = made(3, [w.copy()], [])
    return after, errors, getattr(made.runner, "source", None)


CHANGES: dict[str, tuple[Change, bool, bool]] = {
    "w − η g": (lambda w, g: w + -ETA * g, True, True),
    "w − g η, as a difference": (lambda w, g: w - g * ETA, True, True),
    "η g − w": (lambda w, g: ETA * g - w, False, False),
    "w + g η": (lambda w, g: g * -ETA + w, True, True),
    "the norm of g too": (lambda w, g: w - ETA * g / (1.0 + np.sum(g * g)), False, False),
    "less of w": (lambda w, g: 0.99 * w - ETA * g, False, False),
    "w once more, in another order": (lambda w, g: (w + -ETA * g) + 1e-3 * w[::-1], False, False),
}
"""A step's change of the weights, whether shared.c makes it, and whether it may be made in place."""


@pytest.mark.parametrize("name", CHANGES)
@settings(max_examples=tries(4))
@given(st.sampled_from(["float32", "float64"]), st.integers(0, 99))
def test_steps_in_c_are_those_of_numpy_whatever_reads_weights_and_gradient(name: str, dtype: str, seed: int) -> None:
    change, at_once, in_place = CHANGES[name]
    net, x, target = given_net(dtype, seed)
    step = step_of(net, x, target, change)
    after, errors, source = ran(step, net.w, "C")
    wanted, wanted_errors, _ = ran(step, net.w, "NumPy")
    size = float(np.max(np.abs(wanted)))
    bound = 200 * float(np.finfo(dtype).eps)  # sums of at most 40 terms, three times one after the other
    np.testing.assert_allclose(after, wanted, rtol=0, atol=bound * size)
    np.testing.assert_allclose(errors, wanted_errors, rtol=bound)
    assert ("at once" in source.text) == at_once
    assert bool(source.in_place) == in_place


def test_weights_that_come_out_too_are_not_overwritten() -> None:
    net, x, target = given_net("float64", 1)
    plain = step_of(net, x, target, CHANGES["w − η g"][0])

    def step(w: Any, _: Any) -> Any:
        return plain(w, None)[0], w

    made = steps(step, net.w, None, "C")
    _, (after,), (before,) = made(2, [net.w.copy()], [])
    np.testing.assert_array_equal(before[0], net.w)
    np.testing.assert_allclose(after, plain(before[1], None)[0], rtol=1e-12)
    assert not made.runner.source.in_place  # type: ignore[attr-defined]


def test_the_weights_that_were_handed_over_stay_as_they_were() -> None:
    net, x, target = given_net("float64", 2)
    step = step_of(net, x, target, CHANGES["w − η g"][0])
    w = net.w.copy()
    tl.scan(step, w, length=3)
    np.testing.assert_array_equal(w, net.w)


def test_an_update_is_written_over_no_weights_that_are_still_read() -> None:
    net, x, target = given_net("float64", 3)

    def step(w: Any, _: Any) -> Any:
        named = net.weights.named(w)
        E, g = tl.value_and_grad(lambda p: tl.squared_error(net(x, p), target))(named)
        g = np.concatenate([np.ravel(part) for part in g.values()])
        return w + -ETA * g, np.sum(np.tanh(named["W1"]) * E)  # W1 once more, after ∂W1

    after, errors, source = ran(step, net.w, "C")
    assert "at once" in source.text
    assert not source.in_place
    wanted, wanted_errors, _ = ran(step, net.w, "NumPy")
    np.testing.assert_allclose(after, wanted, rtol=0, atol=1e-13)
    np.testing.assert_allclose(errors, wanted_errors, rtol=1e-12)


@pytest.mark.parametrize("eta", [0.05, 0.0])
@pytest.mark.parametrize("broken", [False, True], ids=["finite", "not finite"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_rate_that_is_an_input_may_be_0_and_a_gradient_nan(eta: float, broken: bool, sign: float) -> None:
    net, x, target = given_net("float64", 4, [320, 300, 2], 310)  # large enough for several threads
    target[0, 0] = np.nan if broken else 0.0

    def step(w: Any, eta: Any) -> Any:
        E, g = tl.value_and_grad(lambda p: tl.squared_error(net(x, p), target))(net.weights.named(w))
        g = np.concatenate([np.ravel(part) for part in g.values()])
        return (w + -eta * g if sign < 0 else w + eta * g), E

    fast = tl.jit(step, runner="C")
    got, wanted = fast(net.w, np.float64(eta))[0], step(net.w, np.float64(eta))[0]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-13)
    assert np.isnan(wanted).any() == broken
    (program,) = fast.programs.values()
    assert "at once" in program.runner.source.text


LENGTHS = st.sampled_from([1, 2, 5, 40, 130, 400])


@settings(max_examples=tries(25))
@given(LENGTHS, LENGTHS, LENGTHS, st.sampled_from(["float32", "float64"]), st.integers(0, 99), st.data())
def test_products_of_all_shapes_are_joined_and_added_right(
    T: int, m: int, n: int, dtype: str, seed: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    d, x, c = (rng.normal(size=shape).astype(dtype) for shape in ((T, m), (T, n), (5,)))
    parts = data.draw(st.lists(st.sampled_from(["product", "again", "turned", "rest"]), min_size=1, max_size=4))

    def step(w: Any, d: Any, x: Any) -> Any:
        product = np.ravel(d.T @ x)
        made = {"product": product, "again": product, "turned": np.ravel(x.T @ d), "rest": c}
        return w - 0.125 * np.concatenate([made[part] for part in parts])

    w = rng.normal(size=sum({"rest": 5}.get(part, m * n) for part in parts)).astype(dtype)
    bound = 4 * (T + 2) * float(np.finfo(dtype).eps) * (1.0 + float(np.max(np.abs(x))) * float(np.max(np.abs(d))))
    np.testing.assert_allclose(tl.jit(step, runner="C")(w, d, x), step(w, d, x), rtol=0, atol=bound)
    many = steps(lambda carry, _: ((step(*carry), *carry[1:]), carry[0][0]), (w, d, x), None, "C")
    _, (thrice, *_), _ = many(3, [w, d, x], [])
    np.testing.assert_allclose(thrice, step(step(step(w, d, x), d, x), d, x), rtol=0, atol=3 * bound)
