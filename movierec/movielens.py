"""The MovieLens releases: where each comes from, its checksum, and how its files become three tables.

Every reader returns the same three tables, all columns still text, one row per line of the file, with
the line's number, so that `cleaning` can judge each row and name it; lines that cannot be divided into
fields stand apart:

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
BROKEN_COLUMNS = ["line", "reason", "row"]
SEPARATOR_NAMES = {"\t": "a tab", ",": "a comma"}  # in messages; the others are shown as they are


class Table(NamedTuple):
    """A file's rows."""

    rows: pd.DataFrame  # see the module's docstring for the columns
    broken: pd.DataFrame  # lines that cannot be divided into the right number of fields: line, reason, row (its text)
    path: Path | None = None  # where it was read; None for a table that no file has


class Tables(NamedTuple):
    """What a reader returns."""

    users: Table
    movies: Table
    ratings: Table


def read_text(path: Path, encoding: str) -> str:
    """The file's text with plain line ends, without a byte-order mark or blank lines at its end.

    Raises:
        UserError: it is missing, empty, no text, or text in another encoding. Where latin-1 is expected, UTF-8
            is taken too: text in one that could be read as the other is not met in practice.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro --force download` unpacks it again.") from None
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise UserError(f"{path}, line {line}: holds bytes of zero, so that it is no text, or text in UTF-16; save it as UTF-8.")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if encoding != "latin-1":
            line = data.count(b"\n", 0, error.start) + 1
            raise UserError(f"{path}, line {line}: not {encoding} text; convert the file to {encoding}.") from None
        text = data.decode("latin-1")
    if not text.strip():
        raise UserError(f"{path} is empty; fetch the data set again.")
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def parse_delimited(path: Path, text: str, delimiter: str, n_fields: int, names: dict[int, str], header: bool, quoted: bool = False) -> Table:
    """Split lines into fields, as text, with the number of each line.

    PyArrow's reader wants a delimiter of one character, and pandas' slow Python engine is the only
    one that takes more: `::` is first replaced by a character that no text holds (unit separator).

    Args:
        path: where the text comes from.
        text: the file's text.
        delimiter: what separates the fields.
        n_fields: fields per line.
        names: position of a field (from 0) to its column's name; the others are dropped.
        header: whether the first line is a header.
        quoted: whether fields may be quoted, as in CSV.

    Returns:
        Rows with the columns `line` (int64, from 1, as an editor shows it) and those of `names` (str, "" if missing).

    Raises:
        UserError: no line has `n_fields` fields.
    """
    separator = "\x1f" if len(delimiter) > 1 else delimiter
    if len(delimiter) > 1:
        text = text.replace("\x1f", " ").replace(delimiter, separator)
    open_quotes: dict[int, str] = {}
    if quoted and '"' in text:  # PyArrow takes all that follows an open quote for one field
        all_lines = text.split("\n")
        open_quotes = {number: line for number, line in enumerate(all_lines, 1) if line.count('"') % 2}
        for number in open_quotes:
            all_lines[number - 1] = separator * n_fields
        text = "\n".join(all_lines)
    if header and "\n" not in text:
        raise UserError(f"{path} has a header and no rows; fetch the data set again.")
    broken: list[tuple[int, str, str]] = []

    def on_invalid_row(row: pa_csv.InvalidRow) -> str:
        if row.number in open_quotes:
            broken.append((row.number, "a quote is not closed", open_quotes[row.number]))
        else:
            broken.append((row.number, f"not {n_fields} fields", row.text.replace(separator, delimiter)))
        return "skip"

    columns = [f"f{i}" for i in range(n_fields)]
    table = pa_csv.read_csv(
        io.BytesIO(text.encode()),
        # One thread: with more, PyArrow does not know the number of an invalid row.
        read_options=pa_csv.ReadOptions(column_names=columns, skip_rows=int(header), use_threads=False),
        parse_options=pa_csv.ParseOptions(
            delimiter=separator,
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
    if not table.num_rows:
        number, _, row = broken[0]
        shown = SEPARATOR_NAMES.get(delimiter, f"'{delimiter}'")
        raise UserError(f"{path}: each line must be {n_fields} fields with {shown} between them, but none is; line {number} is {row[:80]!r}.")
    # PyArrow counts the rows that it was given, header included, from 1.
    lines = np.setdiff1d(np.arange(1 + header, table.num_rows + len(broken) + 1 + header), [number for number, *_ in broken])
    rows = pd.DataFrame({"line": lines, **{name: table[f"f{i}"].to_pandas() for i, name in names.items()}})
    return Table(rows, pd.DataFrame(broken, columns=BROKEN_COLUMNS), path)


def without_file(rows: pd.DataFrame) -> Table:
    """A table that no file has."""
    return Table(rows, pd.DataFrame(columns=BROKEN_COLUMNS))


def read_dat(path: Path, encoding: str, n_fields: int, columns: tuple[str, ...]) -> Table:
    """A file of ml-1m or ml-10m: `::` between fields, no header."""
    return parse_delimited(path, read_text(path, encoding), "::", n_fields, dict(enumerate(columns)), False)


def read_1m(folder: Path) -> Tables:
    """ml-1m: latin-1."""
    return Tables(
        read_dat(folder / "users.dat", "latin-1", 5, USER_COLUMNS),
        read_dat(folder / "movies.dat", "latin-1", 3, MOVIE_COLUMNS),
        read_dat(folder / "ratings.dat", "latin-1", 4, RATING_COLUMNS),
    )


def read_10m(folder: Path) -> Tables:
    """ml-10m: as ml-1m, but UTF-8, and without users."""
    movies = read_dat(folder / "movies.dat", "utf-8", 3, MOVIE_COLUMNS)
    return Tables(no_users(), movies, read_dat(folder / "ratings.dat", "utf-8", 4, RATING_COLUMNS))


def read_100k(folder: Path) -> Tables:
    """ml-100k: tabs in u.data, `|` in u.item and u.user, latin-1, genres as 19 flags."""

    def read(name: str, delimiter: str, n_fields: int, names: dict[int, str]) -> Table:
        return parse_delimited(folder / name, read_text(folder / name, "latin-1"), delimiter, n_fields, names, False)

    users = read("u.user", "|", 5, {0: "UserID", 2: "Gender"})
    movies = read("u.item", "|", 24, {0: "MovieID", 1: "Title", **{5 + i: genre for i, genre in enumerate(GENRES_100K)}})
    flags = movies.rows[list(GENRES_100K[1:])].eq("1").to_numpy()  # 'unknown' is no genre
    genres = ["|".join(np.array(GENRES_100K[1:])[row]) for row in flags]
    movies = movies._replace(rows=movies.rows.assign(Genres=genres)[["line", *MOVIE_COLUMNS]])
    return Tables(users, movies, read("u.data", "\t", 4, dict(enumerate(RATING_COLUMNS))))


def read_csv(folder: Path) -> Tables:
    """ml-20m and later: CSV with a header, UTF-8, half stars, no users."""
    movies = read_csv_file(folder / "movies.csv", ("movieId", "title", "genres"), MOVIE_COLUMNS)
    movies.rows["Genres"] = movies.rows["Genres"].replace("(no genres listed)", "")
    return Tables(no_users(), movies, read_csv_file(folder / "ratings.csv", ("userId", "movieId", "rating", "timestamp"), RATING_COLUMNS))


def read_csv_file(path: Path, header: tuple[str, ...], columns: tuple[str, ...]) -> Table:
    """A CSV file whose first line must be `header`."""
    text = read_text(path, "utf-8")
    first = text.split("\n", 1)[0]
    if tuple(first.split(",")) != header:
        raise UserError(f"{path}, line 1: the header must be '{','.join(header)}', but it is {first[:80]!r}.")
    return parse_delimited(path, text, ",", len(header), dict(enumerate(columns)), True, quoted=True)


def read_recbole(folder: Path) -> Tables:
    """RecBole atomic files: tabs, and a typed header such as `user_id:token`; `.item` and `.user` are optional.

    The movies' title and year stand apart, and genres are separated by blanks.
    """
    ratings = read_atomic(only_file(folder, "*.inter"), {
        "UserID": ("user_id",), "MovieID": ("item_id",), "Rating": ("rating",), "Timestamp": ("timestamp",),
    })  # fmt: skip
    users = no_users()
    if list(folder.glob("*.user")):
        users = read_atomic(only_file(folder, "*.user"), {"UserID": ("user_id",), "Gender": ("gender", "?")})
    if not list(folder.glob("*.item")):  # no titles: the movies are those that were rated, known by their ids
        rated = ratings.rows.drop_duplicates("MovieID", ignore_index=True)
        rated = rated[rated["MovieID"].str.fullmatch(r"[0-9]+")]  # the other ratings have a reason of their own
        movies = rated[["line", "MovieID"]].assign(Title="movie " + rated["MovieID"], Genres="")
        return Tables(users, without_file(movies.reset_index(drop=True)), ratings)
    movies = read_atomic(only_file(folder, "*.item"), {
        "MovieID": ("item_id",), "Title": ("movie_title", "title", "?"), "Year": ("release_year", "year", "?"),
        "Genres": ("class", "genre", "genres", "?"),
    })  # fmt: skip
    rows = movies.rows
    rows["Title"] = rows["Title"].where(~rows["Year"].str.fullmatch("[0-9]{4}"), rows["Title"] + " (" + rows["Year"] + ")")
    rows["Genres"] = rows["Genres"].str.split().str.join("|").replace("unknown", "")
    return Tables(users, movies._replace(rows=rows[["line", *MOVIE_COLUMNS]]), ratings)


def only_file(folder: Path, pattern: str) -> Path:
    """The one file of a folder that fits a pattern."""
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise UserError(f"{folder} must hold one {pattern} file, but holds {len(files)}; move the others away.")
    return files[0]


def read_atomic(path: Path, wanted: dict[str, tuple[str, ...]]) -> Table:
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
    table = parse_delimited(path, text, "\t", len(fields), names, True)
    return table._replace(rows=table.rows.assign(**{column: "" for column in missing}))


def no_users() -> Table:
    """An empty users table."""
    return without_file(pd.DataFrame({"line": pd.Series(dtype="int64"), **{c: pd.Series(dtype="str") for c in USER_COLUMNS}}))


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
