"""C1 by numbers: a 2-2-1 net and one pattern; the δ formulas worked out beside the automatic gradient.

y = f₂(W₂ f₁(W₁ x + b₁) + b₂) with f₁ = tanh and f₂ the logistic function, E = ½ (out − tar)².
python demos/delta_formulas.py --figure delta.png draws the two beside each other.
"""

from math import cosh, exp, tanh

import common
import numpy as np

import tinygrad_lecture as tl

options = common.options(__doc__)

x, target = [1.0, -0.5], 0.9
W1, b1 = [[0.4, -0.6], [-0.3, 0.8]], [0.1, -0.2]  # W1[j][i] leads from input i to hidden neuron j
W2, b2 = [0.7, -0.5], 0.2

# Forward, upwards: a neuron sums what flows in, and lets f act on it.
in_hid = [W1[j][0] * x[0] + W1[j][1] * x[1] + b1[j] for j in (0, 1)]
hid = [tanh(net) for net in in_hid]
in_out = W2[0] * hid[0] + W2[1] * hid[1] + b2
out = 1 / (1 + exp(-in_out))
error = (out - target) ** 2 / 2

# Backward, downwards: the error flows over the same weights, against their direction.
slope_out = out * (1 - out)
delta_out = (out - target) * slope_out
slope_hid = [1 / cosh(net) ** 2 for net in in_hid]
delta_hid = [slope_hid[j] * W2[j] * delta_out for j in (0, 1)]


def net_error(p):
    """The same net as plain NumPy code; its gradient the engine finds by itself."""
    hidden = np.tanh(tl.linear(np.array([x]), p["W1"], p["b1"]))
    y = tl.logistic(tl.linear(hidden, p["W2"], p["b2"]))
    return tl.squared_error(y, np.array([[target]]))


parameters = {"W1": np.array(W1), "b1": np.array(b1), "W2": np.array([W2]), "b2": np.array([b2])}
g = tl.grad(net_error)(parameters)

print(f"FORWARD ↑   {'net input':55} output")
for j in (0, 1):
    terms = f"{W1[j][0]:4.1f} · {x[0]:7.4f} + {W1[j][1]:4.1f} · {x[1]:7.4f} + {b1[j]:4.1f}"
    print(f"  hidden {j + 1}  in = {terms} = {in_hid[j]:7.4f}   tanh(in)     = {hid[j]:7.4f}")
terms = f"{W2[0]:4.1f} · {hid[0]:7.4f} + {W2[1]:4.1f} · {hid[1]:7.4f} + {b2:4.1f}"
print(f"  output    in = {terms} = {in_out:7.4f}   logistic(in) = {out:7.4f}")
print(f"\nERROR       E = ½ (out − tar)² = ½ ({out:.4f} − {target:.4f})² = {error:.6f}")

print("\nBACKWARD ↓  local error δ = ∂E/∂in")
print(f"  output    (out − tar) f₂'(in) = {out - target:7.4f} · {slope_out:.4f}           = {delta_out:9.6f}")
for j in (0, 1):
    factors = f"{slope_hid[j]:7.4f} · {W2[j]:4.1f} · {delta_out:9.6f}"
    print(f"  hidden {j + 1}  f₁'(in) w δ^out     = {factors} = {delta_hid[j]:9.6f}")

print("\nGRADIENT    δ at its head · output at its foot        automatic   difference")
rows = [(f"W2[1,{j + 1}]", delta_out, hid[j], g["W2"][0, j]) for j in (0, 1)]
rows += [("b2[1]", delta_out, 1.0, g["b2"][0])]
for j in (0, 1):
    rows += [(f"W1[{j + 1},{i + 1}]", delta_hid[j], x[i], g["W1"][j, i]) for i in (0, 1)]
    rows += [(f"b1[{j + 1}]", delta_hid[j], 1.0, g["b1"][j])]
for name, head, foot, automatic in rows:
    difference = abs(automatic - head * foot)
    print(f"  {name:8}  {head:9.6f} · {foot:7.4f} = {head * foot:9.6f} {automatic:19.6f} {difference:12.0e}")

worst = max(abs(automatic - head * foot) / abs(head * foot) for _, head, foot, automatic in rows)
print(f"\nThe {len(rows)} automatic gradients are the δ formulas, to {worst:.0e} of their size: rounding.")

if options.figure:
    from tinygrad_lecture.show.plots import figure, legend

    fig, axes = figure(size=(12.0, 5.5))
    axes.bar([i - 0.2 for i in range(9)], [head * foot for _, head, foot, _ in rows], 0.4, label="δ formula")
    axes.bar(
        [i + 0.2 for i in range(9)], [row[3] for row in rows], 0.4, label="automatic", hatch="//", edgecolor="white"
    )
    axes.set(xlabel="weight, or bias", ylabel="∂E/∂w", xticks=range(9), xticklabels=[row[0] for row in rows])
    legend(axes)
    fig.savefig(options.figure)
