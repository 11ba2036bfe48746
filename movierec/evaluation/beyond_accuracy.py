"""Beyond-accuracy metrics: coverage, concentration, novelty, diversity and popularity lift.

Rankings are (n, k) item indices, -1 for an empty place.
"""

import numpy as np
import scipy.sparse as sp

CHUNK = 1024  # users whose lists are compared at one time


def times_recommended(ranked: np.ndarray, n_items: int) -> np.ndarray:
    """The number of lists that each item is in: (n_items,) int64."""
    return np.bincount(ranked[ranked >= 0], minlength=n_items)


def coverage(times: np.ndarray) -> float:
    """The share of items that are recommended to anyone: 0 to 1."""
    return float((times > 0).mean())


def gini(times: np.ndarray) -> float:
    """The inequality of recommendations among items: 0 if all have the same, near 1 if one has nearly all.

    G = sum_j (2 j - n - 1) t_j / (n sum_j t_j),    t sorted from the lowest, j from 1
    """
    t, n = np.sort(times), len(times)
    return float(((2 * np.arange(1, n + 1) - n - 1) * t).sum() / (n * max(t.sum(), 1)))


def concentration(times: np.ndarray, points: int = 101) -> tuple[np.ndarray, np.ndarray]:
    """The share of recommendations that the most recommended items have.

    Returns:
        Shares of the items, most recommended first, and of the recommendations: (points,) float64, 0 to 1.
    """
    reached = np.concatenate([[0], np.cumsum(np.sort(times)[::-1])]) / max(times.sum(), 1)
    share = np.linspace(0, 1, points)
    return share, np.interp(share, np.linspace(0, 1, len(reached)), reached)


def novelty(ranked: np.ndarray, popularity: np.ndarray, n_users: int) -> float:
    """The mean self-information of the recommended items, -log2 of their share of users, in bits (Zhou et al. 2010).

    Args:
        ranked: (n, k).
        popularity: (n_items,), users of each item in train; 0 counts as 1.
        n_users: in train.
    """
    bits = -np.log2(np.maximum(popularity, 1) / n_users)
    return float(bits[ranked[ranked >= 0]].mean())


def diversity(ranked: np.ndarray, genres: np.ndarray) -> float:
    """Intra-list diversity: the mean Jaccard distance between the genres of a list's pairs (Ziegler et al. 2005).

        1 - |genres of both| / |genres of either|;    pairs without any genre do not count

    Args:
        ranked: (n, k).
        genres: (n_items, n_genres), 0 or 1.
    """
    has = np.concatenate([genres, np.zeros((1, genres.shape[1]))]).astype(np.float32)  # the last row: empty places
    pair = np.triu_indices(ranked.shape[1], 1)
    means = []
    for begin in range(0, len(ranked), CHUNK):
        chunk = ranked[begin : begin + CHUNK]
        lists = has[chunk]  # (chunk, k, n_genres)
        both = (lists @ lists.transpose(0, 2, 1))[:, *pair]
        size = lists.sum(axis=2)
        either = size[:, pair[0]] + size[:, pair[1]] - both
        valid = (chunk[:, pair[0]] >= 0) & (chunk[:, pair[1]] >= 0) & (either > 0)
        distance = np.where(valid, 1 - both / np.maximum(either, 1), 0)
        counted = valid.sum(axis=1)
        means.append(distance.sum(axis=1, dtype=np.float64)[counted > 0] / counted[counted > 0])
    of_lists = np.concatenate(means)
    return float(of_lists.mean()) if len(of_lists) else 0.0  # no list has two items with genres


def popularity_lift(ranked: np.ndarray, history: sp.csr_matrix, popularity: np.ndarray) -> float:
    """The relative popularity of recommendations against histories (Abdollahpouri et al. 2020): 0 is equal, 1 is twice.

        mean over users of the mean popularity of their list / the same of their history - 1

    Args:
        ranked: (n, k).
        history: (n, n_items), the same users' interactions, at least one each.
        popularity: (n_items,), users of each item in train.
    """
    of_item = np.append(popularity, 0).astype(np.float64)
    liked = (history != 0) @ of_item[:-1] / np.diff(history.indptr)
    places = (ranked >= 0).sum(axis=1)
    shown = of_item[ranked].sum(axis=1)[places > 0] / places[places > 0]
    return float(shown.mean() / liked.mean() - 1)
