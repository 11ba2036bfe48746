"""How well someone new is served: train anew without a tenth of the users, and rank for them from their histories alone."""

import functools
import shutil
from pathlib import Path

import _stage
import numpy as np
import pandas as pd

from movierec.baselines import Fitting, fit_ease, fit_popularity, linear_scorer, popularity_scorer
from movierec.edges import graph_arrays, stored_graph, train_matrix, weighted_matrix
from movierec.graph import Graph
from movierec.history import Known, decayed, history, known_by, known_without_order
from movierec.interactions import TEMPORAL, to_csr
from movierec.ranking import rank_everyone
from movierec.ranks import join
from movierec.recipe import RECIPE, make_model
from movierec.storage import read_arrays, read_table, write_arrays

SHARE = 0.1  # of the users, held out
CHECKPOINTS = Path("data/checkpoints/newcomers")  # of a run that goes on; no output, as DVC would remove it before the next one


def main() -> None:
    params = _stage.params("split_strategy", "rating_power", "ease_lambdas", "ease_max_items", *RECIPE)
    ranks = join(params.device, params.processes)
    whole = stored_graph(read_arrays(Path("data/graph/graph.npz")))
    train, weighted = train_matrix(whole), weighted_matrix(whole)
    rows = [read_table(Path(f"data/split/{part}.parquet")) for part in ("train", "valid")]
    valid, in_time = to_csr(rows[1], *train.shape), params.split_strategy in TEMPORAL
    order = np.random.default_rng(params.seed).permutation(whole.n_users)
    new, old = np.sort(order[: max(int(SHARE * whole.n_users), 1)]), np.sort(order[max(int(SHARE * whole.n_users), 1) :])
    if ranks.leads:
        print(f"{len(old):,} users to train on, {len(new):,} held out")

    arrays = graph_arrays(weighted[old], whole.user_gender[old], whole.item_genres)
    known_old = None
    if in_time:
        before, at_test = (known_by(*train.shape, parts, params.rating_power) for parts in (rows[:1], rows))
        known_old = Known(before.matrix[old], before.history.of(old), np.arange(len(old)))
    made = make_model(arrays, train[old], valid[old], known_old, params, functools.partial(print, flush=True), ranks, CHECKPOINTS)
    if made is None:  # the rest is done once
        return
    past_old = history(whole.n_users, rows[0]).of(old) if in_time else None
    fitting = Fitting(train[old], past_old, valid[old], print)
    baselines = fit_popularity(fitting) | fit_ease(fitting, params.ease_lambdas, params.ease_max_items)

    graph, nobody = Graph(arrays), np.full(len(new), -1)
    if in_time:
        known = Known(at_test.matrix[new], at_test.history.of(new), nobody, whole.user_gender[new])
        history_new = decayed(known.history, whole.n_items, float(baselines["ease_half_life"]))
    else:
        known = known_without_order(weighted[new], nobody, whole.user_gender[new])
        history_new = train[new]
    scorers = {"model": made.model.scorer(graph, known)}
    if baselines["ease"].size:
        scorers["EASE"] = linear_scorer(history_new, baselines["ease"])
    scorers["popularity"] = popularity_scorer(baselines["popularity"])
    seen = to_csr(pd.concat(rows), *train.shape)[new]
    ranked = {f"{name}.after_valid": rank_everyone(scorer, seen)[0] for name, scorer in scorers.items()}
    write_arrays(Path("data/rankings/newcomers.npz"), **ranked | {"users.after_valid": new})
    shutil.rmtree(CHECKPOINTS, ignore_errors=True)


if __name__ == "__main__":
    _stage.run(main)
