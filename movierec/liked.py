"""The ratings that count as liked, and as interactions: numbered from 0, in order, in batches of whole users.

The tables need not fit into memory; users and movies must.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.engine import ROW, Engine
from movierec.errors import UserError


class Liked:
    """The ratings of at least `min_rating`, by users and of movies with at least `k_core` of them."""

    def __init__(self, engine: Engine, ratings: Path, min_rating: float, k_core: int):
        """
        Args:
            engine: that reads them.
            ratings: a table of UserID, MovieID, Rating, Timestamp.
            min_rating: ratings of at least this stay.
            k_core: then users and movies with fewer interactions are dropped, again and again, until
                each that is left has at least this many.

        Raises:
            UserError: nothing is left.
        """
        self.engine = engine
        engine.open("ratings", ratings)
        # A column of 32 bits is compared with a number of 32 bits: 4.1 is another one in 64.
        engine.run(f"CREATE VIEW enough AS SELECT * FROM ratings WHERE Rating >= {float(np.float32(min_rating))!r}::FLOAT")
        engine.run(f"CREATE VIEW liked AS SELECT * FROM {self._core(k_core) if k_core > 1 else 'enough'}")
        ((self.n,),) = engine.ask("SELECT count(*) FROM liked")
        if not self.n:
            ((n_ratings,),) = engine.ask("SELECT count(*) FROM ratings")
            raise UserError(f"no rating is left with min_rating {min_rating:g} and k_core {k_core} (of {n_ratings:,}); lower them in params.yaml.")
        (self.user_ids,) = engine.arrays("SELECT DISTINCT UserID FROM liked ORDER BY UserID")  # (n_users,): of each user index
        (self.item_ids,) = engine.arrays("SELECT DISTINCT MovieID FROM liked ORDER BY MovieID")  # (n_items,)

    def _core(self, k: int) -> str:
        """The rows that are left when users and movies with fewer than k are dropped for as long as there are any."""
        sides, rows, before = {"users": "UserID", "movies": "MovieID"}, "enough", []
        for turn in itertools.count():
            for side, ids in sides.items():
                self.engine.run(f"CREATE TABLE {side}_{turn} AS SELECT {ids} FROM {rows} GROUP BY {ids} HAVING count(*) >= ?", k)
            rows = f"(SELECT * FROM enough SEMI JOIN users_{turn} USING (UserID) SEMI JOIN movies_{turn} USING (MovieID))"
            left = [self.engine.ask(f"SELECT count(*) FROM {side}_{turn}") for side in sides]
            if left == before:
                return rows
            before = left

    def interactions(self, in_time: bool) -> Iterator[pd.DataFrame]:
        """In batches of whole users, of some 100,000 rows.

        Args:
            in_time: whether the interactions' order in time counts.

        Yields:
            user, item (int32 indices), rating (float32), timestamp (int64). They are sorted by user and item, so that the
            rows' order in the file plays no part; or, `in_time`, by user and time, where rows of the same second keep the
            file's order (nearly half of MovieLens 1M's ratings are of the same second as their user's last).
        """
        order = f"UserID, Timestamp, {ROW}" if in_time else "UserID, MovieID"
        left = pd.DataFrame()
        for batch in self.engine.batches(f"SELECT UserID, MovieID, Rating, Timestamp FROM liked ORDER BY {order}"):
            users, movies, ratings, times = (column.to_numpy() for column in batch.columns)
            rows = pd.DataFrame({
                "user": np.searchsorted(self.user_ids, users).astype(np.int32), "item": np.searchsorted(self.item_ids, movies).astype(np.int32),
                "rating": ratings, "timestamp": times,
            })  # fmt: skip
            rows = pd.concat([left, rows], ignore_index=True) if len(left) else rows
            users = rows["user"].to_numpy()
            whole = np.searchsorted(users, users[-1])  # the last user may go on in the next batch
            if whole:
                yield rows[:whole]
            left = rows[whole:]
        yield left

    def check_has_times(self, strategy: str) -> None:
        """
        Raises:
            UserError: the ratings are without times.
        """
        if self.engine.ask("SELECT max(Timestamp) FROM liked") == [(0,)]:
            raise UserError(f"split_strategy {strategy} follows time, but the ratings have none; add a timestamp to each, or set it to random in params.yaml.")

    def time_at(self, place: int) -> int:
        """The time of the interaction at a place, from 0, in the order of time alone."""
        ((time,),) = self.engine.ask("SELECT Timestamp FROM liked ORDER BY Timestamp LIMIT 1 OFFSET ?", place)
        return time
