"""What a recorded function refers to: a change of whatever can change is noticed, and nothing else is."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial, wraps
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl

X = np.array([0.5, -1.25, 2.0])


def first(value: Any) -> float:
    """The first number somewhere in a value, as a plain one: what is read while recording, and seen by nothing else."""
    while isinstance(value, list | dict):
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return float(np.ravel(value.numpy() if isinstance(value, tl.Tensor) else value)[0])


def write(a: np.ndarray) -> None:
    a[0] = 5.0


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "a number in a list": (lambda: [2.0], lambda v: write(v)),
    "a small array": (lambda: np.full(3, 2.0), write),
    "a large array": (lambda: np.full(2000, 2.0), write),
    "a large array with a NaN in it": (lambda: np.append(np.full(2000, 2.0), np.nan), write),
    "an array in a dict in a list": (lambda: [{"w": np.full(3, 2.0)}], lambda v: write(v[0]["w"])),
    "another shape in its place": (lambda: [np.full(3, 2.0)], lambda v: v.__setitem__(0, np.full(4, 5.0))),
    "a longer list": (lambda: [2.0], lambda v: v.insert(0, 5.0)),
    "another type of an equal number": (lambda: [1.0, 2], lambda v: v.__setitem__(1, 2.0)),
    "a leaf that is written": (lambda: [tl.Tensor(2.0)], lambda v: v[0].assign(5.0)),
    "another function": (lambda: [2.0, np.tanh], lambda v: v.__setitem__(1, np.sin)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_what_is_referred_to_is_noticed_and_nothing_else_records_anew(name: str) -> None:
    make, change = CHANGES[name]
    value, runs = make(), []

    def f(x: Any) -> Any:
        return x * first(value)

    jitted = tl.jit(f)
    for _ in range(3):
        np.testing.assert_array_equal(jitted(X), f(X))
        runs.append(jitted.report())
    assert runs[-1].endswith("3 calls")  # of one program: a new one would begin to count anew
    change(value)
    np.testing.assert_array_equal(jitted(X), f(X))
    assert jitted.report().endswith("1 calls")


SCALE = 2.0


def scaled(x: Any) -> Any:
    return x * SCALE


def test_a_name_that_is_gone_is_missed_as_by_the_function_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    jitted = tl.jit(scaled)
    np.testing.assert_array_equal(jitted(X), X * 2.0)
    monkeypatch.delitem(globals(), "SCALE")
    with pytest.raises(NameError, match="SCALE"):
        jitted(X)


def test_a_cell_that_is_emptied_is_missed_as_by_the_function_itself() -> None:
    scale = 2.0

    def f(x: Any) -> Any:
        return x * scale

    def forget() -> None:
        nonlocal scale
        del scale

    jitted = tl.jit(f)
    np.testing.assert_array_equal(jitted(X), X * 2.0)
    forget()
    with pytest.raises(NameError, match="scale"):
        jitted(X)


def test_a_name_that_has_no_value_yet_and_is_not_needed_is_in_nobodys_way() -> None:
    def f(x: Any) -> Any:
        return x * 2.0 if early else x * later

    early = True
    np.testing.assert_array_equal(tl.jit(f)(X), X * 2.0)
    later = 3.0
    early = False
    np.testing.assert_array_equal(tl.jit(f)(X), X * 3.0)


def test_a_list_that_contains_itself_is_watched_for_being_the_same_list() -> None:
    endless: list[Any] = [2.0]
    endless.append(endless)

    def f(x: Any) -> Any:
        return x * endless[0]

    jitted = tl.jit(f)
    for _ in range(2):
        np.testing.assert_array_equal(jitted(X), X * 2.0)
    assert jitted.report().endswith("2 calls")


# what objects hold


class Model:
    """Something that users write: attributes, methods that call each other, properties, parts."""

    scale = 1.0

    def __init__(self) -> None:
        self.w, self.part = np.full(3, 2.0), SimpleNamespace(k=1.0, table=[1.0])

    def error(self, x: Any) -> Any:
        return np.sum(self.out(x) * self.doubled) * self.part.table[0]

    def out(self, x: Any) -> Any:
        return self.w * x * self.scale + self.part.k

    @property
    def doubled(self) -> Any:
        return 2.0 * self.part.k

    @cached_property
    def first(self) -> Any:
        return self.w[0]

    def __call__(self, x: Any) -> Any:
        return self.out(x) * self.first

    def __mul__(self, x: Any) -> Any:
        return self.part.k * x


class Slotted:
    __slots__ = ("k",)

    def __init__(self, k: float) -> None:
        self.k = k


class Classwide:
    eta = 1.0

    @classmethod
    def step(cls, x: Any) -> Any:
        return x - cls.eta * x


@dataclass
class Layer:
    k: float
    f: Callable[[Any], Any]

    def __call__(self, x: Any) -> Any:
        return self.f(self.k * x)


def with_a_counter(f: Any) -> Any:
    """A decorator of the usual kind."""

    @wraps(f)
    def decorated(x: Any) -> Any:
        return f(x)

    return decorated


def referring(value: Any) -> Callable[[Any], Any]:
    return lambda x: value(x)


def module(**names: Any) -> ModuleType:
    """A module of the user's own."""
    made = ModuleType("configuration")
    vars(made).update(names)
    return made


ATTRIBUTES: dict[str, tuple[Callable[[Any], Callable[[Any], Any]], Callable[[Any], None], Callable[[], Any]]] = {
    "an attribute of a method's owner": (lambda m: m.error, lambda m: setattr(m, "w", np.zeros(3)), Model),
    "its array, in place": (lambda m: m.error, lambda m: m.w.fill(7.0), Model),
    "an attribute of its class": (lambda m: m.error, lambda m: setattr(m, "scale", 3.0), Model),
    "an attribute of a part, behind a property": (lambda m: m.error, lambda m: setattr(m.part, "k", 3.0), Model),
    "a list in a part": (lambda m: m.error, lambda m: m.part.table.append(m.part.table.pop() + 1), Model),
    "what a callable object reads": (lambda m: m, lambda m: setattr(m.part, "k", 3.0), Model),
    "what a callable object reads, called by name": (referring, lambda m: setattr(m.part, "k", 3.0), Model),
    "what an operator of an object reads": (
        lambda m: lambda x: m * x,
        lambda m: setattr(m.part, "k", 3.0),
        Model,
    ),
    "a cached property that is forgotten": (
        lambda m: m,
        lambda m: (m.__dict__.pop("first", None), m.w.fill(5.0)),
        Model,
    ),
    "another method": (lambda m: m.error, lambda m: setattr(m, "out", np.tanh), Model),
    "a slot": (lambda s: lambda x: s.k * x, lambda s: setattr(s, "k", 3.0), lambda: Slotted(1.0)),
    "a slot two objects away": (
        lambda s: lambda x: s.inner.k * x,
        lambda s: setattr(s.inner, "k", 3.0),
        lambda: SimpleNamespace(inner=Slotted(1.0)),
    ),
    "an object in a dict": (
        lambda d: lambda x: d["a"].k * x,
        lambda d: setattr(d["a"], "k", 3.0),
        lambda: {"a": Slotted(1.0)},
    ),
    "a class": (lambda c: lambda x: c.eta * x, lambda c: setattr(c, "eta", 3.0), lambda: type("C", (), {"eta": 1.0})),
    "a class method's class": (lambda c: c.step, lambda c: setattr(c, "eta", 3.0), lambda: type("D", (Classwide,), {})),
    "layers in a list": (
        lambda layers: lambda x: layers[1](layers[0](x)),
        lambda layers: setattr(layers[0], "k", 3.0),
        lambda: [Layer(1.0, np.tanh), Layer(2.0, np.sin)],
    ),
    "a layer's function": (
        lambda layers: lambda x: layers[0](x),
        lambda layers: setattr(layers[0], "f", np.cos),
        lambda: [Layer(1.0, np.tanh)],
    ),
    "a module": (lambda m: lambda x: m.eta * x, lambda m: setattr(m, "eta", 3.0), lambda: module(eta=1.0)),
    "a set": (lambda s: lambda x: x * 2.0 if "twice" in s else x, lambda s: s.clear(), lambda: {"twice"}),
    "a deque": (lambda q: lambda x: x * q[0], lambda q: q.appendleft(3.0), lambda: deque([2.0])),
    "the keys of a dict": (
        lambda d: lambda x: x * 2.0 if "a" in d else x,
        lambda d: (d.clear(), d.update(b=1.0)),
        lambda: {"a": 1.0},
    ),
    "the order of a dict": (
        lambda d: lambda x: x * 2.0 if next(iter(d)) == "a" else x,
        lambda d: d.move_to_end("a"),
        lambda: OrderedDict(a=1.0, b=1.0),
    ),
    "a partial's argument": (
        lambda d: partial(lambda k, x: k["k"] * x, d),
        lambda d: d.update(k=3.0),
        lambda: {"k": 2.0},
    ),
    "what a decorated function reads": (
        lambda s: with_a_counter(lambda x: s.k * x),
        lambda s: setattr(s, "k", 3.0),
        lambda: Slotted(1.0),
    ),
    "what a rule of one's own reads": (
        lambda s: tl.grad(referring(lambda x: np.sum(tl.local_rule(lambda x: x * x, slopes=lambda y, x: s.k * x)(x)))),
        lambda s: setattr(s, "k", 3.0),
        lambda: Slotted(1.0),
    ),
    "a net, read for what it computes": (
        lambda net: lambda x: x * np.sum(net(np.ones((2, 3)))),
        lambda net: net.assign(0.5 * net.w),
        lambda: tl.MLP([3, 2, 1]),
    ),
    "a net's packed weights": (
        lambda net: lambda x: x * np.sum(net.w**2),
        lambda net: net.assign(0.5 * net.w),
        lambda: tl.MLP([3, 2, 1]),
    ),
    "a leaf, read for its numbers": (
        lambda held: lambda x: x * float(np.sum(held.t.numpy())),
        lambda held: held.t.assign([3.0, 4.0]),
        lambda: SimpleNamespace(t=tl.Tensor([1.0, 2.0])),
    ),
    "what was computed from a leaf": (
        lambda held: lambda x: x * np.sum(np.tanh(held.t)),
        lambda held: held.t.assign([3.0, 4.0]),
        lambda: SimpleNamespace(t=tl.Tensor([1.0, 2.0])),
    ),
}


@pytest.mark.parametrize("compiled", [tl.jit, lambda f: lambda x: tl.scan(lambda c, _: (c, f(x)), 0.0, length=1)[1][0]])
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_change_of_what_names_and_attributes_lead_to_is_noticed(name: str, compiled: Any) -> None:
    function_of, change, make = ATTRIBUTES[name]
    value = make()
    f = function_of(value)
    fast = compiled(f)
    before = [fast(X) for _ in range(3)]
    for found in before:
        np.testing.assert_allclose(found, f(X), rtol=1e-13)
    change(value)
    assert not np.allclose(before[0], f(X))  # else nothing would be tested
    np.testing.assert_allclose(fast(X), f(X), rtol=1e-13)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_nothing_is_recorded_anew_while_nothing_changes(name: str) -> None:
    function_of, _, make = ATTRIBUTES[name]
    fast = tl.jit(function_of(make()))
    for _ in range(4):
        fast(X)
    assert fast.report().endswith(" 4 calls")


@pytest.mark.parametrize("generator", [np.random.RandomState(0).normal, random.Random(0).random])
def test_a_generator_of_any_kind_that_is_drawn_from_is_refused(generator: Any) -> None:
    with pytest.raises(TypeError, match=r"it changes '.*', which would happen once"):
        tl.jit(lambda x: x + generator())(X)


def test_a_method_that_counts_its_calls_is_refused() -> None:
    class Counts:
        calls = 0

        def f(self, x: Any) -> Any:
            self.calls += 1
            return x

    with pytest.raises(TypeError, match=r"it changes 'self\.calls'"):
        tl.jit(Counts().f)(X)


# static arguments


def test_functions_nets_and_objects_that_are_arguments_are_told_apart_and_watched() -> None:
    fast = tl.jit(lambda f, x: f(x))
    assert [fast(lambda z, k=k: z + k, X)[0] for k in (1.0, 2.0, 3.0)] == [1.5, 2.5, 3.5]
    nets = [tl.MLP([3, 2, 1], rng=seed) for seed in (0, 1)]
    for net in (*nets, *nets):
        np.testing.assert_allclose(fast(net, X[None]), net(X[None]), rtol=1e-13)
        net.assign(0.5 * net.w)
        np.testing.assert_allclose(fast(net, X[None]), net(X[None]), rtol=1e-13)
    scaled = tl.jit(lambda s, x: s.k * x)
    for k in (2.0, 3.0):
        held = Slotted(k)
        np.testing.assert_array_equal(scaled(held, X), k * X)
        held.k = 5.0
        np.testing.assert_array_equal(scaled(held, X), 5.0 * X)


def test_a_callable_object_with_attributes_of_the_same_names_is_called_itself() -> None:
    class Twice:
        def __init__(self, f: Any) -> None:
            self.f, self.name, self.programs = f, "twice", None

        def __call__(self, x: Any) -> Any:
            return 2.0 * self.f(x)

    np.testing.assert_allclose(tl.jit(Twice(np.tanh))(X), 2.0 * np.tanh(X), rtol=1e-15)
    again = tl.jit(tl.jit(lambda x: x * 2.0), runner="NumPy")
    again(X)
    assert "run by NumPy" in again.report()


# gradients that arrays would not carry on


def test_where_a_function_refers_to_a_leaf_that_requires_a_gradient_it_is_run_as_it_is() -> None:
    w = tl.Tensor(np.ones(3), requires_grad=True)
    f = tl.jit(lambda x: np.sum(x * w))
    for _ in range(2):
        E = f(X) + 0.5 * np.sum(w * w)
        E.backward()
    np.testing.assert_array_equal(w.grad, 2.0 * (X + 1.0))
    assert "it refers to a Tensor that requires one" in f.report()
    with tl.no_grad():
        assert f(X) == np.sum(X)
    inner = tl.jit(lambda x: tl.grad(lambda p: np.sum(p * x))(x))  # a gradient inside loses nothing
    np.testing.assert_array_equal(inner(X), X)
    assert "requires" not in inner.report()
