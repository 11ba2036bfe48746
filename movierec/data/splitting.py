"""The split into train, validation and test sets, by several strategies."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.interactions.matrix import Split
from movierec.utils.errors import UserError

N_MONTHS = (2107 - 1970) * 12


class Strategy(NamedTuple):
    """How interactions are divided.

    random: of each user's interactions a random share; user_temporal: each user's latest are test, those before them
    validation; global_temporal: the same with one cut in time for all users, where interactions of the same second stay
    together on the earlier side; leave_one_out: each user's last one is test, the one before it validation.
    """

    name: str
    valid_fraction: float  # per user it is rounded down, and a user keeps at least one in train
    test_fraction: float  # rounded in the same way


def parts_of_users(user: np.ndarray, strategy: Strategy, rng: np.random.Generator) -> np.ndarray:
    """The part of each interaction (0 train, 1 validation, 2 test), by the strategies that look at each user alone.

    Args:
        user: (n,) indices, sorted; all interactions of each user, in the order of time for strategies that follow it.
        strategy: one of them.
        rng: for `random`; batch after batch it gives what it gives for all at once.
    """
    order = np.lexsort((rng.random(len(user)), user)) if strategy.name == "random" else np.arange(len(user))
    first = user[0]
    degree = np.bincount(user - first)
    place = np.empty(len(user), dtype=np.int64)  # 0 for a user's earliest
    place[order] = np.arange(len(user)) - np.repeat(np.cumsum(degree) - degree, degree)
    if strategy.name == "leave_one_out":
        n_test, n_valid = np.minimum(1, degree - 1), np.minimum(1, np.maximum(degree - 2, 0))
    else:
        n_test = np.minimum((degree * strategy.test_fraction + 1e-9).astype(int), degree - 1)
        n_valid = np.minimum((degree * strategy.valid_fraction + 1e-9).astype(int), degree - 1 - n_test)
    from_end = degree[user - first] - 1 - place
    return (from_end < (n_valid + n_test)[user - first]).astype(int) + (from_end < n_test[user - first])


def cut_places(n: int, strategy: Strategy) -> tuple[int, int]:
    """For `global_temporal`: the places of the last interactions of train and of validation, of n by time."""
    n_train = max(int(n * (1 - strategy.valid_fraction - strategy.test_fraction) + 1e-9), 1)
    return n_train - 1, max(int(n * (1 - strategy.test_fraction) + 1e-9), n_train) - 1


class Splitter:
    """Assigns interactions to parts, in batches of whole users."""

    def __init__(self, strategy: Strategy, seed: int, time_at: Callable[[int], int], n: int):
        """`time_at` is the time of one of the n interactions by its place, from 0, in the order of time."""
        self.strategy, self.rng = strategy, np.random.default_rng(seed)
        self.cuts = None
        if strategy.name == "global_temporal":
            last_of_train, last_of_valid = cut_places(n, strategy)
            self.cuts = time_at(last_of_train), time_at(last_of_valid)

    def parts(self, interactions: pd.DataFrame) -> np.ndarray:
        """The part of each interaction: 0 train, 1 validation, 2 test."""
        if self.cuts:
            time = interactions["timestamp"].to_numpy()
            return (time > self.cuts[0]).astype(int) + (time > self.cuts[1])
        return parts_of_users(interactions["user"].to_numpy(), self.strategy, self.rng)


class Membership:
    """The users, items and interactions by month of each part of a split."""

    def __init__(self, n_users: int, n_items: int):
        self.users, self.items = np.zeros((3, n_users), bool), np.zeros((3, n_items), bool)
        self.months = np.zeros((3, N_MONTHS), np.int64)  # from 1970-01 on, UTC

    def add(self, part: int, rows: pd.DataFrame) -> None:
        """Count the interactions of a part."""
        self.users[part, rows["user"]] = self.items[part, rows["item"]] = True
        months = rows["timestamp"].to_numpy().astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
        self.months[part] += np.bincount(months, minlength=N_MONTHS)

    def check(self, strategy: Strategy) -> None:
        """Raise a UserError if a part is empty, or no user of validation or of test has a history."""
        sizes = self.months.sum(axis=1)
        for name, size in zip(Split._fields, sizes, strict=True):
            if not size:
                by_place = strategy.name == "leave_one_out"
                of = f" with valid_fraction {strategy.valid_fraction:g} and test_fraction {strategy.test_fraction:g}"
                empty = f"{'' if by_place else of} leaves no interaction in {name}, out of {sizes.sum():,}"
                way_out = f"change the {'split_strategy' if by_place else 'fractions'} in params.yaml, or use more data"
                raise UserError(f"{strategy.name}{empty}; {way_out}.")
        for part, name in ((1, "validation"), (2, "test")):
            if not (self.users[:part].any(axis=0) & self.users[part]).any():
                way_out = "change the split_strategy or the fractions in params.yaml, or use more data"
                raise UserError(f"{strategy.name} leaves no user of {name} with a history to evaluate; {way_out}.")

    def cold(self) -> pd.DataFrame:
        """The users and items of validation and test that are not in train: columns `kind` and `index`."""
        frames = []
        for kind, present in (("user", self.users), ("item", self.items)):
            index = np.flatnonzero((present[1] | present[2]) & ~present[0]).astype(np.int32)
            frames.append(pd.DataFrame({"kind": np.full(len(index), kind, object), "index": index}))
        return pd.concat(frames, ignore_index=True).astype({"kind": "str"})

    def by_month(self) -> pd.DataFrame:
        """Interactions by month, for a plot: month ('2000-04', UTC), series (the part), interactions."""
        frames = []
        for series, counts in zip(Split._fields, self.months, strict=True):
            (month,) = np.nonzero(counts)
            names = month.astype("datetime64[M]").astype(str)
            frames.append(pd.DataFrame({"month": names, "series": series, "interactions": counts[month]}))
        return pd.concat(frames, ignore_index=True)
