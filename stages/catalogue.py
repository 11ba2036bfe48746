"""Gather what a recommender needs beside the model: titles, genres, and who rated what."""

from pathlib import Path

import _stage

from movierec.catalogue import catalogue
from movierec.features import movies_by_index
from movierec.interactions import TEMPORAL, Split
from movierec.storage import read_table, write_arrays


def main() -> None:
    params = _stage.params("split_strategy", "rating_power")
    user_ids = read_table(Path("data/split/users.parquet"))["UserID"].to_numpy()
    item_ids = read_table(Path("data/split/items.parquet"))["MovieID"].to_numpy()
    movies = movies_by_index(read_table(Path("data/clean/movies.parquet")), item_ids)
    parts = [read_table(Path(f"data/split/{part}.parquet")) for part in Split._fields] if params.split_strategy in TEMPORAL else None
    users = read_table(Path("data/clean/users.parquet"))
    made = catalogue(users, movies, read_table(Path("data/clean/ratings.parquet")), user_ids, item_ids, parts, params.rating_power)
    write_arrays(Path("models/catalogue.npz"), **made.arrays())
    print(f"{len(movies):,} movies, {made.rated.nnz:,} ratings")


if __name__ == "__main__":
    _stage.run(main)
