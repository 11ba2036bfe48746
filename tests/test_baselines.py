"""The baselines against their textbook forms."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from movierec.baselines import (
    HALF_LIVES,
    MARKOV_SMOOTHINGS,
    Fitting,
    baseline_scorers,
    best_of,
    climb,
    ease,
    fit_ease,
    fit_item_knn,
    fit_markov,
    fit_popularity,
    gram,
    item_knn,
    markov_scorer,
    popularity,
)
from movierec.interactions.histories import Histories
from movierec.interactions.profiles import decayed, last_items, recent_popularity, transitions
from movierec.ranking.topk import evaluate, linear_scorer, popularity_scorer, top_k
from movierec.utils.params import Ease, Knn

KNN = Knn(neighbors=[3, 5], shrinkages=[1.0, 4.0])


def histories_of(n_users, pairs):
    return Histories.from_interactions(n_users, pd.DataFrame(pairs, columns=["user", "item"]).assign(timestamp=0))


def fit_all(data, **of_ease):
    return fit_popularity(data) | fit_item_knn(data, KNN) | fit_markov(data) | fit_ease(data, Ease(**of_ease))


def test_popularity_counts():
    assert popularity(sp.csr_matrix(np.array([[1, 0, 1], [0, 0, 1]], np.float32))).tolist() == [1, 0, 2]


def test_gram_counts_shared_users():
    train = sp.csr_matrix(np.array([[1, 0, 1], [1, 1, 1]], np.float32))
    assert gram(train).tolist() == [[2, 1, 2], [1, 1, 1], [2, 1, 2]] and gram(train).dtype == np.float64


def test_ease_is_its_closed_form(random_interactions):
    train = random_interactions(50, 12)
    x, shared = train.toarray().astype(float), gram(train)
    p = np.linalg.inv(x.T @ x + 3 * np.eye(12))
    expected = -p / np.diag(p)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(ease(shared, 3), expected, atol=1e-6)
    np.testing.assert_array_equal(shared, gram(train))


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
    similarity = item_knn(train, 1, [1.0])[0].toarray()
    assert similarity[0, 1] == similarity[1, 0] == np.float32(2 / (3 + 1))
    # Item 2 is as near to 0 as to 1: a tie at the edge keeps both.
    assert similarity[0, 2] == similarity[1, 2] == pytest.approx(1 / (np.sqrt(3) + 1))
    assert not similarity.diagonal().any() and similarity[2].tolist() == [0, 0, 0]


def test_item_knn_chunks_change_nothing(random_interactions):
    train = random_interactions(40, 23)
    (whole,), (in_chunks, other) = item_knn(train, 5, [10]), item_knn(train, 5, [10, 0], chunk=4)
    assert (whole != in_chunks).nnz == 0 and (whole != other).nnz


def test_ease_and_item_knn_solve_the_checkerboard(checkerboard):
    train, missing = checkerboard
    for weights in (ease(gram(train), 1.0), *item_knn(train, 9, [0, 2])):
        assert evaluate(linear_scorer(train, weights), train, train, missing, [1])["recall@1"] == 1


def test_a_markov_chain_ranks_by_what_came_next_and_then_by_popularity():
    # 0 is followed by 1 twice and by 2 once; 3 is the most popular, but never comes after 0.
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 3), (2, 0), (2, 2), (3, 3), (4, 3), (4, 0)]
    histories = histories_of(5, pairs)
    counts = recent_popularity(histories, 5, np.inf)
    scorer = markov_scorer(last_items(histories, 5), transitions(histories, 5, 1.0, 1), counts, 1.0)
    assert scorer(np.array([4]))[0].tolist() == pytest.approx([0.4, 2.2, 1.1, 0.3, 0.0])


def test_the_best_is_the_first_of_equals():
    assert best_of([3, 1, 2], {3: 0.5, 1: 0.7, 2: 0.7}.get) == (1, 0.7)


@pytest.mark.parametrize(
    ("qualities", "best", "tried"),
    [
        ([0.9, 0.5, 0.7, 0.6, 0.8], 2, [2, 1, 3]),  # a peak in the middle
        ([0.5, 0.8, 0.7, 0.6, 0.9], 1, [2, 1, 0]),  # no need to look above
        ([0.1, 0.2, 0.3, 0.4, 0.5], 4, [2, 1, 3, 4]),
        ([0.7, 0.7, 0.7, 0.7, 0.7], 2, [2, 1, 3]),
        ([0.4], 0, [0]),
    ],
)
def test_a_climb_goes_from_the_middle_in_the_direction_that_gains(qualities, best, tried):
    asked = []
    values = range(len(qualities))
    found = climb(
        values, middle=len(values) // 2, fit=lambda at: at, quality=lambda at: asked.append(at) or qualities[at]
    )
    assert (found, asked) == (best, tried)


@pytest.fixture
def data():
    """30 random histories: train by time and as a matrix, and each user's next item for validation."""
    rng = np.random.default_rng(6)  # with this seed no choice is at an end of its range
    lists = [rng.permutation(12)[: rng.integers(3, 10)] for _ in range(30)]
    histories = histories_of(30, [(user, item) for user, items in enumerate(lists) for item in items[:-1]])
    ones, last = np.ones(30, np.float32), [items[-1] for items in lists]
    valid = sp.csr_matrix((ones, (np.arange(30), last)), shape=(30, 12))
    return Fitting(decayed(histories, 12, np.inf), histories, valid, lambda line: None)


def test_baselines_by_time_take_the_numbers_that_are_best_on_validation(data):
    arrays = fit_all(data, lambdas=[1.0, 5.0, 20.0], max_items=100)
    scorers = baseline_scorers(arrays, data.train, data.histories)
    assert list(scorers) == ["EASE", "item-kNN", "popularity", "Markov chain"]
    fitted = {name: data.quality(scorer) for name, scorer in scorers.items()}
    by_recency = [popularity_scorer(recent_popularity(data.histories, 12, b)) for b in HALF_LIVES]
    assert fitted["popularity"] == max(map(data.quality, by_recency))
    tried = [of for n in (3, 5) for of in item_knn(data.train, n, [1.0, 4.0])]
    knn = max(tried, key=lambda of: data.quality(linear_scorer(data.train, of)))
    by_neighbors = [linear_scorer(decayed(data.histories, 12, b), knn) for b in HALF_LIVES]
    assert fitted["item-kNN"] == max(map(data.quality, by_neighbors))
    last, after = last_items(data.histories, 12), transitions(data.histories, 12, 1.0, 1)
    by_last = [markov_scorer(last, after, popularity(data.train), m) for m in MARKOV_SMOOTHINGS]
    assert fitted["Markov chain"] == max(map(data.quality, by_last))
    by_lambda = {value: ease(gram(data.train), value) for value in (1.0, 5.0, 20.0)}
    half_life = max(HALF_LIVES, key=lambda b: data.quality(linear_scorer(data.decayed(b), by_lambda[5.0])))
    assert arrays["ease_half_life"] == half_life
    assert fitted["EASE"] == max(data.quality(linear_scorer(data.decayed(half_life), by_lambda[v])) for v in by_lambda)
    np.testing.assert_array_equal(arrays["ease"], by_lambda[arrays["ease_lambda"]])


def test_each_choice_is_reported_with_its_quality(data):
    lines = []
    fit_all(data._replace(say=lines.append), lambdas=[5.0], max_items=100)
    for name in (
        "popularity: half-life",
        "item-kNN: half-life",
        "item-kNN: 5 neighbours, shrinkage",
        "Markov chain: smoothing",
        "EASE: half-life",
        "EASE, lambda 5",
    ):
        assert any(line.startswith(name) and "validation NDCG@20 0." in line for line in lines), name


def test_fitted_baselines_recommend_from_longer_histories(data):
    """The arrays are fitted on train; EASE then scores the histories with validation included."""
    arrays = fit_all(data, lambdas=[5.0], max_items=100)
    train, valid = (
        pd.DataFrame({"user": users, "item": items, "timestamp": 0})
        for users, items in ((data.histories.users, data.histories.items), data.valid.nonzero())
    )
    longer = Histories.from_interactions(30, train, valid)
    scores = baseline_scorers(arrays, data.train + data.valid, longer)["EASE"](np.arange(30))
    expected = decayed(longer, 12, float(arrays["ease_half_life"])) @ arrays["ease"]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_without_time_there_is_no_half_life_and_no_chain(data):
    data = data._replace(histories=None)
    arrays = fit_all(data, lambdas=[1.0], max_items=12)
    assert arrays["popularity"].tolist() == popularity(data.train).tolist()
    assert "knn_half_life" not in arrays and arrays["ease_half_life"] == np.inf
    assert list(baseline_scorers(arrays, data.train)) == ["EASE", "item-kNN", "popularity"]


def test_ease_is_left_out_where_there_are_too_many_items(data):
    lines = []
    without_time = data._replace(histories=None, say=lines.append)
    arrays = fit_all(without_time, lambdas=[1.0], max_items=11)
    assert lines[-1].startswith("EASE is left out: 12") and "ease.max_items" in lines[-1]
    scorers = baseline_scorers(arrays, data.train)
    assert list(scorers) == ["item-kNN", "popularity"]
    for scorer in scorers.values():
        assert top_k(scorer, np.arange(30), data.train, 2)[0].shape == (30, 2)
