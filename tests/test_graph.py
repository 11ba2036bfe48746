"""The graph's arrays, and propagation against a dense matrix."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from movierec.edges import stored_graph, train_matrix
from movierec.features import gender_features, genre_features
from movierec.graph import Graph
from movierec.lightgcn import LightGCN, spectral_start, vectors_from_features
from movierec.storage import read_arrays, write_arrays


def dense_operator(train):
    """D^-1/2 A D^-1/2 with A = [[0, R], [R^T, 0]], the plain way."""
    n_users, n_items = train.shape
    adjacency = np.zeros((n_users + n_items,) * 2)
    adjacency[:n_users, n_users:] = train.toarray()
    adjacency[n_users:, :n_users] = train.toarray().T
    scale = np.diag(1 / np.sqrt(np.maximum(adjacency.sum(axis=1), 1)))
    return scale @ adjacency @ scale


def with_lonely_nodes(train):
    train = train.tolil()
    train[3, :] = 0
    train[:, 2] = 0
    return train.tocsr()


def test_edges_stand_in_both_directions(graph_of):
    arrays = graph_of(sp.csr_matrix(np.array([[1, 0, 1], [0, 0, 1]], np.float32)))
    edges = sorted(zip(arrays.source.tolist(), arrays.target.tolist()))
    assert edges == [(0, 2), (0, 4), (1, 4), (2, 0), (4, 0), (4, 1)]
    assert arrays.degree.tolist() == [2, 1, 1, 0, 2]


def nodes(train, dim, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(n, dim, generator=generator) for n in train.shape)


BACKENDS = pytest.mark.parametrize("use_dgl", [True, False], ids=["dgl", "torch"])


@BACKENDS
def test_propagation_is_the_dense_product(random_interactions, graph_of, use_dgl):
    train = with_lonely_nodes(random_interactions(12, 9))
    h = nodes(train, 5)
    h_user, h_item = Graph(graph_of(train), use_dgl=use_dgl).propagate(*h)
    np.testing.assert_allclose(torch.cat([h_user, h_item]), dense_operator(train) @ torch.cat(h).numpy(), atol=1e-6)
    assert not h_user[3].any() and not h_item[2].any(), "a node without edges gets no message"


@BACKENDS
def test_the_gradient_of_propagation_is_the_dense_product_too(random_interactions, graph_of, use_dgl):
    train = random_interactions(6, 5)
    h_user, h_item = (h.requires_grad_() for h in nodes(train, 3))
    weight = nodes(train, 3, seed=1)
    out = Graph(graph_of(train), use_dgl=use_dgl).propagate(h_user, h_item)
    sum((o * w).sum() for o, w in zip(out, weight)).backward()
    expected = dense_operator(train).T @ torch.cat(weight).numpy()
    np.testing.assert_allclose(torch.cat([h_user.grad, h_item.grad]), expected, atol=1e-6)


@BACKENDS
def test_plain_sums(random_interactions, graph_of, use_dgl):
    train = with_lonely_nodes(random_interactions(12, 9))
    h_user, h_item = nodes(train, 4)
    graph, matrix = Graph(graph_of(train), use_dgl=use_dgl), train.toarray()
    np.testing.assert_allclose(graph.to_users(h_item), matrix @ h_item.numpy(), atol=1e-5)
    np.testing.assert_allclose(graph.to_items(h_user), matrix.T @ h_user.numpy(), atol=1e-5)
    some = np.array([7, 3, 0])
    np.testing.assert_allclose(graph.to_some_users(h_item, some), matrix[some] @ h_item.numpy(), atol=1e-5)


def test_the_model_is_the_mean_of_its_layers_scaled_to_unit_length(random_interactions, graph_of):
    train = random_interactions(10, 8)
    start = nodes(train, 4)
    h_user, h_item = LightGCN(Graph(graph_of(train)), start, n_layers=3)()
    operator, h = dense_operator(train), torch.cat(start).numpy()
    mean = (h + operator @ h + operator @ operator @ h + operator @ operator @ operator @ h) / 4
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(torch.cat([h_user, h_item]).detach(), unit, atol=1e-5)


def test_arrays_survive_the_disk_and_give_the_same_bytes(tmp_path, random_interactions, graph_of):
    train = random_interactions(7, 6)
    arrays = graph_of(train)
    for name in ("a.npz", "b.npz"):
        write_arrays(tmp_path / name, **arrays._asdict())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = stored_graph(read_arrays(tmp_path / "a.npz"))
    assert (again.n_users, again.n_items) == (7, 6)
    assert (train_matrix(again) != train).nnz == 0


def test_the_spectral_start_spans_the_leading_singular_vectors(random_interactions):
    train = random_interactions(60, 40)
    operator = dense_operator(train)[:60, 60:]
    left, values, right = np.linalg.svd(operator)
    for start, vectors in zip(spectral_start(train, 5, seed=1), (left[:, :5], right[:5].T)):
        unit = start.numpy() / np.linalg.norm(start, axis=0)
        np.testing.assert_allclose(np.abs(unit.T @ vectors), np.eye(5), atol=0.02)
        norms = np.linalg.norm(start, axis=0)
        np.testing.assert_allclose(norms**2 / norms[0] ** 2, values[:5] / values[0], rtol=1e-2)


def test_the_spectral_start_fills_up_where_the_matrix_is_small(random_interactions):
    user, item = spectral_start(random_interactions(6, 4), 16, seed=1)
    assert user.shape == (6, 16) and item.shape == (4, 16) and torch.isfinite(torch.cat([user, item])).all()


def test_features():
    users = pd.DataFrame({"UserID": [1, 2, 3], "Gender": ["F", "unknown", "M"]})
    assert gender_features(users, np.array([1, 2, 3])).tolist() == [[1, 0], [0, 0], [0, 1]]
    movies = pd.DataFrame({"MovieID": [5, 6, 7], "Genres": ["B|A", "", "C"]})
    features, names = genre_features(movies, np.array([5, 6]))
    assert names == ["A", "B", "C"] and features.tolist() == [[1, 1, 0], [0, 0, 0]]


def test_weights_ride_on_the_edges_in_both_directions(graph_of):
    train = sp.csr_matrix(np.array([[2, 0, 0.5], [0, 0, 3]], np.float32))
    graph = Graph(graph_of(train))
    h_user, h_item = nodes(train, 4)
    np.testing.assert_allclose(graph.to_users(h_item), train.toarray() @ h_item.numpy(), atol=1e-6)
    np.testing.assert_allclose(graph.to_items(h_user), train.toarray().T @ h_user.numpy(), atol=1e-6)
    assert train_matrix(graph_of(train)).toarray().tolist() == [[1, 0, 1], [0, 0, 1]]


def test_newcomers_known_by_their_features_alone_get_vectors():
    h = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0]]))
    features = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]])
    first, second, both, unknown = vectors_from_features(h, features, np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]]))
    torch.testing.assert_close(first, torch.nn.functional.normalize(h[:2].mean(dim=0), dim=0))
    torch.testing.assert_close(second, h[2])
    assert both @ first > 0.7 and both @ second > 0.6
    torch.testing.assert_close(unknown, torch.nn.functional.normalize(h.mean(dim=0), dim=0))
