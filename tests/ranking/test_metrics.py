"""The ranking metrics against hand-computed tables and an independent library."""

import ir_measures
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Success, nDCG

from movierec.ranking.metrics import METRICS, hits, keep_rows, metrics_of_hits, rankable_users, user_metrics
from movierec.ranking.topk import top_k
from movierec.utils.errors import UserError

LOG3, LOG5 = np.log2(3), np.log2(5)


@pytest.mark.parametrize(
    ("hit", "n_relevant", "expected"),
    [
        # places 1 and 3 of 4 hit, of 3 relevant
        ([1, 0, 1, 0], 3, {
            "precision@4": 2 / 4, "recall@4": 2 / 3, "hit_rate@4": 1, "mrr@4": 1, "map@4": (1 / 1 + 2 / 3) / 3,
            "ndcg@4": (1 + 1 / 2) / (1 + 1 / LOG3 + 1 / 2),
            "precision@1": 1, "recall@1": 1 / 3, "map@1": 1, "ndcg@1": 1,
            "precision@2": 1 / 2, "recall@2": 1 / 3, "map@2": 1 / 2, "ndcg@2": 1 / (1 + 1 / LOG3),
        }),
        # the first hit at place 4, one relevant
        ([0, 0, 0, 1], 1, {
            "precision@4": 1 / 4, "recall@4": 1, "hit_rate@4": 1, "mrr@4": 1 / 4, "map@4": 1 / 4, "ndcg@4": 1 / LOG5,
            "precision@2": 0, "recall@2": 0, "hit_rate@2": 0, "mrr@2": 0, "map@2": 0, "ndcg@2": 0,
        }),
        # no hit
        ([0, 0, 0, 0], 2, {f"{metric}@4": 0 for metric in METRICS}),
        # every place a hit, with more relevant items than places: perfect by NDCG and MAP
        ([1, 1, 1, 1], 9, {"precision@4": 1, "recall@4": 4 / 9, "map@4": 1, "ndcg@4": 1, "ndcg@2": 1}),
    ],
)  # fmt: skip
def test_metrics_by_hand(hit, n_relevant, expected):
    values = metrics_of_hits(np.array([hit], dtype=bool), np.array([n_relevant]), [1, 2, 4])
    assert set(values) == {f"{metric}@{k}" for metric in METRICS for k in (1, 2, 4)}
    assert {(of_users.shape, of_users.dtype) for of_users in values.values()} == {((1,), np.dtype("float64"))}
    for name, value in expected.items():
        assert values[name][0] == pytest.approx(value), name


@given(st.integers(0, 10_000))
def test_metrics_agree_with_an_independent_library(seed):
    rng = np.random.default_rng(seed)
    n_users, n_items, k = 6, 15, 7
    relevant = rng.random((n_users, n_items)) < 0.3
    relevant[np.arange(n_users), rng.integers(0, n_items, n_users)] = True
    scores = rng.permuted(np.tile(np.arange(n_items, dtype=np.float32), (n_users, 1)), axis=1)
    ranked, _ = top_k(lambda users: torch.tensor(scores[users]), np.arange(n_users), sp.csr_matrix(scores.shape), k)
    ours = user_metrics(ranked, sp.csr_matrix(relevant.astype(np.float32)), [k])

    pairs = list(np.ndindex(n_users, n_items))
    qrels = [ir_measures.Qrel(f"u{u}", f"i{i}", int(relevant[u, i])) for u, i in pairs]
    run = [ir_measures.ScoredDoc(f"u{u}", f"i{i}", float(scores[u, i])) for u, i in pairs]
    measures = {nDCG: "ndcg", R: "recall", P: "precision", Success: "hit_rate", RR: "mrr", AP: "map"}
    names = {measure @ k: name for measure, name in measures.items()}
    compared = 0
    for row in ir_measures.iter_calc(names, qrels, run):
        name, user = names[row.measure], int(row.query_id[1:])
        n_relevant = relevant[user].sum()
        # AP of that library divides by all relevant items, MAP here by those that k places can hold.
        scale = n_relevant / min(n_relevant, k) if name == "map" else 1
        assert ours[f"{name}@{k}"][user] == pytest.approx(row.value * scale), name
        compared += 1
    assert compared == n_users * len(METRICS)


def test_hits_do_not_depend_on_the_order_of_relevant_items():
    relevant = sp.csr_matrix((np.ones(5), np.array([4, 0, 2, 3, 1]), np.array([0, 3, 3, 5])), shape=(3, 5))
    ranked = np.array([[0, 1, 2, 4], [0, 1, 2, 3], [3, 0, -1, -1]])
    assert hits(ranked, relevant).tolist() == [[True, False, True, True], [False] * 4, [True, False, False, False]]


def test_without_relevant_items_there_are_no_hits():
    found = hits(np.array([[2, 0], [1, -1]]), sp.csr_matrix((2, 3)))
    assert found.tolist() == [[False, False], [False, False]] and found.dtype == bool


def test_an_empty_place_is_no_hit():
    ranked = np.array([[2, 1, -1], [3, -1, -1], [-1, -1, -1]])
    expected = [[True, True, False], [True, False, False], [False] * 3]
    assert hits(ranked, sp.csr_matrix(np.ones((3, 4)))).tolist() == expected


def test_rankable_users_have_a_history_and_a_relevant_item():
    history = sp.csr_matrix(np.array([[1, 0], [1, 1], [0, 0]], np.float32))
    relevant = sp.csr_matrix(np.array([[0, 1], [0, 0], [1, 0]], np.float32))
    assert rankable_users(relevant, history).tolist() == [0]
    assert rankable_users(relevant, history, required=True).tolist() == [0]
    assert rankable_users(relevant, relevant).tolist() == [0, 2]


def test_no_rankable_user_is_an_error_where_one_is_required():
    empty = sp.csr_matrix((2, 3), dtype=np.float32)
    assert rankable_users(empty, empty).tolist() == []
    with pytest.raises(UserError, match=r"no user has both a history and a held-out item.*params\.yaml"):
        rankable_users(empty, empty, required=True)


def test_rows_that_are_not_kept_are_empty():
    matrix = sp.csr_matrix(np.array([[0, 1], [0, 1], [1, 1], [0, 0]], np.float32))
    kept = keep_rows(matrix, np.array([2, 0]))
    assert kept.indptr.tolist() == [0, 1, 1, 3, 3] and kept.toarray().tolist() == [[0, 1], [0, 0], [1, 1], [0, 0]]
