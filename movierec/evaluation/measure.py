"""The evaluation of stored rankings: accuracy, beyond accuracy, and statistical uncertainty.

A ranking is (n_users, depth) item indices, -1 for an empty place, of any model.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from movierec.evaluation.beyond_accuracy import coverage, diversity, gini, novelty, popularity_lift, times_recommended
from movierec.evaluation.bootstrap import interval, p_value, resampled_means
from movierec.interactions.matrix import Split, item_degrees
from movierec.ranking.metrics import DEPTH, METRICS, rankable_users, user_metrics
from movierec.utils.group import ALONE, Group
from movierec.utils.storage import Rankings

K = 20  # the cutoff of all that is evaluated at one cutoff alone
Table = dict[str, dict[str, float]]  # metric to model to value


class GroundTruth(NamedTuple):
    """The users to evaluate, with their held-out items and their histories."""

    moment: str  # of `ranking.topk.MOMENTS`: which of the stored rankings is evaluated
    users: np.ndarray  # (n,) indices
    relevant: sp.csr_matrix  # (n, n_items)
    history: sp.csr_matrix  # (n, n_items)


def ground_truth(moment: str, relevant: sp.csr_matrix, history: sp.csr_matrix) -> GroundTruth:
    """Of the users with a held-out item and a history, both (n_users, n_items); a UserError if there is none."""
    users = rankable_users(relevant, history, required=True)
    return GroundTruth(moment, users, relevant[users], history[users])


def at_valid(split: Split) -> GroundTruth:
    """The protocol of validation, from three matrices (n_users, n_items)."""
    return ground_truth("after_train", split.valid, split.train)


def at_test(split: Split, *, knows_valid: bool, mask: str) -> GroundTruth:
    """The protocol of the test, from three matrices (n_users, n_items).

    With `knows_valid`, a user's history includes validation. Otherwise, the interactions of `mask` (train, or
    train+valid) are left out of the rankings.
    """
    moment = "after_valid" if knows_valid or mask == "train+valid" else "after_train"
    return ground_truth(moment, split.test, split.train + split.valid if knows_valid else split.train)


class Evaluation(NamedTuple):
    """The rankings of several models against one ground truth."""

    truth: GroundTruth
    lists: dict[str, np.ndarray]  # by model: (n, depth)
    means: dict[str, dict[str, float]]  # by model, then by name, such as 'ndcg@10'
    ndcg: dict[str, np.ndarray]  # by model: NDCG@K of each user, (n,)


def measure(truth: GroundTruth, rankings: Rankings, group: Group = ALONE) -> Evaluation:
    """Evaluate the rankings of all users at all cutoffs up to `DEPTH`; the processes of `group` divide the users."""
    own = np.array(group.share(range(len(truth.users))), int)
    lists = {name: of[truth.moment][truth.users] for name, of in rankings.items()}
    means, ndcg = {}, {}
    for name, ranked in lists.items():
        values = user_metrics(ranked[own], truth.relevant[own], range(1, DEPTH + 1))
        of_users = {metric: group.concat(of) for metric, of in values.items()}
        means[name] = {metric: float(of.mean()) for metric, of in of_users.items()}
        ndcg[name] = of_users[f"ndcg@{K}"]
    return Evaluation(truth, lists, means, ndcg)


def summary(evaluation: Evaluation, train: sp.csr_matrix, genres: np.ndarray) -> Table:
    """All metrics at `K`: accuracy, and coverage, Gini, novelty, diversity and popularity lift.

    Args:
        evaluation: of the models.
        train: (n_users, n_items), for the popularity of items.
        genres: (n_items, n_genres), 0 or 1; without any genre, there is no diversity.
    """
    popularity = item_degrees(train)
    names = [f"{metric}@{K}" for metric in METRICS]
    table = {name: {model: of[name] for model, of in evaluation.means.items()} for name in names}
    lists = {name: ranked[:, :K] for name, ranked in evaluation.lists.items()}
    times = {name: times_recommended(ranked, len(popularity)) for name, ranked in lists.items()}
    table[f"coverage@{K}"] = {name: coverage(times[name]) for name in lists}
    table[f"gini@{K}"] = {name: gini(times[name]) for name in lists}
    table[f"novelty@{K}"] = {name: novelty(ranked, popularity, train.shape[0]) for name, ranked in lists.items()}
    if genres.any():
        table[f"diversity@{K}"] = {name: diversity(ranked, genres) for name, ranked in lists.items()}
    history = evaluation.truth.history
    table[f"popularity_lift@{K}"] = {name: popularity_lift(of, history, popularity) for name, of in lists.items()}
    return table


def uncertainty(ndcg: dict[str, np.ndarray], gender: np.ndarray) -> Table:
    """Differences in NDCG@K with bootstrap intervals: the first model minus each other one, and women minus men.

    Rows end in '_low' and '_high' for the interval, and in '_p' for the p-value between models, where users are paired.

    Args:
        ndcg: by model, (n,) of the same users.
        gender: (n, 2), female and male, 0 or 1; where either is missing, there is no second difference.
    """
    first, *others = ndcg
    table: Table = {}

    def add(name: str, models: Iterable[str], values: dict[str, np.ndarray]) -> None:
        models = list(models)
        table.update({f"{name}{end}": dict(zip(models, of.tolist(), strict=True)) for end, of in values.items()})

    if others:
        differences = np.stack([ndcg[first] - ndcg[name] for name in others], axis=1)
        resampled = resampled_means(differences)
        low, high = interval(resampled)
        values = {"": differences.mean(axis=0), "_low": low, "_high": high, "_p": p_value(resampled)}
        add(f"ndcg@{K}_{first}_minus", others, values)
    if gender.any(axis=0).all():
        all_models = np.stack(list(ndcg.values()), axis=1)  # (n, n_models)
        women, men = (np.where(gender[:, [which]] > 0, all_models, np.nan) for which in (0, 1))
        resampled = resampled_means(np.concatenate([women, men], axis=1))
        low, high = interval(resampled[:, : len(ndcg)] - resampled[:, len(ndcg) :])
        values = {"": np.nanmean(women, axis=0) - np.nanmean(men, axis=0), "_low": low, "_high": high}
        add(f"ndcg@{K}_women_minus_men", ndcg, values)
    return table


def at_cutoffs(evaluations: dict[str, Evaluation], cutoffs: list[int]) -> dict[str, Table]:
    """All metrics at these cutoffs: part of the split to model to metric to value."""
    names = [f"{metric}@{k}" for k in cutoffs for metric in METRICS]

    def chosen(evaluation: Evaluation) -> Table:
        return {model: {name: means[name] for name in names} for model, means in evaluation.means.items()}

    return {part: chosen(of) for part, of in evaluations.items()}


def report(metrics: dict[str, Table], *, knows_valid: bool) -> str:
    """Lines on the accuracy of each model by part of the split, and the `verdict`; from each part's `summary`."""
    known = f"Known of each user at test: train{' and validation' if knows_valid else ''}."
    lines = [
        f"{part:5}  {name:12}  NDCG@{K} {ndcg:.4f}  Recall@{K} {table[f'recall@{K}'][name]:.4f}"
        for part, table in metrics.items()
        for name, ndcg in table[f"ndcg@{K}"].items()
    ]
    return "\n".join([*lines, known, verdict(metrics["valid"][f"ndcg@{K}"])])


def verdict(ndcg: dict[str, float]) -> str:
    """A sentence on whether a baseline is ahead of `model`, from NDCG@20 on validation by model."""
    ahead = sorted((name for name, of in ndcg.items() if of > ndcg["model"]), key=ndcg.__getitem__, reverse=True)
    if not ahead:
        return "On validation, the model is ahead of all baselines."
    return f"On validation, the model is behind {' and '.join(ahead)}: on these data, prefer the simpler one."
