"""The reasons for a recommendation: the movies that its score comes from, by the model's own arithmetic.

A long-term score is a sum of messages, and each message is split over the user's movies that it comes through:

    graph    cos(h_u, h_i), with h_u a sum of messages from the user's movies and layer 0
    items    a sum of messages from the user's movies
    users    a message from each similar user v, split over the movies that u and v share by their shares in r_u . r_v

Layer 0, and similar users that share no movie, contribute without a reason. The score of a model that follows time is
no such sum; there, a movie's contribution is what the score loses without it.
"""

import numpy as np

from movierec.model.stored import segment_sums
from movierec.recommend.scores import TINY, Parts, Profile, Scores, deviation

REASONS = 3  # at most, for a recommendation
RECENT = 20  # movies of a history that can be a reason, in a model that follows time
LEAST_SHARE = 0.03  # of the score, for the second and third reason there
Reasons = list[tuple[int, float]]  # item index and share, the largest first


def reasons(scores: Scores, profile: Profile, items: np.ndarray, parts: Parts) -> list[Reasons]:
    """The reasons for one user's items, (k,), by the parts of the scores."""
    if scores.follows_time:
        return reasons_by_leaving_out(scores, profile, items)
    return reasons_by_contribution(scores, profile, items, parts)


def contributions(scores: Scores, profile: Profile, items: np.ndarray, parts: Parts) -> np.ndarray:
    """The parts of the scores of items, (k,), that come from each movie of a history: (n, k)."""
    out = np.zeros((len(profile.items), len(items)))
    if parts.graph is not None:
        sent = scores.sent(profile)
        layer_0 = scores.arrays["user_embedding"][profile.user] if profile.user >= 0 else 0
        length = max(float(np.linalg.norm(sent.sum(axis=0) + layer_0)), TINY)
        of_items = sent @ (scores.h_item[items] - scores.h_item.mean(axis=0)).T / length
        out += scores.mix[0] * of_items / deviation(parts.graph)
    if parts.users is not None and parts.messages is not None:
        out += scores.mix[1] * _of_users(scores, profile, parts.messages, items) / deviation(parts.users)
    if parts.items is not None and parts.weights is not None:
        weights = parts.weights
        weights = profile.weight[:, None] * (weights[:, items] - weights.mean(axis=1, keepdims=True))
        out += scores.mix[2] * weights / deviation(parts.items)
    return out


def _of_users(scores: Scores, profile: Profile, messages: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The parts of the sums of the users' messages, (n_users,), less their means over the items: (n, k)."""
    edges = scores.edges
    counted = np.zeros(scores.n_items)
    counted[profile.items] = profile.weight * scores.counts()[profile.items]
    overlap = edges.by_user.product(counted)  # r_u . r_v
    sent = np.zeros((scores.n_users, len(items) + 1), np.float32)  # of each user to the items, and to all on average
    asked, column = edges.by_item.entries(items)
    sent[edges.by_item.columns[asked], column] = edges.by_item.values[asked]
    sent[:, -1] = scores.user_sums / scores.n_items
    sent *= np.where(overlap > 0, messages / np.maximum(overlap, TINY), 0).astype(np.float32)[:, None]
    shared, _ = edges.by_item.entries(profile.items)  # edges between the user's movies and other users
    ends = np.cumsum(scores.item_degree[profile.items])
    values = np.take(sent, edges.by_item.columns[shared], axis=0)
    values *= edges.by_item.values[shared, None]
    out = segment_sums(values, np.concatenate([[0], ends]))  # (n, k + 1)
    return counted[profile.items, None] * (out[:, :-1] - out[:, -1:])


def reasons_by_contribution(scores: Scores, profile: Profile, items: np.ndarray, parts: Parts) -> list[Reasons]:
    """The liked movies that contribute most to one user's items, (k,), with their shares of what is positive."""
    liked = np.flatnonzero(profile.weight > 0)
    movies, of_liked = profile.items[liked], contributions(scores, profile, items, parts)[liked]  # (n_liked, k)
    shares = of_liked / np.maximum(np.maximum(of_liked, 0).sum(axis=0), TINY)
    largest = np.argsort(-shares, axis=0, kind="stable")[:REASONS]

    def of(place: int) -> Reasons:
        return [(int(movies[j]), float(shares[j, place])) for j in largest[:, place] if shares[j, place] > 0]

    return [of(place) for place in range(len(items))]


def reasons_by_leaving_out(scores: Scores, profile: Profile, items: np.ndarray) -> list[Reasons]:
    """The recent movies without which one user's scores of items, (k,), would be lower, and the share that is lost."""
    history = profile.histories.items[::-1]  # by age
    if len(history) < 2:  # an only movie is the reason for everything
        return [[(int(item), 1.0) for item in history] for _ in items]
    ages = range(min(len(history) - 1, RECENT))  # one must stay
    whole = scores.scores(profile, trained=False)[items]
    without = (scores.scores(profile.without(len(history) - 1 - age), trained=False)[items] for age in ages)
    share = np.stack([whole - of for of in without]) / np.maximum(np.abs(whole), 1e-6)  # (n_ages, k)
    largest = np.argsort(-share, axis=0, kind="stable")[:REASONS]

    def of(place: int) -> Reasons:
        found = [(int(history[age]), float(share[age, place])) for age in largest[:, place]]
        return [(item, lost) for rank, (item, lost) in enumerate(found) if lost > (LEAST_SHARE if rank else 0)]

    return [of(place) for place in range(len(items))]
