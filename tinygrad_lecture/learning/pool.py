"""Fresh processes that train side by side, fed with JSON and plain arrays: no pickles, nothing of a user's program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .history import History
from .metaparameters import Metaparameters

THREADS = ("OPENBLAS", "OMP", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR")
"""Libraries whose threads are kept at one: processes share the cores, and sums are added in one order."""


@dataclass(frozen=True)
class Answer:
    """What came back for one training: its history, or the text of its failure; the texts of its warnings."""

    history: History | None = None
    failure: str = ""
    warnings: tuple[str, ...] = ()


def answers(
    jobs: Sequence[Metaparameters], patterns: Any, validation: Any, workers: int
) -> Iterator[tuple[int, Answer]]:
    """Train as each job says, in so many processes, and give (number of the job, answer) as they come.

    The processes end with the iteration, also where it ends early or by an exception.
    """
    waiting: SimpleQueue[int] = SimpleQueue()
    for i in range(len(jobs)):
        waiting.put(i)
    done: SimpleQueue[tuple[int, Answer]] = SimpleQueue()
    with TemporaryDirectory(prefix="compare-") as folder:
        _write(Path(folder) / "patterns.npz", patterns, validation)
        crew = [_Worker(Path(folder), k, jobs, waiting, done) for k in range(workers)]
        try:
            for worker in crew:
                worker.start()
            for _ in jobs:
                yield _next(done)
        finally:
            for worker in crew:
                worker.end()
            for worker in crew:
                worker.join()


def _next(done: SimpleQueue[tuple[int, Answer]]) -> tuple[int, Answer]:
    """The next answer; it wakes up again and again, so that Ctrl-C is heard on every system."""
    while True:
        try:
            return done.get(timeout=0.2)
        except Empty:
            continue


def _write(path: Path, patterns: Any, validation: Any) -> None:
    arrays = dict(zip(("inputs", "targets"), patterns, strict=True))
    if validation is not None:
        arrays |= dict(zip(("held_inputs", "held_targets"), validation, strict=True))
    np.savez(path, **arrays)


class _Worker(threading.Thread):
    """A process, and the thread that hands it one job after the other."""

    def __init__(
        self,
        folder: Path,
        k: int,
        jobs: Sequence[Metaparameters],
        waiting: SimpleQueue[int],
        done: SimpleQueue[tuple[int, Answer]],
    ) -> None:
        super().__init__(name=f"compare-{k}", daemon=True)
        self.patterns, self.said = folder / "patterns.npz", folder / f"worker-{k}.txt"
        self.jobs, self.waiting, self.done = jobs, waiting, done
        self.process: subprocess.Popen[str] | None = None
        self.lock, self.ended = threading.Lock(), False

    def run(self) -> None:
        while not self.ended:
            try:
                i = self.waiting.get_nowait()
            except Empty:
                return
            try:
                reply = self._ask(self.jobs[i])
            except Exception as error:  # nobody would hear of it in this thread
                reply = Answer(failure=f"{type(error).__name__}: {error}")
            self.done.put((i, reply))

    def _ask(self, m: Metaparameters) -> Answer:
        """One training in the process, which is started where there is none, or where it has died before."""
        with self.lock:
            if self.ended:
                return Answer(failure="interrupted")
            if self.process is None or self.process.poll() is not None:
                self._close()
                self.process = _started(self.patterns, self.said)
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"metaparameters": m.to_dict()}) + "\n")
            process.stdin.flush()
        except OSError:
            line = ""
        else:
            line = process.stdout.readline()
        if not line:
            code = process.wait()
            said = self.said.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            return Answer(failure=": ".join([f"the process that trained it ended with code {code}", *said]))
        reply = json.loads(line)
        history = History.from_dict(reply["history"]) if "history" in reply else None
        return Answer(history, reply.get("failure", ""), tuple(reply["warnings"]))

    def end(self) -> None:
        """Kill the process; the thread then ends by itself."""
        with self.lock:
            self.ended = True
            if self.process is not None and self.process.poll() is None:
                self.process.kill()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread, and clean up after the process."""
        if self.ident is not None:
            super().join(timeout)
        self._close()

    def _close(self) -> None:
        process = self.process
        if process is not None:
            process.wait()
            for pipe in filter(None, (process.stdin, process.stdout)):
                with suppress(OSError):  # what was still to be written has no reader
                    pipe.close()


def _started(patterns: Path, said: Path) -> subprocess.Popen[str]:
    """A fresh interpreter that finds this package, and nothing of the folder or the program it is started from."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": path, **{f"{name}_NUM_THREADS": "1" for name in THREADS}}
    with said.open("ab") as messages:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "tinygrad_lecture.learning.worker", str(patterns)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            env=env,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C in a terminal is for this process alone, which ends the others
        )
