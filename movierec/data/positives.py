"""The positive interactions: ratings from `min_rating` on, in batches of whole users.

The tables need not fit into memory; users and movies must.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.data.engine import ROW, Engine
from movierec.utils.errors import UserError

# A step of an integer hash on 32 bits; a hash of user and movie gives an order that tells nothing.
MIX = "CREATE OR REPLACE MACRO mix(x) AS (xor(x, x >> 16) * 73244475 % 4294967296)"
MIXED = "mix(mix(mix(UserID::BIGINT) + MovieID)), MovieID"
TIES = {"hash": MIXED, "file": ROW}  # orders of a user's interactions of one second


class Positives:
    """The ratings of at least `min_rating`, by users and of movies with at least `k_core` of them."""

    def __init__(self, engine: Engine, ratings: Path, min_rating: float, k_core: int):
        """
        Args:
            engine: that reads them.
            ratings: a table of UserID, MovieID, Rating, Timestamp.
            min_rating: the lowest rating of a positive interaction.
            k_core: users and movies with fewer positive interactions are dropped, until all have at least this many.

        Raises:
            UserError: nothing is left.
        """
        self.engine = engine
        engine.rows(MIX)
        engine.open("ratings", ratings)
        # A 32-bit column is compared with a 32-bit number: 4.1 is another one in 64 bits.
        enough = f"SELECT * FROM ratings WHERE Rating >= {float(np.float32(min_rating))!r}::FLOAT"
        engine.rows(f"CREATE VIEW enough AS {enough}")
        engine.rows(f"CREATE VIEW positives AS SELECT * FROM {self._core(k_core) if k_core > 1 else 'enough'}")
        ((self.n,),) = engine.rows("SELECT count(*) FROM positives")
        if not self.n:
            ((n_ratings,),) = engine.rows("SELECT count(*) FROM ratings")
            left = f"no rating is left with min_rating {min_rating:g} and k_core {k_core} (of {n_ratings:,})"
            raise UserError(f"{left}; lower them in params.yaml.")
        (self.user_ids,) = engine.arrays("SELECT DISTINCT UserID FROM positives ORDER BY UserID")  # by user index
        (self.item_ids,) = engine.arrays("SELECT DISTINCT MovieID FROM positives ORDER BY MovieID")  # by item index

    def _core(self, k: int) -> str:
        """The rows that are left when users and movies with fewer than k rows are dropped until there are none."""
        sides, rows, before = {"users": "UserID", "movies": "MovieID"}, "enough", None
        for turn in itertools.count():
            for side, ids in sides.items():
                select = f"SELECT {ids} FROM {rows} GROUP BY {ids} HAVING count(*) >= ?"
                self.engine.rows(f"CREATE TABLE {side}_{turn} AS {select}", k)
            semi_joins = f"SEMI JOIN users_{turn} USING (UserID) SEMI JOIN movies_{turn} USING (MovieID)"
            rows = f"(SELECT * FROM enough {semi_joins})"
            left = [self.engine.rows(f"SELECT count(*) FROM {side}_{turn}") for side in sides]
            if left == before:
                break
            before = left
        return rows

    def batches(self, in_time: bool, ties: str = "hash") -> Iterator[pd.DataFrame]:
        """The interactions, in batches of whole users of some 100,000 rows.

        They are sorted by user and item, so that the order of the file does not matter, or with `in_time` by user and
        time. Of the same second (nearly half of MovieLens 1M's are), they are in the order of a hash of user and movie,
        which does not depend on the file either, or with `ties="file"` in the file's, as published protocols have it.

        Yields:
            user, item (int32 indices), rating (float32), timestamp (int64).
        """
        order = f"UserID, Timestamp, {TIES[ties]}" if in_time else "UserID, MovieID"
        left = pd.DataFrame()
        sql = f"SELECT UserID, MovieID, Rating, Timestamp FROM positives ORDER BY {order}"
        for batch in self.engine.batches(sql):
            users, movies, ratings, times = (column.to_numpy() for column in batch.columns)
            user = np.searchsorted(self.user_ids, users).astype(np.int32)
            item = np.searchsorted(self.item_ids, movies).astype(np.int32)
            rows = pd.DataFrame({"user": user, "item": item, "rating": ratings, "timestamp": times})
            rows = pd.concat([left, rows], ignore_index=True) if len(left) else rows
            whole = np.searchsorted(rows["user"], rows["user"].iloc[-1])  # the last user may go on in the next batch
            if whole:
                yield rows[:whole]
            left = rows[whole:]
        yield left

    def share_of_ties(self, strategy: str) -> float:
        """The share of the interactions that have the time of another one of their user.

        Raises:
            UserError: there are no times, or they are all the same where `strategy` compares them.
        """
        of_users = "SELECT UserID, Timestamp, count(*) AS n FROM positives GROUP BY UserID, Timestamp"
        columns = "sum(n) FILTER (n > 1), count(*), count(DISTINCT Timestamp), max(Timestamp)"
        ((n_tied, n_moments, n_times, latest),) = self.engine.rows(f"SELECT {columns} FROM ({of_users})")
        same = n_moments == len(self.user_ids) < self.n if strategy != "global_temporal" else n_times < 2 <= self.n
        if not latest or same:
            none = "the ratings have none" if not latest else "the times tell nothing: no user has two different ones"
            missing = f"split_strategy {strategy} follows time, but {none}"
            raise UserError(f"{missing}; add a timestamp to each, or set it to random in params.yaml.")
        return float(n_tied or 0) / self.n

    def time_at(self, place: int) -> int:
        """The time of the interaction at a place, from 0, in the order of time."""
        ((time,),) = self.engine.rows("SELECT Timestamp FROM positives ORDER BY Timestamp LIMIT 1 OFFSET ?", place)
        return time
