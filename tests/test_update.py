"""An update takes ratings, users and movies into a trained model."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from small_recommender import ITEM_IDS, MOVIES, N_USERS, PARAMS, USER_IDS, interactions, small, write_small

from movierec.interactions.histories import Histories
from movierec.interactions.profiles import Profiles
from movierec.recommend.recommender import Recommender
from movierec.update import update
from movierec.utils.errors import UserError

TRAINED = interactions().assign(user=lambda of: USER_IDS[of["user"]], item=lambda of: ITEM_IDS[of["item"]])
TRAINED = TRAINED[["user", "item", "rating", "timestamp"]]
END = int(TRAINED["timestamp"].max())
NEW_USER, NEW_MOVIE = 111, 1040  # ids between those of training


def ratings(*rows):
    """Ratings as a table: UserID, MovieID, stars, time."""
    return pd.DataFrame(rows, columns=TRAINED.columns)


def titled(movies):
    """A table of items with the year in the title."""
    title = movies["Title"] + movies["Year"].map(lambda year: "" if pd.isna(year) else f" ({year})")
    return pd.DataFrame({"item": movies["MovieID"], "title": title, "genres": movies["Genres"]})


@pytest.fixture(params=[False, True], ids=["long-term", "following time"])
def models(request, tmp_path):
    """The folder of a trained model, which follows time or not."""
    (tmp_path / "models").mkdir()
    write_small(tmp_path / "models", small(request.param))
    return tmp_path / "models"


@pytest.fixture
def updated(models, tmp_path):
    """The recommender after an update with tables of ratings, each a folder, and perhaps of movies."""

    def updated(*tables, movies=None, said=None, **changes):
        folders = [tmp_path / f"new{number}" for number in range(len(tables))]
        for folder, table in zip(folders, tables, strict=True):
            folder.mkdir(exist_ok=True)
            table.to_csv(folder / "interactions.csv", index=False)
            if movies is not None:
                movies.to_csv(folder / "items.csv", index=False)
        params = PARAMS.model_copy(update=changes)
        say = (lambda text: None) if said is None else said.append
        update(folders, params, models, tmp_path / "updated", say=say)
        return Recommender.load(tmp_path / "updated")

    return updated


def history(recommender, user_id):
    """The MovieIDs of a user's history."""
    profile, _ = recommender.asking(recommender.users_of([user_id])[0], np.empty(0, int), None)
    return recommender.item_ids[profile.items].tolist()


@pytest.mark.parametrize("movies", [None, titled(MOVIES)], ids=["ratings alone", "with movies"])
def test_known_data_change_nothing(models, updated, movies):
    said, before = [], Recommender.load(models)
    after = updated(TRAINED, movies=movies, said=said)
    assert said[0] == "new: 0 ratings, 0 users, 0 movies"
    everyone = np.arange(N_USERS)  # as users with any history, where training knows another way to score its own
    expected, found = (of.model.scorer(of.profiles)(everyone) for of in (before, after))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert len(after.recommend(k=5)) == 5 * N_USERS
    pd.testing.assert_frame_equal(before.movies, after.movies, check_dtype=False)
    for likes in ([], [1003, 1006]):
        pd.testing.assert_frame_equal(before.recommend_new(likes), after.recommend_new(likes), check_dtype=False)


def test_new_ratings_extend_a_history_in_the_order_of_time(updated):
    user_id = int(USER_IDS[3])
    old = TRAINED["item"][TRAINED["user"] == user_id].tolist()
    new = [int(item) for item in ITEM_IDS if item not in old][:4]
    rows = zip([user_id] * 4, new, [5, 4, 1, 3], [END + 9, END + 5, END + 7, 1], strict=True)
    after = updated(ratings(*rows))
    found = history(after, user_id)
    if after.follows_time:
        assert found == [new[3], *old, new[1], new[0]], "the disliked one is not in it"
    else:
        assert sorted(found) == sorted([*old, new[0], new[1], new[3]])
    assert not set(new) & set(after.recommend(user_id, k=40)["MovieID"])
    assert after.n_rated(user_id) == len(old) + 4


def test_a_changed_rating_replaces_the_old_one(updated):
    user_id, item = (int(of) for of in TRAINED.iloc[0][["user", "item"]])
    said = []
    after = updated(ratings((user_id, item, 1, END)), said=said)
    assert said[0].startswith("new: 1 ratings") and item not in history(after, user_id)
    stars = after.rated[after.users_of([user_id])[0], after.items_of([item])[0]]
    assert stars == 1 and after.rated.nnz == len(TRAINED)


def test_the_rating_of_the_last_folder_counts(updated):
    user_id, item = (int(of) for of in TRAINED.iloc[0][["user", "item"]])
    rows = [ratings((user_id, item, stars, END)) for stars in (1, 2, 5)]
    after = updated(*rows)
    assert after.rated[after.users_of([user_id])[0], after.items_of([item])[0]] == 5


def test_a_new_user_is_folded_in(updated):
    likes = [int(of) for of in ITEM_IDS[[4, 8, 2]]]
    after = updated(ratings(*((NEW_USER, item, 4, END + place) for place, item in enumerate(likes))))
    assert after.user_ids.tolist() == sorted([*USER_IDS, NEW_USER])
    items, weight = after.items_of(likes), np.float32(4 / TRAINED["rating"].mean())
    matrix = np.zeros((1, len(after.item_ids)), np.float32)
    matrix[0, items] = weight
    histories = Histories(np.array([0, 3]), items.astype(np.int32), END + np.arange(3)).asked_at(END + 2)
    profiles = Profiles(sp.csr_matrix(matrix), histories, np.array([-1]), np.zeros((1, 2), np.int8))
    expected = after.model.scorer(profiles)(np.array([0]))[0]
    expected[items] = -torch.inf
    found = after.recommend(NEW_USER, k=5)
    np.testing.assert_allclose(found["Score"], expected.topk(5).values, rtol=1e-3, atol=1e-3)
    assert after.recommend(NEW_USER, k=2, because=True)["Because"].map(len).min() > 0


def test_a_new_movie_is_recommended_to_those_of_its_taste(updated):
    fans = [int(of) for of in USER_IDS[:16:2]]
    row = pd.DataFrame({"item": [NEW_MOVIE], "title": ["New Film, The (2001)"], "genres": ["War"]})
    after = updated(ratings(*((user, NEW_MOVIE, 5, END) for user in fans)), movies=row)
    assert after.title_of(NEW_MOVIE) == "The New Film (2001)"
    assert after.movies["Genres"][after.items_of([NEW_MOVIE])[0]] == "War"
    assert after.item_ids.tolist() == sorted([*ITEM_IDS, NEW_MOVIE])
    table = after.recommend(k=40)
    rank = table[table["MovieID"] == NEW_MOVIE].set_index("UserID")["Rank"]
    assert len(rank) == N_USERS - len(fans)
    assert rank[USER_IDS[16::2]].mean() < rank[USER_IDS[17::2]].mean()
    assert len(after.similar(NEW_MOVIE, k=3)) == 3
    assert NEW_MOVIE in set(after.similar(int(ITEM_IDS[0]), k=40)["MovieID"])


def test_a_movie_that_nobody_has_rated_comes_with_its_genres(updated):
    rows = pd.DataFrame({"item": [NEW_MOVIE, 1041], "title": ["A (1999)", "B (1999)"], "genres": ["War", ""]})
    disliked = ratings((int(USER_IDS[0]), 1041, 1, END))
    after = updated(disliked, movies=rows)
    assert NEW_MOVIE in after.item_ids and 1041 not in after.item_ids, "not one that is disliked alone"


def test_the_trend_takes_in_what_is_new(updated):
    after = updated(ratings(*((int(user), int(ITEM_IDS[5]), 4, END + 60) for user in USER_IDS)))
    if after.follows_time:
        assert after.model.trend.times[-1] == END + 60
        assert after.model.trend.half_life == small(True).stored.model.trend.half_life


@pytest.mark.parametrize("large", [False, True], ids=["text", "large numbers"])
def test_ids_of_any_kind(tmp_path, large):
    def named(ids):
        return 2**40 + np.array(ids) if large else np.array([f"x{number}" for number in ids], object)

    of = small()
    names = {"user_names": named(USER_IDS), "item_names": named(ITEM_IDS)}
    (tmp_path / "models").mkdir()
    write_small(tmp_path / "models", of._replace(catalogue=of.catalogue._replace(**names)))
    (tmp_path / "new").mkdir()
    user, item = named([NEW_USER])[0], named([NEW_MOVIE])[0]
    rows = ratings((user, item, 5, END), (user, named([ITEM_IDS[3]])[0], 5, END))
    rows.to_csv(tmp_path / "new/interactions.csv", index=False)
    update([tmp_path / "new"], PARAMS, tmp_path / "models", tmp_path / "updated", say=lambda text: None)
    after = Recommender.load(tmp_path / "updated")
    assert after.user_ids.tolist() == sorted([*names["user_names"], user])
    assert set(history(after, user)) == {item, named([ITEM_IDS[3]])[0]}
    assert len(after.recommend(user, k=3)) == 3 and len(after.recommend(names["user_names"][4], k=3)) == 3


def test_a_new_id_may_be_large(updated):
    after = updated(ratings((2**40, 1000, 5, END), (2**40 + 2**32, 1003, 5, END)))
    assert after.user_ids.tolist() == [*USER_IDS, 2**40, 2**40 + 2**32]
    assert history(after, 2**40 + 2**32) == [1003]


def test_errors_name_the_folder_and_the_way_out(models, updated, tmp_path):
    with pytest.raises(UserError, match="new0: UserID ann is text, but those of the model are whole numbers"):
        updated(ratings(("ann", 1000, 5, END)))
    with pytest.raises(UserError, match="nowhere holds no data set in a known layout"):
        update([tmp_path / "nowhere"], PARAMS, models, tmp_path / "updated")
    with pytest.raises(UserError, match="is the folder of the trained model"):
        update([tmp_path / "new0"], PARAMS, models, models)
    assert not (tmp_path / "updated").exists(), "nothing is half-written"
    updated(TRAINED)
    with pytest.raises(UserError, match="holds an updated model; update the trained one"):
        update([tmp_path / "new0"], PARAMS, tmp_path / "updated", tmp_path / "again")


def test_a_model_that_follows_time_needs_times(models, updated):
    rows = ratings((NEW_USER, 1000, 5, END)).drop(columns="timestamp")
    if Recommender.load(models).follows_time:
        with pytest.raises(UserError, match=r"interactions\.csv: no column has times"):
            updated(rows)
    else:
        assert history(updated(rows), NEW_USER) == [1000]


def test_rejected_rows_are_said(updated):
    said = []
    rows = [(int(USER_IDS[0]), int(item), 5, END + 1) for item in ITEM_IDS]
    updated(ratings(*rows, (100, 1000, 9, END)), said=said, max_rejected=0.5)
    assert any("ratings: 1 rows left out: Rating is not" in line for line in said)
