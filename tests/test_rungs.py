"""The ladder: the rungs that the page claims are reached, and each operation has enough of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import tinygrad_lecture as tl
from tests.cases import CASES, Case, Drawn
from tests.profiles import tries
from tests.rungs import BY_THEMSELVES, in_networks, reached
from tinygrad_lecture.engine.op import OPS
from tinygrad_lecture.verify.dual import Blur, NotPossibleError, forward_derivative

PAGE = Path(__file__).with_name("README.md")
EPS, BLUR = 2.0**-52, 2.0**-30


def test_every_operation_has_reached_two_rungs_one_of_them_four_or_higher() -> None:
    assert {name: r for name in CASES if len(r := reached(name)) < 2 or max(r) < 4} == {}


def test_an_operation_without_oracles_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(reached("np.partition")) == 4
    monkeypatch.setitem(CASES, "np.partition", Case("np.partition", CASES["np.partition"].make, complex=False))
    assert reached("np.partition") == {3: "1, 2"}


def test_the_operations_of_networks_are_found_in_their_graphs() -> None:
    assert {"tl.linear", "tl.squared_error", "np.tanh", "tl.logistic", "np.sin"} <= in_networks()


def transposes(drawn: Drawn, rng: np.random.Generator) -> bool:
    """Whether ⟨v, J u⟩ = ⟨Jᵀ v, u⟩ up to 100 ε Σ|terms|, of which blurred runs of forward mode measure their share."""
    f, xs = drawn.f, [np.asarray(x) for x in drawn.xs]
    v = rng.normal(size=np.shape(f(*xs)))
    us = [rng.normal(size=x.shape) for x in xs]
    ts = [tl.Tensor(x, requires_grad=True) for x in xs]
    y = f(*ts)
    if y.requires_grad:
        y.backward(v)
    terms = np.concatenate([np.ravel(u * t.grad) for t, u in zip(ts, us, strict=True) if t.grad is not None] or [[0.0]])

    def forward(blur: Blur | None) -> float:
        return forward_derivative(lambda a: np.sum(v * f(*a)), xs, [us], blur)

    exactly = forward(None)
    spread = max(abs(forward(Blur(rng, BLUR)) - exactly) for _ in range(3))
    return abs(exactly - np.sum(terms)) <= 100 * EPS * (spread / BLUR + np.sum(np.abs(terms))) + 1e-300


@pytest.mark.parametrize("name", [name for name in CASES if 5 in reached(name)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # means of nothing, and NaN that is left out
def test_forward_and_reverse_mode_of_every_operation_are_each_others_transpose(name: str) -> None:
    held: list[bool] = []

    @settings(max_examples=tries(10), derandomize=True, database=None, phases=[Phase.generate])
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
        drawn = CASES[name].make(data.draw, rng)
        if all(np.size(x) for x in drawn.xs):
            try:
                held.append(transposes(drawn, rng))
            except (NotPossibleError, TypeError, ValueError, np.linalg.LinAlgError):
                return  # forms that forward mode does not know, and matrices of which it would need the inverse
            assert held[-1]

    holds()
    assert any(held), "the page claims a rung that no draw reaches"


def test_a_slope_that_is_off_by_1e_minus_9_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(np.sin, [np.array([0.3, -1.2])])
    assert transposes(drawn, np.random.default_rng(0))
    monkeypatch.setattr(OPS[np.sin], "slopes", (lambda y, x: (1 + 1e-9) * np.cos(x),))
    assert not transposes(drawn, np.random.default_rng(0))


def test_what_is_compared_by_itself_stands_where_the_table_says() -> None:
    root = PAGE.parents[1]
    assert all(name.removeprefix("np.") in (root / path).read_text("utf-8") for name, path in BY_THEMSELVES.items())


def test_every_test_that_the_page_of_tests_names_is_there() -> None:
    root, text = PAGE.parents[1], PAGE.read_text("utf-8")
    named = set(re.findall(r"`((?:tests|demos|tinygrad_lecture)/[\w/]+(?:\.\w+|/))`", text))
    assert len(named) > 20
    assert [path for path in named if not (root / path).exists()] == []
