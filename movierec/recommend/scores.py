"""The scores of one user, in NumPy alone; they are those of `movierec.model.model.Model`, which scores many at once.

One user needs products of vectors with the stored arrays, and no matrix product. So recommending to one user loads
neither torch nor SciPy.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from movierec.interactions.gaps import is_away
from movierec.interactions.histories import Histories
from movierec.model.stored import NEIGHBORS, Edges, Kernel, Powers, Rows, Symmetric, segment_sums
from movierec.recommend.following import next_scores, trend_scores, unit

TINY = 1e-12
MOST_WHOLE = 10_000  # nodes whose whole matrix is kept: 400 MB


class Profile(NamedTuple):
    """What is known of one user."""

    items: np.ndarray  # (n,) int64, in any order: `histories` has that of time
    weight: np.ndarray  # (n,) float32, negative for a disliked movie
    histories: Histories  # of this user, without disliked movies
    user: int = -1  # the index in training; -1 for a new user
    gender: np.ndarray | None = None  # (2,) female and male; None: as in training

    def without(self, place: int) -> "Profile":
        """Without the item at a place of the history.

        Earlier items take the times of the ones after them, so that the last time and the wait stay what they are.
        """
        past, kept = self.histories, self.items != self.histories.items[place]
        fewer = past._replace(indptr=past.indptr - [0, 1], items=np.delete(past.items, place), times=past.times[1:])
        return self._replace(items=self.items[kept], weight=self.weight[kept], histories=fewer)


class Parts(NamedTuple):
    """Scores before they are standardised, (n_items,) each; None of a part without a share."""

    graph: np.ndarray | None
    users: np.ndarray | None
    items: np.ndarray | None
    messages: np.ndarray | None  # (n_users,) of each user to their items, of which `users` is the sum
    weights: np.ndarray | None  # (n, n_items) of each item of the history, of which `items` is the sum


class Scores:
    """The scores of users, one at a time, by the arrays of a stored model."""

    def __init__(self, arrays: Mapping[str, Any]):
        """The arrays must be checked; see `check_model`."""
        self.arrays, self.edges = arrays, Edges.of(arrays)
        self.n_users, self.n_items = len(arrays["user_ids"]), len(arrays["item_ids"])
        self.mix = tuple(arrays["mix"].tolist())  # of graph, users and items
        self.h_user, self.h_item = arrays["h_user"], arrays["h_item"]
        self.user_degree, self.item_degree = (np.diff(rows.indptr) for rows in self.edges)
        self._all_weights: np.ndarray | None = None  # see `prepare`
        self.powers = {side: Powers(*arrays[f"{side}_powers"]) for side in ("users", "items") if self.has(side)}

    def has(self, side: str) -> bool:
        """Whether the model has a Gaussian process over this side, with a share."""
        return f"{side}_powers" in self.arrays and self.mix[1 + (side == "items")] > 0

    @property
    def follows_time(self) -> bool:
        """Whether the model predicts what comes next."""
        return "trend.times" in self.arrays

    def scores(self, profile: Profile, trained: bool) -> np.ndarray:
        """The scores of all items, (n_items,) float32; `trained`: whether the profile is that of training."""
        return self.mixed(profile, self.parts(profile, trained))

    def mixed(self, profile: Profile, parts: Parts) -> np.ndarray:
        """`scores` from their parts."""
        mixed = _mixed(parts[:3], self.mix)
        if not self.follows_time:
            return mixed
        shares = self.arrays["shares"][int(is_away(profile.histories)[0])]
        following = next_scores(self.arrays, profile.histories) if shares[1] else None
        trend = trend_scores(self.arrays, profile.histories) if shares[2] else None
        return _mixed((mixed if shares[0] else None, following, trend), shares)

    def parts(self, profile: Profile, trained: bool) -> Parts:
        """The scores by the graph, by similar users and by similar items."""
        h = self.h_user[profile.user] if trained else self.vector(profile)
        by_users = messages = None
        if self.has("users"):
            messages = self._messages(profile, h, trained)
            by_users = self.edges.by_item.product(messages)
        weights = self.item_weights(profile.items) if self.has("items") else None
        by_items = None if weights is None else profile.weight @ weights
        by_graph = self.h_item @ h if self.mix[0] else None
        return Parts(by_graph, by_users, by_items, messages=messages, weights=weights)

    def sent(self, profile: Profile) -> np.ndarray:
        """The message of each item of the history in the graph model, (n, dim); see `lightgcn.fold_in`."""
        scale = max(float(np.abs(profile.weight).sum()), 1e-6) ** -0.5
        return self.arrays["item_messages"][profile.items] * (profile.weight[:, None] * np.float32(scale))

    def vector(self, profile: Profile) -> np.ndarray:
        """The unit vector of a user with any history, (dim,)."""
        layer_0 = self.arrays["user_embedding"][profile.user] if profile.user >= 0 else 0
        return unit(self.sent(profile).sum(axis=0) + layer_0)

    def prepare(self) -> None:
        """Keep whole matrices in memory, for many requests: (n_users, n_users) and (n_items, n_items)."""
        if self.has("items") and self.n_items <= MOST_WHOLE:
            self._all_weights = self.item_weights(np.arange(self.n_items))
        if self.has("users") and self.n_users <= MOST_WHOLE and "users_noise" not in self.arrays:
            self._inverse("users").unpack()

    def item_weights(self, items: np.ndarray) -> np.ndarray:
        """The messages of some items, (k,), to their users, about every item: (k, n_items)."""
        if self._all_weights is not None:
            return self._all_weights[items]
        degree = np.maximum(self.item_degree, 1.0)
        y, popularity = (degree**power for power in self.powers["items"])
        if "items_noise" in self.arrays:
            local = self._local("items")
            place = np.full(self.n_items, -1)
            place[items] = np.arange(len(items))
            at = np.flatnonzero(place[local.columns] >= 0)
            weights = np.zeros((len(items), self.n_items), np.float32)
            row = np.searchsorted(local.indptr, at, side="right") - 1
            weights[place[local.columns[at]], row] = local.values[at]
        else:
            weights = self._inverse("items").rows(items) / -self._inverse("items").diagonal()
        return (weights * y[items, None] * popularity).astype(np.float32)

    def counts(self) -> np.ndarray:
        """The weight of each item in r_u . r_v, (n_items,); see `gaussian_process`."""
        return np.maximum(self.item_degree, 1.0) ** (2 * self._kernel.scale_power)

    def _messages(self, profile: Profile, h: np.ndarray, trained: bool) -> np.ndarray:
        """See `gaussian_process.trained_messages` and `folded_messages`."""
        y, local = np.maximum(self.user_degree, 1.0) ** self.powers["users"].target, "users_noise" in self.arrays
        if trained and not local:
            return self._inverse("users").rows(np.array([profile.user]))[0] * -y
        if trained:
            rows, weights = self._local("users"), np.zeros(self.n_users, np.float32)
            entries, _ = rows.entries(np.array([profile.user]))
            weights[rows.columns[entries]] = rows.values[entries]
            return weights * y
        similar = self._kernel_row(profile, h)
        return (self._regressed(similar) if local else self._inverse("users").product(similar)) * y

    @functools.cached_property
    def _kernel(self) -> Kernel:
        return Kernel(*self.arrays["users_kernel"].tolist())

    @functools.cached_property
    def user_sums(self) -> np.ndarray:
        """The sum of each user's weights, (n_users,)."""
        return segment_sums(self.edges.by_user.values, self.edges.by_user.indptr)

    @functools.cached_property
    def _norms(self) -> np.ndarray:
        """The length of each user's scaled history, (n_users,)."""
        rows = self.edges.by_user
        squared = rows.values**2 * self.counts()[rows.columns]
        return np.sqrt(segment_sums(squared, rows.indptr)).clip(1e-6)

    def _kernel_row(self, profile: Profile, h: np.ndarray) -> np.ndarray:
        """The kernel between a user and everyone, (n_users,) float32."""
        kernel, weight = self._kernel, np.zeros(self.n_items)
        weight[profile.items] = profile.weight
        scaled = weight * self.counts()
        history = self.edges.by_user.product(scaled) / self._norms / max(float(np.sqrt(weight @ scaled)), 1e-6)
        exponent = kernel.history_weight * (history - 1) + kernel.graph_weight * (self.h_user @ h - 1)
        if kernel.feature_weight:
            genders = self.arrays["graph.user_gender"].astype(np.float32)
            gender = genders[profile.user] if profile.gender is None else profile.gender
            exponent += kernel.feature_weight * (unit(genders) @ unit(gender) - 1)
        return np.exp(exponent).astype(np.float32)

    def _regressed(self, similar: np.ndarray) -> np.ndarray:
        """The weights of everyone in the posterior mean of a new user; see `nearest_neighbors.regress_new`."""
        near = np.sort(np.argsort(-similar, kind="stable")[: NEIGHBORS + 1])
        entries, row = self.edges.by_user.entries(near)
        columns, weight = self.edges.by_user.columns[entries], self.edges.by_user.values[entries]
        items, column = np.unique(columns, return_inverse=True)
        history = np.zeros((len(near), len(items)))
        history[row, column] = weight * np.sqrt(self.counts())[columns]
        history /= self._norms[near, None]
        genders = unit(self.arrays["graph.user_gender"][near].astype(np.float32))
        exponent = self._kernel.history_weight * (history @ history.T - 1)
        exponent += self._kernel.graph_weight * (self.h_user[near] @ self.h_user[near].T - 1)
        exponent += self._kernel.feature_weight * (genders @ genders.T - 1)
        among = np.exp(exponent) + float(self.arrays["users_noise"]) * np.eye(len(near))
        weights = np.zeros(self.n_users)
        weights[near] = np.linalg.solve(among, similar[near])
        return weights

    @functools.cache  # noqa: B019  # lives as long as the model
    def _inverse(self, side: str) -> Symmetric:
        return Symmetric(self.arrays[f"{side}_inverse"])

    def _local(self, side: str) -> Rows:
        return Rows(*(self.arrays[f"{side}_weights.{name}"] for name in ("indptr", "indices", "data")))


def deviation(scores: np.ndarray) -> float:
    """The standard deviation over the items."""
    return max(float(np.std(scores)), TINY)


def _mixed(parts: tuple[np.ndarray | None, ...], shares: Any) -> np.ndarray:
    """The sum of standardised scores, weighted by shares."""
    used = [(of, share) for of, share in zip(parts, shares, strict=True) if of is not None and share]
    return sum(share * ((of - of.mean()) / deviation(of)) for of, share in used).astype(np.float32)
