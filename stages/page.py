"""Write the page with everyone's recommendations, where a new user can pick movies and get recommendations too."""

from pathlib import Path

import _stage

from movierec.page.page import MAX_MOVIES, page
from movierec.recommend.recommender import Recommender
from movierec.utils.storage import read_csv, read_table, write_text

PAGE = Path("plots/recommendations.html")
MAX_USERS = 10_000  # with as many movies as may be, some 12 MB


def main() -> None:
    recommender = Recommender.load("models")
    n_movies = len(recommender.item_ids)
    if n_movies > MAX_MOVIES:
        sorry = f"<p>More than {MAX_MOVIES:,} movies are too many for a page."
        write_text(f"<!DOCTYPE html><title>Movie recommendations</title>{sorry}\n", PAGE)
        print(f"left out: {n_movies:,} movies are more than {MAX_MOVIES:,}")
        return
    table, places = read_table(Path("data/recommendations/recommendations.parquet")), read_csv(Path("data/map.csv"))
    html = page(recommender, table, places, MAX_USERS)
    write_text(html, PAGE)
    print(f"{len(html.encode()) / 1e6:.1f} MB, to open in a browser: {PAGE}")


if __name__ == "__main__":
    _stage.run(main)
