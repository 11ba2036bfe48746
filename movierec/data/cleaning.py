"""Clean tables: valid rows of fixed types, and beside them the list of the rejected rows.

Users and movies are judged whole; ratings are judged in blocks, so that they need not fit into memory.
"""

import collections
import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from movierec.data.engine import BATCH, THREADS, Engine
from movierec.data.fields import MAX_ID, Ids, whole_numbers
from movierec.data.layouts import Tables
from movierec.data.rules import RatingRules, Rejections, reject_rows, reject_together
from movierec.data.schemas import MOVIES, RATING_TYPES, USERS
from movierec.data.text_file import BLOCK, Table
from movierec.utils.errors import UserError
from movierec.utils.storage import replacing, write_csv, writing_table

TITLE_YEAR = r"^(?P<title>.*?)\s*\((?P<year>[0-9]{4})(?:[-–][0-9]{0,4})?\)\s*(?:\([^()]*\))?\s*$"
CURVE_POINTS = 200  # of a degree curve


class Cleaned(NamedTuple):
    """The clean tables, but for the ratings, which are written."""

    users: pd.DataFrame  # sorted by UserID
    movies: pd.DataFrame  # sorted by MovieID
    summary: dict  # by table: read, kept, rejected (reason to rows)
    stars: pd.DataFrame  # rating, ratings; weights are counted from one power of two to the next
    by_user: np.ndarray  # ratings of each user that has one
    by_movie: np.ndarray


def clean(tables: Tables, max_rejected: float, folder: Path, block_size: int = BLOCK) -> Cleaned:
    """Judge every row, and give the valid ones fixed types.

    Of a user's ratings of the same movie, the latest is kept (of equal times, the highest). Without a users table, each
    user that rated gets a row, of unknown gender; without a movies table, each rated movie does.

    Args:
        tables: the data set, as read.
        max_rejected: largest share of a table's rows that may be rejected.
        folder: for `ratings.parquet`, in the order of the file, and `rejected.csv` (table, line, reason, row).
        block_size: bytes of ratings that are judged at a time; memory grows with it, and with users and movies.

    Raises:
        UserError: more rows of a table are rejected, or no rating is left.
    """
    with replacing(folder / "scratch", keep=False) as scratch, contextlib.closing(Engine(scratch)) as engine:
        rejections = Rejections(engine)
        user_ids, movie_ids = ids_of(tables, block_size) if tables.own_ids else (Ids("UserID"), Ids("MovieID"))
        users = clean_users(tables.users, rejections) if tables.users else None
        movies = clean_movies(tables.movies, movie_ids, rejections) if tables.movies else None
        rules = RatingRules(user_ids, movie_ids, None if movies is None else movies["MovieID"].to_numpy())
        n_rows, ordered = judge_ratings(tables, rules, rejections, scratch / "judged.parquet", block_size=block_size)
        engine.open("judged", scratch / "judged.parquet")
        known = None if users is None else users["UserID"].to_numpy()
        rejected = reject_together(rejections, tables.ratings, known, ordered=ordered, block_size=block_size)
        summary = check_rejections(tables, rejections, n_rows, max_rejected)
        if len(rejected):
            write_without(scratch / "judged.parquet", rejected, folder / "ratings.parquet")
        else:
            (scratch / "judged.parquet").replace(folder / "ratings.parquet")
        engine.open("kept", folder / "ratings.parquet")
        users_of, by_user = engine.arrays("SELECT UserID, count(*) FROM kept GROUP BY UserID ORDER BY UserID")
        rated, by_movie = engine.arrays("SELECT MovieID, count(*) FROM kept GROUP BY MovieID ORDER BY MovieID")
        if users is None:
            users = pd.DataFrame({"UserID": users_of, **user_ids.names_of(users_of)})
            users.insert(1, "Gender", pd.Series("unknown", index=users.index, dtype="str"))
        if movies is None:
            movies = rated_movies(rated, movie_ids, titled="" if tables.own_ids else "movie ")
            summary["movies"] |= {"read": len(movies), "kept": len(movies)}
        rating = "(2 ** floor(log2(Rating)))::FLOAT" if "Weight" in tables.ratings.names else "Rating"
        stars, n_stars = engine.arrays(f"SELECT {rating} AS rating, count(*) FROM kept GROUP BY ALL ORDER BY ALL")
        write_csv(rejections.frames(), folder / "rejected.csv")
    counts = pd.DataFrame({"rating": stars, "ratings": n_stars})
    users, movies = USERS.validate(users), MOVIES.validate(movies)
    return Cleaned(users, movies, summary, counts, by_user=by_user, by_movie=by_movie)


def judge_ratings(
    tables: Tables, rules: RatingRules, rejections: Rejections, path: Path, *, block_size: int
) -> tuple[int, bool]:
    """Write the ratings that are valid by themselves, in the order of the file.

    It returns the number of rows in the file, and whether the pairs of user and movie rise, so that none is repeated.
    """
    file = tables.ratings
    n_rows = n_broken = 0
    last, ordered = -1, True
    with writing_table(path, RATING_TYPES) as writer:
        for block in in_parallel(lambda of: rules.judge(file.parse(of), of.n_lines), file.blocks(block_size)):
            writer.append(block.kept)
            if len(block.pairs):
                ordered = ordered and block.pairs[0] > last and bool((block.pairs[1:] > block.pairs[:-1]).all())
                last = block.pairs[-1]
            rejections.add("ratings", block.rejected)
            n_rows, n_broken = n_rows + block.n_lines, n_broken + block.n_broken
    if n_broken == n_rows:
        _, _, line, text = min(rejections.reasons("ratings"), key=lambda reason: reason[2])
        raise file.no_fields(line, text)
    return n_rows, ordered


def check_rejections(tables: Tables, rejections: Rejections, n_ratings: int, max_rejected: float) -> dict[str, Any]:
    """The summary of each table; a UserError if too many of its rows are rejected, or no rating is left."""
    summary, path = {}, tables.ratings.path
    for name, table in (("users", tables.users), ("movies", tables.movies), ("ratings", None)):
        n_rows = len(table.rows) + len(table.broken) if table else n_ratings if name == "ratings" else 0
        rejections.check_share(name, table.path if table else path, n_rows, max_rejected)
        summary[name] = rejections.summary(name, n_rows)
    if not summary["ratings"]["kept"]:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in summary["ratings"]["rejected"].items())
        raise UserError(f"{path}: not one of its {n_ratings:,} rows can be used: {reasons}.")
    return summary


def write_without(path: Path, rows: np.ndarray, to: Path) -> None:
    """Write a table of ratings without some of its rows (sorted)."""
    at = 0
    with writing_table(to, RATING_TYPES) as writer, parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH):
            here = rows[slice(*np.searchsorted(rows, [at, at + len(batch)]))] - at
            columns = zip(batch.schema.names, batch.columns, strict=True)
            writer.append({name: np.delete(column.to_numpy(), here) for name, column in columns})
            at += len(batch)


def in_parallel(work: Callable[[Any], Any], items: Iterable, threads: int = THREADS) -> Iterator:
    """`work` of each item, in their order, with a few items in work at a time and no more of them held."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: collections.deque = collections.deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def ids_of(tables: Tables, block_size: int) -> tuple[Ids, Ids]:
    """The ids of users and of movies: numbers if every one of a column is a whole number that fits, else text."""
    found: dict[str, set[str]] = {"UserID": set(), "MovieID": set()}
    if tables.movies:
        found["MovieID"] |= set(tables.movies.rows["MovieID"])

    def distinct(block: Any) -> dict[str, list[str]]:
        columns = tables.ratings.parse(block).columns
        return {name: columns[name].dictionary.to_pylist() for name in found}

    for texts in in_parallel(distinct, tables.ratings.blocks(block_size)):
        for name, of in texts.items():
            found[name].update(of)
    names = {name: pa.array(sorted(filter(str.strip, of)), type=pa.string()) for name, of in found.items()}
    users, movies = (Ids(name, of if whole_numbers(of, MAX_ID).bad.any() else None) for name, of in names.items())
    return users, movies


def clean_movies(table: Table, ids: Ids, rejections: Rejections) -> pd.DataFrame:
    """Movies, with the year split from the title: 'Heat (1995)' is 'Heat' of 1995."""
    raw = table.rows
    number, bad = ids.numbers(pa.array(raw["MovieID"], type=pa.string()))
    blank = raw["Title"].str.strip().eq("").to_numpy()
    faults = {ids.reason: bad, "no title": blank, "MovieID stands twice": repeats(number, bad | blank)}
    kept = reject_rows(rejections, "movies", table, faults)
    title, number = raw["Title"][kept], number[kept]
    parts = title.str.extract(TITLE_YEAR)
    year = pd.to_numeric(parts["year"]).where(lambda y: y.between(1850, 2150)).astype("Int16")
    title = parts["title"].where(year.notna() & parts["title"].ne(""), title).str.strip().astype("str")
    genres = raw["Genres"][kept].astype("str")
    columns = {"MovieID": number.astype("int32"), "Title": title, "Year": year, "Genres": genres}
    return pd.DataFrame(columns | ids.names_of(number)).sort_values("MovieID", ignore_index=True)


def clean_users(table: Table, rejections: Rejections) -> pd.DataFrame:
    """Users from their own table."""
    raw, ids = table.rows, Ids("UserID")
    number, bad = ids.numbers(pa.array(raw["UserID"], type=pa.string()))
    kept = reject_rows(rejections, "users", table, {ids.reason: bad, "UserID stands twice": repeats(number, bad)})
    gender = raw["Gender"].str.strip().str.upper().where(lambda g: g.isin(["F", "M"]), "unknown")
    users = pd.DataFrame({"UserID": number[kept].astype("int32"), "Gender": gender[kept].astype("str")})
    return users.sort_values("UserID", ignore_index=True)


def repeats(numbers: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Whether a number was there before, in a row that is not ignored: both (n,)."""
    return pd.Series(np.where(ignored, -1, numbers)).duplicated().to_numpy() & ~ignored


def rated_movies(numbers: np.ndarray, ids: Ids, titled: str) -> pd.DataFrame:
    """The movies that were rated, where no table has their titles: called by their ids."""
    title = pd.Series(ids.text_of(numbers), dtype="str")
    year = pd.Series(pd.NA, index=title.index, dtype="Int16")
    genres = pd.Series("", index=title.index, dtype="str")
    columns = {"MovieID": numbers, "Title": titled + title.str.strip(), "Year": year, "Genres": genres}
    return pd.DataFrame(columns | ids.names_of(numbers))


def degree_curves(by_user: np.ndarray, by_movie: np.ndarray) -> pd.DataFrame:
    """Ratings by rank, for a plot: series (users or movies), rank (from 1), ratings; evenly spaced on a log scale."""
    curves = []
    for series, counts in (("users", by_user), ("movies", by_movie)):
        rank = np.unique(np.geomspace(1, len(counts), CURVE_POINTS).round().astype(np.int64))
        curves.append(pd.DataFrame({"series": series, "rank": rank, "ratings": np.sort(counts)[::-1][rank - 1]}))
    return pd.concat(curves, ignore_index=True)
