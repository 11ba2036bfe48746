"""The command line: every option, JSON, and errors."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from imports import ROOT
from small_recommender import ITEM_IDS, N_ITEMS, PARAMS, USER_IDS, movie_ids, small, write_small

from movierec.recommend import cli
from movierec.recommend.filters import Filters
from movierec.recommend.printing import as_records
from movierec.recommend.ranker import Asked, Ranker
from movierec.utils.errors import UserError
from movierec.utils.params import only

USED = ("top_k", "only_genres", "not_genres", "only_years", "diversity")  # params that are the options' defaults


@pytest.fixture
def run(models, monkeypatch, capsys):
    """A runner of the command line, with some of the params changed; the text that it prints."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*argv, temporal=False, **params):
        monkeypatch.setattr(cli, "MODELS", models[temporal])
        cli.answer(cli.arguments(argv), only(PARAMS.model_copy(update={"top_k": 4} | params), USED))
        return capsys.readouterr().out

    return run


@pytest.fixture
def records(run):
    """A runner of the command line: the lines of JSON that it prints."""

    def records(*argv, **changes):
        return [json.loads(line) for line in run(*argv, "--json", **changes).splitlines()]

    return records


def unwrapped(text):
    """A table's text with its title in one line."""
    return " ".join(text.split())


def assert_same(found, expected):
    """Records are equal, but for the rounding of a stored model."""
    assert [of["movie_id"] for of in found] == [of["movie_id"] for of in expected]
    for one, other in zip(found, expected, strict=True):
        because = [[(of["movie_id"], of["title"]) for of in record.pop("because", [])] for record in (one, other)]
        assert because[0] == because[1] or not because[1]
        assert one == other | {"score": pytest.approx(other["score"], abs=1e-3)}


def test_users_get_their_best_ratings_and_recommendations(records, recommender):
    lines = records("--user", "110", "--user", "102", "--user", "110", "--top", "3")
    assert [line["user_id"] for line in lines] == [110, 102]
    for line in lines:
        assert list(line) == ["user_id", "liked", "recommendations"]
        (user,) = recommender.users_of(line["user_id"])
        assert line["liked"] == as_records(recommender, recommender.best_rated(user, cli.LIKED))
        expected = recommender.for_user(line["user_id"], Asked(3, because=True))
        assert_same(line["recommendations"], as_records(recommender, expected))


def test_users_are_printed_as_tables(run, recommender):
    text = run("--user", "110", "--user", "102")
    titles = ["User {} has rated 9 movies", "Recommended to user {}"]
    places = [text.index(title.format(user_id)) for user_id in (110, 102) for title in titles]
    assert places == sorted(places)
    assert "Because of" in text
    assert "last watched" not in text, "the model does not follow time"
    part = text[places[1] : places[2]]
    rows = [part.index(f" {title} ") for title in recommender.recommend(110, 4)["Title"]]
    assert rows == sorted(rows)


def test_a_new_user_is_described_and_served_by_what_they_say(run, records, recommender):
    argv = ("--like", "film 1", "--like", "Film 2 (1982)", "--dislike", "film 5", "--gender", "F")
    words = "Someone new: likes Film 1 (1981), Film 2 (1982); dislikes Film 5 (1985); gender F"
    assert words in unwrapped(run(*argv))
    (line,) = records(*argv)
    asked = {"likes": movie_ids(1, 2), "dislikes": movie_ids(5), "gender": "F"}
    assert {name: line[name] for name in asked} == asked
    expected = recommender.for_new(**asked, asked=Asked(4, because=True))
    assert_same(line["recommendations"], as_records(recommender, expected))


@pytest.mark.parametrize(
    ("argv", "asked", "words"),
    [
        (("--gender", "M"), {"gender": "M"}, "Someone new: gender M"),
        (("--dislike", "film 3"), {"dislikes": movie_ids(3)}, "Someone new: dislikes Film 3 (1983)"),
        (("--like", "film 3"), {"likes": movie_ids(3)}, "Someone new: likes Film 3 (1983)"),
    ],
)
def test_one_fact_about_a_new_user_is_enough(run, records, recommender, argv, asked, words):
    assert words in run(*argv)
    (line,) = records(*argv)
    said = {"likes": [], "dislikes": [], "gender": None} | asked
    assert {name: line[name] for name in said} == said
    assert_same(line["recommendations"], as_records(recommender, recommender.for_new(**asked, asked=Asked(4))))


def test_similar_movies(run, records, recommender):
    assert "Like Film 7 (1987)" in run("--similar", "film 7")
    (line,) = records("--similar", "film 7", "--top", "5")
    assert (line["movie_id"], line["title"]) == (ITEM_IDS[7], "Film 7 (1987)")
    assert_same(line["recommendations"], as_records(recommender, recommender.near(int(ITEM_IDS[7]), Asked(5))))


QUESTIONS = [("--user", "110"), ("--like", "film 1"), ("--similar", "film 1")]


def asked_of(recommender, question, **asked):
    """The answer of the recommender to one of `QUESTIONS`."""
    ask = {"--user": recommender.recommend, "--like": recommender.recommend_new, "--similar": recommender.similar}
    movies = {"--user": 110, "--like": [1003], "--similar": 1003}
    return ask[question[0]](movies[question[0]], **asked)["MovieID"].tolist()


FILTERS = [
    ("--genre war", {"only_genres": "War"}, Filters(("War",))),
    ("--genre Drama --genre Comedy", {"only_genres": "Drama|Comedy"}, Filters(("Drama", "Comedy"))),
    ("--exclude-genre War", {"not_genres": "War"}, Filters((), ("War",))),
    ("--exclude-genre War --exclude-genre Drama", {"not_genres": "War|Drama"}, Filters((), ("War", "Drama"))),
    ("--year 1990-1999", {"only_years": "1990-1999"}, Filters(years=(1990, 1999))),
    ("--year 1994", {"only_years": "1994"}, Filters(years=(1994, 1994))),
]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(("options", "params", "filters"), FILTERS)
def test_filters_are_options_and_params(records, recommender, question, options, params, filters):
    expected = asked_of(recommender, question, k=N_ITEMS, filters=filters)
    for line in (*records(*question, *options.split(), top_k=N_ITEMS), *records(*question, **params, top_k=N_ITEMS)):
        assert [movie["movie_id"] for movie in line["recommendations"]] == expected


def test_an_option_takes_the_place_of_its_param(records, recommender):
    params = {"only_genres": "Drama", "not_genres": "Comedy", "only_years": "1981", "diversity": 0.9, "top_k": 7}
    options = "--genre War --exclude-genre Drama --year 1990-2010 --diversity 0 --top 3"
    (line,) = records("--user", "110", *options.split(), **params)
    expected = recommender.recommend(110, 3, filters=Filters(("War",), ("Drama",), (1990, 2010)))
    assert [movie["movie_id"] for movie in line["recommendations"]] == expected["MovieID"].tolist()


@pytest.mark.parametrize("question", QUESTIONS[:2])
def test_diversity_is_an_option_and_a_param(records, recommender, question):
    expected = asked_of(recommender, question, k=6, diversity=0.8)
    assert expected != asked_of(recommender, question, k=6)
    for line in (*records(*question, "--diversity", "0.8", top_k=6), *records(*question, diversity=0.8, top_k=6)):
        assert [movie["movie_id"] for movie in line["recommendations"]] == expected


def test_watched_movies_are_given_by_title_or_id(run, records):
    of_time, user_id = small(temporal=True).recommender, int(USER_IDS[5])
    watched = np.setdiff1d(ITEM_IDS, of_time.taste(user_id, N_ITEMS)["MovieID"])[:2].tolist()
    argv = ("--user", str(user_id), "--watched", of_time.title_of(watched[0]), "--watched", str(watched[1]))
    (line,) = records(*argv, temporal=True)
    expected = of_time.for_user(user_id, Asked(4, because=True), watched=watched)
    assert_same(line["recommendations"], as_records(of_time, expected))
    last, before = (of_time.title_of(movie) for movie in (watched[1], watched[0]))
    assert f"Recommended to user {user_id}, who last watched {last}, {before}" in unwrapped(run(*argv, temporal=True))


def test_a_model_that_follows_time_shows_the_last_watched_movies(run):
    of_time = small(temporal=True).recommender
    last = ", ".join(map(of_time.title_of, of_time.last_watched(110)["MovieID"]))
    assert f"Recommended to user 110, who last watched {last}" in unwrapped(run("--user", "110", temporal=True))


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (("--json", "--top", "3"), ["--user", "--like", "--similar"]),
        (("--watched", "film 1"), ["--watched needs --user"]),
        (("--like", "film 3", "--watched", "film 2"), ["--watched needs --user"]),
        (("--user", "110", "--gender", "F"), ["one of --user, --like", "--similar"]),
        (("--similar", "film 1", "--user", "110"), ["one of --user, --like", "--similar"]),
        (("--similar", "film 1", "--diversity", "0.2"), ["--diversity", "--similar"]),
        (("--user", "9999"), ["no user 9999", "100 to 198"]),
        (("--user", "ann"), ["no user ann", "100 to 198"]),
        (("--user", "110", "--watched", "no such film"), ["'no such film'"]),
        (("--user", "110", "--top", "0"), ["0 recommendations", "1 or more"]),
        (("--user", "110", "--diversity", "2"), ["diversity is 2", "0 to 1"]),
        (("--user", "110", "--genre", "Dram"), ["'Dram'", "'Drama'"]),
        (("--user", "110", "--year", "nineties"), ["'nineties'", "1990-1999"]),
        (("--user", "110", "--year", "1900"), ["no movie passes"]),
        (("--like", "no such film"), ["'no such film'", "closest"]),
        (("--similar", "no such film"), ["'no such film'", "closest"]),
        (("--like", "film 1", "--dislike", "film 1"), ["Film 1 (1981)", "both liked and disliked"]),
    ],
)
def test_a_question_without_an_answer_is_one_line_with_the_way_out(run, argv, parts):
    with pytest.raises(UserError) as error:
        run(*argv)
    assert all(part in str(error.value) for part in parts), error.value
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("argument", "part"),
    [("--gender=X", "--gender"), ("--top=many", "--top"), ("--diversity=x", "--diversity"), ("--usr=1", "--usr")],
)
def test_an_invalid_option_is_named_with_the_usage(capsys, argument, part):
    with pytest.raises(SystemExit) as stop:
        cli.arguments([argument], prog="python stages/recommend.py")
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert error.startswith("Usage: python stages/recommend.py")
    assert part in error.splitlines()[-1]


def test_help_has_every_option(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.arguments(["recommend", "--help"])
    text = capsys.readouterr().out
    options = ["user", "watched", "like", "dislike", "gender", "similar"]
    options += ["at", "top", "genre", "exclude-genre", "year", "diversity", "json", "csv", "no-pager", "models"]
    assert [option for option in options if not re.search(rf"\n  --{option}[ ,]", text)] == []
    assert text.startswith("Usage: movierec recommend")


def test_arguments_are_checked_before_the_libraries_are_loaded():
    code = "import sys; from movierec.recommend import cli; cli.arguments(['--user', '1']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"numpy", "pandas", "torch", "pydantic"} & set(loaded.split())


def test_a_missing_model_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "MODELS", tmp_path)
    with pytest.raises(UserError, match=r"model\.npz is missing"):
        cli.answer(cli.arguments(["--user", "110"]), PARAMS)


def test_the_moment_of_asking(run, records):
    recommender, user_id = small(True).recommender, int(USER_IDS[3])
    last = int(recommender.profiles.histories.of(np.array([3])).last_times[0])
    for moment, at in (("2033-05-18T03:33:20", 2 * 10**9), ("2033-05-18T05:33:20+02:00", 2 * 10**9)):
        (found,) = records("--user", str(user_id), "--at", moment, temporal=True)
        expected = recommender.recommend(user_id, 4, at=at)
        assert [of["movie_id"] for of in found["recommendations"]] == expected["MovieID"].tolist()
    right_after = recommender.recommend(user_id, N_ITEMS, at=last)
    assert right_after["Score"].tolist() != recommender.recommend(user_id, N_ITEMS, at=2 * 10**9)["Score"].tolist()
    for argv, temporal, message in (
        (["--user", "106", "--at", "soon"], True, "--at soon is no time; write it as 2003-02-28"),
        (["--like", "film 3", "--at", "2033-05-18"], True, "--at needs --user"),
        (["--user", "106", "--at", "1999-01-01"], True, "the last movie of user 106 is later than that moment"),
        (["--user", "106", "--at", "2033-05-18"], False, "a moment needs a model that follows time"),
    ):
        with pytest.raises(UserError, match=message):
            run(*argv, temporal=temporal)


@pytest.mark.parametrize("option", ["--like", "--dislike", "--similar"])
def test_a_movie_is_named_by_its_title_or_id(run, option):
    assert run(option, "film 7") == run(option, str(ITEM_IDS[7]))


@pytest.fixture
def unclear(tmp_path):
    """The folder of a model with three films of one title."""
    of = small()
    movies = of.catalogue.movies.assign(Title=["Twin"] * 3 + of.catalogue.movies["Title"].tolist()[3:])
    write_small(tmp_path, of._replace(catalogue=of.catalogue._replace(movies=movies)))
    return tmp_path


def test_a_title_that_is_not_clear_comes_with_ids(unclear):
    with pytest.raises(UserError, match=r"'twin' may be .* Ids are taken too: 1000, 1003, 1006\."):
        cli.answer(cli.arguments(["--like", "twin", "--models", str(unclear)]), PARAMS)


@pytest.mark.parametrize(("typed", "index"), [("2", 1), (" 3 ", 2), ("4", None), ("x", None), (EOFError(), None)])
def test_on_a_terminal_a_title_that_is_not_clear_is_asked_for(unclear, monkeypatch, capsys, typed, index):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    def answer(prompt):
        if isinstance(typed, EOFError):
            raise typed
        return typed

    monkeypatch.setattr("builtins.input", answer)
    recommender = Ranker.load(unclear)
    if index is None:
        with pytest.raises(UserError, match="is not a number from 1 to 3"):
            cli.movie_of(recommender, "twin")
    else:
        assert cli.movie_of(recommender, "twin") == ITEM_IDS[index]
    assert capsys.readouterr().out.splitlines()[:2] == ["'twin' may be", "  1  Twin"]
