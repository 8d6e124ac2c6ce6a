"""Recording on and off: nested, as decorators, restored after exceptions, separate per thread and per asyncio task."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lecture as tl


def leaf() -> tl.Tensor:
    return tl.Tensor([1.0, 2.0], requires_grad=True)


def records() -> bool:
    """Whether an operation leaves a node behind, here and now."""
    y = leaf() * 2
    assert bool(y.inputs) is y.requires_grad  # what requires no gradient keeps nothing alive
    return y.requires_grad


def test_recording_is_on_at_first() -> None:
    assert records()


def test_no_grad_switches_recording_off_and_gives_the_same_values() -> None:
    x = leaf()
    wanted = np.tanh(x * 3).numpy()
    with tl.no_grad():
        y = np.tanh(x * 3)
        assert not y.requires_grad
        assert y.inputs == ()
    np.testing.assert_array_equal(y.numpy(), wanted)
    assert records()


def test_what_was_made_without_recording_takes_no_part_in_a_later_walk() -> None:
    x = leaf()
    with tl.no_grad():
        constant = x * x
    np.sum(constant * x).backward()
    np.testing.assert_array_equal(x.grad, [1, 4])


def test_leaves_made_inside_no_grad_may_require_a_gradient() -> None:
    with tl.no_grad():
        x = leaf()
    assert x.requires_grad
    np.sum(x * 2).backward()
    np.testing.assert_array_equal(x.grad, [2, 2])


def test_a_graph_built_before_goes_backward_inside_no_grad() -> None:
    x = leaf()
    y = np.sum(x * x)
    with tl.no_grad():
        y.backward()
    np.testing.assert_array_equal(x.grad, [2, 4])


@given(st.lists(st.booleans(), max_size=8))
def test_the_innermost_of_nested_switches_holds_and_each_restores_what_was_before(switches: list[bool]) -> None:
    states = [True]
    with ExitStack() as stack:
        for on in switches:
            manager: AbstractContextManager[None] = tl.enable_grad() if on else tl.no_grad()
            stack.enter_context(manager)
            states.append(on)
            assert records() is on

    def descend(rest: list[bool]) -> None:
        before = records()
        if rest:
            with tl.enable_grad() if rest[0] else tl.no_grad():
                assert records() is rest[0]
                descend(rest[1:])
        assert records() is before

    descend(switches)
    assert records()


@pytest.mark.parametrize("switch", [tl.no_grad, tl.enable_grad])
def test_an_exception_restores_what_was_before(switch: Any) -> None:
    for before in (tl.no_grad, tl.enable_grad):
        with before():
            state = records()
            with pytest.raises(KeyError), switch():
                raise KeyError
            assert records() is state
    assert records()


def test_both_are_decorators_that_switch_for_each_call() -> None:
    @tl.no_grad()
    def off() -> tuple[bool, bool]:
        return records(), on()

    @tl.enable_grad()
    def on() -> bool:
        return records()

    for _ in range(3):
        assert off() == (False, True)
        assert records()


def test_a_decorated_function_keeps_its_name_and_docstring() -> None:
    @tl.no_grad()
    def measured() -> None:
        """Says what it does."""

    assert measured.__name__ == "measured"
    assert measured.__doc__ == "Says what it does."


def test_a_decorated_function_may_recurse_and_raise() -> None:
    @tl.no_grad()
    def down(n: int) -> bool:
        if n == 0:
            raise KeyError
        with suppress(KeyError):
            down(n - 1)
        return records()

    assert down(3) is False
    assert records()


def test_a_decorated_coroutine_runs_switched() -> None:
    @tl.no_grad()
    async def measured() -> bool:
        await asyncio.sleep(0)
        return records()

    assert asyncio.run(measured()) is False


def test_a_decorated_generator_runs_switched_or_is_refused() -> None:
    try:

        @tl.no_grad()
        def measured() -> Iterator[bool]:
            yield records()

    except TypeError:
        return
    assert next(measured()) is False


def test_a_switch_is_per_thread() -> None:
    inside, checked = threading.Event(), threading.Event()
    seen: list[bool] = []

    def other() -> None:
        with tl.no_grad():
            inside.set()
            assert checked.wait(10)
            seen.append(records())

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    seen.append(records())
    checked.set()
    thread.join()
    assert seen == [True, False]


def test_a_new_thread_starts_with_recording_on() -> None:
    with tl.no_grad(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(records).result() is True


def test_a_switch_is_per_asyncio_task() -> None:
    async def off(inside: asyncio.Event, checked: asyncio.Event) -> bool:
        with tl.no_grad():
            inside.set()
            await checked.wait()
            return records()

    async def main() -> tuple[bool, bool, bool]:
        inside, checked = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(off(inside, checked))
        await inside.wait()
        here = records()
        checked.set()
        return here, await task, records()

    assert asyncio.run(main()) == (True, False, True)


def test_a_task_starts_with_what_its_creator_had() -> None:
    async def state() -> bool:
        return records()

    async def main() -> bool:
        with tl.no_grad():
            task = asyncio.create_task(state())
        return await task

    assert asyncio.run(main()) is False
