"""Processes that are killed, as kill −9 does it: `python -m tests.kills saving .npz 1000`, `… training 1000`.

Each trial forks from a process that has imported everything, so that a thousand of them take less than a minute. What
is found is printed as JSON; what is wrong ends the run with an AssertionError.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_lecture.learning import rules
from tinygrad_lecture.learning.callbacks import BestWeights
from tinygrad_lecture.learning.train import train
from tinygrad_lecture.learning.training import Training
from tinygrad_lecture.nn import files, replacing
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.store import save

WRITING = files.__file__, replacing.__file__
Found = dict[str, int]


def found_by(*command: object) -> Found:
    """What a script of the tests finds in a fresh process: one without the threads of a test runner."""
    run = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    print(*command, run.stdout)
    found: Found = json.loads(run.stdout)
    return found


def killed(act: Callable[[], object], after: float | None) -> bool:
    """Let a child act, and kill it so many seconds after it has begun; whether it was still at it. None: it does it."""
    begun, begin = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(begin, b".")
        try:
            act()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.read(begun, 1)  # on a machine with much to do a child may need longer to begin than it is given
    os.close(begun), os.close(begin)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), f"the child failed: {status}"
    return status != 0


def lines(act: Callable[[int], object], *among: str | Path) -> Callable[[FrameType, str, Any], Any]:
    """A trace that acts before each line of some files or folders, with its number among the lines that ran."""
    count, begins = itertools.count(), tuple(map(str, among))

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(begins):
            return None
        if event == "line":
            act(next(count))
        return trace

    return trace


@contextmanager
def traced(trace: Callable[..., Any]) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def content(path: Path) -> Any:
    """What is in a file, by other means than those it was written by. An .npz of the same net has the same bytes."""
    if path.suffix == ".npz":
        return path.read_bytes()
    import safetensors.numpy

    with safetensors.safe_open(path, framework="np") as file:
        return file.metadata(), {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118 - no dict


def saving(form: str, trials: int, folder: Path) -> Found:
    """Kill a child that saves two nets in turn over each other, at random moments and then before each line."""
    nets, found, rng = [MLP([2, 3, 1], rng=k) for k in range(2)], Counter(trials=0), np.random.default_rng(trials)
    path, whole = folder / f"net{form}", []
    for net in nets:
        save(path, net)
        whole.append(content(path))
    assert whole[0] != whole[1]

    def judge(what: str) -> None:
        """The file is one net or the other, and beside it lies at most what this child left."""
        which = whole.index(content(path))
        beside = len(list(folder.iterdir())) - 1
        assert beside <= 1, f"{beside} temporary files have accumulated"
        found[what] += 1
        found[f"held net {which}"] += 1
        found["left a temporary file"] += beside

    def in_turn(first: int) -> None:
        for net in itertools.cycle([nets[first], nets[1 - first]]):
            save(path, net)

    def at_line(line: int) -> None:
        def kill(n: int) -> None:
            if n == line:
                os.kill(os.getpid(), signal.SIGKILL)

        with traced(lines(kill, *WRITING)):
            save(path, nets[line % 2])

    for k in range(trials):
        assert killed(lambda: in_turn(k % 2), rng.uniform(0, 0.02))  # noqa: B023 - the child is gone before k changes
        judge("trials")
    line = 0
    while killed(lambda: at_line(line), None):  # noqa: B023 - likewise
        judge("lines")
        line += 1
    save(path, nets[0])
    assert len(list(folder.iterdir())) == 1, "the next save sweeps up"
    return dict(found)


# training
X = np.random.default_rng(0).normal(size=(17, 2))
TARGET = np.sin(X[:, :1])
RULES = [
    rules.GradientDescent(),
    rules.Nesterov(),
    rules.Adam(),
    rules.RMSprop(centered=True, momentum=0.5),
    rules.VarioEta(),
    rules.VarioEta(smoothing=0.9),
    rules.Rprop(),
]
COURSES = list(itertools.product(RULES, [4, None, 1], [np.random.PCG64, np.random.MT19937], [False, "auto"]))


def bits(training: Training) -> dict[str, Any]:
    """The whole state of a training, to the bit, as plain data."""
    history = training.history.to_dict()
    del history["seconds"], history["stopped"]
    return json.loads(
        json.dumps(
            {
                "w": training.net.w.tobytes().hex(),
                "state": {name: np.asarray(a).tobytes().hex() for name, a in training.state.items()},
                "generator": training.rng.bit_generator.state,
                "update": training.update,
                "history": history,
            },
            default=np.ndarray.tolist,
        )
    )


class Watch:
    """Notes the state of a training at its start, after each epoch, and at its end, with the best weights put back."""

    def __init__(self) -> None:
        self.states: dict[int, Any] = {}
        self.end: Any = None

    def at_start(self, training: Training) -> None:
        self(training)

    def __call__(self, training: Training) -> None:
        self.states[training.update] = bits(training)

    def at_end(self, training: Training) -> None:
        self.end = bits(training)


def course(rule: Any, batch_size: int | None, generator: Any, compiled: bool | str, path: Path | None) -> Watch:
    """A whole training of 25 epochs, from a checkpoint where there is one."""
    watch = Watch()
    train(
        MLP([2, 3, 1], rng=0),
        (X, TARGET),
        rule=rule,
        batch_size=batch_size,
        epochs=25,
        rng=np.random.Generator(generator(7)),
        validation=(X[:5], -TARGET[:5]),
        callbacks=[BestWeights(), watch],
        checkpoint=path,
        resume=path is not None,
        compiled=compiled,
    )
    return watch


def of_checkpoint(path: Path) -> tuple[int, str, dict[str, str]]:
    """Number of the update, weights and state of the rule, read by NumPy alone."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name].tobytes().hex() for name in archive.files if name != "info.json"}
        update = json.loads(archive["info.json"])["info"]["update"]
    return update, arrays["w"], {n.removeprefix("state."): a for n, a in arrays.items() if n.startswith("state.")}


def training(trials: int, folder: Path) -> Found:
    """Kill trainings at random moments and take them up again, until so many were killed and the last is complete."""
    found, rng = Counter(trials=0, courses=0), np.random.default_rng(trials)
    order = itertools.cycle(rng.permutation(len(COURSES)))
    while found["trials"] < trials:
        options, number = COURSES[next(order)], found["courses"]
        path, end = folder / f"{number}.npz", folder / f"{number}.json"
        begin = time.perf_counter()
        known = course(*options, folder / f"{number} whole.npz" if options[-1] else None)  # with one, it is compiled
        seconds = time.perf_counter() - begin

        def on(path: Path = path, end: Path = end, options: Any = options) -> None:
            end.write_text(json.dumps(course(*options, path).end))

        while killed(on, rng.uniform(0.0, np.clip(1.5 * seconds, 0.05, 0.3))):
            found["trials"] += 1
            left = [p.name for p in folder.iterdir() if p.name.startswith(f".{path.name}")]
            assert len(left) <= 1, f"{len(left)} temporary files have accumulated"
            found["left a temporary file"] += len(left)
            if path.exists():
                update, w, state = of_checkpoint(path)
                then = known.states[update]
                assert (w, state) == (then["w"], then["state"]), f"the checkpoint is none of update {update}"
        assert json.loads(end.read_text()) == known.end, f"{options} ended differently"
        found["courses"] += 1
    return dict(found)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        what, *arguments, trials = sys.argv[1:]
        print(json.dumps({"saving": saving, "training": training}[what](*arguments, int(trials), Path(folder))))
