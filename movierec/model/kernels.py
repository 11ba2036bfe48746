"""What the Gaussian processes are made of: their nodes, kernels and powers."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from movierec.utils.operations import exp_, product


class Kernel(NamedTuple):
    """The hyperparameters of a kernel."""

    history_weight: float
    graph_weight: float
    scale_power: float  # in r, an interaction counts (degree of its other end) ^ this
    feature_weight: float = 0.0


class Powers(NamedTuple):
    """How the scores depend on degrees."""

    target: float  # y of a node is its degree ^ this: negative powers down-weight nodes with many interactions
    popularity: float  # an item's score is multiplied by its degree ^ this


class Nodes(NamedTuple):
    """Users, or items, as the kernel sees them."""

    rows: sp.csr_matrix  # (n, m), interaction weights
    h: Tensor  # (n, dim), unit vectors
    features: np.ndarray  # (n, n_features)


class UnitNodes:
    """Nodes whose histories, vectors and features have unit length, so that their products are cosines."""

    def __init__(self, nodes: Nodes, scale_power: float):
        degree = np.bincount(nodes.rows.indices, minlength=nodes.rows.shape[1])
        scaled = sp.csr_matrix(nodes.rows @ sp.diags(np.maximum(degree, 1.0) ** scale_power))
        norm = np.sqrt(np.asarray(scaled.multiply(scaled).sum(axis=1)).ravel()).clip(1e-6)
        self.rows = sp.csr_matrix(sp.diags(1 / norm) @ scaled, dtype=np.float32)
        self.h = nodes.h  # (n, dim)
        self.features = F.normalize(torch.from_numpy(nodes.features).float())

    def kernel_matrix(self, at: np.ndarray, kernel: Kernel) -> Tensor:
        """K among some nodes, (k, k) float32; see `gaussian_process`."""
        rows, index = self.rows[at], torch.from_numpy(at)
        h, features = self.h[index], self.features[index]
        exponent = torch.from_numpy((rows @ rows.T).toarray()).sub_(1).mul_(kernel.history_weight)
        exponent += kernel.graph_weight * (product(h, h.T) - 1)
        if kernel.feature_weight:
            exponent += kernel.feature_weight * (product(features, features.T) - 1)
        return exp_(exponent)
