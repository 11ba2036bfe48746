"""Fit what the model is measured against, on the same split, and rank with it: popularity, item-kNN, EASE, and in time order a Markov chain."""

from pathlib import Path

import _stage
import pandas as pd

from movierec.baselines import Fitting, baseline_scorers, fit_ease, fit_item_knn, fit_markov, fit_popularity
from movierec.edges import stored_graph, train_matrix
from movierec.history import history
from movierec.interactions import TEMPORAL, to_csr
from movierec.ranking import MOMENTS, rank_everyone
from movierec.storage import read_arrays, read_table, write_arrays


def main() -> None:
    params = _stage.params("split_strategy", "ease_lambdas", "ease_max_items", "knn_neighbors", "knn_shrinkage")
    train = train_matrix(stored_graph(read_arrays(Path("data/graph/graph.npz"))))
    rows = {part: read_table(Path(f"data/split/{part}.parquet")) for part in ("train", "valid")}
    in_time = params.split_strategy in TEMPORAL
    past = history(train.shape[0], rows["train"]) if in_time else None
    data = Fitting(train, past, to_csr(rows["valid"], *train.shape), say=print)
    arrays = fit_popularity(data) | fit_item_knn(data, params.knn_neighbors, params.knn_shrinkage)
    arrays |= fit_markov(data) | fit_ease(data, params.ease_lambdas, params.ease_max_items)

    seen = {moment: to_csr(pd.concat([rows[part] for part in parts]), *train.shape) for moment, parts in MOMENTS.items()}
    rankings = {}
    if in_time:  # at each moment from the history up to there
        for moment, parts in MOMENTS.items():
            past = history(train.shape[0], *(rows[part] for part in parts))
            for name, scorer in baseline_scorers(arrays, seen[moment], past).items():
                (rankings[f"{name}.{moment}"],) = rank_everyone(scorer, seen[moment])
    else:
        for name, scorer in baseline_scorers(arrays, train).items():
            rankings |= {f"{name}.{moment}": ranked for moment, ranked in zip(MOMENTS, rank_everyone(scorer, *seen.values()))}
    write_arrays(Path("data/rankings/baselines.npz"), **rankings)


if __name__ == "__main__":
    _stage.run(main)
