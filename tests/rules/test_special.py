"""SciPy's functions: their slopes are there once somebody has imported SciPy, which the package never does itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import tinygrad_lecture as tl
from tinygrad_lecture.rules.special import polygamma
from tinygrad_lecture.rules.trigonometric import sech2

ROOT = str(Path(tl.__file__).parents[1])


def test_the_slopes_are_declared_when_scipy_is_imported_after_the_package() -> None:
    script = f"""
import sys; sys.path.insert(0, {ROOT!r})
import numpy as np, tinygrad_lecture as tl
x = tl.Tensor([0.5, 1.5], requires_grad=True)
np.sum(np.tanh(x) + np.sinc(x)).backward()
assert not [m for m in sys.modules if m.split(".")[0] == "scipy"]
from scipy.special import digamma, gammaln
t = tl.Tensor([0.5, 1.5], requires_grad=True)
np.sum(gammaln(t)).backward()
assert (t.grad == digamma([0.5, 1.5])).all()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_polygamma_is_scipys_and_takes_its_arguments_by_place_and_by_name() -> None:
    x = np.array([0.3, 2.0, 7.5])
    t = tl.Tensor(x, requires_grad=True)
    for n in range(4):
        np.testing.assert_array_equal(polygamma(n, x), sp.polygamma(n, x))
        for y in (polygamma(n, t), polygamma(n=n, x=t), polygamma(n, x=t), polygamma(np.int64(n), t)):
            np.testing.assert_array_equal(y.numpy(), sp.polygamma(n, x))
        np.testing.assert_array_equal(tl.grad(lambda x, n=n: np.sum(polygamma(n, x)))(x), sp.polygamma(n + 1, x))


def test_polygamma_keeps_the_dtype() -> None:
    assert polygamma(1, np.float32([0.5])).dtype == np.float32
    assert polygamma(1, [1, 2]).dtype == np.float64


@pytest.mark.parametrize("n", [-1, 1.0, "1", np.array([1, 2])], ids=repr)
def test_an_order_that_is_none_is_refused(n: Any) -> None:
    with pytest.raises(ValueError, match=r"polygamma: the order n must be 0, 1, 2"):
        polygamma(n, tl.Tensor(1.0, requires_grad=True))


def test_an_order_that_is_a_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match="polygamma: n= is a static option"):
        polygamma(tl.Tensor(1), tl.Tensor(1.0))


def test_polygamma_without_scipy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(ImportError, match=r"polygamma needs SciPy: python -m pip install scipy$"):
        polygamma(1, np.ones(2))


def test_the_order_of_a_bessel_function_gets_no_error() -> None:
    v, x = tl.Tensor(1.0, requires_grad=True), tl.Tensor(2.0, requires_grad=True)
    sp.jv(v, x).backward()
    assert v.grad is None
    np.testing.assert_allclose(x.grad, sp.jvp(1, 2.0), rtol=1e-14)


class Marked(np.ndarray):
    """Arrays of another class, as np.memmap is one."""


@pytest.mark.parametrize("x", [np.float16(20.0), np.float16(-8.0), np.linspace(-3, 3, 5).view(Marked)], ids=repr)
def test_sech2_takes_half_precision_and_arrays_of_other_classes(x: Any) -> None:
    with np.errstate(over="raise"):
        y = sech2(x)
    wanted = 1.0 / np.cosh(np.asarray(x, float)) ** 2
    np.testing.assert_allclose(np.asarray(y), wanted, rtol=1e-2, atol=1e-7)  # half precision has three digits, to 6e-8
