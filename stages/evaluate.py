"""Measure the model and the baselines on validation and test; write metrics and the data of the plots."""

from pathlib import Path

import _stage
import pandas as pd
import scipy.sparse as sp

from movierec.baselines import BASELINES, baseline_scorers
from movierec.graph import Graph, stored_graph
from movierec.history import known_by
from movierec.interactions import TEMPORAL, Split, to_csr
from movierec.model import stored_model
from movierec.ranking import METRICS, Scorer, evaluate
from movierec.storage import read_arrays, read_csv, read_table, write_csv, write_json

CURVE = range(1, 101)  # the cutoffs of the plots
CURVE_METRICS = ("ndcg", "recall", "precision")
AT_20 = [f"{metric}@20" for metric in (*METRICS, "coverage")]


def main() -> None:
    params = _stage.params("split_strategy", "rating_power", "mask", "cutoffs")
    arrays = stored_graph(read_arrays(Path("data/graph/graph.npz")))
    graph, shape = Graph(arrays), (arrays.n_users, arrays.n_items)
    model, baselines = stored_model(read_arrays(Path("models/model.npz")), graph), read_arrays(Path("models/baselines.npz"))
    rows = {part: read_table(Path(f"data/split/{part}.parquet")) for part in Split._fields}
    matrix = {part: to_csr(rows[part], *shape) for part in rows}

    def before(part: str) -> tuple[sp.csr_matrix, sp.csr_matrix, dict[str, Scorer]]:
        """What is known of the users before this part, what is left out of the rankings, and all scorers."""
        earlier = ["train"] if part == "valid" else ["train", "valid"]
        seen = sum(matrix[name] for name in earlier)
        if params.split_strategy in TEMPORAL:  # a history is everything before the moment of recommending
            known = known_by(*shape, [rows[name] for name in earlier], params.rating_power)
            return seen, seen, {"model": model.scorer(graph, known)} | baseline_scorers(baselines, seen, known.history)
        scorers = {"model": model.scorer(graph)} | baseline_scorers(baselines, matrix["train"])
        return matrix["train"], matrix["train"] if params.mask == "train" else seen, scorers

    cutoffs = sorted({20, *params.cutoffs})
    names = [f"{metric}@{k}" for k in cutoffs for metric in (*METRICS, "coverage")]
    measured = {}
    for part in ("valid", "test"):
        history, seen, scorers = before(part)
        values = {name: evaluate(scorer, history, seen, matrix[part], {*cutoffs, *CURVE}) for name, scorer in scorers.items()}
        measured[part] = values
        write_json({name: {key: values[name][key] for key in names} for name in values}, Path(f"metrics/{part}.json"))
        for name in ("model", *BASELINES):  # the file of a baseline that was left out is there, and empty
            at_20 = {key: value for key, value in values.get(name, {}).items() if key in AT_20}
            write_json(at_20, Path(f"metrics/{part}_{name}.json"), decimals=4)
        for name in values:
            print(f"{part:5}  {name:10}  NDCG@20 {values[name]['ndcg@20']:.4f}  Recall@20 {values[name]['recall@20']:.4f}")

    for metric in CURVE_METRICS:
        curve = {name: [values[f"{metric}@{k}"] for k in CURVE] for name, values in measured["test"].items()}
        write_csv(pd.DataFrame({"k": list(CURVE), **curve}), Path(f"plots/{metric}.csv"))
    history = read_csv(Path("models/history.csv")).query("part == 'graph'")
    lines = {name: values["ndcg@20"] for name, values in measured["valid"].items() if name != "model"}
    training = pd.DataFrame({"epoch": history["epoch"], "loss": history["loss"], "graph_part": history["valid_ndcg"]})
    write_csv(training.assign(model=measured["valid"]["model"]["ndcg@20"], **lines), Path("plots/training.csv"))


if __name__ == "__main__":
    _stage.run(main)
