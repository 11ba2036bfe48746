"""Stored rankings against what users liked: how good they are, what else can be said of them, and how sure that is.

A ranking is (n_users, depth) item indices, -1 for an empty place, made by whatever model.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from movierec.beyond_accuracy import coverage, diversity, gini, novelty, popularity_lift, times_recommended
from movierec.bootstrap import interval, p_value, resampled_means
from movierec.interactions import users_of_items
from movierec.metrics import METRICS, hits, per_user, some_users_to_rank

K = 20  # the cutoff of what is measured at one alone


class Asked(NamedTuple):
    """What one part of the split asks, and of whom."""

    users: np.ndarray  # (n,) indices of the users with something to find and a history
    relevant: sp.csr_matrix  # (n, n_items), what is to be found
    history: sp.csr_matrix  # (n, n_items), what was known of them


def asked(relevant: sp.csr_matrix, history: sp.csr_matrix) -> Asked:
    """Those who can be asked about, of all users: (n_users, n_items) both.

    Raises:
        UserError: nobody can be ranked.
    """
    users = some_users_to_rank(relevant, history)
    return Asked(users, relevant[users], history[users])


def at_test(
    rankings: dict[str, dict[str, np.ndarray]], train: sp.csr_matrix, valid: sp.csr_matrix, test: sp.csr_matrix, in_time: bool, mask: str
) -> tuple[Asked, dict[str, np.ndarray]]:
    """What test asks, and the rankings that answer.

    Args:
        rankings: by model, `after_train` and `after_valid`.
        train, valid, test: (n_users, n_items).
        in_time: whether a history is all that came before, validation too.
        mask: what rankings leave out, where it is not in time: train, or train+valid.
    """
    moment = "after_valid" if in_time or mask == "train+valid" else "after_train"
    return asked(test, train + valid if in_time else train), {name: at[moment] for name, at in rankings.items()}


class Measured(NamedTuple):
    """How several rankings answer."""

    part: Asked
    lists: dict[str, np.ndarray]  # by model, (n, depth): the rankings of the users that are asked about
    means: dict[str, dict[str, float]]  # by model, 'ndcg@10' and so on to the mean over the users
    ndcg: dict[str, np.ndarray]  # by model, (n,) NDCG@K of each user

    def mean(self, name: str, metric: str) -> float:
        """Of a model over the users."""
        return self.means[name][metric]


def measure(part: Asked, rankings: dict[str, np.ndarray], cutoffs: Iterable[int]) -> Measured:
    """Every metric of `per_user` at these cutoffs and at `K`, for each ranking of all users."""
    cutoffs = sorted({K, *cutoffs})
    lists = {name: ranked[part.users] for name, ranked in rankings.items()}
    n_relevant = np.diff(part.relevant.indptr)
    means, ndcg = {}, {}
    for name, ranked in lists.items():  # of all users, all metrics at all cutoffs are much: one model's exist at one time
        of_user = per_user(hits(ranked, part.relevant), n_relevant, cutoffs)
        means[name], ndcg[name] = {metric: float(values.mean()) for metric, values in of_user.items()}, of_user[f"ndcg@{K}"]
    return Measured(part, lists, means, ndcg)


def summary(measured: Measured, train: sp.csr_matrix, genres: np.ndarray) -> dict[str, dict[str, float]]:
    """What the metrics say at `K`, metric to model to value: accuracy, and coverage, Gini, novelty, diversity, popularity lift.

    Args:
        measured: at `K`.
        train: (n_users, n_items), says how popular an item is.
        genres: (n_items, n_genres), 0 or 1; without any, diversity is left out.
    """
    popularity = users_of_items(train)
    table = {f"{metric}@{K}": {name: measured.mean(name, f"{metric}@{K}") for name in measured.lists} for metric in METRICS}
    lists = {name: ranked[:, :K] for name, ranked in measured.lists.items()}
    times = {name: times_recommended(ranked, len(popularity)) for name, ranked in lists.items()}
    table[f"coverage@{K}"] = {name: coverage(times[name]) for name in lists}
    table[f"gini@{K}"] = {name: gini(times[name]) for name in lists}
    table[f"novelty@{K}"] = {name: novelty(ranked, popularity, train.shape[0]) for name, ranked in lists.items()}
    if genres.any():
        table[f"diversity@{K}"] = {name: diversity(ranked, genres) for name, ranked in lists.items()}
    table[f"popularity_lift@{K}"] = {name: popularity_lift(ranked, measured.part.history, popularity) for name, ranked in lists.items()}
    return table


def certainty(ndcg: dict[str, np.ndarray], gender: np.ndarray) -> dict[str, dict[str, float]]:
    """How sure two differences in NDCG@K are, metric to model to value: the first model's from each other one, and women's from men's.

    Each with its bootstrap interval ('_low' and '_high'); between models, where users are paired, with a p-value ('_p').

    Args:
        ndcg: by model, (n,) of the same users.
        gender: (n, 2), female and male, 0 or 1; where one of them is nobody's, there is no second difference.
    """
    first, *others = ndcg
    table = {}
    if others:
        differences = np.stack([ndcg[first] - ndcg[name] for name in others], axis=1)
        resampled = resampled_means(differences)
        low, high = interval(resampled)
        values = {"": differences.mean(axis=0), "_low": low, "_high": high, "_p": p_value(resampled)}
        table |= {f"ndcg@{K}_{first}_minus{suffix}": dict(zip(others, of.tolist())) for suffix, of in values.items()}
    if gender.any(axis=0).all():
        all_models = np.stack(list(ndcg.values()), axis=1)  # (n, n_models)
        women, men = (np.where(gender[:, [which]] > 0, all_models, np.nan) for which in (0, 1))
        resampled = resampled_means(np.concatenate([women, men], axis=1))
        low, high = interval(resampled[:, : len(ndcg)] - resampled[:, len(ndcg) :])
        values = {"": np.nanmean(women, axis=0) - np.nanmean(men, axis=0), "_low": low, "_high": high}
        table |= {f"ndcg@{K}_women_minus_men{suffix}": dict(zip(ndcg, of.tolist())) for suffix, of in values.items()}
    return table
