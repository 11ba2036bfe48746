"""Full ranking: the top k of all items that a user has not seen, and its evaluation."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from movierec.ranking.metrics import DEPTH, rankable_users, user_metrics
from movierec.utils.group import ALONE, Group
from movierec.utils.operations import product, sqrt

# Scores of a chunk of users for all items: (n,) user indices to (n, n_items) float32.
Scorer = Callable[[np.ndarray], Tensor]

# Users are scored in chunks of at most CHUNK users and about SCORES scores, 16 MB: malloc takes blocks above 32 MB from
# the system each time, page by page, at the cost of the scores. At least FEWEST users make a product worthwhile.
CHUNK, SCORES, FEWEST = 512, 4_000_000, 32
# The two rankings of every user: which parts of the split the user's history holds.
MOMENTS = {"after_train": ("train",), "after_valid": ("train", "valid")}


def top_k(
    scorer: Scorer, users: np.ndarray, seen: sp.csr_matrix, k: int, chunk: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Each user's k best unseen items; ties go to the lower item index.

    Args:
        scorer: of a chunk of users.
        users: (n,) indices.
        seen: (n_users, n_items), items to leave out.
        k: items per user.
        chunk: users at one time; None for a size that suits the number of items.

    Returns:
        Items (n, k) int32 and scores (n, k) float32, with -1 and -inf where a user has fewer than k items left.
    """
    items = np.full((len(users), k), -1, dtype=np.int32)
    values = np.full((len(users), k), -np.inf, dtype=np.float32)
    for at in chunks(len(users), seen.shape[1], chunk):
        batch = users[at]
        items[at], values[at] = best_unseen(scorer(batch), seen[batch], k)
    return items, values


def chunks(n_users: int, n_items: int, chunk: int | None = None) -> Iterator[slice]:
    """Slices of `n_users` that are scored at one time."""
    chunk = chunk or max(min(CHUNK, SCORES // n_items), FEWEST)
    return (slice(begin, min(begin + chunk, n_users)) for begin in range(0, n_users, chunk))


def best_unseen(scores: Tensor, seen: sp.csr_matrix, k: int) -> tuple[np.ndarray, np.ndarray]:
    """`top_k` of one chunk: scores (n, n_items) float32, overwritten at the seen items, and seen (n, n_items)."""
    rows, cols = entries(seen)
    scores[rows, cols] = -torch.inf
    best, index = best_columns(scores, min(k, scores.shape[1]))
    empty = ((0, 0), (0, k - best.shape[1]))
    values = np.pad(best.numpy(), empty, constant_values=-np.inf)
    return np.where(np.isneginf(values), -1, np.pad(index.numpy(), empty)).astype(np.int32), values


def best_columns(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k greatest values of each row and their columns; ties go to the lower column.

    torch.topk breaks ties arbitrarily. One value more shows where a tie crosses the edge; these rows are sorted whole.
    """
    n_columns = scores.shape[1]
    values, index = torch.topk(scores, min(k + 1, n_columns), dim=1)
    # By value, then by column: two stable sorts, the less significant key first.
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


def entries(matrix: sp.csr_matrix) -> tuple[Tensor, Tensor]:
    """The row and the column of each stored entry, int64."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return torch.from_numpy(rows), torch.from_numpy(matrix.indices.astype(np.int64))


def evaluate_users(
    scorer: Scorer, history: sp.csr_matrix, seen: sp.csr_matrix, relevant: sp.csr_matrix, cutoffs: Iterable[int]
) -> dict[str, np.ndarray]:
    """The metrics of each user that can be ranked, (n,) float64 by name, such as 'ndcg@10'.

    Args:
        scorer: of the model.
        history: (n_users, n_items), the model's training interactions; users without any are left out.
        seen: (n_users, n_items), left out of the rankings.
        relevant: (n_users, n_items), held out.
        cutoffs: the values of k.

    Raises:
        UserError: no user can be ranked.
    """
    cutoffs = list(cutoffs)
    users = rankable_users(relevant, history, required=True)
    ranked, _ = top_k(scorer, users, seen, max(cutoffs))
    return user_metrics(ranked, relevant[users], cutoffs)


def evaluate(
    scorer: Scorer, history: sp.csr_matrix, seen: sp.csr_matrix, relevant: sp.csr_matrix, cutoffs: Iterable[int]
) -> dict[str, float]:
    """The means of `evaluate_users` over the users."""
    values = evaluate_users(scorer, history, seen, relevant, cutoffs=cutoffs)
    return {name: float(of_users.mean()) for name, of_users in values.items()}


def rank_all_users(scorer: Scorer, *seen: sp.csr_matrix, group: Group = ALONE) -> list[np.ndarray]:
    """Each user's `DEPTH` best unseen items, for each `seen`: (n_users, DEPTH) int32, -1 for an empty place.

    Args:
        scorer: called once per chunk, for all rankings.
        seen: (n_users, n_items) each, items to leave out; each includes the one before it.
        group: the processes that divide the chunks.
    """
    ranked = [[np.empty((0, DEPTH), np.int32)] for _ in seen]
    for at in group.share([*chunks(*seen[0].shape)]):
        scores = scorer(np.arange(at.start, at.stop))
        for of, items in zip(seen, ranked, strict=True):
            items.append(best_unseen(scores, of[at], DEPTH)[0])
    return [group.concat(np.concatenate(items)) for items in ranked]


def rank_moments(
    scorers_at: Callable[[str], dict[str, Scorer]],
    seen: dict[str, sp.csr_matrix],
    knows_valid: bool,
    group: Group = ALONE,
) -> dict[str, np.ndarray]:
    """`rank_all_users` by several models, as 'model.moment'; unless `knows_valid`, users are known by train alone."""
    ranked: dict[str, np.ndarray] = {}
    for moment in seen if knows_valid else ["after_train"]:
        of_moment = {moment: seen[moment]} if knows_valid else seen
        for name, scorer in scorers_at(moment).items():
            found = rank_all_users(scorer, *of_moment.values(), group=group)
            ranked |= {f"{name}.{at}": items for at, items in zip(of_moment, found, strict=True)}
    return ranked


@dataclass(frozen=True)
class DotScorer:
    """Scores as dot products; the vectors may be on any device, the scores are on the CPU."""

    h_user: Tensor  # (n_users, dim)
    h_item: Tensor  # (n_items, dim)

    def __call__(self, users: np.ndarray) -> Tensor:
        """The scores of n users, (n, n_items)."""
        return product(self.h_user[torch.from_numpy(users).to(self.h_user.device)], self.h_item.T).cpu()

    def standardised(self) -> "DotScorer":
        """The scorer whose scores have mean 0 and deviation 1 over the items, for each user.

        With m and C the mean and covariance of the item vectors, a user's scores have mean h_u . m and variance
        h_u C h_u. So standard scores are dot products again, and no score is computed twice.
        """
        h_item = self.h_item.double()
        centred = h_item - h_item.mean(dim=0)
        covariance = product(centred.T, centred) / len(centred)
        h_user = self.h_user.double()
        deviation = sqrt((product(h_user, covariance) * h_user).sum(dim=1, keepdim=True).clamp(min=1e-24))
        return DotScorer((h_user / deviation).float(), centred.float())


def linear_scorer(history: sp.csr_matrix, weights: np.ndarray | sp.csr_matrix) -> Scorer:
    """Scores history @ weights: (n_users, n_items) and (n_items, n_items)."""

    def score(users: np.ndarray) -> Tensor:
        scores = history[users] @ weights
        return torch.from_numpy(scores.toarray() if sp.issparse(scores) else np.ascontiguousarray(scores))

    return score


def popularity_scorer(counts: np.ndarray) -> Scorer:
    """The same scores for every user: (n_items,) float32."""
    return lambda users: torch.from_numpy(counts).repeat(len(users), 1)
