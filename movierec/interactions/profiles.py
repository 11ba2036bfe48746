"""What a model gets of users for recommending, and matrices of their histories."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.interactions.histories import NEGLIGIBLE, Histories, decay
from movierec.interactions.matrix import TEMPORAL, rating_weights, to_csr
from movierec.utils.params import Params, knows_valid


def decayed(histories: Histories, n_items: int, half_life: float) -> sp.csr_matrix:
    """The histories as a matrix in which each item has decayed by its age: (n_users, n_items) float32, sorted rows."""
    values = decay(histories.ages, half_life)
    kept = np.flatnonzero(values >= NEGLIGIBLE)
    indptr, items = np.searchsorted(kept, histories.indptr), histories.items[kept].astype(np.int64)
    matrix = sp.csr_matrix((values[kept], items, indptr), shape=(histories.n_users, n_items))
    matrix.sort_indices()
    return matrix


def recent_popularity(histories: Histories, n_items: int, half_life: float) -> np.ndarray:
    """Interactions per item, each decayed by its age in its user's history: (n_items,) float32."""
    return np.bincount(histories.items, decay(histories.ages, half_life), minlength=n_items).astype(np.float32)


def last_items(histories: Histories, n_items: int) -> sp.csr_matrix:
    """1 at each user's last item: (n_users, n_items) float32."""
    users = np.flatnonzero(histories.lengths)
    items = histories.items[histories.indptr[users + 1] - 1]
    return sp.csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=(histories.n_users, n_items))


def transitions(histories: Histories, n_items: int, half_life: float, reach: int) -> sp.csr_matrix:
    """How often one item follows another, weighted by their distance: (n_items, n_items) float32.

        C_ij = sum over users and places s < t of 2^(-(t - s - 1) / half_life) [item s is i, item t is j]

    Args:
        histories: of all users.
        n_items: size of the catalogue.
        half_life: in items.
        reach: pairs further apart are left out, as are those with a weight below 1e-3.
    """
    reach = max(1, min(reach, int(np.ceil(half_life * 10))))
    users, items = histories.users, histories.items.astype(np.int64)
    counts = sp.csr_matrix((n_items, n_items), dtype=np.float32)
    for apart in range(1, reach + 1):
        pair = np.flatnonzero(users[apart:] == users[:-apart])
        weight = np.full(len(pair), decay(np.array(apart - 1), half_life))
        counts += sp.csr_matrix((weight, (items[pair], items[pair + apart])), shape=(n_items, n_items))
    counts.sort_indices()
    return counts


class Profiles(NamedTuple):
    """The histories and features of some users, as a model gets them for recommending."""

    matrix: sp.csr_matrix  # (n, n_items) float32, interaction weights
    histories: Histories  # the same interactions in the order of time
    users: np.ndarray  # (n,) int64, their indices in training; -1 for a new user
    gender: np.ndarray | None = None  # (n, 2) female and male; None: as in training

    @classmethod
    def from_interactions(
        cls, n_users: int, n_items: int, parts: list[pd.DataFrame], rating_power: float
    ) -> "Profiles":
        """Of every user, from train and the parts of the split after it; see `Histories.from_interactions`."""
        rows = pd.concat(parts)
        weight = rating_weights(rows["rating"].to_numpy(), rating_power, parts[0]["rating"].to_numpy())
        histories = Histories.from_interactions(n_users, *parts)
        return cls(to_csr(rows, n_users, n_items, weight), histories, np.arange(n_users))

    @classmethod
    def without_order(
        cls, matrix: sp.csr_matrix, users: np.ndarray | None = None, gender: np.ndarray | None = None
    ) -> "Profiles":
        """Where interactions have no order in time: histories are in the order of items. `users`: None for all."""
        users = np.arange(matrix.shape[0]) if users is None else users
        histories = Histories(matrix.indptr.astype(np.int64), matrix.indices, np.zeros(matrix.nnz, np.int64))
        return cls(matrix, histories, users, gender)

    def of(self, rows: np.ndarray) -> "Profiles":
        """The profiles of these rows, in this order."""
        gender = None if self.gender is None else self.gender[rows]
        return Profiles(self.matrix[rows], self.histories.of(rows), self.users[rows], gender)


def profiles_at(known: dict[str, list[pd.DataFrame]], shape: tuple[int, int], params: Params) -> dict[str, Profiles]:
    """The profiles of every user by moment, at the moments that need them: others are known by the graph of train.

    They are needed where the split follows time, or where the model knows validation at test. With one cut in time, all
    users are asked at the cut.

    Args:
        known: by moment, the interactions of train and of the parts after it that are known then.
        shape: n_users and n_items.
        params: history, rating_power and split_strategy.
    """
    needed = known if params.split_strategy in TEMPORAL else ["after_valid"] * knows_valid(params)
    profiles = {at: Profiles.from_interactions(*shape, known[at], params.rating_power) for at in needed}
    if params.split_strategy == "global_temporal":
        cuts = {at: max(part["timestamp"].max() for part in known[at]) for at in profiles}
        return {at: of._replace(histories=of.histories.asked_at(cuts[at])) for at, of in profiles.items()}
    return profiles
