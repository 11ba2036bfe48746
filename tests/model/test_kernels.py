"""Nodes of unit length against the dense kernel."""

import numpy as np
import pytest
import torch

from movierec.model.gaussian_process import USER_KERNEL, kernel_matrix
from movierec.model.graph import Graph
from movierec.model.kernels import Nodes, UnitNodes


@pytest.mark.parametrize("feature_weight", [0.0, 0.5])
def test_the_kernel_of_some_nodes_is_a_part_of_the_dense_one(random_interactions, graph_of, feature_weight):
    train, kernel = random_interactions(90, 70, density=0.2), USER_KERNEL._replace(feature_weight=feature_weight)
    train.data *= np.random.default_rng(1).uniform(0.5, 2, train.nnz).astype(np.float32)
    h = torch.nn.functional.normalize(torch.randn(90, 4, generator=torch.Generator().manual_seed(0)))
    users = Nodes(train, h, np.eye(2, dtype=np.int8)[np.arange(90) % 2])
    whole = kernel_matrix(users, users, Graph(graph_of(train)).to_users, kernel)
    at = np.array([7, 80, 3])
    found = UnitNodes(users, kernel.scale_power).kernel_matrix(at, kernel)
    torch.testing.assert_close(found, whole[torch.from_numpy(at)][:, torch.from_numpy(at)], atol=1e-5, rtol=0)
