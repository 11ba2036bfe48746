"""Intervals and p-values, against scipy and against theory."""

import numpy as np
import pytest
from scipy import stats

from movierec.evaluation.bootstrap import interval, p_value, resampled_means


def test_the_interval_of_a_mean_agrees_with_scipy_and_with_theory():
    values = np.random.default_rng(1).exponential(size=400)
    low, high = interval(resampled_means(values[:, None], resamples=4000))
    options = {"n_resamples": 4000, "method": "percentile", "rng": np.random.default_rng(2)}
    expected = stats.bootstrap((values,), np.mean, **options).confidence_interval
    width = high[0] - low[0]
    assert (low[0], high[0]) == pytest.approx(tuple(expected), abs=0.05 * width)
    assert width == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)


def test_columns_are_resampled_together():
    values = np.random.default_rng(0).random((50, 1))
    means = resampled_means(np.hstack([values, values + 1]))
    np.testing.assert_allclose(means[:, 1] - means[:, 0], 1)


def test_users_that_do_not_count_are_left_out_and_a_resample_without_users_has_no_mean():
    values = np.array([[1.0, 5.0], [3.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    means = resampled_means(values, resamples=500)
    assert 1 <= np.nanmin(means[:, 0]) <= np.nanmax(means[:, 0]) <= 3
    assert set(means[~np.isnan(means[:, 1]), 1]) == {5.0}
    assert np.isnan(means[:, 1]).mean() == pytest.approx((3 / 4) ** 4, abs=0.06)
    assert interval(means)[0][1] == 5


def test_the_same_seed_gives_the_same_means_in_blocks_of_any_size():
    values = np.random.default_rng(0).random((30, 2))
    assert np.array_equal(resampled_means(values, 120), resampled_means(values, 120))
    assert not np.array_equal(resampled_means(values, 120), resampled_means(values, 120, seed=1))
    assert np.array_equal(resampled_means(values, 50), resampled_means(values, 120)[:50])


def test_p_values():
    mixed = np.r_[np.full(24, -1.0), np.full(975, 1.0)]
    differences = np.stack([np.full(999, 0.1), np.full(999, -0.1), mixed, np.zeros(999)], axis=1)
    assert p_value(differences).tolist() == pytest.approx([2 / 1000, 2 / 1000, 50 / 1000, 1])


def test_p_is_uniform_where_there_is_no_difference():
    rng = np.random.default_rng(3)
    found = [p_value(resampled_means(rng.normal(size=(60, 1)), 300, seed=n))[0] for n in range(300)]
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.05)
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.1)
