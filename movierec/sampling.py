"""Samples of items that stand for all of them in a softmax, with the probability that each had of being in it."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from movierec.interactions import users_of_items
from movierec.ranks import ALONE, Ranks


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
    """Negatives of a batch: half of them the batch's own items, half drawn by popularity.

    In-batch negatives are as popular as what is liked, and so the hardest; those drawn by the root of their popularity
    bring in the long tail, without which the estimate would rest on a few items of great weight.
    """

    def __init__(self, train: sp.csr_matrix, n: int, seed: int, ranks: Ranks = ALONE):
        """
        Args:
            train: (n_users, n_items), the interactions.
            n: items per sample, about; at most.
            seed: of all samples.
            ranks: the processes that train together; each knows the items of its own users alone.
        """
        degree = np.diff(train.indptr)
        of_one_user = np.repeat(1 / np.maximum(degree, 1), degree)
        # How probable it is that a random item of a random user is this one.
        self._drawn = np.bincount(train.indices, of_one_user, minlength=train.shape[1]) / max((degree > 0).sum(), 1)
        self._wanted = inclusion(users_of_items(train), n - n // 2)
        self._n_in_batch, self._seed, self._ranks = n // 2, seed, ranks
        self._first, self._end = ranks.range_of(train)
        self._own = train[self._first : self._end] if ranks.size > 1 else train

    def draw(self, batch: np.ndarray, number: int) -> Sample:
        """The sample of a batch.

        Args:
            batch: (n,) users, in random order, each with interactions.
            number: of the step, from 0; the same number gives the same sample.
        """
        rng = np.random.default_rng([self._seed, number])
        asked = batch[: self._n_in_batch]
        place = rng.random(len(asked))
        here = (asked >= self._first) & (asked < self._end)
        rows = asked[here] - self._first
        begin, degree = self._own.indptr[rows], np.diff(self._own.indptr)[rows]
        in_batch = np.zeros(len(self._wanted), bool)
        in_batch[self._own.indices[begin + (place[here] * degree).astype(np.int64)]] = True
        chosen = self._ranks.any(in_batch) | (rng.random(len(self._wanted)) < self._wanted)
        items = np.flatnonzero(chosen)
        missed = (1 - self._drawn[items]) ** len(asked) * (1 - self._wanted[items])
        return Sample(items, 1 - missed)
