"""The data in the page, and what the page computes from them, against the recommender."""

import base64
import functools
import json
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from small_recommender import (
    GENRES,
    ITEM_IDS,
    MOVIES,
    N_ITEMS,
    N_USERS,
    USER_IDS,
    movie_ids,
    one_of,
    small,
    with_catalogue,
    with_model,
)

from movierec.interactions.profiles import Profiles
from movierec.page import newcomers
from movierec.page.newcomers import FIRST, Newcomers
from movierec.page.page import BEST, LEVELS, NONE, gaps, ids_for_page, of_stars, packed, page
from movierec.recommend.ranker import DISLIKE
from movierec.recommend.reasons import reasons_by_contribution
from movierec.recommend.reranking import POOL, diversify

K = 5
ON_MAP = 30
PLACES = pd.DataFrame(np.random.default_rng(5).normal(size=(ON_MAP, 2)), columns=["x", "y"]).assign(item=range(ON_MAP))


def html_of(recommender, table=None, n_users=N_USERS):
    return page(recommender, recommender.recommend(k=K) if table is None else table, PLACES, n_users)


@functools.cache
def html(temporal=False):
    return html_of(small(temporal).recommender)


def data_of(text):
    """The JSON in a page."""
    (found,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def unpacked(text, dtype, *shape):
    """The array in base64."""
    return np.frombuffer(base64.b64decode(text), np.dtype(dtype).newbyteorder("<")).reshape(shape or -1)


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """The page in a browser, with all messages of each movie, so that only rounding differs from the library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(newcomers, "KEPT", N_ITEMS)
        text = html_of(small().recommender)
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(text, encoding="utf-8")
    tab = browser.new_page()
    tab.goto(path.as_uri())
    return tab


def history(likes, dislikes=()):
    """Someone new: (1, n_items)."""
    row = np.zeros((1, N_ITEMS), np.float32)
    row[0, list(likes)], row[0, list(dislikes)] = 1, DISLIKE
    return sp.csr_matrix(row)


def test_the_page_has_the_movies_of_the_catalogue(recommender):
    data = data_of(html())
    assert data["movie_ids"] == ITEM_IDS.tolist()
    assert data["titles"] == MOVIES["Title"].tolist()
    assert data["years"] == [0, *range(1981, 1980 + N_ITEMS)]
    assert data["genres"] == GENRES
    assert data["liked_by"] == np.diff(recommender.model.graph.matrix.tocsc().indptr).tolist()


def test_the_page_has_the_users_with_their_favourites(recommender):
    data = data_of(html())
    assert data["user_ids"] == USER_IDS.tolist()
    assert unpacked(data["rated"], np.uint16).tolist() == [recommender.n_rated(int(user)) for user in USER_IDS]
    assert data["best_per_user"] == BEST
    best, stars = (unpacked(data[name], of, N_USERS, BEST) for name, of in (("best", np.uint16), ("stars", np.uint8)))
    for row, user_id in enumerate(USER_IDS):
        taste = recommender.taste(int(user_id), BEST)
        empty = BEST - len(taste)
        assert [ITEM_IDS[item] for item in best[row] if item != NONE] == taste["MovieID"].tolist()
        assert (best[row] == NONE).sum() == empty
        assert stars[row].tolist() == [*(2 * taste["Rating"]), *[0] * empty], "half stars"


def test_nothing_of_a_user_but_ratings_is_in_the_page():
    assert "gender" not in json.dumps({**data_of(html()), "about": ""})


def test_gaps_are_bytes_that_may_go_on():
    items, counts = np.array([0, 1, 129, 258, 1000, 3, 19999, 2]), np.array([5, 0, 2, 1, 0])
    expected = [0, 0, 127, 128, 1, 128 | 741 & 127, 741 >> 7, 3]
    expected += [128 | 19995 & 127, 128 | 19995 >> 7 & 127, 19995 >> 14, 2]
    assert gaps(items, counts).tolist() == expected
    assert gaps(np.empty(0, int), np.zeros(3, int)).tolist() == []


def test_the_browser_reads_gaps(opened):
    items, counts = np.array([0, 1, 129, 258, 1000, 3, 19999, 2]), np.array([5, 0, 2, 1, 0])
    asked = [packed(gaps(items, counts)), counts.tolist()]
    assert opened.evaluate("([text, counts]) => [...fromGaps(text, counts)]", asked) == items.tolist()


def test_the_browser_reads_the_histories_and_the_messages_of_each_movie(opened, recommender):
    matrix = recommender.model.graph.matrix
    for user in range(N_USERS):
        found = opened.evaluate("user => [...historyOfUser(user)]", user)
        assert dict(found) == pytest.approx(dict(zip(matrix[user].indices.tolist(), matrix[user].data)), rel=1e-6)
    kept = opened.evaluate("() => [...kept()]")
    assert kept == list(range(N_ITEMS)) * N_ITEMS


def test_many_weights_of_a_history_are_few_levels(recommender):
    of = small(temporal=True)
    matrix = of.stored.model.graph.matrix.copy()
    matrix.data = np.random.default_rng(0).random(matrix.nnz).astype(np.float32)
    many = with_catalogue(of, profiles=of.catalogue.profiles._replace(matrix=matrix))
    data = data_of(html_of(many, recommender.recommend(k=1)))
    assert len(data["levels"]) == LEVELS and data["levels"] == sorted(data["levels"])
    counts = unpacked(data["history_counts"], np.uint16, N_USERS, LEVELS)
    assert counts.sum(axis=1).tolist() == np.diff(matrix.indptr).tolist()
    assert (counts.sum(axis=0) > 0).all()


def test_the_page_has_the_recommendations(recommender):
    data = data_of(html())
    assert data["per_user"] == K
    items = unpacked(data["recommended"], np.uint16, N_USERS, K)
    assert ITEM_IDS[items].tolist() == recommender.recommend(k=K)["MovieID"].to_numpy().reshape(-1, K).tolist()


def test_a_user_with_fewer_recommendations_has_empty_places():
    of = small()
    rated = of.catalogue.rated.tolil()
    rated[0], rated[0, 7] = 3, 0
    recommender = with_catalogue(of, rated=rated.tocsr())
    data = data_of(html_of(recommender, recommender.recommend(k=3)))
    assert unpacked(data["recommended"], np.uint16, N_USERS, 3)[0].tolist() == [7, NONE, NONE]


def test_a_page_without_recommendations_has_no_places(recommender):
    data = data_of(html_of(recommender, recommender.recommend(k=1).iloc[:0]))
    assert (data["per_user"], data["recommended"]) == (0, "")


def test_the_page_has_the_places_of_the_map():
    data = data_of(html())
    assert unpacked(data["map_movies"], np.uint16).tolist() == PLACES["item"].tolist()
    places, expected = unpacked(data["map_places"], np.float32, ON_MAP, 2), PLACES[["x", "y"]].to_numpy()
    assert (places.min(), places.max()) == (0, 1)
    size = np.ptp(expected, axis=0).max()
    np.testing.assert_allclose(places * size + expected.min(axis=0), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({3: 3, 4: 4, 5: 5}, [DISLIKE, DISLIKE, "3", "4", "5"]),
        ({3: 3.5, 4: 4.5, 5: 4.5}, [DISLIKE, DISLIKE, DISLIKE, "3", "5"]),  # half stars
        ({3: 3, 4: 4, 5: 4}, [DISLIKE, DISLIKE, "3", "5", "5"]),  # no five stars
        ({3: 1, 4: 2, 5: 3}, [DISLIKE, "4", "5", "5", "5"]),  # one star is no like
        ({3: 5, 4: 5, 5: 5}, [DISLIKE, DISLIKE, 1, 1, 1]),  # likes
        ({3: 7, 4: 8, 5: 10}, [DISLIKE, DISLIKE, 1, 1, 1]),  # weights
    ],
)
def test_stars_weigh_as_in_training(value, expected):
    rated = small().catalogue.rated.copy()
    weights = dict(zip(rated.data.astype(int).astype(str), small().recommender.profiles.matrix.data, strict=True))
    rated.data = np.array([value[of] for of in rated.data.astype(int)], np.float32)
    found = of_stars(with_catalogue(small(), rated=rated))["star_weights"]
    assert found == pytest.approx([weights.get(of, of) for of in expected])


@pytest.mark.parametrize(("likes", "dislikes"), [([3, 8, 20], []), ([0], []), ([5, 6, 7, 30], [11, 12])])
def test_the_browser_scores_someone_new_as_the_library_does(opened, likes, dislikes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(newcomers, "KEPT", N_ITEMS)
        parts = Newcomers.of(small().stored.model)
    weights = [*((movie, 1) for movie in likes), *((movie, DISLIKE) for movie in dislikes)]
    found = opened.evaluate("weights => [...scoreNew(new Map(weights))]", weights)
    np.testing.assert_allclose(found, parts.scores(history(likes, dislikes))[0], atol=1e-4)


@pytest.mark.parametrize("likes", [[3, 8, 20], [1, 2], [6, 12, 18, 24, 30]])
def test_the_browser_recommends_nearly_as_the_command_line(opened, recommender, likes):
    found = opened.evaluate("likes => recommended(new Map(likes.map(of => [of, 1])), {count: 10})", likes)
    expected = recommender.recommend_new(movie_ids(*likes), k=10)["MovieID"].tolist()
    assert len(set(movie_ids(*found)) & set(expected)) >= 7
    assert not set(found) & set(likes)


def test_the_browsers_reasons_are_the_contributions_of_graph_and_items(opened):
    of = small()
    graph, _, items = of.stored.model.mix
    scores = with_model(of, mix=(graph, 0.0, items)).by_user
    likes = [3, 8, 20, 21]
    profiles = Profiles.without_order(history(likes))._replace(users=np.array([-1]), gender=np.zeros((1, 2), np.int8))
    profile = one_of(profiles, 0)
    ranked = np.argsort(-scores.scores(profile, trained=False))
    movies = ranked[~np.isin(ranked, likes)][:FIRST]
    expected = reasons_by_contribution(scores, profile, movies, scores.parts(profile, trained=False))
    ask = "([likes, movies]) => reasonsFor(new Map(likes.map(of => [of, 1])), movies)"
    found = opened.evaluate(ask, [likes, movies.tolist()])
    for one, other in zip(found, expected, strict=True):
        assert [of["movie"] for of in one] == [movie for movie, _ in other]
        assert [of["share"] for of in one] == pytest.approx([share for _, share in other], abs=0.01)


def test_a_disliked_movie_is_no_reason(opened):
    (found,) = opened.evaluate("reasonsFor(new Map([[3, 1], [8, 1], [5, -.25], [9, -.25]]), [20])")
    assert {of["movie"] for of in found} <= {3, 8}


@pytest.mark.parametrize("variety", [0.2, 0.5, 0.9])
def test_the_browser_chooses_varied_movies_as_the_library_does(opened, recommender, variety):
    k, scores = 6, np.round(np.random.default_rng(1).random(N_ITEMS), 3)
    candidates = np.argsort(-scores, kind="stable")[: POOL * k]
    expected, _ = diversify(candidates[None], scores[candidates][None], recommender.arrays["h_item"], variety)
    asked = [candidates.tolist(), scores.tolist(), k, variety]
    found = opened.evaluate("([candidates, scores, k, variety]) => diversified(candidates, scores, k, variety)", asked)
    assert found == expected[0].tolist()


def test_the_browser_finds_similar_movies_as_the_library_does(opened, recommender):
    for movie in (0, 9, 31):
        found = opened.evaluate("movie => similarTo(movie, 10)", movie)
        expected = recommender.similar(int(ITEM_IDS[movie]), 10)["MovieID"].tolist()
        assert len(set(movie_ids(*found)) & set(expected)) >= 9, "but for the rounding"


def graph_alone():
    """A recommender whose model has neither similar users nor similar movies."""
    return with_model(small(), mix=(1.0, 0.0, 0.0), users=None, items=None)


def test_the_page_says_what_it_computes():
    about = data_of(html())["about"]
    assert re.search(
        r"approximation of the rest; on average, \d+\.\d of the first 10 are those of the command line", about
    )
    assert about.endswith("which computes with the whole model and takes a gender too.")
    temporal = data_of(html(temporal=True))["about"]
    assert "with the model's long-term part and adds the order and the times" in temporal and "All reasons" in temporal
    alone = data_of(html_of(graph_alone()))
    assert "from the graph, as by the command line" in alone["about"] and alone["kept_per_movie"] == 0


@pytest.mark.parametrize("kind", ["temporal", "graph"])
def test_other_models_have_a_page_too(browser, tmp_path, kind):
    recommender = graph_alone() if kind == "graph" else small(temporal=True).recommender
    (tmp_path / "page.html").write_text(html_of(recommender), encoding="utf-8")
    tab, errors = browser.new_page(), []
    tab.on("pageerror", lambda error: errors.append(error))
    tab.goto(f"{(tmp_path / 'page.html').as_uri()}#new={ITEM_IDS[3]}")
    found = tab.evaluate("recommended(new Map([[3, 1]]))")
    expected = np.argsort(-Newcomers.of(recommender.model).scores(history([3]))[0], kind="stable")
    assert found == [item for item in expected if item != 3][:10]
    tab.goto(f"{(tmp_path / 'page.html').as_uri()}#user={USER_IDS[5]}")
    assert tab.locator("#recommended .why").first.is_visible() and errors == []
    movies = recommender.profiles.matrix[5].indices
    assert sorted(tab.evaluate("[...historyOfUser(5).keys()]")) == movies.tolist()


def test_more_users_than_the_most_are_thinned_evenly(recommender):
    whole, data = data_of(html()), data_of(html_of(recommender, n_users=9))
    users = [USER_IDS.tolist().index(user_id) for user_id in data["user_ids"]]
    assert (len(users), users[0], users[-1]) == (9, 0, N_USERS - 1)
    assert np.ptp(np.diff(users)) <= 1
    for name in ("best", "stars", "recommended", "rated", "history_counts"):
        of_users, of_all = (unpacked(of[name], np.uint8, n, -1) for of, n in ((data, 9), (whole, N_USERS)))
        assert np.array_equal(of_users, of_all[users]), name
    assert "9 of 50 users" in data["about"]
    assert "50 users" not in whole["about"]


TITLE = 'A <b>"film"</b> </script><script>alert(1)</script> {data} {style} {script} – ß 映画'


def test_no_title_ends_the_script():
    of = small()
    movies = MOVIES.assign(Title=[TITLE, *MOVIES["Title"][1:]])
    text = html_of(with_catalogue(of, movies=movies))
    assert data_of(text)["titles"][0] == TITLE
    assert text.count("</script>") == html().count("</script>") == 2
    assert "alert(1)</script>" not in text
    assert "映画" in text, "readable in the file"


def test_ids_may_be_text():
    of = small()
    names = [np.array([f"{kind}{number}" for number in ids]) for kind, ids in (("u", USER_IDS), ("i", ITEM_IDS))]
    data = data_of(html_of(with_catalogue(of, user_names=names[0], item_names=names[1])))
    assert (data["user_ids"], data["movie_ids"]) == (names[0].tolist(), names[1].tolist())
    numbers = data_of(html())
    same = set(data) - {"user_ids", "movie_ids"}
    assert {name: data[name] for name in same} == {name: numbers[name] for name in same}


def test_ids_that_javascript_would_round_are_text():
    ids = np.array([-(2**53), 1 - 2**53, 7, 2**53 - 1, 2**53, 2**53 + 1])
    expected = ["-9007199254740992", 1 - 2**53, 7, 2**53 - 1, "9007199254740992", "9007199254740993"]
    assert ids_for_page(ids) == expected
    assert ids_for_page(np.array(["007", "x"], object)) == ["007", "x"]


def test_weights_that_are_no_stars_are_not_shown_as_stars():
    of = small()
    weights = of.catalogue.rated.copy()
    weights.data = np.arange(1, weights.nnz + 1, dtype=np.float32)
    data = data_of(html_of(with_catalogue(of, rated=weights)))
    assert not unpacked(data["stars"], np.uint8).any()
    best = unpacked(data["best"], np.uint16, N_USERS, BEST)
    assert best[4, 0] == weights[4].indices[np.argmax(weights[4].data)]


def test_the_page_loads_nothing():
    template = html().split('<script id="data"')
    assert not re.search(r"(src|href)=|https?://|@import|url\(", template[0] + template[1].split("</script>", 1)[1])
