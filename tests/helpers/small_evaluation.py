"""Rankings of 40 users and 60 items by a random model and by a perfect one, evaluated."""

import functools
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from movierec.evaluation.measure import Evaluation, ground_truth, measure
from movierec.ranking.topk import DotScorer, Scorer, rank_all_users

N_USERS, N_ITEMS = 40, 60
GENRES = np.array([[1, 0], [0, 1]] * 30)


class Small(NamedTuple):
    """An evaluation and what it is made of."""

    evaluation: Evaluation
    train: Any  # (40, 60)
    test: Any  # (40, 60)
    scorers: dict[str, Scorer]


@functools.cache
def small() -> Small:
    """User 0 has no history, and user 1 no held-out item."""
    train, test = (np.random.default_rng(seed).random((N_USERS, N_ITEMS)) < 0.2 for seed in (0, 1))
    train[0] = False
    test &= ~train
    test[1] = False
    train, test = (sp.csr_matrix(of, dtype=np.float32) for of in (train, test))
    generator = torch.Generator().manual_seed(0)
    vectors = (torch.randn(n, 4, generator=generator) for n in (N_USERS, N_ITEMS))
    scorers = {"model": lambda users: torch.tensor(test[users].toarray()), "random": DotScorer(*vectors)}
    rankings = {name: {"after_train": rank_all_users(scorer, train)[0]} for name, scorer in scorers.items()}
    return Small(measure(ground_truth("after_train", test, train), rankings), train, test, scorers)
