"""The equations as text and LaTeX: those of the lecture for its net, for any other those of its algorithm."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.show.nets import KINDS, recurrent
from tinygrad_lecture.nn.activations import ACTIVATIONS
from tinygrad_lecture.nn.losses import LOSSES
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.topology import Cluster, Connector
from tinygrad_lecture.show.algorithm import algorithm
from tinygrad_lecture.show.equations import equations
from tinygrad_lecture.verify.strategies import networks

LECTURE = """\
forward ↑
   (1)   in_hid1 = W1 out_in + b1
   (2)  out_hid1 = tanh(in_hid1)
   (3)    in_out = W2 out_hid1 + b2
   (4)   out_out = in_out
error
   (5)         E = 1/T Σ_t ½ ‖out_out − tar_out‖²
backward ↓:  err_j = ∂E_t/∂out_j, δ_j = ∂E_t/∂in_j
   (6)   err_out = out_out − tar_out
   (7)     δ_out = err_out
   (8)  err_hid1 = W2ᵀ δ_out
   (9)    δ_hid1 = tanh'(in_hid1) ⊙ err_hid1
gradient ↑ · ↓:  ∂W = ∂E/∂W
  (10)       ∂W1 = 1/T Σ_t δ_hid1 out_inᵀ
  (11)       ∂b1 = 1/T Σ_t δ_hid1
  (12)       ∂W2 = 1/T Σ_t δ_out out_hid1ᵀ
  (13)       ∂b2 = 1/T Σ_t δ_out
update
  (14)       ΔW1 = −η ∂W1
  (15)       Δb1 = −η ∂b1
  (16)       ΔW2 = −η ∂W2
  (17)       Δb2 = −η ∂b2
where
        tanh'(z) = 1 − tanh²(z)"""


def test_the_net_of_the_lecture_has_its_equations() -> None:
    assert equations(MLP([2, 8, 1])).text == str(equations(MLP([2, 8, 1]))) == LECTURE


def test_weights_that_are_shared_get_the_sum_over_their_uses() -> None:
    text = equations(recurrent.unrolled(2)).text
    assert "∂W1 = 1/T Σ_t (δ_h[1] out_x[1]ᵀ + δ_h[2] out_x[2]ᵀ)" in text
    assert "err_h[1] = W3ᵀ δ_y[1] + W2ᵀ δ_h[2]" in text


def test_a_skip_connection_adds_to_what_arrives_and_a_blocked_one_does_not() -> None:
    open_, closed = KINDS["skips"], KINDS["skips"].blocked("W2", "W6")
    assert "in_y = W2 out_x + W4 out_h + W6 out_g" in equations(open_).text
    text = equations(closed).text
    assert "in_y = W4 out_h\n" in text
    assert "err_g" not in text
    assert text.endswith("no error arrives at W2, W3, W5, W6, b2, so that they stay as they are")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_functions_in_the_equations_are_said(name: str) -> None:
    said = equations(MLP([1, 1], output=name))
    if name == "identity":
        assert "where" not in said.text
    else:
        assert re.search(r"where\n.*'\(z\) = ", said.text)
        assert said.latex.count(r"\notag") == 1


@given(networks(), st.sampled_from(list(LOSSES)))
def test_equations_and_algorithm_are_the_same_steps(net: Network, loss: str) -> None:
    said, steps = equations(net, loss), algorithm(net, loss)
    numbered = re.findall(r"^ *\((\d+)\) +(.*)$", said.text, flags=re.MULTILINE)
    assert numbered == [(str(step.number), step.text) for step in steps]
    tagged = re.findall(r"^(.*) \\tag\{(\d+)\}", said.latex, flags=re.MULTILINE)
    assert tagged == [(step.latex, str(step.number)) for step in steps]


@given(networks(), st.sampled_from(list(LOSSES)))
def test_the_latex_is_one_align_block_with_braces_that_match(net: Network, loss: str) -> None:
    latex = equations(net, loss).latex
    assert latex.startswith("\\begin{align}\n")
    assert latex.endswith("\n\\end{align}")
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", latex):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert latex.count(r"\left") == latex.count(r"\right")
    rows = latex.splitlines()[1:-1]
    assert all(row.endswith(r" \\") for row in rows[:-1])
    assert all(len(re.findall(r"(?<!\\)&", row)) == 1 for row in rows)


def test_the_latex_has_the_letters_of_the_lecture() -> None:
    latex = equations(MLP([2, 8, 1]))._repr_latex_()
    assert r"\delta_{\mathrm{hid1}} &= \tanh'\left(\mathrm{in}_{\mathrm{hid1}}\right) \odot \mathrm{err}_{" in latex
    assert r"\Delta W_{1} &= -\eta \frac{\partial E}{\partial W_{1}} \tag{14}" in latex


def test_special_characters_in_names_are_escaped_in_latex() -> None:
    net = Network([Cluster("a_b", 1), Cluster("50%&{", 1)], [Connector("a_b", "50%&{", "w#$")])
    latex = equations(net).latex
    assert r"\mathrm{in}_{\mathrm{50\%\&\{}} &= \mathrm{w\#\$}\, \mathrm{out}_{\mathrm{a\_b}} \tag{1}" in latex


def test_what_has_no_formula_is_refused() -> None:
    with pytest.raises(ValueError, match="no formula for the loss 'hinge'"):
        equations(MLP([2, 1]), "hinge")
