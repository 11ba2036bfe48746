"""The reasons for a recommendation: the movies that its score comes from, by the model's own arithmetic.

A long-term score is a sum of messages, and each message is split over the user's movies that it comes through:

    graph    cos(h_u, h_i), with h_u a sum of messages from the user's movies and layer 0
    items    a sum of messages from the user's movies
    users    a message from each similar user v, split over the movies that u and v share by their shares in r_u . r_v

Layer 0, and similar users that share no movie, contribute without a reason. The score of a model that follows time is
no such sum; there, a movie's contribution is what the score loses without it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from movierec.interactions.history import Profiles
from movierec.interactions.matrix import item_degrees
from movierec.model.gaussian_process import degree_power, folded_messages, item_scorer, item_weights, trained_messages
from movierec.model.graph import inverse_root_degree, weighted_sum
from movierec.model.model import Model
from movierec.ranking.topk import CHUNK

REASONS = 3  # at most, for a recommendation
RECENT = 20  # movies of a history that can be a reason, in a model that follows time
LEAST_SHARE = 0.03  # of the score, for the second and third reason there
Reasons = list[tuple[int, float]]  # item index and share, the largest first
Contributions = tuple[np.ndarray, Tensor]  # the items of a history, (n,) int64, and their parts in k scores, (n, k)


class Explainer:
    """Splits the long-term scores of users over the movies of their histories."""

    def __init__(self, model: Model, dense: bool = False):
        """With `dense`, for many users, it keeps a dense matrix: (n_items, n_items)."""
        self.model, self.graph = model, model.graph
        matrix = self.graph.matrix
        self._by_item = matrix.T.tocsr()  # (n_items, n_users)
        self._user_mean = np.asarray(matrix.sum(axis=1), np.float32).ravel() / self.graph.n_items
        self._item_mean = model.h_item.mean(dim=0)
        self._weights = self._item_weights() if dense and model.items and model.mix[2] else None
        self._counts: Any = None
        if model.users and model.mix[1]:  # (n_items, 1), the weight of a movie in r_u . r_v
            self._counts = degree_power(item_degrees(matrix), 2 * model.users.kernel.scale_power)

    def contributions(self, profiles: Profiles, items: np.ndarray, trained: bool) -> Iterator[Contributions]:
        """The contributions to the scores of each user's items.

        Args:
            profiles: of n users.
            items: (n, k) item indices, -1 for an empty place, which is left out.
            trained: whether the profiles are those of training.
        """
        for begin in range(0, len(items), CHUNK):
            rows = np.arange(begin, min(begin + CHUNK, len(items)))
            some = profiles.of(rows)
            messages = self._messages(some, trained)
            scores = self._scores(some, trained, messages)
            deviations = [None if of is None else of.std(dim=1, correction=0).clamp(min=1e-12) for of in scores]
            scale = inverse_root_degree(abs(some.matrix), axis=1)
            per_overlap = None if messages is None else self._per_overlap(some, messages)
            for row in range(len(rows)):
                at = items[begin + row][items[begin + row] >= 0].astype(np.int64)
                of_row = [None if of is None else of[row] for of in deviations]
                from_users = None if per_overlap is None else per_overlap[row]
                yield self._of_user(some, row, at, scale=scale[row], deviations=of_row, from_users=from_users)

    def _messages(self, profiles: Profiles, trained: bool) -> Tensor | None:
        """The message of each user about some users, (n_users, n)."""
        if self.model.users is None or self._counts is None:
            return None
        if trained:
            return trained_messages(self.graph, self.model.users, profiles.users)
        return folded_messages(self.graph, self.model.users, self.model.h_user, self.model.nodes(profiles))

    def _scores(self, profiles: Profiles, trained: bool, messages: Tensor | None) -> list[Tensor | None]:
        """The scores by each component, (n, n_items); None for one without a share."""
        model, h_user = self.model, self.model.h_user[profiles.users] if trained else self.model.nodes(profiles).h
        by_graph = h_user @ model.h_item.T if model.mix[0] else None
        by_users = None if messages is None else self.graph.to_items(messages).T
        if not (model.items and model.mix[2]):
            return [by_graph, by_users, None]
        if trained and self._weights is not None:
            return [by_graph, by_users, self.graph.to_some_users(self._weights, profiles.users)]
        by_items = item_scorer(self.graph, model.items, profiles.matrix)
        return [by_graph, by_users, by_items(np.arange(len(profiles.users)))]

    def _item_weights(self, movies: np.ndarray | None = None) -> Tensor:
        """The weights of all movies, or of some, in the scores of similar items, less their mean: (n, n_items)."""
        process: Any = self.model.items
        weights = item_weights(self.graph, process, movies)
        return weights - weights.mean(dim=1, keepdim=True)

    def _per_overlap(self, profiles: Profiles, messages: Tensor) -> Tensor:
        """The messages (n_users, n) by r_u . r_v, of which a shared movie is a part: (n, n_users)."""
        counted = torch.from_numpy(profiles.matrix.toarray().T).mul_(self._counts)  # (n_items, n)
        overlap = self.graph.to_users(counted)
        return torch.where(overlap > 0, messages / overlap.clamp(min=1e-12), 0).T.contiguous()

    def _of_user(
        self, profiles: Profiles, row: int, at: np.ndarray, *, scale: Tensor, deviations: list, from_users: Any
    ) -> Contributions:
        """The contributions of one user's movies to the items `at`; the rest is this user's, or None."""
        model, history = self.model, profiles.matrix[[row]]
        movies, weight = history.indices.astype(np.int64), torch.from_numpy(history.data).unsqueeze(1)
        parts, index = torch.zeros(len(movies), len(at)), torch.from_numpy(movies)
        if deviations[0] is not None:
            user = int(profiles.users[row])
            sent = model.item_messages[index] * weight * scale
            length = (sent.sum(dim=0) + (model.user_embedding[user] if user >= 0 else 0)).norm().clamp(min=1e-12)
            parts += model.mix[0] * (sent @ (model.h_item[at] - self._item_mean).T) / length / deviations[0]
        if from_users is not None:
            items = np.vstack([self._by_item[at].toarray(), self._user_mean]) * from_users.numpy()  # (k + 1, n_users)
            sent = weighted_sum(self._by_item[movies])(torch.from_numpy(items.T.copy()))  # (n, k + 1)
            centred = sent[:, :-1] - sent[:, -1:]
            parts += model.mix[1] * weight * self._counts[index] * centred / deviations[1]
        if deviations[2] is not None:
            weights = self._item_weights(movies)[:, at] if self._weights is None else self._weights[index[:, None], at]
            parts += model.mix[2] * weight * weights / deviations[2]
        return movies, parts


def reasons(model: Model, profiles: Profiles, items: np.ndarray, trained: bool) -> list[Reasons]:
    """The reasons for one user's items, (k,); `trained`: whether the profile is that of training."""
    if model.next:
        return reasons_by_leaving_out(model, profiles, items)
    return reasons_by_contribution(model, profiles, items, trained)


def reasons_by_contribution(model: Model, profiles: Profiles, items: np.ndarray, trained: bool) -> list[Reasons]:
    """The liked movies that contribute most to one user's items, (k,), with their shares of what is positive."""
    ((movies, parts),) = Explainer(model).contributions(profiles, items[None, :], trained)
    liked = np.flatnonzero(profiles.matrix.data > 0)
    movies, of_liked = movies[liked], parts[liked].numpy()  # (n_liked, k)
    shares = of_liked / np.maximum(np.maximum(of_liked, 0).sum(axis=0), 1e-12)
    largest = np.argsort(-shares, axis=0, kind="stable")[:REASONS]

    def of(place: int) -> Reasons:
        return [(int(movies[j]), float(shares[j, place])) for j in largest[:, place] if shares[j, place] > 0]

    return [of(place) for place in range(len(items))]


def reasons_by_leaving_out(model: Model, profiles: Profiles, items: np.ndarray) -> list[Reasons]:
    """The recent movies without which one user's scores of items, (k,), would be lower, and the share that is lost."""
    length = int(profiles.histories.lengths[0])
    history = profiles.histories.items[::-1]  # by age
    if length < 2:  # an only movie is the reason for everything
        return [[(int(item), 1.0) for item in history] for _ in items]
    ages = np.arange(min(length - 1, RECENT))  # one must stay
    whole = model.scorer(profiles)(np.array([0]))[:, items]  # (1, k)
    without = model.scorer(profiles.without_each(length - 1 - ages))(ages)[:, items]
    share = (whole - without).numpy() / np.maximum(np.abs(whole[0].numpy()), 1e-6)  # (n_ages, k)
    largest = np.argsort(-share, axis=0, kind="stable")[:REASONS]

    def of(place: int) -> Reasons:
        found = [(int(history[age]), float(share[age, place])) for age in largest[:, place]]
        return [(item, lost) for rank, (item, lost) in enumerate(found) if lost > (LEAST_SHARE if rank else 0)]

    return [of(place) for place in range(len(items))]
