"""Diverse lists by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) over the items' vectors."""

import numpy as np
import torch
from torch import Tensor

from movierec.ranking.topk import CHUNK

POOL = 5  # candidates per place


def diversify(items: np.ndarray, scores: np.ndarray, h_item: Tensor, diversity: float) -> tuple[np.ndarray, np.ndarray]:
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


def _chosen(items: np.ndarray, scores: np.ndarray, h_item: Tensor, diversity: float) -> np.ndarray:
    """The places of the chosen candidates of one chunk of users."""
    n, k = len(items), items.shape[1] // POOL
    score = torch.from_numpy(np.where(items >= 0, scores, np.inf))
    low, high = score.amin(dim=1, keepdim=True), torch.from_numpy(scores[:, :1])
    relevance = (score - low) / (high - low).clamp(min=1e-12)
    vectors = h_item[torch.from_numpy(np.maximum(items, 0).astype(np.int64))]  # (n, n_candidates, dim)
    nearest = torch.zeros(score.shape)
    chosen = torch.zeros(n, k, dtype=torch.int64)
    out, users = torch.from_numpy(items < 0), torch.arange(n)  # empty, or chosen
    for place in range(k):
        value = (1 - diversity) * relevance - diversity * nearest if place else relevance
        best = value.masked_fill(out, -torch.inf).argmax(dim=1)
        chosen[:, place] = best
        out[users, best] = True
        similarity = (vectors @ vectors[users, best].unsqueeze(2)).squeeze(2)
        nearest = similarity if place == 0 else torch.maximum(nearest, similarity)
    return chosen.numpy()
