"""The baselines against their textbook forms."""

import numpy as np
import pytest
import scipy.sparse as sp

from movierec.baselines import baseline_scorers, ease, gram, item_knn, linear_scorer, popularity, popularity_scorer
from movierec.ranking import evaluate, top_k


def test_popularity_counts():
    train = sp.csr_matrix(np.array([[1, 0, 1], [0, 0, 1]], np.float32))
    assert popularity(train).tolist() == [1, 0, 2]
    assert popularity_scorer(popularity(train))(np.array([1, 0])).tolist() == [[1, 0, 2], [1, 0, 2]]


def test_ease_is_its_closed_form(random_interactions):
    train = random_interactions(50, 12)
    x = train.toarray().astype(float)
    p = np.linalg.inv(x.T @ x + 3 * np.eye(12))
    expected = -p / np.diag(p)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(ease(gram(train), 3), expected, atol=1e-6)


def test_ease_minimises_its_objective(random_interactions):
    """|X - XB|^2 + lambda |B|^2 with diag(B) = 0: a step in any allowed direction makes it worse."""
    train = random_interactions(50, 12)
    x, b = train.toarray().astype(float), ease(gram(train), 3).astype(float)

    def objective(weights):
        return ((x - x @ weights) ** 2).sum() + 3 * (weights**2).sum()

    rng = np.random.default_rng(0)
    for _ in range(20):
        step = 1e-3 * rng.normal(size=b.shape)
        np.fill_diagonal(step, 0)
        assert objective(b + step) > objective(b)


def test_item_knn_by_hand():
    # Items 0 and 1 share two of three users each, item 2 one with each.
    train = sp.csr_matrix(np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0]], np.float32))
    similarity = item_knn(train, 1, 1.0).toarray()
    assert similarity[0, 1] == similarity[1, 0] == np.float32(2 / (3 + 1))
    # Item 2 is as near to 0 as to 1: a tie at the edge keeps both.
    assert similarity[0, 2] == similarity[1, 2] == pytest.approx(1 / (np.sqrt(3) + 1))
    assert not similarity.diagonal().any() and similarity[2].tolist() == [0, 0, 0]


def test_item_knn_chunks_change_nothing(random_interactions):
    train = random_interactions(40, 23)
    whole = item_knn(train, 5, 10)
    assert (whole != item_knn(train, 5, 10, chunk=4)).nnz == 0


def test_linear_scores_are_the_product(random_interactions):
    history, weights = random_interactions(8, 5), np.random.default_rng(0).normal(size=(5, 5)).astype(np.float32)
    users = np.array([7, 0, 3])
    expected = history.toarray()[users] @ weights
    np.testing.assert_allclose(linear_scorer(history, weights)(users), expected, atol=1e-5)
    np.testing.assert_allclose(linear_scorer(history, sp.csr_matrix(weights))(users), expected, atol=1e-5)


def test_the_checkerboard_is_solved_by_those_that_can(checkerboard):
    train, missing = checkerboard
    for weights in (ease(gram(train), 1.0), item_knn(train, 9, 0)):
        assert evaluate(linear_scorer(train, weights), train, train, missing, [1])["recall@1"] == 1


def test_ease_left_out_is_no_scorer(random_interactions):
    train = random_interactions(8, 5)
    knn = item_knn(train, 2, 1)
    arrays = {"popularity": popularity(train), "knn_data": knn.data, "knn_indices": knn.indices, "knn_indptr": knn.indptr}
    assert list(baseline_scorers(arrays | {"ease": np.zeros((0, 0), np.float32)}, train)) == ["item_knn", "popularity"]
    scorers = baseline_scorers(arrays | {"ease": ease(gram(train), 1)}, train)
    assert list(scorers) == ["ease", "item_knn", "popularity"]
    for scorer in scorers.values():
        assert top_k(scorer, np.arange(8), train, 2)[0].shape == (8, 2)
