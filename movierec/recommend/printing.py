"""Movies as tables in the terminal, as JSON and as CSV."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from movierec.recommend.lookup import plain_id
from movierec.recommend.ranker import Movies, Ranker
from movierec.utils.errors import FORMULA

WIDTH = 100  # where the output is not a terminal
Record = dict[str, Any]
CSV_COLUMNS = ("rank", "movie_id", "title", "year", "genres", "score")


def as_records(ranker: Ranker, movies: Movies) -> list[Record]:
    """Movies for JSON: genres as a list, reasons with their titles, and rank, rating and score where there are any."""
    catalogue, records = ranker.catalogue, []
    for place, item in enumerate(movies.items.tolist()):
        record = {"movie_id": plain_id(ranker.item_ids[item]), "title": catalogue.titles[item]}
        record |= {"year": int(catalogue.years[item]) or None}
        record |= {"genres": catalogue.genres[item].split("|") if catalogue.genres[item] else []}
        if movies.scores is not None:
            record |= {"rank": place + 1, "score": round(float(movies.scores[place]), 6)}
        if movies.stars is not None:
            record |= {"rating": round(float(movies.stars[place]), 6)}
        if movies.because is not None:
            of = [(plain_id(ranker.item_ids[i]), ranker.titles.shown(i), share) for i, share in movies.because[place]]
            record["because"] = [{"movie_id": i, "title": title, "share": round(share, 4)} for i, title, share in of]
        records.append(record)
    return records


def print_table(title: str, records: list[Record], *, pages: bool = False) -> None:
    """Print movies as a table: rank, title, year, genres, and rating, score and reasons where they have them.

    Args:
        title: of the table.
        records: see `as_records`.
        pages: show a table that is longer than the terminal page by page.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, WIDTH))
    table = Table(title=Text(title, style="bold"), title_justify="left")
    numbers = [name for name in ("rating", "score") if records and name in records[0]]
    reasons = ["Because of"] if records and "because" in records[0] else []
    for column in ("#", "Movie", "Year", "Genres", *map(str.title, numbers), *reasons):
        table.add_column(column, justify="left" if column in ("Movie", "Genres", "Because of") else "right")
    for place, record in enumerate(records, 1):
        cells: list[Any] = [Text(record["title"]), str(record["year"] or ""), Text(", ".join(record["genres"]))]
        cells += [f"{record[name]:g}" if name == "rating" else f"{record[name]:.2f}" for name in numbers]
        because = "; ".join(f"{of['title']} {_percent(of['share'])}" for of in record.get("because", ()))
        table.add_row(str(place), *cells, *([Text(because)] if reasons else []))
    if pages and console.is_terminal and len(records) > console.height - 6:  # title, header and lines
        with console.pager(styles=True):
            console.print(table)
    else:
        console.print(table)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "<1%"


def as_csv(records: Iterable[Record], said: Record, header: bool) -> str:
    """Movies as lines of CSV, after who they are for: the first of what is `said`, where it is a user or a movie."""
    of = {name: value for name, value in said.items() if name == "user_id"}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow([*of, *CSV_COLUMNS])
    for record in records:
        row = record | {"genres": "|".join(record["genres"]), "year": record["year"] or ""}
        row["title"] = re.sub(FORMULA, r"'\g<0>", row["title"])
        writer.writerow([*of.values(), *(row[name] for name in CSV_COLUMNS)])
    return text.getvalue()
