"""Train the graph model; keep the epoch that ranks best on validation."""

from pathlib import Path

import _stage
import pandas as pd
import torch

from movierec.errors import UserError
from movierec.graph import Graph, stored_graph, train_matrix
from movierec.interactions import to_csr
from movierec.model import train_model
from movierec.storage import read_arrays, read_table, write_arrays, write_csv
from movierec.training import Epoch, Settings


def main() -> None:
    params = _stage.params(
        "seed", "embedding_dim", "n_layers", "temperature", "kernel_max_nodes", "gender_weight", "genre_weight",
        "device", "lr", "weight_decay", "user_weight_power", "batch_size", "epochs", "patience",
    )  # fmt: skip
    arrays = stored_graph(read_arrays(Path("data/graph/graph.npz")))
    train = train_matrix(arrays)
    valid = to_csr(read_table(Path("data/split/valid.parquet")), *train.shape)

    def report(epoch: Epoch) -> None:
        print(
            f"epoch {epoch.epoch:3d}/{params.epochs}  loss {epoch.loss:.4f}  "
            f"validation NDCG@20 {epoch.valid_ndcg:.4f}  Recall@20 {epoch.valid_recall:.4f}",
            flush=True,
        )

    settings = Settings(
        params.temperature, params.user_weight_power, params.lr, params.weight_decay,
        params.batch_size, params.epochs, params.patience, params.seed,
    )  # fmt: skip
    if params.device == "cuda" and not torch.cuda.is_available():
        raise UserError("params.yaml: device is 'cuda', but torch sees no CUDA device here; set it to cpu.")
    on_device = Graph(arrays, params.device) if params.device != "cpu" else None
    trained = train_model(
        Graph(arrays), train, valid, params.embedding_dim, params.n_layers, params.kernel_max_nodes,
        params.gender_weight, params.genre_weight, settings, report, on_device,
    )  # fmt: skip
    write_arrays(Path("models/model.npz"), **trained.model.arrays())
    write_csv(pd.DataFrame(trained.history), Path("models/history.csv"))
    print(f"graph: epoch {trained.best.epoch}, validation NDCG@20 {trained.best.valid_ndcg:.4f}")
    for name, side in (("users", trained.model.users), ("movies", trained.model.items)):
        if side is None:
            print(f"kernel over {name}: left out, more than kernel_max_nodes ({params.kernel_max_nodes:,})")
    shares = ", ".join(f"{name} {share:g}" for name, share in zip(("graph", "users", "movies"), trained.model.mix))
    print(f"mix: {shares}; validation NDCG@20 {trained.valid_ndcg[trained.model.mix]:.4f}")


if __name__ == "__main__":
    _stage.run(main)
