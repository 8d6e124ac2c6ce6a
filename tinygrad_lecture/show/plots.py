"""Figures for a projector: large letters, lines that colour-blind people tell apart, and no state that is shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The colours of Okabe and Ito, chosen so that colour-blind people tell them apart; the pale yellow is left out."""

FONT = 16
"""The size of letters in points, readable from the last row."""

_STYLE: Any = {
    "font.size": FONT,
    "axes.titlesize": FONT,
    "axes.labelsize": FONT,
    "xtick.labelsize": FONT - 2,
    "ytick.labelsize": FONT - 2,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

INSTALL = 'figures need matplotlib, which is missing; install it with: python -m pip install "tinygrad-lecture[plot]"'


def figure(rows: int = 1, columns: int = 1, size: tuple[float, float] | None = None) -> tuple[Figure, Any]:
    """A figure and its axes, which take Matplotlib's usual calls; `fig.savefig(path)` writes it.

    rows, columns: how many axes; size: width and height in inches, by default 9 × 5.5 for one and in proportion
    for more. Returns (figure, axes), axes an array (rows, columns), squeezed, where there are several. Its state is its
    own: pyplot is not loaded, and no setting of Matplotlib is changed.
    Raises ImportError, with the install command, where Matplotlib is missing.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(INSTALL) from error
    width, height = size or (9.0 * max(1.0, 0.7 * columns), 5.5 * max(1.0, 0.8 * rows))
    with matplotlib.rc_context(_STYLE):
        fig = Figure(figsize=(width, height), dpi=120, layout="constrained")
        axes = fig.subplots(rows, columns)
    for one in fig.axes:
        one.set_prop_cycle(color=COLOURS, linewidth=[2.5] * len(COLOURS))
    return fig, axes


def legend(axes: Any, **options: Any) -> None:
    """A legend with letters of the figure's size; options: those of Matplotlib's legend."""
    axes.legend(**{"fontsize": FONT - 2, "frameon": False, **options})
