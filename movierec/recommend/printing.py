"""Recommendations as tables in the terminal and as JSON."""

from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from movierec.recommend.recommender import Recommender

WIDTH = 100  # where the output is not a terminal


def print_movies(recommender: Recommender, title: str, movies: pd.DataFrame) -> None:
    """Print movies as a table: rank, title, year, genres, and Rating, Score and Because where they have them.

    Args:
        recommender: for the titles of reasons.
        title: of the table.
        movies: as `Recommender` returns them.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, WIDTH))
    table = Table(title=Text(title, style="bold"), title_justify="left")
    numbers = [column for column in ("Rating", "Score") if column in movies]
    reasons = ["Because of"] if "Because" in movies else []
    for column in ("#", "Movie", "Year", "Genres", *numbers, *reasons):
        table.add_column(column, justify="left" if column in ("Movie", "Genres", "Because of") else "right")
    for place, row in enumerate(movies.to_dict("records"), 1):
        year = "" if pd.isna(row["Year"]) else str(row["Year"])
        name, genres = Text(row["Title"]), Text(row["Genres"].replace("|", ", "))
        cells: list[Any] = [str(row.get("Rank", place)), name, year, genres]
        cells += [f"{row[column]:g}" if column == "Rating" else f"{row[column]:.2f}" for column in numbers]
        shares = ((movie_id, f"{share:.0%}" if share >= 0.005 else "<1%") for movie_id, share in row.get("Because", ()))
        because = Text("; ".join(f"{recommender.title_of(movie_id)} {share}" for movie_id, share in shares))
        table.add_row(*cells, *([because] if reasons else []))
    console.print(table)


def as_records(recommender: Recommender, movies: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows for JSON: keys in lower case, no NaN, genres as a list, reasons with their titles."""
    records = []
    for row in movies.to_dict("records"):
        record = {"movie_id": row["MovieID"], "title": row["Title"]}
        record["year"] = None if pd.isna(row["Year"]) else int(row["Year"])
        record["genres"] = row["Genres"].split("|") if row["Genres"] else []
        for name in ("Rank", "Rating", "Score"):
            if name in row:
                record[name.lower()] = int(row[name]) if name == "Rank" else round(float(row[name]), 6)
        if "Because" in row:
            reasons = ((of, recommender.title_of(of), round(share, 4)) for of, share in row["Because"])
            record["because"] = [dict(zip(("movie_id", "title", "share"), of, strict=True)) for of in reasons]
        records.append(record)
    return records
