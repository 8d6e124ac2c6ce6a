"""The table of operations: which function has which local rules, and which arguments are inputs.

An operation is a NumPy function (or one of our own) together with what backpropagation needs to
know of it, in one of two forms:

- an *elementwise* function gives its **slope** dy/dx = slope(y, *x, **options) for each input;
  the engine alone multiplies it with the error that arrives (the lecture's "up times down");
- any other function gives a **rule** rule(err, y, *x, **options) for each input, linear in err,
  or one rule each(k, err, y, *x, **options) for input k where there can be any number of inputs.

`y` is the operation's own output. Nothing else is in sight: that is the locality of C3.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..misnamed import nearest
from .recording import here, user_operator

Rule = Callable[..., Any] | float | None
Bound = tuple[tuple[Any, ...], dict[str, Any]]


class Op:
    """A differentiable operation: its forward function, its local rules and its signature.

    forward(*inputs, **options) computes raw values; bind(args, kwargs) sorts a user's call into
    inputs and options. `broadcasts` says that a rule may hand back the shape that broadcasting
    gave its input, which the engine then sums; slopes always may. `promotes` says that the local
    rules want their inputs in the dtype of the output, since they compute with them before the
    error, which has it, comes in. `signature` is what bind was made from, and
    up to `leading` positional arguments are inputs as they stand.
    """

    __slots__ = (
        "bind",
        "broadcasts",
        "differentiable",
        "each",
        "forward",
        "leading",
        "name",
        "promotes",
        "rules",
        "signature",
        "slopes",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.forward: Callable[..., Any] = _undeclared
        self.signature: str | Callable[..., Bound] = ""
        self.bind: Callable[[tuple[Any, ...], dict[str, Any]], Bound] = _undeclared
        self.leading = 0
        self.slopes: tuple[Rule, ...] | None = None
        self.rules: tuple[Rule, ...] | None = None
        self.each: Callable[..., Any] | None = None
        self.broadcasts = False
        self.promotes = False
        self.differentiable = False

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def _undeclared(*_: Any, **__: Any) -> Any:
    raise AssertionError("an operation was used before its rules were declared")


OPS: dict[Any, Op] = {}
"""NumPy function → operation: what `__array_ufunc__` and `__array_function__` look up."""

COMPOSED: dict[Any, Callable[..., Any]] = {}
"""NumPy function → the same function written with others that have rules."""

PLAIN: dict[Any, Callable[..., Any]] = {}
"""NumPy function → a function that answers about a Tensor without being recorded (`np.shape`)."""

METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {}
"""A ufunc and the name of its method → the function of that meaning (`np.add.reduce` → `np.sum`)."""

LATER: dict[str, Callable[[], None]] = {}
"""Module → what declares the rules of its functions, once somebody has imported it (`scipy.special`)."""


def name_of(fn: Any) -> str:
    """The name by which a user knows a function: `np.linalg.solve`."""
    name = getattr(fn, "__name__", None) or repr(fn)
    module = getattr(fn, "__module__", None) or ""
    if isinstance(fn, np.ufunc):  # which do not know where they are at home
        import sys

        homes = ((m, sys.modules.get(m)) for m in ("numpy", "scipy.special"))
        module = next((m for m, home in homes if getattr(home, name, None) is fn), "")
    return f"{module.replace('numpy', 'np', 1)}.{name}" if module else name


def op_of(fn: Any) -> Op:
    """The operation of a function, made empty where the tables have not declared it yet."""
    if isinstance(getattr(fn, "op", None), Op):
        OPS[fn] = fn.op
    elif fn not in OPS:
        OPS[fn] = Op(getattr(fn, "__name__", repr(fn)))
    return OPS[fn]


def slopes(fn: Any, *per_input: Rule, signature: str | Callable[..., Bound] | None = None, promotes: bool = True) -> Op:
    """Declare an elementwise operation by its slopes, one per input.

    A slope is slope(y, *x, **options), a number where it is constant, None where the input is
    not differentiable. promotes: False where a slope is an input as it stands.
    """
    op = _declare(fn, signature, len(per_input))
    op.slopes = per_input
    op.promotes = promotes and len(per_input) > 1 and any(callable(slope) for slope in per_input)
    op.differentiable = any(slope is not None for slope in per_input)
    return op


def rules(
    fn: Any,
    *per_input: Rule,
    each: Callable[..., Any] | None = None,
    signature: str | Callable[..., Bound] | None = None,
    forward: Callable[..., Any] | None = None,
    broadcasts: bool = False,
    promotes: bool = True,
) -> None:
    """Declare an operation by its rules, one per input: rule(err, y, *x, **options), linear in err.

    each: in place of them, one each(k, err, y, *x, **options) for any number of inputs.
    forward: forward(*inputs, **options), where `fn` takes its arguments in another form.
    promotes: False where all that a rule does with an input is to multiply err with it.
    """
    op = _declare(fn, signature, len(per_input))
    op.rules, op.each, op.broadcasts, op.differentiable = per_input, each, broadcasts, True
    op.promotes = promotes and (len(per_input) > 1 or each is not None)
    op.forward = forward or op.forward


def constant(fn: Any, signature: str | None = None) -> Op:
    """Declare a piecewise constant operation: it gives a Tensor without gradient."""
    return _declare(fn, signature, fn.nin if isinstance(fn, np.ufunc) else 1)


def composed(fn: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a NumPy function as the decorated composition of functions that have rules."""

    def declare(composition: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSED[fn] = composition
        return composition

    return declare


def plain(fn: Any, answer: Callable[..., Any]) -> None:
    """Declare a function that answers about a Tensor and is not recorded."""
    PLAIN[fn] = answer


def _declare(fn: Any, signature: str | Callable[..., Bound] | None, n_inputs: int) -> Op:
    op = op_of(fn)
    ours = getattr(fn, "op", None) is op
    op.forward = fn.__wrapped__ if ours else fn
    names = fn.__wrapped__.__code__.co_varnames if ours else "abcdefgh"  # a ufunc's inputs have none
    sorts(op, signature or ", ".join(names[:n_inputs]))
    return op


def sorts(op: Op, signature: str | Callable[..., Bound]) -> None:
    """Let an operation sort a user's arguments by a signature."""
    op.signature = signature
    if callable(signature):
        op.bind, op.leading = _binder_from_function(op.name, signature), 0
    else:
        op.bind, op.leading = binder(op.name, signature)


REFUSED = {
    "out": "a Tensor is never written into; use the Tensor that the call returns",
    "dtype": "cast with .astype(dtype) before or after",
    "where": "choose with np.where(mask, t, neutral) first",
    "axes": "move the axes with np.moveaxis first",
}


def refuse(name: str, argument: str) -> TypeError:
    """The error for an argument that is neither an input nor an option of an operation."""
    way_out = REFUSED.get(argument, "leave it out, or leave the graph on purpose with t.detach() or t.numpy()")
    operator = user_operator()
    if operator.endswith("="):  # NumPy gives out=, and to a matmul axes=
        way_out = f"write a = a {operator[:-1]} t in place of a {operator} t"
        return TypeError(f"an array is not turned into a Tensor in place{here()}: {way_out}")
    return TypeError(f"{name} with a Tensor does not take {argument}={here()}: {way_out}")


def binder(name: str, signature: str) -> tuple[Callable[[tuple[Any, ...], dict[str, Any]], Bound], int]:
    """Read a signature once, and return the function that sorts calls by it, and how many inputs stand first.

    The arguments stand in NumPy's order: `a` is an input, `a|b` an input with two names,
    `axis=` a static option, `out!` is refused. "a, axis=, dtype!, out!, keepdims=" is np.sum's.
    """
    order: list[str] = []
    kinds: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for part in signature.split(", "):
        first, *others = part.rstrip("=!").split("|")
        order.append(first)
        kinds[first] = part[-1] if part[-1] in "=!" else "input"
        aliases.update(dict.fromkeys(others, first))
    inputs = tuple(n for n in order if kinds[n] == "input")

    def bind(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        if not args and not kwargs:
            raise TypeError(f"{name} needs its argument {order[0]!r}")
        if len(args) > len(order):
            raise refuse(name, "out") if len(args) == len(order) + 1 else _too_many(name, len(order), len(args))
        given = dict(zip(order, args, strict=False))
        for key, value in kwargs.items():
            key = aliases.get(key, key)
            if key not in kinds:
                raise refuse(name, key)
            if given.get(key) is not None:
                raise TypeError(f"{name} got its argument {key!r} twice")
            given[key] = value
        for key in given:
            if kinds[key] == "!" and given[key] is not None:
                raise refuse(name, key)
        values = [given.get(n) for n in inputs]
        while values and values[-1] is None:
            values.pop()
        return tuple(values), {n: v for n, v in given.items() if kinds[n] == "="}

    return bind, len(inputs) if tuple(order[: len(inputs)]) == inputs else 1


def _too_many(name: str, allowed: int, given: int) -> TypeError:
    return TypeError(f"{name} takes at most {allowed} arguments, {given} were given")


def _binder_from_function(
    name: str, signature: Callable[..., Bound]
) -> Callable[[tuple[Any, ...], dict[str, Any]], Bound]:
    """A binder whose declared signature is a Python function returning inputs and options."""

    def bind(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        try:
            return signature(*args, **kwargs)
        except TypeError as error:
            text = str(error)
            if "unexpected keyword argument" in text:
                raise refuse(name, text.split("'")[1]) from None
            raise error if name in text else TypeError(f"{name}: {text}") from None

    return bind


def lookup(fn: Any) -> Op | None:
    """The operation of a function, after declaring the rules of libraries that were imported meanwhile."""
    import sys

    for module in [m for m in LATER if m in sys.modules]:
        LATER.pop(module)()
    return OPS.get(fn)


def method_of(ufunc: np.ufunc, method: str) -> Callable[..., Any]:
    """The function that stands for a method of a ufunc, or the error that says which there are."""
    if (ufunc, method) in METHODS:
        return METHODS[ufunc, method]
    use = ", ".join(f"{m} → {name_of(fn)}" for (u, m), fn in METHODS.items() if u is ufunc)
    way_out = f"of its methods there are {use}" if use else "write it with NumPy functions that have one"
    raise TypeError(f"np.{ufunc.__name__}.{method} has no local rule; {way_out}")


IN_PLACE = {
    r"fft\.": "t @ m, with m = np.fft.fft(np.eye(n)).real and .imag for its two parts",
    r"\.(convolve|correlate)$": "t[np.arange(n - k + 1)[:, None] + np.arange(k)] @ w (or @ w[::-1]), w of length k",
    r"\.(nan)?(percentile|quantile)$": "np.median, or np.sort(t) and an index",
    r"\.(insert|trim_zeros)$": "np.concatenate of the parts",
    r"\.(copyto|put|place|putmask|put_along_axis|fill_diagonal)$": "np.where(mask, new, t), which gives a new Tensor",
    r"\.(piecewise|select|choose)$": "np.where, one within another",
    r"\.apply_(along_axis|over_axes)$": "functions with axis=, or np.stack of their results",
    r"\.linspace$": "a + (b - a) * np.linspace(0, 1, n)",
    r"\.polyval$": "np.sum(c * x ** np.arange(n))",
    r"\.lstsq$": "np.linalg.solve(a.T @ a, a.T @ b)",
    r"\.cov$": "d @ d.T / (n - 1), with d = t - np.mean(t, axis=1, keepdims=True)",
}
"""A function without a rule, as a pattern of its name → what to write in its place."""


def unknown(fn: Any) -> TypeError:
    """The error for a function without a rule: what to write instead, or the nearest that has one, and the ways out."""
    name = name_of(fn)
    hint = next((f" Write {way_out}." for pattern, way_out in IN_PLACE.items() if re.search(pattern, name)), "")
    if not hint:
        known = {n.rpartition(".")[2]: n for n in map(name_of, (*OPS, *COMPOSED)) if n.startswith("np.")}
        close = [known[last] for last in nearest(name.rpartition(".")[2], known, 3)]
        hint = f" The nearest with one: {', '.join(close)}." if close else ""
    return TypeError(
        f"no local rule is known for {name}.{hint} Give it one with tl.local_rule, "
        "or leave the graph on purpose with t.detach() or t.numpy()"
    )
