"""The arrays of a stored model in NumPy: a packed symmetric matrix, the interactions, and checks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_recommender import small

from movierec.model.stored import FOLLOWING, Edges, Rows, Symmetric, check_model, segment_sums
from movierec.utils.errors import UserError


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_a_packed_matrix_has_the_rows_and_products_of_the_whole(n, seed):
    rng = np.random.default_rng(seed)
    square = rng.normal(size=(n, n)).astype(np.float32)
    whole = square + square.T
    packed, x = Symmetric(whole[np.tril_indices(n)]), rng.normal(size=n).astype(np.float32)
    at = rng.integers(0, n, 3)
    assert packed.rows(at).tolist() == whole[at].tolist()
    assert packed.diagonal().tolist() == whole.diagonal().tolist()
    np.testing.assert_allclose(packed.product(x), whole @ x, atol=1e-4)
    packed.unpack()
    np.testing.assert_allclose(packed.product(x), whole @ x, atol=1e-4)


def test_the_edges_are_the_interactions_of_training_by_user_and_by_item():
    matrix = small().arrays.matrix()
    for rows, expected in zip(Edges.of(small().model_arrays), (matrix, matrix.T.tocsr()), strict=True):
        assert rows.indptr.tolist() == expected.indptr.tolist() and rows.columns.tolist() == expected.indices.tolist()
        assert rows.values.tolist() == expected.data.tolist()
        x = np.random.default_rng(0).normal(size=expected.shape[1])
        np.testing.assert_allclose(rows.product(x), expected @ x, atol=1e-5)


def test_the_entries_of_some_rows():
    rows = Rows(np.array([0, 2, 2, 5]), np.array([1, 3, 0, 1, 2]), np.arange(5, dtype=np.float32))
    entries, row = rows.entries(np.array([2, 1, 0, 2]))
    assert entries.tolist() == [2, 3, 4, 0, 1, 2, 3, 4] and row.tolist() == [0, 0, 0, 2, 2, 3, 3, 3]
    assert rows.product(np.array([1.0, 10, 100, 1000])).tolist() == [1000, 0, 2 + 30 + 400]


def test_sums_of_parts_of_which_some_are_empty():
    values = np.array([[1.0, 2], [3, 4], [5, 6]])
    assert segment_sums(values, np.array([0, 0, 2, 2, 3, 3])).tolist() == [[0, 0], [4, 6], [0, 0], [5, 6], [0, 0]]
    assert segment_sums(values[:0, 0], np.array([0, 0])).tolist() == [0]


@pytest.mark.parametrize("temporal", [False, True])
def test_a_model_is_what_the_schema_says(temporal):
    arrays = small(temporal).model_arrays
    check_model(arrays, "m.npz")
    following = {name for name in arrays if name.startswith(("next.", "trend.", "shares"))}
    assert following == (set(FOLLOWING) if temporal else set())


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("next.half_lives", lambda of: of[:-1], "next.origin does not fit the half-lives"),
        ("next.half_lives", lambda of: of * 0, "is not above 0"),
        ("next.up.weight", lambda of: of[:-1], "next.up.bias"),
        ("trend.times", lambda of: of[::-1], "trend.times does not rise"),
        ("trend.half_life", None, "it lacks 'trend.half_life'"),
        ("shares", lambda of: of[:1], "shares is"),
        ("run", lambda of: np.array([of]), "run or version is no text"),
    ],
)
def test_an_array_of_the_next_movie_model_that_does_not_fit_is_an_error(name, change, message):
    arrays = dict(small(temporal=True).model_arrays)
    arrays |= {"run": np.array(arrays["run"]), "version": np.array(arrays["version"])}
    arrays[name] = change and change(arrays[name])
    if change is None:
        del arrays[name]
    with pytest.raises(UserError, match=rf"^m\.npz is damaged \(.*{message}.*\); delete it"):
        check_model(arrays, "m.npz")
