"""Message passing against dense matrices, with DGL and without."""

import numpy as np
import pytest
import torch
from dense_graph import dense_operator, random_vectors

from movierec.model.graph import MAX_VALUES, Graph, dgl, dgl_sum, inverse_root_degree, torch_sum, weighted_sum


@pytest.fixture(params=["dgl", "torch"])
def backend(request, monkeypatch):
    """Sums by DGL, and by torch where there is no DGL."""
    if request.param == "torch":
        monkeypatch.setattr("movierec.model.graph.dgl", None)


@pytest.fixture
def train(random_interactions):
    """Random interactions, with a user and an item that have none."""
    train = random_interactions(12, 9).tolil()
    train[3, :] = 0
    train[:, 2] = 0
    return train.tocsr()


@pytest.mark.usefixtures("backend")
def test_propagation_is_the_dense_product(train, graph_of):
    h = random_vectors(train, 5)
    h_user, h_item = Graph(graph_of(train)).propagate(*h)
    np.testing.assert_allclose(torch.cat([h_user, h_item]), dense_operator(train) @ torch.cat(h).numpy(), atol=1e-6)
    assert not h_user[3].any() and not h_item[2].any(), "isolated nodes get no message"


@pytest.mark.usefixtures("backend")
def test_the_gradient_of_propagation_is_the_dense_product(random_interactions, graph_of):
    train = random_interactions(6, 5)
    h_user, h_item = (h.requires_grad_() for h in random_vectors(train, 3))
    weight = random_vectors(train, 3, seed=1)
    out = Graph(graph_of(train)).propagate(h_user, h_item)
    sum((o * w).sum() for o, w in zip(out, weight)).backward()
    expected = dense_operator(train).T @ torch.cat(weight).numpy()
    np.testing.assert_allclose(torch.cat([h_user.grad, h_item.grad]), expected, atol=1e-6)


@pytest.mark.parametrize("values", [[1.0], [0.5, 2.0, 3.0], np.linspace(0.5, 2, 2 * MAX_VALUES)], ids=len)
@pytest.mark.usefixtures("backend")
def test_sums_of_messages_are_weighted(train, graph_of, values):
    train.data = np.resize(values, train.nnz).astype(np.float32)
    h_user, h_item = random_vectors(train, 4)
    graph, matrix, some = Graph(graph_of(train)), train.toarray(), np.array([7, 3, 0])
    np.testing.assert_allclose(graph.to_users(h_item), matrix @ h_item.numpy(), atol=1e-5)
    np.testing.assert_allclose(graph.to_items(h_user), matrix.T @ h_user.numpy(), atol=1e-5)
    np.testing.assert_allclose(graph.to_some_users(h_item, some), matrix[some] @ h_item.numpy(), atol=1e-5)
    np.testing.assert_allclose(weighted_sum(train)(h_item), matrix @ h_item.numpy(), atol=1e-5)


@pytest.mark.skipif(dgl is None, reason="needs DGL")
def test_a_table_larger_than_the_caches_is_summed_too(random_interactions):
    """There, DGL looks at the numbers of the edges, which the sum does not need."""
    rows, h = random_interactions(30, 4000, density=0.05), torch.rand(4000, 4000)  # 64 MB
    assert torch.equal(dgl_sum(rows)(h), torch_sum(rows)(h))


@pytest.mark.parametrize("dim", [1, 16, 17, 64, 100])
def test_without_dgl_the_sums_have_the_same_bits(random_interactions, graph_of, dim, monkeypatch):
    train = random_interactions(300, 200, density=0.3)
    train.data = np.resize(np.float32([0.8, 1, 1.25]), train.nnz)
    h_user, h_item = random_vectors(train, dim)

    def sums():
        graph = Graph(graph_of(train))
        return graph.to_users(h_item), graph.to_items(h_user)

    by_dgl = sums()
    monkeypatch.setattr("movierec.model.graph.dgl", None)
    for of_dgl, of_torch in zip(by_dgl, sums(), strict=True):
        assert torch.equal(of_dgl, of_torch)


def test_items_send_their_vectors_by_the_root_of_their_degree(train, graph_of):
    _, h_item = random_vectors(train, 4)
    degree = np.maximum(train.toarray().sum(axis=0), 1)
    messages = Graph(graph_of(train)).from_items(h_item)
    connected = np.delete(np.arange(9), 2)
    np.testing.assert_allclose(messages[connected], (h_item.numpy() / np.sqrt(degree)[:, None])[connected], rtol=1e-5)
    assert inverse_root_degree(train, axis=0).shape == (9, 1)
    assert torch.isfinite(inverse_root_degree(train, axis=1)).all(), "isolated nodes too"
