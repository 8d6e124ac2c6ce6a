"""How far a training is: a bar where tqdm is installed, plain lines otherwise, nothing unless asked for."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from .history import History


class Progress:
    """Shows the epochs as they pass, on standard error."""

    def __init__(self, epochs: int, wanted: bool, what: str = "epoch") -> None:
        self.epochs, self.wanted, self.what = epochs, wanted, what
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if self.wanted:
            try:
                from tqdm import tqdm
            except ImportError:
                pass
            else:
                self._bar = tqdm(total=self.epochs, unit=self.what)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, history: History) -> None:
        """One epoch more has passed."""
        held_out = history.validation[-1]
        text = f"error {history.error[-1]:.4g}" + ("" if held_out is None else f", validation {held_out:.4g}")
        self.advance(len(history), text)

    def advance(self, n: int, text: str) -> None:
        """So many are done."""
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(n - self._bar.n)
        elif self.wanted and (n == self.epochs or n % max(1, self.epochs // 10) == 0):
            print(f"{self.what} {n} of {self.epochs}: {text}", file=sys.stderr, flush=True)
