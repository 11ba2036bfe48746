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
from movierec.utils.params import knows_valid
from movierec.utils.storage import read_arrays, remove, write_arrays


def main() -> None:
    params = _stage.params()
    group, checkpoints = _stage.join(params.device, params.processes), _stage.CHECKPOINTS / "newcomers"
    whole = GraphArrays.from_stored(read_arrays(Path("data/graph/graph.npz")))
    shape, rows = (whole.n_users, whole.n_items), _stage.read_parts("train", "valid")
    order = np.random.default_rng(params.seed).permutation(whole.n_users)
    new, old = map(np.sort, np.split(order, [max(whole.n_users // 10, 1)]))
    options = {"rating_power": params.rating_power, "at_end": params.split_strategy == "global_temporal"}
    known = rows[:1], rows[: 1 + knows_valid(params)]
    before, after = (Profiles.from_interactions(*shape, parts, **options) for parts in known)
    of_old = before.of(old)._replace(users=np.arange(len(old))) if params.split_strategy in TEMPORAL else None
    of_new = after.of(new)._replace(users=np.full(len(new), -1), gender=whole.user_gender[new])
    arrays = graph_arrays(whole.matrix()[old], whole.user_gender[old], whole.item_genres)
    valid, options = to_csr(rows[1], *shape)[old], {"profiles": of_old, "later": after.of(old), "group": group}
    fitted = fit(arrays, valid, params, checkpoints=checkpoints, say=print, **options)
    if fitted is None:  # in all processes but the first
        return
    data = Fitting(arrays.binary_matrix(), of_old and of_old.histories, valid, say=print)
    baselines, seen = fit_popularity(data) | fit_ease(data, params.ease), (after.matrix[new] != 0).astype(np.float32)
    by = {"model": fitted.model.scorer(of_new)} | baseline_scorers(baselines, seen, of_old and of_new.histories)
    ranked = rank_moments(lambda at: by, {"after_valid": to_csr(pd.concat(rows), *shape)[new]}, True)
    write_arrays(Path("data/rankings/newcomers.npz"), **ranked | {"users.after_valid": new})
    remove(checkpoints)


if __name__ == "__main__":
    _stage.run(main)
