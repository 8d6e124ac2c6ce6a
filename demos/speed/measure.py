"""Rounds in which every peer has its turn, and what is made of the times."""

from dataclasses import dataclass, field
from time import sleep

import numpy as np
from children import Child

SAMPLE = 0.02
"""Seconds that one sample takes at least, where a single step does not."""

REST = 0.15
"""Seconds between two samples, in which threads of the peer before go to sleep: OpenBLAS looks out for 2²⁸ ticks."""


@dataclass
class Row:
    """One peer's times on one workload.

    seconds: of one step, a number for each round; steps: in each sample; said: what its check gave, E as a rule;
    why: it was left out for; fault: whether that is an error, and no library that is not installed; peak: bytes.
    """

    label: str
    seconds: list[float] = field(default_factory=list)
    steps: int = 0
    said: float = float("nan")
    why: str = ""
    fault: bool = False
    peak: int = 0

    def quartiles(self, unit=1e-6):
        """Best, lower quartile, median, upper quartile."""
        return np.quantile(self.seconds, [0, 0.25, 0.5, 0.75]) / unit

    def ratio(self, other):
        """The median over the rounds of how many times longer it took than another row; NaN where one is left out."""
        if not self.seconds or other is None or not other.seconds:
            return float("nan")
        return float(np.median(np.divide(self.seconds, other.seconds)))


def row_of(rows, label):
    """The row of a label, or None."""
    return next((row for row in rows if row.label == label), None)


def calibrated(child):
    """How many steps a sample has."""
    n = 1
    while True:
        child(n)
        seconds, _ = child(n)
        if seconds > SAMPLE / 2 or n > 10**7:
            return n
        n = int(n * min(100, 1 + SAMPLE / seconds))


def compared(peers, arguments, rounds, check=10, tolerance=1e-6):
    """A row for each peer, measured by turns in so many rounds, none at the same time as another.

    peers: modules and functions that make run(n) from the arguments; check: after so many steps in all, each must say
    what the first says, relatively to the tolerance; who does not is left out.
    """
    rows, children = [], []
    try:
        for peer in peers:
            child = Child(peer.module, peer.function, *arguments)
            children.append(child)
            row = Row(peer.label, why=child.why, fault=child.fault)
            rows.append(row)
            if not row.why:
                prepare(row, child, check, next((r.said for r in rows if not r.why), None), tolerance)
        turns = [(row, child) for row, child in zip(rows, children, strict=True) if not row.why]
        for r in range(rounds):
            for row, child in turns[r % len(turns) :] + turns[: r % len(turns)]:
                sleep(REST)
                child(row.steps)  # what lies in the caches is its own again
                row.seconds.append(child(row.steps)[0] / row.steps)
        for row, child in zip(rows, children, strict=True):
            row.peak = child.peak
    finally:
        for child in children:
            child.close()
    return rows


def prepare(row, child, check, wanted, tolerance):
    """Check one peer, and choose how many steps its samples have; else say why it is left out."""
    try:
        _, row.said = child(check - 1)  # one was done when it started
        wanted = row.said if np.isnan(wanted) else wanted
        if not abs(row.said - wanted) <= tolerance * abs(wanted):
            row.why, row.fault = f"after {check} steps it is at {row.said:.9g}, the first at {wanted:.9g}", True
            return
        row.steps = calibrated(child)
    except RuntimeError as error:
        row.why, row.fault = str(error), True
