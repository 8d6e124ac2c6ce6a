"""The minimal layered net: what it computes, what it refuses, and that arrays leave no trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl
from tinygrad_lecture.nn.activations import ACTIVATIONS
from tinygrad_lecture.nn.init import lecture
from tinygrad_lecture.nn.mlp import MLP

X = np.linspace(-1.0, 1.0, 10).reshape(5, 2)


def test_a_net_is_the_formula_of_the_lecture() -> None:
    net = MLP([2, 8, 1], activation="tanh", output="logistic", rng=3)
    p = net.parameters
    b1, b2 = np.linspace(-1, 1, 8), np.array([0.3])
    y = net(X, {**p, "b1": b1, "b2": b2})
    by_formula = 1 / (1 + np.exp(-(np.tanh(X @ p["W1"].T + b1) @ p["W2"].T + b2)))
    assert y == pytest.approx(by_formula, rel=1e-14)  # two formulas of one function


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_activation_acts_in_hidden_layers_and_at_the_output(name: str) -> None:
    net = MLP([2, 3, 2], activation=name, output=name, rng=1)
    f = ACTIVATIONS[name]
    expected = f(f(X @ net.parameters["W1"].T) @ net.parameters["W2"].T)
    assert np.array_equal(net(X), expected)


def test_parameters_are_named_and_shaped_layer_by_layer() -> None:
    with_bias, without = MLP([2, 8, 4, 1]), MLP([2, 8, 4, 1], bias=False)
    shapes = {name: a.shape for name, a in with_bias.parameters.items()}
    assert list(shapes.items()) == [
        *[("W1", (8, 2)), ("b1", (8,))],
        *[("W2", (4, 8)), ("b2", (4,))],
        *[("W3", (1, 4)), ("b3", (1,))],
    ]
    assert list(without.parameters) == ["W1", "W2", "W3"]
    assert repr(with_bias) == "MLP(2-8-4-1, tanh, tanh, identity, bias=True)"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_dtype_is_kept_from_parameters_to_outputs(dtype: Any) -> None:
    net = MLP([2, 3, 1], dtype=dtype)
    assert {a.dtype for a in net.parameters.values()} == {np.dtype(dtype)}
    assert net(X.astype(dtype)).dtype == dtype


def test_the_same_seed_gives_the_same_net_and_a_generator_moves_on() -> None:
    rng = np.random.default_rng(7)
    a, b, c, d = MLP([2, 3, 1], rng=7), MLP([2, 3, 1], rng=7), MLP([2, 3, 1], rng=rng), MLP([2, 3, 1], rng=rng)
    for name, values in a.parameters.items():
        assert np.array_equal(values, b.parameters[name])
        assert np.array_equal(values, c.parameters[name])
    assert not np.array_equal(c.parameters["W1"], d.parameters["W1"])


def test_arrays_give_an_array_and_nothing_is_recorded() -> None:
    net = MLP([2, 3, 1])
    assert type(net(X)) is np.ndarray
    assert type(net(X, net.parameters)) is np.ndarray


def test_tensors_give_a_tensor_that_leads_back_to_each_parameter() -> None:
    net = MLP([2, 3, 3, 1])
    p = {name: tl.Tensor(a, requires_grad=True) for name, a in net.parameters.items()}
    y = net(X, p)
    assert type(y) is tl.Tensor
    np.sum(y).backward()
    for name, a in net.parameters.items():
        assert p[name].grad.shape == a.shape
        assert np.any(p[name].grad)


def test_the_gradient_by_the_inputs_is_there_too() -> None:
    net = MLP([2, 1], bias=False, rng=4)
    g = tl.grad(lambda x: np.sum(net(x)))(X)
    assert g == pytest.approx(np.broadcast_to(net.parameters["W1"], X.shape), rel=1e-15)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sizes": [3]}, ValueError, r"at least two sizes, inputs and outputs, like \[2, 8, 1\]; \[3\] was given"),
        ({"sizes": [3, 0, 1]}, ValueError, r"at least one neuron; sizes \[3, 0, 1\] were given"),
        ({"sizes": [3, -2]}, ValueError, r"at least one neuron; sizes \[3, -2\] were given"),
        ({"sizes": [3, 2.5]}, TypeError, r"sizes must be whole numbers like \[2, 8, 1\], not \[3, 2.5\]"),
        ({"sizes": 3}, TypeError, r"sizes must be whole numbers like \[2, 8, 1\], not 3"),
        (
            {"activation": "sine"},
            ValueError,
            "unknown activation 'sine'; perhaps 'sin' is meant; choose one of identity, tanh",
        ),
        (
            {"output": "sine"},
            ValueError,
            "unknown activation 'sine'; perhaps 'sin' is meant; choose one of identity, tanh",
        ),
        ({"sizes": [2, 1], "activation": "sine"}, ValueError, "unknown activation 'sine'"),
        ({"dtype": int}, TypeError, "dtype must be floating, not int64: integers have no gradient"),
    ],
    ids=["one size", "zero", "negative", "fraction", "a number", "activation", "output", "unused", "dtype"],
)
def test_a_net_that_cannot_be_is_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MLP(**{"sizes": [2, 3, 1], **arguments})


@pytest.mark.parametrize("x", [np.ones((4, 3)), np.ones(3), np.float64(1.0)], ids=["patterns", "one", "scalar"])
def test_inputs_of_another_width_are_refused_with_both_named(x: Any) -> None:
    with pytest.raises(ValueError, match=r"x has shape .*, but the net has 2 inputs: the last axis must be 2"):
        MLP([2, 3, 1])(x)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W2": None, "b2": None}, "parameters lack W2, b2; this net has W1, b1, W2, b2"),
        ({"W3": np.ones((1, 1))}, "unknown parameter 'W3'; this net has W1, b1, W2, b2"),
        ({"W1": np.ones((2, 3))}, r"W1 has shape \(2, 3\), this net needs \(3, 2\)"),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_parameters_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    net = MLP([2, 3, 1])
    parameters = {name: a for name, a in {**net.parameters, **change}.items() if a is not None}
    with pytest.raises(ValueError, match=message):
        net(X, parameters)


@pytest.mark.parametrize("n_in", [1, 10, 1000])
def test_first_weights_give_net_inputs_of_standard_deviation_one(n_in: int) -> None:
    rng = np.random.default_rng(n_in)
    n_out = 20_000 // n_in
    for sigma_x, x in ((1.0, rng.normal(size=(200, n_in))), (1 / np.sqrt(3), rng.uniform(-1, 1, size=(200, n_in)))):
        w = lecture(rng, n_out, n_in, sigma_x=sigma_x)
        assert np.abs(w).max() <= np.sqrt(3) / (sigma_x * np.sqrt(n_in))
        # σ over 200 · n_out net inputs, of which at least min(200, n_out) are independent
        assert np.std(x @ w.T) == pytest.approx(1.0, abs=4 / np.sqrt(2 * min(200, n_out)))


def test_for_the_uniform_inputs_of_the_slide_the_rule_is_three_over_root_n() -> None:
    w = lecture(0, 1000, 25, sigma_x=1 / np.sqrt(3))
    assert 0.99 * 3 / 5 < np.abs(w).max() <= 3 / 5  # 25,000 draws come within 1 % of the bound


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3, 0), "weights of 3 targets from 0 sources: both must be at least 1"),
        ((0, 3, 2, 0.0), "sigma_x must be positive and finite, not 0.0"),
        ((0, 3, 2, float("nan")), "sigma_x must be positive and finite, not nan"),
    ],
    ids=["no sources", "zero sigma", "nan sigma"],
)
def test_first_weights_of_no_size_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lecture(*arguments)
