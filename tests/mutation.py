"""Do the tests notice? `python tests/mutation.py rules|engine|learning [--limit N] [--only FILE] [--seed S]`.

The package is copied, one small thing in one file is made wrong, and the tests responsible for that file run against
it: found, where one of them fails (or takes far longer than it should), survived, where all pass. tests/mutants.py says
what is made wrong. mutmut does the same for functions, but rewrites those alone: of a table of rules it leaves each
lambda as it is. This one reaches both, so that one score says it all.

To be fast, one process imports the libraries and forks for each mutant. There few examples are drawn, nothing is
shrunk, and tests come in the order of what they found and how long they took; a survivor has to pass once more with all
tests, those that take more than a second included, and as many examples as usual.

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
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported: threads do not survive a fork
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pytest  # noqa: E402
from hypothesis import Phase, settings  # noqa: E402

from tests.mutants import Mutant, mutants  # noqa: E402

PACKAGE = "tinygrad_lecture"
SURVIVORS = ROOT / "tests" / "mutation_survivors.md"
REWRITTEN = "-Wignore::pytest.PytestAssertRewriteWarning"  # that plugins are imported before pytest runs is meant so
LONG, PATIENCE, MOST_MEMORY = 1.0, 20.0, 8 * 2**30  # seconds; seconds that a test may take more than usual; bytes

FEW = {"max_examples": 10, "phases": [Phase.explicit, Phase.generate]}  # nothing is shrunk
settings.register_profile("mutation", deadline=None, derandomize=True, database=None, **FEW)

RESPONSIBLE: dict[str, list[str]] = {
    "engine": ["engine", "transforms/test_pull.py", "transforms/test_push.py"],
    "learning": ["learning"],
    "rules": ["rules"],
    "rules/network.py": ["rules", "nn/test_losses.py", "nn/test_activations.py"],
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
}
"""Room → the tests that are responsible for it; a file that is run by --only may need fewer, or others."""


@dataclass(eq=False)  # pytest asks for its hash
class Judge:
    """A plugin of pytest: which tests run, in which order, and for how long at most; what comes of it.

    seconds: how long each test took in the unchanged package, nothing while that is measured; failing: those that fail
    there, which say nothing; kills: how many mutants it has found.
    """

    seconds: dict[str, float]
    failing: set[str]
    kills: Counter[str]
    longest: float
    took: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.seconds:
            known = [i for i in items if i.nodeid not in self.failing]
            items[:] = [i for i in known if self.usual(i.nodeid) <= self.longest]
            items.sort(key=lambda i: (-self.kills[i.nodeid], self.usual(i.nodeid)))

    def usual(self, test: str) -> float:
        """The seconds of a test; 0 for one that is new, as where its name tells a number that the mutant changed."""
        return self.seconds.get(test, 0.0)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if self.seconds:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE + 10 * self.usual(nodeid))  # it ends the process

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
    failing: set[str] = field(default_factory=set)
    kills: Counter[str] = field(default_factory=Counter)

    def measure(self) -> list[str]:
        """How long the unchanged tests take; those that fail, which are left out."""
        found = self.run("mutation")
        self.failing = set(found["failed"])
        self.seconds = {t: s for t, s in found.get("took", {}).items() if t not in self.failing}
        if not self.seconds:
            raise SystemExit("no test has passed without a change\n" + (self.copy / "output").read_text())
        return list(found["failed"])

    def run(self, profile: str, longest: float = float("inf")) -> dict[str, Any]:
        """What the tests say in a process of its own: how it ended, which failed, how long each took."""
        verdict = self.copy / "verdict.json"
        verdict.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            self._in_child(verdict, profile, Judge(self.seconds, self.failing, self.kills, longest))
        status = os.waitpid(child, 0)[1]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what it has started
        if verdict.exists():
            found: dict[str, Any] = json.loads(verdict.read_text())
            return found
        return {"code": -os.WTERMSIG(status), "failed": []}

    def _in_child(self, verdict: Path, profile: str, judge: Judge) -> None:
        os.setsid()
        output = os.open(self.copy / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        try:
            options = ["-q", "-n0", "-p", "no:cacheprovider", "--tb=line", REWRITTEN, f"--hypothesis-profile={profile}"]
            code = pytest.main([*self.tests, *options, *(["-x"] if judge.seconds else [])], plugins=[judge])
            found = {"code": int(code), "failed": judge.failed, "took": judge.took}
            verdict.write_text(json.dumps(found))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(0)

    def verdict(self, path: Path, mutant: Mutant, quick: bool) -> tuple[str, str]:
        """found or survived, and by what it was found."""
        original = path.read_text()
        path.write_text(mutant.source)
        try:
            found = self.run("mutation", LONG)
            if found["code"] == 0 and not quick:
                found = self.run("default")
        finally:
            path.write_text(original)
        if found["code"] in (3, 4, 5):  # pytest itself has failed, or no test ran
            raise RuntimeError(f"nothing can be said of {mutant.name}\n{(self.copy / 'output').read_text()}")
        if found["code"] == 0:
            return "survived", ""
        self.kills.update(found["failed"])
        by = found["failed"] or ["a time limit" if found["code"] == -signal.SIGALRM else "its import, or a crash"]
        return "found", by[0]


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


def main() -> None:
    parser = argparse.ArgumentParser(description="Do the tests notice what is made wrong?")
    parser.add_argument("room", choices=["rules", "engine", "learning"])
    parser.add_argument("--limit", type=int, help="how many are drawn at random; all by default")
    parser.add_argument("--only", metavar="FILE", help="only mutants of this file of the room, as special.py")
    parser.add_argument("--quick", action="store_true", help="leave out the second trial: survivors may be too many")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    known, counts, begin = equivalent(), Counter(drawn=0), time.time()
    with tempfile.TemporaryDirectory() as folder:
        chosen = drawn(options.room, options.only, options.limit, options.seed)
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
