"""Liked movies as interactions, divided into train, validation and test."""

import contextlib
from pathlib import Path

import _stage
import numpy as np
import pandas as pd

from movierec.describing import N_MONTHS, interactions_by_month, months_of
from movierec.engine import Engine
from movierec.interactions import INTERACTION_TYPES, TEMPORAL, Split
from movierec.liked import Liked
from movierec.splitting import Divider, Presence, Strategy, check_none_is_empty
from movierec.storage import check_table, scratch_folder, write_csv, write_table, writing_table

RATINGS, SPLIT = Path("data/clean/ratings.parquet"), Path("data/split")


def main() -> None:
    params = _stage.params("min_rating", "k_core", "split_strategy", "valid_fraction", "test_fraction", "seed")
    strategy = Strategy(params.split_strategy, params.valid_fraction, params.test_fraction)
    check_table(RATINGS)
    with scratch_folder(SPLIT / "train.parquet") as scratch, Engine(scratch) as engine, contextlib.ExitStack() as all_written:
        liked = Liked(engine, RATINGS, params.min_rating, params.k_core)
        if strategy.name in TEMPORAL:
            liked.check_has_times(strategy.name)
        divider = Divider(strategy, params.seed, liked.time_at, liked.n)
        present, months = Presence(len(liked.user_ids), len(liked.item_ids)), np.zeros((3, N_MONTHS), int)
        writers = [all_written.enter_context(writing_table(SPLIT / f"{name}.parquet", INTERACTION_TYPES)) for name in Split._fields]
        for interactions in liked.interactions(in_time=strategy.name in TEMPORAL):
            part = divider.parts(interactions)
            for number, writer in enumerate(writers):
                rows = interactions[part == number]
                writer.append(rows)
                present.add(number, rows)
                months[number] += months_of(rows["timestamp"].to_numpy())
        check_none_is_empty(np.array([writer.n_rows for writer in writers]), strategy)
        present.check_someone_is_known(strategy.name)
    unknown = present.cold()
    write_table(pd.DataFrame({"UserID": liked.user_ids}), SPLIT / "users.parquet")
    write_table(pd.DataFrame({"MovieID": liked.item_ids}), SPLIT / "items.parquet")
    write_table(unknown, SPLIT / "cold.parquet")
    write_csv(interactions_by_month(dict(zip(Split._fields, months))), Path("plots/split.csv"))
    print(f"{liked.n:,} liked movies of {len(liked.user_ids):,} users, {len(liked.item_ids):,} movies")
    print(f"{strategy.name}: " + ", ".join(f"{name} {writer.n_rows:,}" for name, writer in zip(Split._fields, writers)))
    n_users, n_items = (unknown["kind"] == "user").sum(), (unknown["kind"] == "item").sum()
    print(f"cold, in validation or test but not in train: {n_users:,} users, {n_items:,} movies ({SPLIT / 'cold.parquet'})")


if __name__ == "__main__":
    _stage.run(main)
