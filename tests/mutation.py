"""Do the tests notice? `python tests/mutation.py rules|engine|learning [--limit N] [--only FILE] [--seed S]`.

The package is copied, one small thing in one file is made wrong, and the tests responsible for that file run against
it: found, where one of them fails (or takes far longer than it should), survived, where all pass. tests/mutants.py says
what is made wrong. mutmut does the same for functions, but rewrites those alone: of a table of rules it leaves each
lambda as it is. This one reaches both, so that one score says it all.

To be fast, a mutant is tried first by the tests that go through the function that is made wrong, in a process that has
collected them already (tests/transplant.py): in the order of what they found and how long they took, with few examples,
then with as many as usual. Who survives, or stands in no function, is tried in a process that imports the package anew,
by all tests. --quick leaves out the trials with many examples, tests that take long and those that do not go through
the function: what survives it is only suspected. --again LOG takes the survivors of an earlier run's output.

tests/mutation_survivors.md says of every survivor seen why it changes nothing, or what is not tested: what stands there
as equivalent is left out of the score.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported: threads do not survive a fork
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pytest  # noqa: E402
from hypothesis import Phase, settings  # noqa: E402

from tests.mutants import Mutant, mutants  # noqa: E402
from tests.transplant import Waiting  # noqa: E402

IMPORT = "import"
"""What is gone through before a test begins."""

PACKAGE = "tinygrad_lecture"
SURVIVORS = ROOT / "tests" / "mutation_survivors.md"
REWRITTEN = "-Wignore::pytest.PytestAssertRewriteWarning"  # that plugins are imported before pytest runs is meant so
LONG, PATIENCE, MOST_MEMORY = 1.0, 20.0, 8 * 2**30  # seconds; seconds that a test may take more than usual; bytes

FEW = {"max_examples": 10, "phases": [Phase.explicit, Phase.generate]}  # nothing is shrunk
settings.register_profile("mutation", deadline=None, derandomize=True, database=None, **FEW)

RESPONSIBLE: dict[str, list[str]] = {
    "engine": [
        "engine",
        *(f"transforms/test_{t}.py" for t in ("gradient", "custom_rule", "pull", "push")),
        "program/test_record.py",
        "rules/test_constants.py",
    ],
    "learning": ["learning"],
    "learning/callbacks.py": ["learning/test_callbacks.py", "learning/test_checkpoint.py"],
    "learning/checkpoint.py": ["learning/test_checkpoint.py", "learning/test_compiled.py"],
    "learning/compare.py": ["learning/test_compare.py"],
    "learning/compiled.py": ["learning/test_compiled.py"],
    "learning/experiment.py": ["learning/test_metaparameters.py", "learning/test_checkpoint.py"],
    "learning/fields.py": ["learning/test_rules.py", "learning/test_metaparameters.py", "learning/test_schedules.py"],
    "learning/history.py": ["learning/test_history.py"],
    "learning/interrupts.py": ["learning/test_interrupts.py", "learning/test_train.py", "learning/test_faults.py"],
    "learning/metaparameters.py": ["learning/test_metaparameters.py"],
    "learning/patterns.py": ["learning/test_train.py"],
    "learning/pool.py": ["learning/test_compare.py"],
    "learning/progress.py": ["learning/test_train.py", "learning/test_compare.py"],
    "learning/rules.py": ["learning/test_rules.py"],
    "learning/schedules.py": ["learning/test_schedules.py"],
    "learning/worker.py": ["learning/test_compare.py"],
    "rules": ["rules", "nn/test_losses.py", "nn/test_activations.py", "engine/test_errors.py"],
}
"""Room → the tests that are responsible for it; a file that is run by --only may need fewer, or others."""


@dataclass(eq=False)  # pytest asks for its hash
class Judge:
    """A plugin of pytest: which tests run, in which order, and for how long at most; what comes of it.

    seconds: how long each test took in the unchanged package, nothing while that is measured; chosen: those that run,
    in their order, where not all do; entered: which functions of a folder each test has gone through.
    """

    seconds: dict[str, float]
    chosen: list[str] | None = None
    below: str = ""
    entered: dict[str, set[str]] = field(default_factory=lambda: {IMPORT: set()})
    now: str = IMPORT
    took: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.chosen is not None:
            place = {test: k for k, test in enumerate(self.chosen)}
            # one that is new is called by a number that the mutant changed
            chosen = [i for i in items if i.nodeid in place or i.nodeid not in self.seconds]
            items[:] = sorted(chosen, key=lambda i: place.get(i.nodeid, len(place)))

    def note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (path := frame.f_code.co_filename).startswith(self.below):
            self.entered[self.now].add(f"{path}:{frame.f_code.co_firstlineno}")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.now = nodeid
        self.entered[nodeid] = set()
        if self.seconds:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE + 10 * self.seconds.get(nodeid, 0.0))  # it ends the process

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.took[report.nodeid] = self.took.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:  # the file cannot be imported, or makes at its head what is refused now
            self.failed.append(report.nodeid)


@dataclass
class Court:
    """A copy of the package and its tests, in which mutants are tried one after the other."""

    copy: Path
    tests: list[str]
    seconds: dict[str, float] = field(default_factory=dict)
    entered: dict[str, set[str]] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    pipes: dict[str, tuple[IO[str], IO[str]]] = field(default_factory=dict)

    def measure(self) -> list[str]:
        """How long the unchanged tests take and what they go through; those that fail, which are left out."""
        found = self.run("mutation", watched=True)
        failing = self.run("mutation", found["failed"])["failed"] if found.get("failed") else []
        self.seconds = {t: s for t, s in found.get("took", {}).items() if t not in failing}
        self.entered = {test: set(places) for test, places in found.get("entered", {}).items()}
        if not self.seconds:
            raise SystemExit("no test has passed without a change\n" + (self.copy / "output").read_text())
        return list(failing)

    def concerned(self, path: Path, mutant: Mutant) -> list[str]:
        """The tests that go through the function that is made wrong, or all where it is gone through on import."""
        place, everywhere = f"{path}:{mutant.function}", self.on_import(path, mutant)
        chosen = [t for t in self.seconds if everywhere or place in self.entered[t]]
        return sorted(chosen, key=lambda t: (-self.kills[t], self.seconds[t]))

    def on_import(self, path: Path, mutant: Mutant) -> bool:
        """Whether what is made wrong is gone through on import, before a test begins."""
        return not mutant.function or f"{path}:{mutant.function}" in self.entered.get(IMPORT, ())

    def run(self, profile: str, chosen: list[str] | None = None, watched: bool = False) -> dict[str, Any]:
        """What the tests say in a process of its own: how it ended, which failed, how long each took, and where."""
        verdict = self.copy / "verdict.json"
        verdict.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            self._in_child(verdict, profile, Judge(self.seconds, chosen, str(self.copy)), watched)
        status = os.waitpid(child, 0)[1]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what it has started
        if verdict.exists():
            found: dict[str, Any] = json.loads(verdict.read_text())
            return found
        return {"code": -os.WTERMSIG(status), "failed": []}

    def _in_child(self, verdict: Path, profile: str, judge: Judge, watched: bool, *plugins: Any) -> None:
        os.setsid()
        sys.dont_write_bytecode = not watched  # a mutant's would be taken for that of its original; once for the tests
        output = os.open(self.copy / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        if watched:
            threading.setprofile(judge.note)
            sys.setprofile(judge.note)
        try:
            options = ["-q", "-n0", "-p", "no:cacheprovider", "--tb=line", REWRITTEN, f"--hypothesis-profile={profile}"]
            once = ["-x"] if judge.seconds else []
            code = pytest.main([*self.tests, *options, *once], plugins=[judge, *plugins])
            sys.setprofile(None)
            entered = {test: sorted(where) for test, where in judge.entered.items()}
            found = {"code": int(code), "failed": judge.failed, "took": judge.took, "entered": entered}
            verdict.write_text(json.dumps(found))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(0)

    def transplant(self, profile: str, path: Path, source: str, chosen: list[str]) -> dict[str, Any]:
        """What the chosen tests say in a process that has collected them before it gets the mutant's code."""
        if profile not in self.pipes:
            (told, asked), (answer, tell) = os.pipe(), os.pipe()
            if os.fork() == 0:
                for mine in (asked, answer, *(p.fileno() for pair in self.pipes.values() for p in pair)):
                    os.close(mine)  # who reads hears of the end once nobody can write
                verdict, judge = self.copy / "transplanted.json", Judge(self.seconds)
                waiting = Waiting(os.fdopen(told), os.fdopen(tell, "w"), judge, verdict)
                self._in_child(verdict, profile, judge, False, waiting)
            os.close(told)
            os.close(tell)
            self.pipes[profile] = os.fdopen(asked, "w"), os.fdopen(answer)
        print(json.dumps([str(path), source, chosen]), file=self.pipes[profile][0], flush=True)
        found: dict[str, Any] = json.loads(self.pipes[profile][1].readline())
        return found

    def verdict(self, path: Path, mutant: Mutant, quick: bool) -> tuple[str, str]:
        """found or survived, and by what it was found."""
        chosen = [t for t in self.concerned(path, mutant) if not quick or self.seconds[t] <= LONG]
        found: dict[str, Any] = {"code": 0 if mutant.function else "elsewhere"}
        for profile in ["mutation"] if quick else ["mutation", "default"]:
            if mutant.function and chosen and found["code"] == 0:
                found = self.transplant(profile, path, mutant.source, chosen)
        tried = found["code"] == 0 and not self.on_import(path, mutant)
        if found["code"] == "elsewhere" or (found["code"] == 0 and not (quick and tried)):
            found = self._from_the_start(path, mutant, chosen, quick)
        if found["code"] == 0:
            return "survived", ""
        self.kills.update(found["failed"])
        by = found["failed"] or ["a time limit" if found["code"] == -signal.SIGALRM else "its import, or a crash"]
        return "found", by[0]

    def _from_the_start(self, path: Path, mutant: Mutant, chosen: list[str], quick: bool) -> dict[str, Any]:
        """What tests say in a process that imports the mutant: the chosen ones, then all with as many examples."""
        original = path.read_text()
        path.write_text(mutant.source)
        found: dict[str, Any] = {"code": 0}
        try:
            for profile, tests in (("mutation", chosen), ("default", [*self.seconds]))[: 1 if quick else 2]:
                found = self.run(profile, tests) if tests and found["code"] == 0 else found
        finally:
            path.write_text(original)
        if found["code"] in (3, 4, 5):  # pytest itself has failed, or no test ran
            raise RuntimeError(f"nothing can be said of {mutant.name}\n{(self.copy / 'output').read_text()}")
        return found


def court(room: str, only: str | None, folder: Path) -> Court:
    """The copy, whose unchanged tests have run: those that fail in it are left out, the time of the others is known."""
    for name in (PACKAGE, "tests"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    compileall.compile_dir(folder, quiet=2)
    os.chdir(folder)
    sys.path[0] = os.environ["PYTHONPATH"] = str(folder)
    for name in [m for m in sys.modules if m.startswith("tests")]:
        del sys.modules[name]  # those of the copy are wanted
    tests = RESPONSIBLE.get(f"{room}/{only}", RESPONSIBLE[room])
    made = Court(folder, [f"tests/{t}" for t in tests])
    for test in made.measure():
        print(f"fails without a change, left out: {test}")
    print(f"{len(made.seconds)} tests pass without a change, in {sum(made.seconds.values()):.0f} s", flush=True)
    return made


def equivalent() -> set[str]:
    """The mutants that tests/mutation_survivors.md calls equivalent: file and name, the first column of its table."""
    rows = [line.split(" | ") for line in SURVIVORS.read_text(encoding="utf-8").splitlines()]
    return {row[0].removeprefix("| ").strip("`") for row in rows if len(row) > 1 and row[1] == "equivalent"}


def drawn(room: str, only: str | None, limit: int | None, seed: int) -> list[tuple[Path, Mutant]]:
    """The mutants of a room's files, or of one of them: all, or so many drawn at random."""
    files = sorted((ROOT / PACKAGE / room).glob(only or "*.py"))
    found = [(f.relative_to(ROOT), m) for f in files for m in mutants(f.read_text(encoding="utf-8"))]
    return found if limit is None or limit >= len(found) else random.Random(seed).sample(found, limit)


def survivors(among: list[tuple[Path, Mutant]], output: str) -> list[tuple[Path, Mutant]]:
    """Those of the mutants that survived, as an earlier run has printed."""
    rows = [line.split(" | ", 2) for line in output.splitlines() if line.startswith("survived | ")]
    found = {(at.split(":")[0], rest.removesuffix(" | ")) for _, at, rest in rows}
    return [(path, m) for path, m in among if (str(path), m.name) in found]


def main() -> None:
    parser = argparse.ArgumentParser(description="Do the tests notice what is made wrong?")
    parser.add_argument("room", choices=["rules", "engine", "learning"])
    parser.add_argument("--limit", type=int, help="how many are drawn at random; all by default")
    parser.add_argument("--only", metavar="FILE", help="only mutants of this file of the room, as special.py")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only the tests that go through what is made wrong",
    )
    parser.add_argument("--again", type=Path, metavar="LOG", help="only the survivors of an earlier run's output")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    known, counts, begin = equivalent(), Counter(drawn=0), time.time()
    with tempfile.TemporaryDirectory() as folder:
        chosen = drawn(options.room, options.only, options.limit, options.seed)
        if options.again:
            chosen = survivors(chosen, options.again.read_text(encoding="utf-8"))
        judges = court(options.room, options.only, Path(folder))
        for path, mutant in chosen:
            word, by = judges.verdict(Path(folder) / path, mutant, options.quick)
            name = f"{path.relative_to(PACKAGE)} {mutant.name}"
            word = "equivalent" if word == "survived" and name.replace("|", "\\|") in known else word
            counts.update(["drawn", word])
            print(f"{word} | {path}:{mutant.line} | {mutant.name} | {by}", flush=True)
    score = counts["found"] / max(1, counts["drawn"] - counts["equivalent"])
    print(f"{dict(counts)}, score {score:.1%} of those not equivalent, {time.time() - begin:.0f} s")


if __name__ == "__main__":
    main()
