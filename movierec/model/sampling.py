"""Samples of items for the softmax, with their inclusion probabilities."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from movierec.interactions.matrix import item_degrees
from movierec.utils.group import ALONE, Group

GROUP = 64  # users who share a sample


class Sample(NamedTuple):
    """Distinct items."""

    items: np.ndarray  # (k,) int64, ascending
    probability: np.ndarray  # (k,) float64, of being in a sample


def inclusion_probabilities(counts: np.ndarray, n: int) -> np.ndarray:
    """Probabilities of the items, ~ sqrt(count) and at most 1, that add up to n: (n_items,) float64."""
    wanted = np.sqrt(np.maximum(counts, 1.0))
    n = min(n, len(wanted))
    certain = np.zeros(len(wanted), bool)
    while True:  # items whose share exceeds 1 are certain, and the others share the rest
        rest = wanted[~certain].sum()
        share = wanted * ((n - certain.sum()) / rest if rest else 0)
        more = ~certain & (share >= 1)
        if not more.any():
            return np.where(certain, 1.0, share)
        certain |= more


class Sampler:
    """Samples for groups of a batch's users: half in-batch negatives, half drawn by popularity.

    In-batch negatives are as popular as the positives, and so the hardest. The others, drawn with replacement by the
    root of their popularity, bring in the long tail, without which the estimate would rest on a few items of great
    weight. Each group has its own sample: the error of one for the whole batch would not average out within a step.
    """

    def __init__(self, train: sp.csr_matrix, n: int, seed: int, group: Group = ALONE):
        """`train` is (n_users, n_items), of which a process keeps its own users' rows; `n`: most items in a sample."""
        degree = np.diff(train.indptr)
        self._per_user, self._drawn, self._seed, self._group = max(n // 2 // GROUP, 1), n - n // 2, seed, group
        # The probability that a random user contributes an item, and that one draw by popularity does.
        contributes = 1 - (1 - 1 / np.maximum(degree, 1)) ** self._per_user  # one of their own items, (n_users,)
        weight = np.repeat(contributes, degree)
        self._in_batch = np.bincount(train.indices, weight, minlength=train.shape[1]) / (degree > 0).sum()
        self._popular = np.sqrt(item_degrees(train) + 1.0)
        self._popular /= self._popular.sum()
        self._cumulative = np.cumsum(self._popular)
        self._first, self._end = group.user_range(train)
        self._own = train[self._first : self._end] if group.size > 1 else train

    def draw(self, batch: np.ndarray, step: int) -> list[Sample]:
        """A sample for each `GROUP` users of a batch; the last group may be smaller.

        Args:
            batch: (n,) users in random order, each with interactions.
            step: from 0; the same step gives the same samples.
        """
        rng = np.random.default_rng([self._seed, step])
        n_groups = -(-len(batch) // GROUP)
        place, popular = rng.random((len(batch), self._per_user)), rng.random((n_groups, self._drawn))
        here = np.flatnonzero((batch >= self._first) & (batch < self._end))
        rows = batch[here] - self._first
        begin, degree = self._own.indptr[rows], np.diff(self._own.indptr)[rows]
        own = self._own.indices[begin[:, None] + (place[here] * degree[:, None]).astype(np.int64)]  # (n here, per user)
        number, own = self._group.concat(here // GROUP), self._group.concat(own.astype(np.int64))
        popular = np.minimum(np.searchsorted(self._cumulative, popular), len(self._cumulative) - 1)
        samples = []
        for group in range(n_groups):
            in_batch = own[number == group]
            items = np.unique(np.concatenate([in_batch.ravel(), popular[group]]))
            missed = (1 - self._in_batch[items]) ** len(in_batch) * (1 - self._popular[items]) ** self._drawn
            samples.append(Sample(items, 1 - missed))
        return samples
