"""Interactions: their parts, their weights, and them as a matrix.

Users and items are known by their index from here on: 0 to n_users - 1 in the order of UserID, 0 to
n_items - 1 in the order of MovieID. A table of interactions has the columns `user` and `item` (int32
indices), `rating` (float32) and `timestamp` (int64, seconds), one row for each pair.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

# The strategies that follow time: what is recommended is what comes next, from all that came before.
TEMPORAL = ("user_temporal", "global_temporal", "leave_one_out")
INTERACTION_TYPES = {"user": "int32", "item": "int32", "rating": "float32", "timestamp": "int64"}


class Split(NamedTuple):
    """Train, validation and test, each in the order of the interactions; no pair in two of them."""

    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame


def rating_weights(ratings: np.ndarray, power: float, train_ratings: np.ndarray | None = None) -> np.ndarray:
    """How much each interaction counts, (n,) float32: (rating / mean rating of train) ^ power; without `train_ratings`, these are train's."""
    mean = (ratings if train_ratings is None else train_ratings).mean(dtype=np.float64)
    return (ratings / mean).astype(np.float32) ** np.float32(power)


def to_csr(interactions: pd.DataFrame, n_users: int, n_items: int, weight: np.ndarray | float = 1.0) -> sp.csr_matrix:
    """The interactions as a matrix: (n_users, n_items), float32, `weight` for each pair, items sorted in each row."""
    shape = (n_users, n_items)
    values = np.broadcast_to(np.asarray(weight, np.float32), len(interactions))
    matrix = sp.csr_matrix((values, (interactions["user"], interactions["item"])), shape=shape)
    matrix.sort_indices()
    return matrix


def users_of_items(train: sp.csr_matrix) -> np.ndarray:
    """How many users each item has: (n_users, n_items) to (n_items,) int64."""
    return np.bincount(train.indices, minlength=train.shape[1])
