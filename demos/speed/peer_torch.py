"""PyTorch: eager, and the whole step through torch.compile."""

import os

import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count()))


def tensors(workload):
    """Weights [W1, b1, …], patterns and targets as tensors."""
    weights, x, target = workload.data()
    return [torch.from_numpy(a) for pair in weights for a in pair], torch.from_numpy(x), torch.from_numpy(target)


def error(parameters, x, target):
    """E of a batch."""
    for k in range(0, len(parameters), 2):
        x = torch.nn.functional.linear(x if k == 0 else torch.tanh(x), parameters[k], parameters[k + 1])
    return 0.5 * ((x - target) ** 2).sum() / len(target)


def eager(workload):
    """loss.backward(), and an update in place."""
    parameters, x, target = tensors(workload)
    for p in parameters:
        p.requires_grad_()

    def run(n):
        """So many steps; the error of the last."""
        for _ in range(n):
            E = error(parameters, x, target)
            E.backward()
            with torch.no_grad():
                for p in parameters:
                    p.sub_(p.grad, alpha=workload.eta)
                    p.grad = None
        return E.item()

    return run


def compiled(workload):
    """torch.compile of the whole step: forward, backward and update."""
    parameters, x, target = tensors(workload)

    @torch.compile(fullgraph=True)
    def step(parameters, x, target):
        gradients, E = torch.func.grad_and_value(error)(parameters, x, target)
        for p, g in zip(parameters, gradients, strict=True):
            p.sub_(g, alpha=workload.eta)
        return E

    @torch.no_grad()
    def run(n):
        """So many steps; the error of the last."""
        for _ in range(n):
            E = step(parameters, x, target)
        return E.item()

    return run
