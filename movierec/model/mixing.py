"""Weighted sums of the standardised scores of several models, with weights chosen on validation."""

import functools
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from movierec.ranking.metrics import rankable_users, user_metrics
from movierec.ranking.topk import DotScorer, Scorer, best_unseen, chunks

Weights = tuple[float, ...]
# Candidate weights of the graph model and the Gaussian processes over users and over items.
MIXES = (
    *((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.6, 0.2, 0.2)),
    *((0.4, 0.3, 0.3), (0.3, 0.4, 0.3), (0.3, 0.3, 0.4), (0.2, 0.4, 0.4)),
)
MIXES_OF_TWO = tuple((share, rest, 0.0) for share, rest in ((0.7, 0.3), (0.5, 0.5), (0.3, 0.7)))
MIXES_OF_TWO += tuple((share, 0.0, rest) for share, rest, _ in MIXES_OF_TWO)
NEXT_SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95, 1.0)  # of the next-movie model; the rest is the mix above
TREND_SHARES = (0.1, 0.2, 0.4, 0.7)  # of recent popularity


def standardised(scorer: Scorer) -> Scorer:
    """Each user's scores with mean 0 and deviation 1, so that those of different models can be added."""
    if isinstance(scorer, DotScorer) and len(scorer.h_user) > scorer.h_user.shape[1]:  # else the covariance costs more
        return scorer.standardised()

    def score(users: np.ndarray) -> Tensor:
        scores = scorer(users)
        deviation, mean = torch.std_mean(scores, dim=1, keepdim=True, correction=0)
        return (scores - mean).div_(deviation.clamp(min=1e-12))

    return score


def mixed_scorer(scorers: tuple[Scorer | None, ...], weights: Weights | np.ndarray) -> Scorer:
    """The weighted sum of the standardised scores; a model without a weight may be None.

    `weights` are (n_scorers,), the same for all users, or (n_users, n_scorers).
    """
    of_users = np.atleast_2d(np.asarray(weights, np.float32))
    columns = zip(scorers, torch.from_numpy(of_users.T.copy()).unsqueeze(2), strict=True)  # (n_users, 1) each
    used = [(standardised(scorer), weight) for scorer, weight in columns if scorer and weight.any()]

    def score(users: np.ndarray) -> Tensor:
        rows = torch.from_numpy(users if len(of_users) > 1 else np.zeros(1, int))
        parts = (scorer(users).mul_(weight[rows]) for scorer, weight in used)
        return functools.reduce(torch.Tensor.add_, parts)  # in place: a copy costs as much as the scores

    return score


def mix_quality(
    scorers: tuple[Scorer | None, ...], candidates: tuple[Weights, ...], train: sp.csr_matrix, valid: sp.csr_matrix
) -> dict[Weights, np.ndarray]:
    """Each user's validation NDCG@20 by the candidate weights whose models are there, (n,) each.

    Each model scores each user once.
    """
    candidates = tuple(w for w in candidates if all(of or not share for of, share in zip(scorers, w, strict=True)))
    users = rankable_users(valid, train)
    ranked = {weights: np.empty((len(users), 20), np.int32) for weights in candidates}
    standard = [scorer and standardised(scorer) for scorer in scorers]
    for at in chunks(len(users), train.shape[1]):
        batch = users[at]
        scores = [scorer(batch) if scorer else torch.empty(0) for scorer in standard]
        for weights in candidates:
            mixed: Any = sum(share * of for share, of in zip(weights, scores, strict=True) if share)
            ranked[weights][at] = best_unseen(mixed, train[batch], 20)[0]
    relevant = valid[users]
    return {weights: user_metrics(of, relevant, [20])["ndcg@20"] for weights, of in ranked.items()}


def choose_mix(scorers: tuple[Scorer | None, ...], train: sp.csr_matrix, valid: sp.csr_matrix) -> tuple[Weights, float]:
    """The weights of the graph model and the two Gaussian processes, and their validation NDCG@20; see `most_even`."""
    ndcg = mix_quality(scorers, MIXES if all(scorers) else MIXES + MIXES_OF_TWO, train, valid)
    weights = most_even(ndcg)
    return weights, float(ndcg[weights].mean())


def most_even(ndcg: dict[Weights, np.ndarray]) -> Weights:
    """The most even mix of those within a standard error of the best one; ndcg is each user's, (n,) by mix.

    An average of models depends the least on what is particular to validation. The rule is the one-standard-error rule
    of Breiman et al. (1984, sec. 3.4.3), with the error of the difference over users; equally even mixes go by NDCG.
    """
    means = _means(ndcg)
    top = max(means, key=means.__getitem__)

    def is_near(weights: Weights) -> bool:
        worse = ndcg[top] - ndcg[weights]
        return bool(worse.mean() <= worse.std() / np.sqrt(len(worse)))

    return min(filter(is_near, means), key=lambda weights: (max(weights), -means[weights]))


def choose_shares(scorers: tuple[Scorer, ...], train: sp.csr_matrix, valid: sp.csr_matrix) -> tuple[Weights, float]:
    """The best weights of long-term preference, the next-movie model, and one of the trends, and their NDCG@20."""
    n_trends = len(scorers) - 2
    without_trend = tuple((1 - share, share, *(0.0,) * n_trends) for share in NEXT_SHARES)
    ndcg = _means(mix_quality(scorers, without_trend, train, valid))
    base = max(ndcg, key=ndcg.__getitem__)
    with_trend = []
    for which in range(n_trends):
        for share in TREND_SHARES:
            of_trends = (share if other == which else 0.0 for other in range(n_trends))
            with_trend.append((*((1 - share) * weight for weight in base[:2]), *of_trends))
    ndcg |= _means(mix_quality(scorers, tuple(with_trend), train, valid))
    best = max(ndcg, key=ndcg.__getitem__)
    return best, ndcg[best]


def _means(of_users: dict[Weights, np.ndarray]) -> dict[Weights, float]:
    return {weights: float(values.mean()) for weights, values in of_users.items()}
