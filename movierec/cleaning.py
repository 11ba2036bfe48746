"""What makes a row valid; what is rejected, and why.

Users and movies are judged whole; ratings block by block, so that they need not fit into memory.
"""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.compute as pc
from pyarrow import parquet

from movierec.blocks import BLOCK, TEXTS, Block, LinesFile, parse_numbers, side_by_side
from movierec.delimited import BROKEN_COLUMNS, Table, no_fields, parse_lines
from movierec.engine import BATCH, ROW, Engine
from movierec.errors import UserError
from movierec.movielens import Tables, without_file
from movierec.storage import TableWriter, scratch_folder, write_csv_parts, writing_table

GENDERS = ("F", "M", "unknown")
MAX_ID = 2**31 - 1
MIN_RATING, MAX_RATING = 0.5, 5.0
MAX_TIMESTAMP = 2**32  # seconds, the year 2106: more must be milliseconds
TITLE_YEAR = r"^(?P<title>.*?)\s*\((?P<year>[0-9]{4})(?:[-–][0-9]{0,4})?\)\s*(?:\([^()]*\))?\s*$"

# The tables that `clean` gives, column by column; every later stage can rely on this.
USERS = pa.DataFrameSchema(
    {
        "UserID": pa.Column("int32", pa.Check.in_range(0, MAX_ID), unique=True),
        "Gender": pa.Column("str", pa.Check.isin(GENDERS)),
    },
    strict=True,
)
MOVIES = pa.DataFrameSchema(
    {
        "MovieID": pa.Column("int32", pa.Check.in_range(0, MAX_ID), unique=True),
        "Title": pa.Column("str", pa.Check.str_length(min_value=1)),
        "Year": pa.Column("Int16", pa.Check.in_range(1850, 2150), nullable=True),
        "Genres": pa.Column("str"),
    },
    strict=True,
)
RATINGS = pa.DataFrameSchema(
    {
        "UserID": pa.Column("int32", pa.Check.in_range(0, MAX_ID)),
        "MovieID": pa.Column("int32", pa.Check.in_range(0, MAX_ID)),
        "Rating": pa.Column("float32", pa.Check.in_range(MIN_RATING, MAX_RATING)),
        "Timestamp": pa.Column("int64", pa.Check.in_range(0, MAX_TIMESTAMP)),
    },
    strict=True,
)


RATING_TYPES = {name: str(column.dtype) for name, column in RATINGS.columns.items()}


class Cleaned(NamedTuple):
    """What `clean` returns, beside the ratings and the rejected rows that it writes."""

    users: pd.DataFrame  # sorted by UserID
    movies: pd.DataFrame  # sorted by MovieID
    summary: dict  # table -> read, kept, rejected (reason -> rows)
    stars: pd.DataFrame  # rating, ratings: how many have it
    by_user: np.ndarray  # ratings of each user that has one
    by_movie: np.ndarray


# Reasons to reject a rating, of which the first counts that fits a row.
OWN_REASONS = (
    "UserID is not a whole number from 0 to 2147483647",
    "MovieID is not a whole number from 0 to 2147483647",
    "Rating is not in whole or half stars from 0.5 to 5",
    "Timestamp is not in seconds from 0 to 4294967296",
    "movie not in the movies table",
)
AGAIN = "the user rated the movie again, later"  # the one reason that says nothing against the file
STRANGER = "user not in the users table"
SHOWN = 200  # characters of a rejected row


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
        return pd.DataFrame({"table": self.name, "line": both["line"].astype(int), "reason": both["reason"], "row": both["row"].str.slice(0, 200)})

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


class Numbers(NamedTuple):
    """A column as numbers."""

    value: np.ndarray
    bad: np.ndarray  # bool: where it is none of those allowed


def texts(column: pd.Series) -> arrow.Array:
    return arrow.array(column, type=arrow.string())


def whole_numbers(text: arrow.Array, high: int) -> Numbers:
    """Text as int64, and where it is not a whole number from 0 to `high` (0 there)."""
    fits = pc.match_substring_regex(text, r"^[0-9]{1,18}$")
    numbers = pc.cast(pc.if_else(fits, text, "0"), arrow.int64()).to_numpy(zero_copy_only=False)
    bad = ~fits.to_numpy(zero_copy_only=False) | (numbers > high)
    return Numbers(np.where(bad, 0, numbers), bad)


def star_numbers(text: arrow.Array) -> Numbers:
    """Text as float32, and where it is not a rating in whole or half stars (0 there)."""
    fits = pc.match_substring_regex(text, r"^[0-9](\.[0-9]{1,6})?$")
    numbers = pc.cast(pc.if_else(fits, text, "0"), arrow.float32()).to_numpy(zero_copy_only=False)
    bad = ~fits.to_numpy(zero_copy_only=False) | (numbers < MIN_RATING) | (numbers > MAX_RATING) | (numbers * 2 % 1 != 0)
    return Numbers(np.where(bad, np.float32(0), numbers), bad)


def clean(tables: Tables, max_rejected: float, folder: Path, block_size: int = BLOCK) -> Cleaned:
    """Judge every row, and give the valid ones fixed types.

    Where a user rated a movie more than once, the latest rating stays (of equal times, the highest).
    A release without users gets a row for each user that rated, of unknown gender.

    Args:
        tables: as a reader gives them.
        max_rejected: the largest share of a table's rows that may be rejected.
        folder: where `ratings.parquet` is written, in the file's order, and `rejected.csv` (table, line, reason, row).
        block_size: bytes of ratings that are judged at a time; memory grows with it, and with users and movies.

    Raises:
        UserError: a table has a larger share of them, or no rating is left.
    """
    ratings = folder / "ratings.parquet"
    with scratch_folder(ratings) as scratch, Engine(scratch) as engine:
        movies, movie_judge = clean_movies(tables.movies) if tables.movies else (None, None)
        ratings_judge = RatingsJudge(engine, tables.ratings, block_size, None if movies is None else movies["MovieID"].to_numpy())
        with writing_table(scratch / "judged.parquet", RATING_TYPES) as writer:
            ratings_judge.judge(writer)
        if movies is None:
            movies, movie_judge = clean_movies(rated_movies(ratings_judge.rated))
        engine.open("judged", scratch / "judged.parquet")
        users, user_judge = clean_users(tables.users)
        left_out = ratings_judge.reject_together(users["UserID"].to_numpy() if len(tables.users.rows) else None)
        for judge in (user_judge, movie_judge, ratings_judge):
            judge.check_share(max_rejected)
        ratings_judge.check_some_are_kept()
        if len(left_out):
            write_without(scratch / "judged.parquet", left_out, ratings)
        else:
            (scratch / "judged.parquet").replace(ratings)
        engine.open("kept", ratings)
        stars, n_stars = engine.arrays("SELECT Rating, count(*) FROM kept GROUP BY Rating ORDER BY Rating")
        user_ids, by_user = engine.arrays("SELECT UserID, count(*) FROM kept GROUP BY UserID ORDER BY UserID")
        (by_movie,) = engine.arrays("SELECT count(*) FROM kept GROUP BY MovieID ORDER BY MovieID")
        if not len(tables.users.rows):
            users = pd.DataFrame({"UserID": user_ids, "Gender": pd.Series("unknown", index=range(len(user_ids)), dtype="str")})
        write_csv_parts([pd.concat([user_judge.rejected, movie_judge.rejected]), *ratings_judge.rejected()], folder / "rejected.csv")
    return Cleaned(
        USERS.validate(users),
        MOVIES.validate(movies),
        {judge.name: judge.summary() for judge in (user_judge, movie_judge)} | {"ratings": ratings_judge.summary},
        pd.DataFrame({"rating": stars, "ratings": n_stars}), by_user, by_movie,
    )  # fmt: skip


def write_without(path: Path, rows: np.ndarray, to: Path) -> None:
    """Write a table of ratings anew, without some rows (sorted)."""
    at = 0
    with writing_table(to, RATING_TYPES) as writer, parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH):
            here = rows[slice(*np.searchsorted(rows, [at, at + len(batch)]))] - at
            writer.append({name: np.delete(column.to_numpy(), here) for name, column in zip(batch.schema.names, batch.columns)})
            at += len(batch)


def spread(bad: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """A mask over the kept rows as a mask over all rows."""
    out = np.zeros(len(kept), dtype=bool)
    out[np.flatnonzero(kept)[bad]] = True
    return out


def clean_movies(table: Table) -> tuple[pd.DataFrame, Judge]:
    """Movies, with the year split from the title: 'Heat (1995)' is 'Heat' of 1995."""
    judge, raw = Judge("movies", table), table.rows
    ids, bad = whole_numbers(texts(raw["MovieID"]), MAX_ID)
    judge.reject(bad, "MovieID is not a whole number from 0 to 2147483647")
    judge.reject(raw["Title"].str.strip().eq(""), "no title")
    judge.reject(spread(pd.Series(ids[judge.kept]).duplicated().to_numpy(), judge.kept), "MovieID stands twice")
    kept = raw[judge.kept]
    parts = kept["Title"].str.extract(TITLE_YEAR)
    year = pd.to_numeric(parts["year"]).where(lambda y: y.between(1850, 2150)).astype("Int16")
    title = parts["title"].where(year.notna() & parts["title"].ne(""), kept["Title"]).str.strip()
    movies = pd.DataFrame({"MovieID": ids[judge.kept].astype("int32"), "Title": title.astype("str"), "Year": year, "Genres": kept["Genres"].astype("str")})
    return movies.sort_values("MovieID", ignore_index=True), judge


def clean_users(table: Table) -> tuple[pd.DataFrame, Judge]:
    """Users from their own table; none where there is none."""
    judge, raw = Judge("users", table), table.rows
    ids, bad = whole_numbers(texts(raw["UserID"]), MAX_ID)
    judge.reject(bad, "UserID is not a whole number from 0 to 2147483647")
    judge.reject(spread(pd.Series(ids[judge.kept]).duplicated().to_numpy(), judge.kept), "UserID stands twice")
    gender = raw["Gender"].str.strip().str.upper().where(lambda g: g.isin(["F", "M"]), "unknown")
    users = pd.DataFrame({"UserID": ids[judge.kept].astype("int32"), "Gender": gender[judge.kept].astype("str")})
    return users.sort_values("UserID", ignore_index=True), judge


def rated_movies(rated: dict[str, int]) -> Table:
    """The movies that were rated, where no table names any: MovieID as it is written, to the line where it stands first."""
    ids = [text for text in rated if re.fullmatch("[0-9]+", text)]  # the other ratings have a reason of their own
    rows = pd.DataFrame({"line": [rated[text] for text in ids], "MovieID": ids, "Title": [f"movie {text}" for text in ids], "Genres": ""})
    return without_file(rows.astype({"line": "int64", "MovieID": "str", "Title": "str", "Genres": "str"}))


class Ratings(NamedTuple):
    """A block's rows as numbers."""

    line: np.ndarray  # (n,) int64
    user: Numbers
    movie: Numbers
    stars: Numbers
    time: Numbers
    broken: pd.DataFrame  # line, reason, row
    rated: dict[str, int]  # MovieID as it is written, to the line where it stands first; empty unless asked for


def read_ratings(file: LinesFile, block: Block, with_rated: bool) -> Ratings:
    """The fast way where a block holds plain numbers alone, else with care: both give the same."""
    types = {"UserID": arrow.int64(), "MovieID": TEXTS if with_rated else arrow.int64(), "Rating": TEXTS, "Timestamp": arrow.int64()}
    table = parse_numbers(block, file.form, types)
    return read_with_care(file, block, with_rated) if table is None else of_plain_numbers(table, block, with_rated)


def of_plain_numbers(table: arrow.Table, block: Block, with_rated: bool) -> Ratings:
    """From what `parse_numbers` gives."""
    line = np.arange(block.first, block.first + len(table))
    user, time = (Numbers(column, column > high) for column, high in ((table["UserID"].to_numpy(), MAX_ID), (table["Timestamp"].to_numpy(), MAX_TIMESTAMP)))
    movie, rated = table["MovieID"], {}
    if with_rated:
        (chunk,) = movie.chunks
        first = np.empty(len(chunk.dictionary), np.int64)
        first[chunk.indices.to_numpy()[::-1]] = line[::-1]  # of several, the last one that is written stays
        rated = dict(zip(chunk.dictionary.to_pylist(), first.tolist()))
        movie = of_texts(movie, whole_numbers(chunk.dictionary, MAX_ID))
    else:
        movie = Numbers(movie.to_numpy(), movie.to_numpy() > MAX_ID)
    return Ratings(line, user, movie, of_texts(table["Rating"], star_numbers(table["Rating"].chunk(0).dictionary)), time, NOT_BROKEN, rated)


def of_texts(column: arrow.ChunkedArray, numbers: Numbers) -> Numbers:
    """A column's numbers from those of the texts in it that differ."""
    indices = column.chunk(0).indices.to_numpy()
    return Numbers(numbers.value[indices], numbers.bad[indices])


def read_with_care(file: LinesFile, block: Block, with_rated: bool) -> Ratings:
    """From text, field by field."""
    rows, broken = parse_lines(file.text(block), file.form, block.first)
    first = rows.drop_duplicates("MovieID")
    return Ratings(
        rows["line"].to_numpy(),
        whole_numbers(texts(rows["UserID"]), MAX_ID),
        whole_numbers(texts(rows["MovieID"]), MAX_ID),
        star_numbers(texts(rows["Rating"])),
        # RecBole writes times as floats at times; a fraction of zeros says nothing.
        whole_numbers(texts(rows["Timestamp"].str.replace(r"\.0+$", "", regex=True)), MAX_TIMESTAMP),
        broken,
        dict(zip(first["MovieID"], first["line"])) if with_rated else {},
    )  # fmt: skip


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

    def __init__(self, engine: Engine, file: LinesFile, block_size: int, known_movies: np.ndarray | None):
        """
        Args:
            engine: that keeps the rejected rows.
            file: of ratings.
            block_size: bytes.
            known_movies: MovieIDs; None where the movies are those that are rated.
        """
        self.engine, self.file, self.block_size, self.known_movies = engine, file, block_size, known_movies
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
        if n_broken == self.n_lines:
            ((line, row),) = self.engine.ask("SELECT line, row FROM rejected ORDER BY line LIMIT 1")
            raise no_fields(self.file.path, self.file.form, line, row)
        self.n_kept = writer.n_rows

    def _judged(self, block: Block) -> Judged:
        found = read_ratings(self.file, block, with_rated=self.known_movies is None)
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
            reasons = np.array(OWN_REASONS, object)[np.argmax([of[any_bad] for of in bad], axis=0)]
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
        first = 1 + self.file.form.header
        kept_before = rejected - first - np.arange(len(rejected))
        return first + rows + np.searchsorted(kept_before, rows, side="right")

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


NOT_BROKEN = pd.DataFrame(columns=BROKEN_COLUMNS)
REJECTED = arrow.schema({"line": arrow.int64(), "reason": arrow.string(), "row": arrow.string()})
# The rows of pairs that stand twice, but for the one that stays.
OVERTAKEN = f"""
    WITH twice AS (SELECT UserID, MovieID FROM judged GROUP BY UserID, MovieID HAVING count(*) > 1)
    SELECT {ROW} FROM (
        SELECT {ROW}, row_number() OVER (PARTITION BY UserID, MovieID ORDER BY Timestamp DESC, Rating DESC, {ROW} DESC) AS place
        FROM judged SEMI JOIN twice USING (UserID, MovieID)
    ) WHERE place > 1 ORDER BY {ROW}
"""
