"""The best movies for every user; or, with --user, for chosen ones, printed.

    python stages/recommend.py                          all users, to data/recommendations/
    python stages/recommend.py --user 42 --user 7 --top 10
    python stages/recommend.py --gender F               someone new, of whom nothing else is known
"""

import argparse
from pathlib import Path

import _stage
import numpy as np
import pandas as pd
import scipy.sparse as sp
from rich.console import Console
from rich.table import Table
from rich.text import Text

from movierec.errors import UserError
from movierec.features import vectors_from_features
from movierec.graph import Graph, stored_graph
from movierec.interactions import to_csr
from movierec.model import stored_model
from movierec.ranking import dot_scorer
from movierec.recommending import movies_by_index, recommend
from movierec.storage import read_arrays, read_table, write_table

RECOMMENDATIONS = Path("data/recommendations/recommendations.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--user", type=int, action="append", metavar="ID", help="print for this UserID; may stand several times")
    parser.add_argument("--top", type=int, metavar="N", help="movies per user (default: top_k of params.yaml)")
    parser.add_argument("--gender", choices=("F", "M"), help="print for someone new of this gender")
    args = parser.parse_args()
    k = _stage.params("top_k").top_k if args.top is None else args.top
    if k < 1:
        raise UserError(f"--top is {k}, but it must be at least 1.")

    arrays = stored_graph(read_arrays(Path("data/graph/graph.npz")))
    user_ids = read_table(Path("data/split/users.parquet"))["UserID"].to_numpy()
    item_ids = read_table(Path("data/split/items.parquet"))["MovieID"].to_numpy()
    movies = movies_by_index(read_table(Path("data/clean/movies.parquet")), item_ids)
    ratings = read_table(Path("data/clean/ratings.parquet"))
    known = ratings[ratings["UserID"].isin(user_ids) & ratings["MovieID"].isin(item_ids)]
    # Whatever a user has rated, liked or not, is no recommendation.
    rated = to_csr(
        pd.DataFrame({"user": np.searchsorted(user_ids, known["UserID"]), "item": np.searchsorted(item_ids, known["MovieID"])}),
        len(user_ids), len(item_ids),
    )  # fmt: skip
    users = np.arange(len(user_ids)) if args.user is None else find_users(args.user, user_ids)
    graph = Graph(arrays)
    model = stored_model(read_arrays(Path("models/model.npz")), graph)
    if args.gender:
        newcomer = vectors_from_features(model.h_user, arrays.user_gender, np.array([[args.gender == "F", args.gender == "M"]]))
        table = recommend(dot_scorer(newcomer, model.h_item), np.zeros(1, int), sp.csr_matrix((1, len(item_ids))), k, np.zeros(1, int), movies)
        print_table(f"Someone new ({args.gender})", "known by gender alone", table)
        return
    scorer = model.scorer(graph)
    table = recommend(scorer, users, rated, k, user_ids, movies)
    if args.user is None:
        write_table(table, RECOMMENDATIONS)
        print(f"{len(table):,} recommendations for {len(users):,} users: {RECOMMENDATIONS}")
        print(f"for one of them: python stages/recommend.py --user {user_ids[0]} --top 10")
    else:
        for user_id in user_ids[users]:
            print_user(user_id, table[table["UserID"] == user_id], known[known["UserID"] == user_id], movies)


def find_users(wanted: list[int], user_ids: np.ndarray) -> np.ndarray:
    """The indices of UserIDs, in the order asked for, each once."""
    wanted = list(dict.fromkeys(wanted))
    unknown = [user_id for user_id in wanted if user_id not in user_ids]
    if unknown:
        raise UserError(
            f"no user {', '.join(map(str, unknown))}: UserIDs go from {user_ids[0]} to {user_ids[-1]} "
            f"({len(user_ids):,} of them, in data/split/users.parquet), without those who liked nothing."
        )
    return np.searchsorted(user_ids, wanted)


def print_user(user_id: int, recommended: pd.DataFrame, rated: pd.DataFrame, movies: pd.DataFrame) -> None:
    """Whom it is for, in a line, and the recommendations."""
    best = rated.sort_values(["Rating", "Timestamp"], ascending=False).head(3).merge(movies, on="MovieID")
    liked = ", ".join(f"{movie.Title} ({movie.Rating:g})" for movie in best.itertuples())
    print_table(f"User {user_id}", f"rated {len(rated):,} movies; among the best: {liked}", recommended)


def print_table(title: str, caption: str, recommended: pd.DataFrame) -> None:
    """Recommendations as a table; titles are text, whatever brackets they hold."""
    table = Table(title=title, caption=Text(caption), title_justify="left")
    for column, justify in (("#", "right"), ("Movie", "left"), ("Year", "right"), ("Genres", "left"), ("Score", "right")):
        table.add_column(column, justify=justify)
    for row in recommended.itertuples():
        year = "" if pd.isna(row.Year) else str(row.Year)
        table.add_row(str(row.Rank), Text(row.Title), year, Text(row.Genres.replace("|", ", ")), f"{row.Score:.2f}")
    Console().print(table)


if __name__ == "__main__":
    _stage.run(main)
