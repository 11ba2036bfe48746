"""How the whole model is made from its params: the one recipe of whoever trains it."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pandas as pd
import scipy.sparse as sp
import torch

from movierec.allocator import keep_freed_memory
from movierec.checkpoints import Checkpoint, fingerprint
from movierec.edges import GraphArrays
from movierec.errors import UserError
from movierec.graph import Graph
from movierec.history import Known
from movierec.model import Model, train_model, train_next
from movierec.next_movie import NextMovie
from movierec.next_training import NextSettings
from movierec.params import NO_GPU
from movierec.ranks import ALONE, Ranks
from movierec.training import Epoch, Settings

# The params that it reads, all of them.
RECIPE = (
    "seed", "embedding_dim", "n_layers", "temperature", "kernel_max_nodes", "gender_weight", "genre_weight",
    "device", "lr", "weight_decay", "user_weight_power", "batch_size", "epoch_steps", "epochs", "patience", "softmax", "negatives",
    "processes", "checkpoint_epochs",
    "half_lives", "next_dim", "next_hidden", "next_temperature", "next_lr", "next_epochs", "next_batch_steps", "next_negatives",
)  # fmt: skip


class Made(NamedTuple):
    """What `make_model` returns."""

    model: Model
    history: pd.DataFrame  # part (graph, next) and the fields of `Epoch`


def make_model(
    arrays: GraphArrays, train: sp.csr_matrix, valid: sp.csr_matrix, known: Known | None, params: SimpleNamespace, say: Callable[[str], None],
    ranks: Ranks = ALONE, checkpoints: Path | None = None,
) -> Made | None:
    """Train the taste part, and in time order the one that knows what comes next; validation makes the choices.

    Args:
        arrays: the graph of train.
        train: (n_users, n_items).
        valid: (n_users, n_items).
        known: train in time, where the split follows time; else None.
        params: with the attributes that `RECIPE` names.
        say: is told how it goes, on the rank that leads.
        ranks: the processes that train the graph part together; the rest is made by the one that leads.
        checkpoints: a folder for the states of the training, where params ask for them.

    Returns:
        None on ranks that do not lead.

    Raises:
        UserError: there is no GPU, but params ask for one; or the loss is not a number any more.
    """
    if params.device == "cuda" and not torch.cuda.is_available():
        raise UserError(NO_GPU)
    keep_freed_memory()
    settings = Settings(
        params.temperature, params.user_weight_power, params.lr, params.weight_decay, params.batch_size, params.epochs, params.patience, params.seed,
        params.epoch_steps, params.softmax, params.negatives,
    )  # fmt: skip
    every = params.checkpoint_epochs if checkpoints else 0
    of = fingerprint(params, arrays, train, valid, known and known.history) if every else ""

    def checkpoint(part: str, ranks: Ranks) -> Checkpoint:
        return Checkpoint(checkpoints and checkpoints / f"{part}.npz", every, of, ranks)

    if not ranks.leads:
        say = unheard
    trained_on = Graph(arrays, params.device, ranks=ranks)
    whole = trained_on
    if ranks.size > 1 or params.device != "cpu":
        whole = Graph(arrays) if ranks.leads else None
    trained = train_model(
        whole, train, valid, params.embedding_dim, params.n_layers, params.kernel_max_nodes, params.gender_weight, params.genre_weight,
        settings, reporter(params.epochs, say), trained_on, known, checkpoint("graph", ranks),
    )  # fmt: skip
    if trained is None:
        return None
    model, history = trained.model, pd.DataFrame(trained.history).assign(part="graph")
    say(f"graph: epoch {trained.best.epoch}, validation NDCG@20 {trained.best.valid_ndcg:.4f} ({trained.start_ndcg:.4f} untrained)")
    for name, side in (("users", model.users), ("movies", model.items)):
        if side is None:
            say(f"kernel over {name}: left out, more than kernel_max_nodes ({params.kernel_max_nodes:,})")
    shares = ", ".join(f"{name} {share:g}" for name, share in zip(("graph", "users", "movies"), model.mix))
    say(f"mix: {shares}; validation NDCG@20 {trained.valid_ndcg[model.mix]:.4f}")
    if known:
        network = NextMovie(train.shape[1], params.half_lives, params.next_dim, params.next_hidden, params.next_temperature)
        next_settings = NextSettings(params.next_lr, params.next_epochs, params.next_batch_steps, params.next_negatives, params.seed)
        following = train_next(model, whole, known, train, valid, network, next_settings, reporter(params.next_epochs, say), checkpoint("next", ALONE))
        model = following.model
        history = pd.concat([history, pd.DataFrame(following.history).assign(part="next")])
        shares = ", ".join(f"{name} {share:.3g}" for name, share in zip(("taste", "what comes next", "trend"), model.shares))
        say(f"mix: {shares}; validation NDCG@20 {following.valid_ndcg:.4f}")
    return Made(model, history[["part", *Epoch._fields]])


def unheard(text: str) -> None:
    """What is said by ranks that do not lead."""


def reporter(epochs: int, say: Callable[[str], None]) -> Callable[[Epoch], None]:
    """Says a line for each epoch."""
    return lambda epoch: say(
        f"epoch {epoch.epoch:3d}/{epochs}  loss {epoch.loss:.4f}  "
        f"validation NDCG@20 {epoch.valid_ndcg:.4f}  Recall@20 {epoch.valid_recall:.4f}"
    )
