"""Programs in files: they compute the same bits when read back, and nothing else is ever read."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import CASES, Case
from tinygrad_lecture.engine.tree import flatten
from tinygrad_lecture.nn.files import DamagedFile, write
from tinygrad_lecture.program.program import Program
from tinygrad_lecture.program.saving import described, made_again


def same_bits(a: Any, b: Any) -> None:
    (got, _), (wanted, _) = flatten(a), flatten(b)
    assert len(got) == len(wanted)
    for x, y in zip(got, wanted, strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        if np.asarray(x).dtype.itemsize > 8:  # a longdouble has bytes that mean nothing
            np.testing.assert_array_equal(x, y)
        else:
            assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


@pytest.mark.parametrize("case", CASES.values(), ids=lambda c: c.name)
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # what a case overflows or divides by is not at stake
def test_every_operation_survives_being_described(case: Case, data: Any, seed: int) -> None:
    d = case.make(data.draw, np.random.default_rng(seed))
    try:
        program = tl.record(d.f)(*d.xs)
    except ValueError:  # the minimum of nothing
        reject()
    again = made_again(*described(program))
    assert str(again) == str(program)
    same_bits(again(*d.xs), program(*d.xs))


def step(carry: Any, x: Any, eta: float, name: str, nothing: None) -> Any:
    def error(w: Any) -> Any:
        return tl.squared_error(np.tanh(x @ w["w"][0].T), 0.5 * x[:, :1])

    E, g = tl.value_and_grad(error)(carry)
    return {"w": [carry["w"][0] - eta * g["w"][0]], "E": (E, None), "eta": eta}


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_a_training_step_is_read_back_from_a_file_with_its_form(ending: str, tmp_path: Path) -> None:
    args = {"w": [np.ones((1, 3))]}, np.arange(6.0).reshape(2, 3), 0.1, "text", None
    program = tl.record(step)(*args)
    program.save(tmp_path / f"p{ending}")
    again = Program.load(tmp_path / f"p{ending}")
    got, wanted = again(*args), program(*args)
    assert got.keys() == wanted.keys()
    assert got["E"][1] is None
    same_bits(got, wanted)
    with pytest.raises(ValueError, match=r"was recorded with the static float 0\.1"):
        again(args[0], args[1], 0.2, *args[3:])


def test_what_a_file_cannot_hold_is_said(tmp_path: Path) -> None:
    own = tl.local_rule(lambda x: x**2, slopes=lambda y, x: 2 * x)
    with pytest.raises(TypeError, match=r"save: <lambda> in .* is a function of your own"):
        tl.record(lambda x: own(x))(np.ones(2)).save(tmp_path / "p.npz")
    from typing import NamedTuple

    class Pair(NamedTuple):
        a: Any
        b: Any

    with pytest.raises(TypeError, match=r"save: results in a Pair; let the function return tuples, lists or dicts"):
        tl.record(lambda x: Pair(x, x))(np.ones(2)).save(tmp_path / "p.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_something_else_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    tl.save(tmp_path / "net.npz", tl.MLP([1, 1]))
    with pytest.raises(DamagedFile, match="it holds no program, but a net"):
        Program.load(tmp_path / "net.npz")
    tl.record(lambda x: x * 2.0)(np.ones(2)).save(tmp_path / "p.npz")
    with pytest.raises(DamagedFile, match="it holds no net, but a program"):
        tl.load(tmp_path / "p.npz")
    whole = (tmp_path / "p.npz").read_bytes()
    for place in range(0, len(whole), 7):
        broken = bytearray(whole)
        broken[place] ^= 16
        (tmp_path / "b.npz").write_bytes(broken)
        try:
            again = Program.load(tmp_path / "b.npz")
        except DamagedFile:
            continue
        same_bits(again(np.ones(2)), 2.0 * np.ones(2))  # a bit that nothing reads


@pytest.mark.parametrize("change", [{"op": "nothing"}, {"args": [{"strange": 1}]}, {"dtype": "nonsense"}])
def test_a_description_that_makes_no_sense_is_refused(change: Any, tmp_path: Path) -> None:
    info, arrays = described(tl.record(lambda x: x * 2.0)(np.ones(2)))
    info["equations"][0].update(change)
    with pytest.raises((KeyError, ValueError, TypeError)):
        made_again(info, arrays)
    write(tmp_path / "p.npz", arrays, {"kind": "program", "program": info})
    with pytest.raises(DamagedFile, match=r"p\.npz is damaged .*: no program can be made of it"):
        Program.load(tmp_path / "p.npz")


def test_a_container_of_another_kind_is_refused() -> None:
    info, arrays = described(tl.record(lambda x: [x * 2.0])(np.ones(2)))
    info["form"] = {"set": info["form"]["list"]}
    with pytest.raises(ValueError, match="a container of kind 'set'"):
        made_again(info, arrays)


def with_operand(operand: Any, **options: Any) -> Program:
    """x · operand, with what no recording puts there but a program made by hand may hold."""
    program = tl.record(lambda x: x * 2.0)(np.ones(3))
    (eq,) = program.equations
    return replace(program, equations=(replace(eq, args=(eq.args[0], operand), options=options),))


def test_an_operand_may_be_an_array() -> None:
    program = with_operand(np.array([1.0, -2.0, 4.0]))
    again = made_again(*described(program))
    same_bits(again(np.ones(3)), np.array([1.0, -2.0, 4.0]))
    same_bits(again(np.ones(3)), program(np.ones(3)))


def test_an_option_or_a_static_argument_that_a_file_cannot_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="save: an option of type complex, which a file cannot hold"):
        with_operand(2.0, how=1j).save(tmp_path / "p.npz")
    static = tl.record(lambda x, how: x * 2.0)(np.ones(3), Fraction(1, 2))
    with pytest.raises(TypeError, match="save: a static argument of type Fraction, which a file cannot hold"):
        static.save(tmp_path / "p.npz")
    assert list(tmp_path.iterdir()) == []
