"""The MovieLens releases: where each comes from, its checksum, and how its files become three tables.

Every reader returns the same three tables, all columns still text, one row per line of the file, with
the line's number, so that `cleaning` can judge each row and name it:

    users    line, UserID, Gender
    movies   line, MovieID, Title, Genres     genres separated by '|'
    ratings  line, UserID, MovieID, Rating, Timestamp

A release without a users table (the CSV ones) gives a `users` table with no rows.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from movierec.errors import UserError

GROUPLENS = "https://files.grouplens.org/datasets/movielens/{name}.zip"


class Release(NamedTuple):
    """One release of MovieLens."""

    name: str
    title: str
    md5: str | None  # of the zip; None where GroupLens replaces the file from time to time
    layout: str

    @property
    def url(self) -> str:
        return GROUPLENS.format(name=self.name)


RELEASES = {
    release.name: release
    for release in (
        Release("ml-100k", "MovieLens 100K", "0e33842e24a9c977be4e0107933c0723", "100k"),
        Release("ml-1m", "MovieLens 1M", "c4d9eecfca2ab87c1945afe126590906", "1m"),
        Release("ml-10m", "MovieLens 10M", "ce571fd55effeba0271552578f2648bd", "10m"),
        Release("ml-20m", "MovieLens 20M", "cd245b17a1ae2cc31bb14903e1204af3", "csv"),
        Release("ml-25m", "MovieLens 25M", "6b51fb2759a8657d3bfcbfc42b592ada", "csv"),
        Release("ml-32m", "MovieLens 32M", "d472be332d4daa821edc399621853b57", "csv"),
        Release("ml-latest-small", "MovieLens Latest (small)", None, "csv"),
    )
}


def title_of(dataset: str, data_path: str) -> str:
    """What to call the data set that params.yaml names."""
    return RELEASES[dataset].title if dataset in RELEASES else f"the data in {data_path}"


# The order of the genre flags in ml-100k's u.item.
GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip

USER_COLUMNS = ("UserID", "Gender")
MOVIE_COLUMNS = ("MovieID", "Title", "Genres")
RATING_COLUMNS = ("UserID", "MovieID", "Rating", "Timestamp")


class Tables(NamedTuple):
    """What a reader returns; see the module's docstring for the columns."""

    users: pd.DataFrame
    movies: pd.DataFrame
    ratings: pd.DataFrame


def read_text(path: Path, encoding: str) -> str:
    """The file's text with plain line ends, without a byte-order mark or blank lines at its end."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro --force download` unpacks it again.") from None
    if data.startswith(b"\xef\xbb\xbf"):
        data, encoding = data[3:], "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: not {encoding} text; convert the file to {encoding}.") from None
    if not text.strip():
        raise UserError(f"{path} is empty; fetch the data set again.")
    return text.replace("\r\n", "\n").rstrip("\n")


def parse_delimited(text: str, delimiter: str, n_fields: int, names: dict[int, str], header: bool, quoted: bool = False) -> pd.DataFrame:
    """Split lines into fields, as text, with the number of each line.

    PyArrow's reader wants a delimiter of one character, and pandas' slow Python engine is the only
    one that takes more: `::` is first replaced by a character that no text holds (unit separator).

    Args:
        text: the file's text.
        delimiter: what separates the fields.
        n_fields: fields per line; a line with another number becomes a row of empty fields.
        names: position of a field (from 0) to its column's name; the others are dropped.
        header: whether the first line is a header.
        quoted: whether fields may be quoted, as in CSV.

    Returns:
        Columns `line` (int64, from 1, as an editor shows it) and those of `names` (str, "" if missing).
    """
    if len(delimiter) > 1:
        text, delimiter = text.replace(delimiter, "\x1f"), "\x1f"
    columns = [f"f{i}" for i in range(n_fields)]
    wrong_lines: list[int] = []

    def on_invalid_row(row: pa_csv.InvalidRow) -> str:
        wrong_lines.append(row.number)
        return "skip"

    table = pa_csv.read_csv(
        io.BytesIO(text.encode()),
        # One thread: with more, PyArrow does not know the number of an invalid row.
        read_options=pa_csv.ReadOptions(column_names=columns, skip_rows=int(header), use_threads=False),
        parse_options=pa_csv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if quoted else False,
            ignore_empty_lines=False,
            invalid_row_handler=on_invalid_row,
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types={c: pa.string() for c in columns},
            include_columns=[f"f{i}" for i in names],
            strings_can_be_null=False,
        ),
    )
    # PyArrow counts the rows that it was given, header included, from 1.
    wrong = np.array(wrong_lines, dtype=np.int64)
    lines = np.setdiff1d(np.arange(1 + header, table.num_rows + len(wrong) + 1 + header), wrong)
    frame = pd.DataFrame({"line": lines, **{name: table[f"f{i}"].to_pandas() for i, name in names.items()}})
    if len(wrong):
        empty = pd.DataFrame({"line": wrong, **{name: "" for name in names.values()}})
        frame = pd.concat([frame, empty]).sort_values("line", kind="stable", ignore_index=True)
    return frame


def read_1m(folder: Path) -> Tables:
    """ml-1m: `::` between fields, latin-1, no header."""
    users = parse_delimited(read_text(folder / "users.dat", "latin-1"), "::", 5, dict(enumerate(USER_COLUMNS)), False)
    movies = parse_delimited(read_text(folder / "movies.dat", "latin-1"), "::", 3, dict(enumerate(MOVIE_COLUMNS)), False)
    ratings = parse_delimited(read_text(folder / "ratings.dat", "latin-1"), "::", 4, dict(enumerate(RATING_COLUMNS)), False)
    return Tables(users, movies, ratings)


def read_10m(folder: Path) -> Tables:
    """ml-10m: as ml-1m, but UTF-8, and without users."""
    movies = parse_delimited(read_text(folder / "movies.dat", "utf-8"), "::", 3, dict(enumerate(MOVIE_COLUMNS)), False)
    ratings = parse_delimited(read_text(folder / "ratings.dat", "utf-8"), "::", 4, dict(enumerate(RATING_COLUMNS)), False)
    return Tables(no_users(), movies, ratings)


def read_100k(folder: Path) -> Tables:
    """ml-100k: tabs in u.data, `|` in u.item and u.user, latin-1, genres as 19 flags."""
    users = parse_delimited(read_text(folder / "u.user", "latin-1"), "|", 5, {0: "UserID", 2: "Gender"}, False)
    flag_names = {5 + i: genre for i, genre in enumerate(GENRES_100K)}
    movies = parse_delimited(read_text(folder / "u.item", "latin-1"), "|", 24, {0: "MovieID", 1: "Title", **flag_names}, False)
    flags = movies[list(GENRES_100K[1:])].eq("1").to_numpy()  # 'unknown' is no genre
    movies["Genres"] = ["|".join(np.array(GENRES_100K[1:])[row]) for row in flags]
    movies = movies[["line", *MOVIE_COLUMNS]]
    ratings = parse_delimited(read_text(folder / "u.data", "latin-1"), "\t", 4, dict(enumerate(RATING_COLUMNS)), False)
    return Tables(users, movies, ratings)


def read_csv(folder: Path) -> Tables:
    """ml-20m and later: CSV with a header, UTF-8, half stars, no users."""
    movies = read_csv_file(folder / "movies.csv", ("movieId", "title", "genres"), MOVIE_COLUMNS)
    movies["Genres"] = movies["Genres"].replace("(no genres listed)", "")
    ratings = read_csv_file(folder / "ratings.csv", ("userId", "movieId", "rating", "timestamp"), RATING_COLUMNS)
    return Tables(no_users(), movies, ratings)


def read_csv_file(path: Path, header: tuple[str, ...], columns: tuple[str, ...]) -> pd.DataFrame:
    """A CSV file whose first line must be `header`."""
    text = read_text(path, "utf-8")
    first = text.split("\n", 1)[0]
    if tuple(first.split(",")) != header:
        raise UserError(f"{path}, line 1: the header must be '{','.join(header)}', but it is '{first[:80]}'.")
    return parse_delimited(text, ",", len(header), dict(enumerate(columns)), True, quoted=True)


def read_recbole(folder: Path) -> Tables:
    """RecBole atomic files: tabs, and a typed header such as `user_id:token`; `.item` and `.user` are optional.

    The movies' title and year stand apart, and genres are separated by blanks.
    """
    ratings = read_atomic(only_file(folder, "*.inter"), {
        "UserID": ("user_id",), "MovieID": ("item_id",), "Rating": ("rating",), "Timestamp": ("timestamp",),
    })  # fmt: skip
    users, movies = no_users(), pd.DataFrame({"line": ratings["line"], "MovieID": ratings["MovieID"]})
    if list(folder.glob("*.user")):
        users = read_atomic(only_file(folder, "*.user"), {"UserID": ("user_id",), "Gender": ("gender", "?")})
    if list(folder.glob("*.item")):
        movies = read_atomic(only_file(folder, "*.item"), {
            "MovieID": ("item_id",), "Title": ("movie_title", "title", "?"), "Year": ("release_year", "year", "?"),
            "Genres": ("class", "genre", "genres", "?"),
        })  # fmt: skip
        has_year = movies["Year"].str.fullmatch(r"\d{4}")
        movies["Title"] = movies["Title"].where(~has_year, movies["Title"] + " (" + movies["Year"] + ")")
        movies["Genres"] = movies["Genres"].str.split().str.join("|").replace("unknown", "")
    else:  # no titles: the movies are those that were rated, known by their ids
        movies = movies.drop_duplicates("MovieID", ignore_index=True)
        movies["Title"], movies["Genres"] = "movie " + movies["MovieID"], ""
    return Tables(users, movies[["line", *MOVIE_COLUMNS]], ratings)


def only_file(folder: Path, pattern: str) -> Path:
    """The one file of a folder that fits a pattern."""
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise UserError(f"{folder} must hold one {pattern} file, but holds {len(files)}; move the others away.")
    return files[0]


def read_atomic(path: Path, wanted: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """One RecBole file.

    Args:
        path: the file.
        wanted: our column to the names that it may have there; '?' among them makes it optional ("").
    """
    text = read_text(path, "utf-8")
    header = text.split("\n", 1)[0].split("\t")
    fields = [field.split(":")[0] for field in header]
    names, missing = {}, []
    for column, known in wanted.items():
        position = next((fields.index(name) for name in known if name in fields), None)
        if position is not None:
            names[position] = column
        elif "?" in known:
            missing.append(column)
        else:
            raise UserError(f"{path}, line 1: the header lacks '{known[0]}:...'; it is '{' '.join(header)[:80]}'.")
    frame = parse_delimited(text, "\t", len(fields), names, True)
    return frame.assign(**{column: "" for column in missing})


def no_users() -> pd.DataFrame:
    """An empty users table."""
    return pd.DataFrame({"line": pd.Series(dtype="int64"), **{c: pd.Series(dtype="str") for c in USER_COLUMNS}})


class Layout(NamedTuple):
    """How a release's files are named and read."""

    files: tuple[str, ...]  # glob patterns; the first ones, up to `n_needed`, tell the layout
    n_needed: int
    read: Callable[[Path], Tables]


LAYOUTS = {
    "1m": Layout(("users.dat", "movies.dat", "ratings.dat"), 3, read_1m),
    "10m": Layout(("movies.dat", "ratings.dat"), 2, read_10m),
    "100k": Layout(("u.data", "u.item", "u.user"), 3, read_100k),
    "csv": Layout(("movies.csv", "ratings.csv"), 2, read_csv),
    "recbole": Layout(("*.inter", "*.item", "*.user"), 1, read_recbole),
}


def find_layout(folder: Path) -> Layout:
    """The layout that a folder's files have.

    Raises:
        UserError: it has none of the known ones.
    """
    for layout in LAYOUTS.values():
        if all(any(folder.glob(pattern)) for pattern in layout.files[: layout.n_needed]):
            return layout
    known = "; ".join(f"{name}: {', '.join(layout.files)}" for name, layout in LAYOUTS.items())
    raise UserError(f"{folder} holds no data set in a known layout. Known ones: {known}.")


def read_folder(folder: Path) -> Tables:
    """Read a data set in whichever layout it has.

    Raises:
        UserError: an unknown layout, a missing or empty file, or text in another encoding.
    """
    return find_layout(folder).read(folder)
