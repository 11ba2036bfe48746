"""The trend: popularity that decays by time, at several moments."""

import numpy as np
import pytest
from small_histories import with_times

from movierec.interactions.gaps import DAY, HOUR
from movierec.model.trend import N_SNAPSHOTS, Trend

# Two users: movies 0 and 1 in a session, then 2 after two days; movie 3, and two days later 0 and 1 in a session.
HISTORIES = with_times([(0, 0), (1, 60), (2, 2 * DAY)], [(3, 4 * DAY), (0, 6 * DAY), (1, 6 * DAY + 60)])


def test_popularity_halves_with_each_half_life():
    trend = Trend.of(HISTORIES, 5, 2.0, returns=False)
    assert trend.times.tolist() == [0, 60, 2 * DAY, 4 * DAY, 6 * DAY, 6 * DAY + 60]
    np.testing.assert_allclose(trend.popularity[2], [0.5, 0.5, 1, 0, 0], rtol=1e-3)
    np.testing.assert_allclose(trend.popularity[4], [1.125, 0.125, 0.25, 0.5, 0], rtol=1e-3)


def test_of_those_who_come_back_the_first_movie_counts_alone():
    trend = Trend.of(HISTORIES, 5, 2.0, returns=True)
    np.testing.assert_allclose(trend.popularity[4], [1, 0, 0.25, 0, 0], rtol=1e-3)
    np.testing.assert_allclose(trend.popularity[5], [1, 0, 0.25, 0, 0], rtol=1e-3)


def test_each_user_gets_the_trend_before_the_moment_of_asking():
    trend = Trend.of(HISTORIES, 5, 2.0, returns=False)
    asking = with_times([(4, 3 * DAY)], [(4, 0)], []).asked_at([0, 5 * DAY, 0])
    scores = trend.scorer(asking)(np.array([0, 1, 2]))
    assert scores.tolist() == trend.popularity[[2, 3, 2]].tolist(), "without a history: at the latest of their times"
    early = with_times([(4, -HOUR)])
    assert trend.scorer(early)(np.array([0])).tolist() == trend.popularity[:1].tolist()


@pytest.mark.parametrize("returns", [False, True])
def test_snapshots_of_a_long_history_are_the_formula(returns):
    rng = np.random.default_rng(0)
    times = np.sort(rng.integers(0, 90 * DAY, (40, 25)), axis=1)
    histories = with_times(*([(int(rng.integers(7)), int(time)) for time in of] for of in times))
    trend = Trend.of(histories, 7, 10.0, returns=returns)
    assert len(trend.times) == N_SNAPSHOTS and trend.times[-1] == times.max()
    counted = np.ones(1000, bool)
    if returns:
        counted = np.diff(times, axis=1, prepend=times[:, :1]).ravel() >= HOUR
    for time, popularity in zip(trend.times, trend.popularity, strict=True):
        before = counted & (histories.times <= time)
        weight = 2.0 ** (-(time - histories.times[before]) / (10 * DAY))
        expected = np.bincount(histories.items[before], weight, minlength=7)
        np.testing.assert_allclose(popularity, expected, rtol=1e-5, atol=1e-5)


def test_without_interactions_after_a_break_all_scores_are_zero():
    trend = Trend.of(with_times([(0, 0), (1, 1)]), 3, 7.0, returns=True)
    assert not trend.popularity.any() and trend.popularity.shape == (2, 3)
