"""Many threads and tasks at once: each has its own graphs and switches, and gets the bits that it gets alone."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tinygrad_lecture.verify import strategies


@contextmanager
def impatient() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual: after a few operations each."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def records() -> bool:
    return (tl.Tensor(1.0, requires_grad=True) * 2).requires_grad


# graphs

SHARED = tl.Tensor(np.random.default_rng(0).normal(size=(4, 4)))  # read by all threads


def graph(seed: int) -> bytes:
    """The bits of all gradients of a random graph: fan-out, broadcasting, parts without recording, higher order."""
    rng = np.random.default_rng(seed)
    x = tl.Tensor(rng.normal(size=(3, 4)), requires_grad=True)
    b = tl.Tensor(rng.normal(size=4), requires_grad=True)
    nodes = [np.tanh(x @ SHARED + b)]
    for k in rng.integers(0, 6, size=6).tolist():
        a, c = nodes[-1], nodes[rng.integers(len(nodes))]
        if k == 5:
            with tl.no_grad():
                a = a * 2
                assert not a.requires_grad
        nodes.append([a * c, a + c, np.sin(a), np.maximum(a, c), tl.softmax(a), a + c * b][k])
    for _ in range(2):
        np.sum(nodes[-1] * rng.normal(size=(3, 4))).backward()
    second = tl.grad(lambda w: np.sum(tl.grad(lambda v: np.sum(np.sin(v) * v))(w) ** 2))(rng.normal(size=2))
    return b"".join(np.asarray(g).tobytes() for g in (x.grad, b.grad, second) if g is not None)


def all_at_once(n_threads: int, n_graphs: int) -> list[list[bytes]]:
    """What each thread got for its graphs; all begin together."""
    start = threading.Barrier(n_threads)

    def run(thread: int) -> list[bytes]:
        start.wait()
        return [graph(thread * n_graphs + k) for k in range(n_graphs)]

    with impatient(), ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(run, range(n_threads)))


@pytest.mark.parametrize("n_graphs", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_graphs_of_sixteen_threads_have_the_bits_of_one_after_the_other(n_graphs: int) -> None:
    serial = [[graph(thread * n_graphs + k) for k in range(n_graphs)] for thread in range(16)]
    assert all_at_once(16, n_graphs) == serial


def test_threads_that_share_weights_get_the_gradients_of_one_after_the_other() -> None:
    net = tl.MLP([3, 5, 2], rng=0)
    data = np.random.default_rng(1).normal(size=(64, 7, 5))

    def gradient(batch: np.ndarray) -> bytes:
        g = tl.grad(lambda p: tl.squared_error(net(batch[:, :3], p), batch[:, 3:]))(net.parameters)
        return b"".join(a.tobytes() for a in g.values())

    with impatient(), ThreadPoolExecutor(16) as pool:
        assert list(pool.map(gradient, data)) == [gradient(batch) for batch in data]


def test_a_recording_in_one_thread_is_not_disturbed_by_others() -> None:
    def program(seed: int) -> str:
        rng = np.random.default_rng(seed)
        f = tl.grad(lambda w: np.sum(np.tanh(w * rng.uniform(1, 2)) ** 2))
        return "\n".join(line.split(": ", 1)[-1] for line in str(tl.record(f)(rng.normal(size=3))).splitlines())

    with impatient(), ThreadPoolExecutor(8) as pool:
        assert list(pool.map(program, range(24))) == [program(seed) for seed in range(24)]


# switches

Block = tuple[str, list[Any]]
SWITCHES = {"off": tl.no_grad, "on": tl.enable_grad}


def blocks() -> st.SearchStrategy[list[Block]]:
    """Code as a tree: blocks inside a switch, or that raise after what they hold."""
    kinds = st.sampled_from(["off", "on", "raises"])
    return st.recursive(st.just([]), lambda inner: st.lists(st.tuples(kinds, inner), max_size=3), max_leaves=8)


def run(code: list[Block], pause: Any = lambda: None) -> list[bool]:
    """Whether operations are recorded, before and after every block of the code."""
    seen = [records()]
    for kind, inner in code:
        pause()
        if kind == "raises":
            try:
                with tl.no_grad():
                    seen += run(inner, pause)
                    raise KeyError
            except KeyError:
                pass
        else:
            with SWITCHES[kind]():
                seen += run(inner, pause)
        seen.append(records())
    return seen


def told(code: list[Block], on: bool = True) -> list[bool]:
    """The same, said without a switch: a block inherits what it stands in, and leaves no trace."""
    seen = [on]
    for kind, inner in code:
        seen += [*told(inner, kind == "on"), on]
    return seen


async def arun(code: list[Block]) -> list[bool]:
    """The same in a task that lets others run before every block and inside it."""
    seen = [records()]
    for kind, inner in code:
        await asyncio.sleep(0)
        try:
            with tl.enable_grad() if kind == "on" else tl.no_grad():
                await asyncio.sleep(0)
                seen += await arun(inner)
                if kind == "raises":
                    raise KeyError
        except KeyError:
            await asyncio.sleep(0)
        seen.append(records())
    return seen


@given(st.lists(blocks(), min_size=2, max_size=6))
def test_threads_keep_their_own_switches_through_any_nesting_and_exceptions(codes: list[list[Block]]) -> None:
    start = threading.Barrier(len(codes))

    def thread(code: list[Block]) -> list[bool]:
        start.wait()
        return run(code)

    with impatient(), ThreadPoolExecutor(len(codes)) as pool, tl.no_grad():
        assert list(pool.map(thread, codes)) == [told(code) for code in codes]
        assert not records()


@given(st.lists(blocks(), min_size=2, max_size=6), st.booleans())
def test_tasks_keep_their_own_switches_through_any_nesting_and_exceptions(codes: list[list[Block]], on: bool) -> None:
    async def main() -> list[list[bool]]:
        with SWITCHES["on" if on else "off"]():  # which tasks inherit
            return await asyncio.gather(*(arun(code) for code in codes))

    assert asyncio.run(main()) == [told(code, on) for code in codes]
    assert records()


def test_a_cancelled_task_and_one_out_of_time_leave_recording_on() -> None:
    async def waits() -> None:
        with tl.no_grad():
            await asyncio.sleep(60)

    async def main() -> list[bool]:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        seen = [records()]
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waits(), 0.01)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await waits()  # here in this very task
        return [*seen, records()]

    assert asyncio.run(main()) == [True, True]


def test_a_thread_started_by_asyncio_has_the_switches_of_its_task() -> None:
    async def main() -> list[bool]:
        with tl.no_grad():
            inherited = await asyncio.to_thread(records)
            fresh = await asyncio.get_running_loop().run_in_executor(None, records)
        return [inherited, fresh]

    assert asyncio.run(main()) == [False, True]


@settings(max_examples=settings().max_examples // 4)
@given(strategies.expressions(), st.integers(0, 2**32 - 1))
def test_a_random_expression_has_the_same_gradient_in_tasks_that_take_turns(f: Any, seed: int) -> None:
    err = np.random.default_rng(seed).normal(size=np.shape(f(*f.arguments)))

    async def gradient() -> list[bytes]:
        ts = [tl.Tensor(x, requires_grad=True) for x in f.arguments]
        await asyncio.sleep(0)
        y = f(*ts)
        await asyncio.sleep(0)
        y.backward(err)
        return [np.asarray(t.grad, float).tobytes() for t in ts]

    async def main() -> list[list[bytes]]:
        return await asyncio.gather(gradient(), gradient(), gradient())

    one, *others = asyncio.run(main())
    assert others == [one, one]
    assert asyncio.run(gradient()) == one
