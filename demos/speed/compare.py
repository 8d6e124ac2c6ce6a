"""Whole training steps, beside hand-written NumPy and C and whatever other libraries are installed, in one run.

python demos/speed/compare.py                      all workloads, the scalar graph, import, gradient, memory
python demos/speed/compare.py --workload W3        one of them (repeatable); --figure speed.png draws it
python demos/speed/compare.py --curve              step time from 10³ to 10⁷ weights beside the machine's peak

Each peer runs in a process of its own, and they take turns: only ratios within one run count. All start from the same
weights, and who does not come to the same error after ten steps is left out, and makes the exit code 1.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

import drawing
import extras
import printing
from measure import compared
from peers import PEERS, SCALARS, chosen
from scalars import NODES
from workloads import STEPS, WORKLOADS

PARTS = ("table", "scalars", "imports", "gradient", "memory", "curve")
LIBRARIES = ("numpy", "torch", "jax", "autograd", "mygrad", "micrograd", "scikit-learn")


def arguments(given):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--workload", action="append", choices=WORKLOADS, help="one of the table's columns (repeatable)"
    )
    parser.add_argument("--peer", action="append", help="only peers whose name contains this (repeatable)")
    parser.add_argument("--rounds", type=int, default=15, help="how often everyone has a turn (15)")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument("--threads", type=int, default=cores, help=f"for every library ({cores}: all cores)")
    parser.add_argument("--up-to", type=int, default=10**7, help="weights of the largest of growing nets (10000000)")
    parser.add_argument("--json", action="store_true", help="all figures, with every round, as JSON")
    parser.add_argument("--figure", metavar="FILE.png", help="draw the table, or the curve")
    for part in PARTS:
        parser.add_argument(f"--{part}", action="store_true", help=f"only this part: {part}")
    args = parser.parse_args(given)
    if args.rounds < 1 or not 1 <= args.threads <= cores:
        parser.error(f"rounds must be at least 1, threads from 1 to {cores}")
    for text in args.peer or ():
        if not chosen((*PEERS, *SCALARS), [text]):
            parser.error(f"no peer is called {text}; there are: {', '.join(p.label for p in PEERS)}")
    args.parts = [part for part in PARTS if getattr(args, part)]
    if not args.parts:
        args.parts = ["table"] if args.workload or args.peer or args.figure else list(PARTS[:-1])
    if args.figure and ("table" in args.parts) == ("curve" in args.parts):
        parser.error("a figure shows either the table or the curve: ask for one of them")
    return args


def machine(threads):
    """What the figures depend on."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "threads": threads,
        "machine": f"{platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "libraries": found,
    }


def run(args, say):
    """Measure what is asked for, say it part by part, and give it back as plain data, and whether all is well."""
    data, sound = {}, True

    def tell(part, rows_of, texts):
        nonlocal sound
        say("\n".join(texts) + "\n")
        data.setdefault(part, {}).update({name: [asdict(r) for r in rows] for name, rows in rows_of.items()})
        sound = sound and not any(row.fault for rows in rows_of.values() for row in rows)

    table = {}
    for name in (args.workload or WORKLOADS) if "table" in args.parts else ():
        w = WORKLOADS[name]
        peers = [p for p in chosen(PEERS, args.peer) if not p.only or name in p.only]
        table[w] = compared(peers, (w,), args.rounds, STEPS, w.tolerance)
        tell("table", {name: table[w]}, printing.workload(w, table[w], args.rounds))
    if len(table) > 1:
        say("\n".join(printing.overview(table)) + "\n")
    if table and args.figure:
        drawing.table(table, args.figure)
    if "scalars" in args.parts:
        rows = compared(chosen(SCALARS, args.peer), (), args.rounds, check=2)
        tell("scalars", {"": rows}, printing.scalars(rows, NODES))
    if "imports" in args.parts:
        rows = extras.imports(args.rounds)
        tell("imports", {"": rows}, printing.imports(rows))
    if "gradient" in args.parts:
        found = extras.gradient(args.rounds, args.workload, args.up_to)
        tell("gradient", {w.name: rows for w, rows in found.items()}, printing.gradient(found))
    if "memory" in args.parts:
        for w, rows in extras.memory(args.workload, args.peer).items():
            tell("memory", {w.name: rows}, printing.memory(w, rows))
    if "curve" in args.parts:
        found, peak = extras.curve(args.rounds, args.peer, args.up_to)
        tell("curve", {w.name: rows for w, rows in found.items()}, printing.curve(found, peak))
        data["peak"] = peak
        if args.figure:
            drawing.curve(found, peak, args.figure)
    return data, sound


def main(given=None):
    """Run it; 1 where a peer fails or comes to another error."""
    args = arguments(given)
    extras.threads_of_all(args.threads)
    about = machine(args.threads)
    say = (lambda text: None) if args.json else (lambda text: print(text, flush=True))
    libraries = ", ".join(f"{name} {number}" for name, number in about["libraries"].items())
    say(f"{printing.many(args.threads, 'thread')}; {about['machine']}; Python {about['python']}\n{libraries}\n")
    data, sound = run(args, say)
    if args.json:
        print(json.dumps(about | data, allow_nan=True))
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
