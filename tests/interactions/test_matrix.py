"""Interaction matrices and weights."""

import numpy as np
import pandas as pd
import pytest

from movierec.interactions.matrix import item_degrees, rating_weights, to_csr


def test_a_matrix_has_sorted_rows():
    matrix = to_csr(pd.DataFrame({"user": [0, 2, 2], "item": [1, 3, 0]}), 4, 5)
    assert matrix.toarray().tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 0]]
    assert matrix.indices.tolist() == [1, 0, 3]
    assert matrix.dtype == np.float32


@pytest.mark.parametrize(
    ("weight", "expected"), [(0.5, [[0, 0, 0.5], [0.5, 0.5, 0]]), (np.array([1.5, 2, 3]), [[0, 0, 2], [3, 1.5, 0]])]
)
def test_a_matrix_has_one_weight_for_all_or_one_for_each(weight, expected):
    matrix = to_csr(pd.DataFrame({"user": [1, 0, 1], "item": [1, 2, 0]}), 2, 3, weight)
    assert matrix.toarray().tolist() == expected and matrix.dtype == np.float32


def test_every_item_has_its_degree():
    train = to_csr(pd.DataFrame({"user": [0, 1, 2, 2], "item": [1, 1, 1, 0]}), 3, 5)
    assert item_degrees(train).tolist() == [1, 3, 0, 0, 0]


@pytest.mark.parametrize(
    ("power", "expected"),
    [(0.0, [1, 1, 1]), (1.0, [0.75, 1, 1.25]), (2.0, [9 / 16, 1, 25 / 16]), (0.7, [0.75**0.7, 1, 1.25**0.7])],
)
def test_ratings_are_weighted_relative_to_their_mean(power, expected):
    ratings = np.array([3, 4, 5], np.float32)
    weights = rating_weights(ratings, power)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert weights.dtype == np.float32


def test_the_mean_may_be_of_other_ratings():
    train = np.array([3, 4, 5], np.float32)
    np.testing.assert_allclose(rating_weights(np.array([4, 1], np.float32), 1.0, train), [1, 0.25])
