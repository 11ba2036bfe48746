"""Histories: their order, how they fade, and what follows what, against loops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movierec.history import History, decayed, history, known_by, last_items, transitions


def frame(*pairs):
    return pd.DataFrame(pairs, columns=["user", "item"])


def of_lists(lists):
    return history(len(lists), frame(*((user, item) for user, items in enumerate(lists) for item in items)).astype(int))


HISTORIES = st.lists(st.permutations(range(7)).flatmap(lambda items: st.integers(0, 7).map(lambda n: items[:n])), min_size=1, max_size=5)


def test_a_later_part_comes_after_an_earlier_one():
    known = history(4, frame((0, 5), (0, 3), (2, 1)), frame((0, 4), (2, 0), (3, 9)))
    assert known.indptr.tolist() == [0, 3, 3, 5, 6]
    assert known.items.tolist() == [5, 3, 4, 1, 0, 9]
    assert known.users.tolist() == [0, 0, 0, 2, 2, 3]
    assert known.ages.tolist() == [2, 1, 0, 1, 0, 0]


def test_histories_of_some_users_in_the_order_asked_for():
    known = history(3, frame((0, 5), (0, 3), (2, 1))).of(np.array([2, 1, 0, 2]))
    assert known.indptr.tolist() == [0, 1, 1, 3, 4] and known.items.tolist() == [1, 5, 3, 1]


def test_a_movie_counts_half_after_each_half_life():
    known = of_lists([[4, 2, 0], [], [1]])
    assert decayed(known, 5, 1.0).toarray().tolist() == [[1, 0, 0.5, 0, 0.25], [0] * 5, [0, 1, 0, 0, 0]]
    assert decayed(known, 5, 2.0)[0, 4] == 0.5
    assert decayed(known, 5, np.inf).toarray().tolist() == [[1, 0, 1, 0, 1], [0] * 5, [0, 1, 0, 0, 0]]
    long = of_lists([list(range(100))])
    assert decayed(long, 100, 1.0).nnz == 25, "what float32 cannot tell from nothing is left out"


@given(HISTORIES, st.sampled_from([0.5, 1.0, 3.0]), st.integers(1, 6))
def test_transitions_count_what_comes_after_what(lists, half_life, reach):
    expected = np.zeros((7, 7))
    for items in lists:
        for s in range(len(items)):
            for t in range(s + 1, min(len(items), s + reach + 1)):
                expected[items[s], items[t]] += 2 ** (-(t - s - 1) / half_life)
    np.testing.assert_allclose(transitions(of_lists(lists), 7, half_life, reach).toarray(), expected, rtol=1e-6, atol=1e-3)


def test_the_last_items():
    assert last_items(of_lists([[4, 2, 0], [], [1]]), 5).toarray().tolist() == [[1, 0, 0, 0, 0], [0] * 5, [0, 1, 0, 0, 0]]


def test_what_is_known_keeps_weights_beside_the_order():
    train = frame((0, 2), (0, 1), (1, 0)).assign(rating=np.array([2, 4, 3], np.float32))
    valid = frame((0, 0)).assign(rating=np.float32(5))
    known = known_by(2, 3, [train, valid], rating_power=1.0)
    np.testing.assert_allclose(known.matrix.toarray(), [[5 / 3, 4 / 3, 2 / 3], [1, 0, 0]], rtol=1e-6)
    assert known.history.of(np.array([0])).items.tolist() == [2, 1, 0] and known.users.tolist() == [0, 1]


def test_leaving_out_one_movie_at_a_time():
    train = frame((0, 9), (1, 2), (1, 1), (1, 0)).assign(rating=np.array([3, 2, 4, 3], np.float32))
    known = known_by(2, 10, [train], rating_power=1.0)
    without = known.without(1, np.array([2, 0]))
    assert [without.history.of(np.array([row])).items.tolist() for row in (0, 1)] == [[2, 1], [1, 0]]
    assert without.users.tolist() == [1, 1]
    for row, gone in ((0, 0), (1, 2)):
        expected = known.matrix[1].toarray().ravel()
        expected[gone] = 0
        assert without.matrix[row].toarray().ravel().tolist() == pytest.approx(expected.tolist())


def test_an_empty_history_is_a_history():
    known = History(np.zeros(3, np.int64), np.zeros(0, np.int32))
    assert decayed(known, 4, 1.0).nnz == 0 and transitions(known, 4, 1.0, 3).nnz == 0 and len(known.ages) == 0
