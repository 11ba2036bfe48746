"""From ratings to interactions: id maps, implicit positives, and the split strategies.

Users and items are known by their index from here on: 0 to n_users - 1 in the order of UserID, 0 to
n_items - 1 in the order of MovieID. A table of interactions has the columns `user` and `item` (int32
indices), `rating` (float32) and `timestamp` (int64, seconds), one row for each pair.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.errors import UserError


class Split(NamedTuple):
    """Train, validation and test, each sorted by user and item; no pair in two of them."""

    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame


def positives(ratings: pd.DataFrame, min_rating: float, k_core: int) -> pd.DataFrame:
    """The ratings that count as liked.

    Args:
        ratings: UserID, MovieID, Rating, Timestamp.
        min_rating: ratings of at least this stay.
        k_core: then users and movies with fewer interactions are dropped, again and again, until
            each that is left has at least this many.

    Raises:
        UserError: nothing is left.
    """
    kept = ratings[ratings["Rating"] >= min_rating]
    while len(kept):
        few = (kept.groupby("UserID")["UserID"].transform("size") < k_core) | (
            kept.groupby("MovieID")["MovieID"].transform("size") < k_core
        )
        if not few.any():
            break
        kept = kept[~few]
    if not len(kept):
        raise UserError(
            f"no rating is left with min_rating {min_rating:g} and k_core {k_core} (of {len(ratings):,}); lower them in params.yaml."
        )
    return kept


def index_interactions(ratings: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Number users and items from 0.

    Returns:
        The interactions, sorted by user and item, so that the rows' order in the file plays no part;
        the UserID of each user index; the MovieID of each item index.
    """
    user_ids, user = np.unique(ratings["UserID"].to_numpy(), return_inverse=True)
    item_ids, item = np.unique(ratings["MovieID"].to_numpy(), return_inverse=True)
    interactions = pd.DataFrame({
        "user": user.astype(np.int32), "item": item.astype(np.int32),
        "rating": ratings["Rating"].to_numpy(), "timestamp": ratings["Timestamp"].to_numpy(),
    })  # fmt: skip
    return interactions.sort_values(["user", "item"], ignore_index=True), user_ids, item_ids


def split(interactions: pd.DataFrame, strategy: str, valid_fraction: float, test_fraction: float, seed: int) -> Split:
    """Divide interactions into train, validation and test.

    Args:
        interactions: sorted by user and item.
        strategy: `random`, of each user's interactions a random share; `user_temporal`, each user's
            latest are test, those before them validation; `global_temporal`, the same with one cut in
            time for all users (interactions of the same second stay together, on the earlier side).
        valid_fraction: share for validation. Per user it is rounded down, and a user keeps at least
            one interaction in train.
        test_fraction: share for test, rounded in the same way.
        seed: for `random`.

    Raises:
        UserError: a part would be empty.
    """
    user = interactions["user"].to_numpy()
    time = interactions["timestamp"].to_numpy()
    if strategy == "global_temporal":
        in_order = np.sort(time)
        n = len(time)
        n_train = max(int(n * (1 - valid_fraction - test_fraction) + 1e-9), 1)
        n_known = max(int(n * (1 - test_fraction) + 1e-9), n_train)
        part = (time > in_order[n_train - 1]).astype(int) + (time > in_order[n_known - 1])
    else:
        if strategy == "random":
            key = np.random.default_rng(seed).random(len(user))
        else:
            key = time
        # Stable: of equal times, the higher MovieID counts as the later one.
        order = np.lexsort((key, user))
        degree = np.bincount(user)
        place = np.empty(len(user), dtype=np.int64)  # 0 for a user's earliest
        place[order] = np.arange(len(user)) - np.repeat(np.cumsum(degree) - degree, degree)
        n_test = np.minimum((degree * test_fraction + 1e-9).astype(int), degree - 1)
        n_valid = np.minimum((degree * valid_fraction + 1e-9).astype(int), degree - 1 - n_test)
        from_end = degree[user] - 1 - place
        part = (from_end < (n_valid + n_test)[user]).astype(int) + (from_end < n_test[user])
    parts = [interactions[part == p].reset_index(drop=True) for p in range(3)]
    for name, rows in zip(Split._fields, parts):
        if not len(rows):
            raise UserError(
                f"{strategy} with valid_fraction {valid_fraction:g} and test_fraction {test_fraction:g} leaves no interaction "
                f"in {name}, out of {len(interactions):,}; change the fractions in params.yaml, or use more data."
            )
    return Split(*parts)


def cold(parts: Split) -> pd.DataFrame:
    """The users and items of validation and test that train does not know: columns `kind` and `index`."""
    rows = []
    for kind in ("user", "item"):
        later = np.union1d(parts.valid[kind], parts.test[kind])
        unknown = np.setdiff1d(later, parts.train[kind].unique())
        rows.append(pd.DataFrame({"kind": pd.Series(kind, index=range(len(unknown)), dtype="str"), "index": unknown.astype(np.int32)}))
    return pd.concat(rows, ignore_index=True)


def rating_weights(ratings: np.ndarray, power: float) -> np.ndarray:
    """How much each interaction counts, (n,) float32: (rating / mean rating) ^ power."""
    return (ratings / ratings.mean(dtype=np.float64)).astype(np.float32) ** np.float32(power)


def to_csr(interactions: pd.DataFrame, n_users: int, n_items: int, weight: np.ndarray | float = 1.0) -> sp.csr_matrix:
    """The interactions as a matrix: (n_users, n_items), float32, `weight` for each pair, items sorted in each row."""
    shape = (n_users, n_items)
    values = np.broadcast_to(np.asarray(weight, np.float32), len(interactions))
    matrix = sp.csr_matrix((values, (interactions["user"], interactions["item"])), shape=shape)
    matrix.sort_indices()
    return matrix
