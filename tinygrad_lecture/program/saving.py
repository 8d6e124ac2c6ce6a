"""Programs as plain data, for files: equations by the names of their operations, arrays beside."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.op import OPS, Op
from ..engine.tree import flatten
from .program import Equation, Program, Spec, Static, Var

_TYPES = {"bool": bool, "int": int, "float": float, "str": str, "NoneType": type(None)}


def described(program: Program) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A program as JSON data, and its arrays by name.

    Raises TypeError for a function of one's own in it, or for results in containers other than tuples, lists and dicts.
    """
    arrays = {f"constant {v.number}": c for v, c in program.constants.items()}

    def plain(x: Any) -> Any:
        return _plain(x, arrays)

    for eq in program.equations:
        if _known().get(eq.op.name) is not eq.op:
            raise TypeError(f"save: {eq.op.name} in {program.name} is a function of your own, which a file cannot hold")
    info = {
        "name": program.name,
        "inputs": [v.number for v in program.inputs],
        "paths": list(program.paths),
        "static": [_argument(s) for s in program.static],
        "constants": [v.number for v in program.constants],
        "equations": [
            {
                "out": eq.out.number,
                "op": eq.op.name,
                "args": [plain(a) for a in eq.args],
                "options": {k: plain(v) for k, v in eq.options.items()},
                "shape": list(eq.shape),
                "dtype": eq.dtype.str,
            }
            for eq in program.equations
        ],
        "outputs": [plain(x) for x in program.outputs],
        "form": _form(program.rebuild([_Place(i) for i in range(len(program.outputs))])),
    }
    return info, arrays


def made_again(info: dict[str, Any], arrays: dict[str, np.ndarray]) -> Program:
    """The program that was described. Raises KeyError, TypeError or ValueError where it is none."""

    def back(x: Any) -> Any:
        return _back(x, arrays)

    known = _known()
    form = _container(info["form"])
    return Program(
        name=str(info["name"]),
        inputs=tuple(Var(int(n)) for n in info["inputs"]),
        paths=tuple(map(str, info["paths"])),
        static=tuple(_argument_again(s) for s in info["static"]),
        constants={Var(int(n)): arrays[f"constant {n}"] for n in info["constants"]},
        equations=tuple(
            Equation(
                Var(int(eq["out"])),
                known[eq["op"]],
                tuple(back(a) for a in eq["args"]),
                {k: back(v) for k, v in eq["options"].items()},
                tuple(map(int, eq["shape"])),
                np.dtype(eq["dtype"]),
            )
            for eq in info["equations"]
        ),
        outputs=tuple(back(x) for x in info["outputs"]),
        rebuild=flatten(form)[1],
    )


def _known() -> dict[str, Op]:
    """Name → operation of NumPy's, SciPy's and ours."""
    import tinygrad_lecture.rules  # noqa: F401  (declares them)

    return {op.name: op for op in OPS.values()}


class _Place:
    """Where a result stands in the container that the program gives."""

    def __init__(self, number: int) -> None:
        self.number = number


def _form(x: Any) -> Any:
    if isinstance(x, _Place):
        return x.number
    if x is None:
        return None
    if type(x) is dict and all(isinstance(k, str) for k in x):
        return {"dict": {k: _form(v) for k, v in x.items()}}
    if type(x) in (tuple, list):
        return {type(x).__name__: [_form(v) for v in x]}
    raise TypeError(f"save: results in a {type(x).__name__}; let the function return tuples, lists or dicts with texts")


def _container(form: Any) -> Any:
    if form is None or isinstance(form, int):
        return form
    ((kind, parts),) = form.items()
    if kind == "dict":
        return {k: _container(v) for k, v in parts.items()}
    if kind not in ("tuple", "list"):
        raise ValueError(f"a container of kind {kind!r}")
    found = [_container(v) for v in parts]
    return tuple(found) if kind == "tuple" else found


def _argument(s: Any) -> Any:
    if isinstance(s, Spec):
        return {"shape": list(s.shape), "dtype": s.dtype.str}
    if not isinstance(s, Static) or s.kind.__name__ not in _TYPES:
        raise TypeError(f"save: a static argument of type {s.kind.__name__}, which a file cannot hold")
    return {"static": s.kind.__name__, "text": s.text}


def _argument_again(s: Any) -> Any:
    if "static" in s:
        return Static(_TYPES[s["static"]], str(s["text"]))
    return Spec(tuple(map(int, s["shape"])), np.dtype(s["dtype"]))


def _plain(x: Any, arrays: dict[str, np.ndarray]) -> Any:
    """An operand or option as JSON data."""
    if isinstance(x, Var):
        return {"value": x.number}
    if isinstance(x, np.ndarray):
        name = f"array {len(arrays)}"
        arrays[name] = x
        return {"array": name}
    if isinstance(x, np.generic):
        return {"scalar": str(x), "dtype": x.dtype.str}
    if isinstance(x, float):
        return {"float": x.hex()}
    if isinstance(x, slice):
        return {"slice": [_plain(part, arrays) for part in (x.start, x.stop, x.step)]}
    if type(x) in (tuple, list):
        return {type(x).__name__: [_plain(part, arrays) for part in x]}
    if x is Ellipsis:
        return {"ellipsis": True}
    if isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, np.generic | bool | int | float)):
        return {"dtype": np.dtype(x).str}
    if x is None or isinstance(x, bool | int | str):
        return x
    raise TypeError(f"save: an option of type {type(x).__name__}, which a file cannot hold")


def _back(x: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(x, dict):
        return x
    if "scalar" in x:
        return np.dtype(x["dtype"]).type(x["scalar"] != "False" if x["dtype"] == "|b1" else x["scalar"])
    ((kind, value),) = x.items()
    match kind:
        case "value":
            return Var(int(value))
        case "array":
            return arrays[value]
        case "float":
            return float.fromhex(value)
        case "slice":
            return slice(*(_back(part, arrays) for part in value))
        case "tuple":
            return tuple(_back(part, arrays) for part in value)
        case "list":
            return [_back(part, arrays) for part in value]
        case "ellipsis":
            return ...
        case "dtype":
            return np.dtype(value)
    raise ValueError(f"an operand of kind {kind!r}")
