"""What the tests share: no randomness of their own, and a small world of users and movies."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import settings

from movierec.graph import graph_arrays

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture
def random_interactions():
    """A maker of random (n_users, n_items) matrices of interactions."""

    def make(n_users, n_items, density=0.3, seed=0):
        dense = np.random.default_rng(seed).random((n_users, n_items)) < density
        return sp.csr_matrix(dense.astype(np.float32))

    return make


@pytest.fixture
def graph_of():
    """A maker of graph arrays without features."""

    def make(train):
        n_users, n_items = train.shape
        return graph_arrays(train, np.zeros((n_users, 2), np.int8), np.zeros((n_items, 0), np.int8))

    return make


@pytest.fixture
def checkerboard():
    """Even users like even items, odd users odd ones; each user misses one of theirs, which is to be found.

    Returns:
        train (n_users, n_items), missing (n_users, n_items).
    """
    n_users, n_items = 40, 20
    liked = (np.add.outer(np.arange(n_users), np.arange(n_items)) % 2 == 0).astype(np.float32)
    missing = np.zeros_like(liked)
    for user in range(n_users):
        missing[user, np.flatnonzero(liked[user])[user // 2 % 10]] = 1
    return sp.csr_matrix(liked - missing), sp.csr_matrix(missing)
