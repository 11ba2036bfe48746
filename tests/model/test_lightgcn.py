"""LightGCN and its initial embeddings against dense linear algebra; vectors without training."""

import numpy as np
import pytest
import torch
from conftest import params_with
from dense_graph import dense_operator, random_vectors

from movierec.model.fit import fit
from movierec.model.graph import Graph
from movierec.model.lightgcn import INITIAL_STD, LightGCN, fold_in, spectral_embeddings
from movierec.model.training import LightGCNTraining


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_a_vector_is_the_mean_of_its_layers_at_unit_length(random_interactions, graph_of, n_layers):
    train = random_interactions(10, 8)
    initial = random_vectors(train, 4)
    h_user, h_item = LightGCN(Graph(graph_of(train)), initial, n_layers)()
    operator, h = dense_operator(train), torch.cat(initial).numpy()
    mean = sum(np.linalg.matrix_power(operator, layer) @ h for layer in range(n_layers + 1)) / (n_layers + 1)
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(torch.cat([h_user, h_item]).detach(), unit, atol=1e-5)


def test_fold_in_of_the_training_history_gives_the_trained_vector(checkerboard, graph_of):
    train, missing = checkerboard
    params = params_with(embedding_dim=8, temperature=0.2, lr=0.01, batch_size=16, epochs=3, patience=3)
    model = fit(graph_of(train), missing, params).model
    folded = fold_in(model.user_embedding, model.item_messages, train)
    torch.testing.assert_close(folded, model.h_user, atol=1e-5, rtol=1e-5)


def test_fold_in_of_a_weighted_history_gives_the_vector_of_the_graph(random_interactions, graph_of):
    train = random_interactions(10, 8)
    train.data *= np.random.default_rng(0).uniform(0.5, 2, train.nnz).astype(np.float32)
    network = LightGCN(Graph(graph_of(train)), random_vectors(train, 4), 3)
    with torch.no_grad():
        folded = fold_in(network.user_embedding, network.item_messages(), train)
        torch.testing.assert_close(folded, network()[0], atol=1e-5, rtol=1e-5)


def test_with_more_users_batches_grow_and_steps_do_not(random_interactions, graph_of):
    """Each step propagates over the whole graph: steps that grew with the users would cost their square."""
    train, valid, steps = random_interactions(120, 30), random_interactions(120, 30, seed=1), []
    network = LightGCN(Graph(graph_of(train)), spectral_embeddings(train, 4, 1), 1)
    network.register_forward_hook(lambda *_: steps.append(torch.is_grad_enabled()))
    params = params_with(temperature=0.2, lr=0.001, batch_size=10, epochs=1, patience=1, epoch_steps=3)
    LightGCNTraining(network, train, valid, params).run()
    assert sum(steps) == 3


def test_the_initial_embeddings_are_the_leading_singular_vectors(random_interactions):
    train = random_interactions(60, 40)
    left, values, right = np.linalg.svd(dense_operator(train)[:60, 60:])
    embeddings = spectral_embeddings(train, 5, seed=1)
    for embedding, vectors in zip(embeddings, (left[:, :5], right[:5].T)):
        norms = np.linalg.norm(embedding, axis=0)
        np.testing.assert_allclose(np.abs((embedding.numpy() / norms).T @ vectors), np.eye(5), atol=0.02)
        np.testing.assert_allclose(norms**2 / norms[0] ** 2, values[:5] / values[0], rtol=1e-2)
    assert torch.cat(embeddings).std(correction=0).item() == pytest.approx(INITIAL_STD, rel=1e-5)


def test_random_columns_complete_the_initial_embeddings_of_a_small_matrix(random_interactions):
    user, item = spectral_embeddings(random_interactions(6, 4), 16, seed=1)
    assert user.shape == (6, 16) and item.shape == (4, 16) and torch.isfinite(torch.cat([user, item])).all()
    assert (torch.cat([user, item]).std(dim=0)[4:] > 0).all()
