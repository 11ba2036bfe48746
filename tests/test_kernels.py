"""The kernels over users and items: the inverse, and the scores against a Gaussian process written the plain way."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from movierec.baselines import ease, gram
from movierec.graph import Graph
from movierec.kernels import (
    ITEM_KERNEL,
    USER_KERNEL,
    Nodes,
    Powers,
    Side,
    fit_side,
    folded_user_scorer,
    item_scorer,
    kernel_matrix,
    user_scorer,
)
from movierec.linear_algebra import invert_spd_


def unit_vectors(n, dim=4, seed=0):
    return torch.nn.functional.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)))


def plain_kernel(rows, h, kernel):
    """K by its formula: `rows` dense."""
    scaled = rows * np.maximum(rows.sum(axis=0), 1) ** kernel.scale_power
    scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-6)
    return np.exp(kernel.history_weight * (scaled @ scaled.T - 1) + kernel.graph_weight * (h @ h.T - 1))


@pytest.mark.parametrize("n", [1, 5, 37, 64])
def test_the_inverse_by_halves_is_the_inverse_and_takes_the_matrix_place(n):
    a = np.random.default_rng(0).normal(size=(n, n))
    matrix = torch.from_numpy(a @ a.T + np.eye(n))
    expected = np.linalg.inv(matrix)
    assert invert_spd_(matrix, base=4) is matrix
    np.testing.assert_allclose(matrix, expected, atol=1e-9)


def test_the_inverse_has_the_same_bits_for_any_number_of_threads():
    a = torch.randn(700, 900, generator=torch.Generator().manual_seed(0))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(invert_spd_(a @ a.T / 900 + torch.eye(700)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


def test_both_kernels_are_their_formula(random_interactions, graph_of):
    dense = random_interactions(30, 20, density=0.2).toarray().astype(float)
    dense[4] = 0  # a user without interactions
    train = sp.csr_matrix(dense.astype(np.float32))
    graph = Graph(graph_of(train))
    h_user, h_item = unit_vectors(30), unit_vectors(20)
    users, items = Nodes(train, h_user, np.zeros((30, 0))), Nodes(train.T.tocsr(), h_item, np.zeros((20, 0)))
    k_user = kernel_matrix(users, users, graph.to_users, USER_KERNEL)
    k_item = kernel_matrix(items, items, graph.to_items, ITEM_KERNEL)
    np.testing.assert_allclose(k_user, plain_kernel(dense, h_user.numpy(), USER_KERNEL), atol=1e-5)
    np.testing.assert_allclose(k_item, plain_kernel(dense.T, h_item.numpy(), ITEM_KERNEL), atol=1e-5)
    some = np.array([7, 4, 0])
    between = kernel_matrix(Nodes(train[some], h_user[torch.from_numpy(some)], np.zeros((3, 0))), users, graph.to_users, USER_KERNEL)
    np.testing.assert_allclose(between, k_user[torch.from_numpy(some)], atol=1e-6)


def test_features_and_edge_weights_count_in_the_kernel(random_interactions, graph_of):
    weighted = random_interactions(20, 15, density=0.3)
    weighted.data *= np.random.default_rng(1).uniform(0.5, 2, weighted.nnz).astype(np.float32)
    graph, h = Graph(graph_of(weighted)), unit_vectors(20)
    features = np.eye(2)[np.arange(20) % 2]
    kernel = USER_KERNEL._replace(feature_weight=0.5)
    users = Nodes(graph.matrix, h, features)
    ours = kernel_matrix(users, users, graph.to_users, kernel)
    degree = (weighted.toarray() > 0).sum(axis=0)
    scaled = weighted.toarray() * np.maximum(degree, 1) ** kernel.scale_power
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    same = features @ features.T
    expected = np.exp(3 * (scaled @ scaled.T - 1) + (h @ h.T - 1).numpy() + 0.5 * (same - 1))
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_user_scores_rank_unseen_items_as_the_posterior_mean_does(random_interactions, graph_of):
    """K (K + noise I)^-1 Y, by scikit-learn's own Gaussian process."""
    train, noise = random_interactions(30, 20, density=0.2), 0.7
    graph, dense = Graph(graph_of(train)), train.toarray().astype(float)
    features = unit_vectors(30).double()
    matrix = (features @ features.T - 1).exp().float()  # of unit vectors, that is exp(-|a - b|^2 / 2)
    inverse = matrix + noise * torch.eye(30)
    side = Side(invert_spd_(inverse), Powers(0.0, 0.0), USER_KERNEL)
    ours = user_scorer(graph, side)(np.arange(30)).numpy()

    process = GaussianProcessRegressor(RBF(1.0), alpha=noise, optimizer=None)
    theirs = process.fit(features.numpy(), dense).predict(features.numpy())
    unseen = dense == 0
    np.testing.assert_allclose(noise * ours[unseen], theirs[unseen], atol=1e-4)


def test_users_of_any_history_get_the_same_posterior_mean(random_interactions, graph_of):
    """Those of training, with their own history, rank as before; others as scikit-learn predicts for them."""
    train, noise = random_interactions(30, 20, density=0.2), 0.7
    graph, h, none = Graph(graph_of(train)), unit_vectors(30), np.zeros((30, 2), np.int8)
    everyone = Nodes(graph.matrix, h, none)
    matrix = kernel_matrix(everyone, everyone, graph.to_users, USER_KERNEL)
    side = Side(invert_spd_(matrix + noise * torch.eye(30)), Powers(0.0, 0.0), USER_KERNEL)
    unseen = train.toarray() == 0
    folded = folded_user_scorer(graph, side, h, everyone)(np.arange(30)).numpy()
    np.testing.assert_allclose(folded[unseen], noise * user_scorer(graph, side)(np.arange(30)).numpy()[unseen], atol=1e-4)

    others = Nodes(random_interactions(4, 20, density=0.3, seed=5), unit_vectors(4, seed=5), none[:4])
    between = kernel_matrix(others, everyone, graph.to_users, USER_KERNEL).double().numpy()
    expected = between @ np.linalg.solve(matrix.double().numpy() + noise * np.eye(30), train.toarray())
    np.testing.assert_allclose(folded_user_scorer(graph, side, h, others)(np.arange(4)), expected, atol=1e-4)


def test_user_scores_weigh_what_others_say_by_their_degree(random_interactions, graph_of):
    train = random_interactions(12, 9)
    dense, p = train.toarray(), unit_vectors(12, 12)
    p = p + p.T
    says = np.maximum(dense.sum(axis=1), 1) ** -0.35
    expected = -p.numpy() @ (says[:, None] * dense)
    users = np.array([5, 0])
    ours = user_scorer(Graph(graph_of(train)), Side(p, Powers(-0.35, 0.0), USER_KERNEL))(users)
    np.testing.assert_allclose(ours, expected[users], atol=1e-5)


def test_item_scores_with_the_linear_kernel_are_those_of_ease(random_interactions, graph_of):
    train = random_interactions(40, 15)
    inverse = torch.from_numpy(np.linalg.inv(gram(train) + 3 * np.eye(15))).float()
    users = np.array([7, 0, 3])
    ours = item_scorer(Graph(graph_of(train)), Side(inverse, Powers(0.0, 0.0), ITEM_KERNEL))(users).numpy()
    seen = train.toarray()[users] > 0
    # EASE has no weight from an item to itself; that only touches scores of seen items.
    np.testing.assert_allclose(ours[~seen], (train[users] @ ease(gram(train), 3))[~seen], atol=1e-5)


def test_noise_rises_as_long_as_it_helps_and_the_best_powers_are_kept():
    asked = []

    def quality_of(noise, powers):
        return {1.0: 0.5, 2.0: 0.7, 4.0: 0.6}[noise] + 0.1 * powers.says

    def quality(side):
        noise = round(1 / side.inverse[0, 0].item(), 3)  # K = 0: P = I / noise
        asked.append((noise, side.powers.says))
        return quality_of(noise, side.powers)

    best = fit_side(torch.zeros(3, 3), USER_KERNEL, lambda side: side, quality, (1.0, 2.0, 4.0, 8.0), (Powers(0.0, 0.0), Powers(1.0, 0.0)))
    assert asked == [(1.0, 0.0), (1.0, 1.0), (2.0, 1.0), (4.0, 1.0)]
    assert best.powers == Powers(1.0, 0.0) and best.inverse[0, 0].item() == pytest.approx(1 / 2)
