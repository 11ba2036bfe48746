"""Measure the model and the baselines on validation and test; write metrics and the data of the plots."""

from pathlib import Path

import _stage
import pandas as pd

from movierec.baselines import BASELINES, baseline_scorers
from movierec.graph import Graph, stored_graph, train_matrix
from movierec.interactions import to_csr
from movierec.model import stored_model
from movierec.ranking import METRICS, evaluate
from movierec.storage import read_arrays, read_csv, read_table, write_csv, write_json

CURVE = range(1, 101)  # the cutoffs of the plots
CURVE_METRICS = ("ndcg", "recall", "precision")
AT_20 = [f"{metric}@20" for metric in (*METRICS, "coverage")]


def main() -> None:
    params = _stage.params("mask", "cutoffs")
    arrays = stored_graph(read_arrays(Path("data/graph/graph.npz")))
    train = train_matrix(arrays)
    valid, test = (to_csr(read_table(Path(f"data/split/{part}.parquet")), *train.shape) for part in ("valid", "test"))
    graph = Graph(arrays)
    scorers = {"model": stored_model(read_arrays(Path("models/model.npz")), graph).scorer(graph)}
    scorers |= baseline_scorers(read_arrays(Path("models/baselines.npz")), train)

    cutoffs = sorted({20, *params.cutoffs})
    seen_at_test = train if params.mask == "train" else train + valid
    measured = {}
    for part, seen, relevant in (("valid", train, valid), ("test", seen_at_test, test)):
        measured[part] = {name: evaluate(scorer, train, seen, relevant, {*cutoffs, *CURVE}) for name, scorer in scorers.items()}
        names = [f"{metric}@{k}" for k in cutoffs for metric in (*METRICS, "coverage")]
        write_json({name: {key: values[key] for key in names} for name, values in measured[part].items()}, Path(f"metrics/{part}.json"))
        for name in ("model", *BASELINES):  # EASE's file is there, and empty, where EASE was left out
            values = measured[part].get(name, {})
            write_json({key: values[key] for key in values if key in AT_20}, Path(f"metrics/{part}_{name}.json"), decimals=4)
        for name, values in measured[part].items():
            print(f"{part:5}  {name:10}  NDCG@20 {values['ndcg@20']:.4f}  Recall@20 {values['recall@20']:.4f}")

    for metric in CURVE_METRICS:
        curve = {name: [values[f"{metric}@{k}"] for k in CURVE] for name, values in measured["test"].items()}
        write_csv(pd.DataFrame({"k": list(CURVE), **curve}), Path(f"plots/{metric}.csv"))
    history = read_csv(Path("models/history.csv"))
    lines = {name: values["ndcg@20"] for name, values in measured["valid"].items() if name != "model"}
    training = pd.DataFrame({"epoch": history["epoch"], "loss": history["loss"], "graph_part": history["valid_ndcg"]})
    write_csv(training.assign(model=measured["valid"]["model"]["ndcg@20"], **lines), Path("plots/training.csv"))


if __name__ == "__main__":
    _stage.run(main)
