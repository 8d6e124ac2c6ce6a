"""The arguments of every command, each with an example."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from .common import share, whole_from

DATA = "digits, sunspots, iris, or a CSV file whose first row names the columns"


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; it leaves the command's function in `run`."""
    from .. import __version__
    from ..lecture.statement import STATEMENTS
    from .lecture import run_lecture

    top = argparse.ArgumentParser(
        prog="tinygrad-lecture",
        description="Run the lecture: measure its statements, and print for each what it says, what was measured, "
        "the bar that was set, and whether it holds. Or one of the commands below; each explains itself with --help.",
        epilog="The exit code is 1 where a bar is not met, else 0, also beside claims that are contradicted; 2 for "
        "arguments that cannot be followed, 130 when interrupted.",
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    top.set_defaults(run=run_lecture, json=False, only=None)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")

    def command(name: str, about: str, example: str, run: Callable[[argparse.Namespace], int]) -> Any:
        sub = commands.add_parser(
            name,
            help=about,
            description=f"{about[0].upper()}{about[1:]}.",
            epilog=f"example: tinygrad-lecture {example}",
        )
        sub.set_defaults(run=run)
        return sub

    lecture = command("lecture", "run the lecture, as without a command", "lecture --only C1,C8", run_lecture)
    for each in (top, lecture):
        each.add_argument(
            "--json",
            action="store_true",
            default=argparse.SUPPRESS,  # given before the command, it holds after it
            help="print a JSON list of rows in place of the table",
        )
        each.add_argument(
            "--only",
            action="append",
            metavar="TAG",
            default=argparse.SUPPRESS,
            help=f"run only these statements, as in --only C1 or --only C1,C2; there are {', '.join(STATEMENTS)}",
        )
    _functions(command)
    _learning(command)
    _looking(command)
    return top


def _functions(command: Any) -> None:
    """The commands on a function of the user's."""
    from .functions import run_check, run_trace

    check = command("check", "gradient-check a function of yours", "check model.py:error", run_check)
    trace = command(
        "trace",
        "show how the error flows back through a function of yours, or through a saved net",
        "trace iris.npz --data iris --pattern 3",
        run_trace,
    )
    check.add_argument("--order", type=whole_from(1), default=1, help="up to which order of derivatives (default 1)")
    check.add_argument(
        "--rungs",
        metavar="RUNG,…",
        help="which to climb: central, richardson, complex, forward, mpmath (default: all but mpmath)",
    )
    for each in (check, trace):
        each.add_argument(
            "what",
            metavar="FILE.py:FUNCTION" if each is check else "FILE.py:FUNCTION|MODEL",
            help="a function, called with what example_args() of that file returns, a tuple, or with random numbers",
        )
        each.add_argument("--seed", type=whole_from(0), default=0, help="of the random numbers (default 0)")
        each.add_argument(
            "--shape",
            action="append",
            metavar="2x3",
            help="of a random argument, repeated for each; 1 for a vector of one, - for a number",
        )
    trace.add_argument("--data", metavar="DATA", help=f"for a net that train saved: {DATA}")
    trace.add_argument(
        "--pattern",
        type=whole_from(0),
        metavar="N",
        help="of the data, from 0, by neuron up to 1000 weights (default: all, by cluster)",
    )
    trace.add_argument("--eta", type=float, default=1.0, help="of a saved net: the learning rate in Δw (default 1)")


def _learning(command: Any) -> None:
    """The commands that train nets and use them."""
    from .learning import run_compare, run_predict, run_train

    train = command(
        "train", "train a net on data, and save it", "train --data iris --hidden 8 --out iris.npz", run_train
    )
    compare = command(
        "compare",
        "compare metaparameters over several seeds",
        "compare --data iris --vary eta 0.01 0.1 1 --seeds 5",
        run_compare,
    )
    predict = command("predict", "what a saved net says of data", "predict iris.npz --data iris", run_predict)
    for each in (train, compare):
        each.add_argument("--data", required=True, metavar="DATA", help=DATA)
        each.add_argument("--target", metavar="COLUMN", help="of a CSV file: the column to predict, numbers or labels")
        each.add_argument(
            "--holdout",
            type=share,
            default=0.2,
            metavar="SHARE",
            help="of the patterns, which are not learnt but measured: drawn at random, the last ones of a series "
            "(default 0.2)",
        )
        each.add_argument("--progress", action="store_true", help="show how far it is")
    train.add_argument(
        "--metaparameters", metavar="FILE.json", help="all that is chosen; what is missing has its default"
    )
    train.add_argument("--hidden", type=whole_from(1), nargs="*", metavar="N", help="neurons of each hidden layer")
    train.add_argument("--epochs", type=whole_from(0), metavar="N", help="how often each pattern is met")
    train.add_argument("--out", metavar="MODEL.npz", help="where to save the net; without it, nothing is saved")
    compare.add_argument(
        "--metaparameters",
        nargs="*",
        default=[],
        metavar="FILE.json",
        help="the variants; with --vary one file, from which they differ",
    )
    compare.add_argument(
        "--vary", nargs="+", metavar=("FIELD", "VALUE"), help="a field and its values, as JSON or as text"
    )
    compare.add_argument("--seeds", type=whole_from(1), default=20, metavar="N", help="so many runs each (default 20)")
    compare.add_argument("--workers", type=whole_from(1), metavar="N", help="processes side by side (default: cores)")
    compare.add_argument("--json", action="store_true", help="print JSON in place of the table")
    compare.add_argument("--plot", metavar="FILE.png", help="write a figure; needs the extra plot")
    predict.add_argument("model", metavar="MODEL", help="a net that train saved")
    predict.add_argument("--data", required=True, metavar="DATA", help=DATA)
    predict.add_argument(
        "--out", metavar="FILE.csv", help="where to write the predictions; by default they are printed"
    )


def _looking(command: Any) -> None:
    """The commands that show what there is."""
    from .looking import run_data, run_draw

    draw = command("draw", "draw a net as SVG", "draw --sizes 2-8-1 --out net.svg", run_draw)
    what = draw.add_mutually_exclusive_group(required=True)
    what.add_argument("model", nargs="?", metavar="MODEL", help="a saved net")
    what.add_argument("--sizes", metavar="2-8-1", help="neurons per layer, the inputs first")
    draw.add_argument("--out", required=True, metavar="FILE.svg", help="where to write the picture")
    data = command("data", "list the sets that come with the package, or describe one", "data iris", run_data)
    data.add_argument("name", nargs="?", metavar="NAME", help="the set to describe")
