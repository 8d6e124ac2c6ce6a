"""NumPy reduces a number over axis 0 or −1, as if it had one; so do the rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl

REDUCTIONS = [np.sum, np.prod, np.max, np.min, np.ptp, np.nansum, np.nanmean, np.nanmax, np.nanprod, np.nanvar]


@pytest.mark.parametrize("options", [{"axis": 0}, {"axis": -1}, {"axis": 0, "keepdims": True}], ids=str)
@pytest.mark.parametrize("f", [*REDUCTIONS, np.nanstd, tl.logsumexp], ids=lambda f: f.__name__)
def test_a_number_reduced_over_an_axis_has_the_gradient_of_the_number_reduced(f: Any, options: Any) -> None:
    x = np.array(0.7)
    assert f(tl.Tensor(x), **options).shape == np.shape(f(x, **options)) == ()
    slope = tl.grad(lambda x: f(x, **options))(x)
    assert slope == tl.grad(f)(x) == (0.0 if f in (np.ptp, np.nanvar, np.nanstd) else 1.0)
