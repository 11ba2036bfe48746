"""Train the model, and rank with it: taste from the graph, and in time order what comes next; validation alone makes the choices."""

from collections.abc import Callable
from pathlib import Path

import _stage
import pandas as pd
import torch

from movierec.errors import UserError
from movierec.graph import Graph, stored_graph, train_matrix
from movierec.history import known_by
from movierec.interactions import TEMPORAL, to_csr
from movierec.model import train_model, train_next
from movierec.next_movie import NextMovie
from movierec.next_training import NextSettings
from movierec.ranking import MOMENTS, rank_everyone
from movierec.storage import read_arrays, read_table, write_arrays, write_csv
from movierec.training import Epoch, Settings


def main() -> None:
    params = _stage.params(
        "split_strategy", "rating_power", "seed",
        "embedding_dim", "n_layers", "temperature", "kernel_max_nodes", "gender_weight", "genre_weight",
        "device", "lr", "weight_decay", "user_weight_power", "batch_size", "epochs", "patience",
        "half_lives", "next_dim", "next_hidden", "next_temperature", "next_lr", "next_epochs", "next_batch_steps", "next_negatives",
    )  # fmt: skip
    arrays = stored_graph(read_arrays(Path("data/graph/graph.npz")))
    train = train_matrix(arrays)
    rows = {part: read_table(Path(f"data/split/{part}.parquet")) for part in ("train", "valid")}
    valid = to_csr(rows["valid"], *train.shape)
    in_time = params.split_strategy in TEMPORAL
    known = {
        moment: known_by(*train.shape, [rows[part] for part in parts], params.rating_power) if in_time else None
        for moment, parts in MOMENTS.items()
    }

    if params.device == "cuda" and not torch.cuda.is_available():
        raise UserError("params.yaml: device is 'cuda', but torch sees no CUDA device here; set it to cpu.")
    settings = Settings(
        params.temperature, params.user_weight_power, params.lr, params.weight_decay,
        params.batch_size, params.epochs, params.patience, params.seed,
    )  # fmt: skip
    graph = Graph(arrays)
    trained = train_model(
        graph, train, valid, params.embedding_dim, params.n_layers, params.kernel_max_nodes, params.gender_weight, params.genre_weight,
        settings, reporter(params.epochs), Graph(arrays, params.device) if params.device != "cpu" else None, known["after_train"],
    )  # fmt: skip
    model, history = trained.model, pd.DataFrame(trained.history).assign(part="graph")
    print(f"graph: epoch {trained.best.epoch}, validation NDCG@20 {trained.best.valid_ndcg:.4f}")
    for name, side in (("users", model.users), ("movies", model.items)):
        if side is None:
            print(f"kernel over {name}: left out, more than kernel_max_nodes ({params.kernel_max_nodes:,})")
    shares = ", ".join(f"{name} {share:g}" for name, share in zip(("graph", "users", "movies"), model.mix))
    print(f"mix: {shares}; validation NDCG@20 {trained.valid_ndcg[model.mix]:.4f}")

    if in_time:
        network = NextMovie(train.shape[1], params.half_lives, params.next_dim, params.next_hidden, params.next_temperature)
        settings = NextSettings(params.next_lr, params.next_epochs, params.next_batch_steps, params.next_negatives, params.seed)
        following = train_next(model, graph, known["after_train"], train, valid, network, settings, reporter(params.next_epochs))
        model = following.model
        history = pd.concat([history, pd.DataFrame(following.history).assign(part="next")])
        shares = ", ".join(f"{name} {share:.3g}" for name, share in zip(("taste", "what comes next", "trend"), model.shares))
        print(f"mix: {shares}; validation NDCG@20 {following.valid_ndcg:.4f}")
    write_arrays(Path("models/model.npz"), **model.arrays())
    seen = {moment: to_csr(pd.concat([rows[part] for part in parts]), *train.shape) for moment, parts in MOMENTS.items()}
    rankings = {f"model.{moment}": rank_everyone(model.scorer(graph, known[moment]), seen[moment]) for moment in MOMENTS}
    write_arrays(Path("data/rankings/model.npz"), **rankings)
    write_csv(history[["part", *Epoch._fields]], Path("models/history.csv"))


def reporter(epochs: int) -> Callable[[Epoch], None]:
    """Prints a line for each epoch."""

    def report(epoch: Epoch) -> None:
        print(
            f"epoch {epoch.epoch:3d}/{epochs}  loss {epoch.loss:.4f}  "
            f"validation NDCG@20 {epoch.valid_ndcg:.4f}  Recall@20 {epoch.valid_recall:.4f}",
            flush=True,
        )

    return report


if __name__ == "__main__":
    _stage.run(main)
