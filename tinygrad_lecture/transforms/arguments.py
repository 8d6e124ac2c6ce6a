"""What all transforms share: a function run on Tensors that stand for its arguments, and the way back out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from ..engine.op import OPS
from ..engine.recording import Mode, current, enclosed
from ..engine.tensor import NO_OPTIONS, Tensor, leaf, node
from ..engine.tree import Rebuild, flatten, paths, tree_map
from ..engine.values import Array, copied, must_float, operand
from ..engine.walk import Ends, Starts, errors_at_ends


def must_call(f: Any, name: str) -> None:
    """Refuse what is no function, before it is used as one."""
    if not callable(f):
        raise TypeError(f"{name} needs a function as its first argument, written in NumPy, not a {type(f).__name__}")


def name_of(f: Callable[..., Any]) -> str:
    """The name of a user's function in errors."""
    return getattr(f, "__name__", "f")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a function on Tensors: those that stood for its arguments, what it returned, and in which mode.

    rebuild: from a flat list like `inputs` to the chosen arguments' form.
    """

    inputs: list[Tensor]
    rebuild: Rebuild
    result: Any
    enclosing: Mode

    def gradients(self, starts: Starts) -> tuple[list[Array], Callable[[Any], Any]]:
        """What arrives at each input when errors start at some outputs, and what fits an output for the caller.

        They are Tensors below an enclosing transform or recording, and where they depend on Tensors
        outside that require a gradient: nothing is detached silently.
        """
        inputs, outside, needed = self.inputs, False, self.needed()
        starts = [(y, err) for y, err in starts if type(y) is Tensor and y.needs]
        ends: Ends = []
        differentiable = needed or current().depth > 0
        if starts and inputs:
            first, last = inputs[0].stamp, inputs[-1].stamp
            outside = any(y.stamp < first or (type(err) is Tensor and err.needs) for y, err in starts)
            differentiable = differentiable or outside
            ends, met = errors_at_ends(starts, first=first, last=last, differentiable=differentiable)
            outside = outside or met
            if outside and not differentiable:
                differentiable = True
                ends, _ = errors_at_ends(starts, first=first, last=last, differentiable=True)
        walked = outside or needed
        fit = plain if not differentiable else detached if not self.enclosing.records else same if walked else closed
        errors = {x.stamp: e[()] if type(e) is np.ndarray and not e.ndim else e for x, e in ends}
        found = [errors[x.stamp] if x.stamp in errors else zeros(x, differentiable) for x in inputs]
        return [closed(e) for e in found] if fit is closed else found, fit

    def differentiable(self) -> bool:
        """Whether derivatives shall be Tensors here: something encloses this line, or the arguments need it."""
        return current().depth > 0 or self.needed()

    def needed(self) -> bool:
        """Whether an argument is a Tensor that an error flows on from."""
        return any(x.inputs and x.inputs[0].needs for x in self.inputs)

    def plain(self, a: Any) -> Any:
        """An output as the caller shall have it: a plain array, unless something outside differentiates it.

        Below `no_grad()` it is then a Tensor that no error goes through.
        """
        if self.enclosing.depth or self.differentiable() or reaches_outside(a, self.inputs):
            return a if self.enclosing.records else detached(a)
        return plain(a)


def run(f: Callable[..., Any], args: Sequence[Any], places: list[int], kwargs: dict[str, Any]) -> Run:
    """Run f with Tensors in place of the floating arrays in the arguments at some places.

    Raises TypeError, naming the place, for what has no gradient there.
    """
    chosen = [args[i] for i in places]
    leaves, rebuild = flatten(chosen)
    enclosing = current()
    with enclosed():
        inputs = []
        for k, a in enumerate(leaves):
            t = argument(a)
            if t is None:
                raise refused(chosen, k, places, name_of(f))
            inputs.append(t)
        new = list(args)
        for i, a in zip(places, rebuild(inputs), strict=True):
            new[i] = a
        result = f(*new, **kwargs)
    return Run(inputs, rebuild, result, enclosing)


def argument(a: Any) -> Tensor | None:
    """A Tensor that stands for an argument of a transform; None for what has no gradient.

    A raw array becomes a leaf; a Tensor of an enclosing transform a node of its own, so that this
    transform's error ends here and the enclosing one's flows through.
    """
    if type(a) is Tensor:
        t = node(OPS[np.positive], (a,), NO_OPTIONS, a._data, a.needs)
        t.needs = True
        return t if a.dtype.kind == "f" else None
    if type(a) is float:
        a = np.float64(a)
    if type(a) is not np.ndarray and not isinstance(a, np.generic):
        if not isinstance(a, np.ndarray) or isinstance(a, np.ma.MaskedArray | np.matrix):
            return None
        a = np.asarray(a)
    return leaf(a) if a.dtype.kind == "f" else None


def refused(chosen: list[Any], k: int, places: list[int], name: str) -> TypeError:
    """The error for the k-th leaf of the arguments, which has no gradient."""
    head, _, rest = paths(chosen)[k][1:].partition("]")
    where = f"argument {places[int(head)]}{rest} of {name}"
    a = flatten(chosen)[0][k]
    if not isinstance(a, Tensor | np.ndarray | np.generic | int):
        return TypeError(
            f"{where} is a {type(a).__name__}; differentiate by arrays and floats only (argnums "
            f"chooses; or hold it fixed, as lambda x: {name}(x, …))"
        )
    try:
        must_float(a if type(a) is Tensor else operand(a if isinstance(a, np.ndarray) else np.asarray(a), where), where)
    except TypeError as error:
        return error
    raise AssertionError(f"{where} was refused without a reason")


def chosen_places(argnums: Any, f: Callable[..., Any], transform: str) -> tuple[tuple[int, ...], bool]:
    """The argnums as a tuple, and whether there was a single one.

    f, transform: for the errors. Raises TypeError for what are no places: names, and arguments that f itself shall get.
    """
    single = not isinstance(argnums, tuple | list)
    try:
        return tuple([_place(i) for i in ((argnums,) if single else argnums)]), single
    except TypeError:
        what = f"{transform}: argnums must be the number of an argument, 0 for the first, or a tuple of such numbers"
        raise TypeError(f"{what}, not {_short(argnums)}; {_meant(argnums, f, transform)}") from None


def _place(i: Any) -> int:
    if isinstance(i, bool | np.bool_ | np.ndarray | Tensor):
        raise TypeError("no answer and no array is a place")
    return index(i)


def _meant(argnums: Any, f: Callable[..., Any], transform: str) -> str:
    """What to write in place of wrong argnums: places for names, else a call of what the transform gives."""
    from inspect import signature

    several = isinstance(argnums, tuple | list)
    wanted = argnums if several else (argnums,)
    name = name_of(f) if name_of(f).isidentifier() else "f"
    if not all(isinstance(i, str) for i in wanted):
        return f"the arguments of {name} come after: {transform}({name})({'…' if several else _short(argnums)})"
    try:
        names = list(signature(f).parameters)
    except (TypeError, ValueError):  # of some functions that are not written in Python
        names = []
    if not all(i in names for i in wanted):
        return f"{name} has the arguments {', '.join(names) or '(unknown)'}, in this order"
    places = tuple(names.index(i) for i in wanted)
    return f"write argnums={places if several else places[0]}"


def _short(x: Any) -> str:
    text = repr(x)
    return text if len(text) < 40 and "\n" not in text else f"{type(x).__name__}(…)"


def places_among(wanted: tuple[int, ...], n: int, name: str) -> list[int]:
    """The argnums as places among n arguments. Raises ValueError where there is none such, or one twice."""
    for i in wanted:
        if not -n <= i < n:
            raise ValueError(
                f"argnums={i} is out of range: {name} was called with {n} positional arguments; argnums counts these "
                "from 0, and keyword arguments are none of them"
            )
    places = [i % n for i in wanted]
    if len(set(places)) < len(places):
        raise ValueError(f"argnums={wanted} names an argument twice")
    return places


def outputs_of(result: Any, name: str, transform: str) -> tuple[list[Any], Rebuild]:
    """The outputs of a function one by one, if all are floating numbers, and how to rebuild their form."""
    outs, rebuild = flatten(result)
    if not outs:
        raise TypeError(f"{transform}: {name} returned {result!r}; it must return floating-point arrays")
    for y, path in zip(outs, paths(result), strict=True):
        if not isinstance(y, Tensor | np.ndarray | np.generic | float):
            raise TypeError(f"{transform}: {name} returned a {type(y).__name__}{at(path)}; floating-point arrays only")
        dtype = y.dtype if hasattr(y, "dtype") else np.dtype(float)
        if dtype.kind != "f":
            raise TypeError(f"{transform}: {name} returned values of dtype {dtype}{at(path)}; they have no derivative")
    return outs, rebuild


def at(path: str) -> str:
    """Where something stands, in words; none for what stands alone."""
    return f" at {path}" if path else ""


def alike(given: Any, like: Any, what: str, whose: str) -> list[Any]:
    """The arrays of a container that must have the form and shapes of another, in the dtypes of that.

    what, whose: for the error, as in "err" and "the output of f".
    """
    leaves, _ = flatten(given)
    wanted, _ = flatten(like)
    if paths(given) != paths(like):
        raise ValueError(f"{what} must have the form of {whose}: {shown(paths(like))}, not {shown(paths(given))}")
    fitting = []
    for a, x, path in zip(leaves, wanted, paths(like), strict=True):
        a = a if type(a) is Tensor else operand(np.asarray(a), what)
        dtype = x.dtype if hasattr(x, "dtype") else np.dtype(float)
        if a.shape != np.shape(x):
            raise ValueError(
                f"{what}{at(path)} has shape {a.shape}, but {whose} has shape {np.shape(x)} there; "
                "they must be the same"
            )
        fitting.append(a if a.dtype == dtype else a.astype(dtype))
    return fitting


def shown(where: list[str]) -> str:
    """The form of a container, by where its arrays stand."""
    return "one array" if where == [""] else f"arrays at {', '.join(where) or '(nowhere)'}"


def zeros(x: Any, as_tensor: bool) -> Array:
    """Zeros of the shape and dtype of a Tensor or array."""
    z = np.zeros_like(x._data if type(x) is Tensor else x)[()]
    return leaf(z, needs=False) if as_tensor else z


def plain(a: Any) -> Any:
    """A Tensor's values, as plain NumPy code would have returned them; a number where there are no axes."""
    a = a._data if type(a) is Tensor else a
    return a[()] if isinstance(a, np.ndarray) and a.ndim == 0 else a


def unshared(a: Any) -> Any:
    """An array that shares no memory with another; everything else as it is."""
    return copied(a) if isinstance(a, np.ndarray) else a


def detached(a: Any) -> Any:
    """A Tensor through which no error flows back; everything else as it is."""
    return a.detach() if type(a) is Tensor else a


def closed(a: Any) -> Any:
    """A Tensor as a recording knows it, but without the graph behind it, which nobody will walk back any more."""
    if type(a) is not Tensor:
        return a
    t = leaf(a._data, needs=False, op=a.op)
    t.stamp = a.stamp
    return t


def same(a: Any) -> Any:
    """An output as it is."""
    return a


def plain_tree(run: Run, tree: Any) -> Any:
    """Every output in a container as the caller shall have it."""
    return tree_map(run.plain, tree)


def reaches_outside(a: Any, inputs: list[Tensor]) -> bool:
    """Whether an output depends on a Tensor that requires a gradient and is no input of the transform."""
    ours = {x.stamp for x in inputs}
    waiting = [a] if type(a) is Tensor and a.needs else []
    seen: set[int] = set()
    while waiting:
        t = waiting.pop()
        if t.stamp in ours or t.stamp in seen:
            continue
        seen.add(t.stamp)
        if not t.inputs:
            return True
        waiting += [x for x in t.inputs if type(x) is Tensor and x.needs]
    return False
