"""Singular vectors and the block inverse against NumPy's."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from movierec.utils.linear_algebra import invert_spd_, singular_vectors
from movierec.utils.operations import product


def test_singular_vectors_are_the_leading_ones():
    matrix = sp.random(30, 20, density=0.4, random_state=0, format="csr")
    left, values, right = singular_vectors(matrix, 3, seed=1, n_iter=20)
    expected_left, expected, expected_right = np.linalg.svd(matrix.toarray())
    np.testing.assert_allclose(values, expected[:3], rtol=1e-5)
    np.testing.assert_allclose(left @ right, expected_left[:, :3] @ expected_right[:3], atol=1e-4)
    assert left.dtype == right.dtype == np.float32


@pytest.mark.parametrize("n", [1, 5, 37, 64])
def test_the_block_inverse_is_the_inverse_in_place(n):
    a = np.random.default_rng(0).normal(size=(n, n))
    matrix = torch.from_numpy(a @ a.T + np.eye(n))
    expected = np.linalg.inv(matrix)
    assert invert_spd_(matrix, base=4) is matrix
    np.testing.assert_allclose(matrix, expected, atol=1e-9)


def test_a_part_of_a_matrix_is_inverted_and_the_rest_stays():
    a = np.random.default_rng(0).normal(size=(20, 20))
    whole = torch.from_numpy(a @ a.T + np.eye(20)).float()
    expected = whole.clone()
    expected[3:15, 3:15] = expected[3:15, 3:15].inverse()
    invert_spd_(whole[3:15, 3:15], base=4)
    torch.testing.assert_close(whole, expected, rtol=1e-3, atol=1e-5)
    assert whole.dtype == torch.float32


def test_the_inverse_has_the_same_bits_for_any_number_of_threads():
    a = torch.randn(700, 900, generator=torch.Generator().manual_seed(0))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(invert_spd_(product(a, a.T) / 900 + torch.eye(700)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)
