"""All weights of a network in one packed vector, with a named view of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import is_
from typing import Any

import numpy as np
from numpy import add, concatenate, empty, ndarray

from ..engine.recording import current, here
from ..engine.tensor import Tensor, leaf, stamps
from ..engine.values import Array, must_be_plain, shape_of, view_of


class Weights:
    """One vector w of all weights, and one vector g of their gradients, with views by name.

    shapes: name → shape, in the order in which they are packed; dtype: floating. The values are written by `assign`
    and `add` alone, which bump the version of the leaves: a walk over a graph that was built before refuses.
    Raises TypeError for a dtype that is not floating.
    """

    __slots__ = ("_g", "_held", "_leaves", "_views", "_w", "_zeros", "constants", "dtype", "places", "shapes")

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], dtype: Any = np.float64) -> None:
        self.dtype = np.dtype(dtype)
        if self.dtype.kind != "f":
            raise TypeError(f"dtype must be floating, not {self.dtype}: integers have no gradient")
        self.shapes = dict(shapes)
        self.places: dict[str, slice] = {}
        begin = 0
        for name, shape in self.shapes.items():
            self.places[name] = slice(begin, begin + int(np.prod(shape)))
            begin = self.places[name].stop
        self._w = np.zeros(begin, self.dtype)
        self._g = self._zeros = np.broadcast_to(self.dtype.type(0), self._w.shape)  # which take no memory
        self._views: dict[str, ndarray] = self.named(view_of(self._w))
        self._leaves = {name: leaf(view) for name, view in self._views.items()}
        # the same values for graphs that shall not differentiate by them, but must see when they are overwritten
        self.constants = {name: leaf(view, needs=False) for name, view in self._views.items()}
        self._held = [(t, self.constants[name], self._views[name], t.shape) for name, t in self._leaves.items()]

    def __reduce__(self) -> Any:
        # by default a copy would hold views and leaves that are no longer parts of its packed vector
        return _again, (self.shapes, self.dtype, self._w, self._g)

    @property
    def w(self) -> ndarray:
        """The packed weights, as a read-only view."""
        self._note()
        return view_of(self._w)

    @property
    def g(self) -> ndarray:
        """The packed gradient that `collect` found last at these weights, as a read-only view; else zeros."""
        return view_of(self._g)

    @property
    def parameters(self) -> dict[str, ndarray]:
        """Name → weights, as read-only views into w."""
        self._note()
        return dict(self._views)

    def _note(self) -> None:
        """Let a recording know that it has read the weights: it must be made anew when they are written."""
        tape = current().tape
        if tape is not None:
            for t in self.constants.values():
                tape.reads(t)

    @property
    def leaves(self) -> dict[str, Tensor]:
        """Name → the weights as Tensors that require a gradient. RuntimeError where one was written by itself."""
        self._must_be_whole()
        return dict(self._leaves)

    def _must_be_whole(self) -> None:
        for t, _, view, _ in self._held:
            if t._data is not view:
                name = self._name(t)
                raise RuntimeError(
                    f"the leaf {name!r} was assigned to by itself, so it is no part of the packed weights any more; "
                    f"write it with net.assign({{{name!r}: values}}), which also mends this"
                )

    def are_leaves(self, parameters: Mapping[str, Any]) -> bool:
        """Whether these are `leaves` as they stand, whose names and shapes need no look."""
        return list(parameters) == list(self._leaves) and all(map(is_, parameters.values(), self._leaves.values()))

    def named(self, vector: Array) -> dict[str, Any]:
        """The parts of a packed vector by name, as views in their shapes."""
        if np.shape(vector) != self._w.shape:
            raise ValueError(
                f"the packed vector has shape {self._w.shape}, an array of shape {np.shape(vector)} was given"
            )
        vector = vector if isinstance(vector, Tensor) else np.asarray(vector)
        return {name: np.reshape(vector[place], self.shapes[name]) for name, place in self.places.items()}

    def packed(self, parts: Mapping[str, Any]) -> ndarray:
        """Arrays by name as one packed vector. Raises ValueError for missing, unknown or misshapen ones."""
        must_fit(parts, self.shapes)
        vector = np.empty(self._w.size, self.dtype)
        for name, place in self.places.items():
            vector[place] = np.ravel(_real(name, parts[name]))
        return vector

    def assign(self, values: Array | Mapping[str, Array]) -> None:
        """Write new weights: a packed vector, or arrays by name (others keep their values).

        Raises ValueError for another shape, an unknown name or what is no number, TypeError inside transforms and
        recordings, which could not see what is written.
        """
        must_be_outside("assign")
        self.fill(values)

    def fill(self, values: Array | Mapping[str, Array]) -> None:
        """What `assign` does, for weights that no graph can hold yet: those of a net just made."""
        if isinstance(values, Mapping):
            must_fit({**self._views, **values}, self.shapes)
            parts = {name: _real(name, part).astype(self.dtype, copy=False) for name, part in values.items()}
            parts = {name: a.copy() if np.may_share_memory(a, self._w) else a for name, a in parts.items()}
            self._new_version()
            for name, part in parts.items():
                self._w[self.places[name]] = np.ravel(part)
            return
        must_be_plain(values, "assign")
        vector = np.asarray(values)
        if vector.shape != self._w.shape or vector.dtype.kind not in "fiu":
            raise ValueError(
                f"assign: {self._w.size} weights are needed, as one vector of numbers; "
                f"an array of shape {vector.shape} and dtype {vector.dtype} was given"
            )
        self._new_version()
        self._w[...] = vector

    def add(self, delta: ndarray) -> None:
        """Write w + Δw, of the packed vector's shape, where it stands: large nets have no room for their sum.

        The gradients that it was made from are used up: the leaves hold none any more.
        """
        self._new_version()
        add(self._w, delta, self._w)
        self._forget()

    def add_pieces(self, pieces: Iterable[tuple[slice, ndarray]]) -> None:
        """The same piece by piece: places in w, and Δw there. Nothing is written before the first one is known."""
        first = True
        for place, delta in pieces:
            if first:
                self._new_version()
            first = False
            w = self._w[place]
            add(w, delta, w)
        self._forget()

    def _new_version(self) -> None:
        """Let graphs refuse what is written next, and the old gradient go.

        Interrupted before it is written, a walk would refuse old values rather than take new ones for old.
        """
        for t, constant, view, _ in self._held:
            t._data = constant._data = view
            t.stamp, constant.stamp = next(stamps), next(stamps)
        self._g = self._zeros

    def _forget(self) -> None:
        for t in self._leaves.values():
            t.grad = None

    def collect(self) -> ndarray:
        """The gradients that the leaves hold, moved into g: zeros where none has arrived."""
        self._g = self.gradient()
        self._forget()
        return self.g

    def gradient(self) -> ndarray:
        """The gradients that the leaves hold, packed: zeros where none has arrived.

        Raises RuntimeError where a leaf was written by itself, ValueError where a gradient has not its leaf's shape.
        """
        parts = []
        for t, _, view, shape in self._held:
            if t._data is not view:
                self._must_be_whole()
            e = t.grad
            parts.append(e.ravel() if type(e) is ndarray and e.shape == shape else self._flat(t))
        g = empty(self._w.shape, self.dtype)
        if parts:
            concatenate(parts, 0, g)
        return g

    def _flat(self, t: Tensor) -> ndarray:
        """The gradient of a leaf in one row: zeros where none has arrived, or one number set by hand for all of it."""
        e = t.grad
        if e is None:
            return self._zeros[: t.size]
        if shape_of(e) not in ((), t.shape):
            raise ValueError(
                f"the gradient of {self._name(t)!r} has shape {np.shape(e)}, its weights {t.shape}; "
                "set grad to an array of their shape, or to None"
            )
        return np.ravel(np.broadcast_to(e, t.shape))

    def _name(self, t: Tensor) -> str:
        return next(name for name, own in self._leaves.items() if own is t)

    def gradients(self, size: int) -> Iterator[tuple[slice, ndarray]]:
        """The same in pieces of so many weights: the place of each, and its part of g.

        A piece inside one gradient is a view of it; any other is packed where the one before was.
        """
        self._must_be_whole()
        piece, filled, end = np.empty(min(size, self._w.size), self.dtype), 0, self._w.size
        for name, place in self.places.items():
            flat = self._flat(self._leaves[name])
            at, stop = place.start, place.stop
            while at < stop:
                n = min(size - filled, stop - at)
                part = flat[at - place.start : at - place.start + n]
                at += n
                if n < size:
                    piece[filled : filled + n] = part
                    filled += n
                    part = piece[:filled]
                if part.size == size or at == end:
                    yield slice(at - part.size, at), part
                    filled = 0


def _again(shapes: dict[str, tuple[int, ...]], dtype: Any, w: ndarray, g: ndarray) -> Weights:
    """Weights after they were pickled or copied."""
    weights = Weights(shapes, dtype)
    weights.fill(w)
    weights._g = g
    return weights


def must_be_outside(name: str) -> None:
    """Refuse to write weights inside transforms and recordings, which could not see it."""
    if current().depth:
        raise TypeError(
            f"{name}() inside a transform or a recording{here()}: the gradient would not see what is written; "
            "pass new weights to the net instead, net(x, parameters)"
        )


def must_fit(parts: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse parameters that are not those of a network by name and shape, naming the first that is wrong."""
    if parts.keys() != shapes.keys():
        missing = [name for name in shapes if name not in parts]
        if missing:
            raise ValueError(f"parameters lack {', '.join(missing)}; this net has {', '.join(shapes)}")
        unknown = next(name for name in parts if name not in shapes)
        raise ValueError(f"unknown parameter {unknown!r}; this net has {', '.join(shapes)}")
    for name, value in parts.items():
        if (value._data.shape if type(value) is Tensor else shape_of(value)) != shapes[name]:
            raise ValueError(f"{name} has shape {np.shape(value)}, this net needs {shapes[name]}")


def _real(name: str, part: Any) -> ndarray:
    """A parameter as an array of real numbers, else an error that names it."""
    must_be_plain(part, name)
    a = np.asarray(part)
    if a.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be real numbers, not of dtype {a.dtype}")
    return a
