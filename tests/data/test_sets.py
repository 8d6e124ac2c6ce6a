"""The bundled sets, and what makes patterns of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_lecture.data import (
    DataSet,
    load_digits,
    load_iris,
    load_sunspots,
    standardise,
    windows,
)

LOADERS = {"sunspots": load_sunspots, "iris": load_iris, "digits": load_digits}
each_set = pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
whole_time = settings(deadline=None)  # other workers share the processor: a slow draw is no failure


def columns(dtype: type, bound: float) -> st.SearchStrategy[np.ndarray]:
    shape = hnp.array_shapes(min_dims=1, max_dims=3, max_side=6)
    width = np.dtype(dtype).itemsize * 8
    values = st.floats(-bound, bound, width=width, allow_subnormal=False)
    return hnp.arrays(dtype, shape, elements=values)


@each_set
def test_a_set_says_what_it_is_whose_it_is_and_where_it_comes_from(load: Callable[[], DataSet]) -> None:
    data = load()
    assert LOADERS[data.name] is load
    assert data.licence in ("public domain", "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)")
    assert len(data.source) > 40
    assert len(data.description) > 40
    assert len(data.input_names) in (1, data.inputs.shape[-1])
    assert len(data.target_names) == (len(set(data.targets)) if data.targets.dtype == np.int64 else 1)


@each_set
def test_there_is_one_target_for_each_pattern_and_every_number_is_finite(load: Callable[[], DataSet]) -> None:
    data = load()
    assert data.targets.shape == (len(data),) == data.inputs.shape[:1]
    assert np.isfinite(data.inputs).all()
    assert np.isfinite(data.targets).all()


@each_set
@pytest.mark.parametrize("field", ["inputs", "targets"])
def test_the_arrays_of_a_set_refuse_writing(load: Callable[[], DataSet], field: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(load(), field)[0] = 0


@each_set
def test_the_record_of_a_set_is_frozen(load: Callable[[], DataSet]) -> None:
    with pytest.raises(FrozenInstanceError):
        load().licence = "mine"  # type: ignore[misc]


@each_set
def test_loading_twice_gives_the_same_values(load: Callable[[], DataSet]) -> None:
    first, second = load(), load()
    assert np.array_equal(first.inputs, second.inputs)
    assert np.array_equal(first.targets, second.targets)


@pytest.mark.parametrize(
    ("load", "text"),
    [
        (load_sunspots, "<DataSet sunspots: inputs (309,) int64, targets (309,) float64>"),
        (load_iris, "<DataSet iris: inputs (150, 4) float64, targets (150,) int64>"),
        (load_digits, "<DataSet digits: inputs (1797, 8, 8) float64, targets (1797,) int64>"),
    ],
    ids=LOADERS,
)
def test_the_repr_of_a_set_is_one_line_with_shapes_and_dtypes(load: Callable[[], DataSet], text: str) -> None:
    assert repr(load()) == text


def test_the_sets_load_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [len(load()) for load in LOADERS.values()] == [309, 150, 1797]


def test_the_sunspots_are_yearly_from_1700_to_2008_and_highest_in_1957() -> None:
    data = load_sunspots()
    years, numbers = data.inputs, data.targets
    assert np.array_equal(years, np.arange(1700, 2009))
    assert (numbers[0], numbers[-1]) == (5.0, 2.9)
    assert (years[numbers.argmax()], numbers.max(), numbers.min()) == (1957, 190.2, 0.0)


def test_the_sunspots_have_a_period_of_about_eleven_years() -> None:
    numbers = load_sunspots().targets
    power = np.abs(np.fft.rfft(numbers - numbers.mean())) ** 2
    assert 10 < len(numbers) / power.argmax() < 12


def test_there_are_fifty_irises_of_each_species_with_the_known_means() -> None:
    data = load_iris()
    assert np.bincount(data.targets).tolist() == [50, 50, 50]
    assert data.target_names == ("setosa", "versicolor", "virginica")
    assert data.inputs[0].tolist() == [5.1, 3.5, 1.4, 0.2]
    # As printed for this set in the literature, to the two digits that are printed there.
    assert data.inputs.mean(axis=0) == pytest.approx([5.84, 3.06, 3.76, 1.20], abs=0.005)


def test_the_irises_35_and_38_are_those_of_fishers_paper() -> None:
    inputs = load_iris().inputs
    assert inputs[34].tolist() == [4.9, 3.1, 1.5, 0.2]
    assert inputs[37].tolist() == [4.9, 3.6, 1.4, 0.1]


def test_the_digits_are_the_1797_images_of_the_test_set_in_17_shades() -> None:
    data = load_digits()
    # The counts of the ten classes that the repository lists for the test set.
    assert np.bincount(data.targets).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.array_equal(np.unique(data.inputs), np.arange(17))
    assert data.target_names == tuple(str(label) for label in range(10))


def test_the_first_image_shows_a_zero_with_an_empty_middle() -> None:
    data = load_digits()
    assert data.targets[0] == 0
    assert data.inputs[0, 3:5, 3:5].sum() == 0 < data.inputs[0, 3:5].sum()


def test_a_record_copies_its_arrays_and_leaves_the_originals_writable() -> None:
    mine = np.zeros((2, 3))
    data = DataSet("mine", mine, np.zeros(2), ("x",), ("y",), "MIT", "here", "zeros")
    mine[:] = 1
    assert not data.inputs.any()


@pytest.mark.parametrize(("inputs", "targets"), [((3, 2), (4,)), ((), ())], ids=["3 and 4", "no axis"])
def test_inputs_and_targets_of_different_number_are_refused(inputs: tuple[int, ...], targets: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="the same number of patterns as their first axis") as error:
        DataSet("mine", np.zeros(inputs), np.zeros(targets), ("x",), ("y",), "MIT", "here", "zeros")
    assert f"inputs of shape {inputs} and targets of shape {targets}" in str(error.value)


def test_twelve_past_years_of_sunspots_predict_the_next() -> None:
    data = load_sunspots()
    patterns = windows(data.targets)
    assert patterns.inputs.shape == (297, 12)
    assert patterns.targets.shape == (297, 1)
    assert data.inputs[patterns.at].tolist() == list(range(1712, 2009))
    assert patterns.inputs[0].tolist() == data.targets[:12].tolist()
    assert patterns.targets[-1] == 2.9


@whole_time
@given(
    series=hnp.arrays(hnp.floating_dtypes() | hnp.integer_dtypes(), st.integers(2, 40)),
    draw=st.data(),
)
def test_each_window_is_followed_by_its_target(series: np.ndarray, draw: st.DataObject) -> None:
    n = draw.draw(st.integers(1, len(series) - 1), label="n_past")
    w = windows(series, n)
    assert w.inputs.shape == (len(series) - n, n)
    assert w.targets.shape == (len(series) - n, 1)
    assert w.inputs.dtype == w.targets.dtype == series.dtype
    for t, at in enumerate(w.at):
        assert at == t + n
        # Bytes, because a NaN in the series equals itself only so.
        assert w.inputs[t].tobytes() == series[t:at].tobytes()
        assert w.targets[t].tobytes() == series[at : at + 1].tobytes()


@pytest.mark.parametrize(
    ("series", "n_past", "message"),
    [
        (np.zeros((5, 2)), 2, r"a series has one axis, not shape \(5, 2\); take one column, as in series\[:, 0\]"),
        (np.float64(1), 1, r"a series has one axis, not shape \(\)"),
        (np.zeros(5), 0, "n_past=0, but it takes at least 1 past value"),
        (np.zeros(5), -3, "n_past=-3, but it takes at least 1 past value"),
        (np.zeros(5), 5, "n_past=5 needs a series of at least 6 values, and this one has 5"),
        ([], 1, "n_past=1 needs a series of at least 2 values, and this one has 0"),
    ],
    ids=["two axes", "no axis", "none past", "negative", "too short", "empty"],
)
def test_windows_that_cannot_be_are_refused_with_the_reason(series: object, n_past: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        windows(series, n_past)


def test_a_number_of_past_values_is_whole() -> None:
    with pytest.raises(TypeError, match="integer"):
        windows(np.zeros(5), 2.0)  # type: ignore[arg-type]


def test_windows_keep_no_hold_on_the_series_and_refuse_writing() -> None:
    series = np.zeros(5)
    w = windows(series, 2)
    series[:] = 1
    assert not w.inputs.any()
    for a in (w.inputs, w.targets, w.at):
        assert not a.flags.writeable
    with pytest.raises(FrozenInstanceError):
        w.at = w.at  # type: ignore[misc]


@whole_time
@given(x=columns(np.float64, 1e6) | columns(np.float32, 1e3))
def test_standardised_columns_have_mean_0_and_deviation_1_or_are_0(x: np.ndarray) -> None:
    s = standardise(x)
    assert s.values.dtype == s.mean.dtype == s.std.dtype == x.dtype
    assert s.values.shape == x.shape
    assert s.mean.shape == s.std.shape == x.shape[1:]
    constant = (x == x[0]).all(axis=0)
    assert not s.values[:, constant].any()
    assert not s.std[constant].any()
    assert np.array_equal(s.mean[constant], x[0][constant])
    # Rounding: of x − mean by ε |x|, measured in σ, and of values by ε. Each is seen in at most T ≤ 6 places.
    sure = s.std > 1e-100  # below, the squares that σ is made of leave the range of numbers
    eps = np.finfo(x.dtype).eps
    bound = 20 * eps * (1 + np.abs(x).max(axis=0)[sure] / s.std[sure])
    values = s.values[:, sure].astype(np.float64)
    assert (np.abs(values.mean(axis=0)) <= bound).all()
    assert (np.abs(np.sqrt((values**2).mean(axis=0)) - 1) <= bound).all()


@whole_time
@given(x=columns(np.float64, 1e6))
def test_patterns_on_the_same_scale_come_out_the_same(x: np.ndarray) -> None:
    s = standardise(x)
    assert np.array_equal(s.apply(x), s.values)
    assert np.array_equal(s.apply(x[0]), s.values[0])


def test_new_patterns_are_measured_by_the_old_mean_and_deviation() -> None:
    s = standardise([[1.0, 7.0], [3.0, 7.0]])
    assert s.values.tolist() == [[-1, 0], [1, 0]]
    assert s.apply([[5.0, 8.0]]).tolist() == [[3, 0]]


def test_a_constant_column_is_0_although_its_mean_is_rounded() -> None:
    x = np.full((3, 1), 0.1)
    assert x.std() > 0
    assert not standardise(x).values.any()


def test_the_ever_white_pixels_of_the_digits_stay_0() -> None:
    s = standardise(load_digits().inputs)
    assert s.values.shape == (1797, 8, 8)
    assert not s.values[:, s.std == 0].any()
    assert (s.std == 0).sum() == 3


def test_whole_numbers_become_float64() -> None:
    assert standardise(np.array([[1], [3]], dtype=np.uint8)).values.tolist() == [[-1.0], [1.0]]


@pytest.mark.parametrize("shape", [(), (0,), (0, 3)], ids=str)
def test_to_standardise_takes_at_least_one_pattern(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="has no patterns; its first axis must be one of T ≥ 1"):
        standardise(np.zeros(shape))


def test_the_record_of_standardising_is_frozen_and_read_only() -> None:
    s = standardise(np.eye(3))
    for a in (s.values, s.mean, s.std):
        assert not a.flags.writeable
    with pytest.raises(FrozenInstanceError):
        s.mean = s.std  # type: ignore[misc]
