"""The nodes of the Gaussian processes, and the kernel between them."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from movierec.model.stored import Kernel
from movierec.utils.operations import exp_, product


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
