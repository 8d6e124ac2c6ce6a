"""Recording: a program computes what the function computes, on other data too, or says why it cannot."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lecture as tl
from tests.profiles import tries

X = np.array([1.0, -2.0, 3.0])
finite = st.floats(-10.0, 10.0)


def same_bits(got: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert got.keys() == wanted.keys()
        for key in wanted:
            same_bits(got[key], wanted[key])
    elif isinstance(wanted, list | tuple):
        assert type(got) is type(wanted)
        for a, b in zip(got, wanted, strict=True):
            same_bits(a, b)
    else:
        assert not isinstance(got, tl.Tensor)
        assert np.asarray(got).dtype == np.asarray(wanted).dtype
        assert np.shape(got) == np.shape(wanted)
        assert np.asarray(got).tobytes() == np.asarray(wanted).tobytes()


# a whole training step


def training_step(p: Any, velocity: Any, x: Any, labels: Any, eta: Any) -> Any:
    """Forward, backward, update with momentum; dropped weights by a mask, accuracy by an argmax."""

    def error(p: Any) -> Any:
        hidden = np.tanh(tl.linear(x, p["W1"], p["b1"]))
        hidden = np.where(hidden > 0, hidden, 0.1 * hidden)
        out = tl.linear(hidden, p["W2"], p["b2"])
        return tl.cross_entropy(out, labels), out

    (value, out), g = tl.value_and_grad(error, has_aux=True)(p)
    hits = np.mean(np.where(np.argmax(out, axis=1) == labels, 1.0, 0.0))
    new_velocity = {k: 0.9 * velocity[k] - eta * np.where(np.abs(g[k]) > 1e-3, g[k], 0.0) for k in p}
    return {k: p[k] + new_velocity[k] for k in p}, new_velocity, (value, hits)


def state(seed: int, dtype: str = "float64") -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    shapes = {"W1": (8, 4), "b1": (8,), "W2": (3, 8), "b2": (3,)}
    p = {k: rng.normal(size=s).astype(dtype) for k, s in shapes.items()}
    velocity = {k: rng.normal(size=s).astype(dtype) for k, s in shapes.items()}
    return p, velocity, rng.normal(size=(16, 4)).astype(dtype), rng.integers(0, 3, 16), np.asarray(0.1, dtype)[()]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_training_step_recorded_on_some_data_and_run_on_other_gives_the_same_bits(dtype: str) -> None:
    program = tl.record(training_step)(*state(0, dtype))
    for seed in range(5):
        args = state(seed, dtype)
        same_bits(program(*args), training_step(*args))


def test_a_recorded_step_is_iterated_like_the_plain_one() -> None:
    p, v, x, labels, eta = state(0)
    program = tl.record(training_step)(p, v, x, labels, eta)
    q, u = p, v
    for k in range(20):
        batch, classes = state(100 + k)[2:4]
        rate = np.float64(0.1 / (k + 1))
        p, v, plain = training_step(p, v, batch, classes, rate)
        q, u, recorded = program(q, u, batch, classes, rate)
        same_bits(recorded, plain)
    same_bits(q, p)


def test_a_step_in_object_style_is_recorded_too() -> None:
    def step(w: Any, x: Any) -> Any:
        return w - 0.1 * tl.grad(lambda w: tl.squared_error(tl.relu(x @ w), np.max(x, axis=1)))(w)

    rng = np.random.default_rng(0)
    program = tl.record(step)(rng.normal(size=3), rng.normal(size=(5, 3)))
    w, x = rng.normal(size=3), rng.normal(size=(5, 3))
    same_bits(program(w, x), step(w, x))


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "a mask": lambda x: np.where(x > 0, x, -2 * x),
    "an argmax as an index": lambda x: x[np.argmax(x)] * 2,
    "an argmax compared": lambda x: np.arange(3) == np.argmax(x),
    "a count": lambda x: np.sum(x > 0) * 1.5,
    "a second order": lambda x: tl.grad(lambda z: np.sum(tl.grad(lambda y: np.sum(np.sin(y) * y))(z) ** 2))(x),
    "an extremum's gradient": lambda x: tl.grad(np.max)(x),
    "a clip's gradient": lambda x: tl.grad(lambda z: np.sum(np.clip(z, -1, 1) * z))(x),
    "a product's gradient": lambda x: tl.grad(np.prod)(x),
    "einsum": lambda x: np.einsum("i,j->ij", x, x),
    "shapes": lambda x: x.reshape(len(x), 1) / x.shape[0] + np.zeros_like(x) + np.shape(x)[0],
    "iteration": lambda x: sum(xi * k for k, xi in enumerate(x)),
    "concatenation and slices": lambda x: np.concatenate([x[1:], x[:1], x[[0, 0]]]),
    "casts": lambda x: (x.astype(np.float32) * 2, x.astype(int) * 2),
    "detach": lambda x: tl.grad(lambda y: np.sum(y * y.detach()))(x),
    "no_grad": tl.no_grad()(lambda x: x * 2),
    "containers": lambda x: {"a": [x, (x + 1, None)], "n": 3},
    "the input itself": lambda x: x,
    "a number": lambda x: 2.5,
    "a gradient of something else": lambda x: tl.grad(lambda y: 1.0)(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=tries(20))  # as many for each function; most go wrong for every draw or for none
@given(example=hnp.arrays(float, 3, elements=finite), x=hnp.arrays(float, 3, elements=finite))
def test_a_program_gives_the_functions_bits_for_any_data(name: str, example: np.ndarray, x: np.ndarray) -> None:
    f = FUNCTIONS[name]
    same_bits(tl.record(f)(example)(x), f(x))


def test_an_integer_array_and_a_mask_as_arguments_are_inputs() -> None:
    def f(x: Any, index: Any, mask: Any) -> Any:
        return np.where(mask, x[index], 0.0)

    program = tl.record(f)(X, np.array([0, 1, 2]), np.array([True, False, True]))
    other = (X + 1, np.array([2, 2, 0]), np.array([True, True, False]))
    same_bits(program(*other), f(*other))


def test_recording_leaves_the_function_and_the_example_as_they_were() -> None:
    x = X.copy()
    tl.record(lambda a: a * 2)(x)
    np.testing.assert_array_equal(x, X)
    assert not isinstance(tl.grad(lambda a: np.sum(a * 2))(x), tl.Tensor)
    assert float(tl.Tensor(2.0) * 2) == 4.0


def test_two_programs_recorded_in_threads_do_not_mix() -> None:
    def build(k: int) -> Any:
        program = tl.record(lambda x: tl.grad(lambda y: np.sum(np.sin(y) ** 2 * k))(x))(X)
        return len(program.equations), program(X + k).tobytes()

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(build, range(1, 12)))
    assert together == [build(k) for k in range(1, 12)]


def test_what_a_recorded_function_computes_in_a_thread_is_recorded_or_refused() -> None:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: x * 2).result() + 1

    try:
        program = tl.record(f)(X)
    except (TypeError, RuntimeError):
        return
    same_bits(program(X + 5), f(X + 5))


# what it prints


def test_print_shows_one_equation_a_line_between_inputs_and_outputs() -> None:
    def area(x: Any, y: Any) -> Any:
        return np.sum(np.tanh(x) * y)

    program = tl.record(area)(X, np.float32(2.0))
    head, *body, end = str(program).splitlines()
    assert head.startswith("area(")
    assert end.strip().startswith("return ")
    assert len(body) == len(program.inputs) + len(program.equations)
    for line, equation in zip(body[2:], program.equations, strict=True):
        assert equation.op.name in line
        assert " = " in line
        assert f"{equation.dtype}{list(equation.shape)}" in line
    assert [e.op.name for e in program.equations] == ["tanh", "multiply", "sum"]


def test_a_step_prints_a_line_for_each_of_its_equations() -> None:
    program = tl.record(training_step)(*state(0))
    lines = str(program).splitlines()
    assert len(lines) == 2 + len(program.inputs) + len(program.constants) + len(program.equations)
    assert sum("argmax" in line for line in lines) == 1
    assert any("greater" in line for line in lines)


def test_every_variable_is_defined_before_it_is_used() -> None:
    program = tl.record(training_step)(*state(0))
    known = {*program.inputs, *program.constants}
    for equation in program.equations:
        assert {a for a in equation.args if type(a) is type(equation.out)} <= known
        assert equation.out not in known
        known.add(equation.out)


# what it refuses when it is run


def test_another_shape_is_refused_with_both() -> None:
    program = tl.record(lambda x, y: x + y)(X, X)
    with pytest.raises(ValueError, match=r"\(3,\).*\[1\].*\(4,\)"):
        program(X, np.ones(4))


@pytest.mark.parametrize(
    "other", [X.astype(np.float32), X.astype(int), np.array(1.0), X[:, None]], ids=["float32", "int", "0-d", "column"]
)
def test_another_dtype_or_number_of_axes_is_refused(other: np.ndarray) -> None:
    program = tl.record(lambda x: x * 2)(X)
    with pytest.raises(ValueError, match="recorded with"):
        program(other)


def test_another_static_number_is_refused_with_both_values() -> None:
    program = tl.record(lambda x, n: x**n)(X, 2)
    np.testing.assert_array_equal(program(X, 2), X**2)
    with pytest.raises(ValueError, match=r"2.*3"):
        program(X, 3)


@pytest.mark.parametrize(("then", "now"), [(2, 2.0), (1, True), (0.0, -0.0)], ids=repr)
def test_a_static_number_of_another_type_or_sign_is_another_number(then: Any, now: Any) -> None:
    program = tl.record(lambda x, n: x * n)(np.arange(3), then)
    with pytest.raises(ValueError, match="recorded with"):
        program(np.arange(3), now)


def test_nan_as_a_static_number_is_the_same_number() -> None:
    program = tl.record(lambda x, n: x * n)(X, float("nan"))
    assert np.isnan(program(X, float("nan"))).all()


@pytest.mark.parametrize(
    "args",
    [(), (X,), (X, X, X), (X, {"a": X}), (X, [X]), (X, 2.0), (X, None)],
    ids=["none", "one", "three", "dict", "list", "number", "None"],
)
def test_arguments_of_another_form_are_refused(args: tuple[Any, ...]) -> None:
    program = tl.record(lambda x, y: x + y)(X, X)
    with pytest.raises(ValueError, match="recorded with"):
        program(*args)


def test_the_refusal_names_the_place_in_a_container() -> None:
    program = tl.record(lambda p: p["W"][1] * 2)({"W": [X, X]})
    with pytest.raises(ValueError, match=r"\['W'\]\[1\]"):
        program({"W": [X, np.ones(2)]})


# constants


def test_constants_are_listed_and_copied() -> None:
    table = np.array([10.0, 20.0, 30.0])
    program = tl.record(lambda x: x * table)(X)
    (constant,) = program.constants.values()
    np.testing.assert_array_equal(constant, table)
    table[:] = 0
    np.testing.assert_array_equal(program(X), X * [10, 20, 30])


def test_a_leaf_of_the_outside_is_a_constant() -> None:
    w = tl.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    program = tl.record(lambda x: x * w)(X)
    assert len(program.constants) == 1
    w.assign([0.0, 0.0, 0.0])
    np.testing.assert_array_equal(program(X), X * [1, 2, 3])


def test_what_is_computed_from_a_leaf_of_the_outside_alone_hands_errors_on_with_its_options() -> None:
    w = tl.Tensor(np.ones((2, 3)), requires_grad=True)

    def f(x: Any) -> Any:
        w.zero_grad()
        np.sum(np.sum(w, axis=0) * x).backward()
        return w.grad

    same_bits(tl.record(f)(X)(X + 1), np.stack([X + 1, X + 1]))


def test_an_index_array_of_the_outside_is_a_constant() -> None:
    index = np.array([2, 0])
    program = tl.record(lambda x: x[index])(X)
    index[:] = 1
    np.testing.assert_array_equal(program(X), X[[2, 0]])
    assert len(program.constants) == 1


def test_a_constant_is_copied_when_it_is_used_not_when_recording_ends() -> None:
    buffer = np.zeros(3)

    def f(x: Any) -> Any:
        buffer[:] = 0
        before = x + buffer
        buffer[:] = 1
        return before, x + buffer

    program = tl.record(f)(X)
    same_bits(program(X), f(X))


def test_writing_into_a_result_does_not_change_the_program() -> None:
    table = np.array([1.0, 2.0, 3.0])
    program = tl.record(lambda x: (x * table, table))(X)
    first, second = program(X)
    first[:] = 0
    second[:] = 0
    same_bits(program(X), (X * table, table))


def test_an_option_of_a_users_function_that_is_an_array_is_copied() -> None:
    weights = np.array([1.0, 2.0, 3.0])
    weigh = tl.local_rule(lambda x, by=None: x * by, slopes=lambda y, x, by=None: by)
    program = tl.record(lambda x: weigh(x, by=weights))(X)
    weights[:] = 0
    np.testing.assert_array_equal(program(X), X * [1, 2, 3])


# what it refuses while it records


def branches(t: Any) -> Any:
    return t * 2 if t[0] > 0 else t  # here


def loops(t: Any) -> Any:
    while np.sum(t) < 10:  # here
        t = t * 2
    return t


def converts_float(t: Any) -> Any:
    return t * float(t[0])  # here


def converts_int(t: Any) -> Any:
    return t * int(t[0])  # here


def converts_array(t: Any) -> Any:
    return t + np.asarray(t)  # here


def converts_list(t: Any) -> Any:
    return t + np.array([t, t])  # here


def masks(t: Any) -> Any:
    return t[t > 0]  # here


def masks_an_array(t: Any) -> Any:
    return np.ones(3)[t > 0] + t  # here


def writes(t: Any) -> Any:
    return np.tanh(t, out=np.empty(3))  # here


def adds_in_place(t: Any) -> Any:
    total = np.zeros(3)
    total += t  # here
    return total


def sets_an_item(t: Any) -> Any:
    total = np.zeros((2, 3))
    total[0] = t  # here
    return total


def takes_the_item(t: Any) -> Any:
    return t * t[0].item()  # here


def takes_the_values(t: Any) -> Any:
    return t * t.numpy()  # here


def takes_the_data(t: Any) -> Any:
    return t * t.data  # here


def takes_a_list(t: Any) -> Any:
    return t * t.tolist()[0]  # here


def counts_up_to(t: Any) -> Any:
    return sum(k * t for k in range(np.argmax(t)))  # here


def looks_up(t: Any) -> Any:
    return t * [1.0, 2.0, 3.0][np.argmax(t)]  # here


def compares_chained(t: Any) -> Any:
    return t * 2 if 0 < t[0] < 1 else t  # here


def takes_the_larger(t: Any) -> Any:
    return max(t[0], t[1]) * t  # here


def makes_a_leaf(t: Any) -> Any:
    return tl.Tensor(t) * 2  # here


def is_in(t: Any) -> Any:
    return t * 2 if 1.0 in t else t  # here


def sorts(t: Any) -> Any:
    return sorted(t)[0]  # here


def formats(t: Any) -> Any:
    return t * float(f"{t[0]:.3f}")  # here


def hides_in_a_gradient(t: Any) -> Any:
    return tl.grad(lambda x: np.sum(x * 2 if x[0].detach() > 0 else x))(t)  # here


REFUSED = [
    branches,
    loops,
    converts_float,
    converts_int,
    converts_array,
    converts_list,
    masks,
    masks_an_array,
    writes,
    adds_in_place,
    sets_an_item,
    takes_the_item,
    takes_the_values,
    takes_the_data,
    takes_a_list,
    counts_up_to,
    looks_up,
    compares_chained,
    takes_the_larger,
    makes_a_leaf,
    is_in,
    sorts,
    formats,
    hides_in_a_gradient,
]


@pytest.mark.parametrize("f", REFUSED, ids=lambda f: f.__name__)
def test_what_would_freeze_a_value_raises_and_names_the_file_and_the_line(f: Callable[[Any], Any]) -> None:
    lines, first = inspect.getsourcelines(f)
    (line,) = [first + k for k, text in enumerate(lines) if "# here" in text]
    with pytest.raises((TypeError, ValueError)) as caught:
        tl.record(f)(X)
    causes = [caught.value, caught.value.__cause__]
    text = "\n".join(str(c) for c in causes if c is not None)
    assert __file__ in text
    assert f":{line}" in text


@pytest.mark.parametrize("f", REFUSED, ids=lambda f: f.__name__)
def test_an_error_while_recording_switches_recording_off_again(f: Callable[[Any], Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        tl.record(f)(X)
    assert float(tl.Tensor(2.0) * 2) == 4.0
    assert not isinstance(tl.grad(lambda x: x * x)(2.0), tl.Tensor)


def test_an_assign_while_recording_is_refused() -> None:
    w = tl.Tensor(X)

    def f(x: Any) -> Any:
        w.assign(X * 2)
        return x * w

    with pytest.raises(TypeError, match="assign"):
        tl.record(f)(X)


def test_constants_convert_freely_while_recording() -> None:
    scale = tl.Tensor(2.0)

    def f(x: Any) -> Any:
        return x * float(scale)

    same_bits(tl.record(f)(X)(X + 1), (X + 1) * 2.0)


def test_examples_are_arrays_and_no_tensors() -> None:
    with pytest.raises(TypeError, match=r"record takes arrays as example arguments, not Tensors; pass t\.numpy\(\)"):
        tl.record(lambda p: p["w"] * 2.0)({"w": tl.Tensor(X)})


# what stays of the one run


def tensors() -> int:
    gc.collect()
    return sum(type(x) is tl.Tensor for x in gc.get_objects())


def test_a_program_keeps_no_tensor_of_the_run_it_was_recorded_in() -> None:
    def step(w: Any, x: Any) -> Any:
        E, g = tl.value_and_grad(lambda w: tl.squared_error(np.tanh(x @ w), x[:, :1]))(w)
        return {"w": (w - 0.1 * g,), "E": E}, x[np.argmax(x, axis=0)]

    before = tensors()
    program = tl.record(step)(np.ones((2, 1)), np.arange(6.0).reshape(3, 2))
    assert tensors() == before
    assert not any(type(origin) is tl.Tensor for origin, _, _ in program.origins)


def test_in_a_recording_the_graph_behind_a_gradient_goes_where_nobody_will_walk_it() -> None:
    outside = tl.Tensor(2.0, requires_grad=True)
    seen = []

    def closed(t: Any) -> bool:
        return not t.needs and t.inputs == ()

    def f(w: Any) -> Any:
        E, g = tl.value_and_grad(lambda w: np.sum(np.exp(w)))(w)
        seen.append((closed(E), closed(g)))
        E, g = tl.value_and_grad(lambda w: np.sum(w * w * outside))(w)
        seen.append((closed(E), closed(g)))
        E_of_leaf, g_of_leaf = tl.value_and_grad(lambda v: np.sum(w * v * v))(outside)
        seen.append((closed(E_of_leaf), closed(g_of_leaf)))
        second = tl.grad(lambda w: np.sum(tl.grad(lambda w: np.sum(w**3))(w)))(w)
        return E, g, second

    program = tl.record(f)(np.array([1.0, 2.0]))
    assert seen == [(True, True), (False, False), (False, False)]
    E, g, second = program(np.array([3.0, -1.0]))
    assert E == 20.0
    np.testing.assert_array_equal(g, [12.0, -4.0])
    np.testing.assert_array_equal(second, [18.0, -6.0])
    wanted = tl.grad(lambda v: np.sum(tl.jit(tl.grad(lambda w: np.sum(w**3)))(v) ** 2))(np.array([3.0]))
    np.testing.assert_allclose(wanted, [2 * 27.0 * 18.0])  # a transform around it: nothing is closed


def test_in_a_recording_what_is_pulled_back_keeps_its_graph_for_a_transform_around_it() -> None:
    outside = tl.Tensor([2.0, 5.0], requires_grad=True)

    def f(w: Any) -> Any:
        _, pull_back = tl.vjp(np.exp, w)
        by_err = tl.grad(lambda err: np.sum(pull_back(err)[0] ** 2))(w)  # Σ (err eʷ)², by err
        (kept,) = pull_back(outside)
        assert kept.needs
        older = np.sum(w * outside)
        E, _ = tl.value_and_grad(lambda v: older)(w)
        assert E.needs
        return by_err, E

    w = np.array([0.5, -1.0])
    by_err, E = tl.record(f)(w)(w)
    np.testing.assert_allclose(by_err, 2 * w * np.exp(2 * w), rtol=1e-14)
    np.testing.assert_allclose(E, np.sum(w * [2.0, 5.0]), rtol=1e-14)


def test_a_program_refuses_the_same_arrays_in_another_container() -> None:
    program = tl.record(lambda xs: len(xs) * xs[0])([np.ones(2), None])
    np.testing.assert_array_equal(program([np.ones(2), None]), [2.0, 2.0])
    for other in ([np.ones(2)], (np.ones(2), None), [np.ones(2), None, None]):
        with pytest.raises(ValueError, match=r"in other containers, or with None at other places"):
            program(other)
