"""What the demos share: options, which are looked at before anything is measured, and an end where Ctrl-C is pressed.

A demo imports it first of all and says `options = common.options(__doc__)`; `python demos/NAME.py --help` shows both.
"""

import argparse
import os
import sys
from pathlib import Path


def options(about, figure=True, drawn_without_matplotlib=(), **switches):
    """What the command line says; where it cannot be followed, the demo ends with code 2 before it has begun.

    about: the docstring of the demo; figure: whether it draws one; drawn_without_matplotlib: suffixes of files that it
    writes by itself; switches: name=text for an option --name, true where it is given, and what its help says.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, text in switches.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    if figure:
        parser.add_argument("--figure", type=Path, metavar="FILE.png", help="draw it, and write the picture here")
    given = parser.parse_args()
    if figure and given.figure:
        fault = not_writable(given.figure) or not_drawn(given.figure, drawn_without_matplotlib)
        if fault:
            parser.error(f"argument --figure: {fault}")
    return given


def not_writable(path):
    """Why no file can be written there, and what to do; "" where it can."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}; make it first, or name a file in another one"
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        return f"{path} cannot be written to; name another file"
    return ""


def not_drawn(path, without_matplotlib):
    """Why no figure can have a name that ends so, and what to do; "" where it can."""
    suffix = path.suffix.lower()
    if suffix in without_matplotlib:
        return ""
    from tinygrad_lecture.show.plots import figure

    try:
        known = [f".{name}" for name in sorted(figure()[0].canvas.get_supported_filetypes())]
    except ImportError as error:  # it says what to install
        return str(error)
    if suffix in known:
        return ""
    return f"no figure is written as {path.name}; end the name with one of {', '.join(known)}"


def _end_where_interrupted(kind, error, traceback):
    """Ctrl-C ends a demo with one line and code 130; other errors show where they come from, as ever."""
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt):
        print("\ninterrupted", file=sys.stderr)
        raise SystemExit(130)
    sys.__excepthook__(kind, error, traceback)


sys.excepthook = _end_where_interrupted  # from the first import on: NumPy and the package have yet to come
