"""What the library does with files, done with data frames."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec import splitting
from movierec.cleaning import clean
from movierec.delimited import parse_lines
from movierec.engine import Engine
from movierec.interactions import Split
from movierec.liked import Liked
from movierec.movielens import read_folder
from movierec.schemas import RATING_TYPES


class Found(NamedTuple):
    """What `clean` gives and writes."""

    users: pd.DataFrame
    movies: pd.DataFrame
    ratings: pd.DataFrame
    rejected: pd.DataFrame
    summary: dict


def clean_folder(folder, max_rejected=1.0, **options):
    """The data set in a folder, cleaned."""
    with tempfile.TemporaryDirectory() as out:
        made = clean(read_folder(folder), max_rejected, Path(out), **options)
        rejected = pd.read_csv(Path(out, "rejected.csv"), keep_default_na=False, dtype={"table": "str", "line": "int64", "reason": "str", "row": "str"})
        assert sorted(path.name for path in Path(out).iterdir()) == ["ratings.parquet", "rejected.csv"]
        return Found(made.users, made.movies, pd.read_parquet(Path(out, "ratings.parquet")), rejected, made.summary)


def rows_of(file):
    """The rows of a file of lines, as text."""
    return pd.concat([parse_lines(file.text(block), file.form, block.first)[0] for block in file.blocks()], ignore_index=True)


def on_disk(use, ratings, min_rating, k_core):
    """What `use` gives for the liked ratings of a data frame."""
    with tempfile.TemporaryDirectory() as folder, Engine(Path(folder)) as engine:
        path = Path(folder, "ratings.parquet")
        ratings[list(RATING_TYPES)].astype(RATING_TYPES).to_parquet(path, index=False)
        return use(Liked(engine, path, min_rating, k_core))


def positives(ratings, min_rating, k_core):
    """The ratings that count as liked, in their order."""
    return on_disk(lambda liked: liked.engine.connection.sql("SELECT * FROM liked ORDER BY file_row_number").df(), ratings, min_rating, k_core)


def index_interactions(ratings, in_time=False):
    """All ratings as interactions, the UserID of each user index, and the MovieID of each item index."""
    return on_disk(lambda liked: (pd.concat(liked.interactions(in_time), ignore_index=True), liked.user_ids, liked.item_ids), ratings, 0, 1)


def split(interactions, strategy, valid_fraction, test_fraction, seed):
    return splitting.split(interactions, splitting.Strategy(strategy, valid_fraction, test_fraction), seed)


def presence(parts):
    """Who is in which part of a split."""
    n_users, n_items = (1 + max(part[side].max() for part in parts) for side in ("user", "item"))
    present = splitting.Presence(n_users, n_items)
    for number, rows in enumerate(parts):
        present.add(number, rows)
    return present


def cold(parts: Split):
    return presence(parts).cold()


def parts_by_time(time, valid_fraction, test_fraction):
    places = splitting.cut_places(len(time), splitting.Strategy("global_temporal", valid_fraction, test_fraction))
    return splitting.parts_by_time(time, *np.sort(time)[list(places)])
