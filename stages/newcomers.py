"""Rank for new users: train without a tenth of the users, and rank for them from their histories alone."""

from pathlib import Path

import _stage
import numpy as np
import pandas as pd

from movierec.baselines import Fitting, baseline_scorers, fit_ease, fit_popularity
from movierec.interactions.graph_arrays import GraphArrays, graph_arrays
from movierec.interactions.history import Profiles
from movierec.interactions.matrix import TEMPORAL, to_csr
from movierec.model.fit import fit
from movierec.ranking.topk import rank_moments
from movierec.utils.storage import read_arrays, remove, write_arrays


def main() -> None:
    params = _stage.params()
    group, checkpoints = _stage.join(params.device, params.processes), _stage.CHECKPOINTS / "newcomers"
    whole = GraphArrays.from_stored(read_arrays(Path("data/graph/graph.npz")))
    rows, shape, weighted = _stage.read_parts("train", "valid"), (whole.n_users, whole.n_items), whole.matrix()
    order = np.random.default_rng(params.seed).permutation(whole.n_users)
    new, old = map(np.sort, np.split(order, [max(whole.n_users // 10, 1)]))
    temporal = params.split_strategy in TEMPORAL
    before = after = Profiles.without_order(weighted)
    if temporal:
        before, after = (Profiles.from_interactions(*shape, parts, params.rating_power) for parts in (rows[:1], rows))
    of_old = before.of(old)._replace(users=np.arange(len(old))) if temporal else None
    of_new = after.of(new)._replace(users=np.full(len(new), -1), gender=whole.user_gender[new])
    arrays, valid = graph_arrays(weighted[old], whole.user_gender[old], whole.item_genres), to_csr(rows[1], *shape)[old]
    fitted = fit(arrays, valid, params, profiles=of_old, group=group, checkpoints=checkpoints, say=print)
    if fitted is None:  # in all processes but the first
        return
    data = Fitting(arrays.binary_matrix(), of_old and of_old.histories, valid, say=print)
    known, model = (whole.binary_matrix()[new], of_new.histories if temporal else None), fitted.model.scorer(of_new)
    scorers = {"model": model} | baseline_scorers(fit_popularity(data) | fit_ease(data, params.ease), *known)
    ranked = rank_moments(lambda at: scorers, {"after_valid": to_csr(pd.concat(rows), *shape)[new]}, temporal=True)
    write_arrays(Path("data/rankings/newcomers.npz"), **ranked | {"users.after_valid": new})
    remove(checkpoints)


if __name__ == "__main__":
    _stage.run(main)
