"""micrograd: scalars alone, so that a net is a graph of single numbers."""

from math import tanh as tanh_of

from micrograd.engine import Value


def tanh(x):
    """The tanh that micrograd's package lacks, in its own manner."""
    out = Value(tanh_of(x.data), (x,), "tanh")

    def backward():
        x.grad += (1 - out.data**2) * out.grad

    out._backward = backward
    return out


def steps(workload):
    """One pattern after the other, as nested loops over neurons."""
    start, x, target = workload.data()
    weights = [([[Value(v) for v in row] for row in W.tolist()], [Value(v) for v in b.tolist()]) for W, b in start]
    parameters = [v for W, b in weights for row in (*W, b) for v in row]

    def error(pattern, wanted):
        out = pattern
        for k, (W, b) in enumerate(weights):
            out = [tanh(v) for v in out] if k else out
            out = [sum((w * v for w, v in zip(row, out, strict=True)), b_j) for row, b_j in zip(W, b, strict=True)]
        return sum(((v + -tar) ** 2 for v, tar in zip(out, wanted, strict=True)), Value(0.0))

    def run(n):
        """So many steps; the error of the last."""
        for _ in range(n):
            parts = [error(p, wanted) for p, wanted in zip(x.tolist(), target.tolist(), strict=True)]
            E = sum(parts[1:], parts[0]) * (0.5 / workload.batch)
            for p in parameters:
                p.grad = 0
            E.backward()
            for p in parameters:
                p.data -= workload.eta * p.grad
        return float(E.data)

    return run
