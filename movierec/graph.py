"""Messages over the bipartite user-item graph. The only file that imports DGL.

Vectors of users and of items go in and come out apart.
"""

import functools
import os
import warnings
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import torch

os.environ.setdefault("DGLBACKEND", "pytorch")
import dgl  # noqa: E402
import dgl.ops  # noqa: E402

from movierec.edges import GraphArrays, weighted_matrix  # noqa: E402
from movierec.ranks import ALONE, Ranks  # noqa: E402

MAX_VALUES = 16  # of the weights, up to which DGL carries the messages


class Graph:
    """Messages over the bipartite graph.

    On the CPU DGL carries them: its plain sum over edges is about four times faster than torch's sparse
    product. It is slow where each edge has a weight of its own; but ratings have ten values at most, and so the sum
    is made of one plain sum for each. DGL's wheels on PyPI have no CUDA, so on a GPU torch's sparse matrices carry the
    messages, and where weights have many values; both paths give the same numbers but for rounding.

    Where several processes train, each has the edges of its own users.
    """

    def __init__(self, arrays: GraphArrays, device: str = "cpu", use_dgl: bool | None = None, ranks: Ranks = ALONE):
        """
        Args:
            arrays: the graph.
            device: where tensors live.
            use_dgl: whether DGL sums the messages; by default on the CPU, where weights have few values.
            ranks: the processes that share it.
        """
        self.n_users, self.n_items, self.device, self.ranks = arrays.n_users, arrays.n_items, device, ranks
        self.user_gender, self.item_genres = arrays.user_gender, arrays.item_genres
        whole = weighted_matrix(arrays)  # (n_users, n_items)
        self.first, self.end = ranks.range_of(whole)  # of the users whose edges are here
        self.matrix = whole if ranks.size == 1 else whole[self.first : self.end]
        use_dgl = device == "cpu" and few_values(arrays.weight) if use_dgl is None else use_dgl
        self._one_way = dgl_sum if use_dgl else functools.partial(torch_sum, device=device)
        self._to_users, self._to_items = self._one_way(self.matrix), self._one_way(self.matrix.T.tocsr())
        self._user_scale, self._item_scale = node_scale(self.matrix, 1).to(device), node_scale(whole, 0).to(device)  # (n, 1) each

    def from_items(self, h_item: torch.Tensor) -> torch.Tensor:
        """What items send in a step of propagation: their vectors, (n_items, dim), scaled."""
        return h_item * self._item_scale

    def to_users(self, h_item: torch.Tensor) -> torch.Tensor:
        """Each user's sum over their items: (n_items, dim) float32 to (n_users, dim)."""
        return NeighborSum.apply(h_item, self._to_users, self._to_items)

    def to_some_users(self, h_item: torch.Tensor, users: np.ndarray) -> torch.Tensor:
        """The same for some users alone, without a gradient: (n_items, dim) to (n, dim)."""
        return self._one_way(self.matrix[users])(h_item)

    def to_items(self, h_user: torch.Tensor) -> torch.Tensor:
        """Each item's sum over its users: (n_users, dim) float32 to (n_items, dim)."""
        return self.ranks.sum(NeighborSum.apply(h_user, self._to_items, self._to_users))

    def propagate(self, h_user: torch.Tensor, h_item: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One step of h' = D^-1/2 A D^-1/2 h (LightGCN, eq. 3): users (n_users, dim) and items (n_items, dim), float32.

        Scaling nodes before and after a plain sum is about 15 times faster than weighting each edge.
        """
        return (
            self.to_users(self.from_items(h_item)) * self._user_scale,
            self.to_items(h_user * self._user_scale) * self._item_scale,
        )


def node_scale(rows: sp.csr_matrix, axis: int) -> torch.Tensor:
    """D^-1/2 of the nodes whose edges are summed along `axis`, (n, 1) float32.

    A node without edges gets no message: its scale does not matter, but must be finite.
    """
    return torch.from_numpy(np.asarray(rows.sum(axis=axis)).ravel()).float().clamp(min=1e-6).rsqrt().unsqueeze(1)


class NeighborSum(torch.autograd.Function):
    """Each node's sum over its neighbours on the other side; the gradient is the sum in the other direction."""

    @staticmethod
    def forward(ctx, h: torch.Tensor, there: Callable, back: Callable) -> torch.Tensor:
        ctx.back = back
        return there(h)

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        return ctx.back(grad), None, None


def one_way(rows: sp.csr_matrix) -> dgl.DGLGraph:
    """The graph whose edges go from columns to rows."""
    target = torch.from_numpy(np.repeat(np.arange(rows.shape[0], dtype=np.int32), np.diff(rows.indptr)))
    source = torch.from_numpy(rows.indices.astype(np.int32))
    return dgl.create_block((source, target), num_src_nodes=rows.shape[1], num_dst_nodes=rows.shape[0])


def few_values(weight: np.ndarray) -> bool:
    """Whether the weights, (n_edges,), have at most `MAX_VALUES` different values, as ratings in half stars have."""
    found = np.unique(weight[:: max(len(weight) // 10_000, 1)])  # most often enough to say no
    return len(found) <= MAX_VALUES and len(np.unique(weight)) <= MAX_VALUES


def dgl_sum(rows: sp.csr_matrix) -> Callable:
    """Weighted sums over each row's columns by DGL, a plain one for each value of the weights: (n_columns, dim) to (n_rows, dim)."""
    by_value = [(float(value), one_way(only(rows, value))) for value in np.unique(rows.data)]

    def total(h: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(rows.shape[0], h.shape[1])
        for value, block in by_value:
            out.add_(dgl.ops.copy_u_sum(block, h), alpha=value)
        return out

    return total


def only(rows: sp.csr_matrix, value: float) -> sp.csr_matrix:
    """The entries that have this value."""
    kept = rows.data == value
    indptr = np.concatenate([[0], np.cumsum(kept)])[rows.indptr]
    return sp.csr_matrix((rows.data[kept], rows.indices[kept], indptr), shape=rows.shape)


def weighted_sum(rows: sp.csr_matrix) -> Callable:
    """The same, each edge with its weight. Slower; for what is done once."""
    block, weight = one_way(rows), torch.from_numpy(rows.data).unsqueeze(1)
    return lambda h: dgl.ops.u_mul_e_sum(block, h, weight)


def torch_sum(rows: sp.csr_matrix, device: str) -> Callable:
    """The same by torch's sparse matrices."""
    matrix = sparse_tensor(rows, device)
    return lambda h: matrix @ h


def sparse_tensor(matrix: sp.csr_matrix, device: str) -> torch.Tensor:
    """A CSR matrix for torch."""
    indptr, indices = torch.from_numpy(matrix.indptr.astype(np.int64)), torch.from_numpy(matrix.indices.astype(np.int64))
    values = torch.from_numpy(matrix.data)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")
        return torch.sparse_csr_tensor(indptr, indices, values, size=matrix.shape, device=device, check_invariants=False)
