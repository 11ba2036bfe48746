"""What is rejected, and why: a table's rows as a whole, ratings block by block and then by what only the whole file can tell."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as arrow

from movierec.blocks import Block, side_by_side
from movierec.delimited import Table, no_fields
from movierec.engine import ROW, Engine
from movierec.errors import UserError
from movierec.fields import MAX_ID
from movierec.rating_blocks import Reader
from movierec.schemas import RATING_TYPES, RATINGS
from movierec.storage import TableWriter

# Reasons to reject a rating by itself, beside those of its ids (`Ids.reason`) and its stars (`Reader.stars_reason`).
TIME_REASON = "Timestamp is not in seconds from 0 to 4294967296"
UNKNOWN_REASON = "movie not in the movies table"
AGAIN = "the user rated the movie again, later"  # the one reason that says nothing against the file
STRANGER = "user not in the users table"
SHOWN = 200  # characters of a rejected row
REJECTED = arrow.schema({"line": arrow.int64(), "reason": arrow.string(), "row": arrow.string()})
# The rows of pairs that stand twice, but for the one that stays.
OVERTAKEN = f"""
    WITH twice AS (SELECT UserID, MovieID FROM judged GROUP BY UserID, MovieID HAVING count(*) > 1)
    SELECT {ROW} FROM (
        SELECT {ROW}, row_number() OVER (PARTITION BY UserID, MovieID ORDER BY Timestamp DESC, Rating DESC, {ROW} DESC) AS place
        FROM judged SEMI JOIN twice USING (UserID, MovieID)
    ) WHERE place > 1 ORDER BY {ROW}
"""


class Judge:
    """Rejects a table's rows one reason after another; a row is rejected for the first that fits."""

    def __init__(self, name: str, table: Table):
        self.name, self.path, self.raw, self.broken = name, table.path, table.rows, table.broken
        self.reason = np.full(len(self.raw), "", dtype=object)

    def reject(self, bad: np.ndarray, reason: str) -> None:
        """Reject the rows where `bad`, unless they are rejected already."""
        self.reason[np.asarray(bad) & (self.reason == "")] = reason

    @property
    def kept(self) -> np.ndarray:
        return self.reason == ""

    @functools.cached_property
    def rejected(self) -> pd.DataFrame:
        """The rejected rows in the file's order: table, line, reason, and the row's fields as they were read. To be asked for once all is judged."""
        bad = self.raw[~self.kept]
        row = ["|".join(map(str, fields)) for fields in bad.drop(columns="line").itertuples(index=False)]
        judged = pd.DataFrame({"line": bad["line"], "reason": self.reason[~self.kept], "row": row})
        both = pd.concat([judged, self.broken], ignore_index=True).sort_values("line", ignore_index=True, kind="stable")
        return pd.DataFrame({"table": self.name, "line": both["line"].astype(int), "reason": both["reason"], "row": both["row"].str.slice(0, SHOWN)})

    def summary(self) -> dict:
        reasons = self.rejected["reason"].value_counts().sort_index()
        n = len(self.raw) + len(self.broken)
        return {"read": n, "kept": int(self.kept.sum()), "rejected": {k: int(v) for k, v in reasons.items()}}

    def check_share(self, highest: float) -> None:
        """
        Raises:
            UserError: see `check_share`.
        """
        first = self.rejected.drop_duplicates("reason").set_index("reason")
        reasons = [(reason, count, first["line"][reason], first["row"][reason]) for reason, count in self.rejected["reason"].value_counts().items()]
        check_share(str(self.path or self.name), len(self.raw) + len(self.broken), reasons, highest)


def check_share(file: str, n: int, reasons: list[tuple[str, int, int, str]], highest: float) -> None:
    """
    Args:
        file: that the rows are of.
        n: how many rows it has.
        reasons: why some are rejected, the most frequent first: the reason, how many, and the first one's line and text.
        highest: share of the rows that may be.

    Raises:
        UserError: a larger share of the rows is rejected, those aside that are just overtaken by a later rating; it names the reasons.
    """
    against = [(count, f"{count:,} {reason} (line {line}: {row[:80]!r})") for reason, count, line, row in reasons if reason != AGAIN]
    rejected = sum(count for count, _ in against)
    if rejected > highest * n:
        raise UserError(
            f"{file}: {rejected:,} of {n:,} rows ({rejected / n:.1%}) can't be used, more than max_rejected "
            f"in params.yaml ({highest:.4g}) allows: {'; '.join(said for _, said in against)}. Mend the file, or raise max_rejected."
        )


class Judged(NamedTuple):
    """A block, judged by itself."""

    n_lines: int
    kept: dict[str, np.ndarray]  # the columns of `RATING_TYPES`
    pairs: np.ndarray  # int64, of each kept row: a number for its user and movie, in the order of both
    rejected: pd.DataFrame  # line, reason, row; in order
    rated: dict[str, int]  # as of `Ratings`
    n_broken: int


class RatingsJudge:
    """Judges a file of ratings, block by block, and then what only the whole file can tell."""

    def __init__(self, engine: Engine, reader: Reader, block_size: int, known_movies: np.ndarray | None):
        """
        Args:
            engine: that keeps the rejected rows.
            reader: of the file.
            block_size: bytes.
            known_movies: MovieIDs; None where the movies are those that are rated.
        """
        self.engine, self.reader, self.block_size, self.known_movies = engine, reader, block_size, known_movies
        self.file = reader.file
        self.own_reasons = (reader.user_ids.reason, reader.movie_ids.reason, reader.stars_reason, TIME_REASON, UNKNOWN_REASON)
        engine.keep("rejected", REJECTED.empty_table())
        self.n_lines = self.n_kept = 0
        self.last_pair, self.rising = -1, True  # whether each pair up to now is above the one before it, so that none stands twice
        self.rated: dict[str, int] = {}

    def judge(self, writer: TableWriter) -> None:
        """Write the rows that are good by themselves, in the file's order.

        Raises:
            UserError: text in another encoding, or no line with the right number of fields.
        """
        n_broken = 0
        for block in side_by_side(self._judged, self.file.blocks(self.block_size)):
            writer.append(block.kept)
            if len(block.pairs):
                self.rising = self.rising and block.pairs[0] > self.last_pair and bool((block.pairs[1:] > block.pairs[:-1]).all())
                self.last_pair = block.pairs[-1]
            self._keep(block.rejected)
            self.n_lines, n_broken = self.n_lines + block.n_lines, n_broken + block.n_broken
            for movie, line in block.rated.items():
                self.rated.setdefault(movie, line)
        if n_broken == self.n_lines:  # a file of lines, then
            ((line, row),) = self.engine.ask("SELECT line, row FROM rejected ORDER BY line LIMIT 1")
            raise no_fields(self.file.path, self.file.form, line, row)
        self.n_kept = writer.n_rows

    def _judged(self, block: Block) -> Judged:
        found = self.reader.read(block)
        unknown = np.zeros(len(found.line), bool) if self.known_movies is None else ~np.isin(found.movie.value, self.known_movies)
        bad = (found.user.bad, found.movie.bad, found.stars.bad, found.time.bad, unknown)
        any_bad = np.logical_or.reduce(bad)
        kept = RATINGS.validate(pd.DataFrame({
            "UserID": found.user.value[~any_bad].astype(np.int32), "MovieID": found.movie.value[~any_bad].astype(np.int32),
            "Rating": found.stars.value[~any_bad], "Timestamp": found.time.value[~any_bad],
        }))  # fmt: skip
        rejected = found.broken
        if any_bad.any():
            lines = found.line[any_bad]
            reasons = np.array(self.own_reasons, object)[np.argmax([of[any_bad] for of in bad], axis=0)]
            judged = pd.DataFrame({"line": lines, "reason": reasons, "row": self.file.rows(block, lines)})
            rejected = pd.concat([judged, found.broken], ignore_index=True).sort_values("line")
        pairs = found.user.value[~any_bad] * (MAX_ID + 1) + found.movie.value[~any_bad]
        return Judged(block.n_lines, {name: kept[name].to_numpy() for name in RATING_TYPES}, pairs, rejected, found.rated, len(found.broken))

    def _keep(self, rejected: pd.DataFrame) -> None:
        if len(rejected):
            self.engine.keep("rejected", arrow.table([rejected["line"], rejected["reason"], rejected["row"].str.slice(0, SHOWN)], REJECTED))

    def reject_together(self, users: np.ndarray | None) -> np.ndarray:
        """Reject what the rows tell together: ratings that are overtaken, and users who are not in their table.

        Args:
            users: UserIDs; None where the users are those that rated.

        Returns:
            The rows of the view `judged`, sorted, that are not to be kept.
        """
        again = np.array([], np.int64) if self.rising else self.engine.arrays(OVERTAKEN)[0]
        strangers = again[:0]
        if users is not None:
            self.engine.keep("users", arrow.table({"UserID": users}))
            strangers = np.setdiff1d(self.engine.arrays(f"SELECT {ROW} FROM judged WHERE UserID NOT IN (SELECT UserID FROM users) ORDER BY 1")[0], again)
        rows = np.concatenate([again, strangers])
        order = np.argsort(rows)
        reasons = np.repeat(np.array([AGAIN, STRANGER], object), [len(again), len(strangers)])[order]
        lines = self._lines_of(rows[order])
        for block in self.file.blocks(self.block_size) if len(rows) else ():
            here = slice(*np.searchsorted(lines, [block.first, block.first + block.n_lines]))
            if len(lines[here]):
                self._keep(pd.DataFrame({"line": lines[here], "reason": reasons[here], "row": self.file.rows(block, lines[here])}))
        self.n_kept -= len(rows)
        return rows[order]

    def _lines_of(self, rows: np.ndarray) -> np.ndarray:
        """The lines that some of the kept rows stand on, by what was rejected before each."""
        rejected = self.engine.arrays("SELECT line FROM rejected ORDER BY line")[0]
        kept_before = rejected - self.file.first - np.arange(len(rejected))
        return self.file.first + rows + np.searchsorted(kept_before, rows, side="right")

    @functools.cached_property
    def reasons(self) -> list[tuple[str, int, int, str]]:
        """For `check_share`."""
        return self.engine.ask("SELECT reason, count(*), min(line), arg_min(row, line) FROM rejected GROUP BY reason ORDER BY count(*) DESC, min(line)")

    @property
    def summary(self) -> dict:
        return {"read": self.n_lines, "kept": self.n_kept, "rejected": {reason: count for reason, count, *_ in sorted(self.reasons)}}

    def check_share(self, highest: float) -> None:
        """
        Raises:
            UserError: see `check_share`.
        """
        check_share(str(self.file.path), self.n_lines, self.reasons, highest)

    def check_some_are_kept(self) -> None:
        """
        Raises:
            UserError: no rating is left.
        """
        if not self.n_kept:
            reasons = "; ".join(f"{count:,} {reason}" for reason, count in self.summary["rejected"].items())
            raise UserError(f"{self.file.path}: not one of its {self.n_lines:,} rows can be used: {reasons}.")

    def rejected(self) -> Iterator[pd.DataFrame]:
        """The rejected rows in the file's order, some at a time: table, line, reason, row."""
        for batch in self.engine.batches("SELECT 'ratings' AS table, line, reason, row FROM rejected ORDER BY line"):
            yield batch.to_pandas()


def spread(bad: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """A mask over the kept rows as a mask over all rows."""
    out = np.zeros(len(kept), dtype=bool)
    out[np.flatnonzero(kept)[bad]] = True
    return out
