"""Debug mode: what goes wrong is named where it goes wrong first, and nothing else is said or changed."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from linecache import getline
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tinygrad_lecture import Tensor
from tinygrad_lecture.learning import train as training

pytestmark = pytest.mark.filterwarnings("error")
HERE = re.escape(__file__)


def w(values: Any = (0.0, 1.0, 2.0)) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


@pytest.fixture(autouse=True)
def numpy_says_nothing() -> Any:
    with np.errstate(all="ignore"):
        yield


def caught(kind: type[Exception], f: Callable[[], Any]) -> str:
    with tl.debug(), pytest.raises(kind) as found:
        f()
    return str(found.value)


# forward


def test_the_first_value_that_is_not_finite_is_an_error_with_operation_line_and_ranges() -> None:
    x = w()

    def f() -> Any:
        y = np.sin(x)
        z = np.log(x)  # the first
        return np.exp(z + y) / 0.0

    text = caught(tl.NotFiniteError, f)
    lines = text.splitlines()
    assert re.fullmatch(rf"log gave what is not finite, at {HERE}:\d+: z = np\.log\(x\)  # the first", lines[0])
    assert lines[1] == "  its value: float64 (3,) from 0 to 0.693147, but 1 of 3 not finite, the first -inf at [0]"
    assert lines[2] == "  input 0 (x): float64 (3,) from 0 to 2"
    assert lines[3:] == [
        "Keep its inputs where it is finite, or compute outside tl.debug() what is meant to be infinite"
    ]


def test_the_ranges_tell_numbers_masks_and_what_came_in_wrong_already() -> None:
    x, mask, missing = w(), np.array([True, False, True]), np.array([1.0, np.nan, np.inf])
    lines = caught(tl.NotFiniteError, lambda: np.where(mask, missing, x)).splitlines()
    assert lines[2:5] == [
        "  input 0 (mask): bool (3,) from 0 to 1",
        "  input 1 (missing): float64 (3,) from 1 to 1, but 2 of 3 not finite, the first nan at [1]",
        "  input 2 (x): float64 (3,) from 0 to 2",
    ]
    assert "\n  input 1: inf\n" in caught(tl.NotFiniteError, lambda: x[1] + np.inf)
    assert "its value: float64 (2,), but 2 of 2 not finite" in caught(tl.NotFiniteError, lambda: x[:2] + np.nan)


STEPS: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "exp": np.exp,
    "log": np.log,
    "reciprocal": np.reciprocal,
    "square": np.square,
    "sqrt": np.sqrt,
    "negative": np.negative,
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=12), st.floats(-10, 10), st.booleans())
@example(["exp"] * 4, 3.0, True)
def test_the_operation_named_is_the_first_that_numpy_itself_finds_not_finite(
    names: list[str], start: float, requires_grad: bool
) -> None:
    value, first = np.float64(start), None
    for name in names:
        value = STEPS[name](value)
        if first is None and not np.isfinite(value):
            first = name
    x = Tensor(start, requires_grad=requires_grad)

    def run() -> Any:
        y = x
        for name in names:
            y = STEPS[name](y)
        return y

    if first is not None:
        assert caught(tl.NotFiniteError, run).startswith(f"{first} gave what is not finite")
    else:
        with tl.debug():
            assert run().numpy() == value


def test_a_value_without_gradient_is_looked_at_too() -> None:
    with tl.debug(), tl.no_grad(), pytest.raises(tl.NotFiniteError, match="log gave"):
        np.log(w())


def test_a_recording_is_looked_at_and_equal_to_one_without() -> None:
    def f(x: Any) -> Any:
        return np.sum(tl.grad(lambda a: np.sum(np.log(a) * a[np.array([0, 1, 1])]))(x))

    x = np.array([1.0, 2.0, 3.0])
    plain = str(tl.record(f)(x))
    with tl.debug():
        assert str(tl.record(f)(x)) == plain
        with pytest.raises(tl.NotFiniteError, match=r"log gave.*np\.log\(a\)"):
            tl.record(f)(np.zeros(3))


# backward


def test_the_first_error_that_is_not_finite_is_an_error_with_the_line_that_made_the_node() -> None:
    x = w()

    def f() -> None:
        y = np.sqrt(x)  # here
        E = np.sum(3.0 * y)
        E.backward()

    lines = caught(tl.NotFiniteError, f).splitlines()
    assert re.fullmatch(
        rf"backward through sqrt, made at {HERE}:\d+: y = np\.sqrt\(x\)  # here",
        lines[0],
    )
    assert lines[1:] == [
        "  handed on to input 0 (x): float64 (3,) from 1.06066 to 1.5, but 1 of 3 not finite, the first inf at [0]",
        "  arrived: float64 (3,) from 3 to 3",
        "  input 0 (x): float64 (3,) from 0 to 2",
        "Keep its inputs away from where its slope is infinite, or choose with np.where before it",
    ]
    assert x.grad is None


def test_a_node_made_before_is_named_without_its_line() -> None:
    y = np.sum(np.sqrt(w()))
    text = caught(tl.NotFiniteError, y.backward)
    assert text.startswith("backward through sqrt, made outside tl.debug()\n  handed on to input 0: float64 (3,) from")


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f, x: tl.grad(f)(x),
        lambda f, x: tl.value_and_grad(f)(x),
        lambda f, x: tl.vjp(f, x)[1](1.0),
        lambda f, x: tl.jacobian(f)(x),
        lambda f, x: tl.grad(lambda a: np.sum(tl.grad(f)(a) ** 2))(x),
    ],
    ids=["grad", "value_and_grad", "vjp", "jacobian", "nested"],
)
def test_transforms_are_looked_at(derivative: Any) -> None:
    text = caught(tl.NotFiniteError, lambda: derivative(lambda a: np.sum(np.sqrt(a)), np.zeros(2)))
    assert re.match(r"backward through sqrt, made at .*np\.sum\(np\.sqrt\(a\)\)", text)


def test_an_infinite_slope_where_no_error_arrives_is_right_in_all_orders() -> None:
    x = np.array([0.0, 4.0])

    def f(a: Any) -> Any:
        return np.sum(np.where(a > 1.0, np.sqrt(a), 0.0))

    with tl.debug():
        assert tl.grad(f)(x).tolist() == [0.0, 0.25]
        assert tl.hessian(f)(x).tolist() == [[0.0, 0.0], [0.0, -1 / 32]]
        pushed = tl.grad(lambda a: tl.jvp(f, (a,), (np.array([0.0, 1.0]),))[1])(x)
        assert pushed.tolist() == [0.0, -1 / 32]


def test_a_second_derivative_that_is_not_finite_names_the_line() -> None:
    def f(a: Any) -> Any:
        return np.sum(a**1.5)

    text = caught(tl.NotFiniteError, lambda: tl.hessian(f)(np.zeros(2)))
    assert re.match(
        rf"backward through power, made at {HERE}:\d+: .*handed on to input 0: .*inf", text.replace("\n", " ")
    )


def test_an_error_from_outside_that_is_not_finite_is_told() -> None:
    y = w() * 2.0
    assert caught(tl.NotFiniteError, lambda: y.backward([1.0, np.nan, 1.0])) == (
        "backward: the error it was given is not finite: "
        "float64 (3,) from 1 to 1, but 1 of 3 not finite, the first nan at [1]"
    )


def test_finite_errors_whose_sum_is_not_are_told_at_a_leaf_and_at_a_node() -> None:
    x = w(1e-10)

    def at_a_leaf() -> None:
        (x * 1e308 + x * 1e308).backward()

    def at_a_node() -> None:
        y = np.negative(x)
        (y * 1e308 + y * 1e308).backward()

    text = (
        "backward: errors that are finite have a sum that is not: inf. Scale the error function down; they arrived at"
    )
    assert caught(tl.NotFiniteError, at_a_leaf) == f"{text} a leaf of shape ()"
    assert re.fullmatch(
        rf"{text} negative, made at {HERE}:\d+: y = np\.negative\(x\)", caught(tl.NotFiniteError, at_a_node)
    )


def test_training_stops_at_the_operation_with_the_one_class_of_error() -> None:
    assert training.NotFiniteError is tl.NotFiniteError
    assert issubclass(tl.NotFiniteError, FloatingPointError)
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))
    net = tl.MLP([2, 3, 1])
    net.assign(1e200 * net.w)
    before = net.w.copy()
    text = caught(tl.NotFiniteError, lambda: tl.train(net, (x, target), rule="GradientDescent", epochs=1, rng=0))
    assert text.startswith("squared_error gave what is not finite")
    assert np.array_equal(net.w, before)


# arrays that were written to


def test_an_array_that_was_written_to_is_an_error_that_names_it() -> None:
    x, factor, other = w(), np.array([1.0, 2.0, 3.0]), np.ones(3)

    def f() -> None:
        y = x * other
        z = y * factor  # read
        E = np.sum(z)
        factor[1] = 7.0
        E.backward()

    assert re.fullmatch(
        rf"backward: input 1 \(factor\) of multiply, an array of shape \(3,\), was written to after the step at "
        rf"{HERE}:\d+: z = y \* factor  # read; its gradient would be wrong\. "
        r"Give it a copy, a\.copy\(\), or go backward before you write",
        caught(RuntimeError, f),
    )
    assert x.grad is None


def test_of_many_arrays_the_one_is_named_that_was_written_to() -> None:
    @given(st.integers(0, 5), st.integers(0, 3), st.sampled_from([np.float64, np.float32, np.float16]))
    def check(which: int, place: int, dtype: Any) -> None:
        a, b, c, d, e, f = arrays = [np.arange(1, 5).astype(dtype) for _ in range(6)]
        x = w([1.0, 2.0, 3.0, 4.0])
        with tl.debug():
            E = np.sum(tl.linear(((x * a - b) / c)[None] @ d[:, None], e[:1, None]) + f)
            arrays[which][place] += 1
            if which == 4 and place:
                E.backward()  # not in the part that went in
            else:
                with pytest.raises(RuntimeError, match=r"written to after the step at .*E = np\.sum") as found:
                    E.backward()
                named = dict(enumerate(["(a)", "(b)", "(c)", "", "", "(f)"]))[which]
                assert named in str(found.value)

    check()


def test_an_index_a_column_and_an_array_that_a_transform_was_given_are_watched_too() -> None:
    x, index, table = w(), np.array([0, 1]), np.ones((3, 3))

    def by_index() -> None:
        E = np.sum(x[index])
        index[0] = 2
        E.backward()

    def by_column() -> None:
        E = np.sum(x * table[:, 1])
        table[0, 1] = 9.0
        E.backward()

    def by_argument() -> Any:
        a = np.ones(3)

        def f(t: Any) -> Any:
            y = t * t
            a[0] = 2.0
            return np.sum(y)

        return tl.grad(f)(a)

    assert "index= of getitem, an array of shape (2,), was written to" in caught(RuntimeError, by_index)
    assert "input 1 of multiply, an array of shape (3,), was written to" in caught(RuntimeError, by_column)
    assert "input 0 (t) of multiply" in caught(RuntimeError, by_argument)


def test_an_array_that_a_function_of_ones_own_fills_again_is_found() -> None:
    buffer = np.empty(3)
    double = tl.local_rule(lambda x: np.multiply(x, 2.0, out=buffer), slopes=2.0)

    with tl.debug():
        y = np.square(double(w()))
        double(w([5.0, 6.0, 7.0]))
        with pytest.raises(RuntimeError, match=r"input 0 of square, an array of shape \(3,\), was written to"):
            np.sum(y).backward()
        root = tl.local_rule(lambda x: np.sqrt(x, out=buffer), slopes=lambda y, x: 0.5 / y)
        y = root(w([1.0, 2.0, 3.0]))
        buffer[0] = 9.0  # the slope would take it for √1
        with pytest.raises(RuntimeError, match=r"the output of .*, an array of shape \(3,\), was written to"):
            y.backward(np.ones(3))


def test_an_array_written_to_and_restored_or_of_another_graph_is_no_error() -> None:
    x, a, b = w(), np.ones(3), np.ones(3)
    with tl.debug():
        y, other = np.sum(x * a), np.sum(x * b)
        a[0] = 5.0
        b[0] = 5.0
        a[0] = 1.0
        y.backward()
        assert x.grad.tolist() == [1.0, 1.0, 1.0]
        with pytest.raises(RuntimeError, match=r"input 1 \(b\)"):
            other.backward()


def test_what_shows_packed_weights_as_plain_arrays_is_watched_too() -> None:
    # leaves carry a version, and are refused without tl.debug(); a plain view has none
    net = tl.MLP([2, 1])
    x = w(np.ones((4, 2)))

    def f() -> None:
        E = np.sum(net(x, net.parameters))
        net.assign(2.0 * net.w)
        E.backward()

    assert re.search(r"input 1 of linear, an array of shape \(1, 2\), was written to", caught(RuntimeError, f))


def test_overwritten_leaves_are_refused_as_without() -> None:
    x = w()
    with tl.debug():
        y = np.sum(x * x)
        x.assign([1.0, 2.0, 3.0])
        with pytest.raises(RuntimeError, match=r"overwritten by assign\(\) since"):
            y.backward()


# broadcasting


def test_columns_that_meet_as_a_table_are_told_with_the_line() -> None:
    out, target = w(), np.ones((3, 1))
    with tl.debug(), pytest.warns(UserWarning, match="were broadcast") as told:
        d = out - target  # a table
    assert d.shape == (3, 3)
    assert len(told) == 1
    assert told[0].filename == __file__
    assert getline(__file__, told[0].lineno).strip() == "d = out - target  # a table"
    assert re.fullmatch(
        rf"subtract: shapes \(3,\) and \(3, 1\) were broadcast to \(3, 3\), at {HERE}:{told[0].lineno}: "
        r"d = out - target  # a table; where each shall meet its own, give both one shape, a\[:, None\]; "
        r"where each shall meet all, say so with a\[None, :\]",
        str(told[0].message),
    )


def test_outside_nothing_is_told() -> None:
    assert (w() - np.ones((3, 1))).shape == (3, 3)


SHAPES = [(), (1,), (2,), (3,), (1, 1), (2, 1), (3, 1), (1, 2), (1, 3), (2, 2), (3, 3), (1, 3, 1)]


@pytest.mark.parametrize("fn", [np.add, np.multiply, np.less, np.arctan2, np.maximum], ids=lambda fn: fn.__name__)
def test_it_warns_of_columns_of_equal_length_and_of_nothing_else(fn: Any) -> None:
    warned = set()
    for a, b, tensor_first in product(SHAPES, SHAPES, [True, False]):
        x, y = np.full(a, 0.5), np.full(b, 0.7)
        with warnings.catch_warnings(record=True) as told, tl.debug(), suppress(ValueError):
            warnings.simplefilter("always")
            fn(Tensor(x), y) if tensor_first else fn(x, Tensor(y))
        if told:
            assert len(told) == 1
            warned.add((a, b))
    assert warned == {((2,), (2, 1)), ((2, 1), (2,)), ((3,), (3, 1)), ((3, 1), (3,))}


def test_a_line_is_told_once_as_warnings_are() -> None:
    out, target = w(), np.ones((3, 1))
    with warnings.catch_warnings(record=True) as told, tl.debug():
        warnings.simplefilter("default")
        for _ in range(3):
            out - target
    assert len(told) == 1


def test_an_outer_product_that_says_so_is_not_told() -> None:
    x = w()
    column = np.ones((3, 1))
    with tl.debug():
        np.outer(x, column)
        np.einsum("i,jk->ij", x, column)
        tl.linear(Tensor(column), column, x)
        np.subtract(x[None, :], x[:, None])
        np.clip(x, column, np.full((3, 3, 3), 9.0))


# nothing else changes


@given(st.integers(0, 2**32 - 1))
def test_values_and_gradients_are_the_same_bits(seed: int) -> None:
    def run() -> bytes:
        rng = np.random.default_rng(seed)
        net = tl.MLP([3, 4, 2], rng=rng)
        x = w(rng.normal(size=(5, 3)))
        E = tl.squared_error(net(x, net.leaves), rng.normal(size=(5, 2))) + np.sum(np.where(x > 0, x, 0.1 * x)[1:] ** 2)
        E.backward()
        second = tl.hvp(lambda a: np.sum(np.tanh(a) ** 3))(x.numpy(), rng.normal(size=(5, 3)))
        return b"".join([E.numpy().tobytes(), net.collect().tobytes(), x.grad.tobytes(), second.tobytes()])

    plain = run()
    with tl.debug():
        assert run() == plain


def test_a_trace_is_the_same() -> None:
    x = w()
    with tl.debug():
        inside = str(tl.trace(np.sum(np.sin(x) * 2.0), x=x))
    assert inside == str(tl.trace(np.sum(np.sin(x) * 2.0), x=x))


def test_notes_are_freed_with_their_nodes() -> None:
    from tinygrad_lecture.engine.debug import Noted

    def alive() -> int:
        gc.collect()
        return sum(isinstance(o, Noted) for o in gc.get_objects())

    x, before = w(), alive()
    with tl.debug():
        for _ in range(100):
            np.sum(np.sin(x) * x).backward()
    assert alive() - before <= 5  # what the frame that stands here still holds


# where it holds


def looks_on() -> bool:
    try:
        with np.errstate(divide="ignore"):  # which each thread has its own of
            np.log(w())
    except tl.NotFiniteError:
        return True
    return False


def test_it_is_off_at_first_on_inside_and_off_again_after_an_exception() -> None:
    assert not looks_on()
    with tl.debug():
        with tl.debug(), tl.no_grad(), tl.enable_grad():
            assert looks_on()
        assert looks_on()
    assert not looks_on()
    with pytest.raises(KeyError), tl.debug():
        raise KeyError
    assert not looks_on()


def test_it_decorates_functions_and_coroutines_and_refuses_generators() -> None:
    assert tl.debug()(looks_on)()

    @tl.debug()
    async def later() -> bool:
        await asyncio.sleep(0)
        return looks_on()

    assert asyncio.run(later())
    with pytest.raises(TypeError, match=r"numbers is a generator: write `with tl\.debug\(\):` inside it"):

        @tl.debug()
        def numbers() -> Any:
            yield 1


def test_a_switch_in_use_says_to_make_another() -> None:
    switch = tl.debug()
    with switch, pytest.raises(RuntimeError, match=r"in use already; write tl\.debug\(\) anew for each block"), switch:
        pass


def test_threads_and_tasks_have_their_own() -> None:
    seen: list[bool] = []

    async def inside(turn: asyncio.Event) -> bool:
        with tl.debug():
            await turn.wait()
            return looks_on()

    async def main() -> tuple[bool, bool]:
        turn = asyncio.Event()
        task = asyncio.create_task(inside(turn))
        await asyncio.sleep(0)
        here = looks_on()
        turn.set()
        return here, await task

    assert asyncio.run(main()) == (False, True)
    with tl.debug():
        thread = threading.Thread(target=lambda: seen.append(looks_on()))
        thread.start()
        thread.join()
        assert looks_on()
    assert seen == [False]
