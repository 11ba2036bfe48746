"""The rules for a rating, as SQL over columns of text, and the list of the rejected rows."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from movierec.data.engine import Engine, quote
from movierec.data.ids import Ids, small_sql
from movierec.data.layouts import Tables
from movierec.data.source import View
from movierec.utils.errors import UserError

Fault = tuple[int, str, str]  # a row that cannot be used: its line, the reason, its text
MAX_RATING = 5.0
LEAST = 0.01  # of stars, for a rating of 0 on another scale: 0 would be no rating
MAX_TIMESTAMP = 2**32  # seconds, the year 2106
UNITS = (1, 10**3, 10**6, 10**9)  # of time in a second
STARS = ("5", "4", "3", "2", "1", *(f"{half / 2}" for half in range(1, 11)))  # as most files write them
# Reasons to reject a rating, beside those of its ids (`Ids.reason`).
STARS_REASON = "Rating is not in whole or half stars from 0.5 to 5"
WEIGHT_REASON = "weight is not a number above 0"
TIME_REASON = "Timestamp is not in seconds from 0 to 4294967296"
UNKNOWN_MOVIE = "movie not in the movies table"
UNKNOWN_USER = "user not in the users table"
RATED_AGAIN = "the user rated the movie again, later"
ADDED = "weight added to an earlier row of the user and movie"
NO_RATING = "rating 0, which stands for none"
NO_FAULTS = (RATED_AGAIN, ADDED, NO_RATING)  # of the file
SHOWN = 200  # characters of a rejected row
TABLES = ("users", "movies", "ratings")
REJECTED = pa.schema({"part": pa.string(), "line": pa.int64(), "reason": pa.string(), "row": pa.string()})


class Rejections:
    """The rejected rows of all tables, each with its line and reason; they need not fit into memory."""

    def __init__(self, engine: Engine):
        self.engine = engine
        engine.insert("rejected", REJECTED.empty_table())

    def add(self, table: str, faults: Iterable[Fault]) -> None:
        """Add rejected rows of a table."""
        if rows := [(table, line, reason, text[:SHOWN]) for line, reason, text in faults]:
            self.engine.insert("rejected", pa.table([list(of) for of in zip(*rows, strict=True)], schema=REJECTED))

    def add_from(self, table: str, rows: str) -> None:
        """Add rejected rows of a table from SQL for their line, reason and text."""
        self.engine.rows(f"INSERT INTO rejected SELECT '{table}', line, reason, left(text, {SHOWN}) FROM {rows}")

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
        """Raise a UserError with the reasons if a larger share is rejected for faults of the file."""
        faults = [row for row in self.reasons(table) if row[0] not in NO_FAULTS]
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


def first_fault(faults: dict[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """The rows with a fault, (n,) int64, and the first reason of each; `faults` are bool by reason."""
    bad = np.stack(list(faults.values()))  # (n_reasons, n_rows)
    at = np.flatnonzero(bad.any(axis=0))
    return at, [list(faults)[reason] for reason in bad[:, at].argmax(axis=0)]


class Survey(NamedTuple):
    """A look at all rows of a view of a table of one's own."""

    small: dict[str, bool]  # for UserID and MovieID, whether all are whole numbers as `Ids` has them
    seconds: int  # units of time in one

    @classmethod
    def of(cls, view: View, scale: float) -> "Survey":
        """Look at a view once.

        Raises:
            UserError: many ratings are above the scale, or times are floats that are not exact.
        """
        columns, number = view.source.columns, "try_cast(Timestamp AS BIGINT)"
        ids = [of for of in columns if of in ("UserID", "MovieID")]
        wanted: dict[str, str] = {of: f"bool_and(coalesce({small_sql(of)}, {of} IS NULL))" for of in ids}
        if "Rating" in columns:
            wanted |= {"above": f"count_if(try_cast(Rating AS FLOAT) BETWEEN {scale + 1e-6} AND 1e9)", "n": "count(*)"}
            wanted |= {"highest": "max(try_cast(Rating AS FLOAT)) FILTER (isfinite(try_cast(Rating AS FLOAT)))"}
        if "Timestamp" in columns:
            wanted |= {f"unit_{unit}": f"count_if({number} <= {MAX_TIMESTAMP * unit})" for unit in UNITS}
            wanted |= {"latest": f"max({number})"}
        with view.engine.reading(view.path):
            (row,) = view.engine.rows(f"SELECT {', '.join(wanted.values())} FROM {view.name}")
        found = dict(zip(wanted, row, strict=True))
        if "Rating" in columns and (found["above"] or 0) > 0.2 * found["n"]:
            raise UserError(  # without them, the disliked ones would be left
                f"{view.path}: ratings go up to {found['highest']:g}, but rating_scale in params.yaml is {scale:g}; "
                f"set it to the top of their scale, such as 10 or 100, or columns.weight to a column of other numbers."
            )
        exact = view.source.exact.get("Timestamp")
        if exact and (found["latest"] or 0) > exact:
            floats = f"in a column of floats, which hold whole numbers exactly only up to {exact:,}"
            raise UserError(f"{view.path}: Timestamp {found['latest']} is {floats}; write it as integers.")
        counts = np.diff([0, *(found.get(f"unit_{unit}") or 0 for unit in UNITS)])
        return cls({of: found[of] is not False for of in ids}, UNITS[int(counts.argmax())])


class RatingRules(NamedTuple):
    """The rules for the rows of ratings, each by itself."""

    view: View
    tables: Tables
    users: Ids
    movies: Ids
    seconds: int = 1  # units of time in one

    def sql(self, only_users: bool = False, only_movies: bool = False) -> str:
        """SQL for each row: user, movie, rating, time, and for a row to reject its reason and text.

        With `only_users` and `only_movies`, ids must be in the types `known_users` and `known_movies`.
        """
        names = self.view.source.columns
        rating_of = "Weight" if "Weight" in names else "Rating" if "Rating" in names else ""
        rating, rating_reason = self._rating(rating_of)
        time = self._time() if "Timestamp" in names else "0::BIGINT"
        reasons = {"u IS NULL": self.users.reason, "m IS NULL": self.movies.reason}
        if self.tables.zeros_are_none:
            reasons["try_cast(Rating AS DOUBLE) = 0"] = NO_RATING
        reasons |= {"r IS NULL": rating_reason, "t IS NULL": TIME_REASON}
        if only_movies:
            reasons["try_cast(MovieID AS known_movies) IS NULL"] = UNKNOWN_MOVIE
        if only_users:
            reasons["try_cast(UserID AS known_users) IS NULL"] = UNKNOWN_USER
        cases = " ".join(f"WHEN {test} THEN {quote(reason)}" for test, reason in reasons.items())
        shown = ", '|', ".join(f"coalesce({name}, '')" for name in names)
        rows = f"SELECT *, {self.users.sql} AS u, {self.movies.sql} AS m, {rating} AS r, {time} AS t"
        return (
            f"SELECT u AS user, m AS movie, r AS rating, t AS time, reason, "
            f"CASE WHEN reason IS NOT NULL THEN concat({shown}) END AS text{{line}} "
            f"FROM (SELECT *, CASE {cases} END AS reason FROM ({rows} FROM {self.view.name}))"
        )

    def _rating(self, column: str) -> tuple[str, str]:
        """SQL for a rating or weight, and the reason why it is invalid."""
        scale, number, fast = self.tables.scale, f"{column}::DOUBLE", ""
        if column == "Weight":
            pattern = r"[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?"
            value, test, reason = f"{number}::FLOAT", f"{number} > 1.2e-38 AND {number} < 3.4e38", WEIGHT_REASON
        elif not column:  # an interaction without a rating is a positive one, whatever min_rating is
            return f"{MAX_RATING}::FLOAT", STARS_REASON
        elif scale == MAX_RATING:
            pattern = r"[0-9](\.[0-9]{1,6})?"
            value, test = f"{number}::FLOAT", f"{number} BETWEEN 0.5 AND 5 AND {number} * 2 % 1 = 0"
            reason = STARS_REASON
            fast = " ".join(f"WHEN '{text}' THEN {text}::FLOAT" for text in STARS)
        else:
            pattern = r"[0-9]{1,9}(\.[0-9]{1,9})?"
            value, test = f"greatest({number} * {MAX_RATING} / {scale}, {LEAST})::FLOAT", f"{number} <= {scale}"
            reason = f"Rating is not a number from 0 to {scale:g}"
        slow = f"CASE WHEN regexp_full_match({column}, '{pattern}') AND {test} THEN {value} END"
        return f"CASE {column} {fast} ELSE {slow} END" if fast else slow, reason

    def _time(self) -> str:
        """SQL for a time in seconds."""
        digits = "try_cast(split_part(Timestamp, '.', 1) AS BIGINT)"
        whole = f"regexp_full_match(Timestamp, '[0-9]{{1,19}}(\\.0+)?') THEN {digits}"
        date = "WHEN contains(Timestamp, '-') THEN floor(epoch(try_cast(Timestamp AS TIMESTAMPTZ)))::BIGINT "
        time = f"CASE WHEN {whole} // {self.seconds} {date if self.tables.own else ''}END"
        slow = f"CASE WHEN {time} BETWEEN 0 AND {MAX_TIMESTAMP} THEN {time} END"
        fast = "try_cast(Timestamp AS UINTEGER)"
        return f"CASE WHEN {fast}::VARCHAR = Timestamp THEN {fast}::BIGINT // {self.seconds} ELSE {slow} END"
