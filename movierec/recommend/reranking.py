"""Diverse lists by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) over the items' vectors."""

import numpy as np

POOL = 5  # candidates per place
CHUNK = 512  # lists at one time


def diversify(
    items: np.ndarray, scores: np.ndarray, h_item: np.ndarray, diversity: float
) -> tuple[np.ndarray, np.ndarray]:
    """Choose one in `POOL` of each user's candidates, one after another, each the best of

        (1 - diversity) relevance(i) - diversity max over those chosen of cos(h_i, h_j)

    where relevance is the score, scaled to 0 for the last candidate and 1 for the first.

    Args:
        items: (n, n_candidates), best first, -1 for an empty place.
        scores: (n, n_candidates).
        h_item: (n_items, dim), unit vectors.
        diversity: 0 (the order stays) to 1.

    Returns:
        Items and scores, (n, n_candidates // POOL) each.
    """
    chunks = [slice(begin, begin + CHUNK) for begin in range(0, len(items), CHUNK)]
    chosen = [_chosen(items[at], scores[at], h_item, diversity) for at in chunks]
    places = np.concatenate(chosen) if chosen else np.empty((0, items.shape[1] // POOL), np.int64)
    empty = np.arange(places.shape[1]) >= (items >= 0).sum(axis=1, keepdims=True)  # no candidate was left
    items, scores = (np.take_along_axis(of, places, axis=1) for of in (items, scores))
    return np.where(empty, -1, items), np.where(empty, -np.inf, scores)


def _chosen(items: np.ndarray, scores: np.ndarray, h_item: np.ndarray, diversity: float) -> np.ndarray:
    """The places of the chosen candidates of one chunk of users."""
    n, k = len(items), items.shape[1] // POOL
    out = items < 0  # empty, or chosen
    score = np.where(out, np.where(out[:, :1], 0, scores[:, :1]), scores)
    low, high = score.min(axis=1, keepdims=True), score[:, :1]
    relevance = (score - low) / np.maximum(high - low, 1e-12)
    vectors = h_item[np.maximum(items, 0)]  # (n, n_candidates, dim)
    nearest = np.full(score.shape, -np.inf, np.float32)
    chosen = np.zeros((n, k), np.int64)
    users = np.arange(n)
    for place in range(k):
        value = (1 - diversity) * relevance - diversity * nearest if place else relevance
        best = np.where(out, -np.inf, value).argmax(axis=1)
        chosen[:, place] = best
        out[users, best] = True
        nearest = np.maximum(nearest, np.einsum("ncd,nd->nc", vectors, vectors[users, best]))
    return chosen
