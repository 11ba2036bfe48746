"""The graph model: LightGCN (He et al., SIGIR 2020) with cosine scores."""

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits
from torch import nn

from movierec.graph import Graph, node_scale, weighted_sum

START_SCALE = 0.1  # standard deviation of the embeddings' entries at the start


class LightGCN(nn.Module):
    """Embeddings of users and items, propagated over the graph.

        h0 = embedding,  h(l+1) = D^-1/2 A D^-1/2 h(l)      (eq. 3)
        h = mean of h0 ... hL                                (eq. 4, alpha = 1 / (L + 1))
        score(u, i) = cos(h_u, h_i) / temperature

    The paper scores with the dot product h_u . h_i and learns by pairwise ranking; unit vectors and a
    temperature go with the softmax over all items (`softmax`). Where several processes train, each has the embeddings
    of its own users and of all items.
    """

    BY_USER = ("user_embedding",)  # has a row for each user

    def __init__(self, graph: Graph, start: tuple[torch.Tensor, torch.Tensor], n_layers: int):
        """
        Args:
            graph: of the training interactions.
            start: layer 0 at the start, users (n_users, dim) and items (n_items, dim), float32.
            n_layers: steps of propagation.
        """
        super().__init__()
        self.graph, self.n_layers = graph, n_layers
        self.user_embedding, self.item_embedding = nn.Parameter(start[0][graph.first : graph.end].clone()), nn.Parameter(start[1].clone())

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit vectors, whose dot products are the cosines: users (n_users, dim), items (n_items, dim)."""
        h_user, h_item = sum_user, sum_item = self.user_embedding, self.item_embedding
        for _ in range(self.n_layers):
            h_user, h_item = self.graph.propagate(h_user, h_item)
            sum_user, sum_item = sum_user + h_user, sum_item + h_item
        return F.normalize(sum_user), F.normalize(sum_item)

    def item_messages(self) -> torch.Tensor:
        """What each item sends to its users, summed over the steps of propagation: (n_items, dim); see `fold_in`."""
        h_user, h_item = self.user_embedding, self.item_embedding
        out = torch.zeros_like(h_item)
        for _ in range(self.n_layers):
            out = out + h_item
            h_user, h_item = self.graph.propagate(h_user, h_item)
        return self.graph.from_items(out)


def fold_in(user_embedding: torch.Tensor, item_messages: torch.Tensor, rows: sp.csr_matrix) -> torch.Tensor:
    """Users' vectors from any history, without training: the last step of propagation, over these interactions.

    With the interactions of training it gives what `LightGCN` gives. A movie that someone dislikes may have a negative weight.

    Args:
        user_embedding: layer 0, (n, dim); zeros for someone new.
        item_messages: (n_items, dim).
        rows: (n, n_items), the weight of each interaction.

    Returns:
        (n, dim), unit vectors.
    """
    return F.normalize(user_embedding + weighted_sum(rows)(item_messages) * node_scale(abs(rows), axis=1))


def vectors_from_features(h: torch.Tensor, features: np.ndarray, wanted: np.ndarray) -> torch.Tensor:
    """Vectors of users or movies of which the features alone are known: two messages over a graph of features.

    A feature's vector is the mean over those that have it, and a newcomer's the mean of its features'
    vectors; one without any feature gets the mean of all.

    Args:
        h: unit vectors of the known, (n, dim).
        features: of the known, (n, n_features), 0 or 1.
        wanted: of the newcomers, (n_new, n_features), 0 or 1.

    Returns:
        (n_new, dim) float32, unit vectors.
    """
    has, asks = torch.from_numpy(features).float(), torch.from_numpy(wanted).float()
    per_feature = has.T @ h / has.sum(dim=0).clamp(min=1).unsqueeze(1)  # (n_features, dim)
    mean = asks @ per_feature / asks.sum(dim=1, keepdim=True).clamp(min=1)
    return F.normalize(torch.where(asks.any(dim=1, keepdim=True), mean, h.mean(dim=0)))


def spectral_start(train: sp.csr_matrix, dim: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Layer 0 from the leading singular vectors of D^-1/2 R D^-1/2, each times the root of its singular value.

    The propagation operator shares these vectors, so that training starts near its end. Where the
    matrix has fewer than `dim` of them, small random columns fill up.

    Args:
        train: R, (n_users, n_items).
        dim: columns wanted.
        seed: of the randomised SVD (Halko et al. 2011) and of the random columns.

    Returns:
        Users (n_users, dim) and items (n_items, dim), float32, with a standard deviation of `START_SCALE`.
    """
    rng = np.random.default_rng(seed)
    user_scale = 1 / np.sqrt(np.maximum(np.diff(train.indptr), 1))
    item_scale = 1 / np.sqrt(np.maximum(np.bincount(train.indices, minlength=train.shape[1]), 1))
    normalised = sp.diags(user_scale) @ train @ sp.diags(item_scale)
    rank = min(dim, min(train.shape))
    # One thread: LAPACK's factors depend on how many there are, and most of the time goes into sparse
    # products that use one anyway.
    with threadpool_limits(1):
        left, values, right = randomized_svd(normalised.astype(np.float32), rank, random_state=seed)
    start = np.concatenate([left, right.T]) * np.sqrt(values)  # (n_users + n_items, rank)
    start *= START_SCALE / start.std()
    filling = rng.normal(0, START_SCALE / 10, size=(start.shape[0], dim - rank))
    start = torch.from_numpy(np.concatenate([start, filling], axis=1).astype(np.float32))
    return start[: train.shape[0]], start[train.shape[0] :]
