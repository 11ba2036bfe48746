"""The split strategies: which interactions train, which choose, and which test."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.errors import UserError
from movierec.interactions import Split


class Strategy(NamedTuple):
    """How interactions are divided."""

    name: str  # random: of each user's interactions a random share; user_temporal: each user's latest are test, those before them validation;
    # global_temporal: the same with one cut in time for all users (interactions of the same second stay together, on the earlier side);
    # leave_one_out: each user's last one is test, the one before it validation
    valid_fraction: float  # share for validation, but with leave_one_out; per user it is rounded down, and a user keeps at least one in train
    test_fraction: float  # share for test, rounded in the same way


def parts_of_users(user: np.ndarray, strategy: Strategy, rng: np.random.Generator) -> np.ndarray:
    """Of each interaction, 0 for train, 1 for validation, 2 for test, by the strategies that look at each user alone.

    Args:
        user: (n,) indices, sorted; all interactions of each user, in the order of time for those that follow it.
        strategy: one of them.
        rng: for `random`. Batch after batch it gives what it gives for all at once.
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
    """For `global_temporal`: of n interactions in the order of time, the places (from 0) of the last one of train and the last one before test."""
    n_train = max(int(n * (1 - strategy.valid_fraction - strategy.test_fraction) + 1e-9), 1)
    return n_train - 1, max(int(n * (1 - strategy.test_fraction) + 1e-9), n_train) - 1


def parts_by_time(time: np.ndarray, last_of_train: int, last_known: int) -> np.ndarray:
    """Of each interaction, 0 for train, 1 for validation, 2 for test: two cuts in time, the same for everyone."""
    return (time > last_of_train).astype(int) + (time > last_known)


class Divider:
    """Gives interactions their parts, batch after batch of whole users."""

    def __init__(self, strategy: Strategy, seed: int, time_at: Callable[[int], int], n: int):
        """
        Args:
            strategy: how.
            seed: for `random`.
            time_at: for `global_temporal`: the time of the interaction at a place (from 0) in the order of time.
            n: all interactions.
        """
        self.strategy, self.rng = strategy, np.random.default_rng(seed)
        self.cuts = tuple(map(time_at, cut_places(n, strategy))) if strategy.name == "global_temporal" else None

    def parts(self, interactions: pd.DataFrame) -> np.ndarray:
        """Of each interaction, 0 for train, 1 for validation, 2 for test."""
        if self.cuts:
            return parts_by_time(interactions["timestamp"].to_numpy(), *self.cuts)
        return parts_of_users(interactions["user"].to_numpy(), self.strategy, self.rng)


def split(interactions: pd.DataFrame, strategy: Strategy, seed: int) -> Split:
    """Interactions that fit into memory, divided.

    Args:
        interactions: sorted by user, and in time if the strategy follows it.
        strategy: how.
        seed: for `random`.

    Raises:
        UserError: a part would be empty.
    """
    in_order = np.sort(interactions["timestamp"].to_numpy())
    part = Divider(strategy, seed, lambda place: in_order[place], len(in_order)).parts(interactions)
    check_none_is_empty(np.bincount(part, minlength=3), strategy)
    return Split(*(interactions[part == number].reset_index(drop=True) for number in range(3)))


def check_none_is_empty(n: np.ndarray, strategy: Strategy) -> None:
    """
    Raises:
        UserError: a part has no interaction.
    """
    for name, of in zip(Split._fields, n):
        if not of:
            by_place = strategy.name == "leave_one_out"
            fractions = "" if by_place else f" with valid_fraction {strategy.valid_fraction:g} and test_fraction {strategy.test_fraction:g}"
            raise UserError(
                f"{strategy.name}{fractions} leaves no interaction in {name}, out of {n.sum():,}; change the "
                f"{'split_strategy' if by_place else 'fractions'} in params.yaml, or use more data."
            )


class Presence:
    """Which users and items are in which part."""

    def __init__(self, n_users: int, n_items: int):
        self.users, self.items = np.zeros((3, n_users), bool), np.zeros((3, n_items), bool)

    def add(self, part: int, rows: pd.DataFrame) -> None:
        """Interactions of a part."""
        self.users[part, rows["user"]] = self.items[part, rows["item"]] = True

    def check_someone_is_known(self, strategy: str) -> None:
        """
        Raises:
            UserError: all users of validation, or of test, are new there: nobody could be measured on.
        """
        for number, name in ((1, "validation"), (2, "test")):
            if not (self.users[:number].any(axis=0) & self.users[number]).any():
                raise UserError(
                    f"{strategy} leaves nobody to measure on: each user of {name} is new there, without anything before; change the "
                    "split_strategy or the fractions in params.yaml, or use more data."
                )

    def cold(self) -> pd.DataFrame:
        """The users and items of validation and test that train does not know: columns `kind` and `index`."""
        rows = []
        for kind, present in (("user", self.users), ("item", self.items)):
            unknown = np.flatnonzero((present[1] | present[2]) & ~present[0])
            rows.append(pd.DataFrame({"kind": pd.Series(kind, index=range(len(unknown)), dtype="str"), "index": unknown.astype(np.int32)}))
        return pd.concat(rows, ignore_index=True)
