"""Coverage, Gini, novelty, diversity and popularity lift, by hand and by plain loops."""

from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from movierec.evaluation.beyond_accuracy import (
    concentration,
    coverage,
    diversity,
    gini,
    novelty,
    popularity_lift,
    times_recommended,
)

RANKED = np.array([[0, 1], [0, 2], [0, -1]])  # of 5 items; the last list is short


def test_coverage_counts_the_lists_of_each_item_without_empty_places():
    times = times_recommended(RANKED, 5)
    assert times.tolist() == [3, 1, 1, 0, 0]
    assert coverage(times) == 3 / 5


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([2, 2, 2, 2], 0),
        ([0, 0, 0, 8], 3 / 4),  # one of n has all: 1 - 1 / n
        ([1, 3], 1 / 4),  # half of the mean difference over the mean: |1 - 3| * 2 / 4 pairs / (2 * 2)
        ([0, 0], 0),
    ],
)
def test_gini_by_hand(times, expected):
    assert gini(np.array(times)) == pytest.approx(expected)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30).filter(any))
def test_gini_is_half_the_relative_mean_difference_and_twice_an_area(times):
    times = np.array(times)
    assert gini(times) == pytest.approx(np.abs(times[:, None] - times).mean() / 2 / times.mean())
    share = concentration(times, 101)[1]
    assert share[[0, -1]].tolist() == pytest.approx([0, 1])
    assert (np.diff(share) >= -1e-12).all()
    exact = concentration(times, len(times) + 1)
    assert 2 * (np.trapezoid(exact[1], exact[0]) - 1 / 2) == pytest.approx(gini(times))


def test_novelty_is_in_bits():
    # Of 8 users, 4 know item 0: 1 bit; 2 know item 1: 2 bits; 1 knows item 2: 3 bits.
    assert novelty(RANKED, np.array([4, 2, 1, 0, 0]), 8) == pytest.approx((1 + 2 + 1 + 3 + 1) / 5)
    assert novelty(np.array([[3]]), np.array([4, 2, 1, 0, 0]), 8) == 3, "no user counts as one"


def test_diversity_by_hand():
    genres = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]])
    assert diversity(np.array([[0, 1]]), genres) == pytest.approx(1 - 1 / 2)
    assert diversity(np.array([[0, 2]]), genres) == 1
    assert diversity(np.array([[0, 0]]), genres) == 0
    assert diversity(np.array([[0, 1, 2]]), genres) == pytest.approx((1 / 2 + 1 + 1) / 3)
    # Pairs without any genre, and empty places, do not count.
    assert diversity(np.array([[0, 1, -1], [3, 4, -1]]), genres) == pytest.approx(1 / 2)
    assert diversity(np.array([[3, 4], [0, -1]]), genres) == 0


def test_diversity_agrees_with_a_loop_over_sets():
    rng = np.random.default_rng(0)
    genres = (rng.random((30, 6)) < 0.4).astype(np.int8)
    genres[:, 0] |= ~genres.any(axis=1)
    ranked = np.stack([rng.permutation(30)[:7] for _ in range(9)])
    sets = [set(np.flatnonzero(row)) for row in genres]
    pairs = [(sets[i], sets[j]) for row in ranked for i, j in combinations(row, 2)]  # as many of each list
    assert diversity(ranked, genres) == pytest.approx(np.mean([1 - len(a & b) / len(a | b) for a, b in pairs]))


def test_popularity_lift_by_hand():
    popularity = np.array([10, 4, 2, 2])
    history = sp.csr_matrix(np.array([[0, 1, 1, 0], [0, 0, 0, 5]], np.float32))  # means 3 and 2: 2.5
    assert popularity_lift(np.array([[0], [0]]), history, popularity) == pytest.approx(10 / 2.5 - 1)
    assert popularity_lift(np.array([[1, 2], [2, -1]]), history, popularity) == pytest.approx(0)
