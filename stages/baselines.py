"""Fit what the graph model is measured against: popularity, item-kNN and EASE."""

from pathlib import Path

import _stage
import numpy as np

from movierec.baselines import ease, gram, item_knn, linear_scorer, popularity
from movierec.graph import stored_graph, train_matrix
from movierec.interactions import to_csr
from movierec.ranking import evaluate
from movierec.storage import read_arrays, read_table, write_arrays

BASELINES = Path("models/baselines.npz")


def main() -> None:
    params = _stage.params("ease_lambdas", "ease_max_items", "knn_neighbors", "knn_shrinkage")
    train = train_matrix(stored_graph(read_arrays(Path("data/graph/graph.npz"))))
    valid = to_csr(read_table(Path("data/split/valid.parquet")), *train.shape)
    knn = item_knn(train, params.knn_neighbors, params.knn_shrinkage)
    best, weights, best_lambda = -1.0, np.zeros((0, 0), np.float32), 0.0
    if train.shape[1] > params.ease_max_items:
        print(f"EASE is left out: {train.shape[1]:,} movies are more than ease_max_items ({params.ease_max_items:,}).")
    else:
        gram_matrix = gram(train)
        for regularisation in params.ease_lambdas:
            candidate = ease(gram_matrix, regularisation)
            ndcg = evaluate(linear_scorer(train, candidate), train, train, valid, [20])["ndcg@20"]
            print(f"EASE, lambda {regularisation:g}: validation NDCG@20 {ndcg:.4f}")
            if ndcg > best:
                best, weights, best_lambda = ndcg, candidate, regularisation
        print(f"kept: lambda {best_lambda:g}")
    write_arrays(
        BASELINES,
        popularity=popularity(train),
        knn_data=knn.data,
        knn_indices=knn.indices,
        knn_indptr=knn.indptr,
        ease=weights,
        ease_lambda=best_lambda,
    )


if __name__ == "__main__":
    _stage.run(main)
