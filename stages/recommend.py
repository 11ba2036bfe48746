"""Recommend movies to all users; with options, print recommendations as `python -m movierec` does.

By hand, `--write` writes the table for all users: so that a look at some recommendations changes no output.
"""

import os
import sys
from pathlib import Path

import _stage

from movierec.recommend import cli
from movierec.recommend.filters import Filters
from movierec.recommend.recommender import Recommender
from movierec.utils.errors import UserError
from movierec.utils.storage import write_csv, write_table

RECOMMENDATIONS = Path("data/recommendations/recommendations.parquet")


def main() -> None:
    params = _stage.params()
    options = sys.argv[1:] or (["--write"] if "DVC_STAGE" in os.environ else [])  # DVC sets it
    if not options:
        raise UserError("ask for someone, as in --user 42 --top 3; or --write, for the table of all users.")
    if options != ["--write"]:
        cli.answer(cli.arguments(options, prog="python stages/recommend.py"), params)
        return
    group, recommender = _stage.join("cpu", params.processes), Recommender.load("models")
    filters = Filters.from_text(params.only_genres, params.not_genres, params.only_years)
    asked = {"filters": filters, "diversity": params.diversity, "group": group}
    table = recommender.recommend(None, params.top_k, **asked)
    if not group.leads:
        return
    write_table(table, RECOMMENDATIONS)
    if params.recommendations_as == "parquet+csv":
        write_csv(table, RECOMMENDATIONS.with_suffix(".csv"))
    print(f"{len(table):,} recommendations for {table['UserID'].nunique():,} users: {RECOMMENDATIONS}")
    print(f"for one of them: python -m movierec recommend --user {recommender.user_ids[0]} --top 10")


if __name__ == "__main__":
    _stage.run(main)
