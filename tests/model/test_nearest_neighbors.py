"""Regressions on the nearest neighbours against a dense inverse, and against the formula node by node."""

import numpy as np
import pytest
import torch

from movierec.model.gaussian_process import (
    ITEM_KERNEL,
    LOCAL_ITEM_NOISES,
    LOCAL_ITEM_POWERS,
    LOCAL_USER_NOISES,
    USER_KERNEL,
    USER_POWERS,
    Process,
    fit_items,
    fit_users,
    folded_messages,
    folded_user_scorer,
    item_scorer,
    item_weights,
    kernel_matrix,
    trained_messages,
    user_scorer,
)
from movierec.model.graph import Graph
from movierec.model.kernels import Nodes
from movierec.model.nearest_neighbors import LocalProcess, blocks, regressions, solve
from movierec.model.stored import Powers
from movierec.utils.linear_algebra import invert_spd_

KERNEL, NOISE, POWERS = USER_KERNEL._replace(feature_weight=0.5), 0.7, Powers(-0.4, 0.3)


def unit_vectors(n, dim=4, seed=0):
    return torch.nn.functional.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)))


@pytest.fixture
def train(random_interactions):
    return random_interactions(90, 70, density=0.2)


@pytest.fixture
def users(train):
    return Nodes(train, unit_vectors(90), np.eye(2, dtype=np.int8)[np.arange(90) % 2])


def inverse_of(matrix):
    return invert_spd_(matrix + NOISE * torch.eye(len(matrix)))


def test_with_all_nodes_as_neighbours_the_weights_are_those_of_the_inverse(train, users, graph_of):
    inverse = inverse_of(kernel_matrix(users, users, Graph(graph_of(train)).to_users, KERNEL))
    expected = (-inverse / inverse.diagonal().unsqueeze(1)).fill_diagonal_(0)
    (found,) = regressions(users, KERNEL, (NOISE,), n_neighbors=100, candidates=100)
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-5)


def test_a_node_is_regressed_on_its_nearest_neighbours(train, users, graph_of):
    matrix = kernel_matrix(users, users, Graph(graph_of(train)).to_users, KERNEL).double().numpy()
    noises = (0.2, 1.5)
    for noise, found in zip(noises, regressions(users, KERNEL, noises, n_neighbors=5, candidates=90), strict=True):
        for node in range(90):
            nearest = np.argsort(-np.where(np.arange(90) == node, -1, matrix[node]))[:5]
            expected = np.zeros(90)
            among = matrix[np.ix_(nearest, nearest)] + noise * np.eye(5)
            expected[nearest] = np.linalg.solve(among, matrix[node, nearest])
            np.testing.assert_allclose(found[node].toarray()[0], expected, atol=1e-5)


def test_a_node_in_a_dense_region_leaves_candidates_to_the_others_of_its_block(random_interactions):
    """One of 200 nodes that are nearly the same, and one of 400 that are not."""
    h = torch.eye(8)[[0] * 200 + [1] * 400] + torch.tensor([0.01] * 200 + [0.3] * 400)[:, None] * unit_vectors(600, 8)
    nodes = Nodes(random_interactions(600, 40), torch.nn.functional.normalize(h), np.zeros((600, 0), np.int8))
    kernel = KERNEL._replace(history_weight=0.0)
    (found,) = regressions(nodes, kernel, (1.0,), np.array([7, 250]), n_neighbors=20, candidates=150)
    assert (found[7].indices < 200).all() and (found[250].indices >= 200).all()


def test_candidates_are_the_block_and_the_nodes_that_resemble_it(random_interactions):
    """Two groups of nodes with opposite vectors: neighbours are of the own group."""
    h = torch.nn.functional.normalize(unit_vectors(300, seed=1) * 0.1 + torch.tensor([1.0, 0, 0, 0]))
    h[::2] *= -1
    nodes = Nodes(random_interactions(300, 40), h, np.zeros((300, 0), np.int8))
    (found,) = regressions(nodes, ITEM_KERNEL, (1.0,), n_neighbors=10, candidates=100)
    rows, columns = found.nonzero()
    assert (np.diff(found.indptr) == 10).all() and (rows % 2 == columns % 2).all() and (rows != columns).all()


def test_blocks_hold_each_node_once_and_similar_ones_together():
    h = unit_vectors(1000, dim=8)
    found = list(blocks(h, size=70))
    assert sorted(np.concatenate(found).tolist()) == list(range(1000)) and max(map(len, found)) <= 70
    within = np.mean([(h[of] @ h[of].T).mean() for of in map(torch.from_numpy, found)])
    assert within > (h @ h.T).mean() + 0.1
    assert [of.tolist() for of in blocks(h[:5], size=5)] == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("threads", [1, 3])
def test_systems_are_solved_alike_by_any_number_of_threads(threads):
    rng = np.random.default_rng(0)
    matrices, right = rng.normal(size=(7, 4, 4)).astype(np.float32), rng.normal(size=(7, 4)).astype(np.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    found = solve(matrices, right)
    torch.set_num_threads(before)
    assert np.array_equal(found, np.concatenate([solve(matrices[[at]], right[[at]]) for at in range(7)]))
    np.testing.assert_allclose(np.einsum("nij,nj->ni", matrices, found), right, atol=1e-4)


def test_user_scores_rank_as_those_of_the_dense_process(train, users, graph_of, random_interactions):
    """Of training, folded in, and of new users."""
    graph = Graph(graph_of(train)._replace(user_gender=users.features))
    matrix = kernel_matrix(users, users, graph.to_users, KERNEL)
    dense = Process(inverse_of(matrix), POWERS, KERNEL)
    (weights,) = regressions(users, KERNEL, (NOISE,), n_neighbors=100, candidates=100)
    local = LocalProcess(weights, POWERS, KERNEL, NOISE)
    everyone, unseen = np.arange(90), train.toarray() == 0
    of_dense = user_scorer(graph, dense)(everyone) / dense.inverse.diagonal().unsqueeze(1)
    np.testing.assert_allclose(user_scorer(graph, local)(everyone)[unseen], of_dense[unseen], atol=1e-4)
    messages = trained_messages(graph, local, everyone)
    np.testing.assert_allclose(graph.to_items(messages).T[unseen], of_dense[unseen], atol=1e-4)

    others = Nodes(random_interactions(4, 70, seed=5), unit_vectors(4, seed=5), np.zeros((4, 2), np.int8))
    for some in (users, others):
        folded = [folded_user_scorer(graph, process, users.h, some)(np.arange(4)) for process in (local, dense)]
        torch.testing.assert_close(*folded, atol=1e-4, rtol=0)
        torch.testing.assert_close(
            *(folded_messages(graph, process, users.h, some) for process in (local, dense)), atol=1e-4, rtol=0
        )


def test_item_scores_are_those_of_the_dense_process(train, graph_of, random_interactions):
    graph, items = Graph(graph_of(train)), Nodes(train.T.tocsr(), unit_vectors(70), np.zeros((70, 2), np.int8))
    dense = Process(inverse_of(kernel_matrix(items, items, graph.to_items, ITEM_KERNEL)), POWERS, ITEM_KERNEL)
    (weights,) = regressions(items, ITEM_KERNEL, (NOISE,), n_neighbors=100, candidates=100)
    local = LocalProcess(weights, POWERS, ITEM_KERNEL, NOISE)
    rows = random_interactions(3, 70, seed=1)
    for histories in (None, rows):
        history = (train if histories is None else rows).toarray()[:3]
        ours, theirs = (item_scorer(graph, process, histories)(np.arange(3)) for process in (local, dense))
        np.testing.assert_allclose(ours[history == 0], theirs[history == 0], atol=1e-5)
    some = np.array([3, 9])
    other = np.ones((2, 70), bool)
    other[[0, 1], some] = False  # the weight of an item for itself touches seen items alone
    ours, theirs = (item_weights(graph, process, some) for process in (local, dense))
    np.testing.assert_allclose(ours[other], theirs[other], atol=1e-5)


def test_the_weights_of_some_nodes_are_those_rows_of_all(users):
    some, (noise, *others) = np.array([3, 4, 40, 88]), (0.2, 1.5)
    whole = regressions(users, KERNEL, (noise, *others), candidates=90)
    for of_all, found in zip(whole, regressions(users, KERNEL, (noise, *others), some, candidates=90), strict=True):
        assert np.flatnonzero(np.diff(found.indptr)).tolist() == some.tolist()
        np.testing.assert_allclose(found[some].toarray(), of_all[some].toarray(), atol=1e-6)


@pytest.mark.parametrize("best", [(0, 0), (1, 1)])
@pytest.mark.parametrize("fit", [fit_users, fit_items])
def test_a_sample_chooses_the_noise_and_all_nodes_the_powers(train, graph_of, fit, best):
    graph, tried = Graph(graph_of(train)), []
    n, scorer = (90, user_scorer) if fit is fit_users else (70, item_scorer)
    noises, powers = (LOCAL_USER_NOISES, USER_POWERS) if fit is fit_users else (LOCAL_ITEM_NOISES, LOCAL_ITEM_POWERS)

    def quality(scores, rough=False):
        assert rough == (len(tried) < len(noises))
        tried.append(scores(np.arange(5)))
        return float(len(tried) in (best[0] + 1, len(noises) + best[1] + 1))  # a noise, then powers

    h, sample = unit_vectors(n), np.arange(0, n, 2)
    found = fit(graph, h, 0.0, quality, sample=sample)
    assert isinstance(found, LocalProcess) and len(tried) == len(noises) + len(powers)
    assert (found.noise, found.powers) == (noises[best[0]], powers[best[1]])
    assert (np.diff(found.weights.indptr) == n - 1).all()
    assert torch.equal(scorer(graph, found)(np.arange(5)), tried[len(noises) + best[1]])
