"""The service, against the recommender that it serves."""

import numpy as np
import pytest
import schemathesis
from fastapi import testclient
from hypothesis import given, settings
from schemathesis import GenerationMode
from small_recommender import ITEM_IDS, N_ITEMS, N_USERS, USER_IDS, movie_ids, small

import movierec
from movierec.recommend.filters import Filters
from movierec.recommend.printing import as_records
from movierec.recommend.ranker import Asked
from movierec.serve.api import MAX_BODY, MAX_MOVIES, MAX_TOP, create_app
from movierec.serve.events import Events


@pytest.fixture(params=[False, True], ids=["long-term", "following time"])
def ranker(request):
    return small(request.param).recommender


@pytest.fixture
def client(ranker):
    return testclient.TestClient(create_app(ranker, Events()))


def movies_in(response):
    assert response.status_code == 200, response.text
    return response.json()["recommendations"]


def test_health_names_the_model(client, ranker):
    expected = {"status": "ok", "version": movierec.__version__, "users": N_USERS, "movies": N_ITEMS}
    assert client.get("/health").json() == expected | {"follows_time": ranker.follows_time}


def test_a_known_user_gets_what_the_recommender_says(client, ranker):
    options = {"top": 3, "genre": ["War", "Drama"], "exclude_genre": "Comedy", "year": "1981-2010", "diversity": 0.3}
    asked = Asked(3, Filters(("War", "Drama"), ("Comedy",), (1981, 2010)), 0.3, because=True)
    found = movies_in(client.get(f"/recommend/{USER_IDS[4]}", params=options | {"because": True}))
    assert found == as_records(ranker, ranker.for_user(USER_IDS[4], asked))
    assert len(movies_in(client.get(f"/recommend/{USER_IDS[4]}"))) == 20


def test_someone_new_gets_what_the_recommender_says(client, ranker):
    taste = {"likes": ["film 3", int(ITEM_IDS[8])], "dislikes": [str(ITEM_IDS[5])], "gender": "F", "top": 4}
    expected = ranker.for_new(movie_ids(3, 8), movie_ids(5), "F", Asked(4))
    assert movies_in(client.post("/recommend", json=taste)) == as_records(ranker, expected)
    expected = ranker.for_new(movie_ids(3, 8), movie_ids(5), "F", Asked(4), weights=[1.3, 0.7])
    assert movies_in(client.post("/recommend", json=taste | {"weights": [1.3, 0.7]})) == as_records(ranker, expected)
    assert client.post("/recommend", json=taste | {"weights": [1]}).status_code == 409
    assert client.post("/recommend", json=taste | {"weights": [1, 0]}).status_code == 422
    assert len(movies_in(client.post("/recommend", json={}))) == 20


def test_similar_movies(client, ranker):
    expected = as_records(ranker, ranker.near(ITEM_IDS[7], Asked(5)))
    for name in ("film 7", "Film 7 (1987)", ITEM_IDS[7]):
        assert movies_in(client.get(f"/similar/{name}", params={"top": 5})) == expected


def test_an_event_changes_the_next_recommendations_of_its_user_alone(client, ranker):
    user, other = USER_IDS[4], USER_IDS[5]
    first, second = ranker.for_user(user, Asked(2)).items
    before = movies_in(client.get(f"/recommend/{other}"))
    for item, rating in ((first, 5), (second, 1)):
        heard = client.post("/event", json={"user_id": int(user), "movie": int(ITEM_IDS[item]), "rating": rating})
        assert heard.json() == {"user_id": int(user), "movie_id": int(ITEM_IDS[item]), "is_known_user": True}
    expected = ranker.for_user(user, Asked(20), watched=movie_ids(first), disliked=movie_ids(second))
    assert movies_in(client.get(f"/recommend/{user}")) == as_records(ranker, expected)
    assert not {first, second} & set(expected.items)
    assert movies_in(client.get(f"/recommend/{other}")) == before


def test_a_new_user_is_known_from_the_first_event_on(client, ranker):
    assert client.get("/recommend/7").status_code == 404
    for name in ("film 3", "film 8"):
        assert not client.post("/event", json={"user_id": 7, "movie": name}).json()["is_known_user"]
    found = movies_in(client.get("/recommend/7", params={"top": 3}))
    assert found == as_records(ranker, ranker.for_new(movie_ids(3, 8), asked=Asked(3)))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "detail"),
    [
        ("get", "/recommend/9999", None, 404, "no user 9999"),
        ("get", "/recommend/100?genre=Dram", None, 404, "no movie has the genre 'Dram'; did you mean 'Drama'"),
        ("get", "/recommend/100?year=1900", None, 404, "no movie passes"),
        ("get", "/recommend/100?year=1999-1990", None, 409, "the years are '1999-1990'"),
        ("get", "/similar/no such film", None, 404, "no movie is called"),
        ("post", "/recommend", {"likes": ["film"]}, 409, "'film' may be"),
        ("post", "/recommend", {"likes": ["film 1"], "dislikes": ["film 1"]}, 409, "both liked and disliked"),
        ("post", "/event", {"user_id": 100, "movie": 7}, 404, "no movie 7"),
    ],
)
def test_what_cannot_be_answered_is_a_status_with_the_way_out(client, method, path, body, status, detail):
    response = getattr(client, method)(path, **({"json": body} if body else {}))
    assert response.status_code == status and detail in response.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/recommend", {"top": MAX_TOP + 1}),
        ("/recommend", {"top": True}),
        ("/recommend", {"diversity": 1.5}),
        ("/recommend", {"likes": [1] * (MAX_MOVIES + 1)}),
        ("/recommend", {"likes": [True]}),
        ("/recommend", {"likes": ["x" * 201]}),
        ("/recommend", {"gender": "X"}),
        ("/recommend", {"year": "nineties"}),
        ("/event", {"user_id": 1}),
        ("/event", {"user_id": "0" * 201, "movie": 1003}),
        ("/event", {"user_id": 1, "movie": 1003, "rating": -1}),
        ("/event", {"user_id": 1, "movie": 1003, "timestamp": False}),
    ],
)
def test_what_is_out_of_bounds_is_refused(client, path, body):
    assert client.post(path, json=body).status_code == 422


def test_ids_that_are_text_are_no_numbers(client):
    client.post("/event", json={"user_id": "007", "movie": "film 3"})
    assert client.get("/recommend/7").status_code == 404 and client.get("/recommend/007").status_code == 200


def test_a_large_body_is_refused_before_it_is_read(client):
    assert client.post("/recommend", content=b" " * (MAX_BODY + 1)).status_code == 413
    assert client.post("/recommend", content=iter([b"{}"])).status_code == 413, "its length is not said"
    assert client.post("/recommend", content=b"{").status_code == 422


def test_the_page_is_at_the_root_where_there_is_one(ranker, tmp_path):
    (tmp_path / "page.html").write_text("<!DOCTYPE html><title>é</title>", encoding="utf-8")
    found = testclient.TestClient(create_app(ranker, Events(), tmp_path / "page.html")).get("/")
    assert found.headers["content-type"].startswith("text/html") and "é" in found.text
    assert testclient.TestClient(create_app(ranker, Events())).get("/").status_code == 404


def test_every_example_of_the_description_is_answered(client):
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {"/health", "/recommend/{user_id}", "/recommend", "/similar/{movie}", "/event"}
    bodies = {name: schema["components"]["schemas"][name]["properties"] for name in ("Taste", "Event")}
    assert bodies["Taste"]["likes"]["examples"] == [["Heat (1995)"]] and bodies["Event"]["user_id"]["examples"] == [42]
    assert np.all([path.get("get", path.get("post"))["description"] for path in schema["paths"].values()])


@pytest.mark.parametrize("mode", GenerationMode)
def test_calls_that_the_description_allows_or_forbids_are_answered_as_it_says(mode):
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(small().recommender, Events()))

    def check(case):
        case.call_and_validate()

    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations[1:]:  # /health takes nothing
        calls = operation.as_strategy(generation_mode=mode)
        settings(max_examples=20, deadline=None, derandomize=True, database=None)(given(calls)(check))()
