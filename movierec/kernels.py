"""Users of like taste, and movies with a like public: a Gaussian process over each side of the graph.

The graph model knows a user as one vector, and so knows best what many users have in common. These two
parts know a user by all other users, and a movie by all other movies. How alike two of a side are is a
kernel of two cosines, of whom they are linked to (r, a row of the interactions, scaled), and of their
vectors in the graph model:

    K_ab = exp(history_weight (cos(r_a, r_b) - 1) + graph_weight (cos(h_a, h_b) - 1)
               + feature_weight (cos(f_a, f_b) - 1))

with f the features (gender; genres), which count where a param says so.

Over users, the posterior mean of a Gaussian process with that kernel, given the interactions Y, is
K (K + noise I)^-1 Y = Y - noise (K + noise I)^-1 Y (Rasmussen and Williams 2006, eq. 2.25). At an item
that u has not seen, Y is 0; so up to a factor, with P = (K + noise I)^-1,

    score(u, i) = - sum over users v who have i of P_uv y_v

Over items the same inverse is used as in EASE, which is this formula with the linear kernel R^T R:

    score(u, i) = - sum over items j that u has of y_j P_ji / P_ii

Scores of items that are in the history mean nothing, and must be masked.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F

from movierec.graph import Graph, weighted_sum
from movierec.interactions import users_of_items
from movierec.linear_algebra import invert_spd_
from movierec.ranking import Scorer

CHUNK = 512  # rows at one time


class Kernel(NamedTuple):
    """How alike two of a side are."""

    history_weight: float
    graph_weight: float
    scale_power: float  # in r, a link counts (degree of its other end) ^ this
    feature_weight: float = 0.0


class Powers(NamedTuple):
    """What the degrees do to the scores."""

    says: float  # y of a user or item is its degree ^ this: who likes everything may say little
    popularity: float  # the score of an item is multiplied by its degree ^ this


USER_KERNEL = Kernel(history_weight=3.0, graph_weight=1.0, scale_power=-0.2)
ITEM_KERNEL = Kernel(history_weight=2.5, graph_weight=1.0, scale_power=-0.35)
# What validation chooses from: noise rises as long as that helps. Of the powers, the first suits a random
# split, where an active user says little; the others one in time, where popularity says more.
USER_NOISES, USER_POWERS = (1.0, 3.0, 10.0, 30.0, 100.0), (Powers(-0.35, 0.0), Powers(0.0, 0.0), Powers(0.2, 0.0))
ITEM_NOISES, ITEM_POWERS = (0.3, 1.0, 3.0, 10.0, 30.0), (Powers(-0.5, 0.4), Powers(0.0, 0.1))


class Side(NamedTuple):
    """One side's fitted part."""

    inverse: torch.Tensor  # P, (n, n) float32, symmetric
    powers: Powers
    kernel: Kernel


class Nodes(NamedTuple):
    """Users, or items, as a kernel sees them."""

    rows: sp.csr_matrix  # (n, m), whom each is linked to, with the links' weights
    h: torch.Tensor  # (n, dim), unit vectors
    features: np.ndarray  # (n, n_features)


def degree_power(degree: np.ndarray, power: float) -> torch.Tensor:
    """degree ^ power, (n, 1) float32; a degree of 0 counts as 1."""
    return torch.from_numpy(np.maximum(degree, 1.0) ** power).float().unsqueeze(1)


def kernel_matrix(some: Nodes, nodes: Nodes, to_nodes: Callable, kernel: Kernel) -> torch.Tensor:
    """K between some and all of a side: (n_some, n) float32.

    Args:
        some: the rows of K.
        nodes: its columns.
        to_nodes: sums over their links, (m, k) to (n, k): the graph carries the products of histories, from
            a chunk of `some` to the other side and on to `nodes`.
        kernel: its numbers.
    """
    squared = degree_power(np.bincount(nodes.rows.indices, minlength=nodes.rows.shape[1]), 2 * kernel.scale_power)  # (m, 1)
    length, some_length = (
        torch.from_numpy(side.rows.multiply(side.rows) @ squared.numpy()).sqrt().clamp(min=1e-6) for side in (nodes, some)
    )  # (n, 1), (n_some, 1)
    f, some_f = (F.normalize(torch.from_numpy(side.features).float()) for side in (nodes, some))
    out = torch.empty(len(some.h), len(nodes.h))
    for begin in range(0, len(some.h), CHUNK):
        at = slice(begin, begin + CHUNK)
        links = torch.from_numpy(some.rows[at].toarray().T)  # (m, chunk)
        history = (to_nodes(links * squared) / length).T / some_length[at]  # (chunk, n)
        exponent = kernel.history_weight * (history - 1) + kernel.graph_weight * (some.h[at] @ nodes.h.T - 1)
        if kernel.feature_weight:
            exponent += kernel.feature_weight * (some_f[at] @ f.T - 1)
        torch.exp(exponent, out=out[at])
    return out


def fit_side(
    matrix: torch.Tensor,
    kernel: Kernel,
    scorer: Callable[[Side], Scorer],
    quality: Callable[[Scorer], float],
    noises: tuple[float, ...],
    powers: tuple[Powers, ...],
) -> Side:
    """Invert K + noise I, with the noise and the powers that rank best on validation.

    Args:
        matrix: K, (n, n).
        kernel: that it was made with.
        scorer: the scores that a side gives.
        quality: of scores, on validation; more is better.
        noises: in rising order; the first that does not help ends the search.
        powers: all are tried with the first noise, and the best of them is kept.
    """
    best, best_quality = None, -np.inf
    for noise in noises:
        inverse = matrix.clone()
        inverse.diagonal().add_(noise)
        invert_spd_(inverse)
        sides = [Side(inverse, choice, kernel) for choice in powers]
        qualities = [quality(scorer(side)) for side in sides]
        if max(qualities) <= best_quality:
            break
        best_quality = max(qualities)
        best = sides[qualities.index(best_quality)]
        powers = (best.powers,)
    return best


def fit_users(graph: Graph, h_user: torch.Tensor, gender_weight: float, quality: Callable[[Scorer], float]) -> Side:
    """The part that knows a user by other users; see `fit_side`."""
    kernel = USER_KERNEL._replace(feature_weight=gender_weight)
    users = Nodes(graph.matrix, h_user, graph.user_gender)
    return fit_side(kernel_matrix(users, users, graph.to_users, kernel), kernel, lambda side: user_scorer(graph, side), quality, USER_NOISES, USER_POWERS)


def fit_items(graph: Graph, h_item: torch.Tensor, genre_weight: float, quality: Callable[[Scorer], float]) -> Side:
    """The part that knows a movie by other movies; see `fit_side`."""
    kernel = ITEM_KERNEL._replace(feature_weight=genre_weight)
    items = Nodes(graph.matrix.T.tocsr(), h_item, graph.item_genres)
    return fit_side(kernel_matrix(items, items, graph.to_items, kernel), kernel, lambda side: item_scorer(graph, side), quality, ITEM_NOISES, ITEM_POWERS)


def trained_messages(graph: Graph, side: Side, users: np.ndarray) -> torch.Tensor:
    """What each user of training sends to the items that they have, about `users`, by -P: (n_users, n) float32."""
    return side.inverse[:, torch.from_numpy(users)] * -degree_power(np.diff(graph.matrix.indptr), side.powers.says)


def folded_messages(graph: Graph, side: Side, h_user: torch.Tensor, some: Nodes) -> torch.Tensor:
    """The same about users of any history, known from training or not, by P K, with K between them and those of training.

    Args:
        graph: of training.
        side: the fitted part.
        h_user: vectors of the users of training.
        some: whom the messages are about.
    """
    everyone = Nodes(graph.matrix, h_user, graph.user_gender)
    kernel = kernel_matrix(some, everyone, graph.to_users, side.kernel)  # (n, n_users)
    return (side.inverse @ kernel.T) * degree_power(np.diff(graph.matrix.indptr), side.powers.says)


def user_scorer(graph: Graph, side: Side) -> Scorer:
    """Scores by users of like taste: from every user a message to the items that they have, weighted by P."""
    return lambda users: graph.to_items(trained_messages(graph, side, users)).T


def folded_user_scorer(graph: Graph, side: Side, h_user: torch.Tensor, some: Nodes) -> Scorer:
    """The same for users of any history, by index of `some`: K P Y."""

    def score(users: np.ndarray) -> torch.Tensor:
        chosen = Nodes(some.rows[users], some.h[torch.from_numpy(users)], some.features[users])
        return graph.to_items(folded_messages(graph, side, h_user, chosen)).T

    return score


def item_weights(graph: Graph, side: Side, items: np.ndarray | None = None) -> torch.Tensor:
    """What some items, or all, send about every other to the users that have them: (n, n_items) float32."""
    degree = users_of_items(graph.matrix)
    says, popularity = degree_power(degree, side.powers.says), degree_power(degree, side.powers.popularity)  # (n_items, 1) each
    inverse = side.inverse
    if items is not None:
        at = torch.from_numpy(items.astype(np.int64))
        inverse, says = inverse[at], says[at]
    return (inverse / -side.inverse.diagonal()).mul_(says * popularity.T)


def item_scorer(graph: Graph, side: Side, rows: sp.csr_matrix | None = None) -> Scorer:
    """Scores by movies with a like public: from every item that a user has a message to that user, a row of weights.

    Args:
        graph: of training.
        side: the fitted part.
        rows: (n, n_items), the users' histories with the weight of each interaction; those of training if left out.
    """
    if rows is None:
        weights = item_weights(graph, side)
        return lambda users: graph.to_some_users(weights, users)
    items = np.unique(rows.indices)  # the histories of a few users hold a few
    weights, rows = item_weights(graph, side, items), rows[:, items]
    return lambda users: weighted_sum(rows[users])(weights)
