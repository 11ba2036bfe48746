"""Liked movies as interactions, divided into train, validation and test."""

from pathlib import Path

import _stage
import pandas as pd

from movierec.describing import interactions_by_month
from movierec.interactions import TEMPORAL, check_someone_is_known, cold, index_interactions, positives, split
from movierec.storage import read_table, write_csv, write_table

SPLIT = Path("data/split")


def main() -> None:
    params = _stage.params("min_rating", "k_core", "split_strategy", "valid_fraction", "test_fraction", "seed")
    liked = positives(read_table(Path("data/clean/ratings.parquet")), params.min_rating, params.k_core)
    interactions, user_ids, item_ids = index_interactions(liked, in_time=params.split_strategy in TEMPORAL)
    parts = split(interactions, params.split_strategy, params.valid_fraction, params.test_fraction, params.seed)
    check_someone_is_known(parts, params.split_strategy)
    unknown = cold(parts)
    for name, rows in parts._asdict().items():
        write_table(rows, SPLIT / f"{name}.parquet")
    write_table(pd.DataFrame({"UserID": user_ids}), SPLIT / "users.parquet")
    write_table(pd.DataFrame({"MovieID": item_ids}), SPLIT / "items.parquet")
    write_table(unknown, SPLIT / "cold.parquet")
    write_csv(interactions_by_month(parts._asdict()), Path("plots/split.csv"))
    print(f"{len(interactions):,} liked movies of {len(user_ids):,} users, {len(item_ids):,} movies")
    print(f"{params.split_strategy}: " + ", ".join(f"{name} {len(rows):,}" for name, rows in parts._asdict().items()))
    n_users, n_items = (unknown["kind"] == "user").sum(), (unknown["kind"] == "item").sum()
    print(f"cold, in validation or test but not in train: {n_users:,} users, {n_items:,} movies ({SPLIT / 'cold.parquet'})")


if __name__ == "__main__":
    _stage.run(main)
