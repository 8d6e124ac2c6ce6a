"""The public strategies: what they draw has the properties they promise, and gradients of it hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import title
from tests.oracles import complex_step, differences
from tinygrad_lecture.engine.op import OPS
from tinygrad_lecture.engine.tensor import Tensor
from tinygrad_lecture.verify import strategies
from tinygrad_lecture.verify.strategies.forms import FORMS, Form

SMALLEST = settings(max_examples=5000, database=None, suppress_health_check=list(HealthCheck))
ANY = settings(SMALLEST, phases=[Phase.generate])
FEW = settings(max_examples=settings().max_examples // 5)


def backward(f: Any, err: np.ndarray) -> list[np.ndarray]:
    """What arrives at the arguments of an expression when err arrives at its output."""
    ts = [tl.Tensor(x, requires_grad=True) for x in f.arguments]
    f(*ts).backward(err)
    return [np.zeros_like(x) if t.grad is None else t.grad for t, x in zip(ts, f.arguments, strict=True)]


def an_error(f: Any, seed: int) -> np.ndarray:
    shape = np.shape(f(*f.arguments))
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


seeds = st.integers(0, 2**32 - 1)


# gradients of expressions


@given(strategies.expressions(analytic=True), seeds)
def test_the_gradient_of_a_random_analytic_expression_is_that_of_the_complex_step(f: Any, seed: int) -> None:
    err = an_error(f, seed)
    for g, expected in zip(backward(f, err), complex_step(f, f.arguments, err), strict=True):
        # both are rounded only: some ten steps, whose terms may cancel to a thousandth of the largest
        scale = max(1.0, np.max(np.abs(expected)))
        np.testing.assert_allclose(g, expected, rtol=1e-10, atol=1e-12 * scale)


@given(strategies.expressions(), seeds)
def test_the_gradient_of_a_random_expression_is_that_of_differences(f: Any, seed: int) -> None:
    err = an_error(f, seed)
    coarse, fine = (differences(f, f.arguments, err, h) for h in (4e-5, 1e-5))
    for g, a, b in zip(backward(f, err), coarse, fine, strict=True):
        # how far two steps disagree, with the rounding ε/h of values up to 30 · 40
        np.testing.assert_array_less(np.abs(g - b), 10 * np.abs(a - b) + 1e-6 * max(1.0, np.max(np.abs(b))))


@FEW
@given(strategies.expressions(), seeds)
def test_a_planted_fault_shows_in_a_random_expression(f: Any, seed: int) -> None:
    err = an_error(f, seed)
    wrong = [1.001 * g for g in backward(f, err)]
    coarse, fine = (differences(f, f.arguments, err, h) for h in (4e-5, 1e-5))
    for g, a, b in zip(wrong, coarse, fine, strict=True):
        allowed = 10 * np.abs(a - b) + 1e-6 * max(1.0, np.max(np.abs(b)))
        large = np.abs(b) >= 0.1 * max(1.0, np.max(np.abs(b)))
        assert np.all((np.abs(g - b) > allowed)[large & (allowed < 1e-5 * np.abs(b))])


# expressions


@given(strategies.expressions())
def test_an_expression_is_the_same_on_raw_arrays_and_tensors_and_as_printed(f: Any) -> None:
    scope: dict[str, Any] = {"np": np, "tl": tl}
    exec(str(f), scope)
    plain = f(*f.arguments)
    for other in (scope["f"](*f.arguments), f(*[tl.Tensor(x, requires_grad=True) for x in f.arguments]).numpy()):
        np.testing.assert_array_equal(other, plain, strict=False)


@given(strategies.expressions(arguments=2, steps=3, margin=0.2))
def test_an_expression_has_no_more_arguments_and_steps_than_asked_for_and_keeps_the_margin(f: Any) -> None:
    assert 1 <= len(f.arguments) <= 2
    assert 1 <= len(f.steps) <= 3
    assert f.distance >= 0.2
    used = {i for step in f.steps for i in step.inputs}
    assert used == set(range(len(f.arguments) + len(f.steps) - 1))  # nothing is there for nothing


def distinct(x: Any) -> float:
    return min((abs(a - b) for a, b in combinations(np.ravel(x).tolist(), 2)), default=np.inf)


KINKS: dict[str, Any] = {
    r"(abs|fabs|relu|sign|heaviside|cbrt|reciprocal|1\.0 / )": lambda x, *_: np.min(np.abs(x)),
    r"np\.(maximum|minimum|fmax|fmin)": lambda a, b: np.min(np.abs(a - b)),
    r"np\.(nan)?(max|min|sort|median|ptp|partition)\(": distinct,
    r"np\.(log|log2|log10|sqrt)\(": lambda x: np.min(x),
    r"\{0\} / \{1\}": lambda a, b: np.min(np.abs(b)),
    r"arc(sin|cos|tanh)\(": lambda x: np.min(1 - np.abs(x)),
    r"floor|%|fmod": lambda x: min(np.min(x - np.floor(x)), np.min(np.ceil(x) - x)),
    r"clip": lambda x: min(np.min(np.abs(x - 1)), np.min(np.abs(x + 1))),
    r"linalg.(inv|solve|slogdet)": lambda a, *_: 1 / np.max(np.linalg.norm(np.linalg.inv(a), 2, axis=(-2, -1))),
}
"""Code → how far inputs are from its kinks and poles, said once more and in another way."""


@given(strategies.expressions(margin=0.1))
def test_each_step_of_an_expression_keeps_its_distance_from_kinks_and_poles(f: Any) -> None:
    values = list(f.arguments)
    for step in f.steps:
        inputs = [values[i] for i in step.inputs]
        for code, distance in KINKS.items():
            if re.search(code, step.code) and "arcsinh" not in step.code:
                assert distance(*inputs) >= 0.1 * (1 - 1e-9), step.code
        values.append(
            eval(step.code.format(*[f"x[{i}]" for i in range(len(inputs))]), {"np": np, "tl": tl, "x": inputs})
        )


@given(strategies.expressions(), seeds)
def test_the_slopes_of_an_expression_from_both_sides_meet(f: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    us, h = [rng.uniform(-1, 1, x.shape) for x in f.arguments], 1e-7
    below, here, above = (np.asarray(f(*[x + t * u for x, u in zip(f.arguments, us, strict=True)])) for t in (-h, 0, h))
    left, right = (here - below) / h, (above - here) / h
    # h times the second derivative, up to some 10⁴ for poles 0.05 away; a kink would leave a gap of size 1
    assert np.all(np.abs(right - left) <= 1e-2 * (1 + np.abs(left) + np.abs(right)))


@pytest.mark.parametrize("analytic", [False, True])
def test_hardly_a_draw_is_discarded(analytic: bool) -> None:
    begun = drawn = 0

    @st.composite
    def counted(draw: st.DrawFn) -> Any:
        nonlocal begun
        begun += 1
        return draw(strategies.expressions(analytic=analytic))

    @settings(database=None)
    @given(counted())
    def count(_: Any) -> None:
        nonlocal drawn
        drawn += 1

    count()
    assert drawn >= 0.95 * begun  # hypothesis itself breaks off a few that grow too large


def test_a_failing_expression_becomes_small_and_shows_its_code_and_arguments() -> None:
    f = find(strategies.expressions(), lambda f: "np.logaddexp(" in str(f), settings=SMALLEST)
    assert repr(f) == "def f(a):\n    return np.logaddexp(a, a)\na = np.array(0.08)"


# the table of forms

MATRIX = np.array([[1.1, -0.4, 0.7], [0.3, 1.9, -0.6], [-0.8, 0.5, 2.3]])
POINTS = [x for a in (MATRIX, MATRIX[0], np.array(0.7)) for x in (a, np.abs(a) / 3, np.abs(a) + 1.2)]


def made(form: Form) -> tl.Tensor | None:
    """What a form gives for the first of some arrays that it takes, as Tensors."""
    for raw in product(POINTS, repeat=form.arity):
        raw = [x + 0.07 * i for i, x in enumerate(raw)]
        code = form.code.format(*[f"x[{i}]" for i in range(form.arity)])
        try:
            with np.errstate(all="raise"):
                if form.distance(*raw) >= 0.05:
                    return eval(code, {"np": np, "tl": tl, "x": [tl.Tensor(x, requires_grad=True) for x in raw]})
        except (ValueError, IndexError, TypeError, FloatingPointError):
            continue
    return None


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.code)
def test_a_form_takes_some_arrays_and_has_a_gradient(form: Form) -> None:
    y = made(form)
    assert y is not None
    assert y.requires_grad


def reached(t: Tensor, names: set[str]) -> set[str]:
    if t.op is not None:
        names.add(t.op.name)
        for x in t.inputs:
            if isinstance(x, Tensor):
                reached(x, names)
    return names


def test_every_operation_of_numpy_and_of_networks_has_a_form() -> None:
    names: set[str] = set()
    for form in FORMS:
        y = made(form)
        assert y is not None
        reached(y, names)
    public = {op.name for fn, op in OPS.items() if op.differentiable and title(fn).startswith(("np.", "tl.", "**"))}
    assert public - names == {"polygamma"}  # needs SciPy


# shapes and values


@given(strategies.shapes(min_dims=1, max_dims=2, max_side=5))
def test_shapes_have_the_axes_asked_for(shape: Any) -> None:
    assert 1 <= len(shape) <= 2
    assert all(1 <= side <= 5 for side in shape)


@given(strategies.broadcastable(3, max_dims=2, max_side=4))
def test_broadcastable_shapes_broadcast(shapes: Any) -> None:
    assert len(shapes) == 3
    whole = np.broadcast_shapes(*shapes)
    assert len(whole) <= 2
    assert all(1 <= side <= 4 for side in whole)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda pair: len(pair[0]) > len(pair[1]) > 0,
        lambda pair: len(pair[0]) < len(pair[1]),
        lambda pair: 3 in pair[0] and 1 in pair[0] and 1 in pair[1] and 2 in pair[1],
        lambda pair: () in pair,
    ],
    ids=["first longer", "second longer", "both are stretched", "scalar"],
)
def test_every_kind_of_broadcasting_is_drawn(wanted: Any) -> None:
    find(strategies.broadcastable(2), wanted, settings=ANY)


def test_empty_axes_are_drawn_when_asked_for() -> None:
    find(strategies.shapes(empty=True), lambda shape: 0 in shape, settings=ANY)
    find(strategies.broadcastable(2, empty=True), lambda pair: 0 in pair[0] and 0 in pair[1], settings=ANY)


@given(strategies.values(strategies.broadcastable(2, max_dims=2), margin=0.08))
def test_values_keep_away_from_zero_and_from_each_other_in_size(arrays: Any) -> None:
    numbers = np.hstack([np.ravel(x) for x in arrays])
    assert distinct(np.abs(numbers)) >= 0.08 * (1 - 1e-9)
    assert np.min(np.abs(numbers)) >= 0.08 * (1 - 1e-9)
    assert np.max(np.abs(numbers)) <= 5.0


@given(strategies.values([(2, 2), ()], low=0.5, high=4.0, avoid=(1.0, 2.0)))
def test_values_keep_away_from_what_is_named_and_in_their_range(arrays: Any) -> None:
    assert [x.shape for x in arrays] == [(2, 2), ()]
    for x in arrays:
        assert np.all((x >= 0.5) & (x <= 4.0))
        assert np.min(np.abs(x - 1.0)) >= 0.1 * (1 - 1e-9)
        assert np.min(np.abs(x - 2.0)) >= 0.1 * (1 - 1e-9)


@given(strategies.values([], avoid=()))
def test_no_shapes_give_no_arrays(arrays: Any) -> None:
    assert arrays == ()


def test_failing_values_become_round() -> None:
    (x,) = find(strategies.values([(3,)]), lambda arrays: True, settings=SMALLEST)
    np.testing.assert_allclose(x, [0.2, -0.5, 0.6])


def test_values_without_room_are_refused() -> None:
    text = (
        r"values: 0\.0 … 1\.0 has room for 4 numbers that lie 0\.1 apart, not for 6; "
        r"widen the range, take a smaller margin, or smaller shapes"
    )
    with pytest.raises(ValueError, match=text):
        find(strategies.values([(2, 3)], low=0.0, high=1.0), lambda _: True, settings=SMALLEST)


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan")])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match=r"values: margin is .*; it must be positive, such as 0\.1"):
        find(strategies.values([()], margin=margin), lambda _: True, settings=SMALLEST)


@pytest.mark.parametrize("n", [0, 9])
def test_no_arguments_or_too_many_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match=rf"expressions: arguments is {n}; there can be 1 … 8"):
        find(strategies.expressions(arguments=n), lambda _: True, settings=SMALLEST)


@given(strategies.values([(4, 5, 6)]))
def test_many_values_find_room(arrays: Any) -> None:
    assert distinct(arrays[0]) >= 0.1 * (1 - 1e-9)


@FEW
@given(strategies.values(strategies.broadcastable(2)))
def test_the_example_of_the_docstring_holds(arrays: Any) -> None:
    tl.gradcheck(lambda a, b: np.max(np.abs(a)) + np.sum(np.maximum(a, b)), *arrays)


# networks


@given(strategies.networks(most=2, smooth=True, blocked=False))
def test_networks_are_made_as_asked_for(net: Any) -> None:
    topology = net.topology
    assert all(1 <= c.n <= 2 for c in topology.clusters)
    assert not {c.activation for c in topology.clusters} & {"relu", "leaky_relu"}
    assert not any(c.blocked for c in topology.connectors)


def feeds(net: Any, a: str, b: str) -> bool:
    return any((c.source, c.target) == (a, b) for c in net.topology.connectors)


TRAITS: dict[str, Any] = {
    "skip": lambda net: any(
        feeds(net, "x0", c) and feeds(net, c, o) and feeds(net, "x0", o) for c, o in [("c0", "c1")]
    ),
    "shared weights": lambda net: len(net.topology.shapes) < len(net.topology.connectors),
    "bias": lambda net: any(c.source == "one" for c in net.topology.connectors),
    "blocked": lambda net: any(c.blocked for c in net.topology.connectors),
    "several inputs": lambda net: len(net.topology.inputs) > 1,
    "several outputs": lambda net: len(net.topology.outputs) > 1,
    "an output that feeds another": lambda net: any(c.source in net.topology.outputs for c in net.topology.connectors),
    "clusters in any order": lambda net: net.topology.order[0] != net.topology.clusters[0].name,
}


@pytest.mark.parametrize("trait", TRAITS)
def test_every_trait_of_a_network_is_drawn(trait: str) -> None:
    find(strategies.networks(), TRAITS[trait], settings=ANY)


@given(strategies.problems(strategies.networks(smooth=True), patterns=3))
def test_the_gradient_of_a_problem_is_that_of_differences(p: Any) -> None:
    names = [name for name in p.parameters if p.parameters[name].size]

    def error(*weights: Any) -> Any:
        outs = p.outputs(dict(zip(names, weights, strict=True)))
        return sum(np.sum((out - p.targets[name]) ** 2) for name, out in outs.items())

    xs = [p.parameters[name] for name in names]
    expected = differences(error, xs, np.ones(()))
    for g, e in zip(tl.grad(error, argnums=tuple(range(len(xs))))(*xs), expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-6, atol=1e-6 * max(1.0, np.max(np.abs(e))))


@given(strategies.problems(patterns=3))
def test_a_problem_fits_its_network_and_every_loss(p: Any) -> None:
    topology = p.net.topology
    n_patterns = len(next(iter(p.inputs.values())))
    assert 1 <= n_patterns <= 3
    assert {name: x.shape for name, x in p.inputs.items()} == {n: (n_patterns, topology[n].n) for n in topology.inputs}
    assert {name: x.shape for name, x in p.parameters.items()} == topology.shapes
    assert {name: out.shape for name, out in p.outputs(p.parameters).items()} == {
        k: t.shape for k, t in p.targets.items()
    }
    assert all(np.all((t >= 0) & (t <= 1)) for t in p.targets.values())


def test_a_failing_problem_becomes_small_and_shows_itself() -> None:
    p = find(strategies.problems(), lambda p: "gauss" in repr(p), settings=SMALLEST)
    assert repr(p).startswith(
        "Problem\nCluster(name='x0', n=1, activation='identity')\nCluster(name='c0', n=1, activation='gauss')\n"
        "W1: x0 → c0\nparameters: {'W1': "
    )


# what a user sees


def test_a_missing_hypothesis_is_named_with_the_command_that_installs_it() -> None:
    script = f"""
import sys; sys.path.insert(0, {str(Path(tl.__file__).parent.parent)!r})
sys.modules["hypothesis"] = None
try:
    import tinygrad_lecture.verify.strategies
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == (
        "verify.strategies needs hypothesis, which is missing; install it with: python -m pip install hypothesis\n"
    )


@pytest.mark.parametrize("name", strategies.__all__)
def test_a_public_strategy_says_what_each_parameter_is(name: str) -> None:
    import inspect

    value = getattr(strategies, name)
    doc = inspect.getdoc(value) or ""
    assert "Source: " in doc or ">>> " in doc
    for parameter in inspect.signature(value).parameters:
        assert re.search(rf"\b{parameter}\b", doc), parameter


def test_the_examples_of_the_docstrings_hold() -> None:
    import doctest

    from tinygrad_lecture.verify.strategies import arrays, expression, topologies

    for module in (arrays, expression, topologies):
        assert doctest.testmod(module).failed == 0
        assert doctest.testmod(module).attempted > 0


def test_a_missing_hypothesis_is_an_error_with_the_install_command() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import tinygrad_lecture.verify.strategies"
    env = {**os.environ, "PYTHONPATH": str(Path(tl.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert "hypothesis, which is missing; install it with: python -m pip install hypothesis" in done.stderr
