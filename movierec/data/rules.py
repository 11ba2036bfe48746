"""The rules by which rows are rejected, and the list of the rejected rows."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from movierec.data.engine import ROW, Engine
from movierec.data.fields import MAX_ID, MAX_RATING, Ids, Numbers, encoded, seconds, stars, weights
from movierec.data.schemas import RATING_TYPES, RATINGS
from movierec.data.text_file import Fault, Rows, Table
from movierec.utils.errors import UserError

# Reasons to reject a rating, beside those of its ids (`Ids.reason`).
STARS_REASON = "Rating is not in whole or half stars from 0.5 to 5"
WEIGHT_REASON = "weight is not a number above 0"
TIME_REASON = "Timestamp is not in seconds from 0 to 4294967296"
UNKNOWN_MOVIE = "movie not in the movies table"
UNKNOWN_USER = "user not in the users table"
RATED_AGAIN = "the user rated the movie again, later"  # not a fault of the file
SHOWN = 200  # characters of a rejected row
TABLES = ("users", "movies", "ratings")
REJECTED = pa.schema({"part": pa.string(), "line": pa.int64(), "reason": pa.string(), "row": pa.string()})
# All but the last rating of each pair of user and movie.
SUPERSEDED = f"""
    WITH twice AS (SELECT UserID, MovieID FROM judged GROUP BY UserID, MovieID HAVING count(*) > 1)
    SELECT {ROW} FROM (
        SELECT {ROW}, row_number() OVER (
            PARTITION BY UserID, MovieID ORDER BY Timestamp DESC, Rating DESC, {ROW} DESC
        ) AS place
        FROM judged SEMI JOIN twice USING (UserID, MovieID)
    ) WHERE place > 1 ORDER BY {ROW}
"""


class Rejections:
    """The rejected rows of all tables, each with its line and reason; they need not fit into memory."""

    def __init__(self, engine: Engine):
        self.engine = engine
        engine.insert("rejected", REJECTED.empty_table())

    def add(self, table: str, faults: Iterable[Fault]) -> None:
        """Add rejected rows of a table."""
        if rows := [(table, line, reason, text[:SHOWN]) for line, reason, text in faults]:
            self.engine.insert("rejected", pa.table([list(of) for of in zip(*rows, strict=True)], schema=REJECTED))

    def reasons(self, table: str) -> list[tuple[str, int, int, str]]:
        """Each reason, its number of rows, and its first line with its text; the most frequent reason first."""
        columns = "reason, count(*), min(line), arg_min(row, line)"
        order = "GROUP BY reason ORDER BY count(*) DESC, min(line)"
        return self.engine.rows(f"SELECT {columns} FROM rejected WHERE part = ? {order}", table)

    def summary(self, table: str, n_rows: int) -> dict[str, Any]:
        """Rows read, rows kept, and rejected rows by reason."""
        rejected = {reason: count for reason, count, *_ in sorted(self.reasons(table))}
        return {"read": n_rows, "kept": n_rows - sum(rejected.values()), "rejected": rejected}

    def check_share(self, table: str, file: object, n_rows: int, highest: float) -> None:
        """Raise a UserError with the reasons if a larger share is rejected, not counting superseded ratings."""
        faults = [row for row in self.reasons(table) if row[0] != RATED_AGAIN]
        rejected = sum(count for _, count, *_ in faults)
        if rejected > highest * n_rows:
            listed = "; ".join(f"{n:,} {reason} (line {line}: {text[:80]!r})" for reason, n, line, text in faults)
            raise UserError(
                f"{file}: {rejected:,} of {n_rows:,} rows ({rejected / n_rows:.1%}) can't be used, more than "
                f"max_rejected in params.yaml ({highest:.4g}) allows: {listed}. Fix the file, or raise max_rejected."
            )

    def frames(self) -> Iterator[pd.DataFrame]:
        """All rejected rows in batches: table, line, reason, row; by table and line."""
        order = " ".join(f"WHEN '{table}' THEN {place}" for place, table in enumerate(TABLES))
        columns = "part AS 'table', line, reason, row"
        yield pd.DataFrame(columns=["table", "line", "reason", "row"])
        for batch in self.engine.batches(f"SELECT {columns} FROM rejected ORDER BY CASE part {order} END, line"):
            yield batch.to_pandas()


def reject_rows(rejections: Rejections, name: str, table: Table, faults: dict[str, np.ndarray]) -> np.ndarray:
    """Reject rows of a table that was read whole, each for the first of the reasons in `faults`, (n,) bool.

    Returns:
        (n,) bool, the rows that are kept.
    """
    at, reasons = first_fault(faults)
    rows = table.rows.iloc[at]
    texts = ("|".join(map(str, fields)) for fields in rows.drop(columns="line").itertuples(index=False))
    rejections.add(name, [*zip(rows["line"], reasons, texts, strict=True), *table.broken])
    return ~np.isin(np.arange(len(table.rows)), at)


def first_fault(faults: dict[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """The rows with a fault, (n,) int64, and the first reason of each; `faults` are bool by reason."""
    bad = np.stack(list(faults.values()))  # (n_reasons, n_rows)
    at = np.flatnonzero(bad.any(axis=0))
    return at, [list(faults)[reason] for reason in bad[:, at].argmax(axis=0)]


class JudgedBlock(NamedTuple):
    """A block of ratings, each judged by itself."""

    n_lines: int
    kept: dict[str, np.ndarray]  # the columns of `RATING_TYPES`
    pairs: np.ndarray  # int64, one number for user and movie of each kept row, in the order of both
    rejected: list[Fault]
    n_broken: int


class RatingRules(NamedTuple):
    """The rules for a rating by itself."""

    user_ids: Ids
    movie_ids: Ids
    known_movies: np.ndarray | None  # MovieIDs; None: any

    def judge(self, rows: Rows, n_lines: int) -> JudgedBlock:
        """Apply the rules to the rows of a block of `n_lines` lines."""
        n, columns = len(rows.line), rows.columns
        user = encoded(columns["UserID"], self.user_ids.numbers)
        movie = encoded(columns["MovieID"], self.movie_ids.numbers)
        if "Weight" in columns:
            rating, rating_reason = encoded(columns["Weight"], weights), WEIGHT_REASON
        elif "Rating" in columns:
            rating, rating_reason = encoded(columns["Rating"], stars), STARS_REASON
        else:  # an interaction without a rating is a positive one, whatever min_rating is
            rating, rating_reason = Numbers(np.full(n, MAX_RATING, np.float32), np.zeros(n, bool)), STARS_REASON
        time = seconds(columns["Timestamp"]) if "Timestamp" in columns else Numbers(np.zeros(n, int), np.zeros(n, bool))
        unknown = np.zeros(n, bool) if self.known_movies is None else ~np.isin(movie.value, self.known_movies)
        faults = {self.user_ids.reason: user.bad, self.movie_ids.reason: movie.bad, rating_reason: rating.bad}
        at, reasons = first_fault(faults | {TIME_REASON: time.bad, UNKNOWN_MOVIE: unknown})
        rejected = [*zip(rows.line[at].tolist(), reasons, rows.shown(at), strict=True), *rows.broken]
        good = np.ones(n, bool)
        good[at] = False
        values = [of.value[good] for of in (user, movie, rating, time)]
        frame = pd.DataFrame(dict(zip(RATING_TYPES, values, strict=True))).astype(RATING_TYPES)
        kept = {str(name): column.to_numpy() for name, column in RATINGS.validate(frame).items()}
        pairs = values[0] * (MAX_ID + 1) + values[1]
        return JudgedBlock(n_lines, kept, pairs, rejected=rejected, n_broken=len(rows.broken))


def reject_together(
    rejections: Rejections, file: Any, users: np.ndarray | None, *, ordered: bool, block_size: int
) -> np.ndarray:
    """Reject the ratings in the view `judged` that only the whole file shows to be unusable.

    Args:
        rejections: the list, with the ratings rejected so far.
        file: of the ratings, a TextFile or ParquetFile.
        users: UserIDs; None: any.
        ordered: whether the pairs of user and movie rise, so that none is repeated.
        block_size: bytes of the file at a time.

    Returns:
        The rows of the view to leave out, sorted.
    """
    engine = rejections.engine
    again = np.array([], np.int64) if ordered else engine.arrays(SUPERSEDED)[0]
    strangers = again[:0]
    if users is not None:
        engine.insert("users", pa.table({"UserID": users}))
        unknown = f"SELECT {ROW} FROM judged WHERE UserID NOT IN (SELECT UserID FROM users) ORDER BY 1"
        strangers = np.setdiff1d(engine.arrays(unknown)[0], again)
    rows = np.concatenate([again, strangers])
    order = np.argsort(rows)
    rows, reasons = rows[order], np.repeat([RATED_AGAIN, UNKNOWN_USER], [len(again), len(strangers)])[order]
    # The line of a kept row follows from the lines that were rejected before it.
    rejected = engine.arrays("SELECT line FROM rejected WHERE part = 'ratings' ORDER BY line")[0]
    kept_before = rejected - file.first - np.arange(len(rejected))
    lines = file.first + rows + np.searchsorted(kept_before, rows, side="right")
    for block in file.blocks(block_size) if len(rows) else ():
        here = slice(*np.searchsorted(lines, [block.first, block.first + block.n_lines]))
        if len(lines[here]):
            parsed = file.parse(block)
            shown = parsed.shown(np.searchsorted(parsed.line, lines[here]))
            rejections.add("ratings", zip(lines[here].tolist(), reasons[here].tolist(), shown, strict=True))
    return rows
