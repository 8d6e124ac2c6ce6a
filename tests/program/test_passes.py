"""Passes leave every value as it was, to the last bit, and take away what they are there for."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import CASES
from tests.profiles import tries
from tests.program.test_numpy_runner import SPECIAL, others, plainly, programs, recorded, same_bits
from tinygrad_lecture.engine.tree import flatten
from tinygrad_lecture.program.explain import cost
from tinygrad_lecture.program.memory import lifetimes, shared
from tinygrad_lecture.program.numpy_forms import WRITTEN_OUT, in_plain_numpy
from tinygrad_lecture.program.numpy_runner import plain_run
from tinygrad_lecture.program.passes import (
    PASSES,
    folded,
    optimised,
    without_dead,
    without_identities,
    without_repeats,
    written_out,
)
from tinygrad_lecture.program.program import Program, Var, is_array


def where_it_lies(program: Program, xs: Any) -> Any:
    with np.errstate(all="ignore"):
        return plain_run(program, [a for a in flatten(list(xs))[0] if is_array(a)])[1]


def alike(program: Program, *calls: Any) -> None:
    """Each pass alone, and all together, give the program's own bits; and a second time nothing is left for them."""
    layouts = where_it_lies(program, calls[0])
    kept_where = [lambda p: without_identities(p, layouts), lambda p: optimised(p, layouts)]
    for step in [p for p in dict.fromkeys(PASSES) if p is not without_identities] + kept_where + [in_plain_numpy]:
        after = step(program)
        for xs in calls:
            with np.errstate(all="ignore"):
                for a, b in zip(flatten(after(*xs))[0], flatten(program(*xs))[0], strict=True):
                    same_bits(a, b)
        assert str(step(after)) == str(after)


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")  # other values may lie outside of an operation's domain
@pytest.mark.parametrize("name", CASES)
@settings(max_examples=tries(4))  # as many for each operation
@given(st.data(), st.integers(0, 2**32 - 1))
def test_each_pass_leaves_an_operation_and_its_gradient_as_they_are(name: str, data: st.DataObject, seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = CASES[name].make(data.draw, rng)
    err = rng.normal(size=np.shape(plainly(drawn.f, drawn.xs)))
    calls = [drawn.xs] if "linalg" in name else [drawn.xs, others(drawn.xs, rng)]
    alike(recorded(drawn.f, drawn.xs), *calls)
    try:
        program = tl.record(tl.grad(lambda *xs: np.sum(drawn.f(*xs) * err), argnums=tuple(range(len(drawn.xs)))))(
            *drawn.xs
        )
    except TypeError:
        return  # integers, or values that are looked at: no gradient
    alike(program, *calls)


@settings(max_examples=tries(200))
@given(programs())
def test_random_programs_with_special_numbers_keep_their_bits(drawn: tuple[Program, list[np.ndarray]]) -> None:
    program, xs = drawn
    alike(program, xs, xs[::-1], [np.asfortranarray(x) for x in xs])


def names(program: Program) -> list[str]:
    return [eq.op.name for eq in program.equations]


# what each is for


def constant_program(c: np.ndarray) -> Program:
    """A program in which equations compute with a constant alone, as passes and lowering leave them behind."""
    program = tl.record(lambda x, c: (np.exp(x), np.log(c) + np.sum(c)))(np.ones(2), np.ones_like(c))
    x, v = program.inputs
    one = {"paths": program.paths[:1], "static": program.static[:1], "form": None}
    return replace(program, inputs=(x,), constants={v: c}, **one)


def test_folding_computes_what_no_input_goes_into() -> None:
    program = constant_program(np.full(2, 3.0))
    assert names(program) == ["exp", "log", "sum", "add"]
    after = without_dead(folded(program))
    assert names(after) == ["exp"]
    assert len(after.constants) == 1


@pytest.mark.parametrize("value", SPECIAL)
def test_folding_keeps_special_numbers_and_does_not_warn(value: float) -> None:
    program = constant_program(np.full(2, value))
    after = without_dead(folded(program))
    assert names(after) == ["exp"]
    with np.errstate(all="ignore"):
        for a, b in zip(after(np.ones(2)), program(np.ones(2)), strict=True):
            same_bits(a, b)


def test_folding_keeps_a_scalar_a_scalar_since_its_powers_round_otherwise() -> None:
    program = constant_program(np.full(2, 3.0))
    (total,) = [c for v, c in folded(program).constants.items() if v not in program.constants and np.ndim(c) == 0]
    assert isinstance(total, np.float64)


IDENTITIES = {
    "x * 1.0": lambda x: x * 1.0,
    "1.0 * x": lambda x: 1.0 * x,
    "x / 1.0": lambda x: x / 1.0,
    "x - 0.0": lambda x: x - 0.0,
    "+x": lambda x: +x,
    "x ** 1": lambda x: x**1,
    "reshape": lambda x: np.reshape(x, np.shape(x)),
    "broadcast_to": lambda x: np.broadcast_to(x, np.shape(x)),
    "astype": lambda x: np.multiply(x, np.array(1.0)),
}
CHANGES = {
    "x + 0.0": lambda x: x + 0.0,
    "x - -0.0": lambda x: x - -0.0,
    "x * -1.0": lambda x: x * -1.0,
    "1.0 / x": lambda x: 1.0 / x,
    "0.0 - x": lambda x: 0.0 - x,
    "1.0 ** x": lambda x: 1.0**x,
    "x * 0.0": lambda x: x * 0.0,
    "wider": lambda x: np.broadcast_to(x, (2, *np.shape(x))),
    "x * nan": lambda x: x * np.nan,
}


@pytest.mark.parametrize("f", IDENTITIES.values(), ids=IDENTITIES)
def test_what_changes_nothing_is_taken_away(f: Any) -> None:
    x = np.array(SPECIAL)
    program = tl.record(lambda x: np.exp(f(x)))(x)
    after = without_identities(program)
    assert names(after) == ["exp"]
    assert names(without_identities(program, where_it_lies(program, [x]))) == ["exp"]
    with np.errstate(all="ignore"):
        same_bits(after(x), program(x))


@pytest.mark.parametrize("f", CHANGES.values(), ids=CHANGES)
def test_what_changes_a_sign_of_zero_or_more_stays(f: Any) -> None:
    with np.errstate(all="ignore"):
        program = tl.record(f)(np.array(SPECIAL))
    assert str(without_identities(program)) == str(program)


def test_a_copy_that_lies_otherwise_stays_where_it_is_known_how_values_lie() -> None:
    program = tl.record(lambda x: np.sum(+x[:, ::2]))(np.ones((3, 8)))
    layouts = where_it_lies(program, [np.ones((3, 8))])
    assert names(without_identities(program, layouts)) == names(program)
    assert names(without_identities(program)) == ["getitem", "sum"]


def test_what_is_computed_twice_is_computed_once() -> None:
    program = tl.record(lambda x: np.exp(x * 2.0) + np.exp(x * 2.0))(np.ones(3))
    assert names(without_repeats(program)) == ["multiply", "exp", "add"]


@pytest.mark.parametrize(("a", "b", "left"), [(0.0, -0.0, 2), (np.nan, np.nan, 1), (1.0, 1, 2), (np.inf, np.inf, 1)])
def test_equal_numbers_are_those_of_one_type_and_sign(a: Any, b: Any, left: int) -> None:
    program = tl.record(lambda x: (x * a, x * b))(np.ones(3))
    assert len(without_repeats(program).equations) == left
    constants = tl.record(lambda x: (x * np.full(3, a), x * np.full(3, b)))(np.ones(3))
    assert len(without_dead(without_repeats(constants)).constants) == left


def test_equal_constants_that_lie_otherwise_are_two() -> None:
    c = np.arange(6.0).reshape(2, 3)
    program = tl.record(lambda x, a, b: (x * a, x * b))(np.ones((2, 3)), c, c)
    x, a, b = program.inputs
    lie = {a: c, b: np.asfortranarray(c)}
    program = replace(program, inputs=(x,), paths=program.paths[:1], static=program.static[:1], constants=lie)
    assert len(without_repeats(program).equations) == 2
    assert len(without_repeats(replace(program, constants={a: c, b: c.copy()})).equations) == 1


def test_options_that_print_alike_are_not_one() -> None:
    class Opaque:
        def __init__(self, k: float) -> None:
            self.k = k

        def __repr__(self) -> str:
            return "opaque"

    scaled = tl.local_rule(lambda x, by: x * by.k, slopes=lambda y, x, by: by.k)
    program = tl.record(lambda x: (scaled(x, Opaque(2.0)), scaled(x, Opaque(3.0))))(np.ones(3))
    a, b = without_repeats(program)(np.ones(3))
    assert (a[0], b[0]) == (2.0, 3.0)


def test_a_users_function_called_like_one_that_changes_nothing_stays() -> None:
    def positive(x: Any) -> Any:
        return x + 1.0

    f = tl.local_rule(positive, slopes=1.0)
    program = tl.record(lambda x: f(x))(np.ones(3))
    same_bits(optimised(program)(np.zeros(3)), np.ones(3))


def test_what_no_output_needs_is_taken_away_with_its_constants() -> None:
    def f(x: Any) -> Any:
        np.exp(x) + np.arange(3.0)
        return x * 2.0

    program = tl.record(f)(np.ones(3))
    assert len(program.constants) == 1
    after = without_dead(program)
    assert names(after) == ["multiply"]
    assert not after.constants


def test_our_own_functions_are_written_out_as_what_they_compute() -> None:
    program = tl.record(lambda x, w, b: tl.logistic(tl.linear(x, w, b)))(np.ones((2, 3)), np.ones((4, 3)), np.ones(4))
    after = in_plain_numpy(program)
    assert not set(names(after)) & set(WRITTEN_OUT)
    assert {"dot", "exp", "where"} <= set(names(after))
    assert after.inputs == program.inputs


# memory


@st.composite
def lives(draw: Any) -> tuple[dict[Var, tuple[int, int]], dict[Var, int]]:
    spans = draw(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 8), st.integers(0, 2)), max_size=20))
    return (
        {Var(k): (begin, begin + n) for k, (begin, n, _) in enumerate(spans)},
        {Var(k): kind for k, (_, _, kind) in enumerate(spans)},
    )


@given(lives())
def test_what_is_needed_at_once_never_shares_memory_and_no_buffer_is_wasted(drawn: Any) -> None:
    spans, kinds = drawn
    number = shared(spans, kinds)
    busy = {v: range(begin, max(begin + 1, end)) for v, (begin, end) in spans.items()}
    for v in spans:
        for w in spans:
            if v != w and number[v] == number[w]:
                assert kinds[v] == kinds[w]
                assert not set(busy[v]) & set(busy[w])
    for kind in set(kinds.values()):
        of_kind = [v for v in spans if kinds[v] == kind]
        most = max(sum(t in busy[v] for v in of_kind) for t in range(24))
        assert len({number[v] for v in of_kind}) == most
    assert set(number.values()) == set(range(len(set(number.values()))))


def test_a_value_is_needed_as_long_as_a_view_of_it() -> None:
    program = tl.record(lambda x: (np.exp(x), np.sum(np.tanh(x).T * 2.0), np.sin(x))[1:])(np.ones((2, 2)))
    v = {eq.op.name: eq.out for eq in program.equations}
    order = [eq.op.name for eq in program.equations]
    holds = {w: (w,) for w in v.values()} | {v["transpose"]: (v["tanh"],)}
    found = lifetimes(program, holds)
    assert found[v["tanh"]] == (order.index("tanh"), order.index("multiply"))
    assert found[v["exp"]] == (order.index("exp"), order.index("exp"))
    assert found[v["sin"]][1] == len(order)
    assert v["transpose"] not in found


# explain


def test_explain_shows_both_programs_and_what_each_pass_saves() -> None:
    def f(x: Any, w: Any) -> Any:
        np.exp(x)
        return np.dot(+x, w) + np.dot(x * 1.0, w)

    program = tl.record(f)(np.ones((2, 3)), np.ones((3, 4)))
    text = program.explain()
    assert text.startswith(str(program))
    assert text.endswith(str(optimised(program)))
    rows = [line.split() for line in text.splitlines() if line.startswith(("as recorded", "without_"))]
    # +x, x · 1, exp(x): 6 numbers each; two products of 2 · 2·4·3 operations; their sum of 8 numbers
    assert rows[0][2:5] == ["6", "336", "122"]
    assert " ".join(rows[1][4:]) == "saves 1 equations, 48 bytes, 6 operations"
    assert " ".join(rows[2][4:]) == "saves 2 equations, 96 bytes, 12 operations"
    assert " ".join(rows[3][4:]) == "saves 1 equations, 64 bytes, 48 operations"
    assert rows[-1][1:] == ["2", "128", "56"]


def test_explain_says_how_much_memory_values_can_share() -> None:
    program = tl.record(lambda x: np.exp(np.sin(np.exp(np.sin(x)))))(np.ones(100))
    assert "of those bytes 1,600 do" in program.explain()


def test_explain_counts_what_only_shows_the_elements_of_another_value_as_nothing() -> None:
    of_view = cost(tl.record(lambda x: np.exp(x.reshape(3, 2)[1:].T))(np.ones(6)))
    of_part = cost(tl.record(np.exp)(np.ones((2, 2))))
    assert (of_view[0], of_part[0]) == (4, 1)
    assert of_view[1:] == of_part[1:] == (32, 4)


def test_an_operation_may_be_written_out_with_constants_of_its_own() -> None:
    table = np.array([1.0, -2.0, 4.0])
    program = tl.record(lambda x: np.tanh(x) + np.tanh(2.0 * x))(np.ones(3))
    written = written_out(program, lambda eq, _: (lambda x: x * table) if eq.op.name == "tanh" else None)
    assert "tanh" not in [eq.op.name for eq in written.equations]
    assert len(written.constants) == 2  # one for each use: no two parts share a name
    for c in written.constants.values():
        np.testing.assert_array_equal(c, table)
    x = np.array([0.5, 3.0, -1.0])
    np.testing.assert_array_equal(written(x), x * table + 2.0 * x * table)
