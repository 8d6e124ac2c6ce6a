"""Ctrl-C as a wish: noted first, heard at once the second time, and never where it is not Python's to handle."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tinygrad_lecture.learning.interrupts import Interrupts


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """Python's own handler, which a background job may not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_is_noted_and_the_second_interrupts_at_once_even_before_anything_is_written() -> None:
    with Interrupts() as interrupts:
        assert not interrupts.came
        press()
        assert interrupts.came
        with pytest.raises(KeyboardInterrupt):
            press()
    with pytest.raises(KeyboardInterrupt):
        press()


def test_what_is_written_is_written_to_its_end_and_interrupted_after_it() -> None:
    with Interrupts() as interrupts:
        with interrupts.written():
            for _ in range(3):
                press()
        assert interrupts.came
        with pytest.raises(KeyboardInterrupt):
            press()


def test_nothing_comes_between_the_end_and_the_handler_that_was_there_before(monkeypatch: pytest.MonkeyPatch) -> None:
    set_it = signal.signal

    def pressed(number: int, handler: Any) -> Any:
        press()
        return set_it(number, handler)

    with Interrupts():
        press()
        monkeypatch.setattr(signal, "signal", pressed)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_that_python_has_not_set_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            press()
        assert not interrupts.came


def test_one_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupts() as interrupts:
        press()
        assert not interrupts.came
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
