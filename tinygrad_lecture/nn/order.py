"""The order in which signals flow through clusters: each after all that feed it."""

from __future__ import annotations

from collections.abc import Mapping


def in_order(feeds: Mapping[str, set[str]]) -> tuple[str, ...]:
    """The names so that each comes after those that feed it, otherwise in the order in which they were given.

    feeds: name → the names of those that feed it. Raises ValueError, naming a cycle, where there is one. Source: C5.

    >>> in_order({"y": {"h"}, "h": {"x"}, "x": set()})
    ('x', 'h', 'y')
    """
    place = {name: i for i, name in enumerate(feeds)}
    missing = {name: len(sources) for name, sources in feeds.items()}
    fed_by: dict[str, list[str]] = {name: [] for name in feeds}
    for name, sources in feeds.items():
        for source in sources:
            fed_by[source].append(name)
    order: list[str] = []
    ready = [name for name in feeds if not missing[name]]
    while ready:
        order += ready
        reached: set[str] = set()
        for name in ready:
            for target in fed_by[name]:
                missing[target] -= 1
                if not missing[target]:
                    reached.add(target)
        ready = sorted(reached, key=place.__getitem__)
    if len(order) < len(feeds):
        done = set(order)
        path = _cycle({name: feeds[name] - done for name in feeds if name not in done})
        raise ValueError(
            f"the connectors form a cycle, {' → '.join(path)}: give one of them delay=1 and unroll the net"
        )
    return tuple(order)


def _cycle(feeds: dict[str, set[str]]) -> list[str]:
    """A cycle among names each of which is fed by another of them, in the direction of the signals."""
    path = [next(iter(feeds))]
    seen = {path[0]}
    while True:
        source = min(feeds[path[-1]])
        path.append(source)
        if source in seen:
            return path[path.index(source) :][::-1]
        seen.add(source)
