"""What a graph model must beat to be worth its name: popularity, item-kNN, EASE."""

import numpy as np
import scipy.sparse as sp
import torch

from movierec.linear_algebra import invert_spd_
from movierec.ranking import Scorer

BASELINES = ("ease", "item_knn", "popularity")


def popularity(train: sp.csr_matrix) -> np.ndarray:
    """Interactions per item: (n_items,) float32."""
    return np.bincount(train.indices, minlength=train.shape[1]).astype(np.float32)


def item_knn(train: sp.csr_matrix, n_neighbors: int, shrinkage: float, chunk: int = 1024) -> sp.csr_matrix:
    """Cosine similarity between items, each with its nearest neighbours alone (Deshpande and Karypis 2004).

        similarity(i, j) = |users of both| / (sqrt(|users of i| |users of j|) + shrinkage)

    Args:
        train: (n_users, n_items).
        n_neighbors: kept for each item.
        shrinkage: makes little of what few users say.
        chunk: items at one time.

    Returns:
        (n_items, n_items) float32; a user's scores are history @ this.
    """
    n_items = train.shape[1]
    n_neighbors = min(n_neighbors, n_items - 1)
    root = np.sqrt(popularity(train))
    by_item = train.T.tocsr()
    blocks = []
    for begin in range(0, n_items, chunk):
        both = (by_item[begin : begin + chunk] @ train).toarray()
        similarity = both / (root[begin : begin + chunk, None] * root[None, :] + shrinkage + 1e-12)
        np.fill_diagonal(similarity[:, begin:], 0)
        if n_neighbors < 1:
            similarity[:] = 0
        else:  # of equal similarities, all at the edge stay: the order of items decides nothing
            edge = np.partition(similarity, n_items - n_neighbors, axis=1)[:, n_items - n_neighbors, None]
            similarity[similarity < edge] = 0
        blocks.append(sp.csr_matrix(similarity))
    return sp.vstack(blocks).T.tocsr().astype(np.float32)


def gram(train: sp.csr_matrix) -> np.ndarray:
    """How many users each two items share: (n_items, n_items) float64."""
    return np.asarray((train.T @ train).toarray(), dtype=np.float64)


def ease(gram_matrix: np.ndarray, regularisation: float) -> np.ndarray:
    """EASE (Steck, WWW 2019, eq. 8): the closed form of a linear autoencoder without self-similarity.

        P = (R^T R + lambda I)^-1,    B_ij = -P_ij / P_jj,  B_jj = 0

    Args:
        gram_matrix: R^T R, (n_items, n_items) float64; kept as it is.
        regularisation: lambda.

    Returns:
        B, (n_items, n_items) float32; a user's scores are history @ B.
    """
    inverse = torch.from_numpy(gram_matrix.copy())
    inverse.diagonal().add_(regularisation)
    invert_spd_(inverse)
    weights = (inverse / -inverse.diagonal()).float()
    return weights.fill_diagonal_(0).numpy()


def linear_scorer(history: sp.csr_matrix, weights: np.ndarray | sp.csr_matrix) -> Scorer:
    """Scores as history @ weights: (n_users, n_items) and (n_items, n_items)."""

    def score(users: np.ndarray) -> torch.Tensor:
        scores = history[users] @ weights
        return torch.from_numpy(scores.toarray() if sp.issparse(scores) else np.ascontiguousarray(scores))

    return score


def popularity_scorer(counts: np.ndarray) -> Scorer:
    """The same scores for everyone."""
    return lambda users: torch.from_numpy(counts).repeat(len(users), 1)


def baseline_scorers(arrays: dict[str, np.ndarray], history: sp.csr_matrix) -> dict[str, Scorer]:
    """The fitted baselines by name; EASE only where it was fitted.

    Args:
        arrays: `popularity`, the parts of `knn` (a CSR matrix), and `ease`, empty where it was left out.
        history: (n_users, n_items), what is known of each user.
    """
    n_items = history.shape[1]
    knn = sp.csr_matrix((arrays["knn_data"], arrays["knn_indices"], arrays["knn_indptr"]), shape=(n_items, n_items))
    scorers = {"ease": linear_scorer(history, arrays["ease"])} if arrays["ease"].size else {}
    return scorers | {"item_knn": linear_scorer(history, knn), "popularity": popularity_scorer(arrays["popularity"])}
