"""The scores for someone new, in a form that is small enough for a page.

The whole model compares someone new with every user. The page has three parts in its place:

    graph    cos(z, h_i), with z the sum of the messages of the movies, as in the model
    items    the model's messages from each movie to the movies where they are largest
    rest     a linear map of z, fitted to what these two leave of the whole model's scores

The rest is fitted on histories that are drawn from users' own, and compared with the whole model on others.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from movierec.interactions.profiles import Profiles
from movierec.model.model import Model
from movierec.ranking.topk import CHUNK, best_columns
from movierec.utils.linear_algebra import invert_spd_
from movierec.utils.operations import product

KEPT = 32  # messages of each movie; more change little
SIZES, CHECKED_SIZES = (2, 4, 8, 16, 32), (3, 10, 30)  # of the histories
PROFILES, CHECKED = 3000, 100  # histories that are fitted, and users that are checked, at most
RIDGE, FIRST = 1.0, 10


class Rounded(NamedTuple):
    """Vectors in 8 bits."""

    values: np.ndarray  # (n, dim) int8
    scales: np.ndarray  # (n, 1) float32, of a vector

    @classmethod
    def of(cls, vectors: np.ndarray) -> "Rounded":
        """From vectors (n, dim)."""
        scales = np.maximum(np.abs(vectors).max(axis=1, keepdims=True, initial=0), 1e-12) / 127
        return cls(np.rint(vectors / scales).astype(np.int8), scales.astype(np.float32))

    @property
    def vectors(self) -> np.ndarray:
        """As the page computes with them, (n, dim) float32."""
        return self.values * self.scales


class Newcomers(NamedTuple):
    """The three parts, and how near they come to the whole model."""

    vectors: Rounded  # h, (n_items, dim)
    messages: Rounded  # (n_items, dim), of which z is the sum
    kept: np.ndarray  # (n_items, k) int64: the movies that a movie has the largest messages to, in order
    weights: Rounded  # (n_items, k): these messages
    rest: Rounded  # (n_items, dim + 1), the last one a constant; no columns where the graph is the whole model
    mix: tuple[float, float]  # of graph and items
    agreement: float  # of the first `FIRST` movies, how many are the whole model's, too

    @classmethod
    def of(cls, model: Model, seed: int = 0) -> "Newcomers":
        """Of a trained model; of one that follows time, long-term preference."""
        kept, weights = largest_messages(model)
        vectors, messages = (Rounded.of(np.asarray(of)) for of in (model.h_item, model.item_messages))
        nothing = Rounded.of(np.empty((len(vectors.values), 0), np.float32))
        mix = (model.mix[0], model.mix[2])
        parts = cls(vectors, messages, kept, weights, rest=nothing, mix=mix, agreement=FIRST)
        if not (model.mix[1] or model.mix[2]):
            return parts
        generator, matrix = np.random.default_rng(seed), model.graph.matrix
        users = generator.permutation(np.flatnonzero(np.diff(matrix.indptr)))
        checked, fitted = np.split(users, [min(CHECKED, len(users) // 5)])
        drawn = histories(matrix, fitted[: PROFILES // len(SIZES)], SIZES, generator)
        parts = parts._replace(rest=Rounded.of(fitted_rest(parts, drawn, whole_scores(model, drawn))))
        others = histories(matrix, checked, CHECKED_SIZES, generator)
        return parts._replace(agreement=overlap(parts.scores(others), whole_scores(model, others), others))

    def scores(self, matrix: sp.csr_matrix) -> np.ndarray:
        """The scores of n histories as the page computes them: from (n, n_items) to (n, n_items) float32."""
        z, n = self.directions(matrix), matrix.shape[1]
        out = np.zeros(matrix.shape, np.float32)
        if self.rest.values.size:
            out += dot(z, self.rest.vectors[:, :-1]) + self.rest.vectors[:, -1]
        if self.mix[0]:
            out += self.mix[0] * standard(dot(z, self.vectors.vectors))
        if self.mix[1]:
            entries = (self.weights.vectors.ravel(), self.kept.ravel(), np.arange(n + 1) * self.kept.shape[1])
            out += self.mix[1] * standard((matrix @ sp.csr_matrix(entries, shape=(n, n))).toarray())
        return out

    def directions(self, matrix: sp.csr_matrix) -> np.ndarray:
        """z of n histories, unit vectors: (n, dim) float32."""
        z = matrix @ self.messages.vectors
        return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)


def largest_messages(model: Model) -> tuple[np.ndarray, Rounded]:
    """The movies that each movie has its largest messages to, and these messages, less a movie's mean: (n_items, k).

    A movie's messages are the scores of a user who has this movie alone.
    """
    n_items = model.graph.matrix.shape[1]
    k = min(KEPT, n_items) if model.mix[2] else 0
    kept, weights = np.empty((n_items, k), np.int64), np.empty((n_items, k), np.float32)
    single = sp.identity(n_items, np.float32, "csr")
    by_items = model.components(someone_new(single))[2] if k else None
    for begin in range(0, n_items if by_items else 0, CHUNK):
        rows = np.arange(begin, min(begin + CHUNK, n_items))
        messages = np.asarray(by_items(rows))  # type: ignore[misc]
        centred = messages - messages.mean(axis=1, keepdims=True)
        kept[rows] = np.sort(best_columns(torch.from_numpy(np.abs(centred)), k)[1].numpy(), axis=1)
        weights[rows] = np.take_along_axis(centred, kept[rows], axis=1)
    return kept, Rounded.of(weights)


def someone_new(matrix: sp.csr_matrix) -> Profiles:
    """Profiles of new users with these movies, (n, n_items)."""
    n = matrix.shape[0]
    return Profiles.without_order(matrix)._replace(users=np.full(n, -1), gender=np.zeros((n, 2), np.int8))


def histories(
    matrix: sp.csr_matrix, users: np.ndarray, sizes: tuple[int, ...], generator: np.random.Generator
) -> sp.csr_matrix:
    """Each user's history once for each size, thinned to so many movies: (n, n_items) of ones."""

    def rows() -> Iterator[np.ndarray]:
        for size in sizes:
            for user in users:
                items = matrix.indices[slice(*matrix.indptr[user : user + 2])]
                yield np.sort(generator.choice(items, min(size, len(items)), replace=False))

    drawn = [*rows()]
    indptr = np.cumsum([0, *map(len, drawn)])
    items = np.concatenate([np.empty(0, np.int32), *drawn])
    return sp.csr_matrix((np.ones(len(items), np.float32), items, indptr), shape=(len(drawn), matrix.shape[1]))


def whole_scores(model: Model, matrix: sp.csr_matrix) -> np.ndarray:
    """The long-term scores of the whole model for new users with these movies: (n, n_items) float32."""
    scorer, n = model._replace(next=None).scorer(someone_new(matrix)), matrix.shape[0]
    rows = (np.arange(begin, min(begin + CHUNK, n)) for begin in range(0, n, CHUNK))
    return np.concatenate([np.empty((0, matrix.shape[1]), np.float32), *(np.asarray(scorer(of)) for of in rows)])


def fitted_rest(parts: Newcomers, matrix: sp.csr_matrix, whole: np.ndarray) -> np.ndarray:
    """The linear map from z and a constant to what the parts leave of the whole scores, by ridge regression.

    Returns:
        (n_items, dim + 1) float64.
    """
    directions = parts.directions(matrix).astype(np.float64)
    z = torch.from_numpy(np.hstack([directions, np.ones((len(directions), 1))]))
    left = torch.from_numpy((whole - parts.scores(matrix)).astype(np.float64))
    covariance = product(z.T, z)
    covariance.diagonal().add_(RIDGE)
    return product(product(left.T, z), invert_spd_(covariance)).numpy()


def overlap(found: np.ndarray, whole: np.ndarray, seen: sp.csr_matrix) -> float:
    """How many of the `FIRST` unseen movies are the same by two scores, (n, n_items) each, on average."""
    mask = np.where(seen.toarray() > 0, -np.inf, 0)
    first, other = (np.argsort(-(of + mask), axis=1, kind="stable")[:, :FIRST] for of in (found, whole))
    same = [len(np.intersect1d(one, two)) for one, two in zip(first, other, strict=True)]
    return float(np.mean(same)) if same else 0.0


def standard(scores: np.ndarray) -> np.ndarray:
    """Scores with mean 0 and deviation 1 in each row."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    return centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-12)


def dot(z: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The dot products of (n, dim) and (n_items, dim): (n, n_items)."""
    return product(torch.from_numpy(z), torch.from_numpy(np.ascontiguousarray(vectors.T))).numpy()
