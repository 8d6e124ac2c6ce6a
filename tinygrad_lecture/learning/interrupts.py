"""Ctrl-C as a wish that is granted between two updates."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Inside the block the first Ctrl-C is only noted in `came`; the second one interrupts at once.

    Not even that one comes while weights or a checkpoint are `written`. Where Ctrl-C is ignored, or was not set by
    Python, and in a thread that is not the main one, where signals do not arrive, nothing changes.
    """

    def __init__(self) -> None:
        self.came = False
        self._writing = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if before is not None and before != signal.SIG_IGN:
                self._before = before
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._writing = True  # nothing comes between here and the handler that was there before
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    @contextmanager
    def written(self) -> Iterator[None]:
        """The block runs to its end, whatever is pressed: what it writes belongs together."""
        self._writing = True
        try:
            yield
        finally:
            self._writing = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.came and not self._writing:
            raise KeyboardInterrupt
        self.came = True
