"""Train the model, and rank with it: taste from the graph, and in time order what comes next; validation alone makes the choices."""

import functools
import shutil
from pathlib import Path

import _stage
import pandas as pd

from movierec.edges import stored_graph, train_matrix
from movierec.history import known_by
from movierec.interactions import TEMPORAL, to_csr
from movierec.packing import pack, unpack
from movierec.ranking import MOMENTS, rank_everyone
from movierec.ranks import join
from movierec.recipe import RECIPE, make_model
from movierec.storage import read_arrays, read_table, write_arrays, write_csv

MODEL = Path("models/model.npz")
CHECKPOINTS = Path("data/checkpoints/train")  # of a run that goes on; no output, as DVC would remove it before the next one


def main() -> None:
    params = _stage.params("split_strategy", "rating_power", *RECIPE)
    ranks = join(params.device, params.processes)
    arrays = stored_graph(read_arrays(Path("data/graph/graph.npz")))
    train = train_matrix(arrays)
    rows = {part: read_table(Path(f"data/split/{part}.parquet")) for part in ("train", "valid")}
    in_time = params.split_strategy in TEMPORAL
    known = {
        moment: known_by(*train.shape, [rows[part] for part in parts], params.rating_power) if in_time else None
        for moment, parts in MOMENTS.items()
    }
    say = functools.partial(print, flush=True)
    made = make_model(arrays, train, to_csr(rows["valid"], *train.shape), known["after_train"], params, say, ranks, CHECKPOINTS)
    if made is None:  # the rest is done once
        return
    user_ids, item_ids = read_table(Path("data/split/users.parquet"))["UserID"], read_table(Path("data/split/items.parquet"))["MovieID"]
    packed = pack(made.model, arrays, user_ids.to_numpy(), item_ids.to_numpy(), vars(params))
    write_arrays(MODEL, **packed)
    write_csv(made.history, Path("models/history.csv"))
    stored = unpack(packed, str(MODEL))  # as it is read again: what is measured is what is stored, to the last bit
    seen = {moment: to_csr(pd.concat([rows[part] for part in parts]), *train.shape) for moment, parts in MOMENTS.items()}
    if in_time:  # at each moment from the history up to there
        ranked = [rank_everyone(stored.model.scorer(stored.graph, known[moment]), seen[moment])[0] for moment in MOMENTS]
    else:
        ranked = rank_everyone(stored.model.scorer(stored.graph), *seen.values())
    write_arrays(Path("data/rankings/model.npz"), **{f"model.{moment}": of for moment, of in zip(MOMENTS, ranked)})
    shutil.rmtree(CHECKPOINTS, ignore_errors=True)


if __name__ == "__main__":
    _stage.run(main)
