"""User histories: each user's items in the order of time, and how they fade with age.

The item of age 0 is the last one before the recommendation, the item of age 1 the one before it.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:  # pandas loads slowly
    import pandas as pd

NEGLIGIBLE = 2.0**-24  # decayed weights below the precision of float32 are dropped


class Histories(NamedTuple):
    """The items of each user, oldest first, with their times, and the moment of asking what comes next."""

    indptr: np.ndarray  # (n_users + 1,) int64: user u has items[indptr[u] : indptr[u + 1]]
    items: np.ndarray  # (n,) int32
    times: np.ndarray  # (n,) int64, seconds since 1970; 0 where they are unknown
    asked: np.ndarray | None = None  # (n_users,) int64: the next item is not before it; None: right after the last one
    exactly: bool = False  # whether the next item is at the moment of asking, not later

    @classmethod
    def from_interactions(cls, n_users: int, *parts: "pd.DataFrame") -> "Histories":
        """From tables of interactions, each in the order of time per user, and later tables after earlier ones."""
        columns = (np.concatenate([part[name].to_numpy() for part in parts]) for name in ("user", "item", "timestamp"))
        return cls.of_pairs(n_users, *columns)

    @classmethod
    def of_pairs(cls, n_users: int, user: np.ndarray, item: np.ndarray, time: np.ndarray) -> "Histories":
        """From interactions, (n,) each, those of a user in the order of time."""
        order = np.argsort(user, kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=n_users))])
        return cls(indptr.astype(np.int64), item[order].astype(np.int32), time[order].astype(np.int64))

    @classmethod
    def of_one(cls, items: np.ndarray, time: int = 0) -> "Histories":
        """Of one user with these items, all at the same time."""
        return cls(np.array([0, len(items)]), items.astype(np.int32), np.full(len(items), time, np.int64))

    @property
    def n_users(self) -> int:
        """Users, with or without items."""
        return len(self.indptr) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Items per user, (n_users,) int64."""
        return np.diff(self.indptr)

    @property
    def users(self) -> np.ndarray:
        """The user of each item, (n,) int64."""
        return np.repeat(np.arange(self.n_users), self.lengths)

    @property
    def ages(self) -> np.ndarray:
        """The age of each item in items, (n,) int64; 0 is a user's last one."""
        return np.repeat(self.indptr[1:], self.lengths) - 1 - np.arange(len(self.items))

    @property
    def last_times(self) -> np.ndarray:
        """The time of each user's last item, (n_users,) int64; the latest time of all for a user without any."""
        latest = self.times.max(initial=0)
        return np.append(self.times, latest)[np.where(self.lengths > 0, self.indptr[1:] - 1, -1)]

    @property
    def waits(self) -> np.ndarray:
        """The seconds from each user's last item to the moment of asking, (n_users,) int64."""
        last = self.last_times
        return np.zeros_like(last) if self.asked is None else np.maximum(self.asked - last, 0)

    def followed_by(self, items: np.ndarray, time: int) -> "Histories":
        """The histories once each user has these items too, asked right after; an item counts at its last place."""
        before = ~np.isin(self.items, items)
        user = np.concatenate([self.users[before], np.arange(self.n_users).repeat(len(items))])
        item = np.concatenate([self.items[before], np.tile(items, self.n_users)])
        return Histories.of_pairs(
            self.n_users, user, item, np.append(self.times[before], [time] * (len(item) - before.sum()))
        )

    def asked_at(self, times: np.ndarray | int, *, exactly: bool = False) -> "Histories":
        """The histories at another moment of asking, of each user or of all."""
        return self._replace(asked=np.broadcast_to(np.int64(times), self.n_users), exactly=exactly)

    def asked_at_next(self, later: "Histories", *, exactly: bool = False) -> "Histories":
        """The histories asked at the time of each user's next item, which `later` holds; without one, right after."""
        at = np.where(later.lengths > self.lengths, later.indptr[:-1] + self.lengths, -1)
        return self.asked_at(np.maximum(np.append(later.times, 0)[at], self.last_times), exactly=exactly)

    def of(self, users: np.ndarray, lengths: np.ndarray | None = None) -> "Histories":
        """The histories of these users, in this order; `lengths`: of each one the first items, as many as this."""
        lengths = self.lengths[users] if lengths is None else lengths
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        at = np.repeat(self.indptr[users] - indptr[:-1], lengths) + np.arange(indptr[-1])
        asked = None if self.asked is None else self.asked[users]
        return Histories(indptr, self.items[at], self.times[at], asked=asked, exactly=self.exactly)


def decay(ages: np.ndarray, half_life: float) -> np.ndarray:
    """The weight of an item by its age, 2^(-age / half_life), float32."""
    return np.exp2(-ages / half_life).astype(np.float32)
