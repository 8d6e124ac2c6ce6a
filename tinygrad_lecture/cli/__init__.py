"""The command line: runs the lecture, and prints for each statement whether it holds; and the commands beside it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .common import FAILED, INTERRUPTED, PIPE_CLOSED, USAGE, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the arguments say; without one the lecture, printed as a table or as JSON.

    argv: the arguments without the program's name; those of the process where it is None.
    Returns 0 where all went well and every statement holds; 1 where a statement, a gradient or a training does not; 2
    for a file or a column that is not there; 130 when interrupted, 141 when the reader of the output went
    away. Raises SystemExit(2) for arguments that cannot be understood.
    """
    try:
        code = _run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return PIPE_CLOSED
    return code


def _run(argv: Sequence[str] | None) -> int:
    from .arguments import parser

    arguments = parser()
    options = arguments.parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without δ shall show the rest
    try:
        code: int = options.run(options)
    except UsageError as error:
        arguments.error(str(error))
    except FileNotFoundError as error:
        print(f"{arguments.prog}: error: there is no file {error.filename}", file=sys.stderr)
        return USAGE
    except ArithmeticError as error:
        print(f"{arguments.prog}: {error}", file=sys.stderr)
        return FAILED
    except (ValueError, TypeError, ImportError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        print(f"{arguments.prog}: error: {error}", file=sys.stderr)
        return USAGE
    return code


def _silence_stdout() -> None:
    """Let Python's own flush at exit go nowhere, where the reader of the output went away."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
