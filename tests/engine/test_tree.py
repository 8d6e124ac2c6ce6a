"""Nested containers: taken apart and put together they are what they were, and forms tell them apart."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lecture.engine.tree import flatten, form, paths


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass(frozen=True)
class Data:
    a: Any
    b: Any


KEYS = st.sampled_from(["W", "b", 1, True, ("W", 1)])
LEAF = st.sampled_from([1.0, 2, np.float32(3.0), "text", np.ndarray])


def containers(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    few = st.lists(parts, max_size=3)
    dicts = st.dictionaries(KEYS, parts, max_size=3)
    two = [st.builds(kind, parts, parts) for kind in (Pair, Data)]
    return st.one_of(few, few.map(tuple), dicts, dicts.map(OrderedDict), *two, st.none())


TREES = st.recursive(LEAF, containers, max_leaves=8)


def kinds(tree: Any) -> Any:
    """What is left of a tree without its leaves, so that == compares the form: an oracle by plain recursion."""
    if isinstance(tree, dict):
        return type(tree), [(type(k), k, kinds(v)) for k, v in tree.items()]
    if isinstance(tree, tuple | list):
        return type(tree), [kinds(v) for v in tree]
    return (Data, kinds(tree.a), kinds(tree.b)) if isinstance(tree, Data) else "leaf" if tree is not None else None


@given(TREES)
def test_a_container_is_rebuilt_from_its_leaves(tree: Any) -> None:
    leaves, rebuild = flatten(tree)
    again = rebuild(leaves)
    assert kinds(again) == kinds(tree)
    assert all(a is b for a, b in zip(flatten(again)[0], leaves, strict=True))
    assert len(paths(tree)) == len(leaves)


@given(TREES, TREES)
def test_forms_are_equal_where_containers_are_alike_and_only_there(one: Any, other: Any) -> None:
    assert (form(one) == form(other)) == (kinds(one) == kinds(other))
    leaves, rebuild = flatten(one)
    again = rebuild([3.0] * len(leaves))
    assert form(again) == form(one)
    assert hash(form(again)) == hash(form(one))
