"""Divide the positive interactions into train, validation and test sets."""

from contextlib import ExitStack, closing
from pathlib import Path

import _stage
import pandas as pd

from movierec.data.engine import Engine
from movierec.data.positives import Positives
from movierec.data.splitting import Membership, Splitter, Strategy
from movierec.interactions.matrix import INTERACTION_TYPES, TEMPORAL
from movierec.utils.storage import check_table, replacing, write_csv, write_table, writing_table

RATINGS, SPLIT, TEST = Path("data/clean/ratings.parquet"), Path("data/split"), Path("data/test")


def main() -> None:
    params = _stage.params()
    strategy = Strategy(params.split_strategy, params.valid_fraction, params.test_fraction)
    check_table(RATINGS)
    with replacing(SPLIT / "scratch", keep=False) as scratch, closing(Engine(scratch)) as engine, ExitStack() as stack:
        positives = Positives(engine, RATINGS, params.min_rating, params.k_core)
        if in_time := strategy.name in TEMPORAL:
            print(f"in the same second as another: {positives.share_of_ties(strategy.name):.1%}, by {params.ties}")
        splitter = Splitter(strategy, params.seed, positives.time_at, positives.n)
        members = Membership(len(positives.user_ids), len(positives.item_ids))
        tables = [stack.enter_context(writing_table(Path(of), INTERACTION_TYPES)) for of in _stage.PARTS.values()]
        for interactions in positives.batches(in_time, params.ties):
            of_rows = splitter.parts(interactions)
            for part, table in enumerate(tables):
                table.append(rows := interactions[of_rows == part])
                members.add(part, rows)
        members.check(strategy)
    write_table(pd.DataFrame({"UserID": positives.user_ids}), SPLIT / "users.parquet")
    write_table(pd.DataFrame({"MovieID": positives.item_ids}), SPLIT / "items.parquet")
    write_table(members.cold(), TEST / "cold.parquet")
    write_csv(members.by_month(), Path("plots/split.csv"))
    sizes = ", ".join(f"{part} {of.n_rows:,}" for part, of in zip(_stage.PARTS, tables, strict=True))
    print(f"{len(positives.user_ids):,} users, {len(positives.item_ids):,} movies; {strategy.name}: {sizes}")
    print("cold, in validation or test but not in train:", members.cold()["kind"].value_counts().to_dict() or "none")


if __name__ == "__main__":
    _stage.run(main)
