"""Ranking for many users at once, by torch."""

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from movierec.ranking.topk import Scorer, chunks, top_k
from movierec.recommend.ranker import Asked, Ranker
from movierec.recommend.reranking import POOL, diversify
from movierec.utils.group import Group


def ranked(
    ranker: Ranker, scorer: Scorer, seen: sp.csr_matrix, users: np.ndarray, *, asked: Asked, group: Group
) -> tuple[np.ndarray, np.ndarray]:
    """The best movies of users that they have not seen.

    Args:
        ranker: of the model.
        scorer: of all users, by index.
        seen: (n_users, n_items).
        users: (n,) indices.
        asked: how movies are chosen.
        group: the processes that divide the users; each of them returns the movies of all.

    Returns:
        Items (n, k) and scores (n, k), with -1 and -inf where fewer are left.
    """
    asked.check()
    allowed = asked.filters.allowed(ranker.catalogue.genres, ranker.catalogue.years)
    excluded = torch.from_numpy(np.flatnonzero(~allowed))

    def scores_of(some: np.ndarray) -> Tensor:
        return scorer(some).index_fill_(1, excluded, -torch.inf)

    own = [users[at] for at in group.share([*chunks(len(users), seen.shape[1])])]
    users = np.concatenate([np.empty(0, int), *own])
    items, scores = top_k(scores_of, users, seen, asked.k * (POOL if asked.diversity else 1))
    if asked.diversity:
        items, scores = diversify(items, scores, ranker.arrays["h_item"], asked.diversity)
    return group.concat(items), group.concat(scores)
