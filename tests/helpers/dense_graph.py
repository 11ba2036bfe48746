"""The graph model's operations on dense matrices, as an oracle, and random vectors of its nodes."""

import numpy as np
import torch


def dense_operator(train):
    """D^-1/2 A D^-1/2 with A = [[0, R], [R^T, 0]], for R = train (n_users, n_items)."""
    n_users, n_items = train.shape
    adjacency = np.zeros((n_users + n_items,) * 2)
    adjacency[:n_users, n_users:] = train.toarray()
    adjacency[n_users:, :n_users] = train.toarray().T
    scale = np.diag(1 / np.sqrt(np.maximum(adjacency.sum(axis=1), 1)))
    return scale @ adjacency @ scale


def random_vectors(train, dim, seed=0):
    """Normal vectors of the users and the items of `train`."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(n, dim, generator=generator) for n in train.shape)
