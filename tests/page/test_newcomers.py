"""The parts of the scores for someone new, against the model."""

import numpy as np
import pytest
import scipy.sparse as sp
from small_recommender import N_ITEMS, small

from movierec.model.gaussian_process import item_weights
from movierec.model.kernels import Nodes
from movierec.model.nearest_neighbors import LocalProcess, regressions
from movierec.page import newcomers as module
from movierec.page.newcomers import FIRST, Newcomers, Rounded, histories, overlap, standard, whole_scores

MIXES = [(1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.4, 0.0, 0.6), (0.2, 0.4, 0.4)]


def model_with(mix, temporal=False, **changes):
    return small(temporal).stored.model._replace(mix=mix, **changes)


def drawn(n=20, size=5, seed=3):
    """Histories of n new users."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.choice(N_ITEMS, size, replace=False) for _ in range(n)])
    matrix = np.zeros((n, N_ITEMS), np.float32)
    np.put_along_axis(matrix, rows, 1, axis=1)
    return sp.csr_matrix(matrix)


def test_vectors_are_rounded_to_8_bits():
    vectors = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    vectors[3] = 0
    rounded, largest = Rounded.of(vectors), np.abs(vectors).max(axis=1, keepdims=True)
    assert rounded.values.dtype == np.int8 and np.abs(rounded.values).max() == 127
    assert (np.abs(rounded.vectors - vectors) <= largest / 127 / 2 * (1 + 1e-4)).all()
    assert Rounded.of(np.empty((3, 0))).vectors.shape == (3, 0)


def test_the_largest_messages_of_each_movie_are_kept(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 6)
    model = model_with(MIXES[-1])
    parts = Newcomers.of(model)
    weights = item_weights(model.graph, model.items).numpy()
    weights = weights - weights.mean(axis=1, keepdims=True)
    for movie, (kept, found) in enumerate(zip(parts.kept, parts.weights.vectors, strict=True)):
        assert kept.tolist() == sorted(np.argsort(-np.abs(weights[movie]))[:6])
        np.testing.assert_allclose(found, weights[movie, kept], atol=np.abs(weights[movie]).max() / 200)


@pytest.mark.parametrize("mix", MIXES)
def test_the_scores_are_those_of_the_model_but_for_similar_users(mix, monkeypatch):
    monkeypatch.setattr(module, "KEPT", N_ITEMS)
    model = model_with(mix)
    parts, matrix = Newcomers.of(model), drawn()
    whole, found = whole_scores(model, matrix), parts.scores(matrix)
    if mix[1]:  # of the part by similar users, the linear map explains most
        assert np.corrcoef(whole.ravel(), found.ravel())[0, 1] > 0.85
        without = parts._replace(rest=Rounded.of(np.empty((N_ITEMS, 0))))
        assert np.square(whole - found).mean() < np.square(whole - without.scores(matrix)).mean() / 3
    else:
        np.testing.assert_allclose(found, whole, atol=0.05)
        assert parts.agreement >= FIRST - 1
    assert (parts.rest.values.size == 0) == (mix == (1.0, 0.0, 0.0))


def test_a_model_that_follows_time_has_its_long_term_part():
    model, matrix = model_with(MIXES[-1], temporal=True), drawn()
    assert model.next is not None
    np.testing.assert_array_equal(whole_scores(model, matrix), whole_scores(model._replace(next=None), matrix))
    assert np.corrcoef(whole_scores(model, matrix).ravel(), Newcomers.of(model).scores(matrix).ravel())[0, 1] > 0.85


def local(model):
    """The same model with processes over many nodes."""
    items = Nodes(model.graph.matrix.T.tocsr(), model.h_item, model.graph.item_genres)
    users = Nodes(model.graph.matrix, model.h_user, model.graph.user_gender)

    def process(nodes, dense):
        (weights,) = regressions(nodes, dense.kernel, (1.0,), n_neighbors=8)
        return LocalProcess(weights, dense.powers, dense.kernel, 1.0)

    return model._replace(items=process(items, model.items), users=process(users, model.users))


def test_processes_over_many_nodes_may_be_there_or_left_out():
    matrix = drawn()
    for model in (local(model_with(MIXES[-1])), model_with((0.5, 0.5, 0.0), items=None)):
        parts = Newcomers.of(model)
        assert np.corrcoef(whole_scores(model, matrix).ravel(), parts.scores(matrix).ravel())[0, 1] > 0.9
        assert parts.kept.shape[1] == (0 if model.items is None else module.KEPT)
    alone = Newcomers.of(model_with(MIXES[0], users=None, items=None))
    assert (alone.kept.shape, alone.rest.values.shape, alone.mix) == ((N_ITEMS, 0), (N_ITEMS, 0), (1.0, 0.0))


def test_histories_are_drawn_from_the_users_own():
    matrix = small().stored.model.graph.matrix
    users = np.array([4, 9])
    found = histories(matrix, users, (2, 50), np.random.default_rng(0))
    assert np.diff(found.indptr).tolist() == [2, 2, *np.diff(matrix.indptr)[users]]
    for row, user in zip(found, [4, 9, 4, 9], strict=True):
        assert set(row.indices) <= set(matrix[user].indices) and (row.data == 1).all()


def test_the_overlap_is_of_the_first_movies_that_are_unseen():
    scores = np.arange(30, dtype=np.float32)[None]
    seen = sp.csr_matrix((np.arange(30) >= 25)[None].astype(np.float32))
    other = scores.copy()
    other[0, 24] = 0  # was the first
    assert overlap(scores, scores, seen) == FIRST
    assert overlap(scores, other, seen) == FIRST - 1
    assert overlap(scores[:0], scores[:0], seen[:0]) == 0


def test_scores_are_standardised_as_in_the_mix():
    found = standard(np.array([[1.0, 2, 3, 4], [5, 5, 5, 5]]))
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=1), [1, 0])


def test_the_same_model_has_the_same_parts():
    one, two = (Newcomers.of(model_with(MIXES[-1])) for _ in range(2))
    assert one.agreement == two.agreement
    assert np.array_equal(one.rest.values, two.rest.values) and np.array_equal(one.rest.scales, two.rest.scales)
