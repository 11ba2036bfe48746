"""Rank for new users: train without a tenth of the users, and rank for them from their histories alone."""

from pathlib import Path

import _stage
import numpy as np
import pandas as pd

from movierec.baselines import Fitting, baseline_scorers, fit_ease, fit_popularity
from movierec.interactions.graph_arrays import GraphArrays, graph_arrays
from movierec.interactions.matrix import to_csr
from movierec.interactions.profiles import Profiles, profiles_at
from movierec.model.fit import fit
from movierec.ranking.topk import MOMENTS, rank_moments
from movierec.utils.arrays import read_arrays, remove, write_arrays
from movierec.utils.params import knows_valid


def main() -> None:
    params = _stage.params()
    group, checkpoints = _stage.join(params.device, params.processes), _stage.CHECKPOINTS / "newcomers"
    graph = GraphArrays.from_stored(read_arrays(Path("data/graph/graph.npz")))
    shape, known = (graph.n_users, graph.n_items), _stage.read_moments(MOMENTS)
    order = np.random.default_rng(params.seed).permutation(graph.n_users)
    new, old = map(np.sort, np.split(order, [max(graph.n_users // 10, 1)]))
    profiles, at_test = profiles_at(known, shape, params), "after_valid" if knows_valid(params) else "after_train"
    of_old = {at: of.of(old)._replace(users=np.arange(len(old))) for at, of in profiles.items()}
    of_new = profiles.get(at_test, Profiles.without_order(graph.matrix())).of(new)
    of_new = of_new._replace(users=np.full(len(new), -1), gender=graph.user_gender[new])
    graph = graph_arrays(graph.matrix()[old], graph.user_gender[old], graph.item_genres)  # the whole one is large
    valid, known = to_csr(known["after_valid"][-1], *shape)[old], to_csr(pd.concat(known["after_valid"]), *shape)[new]
    before, later = (of_old.get(at) for at in MOMENTS)
    fitted = fit(graph, valid, params, profiles=before, later=later, group=group, checkpoints=checkpoints, say=print)
    if fitted is None:  # in all processes but the first
        return
    data = Fitting(graph.binary_matrix(), before and before.histories, valid, say=print)
    baselines, seen = fit_popularity(data) | fit_ease(data, params.ease), (of_new.matrix != 0).astype(np.float32)
    by = {"model": fitted.model.scorer(of_new)} | baseline_scorers(baselines, seen, before and of_new.histories)
    ranked = rank_moments(lambda at: by, {"after_valid": known}, True)
    write_arrays(Path("data/rankings/newcomers.npz"), **ranked | {"users.after_valid": new})
    remove(checkpoints)


if __name__ == "__main__":
    _stage.run(main)
