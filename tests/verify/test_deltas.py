"""The δ formulas against complex step, the automatic gradients against the δ formulas."""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.oracles import complex_step
from tinygrad_lecture.nn.activations import ACTIVATIONS as OURS
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.verify import deltas, deltas_any
from tinygrad_lecture.verify.deltas_any import any_topology

ACTIVATIONS = list(deltas.F)
ROUNDING = 1e-14  # of the absolute terms: some 50 roundings of 2⁻⁵²; 1e-12 is what is asked for
ONE_ULP = 2.0**-52


@st.composite
def problems(draw: st.DrawFn) -> tuple[MLP, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """A net, parameters for it (biases too), inputs and targets."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=2, max_size=6), label="sizes")
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    hidden, output = (draw(st.sampled_from(ACTIVATIONS), label=name) for name in ("hidden", "output"))
    net = MLP(sizes, hidden, output, bias=draw(st.booleans(), label="bias"), rng=rng)
    scale = draw(st.sampled_from([0.3, 1.0, 4.0]), label="scale")
    parameters = {name: scale * rng.normal(size=a.shape) for name, a in net.parameters.items()}
    n_patterns = draw(st.integers(1, 12), label="patterns")
    return net, parameters, rng.normal(size=(n_patterns, sizes[0])), rng.normal(size=(n_patterns, sizes[-1]))


def layers_of(net: MLP, values: dict[str, Any]) -> list[tuple[Any, Any]]:
    return [(values[f"W{i}"], values.get(f"b{i}")) for i in range(1, len(net.sizes))]


def test_every_activation_of_the_networks_has_its_formula() -> None:
    assert list(deltas.F) == list(deltas.BEND) == list(OURS)


def worst(automatic: list[tuple[Any, Any]], formula: deltas.ByHand, unit: deltas.ByHand) -> float:
    three = zip(automatic, formula.gradients, unit.gradients, strict=True)
    pairs = [trio for layer in three for trio in zip(*layer, strict=True) if trio[0] is not None]
    return max(deltas.disagreement(*trio) for trio in pairs)


def small_problem(*names: str) -> tuple[list[tuple[np.ndarray, np.ndarray]], tuple[str, ...], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    sizes = [3, 4, 2, 3][: len(names) + 1]
    layers = [(rng.normal(size=(m, n)), rng.normal(size=m)) for n, m in pairwise(sizes)]
    return layers, names, rng.normal(size=(5, 3)), rng.normal(size=(5, sizes[-1]))


@given(problems())
def test_the_automatic_gradient_is_the_delta_formulas(problem: Any) -> None:
    net, parameters, x, target = problem
    value, g = tl.value_and_grad(lambda p: tl.squared_error(net(x, p), target))(parameters)
    given_to = (layers_of(net, parameters), net.activations, x, target)
    formula, unit = deltas.by_hand(*given_to), deltas.absolute_terms(*given_to)
    assert worst(layers_of(net, g), formula, unit) <= ROUNDING
    assert abs(value - formula.error) <= ROUNDING * unit.error


@given(problems())
def test_backward_on_tensors_gives_the_delta_formulas_too(problem: Any) -> None:
    net, parameters, x, target = problem
    p = {name: tl.Tensor(values, requires_grad=True) for name, values in parameters.items()}
    tl.squared_error(net(x, p), target).backward()
    given_to = (layers_of(net, parameters), net.activations, x, target)
    g = {name: t.grad for name, t in p.items()}
    assert worst(layers_of(net, g), deltas.by_hand(*given_to), deltas.absolute_terms(*given_to)) <= ROUNDING


@given(problems())
def test_the_formulas_are_the_derivative_of_their_own_forward_pass(problem: Any) -> None:
    net, parameters, x, target = problem
    names = list(parameters)

    def error(*arrays: np.ndarray) -> np.ndarray:
        layers = layers_of(net, dict(zip(names, arrays, strict=True)))
        d = deltas.forward(layers, net.activations, x)[1][-1] - target
        return np.sum(d * d) / 2 / len(x)

    g = dict(zip(names, complex_step(error, list(parameters.values()), np.ones(())), strict=True))
    given_to = (layers_of(net, parameters), net.activations, x, target)
    # complex arithmetic rounds a few times more in each term than real arithmetic; and it carries g h, h = 1e-20,
    # which loses its digits to underflow where g is below 1e-288, as in the far tail of the logistic function
    three = zip(layers_of(net, g), deltas.by_hand(*given_to).gradients, strict=True)
    units = deltas.absolute_terms(*given_to).gradients
    for (got, by_hand), unit in zip(three, units, strict=True):
        for a, b, u in zip(got, by_hand, unit, strict=True):
            if a is not None:
                assert np.all(np.abs(a - b) <= 10 * ROUNDING * u + 1e-288)


@given(problems())
def test_each_delta_is_the_derivative_by_its_net_input(problem: Any) -> None:
    net, parameters, x, target = problem
    layers = layers_of(net, parameters)
    formula = deltas.by_hand(layers, net.activations, x, target)
    unit = deltas.absolute_terms(layers, net.activations, x, target)
    first = formula.net_inputs[0]

    def summed_error(net_input: np.ndarray) -> np.ndarray:
        out = deltas.F[net.activations[0]][0](net_input)
        above = deltas.forward(layers[1:], net.activations[1:], out)[1]
        d = (above[-1] if above else out) - target
        return np.sum(d * d) / 2

    (derivative,) = complex_step(summed_error, [first], np.ones(()))
    # the oracle underflows as above
    assert np.all(np.abs(derivative - formula.deltas[0]) <= 10 * ROUNDING * unit.deltas[0] + 1e-288)


def gelu(x: Any) -> Any:
    return x * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))) / 2


EXACT: dict[str, Any] = {
    "identity": lambda x: x,
    "tanh": mpmath.tanh,
    "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
    "relu": lambda x: x if x > 0 else 0 * x,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "leaky_relu": lambda x: x if x > 0 else x * mpmath.mpf(0.01),
    "gelu": gelu,
    "sin": mpmath.sin,
    "gauss": lambda x: mpmath.exp(-x * x),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_derivatives_keep_their_digits(name: str) -> None:
    xs = np.concatenate([[0.0], np.outer([-1, 1], np.geomspace(1e-20, 300, 60)).ravel()])
    kinked = name.endswith("relu")
    with mpmath.workdps(400):  # 1 + tanh u is e^−600 in the tail of gelu, and differences quotients need more yet
        for x, y, y1, y2 in zip(xs, *(f(xs) for f in (*deltas.F[name], deltas.BEND[name])), strict=True):
            at = mpmath.mpf(float(x))
            h = mpmath.mpf(10) ** -60 if not kinked else abs(at) / 2
            f, below, above = EXACT[name](at), EXACT[name](at - h), EXACT[name](at + h)
            first = (above - below) / (2 * h) if h else y1  # by definition at a kink
            second = 0 if kinked else (above - 2 * f + below) / h**2
            if kinked and not h:
                continue
            # what one rounding of the argument does, beside a few of the result; and where numbers end
            assert abs(mpmath.mpf(float(y)) - f) <= 8 * ONE_ULP * (abs(f) + abs(at * first)) + 1e-307
            assert abs(mpmath.mpf(float(y1)) - first) <= 8 * ONE_ULP * (abs(first) + abs(at * second)) + 1e-307
            assert float(y2) == pytest.approx(float(abs(second)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_huge_net_inputs_overflow_nowhere_and_nan_stays_nan(name: str) -> None:
    f, f_prime = deltas.F[name]
    for values in (f(np.array([-1e300, 1e300])), f_prime(np.array([-1e300, 1e300]))):
        assert np.all(np.isfinite(values))
    assert np.isnan(f(np.array([np.nan]))).all()


def test_the_unit_is_not_blind_in_a_tail_nor_zero_where_the_slope_is() -> None:
    def unit_of(name: str, net_input: float) -> float:
        problem = ([(np.array([[net_input]]), None)], [name], np.ones((1, 1)), np.ones((1, 1)))
        return float(deltas.absolute_terms(*problem).gradients[0][0].item())

    assert unit_of("gauss", 20.0) < 1e-160
    assert unit_of("gelu", -15.0) < 1e-80
    assert unit_of("tanh", 50.0) < 1e-38
    assert unit_of("sin", np.pi / 2) > 1
    assert unit_of("gelu", -0.7524614220710162) > 0.1  # the lowest point of gelu


def test_a_known_net_by_pencil() -> None:
    layers = [(np.array([[2.0, -1.0]]), np.array([0.5])), (np.array([[3.0]]), None)]
    r = deltas.by_hand(layers, ["relu", "identity"], np.array([[1.0, 1.0]]), np.array([[5.0]]))
    assert [a.item() for a in (*r.net_inputs, *r.outputs, *r.deltas)] == [1.5, 4.5, 1.5, 4.5, -1.5, -0.5]
    assert r.error == 0.125
    (w1, b1), (w2, b2) = r.gradients
    assert w1.tolist() == [[-1.5, -1.5]]
    assert b1.tolist() == [-1.5]
    assert w2.tolist() == [[-0.75]]
    assert b2 is None


def planted(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    honest_deltas, honest_gradients = deltas.deltas, deltas.gradients
    f, f_prime = deltas.F["tanh"]

    def upside_down(weights: Any, slopes: Any, error: Any) -> Any:
        return honest_deltas([np.ascontiguousarray(np.roll(w, 1, axis=0)) for w in weights], slopes, error)

    faults: dict[str, tuple[str, Any]] = {
        "f' forgotten": ("F", {**deltas.F, "tanh": (f, lambda x: np.ones_like(x))}),
        "f' off by 1e-9": ("F", {**deltas.F, "tanh": (f, lambda x: f_prime(x) * (1 + 1e-9))}),
        "f' at the output": ("F", {**deltas.F, "tanh": (f, lambda x: f_prime(f(x)))}),
        "weights of other neurons": ("deltas", upside_down),
        "sign": ("deltas", lambda w, s, e: honest_deltas(w, s, -e)),
        "sum for mean": ("gradients", lambda ls, d, s: honest_gradients(ls, [len(di) * di for di in d], s)),
        "inputs of the layer above": ("gradients", lambda ls, d, s: honest_gradients(ls, d, [np.tanh(x) for x in s])),
    }
    monkeypatch.setattr(deltas, *faults[fault])


@pytest.mark.parametrize(
    "fault",
    [
        *("f' forgotten", "f' off by 1e-9", "f' at the output", "weights of other neurons"),
        *("sign", "sum for mean", "inputs of the layer above"),
    ],
)
def test_a_wrong_delta_formula_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = MLP([4, 5, 3, 2], rng=1)
    rng = np.random.default_rng(2)
    x, target = rng.normal(size=(6, 4)), rng.normal(size=(6, 2))
    problem = (layers_of(net, net.parameters), net.activations, x, target)
    automatic = layers_of(net, tl.grad(lambda p: tl.squared_error(net(x, p), target))(net.parameters))
    unit = deltas.absolute_terms(*problem)
    assert worst(automatic, deltas.by_hand(*problem), unit) <= ROUNDING
    planted(monkeypatch, fault)
    assert worst(automatic, deltas.by_hand(*problem), unit) > 10 * ROUNDING


def test_the_unit_of_rounding_stays_large_where_terms_cancel() -> None:
    layers = [(np.array([[1.0]]), np.array([0.0]))]
    x, target = np.array([[1.0], [1.0]]), np.array([[3.0], [-1.0]])  # the two patterns pull w both ways
    problem = (layers, ["identity"], x, target)
    assert deltas.by_hand(*problem).gradients[0][0].tolist() == [[0.0]]
    assert deltas.absolute_terms(*problem).gradients[0][0].tolist() == [[(2 * 1 + 3 + 1 + 2 * 1) / 2]]


def test_a_layered_net_is_a_topology_like_any_other() -> None:
    layers, names, x, target = small_problem("tanh", "logistic", "identity")
    layers = [(w, None) for w, _ in layers]
    blocks = np.cumsum([0, 3, 4, 2, 3])
    w = np.zeros((12, 12))
    for (weights, _), low, mid, high in zip(layers, blocks, blocks[1:], blocks[2:], strict=False):
        w[mid:high, low:mid] = weights
    each = ["identity"] * 3 + ["tanh"] * 4 + ["logistic"] * 2 + ["identity"] * 3
    g, unit = any_topology(w, each, x, target)
    layered, layered_unit = deltas.by_hand(layers, names, x, target), deltas.absolute_terms(layers, names, x, target)
    for number, (low, mid, high) in enumerate(zip(blocks, blocks[1:], blocks[2:], strict=False)):
        place = np.s_[mid:high, low:mid]
        terms = layered_unit.gradients[number][0]
        assert deltas.disagreement(g[place], layered.gradients[number][0], terms) <= ROUNDING
        assert unit[place] == pytest.approx(terms, rel=1e-13)  # sums of positive terms, in another order


def test_a_skip_connection_and_an_output_that_feeds_another_get_all_their_error() -> None:
    names = ["identity", "tanh", "logistic", "identity"]  # 0 → 1 → 2 → 3 and 0 → 2, 0 → 3; 2 and 3 are outputs
    rng = np.random.default_rng(5)
    x, target = rng.normal(size=(4, 1)), rng.normal(size=(4, 2))
    connections = ([1, 2, 2, 3, 3], [0, 1, 0, 2, 0])

    def error(v: np.ndarray) -> np.ndarray:
        hidden = np.tanh(v[0] * x[:, 0])
        first = 1 / (1 + np.exp(-(v[1] * hidden + v[2] * x[:, 0])))
        second = v[3] * first + v[4] * x[:, 0]
        return (np.sum((first - target[:, 0]) ** 2) + np.sum((second - target[:, 1]) ** 2)) / 2 / len(x)

    v = rng.normal(size=5)
    w = np.zeros((4, 4))
    w[connections] = v
    g, unit = any_topology(w, names, x, target)
    (truth,) = complex_step(error, [v], np.ones(()))
    assert deltas.disagreement(truth, g[connections], unit[connections]) <= 10 * ROUNDING


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": []}, "0 layers need as many activations, 2 were given"),
        ({"activations": ["tanh"]}, "2 layers need as many activations, 1 were given"),
        (
            {"activations": ["tanh", "sine"]},
            "unknown activation 'sine'; known are identity, tanh, logistic, relu, softplus",
        ),
        ({"x": np.ones(3)}, r"x must be \(T, n\) with at least one pattern, it has shape \(3,\)"),
        ({"x": np.ones((0, 3))}, r"at least one pattern, it has shape \(0, 3\)"),
        ({"x": np.ones((5, 2))}, r"W1 has shape \(4, 3\), but 2 neurons feed it: it must be \(m, 2\)"),
        ({"target": np.ones((5, 1))}, r"target has shape \(5, 1\), but the net's output has \(5, 2\)"),
    ],
    ids=["no layers", "few names", "unknown name", "one axis", "no patterns", "width", "target"],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    layers, names, x, target = small_problem("tanh", "identity")
    problem = {"layers": layers, "activations": list(names), "x": x, "target": target, **change}
    for function in (deltas.by_hand, deltas.absolute_terms):
        with pytest.raises(ValueError, match=message):
            function(**problem)


def test_a_bias_of_the_wrong_length_is_refused() -> None:
    layers, names, x, target = small_problem("tanh", "identity")
    layers[0] = (layers[0][0], np.zeros(2))
    with pytest.raises(ValueError, match=r"b1 has shape \(2,\), but W1 has 4 targets"):
        deltas.by_hand(layers, names, x, target)


def test_a_topology_that_does_not_fit_is_refused() -> None:
    x, target = np.ones((2, 1)), np.ones((2, 1))
    with pytest.raises(ValueError, match="connections must run upwards"):
        any_topology(np.ones((2, 2)), ["identity"] * 2, x, target)
    with pytest.raises(ValueError, match=r"w \(3, 3\), 2 activations, x \(2, 1\) and target \(2, 1\) do not fit"):
        any_topology(np.zeros((3, 3)), ["identity"] * 2, x, target)
    with pytest.raises(ValueError, match="unknown activation 'sine'"):
        any_topology(np.zeros((2, 2)), ["identity", "sine"], x, target)


def test_disagreement_hides_neither_nan_nor_a_missing_term() -> None:
    one, zero = np.ones(2), np.zeros(2)
    assert deltas.disagreement(one, one, one) == 0
    assert deltas.disagreement(zero, zero, zero) == 0
    assert deltas.disagreement(one, zero, zero) > 1e200
    assert np.isnan(deltas.disagreement(np.array([np.nan, 1.0]), one, one))
    with pytest.raises(ValueError, match=r"shapes differ: \(2,\), \(1, 2\) and \(2,\)"):
        deltas.disagreement(one, one[None], one)


def test_the_result_is_frozen() -> None:
    result = deltas.by_hand(*small_problem("tanh", "identity"))
    with pytest.raises(AttributeError):
        result.error = 0.0  # type: ignore[misc]
    assert replace(result, error=0.0).error == 0.0


@pytest.mark.parametrize("module", [deltas, deltas_any], ids=["deltas", "deltas_any"])
def test_the_formulas_import_nothing_of_the_package(module: Any) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    imported = set()
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.level:
            assert (module, statement.level, statement.module) == (deltas_any, 1, "deltas")
        elif isinstance(statement, ast.ImportFrom):
            imported.add(str(statement.module).split(".")[0])
    assert imported <= {"__future__", "collections", "dataclasses", "typing", "numpy"}
