"""Nested containers of arrays: taken apart into a flat list of leaves, and put together again.

Tuples (named ones too), lists, dicts and dataclasses are containers, None is an empty one;
everything else is a leaf.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

Rebuild = Callable[[list[Any]], Any]


def flatten(tree: Any, path: str = "") -> tuple[list[Any], list[str], Rebuild]:
    """The leaves of a nested container in order, their paths like "[0]['W1']", and how to rebuild it.

    The rebuilding function takes as many new leaves, and gives a container of the same form.
    """
    children, build = _open(tree)
    if children is None:
        return [tree], [path], lambda new: new[0]
    leaves: list[Any] = []
    paths: list[str] = []
    parts: list[tuple[int, int, Rebuild]] = []
    for label, child in children:
        some, their_paths, rebuild = flatten(child, path + label)
        parts.append((len(leaves), len(leaves) + len(some), rebuild))
        leaves += some
        paths += their_paths
    return leaves, paths, lambda new: build([rebuild(new[start:stop]) for start, stop, rebuild in parts])


def tree_map(fn: Callable[[Any], Any], tree: Any) -> Any:
    """The container with fn applied to every leaf."""
    leaves, _, rebuild = flatten(tree)
    return rebuild([fn(leaf) for leaf in leaves])


def _open(tree: Any) -> tuple[list[tuple[str, Any]] | None, Rebuild]:
    """The labelled children of a container and how to put new ones in their place; None for a leaf."""
    kind = type(tree)
    if tree is None:
        return [], _nothing
    if isinstance(tree, dict):
        return [(f"[{key!r}]", child) for key, child in tree.items()], lambda new: _as_dict(tree, new)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(f".{name}", child) for name, child in zip(tree._fields, tree, strict=True)], lambda new: kind(*new)
    if isinstance(tree, tuple | list):
        return [(f"[{i}]", child) for i, child in enumerate(tree)], lambda new: kind(new)
    if is_dataclass(tree) and not isinstance(tree, type):
        names = [f.name for f in fields(tree)]
        return [(f".{name}", getattr(tree, name)) for name in names], lambda new: _as_dataclass(kind, names, new)
    return None, _nothing


def _nothing(_: list[Any]) -> None:
    return None


def _as_dict(old: dict[Any, Any], values: list[Any]) -> dict[Any, Any]:
    new = old.copy()
    new.update(zip(old, values, strict=True))
    return new


def _as_dataclass(kind: type, names: list[str], values: list[Any]) -> Any:
    """A dataclass with these fields; its checks have seen the original, and are not run on Tensors."""
    new: Any = object.__new__(kind)
    for name, value in zip(names, values, strict=True):
        object.__setattr__(new, name, value)
    return new
