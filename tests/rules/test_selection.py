"""What the case of nan_to_num cannot draw: numbers so large that differences drown in them, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tl

FIVE = [0.1, 0.2, 0.3, 0.4, 0.5]
HELD = [np.nan, np.inf, -np.inf, 1.5, -0.0]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "options",
    [{}, {"nan": 7.0}, {"nan": np.inf}, {"posinf": 1e5}, {"neginf": np.nan}, {"nan": np.float64(0.1)}, {"nan": FIVE}],
    ids=repr,
)
def test_nan_to_num_is_numpys(options: dict[str, Any], dtype: Any) -> None:
    x = np.array(HELD, dtype)
    y = np.nan_to_num(tl.Tensor(x), **options).numpy()
    expected = np.nan_to_num(x, **options)
    assert y.dtype == expected.dtype
    assert y.tobytes() == expected.tobytes()
    if not isinstance(options.get("nan"), list):
        for one in x:
            assert np.nan_to_num(tl.Tensor(one), **options).numpy().tobytes() == np.nan_to_num(one, **options).tobytes()


def test_nan_to_num_leaves_integers_alone() -> None:
    assert np.nan_to_num(tl.Tensor([1, 2])).dtype == np.nan_to_num(np.array([1, 2])).dtype


def test_nan_to_num_never_writes_into_a_tensor() -> None:
    with pytest.raises(TypeError, match=r"np\.nan_to_num with a Tensor does not take copy="):
        np.nan_to_num(tl.Tensor(HELD), copy=False)
