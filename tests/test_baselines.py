"""The baselines against their textbook forms."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from movierec.baselines import (
    HALF_LIVES,
    Fitting,
    baseline_scorers,
    best_of,
    ease,
    fit_ease,
    fit_item_knn,
    fit_markov,
    fit_popularity,
    gram,
    item_knn,
    linear_scorer,
    markov_scorer,
    popularity,
    popularity_scorer,
    recent_popularity,
)  # fmt: skip
from movierec.history import decayed, history, last_items, transitions
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
    assert list(baseline_scorers(arrays | {"ease": np.zeros((0, 0), np.float32)}, train)) == ["item-kNN", "popularity"]
    scorers = baseline_scorers(arrays | {"ease": ease(gram(train), 1)}, train)
    assert list(scorers) == ["EASE", "item-kNN", "popularity"]
    for scorer in scorers.values():
        assert top_k(scorer, np.arange(8), train, 2)[0].shape == (8, 2)


@pytest.fixture
def in_time():
    """A maker of 30 random histories: train in time and as a matrix, and what each user watches next."""

    def make(seed=0):
        rng = np.random.default_rng(seed)
        lists = [rng.permutation(12)[: rng.integers(3, 10)] for _ in range(30)]
        rows = pd.DataFrame([(user, item) for user, items in enumerate(lists) for item in items[:-1]], columns=["user", "item"])
        past = history(30, rows)
        matrix = decayed(past, 12, np.inf)
        valid = sp.csr_matrix((np.ones(30, np.float32), (np.arange(30), [items[-1] for items in lists])), shape=(30, 12))
        return Fitting(matrix, past, valid, lambda line: None)

    return make


def test_recent_popularity_by_hand():
    past = history(2, pd.DataFrame([(0, 1), (0, 0), (1, 0), (1, 2), (1, 1)], columns=["user", "item"]))
    assert recent_popularity(past, 4, 1.0).tolist() == [1.25, 1.5, 0.5, 0]
    assert recent_popularity(past, 4, np.inf).tolist() == [2, 2, 1, 0]


def test_a_markov_chain_ranks_by_what_came_next_and_then_by_popularity():
    # 0 is followed by 1 twice and by 2 once; 3 is the most popular, but never comes after 0.
    past = history(5, pd.DataFrame([(0, 0), (0, 1), (1, 0), (1, 1), (2, 3), (2, 0), (2, 2), (3, 3), (4, 3), (4, 0)], columns=["user", "item"]))
    counts = recent_popularity(past, 5, np.inf)
    scorer = markov_scorer(last_items(past, 5), transitions(past, 5, 1.0, 1), counts, 1.0)
    assert scorer(np.array([4]))[0].tolist() == pytest.approx([0.4, 2.2, 1.1, 0.3, 0.0])


def test_the_best_is_the_first_of_equals():
    assert best_of([3, 1, 2], lambda x: {3: 0.5, 1: 0.7, 2: 0.7}[x]) == (1, 0.7)


def test_each_baseline_in_time_takes_the_half_life_that_validation_likes_best(in_time):
    data = in_time()
    arrays = fit_popularity(data) | fit_item_knn(data, 5, 1.0) | fit_markov(data) | fit_ease(data, [1.0, 5.0, 20.0], 100)
    fitted = {name: data.quality(scorer) for name, scorer in baseline_scorers(arrays, data.train, data.past).items()}
    assert set(fitted) == {"EASE", "item-kNN", "popularity", "Markov chain"}
    knn = item_knn(data.train, 5, 1.0)
    assert fitted["popularity"] == max(data.quality(popularity_scorer(recent_popularity(data.past, 12, b))) for b in HALF_LIVES)
    assert fitted["item-kNN"] == max(data.quality(linear_scorer(decayed(data.past, 12, b), knn)) for b in HALF_LIVES)
    assert float(arrays["ease_half_life"]) in HALF_LIVES and arrays["ease_lambda"] in (1, 5, 20)
    np.testing.assert_array_equal(arrays["ease"], ease(gram(data.train), arrays["ease_lambda"]))


def test_baselines_know_what_is_known_when_recommending_and_nothing_of_it_when_fitted(in_time):
    """The same arrays, with longer histories: EASE's scores are those of the longer history."""
    data = in_time()
    arrays = fit_ease(data, [5.0], 100) | fit_popularity(data) | fit_item_knn(data, 5, 1.0) | fit_markov(data)
    users, items = data.valid.nonzero()
    past, next_ones = (pd.DataFrame({"user": u, "item": i}) for u, i in ((data.past.users, data.past.items), (users, items)))
    longer = history(30, past, next_ones)
    scores = baseline_scorers(arrays, data.train + data.valid, longer)["EASE"](np.arange(30))
    expected = decayed(longer, 12, float(arrays["ease_half_life"])) @ arrays["ease"]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_without_time_there_is_no_half_life_and_no_chain(in_time):
    data = in_time()._replace(past=None)
    arrays = fit_popularity(data) | fit_item_knn(data, 5, 1.0) | fit_markov(data) | fit_ease(data, [1.0], 5)
    assert arrays["popularity"].tolist() == popularity(data.train).tolist()
    assert list(baseline_scorers(arrays, data.train)) == ["item-kNN", "popularity"], "EASE is left out: 12 items are more than 5"
