"""Who is compared: what each is called, and the function of this folder that makes its steps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """One row. module, function: what makes its run(n); only: the workloads it can do, empty for all."""

    label: str
    module: str
    function: str
    only: tuple[str, ...] = ()

    @property
    def ours(self):
        """Whether it is this library."""
        return self.label.startswith(OURS)


OURS = "tinygrad_lecture"
NUMPY_LIMIT, NATIVE_LIMIT = "NumPy by hand, preallocated", "C by hand, NumPy's OpenBLAS"
"""The limits that ratios are taken to."""

PEERS = (
    Peer("NumPy by hand, plain", "peer_numpy", "plain"),
    Peer(NUMPY_LIMIT, "peer_numpy", "preallocated"),
    Peer(NATIVE_LIMIT, "peer_c", "steps"),
    Peer(f"{OURS}, eager", "peer_lecture", "eager"),
    Peer(f"{OURS}, jit, NumPy", "peer_lecture", "jit_numpy"),
    Peer(f"{OURS}, jit, C", "peer_lecture", "jit_c"),
    Peer(f"{OURS}, scan, NumPy", "peer_lecture", "scan_numpy"),
    Peer(f"{OURS}, scan, C", "peer_lecture", "scan_c"),
    Peer("PyTorch, eager", "peer_torch", "eager"),
    Peer("PyTorch, torch.compile", "peer_torch", "compiled"),
    Peer("JAX, jit, a call a step", "peer_jax", "jit"),
    Peer("JAX, lax.scan", "peer_jax", "scan"),
    Peer("HIPS autograd", "peer_autograd", "steps"),
    Peer("MyGrad", "peer_mygrad", "steps"),
    Peer("micrograd", "peer_micrograd", "steps", only=("W1",)),
    Peer("scikit-learn, partial_fit", "peer_sklearn", "steps"),
)

SCALARS = (
    Peer(f"{OURS}, scalars", "scalars", "lecture"),
    Peer("micrograd", "scalars", "micrograd"),
    Peer("PyTorch, scalars", "scalars", "pytorch"),
    Peer("MyGrad", "scalars", "mygrad"),
    Peer("HIPS autograd", "scalars", "autograd"),
)
"""Those that build graphs of single numbers."""

IMPORTS = {
    "numpy": "NumPy",
    "tinygrad_lecture": OURS,
    "autograd": "HIPS autograd",
    "jax": "JAX",
    "micrograd.engine": "micrograd",
    "mygrad": "MyGrad",
    "sklearn.neural_network": "scikit-learn",
    "torch": "PyTorch",
}
"""Module → what it is called: whose import is timed."""


def chosen(peers, wanted):
    """The peers whose label contains one of the wanted texts, all without any."""
    return [p for p in peers if not wanted or any(text.lower() in p.label.lower() for text in wanted)]
