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
    whole = GraphArrays.from_stored(read_arrays(Path("data/graph/graph.npz")))
    shape, known = (whole.n_users, whole.n_items), _stage.read_moments(MOMENTS)
    order = np.random.default_rng(params.seed).permutation(whole.n_users)
    new, old = map(np.sort, np.split(order, [max(whole.n_users // 10, 1)]))
    profiles, at_test = profiles_at(known, shape, params), "after_valid" if knows_valid(params) else "after_train"
    of_old = {at: of.of(old)._replace(users=np.arange(len(old))) for at, of in profiles.items()}
    of_new = profiles.get(at_test, Profiles.without_order(whole.matrix())).of(new)
    of_new = of_new._replace(users=np.full(len(new), -1), gender=whole.user_gender[new])
    arrays = graph_arrays(whole.matrix()[old], whole.user_gender[old], whole.item_genres)
    valid, before = to_csr(known["after_valid"][-1], *shape)[old], of_old.get("after_train")
    options = {"later": of_old.get("after_valid"), "group": group, "checkpoints": checkpoints, "say": print}
    fitted = fit(arrays, valid, params, profiles=before, **options)
    if fitted is None:  # in all processes but the first
        return
    data = Fitting(arrays.binary_matrix(), before and before.histories, valid, say=print)
    baselines, seen = fit_popularity(data) | fit_ease(data, params.ease), (of_new.matrix != 0).astype(np.float32)
    by = {"model": fitted.model.scorer(of_new)} | baseline_scorers(baselines, seen, before and of_new.histories)
    ranked = rank_moments(lambda at: by, {"after_valid": to_csr(pd.concat(known["after_valid"]), *shape)[new]}, True)
    write_arrays(Path("data/rankings/newcomers.npz"), **ranked | {"users.after_valid": new})
    remove(checkpoints)


if __name__ == "__main__":
    _stage.run(main)
