"""Positives, id maps and splits."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import cold, index_interactions, parts_by_time, positives, split

from movierec.errors import UserError
from movierec.interactions import TEMPORAL, Split, rating_weights, to_csr, users_of_items

STRATEGIES = ("random", *TEMPORAL)


def ratings_of(rows):
    frame = pd.DataFrame(rows, columns=["UserID", "MovieID", "Rating", "Timestamp"])
    return frame.astype({"UserID": "int32", "MovieID": "int32", "Rating": "float32", "Timestamp": "int64"})


def some_ratings(n_users=30, n_items=40, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        (10 * u, 7 * i, rng.integers(1, 6), rng.integers(0, 50)) for u in range(n_users) for i in rng.permutation(n_items)[: rng.integers(1, 20)]
    ]
    return ratings_of(rows)


def test_positives_are_the_ratings_from_min_rating_on():
    kept = positives(ratings_of([(1, 1, 2.5, 0), (1, 2, 3, 0), (1, 3, 5, 0)]), 3, 1)
    assert kept["MovieID"].tolist() == [2, 3]


def test_k_core_drops_again_until_all_that_is_left_has_enough():
    # Movie 4 has one user; without it, user 3 has one movie; without that, all others still have two.
    rows = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 4)]
    kept = positives(ratings_of([(u, i, 5, 0) for u, i in rows]), 3, 2)
    assert list(zip(kept["UserID"], kept["MovieID"])) == [(1, 1), (1, 2), (2, 1), (2, 2)]


@settings(max_examples=40)
@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30), st.integers(1, 4))
def test_the_k_core_is_what_is_left_when_one_at_a_time_is_taken_away(pairs, k):
    left = sorted(pairs)
    while few := [(u, i) for u, i in left if min(sum(u == v for v, _ in left), sum(i == j for _, j in left)) < k]:
        left.remove(few[0])
    ratings = ratings_of([(u, i, 5, 0) for u, i in sorted(pairs)])
    if left:
        kept = positives(ratings, 3, k)
        assert list(zip(kept["UserID"], kept["MovieID"])) == left
    else:
        with pytest.raises(UserError, match=f"no rating is left with min_rating 3 and k_core {k}"):
            positives(ratings, 3, k)


def test_nothing_left_is_an_error_that_names_the_params():
    with pytest.raises(UserError, match="no rating is left with min_rating 5 and k_core 1"):
        positives(ratings_of([(1, 1, 2, 0)]), 5, 1)


def test_users_and_items_are_numbered_in_the_order_of_their_ids():
    interactions, user_ids, item_ids = index_interactions(ratings_of([(9, 5, 4, 1), (2, 7, 3, 2), (2, 5, 5, 3)]))
    assert user_ids.tolist() == [2, 9] and item_ids.tolist() == [5, 7]
    assert interactions.values.tolist() == [[0, 0, 5, 3], [0, 1, 3, 2], [1, 0, 4, 1]]


@pytest.mark.parametrize("in_time", [False, True])
def test_a_table_of_interactions_has_the_columns_and_types_it_says_and_its_rows_are_numbered_from_0(in_time):
    interactions, *_ = index_interactions(some_ratings().sample(frac=1, random_state=0), in_time)
    types = {"user": "int32", "item": "int32", "rating": "float32", "timestamp": "int64"}
    assert interactions.dtypes.astype(str).to_dict() == types
    assert interactions.index.tolist() == list(range(len(interactions)))
    parts = split(interactions, "user_temporal" if in_time else "random", 0.2, 0.2, 1)
    for part in parts:
        assert part.dtypes.astype(str).to_dict() == types and part.index.tolist() == list(range(len(part)))
        assert part.equals(part.sort_values(["user", "timestamp" if in_time else "item"], kind="stable")), "in the order of the interactions"


@pytest.mark.parametrize("strategy", ["random", "user_temporal", "global_temporal", "leave_one_out"])
def test_the_strategies_in_time_are_those_that_look_at_the_times(strategy):
    ratings = some_ratings()
    other = ratings.assign(Timestamp=ratings["Timestamp"].to_numpy()[::-1])
    tests = []
    for rows in (ratings, other):
        part = split(index_interactions(rows, strategy in TEMPORAL)[0], strategy, 0.2, 0.2, 1).test
        tests.append(set(zip(part["user"], part["item"])))
    assert (tests[0] != tests[1]) == (strategy in TEMPORAL) == (strategy != "random")


@settings(max_examples=40)
@given(
    strategy=st.sampled_from(STRATEGIES),
    seed=st.integers(0, 5),
    valid=st.floats(0.15, 0.45),
    test=st.floats(0.15, 0.45),
    shuffle=st.integers(0, 1000),
)
def test_a_split_is_disjoint_complete_and_free_of_the_rows_order(strategy, seed, valid, test, shuffle):
    ratings = some_ratings(seed=seed)
    if strategy in TEMPORAL:  # of equal times the rows' order decides; here there are none
        ratings["Timestamp"] = np.random.default_rng(seed).permutation(len(ratings))
    interactions, *_ = index_interactions(ratings, strategy in TEMPORAL)
    parts = split(interactions, strategy, valid, test, seed)
    together, whole = (frame.sort_values(["user", "item"], ignore_index=True) for frame in (pd.concat(parts), interactions))
    pd.testing.assert_frame_equal(together, whole)
    shuffled, *_ = index_interactions(ratings.sample(frac=1, random_state=shuffle), strategy in TEMPORAL)
    for part, again in zip(parts, split(shuffled, strategy, valid, test, seed)):
        pd.testing.assert_frame_equal(part, again)


@pytest.mark.parametrize("strategy", ["random", "user_temporal"])
def test_per_user_the_fractions_are_rounded_down_and_train_keeps_one(strategy):
    rows = [(u, i, 5, i) for u, n in ((1, 10), (2, 9), (3, 1), (4, 2)) for i in range(n)]
    interactions, *_ = index_interactions(ratings_of(rows))
    parts = split(interactions, strategy, 0.1, 0.2, 1)
    counts = [np.bincount(part["user"], minlength=4).tolist() for part in parts]
    assert counts == [[7, 8, 1, 2], [1, 0, 0, 0], [2, 1, 0, 0]]


@pytest.mark.parametrize("strategy", ["random", "user_temporal"])
@given(valid=st.integers(1, 70), test=st.integers(1, 70))
@settings(max_examples=30)
def test_per_user_the_shares_are_those_of_exact_arithmetic_and_train_keeps_one_even_of_shares_that_use_up_all(strategy, valid, test):
    degrees = [100, 1, 2, 3, 4, 5, 7, 20, 50]  # of the first, each part has something
    interactions, *_ = index_interactions(ratings_of([(u, i, 5, i) for u, n in enumerate(degrees) for i in range(n)]), strategy in TEMPORAL)
    parts = split(interactions, strategy, valid / 100, test / 100, 1)
    n_test = [n * test // 100 for n in degrees]
    n_valid = [min(n * valid // 100, n - 1 - tested) for n, tested in zip(degrees, n_test)]
    n_train = [n - held - tested for n, held, tested in zip(degrees, n_valid, n_test)]
    assert [np.bincount(part["user"], minlength=len(degrees)).tolist() for part in parts] == [n_train, n_valid, n_test]


def test_random_depends_on_the_seed_alone():
    interactions, *_ = index_interactions(some_ratings())
    first, again, other = (split(interactions, "random", 0.2, 0.2, seed).test for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_user_temporal_takes_each_users_latest_and_of_equal_times_the_later_row():
    interactions, *_ = index_interactions(ratings_of([(1, i, 5, t) for i, t in enumerate([50, 10, 10, 10, 40, 0, 60, 5, 5, 20])]), in_time=True)
    assert interactions["item"].tolist() == [5, 7, 8, 1, 2, 3, 9, 4, 0, 6]
    parts = split(interactions, "user_temporal", 0.1, 0.2, 1)
    assert parts.test["item"].tolist() == [0, 6] and parts.valid["item"].tolist() == [4]
    tied, *_ = index_interactions(ratings_of([(1, i, 5, 7) for i in (3, 9, 1, 0, 2, 8, 4, 5, 7, 6)]), in_time=True)
    assert split(tied, "user_temporal", 0.1, 0.2, 1).test["item"].tolist() == [7, 6]


def test_leave_one_out_takes_the_last_for_test_and_the_one_before_for_validation():
    rows = [(1, 30, 5, 9), (1, 10, 5, 2), (1, 20, 5, 9), (1, 40, 5, 1), (2, 10, 5, 3), (2, 40, 5, 4), (3, 20, 5, 5)]
    interactions, _, item_ids = index_interactions(ratings_of(rows), in_time=True)
    parts = split(interactions, "leave_one_out", 0.4, 0.4, 1)  # the fractions play no part
    movies = [[(int(row.user), int(item_ids[row.item])) for row in part.itertuples()] for part in parts]
    # Users with two movies have no validation, those with one no test either.
    assert movies == [[(0, 40), (0, 10), (1, 10), (2, 20)], [(0, 30)], [(0, 20), (1, 40)]]
    degrees = [1, 2, 3, 4, 5]
    by_degree, *_ = index_interactions(ratings_of([(u, i, 5, i) for u, n in enumerate(degrees) for i in range(n)]), in_time=True)
    counts = [np.bincount(part["user"], minlength=5).tolist() for part in split(by_degree, "leave_one_out", 0.4, 0.4, 1)]
    assert counts == [[1, 1, 1, 2, 3], [0, 0, 1, 1, 1], [0, 1, 1, 1, 1]]
    with pytest.raises(UserError, match="leave_one_out leaves no interaction in valid, out of 2; change the split_strategy"):
        split(index_interactions(ratings_of([(1, 1, 5, 1), (1, 2, 5, 2)]), in_time=True)[0], "leave_one_out", 0.1, 0.1, 1)


def test_global_temporal_cuts_once_and_never_within_a_second():
    interactions, *_ = index_interactions(ratings_of([(u, i, 5, 10 * u + i // 2) for u in range(5) for i in range(6)]))
    parts = split(interactions, "global_temporal", 0.2, 0.2, 1)
    assert parts.train["timestamp"].max() < parts.valid["timestamp"].min()
    assert parts.valid["timestamp"].max() < parts.test["timestamp"].min()


def test_global_temporal_by_hand():
    # In time the seconds are 1 2 3 4 5 5 6 7 8 9. Half of them end with the first 5, and the other comes along;
    # with the next two tenths the seventh, 6, is the last that is known.
    seconds = {1: [9, 1, 5], 2: [6, 2], 3: [8, 5, 3], 4: [7], 5: [4]}
    rows = [(user, item, 5, second) for user, of_user in seconds.items() for item, second in enumerate(of_user)]
    parts = split(index_interactions(ratings_of(rows), in_time=True)[0], "global_temporal", 0.2, 0.3, 1)
    assert [part["timestamp"].tolist() for part in parts] == [[1, 5, 2, 3, 5, 4], [6], [9, 8, 7]]


@given(
    time=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    valid=st.integers(1, 98),
    test=st.integers(1, 98),
)
def test_the_cuts_in_time_are_those_of_exact_arithmetic(time, valid, test):
    n_train = max(int(len(time) * (1 - Fraction(valid + test, 100))), 1)
    n_known = max(int(len(time) * (1 - Fraction(test, 100))), n_train)
    last_of_train, last_known = sorted(time)[n_train - 1], sorted(time)[n_known - 1]
    expected = [0 if t <= last_of_train else 1 if t <= last_known else 2 for t in time]
    assert parts_by_time(np.array(time), valid / 100, test / 100).tolist() == expected


@pytest.mark.parametrize(
    ("valid", "test", "counts"),
    [(0.05, 0.05, [900_000, 50_000, 50_000]), (0.15, 0.2, [650_000, 150_000, 200_000]), (0.1, 0.8, [100_000, 100_000, 800_000])],
)
def test_of_a_million_the_cuts_in_time_take_not_one_less(valid, test, counts):
    assert np.bincount(parts_by_time(np.arange(1_000_000), valid, test)).tolist() == counts


@pytest.mark.parametrize("strategy", ["random", "user_temporal", "global_temporal"])
def test_an_empty_part_is_an_error(strategy):
    interactions, *_ = index_interactions(ratings_of([(1, 1, 5, 1), (1, 2, 5, 2)]))
    what = f"{strategy} with valid_fraction 0.1 and test_fraction 0.2 leaves no interaction in valid, out of 2; change the fractions in params.yaml"
    with pytest.raises(UserError, match=what):
        split(interactions, strategy, 0.1, 0.2, 1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_whoever_is_not_in_train_is_listed_as_cold(strategy):
    interactions, *_ = index_interactions(some_ratings(seed=3), strategy in TEMPORAL)
    parts = split(interactions, strategy, 0.2, 0.3, 1)
    listed = cold(parts)
    for kind in ("user", "item"):
        later = set(parts.valid[kind]) | set(parts.test[kind])
        assert set(listed.loc[listed["kind"] == kind, "index"]) == later - set(parts.train[kind])


def test_the_cold_come_from_validation_and_from_test_users_before_items_each_once():
    pairs = [(0, 0), (0, 5)], [(0, 7), (4, 0), (1, 5)], [(4, 2), (3, 7), (0, 5)]
    train, valid, test = (pd.DataFrame(part, columns=["user", "item"]) for part in pairs)
    listed = cold(Split(train, valid, test))
    assert list(listed["kind"]) == ["user"] * 3 + ["item"] * 2
    assert listed["index"].tolist() == [1, 3, 4, 2, 7] and listed["index"].dtype == np.int32
    assert listed.index.tolist() == [0, 1, 2, 3, 4]
    assert cold(Split(train, train, train)).dtypes.equals(listed.dtypes), "nobody is cold: the same table, without rows"


def test_the_matrix_holds_each_pair_once():
    matrix = to_csr(pd.DataFrame({"user": [0, 2, 2], "item": [1, 3, 0]}), 4, 5)
    assert matrix.toarray().tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 0]]
    assert matrix.indices.tolist() == [1, 0, 3], "items are sorted in each row"
    assert matrix.dtype == np.float32


def test_a_matrix_holds_a_weight_for_all_or_for_each():
    rows = pd.DataFrame({"user": [1, 0, 1], "item": [1, 2, 0]})
    assert to_csr(rows, 2, 3, 0.5).toarray().tolist() == [[0, 0, 0.5], [0.5, 0.5, 0]]
    assert to_csr(rows, 2, 3, np.array([1.5, 2, 3])).toarray().tolist() == [[0, 0, 2], [3, 1.5, 0]]
    assert to_csr(rows, 2, 3, np.array([1.5, 2, 3])).dtype == np.float32


def test_every_item_has_its_number_of_users_the_last_too():
    train = to_csr(pd.DataFrame({"user": [0, 1, 2, 2], "item": [1, 1, 1, 0]}), 3, 5)
    assert users_of_items(train).tolist() == [1, 3, 0, 0, 0]


def test_ratings_weigh_relative_to_their_mean():
    ratings = np.array([3, 4, 5], np.float32)
    assert rating_weights(ratings, 0.0).tolist() == [1, 1, 1]
    np.testing.assert_allclose(rating_weights(ratings, 1.0), [0.75, 1, 1.25])
    np.testing.assert_allclose(rating_weights(np.array([4, 1], np.float32), 1.0, ratings), [1, 0.25])
    np.testing.assert_allclose(rating_weights(ratings, 2.0), [9 / 16, 1, 25 / 16])
    assert rating_weights(ratings, 0.7).dtype == np.float32
