"""Full ranking: the top k without seen items."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from movierec.metrics import DEPTH, hits, per_user, some_users_to_rank

# Users' indices to their scores for all items: (n,) int to (n, n_items) float32.
Scorer = Callable[[np.ndarray], torch.Tensor]

# How many users' scores exist at one time: at most `CHUNK` users, and about `SCORES` scores, 16 MB. What is larger than 32 MB malloc takes
# from the system each time, page by page, which costs as much as the scores; and `FEWEST` users make one matrix product worth its while.
CHUNK, SCORES, FEWEST = 512, 4_000_000, 32
# The points of the split at which everyone is recommended to, and the parts that lie before each.
MOMENTS = {"after_train": ("train",), "after_valid": ("train", "valid")}


def top_k(scorer: Scorer, users: np.ndarray, seen: sp.csr_matrix, k: int, chunk: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Each user's k best items among those not seen; of equal scores, the lower index first.

    Args:
        scorer: gives the scores of a chunk of users.
        users: (n,) indices.
        seen: (n_users, n_items), items to leave out.
        k: items per user.
        chunk: users scored at one time; None for what suits the number of items.

    Returns:
        items (n, k) int32 and scores (n, k) float32; -1 and -inf fill up where a user has fewer than k
        items left.
    """
    items = np.full((len(users), k), -1, dtype=np.int32)
    values = np.full((len(users), k), -np.inf, dtype=np.float32)
    for at in chunks(len(users), seen.shape[1], chunk):
        batch = users[at]
        items[at], values[at] = best_unseen(scorer(batch), seen[batch], k)
    return items, values


def chunks(n_users: int, n_items: int, chunk: int | None = None) -> Iterator[slice]:
    """`n_users` in chunks that are scored at one time."""
    chunk = chunk or max(min(CHUNK, SCORES // n_items), FEWEST)
    return (slice(begin, min(begin + chunk, n_users)) for begin in range(0, n_users, chunk))


def best_unseen(scores: torch.Tensor, seen: sp.csr_matrix, k: int) -> tuple[np.ndarray, np.ndarray]:
    """`top_k` for one chunk of users.

    Args:
        scores: (n, n_items) float32; those of seen items are overwritten.
        seen: (n, n_items).
        k: items per user.
    """
    rows, cols = pairs(seen)
    scores[rows, cols] = -torch.inf
    best, index = best_columns(scores, min(k, scores.shape[1]))
    empty = ((0, 0), (0, k - best.shape[1]))
    values = np.pad(best.numpy(), empty, constant_values=-np.inf)
    return np.where(np.isneginf(values), -1, np.pad(index.numpy(), empty)).astype(np.int32), values


def best_columns(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k greatest values of each row and their columns; of equal values, the lower column first.

    torch.topk breaks ties as it likes. It is asked for one value more: only in rows where a tie
    crosses the edge does the choice depend on it, and those rows are sorted whole.
    """
    n_columns = scores.shape[1]
    values, index = torch.topk(scores, min(k + 1, n_columns), dim=1)
    # Of equal values, order by column: two stable sorts, the less significant key first.
    by_column = torch.sort(index, dim=1, stable=True).indices
    values, index = values.gather(1, by_column), index.gather(1, by_column)
    values, by_value = torch.sort(values, dim=1, descending=True, stable=True)
    index = index.gather(1, by_value)
    if k < n_columns:
        tied = (values[:, k - 1] == values[:, k]).nonzero().squeeze(1)
        if len(tied):
            whole = torch.sort(scores[tied], dim=1, descending=True, stable=True)
            values[tied], index[tied] = whole.values[:, : k + 1], whole.indices[:, : k + 1]
    return values[:, :k], index[:, :k]


def pairs(matrix: sp.csr_matrix) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column of each entry, int64."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return torch.from_numpy(rows), torch.from_numpy(matrix.indices.astype(np.int64))


def measure_users(
    scorer: Scorer, history: sp.csr_matrix, seen: sp.csr_matrix, relevant: sp.csr_matrix, cutoffs: Iterable[int]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Metrics of each user that can be ranked, and the rankings.

    Args:
        scorer: of the model.
        history: (n_users, n_items), what the model was trained on; users without any are left out.
        seen: (n_users, n_items), items left out of the rankings.
        relevant: (n_users, n_items), what is to be found.
        cutoffs: the k.

    Returns:
        'ndcg@10' and so on to (n,) float64, and the items (n, largest k) int32.

    Raises:
        UserError: no user can be ranked.
    """
    cutoffs = list(cutoffs)
    users = some_users_to_rank(relevant, history)
    ranked, _ = top_k(scorer, users, seen, max(cutoffs))
    truth = relevant[users]
    return per_user(hits(ranked, truth), np.diff(truth.indptr), cutoffs), ranked


def evaluate(
    scorer: Scorer, history: sp.csr_matrix, seen: sp.csr_matrix, relevant: sp.csr_matrix, cutoffs: Iterable[int]
) -> dict[str, float]:
    """Mean metrics over the users that can be ranked, and the share of the catalogue that is recommended ('coverage@10').

    Arguments and errors are those of `measure_users`.
    """
    cutoffs = list(cutoffs)
    values, ranked = measure_users(scorer, history, seen, relevant, cutoffs)
    result = {name: float(value.mean()) for name, value in values.items()}
    # The best place that each item reaches in anybody's ranking.
    place = np.full(relevant.shape[1] + 1, np.inf)
    np.minimum.at(place, ranked, np.arange(1, ranked.shape[1] + 1))  # -1, an empty place, goes to the last
    return result | {f"coverage@{k}": float((place[:-1] <= k).mean()) for k in cutoffs}


def rank_everyone(scorer: Scorer, *seen: sp.csr_matrix) -> list[np.ndarray]:
    """The `DEPTH` best unseen items of every user: for each `seen`, (n_users, DEPTH) int32, -1 for an empty place.

    Args:
        scorer: gives the scores of a chunk of users, once for all rankings.
        seen: (n_users, n_items) each, items to leave out; each holds all of the one before it.
    """
    n_users = seen[0].shape[0]
    ranked = [np.empty((n_users, DEPTH), np.int32) for _ in seen]
    for at in chunks(*seen[0].shape):
        scores = scorer(np.arange(at.start, at.stop))
        for of, items in zip(seen, ranked):
            items[at] = best_unseen(scores, of[at], DEPTH)[0]
    return ranked


class DotScorer(NamedTuple):
    """Scores as dot products; the vectors may be on any device, the scores are on the CPU."""

    h_user: torch.Tensor  # (n_users, dim)
    h_item: torch.Tensor  # (n_items, dim)

    def __call__(self, users: np.ndarray) -> torch.Tensor:
        return (self.h_user[torch.from_numpy(users).to(self.h_user.device)] @ self.h_item.T).cpu()

    def standardised(self) -> "DotScorer":
        """Each user's scores with mean 0 and deviation 1 over the items.

        With m and C the mean and the covariance of the items' vectors, a user's scores have mean h_u . m and variance h_u C h_u;
        so that they are dot products again, and no score has to be touched twice.
        """
        h_item = self.h_item.double()
        centred = h_item - h_item.mean(dim=0)
        covariance = centred.T @ centred / len(centred)
        h_user = self.h_user.double()
        deviation = ((h_user @ covariance) * h_user).sum(dim=1, keepdim=True).clamp(min=1e-24).sqrt()
        return DotScorer((h_user / deviation).float(), centred.float())
