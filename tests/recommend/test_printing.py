"""Recommendations as tables and as JSON."""

import json

import numpy as np
import pandas as pd
import pytest
from small_recommender import USER_IDS

from movierec.recommend.printing import WIDTH, as_records, print_movies


def table(**columns):
    """A movie with brackets in its title."""
    movie = {"MovieID": 1000, "Title": "[red]Film[/red] [1]", "Year": pd.array([None], "Int16"), "Genres": "War|Drama"}
    return pd.DataFrame(movie | columns)


@pytest.fixture
def printed(recommender, capsys):
    """A printer of tables, to text."""

    def printed(movies, title="Best [b]"):
        print_movies(recommender, title, movies)
        return capsys.readouterr().out

    return printed


def test_brackets_in_titles_are_text(printed):
    text = printed(table(Rating=[4.5]))
    assert all(part in text for part in ("[red]Film[/red] [1]", "War, Drama", "4.5", "Best [b]"))
    assert "NA" not in text


def test_a_table_shows_the_columns_that_there_are(printed):
    assert "Rating" in printed(table(Rating=[3.0]))
    text = printed(table(Rank=[7], Score=[1.23456], Because=[[(1003, 0.704), (1006, 0.001)]]))
    assert "Rating" not in text
    assert "│ 7 " in text
    assert "1.23 " in text
    assert "Film 1 (1981) 70%; Film 2 (1982) <1%" in " ".join(text.split())


def test_without_reasons_there_is_no_column_of_reasons(printed):
    assert "Because" not in printed(table(Score=[1.0]))
    assert "Because of" in printed(table(Score=[1.0], Because=[[]]))


def test_what_is_no_terminal_is_wide_enough(printed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, printed(table(Genres="Drama|" * 20)).splitlines())) == WIDTH


def test_an_empty_table_has_a_title(printed):
    assert "Best [b]" in printed(table().iloc[:0])


def test_records_are_json_without_nan_and_name_the_reasons(recommender):
    movies = recommender.recommend(int(USER_IDS[0]), k=30, because=True)
    records = as_records(recommender, movies)
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert [record["movie_id"] for record in records] == movies["MovieID"].tolist()
    assert [record["rank"] for record in records] == list(range(1, len(movies) + 1))
    np.testing.assert_allclose([record["score"] for record in records], movies["Score"], atol=1e-6)
    for record, row in zip(records, movies.itertuples(), strict=True):
        assert list(record) == ["movie_id", "title", "year", "genres", "rank", "score", "because"]
        assert record["year"] == (None if pd.isna(row.Year) else row.Year)
        assert record["genres"] == (row.Genres.split("|") if row.Genres else [])
        named = [(movie_id, recommender.title_of(movie_id), round(share, 4)) for movie_id, share in row.Because]
        assert [tuple(reason.values()) for reason in record["because"]] == named
    assert None in [record["year"] for record in records]
    assert records[0]["because"][0].keys() == {"movie_id", "title", "share"}


def test_records_of_ratings_have_no_rank(recommender):
    (record,) = as_records(recommender, table(Rating=[4.5]))
    title = "[red]Film[/red] [1]"
    assert record == {"movie_id": 1000, "title": title, "year": None, "genres": ["War", "Drama"], "rating": 4.5}
