"""NDCG by groups of users and of movies."""

import numpy as np
import pytest
import scipy.sparse as sp
from small_evaluation import GENRES, small

from movierec.evaluation.groups import (
    COLUMNS,
    by_movies,
    by_users,
    group_table,
    group_tables,
    movies_by_genre,
    movies_by_popularity,
    users_by_gender,
    users_by_history,
)
from movierec.evaluation.measure import ground_truth, measure
from movierec.ranking.metrics import DEPTH

GENDER = np.eye(3)[np.arange(38) % 3][:, :2]


def test_every_user_is_in_one_group():
    truth = small().evaluation.truth
    for groups in (users_by_history(truth), users_by_gender(GENDER)):
        assert np.sum(list(groups.values()), axis=0).tolist() == [1] * 38
        assert all(f"({rows.sum()} users)" in name for name, rows in groups.items())
    assert [name.split(" (")[0] for name in users_by_gender(GENDER)] == ["women", "men", "unknown"]


def test_users_are_grouped_by_the_length_of_their_history():
    lengths = np.array([1, 20, 21, 50, 51, 100, 101, 200, 201, 400])
    history = sp.csr_matrix(np.arange(400) < lengths[:, None], dtype=np.float32)
    groups = users_by_history(ground_truth("after_train", history, history))
    names = ["1 to 20 movies", "21 to 50 movies", "51 to 100 movies", "101 to 200 movies", "201 and more"]
    assert list(groups) == [f"{name} (2 users)" for name in names]
    assert [lengths[rows].tolist() for rows in groups.values()] == lengths.reshape(5, 2).tolist()


def test_movies_are_grouped_by_popularity_and_by_genre():
    popularity = np.random.default_rng(0).permutation(100)
    groups = movies_by_popularity(popularity)
    names = ["most popular 5%", "5% to 20%", "20% to 50%", "the least popular half"]
    assert list(groups) == [f"{name} ({n} movies)" for name, n in zip(names, (5, 15, 30, 50), strict=True)]
    assert np.sum(list(groups.values()), axis=0).tolist() == [1] * 100
    worst = [popularity[rows].min() for rows in groups.values()]
    assert worst == sorted(worst, reverse=True)
    genres = movies_by_genre(GENRES, ["Drama", "War"])
    assert list(genres) == ["Drama (30 movies)", "War (30 movies)"]
    assert np.array_equal(np.stack(list(genres.values()), axis=1), GENRES > 0)


def test_a_groups_mean_is_that_of_its_users_and_lies_in_its_interval():
    evaluation = small().evaluation
    groups = users_by_gender(GENDER)
    table = by_users(evaluation, ["model", "random"], groups)
    assert list(table["series"]) == ["model", "random"] * len(groups)
    for row in table.itertuples():
        assert row.ndcg == pytest.approx(evaluation.ndcg[row.series][groups[row.group]].mean())
        assert row.low <= row.ndcg <= row.high
    assert (table["high"] - table["low"])[table["series"] == "random"].gt(0).all()


def test_a_group_of_movies_has_its_own_movies_alone_to_be_found():
    lists = np.pad([[0, 1, 2, 3], [3, 2, 1, 0]], ((0, 0), (0, DEPTH - 4)), constant_values=-1)
    relevant, history = (
        sp.csr_matrix(np.array([[1, 1, 0, 0], [0, 1, 0, 0]], np.float32)),
        sp.csr_matrix(np.ones((2, 4))),
    )
    evaluation = measure(ground_truth("after_train", relevant, history), {"model": {"after_train": lists}})
    groups = {"even": np.arange(4) % 2 == 0, "odd": np.arange(4) % 2 == 1, "last": np.arange(4) == 3}
    table = by_movies(evaluation, ["model"], groups).set_index("group")["ndcg"]
    assert table["even"] == 1, "user 0 has item 0 in the first place; user 1 has none of them to find"
    expected = (1 / np.log2(3) + 1 / np.log2(4)) / 2  # item 1, in the second place and in the third
    assert table["odd"] == pytest.approx(expected)
    assert "last" not in table, "held out for no user"


def test_movies_without_genres_give_an_empty_table():
    table = by_movies(small().evaluation, ["model"], movies_by_genre(np.zeros((60, 0)), []))
    assert (list(table.columns), len(table)) == (COLUMNS, 0)


def test_a_group_without_a_user_that_counts_is_left_out():
    values = np.array([[0.5, np.nan], [0.7, np.nan]])
    table = group_table({"model": values, "EASE": values / 2}, ["a", "b"])
    assert table["group"].tolist() == ["a", "a"]
    assert table["ndcg"].tolist() == pytest.approx([0.6, 0.3])


def test_the_tables_hold_the_shown_models_by_every_grouping():
    evaluation, train, _, _ = small()
    tables = group_tables(evaluation, train, gender=GENDER, genres=(GENRES, ["Drama", "War"]))
    assert list(tables) == ["users_by_history", "users_by_gender", "movies_by_popularity", "movies_by_genre"]
    for table in tables.values():
        assert list(table.columns) == COLUMNS
        assert set(table["series"]) == {"model"}, "the random model is not shown"
    assert tables["movies_by_genre"]["group"].tolist() == ["Drama (30 movies)", "War (30 movies)"]


def test_a_genre_cannot_end_the_script_of_a_page():
    (name,) = movies_by_genre(np.ones((2, 1)), ["</script><b>"])
    assert name.startswith("‹/script>‹b>") and "<" not in name
