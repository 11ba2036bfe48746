"""The kernels against their formula, and the scores against independent implementations."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from movierec.baselines import ease, gram
from movierec.interactions.graph_arrays import graph_arrays
from movierec.model import gaussian_process
from movierec.model.gaussian_process import (
    ITEM_KERNEL,
    ITEM_NOISES,
    ITEM_POWERS,
    USER_KERNEL,
    USER_NOISES,
    USER_POWERS,
    Process,
    degree_power,
    fit_items,
    fit_process,
    fit_users,
    folded_user_scorer,
    item_scorer,
    kernel_matrix,
    noisier_user_scorer,
    user_scorer,
)
from movierec.model.graph import Graph
from movierec.model.kernels import Nodes
from movierec.model.stored import Powers
from movierec.utils.linear_algebra import invert_spd_

NO_POWERS = Powers(0.0, 0.0)


def unit_vectors(n, dim=4, seed=0):
    return torch.nn.functional.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)))


def no_features(n):
    return np.zeros((n, 2), np.int8)


def plain_kernel(rows, h, features, kernel):
    """K by its formula, of dense `rows`."""
    scaled = rows * np.maximum((rows > 0).sum(axis=0), 1) ** kernel.scale_power
    scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-6)
    cosines = (scaled @ scaled.T, (h @ h.T).numpy(), features @ features.T)
    weights = (kernel.history_weight, kernel.graph_weight, kernel.feature_weight)
    return np.exp(sum(weight * (cosine - 1) for weight, cosine in zip(weights, cosines)))


@pytest.fixture
def train(random_interactions):
    return random_interactions(30, 20, density=0.2)


def test_both_kernels_are_their_formula(train, graph_of):
    dense = train.toarray()
    dense[29], dense[:, 19] = 0, 0  # the last user and the last item have no interactions
    train = sp.csr_matrix(dense)
    graph, h_user, h_item = Graph(graph_of(train)), unit_vectors(30), unit_vectors(20)
    users, items = Nodes(train, h_user, no_features(30)), Nodes(train.T.tocsr(), h_item, no_features(20))
    k_user = kernel_matrix(users, users, graph.to_users, USER_KERNEL)
    k_item = kernel_matrix(items, items, graph.to_items, ITEM_KERNEL)
    np.testing.assert_allclose(k_user, plain_kernel(dense, h_user, no_features(30), USER_KERNEL), atol=1e-5)
    np.testing.assert_allclose(k_item, plain_kernel(dense.T, h_item, no_features(20), ITEM_KERNEL), atol=1e-5)
    rows = np.array([7, 29, 0])
    some = Nodes(train[rows], h_user[torch.from_numpy(rows)], no_features(3))
    between = kernel_matrix(some, users, graph.to_users, USER_KERNEL)
    np.testing.assert_allclose(between, k_user[torch.from_numpy(rows)], atol=1e-6)


def test_a_degree_of_zero_counts_as_one():
    assert degree_power(np.array([0, 1, 4]), -0.5).tolist() == [[1], [1], [0.5]]


def test_a_kernel_does_not_depend_on_the_size_of_a_users_weights(train, graph_of):
    graph, users = Graph(graph_of(train)), Nodes(train, unit_vectors(30), no_features(30))
    small = users._replace(rows=train * np.float32(1e-4))
    whole, of_small = (kernel_matrix(some, users, graph.to_users, USER_KERNEL) for some in (users, small))
    torch.testing.assert_close(of_small, whole, atol=1e-5, rtol=0)


def test_a_kernel_in_chunks_is_the_same(train, graph_of, monkeypatch):
    graph, users = Graph(graph_of(train)), Nodes(train, unit_vectors(30), no_features(30))
    whole = kernel_matrix(users, users, graph.to_users, USER_KERNEL)
    monkeypatch.setattr(gaussian_process, "CHUNK", 7)
    torch.testing.assert_close(kernel_matrix(users, users, graph.to_users, USER_KERNEL), whole, atol=1e-6, rtol=0)


def test_features_and_edge_weights_count_in_the_kernel(random_interactions, graph_of):
    weighted = random_interactions(20, 15, density=0.3)
    weighted.data *= np.random.default_rng(1).uniform(0.5, 2, weighted.nnz).astype(np.float32)
    graph, h, features = Graph(graph_of(weighted)), unit_vectors(20), np.eye(2)[np.arange(20) % 2]
    kernel = USER_KERNEL._replace(feature_weight=0.5)
    users = Nodes(graph.matrix, h, features)
    ours = kernel_matrix(users, users, graph.to_users, kernel)
    np.testing.assert_allclose(ours, plain_kernel(weighted.toarray(), h, features, kernel), atol=1e-5)


def test_user_scores_rank_unseen_items_as_the_posterior_mean_does(train, graph_of):
    """K (K + noise I)^-1 Y, by scikit-learn's own Gaussian process."""
    graph, dense, noise = Graph(graph_of(train)), train.toarray().astype(float), 0.7
    features = unit_vectors(30).double()
    matrix = (features @ features.T - 1).exp().float()  # of unit vectors, that is exp(-|a - b|^2 / 2)
    process = Process(invert_spd_(matrix + noise * torch.eye(30)), NO_POWERS, USER_KERNEL)
    ours = user_scorer(graph, process)(np.arange(30)).numpy()

    regressor = GaussianProcessRegressor(RBF(1.0), alpha=noise, optimizer=None)
    theirs = regressor.fit(features.numpy(), dense).predict(features.numpy())
    unseen = dense == 0
    np.testing.assert_allclose(noise * ours[unseen], theirs[unseen], atol=1e-4)


def test_users_with_any_history_get_the_posterior_mean(train, random_interactions, graph_of):
    """Users of training, with their own history, rank as before; others by K P Y."""
    graph, h, noise = Graph(graph_of(train)), unit_vectors(30), 0.7
    everyone = Nodes(graph.matrix, h, no_features(30))
    matrix = kernel_matrix(everyone, everyone, graph.to_users, USER_KERNEL)
    process = Process(invert_spd_(matrix + noise * torch.eye(30)), NO_POWERS, USER_KERNEL)
    unseen, users = train.toarray() == 0, np.arange(30)
    folded = folded_user_scorer(graph, process, h, everyone)(users).numpy()
    np.testing.assert_allclose(folded[unseen], noise * user_scorer(graph, process)(users).numpy()[unseen], atol=1e-4)

    others = Nodes(random_interactions(4, 20, density=0.3, seed=5), unit_vectors(4, seed=5), no_features(4))
    between = kernel_matrix(others, everyone, graph.to_users, USER_KERNEL).double().numpy()
    expected = between @ np.linalg.solve(matrix.double().numpy() + noise * np.eye(30), train.toarray())
    ours = folded_user_scorer(graph, process, h, others)(np.arange(4))
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_user_scores_weight_similar_users_by_their_degree(random_interactions, graph_of):
    train = random_interactions(12, 9)
    dense, p = train.toarray(), unit_vectors(12, 12)
    p = p + p.T
    target = np.maximum(dense.sum(axis=1), 1) ** -0.35
    expected = -p.numpy() @ (target[:, None] * dense)
    users = np.array([5, 0])
    ours = user_scorer(Graph(graph_of(train)), Process(p, Powers(-0.35, 0.0), USER_KERNEL))(users)
    np.testing.assert_allclose(ours, expected[users], atol=1e-5)


def test_item_scores_with_the_linear_kernel_are_those_of_ease(random_interactions, graph_of):
    train = random_interactions(40, 15)
    inverse = torch.from_numpy(np.linalg.inv(gram(train) + 3 * np.eye(15))).float()
    users = np.array([7, 0, 3])
    ours = item_scorer(Graph(graph_of(train)), Process(inverse, NO_POWERS, ITEM_KERNEL))(users).numpy()
    seen = train.toarray()[users] > 0
    # EASE has no weight from an item to itself; that only touches scores of seen items.
    np.testing.assert_allclose(ours[~seen], (train[users] @ ease(gram(train), 3))[~seen], atol=1e-5)


def test_item_scores_of_any_history_are_weighted_by_degrees(random_interactions, graph_of):
    train, rows = random_interactions(40, 15), random_interactions(3, 15, seed=1)
    rows.data *= np.random.default_rng(1).uniform(-1, 2, rows.nnz).astype(np.float32)
    degree, p = np.maximum(train.toarray().sum(axis=0), 1), unit_vectors(15, 15)
    p = p @ p.T
    expected = rows.toarray() * degree**-0.5 @ (-p / p.diagonal()).numpy() * degree**0.4
    graph, process = Graph(graph_of(train)), Process(p, Powers(-0.5, 0.4), ITEM_KERNEL)
    np.testing.assert_allclose(item_scorer(graph, process, rows)(np.arange(3)), expected, atol=1e-5)
    of_training = item_scorer(graph, process, graph.matrix)(np.arange(40))
    torch.testing.assert_close(item_scorer(graph, process)(np.arange(40)), of_training, atol=1e-5, rtol=1e-5)


def no_similarity(kernel):
    return torch.zeros(3, 3)


def test_the_noise_rises_while_it_helps_and_the_best_powers_are_kept():
    tried = []

    def quality(process):
        noise = round(1 / process.inverse[0, 0].item(), 3)  # K = 0: P = I / noise
        tried.append((noise, process.powers.target))
        return {1.0: 0.5, 2.0: 0.7, 4.0: 0.6}[noise] + 0.1 * process.powers.target

    powers = (NO_POWERS, Powers(1.0, 0.0))
    best = fit_process(no_similarity, [USER_KERNEL], quality, noises=(1.0, 2.0, 4.0, 8.0), powers=powers)
    assert tried == [(1.0, 0.0), (1.0, 1.0), (2.0, 1.0), (4.0, 1.0)]
    assert best.powers == Powers(1.0, 0.0) and best.inverse[0, 0].item() == pytest.approx(1 / 2)


def test_of_equal_qualities_the_first_is_kept_and_ends_the_search():
    tried = []

    def quality(process):
        tried.append((round(1 / process.inverse[0, 0].item(), 3), process.powers.target))
        return 0.0

    powers = (NO_POWERS, Powers(1.0, 0.0))
    best = fit_process(no_similarity, [USER_KERNEL], quality, noises=(1.0, 2.0, 4.0), powers=powers)
    assert tried == [(1.0, 0.0), (1.0, 1.0), (2.0, 0.0)]
    assert best.powers == NO_POWERS and best.inverse[0, 0].item() == pytest.approx(1)


def test_each_kernel_has_its_own_search_and_the_best_is_kept():
    tried = []

    def quality(process):
        noise = round(1 / process.inverse[0, 0].item(), 3)
        tried.append((process.kernel, noise))
        return {(USER_KERNEL, 1.0): 0.4, (ITEM_KERNEL, 1.0): 0.3, (ITEM_KERNEL, 2.0): 0.5}.get(tried[-1], 0.0)

    best = fit_process(no_similarity, [USER_KERNEL, ITEM_KERNEL], quality, noises=(1.0, 2.0, 4.0), powers=(NO_POWERS,))
    assert tried == [(USER_KERNEL, 1.0), (USER_KERNEL, 2.0), *((ITEM_KERNEL, noise) for noise in (1.0, 2.0, 4.0))]
    assert best.kernel == ITEM_KERNEL and best.inverse[0, 0].item() == pytest.approx(1 / 2)


def test_the_search_ends_where_more_noise_is_not_worth_a_try():
    options = {"noises": (1.0, 2.0, 4.0), "powers": (NO_POWERS,), "rises": lambda process, noise: noise < 2}
    best = fit_process(no_similarity, [USER_KERNEL], lambda process: 1 / process.inverse[0, 0].item(), **options)
    assert best.inverse[0, 0].item() == pytest.approx(1 / 2)


def test_twice_the_noise_scores_nearly_as_another_inverse(train, graph_of):
    graph, everyone, powers = Graph(graph_of(train)), np.arange(30), Powers(0.2, 0.0)
    users = Nodes(train, unit_vectors(30), no_features(30))
    matrix = kernel_matrix(users, users, graph.to_users, USER_KERNEL)
    once, twice = (Process(torch.linalg.inv(matrix + of * torch.eye(30)), powers, USER_KERNEL) for of in (0.7, 1.4))
    exact, nearly = user_scorer(graph, twice)(everyone), noisier_user_scorer(graph, once, 0.7)(everyone)
    factor = (exact * nearly).sum() / (nearly * nearly).sum()
    assert (factor * nearly - exact).norm() < 0.03 * exact.norm() < (user_scorer(graph, once)(everyone) - exact).norm()


@pytest.mark.parametrize("side", ["users", "items"])
def test_a_side_is_fitted_with_its_features_by_the_quality_of_its_scores(train, side):
    genders, genres = np.eye(2, dtype=np.int8)[np.arange(30) % 2], np.eye(4, dtype=np.int8)[np.arange(20) % 4]
    graph, scores = Graph(graph_arrays(train, genders, genres)), []
    fit, scorer, kernel, noises, powers, rows, features = {
        "users": (fit_users, user_scorer, USER_KERNEL, (0.3, *USER_NOISES), USER_POWERS, train, genders),
        "items": (fit_items, item_scorer, ITEM_KERNEL, ITEM_NOISES, ITEM_POWERS, train.T, genres),
    }[side]

    def quality(scorer, rough=False):
        scores.append(scorer(np.arange(30)))
        return float(len(scores) == 2)  # the second powers

    h = unit_vectors(len(features))
    process = fit(graph, h, 0.5, quality)
    assert process.powers == powers[1] and process.kernel == kernel._replace(feature_weight=0.5)
    matrix = plain_kernel(rows.toarray(), h, features, process.kernel)
    np.testing.assert_allclose(process.inverse, np.linalg.inv(matrix + noises[0] * np.eye(len(h))), atol=1e-4)
    torch.testing.assert_close(scorer(graph, process)(np.arange(30)), scores[1])


@pytest.mark.parametrize(("few", "n_kernels"), [(30, 2), (29, 1)])
def test_with_few_nodes_the_kernel_of_sparse_data_is_tried_too(train, monkeypatch, few, n_kernels):
    monkeypatch.setattr("movierec.model.gaussian_process.FEW", few)
    graph, tried = Graph(graph_arrays(train, no_features(30), no_features(20))), []

    def quality(scorer, rough=False):
        tried.append(rough)
        return 0.0  # so that a search ends with its first noise

    process = fit_users(graph, unit_vectors(30), 0.0, quality)
    assert tried == n_kernels * ([False] * len(USER_POWERS) + [True] * 2) and process.kernel == USER_KERNEL
    smallest = 0.3 if n_kernels == 2 else 1.0
    matrix = kernel_matrix(*(Nodes(train, unit_vectors(30), no_features(30)),) * 2, graph.to_users, USER_KERNEL)
    np.testing.assert_allclose(process.inverse, np.linalg.inv(matrix.numpy() + smallest * np.eye(30)), atol=1e-4)
