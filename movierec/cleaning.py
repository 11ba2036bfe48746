"""What makes a row valid; what is rejected, and why.

Users and movies are judged whole; ratings block by block, so that they need not fit into memory.
"""

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.compute as pc
from pyarrow import parquet

from movierec.blocks import BLOCK, TEXTS, Block, LinesFile, parse_numbers, side_by_side
from movierec.delimited import BROKEN_COLUMNS, Table, no_fields, parse_lines, texts
from movierec.engine import BATCH, ROW, Engine
from movierec.errors import UserError
from movierec.movielens import Tables, without_file
from movierec.own_data import CsvRows, ParquetRows
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
        "Rating": pa.Column("float32", pa.Check.gt(0)),  # stars, 0.5 to 5, or a weight
        "Timestamp": pa.Column("int64", pa.Check.in_range(0, MAX_TIMESTAMP)),
    },
    strict=True,
)


NAME = {"Name": pa.Column("str", pa.Check.str_length(min_value=1), unique=True)}  # an id of users or movies, where theirs are text
RATING_TYPES = {name: str(column.dtype) for name, column in RATINGS.columns.items()}


class Cleaned(NamedTuple):
    """What `clean` returns, beside the ratings and the rejected rows that it writes."""

    users: pd.DataFrame  # sorted by UserID
    movies: pd.DataFrame  # sorted by MovieID
    summary: dict  # table -> read, kept, rejected (reason -> rows)
    stars: pd.DataFrame  # rating, ratings: how many have it; of weights, how many are from this power of two to the next
    by_user: np.ndarray  # ratings of each user that has one
    by_movie: np.ndarray


# Reasons to reject a rating by itself, beside those of its ids (`Ids.reason`).
STARS_REASON = "Rating is not in whole or half stars from 0.5 to 5"
WEIGHT_REASON = "weight is not a number above 0"
TIME_REASON = "Timestamp is not in seconds from 0 to 4294967296"
UNKNOWN_REASON = "movie not in the movies table"
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


class Numbers(NamedTuple):
    """A column as numbers."""

    value: np.ndarray
    bad: np.ndarray  # bool: where it is none of those allowed


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


def weight_numbers(text: arrow.Array) -> Numbers:
    """Text as float32, and where it is not a number above 0 (0 there)."""
    fits = pc.match_substring_regex(text, r"^[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?$")
    numbers = pc.cast(pc.if_else(fits, text, "0"), arrow.float64()).to_numpy(zero_copy_only=False)
    bad = ~((numbers > np.finfo(np.float32).tiny) & (numbers < np.finfo(np.float32).max))
    return Numbers(np.where(bad, 0, numbers).astype(np.float32), bad)


def seconds(text: arrow.Array) -> Numbers:
    """Times. RecBole writes them as floats at times; a fraction of zeros says nothing."""
    return whole_numbers(pc.replace_substring_regex(text, r"\.0+$", ""), MAX_TIMESTAMP)


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
        own = not isinstance(tables.ratings, LinesFile)
        user_ids, movie_ids = ids_of(tables, block_size) if own else (Ids("UserID"), Ids("MovieID"))
        reader = (OwnReader if own else Reader)(tables.ratings, user_ids, movie_ids, with_rated=tables.movies is None)
        movies, movie_judge = clean_movies(tables.movies, movie_ids) if tables.movies else (None, None)
        ratings_judge = RatingsJudge(engine, reader, block_size, None if movies is None else movies["MovieID"].to_numpy())
        with writing_table(scratch / "judged.parquet", RATING_TYPES) as writer:
            ratings_judge.judge(writer)
        if movies is None:
            movies, movie_judge = clean_movies(rated_movies(ratings_judge.rated, movie_ids, "" if own else "movie "), movie_ids)
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
        stars, n_stars = engine.arrays(f"SELECT {reader.shown} AS shown, count(*) FROM kept GROUP BY shown ORDER BY shown")
        rated_by, by_user = engine.arrays("SELECT UserID, count(*) FROM kept GROUP BY UserID ORDER BY UserID")
        (by_movie,) = engine.arrays("SELECT count(*) FROM kept GROUP BY MovieID ORDER BY MovieID")
        if not len(tables.users.rows):
            users = pd.DataFrame({"UserID": rated_by, "Gender": pd.Series("unknown", index=range(len(rated_by)), dtype="str"), **user_ids.names_of(rated_by)})
        write_csv_parts(itertools.chain([pd.concat([user_judge.rejected, movie_judge.rejected])], ratings_judge.rejected()), folder / "rejected.csv")
    return Cleaned(
        (USERS.add_columns(NAME) if "Name" in users else USERS).validate(users),
        (MOVIES.add_columns(NAME) if "Name" in movies else MOVIES).validate(movies),
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


def clean_movies(table: Table, movie_ids: "Ids") -> tuple[pd.DataFrame, Judge]:
    """Movies, with the year split from the title: 'Heat (1995)' is 'Heat' of 1995."""
    judge, raw = Judge("movies", table), table.rows
    ids, bad = movie_ids.numbers(texts(raw["MovieID"]))
    judge.reject(bad, movie_ids.reason)
    judge.reject(raw["Title"].str.strip().eq(""), "no title")
    judge.reject(spread(pd.Series(ids[judge.kept]).duplicated().to_numpy(), judge.kept), "MovieID stands twice")
    kept = raw[judge.kept]
    parts = kept["Title"].str.extract(TITLE_YEAR)
    year = pd.to_numeric(parts["year"]).where(lambda y: y.between(1850, 2150)).astype("Int16")
    title = parts["title"].where(year.notna() & parts["title"].ne(""), kept["Title"]).str.strip()
    movies = pd.DataFrame({"MovieID": ids[judge.kept].astype("int32"), "Title": title.astype("str"), "Year": year, "Genres": kept["Genres"].astype("str")})
    movies = movies.assign(**movie_ids.names_of(ids[judge.kept]))
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


def rated_movies(rated: dict[str, int], movie_ids: "Ids", titled: str) -> Table:
    """The movies that were rated, where no table names any: MovieID as it is written, to the line where it stands first."""
    if movie_ids.names is None:
        rated = {text: line for text, line in rated.items() if re.fullmatch("[0-9]+", text)}  # the other ratings have a reason of their own
    ids = [text for text in rated if text]
    rows = pd.DataFrame({"line": [rated[text] for text in ids], "MovieID": ids, "Title": [f"{titled}{text}" for text in ids], "Genres": ""})
    return without_file(rows.astype({"line": "int64", "MovieID": "str", "Title": "str", "Genres": "str"}))


class Ids(NamedTuple):
    """How the ids of users or movies become numbers."""

    column: str
    names: arrow.Array | None = None  # where they are text: all of them, sorted; an id's number is its place. None: they are numbers

    @property
    def reason(self) -> str:
        return f"{self.column} is {f'not a whole number from 0 to {MAX_ID}' if self.names is None else 'missing'}"

    def numbers(self, text: arrow.Array) -> Numbers:
        """Ids as they are written, as int64; bad where there is none."""
        if self.names is None:
            return whole_numbers(text, MAX_ID)
        places = pc.index_in(text, value_set=self.names)
        return Numbers(pc.fill_null(places, 0).to_numpy().astype(np.int64), pc.is_null(places).to_numpy(zero_copy_only=False))

    def names_of(self, numbers: np.ndarray) -> dict[str, pd.Series]:
        """A column `Name`, where ids are text; else none."""
        return {} if self.names is None else {"Name": self.names.take(arrow.array(numbers)).to_pandas().astype("str").to_numpy()}


def ids_of(tables: Tables, block_size: int) -> tuple[Ids, Ids]:
    """Those of users and of movies in a table of one's own: numbers if every one is a whole number that fits, else text."""
    found: dict[str, set[str]] = {"UserID": set(), "MovieID": set(tables.movies.rows["MovieID"]) if tables.movies else set()}

    def texts_in(block) -> dict[str, list[str]]:
        _, columns, _ = tables.ratings.columns(block)
        return {name: columns[name].dictionary.to_pylist() for name in found}

    for block in side_by_side(texts_in, tables.ratings.blocks(block_size)):
        for name, different in block.items():
            found[name].update(different)
    ids = []
    for name, different in found.items():
        names = arrow.array(sorted(different - {""}), type=arrow.string())
        ids.append(Ids(name, names if whole_numbers(names, MAX_ID).bad.any() else None))
    return ids[0], ids[1]


class Ratings(NamedTuple):
    """A block's rows as numbers."""

    line: np.ndarray  # (n,) int64
    user: Numbers
    movie: Numbers
    stars: Numbers
    time: Numbers
    broken: pd.DataFrame  # line, reason, row
    rated: dict[str, int]  # MovieID as it is written, to the line where it stands first; empty unless asked for


class Reader:
    """Reads ratings with the columns of MovieLens, the fast way where a block holds plain numbers alone, else with care: both give the same."""

    stars_reason = STARS_REASON
    shown = "Rating"  # as what a rating is counted, in SQL

    def __init__(self, file: LinesFile, user_ids: Ids, movie_ids: Ids, with_rated: bool):
        """
        Args:
            file: of ratings.
            user_ids, movie_ids: how they become numbers.
            with_rated: whether to say which movies are rated.
        """
        self.file, self.user_ids, self.movie_ids, self.with_rated = file, user_ids, movie_ids, with_rated

    def read(self, block: Block) -> Ratings:
        """A block's ratings."""
        movies = TEXTS if self.with_rated else arrow.int64()
        table = parse_numbers(block, self.file.form, {"UserID": arrow.int64(), "MovieID": movies, "Rating": TEXTS, "Timestamp": arrow.int64()})
        return self._with_care(block) if table is None else self._of_plain_numbers(table, block)

    def _of_plain_numbers(self, table: arrow.Table, block: Block) -> Ratings:
        line = np.arange(block.first, block.first + len(table))
        movie, rated = table["MovieID"], {}
        if self.with_rated:
            rated = first_lines(movie.chunk(0), line)
            movie = of_texts(movie.chunk(0), self.movie_ids.numbers)
        else:
            movie = within(movie.to_numpy(), MAX_ID)
        stars = of_texts(table["Rating"].chunk(0), star_numbers)
        return Ratings(line, within(table["UserID"].to_numpy(), MAX_ID), movie, stars, within(table["Timestamp"].to_numpy(), MAX_TIMESTAMP), NOT_BROKEN, rated)

    def _with_care(self, block: Block) -> Ratings:
        rows, broken = parse_lines(self.file.text(block), self.file.form, block.first)
        first = rows.drop_duplicates("MovieID")
        return Ratings(
            rows["line"].to_numpy(), self.user_ids.numbers(texts(rows["UserID"])), self.movie_ids.numbers(texts(rows["MovieID"])),
            star_numbers(texts(rows["Rating"])), seconds(texts(rows["Timestamp"])), broken,
            dict(zip(first["MovieID"], first["line"])) if self.with_rated else {},
        )  # fmt: skip


class OwnReader(Reader):
    """Reads a table of one's own."""

    file: ParquetRows | CsvRows

    @property
    def stars_reason(self) -> str:
        return WEIGHT_REASON if "Weight" in self.file.names else STARS_REASON

    @property
    def shown(self) -> str:
        return "(2 ** floor(log2(Rating)))::FLOAT" if "Weight" in self.file.names else "Rating"

    def read(self, block) -> Ratings:
        """A block's ratings."""
        line, columns, broken = self.file.columns(block)
        if "Weight" in columns:
            stars = of_texts(columns["Weight"], weight_numbers)
        elif "Rating" in columns:
            stars = of_texts(columns["Rating"], star_numbers)
        else:  # whoever says only that, not how much, likes it: whatever min_rating is
            stars = Numbers(np.full(len(line), MAX_RATING, np.float32), np.zeros(len(line), bool))
        time = columns.get("Timestamp")
        if time is None:
            time = Numbers(np.zeros(len(line), np.int64), np.zeros(len(line), bool))
        else:
            time = seconds(time) if arrow.types.is_string(time.type) else within(time.to_numpy(), MAX_TIMESTAMP)
        user, movie = of_texts(columns["UserID"], self.user_ids.numbers), of_texts(columns["MovieID"], self.movie_ids.numbers)
        return Ratings(line, user, movie, stars, time, broken, first_lines(columns["MovieID"], line) if self.with_rated else {})


def within(column: np.ndarray, high: int) -> Numbers:
    """Whole numbers from 0 on, and where they are above `high`."""
    return Numbers(column, column > high)


def of_texts(column: arrow.DictionaryArray, numbers: Callable[[arrow.Array], Numbers]) -> Numbers:
    """A column's numbers from those of the texts in it that differ."""
    indices, of = column.indices.to_numpy(), numbers(column.dictionary)
    return Numbers(of.value[indices], of.bad[indices])


def first_lines(column: arrow.DictionaryArray, line: np.ndarray) -> dict[str, int]:
    """Each text of a column, to the line where it stands first."""
    first = np.empty(len(column.dictionary), np.int64)
    first[column.indices.to_numpy()[::-1]] = line[::-1]  # of several, the last one that is written stays
    return dict(zip(column.dictionary.to_pylist(), first.tolist()))


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
