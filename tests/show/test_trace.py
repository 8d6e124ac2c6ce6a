"""tl.trace: the flow of error as data and as a table, the same as in the walk, with the rules as they are written."""

from __future__ import annotations

import inspect
import re
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import CASES, Case
from tests.profiles import tries
from tinygrad_lecture import Tensor, local_rule, trace
from tinygrad_lecture.show.formula import formula, text_of
from tinygrad_lecture.show.trace import LIMITS


def leaf(values: Any) -> Tensor:
    return Tensor(values, requires_grad=True)


def network() -> tuple[Tensor, dict[str, Tensor]]:
    W, b, x = leaf([[1.0, -2.0], [0.5, 0.25]]), leaf([0.1, -0.1]), leaf([[1.0, 2.0], [3.0, -1.0], [0.0, 1.0]])
    h = np.tanh(x @ W + b)
    return np.sum(h * h * np.exp(h[:, :1])) / 2.0, {"W": W, "b": b, "x": x, "h": h}


# the table


def test_a_small_example_prints_exactly_so() -> None:
    w, b = leaf(0.5), leaf([1.0, 2.0])
    h = w * 2.0 - b
    assert str(trace(h * h, np.ones(2), w=w, b=b, h=h)) == SMALL


SMALL = """\
node  forward ↑        value    error ↓  local rule  hands on
────  ───────────────  ───────  ───────  ──────────  ───────────
v2    multiply(h, h)   [0, 1]   [1, 1]   err ⊙ h     [0, -1] → h
                                         err ⊙ h     [0, -1] → h
h     subtract(v1, b)  [0, -1]  [0, -2]  err         -2 → v1
                                         -err        [-0, 2] → b
v1    multiply(w, 2)   1        -2       err ⊙ 2     -4 → w
b     leaf             [1, 2]   [-0, 2]
w     leaf             0.5      -4"""


def test_no_column_is_wider_than_its_limit_and_no_line_ends_in_spaces() -> None:
    E, names = network()
    for line in str(trace(E, a_very_long_name_for_a_layer=names["h"])).splitlines():
        assert len(line) <= sum(LIMITS) + 2 * (len(LIMITS) - 1)
        assert line == line.rstrip()


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (0, "h[0]"),
        ((1, 0), "h[1, 0]"),
        ((slice(None), -1), "h[:, -1]"),
        ((slice(1, 3), slice(None, None, 2)), "h[1:3, ::2]"),
        ((Ellipsis, None), "h[..., None]"),
        (np.array([0, 2]), "h[array 2]"),
        ((), "h[()]"),
    ],
    ids=str,
)
def test_an_index_is_shown_as_it_is_written(index: Any, text: str) -> None:
    h = leaf(np.ones((3, 2)))
    y = np.sum(h[index])
    assert [s.forward for s in trace(y, h=h)][1:] == [text, "leaf"]


def test_one_number_and_no_numbers_are_shown_as_such() -> None:
    x, nothing = leaf([[3.0]]), leaf(np.zeros((0, 2)))
    table = str(trace(np.sum(x * x) + np.sum(nothing * 2.0)))
    assert "[[9]]" in table
    assert "[[]]" in table
    assert "= err · 3" in str(trace(leaf(3.0) * leaf(2.0)))


# the numbers


def test_a_node_that_goes_in_twice_hands_on_twice_and_the_sum_arrives() -> None:
    w = leaf(3.0)
    steps = trace(w * w, w=w)
    assert [h.to for h in steps["v1"].handed] == ["w", "w"]
    assert [h.err for h in steps["v1"].handed] == [3.0, 3.0]
    assert steps["w"].err == 6.0
    assert steps["v1"].inputs == (3.0, 3.0)


def test_a_step_holds_what_the_table_shows() -> None:
    E, names = network()
    steps = trace(E, **names)
    h = steps[names["h"]]
    assert h is steps["h"]
    assert (h.name, h.forward) == ("h", "tanh(v2)")
    np.testing.assert_array_equal(h.value, names["h"].numpy())
    np.testing.assert_allclose(h.handed[0].slope, 1 - h.value**2, atol=1e-15)
    np.testing.assert_allclose(h.handed[0].err, h.err * (1 - h.value**2), atol=1e-14)
    assert steps["v2"].handed[0].slope == 1.0
    assert steps["v1"].handed[0].slope is None
    assert len(steps) == len(list(steps)) == 12
    assert steps.steps[0].name == "v8"
    assert [s.name for s in steps if s.forward == "leaf"] == ["x", "b", "W"]


def test_nothing_is_added_to_any_gradient_and_the_graph_stays_usable() -> None:
    E, names = network()
    first = str(trace(E, **names))
    assert all(t.grad is None for t in names.values())
    names["W"].grad = np.ones((2, 2))
    assert str(trace(E, **names)) == first
    np.testing.assert_array_equal(names["W"].grad, np.ones((2, 2)))
    E.backward()
    np.testing.assert_allclose(names["W"].grad - 1.0, trace(E, **names)["W"].err, rtol=1e-14)


def test_an_error_may_be_given() -> None:
    w = leaf([1.0, 2.0])
    err = np.array([10.0, -1.0])
    steps = trace(w * w, err, w=w, y=w * w)
    np.testing.assert_array_equal(steps["w"].err, [20, -4])
    assert not any(np.shares_memory(err, a) for s in steps for a in (s.err, *(h.err for h in s.handed)))
    w32 = leaf(np.float32([1, 2]))
    assert {s.err.dtype for s in trace(np.tanh(w32), err)} == {np.dtype(np.float32)}


def test_no_error_in_gives_no_error_out_even_at_infinite_slopes() -> None:
    w = leaf([0.0, 4.0])
    steps = trace(np.sqrt(w), [0.0, 1.0], w=w)
    np.testing.assert_array_equal(steps["w"].err, [0, 0.25])
    assert steps["v1"].handed[0].slope[0] == np.inf


def test_a_slope_of_mixed_dtypes_is_the_one_that_the_walk_uses() -> None:
    a, b = leaf(np.float32([0.1, 0.3])), leaf([3.0, 7.0])
    for f in (np.hypot, np.logaddexp, np.power, np.arctan2):
        for h in trace(f(a, b), [1.0, 1.0], a=a, b=b)["v1"].handed:
            np.testing.assert_array_equal(h.err, np.asarray(h.slope).astype(h.err.dtype))
    x, p = a.numpy().astype(float), b.numpy()
    np.testing.assert_allclose(trace(np.power(a, b), [1.0, 1.0])["v3"].handed[1].slope, x**p * np.log(x), rtol=1e-14)


def test_constants_are_shown_but_get_no_error() -> None:
    w, c = leaf(2.0), Tensor(3.0)
    steps = trace(w * c, w=w, c=c)
    assert steps["v1"].forward == "multiply(w, c)"
    assert [h.to for h in steps["v1"].handed] == ["w"]
    with pytest.raises(KeyError):
        steps["c"]
    assert trace(w * c, w=w)["v1"].forward == "multiply(w, 3)"


def test_a_leaf_alone_and_a_node_that_hands_nothing_on_have_a_step() -> None:
    w = leaf(2.0)
    assert trace(w, 5.0, w=w)["w"].err == 5.0
    blocked = local_rule(lambda x, y: x * y, slopes=(None, lambda z, x, y: x))
    steps = trace(blocked(w, 3.0), w=w)
    assert [(s.name, s.err, s.handed) for s in steps] == [("v1", 1.0, ())]
    assert "v1" in str(steps)


def test_a_trace_inside_a_transform_holds_arrays() -> None:
    seen = []

    def f(x: Any) -> Any:
        y = x * x
        seen.append(trace(y, x, y=y))
        return y * x

    assert tl.grad(f)(3.0) == 27.0
    assert [type(s.err) for s in seen[0]] == [np.float64] * 2
    assert seen[0].steps[-1].err == 18.0


def test_names_that_look_like_numbers_are_not_given_twice() -> None:
    a, b = leaf(1.0), leaf(2.0)
    steps = trace((a + b) * b, v1=b)
    assert [s.name for s in steps] == ["v4", "v3", "v1", "v2"]
    assert steps["v3"].forward == "add(v2, v1)"


def test_a_node_may_be_called_y_or_self() -> None:
    w = leaf(2.0)
    y = w * 3.0
    assert trace(y, y=y, self=w)["y"].forward == "multiply(self, 3)"


# every operation


def check(case: Case, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    drawn = case.make(data.draw, rng)
    xs = [leaf(np.array(x)) for x in drawn.xs]
    try:
        y = drawn.f(*xs)
    except (ValueError, IndexError):  # NumPy refuses some empty arrays
        return
    if not y.requires_grad:
        return
    err = rng.normal(size=y.shape)
    steps = trace(y, err)
    y.backward(err)

    arrived: dict[str, Any] = {steps.steps[0].name: err}
    for step in steps:
        # younger nodes come first, hence all that a node gets has been handed on by now
        np.testing.assert_array_equal(step.err, arrived[step.name])
        assert step.err.shape == np.shape(step.value)
        for h in step.handed:
            arrived[h.to] = arrived[h.to] + h.err if h.to in arrived else h.err
            if h.slope is not None and np.all(np.isfinite(h.slope)):
                whole = step.err * h.slope
                np.testing.assert_allclose(
                    np.sum(h.err), np.sum(whole), rtol=1e-10, atol=1e-12 * (1 + np.sum(np.abs(whole)))
                )
    for x in xs:
        if x.grad is not None:
            np.testing.assert_array_equal(steps[x].err, x.grad)
    widest = sum(LIMITS) + 2 * (len(LIMITS) - 1)
    assert all(len(line) <= widest for line in str(steps).splitlines())

    waiting, seen = [y], set()
    while waiting:
        n = waiting.pop()
        if n.stamp in seen or not n.inputs:
            continue
        seen.add(n.stamp)
        for k, x in enumerate(n.inputs):
            if isinstance(x, Tensor):
                check_text(n, k, rng)
                waiting.append(x)


def check_text(n: Tensor, k: int, rng: np.random.Generator) -> None:
    """The text of a lambda, evaluated, gives what the lambda gives: it is the right one, with the right names."""
    op: Any = n.op
    names = [f"in{i}" for i in range(len(n.inputs))]
    assert isinstance(formula(op, k, "out", names), str)
    fn = op.each or (op.slopes or op.rules)[k]
    if getattr(fn, "__name__", "") != "<lambda>":
        return
    values = [np.asarray(x.numpy() if isinstance(x, Tensor) else x) if x is not None else None for x in n.inputs]
    given: dict[str, Any] = {"err": rng.normal(size=n.shape)} if op.slopes is None else {}
    given |= {"out": n.numpy(), **dict(zip(names, values, strict=True))}
    arguments = list(given) if op.each is None else [str(k), *given]
    parameters = inspect.signature(fn).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    packed = {p.name: dict(n.options) for p in parameters if p.kind is p.VAR_KEYWORD}
    packed |= {p.name: values for p in parameters if p.kind is p.VAR_POSITIONAL}
    scope = {**fn.__globals__, **inspect.getclosurevars(fn).nonlocals, **defaults, **packed, **n.options, **given}
    with np.errstate(all="ignore"):
        expected = fn(*([k] if op.each else []), *given.values(), **n.options)
        got = eval(text_of(fn, arguments), scope)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", CASES)
def test_every_operation_is_traced_as_the_walk_goes_and_with_its_own_rule(name: str) -> None:
    @settings(max_examples=tries(4), suppress_health_check=list(HealthCheck))
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of means of nothing
            check(CASES[name], data)

    holds()


# the text of a rule

pair = (lambda y, x: 2.0 * x, lambda y, x: 3.0 * y)


@pytest.mark.parametrize(
    ("fn", "text"),
    [
        (pair[0], "2.0 * w"),
        (pair[1], "3.0 * out"),
        (lambda y, x: x if y > 0 else -x, "w if out > 0 else -w"),
        (lambda y, x: (y + x) * 2.0, "(out + w) * 2.0"),
        (lambda y, x: np.stack([x, y], axis=0)[0], "np.stack([w, out], axis=0)[0]"),
        (lambda y, x: "ε·x" if x is None else x * 0.5, "'ε·x' if w is None else w * 0.5"),
        (np.cos, "cos"),
    ],
)
def test_the_text_of_a_lambda_has_the_names_of_the_node(fn: Any, text: str) -> None:
    assert text_of(fn, ["out", "w"]) == text


def test_of_two_lambdas_in_each_other_the_right_one_is_found() -> None:
    outer = lambda factor: lambda y, x: x * factor
    assert text_of(outer(2.0), ["out", "w"]) == "w * factor"
    assert text_of(outer, ["a"]).startswith("lambda y, x: x * ")


def test_a_function_says_its_first_clause_or_its_name() -> None:
    def told(y: Any, x: Any) -> Any:
        """Twice x; since it is so.

        More.
        """
        return 2.0 * x

    def silent(y: Any, x: Any) -> Any:
        return 2.0 * x

    assert text_of(told) == "Twice x"
    assert text_of(silent) == "silent"


def test_a_lambda_without_a_file_is_called_a_lambda() -> None:
    fn = eval("lambda y, x: 2.0 * x")
    assert text_of(fn, ["out", "w"]) == "a lambda"
    w = leaf(3.0)
    assert trace(local_rule(lambda x: x * x, slopes=fn)(w), w=w)["v1"].handed[0].rule == "err ⊙ (a lambda)"


def test_rules_that_users_gave_are_shown_as_they_wrote_them() -> None:
    w = leaf(3.0)
    double = local_rule(lambda x: 2.0 * x, rules=lambda err, y, x: err * 2.0)
    square = local_rule(lambda x: x * x, slopes=lambda y, x: x + x)
    triple = local_rule(lambda x: 3.0 * x, slopes=3)
    steps = trace(triple(square(double(w))), w=w)
    assert [h.rule for s in steps for h in s.handed] == ["3.0 err", "err ⊙ (v1 + v1)", "err * 2.0"]


# what is refused


def test_a_name_through_which_no_error_flows_is_told_which_there_are() -> None:
    w, other = leaf(2.0), leaf(3.0)
    steps = trace(w * 3.0, w=w, other=other)
    for key, said in (("u", "through u here"), (other, "through other here"), (leaf(1.0), "through that Tensor here")):
        with pytest.raises(KeyError, match=f"no error flows {said}; there are v1, w"):
            steps[key]


def test_what_is_no_tensor_is_refused_with_what_to_write() -> None:
    with pytest.raises(
        TypeError,
        match=re.escape("trace needs a Tensor or a network, not a float: make one with tl.Tensor(values, req"),
    ):
        trace(3.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="x= names a Tensor of the graph, and this is a ndarray"):
        trace(leaf(1.0), x=np.ones(2))  # type: ignore[arg-type]


def test_a_tensor_that_needs_no_gradient_is_refused() -> None:
    with pytest.raises(TypeError, match="depends on none that requires a gradient, so that no error flows back"):
        trace(Tensor(1.0) * 2.0)


def test_what_backward_refuses_is_refused() -> None:
    w = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"a Tensor of shape \(2,\) needs err"):
        trace(w * w)
    with pytest.raises(ValueError, match=r"err of shape \(3,\) arrives at a Tensor of shape \(2,\)"):
        trace(w * w, np.ones(3))
    y = np.sum(w * w)
    w.assign([5.0, 6.0])
    with pytest.raises(RuntimeError, match="was overwritten by assign"):
        trace(y)


def test_a_rule_whose_file_is_no_python_or_that_has_no_place_is_shown_without_its_text(tmp_path: Any) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no Python, this")
    names: dict[str, Any] = {}
    exec(compile("f = lambda y, x: 2 * x", str(path), "exec"), names)
    of_a_file = local_rule(lambda x: x * x, slopes=names["f"])
    nowhere = local_rule(lambda x: x * x, slopes=eval("lambda y, x: 2 * x"))
    placeless = nowhere.op.slopes[0]
    placeless.__code__ = placeless.__code__.replace(co_linetable=b"")
    for f in (of_a_file, nowhere):
        assert "err ⊙ (a lambda)" in str(trace(f(leaf(1.0))))
