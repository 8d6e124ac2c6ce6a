"""The runners that can be had here, to run tests with each."""

from __future__ import annotations

from tinygrad_lecture.program.c.build import NoCompilerError, flags


def _compiles() -> bool:
    try:
        flags()
    except NoCompilerError:
        return False
    return True


RUNNERS = ["NumPy", "C"] if _compiles() else ["NumPy"]
