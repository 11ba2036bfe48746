"""Recommendations for a person, as tables in the terminal, and for a program, as JSON."""

from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from movierec.recommender import Recommender

WIDTH = 100  # where the output is no terminal


def print_movies(recommender: Recommender, title: str, movies: pd.DataFrame, caption: str = "") -> None:
    """Movies as a table: rank, title, year, genres, and what else they have (Rating, Score, Because).

    Args:
        recommender: that knows the titles of reasons.
        title: above.
        movies: as `Recommender` gives them.
        caption: below.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, WIDTH))
    table = Table(title=Text(title, style="bold"), caption=Text(caption) if caption else None, title_justify="left", caption_justify="left")
    columns = ["Rating"] * ("Rating" in movies) + ["Score"] * ("Score" in movies)
    for column in ("#", "Movie", "Year", "Genres", *columns, *["Because of"] * ("Because" in movies)):
        table.add_column(column, justify="right" if column in ("#", "Year", "Rating", "Score") else "left")
    for place, row in enumerate(movies.to_dict("records"), 1):
        year = "" if pd.isna(row["Year"]) else str(row["Year"])
        numbers = [f"{row[column]:g}" if column == "Rating" else f"{row[column]:.2f}" for column in columns]
        cells = [str(row.get("Rank", place)), Text(row["Title"]), year, Text(row["Genres"].replace("|", ", ")), *numbers]
        if "Because" in row:
            shares = ((movie_id, f"{share:.0%}" if share >= 0.005 else "<1%") for movie_id, share in row["Because"])
            cells.append(Text("; ".join(f"{recommender.title_of(movie_id)} {share}" for movie_id, share in shares)))
        table.add_row(*cells)
    console.print(table)


def as_records(recommender: Recommender, movies: pd.DataFrame) -> list[dict[str, Any]]:
    """The same for JSON: keys in lower case, no NaN, genres as a list, reasons with their titles."""
    records = []
    for row in movies.to_dict("records"):
        record = {
            "movie_id": row["MovieID"], "title": row["Title"], "year": None if pd.isna(row["Year"]) else int(row["Year"]),
            "genres": row["Genres"].split("|") if row["Genres"] else [],
        }  # fmt: skip
        record |= {name.lower(): int(row[name]) if name == "Rank" else round(float(row[name]), 6) for name in ("Rank", "Rating", "Score") if name in row}
        if "Because" in row:
            record["because"] = [
                {"movie_id": movie_id, "title": recommender.title_of(movie_id), "share": round(share, 4)} for movie_id, share in row["Because"]
            ]
        records.append(record)
    return records
