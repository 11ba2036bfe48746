"""Stored rankings, measured: the same as scoring anew, whose users and which movies count, and what is compared with what."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from movierec.curves import concentration_curves, cutoff_curves, training_curves
from movierec.errors import UserError
from movierec.evaluation import K, asked, at_test, certainty, measure, summary
from movierec.groups import by_movies, by_users, movies_by_genre, movies_by_popularity, users_by_gender, users_by_history
from movierec.interactions import Split
from movierec.metrics import DEPTH, METRICS
from movierec.ranking import MOMENTS, DotScorer, evaluate, rank_everyone

GENRES = np.array([[1, 0], [0, 1]] * 30)


@pytest.fixture
def measured(random_interactions):
    """40 users and 60 items: train, test, and a random model's and a perfect one's rankings, measured."""
    train, more = (random_interactions(40, 60, 0.2, seed=seed).toarray() for seed in (0, 1))
    train[0] = 0
    test = np.where(train > 0, 0, more)
    test[1] = 0
    train, test = sp.csr_matrix(train), sp.csr_matrix(test)
    torch.manual_seed(0)
    scorers = {"model": lambda users: torch.tensor(test[users].toarray()), "random": DotScorer(torch.randn(40, 4), torch.randn(60, 4))}
    rankings = {name: rank_everyone(scorer, train)[0] for name, scorer in scorers.items()}
    return measure(asked(test, train), rankings, [5, 10]), train, test, scorers


def test_a_stored_ranking_is_measured_as_its_scores_are(measured):
    of_rankings, train, test, scorers = measured
    assert set(of_rankings.part.users) == set(range(2, 40)), "user 0 has no history, user 1 nothing to find"
    for name, scorer in scorers.items():
        anew = evaluate(scorer, train, train, test, [5, 10, K])
        for metric in METRICS:
            for k in (5, 10, K):
                assert of_rankings.mean(name, f"{metric}@{k}") == pytest.approx(anew[f"{metric}@{k}"])
        assert summary(of_rankings, train, GENRES)["coverage@20"][name] == pytest.approx(anew["coverage@20"])


def test_rankings_have_a_fixed_depth_and_never_hold_what_is_seen(measured):
    of_rankings, train, _, _ = measured
    lists = of_rankings.lists["random"]
    assert lists.shape == (38, DEPTH) and (lists[:, 60:] == -1).all()
    seen = train[of_rankings.part.users].toarray() > 0
    assert not np.take_along_axis(np.hstack([seen, np.zeros((38, 1), bool)]), lists, axis=1).any()


def test_the_summary_has_every_metric_for_every_model_and_no_diversity_without_genres(measured):
    of_rankings, train, _, _ = measured
    table = summary(of_rankings, train, GENRES)
    assert [name.split("@")[0] for name in table] == [*METRICS, "coverage", "gini", "novelty", "diversity", "popularity_lift"]
    assert all(list(values) == ["model", "random"] for values in table.values())
    assert table["ndcg@20"]["model"] == 1
    assert "diversity@20" not in summary(of_rankings, train, np.zeros((60, 0)))


@pytest.mark.parametrize(
    ("in_time", "mask", "moment", "history"),
    [(False, "train", "after_train", "train"), (False, "train+valid", "after_valid", "train"), (True, "train", "after_valid", "both")],
)
def test_which_ranking_and_which_history_test_is_measured_with(in_time, mask, moment, history):
    train, valid, test = (sp.csr_matrix(np.array(rows, np.float32)) for rows in ([[1, 0, 0], [0, 0, 0]], [[0, 1, 0], [0, 1, 0]], [[0, 0, 1]] * 2))
    rankings = {"model": {"after_train": "A", "after_valid": "B"}}
    part, ranked = at_test(rankings, train, valid, test, in_time, mask)
    assert ranked == {"model": rankings["model"][moment]}
    assert part.users.tolist() == ([0, 1] if history == "both" else [0])
    assert part.history.toarray().tolist() == ([[1, 1, 0], [0, 1, 0]] if history == "both" else [[1, 0, 0]])


def test_a_moment_is_named_after_the_last_part_that_lies_before_it():
    assert MOMENTS == {f"after_{Split._fields[n - 1]}": Split._fields[:n] for n in (1, 2)}


def test_nobody_to_ask_about_is_an_error():
    empty = sp.csr_matrix((2, 3), dtype=np.float32)
    with pytest.raises(UserError, match="nobody can be ranked"):
        asked(empty, empty)


def test_what_the_model_gains_is_a_difference_with_an_interval_around_it():
    rng = np.random.default_rng(0)
    base = rng.random(500)
    gender = np.eye(2)[(np.arange(500) >= 200).astype(int)]  # the first 200 are women
    ndcg = {"model": base + 0.1 + 0.05 * rng.normal(size=500), "EASE": base, "same": base + 0.1 + 0.05 * rng.normal(size=500)}
    ndcg["model"][:200] += 0.2
    ndcg["same"][:200] += 0.2
    table = certainty(ndcg, gender)
    assert table["ndcg@20_model_minus"]["EASE"] == pytest.approx(0.18, abs=0.01)
    assert table["ndcg@20_model_minus_low"]["EASE"] < table["ndcg@20_model_minus"]["EASE"] < table["ndcg@20_model_minus_high"]["EASE"]
    assert table["ndcg@20_model_minus_p"]["EASE"] < 0.01 < 0.05 < table["ndcg@20_model_minus_p"]["same"]
    paired, unpaired = (table[f"ndcg@20_{what}_high"] for what in ("model_minus", "women_minus_men"))
    assert paired["EASE"] - table["ndcg@20_model_minus_low"]["EASE"] < 0.02, "pairing takes out how users differ"
    assert table["ndcg@20_women_minus_men"]["model"] == pytest.approx(ndcg["model"][:200].mean() - ndcg["model"][200:].mean())
    assert unpaired["model"] - table["ndcg@20_women_minus_men_low"]["model"] > 0.05
    assert [name for name in certainty(ndcg, np.zeros((500, 2))) if "women" in name] == [], "no genders, no gap"
    assert certainty({"model": base}, np.zeros((500, 2))) == {}


def test_groups_of_users_share_them_out(measured):
    part, gender = measured[0].part, np.eye(3)[np.arange(38) % 3][:, :2]
    for groups in (users_by_history(part), users_by_gender(gender)):
        assert np.sum(list(groups.values()), axis=0).tolist() == [1] * 38, "each user is in one"
        assert all(f"({rows.sum()} users)" in name for name, rows in groups.items())
    assert [name.split(" (")[0] for name in users_by_gender(gender)] == ["women", "men", "unknown"]
    lengths = np.diff(part.history.indptr)
    for name, rows in users_by_history(part).items():
        low, high = (int(word) for word in name.split() if word.isdigit())
        assert ((lengths[rows] >= low) & (lengths[rows] <= high)).all()


def test_groups_of_movies_by_popularity_go_from_the_most_popular_on():
    popularity = np.random.default_rng(0).permutation(100)
    groups = movies_by_popularity(popularity)
    assert [rows.sum() for rows in groups.values()] == [5, 15, 30, 50] and np.sum(list(groups.values()), axis=0).tolist() == [1] * 100
    worst = [popularity[rows].min() for rows in groups.values()]
    assert worst == sorted(worst, reverse=True) and list(groups)[0] == "most popular 5% (5 movies)"
    assert [name for name in movies_by_genre(GENRES, ["Drama", "War"])] == ["Drama (30 movies)", "War (30 movies)"]


def test_group_means_are_those_of_the_users_and_lie_in_their_intervals(measured):
    of_rankings = measured[0]
    groups = users_by_history(of_rankings.part)
    table = by_users(of_rankings, ["model", "random"], groups)
    assert list(table["series"]) == ["model", "random"] * len(groups)
    for row in table.itertuples():
        assert row.ndcg == pytest.approx(of_rankings.ndcg[row.series][groups[row.group]].mean())
        assert row.low <= row.ndcg <= row.high


def test_of_movies_only_the_groups_own_are_to_be_found():
    lists = np.array([[0, 1, 2, 3], [3, 2, 1, 0]])
    part = asked(sp.csr_matrix(np.array([[1, 1, 0, 0], [0, 1, 0, 0]], np.float32)), sp.csr_matrix(np.ones((2, 4), np.float32)))
    of_lists = measure(part, {"model": np.pad(lists, ((0, 0), (0, 16)), constant_values=-1)}, [])
    groups = {"even": np.array([True, False, True, False]), "odd": np.array([False, True, False, True]), "last": np.array([False, False, False, True])}
    table = by_movies(of_lists, ["model"], groups).set_index("group")["ndcg"]
    assert table["even"] == 1, "user 0 found item 0 at the first place; user 1 liked none of them"
    assert table["odd"] == pytest.approx((1 / np.log2(3) + 1 / np.log2(4)) / 2), "item 1 at the second and at the third place"
    assert "last" not in table, "nobody liked it"


def test_curves_are_long_tables_of_the_same_numbers(measured):
    of_rankings, train, _, _ = measured
    of_rankings = measure(of_rankings.part, {name: _whole(lists, of_rankings.part.users) for name, lists in of_rankings.lists.items()}, range(1, DEPTH + 1))
    curves = cutoff_curves(of_rankings)
    assert curves["k"].tolist() == [*range(1, DEPTH + 1)] * 2
    row = curves[(curves["series"] == "random") & (curves["k"] == 7)].iloc[0]
    assert row["recall"] == pytest.approx(of_rankings.mean("random", "recall@7"))
    history = pd.DataFrame({"part": ["graph", "graph", "next"], "epoch": [1, 2, 1], "loss": [3.0, 2.0, 9.0], "valid_ndcg": [0.1, 0.2, 0.3]})
    loss, validation = training_curves(history, of_rankings)
    assert loss["series"].tolist() == ["graph part", "graph part", "next-movie part"]
    assert validation.query("series == 'graph part'")["ndcg"].tolist() == [0.1, 0.2]
    assert validation.query("series == 'model'")["ndcg"].tolist() == [1, 1] and validation.query("series == 'model'")["epoch"].tolist() == [1, 2]
    share = concentration_curves(of_rankings, np.asarray(train.sum(axis=0)).ravel())
    assert share.groupby("series")["share"].max().to_dict() == pytest.approx({"model": 1, "random": 1, "likes": 1})


def _whole(lists, users):
    """Rankings of all 40 users, those who are not asked about with empty ones."""
    whole = np.full((40, lists.shape[1]), -1)
    whole[users] = lists
    return whole
