"""Profiles, and matrices of histories: decay and the items that follow others, against loops."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from conftest import params_with
from hypothesis import given
from hypothesis import strategies as st
from small_histories import histories_of, lists_of

from movierec.interactions.histories import NEGLIGIBLE, Histories
from movierec.interactions.profiles import Profiles, decayed, last_items, profiles_at, recent_popularity, transitions

SHORT_LISTS = st.permutations(range(7)).flatmap(lambda items: st.integers(0, 7).map(lambda n: items[:n]))
LISTS = st.lists(SHORT_LISTS, min_size=1, max_size=5)


def test_a_users_history_decays_by_half_life():
    histories = histories_of([[4, 2, 0], [], [1]])
    assert decayed(histories, 5, 1.0).toarray().tolist() == [[1, 0, 0.5, 0, 0.25], [0] * 5, [0, 1, 0, 0, 0]]
    assert decayed(histories, 5, 2.0)[0, 4] == 0.5
    assert decayed(histories, 5, np.inf).toarray().tolist() == [[1, 0, 1, 0, 1], [0] * 5, [0, 1, 0, 0, 0]]
    assert decayed(histories, 5, 1.0).indices.tolist() == [0, 2, 4, 1], "rows are sorted"


def test_negligible_weights_are_dropped():
    matrix = decayed(histories_of([list(range(100))]), 100, 1.0)
    assert matrix.nnz == 25 and matrix.data.min() == NEGLIGIBLE == np.finfo(np.float32).eps / 2


def test_recent_popularity_by_hand():
    histories = histories_of([[1, 0], [0, 2, 1]])
    assert recent_popularity(histories, 4, 1.0).tolist() == [1.25, 1.5, 0.5, 0]
    assert recent_popularity(histories, 4, np.inf).tolist() == [2, 2, 1, 0]
    assert recent_popularity(histories, 4, 1.0).dtype == np.float32


@given(LISTS, st.sampled_from([0.5, 1.0, 3.0]))
def test_recent_popularity_is_the_sum_of_the_decayed_histories(lists, half_life):
    histories = histories_of(lists)
    expected = decayed(histories, 7, half_life).toarray().sum(axis=0)
    np.testing.assert_allclose(recent_popularity(histories, 7, half_life), expected, rtol=1e-6)


@given(LISTS, st.sampled_from([0.5, 1.0, 3.0]), st.integers(1, 6))
def test_transitions_count_the_items_that_follow_others(lists, half_life, reach):
    expected = np.zeros((7, 7))
    for items in lists:
        for s in range(len(items)):
            for t in range(s + 1, min(len(items), s + reach + 1)):
                expected[items[s], items[t]] += 2 ** (-(t - s - 1) / half_life)
    counts = transitions(histories_of(lists), 7, half_life, reach)
    np.testing.assert_allclose(counts.toarray(), expected, rtol=1e-6, atol=1e-3)
    assert counts.dtype == np.float32 and counts.has_sorted_indices


@pytest.mark.parametrize(("half_life", "reach", "last"), [(1.0, 99, 10), (0.25, 99, 3), (1.0, 4, 4), (100.0, 99, 14)])
def test_transitions_reach_no_further_than_asked_nor_than_ten_half_lives(half_life, reach, last):
    counts = transitions(histories_of([list(range(15))]), 15, half_life, reach)
    assert counts[0].indices.tolist() == list(range(1, last + 1))


def test_the_last_items():
    last = last_items(histories_of([[4, 2, 0], [], [1]]), 5)
    assert last.toarray().tolist() == [[1, 0, 0, 0, 0], [0] * 5, [0, 1, 0, 0, 0]] and last.dtype == np.float32


def test_empty_histories_are_histories():
    histories = Histories(np.zeros(3, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64))
    assert histories.n_users == 2 and len(histories.ages) == len(histories.users) == 0
    for matrix in (decayed(histories, 4, 1.0), transitions(histories, 4, 1.0, 3), last_items(histories, 4)):
        assert matrix.nnz == 0
    assert recent_popularity(histories, 4, 1.0).tolist() == [0, 0, 0, 0]


def rated(*rows):
    """A row for each, at the times 100, 101, and so on."""
    table = pd.DataFrame(rows, columns=["user", "item", "rating"]).astype({"rating": "float32"})
    return table.assign(timestamp=100 + np.arange(len(table)))


def test_profiles_hold_weights_relative_to_train_beside_the_order():
    train, valid = rated((0, 2, 2), (0, 1, 4), (1, 0, 3)), rated((0, 0, 5))
    profiles = Profiles.from_interactions(2, 3, [train, valid], rating_power=1.0)
    np.testing.assert_allclose(profiles.matrix.toarray(), [[5 / 3, 4 / 3, 2 / 3], [1, 0, 0]], rtol=1e-6)
    assert lists_of(profiles.histories) == [[2, 1, 0], [0]]
    assert profiles.users.tolist() == [0, 1] and profiles.gender is None
    assert profiles.histories.times.tolist() == [100, 101, 100, 102] and profiles.histories.asked is None


@pytest.mark.parametrize(
    ("strategy", "history", "needed", "cuts"),
    [
        ("random", "auto", [], []),
        ("random", "train+valid", ["after_valid"], [None]),
        ("leave_one_out", "auto", ["after_train", "after_valid"], [None, None]),
        ("user_temporal", "train", ["after_train", "after_valid"], [None, None]),
        ("global_temporal", "auto", ["after_train", "after_valid"], [102, 109]),
    ],
)
def test_profiles_are_made_for_the_moments_that_need_them(strategy, history, needed, cuts):
    """With one cut in time, all users are asked at the cut."""
    train, valid = rated((0, 2, 2), (0, 1, 4), (1, 0, 3)), rated((0, 0, 5)).assign(timestamp=109)
    known = {"after_train": [train], "after_valid": [train, valid]}
    params = params_with(split_strategy=strategy, history=history, rating_power=1.0)
    profiles = profiles_at(known, (2, 3), params)
    assert list(profiles) == needed
    for (at, of), cut in zip(profiles.items(), cuts, strict=True):
        expected = Profiles.from_interactions(2, 3, known[at], 1.0)
        assert (of.matrix != expected.matrix).nnz == 0 and lists_of(of.histories) == lists_of(expected.histories)
        assert (of.histories.asked is None) if cut is None else (of.histories.asked.tolist() == [cut, cut])


def test_profiles_without_order_are_in_the_order_of_items():
    matrix = sp.csr_matrix(np.array([[0, 2, 1], [0, 0, 0], [3, 0, 0]], np.float32))
    profiles = Profiles.without_order(matrix)
    assert lists_of(profiles.histories) == [[1, 2], [], [0]] and profiles.users.tolist() == [0, 1, 2]
    assert profiles.matrix is matrix and profiles.gender is None
    gender = np.array([[1, 0], [0, 1], [0, 0]])
    new = Profiles.without_order(matrix, np.array([-1, 5, -1]), gender)
    assert new.users.tolist() == [-1, 5, -1] and new.gender is gender


def test_profiles_of_some_rows_are_in_the_order_of_these_rows():
    matrix = sp.csr_matrix(np.array([[0, 2, 1], [0, 0, 0], [3, 0, 0]], np.float32))
    gender = np.array([[1, 0], [0, 1], [0, 0]])
    profiles = Profiles.without_order(matrix, np.array([7, 8, -1]), gender).of(np.array([2, 0]))
    assert profiles.matrix.toarray().tolist() == [[3, 0, 0], [0, 2, 1]]
    assert lists_of(profiles.histories) == [[0], [1, 2]]
    assert profiles.users.tolist() == [-1, 7] and profiles.gender.tolist() == [[0, 0], [1, 0]]
    assert Profiles.without_order(matrix).of(np.array([1])).gender is None
