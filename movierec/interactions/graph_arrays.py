"""The bipartite user-item graph as plain arrays, as it is stored; needs neither torch nor DGL.

Node u is user u, node n_users + i is item i. This numbering is internal to the arrays.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp


class GraphArrays(NamedTuple):
    """The graph, with every edge in both directions.

    DGL's own file format gives other bytes at each save; arrays give the same, and become a DGLGraph in milliseconds.
    """

    source: np.ndarray  # (n_edges,) int32; edges are sorted by target, then source
    target: np.ndarray  # (n_edges,) int32
    weight: np.ndarray  # (n_edges,) float32
    degree: np.ndarray  # (n_users + n_items,) int32
    n_users: int
    n_items: int
    user_gender: np.ndarray  # (n_users, 2) int8: female, male; both 0 where unknown
    item_genres: np.ndarray  # (n_items, n_genres) int8

    @classmethod
    def from_stored(cls, stored: dict[str, np.ndarray]) -> "GraphArrays":
        """From the fields of an npz file."""
        fields: dict[str, Any] = {name: stored[name] for name in cls._fields}
        return cls(**fields | {"n_users": int(stored["n_users"]), "n_items": int(stored["n_items"])})

    def matrix(self) -> sp.csr_matrix:
        """The interaction weights: (n_users, n_items) float32."""
        to_user = self.target < self.n_users
        indptr = np.concatenate([[0], np.cumsum(self.degree[: self.n_users])])
        items = self.source[to_user] - self.n_users
        return sp.csr_matrix((self.weight[to_user], items, indptr), shape=(self.n_users, self.n_items))

    def binary_matrix(self) -> sp.csr_matrix:
        """1 for each interaction, whatever its weight: (n_users, n_items) float32."""
        weighted = self.matrix()
        return sp.csr_matrix((np.ones_like(weighted.data), weighted.indices, weighted.indptr), shape=weighted.shape)


def graph_arrays(train: sp.csr_matrix, user_gender: np.ndarray, item_genres: np.ndarray) -> GraphArrays:
    """The graph of the training interactions, (n_users, n_items) weights, and of the features; see `GraphArrays`."""
    n_users, n_items = train.shape
    by_item = train.tocsc()
    by_item.sort_indices()
    user_degree, item_degree = np.diff(train.indptr), np.diff(by_item.indptr)
    to_users, to_items = np.repeat(np.arange(n_users), user_degree), np.repeat(np.arange(n_items), item_degree)
    source = np.concatenate([train.indices + n_users, by_item.indices]).astype(np.int32)
    target = np.concatenate([to_users, n_users + to_items]).astype(np.int32)
    weight = np.concatenate([train.data, by_item.data]).astype(np.float32)
    degree = np.concatenate([user_degree, item_degree]).astype(np.int32)
    edges = {"source": source, "target": target, "weight": weight, "degree": degree}
    features = {"user_gender": user_gender, "item_genres": item_genres}
    return GraphArrays(**edges, n_users=n_users, n_items=n_items, **features)
