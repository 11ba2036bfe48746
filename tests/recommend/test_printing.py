"""Movies as tables, as JSON and as CSV."""

import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from small_recommender import GENRES, ITEM_IDS, USER_IDS

from movierec.recommend import printing
from movierec.recommend.printing import WIDTH, as_csv, as_records, print_table
from movierec.recommend.ranker import Asked, Movies


def record(**more):
    """A movie with brackets in its title."""
    movie = {"movie_id": 1000, "title": "[red]Film[/red] [1]", "year": None, "genres": ["War", "Drama"]}
    return movie | more


@pytest.fixture
def printed(capsys):
    """A printer of tables, to text."""

    def printed(*records, title="Best [b]"):
        print_table(title, list(records))
        return capsys.readouterr().out

    return printed


def test_brackets_in_titles_are_text(printed):
    text = printed(record(rating=4.5))
    assert all(part in text for part in ("[red]Film[/red] [1]", "War, Drama", "4.5", "Best [b]"))
    assert "None" not in text


def test_a_table_shows_the_columns_that_there_are(printed):
    assert "Rating" in printed(record(rating=3.0))
    because = [{"title": "Film 1 (1981)", "share": 0.704}, {"title": "Film 2 (1982)", "share": 0.001}]
    text = printed(record(), record(score=1.23456), record(score=2.0, because=because))
    assert "Rating" not in text and "Score" not in text, "the first movie has neither"
    text = printed(record(score=1.23456, because=because))
    assert "│ 1 " in text and "1.23 " in text
    assert "Film 1 (1981) 70%; Film 2 (1982) <1%" in " ".join(text.split())


def test_without_reasons_there_is_no_column_of_reasons(printed):
    assert "Because" not in printed(record(score=1.0))
    assert "Because of" in printed(record(score=1.0, because=[]))


def test_what_is_no_terminal_is_wide_enough(printed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, printed(record(genres=["Drama"] * 20)).splitlines())) == WIDTH


def test_an_empty_table_has_a_title(printed):
    assert "Best [b]" in printed()


@pytest.mark.parametrize(("lines", "pages", "paged"), [(40, True, False), (10, True, True), (10, False, False)])
def test_a_table_longer_than_the_terminal_is_shown_page_by_page(monkeypatch, lines, pages, paged):
    class Terminal(printing.Console):
        def __init__(self):
            super().__init__(force_terminal=True, width=80, height=lines, file=io.StringIO())

        def pager(self, styles):
            return super().pager(SimpleNamespace(show=calls.append), styles=styles)

    calls = []
    monkeypatch.setattr(printing, "Console", Terminal)
    print_table("Best", [record(score=1.0)] * 20, pages=pages)
    assert len(calls) == paged and all(text.count("Film") == 20 for text in calls)


def test_records_are_json_and_name_the_reasons(recommender):
    movies = recommender.for_user(int(USER_IDS[0]), Asked(k=30, because=True))
    records = as_records(recommender, movies)
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert [record["movie_id"] for record in records] == ITEM_IDS[movies.items].tolist()
    assert [record["rank"] for record in records] == list(range(1, 31))
    np.testing.assert_allclose([record["score"] for record in records], movies.scores, atol=1e-6)
    for record, item, because in zip(records, movies.items, movies.because, strict=True):
        assert list(record) == ["movie_id", "title", "year", "genres", "rank", "score", "because"]
        assert record["year"] == (1980 + item if item else None)
        assert record["genres"] == (GENRES[item].split("|") if GENRES[item] else [])
        named = [(ITEM_IDS[of], recommender.titles.shown(of), round(share, 4)) for of, share in because]
        assert [tuple(reason.values()) for reason in record["because"]] == named
    assert None in [record["year"] for record in records]
    assert records[0]["because"][0].keys() == {"movie_id", "title", "share"}


def test_records_of_ratings_have_no_rank(recommender):
    (record,) = as_records(recommender, Movies(np.array([1]), stars=np.array([4.5])))
    genres = ["Comedy", "War"]
    assert record == {"movie_id": 1003, "title": "Film 1", "year": 1981, "genres": genres, "rating": 4.5}


def test_csv_has_a_header_once_and_no_formula():
    rows = [record(rank=1, score=0.5), record(rank=2, score=0.25, title='=1+1, "so"', year=1999)]
    text = as_csv(rows, {"user_id": 7, "liked": []}, header=True) + as_csv(rows[:1], {"user_id": 9}, header=False)
    found = list(csv.DictReader(io.StringIO(text)))
    assert list(found[0]) == ["user_id", "rank", "movie_id", "title", "year", "genres", "score"]
    assert [(of["user_id"], of["rank"], of["year"], of["genres"]) for of in found] == [
        ("7", "1", "", "War|Drama"),
        ("7", "2", "1999", "War|Drama"),
        ("9", "1", "", "War|Drama"),
    ]
    assert found[1]["title"] == '\'=1+1, "so"', "a spreadsheet takes it for text"
    assert as_csv(rows[:1], {"likes": [1]}, header=True).startswith("rank,")
