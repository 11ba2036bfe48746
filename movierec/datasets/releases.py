"""The MovieLens releases: names, addresses, checksums, and the files of each layout."""

from pathlib import Path
from typing import NamedTuple

from movierec.utils.errors import UserError

GROUPLENS = "https://files.grouplens.org/datasets/movielens/{name}.zip"


class Release(NamedTuple):
    """One release of MovieLens."""

    name: str
    title: str
    md5: str | None  # of the zip; None where GroupLens replaces the file from time to time
    layout: str

    @property
    def url(self) -> str:
        """The address of its zip at GroupLens."""
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


class Layout(NamedTuple):
    """The names of a data set's files."""

    files: tuple[str, ...]  # glob patterns, each of one file
    n_needed: int  # the first ones, which identify the layout


LAYOUTS = {
    "1m": Layout(("users.dat", "movies.dat", "ratings.dat"), 3),
    "10m": Layout(("movies.dat", "ratings.dat"), 2),
    "100k": Layout(("u.data", "u.item", "u.user"), 3),
    "csv": Layout(("movies.csv", "ratings.csv"), 2),
    "recbole": Layout(("*.inter", "*.item", "*.user"), 1),
    "table": Layout(("interactions.*", "items.*"), 1),
    "kaggle": Layout(("movies_metadata.csv", "ratings.csv", "links.csv"), 2),
    "kaggle-small": Layout(("movies_metadata.csv", "ratings_small.csv", "links_small.csv"), 2),
    "book-crossing": Layout(("BX-Book-Ratings.csv", "BX-Books.csv"), 1),
    "book-crossing-kaggle": Layout(("Ratings.csv", "Books.csv"), 2),
    "lastfm": Layout(("user_artists.dat", "artists.dat"), 1),
    "lastfm-360k": Layout(("usersha1-artmbid-artname-plays.tsv",), 1),
    "lightgcn": Layout(("train.txt",), 1),
    "file": Layout(("*.csv", "*.parquet"), 0),  # one file of interactions by another name
}


# The ends of names that match a pattern but are no data: what DVC, editors, systems and Hadoop put beside a table.
LEFTOVERS = ("~", ".bak", ".crc", ".dvc", ".md", ".orig", ".swp", ".tmp", ":zone.identifier")


def is_leftover(path: Path) -> bool:
    """Whether a file's name says that it is no data: hidden, a copy, a note."""
    return path.name.startswith(".") or path.name.lower().endswith(LEFTOVERS)


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that match a pattern of a layout; a Parquet table may be a folder of parts."""
    found = [path for path in sorted(folder.glob(pattern)) if not is_leftover(path)]
    return [path for path in found if path.is_file() or (path.suffix == ".parquet" and any(path.glob("*.parquet")))]


def layout_of(folder: Path) -> str | None:
    """The name of the layout that a folder's files have, or None."""
    for name, layout in LAYOUTS.items():
        if layout.n_needed and all(matching(folder, pattern) for pattern in layout.files[: layout.n_needed]):
            return name
    files = [path for pattern in LAYOUTS["file"].files for path in matching(folder, pattern)]
    others = {pattern for layout in LAYOUTS.values() for pattern in layout.files if layout.n_needed}
    others -= {"ratings_small.csv"}
    return "file" if len(files) == 1 and not any(files[0].match(pattern) for pattern in others) else None


def find_layout(folder: Path) -> str:
    """The name of the layout that a folder's files have; a UserError if they have none."""
    if name := layout_of(folder):
        return name
    known = "; ".join(f"{name}: {', '.join(layout.files)}" for name, layout in LAYOUTS.items())
    raise UserError(f"{folder} holds no data set in a known layout. Known layouts: {known}.")


def title_of(dataset: str, data_path: str) -> str:
    """The title of a data set."""
    return RELEASES[dataset].title if dataset in RELEASES else f"the data in {data_path}"
