"""The positive ratings: lowest rating, k-core, numbering, order and batches."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import positives_of, ratings_of, some_ratings

from movierec.interactions.matrix import INTERACTION_TYPES
from movierec.utils.errors import UserError


def ids_of(ratings, min_rating, k_core):
    """UserID and MovieID of each positive rating, in the order of the file."""
    with positives_of(ratings, min_rating, k_core) as positives:
        found = positives.engine.rows("SELECT UserID, MovieID FROM positives ORDER BY file_row_number")
        assert positives.n == len(found)
        assert positives.user_ids.tolist() == sorted({user for user, _ in found})
        assert positives.item_ids.tolist() == sorted({movie for _, movie in found})
    return found


def interactions_of(ratings, in_time=False, ties="hash"):
    with positives_of(ratings) as positives:
        return pd.concat(positives.batches(in_time, ties), ignore_index=True)


@pytest.mark.parametrize("lowest", [3, 4.1])  # 4.1 is another number in 32 bits
def test_positives_are_the_ratings_from_min_rating_on(lowest):
    ratings = ratings_of([(1, 1, lowest - 0.5, 0), (1, 2, lowest, 0), (1, 3, 5, 0)])
    assert ids_of(ratings, lowest, 1) == [(1, 2), (1, 3)]


def test_the_k_core_drops_again_until_all_have_enough():
    # Movie 4 has one user; without it, user 3 has one movie; without that, all others still have two.
    pairs = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 4)]
    assert ids_of(ratings_of([(u, i, 5, 0) for u, i in pairs]), 3, 2) == [(1, 1), (1, 2), (2, 1), (2, 2)]


@settings(max_examples=40)
@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30), st.integers(1, 4))
def test_the_k_core_is_what_remains_after_dropping_ratings_one_by_one(pairs, k):
    left = sorted(pairs)
    while few := [(u, i) for u, i in left if min(sum(u == v for v, _ in left), sum(i == j for _, j in left)) < k]:
        left.remove(few[0])
    ratings = ratings_of([(u, i, 5, 0) for u, i in sorted(pairs)])
    if left:
        assert ids_of(ratings, 3, k) == left
    else:
        with pytest.raises(UserError, match=f"min_rating 3 and k_core {k}"):
            ids_of(ratings, 3, k)


def test_no_positive_rating_is_an_error_that_names_the_params():
    with pytest.raises(UserError, match=r"no rating is left with min_rating 5 and k_core 1 \(of 1\).*params\.yaml"):
        ids_of(ratings_of([(1, 1, 2, 0)]), 5, 1)


def test_users_and_items_are_numbered_in_the_order_of_their_ids():
    ratings = ratings_of([(9, 5, 4, 1), (2, 7, 3, 2), (2, 5, 5, 3)])
    with positives_of(ratings) as positives:
        assert positives.user_ids.tolist() == [2, 9] and positives.item_ids.tolist() == [5, 7]
    assert interactions_of(ratings).to_numpy().tolist() == [[0, 0, 5, 3], [0, 1, 3, 2], [1, 0, 4, 1]]


@pytest.mark.parametrize("in_time", [False, True])
def test_interactions_have_fixed_types_and_are_sorted_by_user_and_item_or_time(in_time):
    interactions = interactions_of(some_ratings().sample(frac=1, random_state=0), in_time)
    assert interactions.dtypes.astype(str).to_dict() == INTERACTION_TYPES
    in_order = interactions.sort_values(["user", "timestamp" if in_time else "item"], kind="stable")
    assert interactions.equals(in_order)


def test_rows_of_the_same_second_keep_the_order_of_the_file_if_asked():
    times = [50, 10, 10, 10, 40, 0, 60, 5, 5, 20]
    by_time = interactions_of(ratings_of([(1, i, 5, time) for i, time in enumerate(times)]), in_time=True, ties="file")
    assert by_time["item"].tolist() == [5, 7, 8, 1, 2, 3, 9, 4, 0, 6]
    items = [3, 9, 1, 0, 2, 8, 4, 5, 7, 6]
    tied = interactions_of(ratings_of([(1, i, 5, 7) for i in items]), in_time=True, ties="file")
    assert tied["item"].tolist() == items


def test_rows_of_the_same_second_are_in_an_order_of_their_own_whatever_the_files_is():
    ratings = ratings_of([(user, item, 5, 7) for user in range(50) for item in range(50)])
    tied = interactions_of(ratings, in_time=True)
    assert tied.equals(interactions_of(ratings.sample(frac=1, random_state=0), in_time=True))
    orders = tied["item"].to_numpy().reshape(50, 50)  # a row for each user
    assert len({tuple(order) for order in orders}) == 50 and (np.sort(orders) == np.arange(50)).all()
    rank = orders.argsort()  # each item's place for each user: no item is early or late for all of them
    assert np.abs(rank.mean(axis=0) - 24.5).max() < 4 * 14.4 / 50**0.5, "four standard errors of uniform places"
    correlations = np.corrcoef(rank.mean(axis=0), np.arange(50))[0, 1], np.corrcoef(orders[:, 0], orders[:, 1])[0, 1]
    assert np.abs(correlations).max() < 0.4


@pytest.mark.parametrize("in_time", [False, True])
def test_batches_hold_whole_users_and_together_all_interactions(in_time, monkeypatch):
    ratings = some_ratings(n_users=1000).sample(frac=1, random_state=0)
    whole = interactions_of(ratings, in_time)
    monkeypatch.setattr("movierec.data.engine.BATCH", 2048)
    with positives_of(ratings) as positives:
        batches = list(positives.batches(in_time))
    assert len(batches) > 3
    pd.testing.assert_frame_equal(pd.concat(batches, ignore_index=True), whole)
    users = [set(batch["user"]) for batch in batches]
    assert sum(map(len, users)) == len(set.union(*users))


def test_times_are_known_by_their_place_in_the_order_of_time():
    with positives_of(ratings_of([(1, 1, 5, 30), (2, 1, 5, 10), (2, 2, 5, 20), (2, 3, 1, 15)]), 3) as positives:
        assert [positives.time_at(place) for place in range(positives.n)] == [10, 20, 30]


@pytest.mark.parametrize("times", [(0, 0, 9), (7, 7, 9)])
def test_times_that_tell_nothing_cannot_be_split_by_time(times):
    ratings = ratings_of([(2, 1, 5, times[0]), (2, 2, 5, times[1]), (2, 3, 1, times[2])])
    message = r"leave_one_out.*timestamp.*random in params\.yaml"
    with positives_of(ratings, min_rating=3) as positives, pytest.raises(UserError, match=message):
        positives.share_of_ties("leave_one_out")
    with positives_of(ratings) as positives:
        assert positives.share_of_ties("leave_one_out") == 2 / 3
    with positives_of(ratings.assign(UserID=[1, 2, 3])) as positives:
        assert positives.share_of_ties("global_temporal") == 0
    with positives_of(ratings.assign(UserID=[1, 2, 3], Timestamp=7)) as positives, pytest.raises(UserError):
        positives.share_of_ties("global_temporal")
