"""What a recorded function refers to: a change of whatever can change is noticed, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl

X = np.array([0.5, -1.25, 2.0])


def first(value: Any) -> float:
    """The first number somewhere in a value, as a plain one: what is read while recording, and seen by nothing else."""
    while isinstance(value, list | dict):
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return float(np.ravel(value.numpy() if isinstance(value, tl.Tensor) else value)[0])


def write(a: np.ndarray) -> None:
    a[0] = 5.0


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "a number in a list": (lambda: [2.0], lambda v: write(v)),
    "a small array": (lambda: np.full(3, 2.0), write),
    "a large array": (lambda: np.full(2000, 2.0), write),
    "a large array with a NaN in it": (lambda: np.append(np.full(2000, 2.0), np.nan), write),
    "an array in a dict in a list": (lambda: [{"w": np.full(3, 2.0)}], lambda v: write(v[0]["w"])),
    "another shape in its place": (lambda: [np.full(3, 2.0)], lambda v: v.__setitem__(0, np.full(4, 5.0))),
    "a longer list": (lambda: [2.0], lambda v: v.insert(0, 5.0)),
    "another type of an equal number": (lambda: [1.0, 2], lambda v: v.__setitem__(1, 2.0)),
    "a leaf that is written": (lambda: [tl.Tensor(2.0)], lambda v: v[0].assign(5.0)),
    "another function": (lambda: [2.0, np.tanh], lambda v: v.__setitem__(1, np.sin)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_what_is_referred_to_is_noticed_and_nothing_else_records_anew(name: str) -> None:
    make, change = CHANGES[name]
    value, runs = make(), []

    def f(x: Any) -> Any:
        return x * first(value)

    jitted = tl.jit(f)
    for _ in range(3):
        np.testing.assert_array_equal(jitted(X), f(X))
        runs.append(jitted.report())
    assert runs[-1].endswith("3 calls")  # of one program: a new one would begin to count anew
    change(value)
    np.testing.assert_array_equal(jitted(X), f(X))
    assert jitted.report().endswith("1 calls")


SCALE = 2.0


def scaled(x: Any) -> Any:
    return x * SCALE


def test_a_name_that_is_gone_is_missed_as_by_the_function_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    jitted = tl.jit(scaled)
    np.testing.assert_array_equal(jitted(X), X * 2.0)
    monkeypatch.delitem(globals(), "SCALE")
    with pytest.raises(NameError, match="SCALE"):
        jitted(X)


def test_a_cell_that_is_emptied_is_missed_as_by_the_function_itself() -> None:
    scale = 2.0

    def f(x: Any) -> Any:
        return x * scale

    def forget() -> None:
        nonlocal scale
        del scale

    jitted = tl.jit(f)
    np.testing.assert_array_equal(jitted(X), X * 2.0)
    forget()
    with pytest.raises(NameError, match="scale"):
        jitted(X)


def test_a_name_that_has_no_value_yet_and_is_not_needed_is_in_nobodys_way() -> None:
    def f(x: Any) -> Any:
        return x * 2.0 if early else x * later

    early = True
    np.testing.assert_array_equal(tl.jit(f)(X), X * 2.0)
    later = 3.0
    early = False
    np.testing.assert_array_equal(tl.jit(f)(X), X * 3.0)


def test_a_list_that_contains_itself_is_watched_for_being_the_same_list() -> None:
    endless: list[Any] = [2.0]
    endless.append(endless)

    def f(x: Any) -> Any:
        return x * endless[0]

    jitted = tl.jit(f)
    for _ in range(2):
        np.testing.assert_array_equal(jitted(X), X * 2.0)
    assert jitted.report().endswith("2 calls")
