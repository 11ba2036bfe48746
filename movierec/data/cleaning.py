"""Clean tables: valid rows of fixed types, and beside them the list of the rejected rows.

DuckDB reads the files and judges their rows. Ratings need not fit into memory; users and movies must.
"""

import contextlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from movierec.data.columns import ATOMIC
from movierec.data.engine import Engine
from movierec.data.ids import Ids, ids_of
from movierec.data.layouts import Tables
from movierec.data.rules import ADDED, RATED_AGAIN, TABLES, RatingRules, Rejections, Survey, first_fault
from movierec.data.schemas import MOVIES, RATING_TYPES, RATINGS, USERS
from movierec.data.source import View
from movierec.utils.arrays import replacing
from movierec.utils.errors import UserError, printable
from movierec.utils.movie_titles import NO_GENRES, title_and_year
from movierec.utils.storage import write_csv, writing_table

CURVE_POINTS = 200  # of a degree curve
KEPT = "FROM judged WHERE reason IS NULL"
TWICE = f"SEMI JOIN (SELECT user, movie {KEPT} GROUP BY user, movie HAVING count(*) > 1) USING (user, movie)"
# The rows of pairs that are repeated: all but the last rating, and all but the first weight.
SUPERSEDED = f"""
    SELECT row FROM (
        SELECT rowid AS row, row_number() OVER (PARTITION BY user, movie ORDER BY {{order}}) AS place
        FROM judged {TWICE} WHERE reason IS NULL
    ) WHERE place > 1
"""
LAST, FIRST = SUPERSEDED.format(order="time DESC, rating DESC, rowid DESC"), SUPERSEDED.format(order="rowid")
SUMS = f"""
    SELECT min(rowid) AS row, list_sum(list(rating::DOUBLE ORDER BY rowid)) AS rating, max(time) AS time
    FROM judged {TWICE} WHERE reason IS NULL GROUP BY user, movie
"""


class Cleaned(NamedTuple):
    """The clean tables, but for the ratings, which are written."""

    users: pd.DataFrame  # sorted by UserID
    movies: pd.DataFrame  # sorted by MovieID
    summary: dict  # by table: read, kept, rejected (reason to rows)
    stars: pd.DataFrame  # rating, ratings; weights are counted from one power of two to the next
    by_user: np.ndarray  # ratings of each user that has one
    by_movie: np.ndarray
    notes: list[str]  # of each file, the columns that are used, as what, and those that are not


def clean(tables: Tables, max_rejected: float, folder: Path, max_repeated: float = 1) -> Cleaned:
    """Judge every row, and give the valid ones fixed types.

    Of a user's ratings of the same movie, the latest is kept (of equal times, the highest); weights add up. Without a
    users table, each user that rated gets a row, of unknown gender; without a movies table, each rated movie does.

    Args:
        tables: the data set.
        max_rejected: largest share of a table's rows that may be rejected.
        folder: for `ratings.parquet`, in the order of the file, and `rejected.csv` (table, line, reason, row).
        max_repeated: largest share of the ratings whose user and movie may be those of another row.

    Raises:
        UserError: a column is not clear, more rows of a table are rejected or repeated, or no rating is left.
    """
    with replacing(folder / "scratch", keep=False) as scratch, contextlib.closing(Engine(scratch)) as engine:
        sources = {"users": tables.users, "movies": tables.movies, "ratings": tables.ratings}
        views = {name: View(engine, name, source) for name, source in sources.items() if source}
        rejections, ids = Rejections(engine), {"users": Ids("UserID"), "movies": Ids("MovieID")}
        seconds = 1
        if tables.own:
            surveys = {name: Survey.of(view, tables.scale) for name, view in views.items()}
            for name, of in ids.items():
                have = [which for which in (name, "ratings") if which in views]
                small = all(surveys[which].small[of.column] for which in have)
                ids[name] = ids_of(of.column, [views[which] for which in have], small)
            seconds = surveys["ratings"].seconds
        users = clean_users(views["users"], ids["users"], rejections) if tables.users else None
        movies = clean_movies(views["movies"], ids["movies"], rejections) if tables.movies else None
        rules = RatingRules(views["ratings"], tables, users=ids["users"], movies=ids["movies"], seconds=seconds)
        judge(rules, users, movies if tables.closed else None)
        merge_repeated(rules, max_repeated)
        rejections.add_from("ratings", views["ratings"].with_lines("judged", "reason IS NOT NULL"))
        rejections.add_from("ratings", "ratings_faults")
        summary = {name: rejections.summary(name, views[name].n_lines if name in views else 0) for name in TABLES}
        for name, view in views.items():
            rejections.check_share(name, view.path, view.n_lines, max_rejected)
        if not summary["ratings"]["kept"]:
            reasons = "; ".join(f"{count:,} {reason}" for reason, count in summary["ratings"]["rejected"].items())
            n_lines, path = views["ratings"].n_lines, views["ratings"].path
            raise UserError(f"{path}: none of its {n_lines:,} rows can be used: {reasons}.")
        write_ratings(engine, folder / "ratings.parquet")
        users_of, by_user = engine.arrays(f"SELECT user, count(*) {KEPT} GROUP BY user ORDER BY user")
        rated, by_movie = engine.arrays(f"SELECT movie, count(*) {KEPT} GROUP BY movie ORDER BY movie")
        if users is None:
            users = pd.DataFrame({"UserID": users_of, **ids["users"].names_of(users_of)})
            users.insert(1, "Gender", pd.Series("unknown", index=users.index, dtype="str"))
        if movies is None or not tables.closed:
            others = rated if movies is None else np.setdiff1d(rated, movies["MovieID"])
            others = rated_movies(others, ids["movies"], titled="movie " if tables.ratings.form == ATOMIC else "")
            movies = pd.concat([movies, others]).sort_values("MovieID", ignore_index=True)
            summary["movies"]["read"] += len(others)
            summary["movies"]["kept"] += len(others)
        rating = "(2 ** floor(log2(rating)))::FLOAT" if "Weight" in tables.ratings.columns else "rating"
        stars, n_stars = engine.arrays(f"SELECT {rating} AS r, count(*) {KEPT} GROUP BY ALL ORDER BY ALL")
        write_csv(rejections.frames(), folder / "rejected.csv")
    counts = pd.DataFrame({"rating": stars, "ratings": n_stars})
    users, movies = USERS.validate(users), MOVIES.validate(movies)
    notes = [view.source.described for view in views.values()]
    return Cleaned(users, movies, summary, counts, by_user=by_user, by_movie=by_movie, notes=notes)


def judge(rules: RatingRules, users: pd.DataFrame | None, movies: pd.DataFrame | None) -> None:
    """Make the table `judged` of all ratings: user, movie, rating, time, reason and text, in the order of the file.

    Args:
        rules: that are applied.
        users: those that are known; None: any.
        movies: likewise.
    """
    view, engine = rules.view, rules.view.engine
    view.load("judged", rules.sql())
    unknown = {}
    for table, column, ids, known in (("users", "user", rules.users, users), ("movies", "movie", rules.movies, movies)):
        if known is not None:
            numbers = known[ids.column].to_numpy()
            engine.insert(f"{table}_known", pa.table({"id": numbers, "text": ids.text_of(numbers)}))
            rated = f"SELECT DISTINCT {column} AS id {KEPT}"
            unknown[table] = bool(engine.rows(f"FROM ({rated}) ANTI JOIN {table}_known USING (id) LIMIT 1"))
            if unknown[table]:
                engine.rows(f"CREATE TYPE known_{table} AS ENUM (SELECT text FROM {table}_known ORDER BY text)")
    if any(unknown.values()):  # rarely: the rules are slower with it
        view.load("judged", rules.sql(**{f"only_{table}": found for table, found in unknown.items()}))


def merge_repeated(rules: RatingRules, highest: float) -> None:
    """Of a user's ratings of the same movie, keep one; add up weights. See `clean` for errors."""
    engine, view = rules.view.engine, rules.view
    pairs = "SELECT user::BIGINT * 2147483648 + movie AS pair, reason FROM judged"
    before = f"SELECT pair, lag(pair) OVER () AS before FROM ({pairs})"
    if engine.rows(f"SELECT bool_and(pair > before) FROM ({before})")[0][0]:
        return  # the pairs rise, so none is repeated
    weights = "Weight" in view.source.columns
    engine.rows(f"CREATE TABLE repeated AS {FIRST if weights else LAST}")
    ((n_repeated,),) = engine.rows("SELECT count(*) FROM repeated")
    if n_repeated > highest * view.n_lines:
        raise UserError(
            f"{view.path}: {n_repeated:,} of {view.n_lines:,} rows ({n_repeated / view.n_lines:.1%}) repeat the user "
            f"and item of another row, more than max_repeated in params.yaml ({highest:.4g}) allows; check the columns "
            f"of users and items, or raise max_repeated."
        )
    if weights:
        engine.rows(f"CREATE TABLE sums AS {SUMS}")
        engine.rows("UPDATE judged SET rating = sums.rating, time = sums.time FROM sums WHERE judged.rowid = sums.row")
    text = f"concat_ws('|', {rules.users.text_sql('user')}, {rules.movies.text_sql('movie')}, rating, time)"
    reason = f"reason = '{ADDED if weights else RATED_AGAIN}', text = {text}"
    engine.rows(f"UPDATE judged SET {reason} FROM repeated WHERE judged.rowid = repeated.row")


def write_ratings(engine: Engine, path: Path) -> None:
    """Write the ratings that are kept."""
    names = zip(("user", "movie", "rating", "time"), RATING_TYPES, strict=True)
    columns = ", ".join(f"{ours} AS {name}" for ours, name in names)
    with writing_table(path, RATING_TYPES) as writer:
        for batch in engine.batches(f"SELECT {columns} {KEPT}"):
            writer.append(RATINGS.validate(batch.to_pandas()))


def clean_movies(view: View, ids: Ids, rejections: Rejections) -> pd.DataFrame:
    """Movies with titles as people say them, without the year: 'Matrix, The (1999)' is 'The Matrix' of 1999."""
    raw = view.frame()
    number, bad = ids.numbers(raw["MovieID"])
    title = raw.get("Title", raw["MovieID"]).map(printable)
    blank = title.str.strip().eq("").to_numpy()
    faults = {ids.reason: bad, "no title": blank, "MovieID stands twice": repeats(number, bad | blank)}
    kept = reject_rows(rejections, view, raw, faults)
    title, number = title[kept], number[kept]
    parts = [title_and_year(text) for text in title]
    year = pd.Series([year for _, year in parts], index=title.index, dtype="Int16")
    title = pd.Series([text for text, _ in parts], index=title.index, dtype="str")
    genres = raw.get("Genres", pd.Series("", index=raw.index, dtype="str"))[kept]
    genres = genres.map({text: plain_genres(text) for text in genres.unique()}).astype("str")
    columns = {"MovieID": number.astype("int32"), "Title": title, "Year": year, "Genres": genres}
    return pd.DataFrame(columns | ids.names_of(number)).sort_values("MovieID", ignore_index=True)


def plain_genres(text: str) -> str:
    """Genres separated by `|`, each once, without blanks around them and those that stand for none."""
    genres = (genre.strip() for genre in printable(text).split("|"))
    return "|".join(dict.fromkeys(genre for genre in genres if genre and genre.lower() != NO_GENRES))


def clean_users(view: View, ids: Ids, rejections: Rejections) -> pd.DataFrame:
    """Users from their own table."""
    raw = view.frame()
    number, bad = ids.numbers(raw["UserID"])
    kept = reject_rows(rejections, view, raw, {ids.reason: bad, "UserID stands twice": repeats(number, bad)})
    gender = raw.get("Gender", pd.Series("", index=raw.index, dtype="str")).str.strip().str.upper()
    gender = gender.where(gender.isin(["F", "M"]), "unknown")[kept].astype("str")
    users = pd.DataFrame({"UserID": number[kept].astype("int32"), "Gender": gender} | ids.names_of(number[kept]))
    return users.sort_values("UserID", ignore_index=True)


def reject_rows(rejections: Rejections, view: View, rows: pd.DataFrame, faults: dict[str, np.ndarray]) -> np.ndarray:
    """Reject rows of a view, each for the first of the reasons in `faults`, (n,) bool: the rows to keep, (n,) bool."""
    at, reasons = first_fault(faults)
    texts = ("|".join(fields) for fields in rows.iloc[at].drop(columns="line").itertuples(index=False))
    rejections.add(view.name, zip(rows["line"].iloc[at], reasons, texts, strict=True))
    rejections.add_from(view.name, f"{view.name}_faults")
    return ~np.isin(np.arange(len(rows)), at)


def repeats(numbers: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Whether a number was there before, in a row that is not ignored: both (n,)."""
    return pd.Series(np.where(ignored, -1, numbers)).duplicated().to_numpy() & ~ignored


def rated_movies(numbers: np.ndarray, ids: Ids, titled: str) -> pd.DataFrame:
    """The movies that were rated, where no table has their titles: called by their ids."""
    names = ids.names_of(numbers).get("Name", numbers)
    title = pd.Series(names).astype("str")
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
