"""Write the page in which a person looks at recommendations, picks movies, and gets new ones."""

from pathlib import Path

import _stage

from movierec.page import MAX_MOVIES, page
from movierec.recommender import Recommender
from movierec.storage import read_table, write_text

PAGE = Path("plots/recommendations.html")
MAX_USERS = 10_000  # some 5 MB


def main() -> None:
    recommender = Recommender.load("models")
    if len(recommender.item_ids) > MAX_MOVIES:
        write_text(f"<!DOCTYPE html><title>Movie recommendations</title><p>More than {MAX_MOVIES:,} movies are too many for a page.\n", PAGE)
        print(f"left out: {len(recommender.item_ids):,} movies are more than {MAX_MOVIES:,}")
        return
    html = page(recommender, read_table(Path("data/recommendations/recommendations.parquet")), MAX_USERS)
    write_text(html, PAGE)
    print(f"{len(html.encode()) / 1e6:.1f} MB, to open in a browser: {PAGE}")


if __name__ == "__main__":
    _stage.run(main)
