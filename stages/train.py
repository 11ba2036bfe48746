"""Fit the model, and rank with it; validation makes all choices."""

from pathlib import Path

import _stage
import pandas as pd

from movierec.interactions.graph_arrays import GraphArrays
from movierec.interactions.matrix import to_csr
from movierec.interactions.profiles import profiles_at
from movierec.model.fit import fit
from movierec.model.saving import pack, unpack
from movierec.ranking.topk import MOMENTS, rank_moments
from movierec.utils.arrays import read_arrays, remove, write_arrays
from movierec.utils.params import knows_valid
from movierec.utils.storage import write_csv


def main() -> None:
    params = _stage.params()
    group = _stage.join(params.device, params.processes)
    graph = GraphArrays.from_stored(read_arrays(Path("data/graph/graph.npz")))
    shape, known = (graph.n_users, graph.n_items), _stage.read_moments(MOMENTS)
    profiles, valid = profiles_at(known, shape, params), to_csr(known["after_valid"][-1], *shape)
    del known  # large, where there are many interactions; so it is read again below
    options = {"checkpoints": _stage.CHECKPOINTS / "train", "group": group, "say": print}
    options |= {"profiles": profiles.get("after_train"), "later": profiles.get("after_valid")}
    fitted = fit(graph, valid, params, **options)
    arrays = pack(fitted.model, graph, *_stage.read_ids(), params=params.model_dump()) if fitted else {}
    if fitted:
        write_arrays(Path("models/model.npz"), **arrays)
        write_csv(fitted.epochs, Path("models/epochs.csv"))
    del fitted
    arrays = group.arrays_from_leader(arrays)
    model = unpack(arrays, "models/model.npz").model  # as it is stored, so that this is what is evaluated
    seen = {at: to_csr(pd.concat(parts), *shape) for at, parts in _stage.read_moments(MOMENTS).items()}
    ranked = rank_moments(lambda at: {"model": model.scorer(profiles.get(at))}, seen, knows_valid(params), group)
    if group.leads:
        write_arrays(Path("data/rankings/model.npz"), **ranked)
        remove(_stage.CHECKPOINTS / "train")


if __name__ == "__main__":
    _stage.run(main)
