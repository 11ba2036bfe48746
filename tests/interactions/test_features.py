"""Side features by index."""

import numpy as np
import pandas as pd
import pytest

from movierec.interactions.features import (
    YEAR_SCALE,
    gender_features,
    genre_features,
    movies_by_index,
    placing_features,
)

MOVIES = pd.DataFrame({"MovieID": [5, 6, 7], "Genres": ["B|A", "", "C"], "Title": ["x", "y", "z"]})


def test_gender_is_female_male_or_unknown():
    users = pd.DataFrame({"UserID": [1, 2, 3], "Gender": ["F", "unknown", "M"]})
    features = gender_features(users, np.array([3, 1, 2, 9]))
    assert features.tolist() == [[0, 1], [1, 0], [0, 0], [0, 0]] and features.dtype == np.int8


@pytest.mark.parametrize(("item_ids", "expected"), [([5, 6], [[1, 1, 0], [0, 0, 0]]), ([7, 5], [[0, 0, 1], [1, 1, 0]])])
def test_genres_are_sorted_and_aligned_with_the_items(item_ids, expected):
    features, names = genre_features(MOVIES, np.array(item_ids))
    assert names == ["A", "B", "C"] and features.tolist() == expected and features.dtype == np.int8


def test_movies_without_any_genre_have_no_features():
    features, names = genre_features(MOVIES.assign(Genres=""), np.array([5, 6, 7]))
    assert names == [] and features.shape == (3, 0)


def test_movies_in_the_order_of_the_items():
    movies = movies_by_index(MOVIES, np.array([7, 5]))
    assert movies[["MovieID", "Title"]].to_numpy().tolist() == [[7, "z"], [5, "x"]]
    assert movies.index.tolist() == [0, 1]


def test_years_are_near_to_decades():
    years = pd.Series([1985, 1990, None, 2001], dtype="Int16")
    features = placing_features(np.array([[1], [0], [0], [1]], np.int8), years)
    assert features[:, 0].tolist() == [1, 0, 0, 1]
    near = features[:, 1:]  # the middles of the decades: 1985, 1995, 2005
    share = np.array([1, np.exp(-1), np.exp(-4)])
    np.testing.assert_allclose(near[0], YEAR_SCALE * share / share.sum())
    np.testing.assert_allclose(near[1, 0], near[1, 1])
    assert near[2].tolist() == [0, 0, 0] and near[3].argmax() == 2
    np.testing.assert_allclose(near[[0, 1, 3]].sum(axis=1), YEAR_SCALE)


def test_without_years_there_are_genres_alone():
    genres = np.array([[1, 0], [0, 1]], np.int8)
    assert placing_features(genres, pd.Series([None, None], dtype="Int16")).tolist() == genres.tolist()
