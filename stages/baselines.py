"""Fit what the graph model is measured against: popularity, item-kNN and EASE, and in time order a Markov chain."""

from pathlib import Path

import _stage

from movierec.baselines import Fitting, fit_ease, fit_item_knn, fit_markov, fit_popularity
from movierec.graph import stored_graph, train_matrix
from movierec.history import history
from movierec.interactions import TEMPORAL, to_csr
from movierec.storage import read_arrays, read_table, write_arrays


def main() -> None:
    params = _stage.params("split_strategy", "ease_lambdas", "ease_max_items", "knn_neighbors", "knn_shrinkage")
    train = train_matrix(stored_graph(read_arrays(Path("data/graph/graph.npz"))))
    valid = to_csr(read_table(Path("data/split/valid.parquet")), *train.shape)
    in_time = params.split_strategy in TEMPORAL
    past = history(train.shape[0], read_table(Path("data/split/train.parquet"))) if in_time else None
    data = Fitting(train, past, valid, say=print)
    arrays = fit_popularity(data) | fit_item_knn(data, params.knn_neighbors, params.knn_shrinkage)
    arrays |= fit_markov(data) | fit_ease(data, params.ease_lambdas, params.ease_max_items)
    write_arrays(Path("models/baselines.npz"), **arrays)


if __name__ == "__main__":
    _stage.run(main)
