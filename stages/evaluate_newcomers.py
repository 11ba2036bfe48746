"""Measure the rankings for users that the model was not trained on, beside those for the same users when it was."""

from pathlib import Path

import _stage

from movierec.evaluation import K, asked, at_test, measure
from movierec.interactions import TEMPORAL, Split, to_csr
from movierec.storage import read_rankings, read_table, write_metrics


def main() -> None:
    params = _stage.params("split_strategy")
    shape = (len(read_table(Path("data/split/users.parquet"))), len(read_table(Path("data/split/items.parquet"))))
    parts = Split(*(to_csr(read_table(Path(f"data/split/{part}.parquet")), *shape) for part in Split._fields))
    rankings = {name: at["after_valid"] for name, at in read_rankings(Path("data/rankings/newcomers.npz")).items()}
    users = rankings.pop("users")
    as_known = read_rankings(Path("data/rankings/model.npz")) | read_rankings(Path("data/rankings/baselines.npz"))
    train, valid, test = (part[users] for part in parts)
    in_time = params.split_strategy in TEMPORAL
    known = measure(*at_test({name: {"after_valid": as_known[name]["after_valid"][users]} for name in rankings}, train, valid, test, in_time, "train+valid"), [])
    new = measure(asked(test, train + valid if in_time else train), rankings, [])
    table = {f"{metric}@{K}": {name: new.mean(name, f"{metric}@{K}") for name in rankings} for metric in ("ndcg", "recall")}
    table[f"ndcg@{K}_when_known"] = {name: known.mean(name, f"ndcg@{K}") for name in rankings}
    write_metrics(table, Path("metrics/newcomers"))
    for name in rankings:
        print(f"{name:12}  NDCG@{K} for {len(new.part.users):,} newcomers {table[f'ndcg@{K}'][name]:.4f}, when known {table[f'ndcg@{K}_when_known'][name]:.4f}")


if __name__ == "__main__":
    _stage.run(main)
