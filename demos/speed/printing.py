"""The tables as text."""

import numpy as np
from measure import row_of
from peers import NATIVE_LIMIT, NUMPY_LIMIT
from workloads import STEPS


def short(number):
    """A number with two or three digits that count: 0.061, 4.3, 24, 1890, 63.2k."""
    if number >= 9999.5:
        return f"{number / 1000:,.1f}k" if number < 999_500 else f"{number / 1000:,.0f}k"
    return f"{number:.0f}" if number >= 99.5 else f"{number:.3g}" if number >= 10 else f"{number:.2g}"


def many(n, what):
    """1 round, 2 rounds."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def times(number):
    """A ratio, with two decimals near 1, empty where there is none."""
    return "" if np.isnan(number) else f"{number:.2f} ×" if 0.1 <= number < 9.995 else f"{short(number)} ×"


def spread(row, unit):
    """Median, quartiles and best, in columns."""
    best, low, middle, high = (short(v) for v in row.quartiles(unit))
    return f"{middle:>8}  {f'[{low} - {high}]':18} {best:>8}"


def lines(rows, unit=1e-6, ratios=()):
    """A line for each row, with its ratio to other rows by label, under a line of headings."""
    yield f"{'':30}{'median':>8}  {'[quartiles]':18} {'best':>8}" + "".join(
        f"   {f'÷ {to}':>15}" for to in ratios.values()
    )
    for row in rows:
        if row.seconds:
            to = "".join(f"   {times(row.ratio(row_of(rows, label))):>15}" for label in ratios)
            yield f"{row.label:30}{spread(row, unit)}{to}"
        else:
            yield f"{row.label:30}  left out: {row.why}"


def workload(w, rows, rounds):
    """The table of one workload."""
    said = next((f"; all come to E = {r.said:.6g} after {STEPS} steps" for r in rows if not r.why), "")
    yield f"{w.name}  {w}: {w.n_weights:,} weights; µs a step, {many(rounds, 'round')}{said}"
    yield from lines(rows, ratios={NUMPY_LIMIT: "NumPy limit", NATIVE_LIMIT: "native limit"})


def overview(table):
    """All workloads in one table, in Markdown: median (best) in µs a step."""
    labels = list(dict.fromkeys(row.label for rows in table.values() for row in rows if row.seconds))
    cells = [["µs a step: median (best)", *(f"{w.name} {w}" for w in table)], ["---"] * (1 + len(table))]
    for label in labels:
        found = [row_of(rows, label) for rows in table.values()]
        quartiles = [row.quartiles() if row and row.seconds else None for row in found]
        cells.append([label, *("" if q is None else f"{short(q[2])} ({short(q[0])})" for q in quartiles)])
    yield from (f"| {' | '.join(row)} |" for row in cells)


def scalars(rows, nodes):
    """The scalar graph."""
    yield f"A graph of {nodes:,} single numbers (+, ·, tanh), built and walked back: µs a node"
    yield from lines(rows, 1e-6 * nodes, {"micrograd": "micrograd"})


def imports(rows):
    """Import times."""
    yield "A process that imports it and ends: ms"
    yield from lines(rows, 1e-3, {"NumPy": "NumPy"})


def gradient(found):
    """What the backward pass costs, in forward passes."""
    yield f"{'Eager: backward ÷ forward pass':32}{'weights':>12}   forward (µs)   backward ÷ forward"
    for w, (forward, both) in found.items():
        if forward.seconds and both.seconds:
            middle = short(forward.quartiles()[2])
            yield f"{w.name:4}{w!s:28.28}{w.n_weights:12,}   {middle:>12}   {both.ratio(forward) - 1:16.2f} ×"
        else:
            yield f"{w.name:4}{w!s:28.28}{w.n_weights:12,}   left out: {forward.why or both.why}"


def memory(w, rows):
    """Peaks of whole processes."""
    yield f"{f'{w.name}: most memory of the process':32}{'MB':>8}   ÷ NumPy limit"
    limit = row_of(rows, NUMPY_LIMIT)
    for row in rows:
        ratio = times(row.peak / limit.peak) if limit is not None and limit.peak else ""
        yield f"{row.label:32}" + (f"  left out: {row.why}" if row.why else f"{row.peak / 1e6:8.0f}   {ratio:>13}")


def curve(found, peak):
    """The cost curve: times, and how much of the peak that is."""
    labels = list(dict.fromkeys(row.label for rows in found.values() for row in rows))
    yield f"Nets of three equal layers, batch 256, float32; µs a step (% of the peak, {peak / 1e9:,.0f} GFLOP/s)"
    yield f"{'weights':30}" + "".join(f"{w.n_weights:>16,}" for w in found)
    for label in labels:
        cells = []
        for w, rows in found.items():
            row = row_of(rows, label)
            usual = row.quartiles()[2] if row.seconds else None
            cells.append("" if usual is None else f"{short(usual)} ({100 * w.operations / peak / usual / 1e-6:.0f} %)")
        yield f"{label:30}" + "".join(f"{cell:>16}" for cell in cells)
    yield f"{'products alone, at the peak':30}" + "".join(f"{short(w.operations / peak / 1e-6):>16}" for w in found)
