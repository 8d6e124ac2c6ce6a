"""The page of all operations is what the tables say."""

from __future__ import annotations

import pytest

from tests.cases import CASES, KINKS
from tests.ops_page import PAGE, operations, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python tests/ops_page.py"


def test_the_page_lists_every_operation_that_has_a_case_and_every_kink() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in CASES if f"`{name}`" not in text and f"`{name}(" not in text] == []
    assert len(KINKS) > 40
    assert [row for row in KINKS if f"| {row.value.replace('|', '∣')} |" not in text] == []


def test_every_example_is_a_node_of_its_operation() -> None:
    from tinygrad_lecture.verify.examples import examples

    found = examples()
    for make in found.values():
        assert make().requires_grad
    ours = {name.removeprefix("tl.") for name, op in operations().items() if op.differentiable}
    without = {n for n in ours - set(found) if not n.startswith("scipy.")}
    assert without == {"gauss", "erfcx_slope", "polygamma"}  # slopes of SciPy's functions


def test_a_page_of_other_tables_would_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    from tinygrad_lecture.engine.op import OPS

    monkeypatch.setattr(OPS[np.cos], "slopes", (lambda y, x: np.sin(x),))
    assert PAGE.read_text(encoding="utf-8") != page()
