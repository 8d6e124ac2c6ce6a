"""C2 by numbers: what the hidden neurons of a 2-3-1 net contribute to its output, and how they share the blame.

Forward, the net input of the output is the sum of contributions w·out. Backward, its error δ is divided among the same
connections in the same proportion; what arrives at a hidden neuron is what it has to answer for.
"""

import common
import numpy as np

import tinygrad_lecture as tl

common.options(__doc__, figure=False)  # it has none but --help

W1 = tl.Tensor([[0.4, -0.6], [-0.3, 0.8], [0.9, 0.2]], requires_grad=True)  # row = hidden neuron, column = input
b1 = tl.Tensor([0.1, -0.2, 0.3], requires_grad=True)
W2 = tl.Tensor([[0.7, -0.5, 0.2]], requires_grad=True)
b2 = tl.Tensor([0.2], requires_grad=True)
x, target = np.array([[1.0, -0.5]]), np.array([[0.9]])

in_hid = tl.linear(x, W1, b1)
out_hid = np.tanh(in_hid)
in_out = tl.linear(out_hid, W2, b2)
out = tl.logistic(in_out)
E = tl.squared_error(out, target)

flow = tl.trace(E, W1=W1, b1=b1, in_hid=in_hid, out_hid=out_hid, W2=W2, b2=b2, in_out=in_out, out=out, E=E)
delta = flow["in_out"].err[0, 0]
contribution = W2.numpy()[0] * out_hid.numpy()[0]
blame = W2.numpy()[0] * flow["W2"].err[0]

print(f"FORWARD ↑   in = Σ w·out + b = {contribution.sum():.4f} + {b2.item():.4f} = {in_out.item():.4f}")
print(f"            out = {out.item():.4f}, target {target.item():.4f}, E = {E.item():.6f}")
print(f"BACKWARD ↓  δ = ∂E/∂in = {delta:.6f}: the error that the contributions share\n")
print("hidden   out      weight   contribution  share    blame        share    correction")
print("neuron                     w·out                  w·∂E/∂w               −∂E/∂w")
for j in range(3):
    shares = abs(contribution[j]) / abs(contribution).sum(), abs(blame[j]) / abs(blame).sum()
    forward = f"{out_hid.numpy()[0, j]:7.4f}  {W2.numpy()[0, j]:7.4f}  {contribution[j]:8.4f}     {shares[0]:7.2%}"
    backward = f"{blame[j]:10.6f}  {shares[1]:7.2%}  {-flow['W2'].err[0, j]:10.6f}"
    print(f"{j + 1}       {forward}  {backward}")

compared = (contribution, blame, out_hid.numpy()[0], flow["W2"].err[0])
ranks = (np.argsort(np.argsort(-np.abs(v))) + 1 for v in compared)
print("\nRanks: contribution {}, blame {}; activity |out| {}, correction {}".format(*(r.tolist() for r in ranks)))

print("\nThe hidden neurons have no error of their own. Over W2 each collects w·δ:")
for j in range(3):
    w, collected, delta_j = W2.numpy()[0, j], flow["out_hid"].err[0, j], flow["in_hid"].err[0, j]
    print(f"  hidden {j + 1}: {w:5.2f} · {delta:.6f} = {collected:9.6f}, times f'(in) gives its δ = {delta_j:9.6f}")

print("\nThe whole flow of error, from the top down:\n")
print(flow)
