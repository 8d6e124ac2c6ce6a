"""Network: clusters and connectors of any topology, with all weights in one packed vector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.tensor import Tensor
from ..engine.values import Array
from ..misnamed import explained
from ..rules.network import linear
from .activations import activation
from .init import initial_weights
from .losses import Loss
from .losses import loss as loss_of
from .topology import ONE, Cluster, Connector, Topology
from .weights import Weights, must_fit

if TYPE_CHECKING:
    from ..show.algorithm import Algorithm
    from ..show.equations import Equations


@dataclass(frozen=True, slots=True)
class _Step:
    """How one cluster gets its outputs: which connectors lead to it, and its activation."""

    cluster: str
    n: int
    f: Callable[[Any], Any]
    products: tuple[tuple[str, str, str | None], ...]
    biases: tuple[str, ...]
    late: Connector | None

    @classmethod
    def of(cls, topology: Topology, name: str) -> _Step:
        into = topology.into(name)
        biases = [c.weights for c in into if c.source == ONE]
        sources = [c for c in into if c.source != ONE]  # the first product takes a bias along
        products = tuple((c.source, c.weights, biases.pop() if biases and c is sources[0] else None) for c in sources)
        cluster = topology[name]
        late = next((c for c in into if c.delay), None)
        return cls(name, cluster.n, activation(cluster.activation), products, tuple(biases), late)

    def net_input(self, outs: dict[str, Any], p: Mapping[str, Array]) -> Any:
        """Σ_i w_ji out_i + b_j over all connectors into the cluster, (T, n)."""
        if self.late:
            raise ValueError(f"connector {self.late} looks back in time: unroll the net first, net.unrolled(steps)")
        net: Any = None
        for source, weights, bias in self.products:
            part = linear(outs[source], p[weights], None if bias is None else p[bias])
            net = part if net is None else net + part
        if net is None:  # nothing but biases, or nothing at all
            patterns = np.shape(next(iter(outs.values())))[:-1]
            net = np.zeros((*patterns, self.n), next(iter(p.values())).dtype)
        for bias in self.biases:
            net = net + p[bias]
        return net


@explained("Network([Cluster('x', 2), …], [Connector('x', 'y'), …])")
class Network:
    """A network of any topology: what its clusters compute, and its weights.

        in_j = Σ_i w_ji out_i + b_j,   out_j = f(in_j)

    clusters, connectors: as in the example; or a Topology as the first, and no connectors. inputs, outputs: names
    of clusters, by default those that no connector leads to or from. init: the rule for the first weights, a name
    of `nn.init`; rng: a Generator or a seed for it; dtype: of the weights. weights: those of another network of the
    same shapes, to share them.
    Raises ValueError, naming it, for whatever does not fit together, TypeError for what is no list of clusters or of
    connectors (see `nn.topology`). Source: C4, C5, C6.

    >>> net = Network(
    ...     [Cluster("x", 2), Cluster("hidden", 8, "tanh"), Cluster("y", 1)],
    ...     [Connector("x", "hidden"), Connector("one", "hidden"), Connector("hidden", "y"), Connector("x", "y")],
    ... )
    >>> net(np.zeros((5, 2))).shape, list(net.parameters)
    ((5, 1), ['W1', 'b1', 'W2', 'W3'])
    """

    def __init__(
        self,
        clusters: Iterable[Cluster] | Topology,
        connectors: Iterable[Connector] = (),
        *,
        inputs: Iterable[str] = (),
        outputs: Iterable[str] = (),
        init: str = "lecture",
        rng: np.random.Generator | int = 0,
        dtype: Any = np.float64,
        weights: Weights | None = None,
    ) -> None:
        if isinstance(clusters, Topology):
            if isinstance(connectors, Connector) or any((*connectors, *inputs, *outputs)):
                raise ValueError("a Topology has its connectors, inputs and outputs; give it alone")
            self.topology = clusters
        else:
            # Topology makes tuples of them, and one name of a text
            self.topology = Topology(clusters, connectors, inputs, outputs)  # type: ignore[arg-type]
        self.steps: int | None = None
        self.stacks = False  # whether outputs are stacked along the time steps
        self.init = init
        self.metaparameters: dict[str, Any] = {}  # what it was trained with last, as plain data; saved with it
        self._plan = [_Step.of(self.topology, name) for name in self.topology.order if name not in self.topology.inputs]
        if weights is None:
            self.weights = Weights(self.topology.shapes, dtype)
            shapes, together = self.topology.shapes, self.topology.side_by_side()
            self.weights.fill(initial_weights(init, shapes, rng, together, self.weights.dtype))
        else:
            if any(weights.shapes.get(name) != shape for name, shape in self.topology.shapes.items()):
                raise ValueError(
                    f"weights of shapes {weights.shapes} do not fit a net that needs {self.topology.shapes}"
                )
            self.weights = weights

    # the weights
    @property
    def w(self) -> np.ndarray:
        """All weights as one packed vector, a read-only view; `assign` writes it."""
        return self.weights.w

    @property
    def g(self) -> np.ndarray:
        """The gradient that `collect` found last at these weights, packed like w, a read-only view; else zeros."""
        return self.weights.g

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """Name → weights, read-only views into w: W1, b1, …."""
        return self.weights.parameters

    @property
    def leaves(self) -> dict[str, Tensor]:
        """Name → the weights as Tensors that require a gradient: net(x, net.leaves) records."""
        return self.weights.leaves

    def assign(self, values: Array | Mapping[str, Array]) -> None:
        """Write new weights, one packed vector or arrays by name; graphs built before refuse to go backward.

        Raises ValueError for another shape or an unknown name, TypeError inside transforms and recordings.
        """
        self.weights.assign(values)

    def collect(self) -> np.ndarray:
        """The gradients that arrived at the leaves, moved into g; zeros where none did.

        Raises RuntimeError where a leaf was written by itself, ValueError where one set by hand does not fit its leaf.
        """
        return self.weights.collect()

    # what it computes
    def __call__(self, x: Any, parameters: Mapping[str, Array] | None = None) -> Any:
        """The net's outputs for patterns x.

        x: (T, n) for a net with one input; a dict name → (T, n) for several; (T, steps, n) for one unrolled over time.
        parameters: arrays or Tensors under the names of `net.parameters`, which are used where none are given.
        Returns (T, m) for one output, a dict for several, (T, steps, m) for one unrolled. Arrays in, arrays out,
        and nothing is recorded. Raises ValueError for inputs or parameters that do not fit. Source: C1, C5, C6.
        """
        return self._outputs(self.activity(x, parameters))

    def _outputs(self, outs: Mapping[str, Any]) -> Any:
        """Of the outputs of all clusters, by name, those that calling the net returns."""
        wanted = self.topology.outputs
        if self.steps is None:
            return outs[wanted[0]] if len(wanted) == 1 else {name: outs[name] for name in wanted}
        over_time = _by_cluster(wanted)
        if self.stacks:
            found = {name: np.stack([outs[copy] for copy in copies], axis=-2) for name, copies in over_time.items()}
        else:
            found = {name: outs[copies[-1]] for name, copies in over_time.items()}
        return next(iter(found.values())) if len(found) == 1 else found

    def activity(self, x: Any, parameters: Mapping[str, Array] | None = None) -> dict[str, Any]:
        """The outputs out_j of every cluster by name, (T, n) each; arguments and errors as for calling the net."""
        outs = self.inputs_of(x)
        if parameters is None:
            # what is recorded must notice when the weights are written later on
            recorded = any(isinstance(a, Tensor) for a in outs.values())
            p: Mapping[str, Array] = self.weights.constants if recorded else self.parameters
        else:
            if not self.weights.are_leaves(parameters):
                must_fit(parameters, self.weights.shapes)
            p = parameters
        for step in self._plan:
            outs[step.cluster] = step.f(step.net_input(outs, p))
        return outs

    def error_and_signals(
        self, x: Any, target: Any, loss: str | Loss = "squared_error"
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """The error E of patterns, recorded, and what it came from: in_j and out_j of every cluster by name.

        x: as for calling the net, one pattern a row; the error flows down to it too. target: of the shape of what the
        net returns, a dict where it returns one, whose errors are then added; loss: by name. in_j and out_j are Tensors
        (T, n), which the net's leaves led to; those of inputs are out_j alone. Raises ValueError for inputs or targets
        that do not fit. Source: C1.
        """
        measure = loss_of(loss) if isinstance(loss, str) else loss
        outs = self.inputs_of({k: _leaf(a) for k, a in x.items()} if isinstance(x, Mapping) else _leaf(x))
        for name, a in outs.items():
            if np.ndim(a) != 2:
                raise ValueError(f"{name} has shape {np.shape(a)}; it must be (T, n), a single pattern as x[None]")
        p, nets = self.leaves, {}
        for step in self._plan:
            nets[step.cluster] = step.net_input(outs, p)
            outs[step.cluster] = step.f(nets[step.cluster])
        found = self._outputs(outs)
        if not isinstance(found, dict):
            return measure(found, _array(target)), nets, outs
        if not isinstance(target, Mapping) or set(target) != set(found):
            raise ValueError(f"this net has several outputs: give targets as a dict with {', '.join(found)}")
        errors = [measure(out, _array(target[name])) for name, out in found.items()]
        return sum(errors[1:], errors[0]), nets, outs

    def inputs_of(self, x: Any) -> dict[str, Any]:
        """What each input cluster gets of x, by name, without a run; arguments and errors as for calling the net."""
        names = self.topology.inputs
        usual = len(names) == 1 and self.steps is None and type(x) in (np.ndarray, Tensor)
        if usual and x.shape[-1:] == (self.topology[names[0]].n,):
            return {names[0]: x}  # in little time
        sequences = {} if self.steps is None else _by_cluster(names)
        if isinstance(x, Mapping):
            given = {name: _array(a) for name, a in x.items()}
        else:
            wanted = names if self.steps is None else tuple(sequences)
            if len(wanted) > 1:
                raise ValueError(
                    f"this net has several inputs: give a dict with {', '.join(wanted)}{self.topology.unasked(wanted)}"
                )
            given = {wanted[0]: _array(x)}
        if sequences and set(given) == set(sequences):
            given = {copy: a for name in sequences for copy, a in self._over_time(given[name], sequences[name]).items()}
        if set(given) != set(names):
            missing = self.topology.unasked(name for name in names if name not in given)
            raise ValueError(f"inputs {', '.join(map(str, given))} were given, the net has {', '.join(names)}{missing}")
        for name, a in given.items():
            n = self.topology[name].n
            if np.shape(a)[-1:] != (n,):
                which = "x" if len(names) == 1 else f"x[{name!r}]"
                raise ValueError(
                    f"{which} has shape {np.shape(a)}, but the net has {n} inputs: the last axis must be {n}"
                )
        if len({np.shape(a)[:-1] for a in given.values()}) > 1:
            shapes = ", ".join(f"{name} {np.shape(a)}" for name, a in given.items())
            raise ValueError(f"the inputs have different numbers of patterns: {shapes}")
        return given

    def _over_time(self, x: Array, copies: list[str]) -> dict[str, Array]:
        """What each copy of an input cluster gets of a sequence (T, steps, n)."""
        n = self.topology[copies[0]].n
        if np.shape(x)[-2:] != (self.steps, n):
            raise ValueError(
                f"x has shape {np.shape(x)}, but the net is unrolled over {self.steps} steps: (T, {self.steps}, {n})"
            )
        return {copy: x[..., t, :] for t, copy in enumerate(copies)}

    # three views of one thing
    def equations(self, loss: str = "squared_error") -> Equations:
        """Forward pass, δ and Δw of exactly this net, as plain text and as LaTeX (see `show.equations`). Source: C4."""
        from ..show.equations import equations

        return equations(self, loss)

    def algorithm(self, loss: str = "squared_error") -> Algorithm:
        """The local steps in order, each with what it reads and writes (see `show.algorithm`). Source: C4."""
        from ..show.algorithm import algorithm

        return algorithm(self, loss)

    def draw(self, loss: str = "squared_error") -> str:
        """The net as an SVG picture: signals flow up, errors down (see `show.drawing`). Source: C4."""
        from ..show.drawing import draw

        return draw(self, loss)

    def _repr_svg_(self) -> str:
        return self.draw()

    # other nets with the same weights
    def blocked(self, *weights: str) -> Network:
        """The net with the connectors of these weights blocked, sharing its weights: neither signal nor error passes.

        Raises ValueError for unknown weights. Source: C5.
        """
        return self._with(self.topology.blocked(*weights), self.steps, self.stacks)

    def unrolled(self, steps: int, outputs: str = "all") -> Network:
        """The net over time steps, sharing its weights: every cluster once for each step (see `Topology.unrolled`).

        Called with a sequence (T, steps, n), it gives (T, steps, m); with outputs="last", (T, m). For several inputs
        or outputs dicts of them, by the clusters' names. Raises ValueError for fewer than one step, and for a net
        that is unrolled already. Source: C5.
        """
        if self.steps is not None:
            raise ValueError(f"this net is unrolled already, over {self.steps} steps; unroll the one it was made from")
        return self._with(self.topology.unrolled(steps, outputs), steps, outputs == "all")

    def _with(self, topology: Topology, steps: int | None, stacks: bool) -> Network:
        net = Network(topology, weights=self.weights, init=self.init)
        net.steps, net.stacks, net.metaparameters = steps, stacks, self.metaparameters
        return net

    def __repr__(self) -> str:
        clusters = ", ".join(f"{c.name}: {c.n} {c.activation}" for c in self.topology.clusters)
        return f"Network({clusters}; {', '.join(map(str, self.topology.connectors))})"


def _array(x: Any) -> Any:
    return x if isinstance(x, Tensor) else np.asarray(x)


def _leaf(x: Any) -> Any:
    """Inputs as a Tensor that an error flows down to."""
    if isinstance(x, Tensor):
        return x
    a = np.asarray(x)
    return Tensor(a if a.dtype.kind == "f" else a.astype(float), requires_grad=True)


def _by_cluster(copies: Iterable[str]) -> dict[str, list[str]]:
    """The copies over time under the name of the cluster that they are copies of."""
    found: dict[str, list[str]] = {}
    for copy in copies:
        found.setdefault(copy.rpartition("[")[0], []).append(copy)
    return found
