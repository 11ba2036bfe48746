"""Fit the baselines on the same split, and rank with them: popularity, item-kNN, EASE and, by time, a Markov chain."""

from pathlib import Path

import _stage
import pandas as pd

from movierec.baselines import Fitting, baseline_scorers, fit_ease, fit_item_knn, fit_markov, fit_popularity
from movierec.interactions.graph_arrays import GraphArrays
from movierec.interactions.histories import Histories
from movierec.interactions.matrix import TEMPORAL, to_csr
from movierec.ranking.metrics import CHOOSING, sample_users
from movierec.ranking.topk import MOMENTS, rank_moments
from movierec.utils.arrays import read_arrays, write_arrays
from movierec.utils.params import knows_valid


def main() -> None:
    params = _stage.params()
    temporal = params.split_strategy in TEMPORAL
    train = GraphArrays.from_stored(read_arrays(Path("data/graph/graph.npz"))).binary_matrix()
    known = _stage.read_moments(MOMENTS)
    seen = {at: to_csr(pd.concat(parts), *train.shape) for at, parts in known.items()}
    histories = dict.fromkeys(MOMENTS)
    if temporal:
        histories = {at: Histories.from_interactions(train.shape[0], *parts) for at, parts in known.items()}
    valid = sample_users(to_csr(known["after_valid"][-1], *train.shape), train, CHOOSING)
    data = Fitting(train, histories["after_train"], valid, say=print)
    arrays = fit_popularity(data) | fit_item_knn(data, params.knn) | fit_markov(data) | fit_ease(data, params.ease)
    ranked = rank_moments(lambda at: baseline_scorers(arrays, seen[at], histories[at]), seen, knows_valid(params))
    write_arrays(Path("data/rankings/baselines.npz"), **ranked)


if __name__ == "__main__":
    _stage.run(main)
