"""What accuracy does not say of recommendations: whether all movies get a chance, and whether lists are new and varied.

Rankings are (n, k) item indices, -1 for an empty place.
"""

import numpy as np
import scipy.sparse as sp

CHUNK = 1024  # users whose lists are compared at one time


def times_recommended(ranked: np.ndarray, n_items: int) -> np.ndarray:
    """In how many lists each item stands: (n_items,) int64."""
    return np.bincount(ranked[ranked >= 0], minlength=n_items)


def coverage(times: np.ndarray) -> float:
    """The share of items that are recommended to anybody: 0 to 1."""
    return float((times > 0).mean())


def gini(times: np.ndarray) -> float:
    """How unequally recommendations are shared among items: 0, all the same; near 1, one item has nearly all.

        G = sum_j (2 j - n - 1) t_j / (n sum_j t_j),    t sorted from the lowest, j from 1
    """
    t, n = np.sort(times), len(times)
    return float(((2 * np.arange(1, n + 1) - n - 1) * t).sum() / (n * max(t.sum(), 1)))


def concentration(times: np.ndarray, points: int = 101) -> tuple[np.ndarray, np.ndarray]:
    """What share of all recommendations the most recommended items have.

    Returns:
        Shares of the items, the most recommended first, and of the recommendations: (points,) float64, 0 to 1.
    """
    reached = np.concatenate([[0], np.cumsum(np.sort(times)[::-1])]) / max(times.sum(), 1)
    share = np.linspace(0, 1, points)
    return share, np.interp(share, np.linspace(0, 1, len(reached)), reached)


def novelty(ranked: np.ndarray, popularity: np.ndarray, n_users: int) -> float:
    """How little known what is recommended is, in bits: the mean of -log2 of an item's share of users (Zhou et al. 2010).

    Args:
        ranked: (n, k).
        popularity: (n_items,), users of each item in train; an item without any counts as one with one.
        n_users: who made it.
    """
    bits = -np.log2(np.maximum(popularity, 1) / n_users)
    return float(bits[ranked[ranked >= 0]].mean())


def diversity(ranked: np.ndarray, genres: np.ndarray) -> float:
    """How unlike the items of one list are: the mean of 1 - Jaccard over its pairs' genres, over the lists (Ziegler et al. 2005).

        1 - |both's genres| / |either's genres|;    pairs of which neither has a genre do not count

    Args:
        ranked: (n, k).
        genres: (n_items, n_genres), 0 or 1.
    """
    has = np.concatenate([genres, np.zeros((1, genres.shape[1]))]).astype(np.float32)  # the last row is for empty places
    pair = np.triu_indices(ranked.shape[1], 1)
    means = []
    for begin in range(0, len(ranked), CHUNK):
        chunk = ranked[begin : begin + CHUNK]
        lists = has[chunk]  # (chunk, k, n_genres)
        both = (lists @ lists.transpose(0, 2, 1))[:, *pair]
        size = lists.sum(axis=2)
        either = size[:, pair[0]] + size[:, pair[1]] - both
        there = (chunk[:, pair[0]] >= 0) & (chunk[:, pair[1]] >= 0) & (either > 0)
        distance = np.where(there, 1 - both / np.maximum(either, 1), 0)
        counted = there.sum(axis=1)
        means.append(distance.sum(axis=1, dtype=np.float64)[counted > 0] / counted[counted > 0])
    means = np.concatenate(means)
    return float(means.mean()) if len(means) else 0.0  # no list has two movies with genres


def popularity_lift(ranked: np.ndarray, history: sp.csr_matrix, popularity: np.ndarray) -> float:
    """How much more popular what users are shown is than what they like (Abdollahpouri et al. 2020): 0, as popular; 1, twice.

        mean over users of the mean popularity of their list / the same of their history - 1

    Args:
        ranked: (n, k).
        history: (n, n_items), the same users' interactions, one or more each.
        popularity: (n_items,), users of each item in train.
    """
    of_item = np.append(popularity, 0).astype(np.float64)
    liked = (history != 0) @ of_item[:-1] / np.diff(history.indptr)
    places = (ranked >= 0).sum(axis=1)
    shown = of_item[ranked].sum(axis=1)[places > 0] / places[places > 0]
    return float(shown.mean() / liked.mean() - 1)
