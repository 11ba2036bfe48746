"""The whole model: vectors from the graph, users of like taste, movies with a like public, what comes next, and the trend, mixed."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from movierec.baselines import popularity_scorer, recent_popularity
from movierec.checkpoints import NO_CHECKPOINT, Checkpoint
from movierec.errors import UserError
from movierec.graph import Graph
from movierec.history import Known
from movierec.kernels import Kernel, Nodes, Powers, Side, fit_items, fit_users, folded_user_scorer, item_scorer, user_scorer
from movierec.lightgcn import LightGCN, fold_in, spectral_start
from movierec.metrics import hits, per_user, users_to_rank
from movierec.next_movie import NextMovie, stored_next
from movierec.next_training import NextSettings, fit_next
from movierec.ranking import DotScorer, Scorer, best_unseen, chunks, evaluate
from movierec.training import Epoch, Settings, fit

# Shares of (graph, users, items) in the score; validation picks one of those whose parts are there.
MIXES = (
    (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0),
    (0.6, 0.2, 0.2), (0.4, 0.3, 0.3), (0.3, 0.4, 0.3), (0.3, 0.3, 0.4), (0.2, 0.4, 0.4),
)  # fmt: skip
MIXES_WITHOUT_A_PART = ((0.7, 0.3, 0.0), (0.5, 0.5, 0.0), (0.3, 0.7, 0.0), (0.7, 0.0, 0.3), (0.5, 0.0, 0.5), (0.3, 0.0, 0.7))
NEXT_SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95, 1.0)  # of what comes next; the rest is taste, the mix above
TREND_HALF_LIVES, TREND_SHARES = (1.0, 5.0, 20.0), (0.1, 0.2, 0.4, 0.7)  # of what all users have watched lately
SAMPLE = 2000  # validation users that choose a kernel's noise and powers
CHOOSERS = 10_000  # validation users that choose the epoch and the mix, at most about twice as many: all of them, where there are few


class Model(NamedTuple):
    """What training gives, and recommending needs."""

    h_user: torch.Tensor  # (n_users, dim), unit vectors
    h_item: torch.Tensor  # (n_items, dim), unit vectors
    user_embedding: torch.Tensor  # (n_users, dim) and
    item_messages: torch.Tensor  # (n_items, dim): what `fold_in` makes the vectors of users from
    users: Side | None  # None where the part is left out
    items: Side | None
    mix: tuple[float, float, float]  # shares of graph, users and items in the score
    next: NextMovie | None = None  # where the split follows time
    trend: torch.Tensor | None = None  # (n_items,) float32, popularity in the last movies of everyone's history
    shares: tuple[float, float, float] = (1.0, 0.0, 0.0)  # of taste, next and trend in the score

    def scorer(self, graph: Graph, known: Known | None = None) -> Scorer:
        """Scores, mixed from the parts.

        Args:
            graph: of training.
            known: the users' histories, if they are others than those of training; a model that follows time needs them.
        """
        taste = mixed_scorer(self.parts(graph, known), self.mix)
        if self.next is None:
            return taste
        return mixed_scorer((taste, self.next.scorer(known.history), popularity_scorer(self.trend.numpy())), self.shares)

    def parts(self, graph: Graph, known: Known | None = None) -> tuple[Scorer | None, ...]:
        """The scorers of graph, users and items; None for a part that is left out.

        Args:
            graph: of training.
            known: the users' histories, if they are others than those of training.
        """
        if known is None:
            return (
                DotScorer(self.h_user, self.h_item),
                self.users and user_scorer(graph, self.users),
                self.items and item_scorer(graph, self.items),
            )
        some = self.nodes(graph, known)
        return (
            DotScorer(some.h, self.h_item),
            self.users and folded_user_scorer(graph, self.users, self.h_user, some),
            self.items and item_scorer(graph, self.items, known.matrix),
        )

    def nodes(self, graph: Graph, known: Known) -> Nodes:
        """Users of any history as the kernels see them; someone new has an empty layer 0."""
        new = known.users < 0
        layer_0 = self.user_embedding[torch.from_numpy(np.where(new, 0, known.users))]
        layer_0[torch.from_numpy(new)] = 0
        gender = graph.user_gender[known.users] if known.gender is None else known.gender
        return Nodes(known.matrix, fold_in(layer_0, self.item_messages, known.matrix), gender)

    def arrays(self) -> dict[str, np.ndarray]:
        """As arrays, to be stored; of a symmetric matrix, the lower triangle."""
        arrays = {name: getattr(self, name).numpy() for name in ("h_user", "h_item", "user_embedding", "item_messages")}
        arrays["mix"] = np.array(self.mix)
        for name, side in (("users", self.users), ("items", self.items)):
            if side:
                arrays[f"{name}_inverse"] = lower_triangle(side.inverse)
                arrays |= {f"{name}_powers": np.array(side.powers), f"{name}_kernel": np.array(side.kernel)}
        if self.next:
            arrays |= {f"next.{name}": array for name, array in self.next.arrays().items()}
            arrays |= {"trend": self.trend.numpy(), "shares": np.array(self.shares)}
        return arrays


def stored_model(arrays: dict[str, np.ndarray], graph: Graph) -> Model:
    """The reverse of `Model.arrays`.

    Raises:
        UserError: the model belongs to another graph.
    """
    h_user, h_item, user_embedding, item_messages = (
        torch.from_numpy(arrays[name]) for name in ("h_user", "h_item", "user_embedding", "item_messages")
    )
    if (len(h_user), len(h_item)) != (graph.n_users, graph.n_items):
        raise UserError(
            f"the model knows {len(h_user):,} users and {len(h_item):,} movies, the graph {graph.n_users:,} and {graph.n_items:,}; "
            "run `dvc repro`."
        )

    def side(name: str) -> Side | None:
        if f"{name}_inverse" not in arrays:
            return None
        powers, kernel = (arrays[f"{name}_{field}"].tolist() for field in ("powers", "kernel"))
        return Side(symmetric(arrays[f"{name}_inverse"]), Powers(*powers), Kernel(*kernel))

    model = Model(h_user, h_item, user_embedding, item_messages, side("users"), side("items"), tuple(arrays["mix"].tolist()))
    following = {name.removeprefix("next."): array for name, array in arrays.items() if name.startswith("next.")}
    if not following:
        return model
    shares = tuple(arrays["shares"].tolist())
    return model._replace(next=stored_next(following), trend=torch.from_numpy(arrays["trend"]), shares=shares)


def lower_triangle(matrix: torch.Tensor) -> np.ndarray:
    """The lower triangle, row after row, diagonal included: (n (n + 1) / 2,)."""
    return np.concatenate([row[: i + 1] for i, row in enumerate(matrix.numpy())])


def symmetric(triangle: np.ndarray) -> torch.Tensor:
    """The reverse of `lower_triangle`."""
    n = int((2 * len(triangle)) ** 0.5)
    matrix = np.empty((n, n), np.float32)
    begin = 0
    for i in range(n):
        matrix[i, : i + 1] = matrix[: i + 1, i] = triangle[begin : begin + i + 1]
        begin += i + 1
    return torch.from_numpy(matrix)


def standardised(scorer: Scorer) -> Scorer:
    """Each user's scores with mean 0 and deviation 1, so that those of different parts can be added."""
    if isinstance(scorer, DotScorer) and len(scorer.h_user) > scorer.h_user.shape[1]:  # for fewer, the covariance costs more than it saves
        return scorer.standardised()

    def score(users: np.ndarray) -> torch.Tensor:
        scores = scorer(users)
        deviation, mean = torch.std_mean(scores, dim=1, keepdim=True, correction=0)
        return (scores - mean).div_(deviation.clamp(min=1e-12))

    return score


def mixed_scorer(parts: tuple[Scorer | None, ...], mix: tuple[float, ...]) -> Scorer:
    """The sum of the parts' scores, each user's standardised, in the shares of `mix`."""
    used = [(standardised(scorer), share) for scorer, share in zip(parts, mix) if share]

    def score(users: np.ndarray) -> torch.Tensor:
        parts = (scorer(users).mul_(share) for scorer, share in used)
        return functools.reduce(torch.Tensor.add_, parts)  # in place: of many users and items, each copy costs as much as the scores

    return score


def mix_quality(
    parts: tuple[Scorer | None, ...], mixes: tuple[tuple[float, ...], ...], train: sp.csr_matrix, valid: sp.csr_matrix
) -> dict[tuple[float, ...], float]:
    """Validation NDCG@20 of each of the mixes whose parts are there; each part scores each user once."""
    mixes = [mix for mix in mixes if all(part or not share for part, share in zip(parts, mix))]
    users = users_to_rank(valid, train)
    found = {mix: [] for mix in mixes}
    scorers = [part and standardised(part) for part in parts]
    for at in chunks(len(users), train.shape[1]):
        batch = users[at]
        scores = [scorer(batch) if scorer else None for scorer in scorers]
        for mix in mixes:
            mixed = sum(share * score for share, score in zip(mix, scores) if share)
            ranked, _ = best_unseen(mixed, train[batch], 20)
            found[mix].append(hits(ranked, valid[batch]))
    n_relevant = np.diff(valid.indptr)[users]
    return {mix: float(per_user(np.concatenate(hit), n_relevant, [20])["ndcg@20"].mean()) for mix, hit in found.items()}


def sample_users(relevant: sp.csr_matrix, history: sp.csr_matrix, n: int) -> sp.csr_matrix:
    """`relevant` with the rows of about n users that can be ranked, evenly spaced; the other rows are empty."""
    users = users_to_rank(relevant, history)
    kept = np.zeros(relevant.shape[0], np.float32)
    kept[users[:: max(len(users) // n, 1)]] = 1
    sample = sp.csr_matrix(sp.diags(kept) @ relevant)
    sample.eliminate_zeros()
    return sample


class Trained(NamedTuple):
    """What `train_model` returns."""

    model: Model
    history: list[Epoch]
    best: Epoch
    start_ndcg: float  # of the graph part before it is trained
    valid_ndcg: dict[tuple[float, ...], float]  # mix to validation NDCG@20


def train_model(
    graph: Graph | None,
    train: sp.csr_matrix,
    valid: sp.csr_matrix,
    dim: int,
    n_layers: int,
    kernel_max_nodes: int,
    gender_weight: float,
    genre_weight: float,
    settings: Settings,
    report: Callable[[Epoch], None] = lambda epoch: None,
    trained_on: Graph | None = None,
    known: Known | None = None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Trained | None:
    """Train the graph model, fit the kernels on its vectors, and choose the mix on validation.

    Args:
        graph: of train, on the CPU; only the rank that leads needs it.
        train: (n_users, n_items).
        valid: (n_users, n_items), makes each choice; of very many users, a sample does.
        dim: of the embeddings.
        n_layers: of propagation.
        kernel_max_nodes: a side with more users or items than this gets no kernel: its dense matrix would be too large.
        gender_weight: of the users' gender in their kernel.
        genre_weight: of the movies' genres in theirs.
        settings: of the training.
        report: called after each epoch.
        trained_on: the same graph on a GPU, or this process' part of it, to train the graph part there.
        known: the interactions of train in time, if users will have longer histories when recommended to; the mix
            is then chosen on scores that are made as they will be then.
        checkpoint: where the state of the graph part's training is kept, if it is.

    Returns:
        None on ranks that do not lead: they are done once the graph part is trained.
    """
    trained_on = trained_on or graph
    ranks, choosing = trained_on.ranks, sample_users(valid, train, CHOOSERS)
    if ranks.leads:
        start = spectral_start(train, dim, settings.seed)
    else:
        start = torch.empty(train.shape[0], dim), torch.empty(train.shape[1], dim)
    network = LightGCN(trained_on, tuple(map(ranks.from_leader, start)), n_layers).to(trained_on.device)
    fitted = fit(network, train, choosing, settings, report, checkpoint)
    with torch.no_grad():
        h_user, h_item = network()
        item_messages = network.item_messages().cpu()
    h_user, h_item, user_embedding = ranks.rows(h_user), h_item.cpu(), ranks.rows(network.user_embedding)
    if not ranks.leads:
        return None
    ranks.wake_all_threads()
    some = sample_users(valid, train, SAMPLE)

    def quality(scorer: Scorer) -> float:
        return evaluate(scorer, train, train, some, [20])["ndcg@20"]

    users = fit_users(graph, h_user, gender_weight, quality) if len(h_user) <= kernel_max_nodes else None
    items = fit_items(graph, h_item, genre_weight, quality) if len(h_item) <= kernel_max_nodes else None
    model = Model(h_user, h_item, user_embedding, item_messages, users, items, MIXES[0])
    mixes = MIXES if users and items else MIXES + MIXES_WITHOUT_A_PART
    ndcg = mix_quality(model.parts(graph, known), mixes, train, choosing)
    return Trained(model._replace(mix=max(ndcg, key=ndcg.get)), fitted.history, fitted.best, fitted.start_ndcg, ndcg)


class TrainedNext(NamedTuple):
    """What `train_next` returns."""

    model: Model
    history: list[Epoch]
    valid_ndcg: float  # NDCG@20 of the whole


def train_next(
    model: Model,
    graph: Graph,
    known: Known,
    train: sp.csr_matrix,
    valid: sp.csr_matrix,
    network: NextMovie,
    settings: NextSettings,
    report: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> TrainedNext:
    """Add the part that knows what comes next, and the trend, and choose their shares on validation.

    Args:
        model: trained without it.
        graph: of train.
        known: the interactions of train, in time.
        train: (n_users, n_items).
        valid: (n_users, n_items), makes each choice.
        network: the part, untrained.
        settings: of its training.
        report: called after each epoch.
        checkpoint: where the state of its training is kept, if it is.
    """
    valid = sample_users(valid, train, CHOOSERS)
    network.start_(known.history, settings.seed)
    history = fit_next(network, known.history, valid, train, settings, report, checkpoint)
    taste, following = mixed_scorer(model.parts(graph, known), model.mix), network.scorer(known.history)
    trends = [recent_popularity(known.history, graph.n_items, half_life) for half_life in TREND_HALF_LIVES]
    # Taste, what comes next and each trend, side by side; at most one trend has a share.
    parts = (taste, following, *map(popularity_scorer, trends))
    none = (0.0,) * len(trends)
    ndcg = mix_quality(parts, tuple((1 - share, share, *none) for share in NEXT_SHARES), train, valid)
    base = max(ndcg, key=ndcg.get)
    with_trend = [
        (*((1 - share) * part for part in base[:2]), *(share if other == which else 0.0 for other in range(len(trends))))
        for which in range(len(trends))
        for share in TREND_SHARES
    ]
    ndcg |= mix_quality(parts, tuple(with_trend), train, valid)
    best = max(ndcg, key=ndcg.get)
    trend = trends[int(np.argmax(best[2:]))]
    model = model._replace(next=network, trend=torch.from_numpy(trend), shares=(*best[:2], sum(best[2:])))
    return TrainedNext(model, history, ndcg[best])
