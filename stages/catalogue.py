"""Collect the data that recommending needs beside the model: titles, genres, ratings and histories."""

from pathlib import Path

import _stage

from movierec.interactions.features import movies_by_index
from movierec.interactions.matrix import TEMPORAL, Split, run_id, to_csr
from movierec.interactions.profiles import Profiles
from movierec.recommend.catalogue import Catalogue
from movierec.utils.arrays import write_arrays
from movierec.utils.storage import read_table


def main() -> None:
    params = _stage.params()
    user_ids, item_ids = _stage.read_ids()
    users, movies, ratings = (read_table(Path(f"data/clean/{name}.parquet")) for name in ("users", "movies", "ratings"))
    (train,), profiles = _stage.read_parts("train"), None
    if params.split_strategy in TEMPORAL:
        parts = _stage.read_parts(*Split._fields)
        profiles = Profiles.from_interactions(len(user_ids), len(item_ids), parts, params.rating_power)
    run = run_id(user_ids, item_ids, to_csr(train, len(user_ids), len(item_ids)))
    ids = {"user_ids": user_ids, "item_ids": item_ids, "run": run}
    catalogue = Catalogue.from_tables(users, movies_by_index(movies, item_ids), ratings, **ids, profiles=profiles)
    write_arrays(Path("models/catalogue.npz"), **catalogue.arrays())
    print(f"{len(item_ids):,} movies, {catalogue.rated.nnz:,} ratings")


if __name__ == "__main__":
    _stage.run(main)
