"""How good rankings are, user by user: NDCG, recall, precision, MAP, hit rate and MRR. Arrays only, no model."""

from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp

from movierec.errors import UserError

DEPTH = 100  # places of the rankings that are stored, and so the highest cutoff
METRICS = ("ndcg", "recall", "precision", "map", "hit_rate", "mrr")


def hits(ranked: np.ndarray, relevant: sp.csr_matrix) -> np.ndarray:
    """Which places of the rankings hold a relevant item.

    Args:
        ranked: (n, k) item indices, -1 for an empty place.
        relevant: (n, n_items), row by row the users of `ranked`.

    Returns:
        (n, k) bool.
    """
    n, n_items = relevant.shape
    # Each pair of user and item as one number, ascending: relevant items are looked up in there.
    wanted = np.sort(np.repeat(np.arange(n, dtype=np.int64), np.diff(relevant.indptr)) * n_items + relevant.indices)
    if not len(wanted):
        return np.zeros(ranked.shape, bool)
    shown = np.arange(n, dtype=np.int64)[:, None] * n_items + ranked
    place = np.minimum(np.searchsorted(wanted, shown), len(wanted) - 1)
    return (wanted[place] == shown) & (ranked >= 0)


def per_user(hit: np.ndarray, n_relevant: np.ndarray, cutoffs: Iterable[int]) -> dict[str, np.ndarray]:
    """Every metric at every cutoff, user by user.

    With rel(j) = 1 where place j holds a relevant item, and n the user's relevant items:

        precision@k = hits / k                     recall@k = hits / n
        hit_rate@k  = 1 if there is a hit           mrr@k = 1 / place of the first hit, else 0
        map@k  = sum over hits of precision@j / min(n, k)
        ndcg@k = sum of rel(j) / log2(j + 1), over its value for a perfect ranking of min(n, k) items

    Args:
        hit: (n_users, K) bool, K at least the largest cutoff.
        n_relevant: (n_users,) int, each 1 or more.
        cutoffs: the k.

    Returns:
        'ndcg@10' and so on to (n_users,) float64.
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


def users_to_rank(relevant: sp.csr_matrix, history: sp.csr_matrix) -> np.ndarray:
    """Users with something to find and a history to find it from: indices."""
    return np.flatnonzero((np.diff(relevant.indptr) > 0) & (np.diff(history.indptr) > 0))


def some_users_to_rank(relevant: sp.csr_matrix, history: sp.csr_matrix) -> np.ndarray:
    """The same, where there must be some.

    Raises:
        UserError: there is none.
    """
    users = users_to_rank(relevant, history)
    if not len(users):
        raise UserError("nobody can be ranked: no user has both a history and something to find; change the split in params.yaml.")
    return users
