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

# The strategies that follow time: what is recommended is what comes next, from all that came before.
TEMPORAL = ("user_temporal", "global_temporal", "leave_one_out")


class Split(NamedTuple):
    """Train, validation and test, each in the order of the interactions; no pair in two of them."""

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


def index_interactions(ratings: pd.DataFrame, in_time: bool = False) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Number users and items from 0.

    Args:
        ratings: UserID, MovieID, Rating, Timestamp.
        in_time: whether the interactions' order in time counts.

    Returns:
        The interactions; the UserID of each user index; the MovieID of each item index. Interactions are
        sorted by user and item, so that the rows' order in the file plays no part; or, `in_time`, by
        user and time, where rows of the same second keep the file's order (nearly half of
        MovieLens 1M's ratings are of the same second as their user's last).
    """
    user_ids, user = np.unique(ratings["UserID"].to_numpy(), return_inverse=True)
    item_ids, item = np.unique(ratings["MovieID"].to_numpy(), return_inverse=True)
    interactions = pd.DataFrame({
        "user": user.astype(np.int32), "item": item.astype(np.int32),
        "rating": ratings["Rating"].to_numpy(), "timestamp": ratings["Timestamp"].to_numpy(),
    })  # fmt: skip
    by = ["user", "timestamp"] if in_time else ["user", "item"]
    return interactions.sort_values(by, ignore_index=True, kind="stable"), user_ids, item_ids


def split(interactions: pd.DataFrame, strategy: str, valid_fraction: float, test_fraction: float, seed: int) -> Split:
    """Divide interactions into train, validation and test.

    Args:
        interactions: as `index_interactions` gives them, in time if the strategy is one of `TEMPORAL`.
        strategy: `random`, of each user's interactions a random share; `user_temporal`, each user's
            latest are test, those before them validation; `global_temporal`, the same with one cut in
            time for all users (interactions of the same second stay together, on the earlier side);
            `leave_one_out`, each user's last one is test, the one before it validation.
        valid_fraction: share for validation, but with `leave_one_out`. Per user it is rounded down, and a
            user keeps at least one interaction in train.
        test_fraction: share for test, rounded in the same way.
        seed: for `random`.

    Raises:
        UserError: a part would be empty.
    """
    user = interactions["user"].to_numpy()
    if strategy == "global_temporal":
        part = parts_by_time(interactions["timestamp"].to_numpy(), valid_fraction, test_fraction)
    else:
        order = np.lexsort((np.random.default_rng(seed).random(len(user)), user)) if strategy == "random" else np.arange(len(user))
        degree = np.bincount(user)
        place = np.empty(len(user), dtype=np.int64)  # 0 for a user's earliest
        place[order] = np.arange(len(user)) - np.repeat(np.cumsum(degree) - degree, degree)
        if strategy == "leave_one_out":
            n_test, n_valid = np.minimum(1, degree - 1), np.minimum(1, np.maximum(degree - 2, 0))
        else:
            n_test = np.minimum((degree * test_fraction + 1e-9).astype(int), degree - 1)
            n_valid = np.minimum((degree * valid_fraction + 1e-9).astype(int), degree - 1 - n_test)
        from_end = degree[user] - 1 - place
        part = (from_end < (n_valid + n_test)[user]).astype(int) + (from_end < n_test[user])
    parts = [interactions[part == p].reset_index(drop=True) for p in range(3)]
    for name, rows in zip(Split._fields, parts):
        if not len(rows):
            fractions = "" if strategy == "leave_one_out" else f" with valid_fraction {valid_fraction:g} and test_fraction {test_fraction:g}"
            raise UserError(
                f"{strategy}{fractions} leaves no interaction in {name}, out of {len(interactions):,}; change the "
                f"{'split_strategy' if not fractions else 'fractions'} in params.yaml, or use more data."
            )
    return Split(*parts)


def check_someone_is_known(parts: Split, strategy: str) -> None:
    """
    Raises:
        UserError: all users of validation, or of test, are new there: nobody could be measured on.
    """
    for number, name in ((1, "validation"), (2, "test")):
        known = pd.concat(parts[:number])["user"]
        if not parts[number]["user"].isin(known).any():
            raise UserError(
                f"{strategy} leaves nobody to measure on: each user of {name} is new there, without anything before; change the "
                "split_strategy or the fractions in params.yaml, or use more data."
            )


def parts_by_time(time: np.ndarray, valid_fraction: float, test_fraction: float) -> np.ndarray:
    """Of each interaction, 0 for train, 1 for validation, 2 for test: two cuts in time, the same for everyone."""
    in_order = np.sort(time)
    n_train = max(int(len(time) * (1 - valid_fraction - test_fraction) + 1e-9), 1)
    n_known = max(int(len(time) * (1 - test_fraction) + 1e-9), n_train)
    return (time > in_order[n_train - 1]).astype(int) + (time > in_order[n_known - 1])


def cold(parts: Split) -> pd.DataFrame:
    """The users and items of validation and test that train does not know: columns `kind` and `index`."""
    rows = []
    for kind in ("user", "item"):
        later = np.union1d(parts.valid[kind], parts.test[kind])
        unknown = np.setdiff1d(later, parts.train[kind].unique())
        rows.append(pd.DataFrame({"kind": pd.Series(kind, index=range(len(unknown)), dtype="str"), "index": unknown.astype(np.int32)}))
    return pd.concat(rows, ignore_index=True)


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
