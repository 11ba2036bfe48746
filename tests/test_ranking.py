"""Full ranking: hand-computed tables, an independent library, ties, empty users."""

import ir_measures
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Success, nDCG

from movierec.errors import UserError
from movierec.metrics import METRICS, hits, per_user
from movierec.ranking import DotScorer, best_columns, best_unseen, chunks, evaluate, pairs, top_k

LOG3, LOG5 = np.log2(3), np.log2(5)


def fixed_scorer(scores):
    return lambda users: torch.tensor(np.asarray(scores, np.float32)[users])


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
        # all that can be found in k, of more: perfect by NDCG and MAP
        ([1, 1, 1, 1], 9, {"precision@4": 1, "recall@4": 4 / 9, "map@4": 1, "ndcg@4": 1, "ndcg@2": 1}),
    ],
)  # fmt: skip
def test_metrics_by_hand(hit, n_relevant, expected):
    values = per_user(np.array([hit], dtype=bool), np.array([n_relevant]), [1, 2, 4])
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
    truth = sp.csr_matrix(relevant.astype(np.float32))
    ranked, _ = top_k(fixed_scorer(scores), np.arange(n_users), sp.csr_matrix((n_users, n_items)), k)
    ours = per_user(hits(ranked, truth), np.diff(truth.indptr), [k])

    qrels = [ir_measures.Qrel(f"u{u}", f"i{i}", int(relevant[u, i])) for u in range(n_users) for i in range(n_items)]
    run = [ir_measures.ScoredDoc(f"u{u}", f"i{i}", float(scores[u, i])) for u in range(n_users) for i in range(n_items)]
    theirs = {"ndcg": nDCG @ k, "recall": R @ k, "precision": P @ k, "hit_rate": Success @ k, "mrr": RR @ k, "map": AP @ k}
    for row in ir_measures.iter_calc(theirs.values(), qrels, run):
        name = next(name for name, measure in theirs.items() if measure == row.measure)
        user = int(row.query_id[1:])
        n_relevant = relevant[user].sum()
        # AP of that library divides by all relevant items, MAP here by those that k can hold.
        scale = n_relevant / min(n_relevant, k) if name == "map" else 1
        assert ours[f"{name}@{k}"][user] == pytest.approx(row.value * scale), name


def test_relevant_items_are_found_whatever_their_order_in_the_row():
    relevant = sp.csr_matrix((np.ones(5), np.array([4, 0, 2, 3, 1]), np.array([0, 3, 3, 5])), shape=(3, 5))
    ranked = np.array([[0, 1, 2, 4], [0, 1, 2, 3], [3, 0, -1, -1]])
    assert hits(ranked, relevant).tolist() == [[True, False, True, True], [False] * 4, [True, False, False, False]]


def test_where_nothing_is_relevant_nothing_is_a_hit():
    found = hits(np.array([[2, 0], [1, -1]]), sp.csr_matrix((2, 3)))
    assert found.tolist() == [[False, False], [False, False]] and found.dtype == bool


@given(st.integers(0, 10_000), st.sampled_from([10, 40]), st.integers(1, 40))
def test_of_equal_scores_the_lower_index_comes_first(seed, n_columns, k):
    scores = np.random.default_rng(seed).integers(0, 4, size=(5, n_columns)).astype(np.float32)
    k = min(k, n_columns)
    expected = np.lexsort((np.tile(np.arange(n_columns), (5, 1)), -scores), axis=1)[:, :k]
    values, index = best_columns(torch.tensor(scores), k)
    assert index.tolist() == expected.tolist()
    assert values.tolist() == np.take_along_axis(scores, expected, axis=1).tolist()


def test_seen_items_never_appear_and_short_lists_are_filled_with_minus_one():
    seen = sp.csr_matrix(np.array([[1, 0, 0, 1], [1, 1, 1, 0], [1, 1, 1, 1]], np.float32))
    items, scores = top_k(fixed_scorer([[9, 1, 2, 8]] * 3), np.array([0, 1, 2]), seen, 3)
    assert items.tolist() == [[2, 1, -1], [3, -1, -1], [-1, -1, -1]]
    assert scores[0].tolist() == [2, 1, -np.inf]
    assert hits(items, sp.csr_matrix(np.ones((3, 4)))).tolist() == [[True, True, False], [True, False, False], [False] * 3]


def test_more_places_than_items_are_filled_up():
    items, _ = top_k(fixed_scorer([[1, 2]]), np.array([0]), sp.csr_matrix((1, 2)), 5)
    assert items.tolist() == [[1, 0, -1, -1, -1]]
    of_chunk, scores = best_unseen(torch.tensor([[1.0, 2]]), sp.csr_matrix((1, 2)), 5)
    assert of_chunk.tolist() == items.tolist() and of_chunk.dtype == np.int32
    assert scores.tolist() == [[2, 1, -np.inf, -np.inf, -np.inf]]


def test_chunks_change_nothing(random_interactions):
    rng = np.random.default_rng(0)
    scorer = DotScorer(torch.tensor(rng.normal(size=(50, 8)), dtype=torch.float32), torch.tensor(rng.normal(size=(30, 8)), dtype=torch.float32))
    seen = random_interactions(50, 30)
    whole, _ = top_k(scorer, np.arange(50), seen, 10, chunk=50)
    for chunk in (1, 7, 49):
        assert np.array_equal(whole, top_k(scorer, np.arange(50), seen, 10, chunk=chunk)[0])


@pytest.mark.parametrize("n_items, size", [(100, 512), (20_000, 200), (10_000_000, 32)])
def test_a_chunk_has_few_scores_and_some_users(n_items, size):
    of_everyone = list(chunks(1000, n_items))
    assert np.concatenate([np.arange(1000)[at] for at in of_everyone]).tolist() == list(range(1000))
    assert {at.stop - at.start for at in of_everyone[:-1]} == {size}
    assert list(chunks(0, n_items)) == []


def test_the_scores_of_one_chunk_of_users_exist_at_one_time():
    asked = []

    def scorer(users):
        asked.append(users.tolist())
        return torch.zeros(len(users), 4)

    items, scores = top_k(scorer, np.array([7, 1, 4, 0, 2]), sp.csr_matrix((8, 4)), 3, chunk=2)
    assert asked == [[7, 1], [4, 0], [2]]
    assert items.shape == scores.shape == (5, 3)
    assert items.dtype == np.int32 and scores.dtype == np.float32


def test_users_without_history_or_without_anything_to_find_do_not_count():
    scores = np.tile([4.0, 3, 2, 1], (4, 1))
    history = sp.csr_matrix(np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], np.float32))
    relevant = sp.csr_matrix(np.array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]], np.float32))
    result = evaluate(fixed_scorer(scores), history, history, relevant, [1, 2, 3])
    # User 0 gets 1, 2, 3; user 3 gets 0, 1, 2: one hit at the first place, one at the second.
    assert result["recall@1"] == 0.5 and result["recall@2"] == 1
    assert result["mrr@2"] == pytest.approx((1 + 1 / 2) / 2)
    assert result["coverage@1"] == 2 / 4 and result["coverage@2"] == 3 / 4 and result["coverage@3"] == 1
    assert {type(value) for value in result.values()} == {float}
    assert evaluate(fixed_scorer(scores), history, history, relevant, iter([1, 2, 3])) == result, "the cutoffs are asked for once"


def test_nobody_to_rank_is_an_error():
    empty = sp.csr_matrix((2, 3), dtype=np.float32)
    with pytest.raises(UserError, match="nobody can be ranked"):
        evaluate(fixed_scorer(np.zeros((2, 3))), empty, empty, empty, [1])


def test_the_pairs_of_a_matrix_are_its_entries_in_order():
    rows, cols = pairs(sp.csr_matrix(np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]], np.float32)))
    assert rows.tolist() == [0, 0, 2] and cols.tolist() == [1, 3, 0]
    assert rows.dtype == cols.dtype == torch.int64
