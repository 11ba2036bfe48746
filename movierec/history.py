"""What each user has watched, in order: histories, and how they fade.

A history is a time-ordered view of interactions: whoever recommends looks back from the moment of
recommending, and the movie of `age` 0 is the last one before it.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.interactions import rating_weights, to_csr

NEGLIGIBLE = 2.0**-24  # what has faded to less than the precision of float32 is left out


class History(NamedTuple):
    """Each user's items, the oldest first."""

    indptr: np.ndarray  # (n_users + 1,) int64: user u has items[indptr[u] : indptr[u + 1]]
    items: np.ndarray  # (n,) int32

    @property
    def n_users(self) -> int:
        return len(self.indptr) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(n_users,) int64."""
        return np.diff(self.indptr)

    @property
    def users(self) -> np.ndarray:
        """The user of each item: (n,) int64."""
        return np.repeat(np.arange(self.n_users), self.lengths)

    @property
    def ages(self) -> np.ndarray:
        """How many movies ago, (n,) int64: 0 for a user's last."""
        return np.repeat(self.indptr[1:], self.lengths) - 1 - np.arange(len(self.items))

    def of(self, users: np.ndarray) -> "History":
        """The histories of some users, in the order given."""
        lengths = self.lengths[users]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        at = np.repeat(self.indptr[users] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return History(indptr, self.items[at])


def history(n_users: int, *parts: pd.DataFrame) -> History:
    """The histories that interactions make.

    Args:
        n_users: users without any interaction have an empty history.
        parts: columns `user` and `item`; each user's rows in the order of time, a later part's after an
            earlier one's.
    """
    user = np.concatenate([part["user"].to_numpy() for part in parts])
    item = np.concatenate([part["item"].to_numpy() for part in parts])
    order = np.argsort(user, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=n_users))])
    return History(indptr.astype(np.int64), item[order].astype(np.int32))


def fading(ages: np.ndarray, half_life: float) -> np.ndarray:
    """What an interaction of some age still counts, float32: 2^(-age / half_life), half as much after each `half_life` movies."""
    return np.exp2(-ages / half_life).astype(np.float32)


def decayed(known: History, n_items: int, half_life: float) -> sp.csr_matrix:
    """The histories as a matrix, each item fading with its age: (n_users, n_items) float32, items sorted in each row."""
    values = fading(known.ages, half_life)
    there = np.flatnonzero(values >= NEGLIGIBLE)
    indptr = np.searchsorted(there, known.indptr)
    matrix = sp.csr_matrix((values[there], known.items[there].astype(np.int64), indptr), shape=(known.n_users, n_items))
    matrix.sort_indices()
    return matrix


def last_items(known: History, n_items: int) -> sp.csr_matrix:
    """1 at each user's last item: (n_users, n_items) float32."""
    users = np.flatnonzero(known.lengths)
    items = known.items[known.indptr[users + 1] - 1]
    return sp.csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=(known.n_users, n_items))


def transitions(known: History, n_items: int, half_life: float, reach: int) -> sp.csr_matrix:
    """How often one item comes after another, the nearer the more: (n_items, n_items) float32.

        C_ij = sum over users and places s < t of 2^(-(t - s - 1) / half_life) [item s is i, item t is j]

    Args:
        known: the histories.
        n_items: of the catalogue.
        half_life: in movies; tiny for the plain count of 'j right after i'.
        reach: pairs further apart than this are left out, as are those that count less than 1e-3.
    """
    reach = max(1, min(reach, int(np.ceil(half_life * 10))))
    users, items = known.users, known.items.astype(np.int64)
    counts = sp.csr_matrix((n_items, n_items), dtype=np.float32)
    for apart in range(1, reach + 1):
        pair = np.flatnonzero(users[apart:] == users[:-apart])
        weight = np.full(len(pair), fading(np.array(apart - 1), half_life))
        counts += sp.csr_matrix((weight, (items[pair], items[pair + apart])), shape=(n_items, n_items))
    counts.sort_indices()
    return counts


class Known(NamedTuple):
    """What is known of some users at the moment of recommending."""

    matrix: sp.csr_matrix  # (n, n_items) float32, the weight of each interaction
    history: History  # the same in time
    users: np.ndarray  # (n,), who they are in training; -1 for someone new
    gender: np.ndarray | None = None  # (n, 2) female and male; None: as in training

    def without(self, row: int, places: np.ndarray) -> "Known":
        """One of them again and again, each time without the movie at one place of the history."""
        items = self.history.of(np.array([row])).items
        kept = np.arange(len(items)) != places[:, None]  # (n_places, n)
        indptr = np.arange(len(places) + 1) * (len(items) - 1)
        fewer = np.broadcast_to(items, kept.shape)[kept]
        weight = self.matrix[row].toarray().ravel()[fewer]
        matrix = sp.csr_matrix((weight, fewer.astype(np.int64), indptr), shape=(len(places), self.matrix.shape[1]))
        matrix.sort_indices()
        gender = None if self.gender is None else np.repeat(self.gender[[row]], len(places), axis=0)
        return Known(matrix, History(indptr, fewer), np.full(len(places), self.users[row]), gender)


def known_by(n_users: int, n_items: int, parts: list[pd.DataFrame], rating_power: float) -> Known:
    """What these interactions tell of every user.

    Args:
        n_users: users without any interaction have an empty history.
        n_items: of the catalogue.
        parts: train, and what came after it; see `history`.
        rating_power: see `rating_weights`.
    """
    rows = pd.concat(parts)
    weight = rating_weights(rows["rating"].to_numpy(), rating_power, parts[0]["rating"].to_numpy())
    return Known(to_csr(rows, n_users, n_items, weight), history(n_users, *parts), np.arange(n_users))


def known_without_order(matrix: sp.csr_matrix, users: np.ndarray | None = None, gender: np.ndarray | None = None) -> Known:
    """The same where interactions have no order in time: histories are in the order of items.

    Args:
        matrix: (n, n_items) float32, the weight of each interaction.
        users: see `Known`; None for everyone that training knows.
        gender: see `Known`.
    """
    users = np.arange(matrix.shape[0]) if users is None else users
    return Known(matrix, History(matrix.indptr.astype(np.int64), matrix.indices), users, gender)
