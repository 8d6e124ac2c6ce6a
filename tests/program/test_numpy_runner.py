"""The NumPy runner gives the bits of the program run equation by equation, again and again, from its own buffers."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import CASES
from tests.profiles import tries
from tinygrad_lecture.engine import primitives
from tinygrad_lecture.engine.op import OPS
from tinygrad_lecture.engine.tree import flatten
from tinygrad_lecture.program import numpy_runner
from tinygrad_lecture.program.numpy_runner import NumpyRunner
from tinygrad_lecture.program.program import Program, is_array
from tinygrad_lecture.program.running import computed


def same_bits(got: Any, wanted: Any) -> None:
    """The same shape, dtype and bits; a NaN is a NaN, whatever else its bits say."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    assert np.array_equal(got, wanted, equal_nan=True)
    if got.dtype.kind == "f":  # the bytes of a longdouble hold gaps, so that they say too much
        assert np.array_equal(np.signbit(got) & ~np.isnan(got), np.signbit(wanted) & ~np.isnan(wanted))


def arrays_of(args: Any) -> list[Any]:
    return [a for a in flatten(list(args))[0] if is_array(a)]


def agree(program: Program, *calls: Any) -> NumpyRunner:
    """Run a program on several lists of arguments, each twice, and compare with the plain run of it."""
    written = computed(program)
    runner = NumpyRunner(program, written)
    for args in (*calls, *calls):
        before = [np.array(a) for a in arrays_of(args)]
        with np.errstate(all="ignore"):
            plain = flatten(program(*args))[0]
        outs = runner(arrays_of(args))
        for i, out in zip(written, outs, strict=True):
            same_bits(out, plain[i])
            assert isinstance(out, np.generic if np.ndim(out) == 0 else np.ndarray)
        for a, b in zip(arrays_of(args), before, strict=True):
            same_bits(a, b)
    return runner


def recorded(f: Callable[..., Any], xs: Any) -> Program:
    try:
        return tl.record(f)(*xs)
    except TypeError as error:  # what looks at its values cannot be recorded
        pytest.skip(str(error))


def plainly(f: Callable[..., Any], xs: Any) -> Any:
    """f itself; draws that it refuses without any runner, like a method that numbers do not have, are left out."""
    try:
        return f(*xs)
    except (ValueError, AttributeError):
        reject()


def others(xs: list[Any], rng: np.random.Generator) -> list[Any]:
    """Other values of the same kind: those at hand in another order."""
    return [np.array(rng.permutation(np.ravel(x)).reshape(np.shape(x)), order="K")[()] for x in xs]


@pytest.fixture(params=["copied", "bound"])
def places(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to hand over inputs: copied into fixed places, and bound where they are."""
    monkeypatch.setattr(numpy_runner, "WORTH", 10**9 if request.param == "copied" else 0)
    return str(request.param)


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")  # other values may lie outside of an operation's domain
@pytest.mark.parametrize("name", CASES)
@settings(max_examples=tries(8))  # as many for each operation
@given(st.data(), st.integers(0, 2**32 - 1), st.booleans())
def test_each_operation_and_its_gradient_give_the_bits_of_the_plain_run(
    name: str, data: st.DataObject, seed: int, moved: bool
) -> None:
    rng = np.random.default_rng(seed)
    drawn = CASES[name].make(data.draw, rng)
    xs = [np.asfortranarray(x) if moved and np.ndim(x) > 1 else x for x in drawn.xs]
    err = rng.normal(size=np.shape(plainly(drawn.f, xs)))
    calls = [xs]
    if "linalg" not in name:  # a matrix whose elements change places may have no inverse
        calls.append(others(xs, rng))
    agree(recorded(drawn.f, xs), *calls)

    def error(*given: Any) -> Any:
        return np.sum(drawn.f(*given) * err)

    try:
        program = tl.record(tl.value_and_grad(error, argnums=tuple(range(len(xs)))))(*xs)
    except TypeError:
        return  # integers, or values that are looked at: no gradient
    agree(program, *calls)


# random programs


SPECIAL = [0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 2.0, 0.5]
UNARY = [
    *[np.negative, np.positive, np.exp, np.abs, np.tanh, tl.relu, np.ravel, np.sum, np.sort, np.cumsum],
    *[lambda x: x.T, lambda x: x[..., :1], lambda x: x[::-1], lambda x: np.swapaxes(x, 0, 1)],
    lambda x: np.reshape(x.T, (3, 3)),
]
BINARY = [
    *[np.add, np.subtract, np.multiply, np.divide, np.maximum, np.dot, lambda a, b: np.where(a > b, a, b)],
    lambda a, b: a**2.0,
    lambda a, b: np.concatenate([np.ravel(a), np.ravel(b), np.ravel(a)])[:9].reshape(3, 3),
    lambda a, b: np.concatenate([a, b])[2:5],
]


@st.composite
def programs(draw: Any) -> tuple[Program, list[np.ndarray]]:
    """Random programs of some steps, in which the same steps come again, and constants that are special numbers."""
    special = st.lists(st.sampled_from(SPECIAL), min_size=9, max_size=9).map(lambda c: np.array(c).reshape(3, 3))
    step = st.tuples(st.integers(0, len(UNARY + BINARY) - 1), st.integers(0, 30), st.integers(0, 30))
    plan = draw(st.lists(step, min_size=1, max_size=16))
    numbers = draw(st.lists(st.sampled_from(SPECIAL), min_size=1, max_size=2))
    constants, shown = draw(st.lists(special, min_size=1, max_size=2)), draw(st.integers(1, 3))

    def f(x: Any, y: Any) -> Any:
        values = [*constants, *numbers, x, y]
        for op, a, b in plan:
            first, second = values[-1 - a % len(values)], values[-1 - b % len(values)]
            given = [np.asarray(first) if isinstance(first, float) else first, second]
            try:
                values.append((UNARY + BINARY)[op](*given[: 1 if op < len(UNARY) else 2]))
            except (ValueError, IndexError):  # shapes that do not fit
                continue
        return [np.add(z, x[0, 0]) if i % 2 else z for i, z in enumerate(values[-shown:])]

    x, y = draw(special), np.random.default_rng(draw(st.integers(0, 99))).normal(size=(3, 3))
    with np.errstate(all="ignore"):
        return tl.record(f)(x, y), [x, y]


@settings(max_examples=tries(300))
@given(programs())
def test_random_programs_give_the_bits_of_the_plain_run(drawn: tuple[Program, list[np.ndarray]]) -> None:
    program, xs = drawn
    with np.errstate(all="ignore"):
        agree(program, xs, xs[::-1], [np.asfortranarray(x) for x in xs])
        plain = np.random.default_rng(4).normal(size=(2, 3, 3))  # special numbers soon make everything NaN
        agree(program, list(plain), [plain[1], plain[0]])


@pytest.mark.parametrize("part", [lambda y: y.T, lambda y: y[::-1], np.squeeze, lambda y: np.swapaxes(y, 0, 1)])
def test_memory_is_not_used_again_while_a_view_of_it_is_needed(part: Any) -> None:
    def f(x: Any) -> Any:
        y = np.exp(x)
        seen = part(y)
        z = np.tanh(x) * np.sin(x) - np.cos(x)  # all of y's size, while only the view of y is still needed
        return np.sum(z) + seen * 2.0

    rng = np.random.default_rng(6)
    agree(tl.record(f)(np.ones((3, 3))), (rng.normal(size=(3, 3)),), (rng.normal(size=(3, 3)),))


def test_what_was_computed_from_a_buffer_is_not_taken_for_that_buffer() -> None:
    def f(x: Any) -> Any:
        total = np.cumsum(-x)  # which has no form: it may be a view of what it is given, or not
        return np.concatenate([total, -total])

    rng = np.random.default_rng(7)
    agree(tl.record(f)(np.ones(9)), (rng.normal(size=9),), (rng.normal(size=9),))


# numbers that are none, and zeros with signs


@pytest.mark.parametrize(
    "f", [tl.logistic, tl.relu, tl.softplus, np.tanh, np.sqrt, np.log, np.abs, np.square], ids=lambda f: f.__name__
)
def test_signed_zeros_infinities_and_nan_pass_through_a_function_and_its_slope(f: Any) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e308, -1e-320, 2.0])

    def step(x: Any, err: Any) -> Any:
        y, pull = tl.vjp(f, x)
        return y, pull(err), np.where(np.isnan(y), 0.0, y).sum()

    with np.errstate(all="ignore"):
        program = tl.record(step)(x, np.ones(8))
    rng = np.random.default_rng(1)
    with np.errstate(all="ignore"):
        agree(program, (x, np.ones(8)), (x, np.zeros(8)), (x[::-1].copy(), rng.normal(size=8)), (x, -0.0 * np.ones(8)))


def test_where_no_error_arrives_none_is_handed_on_and_nothing_warns() -> None:
    def step(x: Any) -> Any:
        return tl.grad(lambda x: np.sum(np.where(x > 0, np.log(np.where(x > 0, x, 0.0)), 0.0)))(x)

    with np.errstate(divide="ignore"):
        program = tl.record(step)(np.ones(3))
    runner = NumpyRunner(program, computed(program))
    for _ in range(3):
        (g,) = runner([np.array([2.0, 0.0, -1.0])])
        same_bits(g, np.array([0.5, 0.0, 0.0]))


def test_sums_of_minus_zeros_over_one_pattern_start_as_numpys_do() -> None:
    agree(tl.record(lambda x: np.sum(x, axis=0))(np.ones((1, 3))), (np.array([[-0.0, 0.0, -1.0]]),))


# how the inputs lie in memory


def summed(x: Any, y: Any) -> Any:
    """Sums whose last bits depend on how their operands lie in memory."""
    z = +x * 1.0 + y
    return np.sum(z), np.sum(z, axis=0), np.sum(+x), np.sum(x.T, axis=0), np.ravel(z.T) @ np.ravel(z), z.T


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize(
    "how",
    [
        lambda a: a,
        np.asfortranarray,
        lambda a: a[::-1],
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[:, :1] + 0,
    ],
    ids=["C", "F", "reversed", "with gaps", "one column"],
)
def test_arrays_that_lie_otherwise_give_the_bits_that_the_function_itself_gives(how: Any) -> None:
    rng = np.random.default_rng(3)
    x, y = how(rng.normal(size=(40, 30))), rng.normal(size=(40, 30))
    program = tl.record(summed)(x, y)
    runner = NumpyRunner(program, computed(program))
    for args in ((x, y), (y[:, : x.shape[1]] + x, y), (x, y.T.copy().T), (x, y)):
        for out, plain in zip(runner(args), summed(*args), strict=True):
            same_bits(out, plain)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("how", [np.ascontiguousarray, np.asfortranarray])
def test_a_reshape_reads_the_elements_in_its_own_order(how: Any, order: Any) -> None:
    program = tl.record(lambda x: (np.reshape(x, (3, 2), order=order) * 2.0, np.reshape(x[0], (3, 1), order=order)))
    x = how(np.arange(6.0).reshape(2, 3))
    agree(program(x), (x,), (x + 1.0,), (np.arange(6.0).reshape(2, 3),))
    agree(tl.record(lambda x: np.reshape(x, (2, 3), order=order) + 1.0)(np.arange(6.0)), (np.arange(6.0),))


def test_powers_of_single_numbers_round_as_those_of_scalars_do() -> None:
    x = np.float64(1.1747)
    program = tl.record(lambda x: (x**3, x**2, (x * 2.0) ** 1.7))(x)
    agree(program, *[(np.float64(v),) for v in np.random.default_rng(0).uniform(0.1, 9.0, 50)])
    agree(program, *[(np.array(v),) for v in np.random.default_rng(1).uniform(0.1, 9.0, 50)])


# who owns what


@pytest.mark.usefixtures("places")
def test_what_comes_out_is_the_callers_and_what_goes_in_stays() -> None:
    program = tl.record(lambda x, y: (x + y, (x + y).T, np.exp(x)[0], x[:1], np.sum(x)))(
        np.ones((2, 2)), np.ones((2, 2))
    )
    runner = NumpyRunner(program, computed(program))
    x, y = np.arange(4.0).reshape(2, 2), np.ones((2, 2))
    x.flags.writeable = y.flags.writeable = False
    kept = [[a.copy() for a in map(np.asarray, outs)] + [outs] for outs in (runner([x, y]), runner([x, y]))]
    runner([y, y])
    for *copies, outs in kept:
        for a, b in zip(copies, outs, strict=True):
            same_bits(b, a)
            if np.ndim(b):
                assert b.flags.writeable
                assert not np.may_share_memory(b, x)
                b[...] = 7.0
    assert len({o.ctypes.data for *_, outs in kept for o in outs if np.ndim(o)}) == 8
    for out, plain in zip(runner([x, y]), program(x, y), strict=True):
        same_bits(out, plain)


def test_an_output_that_a_pass_finds_to_be_an_input_or_a_constant_comes_out_too() -> None:
    def f(x: Any) -> Any:
        one = np.exp(np.zeros(3)) * np.ones(3)
        return +x, x * 1.0, one + 0 * np.sum(x), np.cos(np.zeros_like(x))

    agree(tl.record(f)(np.ones(3)), (np.arange(3.0),), (-np.ones(3),))


def test_one_value_that_comes_out_twice_comes_out_as_two_arrays() -> None:
    program = tl.record(lambda x: (np.exp(x), np.exp(x)))(np.ones(3))
    a, b = agree(program, (np.ones(3),))([np.zeros(3)])
    a[...] = 5.0
    same_bits(b, np.ones(3))


def test_a_view_that_an_operation_without_a_form_gives_keeps_what_it_is_a_view_of() -> None:
    def f(x: Any) -> Any:
        y = np.exp(x)
        part = tl.local_rule(lambda a: a[::2], rules=lambda err, y, a: np.repeat(err, 2)[: len(a)])(y)
        z = np.exp(2.0 * x) + 1.0  # would lie where y lay
        return part * 3.0 + np.sum(z)

    agree(tl.record(f)(np.ones(6)), (np.arange(6.0),), (np.linspace(-1.0, 1.0, 6),))


def test_a_users_function_may_be_called_like_one_of_numpys_or_like_a_variable() -> None:
    def functions() -> Any:
        def relu(x: Any) -> Any:
            return x * 3.0

        def positive(x: Any) -> Any:
            return x + 1.0

        def v0(x: Any) -> Any:
            return x - 4.0

        def dot(a: Any, b: Any) -> Any:
            return a + 2.0 * b

        rule = lambda y, *x: np.ones_like(y)
        return [tl.local_rule(f, slopes=[rule] * n) for f, n in ((relu, 1), (positive, 1), (v0, 1), (dot, 2))]

    relu, positive, v0, dot = functions()
    program = tl.record(lambda x: (dot(relu(x), positive(x)), v0(x), np.dot(x, x), tl.relu(x), +x))(np.ones(3))
    agree(program, (np.array([-1.0, 0.0, 2.0]),))


def test_functions_of_one_name_are_told_apart() -> None:
    def made(factor: float) -> Any:
        def own(x: Any) -> Any:
            return x * factor

        return tl.local_rule(own, slopes=factor)

    two, three, ten = made(2.0), made(3.0), made(10.0)
    agree(tl.record(lambda x: (two(x) + three(x), ten(np.exp(x))))(np.ones(3)), (np.array([-1.0, 0.0, 2.0]),))


def test_what_hands_on_no_error_is_a_name_for_the_value_it_takes() -> None:
    program = tl.record(lambda x: tl.grad(lambda y: np.sum((y * 2.0).detach() * y))(x))(np.ones(3))
    assert "detach" in str(program)
    agree(program, (np.array([-1.0, 0.0, 2.0]),))


def test_threads_that_run_one_program_do_not_write_into_each_others_values() -> None:
    program = tl.record(lambda x: np.sum(np.tanh(x) * np.exp(x) + np.sin(x), axis=0))(np.ones((50, 50)))
    runner = NumpyRunner(program, computed(program))
    wrong = []

    def work(seed: int) -> None:
        x = np.random.default_rng(seed).normal(size=(50, 50))
        plain = program(x)
        wrong.extend(0 for _ in range(100) if not np.array_equal(runner([x])[0], plain))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_a_program_may_be_run_while_it_runs() -> None:
    inner: list[NumpyRunner] = []

    def again(x: Any) -> Any:
        if inner and x[0] > 0:
            return inner[0]([x - 1.0])[0] + 1.0
        return x

    f = tl.local_rule(again, slopes=lambda y, x: np.ones_like(x))
    program = tl.record(lambda x: f(x * 2.0) + x)(np.zeros(2))
    runner = NumpyRunner(program, computed(program))
    want = [runner([np.array([3.0, 4.0])])[0] for _ in range(2)]
    inner.append(runner)
    outs = [runner([np.array([0.75, 1.0])])[0] for _ in range(3)]
    assert all(np.array_equal(o, outs[0]) for o in outs)
    assert np.array_equal(want[0], want[1])


WHOLE: dict[str, Callable[[Any], Any]] = {
    "times a whole number": tl.grad(lambda x: np.sum(np.exp(2 * x))),
    "a whole number from the right": tl.grad(lambda x: np.sum(np.tanh(x * 3) ** 2 * 5)),
    "np.multiply": tl.grad(lambda x: np.sum(np.multiply(-2, x))),
    "all of it": tl.grad(lambda x: np.sum(x[()] * 2.0)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_and_empty_indices_have_their_gradient(name: str) -> None:
    x = np.array([0.5, -1.25, 2.0])
    agree(tl.record(WHOLE[name])(x), (x,))


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.bool_])
def test_whole_numbers_are_squared_as_floating_ones_where_the_result_is_one(dtype: Any) -> None:
    n = np.array([2**62, 3]).astype(dtype)
    agree(tl.record(lambda n: n**2.0)(n), (n,))


def test_an_error_in_a_step_leaves_the_runner_as_it_was() -> None:
    program = tl.record(lambda a, b: np.linalg.solve(a, b) * 2.0)(np.eye(2), np.ones(2))
    runner = NumpyRunner(program, computed(program))
    args = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0])
    for _ in range(2):
        same_bits(runner(args)[0], program(*args))
        with pytest.raises(np.linalg.LinAlgError, match="Singular"):
            runner([np.zeros((2, 2)), np.ones(2)])


# many steps


def swinging(n: int, rng: np.random.Generator) -> tuple[Program, list[Any]]:
    """A step with every kind of carry: one that changes, two that change places, one that stays, one that moves."""

    def step(w: Any, a: Any, b: Any, x: Any, eta: Any) -> Any:
        e, g = tl.value_and_grad(lambda w: tl.squared_error(tl.linear(x, np.tanh(w)), x[:, :2]))(w)
        return w - eta * g, b, a + np.sum(g), x, e, e > 1.5

    x = rng.normal(size=(5, 3))
    given = [rng.normal(size=(2, 3)), rng.normal(size=2), rng.normal(size=2), x, rng.uniform(0.1, 0.3, n)]
    return tl.record(step)(*given[:4], given[4][0]), given


@pytest.mark.parametrize("n", [0, 1, 2, 7])
@pytest.mark.parametrize("halts", [False, True])
def test_many_steps_are_as_many_calls(n: int, halts: bool) -> None:
    for seed in range(6):
        program, given = swinging(max(n, 1), np.random.default_rng(seed))
        runner = NumpyRunner(program, [0, 1, 2, 4, 5], halt=5 if halts else None)
        carry, ys, done = list(given), [], 0
        for t in range(n):
            outs = program(*carry[:4], given[4][t])
            ys.append(outs[4:])
            if halts and outs[5]:
                break
            carry[:3] = outs[:3]
            done += 1
        before = [a.copy() for a in given]
        for _ in range(2):
            got, after, (errors, stops) = runner.many(n, given, [(0, 0), (1, 1), (2, 2)], [4])
            assert got == done
            for a, b in zip(after, carry[:3], strict=True):
                same_bits(a, b)
                assert not any(np.may_share_memory(a, g) for g in given)
            same_bits(errors, np.array([y[0] for y in ys]))
            same_bits(stops, np.array([y[1] for y in ys], bool))
            for a, b in zip(given, before, strict=True):
                same_bits(a, b)
            for a in after:
                a[...] = 0.0  # they are the caller's


def test_a_carry_that_comes_back_transposed_takes_as_many_calls() -> None:
    program = tl.record(lambda x: ((x * 2.0).T, np.sum(x, axis=0)))(np.ones((3, 3)))
    x = np.random.default_rng(0).normal(size=(3, 3))
    runner = NumpyRunner(program, [0, 1])
    done, (last,), (sums,) = runner.many(3, [x], [(0, 0)], [])
    assert done == 3
    same_bits(last, (8.0 * x).T)
    same_bits(sums, np.array([np.sum(x, axis=0), np.sum((2.0 * x).T, axis=0), np.sum(4.0 * x, axis=0)]))


def test_a_carry_that_comes_back_transposed_halts_before_the_step_that_says_so_counts() -> None:
    program = tl.record(lambda x: ((x * 2.0).T, np.max(x) > 3.0))(np.ones((2, 2)))
    x = np.array([[1.0, 0.5], [0.25, 0.0]])
    done, (last,), (stops,) = NumpyRunner(program, [0, 1], halt=1).many(9, [x], [(0, 0)], [])
    assert done == 2  # 1, 2, and 4 is too much
    same_bits(last, 4.0 * x)
    same_bits(stops, np.array([False, False, True]))


def test_one_number_may_be_carried_and_move() -> None:
    program = tl.record(lambda s, x: (s * x + 1.0, s))(np.float64(1.0), np.float64(2.0))
    done, (last,), (parts,) = NumpyRunner(program, [0, 1]).many(3, [np.array(1.0), np.arange(3.0)], [(0, 0)], [1])
    assert done == 3
    same_bits(last, np.array(5.0))
    same_bits(parts, np.array([1.0, 1.0, 2.0]))


# the text


def test_the_text_makes_views_once_and_computes_pieces_in_place() -> None:
    def step(w: Any, x: Any) -> Any:
        a, b = np.reshape(w[:6], (2, 3)), w[6:]
        g = tl.grad(lambda p: 0.5 * np.sum(tl.linear(x, *p) ** 2))((a, b))
        return w - 0.1 * np.concatenate([np.ravel(e) for e in g])

    program = tl.record(step)(np.ones(8), np.ones((4, 3)))
    runner = agree(program, (np.arange(8.0), np.ones((4, 3))))
    once, each = runner.text.split("def step(")
    assert once.startswith("def bound(v0, b):")  # x and the new weights are used as a whole: they come with each step
    assert "v0[:6]" in once
    assert "reshape" in once
    assert "reshape" not in each
    assert "concatenate" not in each
    assert ".T" not in each


def test_the_text_of_a_step_with_two_layouts_is_compiled_for_each_and_kept_for_few() -> None:
    program = tl.record(lambda x: np.sum(np.exp(x), axis=0))(np.ones((4, 4)))
    runner = NumpyRunner(program, computed(program))
    wide = np.random.default_rng(0).normal(size=(4, 200))
    for _ in range(2):
        for gap in range(1, 40):
            x = wide[:, : 4 * gap : gap]
            same_bits(runner([x])[0], program(x))
    assert len(runner._bindings) <= numpy_runner.MOST


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("T", [1, 12])
@pytest.mark.parametrize("activation", ["tanh", "logistic", "relu", "identity"])
@pytest.mark.parametrize("rule", [tl.GradientDescent(), tl.Momentum(), tl.Adam()], ids=lambda r: type(r).__name__)
def test_a_training_steps_bits_are_those_of_the_plain_step(rule: Any, activation: str, T: int, dtype: str) -> None:
    rng = np.random.default_rng(5)
    net = tl.MLP([5, 7, 6, 3], activation=activation, dtype=np.dtype(dtype))
    x, t = rng.normal(size=(T, 5)).astype(dtype), rng.normal(size=(T, 3)).astype(dtype)

    def step(w: Any, state: Any, x: Any, t: Any, eta: Any) -> Any:
        e, g = tl.value_and_grad(lambda p: tl.squared_error(net(x, p), t))(net.weights.named(w))
        g = np.concatenate([np.ravel(a) for a in g.values()])
        delta, state = rule.delta_w(g, state, w=w, eta=eta)
        return w + delta, state, e

    args = [net.w.copy(), rule.start(net.w), x, t, np.dtype(dtype).type(0.1)]
    program = tl.record(step)(*args)
    runner = NumpyRunner(program, computed(program))
    for _ in range(4):
        w, state, _ = step(*args)
        outs = flatten(program(*args))[0]
        for i, out in zip(computed(program), runner(arrays_of(args)), strict=True):
            same_bits(out, outs[i])
        same_bits(outs[0], w)
        args[0], args[1] = w, state


def test_a_copy_that_lies_otherwise_is_multiplied_by_another_loop_and_kept() -> None:
    program = tl.record(lambda x, y: (np.dot(+x[::3], +y[::3]), np.dot(x[::3], y[::3])))(np.ones(600), np.ones(600))
    rng = np.random.default_rng(2)
    agree(program, *[(rng.normal(size=600), rng.normal(size=600)) for _ in range(20)])


def test_a_whole_number_stays_one_for_a_function_that_wants_one() -> None:
    try:
        tl.local_rule(np.ldexp, slopes=[lambda y, x, n: np.ldexp(1.0, n), None])
        agree(tl.record(lambda x: np.ldexp(x, 3))(np.ones(3)), (np.arange(3.0),))
    finally:
        OPS.pop(np.ldexp)
        primitives._USERS.discard(np.ldexp)


def test_a_users_function_called_like_a_view_is_none() -> None:
    def reshape(x: Any) -> Any:
        return x[::-1]

    f = tl.local_rule(reshape, rules=lambda err, y, x: err[::-1])
    agree(tl.record(lambda x: f(np.exp(x)) * 2.0)(np.ones(3)), (np.arange(3.0),))


def test_an_overflow_beside_a_backward_pass_is_still_told() -> None:
    def f(x: Any) -> Any:
        return np.exp(x) + tl.grad(lambda z: np.sum(np.tanh(z)))(x)

    fast, x = tl.jit(f, runner="NumPy"), np.array([1000.0, 1.0])
    for _ in range(3):
        with pytest.warns(RuntimeWarning, match="overflow encountered in exp"):
            fast(x)
    quiet = tl.jit(tl.grad(lambda z: np.sum(np.tanh(z))), runner="NumPy")
    with np.errstate(over="raise"):
        for _ in range(2):
            np.testing.assert_array_equal(quiet(np.array([1000.0, 0.0])), [0.0, 1.0])


def test_a_power_of_one_number_is_its_square_whatever_memory_is_free() -> None:
    rng = np.random.default_rng(8)
    program = tl.record(lambda x, p: 3.0 * np.power(x, p - 1.0))(np.ones(1), np.ones(1))
    for _ in range(200):
        agree(program, (rng.uniform(0.2, 3.0, 1), np.array([3.0])))
