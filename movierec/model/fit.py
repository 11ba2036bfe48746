"""Fit the whole model: the one way into training."""

import ctypes
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from movierec.interactions.gaps import is_away
from movierec.interactions.graph_arrays import GraphArrays
from movierec.interactions.profiles import Profiles
from movierec.model.checkpoints import Checkpoint, fingerprint
from movierec.model.gaussian_process import fit_items, fit_users
from movierec.model.graph import Graph
from movierec.model.lightgcn import LightGCN, spectral_embeddings
from movierec.model.mixing import choose_mix, choose_shares, mixed_scorer
from movierec.model.model import Model
from movierec.model.nearest_neighbors import NEIGHBORS
from movierec.model.next_movie import NextMovie
from movierec.model.next_training import NextMovieTraining
from movierec.model.progress import Epoch
from movierec.model.training import LightGCNTraining, Report
from movierec.model.trend import Trend
from movierec.ranking.metrics import CHOOSING, keep_rows, sample_users
from movierec.ranking.topk import Scorer, evaluate
from movierec.utils.errors import UserError
from movierec.utils.group import ALONE, Group
from movierec.utils.operations import torch_threads
from movierec.utils.params import NO_GPU, Params

TREND_HALF_LIVES = (7.0, 30.0, 365.0)  # in days
FEWEST_USERS = 100  # of validation, to choose shares for those within a session, or after a break
ROUGH = CHOOSING // 3  # held-out interactions that are enough to choose a noise
ENOUGH_USERS = ROUGH // 3  # to choose shares, at most twice as many
ITEM_STEP = 4  # of many items, every fourth one is enough to choose the noise
NODE_COST = 2**26  # of a regression on the nearest neighbours, in multiplications of an inverse: both take a second
TEMPERATURE_SCALE, MANY_ITEMS = 1.4, 10_000  # see `with_choices`
Say = Callable[[str], Any]


def with_choices(params: Params, n_items: int) -> Params:
    """The params with numbers in place of `auto`.

    A softmax over n items that gives one of them a probability near 1 needs logits of about log n, and cosines end at
    1: so the temperature falls as 1 / log n. The factor is that of MovieLens 1M, chosen on validation.
    """
    temperature = params.temperature or max(round(TEMPERATURE_SCALE / np.log(max(n_items, 3)), 2), 0.01)
    dim = params.embedding_dim or (64 if n_items <= MANY_ITEMS else 128)
    return params.model_copy(update={"temperature": temperature, "embedding_dim": dim})


class Fitted(NamedTuple):
    """A model and its epochs."""

    model: Model
    epochs: pd.DataFrame  # component (graph, next), epoch, loss, valid_ndcg, valid_recall


def fit(
    arrays: GraphArrays,
    valid: sp.csr_matrix,
    params: Params,
    *,
    profiles: Profiles | None = None,
    later: Profiles | None = None,
    group: Group = ALONE,
    checkpoints: Path | None = None,
    say: Say = lambda text: None,
) -> Fitted | None:
    """Train the graph model, fit the Gaussian processes on its vectors, and mix them; validation makes all choices.

    Args:
        arrays: the graph of the training interactions.
        valid: (n_users, n_items), the validation interactions.
        params: those of the model and its training.
        profiles: the training interactions by time, where the split follows time; then the next-movie model is added.
        later: those of train and validation, whose times tell who came back after a break.
        group: the processes that train the graph model; the leader does the rest.
        checkpoints: a folder for checkpoints, kept if `params.checkpoint_epochs` asks for them.
        say: called with each line of progress, in the leader.

    Returns:
        The model and its epochs; None in the other processes.

    Raises:
        UserError: there is no GPU, the loss is not finite, or training did harm.
    """
    if params.device == "cuda" and not torch.cuda.is_available():
        raise UserError(NO_GPU)
    keep_freed_memory()
    every = params.checkpoint_epochs if checkpoints else 0
    of = fingerprint(params, arrays, valid, profiles.histories if profiles else None) if every else ""

    def checkpoint(component: str) -> Checkpoint:
        return Checkpoint(checkpoints and checkpoints / f"{component}.npz", every, of, group)

    fitting = Fitting(arrays.binary_matrix(), valid, params, profiles, say=say if group.leads else lambda text: None)
    graph = Graph(arrays, params.device, group=group)
    vectors, epochs = fitting.graph_model(graph, checkpoint("graph"))
    if not group.leads:
        return None
    with torch_threads(torch.get_num_threads() * group.local_size):  # the other processes of this machine wait
        if group.size > 1 or params.device != "cpu":
            graph = Graph(arrays)
        model = fitting.processes(Model(graph, **vectors, users=None, items=None))
        if profiles:
            model, of_next = fitting.next_movie(model, profiles, later, checkpoint("next"))
            epochs = pd.concat([epochs, of_next])
    return Fitted(model, epochs[["component", *Epoch._fields]])


class Fitting:
    """The steps of `fit`."""

    def __init__(
        self, train: sp.csr_matrix, valid: sp.csr_matrix, params: Params, profiles: Profiles | None, *, say: Say
    ):
        self.train, self.params, self.profiles, self.say = train, with_choices(params, train.shape[1]), profiles, say
        self.any_temperature = params.temperature is None
        self.valid = sample_users(valid, train, CHOOSING)

    def graph_model(self, graph: Graph, checkpoint: Checkpoint) -> tuple[dict[str, Any], pd.DataFrame]:
        """Train LightGCN: the vectors of the model, in the leader, and the epochs."""
        params, group, dim = self.params, graph.group, self.params.embedding_dim
        assert dim is not None
        initial = (torch.empty(graph.n_users, dim), torch.empty(graph.n_items, dim))
        if group.leads:
            initial = spectral_embeddings(self.train, dim, params.seed)
        users, items = map(group.from_leader, initial)
        network = LightGCN(graph, (users, items), params.n_layers).to(graph.device)
        del initial, users, items  # copied
        training = LightGCNTraining(network, self.train, self.valid, params, falls=self.any_temperature)
        progress = training.run(self._report(params.epochs), checkpoint)
        best, start = progress.best, progress.start_ndcg
        at = f"epoch {best.epoch}, temperature {training.temperature.value:.2g}"
        self.say(f"graph: {at}, validation NDCG@20 {best.valid_ndcg:.4f} ({start:.4f} untrained)")
        with torch.no_grad():
            h_user, h_item = network()
            item_messages = network.item_messages().cpu()
        vectors = {"h_user": group.rows(h_user), "h_item": h_item.cpu(), "item_messages": item_messages}
        vectors["user_embedding"] = group.rows(network.user_embedding)
        return vectors, pd.DataFrame(progress.epochs).assign(component="graph")

    def processes(self, model: Model) -> Model:
        """Add the Gaussian processes that the params allow, and choose the mix."""
        few = sample_users(self.valid, self.train, ROUGH)

        def quality(scorer: Scorer, *, rough: bool = False) -> float:
            return evaluate(scorer, self.train, self.train, few if rough else self.valid, cutoffs=[20])["ndcg@20"]

        params, graph = self.params, model.graph
        if params.user_process != "none":
            dense = self._is_dense("users", params.user_process, graph.n_users)
            sample = None if dense else np.flatnonzero(np.diff(few.indptr))
            model = model._replace(users=fit_users(graph, model.h_user, params.gender_weight, quality, sample=sample))
        if params.item_process != "none":
            dense = self._is_dense("movies", params.item_process, graph.n_items)
            sample = None if dense else np.arange(0, graph.n_items, ITEM_STEP)
            model = model._replace(items=fit_items(graph, model.h_item, params.genre_weight, quality, sample=sample))
        mix, ndcg = choose_mix(model.components(self.profiles), self.train, self.valid)
        self._say_mix({"graph": mix[0], "users": mix[1], "movies": mix[2]}, ndcg)
        return model._replace(mix=mix)

    def next_movie(
        self, model: Model, profiles: Profiles, later: Profiles | None, checkpoint: Checkpoint
    ) -> tuple[Model, pd.DataFrame]:
        """Add the next-movie model and the trend, and choose their weights: the model, and the epochs.

        Users who have been away have weights of their own. If no one is when validation asks, `later` tells who was,
        before the first held-out movie.
        """
        params, histories, n_items = self.params.next, profiles.histories, model.graph.n_items
        network = NextMovie(
            n_items, params.half_lives, params.dim, hidden=params.hidden, temperature=params.temperature
        ).initialise_(histories, self.params.seed)
        training = NextMovieTraining(network, histories, self.valid, params, seed=self.params.seed)
        progress = training.run(self._report(params.epochs), checkpoint)
        kinds = itertools.product((True, False), TREND_HALF_LIVES)
        trends = [Trend.of(histories, n_items, half_life, returns=returns) for returns, half_life in kinds]
        after, held_out = histories, np.diff(self.valid.indptr) > 0
        if later is not None and not is_away(histories).any():
            after = histories.asked_at_next(later.histories)
        groups = {"after a break": (after, np.flatnonzero(held_out & is_away(after)))}
        groups["within a session"] = (histories, np.flatnonzero(held_out & ~is_away(histories)))
        least = min(FEWEST_USERS, max(len(users) for _, users in groups.values()))
        long_term, shares = mixed_scorer(model.components(profiles), model.mix), {}
        for name, (asking, users) in groups.items():
            if len(users) >= least:
                valid = keep_rows(self.valid, users[:: max(len(users) // ENOUGH_USERS, 1)])
                scorers = (long_term, network.scorer(asking), *(trend.scorer(asking) for trend in trends))
                weights, ndcg = choose_shares(scorers, self.train, valid)
                shares[name] = (*weights[:2], sum(weights[2:]))
                words = ("long-term preference", "next movie", "trend")
                self._say_mix(dict(zip(words, shares[name], strict=True)), ndcg, f" {name}")
                if shares[name][2]:
                    trends = [trends[int(np.argmax(weights[2:]))]]
        either = next(iter(shares.values()))
        of_groups = shares.get("within a session", either), shares.get("after a break", either)
        epochs = pd.DataFrame(progress.epochs).assign(component="next")
        return model._replace(next=network, trend=trends[0], shares=of_groups), epochs

    def _is_dense(self, name: str, kind: str, n: int) -> bool:
        """Whether the Gaussian process over so many nodes is dense: by default, where that is the cheaper way."""
        dense, local = n**3, n * NODE_COST
        chosen = kind == "dense" or (kind == "auto" and dense <= local)
        said = f"a dense one would take {4 * n * n / 2**30:.1f} GiB and {dense / local:.0f} times the time"
        how = "dense" if chosen else f"of each one's {NEIGHBORS} nearest neighbours ({said})"
        self.say(f"Gaussian process over {n:,} {name}: {how}")
        return chosen

    def _report(self, epochs: int) -> Report:
        """A line for each epoch."""
        return lambda epoch: self.say(
            f"epoch {epoch.epoch:3d}/{epochs}  loss {epoch.loss:.4f}  "
            f"validation NDCG@20 {epoch.valid_ndcg:.4f}  Recall@20 {epoch.valid_recall:.4f}"
        )

    def _say_mix(self, weights: dict[str, float], ndcg: float, of_users: str = "") -> None:
        words = ", ".join(f"{name} {weight:.3g}" for name, weight in weights.items())
        self.say(f"mix{of_users}: {words}; validation NDCG@20 {ndcg:.4f}")


def keep_freed_memory() -> None:
    """Have glibc reuse freed memory for the next tensor, as long as this process lives.

    By default, blocks above 32 MB go back to the system, which hands them out again page by page, zeroed. Where the
    vectors of all users are that large, that is a fifth of the training time. Other C libraries are left as they are.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is not None and hasattr(libc, "mallopt"):
        libc.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
