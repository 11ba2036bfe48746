"""Measure the rankings of the model and the baselines on validation and test; write metrics, the plots' data, and the model card."""

from pathlib import Path

import _stage
import pandas as pd

from movierec.curves import concentration_curves, cutoff_curves, training_curves
from movierec.evaluation import asked, at_test, certainty, measure, summary
from movierec.features import gender_features, genre_features
from movierec.groups import by_movies, by_users, movies_by_genre, movies_by_popularity, users_by_gender, users_by_history
from movierec.interactions import TEMPORAL, Split, to_csr, users_of_items
from movierec.metrics import DEPTH, METRICS
from movierec.model_card import Facts, model_card
from movierec.movielens import title_of
from movierec.storage import read_csv, read_rankings, read_table, write_csv, write_json, write_metrics, write_text

IN_GROUPS = ("model", "EASE", "popularity")  # which models the plots of groups show


def main() -> None:
    params = _stage.params("dataset", "data_path", "min_rating", "split_strategy", "mask", "cutoffs")
    user_ids = read_table(Path("data/split/users.parquet"))["UserID"].to_numpy()
    item_ids = read_table(Path("data/split/items.parquet"))["MovieID"].to_numpy()
    gender = gender_features(read_table(Path("data/clean/users.parquet")), user_ids)
    genres, genre_names = genre_features(read_table(Path("data/clean/movies.parquet")), item_ids)
    rows = {part: read_table(Path(f"data/split/{part}.parquet")) for part in Split._fields}
    train, valid, test = (to_csr(rows[part], len(user_ids), len(item_ids)) for part in Split._fields)
    rankings = read_rankings(Path("data/rankings/model.npz")) | read_rankings(Path("data/rankings/baselines.npz"))

    cutoffs = [*params.cutoffs, *range(1, DEPTH + 1)]
    on_valid = measure(asked(valid, train), {name: at["after_train"] for name, at in rankings.items()}, cutoffs)
    on_test = measure(*at_test(rankings, train, valid, test, params.split_strategy in TEMPORAL, params.mask), cutoffs)
    tables = {"valid": summary(on_valid, train, genres), "test": summary(on_test, train, genres)}
    tested = gender[on_test.part.users]
    tables["test"] |= certainty(on_test.ndcg, tested)
    for part, table in tables.items():
        write_metrics(table, Path(f"metrics/{part}"))
        for name, ndcg in table["ndcg@20"].items():
            print(f"{part:5}  {name:12}  NDCG@20 {ndcg:.4f}  Recall@20 {table['recall@20'][name]:.4f}")
    every = [f"{metric}@{k}" for k in params.cutoffs for metric in METRICS]
    by_part = {"valid": on_valid, "test": on_test}
    write_json(
        {part: {name: {key: of.mean(name, key) for key in every} for name in of.lists} for part, of in by_part.items()},
        Path("metrics/every_cutoff.json"),
    )

    popularity = users_of_items(train)
    loss, validation = training_curves(read_csv(Path("models/history.csv")), on_valid)
    curves = {"loss": loss, "validation": validation, "cutoffs": cutoff_curves(on_test), "concentration": concentration_curves(on_test, popularity)}
    shown = [name for name in IN_GROUPS if name in rankings]
    groups = {
        "users_by_history": by_users(on_test, shown, users_by_history(on_test.part)),
        "users_by_gender": by_users(on_test, shown, users_by_gender(tested)),
        "movies_by_popularity": by_movies(on_test, shown, movies_by_popularity(popularity)),
        "movies_by_genre": by_movies(on_test, shown, movies_by_genre(genres, genre_names)),
    }
    for name, table in (curves | groups).items():
        write_csv(table, Path(f"plots/{name}.csv"))

    cold = read_table(Path("data/split/cold.parquet"))["kind"]
    times = pd.to_datetime(pd.concat([of["timestamp"] for of in rows.values()]), unit="s", utc=True).dt.year
    facts = Facts(
        title_of(params.dataset, params.data_path), params.min_rating, params.split_strategy, len(user_ids), len(item_ids),
        {part: len(of) for part, of in rows.items()}, (times.min(), times.max()), len(tested),
        {kind: int((cold == kind).sum()) for kind in ("user", "item")}, tables["test"], groups,
    )  # fmt: skip
    write_text(model_card(facts), Path("metrics/model_card.md"))


if __name__ == "__main__":
    _stage.run(main)
