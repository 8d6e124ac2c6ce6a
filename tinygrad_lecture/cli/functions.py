"""Commands on a function of the user's: check its gradient, trace its error flow, or that of a saved net."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .common import FAILED, UsageError

Function = Callable[..., Any]


def run_check(options: argparse.Namespace) -> int:
    """Print the table of the gradient check; 1 where a derivative does not hold."""
    from ..verify.gradcheck import gradcheck
    from ..verify.ladder import RUNGS, USUAL

    rungs = options.rungs.split(",") if options.rungs else USUAL
    if not set(rungs) <= set(RUNGS):
        raise UsageError(f"--rungs takes some of {', '.join(RUNGS)}, with commas between, not {options.rungs}")
    function, arguments = _function_and_arguments(options)
    result = gradcheck(function, *arguments, order=options.order, rungs=rungs, raise_on_fail=False)
    print(result)
    return 0 if result else FAILED


def run_trace(options: argparse.Namespace) -> int:
    """Print the error flow of the function at its arguments, or of the saved net at the data."""
    if options.data is not None:
        from .learning import trace_of_model

        print(trace_of_model(options))
        return 0
    if options.pattern is not None:
        raise UsageError("--pattern is of the data that a saved net is traced with: give --data too")
    from ..engine.tensor import Tensor
    from ..engine.tree import tree_map
    from ..show.trace import trace

    function, arguments = _function_and_arguments(options)
    leaves = [tree_map(_leaf, a) for a in arguments]
    names = {n: t for n, t in zip(_names(function), leaves, strict=False) if type(t) is Tensor and n != "err"}
    y = function(*leaves)
    if type(y) is not Tensor:
        raise UsageError(f"{options.what}: it returned {type(y).__name__}, which depends on none of its arguments")
    print(trace(y, None if np.shape(y) == () else np.ones(np.shape(y), y.dtype), **names))
    return 0


def _leaf(a: Any) -> Any:
    """Floating arguments as leaves, all others as they are."""
    from ..engine.tensor import Tensor

    floating = isinstance(a, float) or (isinstance(a, np.ndarray) and a.dtype.kind == "f")
    return Tensor(a, requires_grad=True) if floating else a


def _function_and_arguments(options: argparse.Namespace) -> tuple[Function, tuple[Any, ...]]:
    """The function that FILE.py:FUNCTION names, and what to call it with."""
    file, colon, name = options.what.rpartition(":")
    if not colon and Path(file or name).suffix in (".npz", ".safetensors"):
        raise UsageError(f"{options.what} is a saved net: trace it with --data, it has no gradient to check")
    if not colon or not file or not name:
        raise UsageError(f"write FILE.py:FUNCTION, as in model.py:error, not {options.what!r}")
    module = _module(Path(file))
    function = getattr(module, name, None)
    if not callable(function):
        there = [n for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__]
        raise UsageError(f"{file} has no function {name!r}; it has {', '.join(there) or 'none'}")
    if hasattr(module, "example_args") and not options.shape:
        given = module.example_args()
        return function, given if isinstance(given, tuple) else (given,)
    return function, _random_arguments(function, options)


def _module(path: Path) -> ModuleType:
    """The file as a module, which can import what lies beside it."""
    from importlib.util import module_from_spec, spec_from_file_location

    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    spec = spec_from_file_location(f"_checked_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file: its name must end in .py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def _names(function: Function) -> list[str]:
    """The names of the arguments that have no default."""
    needed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind in needed and p.default is inspect.Parameter.empty]


def _random_arguments(function: Function, options: argparse.Namespace) -> tuple[Any, ...]:
    """Normal random numbers of the shapes asked for, or of the first shape that the function takes for all."""
    names, rng = _names(function), np.random.default_rng(options.seed)
    if options.shape:
        shapes = [_shape(text) for text in options.shape]
        if len(shapes) != len(names):
            raise UsageError(f"{len(shapes)} times --shape, but the arguments are {', '.join(names) or 'none'}")
        return tuple(_random(rng, shape) for shape in shapes)
    first: Exception | None = None
    for shape in _guesses():
        arguments = tuple(_random(rng, shape) for _ in names)
        try:
            function(*arguments)
        except Exception as error:  # the shape does not suit it; what it says of the first is told below
            first = first or error
        else:
            return arguments
    raise UsageError(
        f"{options.what}: no random arguments suited it, with vectors it raised {type(first).__name__}: {first}; "
        "give --shape for each argument, or let example_args() in that file return them"
    )


def _guesses() -> Iterator[tuple[int, ...]]:
    yield from ((3,), (), (3, 3), (1,), (2, 3, 4))


def _random(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.normal(size=shape) if shape else float(rng.normal())


def _shape(text: str) -> tuple[int, ...]:
    if text == "-":
        return ()
    try:
        shape = tuple(int(n) for n in text.split("x"))
    except ValueError:
        shape = (0,)
    if min(shape) < 1:
        raise UsageError(f"--shape must be like 3 or 2x3, or - for a number, not {text!r}")
    return shape
