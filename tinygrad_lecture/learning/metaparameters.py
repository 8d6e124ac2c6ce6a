"""Metaparameters: every choice of C16 as one named field of one place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ..misnamed import explained, nearest
from ..nn.activations import ACTIVATIONS
from ..nn.init import INITS
from ..nn.losses import LOSSES
from ..nn.mlp import MLP
from ..nn.network import Network
from ..nn.topology import ONE, Cluster, Connector, Topology
from .fields import COUNT, NOT_NEGATIVE, Checked, flag, named, number, whole, whole_number
from .rules import RULES, Rule
from .rules import rule as rule_of
from .schedules import SCHEDULES, Schedule
from .schedules import schedule as schedule_of

SCHEMA = 1
"""The version of the JSON form; another one is refused."""

DTYPES = ("float64", "float32")

Pairs = tuple[tuple[str, str], ...]


@explained(rng="write seed=", sizes="write hidden=")
@dataclass(frozen=True, slots=True)
class Metaparameters(Checked):
    """Every choice that is made before learning begins: the topology, and how it learns.

    Topology. hidden: neurons of each hidden layer, (8,) for one layer of 8, () for none; activation: of the hidden
    layers, one name or one for each; output: activation of the outputs; bias: whether layers have one. The clusters are
    in, hid1, hid2, …, out, and "one", which is always 1. skips: connectors beyond those from layer to layer, as
    (("in", "out"),); blocked: connectors that let nothing pass, as (("one", "hid1"),).
    Learning. loss: by name; init: the rule for the first weights; rule: the learning rule, by name, as a dict with its
    fields, or itself; eta: η in place of the rule's own; schedule: η by the number of the update, as a dict or
    itself, in place of both; batch_size: 1 pattern by pattern, None all at once; epochs: how often each pattern is
    met; dtype: "float64" or "float32"; seed: of the first weights and of the order of the patterns.

    Raises ValueError, or TypeError for another type, which names the field, the value and what is allowed.
    Source: C16.

    >>> m = Metaparameters(hidden=(12, 4), rule="momentum", eta=0.05)
    >>> m.learning_rule, m.network(3, 1)
    (Momentum(eta=0.05, beta=0.9), MLP(3-12-4-1, tanh, tanh, identity, bias=True))
    >>> Metaparameters.from_json(m.to_json()) == m
    True
    """

    hidden: tuple[int, ...] = (8,)
    activation: str | tuple[str, ...] = "tanh"
    output: str = "identity"
    bias: bool = field(default=True, metadata=flag())
    skips: Pairs = ()
    blocked: Pairs = ()
    loss: str = "squared_error"
    init: str = "lecture"
    rule: Any = "gradient_descent"
    eta: float | None = field(default=None, metadata=number(NOT_NEGATIVE, optional=True))
    schedule: Any = None
    batch_size: int | None = 32
    epochs: int = field(default=100, metadata=whole(NOT_NEGATIVE))
    dtype: str = "float64"
    seed: int = field(default=0, metadata=whole(NOT_NEGATIVE))

    def _must_agree(self) -> None:
        _set(self, hidden=_sizes(self.hidden))
        self._check_names()
        _set(self, rule=_made("rule", self.rule, Rule, RULES, rule_of))
        if self.schedule is not None:
            _set(self, schedule=_made("schedule", self.schedule, Schedule, SCHEDULES, schedule_of))
        if self.batch_size is not None:
            _set(self, batch_size=whole_number(self.batch_size, "Metaparameters.batch_size", COUNT))
        if self.eta is not None and self.schedule is not None:
            raise ValueError(
                f"Metaparameters.eta must be None beside a schedule, not {self.eta!r}: the schedule says what η is"
            )
        _ = self.learning_rule  # which refuses an η out of the range of its rule
        _set(self, skips=_pairs("skips", self.skips), blocked=_pairs("blocked", self.blocked))
        self._check_connectors()

    def _check_names(self) -> None:
        several = self.activation if isinstance(self.activation, list | tuple) else [self.activation]
        for name in several:
            _one_of("activation", name, ACTIVATIONS)
        if isinstance(self.activation, list | tuple):
            if len(self.activation) != len(self.hidden):
                raise ValueError(
                    f"Metaparameters.activation must be one name, or one for each of the {len(self.hidden)} hidden "
                    f"layers, not {tuple(self.activation)!r}"
                )
            _set(self, activation=tuple(self.activation))
        if not isinstance(self.dtype, str):
            _set(self, dtype=np.dtype(self.dtype).name)
        for name, allowed in (("output", ACTIVATIONS), ("loss", LOSSES), ("init", INITS), ("dtype", DTYPES)):
            _one_of(name, getattr(self, name), allowed)

    def _check_connectors(self) -> None:
        names = self.clusters
        there: list[tuple[str, str]] = list(pairwise(names))
        for source, target in self.skips:
            forward = [name for name in names[1:] if source in names and names.index(name) > names.index(source)]
            if target not in forward:
                raise ValueError(
                    f"Metaparameters.skips must lead from a cluster to a later one of {', '.join(names)}, "
                    f"not {(source, target)!r}"
                )
            if (source, target) in there:
                raise ValueError(f"Metaparameters.skips must be new connectors; {(source, target)!r} is there already")
            there.append((source, target))
        there += [(ONE, target) for target in names[1:]] * self.bias
        for pair in self.blocked:
            _one_of("blocked", pair, there)

    @property
    def clusters(self) -> tuple[str, ...]:
        """The names of the clusters: in, hid1, hid2, …, out."""
        return ("in", *(f"hid{i + 1}" for i in range(len(self.hidden))), "out")

    @property
    def learning_rule(self) -> Rule:
        """The learning rule with the η that holds."""
        rule: Rule = self.rule
        return rule if self.eta is None else replace(rule, eta=self.eta)

    def generators(self) -> tuple[np.random.Generator, np.random.Generator]:
        """One generator for the first weights and one for the order of the patterns, both from the seed.

        They are apart, so that nets of different size meet the patterns in the same order.
        """
        first, second = np.random.SeedSequence(self.seed).spawn(2)
        return np.random.default_rng(first), np.random.default_rng(second)

    def network(self, n_inputs: int, n_outputs: int, rng: np.random.Generator | int | None = None) -> Network:
        """The net of this topology, with its first weights.

        n_inputs, n_outputs: neurons of in and out; rng: for the weights, by default from the seed.
        Weights of skips are drawn last: nets with and without them begin with the same draws for all others, scaled to
        how many sources a neuron has where the rule goes by that.
        """
        rng = self.generators()[0] if rng is None else rng
        sizes = [n_inputs, *self.hidden, n_outputs]
        if isinstance(self.activation, str) and not self.skips and not self.blocked:
            return MLP(sizes, self.activation, self.output, self.bias, rng, self.init, self.dtype)
        names, several = self.clusters, self.activation
        hidden = (several,) * len(self.hidden) if isinstance(several, str) else several
        clusters = [Cluster(*c) for c in zip(names, sizes, ("identity", *hidden, self.output), strict=True)]
        connectors: list[Connector] = []
        for below, above in pairwise(names):
            pairs = [(below, above), (ONE, above)] if self.bias else [(below, above)]
            connectors += [Connector(*pair, blocked=pair in self.blocked) for pair in pairs]
        connectors += [Connector(*pair, blocked=pair in self.blocked) for pair in self.skips]
        topology = Topology(tuple(clusters), tuple(connectors), inputs=("in",), outputs=("out",))
        return Network(topology, init=self.init, rng=rng, dtype=self.dtype)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain data for JSON, and the version of this form under "schema"."""
        data: dict[str, Any] = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        data["rule"] = named(RULES, self.rule)
        data["schedule"] = None if self.schedule is None else self.schedule.to_dict()
        return {"schema": SCHEMA, **data}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Metaparameters:
        """The metaparameters that `to_dict` gave; fields that are missing have their defaults.

        Raises ValueError for an unknown field or another schema, else what the class raises.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"metaparameters must be an object with fields, not {data!r}")
        given = dict(data)
        schema = given.pop("schema", SCHEMA)
        if schema != SCHEMA or isinstance(schema, bool):
            raise ValueError(f"metaparameters of schema {schema!r} cannot be read here; this version reads {SCHEMA}")
        known(given)
        return cls(**given)

    def to_json(self) -> str:
        """All fields as JSON text, which people can read and edit."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Metaparameters:
        """The metaparameters of a JSON text. Raises ValueError for what is no JSON, else what `from_dict` raises."""
        return cls.from_dict(parsed(text))

    def changed(self, changes: Mapping[str, Any]) -> Metaparameters:
        """The same but for some fields. Raises ValueError for an unknown one, else what the class raises."""
        known(changes)
        return replace(self, **changes)


def parsed(text: str) -> Any:
    """What a JSON text says. Raises ValueError for what is no JSON, and for a field that is there twice."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ValueError(f"metaparameters: this is no JSON: {error}") from error


def known(given: Mapping[str, Any]) -> None:
    """Refuse fields that there are not, naming those that are."""
    names = [f.name for f in fields(Metaparameters)]
    for name in given:
        if name not in names:
            say = "".join(f": write {meant}" for meant in nearest(str(name), names))
            raise ValueError(f"metaparameters have no field {name!r}{say}; they have {', '.join(names)}")


def _set(m: Metaparameters, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(m, name, value)


def _sizes(hidden: Any) -> tuple[int, ...]:
    if isinstance(hidden, str) or not isinstance(hidden, Iterable):
        raise TypeError(f"Metaparameters.hidden must be sizes of layers, as (8,) or (12, 4), not {hidden!r}")
    return tuple(whole_number(n, "each size in Metaparameters.hidden", COUNT) for n in hidden)


def _one_of(name: str, value: Any, allowed: Iterable[Any]) -> None:
    listed = list(allowed)
    if value not in listed:
        raise ValueError(f"Metaparameters.{name} must be one of {', '.join(map(str, listed))}, not {value!r}")


def _pairs(name: str, given: Any) -> Pairs:
    """Pairs of cluster names, each once."""
    example = '(("in", "out"),)'
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"Metaparameters.{name} must be pairs (source, target), as {example}, not {given!r}")
    pairs: list[tuple[str, str]] = []
    for pair in given:
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(end, str) for end in pair)):
            raise TypeError(f"Metaparameters.{name} must be pairs (source, target), as {example}, not {given!r}")
        if tuple(pair) in pairs:
            raise ValueError(f"Metaparameters.{name} must name each connector once; {tuple(pair)!r} is there twice")
        pairs.append((pair[0], pair[1]))
    return tuple(pairs)


def _made(name: str, given: Any, kind: type, table: Mapping[str, Any], make: Any) -> Any:
    """A rule or a schedule from its name, from a dict with its name and fields, or as it is."""
    if isinstance(given, str):
        _one_of(name, given, table)
        given = {"name": given}
    if isinstance(given, Mapping):
        if "name" not in given:
            raise ValueError(f"Metaparameters.{name} must have a name, one of {', '.join(table)}; it is {given!r}")
        return make(**given)
    if not isinstance(given, kind) or type(given) not in table.values():
        raise TypeError(
            f"Metaparameters.{name} must be one of {', '.join(table)}, a dict with a name and fields, or such a "
            f"{kind.__name__.lower()} itself, not {given!r}"
        )
    return given


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names are all different: of two, one would be lost without a word."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"metaparameters: the field {name!r} is there twice")
        found[name] = value
    return found
