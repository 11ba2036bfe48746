"""Gaussian processes over many nodes: each node is regressed on its nearest neighbours.

The inverse of a dense process, P = (K + noise I)^-1, holds the regression of every node on all others: -P_ab / P_aa is
the weight of b in the posterior mean of a. With many nodes, the regression is on the k nearest ones, N (Vecchia, JRSS B
1988; Datta et al., Hierarchical Nearest-Neighbor Gaussian Process Models, JASA 2016):

    W_aN = K_aN (K_NN + noise I)^-1

which costs n k^3 in place of n^3, and n k numbers in place of n^2. With k = n - 1, both are the same.

The neighbours of a node are the most similar ones by K among candidates, which the nodes of a block have in common.
Blocks of similar nodes come from halving the nodes along the direction in which their vectors differ most. Candidates
are the nodes whose cosine with any node of the block exceeds that node's level the most; the level is the cosine with
about its 64th nearest node. Without levels, most candidates would be near the nodes in dense regions.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from movierec.model.kernels import Nodes, UnitNodes
from movierec.model.stored import NEIGHBORS, Kernel, Powers
from movierec.utils.operations import one_thread, product, thread_pool

CANDIDATES = 1024  # for a block
BLOCK = 64  # most nodes of a block
NEAREST = 8  # a node's level is the cosine with its 8th nearest among every 8th node, about its 64th nearest of all


class LocalProcess(NamedTuple):
    """The fitted Gaussian process of one side with many nodes."""

    weights: sp.csr_matrix  # W, (n, n) float32
    powers: Powers
    kernel: Kernel
    noise: float


def blocks(h: Tensor, size: int = BLOCK) -> Iterator[np.ndarray]:
    """The nodes of vectors h, (n, dim), in blocks of similar ones: index arrays, of at most `size`."""
    vectors, waiting = h.numpy(), [np.arange(len(h))]
    while waiting:
        nodes = waiting.pop()
        if len(nodes) <= size:
            yield nodes
            continue
        centred = vectors[nodes] - vectors[nodes].mean(axis=0)
        with one_thread():
            direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]
            in_order = nodes[np.argsort(centred @ direction, kind="stable")]
        waiting += [in_order[len(nodes) // 2 :], in_order[: len(nodes) // 2]]


def solve(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solutions x of A x = b for (n, k, k) and (n, k): (n, k). Each takes one thread."""
    parts = np.array_split(np.arange(len(matrices)), min(torch.get_num_threads(), len(matrices)))
    with one_thread():
        work = thread_pool(len(parts)).map
        return np.concatenate([*work(lambda at: np.linalg.solve(matrices[at], right[at, :, None])[:, :, 0], parts)])


def regressions(
    nodes: Nodes,
    kernel: Kernel,
    noises: tuple[float, ...],
    of: np.ndarray | None = None,
    *,
    n_neighbors: int = NEIGHBORS,
    candidates: int = CANDIDATES,
) -> list[sp.csr_matrix]:
    """W for each noise, (n, n) float32, with k weights in the rows of some nodes, (n_some,) in order; None for all."""
    unit, n = UnitNodes(nodes, kernel.scale_power), len(nodes.h)
    of = np.arange(n) if of is None else of
    k, candidates = min(n_neighbors, n - 1), min(candidates, n)
    neighbors = np.empty((len(of), k), np.int32)
    weights = np.empty((len(noises), len(of), k), np.float32)
    for rows in blocks(nodes.h[torch.from_numpy(of)]):
        block = of[rows]
        members = torch.from_numpy(block)
        cosine = product(nodes.h, nodes.h[members].T)  # (n, b)
        some = cosine[::NEAREST]
        level = torch.topk(some, min(NEAREST, len(some)), dim=0).values[-1]  # (b,)
        similarity = cosine.sub_(level).amax(dim=1)
        similarity[members] = torch.inf
        chosen = torch.topk(similarity, max(candidates, len(block))).indices.numpy()
        chosen = np.concatenate([block, np.setdiff1d(chosen, block)])
        matrix = unit.kernel_matrix(chosen, kernel)
        similar = matrix[: len(block)].clone().fill_diagonal_(-torch.inf)
        right, index = torch.topk(similar, k, dim=1)  # (b, k)
        neighbors[rows] = chosen[index.numpy()]
        among = matrix[index.unsqueeze(2), index.unsqueeze(1)]  # (b, k, k)
        for number, noise in enumerate(noises):
            noisy = among.clone()
            noisy.diagonal(dim1=1, dim2=2).add_(noise)
            weights[number, rows] = solve(noisy.numpy(), right.numpy())
    order = np.argsort(neighbors, axis=1)
    indptr = np.concatenate([[0], np.cumsum(np.isin(np.arange(n), of) * k)])
    indices = np.take_along_axis(neighbors, order, axis=1).ravel()
    in_order = (np.take_along_axis(of, order, axis=1).ravel() for of in weights)
    return [sp.csr_matrix((of, indices, indptr), shape=(n, n)) for of in in_order]


def regress_new(process: LocalProcess, everyone: Nodes, similar: Tensor) -> Tensor:
    """The weights of everyone in the posterior mean of new nodes, (n, n_new) float32.

    `similar`, (n_new, n), is the kernel between new nodes and everyone. A node that is its own nearest neighbour gives
    the others the weights of `regressions`, up to a factor.
    """
    unit, k = UnitNodes(everyone, process.kernel.scale_power), min(NEIGHBORS + 1, similar.shape[1])
    weights = torch.zeros(similar.shape[::-1])
    values, index = torch.topk(similar, k, dim=1)
    for column, (right, at) in enumerate(zip(values, index, strict=True)):
        among = unit.kernel_matrix(at.numpy(), process.kernel)
        among.diagonal().add_(process.noise)
        weights[at, column] = torch.from_numpy(solve(among[None].numpy(), right[None].numpy())[0])
    return weights
