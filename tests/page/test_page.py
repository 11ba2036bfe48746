"""The data in the page, against the recommender."""

import base64
import functools
import json
import re

import numpy as np
import pytest
from small_recommender import GENRES, ITEM_IDS, MOVIES, N_ITEMS, N_USERS, USER_IDS, movie_ids, small

from movierec.interactions.profiles import Profiles
from movierec.page import page as module
from movierec.page.page import BEST, NONE, ids_for_page, page
from movierec.recommend.catalogue import Catalogue
from movierec.recommend.reasons import REASONS, reasons_by_contribution
from movierec.recommend.recommender import Recommender

K = 5


@functools.cache
def html(temporal=False):
    recommender = small(temporal).recommender
    return page(recommender, recommender.recommend(k=K), N_USERS)


def data_of(text):
    """The JSON in a page."""
    (found,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def unpacked(text, dtype, *shape):
    """The array in base64."""
    return np.frombuffer(base64.b64decode(text), np.dtype(dtype).newbyteorder("<")).reshape(shape or -1)


def vectors_in(data, name):
    """The vectors, or the messages, as the page computes with them."""
    whole = unpacked(data[f"{name}s"], np.int8, N_ITEMS, data["dim"])
    return whole * unpacked(data[f"{name}_scales"], np.float32, N_ITEMS, 1)


def test_the_page_has_the_movies_of_the_catalogue(recommender):
    data = data_of(html())
    assert data["movie_ids"] == ITEM_IDS.tolist()
    assert data["titles"] == MOVIES["Title"].tolist()
    assert data["years"] == [0, *range(1981, 1980 + N_ITEMS)]
    assert data["genres"] == GENRES
    assert data["genre_names"] == ["Comedy", "Drama", "War"]
    assert data["liked_by"] == np.diff(recommender.model.graph.matrix.tocsc().indptr).tolist()


def test_the_page_has_the_users_with_their_favourites(recommender):
    data = data_of(html())
    assert data["user_ids"] == USER_IDS.tolist()
    assert data["genders"] == "FM" * (N_USERS // 2)
    assert unpacked(data["rated"], np.uint16).tolist() == [recommender.n_rated(int(user)) for user in USER_IDS]
    assert data["best_per_user"] == BEST
    best, stars = (unpacked(data[name], of, N_USERS, BEST) for name, of in (("best", np.uint16), ("stars", np.uint8)))
    for row, user_id in enumerate(USER_IDS):
        taste = recommender.taste(int(user_id), BEST)
        empty = BEST - len(taste)
        assert [ITEM_IDS[item] for item in best[row] if item != NONE] == taste["MovieID"].tolist()
        assert (best[row] == NONE).sum() == empty
        assert stars[row].tolist() == [*(2 * taste["Rating"]), *[0] * empty], "half stars"


def test_the_page_has_the_users_share_of_each_genre(recommender):
    data = data_of(html())
    shares = unpacked(data["genre_shares"], np.uint8, N_USERS, 3)
    for row, of_user in zip(shares, recommender.rated, strict=True):
        liked = of_user.indices[of_user.data >= 4]
        counts = [sum(name in GENRES[item].split("|") for item in liked) for name in data["genre_names"]]
        np.testing.assert_allclose(row, 100 * np.array(counts) / max(len(liked), 1), atol=0.5001)


def test_the_page_has_the_recommendations_with_the_reasons_of_the_model(recommender):
    data = data_of(html())
    assert (data["per_user"], data["reasons_per_movie"]) == (K, REASONS)
    items = unpacked(data["recommended"], np.uint16, N_USERS, K)
    assert ITEM_IDS[items].tolist() == recommender.recommend(k=K)["MovieID"].to_numpy().reshape(-1, K).tolist()
    reasons = unpacked(data["reasons"], np.uint16, N_USERS, K, REASONS)
    profiles = Profiles.without_order(recommender.model.graph.matrix)
    for user in range(N_USERS):
        expected = reasons_by_contribution(recommender.model, profiles.of(np.array([user])), items[user], True)
        found = [[item for item in of if item != NONE] for of in reasons[user]]
        assert found == [[item for item, _ in of] for of in expected]


def test_a_user_with_fewer_recommendations_has_empty_places():
    of = small()
    rated = of.catalogue.rated.tolil()
    rated[0], rated[0, 7] = 3, 0
    recommender = Recommender(of.stored, of.catalogue._replace(rated=rated.tocsr()))
    data = data_of(page(recommender, recommender.recommend(k=3), N_USERS))
    assert unpacked(data["recommended"], np.uint16, N_USERS, 3)[0].tolist() == [7, NONE, NONE]
    assert (unpacked(data["reasons"], np.uint16, N_USERS, 3, REASONS)[0, 1:] == NONE).all()


def test_a_page_without_recommendations_has_no_places(recommender):
    data = data_of(page(recommender, recommender.recommend(k=1).iloc[:0], N_USERS))
    assert (data["per_user"], data["recommended"], data["reasons"]) == (0, "", "")


@pytest.mark.parametrize("change", ["temporal", "large"])
def test_temporal_models_and_large_data_have_no_reasons(recommender, change, monkeypatch):
    if change == "large":
        monkeypatch.setattr(module, "MAX_CELLS", N_USERS * N_ITEMS - 1)
    of = small(temporal=change == "temporal").recommender
    data = data_of(page(of, of.recommend(k=K), N_USERS))
    assert (data["reasons_per_movie"], data["reasons"]) == (0, "")
    items = unpacked(data["recommended"], np.uint16, N_USERS, K)
    assert ITEM_IDS[items].ravel().tolist() == of.recommend(k=K)["MovieID"].tolist()


@pytest.mark.parametrize("name", ["vector", "message"])
def test_vectors_are_rounded_to_8_bits(recommender, name):
    model = recommender.model
    vectors = (model.h_item if name == "vector" else model.item_messages).numpy()
    found = vectors_in(data_of(html()), name)
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    assert (np.abs(found - vectors) <= largest / 127 / 2 * (1 + 1e-4)).all()
    np.testing.assert_allclose(np.abs(found).max(axis=1), largest.ravel(), rtol=1e-5)


def test_the_vectors_of_the_page_recommend_as_the_graph_model_does():
    """To a new user, as the script computes it: the sum of the messages of liked movies against the vectors."""
    of, data, liked = small(), data_of(html()), [3, 8, 20]
    by_graph = Recommender(of.stored._replace(model=of.stored.model._replace(mix=(1.0, 0.0, 0.0))), of.catalogue)
    scores = vectors_in(data, "vector") @ vectors_in(data, "message")[liked].sum(axis=0)
    scores[liked] = -np.inf
    expected = by_graph.recommend_new(movie_ids(*liked), k=10)["MovieID"].tolist()
    assert len(set(ITEM_IDS[np.argsort(-scores)[:10]]) & set(expected)) >= 9, "but for the rounding"


def test_more_users_than_the_most_are_thinned_evenly(recommender):
    table = recommender.recommend(k=K)
    whole, data = data_of(html()), data_of(page(recommender, table, 9))
    users = [USER_IDS.tolist().index(user_id) for user_id in data["user_ids"]]
    assert (len(users), users[0], users[-1]) == (9, 0, N_USERS - 1)
    assert np.ptp(np.diff(users)) <= 1
    for name in ("best", "stars", "recommended", "reasons", "rated", "genre_shares"):
        of_users, of_all = (unpacked(of[name], np.uint8, n, -1) for of, n in ((data, 9), (whole, N_USERS)))
        assert np.array_equal(of_users, of_all[users]), name
    assert data["genders"] == "".join(whole["genders"][user] for user in users)
    assert "9 of 50 users" in data["about"]
    assert "50 users" not in whole["about"]


TITLE = 'A <b>"film"</b> </script><script>alert(1)</script> {data} – ß 映画'


def test_no_title_ends_the_script():
    of = small()
    movies = MOVIES.assign(Title=[TITLE, *MOVIES["Title"][1:]])
    recommender = Recommender(of.stored, of.catalogue._replace(movies=movies))
    text = page(recommender, recommender.recommend(k=K), N_USERS)
    assert data_of(text)["titles"][0] == TITLE
    assert text.count("</script>") == html().count("</script>") == 2
    assert "alert(1)</script>" not in text
    assert "映画" in text, "readable in the file"


def test_ids_may_be_text():
    of = small()
    names = [np.array([f"{kind}{number}" for number in ids]) for kind, ids in (("u", USER_IDS), ("i", ITEM_IDS))]
    arrays = of.catalogue._replace(user_names=names[0], item_names=names[1]).arrays()
    recommender = Recommender(of.stored, Catalogue.from_arrays(arrays))
    data = data_of(page(recommender, recommender.recommend(k=K), N_USERS))
    assert (data["user_ids"], data["movie_ids"]) == (names[0].tolist(), names[1].tolist())
    numbers = data_of(html())
    same = set(data) - {"user_ids", "movie_ids"}
    assert {name: data[name] for name in same} == {name: numbers[name] for name in same}


def test_ids_that_javascript_would_round_are_text():
    ids = np.array([-(2**53), 1 - 2**53, 7, 2**53 - 1, 2**53, 2**53 + 1])
    expected = ["-9007199254740992", 1 - 2**53, 7, 2**53 - 1, "9007199254740992", "9007199254740993"]
    assert ids_for_page(ids) == expected
    assert ids_for_page(np.array(["007", "x"], object)) == ["007", "x"]


def test_weights_that_are_no_stars_are_not_shown_as_stars(recommender):
    of = small()
    weights = of.catalogue.rated.copy()
    weights.data = np.arange(1, weights.nnz + 1, dtype=np.float32)
    recommender = Recommender(of.stored, of.catalogue._replace(rated=weights))
    data = data_of(page(recommender, recommender.recommend(k=K), N_USERS))
    assert not unpacked(data["stars"], np.uint8).any()
    best = unpacked(data["best"], np.uint16, N_USERS, BEST)
    assert best[4, 0] == weights[4].indices[np.argmax(weights[4].data)]
    counts = [sum("War" in GENRES[item] for item in row.indices) / row.nnz for row in weights]
    shares = unpacked(data["genre_shares"], np.uint8, N_USERS, 3)[:, 2]
    np.testing.assert_allclose(shares, 100 * np.array(counts), atol=0.5001)  # all that is rated counts


def test_the_page_loads_nothing():
    template = html().split('<script id="data"')
    assert not re.search(r"(src|href)=|https?://|@import|url\(", template[0] + template[1].split("</script>", 1)[1])
