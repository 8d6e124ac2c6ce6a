"""The topology of a network as data: clusters of neurons, and connectors from cluster to cluster.

It is validated once, when it is put together: every name known, every size fitting, no cycle within one time step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from operator import index
from typing import Any

from ..misnamed import explained
from .activations import activation
from .order import in_order

ONE = "one"
"""The cluster that is always 1: a connector from it is a bias."""


@explained()
@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of n neurons with one activation.

    name: any but "one", which is the cluster that is always 1; n: how many neurons; activation: a name of
    `nn.activations`, not used by inputs. Raises ValueError for a name, size or activation that cannot be. Source: C5.

    >>> Cluster("hidden", 8, "tanh").n
    8
    """

    name: str
    n: int
    activation: str = "identity"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"a cluster's name must be a text, not {self.name!r}")
        if self.name == ONE:
            raise ValueError(f"{ONE!r} is the cluster that is always 1; it is there already: connect from it")
        try:
            n = index(self.n)
        except TypeError as error:
            raise TypeError(f"cluster {self.name!r}: n must be a whole number, not {self.n!r}") from error
        if n < 1:
            raise ValueError(f"cluster {self.name!r} needs at least one neuron; n={n} was given")
        object.__setattr__(self, "n", n)
        activation(self.activation)


@explained()
@dataclass(frozen=True, slots=True)
class Connector:
    """A weight matrix from one cluster to another, of shape (n of target, n of source).

    source, target: names of clusters; "one" as the source makes it a bias, of shape (n of target,). weights: the
    name of its matrix: connectors with the same name share one; W1, W2, … and b1, b2, … by default.
    blocked: neither signal nor error passes. delay: from so many time steps ago: such a net is unrolled over time
    before it runs. Raises ValueError for a target "one" or a negative delay, TypeError for a name that is no text.
    Source: C5, C6.

    >>> Connector("x", "hidden")
    Connector(source='x', target='hidden', weights='', blocked=False, delay=0)
    """

    source: str
    target: str
    weights: str = ""
    blocked: bool = False
    delay: int = 0

    def __post_init__(self) -> None:
        for what in ("source", "target", "weights"):
            if not isinstance(getattr(self, what), str):
                raise TypeError(f"a connector's {what} must be a name, not {getattr(self, what)!r}")
        if self.target == ONE:
            raise ValueError(f"connector {self.source} → {ONE}: the cluster that is always 1 takes no input")
        if not isinstance(self.delay, int) or self.delay < 0:
            raise ValueError(f"connector {self.source} → {self.target}: delay must be 0, 1, 2, …, not {self.delay!r}")
        if self.source == ONE and self.delay:
            raise ValueError(f"connector {ONE} → {self.target}: what is always 1 has no delay")

    def __str__(self) -> str:
        late = f", delay {self.delay}" if self.delay else ""
        return f"{self.weights}: {self.source} → {self.target}{late}{', blocked' if self.blocked else ''}"


@explained("Topology([Cluster('x', 2), …], [Connector('x', 'y'), …])")
@dataclass(frozen=True)
class Topology:
    """Clusters and connectors that fit together.

    clusters, connectors: in any order; inputs, outputs: names of clusters; by default those that no connector
    leads to (blocked and delayed ones count), and those that none leads from (delayed ones count for inputs only).
    silent: clusters that nothing leads to though they are no inputs: their net input is 0.
    After construction: connectors have names of weights, `order` lists the clusters so that signals flow forward, and
    `shapes` gives the shape of every weight. Raises ValueError, naming it, for a name twice, an unknown cluster, sizes
    that do not fit, a cycle, a cluster that nothing reaches, TypeError for what is no list of such. Source: C4, C5.
    """

    clusters: tuple[Cluster, ...]
    connectors: tuple[Connector, ...]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    order: tuple[str, ...] = field(init=False, repr=False, compare=False)
    shapes: dict[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)
    _by_name: dict[str, Cluster] = field(init=False, repr=False, compare=False)
    _declared: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _into: dict[str, list[Connector]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for what, kind in (("clusters", Cluster), ("connectors", Connector)):
            _set(self, what, _all_of(kind, getattr(self, what), what))
        for what in ("inputs", "outputs", "silent"):
            given = getattr(self, what)
            if not isinstance(given, Iterable):
                raise TypeError(f"{what} must be names of clusters, as ('x',), not {given!r}")
            _set(self, what, (given,) if isinstance(given, str) else tuple(given))
        by_name = {c.name: c for c in self.clusters}
        if len(by_name) < len(self.clusters):
            raise ValueError(f"the cluster {_twice([c.name for c in self.clusters])!r} is there twice")
        for c in self.connectors:
            for name in (c.source, c.target):
                if name not in by_name and name != ONE:
                    raise ValueError(
                        f"connector {c.source} → {c.target}: there is no cluster {name!r}; there are "
                        f"{', '.join([*by_name, ONE])}"
                    )
        _set(self, "_by_name", by_name)
        _set(self, "connectors", _named(self.connectors))
        _set(self, "shapes", _shapes(self.connectors, by_name))
        _set(self, "_declared", self.inputs)
        _set(self, "inputs", self._ends("inputs", {c.target for c in self.connectors}))
        for c in self.connectors:
            if c.target in self.inputs:
                raise ValueError(f"connector {c} leads to the input {c.target!r}; an input is what you give it")
        _set(self, "order", _order(by_name, self.connectors, {*self.inputs, *self.silent}))
        sources = {c.source for c in self.connectors if not c.delay or c.source in self.inputs}
        _set(self, "outputs", self._ends("outputs", sources))  # after the order: a cycle has no outputs either
        into: dict[str, list[Connector]] = {name: [] for name in by_name}
        for c in self.connectors:
            if not c.blocked:
                into[c.target].append(c)
        _set(self, "_into", into)

    def __getitem__(self, name: str) -> Cluster:
        """The cluster of a name. Raises KeyError, naming those that exist, for any other."""
        if name not in self._by_name:
            raise KeyError(f"there is no cluster {name!r}; there are {', '.join(self._by_name)}")
        return self._by_name[name]

    def into(self, target: str) -> list[Connector]:
        """The connectors that lead to a cluster and let signals pass."""
        return self._into[target]

    def unasked(self, names: Iterable[str]) -> str:
        """For errors: that some of these clusters are inputs though nobody has said so; empty where none is."""
        found = [name for name in names if name in self.inputs and name not in self._declared]
        if not found:
            return ""
        are, them = ("is an input", "it") if len(found) == 1 else ("are inputs", "them")
        return f"; {', '.join(found)} {are} because no connector leads to {them}"

    def side_by_side(self) -> list[tuple[str, ...]]:
        """The matrices that feed one cluster together, for each cluster: its neurons sum over all their columns."""
        together = [[c.weights for c in self.into(name) if c.source != ONE] for name in self._by_name]
        return [tuple(dict.fromkeys(names)) for names in together if names]

    def _ends(self, what: str, taken: set[str]) -> tuple[str, ...]:
        given: tuple[str, ...] = getattr(self, what)
        for name in given:
            if name not in self._by_name:
                raise ValueError(f"{what}: there is no cluster {name!r}; there are {', '.join(self._by_name)}")
        if len(set(given)) < len(given):
            raise ValueError(f"{what}: the cluster {_twice(list(given))!r} is named twice")
        if what == "inputs":
            taken = taken | set(self.silent)
        found = given or tuple(name for name in self._by_name if name not in taken)
        if not found:
            raise ValueError(f"a network needs {what}: name the clusters that are, {what}=(…)")
        return found

    def blocked(self, *weights: str) -> Topology:
        """The same topology with all connectors of these weights blocked. Raises ValueError for unknown ones."""
        for name in weights:
            if name not in self.shapes:
                raise ValueError(f"there are no weights {name!r}; there are {', '.join(self.shapes)}")
        closed = tuple(replace(c, blocked=c.blocked or c.weights in weights) for c in self.connectors)
        return replace(self, connectors=closed)

    def unrolled(self, steps: int, outputs: str = "all") -> Topology:
        """The topology over time steps 1 … steps: a copy of every cluster for each, all sharing the weights.

        A connector with delay d leads from step t − d to step t, and from nothing where that is before the first.
        steps: how many; outputs: "all", an output at every step, or "last".
        Raises ValueError for fewer than one step. Source: C5.
        """
        if not isinstance(steps, int) or steps < 1 or outputs not in ("all", "last"):
            raise ValueError(
                f"unrolled needs at least one step and outputs 'all' or 'last', not {steps} and {outputs!r}"
            )
        times = range(1, steps + 1)
        last = times[-1:] if outputs == "last" else times
        soonest = {
            c.name: min((d.delay for d in self.connectors if d.target == c.name), default=0) for c in self.clusters
        }
        return Topology(
            tuple(replace(c, name=at(c.name, t)) for t in times for c in self.clusters),
            tuple(
                replace(c, source=at(c.source, t - c.delay), target=at(c.target, t), delay=0)
                for t in times
                for c in self.connectors
                if t - c.delay >= 1
            ),
            tuple(at(name, t) for t in times for name in self.inputs),
            tuple(at(name, t) for t in last for name in self.outputs),
            tuple(at(name, t) for t in times for name, delay in soonest.items() if t <= delay or name in self.silent),
        )


def at(name: str, t: int) -> str:
    """The name of a cluster's copy at time step t; what is always 1 needs no copies."""
    return name if name == ONE else f"{name}[{t}]"


def _set(topology: Topology, name: str, value: object) -> None:
    object.__setattr__(topology, name, value)


def _all_of(kind: type, given: Any, what: str) -> tuple[Any, ...]:
    """The given things as a tuple, if all are of the kind."""
    if not isinstance(given, Iterable):
        raise TypeError(f"{what} must be a list, [{kind.__name__}(…), …], not {given!r}")
    things = tuple(given)
    for thing in things:
        if not isinstance(thing, kind):
            raise TypeError(f"{what} must be {kind.__name__}(…), not {thing!r}")
    return things


def _twice(names: list[str]) -> str:
    return next(name for i, name in enumerate(names) if name in names[:i])


def _named(connectors: tuple[Connector, ...]) -> tuple[Connector, ...]:
    """The connectors with a name for the weights of each: W1, W2, … in order, biases b1, b2, …."""
    given = {c.weights for c in connectors}
    free = {"W": _free("W", given), "b": _free("b", given)}
    return tuple(
        c if c.weights else replace(c, weights=next(free["b" if c.source == ONE else "W"])) for c in connectors
    )


def _free(letter: str, given: set[str]) -> Iterator[str]:
    return (name for i in count(1) if (name := f"{letter}{i}") not in given)


def _shapes(connectors: tuple[Connector, ...], by_name: dict[str, Cluster]) -> dict[str, tuple[int, ...]]:
    """The shape of every weight. Raises ValueError where connectors that share one need different shapes."""
    shapes: dict[str, tuple[int, ...]] = {}
    for c in connectors:
        n = by_name[c.target].n
        shape = (n,) if c.source == ONE else (n, by_name[c.source].n)
        if shapes.setdefault(c.weights, shape) != shape:
            raise ValueError(
                f"connector {c} needs weights of shape {shape}, but {c.weights} is shared, of shape {shapes[c.weights]}"
            )
    return shapes


def _order(by_name: dict[str, Cluster], connectors: tuple[Connector, ...], starts: set[str]) -> tuple[str, ...]:
    """The clusters so that every one comes after those that feed it in the same time step.

    starts: those that nothing needs to lead to.
    """
    feeds: dict[str, set[str]] = {name: set() for name in by_name}
    for c in connectors:
        if not c.delay and c.source != ONE:
            feeds[c.target].add(c.source)
    order = in_order(feeds)
    fed = {c.target for c in connectors}
    for name in order:
        if name not in fed and name not in starts:
            raise ValueError(
                f"nothing leads to the cluster {name!r}, and it is no input; connect it or name it in inputs="
            )
    return order
