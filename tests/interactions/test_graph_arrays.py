"""The graph's arrays, in memory and stored."""

import numpy as np
import pytest
import scipy.sparse as sp

from movierec.interactions.graph_arrays import GraphArrays, graph_arrays
from movierec.utils.arrays import read_arrays, write_arrays


@pytest.fixture
def weighted(random_interactions):
    """Random weights, with a user and an item without interactions."""
    weights = random_interactions(9, 7).toarray() * np.random.default_rng(1).uniform(0.5, 2, (9, 7))
    weights[3], weights[:, 2] = 0, 0
    return sp.csr_matrix(weights.astype(np.float32))


def test_edges_go_in_both_directions_sorted_by_target_then_source(graph_of):
    arrays = graph_of(sp.csr_matrix(np.array([[2, 0, 1], [0, 0, 3]], np.float32)))
    edges = list(zip(arrays.source.tolist(), arrays.target.tolist(), arrays.weight.tolist(), strict=True))
    assert edges == [(2, 0, 2), (4, 0, 1), (4, 1, 3), (0, 2, 2), (0, 4, 1), (1, 4, 3)]
    assert arrays.degree.tolist() == [2, 1, 1, 0, 2]
    assert [a.dtype for a in arrays[:4]] == [np.int32, np.int32, np.float32, np.int32]


def test_the_matrices_are_those_of_the_interactions(weighted, graph_of):
    arrays = graph_of(weighted)
    assert arrays.matrix().toarray().tolist() == weighted.toarray().tolist()
    assert arrays.binary_matrix().toarray().tolist() == (weighted.toarray() > 0).tolist()
    for matrix in (arrays.matrix(), arrays.binary_matrix()):
        assert matrix.dtype == np.float32 and matrix.has_sorted_indices


def test_edges_are_sorted_for_any_graph(weighted, graph_of):
    arrays = graph_of(weighted)
    order = np.lexsort((arrays.source, arrays.target))
    assert (order == np.arange(2 * weighted.nnz)).all()
    assert (arrays.degree == np.bincount(arrays.target, minlength=16)).all()


def test_stored_arrays_come_back_and_have_the_same_bytes(tmp_path, weighted):
    gender, genres = np.eye(9, 2, dtype=np.int8), np.eye(7, 3, dtype=np.int8)
    arrays = graph_arrays(weighted, gender, genres)
    for name in ("a.npz", "b.npz"):
        write_arrays(tmp_path / name, **arrays._asdict())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    stored = GraphArrays.from_stored(read_arrays(tmp_path / "a.npz") | {"another": np.zeros(1)})
    assert (stored.n_users, stored.n_items) == (9, 7) and type(stored.n_users) is type(stored.n_items) is int
    for before, after in zip(arrays, stored, strict=True):
        np.testing.assert_array_equal(before, after)
        assert np.asarray(before).dtype == np.asarray(after).dtype
    assert (stored.matrix() != weighted).nnz == 0
