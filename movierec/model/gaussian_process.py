"""Similar users and similar items: a Gaussian process over each side of the graph.

The graph model compresses a user into one vector, and so captures best what many users share. A Gaussian process
compares a user with every other user, and an item with every other item. Its kernel has the cosines of two nodes'
histories (r, a scaled row of the interactions), vectors in the graph model h, and features f (gender; genres):

    K_ab = exp(history_weight (cos(r_a, r_b) - 1) + graph_weight (cos(h_a, h_b) - 1)
               + feature_weight (cos(f_a, f_b) - 1))

Over users, the posterior mean given the interactions Y is K (K + noise I)^-1 Y = Y - noise (K + noise I)^-1 Y
(Rasmussen and Williams 2006, eq. 2.25). Y is 0 at an unseen item, so that up to a factor, with P = (K + noise I)^-1,

    score(u, i) = - sum over users v who have i of P_uv y_v

Over items, the inverse is used as in EASE, which is this formula with the linear kernel R^T R:

    score(u, i) = - sum over items j that u has of y_j P_ji / P_ii

Scores of items in the history are meaningless and must be masked. With many nodes, see `nearest_neighbors`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from movierec.interactions.matrix import item_degrees
from movierec.model.graph import Graph, Sum, weighted_sum
from movierec.model.kernels import Nodes
from movierec.model.nearest_neighbors import LocalProcess, regress_new, regressions
from movierec.model.stored import Kernel, Powers
from movierec.ranking.topk import Scorer, linear_scorer
from movierec.utils.linear_algebra import invert_spd_
from movierec.utils.operations import exp_, product

CHUNK = 512  # rows at one time
USER_KERNEL = Kernel(history_weight=3.0, graph_weight=1.0, scale_power=-0.2)
ITEM_KERNEL = Kernel(history_weight=2.5, graph_weight=1.0, scale_power=-0.35)
# Of nodes with few interactions each.
SPARSE_USER_KERNEL = USER_KERNEL._replace(history_weight=2.0, graph_weight=2.0)
SPARSE_ITEM_KERNEL = ITEM_KERNEL._replace(history_weight=1.0, graph_weight=3.0)
# Chosen on validation: the noise rises while that helps. The first powers suit a random split, the others splits by
# time, where active users and popularity matter more.
USER_NOISES, USER_POWERS = (1.0, 3.0, 10.0, 30.0, 100.0), (Powers(0.0, 0.0), Powers(0.2, 0.0))
ITEM_NOISES, ITEM_POWERS = (0.3, 1.0, 3.0, 10.0, 30.0), (Powers(-0.5, 0.4), Powers(0.0, 0.1))
FEW = 3000  # nodes, up to which an inverse takes a fraction of a second, so that more are tried
# Of processes over many nodes. All are tried: the noises with the first powers, then the powers.
LOCAL_USER_NOISES, LOCAL_ITEM_NOISES = (0.3, 1.0), (1.0, 3.0, 10.0)
LOCAL_ITEM_POWERS = (Powers(-0.5, 0.5), Powers(-0.5, 0.6), *ITEM_POWERS)


Quality = Callable[..., float]  # of a scorer, or a process, on validation; `rough=True`: by fewer users


class Process(NamedTuple):
    """The fitted Gaussian process of one side."""

    inverse: Tensor  # P, (n, n) float32, symmetric
    powers: Powers
    kernel: Kernel


def degree_power(degree: np.ndarray, power: float) -> Tensor:
    """A power of degrees (n,), (n, 1) float32; a degree of 0 counts as 1."""
    return torch.from_numpy(np.maximum(degree, 1.0) ** power).float().unsqueeze(1)


def kernel_matrix(some: Nodes, nodes: Nodes, to_nodes: Sum, kernel: Kernel) -> Tensor:
    """K between some and all nodes of a side: (n_some, n) float32.

    Args:
        some: the rows of K.
        nodes: its columns.
        to_nodes: sums over the nodes' interactions, (m, k) to (n, k), which make products of histories.
        kernel: its hyperparameters.
    """
    degree = np.bincount(nodes.rows.indices, minlength=nodes.rows.shape[1])
    squared = degree_power(degree, 2 * kernel.scale_power)  # (m, 1)
    norm, some_norm = (
        torch.from_numpy(np.sqrt(of.rows.multiply(of.rows) @ squared.numpy())).clamp(min=1e-6) for of in (nodes, some)
    )  # (n, 1), (n_some, 1)
    f, some_f = (F.normalize(torch.from_numpy(of.features).float()) for of in (nodes, some))
    out = torch.empty(len(some.h), len(nodes.h))
    for begin in range(0, len(some.h), CHUNK):
        at = slice(begin, begin + CHUNK)
        links = torch.from_numpy(some.rows[at].toarray().T)  # (m, chunk)
        history = (to_nodes(links * squared) / norm).T / some_norm[at]  # (chunk, n)
        exponent = kernel.history_weight * (history - 1) + kernel.graph_weight * (product(some.h[at], nodes.h.T) - 1)
        if kernel.feature_weight:
            exponent += kernel.feature_weight * (product(some_f[at], f.T) - 1)
        out[at] = exp_(exponent)
    return out


def fit_process(
    matrix_of: Callable[[Kernel], Tensor],
    kernels: Sequence[Kernel],
    quality: Quality,
    *,
    noises: tuple[float, ...],
    powers: tuple[Powers, ...],
    rises: Callable[[Process, float], bool] = lambda process, noise: True,
) -> Process:
    """The inverse of K + noise I, with the kernel, the noise and the powers of the best quality.

    Args:
        matrix_of: K of a kernel, (n, n).
        kernels: all are tried.
        quality: on validation; more is better.
        noises: in rising order; the first that does not help ends the search.
        powers: all are tried with the first noise of a kernel, and the best is kept.
        rises: whether more noise than that of a process is worth a try.
    """
    found: list[tuple[float, Process]] = []  # the best of each kernel
    for kernel in kernels:
        matrix, candidates, best_quality = matrix_of(kernel), powers, -np.inf
        for noise in noises:
            inverse = matrix.clone()
            inverse.diagonal().add_(noise)
            invert_spd_(inverse)
            processes = [Process(inverse, choice, kernel) for choice in candidates]
            qualities = [quality(process) for process in processes]
            if max(qualities) <= best_quality:
                break
            best_quality = max(qualities)
            best = processes[qualities.index(best_quality)]
            candidates = (best.powers,)
            if not rises(best, noise):
                break
        found.append((best_quality, best))
    return max(found, key=lambda of: of[0])[1]


def fit_local_process(
    nodes: Nodes,
    kernel: Kernel,
    quality: Quality,
    sample: np.ndarray,
    *,
    noises: tuple[float, ...],
    powers: tuple[Powers, ...],
) -> LocalProcess:
    """The process over many nodes, with the noise and the powers of the best quality on validation.

    The regressions of a sample of the nodes, (n_sample,), choose the noise by a rough `quality`.
    """
    sampled = zip(regressions(nodes, kernel, noises, sample), noises, strict=True)
    tried = (LocalProcess(weights, powers[0], kernel, noise) for weights, noise in sampled)
    noise = max(tried, key=functools.partial(quality, rough=True)).noise
    (weights,) = regressions(nodes, kernel, (noise,))
    return max((LocalProcess(weights, choice, kernel, noise) for choice in powers), key=quality)


def fit_users(
    graph: Graph, h_user: Tensor, gender_weight: float, quality: Quality, *, sample: np.ndarray | None = None
) -> Process | LocalProcess:
    """The process over users, with the kernel, noise and powers of the best `quality` of scores.

    `sample`, (n,), are the users of a rough `quality`, for a process over many nodes; None for a dense one.
    """

    def rises(process: Process, noise: float) -> bool:
        scorers = noisier_user_scorer(graph, process, noise), user_scorer(graph, process)
        more, less = (quality(scorer, rough=True) for scorer in scorers)
        return more > less

    kernels = [of._replace(feature_weight=gender_weight) for of in (USER_KERNEL, SPARSE_USER_KERNEL)]
    users = Nodes(graph.matrix, h_user, graph.user_gender)
    scored = lambda process, **how: quality(user_scorer(graph, process), **how)  # noqa: E731
    if sample is not None:
        return fit_local_process(users, kernels[-1], scored, sample, noises=LOCAL_USER_NOISES, powers=USER_POWERS)
    few = len(h_user) <= FEW
    matrix_of = functools.partial(kernel_matrix, users, users, graph.to_users)
    noises = (0.3,) * few + USER_NOISES
    return fit_process(matrix_of, kernels[: 1 + few], scored, noises=noises, powers=USER_POWERS, rises=rises)


def fit_items(
    graph: Graph, h_item: Tensor, genre_weight: float, quality: Quality, *, sample: np.ndarray | None = None
) -> Process | LocalProcess:
    """The process over items; as `fit_users`. The `sample` is of items, some of all."""
    kernels = [of._replace(feature_weight=genre_weight) for of in (ITEM_KERNEL, SPARSE_ITEM_KERNEL)]
    items = Nodes(graph.matrix.T.tocsr(), h_item, graph.item_genres)
    scored = lambda process, **how: quality(item_scorer(graph, process), **how)  # noqa: E731
    if sample is not None:
        noises, powers = LOCAL_ITEM_NOISES, LOCAL_ITEM_POWERS
        return fit_local_process(items, kernels[-1], scored, sample, noises=noises, powers=powers)
    few = len(h_item) <= FEW
    matrix_of = functools.partial(kernel_matrix, items, items, graph.to_items)
    return fit_process(matrix_of, kernels[: 1 + few], scored, noises=ITEM_NOISES, powers=ITEM_POWERS)


def trained_messages(graph: Graph, process: Process | LocalProcess, users: np.ndarray) -> Tensor:
    """The message of each user to their items, about n users of training, -P y: (n_users, n) float32."""
    y = degree_power(np.diff(graph.matrix.indptr), process.powers.target)
    if isinstance(process, LocalProcess):
        return torch.from_numpy(process.weights[users].T.toarray()) * y
    return process.inverse[:, torch.from_numpy(users)] * -y


def folded_messages(graph: Graph, process: Process | LocalProcess, h_user: Tensor, some: Nodes) -> Tensor:
    """The message of each user to their items, about n users with any history, P K y: (n_users, n) float32.

    `h_user`, (n_users, dim), are the vectors of the users of training.
    """
    everyone = Nodes(graph.matrix, h_user, graph.user_gender)
    kernel = kernel_matrix(some, everyone, graph.to_users, process.kernel)  # (n, n_users)
    if isinstance(process, LocalProcess):
        weights = regress_new(process, everyone, kernel)
    else:
        weights = product(process.inverse, kernel.T)
    return weights * degree_power(np.diff(graph.matrix.indptr), process.powers.target)


def user_scorer(graph: Graph, process: Process | LocalProcess) -> Scorer:
    """Scores by similar users: a message from every user to their items, weighted by P."""
    if isinstance(process, LocalProcess):
        y = np.maximum(np.diff(graph.matrix.indptr), 1.0) ** process.powers.target
        messages = sp.csr_matrix(sp.diags(y) @ graph.matrix, dtype=np.float32)
        return linear_scorer(process.weights, messages)
    return lambda users: graph.to_items(trained_messages(graph, process, users)).T


def noisier_user_scorer(graph: Graph, process: Process, noise: float) -> Scorer:
    """Scores by similar users with twice the noise, approximately and up to a factor, without another inverse.

    The eigenvalues p of noise P are within 0 and 1, where p / (1 + p) is nearly p - p^2 / 2: so that
    (K + 2 noise I)^-1 = P (I + noise P)^-1 is nearly P - noise P^2 / 2.
    """
    y = degree_power(np.diff(graph.matrix.indptr), process.powers.target)

    def score(users: np.ndarray) -> Tensor:
        columns = process.inverse[:, torch.from_numpy(users)]
        return graph.to_items(product(process.inverse, columns).mul_(noise / 2).sub_(columns).mul_(y)).T

    return score


def folded_user_scorer(graph: Graph, process: Process | LocalProcess, h_user: Tensor, some: Nodes) -> Scorer:
    """Scores by similar users for users with any history, by index of `some`: K P Y; see `folded_messages`."""

    def score(users: np.ndarray) -> Tensor:
        chosen = Nodes(some.rows[users], some.h[torch.from_numpy(users)], some.features[users])
        return graph.to_items(folded_messages(graph, process, h_user, chosen)).T

    return score


def item_weights(graph: Graph, process: Process | LocalProcess, items: np.ndarray | None = None) -> Tensor:
    """The messages of some items (None: of all) to their users, about every item: (n, n_items) float32."""
    degree = item_degrees(graph.matrix)
    y, popularity = (degree_power(degree, power) for power in process.powers)  # (n_items, 1) each
    at = np.arange(graph.n_items) if items is None else items.astype(np.int64)
    if isinstance(process, LocalProcess):
        weights = torch.from_numpy(process.weights[:, at].T.toarray())
    else:
        weights = process.inverse[torch.from_numpy(at)] / -process.inverse.diagonal()
    return weights.mul_(y[torch.from_numpy(at)] * popularity.T)


def item_scorer(graph: Graph, process: Process | LocalProcess, rows: sp.csr_matrix | None = None) -> Scorer:
    """Scores by similar items: a message from every item in the history.

    `rows`, (n, n_items), are the interaction weights of histories; None for those of training.
    """
    if isinstance(process, LocalProcess):
        y, popularity = (np.maximum(item_degrees(graph.matrix), 1.0) ** power for power in process.powers)
        weights = sp.csr_matrix(sp.diags(y) @ process.weights.T @ sp.diags(popularity), dtype=np.float32)
        return linear_scorer(graph.matrix if rows is None else rows, weights)
    if rows is None:
        weights = item_weights(graph, process)
        return lambda users: graph.to_some_users(weights, users)
    items = np.unique(rows.indices)  # a few users have a few of the items
    weights, rows = item_weights(graph, process, items), rows[:, items]
    return lambda users: weighted_sum(rows[users])(weights)
