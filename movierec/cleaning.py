"""The data set as it is used: valid rows of fixed types, and beside them the rows that were rejected.

Users and movies are judged whole; ratings block by block, so that they need not fit into memory.
"""

import itertools
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as arrow
from pyarrow import parquet

from movierec.blocks import BLOCK, LinesFile, side_by_side
from movierec.delimited import Table, texts
from movierec.engine import BATCH, Engine
from movierec.fields import MAX_ID, Ids, whole_numbers
from movierec.judging import Judge, RatingsJudge, spread
from movierec.movielens import Tables, without_file
from movierec.rating_blocks import OwnReader, Reader
from movierec.schemas import MOVIES, NAME, RATING_TYPES, USERS
from movierec.storage import scratch_folder, write_csv_parts, writing_table

TITLE_YEAR = r"^(?P<title>.*?)\s*\((?P<year>[0-9]{4})(?:[-–][0-9]{0,4})?\)\s*(?:\([^()]*\))?\s*$"


class Cleaned(NamedTuple):
    """What `clean` returns, beside the ratings and the rejected rows that it writes."""

    users: pd.DataFrame  # sorted by UserID
    movies: pd.DataFrame  # sorted by MovieID
    summary: dict  # table -> read, kept, rejected (reason -> rows)
    stars: pd.DataFrame  # rating, ratings: how many have it; of weights, how many are from this power of two to the next
    by_user: np.ndarray  # ratings of each user that has one
    by_movie: np.ndarray


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


def clean_movies(table: Table, movie_ids: Ids) -> tuple[pd.DataFrame, Judge]:
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


def rated_movies(rated: dict[str, int], movie_ids: Ids, titled: str) -> Table:
    """The movies that were rated, where no table names any: MovieID as it is written, to the line where it stands first."""
    if movie_ids.names is None:
        rated = {text: line for text, line in rated.items() if re.fullmatch("[0-9]+", text)}  # the other ratings have a reason of their own
    ids = [text for text in rated if text]
    rows = pd.DataFrame({"line": [rated[text] for text in ids], "MovieID": ids, "Title": [f"{titled}{text}" for text in ids], "Genres": ""})
    return without_file(rows.astype({"line": "int64", "MovieID": "str", "Title": "str", "Genres": "str"}))
