"""The arrays of a stored catalogue: what is read of them, and errors."""

import numpy as np
import pytest
from small_recommender import GENRES, ITEM_IDS, MOVIES, N_USERS, USER_IDS, small, updated

from movierec.recommend.stored_catalogue import StoredCatalogue
from movierec.utils.errors import UserError


def test_the_lists_and_rows_of_a_catalogue():
    catalogue = small(temporal=True).catalogue
    stored = StoredCatalogue(catalogue.arrays())
    assert (stored.titles.tolist(), stored.genres.tolist()) == (MOVIES["Title"].tolist(), GENRES)
    assert stored.years.tolist() == MOVIES["Year"].fillna(0).tolist()
    assert stored.arrays["rated.indices"][stored.row("rated", 4)].tolist() == catalogue.rated[4].indices.tolist()
    history = catalogue.profiles.histories.of(np.array([4])).items
    assert stored.arrays["known.items"][stored.row("known", 4)].tolist() == history.tolist()
    assert (stored.has_histories, stored.is_updated, StoredCatalogue(small().catalogue.arrays()).has_histories) == (
        True,
        False,
        False,
    )


def test_the_places_of_users_in_training():
    assert StoredCatalogue(small().catalogue.arrays()).places.tolist() == list(range(N_USERS))
    stored = StoredCatalogue(updated().arrays())
    assert stored.is_updated and stored.places[6:9].tolist() == [6, -1, 7]


WRAPPING = np.resize([2**62, -(2**63), -(2**62), 0], len(USER_IDS) + 1)  # its differences are positive, as they wrap
WRAPPING[[0, -1]] = 0, 450


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("known.indptr", lambda of: WRAPPING),
        ("known.indptr", lambda of: of[::-1]),
        ("known.items", lambda of: of + len(ITEM_IDS)),
        ("known.weight", lambda of: of * np.nan),
        ("rated.indptr", lambda of: WRAPPING),
        ("rated.indptr", lambda of: of * 0),
        ("rated.indptr", lambda of: of.astype(float)),
        ("rated.indices", lambda of: of.astype(np.int64) + 2**32),
        ("rated.indices", lambda of: of.astype(np.uint32)),
        ("rated.data", lambda of: of[:-1]),
        ("user_ids", lambda of: of[::-1]),
        ("item_ids", lambda of: of * 0),
        ("years", lambda of: of[:-1]),
        ("titles.ends", lambda of: of + 1),
        ("titles.utf8", lambda of: of | 128),
        ("user_names", lambda _: np.full(len(USER_IDS), np.nan)),
        ("item_names", lambda _: np.array([f"{item:02}" for item in range(len(ITEM_IDS))])),
    ],
)
def test_an_array_that_does_not_fit_is_named_in_one_line(name, change):
    arrays = small(temporal=True).catalogue.arrays()
    arrays[name] = change(arrays.get(name))
    what = name.split(".")[0]
    with pytest.raises(
        UserError, match=rf"^c\.npz is damaged \(.*(?:{what}|codec).*\); delete it and run `dvc repro`\.$"
    ):
        StoredCatalogue(arrays, "c.npz")


@pytest.mark.parametrize("wrong", [{3: 5}, {0: -2}, {49: 60}])
def test_indices_that_are_not_those_of_training_are_damage(wrong):
    arrays = updated().arrays()
    index = arrays["known.users"].copy()
    index[list(wrong)] = list(wrong.values())
    with pytest.raises(UserError, match="the catalogue is damaged"):
        StoredCatalogue(arrays | {"known.users": index})
