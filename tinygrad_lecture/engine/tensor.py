"""Tensor: an array, and how it came about.

A Tensor that an operation made is a node `(op, inputs, options)`: plain data, no closure, no
reference to anything that uses it. Its stamp counts creation, so inputs are always older than
what was made from them: creation order is topological order, and nodes are freed by reference
counts alone.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from types import ModuleType
from typing import Any

import numpy as np
from numpy import float64, ndarray  # np.ndarray takes ten times as long: a module with a __getattr__

from .leaving import Leaving, must_convert, recorded, refuse_while_recording
from .methods import ArrayMethods
from .op import COMPOSED, OPS, PLAIN, REFUSED, Op, lookup, method_of, name_of, op_of, refuse, unknown
from .recording import Mode, Tape, current, here
from .tree import tree_map
from .values import Array, must_float, named, of_its_own, one_array, operand, owned, real

stamps = count(1)
CAST, TRUNCATE, DETACH, GETITEM = (Op(name) for name in ("cast", "truncate", "detach", "getitem"))
NO_OPTIONS: dict[str, Any] = {}
_new = object.__new__
_NUMBERS = frozenset({float, int, bool, float64, np.float32, np.bool_, np.int64, type(None)})


def _operator(
    fn: Callable[..., Any], python: Callable[..., Any]
) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """The methods behind `t ∘ x` and `x ∘ t`: NumPy's ufunc, computed by Python's operator."""
    op = op_of(fn)

    def left(a: Tensor, b: Any) -> Tensor:
        needs = a.needs
        if type(b) is Tensor:
            value, needs = b._data, needs or b.needs
        else:
            value = b = b if type(b) in _NUMBERS else operand(b, op.name)
        try:
            data = python(a._data, value)
        except ValueError as error:
            raise named(error, op.name, (a, b)) from error
        return node(op, (a, b), NO_OPTIONS, data, needs)

    def right(b: Tensor, a: Any) -> Tensor:
        a = a if type(a) in _NUMBERS else operand(a, op.name)
        try:
            data = python(a, b._data)
        except ValueError as error:
            raise named(error, op.name, (a, b)) from error
        return node(op, (a, b), NO_OPTIONS, data, b.needs)

    return left, right


def _unary(fn: np.ufunc, python: Callable[..., Any]) -> Callable[[Tensor], Tensor]:
    op = op_of(fn)
    return lambda a: node(op, (a,), NO_OPTIONS, python(a._data), a.needs)


class Tensor(Leaving, ArrayMethods):
    """An array of numbers that remembers how it was computed.

    values: anything `np.array` takes; copied. Real numbers only.
    requires_grad: whether `backward()` shall add into `grad`; the values must then be floating.
    Raises TypeError for object, string and complex data, and for integers that require a gradient.
    Source: C3; NumPy's array protocols (NEP 13 and NEP 18).
    """

    __slots__ = ("_data", "grad", "inputs", "needs", "op", "options", "stamp")
    __hash__ = None  # type: ignore[assignment]  # == compares elementwise, as for an ndarray

    _data: Array
    op: Op | None
    inputs: tuple[Any, ...]
    options: dict[str, Any]
    needs: bool
    grad: Array
    stamp: int

    def __init__(self, values: Any, requires_grad: bool = False) -> None:
        if type(values) is Tensor:
            must_convert(values, "Tensor(t)", "t itself, or t.detach() for its values alone")
            values = values._data
        data = owned(values)
        if requires_grad:
            must_float(data, "Tensor(…, requires_grad=True)")
        _fill(self, data, None, (), NO_OPTIONS, requires_grad)

    def __init_subclass__(cls) -> None:
        raise TypeError(
            "Tensor cannot be subclassed: the engine would not know the subclass as a node; hold a Tensor instead"
        )

    # what it is
    @property
    def requires_grad(self) -> bool:
        """Whether an error that arrives here is of use to a leaf that requires a gradient."""
        return self.needs

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._data.size  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        body = np.array2string(np.asarray(self._data), separator=", ", prefix="Tensor(", threshold=100)
        made_by = f", op={self.op.name}" if self.op else ""
        needs = ", requires_grad=True" if self.needs else ""
        return f"Tensor({body}, shape={self.shape}, dtype={self.dtype}{made_by}{needs})"

    def detach(self) -> Tensor:
        """The same values as a Tensor without gradient: no error flows back through it."""
        return apply(DETACH, (self,), NO_OPTIONS)

    def astype(self, dtype: Any) -> Tensor:
        """Cast; to integers or booleans it gives a Tensor without gradient."""
        to = np.dtype(dtype)
        real(np.empty(0, to), "astype")
        return apply(CAST if to.kind == "f" else TRUNCATE, (self,), {"dtype": to})

    def copy(self) -> Tensor:
        """A node of its own with the same values, through which the error flows back."""
        return +self

    # the two things that change
    def backward(self, err: Any = None) -> None:
        """Add the gradient of this Tensor into `grad` of every leaf it depends on.

        err: the error that arrives, of this Tensor's shape; 1 for a scalar. The graph stays usable,
        and a second call adds exactly the same once more.
        Raises ValueError for a wrong shape or a missing err, TypeError where nothing requires a
        gradient, RuntimeError where a leaf was overwritten since. Source: C1, C3.
        """
        _walk().backward(self, err)

    def zero_grad(self) -> None:
        """Forget the gradient collected so far."""
        self.grad = None

    def assign(self, values: Any) -> None:
        """Write new values, of the same shape, into a leaf.

        Graphs built from the old values refuse to go backward afterwards: the stamp of a leaf is
        its version. Raises ValueError for another shape, TypeError for a Tensor an operation made,
        and inside transforms and recordings, which could not see what is written.
        """
        if self.op is not None:
            raise TypeError("assign() writes leaves; build a new Tensor from this one instead")
        if current().depth:
            raise TypeError(
                f"assign() inside a transform or a recording{here()}: the gradient would not see what is written; "
                "return the new values instead"
            )
        data = owned(values, self.dtype)
        if data.shape != self.shape:
            raise ValueError(f"assign: values of shape {data.shape} for a Tensor of shape {self.shape}")
        self._data = data
        self.stamp = next(stamps)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "a Tensor's elements are not assigned to, since gradients of what was read before would be wrong; "
            "choose with np.where(mask, new, t), build anew with np.stack, or write a whole leaf with t.assign(values)"
        )

    def __getitem__(self, index: Any) -> Tensor:
        parts = index if type(index) is tuple else (index,)
        return apply(GETITEM, (self,), {"index": tuple([_index_part(i) for i in parts])})

    # the operators
    __add__, __radd__ = _operator(np.add, operator.add)
    __sub__, __rsub__ = _operator(np.subtract, operator.sub)
    __mul__, __rmul__ = _operator(np.multiply, operator.mul)
    __truediv__, __rtruediv__ = _operator(np.divide, operator.truediv)
    __pow__, __rpow__ = _operator(operator.pow, operator.pow)
    __matmul__, __rmatmul__ = _operator(np.matmul, np.matmul)
    __floordiv__, __rfloordiv__ = _operator(np.floor_divide, operator.floordiv)
    __mod__, __rmod__ = _operator(np.mod, operator.mod)
    __and__, __rand__ = _operator(np.bitwise_and, operator.and_)
    __or__, __ror__ = _operator(np.bitwise_or, operator.or_)
    __xor__, __rxor__ = _operator(np.bitwise_xor, operator.xor)
    __lt__, _ = _operator(np.less, operator.lt)
    __le__, _ = _operator(np.less_equal, operator.le)
    __gt__, _ = _operator(np.greater, operator.gt)
    __ge__, _ = _operator(np.greater_equal, operator.ge)
    __eq__, _ = _operator(np.equal, operator.eq)  # type: ignore[assignment]
    __ne__, _ = _operator(np.not_equal, operator.ne)  # type: ignore[assignment]
    __neg__ = _unary(np.negative, operator.neg)
    __pos__ = _unary(np.positive, operator.pos)
    __abs__ = _unary(np.absolute, abs)
    __invert__ = _unary(np.invert, operator.invert)
    del _

    # NumPy's protocols
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            return method_of(ufunc, method)(*args, **kwargs)
        op = OPS.get(ufunc) or lookup(ufunc)
        if op is None:
            return self.__array_function__(ufunc, (), args, kwargs)
        if not kwargs:
            return apply(op, args, NO_OPTIONS)
        for key in kwargs:
            if key in REFUSED:
                raise refuse(name_of(ufunc), key)
        return call(op, args, kwargs)

    def __array_function__(self, fn: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        op = OPS.get(fn)
        if op is not None:
            return call(op, args, kwargs)
        other = COMPOSED.get(fn) or PLAIN.get(fn)
        if other is None:
            raise unknown(fn)
        try:
            return other(*args, **kwargs)
        except TypeError as error:
            if "unexpected keyword argument" in str(error):
                raise refuse(name_of(fn), str(error).split("'")[1]) from None
            raise
        except (ValueError, IndexError) as error:
            if fn.__name__ in str(error):
                raise
            raise type(error)(f"{fn.__name__}: {error}") from error

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if type(vars(Tensor).get(name)) is not _Missing]

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a Tensor without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a Tensor without axes")
        return (self[i] for i in range(self.shape[0]))

    def __reduce__(self) -> Any:
        if self.op is not None:
            raise TypeError(
                "only leaves can be pickled or copied: this Tensor was made by an operation. "
                "Keep t.numpy(), or record the computation with tl.record"
            )
        return _leaf_again, (np.asarray(self._data), self.needs, self.grad)


class _Missing:
    """An attribute that an ndarray has and a Tensor has not: who asks for it is told what to write.

    A `__getattr__` would do, and make Python look up every other attribute slowly.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, t: Tensor | None, owner: type) -> Any:
        raise AttributeError(
            f"a Tensor has no attribute {self.name!r} (an ndarray has): use a NumPy function that has a local rule, "
            f"or t.numpy().{self.name} outside the graph"
        )


for _name in dir(ndarray):
    if not _name.startswith("__") and not hasattr(Tensor, _name):
        setattr(Tensor, _name, _Missing(_name))


@cache
def _walk() -> ModuleType:
    """The module that walks back: it needs this one first."""
    from . import walk

    return walk


def _leaf_again(values: ndarray, requires_grad: bool, grad: Array) -> Tensor:
    t = Tensor(values, requires_grad)
    t.grad = None if grad is None else grad.copy()
    return t


def _fill(
    t: Tensor, data: Array, op: Op | None, inputs: tuple[Any, ...], options: dict[str, Any], needs: bool
) -> Tensor:
    t._data = data
    t.op = op
    t.inputs = inputs
    t.options = options
    t.needs = needs
    t.grad = None
    t.stamp = next(stamps)
    return t


def leaf(data: Array, needs: bool = True, op: Op | None = None) -> Tensor:
    """A leaf around values that nobody writes into: no copy."""
    return _fill(Tensor.__new__(Tensor), data, op, (), NO_OPTIONS, needs)


def node(op: Op, inputs: tuple[Any, ...], options: dict[str, Any], data: Array, needs: bool) -> Tensor:
    """The Tensor that an operation made; it remembers how where a gradient or a recording wants it.

    needs: whether one of the inputs does.
    """
    mode = current()
    needs = needs and mode.records and op.differentiable
    if not needs and type(data) is ndarray and data.base is not None and mode.tape is None:
        data = of_its_own(data)
    if mode.observed:
        return _observed(mode, op, inputs, options, data, needs)
    t = _new(Tensor)  # what `_fill` does, in place: every operation comes this way
    t._data = data
    t.op = op
    t.needs = needs
    t.grad = None
    t.stamp = next(stamps)
    if needs:
        t.inputs = inputs
        t.options = options
    else:
        t.inputs = ()
        t.options = NO_OPTIONS
    return t


def _observed(mode: Mode, op: Op, inputs: tuple[Any, ...], options: dict[str, Any], data: Array, needs: bool) -> Tensor:
    """A node made while a program is recorded, or inside `tl.debug()`."""
    if mode.tape is not None:
        t = _taped(mode.tape, op, inputs, options, data, needs)
    else:
        t = _fill(Tensor.__new__(Tensor), data, op, inputs if needs else (), options if needs else NO_OPTIONS, needs)
    if mode.debug is not None:
        mode.debug.made(t, inputs)
    return t


def _taped(tape: Tape, op: Op, inputs: tuple[Any, ...], options: dict[str, Any], data: Array, needs: bool) -> Tensor:
    """A node made while a program is recorded; the program keeps copies of the arrays that went into it."""
    if not tape.derived([*inputs, *options.get("index", ())]):
        t = _fill(Tensor.__new__(Tensor), data, op, inputs if needs else (), options if needs else NO_OPTIONS, needs)
        tape.constants.add(t.stamp)
        for x in inputs:
            if type(x) is Tensor:
                tape.reads(x)
        return t

    def kept(x: Any) -> Any:
        return tape.kept(x) if type(x) is ndarray else x

    inputs = tuple([kept(x) for x in inputs])
    options = {k: tree_map(kept, v) if isinstance(v, ndarray | tuple | list) else v for k, v in options.items()}
    t = _fill(Tensor.__new__(Tensor), data, op, inputs if needs else (), options if needs else NO_OPTIONS, needs)
    tape.add(t, op, inputs, options)
    return t


def call(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Sort a user's arguments into inputs and options, and apply the operation to them."""
    if not kwargs and 0 < len(args) <= op.leading:
        return apply(op, args, NO_OPTIONS)
    inputs, options = op.bind(args, kwargs)
    for key, value in options.items():
        if type(value) is Tensor:
            raise TypeError(
                f"{op.name}: {key}= is a static option, not differentiable; pass a plain value, not a Tensor"
            )
    return apply(op, inputs, options)


def apply(op: Op, inputs: tuple[Any, ...], options: dict[str, Any]) -> Tensor:
    """Run an operation forward on raw values, and record it."""
    raw, needs = [], False
    for x in inputs:
        if type(x) is Tensor:
            if x.needs:
                needs = True
            raw.append(x._data)
        elif (type(x) is ndarray and x.dtype.kind == "f") or type(x) in _NUMBERS:
            raw.append(x)
        else:
            inputs = tuple([x if type(x) is Tensor else operand(x, op.name) for x in inputs])
            raw = [x._data if type(x) is Tensor else x for x in inputs]
            needs = any(type(x) is Tensor and x.needs for x in inputs)
            break
    try:
        data = op.forward(*raw, **options) if options else op.forward(*raw)
    except (ValueError, IndexError) as error:
        raise named(error, op.name, inputs) from error
    if type(data) is float64:
        return node(op, inputs, options, data, needs)
    if type(data) is not ndarray and not isinstance(data, np.generic):
        data = one_array(data, op.name)
    t = node(op, inputs, options, data, needs)
    if t.needs and data.dtype.kind != "f":
        raise TypeError(
            f"{op.name} gave values of dtype {data.dtype}, through which no error can flow back; "
            "let it return floating values, or call it on t.detach()"
        )
    return t


def _index_part(i: Any) -> Any:
    """A part of an index as a node keeps it: lists as arrays, Tensors as arrays outside recordings."""
    if type(i) is Tensor:
        if not recorded(i):
            return i.numpy()
        if i.dtype == bool:
            refuse_while_recording(i, "indexing with a boolean Tensor")
        return i
    if type(i) is not list:
        return i
    a = np.asarray(i)
    return a if a.size else a.astype(int)
