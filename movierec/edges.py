"""The bipartite user-item graph as plain arrays, as they lie on disk: what makes them, and reads them, needs neither torch nor DGL.

Users and items share one numbering there: node u is user u, node n_users + i is item i. Nobody else sees it.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp


class GraphArrays(NamedTuple):
    """The graph as plain arrays, as they lie on disk. Edges stand in both directions.

    DGL's own file format gives other bytes at each save; arrays give the same, and the DGL graph is
    made of them in milliseconds.
    """

    source: np.ndarray  # (n_edges,) int32, node that a message leaves; edges sorted by target, then source
    target: np.ndarray  # (n_edges,) int32, node that it reaches
    weight: np.ndarray  # (n_edges,) float32, 1 for all unless ratings count
    degree: np.ndarray  # (n_users + n_items,) int32
    n_users: int
    n_items: int
    user_gender: np.ndarray  # (n_users, 2) int8: female, male; both 0 where unknown
    item_genres: np.ndarray  # (n_items, n_genres) int8


def graph_arrays(train: sp.csr_matrix, user_gender: np.ndarray, item_genres: np.ndarray) -> GraphArrays:
    """The graph of the training interactions.

    Args:
        train: (n_users, n_items), an entry for each interaction, its weight.
        user_gender: (n_users, 2) int8.
        item_genres: (n_items, n_genres) int8.
    """
    n_users, n_items = train.shape
    by_item = train.tocsc()
    by_item.sort_indices()
    user_degree, item_degree = np.diff(train.indptr), np.diff(by_item.indptr)
    source = np.concatenate([train.indices + n_users, by_item.indices])
    target = np.concatenate([np.repeat(np.arange(n_users), user_degree), n_users + np.repeat(np.arange(n_items), item_degree)])
    return GraphArrays(
        source.astype(np.int32),
        target.astype(np.int32),
        np.concatenate([train.data, by_item.data]).astype(np.float32),
        np.concatenate([user_degree, item_degree]).astype(np.int32),
        n_users,
        n_items,
        user_gender,
        item_genres,
    )


def stored_graph(stored: dict[str, np.ndarray]) -> GraphArrays:
    """The graph from its fields as they lie in a file."""
    fields = {name: stored[name] for name in GraphArrays._fields}
    return GraphArrays(**fields | {"n_users": int(stored["n_users"]), "n_items": int(stored["n_items"])})


def train_matrix(arrays: GraphArrays) -> sp.csr_matrix:
    """The interactions that the graph was made of: (n_users, n_items) float32, 1 for each, whatever its weight."""
    weighted = weighted_matrix(arrays)
    return sp.csr_matrix((np.ones_like(weighted.data), weighted.indices, weighted.indptr), shape=weighted.shape)


def weighted_matrix(arrays: GraphArrays) -> sp.csr_matrix:
    """The same with the edges' weights."""
    to_user = arrays.target < arrays.n_users
    indptr = np.concatenate([[0], np.cumsum(arrays.degree[: arrays.n_users])])
    items = arrays.source[to_user] - arrays.n_users
    return sp.csr_matrix((arrays.weight[to_user], items, indptr), shape=(arrays.n_users, arrays.n_items))
