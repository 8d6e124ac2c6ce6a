"""Calls with arguments that do not exist, and names that stand in no table, are told which there are."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl
from tinygrad_lecture.learning.rules import RULES
from tinygrad_lecture.misnamed import ELSEWHERE, chosen, explained, nearest
from tinygrad_lecture.nn.activations import ACTIVATIONS
from tinygrad_lecture.nn.init import INITS
from tinygrad_lecture.nn.losses import LOSSES


@explained("draw(3, size=2)", width="say size=2")
def draw(n: int, *, size: int = 1, dtype: Any = np.float64) -> Any:
    """A function to call wrongly."""
    return n + size + None if n == 13 else n + size


@explained()
@dataclass(frozen=True)
class Point:
    x: float
    eta: float = 0.5


CALLS: dict[str, tuple[Any, str]] = {
    "a misspelt argument": (
        lambda: draw(1, sizes=2),
        "draw has no argument 'sizes': write size=; it is called as draw(n, *, size=1, dtype=float64)",
    ),
    "an argument like no other": (
        lambda: draw(1, frobnicate=2),
        "draw has no argument 'frobnicate'; it is called as draw(n, *, size=1, dtype=float64)",
    ),
    "an argument of others, with a way out": (
        lambda: draw(1, width=2),
        "draw has no argument 'width': say size=2; it is called as draw(n, *, size=1, dtype=float64)",
    ),
    "an argument as other libraries call it": (
        lambda: Point(1.0, lr=0.1),
        "Point has no argument 'lr': write eta=; it is called as Point(x, eta=0.5)",
    ),
    "too many": (lambda: draw(1, 2), "draw: too many positional arguments; it is called as draw(3, size=2)"),
    "too few": (lambda: Point(), "Point: missing a required argument: 'x'; it is called as Point(x, eta=0.5)"),
    "one twice": (
        lambda: Point(1.0, x=2.0),
        "Point: multiple values for argument 'x'; it is called as Point(x, eta=0.5)",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_who_calls_with_other_arguments_than_there_are_is_told_how_it_is_called(name: str) -> None:
    call, text = CALLS[name]
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "name",
    [
        *(kind.__name__ for kind in RULES.values()),
        *("Cluster", "Connector", "EarlyStopping", "MLP", "Metaparameters", "Network", "compare", "load", "train"),
        *("train_with", "grad", "value_and_grad", "vjp", "jvp", "jacobian", "hessian", "hvp", "per_pattern_grad"),
    ],
)
def test_what_is_called_to_build_to_learn_and_to_differentiate_says_how_it_is_called(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name} has no argument 'frobnicate'; it is called as {name}\("):
        getattr(tl, name)(frobnicate=1)


def test_an_error_from_within_comes_through_as_it_is() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        draw(13)


def test_what_is_explained_keeps_its_name_signature_and_pickles() -> None:
    assert (draw.__name__, draw.__doc__) == ("draw", "A function to call wrongly.")
    assert list(inspect.signature(draw).parameters) == ["n", "size", "dtype"]
    assert list(inspect.signature(Point).parameters) == ["x", "eta"]
    assert pickle.loads(pickle.dumps(tl.Adam(0.5))) == tl.Adam(0.5)
    assert pickle.loads(pickle.dumps(tl.grad)) is tl.grad


def test_the_entry_of_a_table_is_found_by_its_name_alone() -> None:
    table = {"tanh": np.tanh, "logistic": np.exp}
    assert chosen(table, "activation", "tanh") is np.tanh
    for given, text in {
        "Tanh": "unknown activation 'Tanh'; perhaps 'tanh' is meant; choose one of tanh, logistic",
        "sigmoid": "unknown activation 'sigmoid'; perhaps 'logistic' is meant; choose one of tanh, logistic",
        "what": "unknown activation 'what'; choose one of tanh, logistic",
        np.tanh: "unknown activation <ufunc 'tanh'>; perhaps 'tanh' is meant; choose one of tanh, logistic",
        None: "unknown activation None; choose one of tanh, logistic",
    }.items():
        with pytest.raises(ValueError, match="unknown") as caught:
            chosen(table, "activation", given)
        assert str(caught.value) == text
    with pytest.raises(ValueError, match=r"unknown activation \['tanh'\]; choose one of"):
        chosen(table, "activation", ["tanh"])


@pytest.mark.parametrize(
    ("name", "wanted"), [("cumsumm", ["cumsum"]), ("LR", ["eta"]), ("sum", []), ("", [])], ids=lambda x: repr(x)
)
def test_a_name_is_near_another_where_hardly_a_letter_is_different(name: str, wanted: list[str]) -> None:
    assert nearest(name, ["cumsum", "eta", "cumprod"]) == wanted


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_other_libraries_call_otherwise_exists_here_by_the_other_name(name: str) -> None:
    public = [getattr(tl, n) for n in tl.__all__]
    arguments = {p for f in public if not issubclass_of_error(f) for p in inspect.signature(f).parameters}
    entries = {*RULES, *ACTIVATIONS, *INITS, *LOSSES}
    assert ELSEWHERE[name] in arguments | entries


def issubclass_of_error(f: Any) -> bool:
    return isinstance(f, type) and issubclass(f, Exception)
