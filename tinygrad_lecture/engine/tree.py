"""Nested containers of arrays: taken apart into a flat list of leaves, and put together again.

Tuples (named ones too), lists, dicts and dataclasses are containers, None is an empty one;
everything else is a leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import is_
from typing import Any

import numpy as np

LEAVES = frozenset({np.ndarray, np.float64, np.float32, float, int})
"""What is most often a leaf, seen at one glance."""

Rebuild = Callable[[list[Any]], Any]


def flatten(tree: Any) -> tuple[list[Any], Rebuild]:
    """The leaves of a nested container in order, and how to rebuild it.

    The rebuilding function takes as many new leaves, and gives a container of the same form.
    """
    leaves: list[Any] = []
    _collect(tree, leaves)
    if type(tree) in (tuple, list) and len(leaves) == len(tree) and all(map(is_, leaves, tree)):
        return leaves, partial(_as_flat, type(tree), len(tree))
    return leaves, lambda new: _rebuilt(tree, iter(new))


def _as_flat(kind: Any, n: int, new: list[Any]) -> Any:
    """A container in which nothing is nested."""
    if len(new) != n:
        raise ValueError(f"{n} leaves are needed, {len(new)} were given")
    return kind(new)


def tree_map(fn: Callable[[Any], Any], tree: Any) -> Any:
    """The container with fn applied to every leaf."""
    leaves, rebuild = flatten(tree)
    return rebuild([fn(leaf) for leaf in leaves])


def paths(tree: Any, path: str = "") -> list[str]:
    """Where each leaf stands, like "[0]['W1']", in the order of `flatten`."""
    parts = _children(tree)
    if parts is None:
        return [path]
    labels = _labels(tree)
    return [p for label, part in zip(labels, parts, strict=True) for p in paths(part, path + label)]


def form(tree: Any) -> Any:
    """The kinds of containers, and what their parts are called: something hashable that differs where `paths` would."""
    kind = type(tree)
    parts = None if kind in LEAVES else _children(tree)
    if parts is None:
        return None
    inside = tuple([None if type(part) in LEAVES else form(part) for part in parts])
    return (kind, tuple(tree), tuple(map(type, tree)), inside) if isinstance(tree, dict) else (kind, inside)


def _children(tree: Any) -> list[Any] | None:
    """What a container holds; None for a leaf."""
    if isinstance(tree, dict):
        return list(tree.values())
    if isinstance(tree, tuple | list):
        return list(tree)
    if tree is None:
        return []
    names = _field_names(tree)
    return None if names is None else [getattr(tree, name) for name in names]


def _field_names(tree: Any) -> list[str] | None:
    """The names of a dataclass's fields; None for everything else."""
    known = getattr(type(tree), "__dataclass_fields__", None)
    return None if known is None else [n for n, f in known.items() if f._field_type.name == "_FIELD"]


def _labels(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        return [f"[{key!r}]" for key in tree]
    names = getattr(tree, "_fields", None) or _field_names(tree)
    return [f"[{i}]" for i in range(len(tree or ()))] if names is None else [f".{name}" for name in names]


def _collect(tree: Any, leaves: list[Any]) -> None:
    parts = None if type(tree) in LEAVES else _children(tree)
    if parts is None:
        leaves.append(tree)
        return
    for part in parts:
        if type(part) in LEAVES:
            leaves.append(part)
        else:
            _collect(part, leaves)


def _rebuilt(tree: Any, leaves: Iterator[Any]) -> Any:
    """A container of this form around the next leaves."""
    kind = type(tree)
    parts = None if kind in LEAVES else _children(tree)
    if parts is None:
        return next(leaves)
    new = [next(leaves) if type(part) in LEAVES else _rebuilt(part, leaves) for part in parts]
    if kind is tuple or kind is list:
        return kind(new)
    if kind is dict:
        return dict(zip(tree, new, strict=True))
    if tree is None:
        return None
    if isinstance(tree, dict):
        again = tree.copy()
        again.update(zip(tree, new, strict=True))
        return again
    if isinstance(tree, tuple | list):
        return kind(*new) if hasattr(tree, "_fields") else kind(new)
    # a dataclass: its checks have seen the original, and are not run on Tensors
    instance: Any = object.__new__(kind)
    for name, value in zip(_field_names(tree) or (), new, strict=True):
        object.__setattr__(instance, name, value)
    return instance
