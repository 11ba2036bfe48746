"""Full ranking: ties, seen items, chunks, its evaluation, and the scorers."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from movierec.ranking.metrics import DEPTH
from movierec.ranking.topk import (
    DotScorer,
    best_columns,
    best_unseen,
    chunks,
    entries,
    evaluate,
    evaluate_users,
    linear_scorer,
    popularity_scorer,
    rank_all_users,
    rank_moments,
    top_k,
)
from movierec.utils.errors import UserError


def matrix(rows):
    return sp.csr_matrix(np.array(rows, np.float32))


def fixed_scorer(scores):
    return lambda users: torch.tensor(np.asarray(scores, np.float32)[users])


def dot_scorer(n_users, n_items, dim=8):
    rng = np.random.default_rng(0)
    return DotScorer(*(torch.tensor(rng.normal(size=(n, dim)), dtype=torch.float32) for n in (n_users, n_items)))


@given(st.integers(0, 10_000), st.sampled_from([1, 5]), st.sampled_from([10, 40]), st.integers(1, 40))
def test_ties_go_to_the_lower_index(seed, n_rows, n_columns, k):
    scores = np.random.default_rng(seed).integers(0, 4, size=(n_rows, n_columns)).astype(np.float32)
    k = min(k, n_columns)
    expected = np.lexsort((np.tile(np.arange(n_columns), (n_rows, 1)), -scores), axis=1)[:, :k]
    values, index = best_columns(torch.tensor(scores), k)
    assert index.tolist() == expected.tolist()
    assert values.tolist() == np.take_along_axis(scores, expected, axis=1).tolist()


def test_seen_items_never_appear_and_short_lists_are_filled_with_minus_one():
    seen = matrix([[1, 0, 0, 1], [1, 1, 1, 0], [1, 1, 1, 1]])
    items, scores = top_k(fixed_scorer([[9, 1, 2, 8]] * 3), np.array([0, 1, 2]), seen, 3)
    assert items.tolist() == [[2, 1, -1], [3, -1, -1], [-1, -1, -1]]
    assert scores[0].tolist() == [2, 1, -np.inf]


def test_negative_and_infinite_scores_are_scores():
    items, _ = top_k(fixed_scorer([[-2, np.inf, -1, 5]]), np.array([0]), matrix([[0, 0, 0, 1]]), 4)
    assert items.tolist() == [[1, 2, 0, -1]]


def test_lists_longer_than_the_catalogue_are_filled_up():
    items, _ = top_k(fixed_scorer([[1, 2]]), np.array([0]), sp.csr_matrix((1, 2)), 5)
    assert items.tolist() == [[1, 0, -1, -1, -1]]
    of_chunk, scores = best_unseen(torch.tensor([[1.0, 2]]), sp.csr_matrix((1, 2)), 5)
    assert of_chunk.tolist() == items.tolist() and of_chunk.dtype == np.int32
    assert scores.tolist() == [[2, 1, -np.inf, -np.inf, -np.inf]]


def test_chunks_change_nothing(random_interactions):
    scorer, seen = dot_scorer(50, 30), random_interactions(50, 30)
    whole, _ = top_k(scorer, np.arange(50), seen, 10, chunk=50)
    for chunk in (1, 7, 49):
        assert np.array_equal(whole, top_k(scorer, np.arange(50), seen, 10, chunk=chunk)[0])


@pytest.mark.parametrize(("n_items", "size"), [(100, 512), (20_000, 200), (10_000_000, 32)])
def test_a_chunk_has_a_bounded_number_of_scores_and_a_least_number_of_users(n_items, size):
    slices = list(chunks(1000, n_items))
    assert np.concatenate([np.arange(1000)[at] for at in slices]).tolist() == list(range(1000))
    assert {at.stop - at.start for at in slices[:-1]} == {size}
    assert list(chunks(0, n_items)) == []


def test_users_are_scored_one_chunk_at_a_time():
    scored = []

    def scorer(users):
        scored.append(users.tolist())
        return torch.zeros(len(users), 4)

    items, scores = top_k(scorer, np.array([7, 1, 4, 0, 2]), sp.csr_matrix((8, 4)), 3, chunk=2)
    assert scored == [[7, 1], [4, 0], [2]]
    assert items.shape == scores.shape == (5, 3)
    assert items.dtype == np.int32 and scores.dtype == np.float32


def test_users_without_history_or_relevant_items_are_left_out():
    scorer = fixed_scorer(np.tile([4.0, 3, 2, 1], (4, 1)))
    history = matrix([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    relevant = matrix([[0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]])
    seen = matrix([[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])  # user 2 has seen an item after train
    of_users = evaluate_users(scorer, history, seen, relevant, [1, 2, 3])
    # User 0 gets 1, 2, 3; user 3 gets 0, 1, 2: a hit at the first place and one at the second.
    assert of_users["recall@1"].tolist() == [1, 0] and of_users["recall@2"].tolist() == [1, 1]
    assert of_users["mrr@2"].tolist() == [1, 1 / 2]
    result = evaluate(scorer, history, seen, relevant, [1, 2, 3])
    assert result == {name: values.mean() for name, values in of_users.items()}
    assert {type(value) for value in result.values()} == {float}
    assert evaluate(scorer, history, seen, relevant, iter([1, 2, 3])) == result, "cutoffs are iterated once"


def test_an_evaluation_without_rankable_users_is_an_error():
    empty = sp.csr_matrix((2, 3), dtype=np.float32)
    with pytest.raises(UserError, match="no user has both a history and a held-out item"):
        evaluate(fixed_scorer(np.zeros((2, 3))), empty, empty, empty, [1])


def test_the_entries_of_a_matrix_are_in_order():
    rows, cols = entries(matrix([[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]))
    assert rows.tolist() == [0, 0, 2] and cols.tolist() == [1, 3, 0]
    assert rows.dtype == cols.dtype == torch.int64


@pytest.fixture
def moments(random_interactions):
    """The items seen after train, and those seen after validation."""
    train, valid = (random_interactions(600, 120, 0.1, seed) for seed in (1, 2))
    return {"after_train": train, "after_valid": ((train + valid) > 0).astype(np.float32)}


def test_all_users_are_scored_once_and_ranked_for_each_set_of_seen_items(moments):
    scorer, scored = dot_scorer(600, 120), []

    def counted(users):
        scored.extend(users.tolist())
        return scorer(users)

    rankings = rank_all_users(counted, *moments.values())
    assert scored == list(range(600))
    for ranked, seen in zip(rankings, moments.values(), strict=True):
        assert ranked.shape == (600, DEPTH) and ranked.dtype == np.int32
        assert np.array_equal(ranked, top_k(scorer, np.arange(600), seen, DEPTH)[0])


@pytest.mark.parametrize("knows_valid", [False, True])
def test_rankings_after_validation_know_it_where_the_history_includes_it(moments, knows_valid):
    scorers = {moment: dot_scorer(600, 120, dim) for moment, dim in (("after_train", 4), ("after_valid", 5))}
    ranked = rank_moments(lambda moment: {"a": scorers[moment]}, moments, knows_valid)
    assert set(ranked) == {"a.after_train", "a.after_valid"}
    for moment, seen in moments.items():
        scorer = scorers[moment if knows_valid else "after_train"]
        assert np.array_equal(ranked[f"a.{moment}"], rank_all_users(scorer, seen)[0])


def test_dot_products_are_standardised_over_the_items_of_each_user():
    scorer, users = dot_scorer(6, 40), np.array([5, 0, 3])
    scores = scorer(users)
    np.testing.assert_allclose(scores, scorer.h_user.numpy()[users] @ scorer.h_item.numpy().T, atol=1e-5)
    expected = (scores - scores.mean(dim=1, keepdim=True)) / scores.std(dim=1, keepdim=True, correction=0)
    np.testing.assert_allclose(scorer.standardised()(users), expected, atol=1e-5)


def test_standard_scores_do_not_depend_on_the_length_of_a_users_vector_and_are_0_without_one():
    scorer, lengths = dot_scorer(3, 40), torch.tensor([[0.0], [1e-6], [1e6]])
    of_lengths = DotScorer(scorer.h_user * lengths, scorer.h_item).standardised()(np.arange(3))
    expected = scorer.standardised()(np.arange(3)) * (lengths > 0)
    torch.testing.assert_close(of_lengths, expected, atol=1e-5, rtol=0)


def test_linear_scores_are_the_product(random_interactions):
    history, weights = random_interactions(8, 5), np.random.default_rng(0).normal(size=(5, 5)).astype(np.float32)
    users = np.array([7, 0, 3])
    expected = history.toarray()[users] @ weights
    np.testing.assert_allclose(linear_scorer(history, weights)(users), expected, atol=1e-5)
    np.testing.assert_allclose(linear_scorer(history, sp.csr_matrix(weights))(users), expected, atol=1e-5)


def test_popularity_is_the_same_for_every_user():
    assert popularity_scorer(np.array([1, 0, 2], np.float32))(np.array([1, 0])).tolist() == [[1, 0, 2], [1, 0, 2]]
