"""Ranking metrics per user: NDCG, recall, precision, MAP, hit rate and MRR."""

from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp

from movierec.utils.errors import UserError

DEPTH = 100  # length of the stored rankings, and so the highest cutoff
METRICS = ("ndcg", "recall", "precision", "map", "hit_rate", "mrr")
CHOOSING = 25_000  # held-out interactions that choose between models and settings, at most twice as many


def hits(ranked: np.ndarray, relevant: sp.csr_matrix) -> np.ndarray:
    """The places of the rankings with a relevant item.

    Args:
        ranked: (n, k) item indices, -1 for an empty place.
        relevant: (n, n_items), the same users.

    Returns:
        (n, k) bool.
    """
    n, n_items = relevant.shape
    # Each pair of user and item as one ascending number, to look the ranked pairs up in.
    wanted = np.sort(np.repeat(np.arange(n, dtype=np.int64), np.diff(relevant.indptr)) * n_items + relevant.indices)
    if not len(wanted):
        return np.zeros(ranked.shape, bool)
    shown = np.arange(n, dtype=np.int64)[:, None] * n_items + ranked
    place = np.minimum(np.searchsorted(wanted, shown), len(wanted) - 1)
    return (wanted[place] == shown) & (ranked >= 0)


def metrics_of_hits(hit: np.ndarray, n_relevant: np.ndarray, cutoffs: Iterable[int]) -> dict[str, np.ndarray]:
    """Every metric at every cutoff, per user.

    With rel(j) = 1 where place j holds a relevant item, and n the number of the user's relevant items:

        precision@k = hits / k                     recall@k = hits / n
        hit_rate@k  = 1 if there is a hit           mrr@k = 1 / place of the first hit, else 0
        map@k  = sum over hits of precision@j / min(n, k)
        ndcg@k = sum of rel(j) / log2(j + 1), over its value for a perfect ranking of min(n, k) items

    Args:
        hit: (n_users, depth) bool, with depth at least the largest cutoff.
        n_relevant: (n_users,) int, each at least 1.
        cutoffs: the values of k.

    Returns:
        (n_users,) float64 by name, such as 'ndcg@10'.
    """
    out = {}
    places = np.arange(1, hit.shape[1] + 1)
    discount = 1 / np.log2(places + 1)
    ideal = np.cumsum(discount)
    found = np.cumsum(hit, axis=1)  # hits up to each place
    gain = np.cumsum(hit * discount, axis=1)
    precision_sum = np.cumsum(hit * found / places, axis=1)
    first = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, np.inf)
    for k in cutoffs:
        reachable = np.minimum(n_relevant, k)
        out[f"ndcg@{k}"] = gain[:, k - 1] / ideal[reachable - 1]
        out[f"recall@{k}"] = found[:, k - 1] / n_relevant
        out[f"precision@{k}"] = found[:, k - 1] / k
        out[f"map@{k}"] = precision_sum[:, k - 1] / reachable
        out[f"hit_rate@{k}"] = (found[:, k - 1] > 0).astype(float)
        out[f"mrr@{k}"] = np.where(first <= k, 1 / first, 0.0)
    return out


def user_metrics(ranked: np.ndarray, relevant: sp.csr_matrix, cutoffs: Iterable[int]) -> dict[str, np.ndarray]:
    """`metrics_of_hits` of rankings (n, depth) against the relevant items of the same users (n, n_items)."""
    return metrics_of_hits(hits(ranked, relevant), np.diff(relevant.indptr), cutoffs)


def rankable_users(relevant: sp.csr_matrix, history: sp.csr_matrix, required: bool = False) -> np.ndarray:
    """The indices of the users with a relevant item and a history: both (n_users, n_items).

    Raises:
        UserError: there is none, but it is required.
    """
    users = np.flatnonzero((np.diff(relevant.indptr) > 0) & (np.diff(history.indptr) > 0))
    if required and not len(users):
        raise UserError("no user has both a history and a held-out item to evaluate; change the split in params.yaml.")
    return users


def keep_rows(matrix: sp.csr_matrix, rows: np.ndarray) -> sp.csr_matrix:
    """The matrix (n_rows, n_columns) with these rows, by index; the others are empty."""
    kept = np.zeros(matrix.shape[0], np.float32)
    kept[rows] = 1
    some = sp.csr_matrix(sp.diags(kept) @ matrix)
    some.eliminate_zeros()
    return some


def sample_users(relevant: sp.csr_matrix, history: sp.csr_matrix, n: int) -> sp.csr_matrix:
    """`relevant` (n_users, n_items) with the rows of evenly spaced rankable users; the others are empty.

    They have n to 2n interactions in all, approximately, or all there are.
    """
    users = rankable_users(relevant, history)
    return keep_rows(relevant, users[:: max(relevant[users].nnz // n, 1)])
