"""A file that takes the place of another whole or not at all, and what killed processes left of theirs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows: nothing is swept up there)
    fcntl = None  # type: ignore[assignment]


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write into that takes the place of another only when it is whole and on the disk.

    Until then it lies beside it as .NAME.….tmp. A process that is killed leaves it there; the next one that writes to
    the same path sweeps it up. Raises FileNotFoundError where there is no such folder.
    """
    target = Path(os.path.realpath(path))  # what a link leads to, not the link
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {target.parent}; make it first")
    _sweep(target)
    with _beside(target) as (beside, file):
        yield file
        file.flush()
        os.fsync(file.fileno())
        if fcntl is None:
            file.close()  # Windows renames no open file
        os.replace(beside, target)
    if os.name == "posix":  # pragma: no branch  (elsewhere folders cannot be opened)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _beside(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file, which goes with the block where it still has its name then.

    It is locked as long as it is open: when its process dies, however that is, the system unlocks it.
    """
    while True:
        beside = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
        try:
            with open(beside, "xb") as file:
                if fcntl is not None:
                    with suppress(OSError):  # a file system without locks: there nothing is swept up either
                        fcntl.flock(file, fcntl.LOCK_EX)
                if beside.exists():  # another process may sweep it up before it is locked
                    yield beside, file
                    return
        finally:
            beside.unlink(missing_ok=True)


def _sweep(target: Path) -> None:
    """Remove the files beside it that nobody has locked: those who were writing them are dead."""
    if fcntl is not None:
        for left in target.parent.glob(f".{escape(target.name)}.{'[0-9a-f]' * 12}.tmp"):
            with suppress(OSError), open(left, "r+b") as file:  # it is being written, or another swept it up
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
