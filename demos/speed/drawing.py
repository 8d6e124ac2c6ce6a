"""The figures."""

import numpy as np
from measure import row_of
from peers import NUMPY_LIMIT, OURS

MARKERS = "osD^vPX"


def table(found, path):
    """Each peer a row, each workload a mark: median time ÷ that of the NumPy limit, with a line over the quartiles."""
    from tinygrad_lecture.show.plots import COLOURS, figure, legend

    ratios = {}
    for w, rows in found.items():
        limit = row_of(rows, NUMPY_LIMIT) or next((row for row in rows if row.seconds), None)
        for row in rows:
            if row.seconds:
                each = np.divide(row.seconds, limit.seconds)
                ratios.setdefault(row.label, {})[w] = np.quantile(each, [0.25, 0.5, 0.75])
    # the quickest on top, by the mean over its workloads on the log axis
    order = sorted(ratios, key=lambda label: -np.mean([np.log(q[1]) for q in ratios[label].values()]))
    fig, axes = figure(size=(13, 2.2 + 0.5 * len(order)))
    for k, w in enumerate(found):
        height = 0.3 - 0.6 * (k + 0.5) / len(found) if len(found) > 1 else 0.0
        places = [(i + height, ratios[label][w]) for i, label in enumerate(order) if w in ratios[label]]
        y, q = [p[0] for p in places], np.array([p[1] for p in places])
        axes.hlines(y, q[:, 0], q[:, 2], color=COLOURS[k], linewidth=2)
        axes.plot(q[:, 1], y, MARKERS[k], color=COLOURS[k], markersize=9, label=f"{w.name}  {w}")
    axes.axvline(1.0, color="black", linewidth=1.5)
    axes.set_yticks(range(len(order)), order)
    for tick in axes.get_yticklabels():
        tick.set_fontweight("bold" if tick.get_text().startswith(OURS) else "normal")
    axes.set(
        xscale="log", xlabel="time of a step ÷ that of hand-written NumPy, preallocated", ylim=(-0.6, len(order) - 0.4)
    )
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(visible=False, axis="y")
    legend(fig, loc="outside lower center", ncols=2)
    fig.savefig(path)


def curve(found, peak, path):
    """Time of a step over the number of weights, above the line that the matrix products alone would take."""
    from tinygrad_lecture.show.plots import COLOURS, figure, legend

    fig, axes = figure(size=(11, 7))
    labels = list(dict.fromkeys(row.label for rows in found.values() for row in rows if row.seconds))
    for k, label in enumerate(labels):
        points = [(w.n_weights, row_of(rows, label)) for w, rows in found.items()]
        points = [(n, row.quartiles(1e-3)) for n, row in points if row is not None and row.seconds]
        n, q = [p[0] for p in points], np.array([p[1] for p in points])
        ours = label.startswith(OURS)
        axes.plot(
            n, q[:, 2], f"{MARKERS[k % 7]}{'-' if ours else '--'}", color=COLOURS[k % 6], markersize=9, label=label
        )
        axes.fill_between(n, q[:, 1], q[:, 3], color=COLOURS[k % 6], alpha=0.15, linewidth=0)
    n = [w.n_weights for w in found]
    least = [w.operations / peak * 1e3 for w in found]
    axes.plot(n, least, color="black", label=f"products alone at {peak / 1e9:,.0f} GFLOP/s")
    axes.set(xscale="log", yscale="log", xlabel="weights", ylabel="time of a step (ms)")
    legend(axes)
    fig.savefig(path)
