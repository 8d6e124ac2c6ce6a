"""C4: one net, three views: its equations, its drawing, and its local algorithm, which refer to each other by number.

The net is the lecture's, y = w₂ tanh(w₁ x). Its steps are then taken one after the other with NumPy, and the result
compared with the engine: Δw = ↑ · ↓, for each weight −η times the signal at its foot times the error at its head.
python demos/three_views.py --figure views.png draws net and equations; views.svg is the net's own drawing, which has
the formulas of every part as its tooltip.
"""

from xml.etree import ElementTree

import common
import numpy as np

import tinygrad_lecture as tl
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.topology import Cluster, Connector
from tinygrad_lecture.show.algorithm import algorithm
from tinygrad_lecture.show.drawing import draw
from tinygrad_lecture.show.equations import equations

options = common.options(__doc__, drawn_without_matplotlib=[".svg"])

net = Network(
    [Cluster("x", 1), Cluster("h", 1, "tanh"), Cluster("y", 1)],
    [Connector("x", "h", "w1"), Connector("h", "y", "w2")],
)
net.assign([0.8, -0.5])
x, target, eta = np.array([[1.0], [-0.5], [2.0]]), np.array([[0.3], [0.1], [0.9]]), 0.1

print("EQUATIONS\n")
print(equations(net))
print("\nALGORITHM: each step with what it reads, and as NumPy code\n")
print(algorithm(net))
picture = draw(net)
print("\nDRAWING: an SVG picture of", len(picture), "characters; what is written in it, from the top:")
groups = [[t.text for t in g.iter() if t.tag.endswith("}text")] for g in ElementTree.fromstring(picture)]
for texts in reversed([texts for texts in groups if len(texts) > 1]):
    print("  ", "   ".join(texts))

known = algorithm(net).run(x, target, eta, net.parameters)
g = tl.grad(lambda p: tl.squared_error(net(x, p), target))(net.parameters)
print("\nΔw = ↑ · ↓   T = 3 patterns, η = 0.1: −η · 1/T Σ_t (signal at the foot · error at the head)")
for name, foot, head in (("w1", "out_x", "δ_h"), ("w2", "out_h", "δ_y")):
    terms = " + ".join(f"{a:.3f}·{b:.3f}" for a, b in zip(known[foot][:, 0], known[head][:, 0], strict=True))
    print(f"  Δ{name} = −0.1 · ({terms}) / 3 = {known[f'Δ{name}'].item():.6f}; engine {-eta * g[name].item():.6f}")

if options.figure and options.figure.suffix.lower() == ".svg":
    options.figure.write_text(picture, encoding="utf-8")
elif options.figure:
    from tinygrad_lecture.show.plots import COLOURS, figure

    fig, axes = figure(1, 2, (16, 9))
    blue, red = COLOURS[:2]
    for i, name in enumerate(net.topology.order):
        box = {"boxstyle": "round,pad=0.6", "facecolor": "#f2f2f2"}
        axes[0].text(
            0.5,
            i,
            "x · input" if name == "x" else f"{name} · {net.topology[name].activation}",
            ha="center",
            va="center",
            bbox=box,
            fontsize=20,
        )
    for i, (weights, foot, head) in enumerate((("w1", "out_x", "δ_h"), ("w2", "out_h", "δ_y"))):
        axes[0].annotate("", (0.42, i + 0.8), (0.42, i + 0.2), arrowprops={"color": blue, "width": 4})
        axes[0].annotate("", (0.58, i + 0.2), (0.58, i + 0.8), arrowprops={"color": red, "width": 4})
        axes[0].text(0.38, i + 0.5, f"↑ {foot}", color=blue, ha="right", va="center", fontsize=20)
        axes[0].text(0.62, i + 0.5, f"↓ {head}", color=red, va="center", fontsize=20)
        axes[0].text(0.5, i + 0.5, weights, ha="center", va="center", fontsize=20)
    axes[0].set(xlim=(0, 1), ylim=(-0.3, 2.3))
    axes[0].set_title("architecture: ↑ signal, ↓ error", fontsize=20)
    axes[1].set_title("equations = steps of the local algorithm", fontsize=20)
    axes[1].text(0, 1, str(equations(net)), va="top", family="DejaVu Sans Mono", fontsize=16, linespacing=1.6)
    for one in axes:
        one.set_axis_off()
    fig.savefig(options.figure)
