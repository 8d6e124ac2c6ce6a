"""Names that do not exist, of an argument or in a table: errors say which do, and which of them is meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

ELSEWHERE = {
    **dict.fromkeys(("lr", "learning_rate", "learning_rate_init", "step_size"), "eta"),
    **dict.fromkeys(("seed", "random_state", "key"), "rng"),
    **dict.fromkeys(("optimizer", "solver"), "rule"),
    **dict.fromkeys(("criterion", "loss_fn"), "loss"),
    **dict.fromkeys(("max_iter", "n_epochs"), "epochs"),
    **dict.fromkeys(("layers", "hidden_layer_sizes"), "sizes"),
    **dict.fromkeys(("units", "size", "neurons"), "n"),
    **dict.fromkeys(("act", "nonlinearity"), "activation"),
    "momentum": "beta",
    "betas": "beta1",
    "eps": "epsilon",
    "wrt": "argnums",
    "validation_data": "validation",
    "verbose": "progress",
    "sgd": "gradient_descent",
    "sigmoid": "logistic",
    "linear": "identity",
    "mse": "mean_squared",
    "bce": "binary_cross_entropy",
    "xavier": "glorot_uniform",
    "kaiming": "he_uniform",
}
"""What other libraries call what has another name here."""


def nearest(name: str, among: Iterable[str], n: int = 1) -> list[str]:
    """The names that are meant by one that does not exist, n at most; none where none is close."""
    from difflib import get_close_matches

    among = list(among)
    meant = ELSEWHERE.get(name.lower(), "")
    return [meant] if meant in among else get_close_matches(name.lower(), among, n, cutoff=0.8)


def chosen(table: Mapping[str, T], what: str, name: Any) -> T:
    """The entry of a table by its name. Raises ValueError, naming those that exist, for any other."""
    if isinstance(name, str) and name in table:
        return table[name]
    meant = nearest(name, table) if isinstance(name, str) else [key for key, entry in table.items() if entry is name]
    say = f"perhaps {meant[0]!r} is meant; " if meant else ""
    raise ValueError(f"unknown {what} {name!r}; {say}choose one of {', '.join(table)}")


def explained(example: str = "", **instead: str) -> Callable[[F], F]:
    """A decorator: who calls the function or class with other arguments than it has is told how it is called.

    example: a right call, for who gives too many or too few; instead: what to write for an argument that others have.
    """

    def decorate(called: Any) -> Any:
        run = vars(called)["__init__"] if isinstance(called, type) else called

        @wraps(run)
        def asked(*args: Any, **kwargs: Any) -> Any:
            try:
                return run(*args, **kwargs)
            except TypeError as error:
                if error.__traceback__ and error.__traceback__.tb_next:
                    raise  # it was called as it should be, and failed later
                given = args[1:] if run is not called else args
                raise TypeError(_told(called, given, kwargs, example, instead)) from None

        if run is called:
            return asked
        called.__init__ = asked
        return called

    return decorate


def _told(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any], example: str, instead: Mapping[str, str]) -> str:
    """What is wrong with a call, and a right one."""
    from inspect import Parameter, signature

    name, known = called.__name__, signature(called)
    bare = [p.replace(annotation=Parameter.empty) for p in known.parameters.values()]
    form = known.replace(parameters=bare, return_annotation=known.empty)
    right = name + re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", str(form))
    for key in kwargs:
        if key not in known.parameters:
            meant = nearest(key, known.parameters)
            way_out = instead.get(key) or instead.get(ELSEWHERE.get(key, "")) or (f"write {meant[0]}=" if meant else "")
            return f"{name} has no argument {key!r}{': ' * bool(way_out)}{way_out}; it is called as {right}"
    try:
        known.bind(*args, **kwargs)
    except TypeError as error:
        return f"{name}: {error}; it is called as {example or right}"
    raise AssertionError(f"{name} was called as it should be")
