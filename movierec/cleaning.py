"""What makes a row valid; what is rejected, and why."""

import functools
from typing import NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.compute as pc

from movierec.errors import UserError
from movierec.movielens import Table, Tables

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


class Cleaned(NamedTuple):
    """What `clean` returns."""

    users: pd.DataFrame  # sorted by UserID
    movies: pd.DataFrame  # sorted by MovieID
    ratings: pd.DataFrame  # in the file's order
    rejected: pd.DataFrame  # table, line, reason, row
    summary: dict  # table -> read, kept, rejected (reason -> rows)


AGAIN = "the user rated the movie again, later"  # the one reason that says nothing against the file


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
            UserError: a larger share than `highest` of the rows is rejected, those aside that are just overtaken by a later
                rating; it names the reasons, the most frequent first, each with its first line.
        """
        rejected, n = self.rejected, len(self.raw) + len(self.broken)
        rejected = rejected[rejected["reason"] != AGAIN]
        if len(rejected) <= highest * n:
            return
        first = rejected.drop_duplicates("reason").set_index("reason")
        reasons = [
            f"{count:,} {reason} (line {first['line'][reason]}: {first['row'][reason][:80]!r})"
            for reason, count in rejected["reason"].value_counts().items()
        ]
        raise UserError(
            f"{self.path or self.name}: {len(rejected):,} of {n:,} rows ({len(rejected) / n:.1%}) can't be used, more than max_rejected "
            f"in params.yaml ({highest:.4g}) allows: {'; '.join(reasons)}. Mend the file, or raise max_rejected."
        )


def whole_numbers(column: pd.Series, high: int) -> tuple[np.ndarray, np.ndarray]:
    """Text as int64, and where it is not a whole number from 0 to `high` (0 there)."""
    text = arrow.array(column, type=arrow.string())
    fits = pc.match_substring_regex(text, r"^[0-9]{1,18}$")
    numbers = pc.cast(pc.if_else(fits, text, "0"), arrow.int64()).to_numpy(zero_copy_only=False)
    bad = ~fits.to_numpy(zero_copy_only=False) | (numbers > high)
    return np.where(bad, 0, numbers), bad


def star_numbers(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Text as float32, and where it is not a rating in whole or half stars (0 there)."""
    text = arrow.array(column, type=arrow.string())
    fits = pc.match_substring_regex(text, r"^[0-9](\.[0-9]{1,6})?$")
    numbers = pc.cast(pc.if_else(fits, text, "0"), arrow.float32()).to_numpy(zero_copy_only=False)
    bad = ~fits.to_numpy(zero_copy_only=False) | (numbers < MIN_RATING) | (numbers > MAX_RATING) | (numbers * 2 % 1 != 0)
    return np.where(bad, np.float32(0), numbers), bad


def clean(tables: Tables, max_rejected: float) -> Cleaned:
    """Judge every row, and give the valid ones fixed types.

    Where a user rated a movie more than once, the latest rating stays (of equal times, the highest).
    A release without users gets a row for each user that rated, of unknown gender.

    Args:
        tables: as a reader gives them.
        max_rejected: the largest share of a table's rows that may be rejected.

    Raises:
        UserError: a table has a larger share of them, or no rating is left.
    """
    movies, movie_judge = clean_movies(tables.movies)
    ratings, rating_judge = clean_ratings(tables.ratings, movies["MovieID"].to_numpy())
    users, user_judge = clean_users(tables.users, ratings["UserID"].to_numpy())
    if len(tables.users.rows):
        unknown = ~np.isin(ratings["UserID"].to_numpy(), users["UserID"].to_numpy())
        rating_judge.reject(spread(unknown, rating_judge.kept), "user not in the users table")
        ratings = ratings[~unknown].reset_index(drop=True)
    judges = (user_judge, movie_judge, rating_judge)
    for judge in judges:
        judge.check_share(max_rejected)
    if not len(ratings):
        summary = rating_judge.summary()
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in summary["rejected"].items())
        raise UserError(f"{rating_judge.path or 'ratings'}: not one of its {summary['read']:,} rows can be used: {reasons}.")
    return Cleaned(
        USERS.validate(users),
        MOVIES.validate(movies),
        RATINGS.validate(ratings),
        pd.concat([judge.rejected for judge in judges], ignore_index=True),
        {judge.name: judge.summary() for judge in judges},
    )


def spread(bad: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """A mask over the kept rows as a mask over all rows."""
    out = np.zeros(len(kept), dtype=bool)
    out[np.flatnonzero(kept)[bad]] = True
    return out


def clean_movies(table: Table) -> tuple[pd.DataFrame, Judge]:
    """Movies, with the year split from the title: 'Heat (1995)' is 'Heat' of 1995."""
    judge, raw = Judge("movies", table), table.rows
    ids, bad = whole_numbers(raw["MovieID"], MAX_ID)
    judge.reject(bad, "MovieID is not a whole number from 0 to 2147483647")
    judge.reject(raw["Title"].str.strip().eq(""), "no title")
    judge.reject(spread(pd.Series(ids[judge.kept]).duplicated().to_numpy(), judge.kept), "MovieID stands twice")
    kept = raw[judge.kept]
    parts = kept["Title"].str.extract(TITLE_YEAR)
    year = pd.to_numeric(parts["year"]).where(lambda y: y.between(1850, 2150)).astype("Int16")
    title = parts["title"].where(year.notna() & parts["title"].ne(""), kept["Title"]).str.strip()
    movies = pd.DataFrame({"MovieID": ids[judge.kept].astype("int32"), "Title": title.astype("str"), "Year": year, "Genres": kept["Genres"].astype("str")})
    return movies.sort_values("MovieID", ignore_index=True), judge


def clean_users(table: Table, rated: np.ndarray) -> tuple[pd.DataFrame, Judge]:
    """Users, from their own table where there is one, else from the ratings."""
    judge, raw = Judge("users", table), table.rows
    if not len(raw):
        return pd.DataFrame({"UserID": np.unique(rated).astype("int32"), "Gender": pd.Series("unknown", index=range(len(np.unique(rated))), dtype="str")}), judge
    ids, bad = whole_numbers(raw["UserID"], MAX_ID)
    judge.reject(bad, "UserID is not a whole number from 0 to 2147483647")
    judge.reject(spread(pd.Series(ids[judge.kept]).duplicated().to_numpy(), judge.kept), "UserID stands twice")
    gender = raw["Gender"].str.strip().str.upper().where(lambda g: g.isin(["F", "M"]), "unknown")
    users = pd.DataFrame({"UserID": ids[judge.kept].astype("int32"), "Gender": gender[judge.kept].astype("str")})
    return users.sort_values("UserID", ignore_index=True), judge


def clean_ratings(table: Table, known_movies: np.ndarray) -> tuple[pd.DataFrame, Judge]:
    """Ratings of known movies, one for each user and movie."""
    judge, raw = Judge("ratings", table), table.rows
    users, bad = whole_numbers(raw["UserID"], MAX_ID)
    judge.reject(bad, "UserID is not a whole number from 0 to 2147483647")
    movies, bad = whole_numbers(raw["MovieID"], MAX_ID)
    judge.reject(bad, "MovieID is not a whole number from 0 to 2147483647")
    stars, bad = star_numbers(raw["Rating"])
    judge.reject(bad, "Rating is not in whole or half stars from 0.5 to 5")
    # RecBole writes times as floats at times; a fraction of zeros says nothing.
    times, bad = whole_numbers(raw["Timestamp"].str.replace(r"\.0+$", "", regex=True), MAX_TIMESTAMP)
    judge.reject(bad, "Timestamp is not in seconds from 0 to 4294967296")
    judge.reject(~np.isin(movies, known_movies), "movie not in the movies table")
    kept = np.flatnonzero(judge.kept)
    pair = users[kept] * (MAX_ID + 1) + movies[kept]
    if len(np.unique(pair)) < len(pair):
        order = np.lexsort((kept, stars[kept], times[kept], pair))  # the one to keep comes last of its pair
        last = np.append(pair[order][1:] != pair[order][:-1], True)
        judge.reject(spread(~last[np.argsort(order)], judge.kept), AGAIN)
    kept = judge.kept
    ratings = pd.DataFrame({
        "UserID": users[kept].astype("int32"), "MovieID": movies[kept].astype("int32"),
        "Rating": stars[kept], "Timestamp": times[kept],
    })  # fmt: skip
    return ratings, judge
