"""What all commands share: exit codes, and the errors that are the user's to mend."""

from __future__ import annotations

import argparse

FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141


class UsageError(Exception):
    """What was asked for cannot be done; the text says why, and what to ask for instead."""


def whole_from(least: int) -> object:
    """A type for argparse: a whole number of at least so much."""

    def whole(text: str) -> int:
        try:
            n = int(text)
        except ValueError:
            n = least - 1
        if n < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, not {text!r}")
        return n

    return whole


def share(text: str) -> float:
    """A type for argparse: a number in [0, 1)."""
    try:
        x = float(text)
    except ValueError:
        x = -1.0
    if not 0 <= x < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to below 1, not {text!r}")
    return x
