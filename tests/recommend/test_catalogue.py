"""The catalogue: from the clean tables, and as arrays."""

import numpy as np
import pandas as pd
import pytest
from small_recommender import ITEM_IDS, MOVIES, USER_IDS, small, updated

from movierec.recommend.catalogue import Catalogue
from movierec.recommend.stored_catalogue import StoredCatalogue


def again_of(arrays):
    return Catalogue.of_stored(StoredCatalogue(arrays))


def assert_same(one, other):
    """Both have the same content."""
    pd.testing.assert_frame_equal(one.movies, other.movies, check_dtype=False)
    for name in ("user_ids", "item_ids", "user_names", "item_names"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.rated.toarray(), other.rated.toarray())
    assert (one.profiles is None) == (other.profiles is None)
    if one.profiles:
        np.testing.assert_array_equal(one.profiles.matrix.toarray(), other.profiles.matrix.toarray())
        for field in one.profiles.histories._fields:
            np.testing.assert_array_equal(
                getattr(one.profiles.histories, field), getattr(other.profiles.histories, field)
            )
        assert one.profiles.users.tolist() == other.profiles.users.tolist()


@pytest.mark.parametrize("temporal", [False, True])
def test_arrays_hold_the_whole_catalogue(temporal):
    catalogue = small(temporal).catalogue
    arrays = catalogue.arrays()
    assert not [name for name, array in arrays.items() if np.asarray(array).dtype == object], "nothing to pickle"
    assert_same(again_of(arrays), catalogue)
    assert ("known.items" in arrays) == temporal


def test_an_unknown_year_stays_unknown():
    movies = again_of(small().catalogue.arrays()).movies
    assert movies["Year"].isna().tolist() == MOVIES["Year"].isna().tolist()
    assert movies["Year"].dtype == "Int16"


def test_ids_that_are_text_are_kept_beside_their_numbers():
    names = [np.array([f"{kind}-{number:04}" for number in of]) for kind, of in (("u", USER_IDS), ("i", ITEM_IDS))]
    catalogue = small().catalogue._replace(user_names=names[0], item_names=names[1])
    again = again_of(catalogue.arrays())
    assert_same(again, catalogue._replace(movies=MOVIES.assign(MovieID=names[1])))


def test_ids_that_are_large_numbers_are_kept_as_they_are():
    names = 2**62 + np.array(USER_IDS), 2**62 + np.array(ITEM_IDS)
    arrays = small().catalogue._replace(user_names=names[0], item_names=names[1]).arrays()
    again = again_of(arrays)
    assert arrays["user_names"].dtype == again.user_names.dtype == again.item_names.dtype == np.int64
    assert again.user_names.tolist() == names[0].tolist() and again.movies["MovieID"].tolist() == names[1].tolist()


def test_a_long_title_takes_its_own_size_alone():
    catalogue = small().catalogue
    long = catalogue.movies.assign(Title=["x" * 300_000, *catalogue.movies["Title"][1:]])
    sizes = [
        sum(np.asarray(of).nbytes for of in one.arrays().values())
        for one in (catalogue, catalogue._replace(movies=long))
    ]
    assert sizes[1] - sizes[0] == 300_000 - len(catalogue.movies["Title"][0])


USERS = pd.DataFrame({"UserID": [1, 2, 3], "Name": ["ann", "bob", "cy"]})
FILMS = pd.DataFrame({"MovieID": [5, 9], "Title": ["A", "B"], "Year": [1990, 1991], "Genres": ["", "War"]})
ROWS = [(3, 9, 4.5), (1, 5, 3.0), (3, 5, 1.0), (2, 5, 5.0), (1, 7, 2.0)]
RATINGS = pd.DataFrame(ROWS, columns=["UserID", "MovieID", "Rating"])
IDS = {"user_ids": np.array([1, 3]), "item_ids": np.array([5, 9])}


def test_the_catalogue_of_tables_has_the_ratings_of_its_users_and_movies():
    catalogue = Catalogue.from_tables(USERS[["UserID"]], FILMS, RATINGS, **IDS, profiles=None)
    assert catalogue.rated.toarray().tolist() == [[3.0, 0], [1.0, 4.5]]
    assert catalogue.rated.has_sorted_indices
    assert (catalogue.user_ids.tolist(), catalogue.item_ids.tolist()) == ([1, 3], [5, 9])
    assert (catalogue.user_names, catalogue.item_names, catalogue.profiles) == (None, None, None)
    assert catalogue.movies is FILMS


def test_the_catalogue_of_tables_has_the_names_of_its_users_and_movies():
    films = FILMS.assign(Name=["a-film", "b-film"])
    catalogue = Catalogue.from_tables(USERS, films, RATINGS, **IDS, profiles=None)
    assert catalogue.user_names.tolist() == ["ann", "cy"]
    assert catalogue.item_names.tolist() == catalogue.movies["MovieID"].tolist() == ["a-film", "b-film"]
    assert catalogue.user_names.dtype.kind == catalogue.item_names.dtype.kind == "O"


def test_users_after_training_are_told_from_those_of_training():
    catalogue = updated()
    again = again_of(catalogue.arrays())
    assert_same(again, catalogue)
    assert again.is_updated and again.profiles.gender.tolist() == catalogue.profiles.gender.tolist()
    assert not small(temporal=True).catalogue.is_updated
