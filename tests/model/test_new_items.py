"""New items in a trained model: their rows by regression, and the inverse that has grown."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import Ridge
from small_recommender import N_ITEMS, N_USERS, small

from movierec.interactions.graph_arrays import graph_arrays
from movierec.interactions.profiles import Profiles
from movierec.model.gaussian_process import kernel_matrix
from movierec.model.kernels import Nodes
from movierec.model.nearest_neighbors import LocalProcess
from movierec.model.new_items import RIDGE, regression, with_new_items

IS_NEW = np.isin(np.arange(N_ITEMS + 3), [0, 17, N_ITEMS + 2])
OLD, NEW = np.flatnonzero(~IS_NEW), np.flatnonzero(IS_NEW)
LIKERS = ([0, 2, 4, 6], [], [1, 3, 5])  # of the new items: users of one taste, nobody, users of the other


def grown(model, likers=LIKERS):
    """The model with three new items, without features, and the profiles of all users."""
    matrix = sp.lil_matrix((N_USERS, N_ITEMS + 3), dtype=np.float32)
    matrix[:, OLD] = model.graph.matrix
    for item, users in zip(NEW, likers, strict=True):
        matrix[users, item] = 1
    genres = np.zeros((N_ITEMS + 3, model.graph.item_genres.shape[1]), np.int8)
    genres[OLD] = model.graph.item_genres
    profiles = Profiles.without_order(matrix.tocsr())._replace(gender=model.graph.user_gender)
    arrays = graph_arrays(profiles.matrix, model.graph.user_gender, genres)
    return with_new_items(model, arrays, profiles, IS_NEW, np.zeros((N_ITEMS + 3, 0))), profiles


@pytest.mark.parametrize("temporal", [False, True])
def test_known_items_keep_their_rows(temporal):
    model = small(temporal).stored.model
    new, _ = grown(model)
    for name in ("h_item", "item_messages"):
        assert torch.equal(getattr(new, name)[OLD], getattr(model, name))
    np.testing.assert_allclose(new.h_item.norm(dim=1), 1, atol=1e-6)
    if temporal:
        before, after = model.next.arrays(), new.next.arrays()
        for name in ("origin", "bias"):
            assert after[name].shape[0] == N_ITEMS + 3 and (after[name][OLD] == before[name]).all()
        assert (after["mix.weight"] == before["mix.weight"]).all()


def test_a_new_item_is_near_those_that_its_users_like():
    model = small().stored.model
    new, _ = grown(model)
    cosines = new.h_item[NEW] @ model.h_item.T
    even, odd = cosines[:, ::2].mean(dim=1), cosines[:, 1::2].mean(dim=1)
    assert even[0] > odd[0] + 0.1 and odd[2] > even[2] + 0.1, "by the taste of their users"


def test_new_items_are_scored_for_known_users():
    for of in (small(), small(temporal=True)):
        new, profiles = grown(of.stored.model)
        new = new._replace(trend=None, next=None)
        scores = new.scorer(profiles)(np.arange(N_USERS))
        first = scores[:, NEW[0]] - scores[:, NEW[2]]
        assert torch.isfinite(scores).all() and first[10::2].mean() > first[11::2].mean()


def test_without_users_the_rows_are_those_of_a_ridge_regression():
    model, rng = small().stored.model, np.random.default_rng(0)
    features, target = rng.random((N_ITEMS + 2, 5)), rng.random((N_ITEMS, 3)).astype(np.float32)
    known, new = features[:N_ITEMS], features[N_ITEMS:]
    nobody = sp.csr_matrix((2, N_USERS), dtype=np.float32)
    found = regression(model, torch.from_numpy(target), nobody, model.h_user, (known, new))
    ones = np.ones((N_ITEMS + 2, 1))
    x = np.concatenate([features, ones], axis=1)
    expected = Ridge(alpha=RIDGE, fit_intercept=False).fit(x[:N_ITEMS], target).predict(x[N_ITEMS:])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_with_the_users_of_a_known_item_the_rows_are_near_its_own():
    model = small().stored.model
    by_item = model.graph.matrix.T.tocsr()
    features = np.eye(N_ITEMS)[:, :0]
    found = regression(model, model.h_item, by_item, model.h_user, (features, features))
    cosines = torch.nn.functional.cosine_similarity(found, model.h_item)
    others = torch.nn.functional.cosine_similarity(found, model.h_item.roll(1, 0))
    assert cosines.mean() > 0.5 > others.mean()


def test_the_grown_process_is_the_inverse_of_the_grown_kernel():
    model = small().stored.model
    graph, process = model.graph, model.items
    known = Nodes(graph.matrix.T.tocsr(), model.h_item, graph.item_genres)
    kernel = kernel_matrix(known, known, graph.to_items, process.kernel).numpy().astype(float)
    noise = np.linalg.inv(process.inverse.numpy().astype(float)) - kernel
    np.testing.assert_allclose(noise, noise[0, 0] * np.eye(N_ITEMS), atol=2e-3)
    new, _ = grown(model)
    empty = sp.csr_matrix((N_ITEMS + 3, N_USERS), dtype=np.float32).tolil()
    empty[OLD] = known.rows
    everything = Nodes(empty.tocsr(), new.h_item, new.graph.item_genres)
    padded = lambda h: torch.from_numpy((everything.rows != 0) @ h.numpy())  # noqa: E731
    whole = kernel_matrix(everything, everything, padded, process.kernel).numpy().astype(float)
    np.fill_diagonal(whole, 1)  # an empty history is like itself
    expected = np.linalg.inv(whole + noise[0, 0] * np.eye(N_ITEMS + 3))
    np.testing.assert_allclose(new.items.inverse, expected, atol=2e-3)


def test_a_process_of_nearest_neighbours_gets_rows_for_new_items():
    model = small().stored.model
    rng = np.random.default_rng(0)
    weights = sp.random(N_ITEMS, N_ITEMS, 0.2, "csr", dtype=np.float32, random_state=rng)
    local = LocalProcess(weights, model.items.powers, model.items.kernel, noise=1.0)
    new, profiles = grown(model._replace(items=local))
    assert (new.items.weights[OLD][:, OLD] != weights).nnz == 0
    assert new.items.weights[:, NEW].nnz == 0 and np.diff(new.items.weights[NEW].indptr).min() > 0
    assert torch.isfinite(new.scorer(profiles)(np.arange(3))).all()
