"""The split strategies, their checks, and the users, items and months of the parts."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import positives_of, ratings_of, some_ratings

from movierec.data.splitting import Membership, Splitter, Strategy
from movierec.interactions.matrix import INTERACTION_TYPES, TEMPORAL, Split
from movierec.utils.errors import UserError

STRATEGIES = ("random", *TEMPORAL)


def split(ratings, strategy, valid, test, seed=1):
    """The split of all ratings, as tables."""
    strategy = Strategy(strategy, valid, test)
    with positives_of(ratings) as positives:
        interactions = pd.concat(positives.batches(strategy.name in TEMPORAL, "file"), ignore_index=True)
        part = Splitter(strategy, seed, positives.time_at, positives.n).parts(interactions)
    return Split(*(interactions[part == number].reset_index(drop=True) for number in range(3)))


def members_of(parts):
    members = Membership(*(1 + pd.concat(parts)[["user", "item"]].max()))
    for number, rows in enumerate(parts):
        members.add(number, rows)
    return members


def by_degree(degrees):
    """Ratings of as many movies as each user's degree, in the order of time."""
    return ratings_of([(user, item, 5, item) for user, n in enumerate(degrees) for item in range(n)])


def sizes(parts, n_users):
    """The interactions of each user, by part."""
    return [np.bincount(part["user"], minlength=n_users).tolist() for part in parts]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_part_has_the_types_and_the_order_of_the_interactions(strategy):
    for part in split(some_ratings().sample(frac=1, random_state=0), strategy, 0.2, 0.2):
        assert part.dtypes.astype(str).to_dict() == INTERACTION_TYPES
        in_order = part.sort_values(["user", "timestamp" if strategy in TEMPORAL else "item"], kind="stable")
        assert part.equals(in_order)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_times_matter_to_the_temporal_strategies_alone(strategy):
    ratings = some_ratings()
    other = ratings.assign(Timestamp=ratings["Timestamp"].to_numpy()[::-1])
    tests = (split(rows, strategy, 0.2, 0.2).test for rows in (ratings, other))
    one, two = (set(zip(test["user"], test["item"], strict=True)) for test in tests)
    assert (one != two) == (strategy in TEMPORAL) == (strategy != "random")


@settings(max_examples=40)
@given(
    strategy=st.sampled_from(STRATEGIES),
    seed=st.integers(0, 5),
    valid=st.floats(0.15, 0.45),
    test=st.floats(0.15, 0.45),
    shuffle=st.integers(0, 1000),
)
def test_a_split_is_disjoint_complete_and_independent_of_the_order_of_rows(strategy, seed, valid, test, shuffle):
    ratings = some_ratings(seed=seed)
    if strategy in TEMPORAL:  # for equal times the order of rows decides; here there are none
        ratings["Timestamp"] = np.random.default_rng(seed).permutation(len(ratings))
    parts = split(ratings, strategy, valid, test, seed)
    together = pd.concat(parts).sort_values(["user", "item"], ignore_index=True)
    with positives_of(ratings) as positives:
        whole = pd.concat(positives.batches(in_time=False), ignore_index=True)
    pd.testing.assert_frame_equal(together, whole)
    shuffled = split(ratings.sample(frac=1, random_state=shuffle), strategy, valid, test, seed)
    for part, again in zip(parts, shuffled, strict=True):
        pd.testing.assert_frame_equal(part, again)


@given(
    ratings=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 30), st.just(5.0), st.integers(0, 9)),
        min_size=20,
        max_size=60,
        unique_by=lambda row: row[:2],
    ),
    strategy=st.sampled_from(TEMPORAL),
)
def test_no_training_interaction_is_later_than_a_held_out_one(ratings, strategy):
    """Of the same user, or with one cut in time for all: of anyone, and then even of the same second."""
    parts = split(ratings_of(ratings), strategy, 0.2, 0.2)
    by_user = strategy != "global_temporal"
    for before, after in ((parts.train, parts.valid), (parts.train, parts.test), (parts.valid, parts.test)):
        last, first = (
            part["timestamp"].groupby(part["user"] if by_user else np.zeros(len(part))).agg(how)
            for part, how in ((before, "max"), (after, "min"))
        )
        both = last.index.intersection(first.index)
        assert (last[both] <= first[both]).all() if by_user else (last[both] < first[both]).all()


@pytest.mark.parametrize("strategy", ["random", "user_temporal"])
def test_fractions_per_user_are_rounded_down_and_train_keeps_one(strategy):
    parts = split(by_degree([10, 9, 1, 2]), strategy, 0.1, 0.2)
    assert sizes(parts, 4) == [[7, 8, 1, 2], [1, 0, 0, 0], [2, 1, 0, 0]]


@pytest.mark.parametrize("strategy", ["random", "user_temporal"])
@given(valid=st.integers(1, 70), test=st.integers(1, 70))
@settings(max_examples=30)
def test_fractions_per_user_are_those_of_exact_arithmetic(strategy, valid, test):
    """Train keeps one interaction of each user, even with fractions that use up all."""
    degrees = [100, 1, 2, 3, 4, 5, 7, 20, 50]
    parts = split(by_degree(degrees), strategy, valid / 100, test / 100)
    n_test = [n * test // 100 for n in degrees]
    n_valid = [min(n * valid // 100, n - 1 - tested) for n, tested in zip(degrees, n_test, strict=True)]
    n_train = [n - held - tested for n, held, tested in zip(degrees, n_valid, n_test, strict=True)]
    assert sizes(parts, len(degrees)) == [n_train, n_valid, n_test]


def test_random_depends_on_the_seed_alone():
    first, again, other = (split(some_ratings(), "random", 0.2, 0.2, seed).test for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


@pytest.mark.parametrize("name", STRATEGIES)
def test_batches_of_users_get_the_parts_of_the_whole(name):
    with positives_of(some_ratings()) as positives:
        interactions = pd.concat(positives.batches(name in TEMPORAL), ignore_index=True)
    times = np.sort(interactions["timestamp"])
    whole, batched = (Splitter(Strategy(name, 0.2, 0.2), 1, times.__getitem__, len(times)) for _ in range(2))
    batches = [rows for _, rows in interactions.groupby(interactions["user"] // 7)]
    expected = whole.parts(interactions)
    assert np.concatenate([batched.parts(rows) for rows in batches]).tolist() == expected.tolist()


def test_user_temporal_holds_out_the_latest_and_of_equal_times_the_later_row():
    times = [50, 10, 10, 10, 40, 0, 60, 5, 5, 20]
    parts = split(ratings_of([(1, i, 5, time) for i, time in enumerate(times)]), "user_temporal", 0.1, 0.2)
    assert parts.test["item"].tolist() == [0, 6] and parts.valid["item"].tolist() == [4]
    tied = ratings_of([(1, i, 5, 7) for i in (3, 9, 1, 0, 2, 8, 4, 5, 7, 6)])
    assert split(tied, "user_temporal", 0.1, 0.2).test["item"].tolist() == [7, 6]


def test_leave_one_out_holds_out_the_last_for_test_and_the_one_before_for_validation():
    # Movies 10, 20, 30, 40 are the items 0 to 3.
    rows = [(1, 30, 5, 9), (1, 10, 5, 2), (1, 20, 5, 9), (1, 40, 5, 1), (2, 10, 5, 3), (2, 40, 5, 4), (3, 20, 5, 5)]
    parts = split(ratings_of(rows), "leave_one_out", 0.4, 0.4)  # the fractions do not matter
    held = [part[["user", "item"]].to_numpy().tolist() for part in parts]
    # A user with two movies has none in validation, one with a single movie none in test either.
    assert held == [[[0, 3], [0, 0], [1, 0], [2, 1]], [[0, 2]], [[0, 1], [1, 3]]]
    parts = split(by_degree([1, 2, 3, 4, 5]), "leave_one_out", 0.4, 0.4)
    assert sizes(parts, 5) == [[1, 1, 1, 2, 3], [0, 0, 1, 1, 1], [0, 1, 1, 1, 1]]


def test_global_temporal_cuts_once_and_never_within_a_second():
    ratings = ratings_of([(u, i, 5, 10 * u + i // 2) for u in range(5) for i in range(6)])
    parts = split(ratings, "global_temporal", 0.2, 0.2)
    assert parts.train["timestamp"].max() < parts.valid["timestamp"].min()
    assert parts.valid["timestamp"].max() < parts.test["timestamp"].min()


def test_global_temporal_by_hand():
    # In time the seconds are 1 2 3 4 5 5 6 7 8 9. The first half ends with the first 5, and the other comes along;
    # the next two tenths end with the seventh, 6.
    seconds = {1: [9, 1, 5], 2: [6, 2], 3: [8, 5, 3], 4: [7], 5: [4]}
    rows = [(user, item, 5, second) for user, of_user in seconds.items() for item, second in enumerate(of_user)]
    parts = split(ratings_of(rows), "global_temporal", 0.2, 0.3)
    assert [part["timestamp"].tolist() for part in parts] == [[1, 5, 2, 3, 5, 4], [6], [9, 8, 7]]


def parts_by_time(time, valid, test):
    splitter = Splitter(Strategy("global_temporal", valid, test), 1, np.sort(time).__getitem__, len(time))
    return splitter.parts(pd.DataFrame({"timestamp": time}))


@given(time=st.lists(st.integers(0, 30), min_size=1, max_size=60), valid=st.integers(1, 98), test=st.integers(1, 98))
def test_the_cuts_in_time_are_those_of_exact_arithmetic(time, valid, test):
    n_train = max(int(len(time) * (1 - Fraction(valid + test, 100))), 1)
    n_known = max(int(len(time) * (1 - Fraction(test, 100))), n_train)
    last_of_train, last_of_valid = sorted(time)[n_train - 1], sorted(time)[n_known - 1]
    expected = [0 if t <= last_of_train else 1 if t <= last_of_valid else 2 for t in time]
    assert parts_by_time(np.array(time), valid / 100, test / 100).tolist() == expected


@pytest.mark.parametrize(
    ("valid", "test", "counts"),
    [
        (0.05, 0.05, [900_000, 50_000, 50_000]),
        (0.15, 0.2, [650_000, 150_000, 200_000]),
        (0.1, 0.8, [100_000, 100_000, 800_000]),
    ],
)
def test_the_cuts_in_time_of_a_million_interactions_are_exact(valid, test, counts):
    assert np.bincount(parts_by_time(np.arange(1_000_000), valid, test)).tolist() == counts


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_empty_part_is_an_error(strategy):
    fractions, changed = " with valid_fraction 0.1 and test_fraction 0.2", "fractions"
    if strategy == "leave_one_out":
        fractions, changed = "", "split_strategy"
    message = rf"{strategy}{fractions} leaves no interaction in valid, out of 2; change the {changed} in params\.yaml"
    members = members_of(split(by_degree([2]), strategy, 0.1, 0.2))
    with pytest.raises(UserError, match=message):
        members.check(Strategy(strategy, 0.1, 0.2))


@pytest.mark.parametrize(
    ("train", "valid", "test", "name"),
    [([0, 0], [1], [0], "validation"), ([0, 0], [0], [1], "test"), ([0], [1], [1], "validation")],
)
def test_a_part_of_new_users_alone_is_an_error(train, valid, test, name):
    parts = [pd.DataFrame({"user": users, "item": 0, "timestamp": 0}) for users in (train, valid, test)]
    message = rf"global_temporal leaves no user of {name} with a history.*split_strategy.*params\.yaml"
    with pytest.raises(UserError, match=message):
        members_of(parts).check(Strategy("global_temporal", 0.1, 0.1))


@pytest.mark.parametrize(("train", "valid"), [([0], [0, 1]), ([0, 1], [0])])
def test_train_or_validation_alone_is_a_history_for_test(train, valid):
    parts = [pd.DataFrame({"user": users, "item": 0, "timestamp": 0}) for users in (train, valid, [1])]
    members_of(parts).check(Strategy("global_temporal", 0.1, 0.1))


@pytest.mark.parametrize("name", Split._fields)
def test_each_part_must_have_an_interaction(name):
    rows = pd.DataFrame({"user": [0], "item": 0, "timestamp": 0})
    parts = [rows[: int(of != name)] for of in Split._fields]
    with pytest.raises(UserError, match=f"leaves no interaction in {name}, out of 2"):
        members_of(parts).check(Strategy("random", 0.1, 0.1))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_users_and_items_that_are_not_in_train_are_listed_as_cold(strategy):
    parts = split(some_ratings(seed=3), strategy, 0.2, 0.3)
    cold = members_of(parts).cold()
    for kind in ("user", "item"):
        later = set(parts.valid[kind]) | set(parts.test[kind])
        assert set(cold.loc[cold["kind"] == kind, "index"]) == later - set(parts.train[kind])


def test_cold_users_come_before_cold_items_and_each_is_listed_once():
    pairs = [(0, 0), (0, 5)], [(0, 7), (4, 0), (1, 5)], [(4, 2), (3, 7), (0, 5)]
    parts = [pd.DataFrame(part, columns=["user", "item"]).assign(timestamp=0) for part in pairs]
    cold = members_of(parts).cold()
    assert list(cold["kind"]) == ["user"] * 3 + ["item"] * 2
    assert cold["index"].tolist() == [1, 3, 4, 2, 7] and cold["index"].dtype == np.int32
    assert cold.index.tolist() == [0, 1, 2, 3, 4]
    assert members_of([parts[0]] * 3).cold().dtypes.equals(cold.dtypes), "the same columns without rows"


def test_months_are_in_utc_and_counted_by_part():
    january = 86400 * 31  # seconds
    times = [[0, january - 1, january], [], [january]]
    parts = [pd.DataFrame({"user": 0, "item": 0, "timestamp": of_part}, dtype="int64") for of_part in times]
    expected = [["1970-01", "train", 2], ["1970-02", "train", 1], ["1970-02", "test", 1]]
    members = members_of(parts)
    assert members.by_month().to_numpy().tolist() == expected
    members.add(2, parts[0])
    expected[2:] = [["1970-01", "test", 2], ["1970-02", "test", 2]]
    assert members.by_month().to_numpy().tolist() == expected, "batches are added up"
    members.add(2, pd.DataFrame({"user": [0], "item": 0, "timestamp": 2**32}))
    assert members.by_month()["month"].tolist()[-1] == "2106-02", "the latest time that a rating can have"
