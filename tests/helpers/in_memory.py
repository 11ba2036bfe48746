"""Small data sets as files, and the clean tables of a folder as data frames."""

import contextlib
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.data.cleaning import clean
from movierec.data.engine import Engine
from movierec.data.layouts import read_folder
from movierec.data.positives import Positives
from movierec.data.schemas import RATING_TYPES


class CleanTables(NamedTuple):
    """The results of `clean`, returned or written."""

    users: pd.DataFrame
    movies: pd.DataFrame
    ratings: pd.DataFrame
    rejected: pd.DataFrame
    summary: dict


def write_files(folder, files):
    """Write files, text or bytes by name, into a folder; the folder."""
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def clean_folder(folder, max_rejected=1.0, columns=None, scale=5, **options):
    """The data set in a folder, cleaned."""
    types = {"table": "str", "line": "int64", "reason": "str", "row": "str"}
    with tempfile.TemporaryDirectory() as out:
        made = clean(read_folder(folder, columns, scale), max_rejected, Path(out), **options)
        rejected = pd.read_csv(Path(out, "rejected.csv"), keep_default_na=False, dtype=types)
        assert sorted(path.name for path in Path(out).iterdir()) == ["ratings.parquet", "rejected.csv"]
        return CleanTables(
            made.users, made.movies, pd.read_parquet(Path(out, "ratings.parquet")), rejected, made.summary
        )


@contextlib.contextmanager
def positives_of(ratings, min_rating=0, k_core=1):
    """The positive ratings of a data frame."""
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Engine(Path(folder, "scratch"))) as engine:
        path = Path(folder, "ratings.parquet")
        ratings[list(RATING_TYPES)].astype(RATING_TYPES).to_parquet(path, index=False)
        yield Positives(engine, path, min_rating, k_core)


def ratings_of(rows):
    """Ratings as a data frame, from rows of UserID, MovieID, Rating, Timestamp."""
    return pd.DataFrame(rows, columns=list(RATING_TYPES)).astype(RATING_TYPES)


def some_ratings(n_users=30, n_items=40, seed=0):
    """Random ratings with many equal times."""
    rng = np.random.default_rng(seed)
    return ratings_of(
        [
            (10 * user, 7 * item, rng.integers(1, 6), rng.integers(0, 50))
            for user in range(n_users)
            for item in rng.permutation(n_items)[: rng.integers(1, 20)]
        ]
    )
