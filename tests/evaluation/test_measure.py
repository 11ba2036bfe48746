"""The evaluation of stored rankings: users, histories, metrics, and differences with intervals."""

import numpy as np
import pytest
import scipy.sparse as sp
from small_evaluation import GENRES, N_ITEMS, N_USERS, small

from movierec.evaluation.beyond_accuracy import diversity, gini, novelty, popularity_lift, times_recommended
from movierec.evaluation.measure import (
    K,
    at_cutoffs,
    at_test,
    at_valid,
    ground_truth,
    measure,
    summary,
    uncertainty,
    verdict,
)
from movierec.interactions.matrix import Split, item_degrees
from movierec.ranking.metrics import DEPTH, METRICS
from movierec.ranking.topk import MOMENTS, evaluate, top_k
from movierec.utils.errors import UserError


def matrix(rows):
    return sp.csr_matrix(np.array(rows, np.float32))


SPLIT = Split(matrix([[1, 0, 0], [0, 0, 0]]), matrix([[0, 1, 0], [0, 1, 0]]), matrix([[0, 0, 1]] * 2))


def test_stored_rankings_have_the_metrics_of_their_scores():
    evaluation, train, test, scorers = small()
    users = evaluation.truth.users
    assert users.tolist() == list(range(2, 40)), "user 0 has no history, user 1 no held-out item"
    for name, scorer in scorers.items():
        expected = evaluate(scorer, train, train, test, [5, 10, K])
        assert {metric: evaluation.means[name][metric] for metric in expected} == pytest.approx(expected)
        recommended = np.unique(top_k(scorer, users, train, K)[0])
        assert summary(evaluation, train, GENRES)["coverage@20"][name] == pytest.approx(len(recommended) / N_ITEMS)


def test_every_metric_at_every_cutoff_is_measured():
    evaluation = small().evaluation
    names = {f"{metric}@{k}" for metric in METRICS for k in range(1, DEPTH + 1)}
    for name, means in evaluation.means.items():
        assert set(means) == names
        assert means[f"ndcg@{K}"] == pytest.approx(evaluation.ndcg[name].mean())


def test_rankings_have_a_fixed_depth_and_no_seen_item():
    evaluation, train, _, _ = small()
    lists = evaluation.lists["random"]
    assert lists.shape == (38, DEPTH)
    assert (lists[:, N_ITEMS:] == -1).all()
    seen = np.pad(train[evaluation.truth.users].toarray() > 0, ((0, 0), (0, 1)))
    assert not np.take_along_axis(seen, lists, axis=1).any()


def test_the_summary_has_every_metric_of_every_model_and_no_diversity_without_genres():
    evaluation, train, _, _ = small()
    table = summary(evaluation, train, GENRES)
    others = ["coverage", "gini", "novelty", "diversity", "popularity_lift"]
    assert list(table) == [f"{name}@20" for name in (*METRICS, *others)]
    assert all(list(values) == ["model", "random"] for values in table.values())
    assert table["ndcg@20"]["model"] == 1
    ranked, popularity = evaluation.lists["random"][:, :K], item_degrees(train)
    of_random = [
        gini(times_recommended(ranked, N_ITEMS)),
        novelty(ranked, popularity, N_USERS),
        diversity(ranked, GENRES),
    ]
    of_random.append(popularity_lift(ranked, evaluation.truth.history, popularity))
    assert [table[f"{name}@20"]["random"] for name in others[1:]] == of_random
    without = summary(evaluation, train, np.zeros((N_ITEMS, 0)))
    assert without == {name: values for name, values in table.items() if name != "diversity@20"}


@pytest.mark.parametrize(
    ("knows_valid", "mask", "moment"),
    [
        (False, "train", "after_train"),
        (False, "train+valid", "after_valid"),
        (True, "train", "after_valid"),
        (True, "train+valid", "after_valid"),
    ],
)
def test_rankings_and_histories_of_the_test(knows_valid, mask, moment):
    truth = at_test(SPLIT, knows_valid=knows_valid, mask=mask)
    assert truth.moment == moment
    assert truth.users.tolist() == ([0, 1] if knows_valid else [0])
    assert truth.history.toarray().tolist() == ([[1, 1, 0], [0, 1, 0]] if knows_valid else [[1, 0, 0]])
    assert truth.relevant.toarray().tolist() == [[0, 0, 1]] * len(truth.users)
    ranked = {name: np.full((2, DEPTH), -1) for name in MOMENTS}
    ranked[moment][:, 0] = 2
    assert measure(truth, {"model": ranked}).means["model"]["ndcg@1"] == 1, "the rankings of that moment"


def test_rankings_and_histories_of_validation():
    truth = at_valid(SPLIT)
    assert (truth.moment, truth.users.tolist()) == ("after_train", [0])
    assert truth.history.toarray().tolist() == [[1, 0, 0]]
    assert truth.relevant.toarray().tolist() == [[0, 1, 0]]


def test_a_moment_is_named_after_the_last_part_before_it():
    assert {f"after_{Split._fields[n - 1]}": Split._fields[:n] for n in (1, 2)} == MOMENTS


@pytest.mark.parametrize("held_out", [np.zeros((2, 3)), [[0, 0, 0], [1, 0, 0]]])
def test_without_a_user_to_evaluate_there_is_an_error(held_out):
    with pytest.raises(UserError, match=r"no user.*params\.yaml"):
        ground_truth("after_train", matrix(held_out), SPLIT.train)


@pytest.fixture
def of_500():
    """NDCG of three models for 200 women and 300 men; two models are equal but for noise."""
    rng = np.random.default_rng(0)
    base, gender = rng.random(500), np.eye(2)[(np.arange(500) >= 200).astype(int)]
    model, same = (base + 0.1 + 0.05 * rng.normal(size=500) + 0.2 * gender[:, 0] for _ in range(2))
    return {"model": model, "EASE": base, "same": same}, gender


def test_differences_between_models_have_paired_intervals(of_500):
    table = uncertainty(*of_500)
    difference, low, high, p = (table[f"ndcg@20_model_minus{end}"] for end in ("", "_low", "_high", "_p"))
    assert list(difference) == ["EASE", "same"]
    assert difference["EASE"] == pytest.approx(0.18, abs=0.01)
    assert low["EASE"] < difference["EASE"] < high["EASE"]
    assert p["EASE"] < 0.01 < 0.05 < p["same"]
    assert high["EASE"] - low["EASE"] < 0.02, "pairing removes the differences between users"


def test_differences_between_genders_have_unpaired_intervals(of_500):
    ndcg, gender = of_500
    table = uncertainty(ndcg, gender)
    gap, low, high = (table[f"ndcg@20_women_minus_men{end}"] for end in ("", "_low", "_high"))
    assert gap == pytest.approx({name: of[:200].mean() - of[200:].mean() for name, of in ndcg.items()})
    assert all(low[name] < gap[name] < high[name] for name in ndcg)
    assert high["model"] - low["model"] > 0.05


@pytest.mark.parametrize("gender", [[0, 0], [1, 0], [0, 1]])
def test_without_both_genders_or_a_second_model_there_is_no_difference(of_500, gender):
    ndcg, genders = of_500[0], np.tile(gender, (500, 1))
    assert [name for name in uncertainty(ndcg, genders) if "women" in name] == []
    assert uncertainty({"model": ndcg["EASE"]}, genders) == {}


def test_metrics_at_chosen_cutoffs_are_those_of_the_evaluation():
    evaluation = small().evaluation
    table = at_cutoffs({"test": evaluation}, [10, 3])
    names = [f"{metric}@{k}" for k in (10, 3) for metric in METRICS]
    means = evaluation.means
    assert table == {"test": {model: {name: means[model][name] for name in names} for model in ("model", "random")}}
    assert list(table["test"]["model"]) == names


def test_a_model_behind_a_baseline_is_said():
    ndcg = {"model": 0.3, "EASE": 0.31, "item-kNN": 0.32, "popularity": 0.1}
    assert "behind item-kNN and EASE: " in verdict(ndcg)
    assert verdict(ndcg | {"model": 0.32}) == "On validation, the model is ahead of all baselines."
