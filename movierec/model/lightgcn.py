"""The graph model: LightGCN (He et al., SIGIR 2020) with cosine scores."""

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from movierec.model.graph import Graph, inverse_root_degree, weighted_sum
from movierec.utils.linear_algebra import singular_vectors

INITIAL_STD = 0.1  # of the entries of the embeddings


class LightGCN(nn.Module):
    """Embeddings of users and items, propagated over the graph.

        h0 = embedding,  h(l+1) = D^-1/2 A D^-1/2 h(l)      (eq. 3)
        h = mean of h0 ... hL                                (eq. 4, alpha = 1 / (L + 1))
        score(u, i) = cos(h_u, h_i) / temperature

    The paper scores with the dot product h_u . h_i and a pairwise loss; unit vectors and a temperature suit the softmax
    loss (`softmax`). In distributed training, a process has the embeddings of its own users and of all items.
    """

    BY_USER = ("user_embedding",)  # see `distributed.by_user`

    def __init__(self, graph: Graph, initial: tuple[Tensor, Tensor], n_layers: int):
        """`initial` is layer 0: users (n_users, dim) and items (n_items, dim), float32."""
        super().__init__()
        self.graph, self.n_layers = graph, n_layers
        self.user_embedding = nn.Parameter(initial[0][graph.first : graph.end].clone())
        self.item_embedding = nn.Parameter(initial[1].clone())

    def layer_0(self) -> tuple[Tensor, Tensor]:
        """The embeddings, before propagation."""
        return self.user_embedding, self.item_embedding

    def forward(self) -> tuple[Tensor, Tensor]:
        """Unit vectors, whose dot products are the cosines: users (n_users, dim), items (n_items, dim)."""
        h_user, h_item = sum_user, sum_item = self.layer_0()
        for _ in range(self.n_layers):
            h_user, h_item = self.graph.propagate(h_user, h_item)
            sum_user, sum_item = sum_user + h_user, sum_item + h_item
        return F.normalize(sum_user), F.normalize(sum_item)

    def item_messages(self) -> Tensor:
        """The messages of each item to its users, summed over the layers: (n_items, dim); see `fold_in`."""
        h_user, h_item = self.layer_0()
        out = torch.zeros_like(h_item)
        for _ in range(self.n_layers):
            out = out + h_item
            h_user, h_item = self.graph.propagate(h_user, h_item)
        return self.graph.from_items(out)


def fold_in(user_embedding: Tensor, item_messages: Tensor, rows: sp.csr_matrix) -> Tensor:
    """User vectors from any history, without training: the last propagation over these interactions.

    With the training interactions it gives the vectors of `LightGCN`. A disliked movie may have a negative weight.

    Args:
        user_embedding: layer 0, (n, dim); zeros for a new user.
        item_messages: (n_items, dim).
        rows: (n, n_items), interaction weights.
    """
    return F.normalize(user_embedding + weighted_sum(rows)(item_messages) * inverse_root_degree(abs(rows), axis=1))


def spectral_embeddings(train: sp.csr_matrix, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Initial embeddings: the leading singular vectors of D^-1/2 R D^-1/2, each times the root of its singular value.

    They are eigenvectors of the propagation operator, so that training starts near its end. Where the matrix has fewer
    than `dim` of them, small random columns fill up.

    Args:
        train: R, (n_users, n_items).
        dim: columns.
        seed: of the SVD's start and of the random columns.

    Returns:
        Users (n_users, dim) and items (n_items, dim), float32, with a standard deviation of `INITIAL_STD`.
    """
    rng = np.random.default_rng(seed)
    user_scale = 1 / np.sqrt(np.maximum(np.diff(train.indptr), 1))
    item_scale = 1 / np.sqrt(np.maximum(np.bincount(train.indices, minlength=train.shape[1]), 1))
    normalised = sp.diags(user_scale) @ train @ sp.diags(item_scale)
    rank = min(dim, *train.shape)
    left, values, right = singular_vectors(normalised, rank, seed)
    initial = np.concatenate([left, right.T]) * np.sqrt(values)  # (n_users + n_items, rank)
    initial *= INITIAL_STD / initial.std()
    filling = rng.normal(0, INITIAL_STD / 10, size=(initial.shape[0], dim - rank))
    both = torch.from_numpy(np.concatenate([initial, filling], axis=1).astype(np.float32))
    return both[: train.shape[0]], both[train.shape[0] :]
