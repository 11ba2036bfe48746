"""Ranking for many users at once, by torch."""

import numpy as np
import torch
from torch import Tensor

from movierec.model.saving import StoredModel
from movierec.ranking.topk import chunks, top_k
from movierec.recommend.catalogue import Catalogue
from movierec.recommend.ranker import Asked
from movierec.recommend.reranking import POOL, diversify
from movierec.utils.group import Group


class Everyone:
    """A trained model and the profiles of all users."""

    def __init__(self, stored: StoredModel, catalogue: Catalogue):
        self.model, self.catalogue, profiles = stored.model, catalogue, catalogue.profiles
        if profiles is not None:  # all are asked when the data end
            now = int(profiles.histories.times.max(initial=0))
            profiles = profiles._replace(histories=profiles.histories.asked_at(now))
        self._scorer = self.model.scorer(profiles)

    def ranked(self, users: np.ndarray, asked: Asked, group: Group) -> tuple[np.ndarray, np.ndarray]:
        """The best movies of users that they have not rated.

        Args:
            users: (n,) indices.
            asked: how movies are chosen.
            group: the processes that divide the users; each of them returns the movies of all.

        Returns:
            Items (n, k) and scores (n, k), with -1 and -inf where fewer are left.
        """
        asked.check()
        movies = self.catalogue.movies
        allowed = asked.filters.allowed(movies["Genres"].to_numpy(), movies["Year"].fillna(0).to_numpy(int))
        excluded = torch.from_numpy(np.flatnonzero(~allowed))

        def scores_of(some: np.ndarray) -> Tensor:
            return self._scorer(some).index_fill_(1, excluded, -torch.inf)

        own = [users[at] for at in group.share([*chunks(len(users), self.catalogue.rated.shape[1])])]
        users = np.concatenate([np.empty(0, int), *own])
        items, scores = top_k(scores_of, users, self.catalogue.rated, asked.k * (POOL if asked.diversity else 1))
        if asked.diversity:
            items, scores = diversify(items, scores, self.model.h_item.numpy(), asked.diversity)
        return group.concat(items), group.concat(scores)
