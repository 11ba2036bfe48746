"""Lists that vary: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) over the movies' vectors."""

import numpy as np
import torch

POOL = 5  # candidates for each place


def diversified(items: np.ndarray, scores: np.ndarray, h_item: torch.Tensor, k: int, diversity: float) -> tuple[np.ndarray, np.ndarray]:
    """Choose k of each user's candidates, one after another: the best of

        (1 - diversity) relevance(i) - diversity max over those chosen of cos(h_i, h_j)

    where relevance is the score, from 0 for the last candidate to 1 for the first.

    Args:
        items: (n, n_candidates), best first, -1 for an empty place.
        scores: (n, n_candidates).
        h_item: (n_items, dim), unit vectors.
        k: to choose.
        diversity: 0 (the order stays) to 1.

    Returns:
        items and scores, (n, k) each.
    """
    n, n_candidates = items.shape
    k = min(k, n_candidates)
    score = torch.from_numpy(np.where(items >= 0, scores, np.inf))
    low, high = score.amin(dim=1, keepdim=True), torch.from_numpy(scores[:, :1])
    relevance = (score - low) / (high - low).clamp(min=1e-12)
    vectors = h_item[torch.from_numpy(np.maximum(items, 0).astype(np.int64))]  # (n, n_candidates, dim)
    nearest = torch.zeros(n, n_candidates)
    chosen = torch.zeros(n, k, dtype=torch.int64)
    out, everyone = torch.from_numpy(items < 0), torch.arange(n)  # empty, or chosen
    for place in range(k):
        value = (1 - diversity) * relevance - diversity * nearest if place else relevance
        best = value.masked_fill(out, -torch.inf).argmax(dim=1)
        chosen[:, place] = best
        out[everyone, best] = True
        similarity = (vectors @ vectors[everyone, best].unsqueeze(2)).squeeze(2)
        nearest = similarity if place == 0 else torch.maximum(nearest, similarity)
    at = chosen.numpy()
    empty = np.arange(k) >= (items >= 0).sum(axis=1, keepdims=True)  # where no candidate was left
    found, value = (np.take_along_axis(of, at, axis=1) for of in (items, scores))
    return np.where(empty, -1, found), np.where(empty, -np.inf, value)
