"""Interactions as tables and as sparse matrices.

Users and items are known by index: 0 to n_users - 1 in the order of UserID, 0 to n_items - 1 in the order of MovieID. A
table of interactions has the columns `user` and `item` (int32 indices), `rating` (float32) and `timestamp` (int64,
seconds), one row per pair.
"""

import hashlib
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

TEMPORAL = ("user_temporal", "global_temporal", "leave_one_out")  # split strategies by time: predict what comes next
CSR = ("data", "indices", "indptr")  # the arrays of a sparse matrix
INTERACTION_TYPES = {"user": "int32", "item": "int32", "rating": "float32", "timestamp": "int64"}


class Split(NamedTuple):
    """Disjoint sets of interactions, as tables or as matrices (n_users, n_items)."""

    train: Any
    valid: Any
    test: Any


def rating_weights(ratings: np.ndarray, power: float, train_ratings: np.ndarray | None = None) -> np.ndarray:
    """Interaction weights, (rating / mean rating) ^ power: (n,) to (n,) float32; the mean may be of `train_ratings`."""
    mean = (ratings if train_ratings is None else train_ratings).mean(dtype=np.float64)
    return (ratings / mean).astype(np.float32) ** np.float32(power)


def to_csr(interactions: pd.DataFrame, n_users: int, n_items: int, weight: np.ndarray | float = 1.0) -> sp.csr_matrix:
    """The interactions as a matrix with sorted rows: (n_users, n_items) float32, `weight` at each pair."""
    values = np.broadcast_to(np.asarray(weight, np.float32), len(interactions))
    matrix = sp.csr_matrix((values, (interactions["user"], interactions["item"])), shape=(n_users, n_items))
    matrix.sort_indices()
    return matrix


def run_id(user_ids: np.ndarray, item_ids: np.ndarray, train: sp.csr_matrix) -> str:
    """A hash of the ids and the training interactions, by which files of different runs are told apart.

    Args:
        user_ids: (n_users,) UserID by user index.
        item_ids: (n_items,) MovieID by item index.
        train: (n_users, n_items), with sorted rows; its values do not count.
    """
    arrays = (user_ids, item_ids, train.indptr, train.indices)
    return hashlib.sha256(b"".join(np.ascontiguousarray(of, "<i8").tobytes() for of in arrays)).hexdigest()[:32]


def item_degrees(matrix: sp.csr_matrix) -> np.ndarray:
    """The number of users of each item: (n_users, n_items) to (n_items,) int64."""
    return np.bincount(matrix.indices, minlength=matrix.shape[1])
