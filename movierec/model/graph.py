"""Message passing over the bipartite user-item graph; the only file that imports DGL.

Without DGL, or with DGL=off in the environment, torch sums the messages: the same bits.
"""

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

# DGL otherwise asks for its backend at the first import, and writes the answer to the home folder.
os.environ.setdefault("DGLBACKEND", "pytorch")
try:
    if os.environ.get("DGL") == "off":
        raise ImportError
    import dgl
    import dgl.ops
except ImportError:
    dgl = None

from movierec.interactions.graph_arrays import GraphArrays
from movierec.utils.group import ALONE, Group

MAX_VALUES = 16  # different edge weights, up to which each has an unweighted sum
Sum = Callable[[Tensor], Tensor]  # of each row's columns: (n_columns, dim) to (n_rows, dim)


class Graph:
    """Sums of messages over the graph, from items to users and back.

    DGL's weighted sum is slow on the CPU; as ratings have at most ten values, it is one unweighted sum for each. With
    many different weights, and on a GPU (DGL's wheels on PyPI have no CUDA), torch sums the messages.

    In distributed training, a process has the edges of its own users.
    """

    def __init__(self, arrays: GraphArrays, device: str = "cpu", group: Group = ALONE) -> None:
        """On the CPU, or on a GPU ("cuda")."""
        self.n_users, self.n_items, self.device, self.group = arrays.n_users, arrays.n_items, device, group
        self.user_gender, self.item_genres = arrays.user_gender, arrays.item_genres
        whole = arrays.matrix()  # (n_users, n_items)
        self.first, self.end = group.user_range(whole)  # the users whose edges are here
        self.matrix = whole if group.size == 1 else whole[self.first : self.end]
        self._few_values = device == "cpu" and _few_values(arrays.weight)
        self._to_users, self._to_items = self._sum_of(self.matrix), self._sum_of(self.matrix.T.tocsr())
        self._user_scale = inverse_root_degree(self.matrix, axis=1).to(device)  # (n_users, 1)
        self._item_scale = inverse_root_degree(whole, axis=0).to(device)  # (n_items, 1)

    def _sum_of(self, rows: sp.csr_matrix) -> Sum:
        return sum_by_value(rows) if self._few_values else weighted_sum(rows, self.device)

    def from_items(self, h_item: Tensor) -> Tensor:
        """The items' messages in a propagation step, D^-1/2 h: (n_items, dim)."""
        return h_item * self._item_scale

    def to_users(self, h_item: Tensor) -> Tensor:
        """Each user's sum over their items: (n_items, dim) float32 to (n_users, dim)."""
        return NeighborSum.apply(h_item, self._to_users, self._to_items)

    def to_some_users(self, h_item: Tensor, users: np.ndarray) -> Tensor:
        """`to_users` for n of the users, without a gradient: (n_items, dim) to (n, dim)."""
        return self._sum_of(self.matrix[users])(h_item)

    def to_items(self, h_user: Tensor) -> Tensor:
        """Each item's sum over its users: (n_users, dim) float32 to (n_items, dim)."""
        return self.group.sum(NeighborSum.apply(h_user, self._to_items, self._to_users))

    def propagate(self, h_user: Tensor, h_item: Tensor) -> tuple[Tensor, Tensor]:
        """One layer, h' = D^-1/2 A D^-1/2 h (LightGCN, eq. 3): users (n_users, dim) and items (n_items, dim), float32.

        The nodes are scaled before and after, so that the sums have the few weights of the ratings.
        """
        to_users = self.to_users(self.from_items(h_item)) * self._user_scale
        return to_users, self.to_items(h_user * self._user_scale) * self._item_scale


def inverse_root_degree(rows: sp.csr_matrix, axis: int) -> Tensor:
    """D^-1/2 of the nodes whose edges are summed along `axis`: (n, 1) float32, finite for isolated nodes."""
    return torch.from_numpy(np.asarray(rows.sum(axis=axis)).ravel()).float().clamp(min=1e-6).rsqrt().unsqueeze(1)


class NeighborSum(torch.autograd.Function):
    """The sum over each node's neighbours; its gradient is the sum in the other direction."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, forth: Sum, back: Sum) -> Tensor:
        """`forth` of h, whose gradient is `back`."""
        ctx.back = back
        return forth(h)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """See `forward`."""
        return ctx.back(grad), None, None


def _few_values(weight: np.ndarray) -> bool:
    """Whether the edge weights have at most `MAX_VALUES` different values, as half-star ratings have."""
    sample = weight[:: max(len(weight) // 10_000, 1)]  # usually enough for a no
    return len(np.unique(sample)) <= MAX_VALUES and len(np.unique(weight)) <= MAX_VALUES


def sum_by_value(rows: sp.csr_matrix) -> Sum:
    """Weighted sums as one unweighted sum for each value of the weights, by DGL if it is there."""
    sums = []
    for value in np.unique(rows.data):
        kept = rows.data == value
        indptr = np.concatenate([[0], np.cumsum(kept)])[rows.indptr]
        part = sp.csr_matrix((rows.data[kept], rows.indices[kept], indptr), rows.shape)
        sums.append((float(value), torch_sum(part) if dgl is None else dgl_sum(part)))

    def total(h: Tensor) -> Tensor:
        out = torch.zeros(rows.shape[0], h.shape[1])
        for value, unweighted in sums:
            out.add_(unweighted(h), alpha=value)
        return out

    return total


def dgl_sum(rows: sp.csr_matrix) -> Sum:
    """Unweighted sums by DGL, over a graph with an edge from column to row for each entry."""
    indptr, sources = (torch.from_numpy(of.astype(np.int32)) for of in (rows.indptr, rows.indices))
    edges = torch.arange(len(sources), dtype=torch.int32)  # its sums read their numbers: without them, they may crash
    by_target = ("csc", (indptr, sources, edges))  # where it sums; from pairs of nodes, it would keep these as well
    block = dgl.create_block(by_target, num_src_nodes=rows.shape[1], num_dst_nodes=rows.shape[0])
    return lambda h: dgl.ops.copy_u_sum(block, h)


def torch_sum(rows: sp.csr_matrix, weight: Tensor | None = None) -> Sum:
    """Sums by torch's `embedding_bag`: unweighted, or with a weight (n_entries,) for each edge."""
    indices, offsets = (torch.from_numpy(of.astype(np.int32)) for of in (rows.indices, rows.indptr))
    return lambda h: F.embedding_bag(
        indices, h, offsets, mode="sum", per_sample_weights=weight, include_last_offset=True
    )


def weighted_sum(rows: sp.csr_matrix, device: str | torch.device = "cpu") -> Sum:
    """Weighted sums, edge by edge."""
    cpu = torch.device(device).type == "cpu"
    return torch_sum(rows, torch.from_numpy(rows.data)) if cpu else sparse_sum(rows, device)


def sparse_sum(rows: sp.csr_matrix, device: str | torch.device) -> Sum:
    """Weighted sums by torch's sparse product, the fast way on a GPU."""
    indptr, indices = (torch.from_numpy(of.astype(np.int64)) for of in (rows.indptr, rows.indices))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")
        csr = (indptr, indices, torch.from_numpy(rows.data))
        matrix = torch.sparse_csr_tensor(*csr, rows.shape, device=device, check_invariants=False)
    return lambda h: matrix @ h
