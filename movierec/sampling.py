"""Samples of items that stand for all of them in a softmax, with the probability that each had of being in it."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from movierec.interactions import users_of_items
from movierec.ranks import ALONE, Ranks

GROUP = 64  # users who share a sample


class Sample(NamedTuple):
    """Items, each once."""

    items: np.ndarray  # (k,) int64, ascending
    probability: np.ndarray  # (k,) float64, with which each is in a sample


def inclusion(counts: np.ndarray, n: int) -> np.ndarray:
    """With which probability each item is among the negatives, (n_items,): ~ sqrt(count), at most 1; they add up to n."""
    wanted = np.sqrt(np.maximum(counts, 1.0))
    n = min(n, len(wanted))
    sure = np.zeros(len(wanted), bool)
    while True:  # items whose share exceeds 1 are taken for sure, and the others share what is left
        rest = wanted[~sure].sum()
        share = wanted * ((n - sure.sum()) / rest if rest else 0)
        more = ~sure & (share >= 1)
        if not more.any():
            return np.where(sure, 1.0, share)
        sure |= more


class Sampler:
    """Negatives for groups of a batch's users: half of them the group's own items, half drawn by popularity.

    In-batch negatives are as popular as what is liked, and so the hardest; those drawn by the root of their popularity
    bring in the long tail, without which the estimate would rest on a few items of great weight; with replacement, since a
    draw for each item (`inclusion`) would cost as much as the catalogue is large. Each group has a
    sample of its own: what all users of a batch had in common would not average out within a step.
    """

    def __init__(self, train: sp.csr_matrix, n: int, seed: int, ranks: Ranks = ALONE):
        """
        Args:
            train: (n_users, n_items), the interactions.
            n: items per sample, at most.
            seed: of all samples.
            ranks: the processes that train together; each knows the items of its own users alone.
        """
        degree = np.diff(train.indptr)
        self._per_user, self._drawn, self._seed, self._ranks = max(n // 2 // GROUP, 1), n - n // 2, seed, ranks
        # How probable it is that a random user brings an item in, and that one draw by popularity does.
        brings = 1 - (1 - 1 / np.maximum(degree, 1)) ** self._per_user  # one of their own items, (n_users,)
        self._in_batch = np.bincount(train.indices, np.repeat(brings, degree), minlength=train.shape[1]) / (degree > 0).sum()
        self._popular = np.sqrt(users_of_items(train) + 1.0)
        self._popular /= self._popular.sum()
        self._cumulated = np.cumsum(self._popular)
        self._first, self._end = ranks.range_of(train)
        self._own = train[self._first : self._end] if ranks.size > 1 else train

    def draw(self, batch: np.ndarray, number: int) -> list[Sample]:
        """A sample for each `GROUP` users of a batch, the last of them maybe fewer.

        Args:
            batch: (n,) users in random order, each with interactions.
            number: of the step, from 0; the same number gives the same samples.
        """
        rng = np.random.default_rng([self._seed, number])
        n_groups = -(-len(batch) // GROUP)
        place, popular = rng.random((len(batch), self._per_user)), rng.random((n_groups, self._drawn))
        here = np.flatnonzero((batch >= self._first) & (batch < self._end))
        rows = batch[here] - self._first
        begin, degree = self._own.indptr[rows], np.diff(self._own.indptr)[rows]
        own = self._own.indices[begin[:, None] + (place[here] * degree[:, None]).astype(np.int64)]  # (n here, per user)
        group, own = (np.concatenate(self._ranks.each(part)) for part in (here // GROUP, own.astype(np.int64)))
        popular = np.minimum(np.searchsorted(self._cumulated, popular), len(self._cumulated) - 1)
        samples = []
        for number in range(n_groups):
            mine = own[group == number]
            items = np.unique(np.concatenate([mine.ravel(), popular[number]]))
            missed = (1 - self._in_batch[items]) ** len(mine) * (1 - self._popular[items]) ** self._drawn
            samples.append(Sample(items, 1 - missed))
        return samples
