"""The best movies for every user; or, with --user, for chosen ones, printed.

    python stages/recommend.py                          all users, to data/recommendations/
    python stages/recommend.py --user 42 --user 7 --top 10
    python stages/recommend.py --user 42 --watched 260  what comes next, once they have watched this too
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
from movierec.features import movies_by_index
from movierec.graph import Graph, stored_graph
from movierec.history import known_by
from movierec.interactions import TEMPORAL, Split, to_csr
from movierec.lightgcn import vectors_from_features
from movierec.model import stored_model
from movierec.ranking import dot_scorer
from movierec.recommending import reasons, recommend
from movierec.storage import read_arrays, read_table, write_table

RECOMMENDATIONS = Path("data/recommendations/recommendations.parquet")


def main() -> None:
    args = arguments()
    params = _stage.params("split_strategy", "rating_power", "top_k")
    in_time = params.split_strategy in TEMPORAL
    k = params.top_k if args.top is None else args.top
    if k < 1:
        raise UserError(f"--top is {k}, but it must be at least 1.")
    if args.watched and not (args.user and in_time):
        raise UserError(f"--watched needs --user, and a model that follows time: split_strategy in params.yaml one of {', '.join(TEMPORAL)}.")

    arrays = stored_graph(read_arrays(Path("data/graph/graph.npz")))
    user_ids = read_table(Path("data/split/users.parquet"))["UserID"].to_numpy()
    item_ids = read_table(Path("data/split/items.parquet"))["MovieID"].to_numpy()
    movies = movies_by_index(read_table(Path("data/clean/movies.parquet")), item_ids)
    graph = Graph(arrays)
    model = stored_model(read_arrays(Path("models/model.npz")), graph)
    if args.gender:
        newcomer = vectors_from_features(model.h_user, arrays.user_gender, np.array([[args.gender == "F", args.gender == "M"]]))
        table = recommend(dot_scorer(newcomer, model.h_item), np.zeros(1, int), sp.csr_matrix((1, len(item_ids))), k, np.zeros(1, int), movies)
        print_table(f"Someone new ({args.gender})", "known by gender alone", table)
        return

    users = np.arange(len(user_ids)) if args.user is None else find("user", args.user, user_ids, "data/split/users.parquet")
    ratings = read_table(Path("data/clean/ratings.parquet"))
    rated = ratings[ratings["UserID"].isin(user_ids) & ratings["MovieID"].isin(item_ids)]
    pairs = pd.DataFrame({"user": np.searchsorted(user_ids, rated["UserID"]), "item": np.searchsorted(item_ids, rated["MovieID"])})
    known = None
    if in_time:  # what comes next, from the history up to now
        watched = find("movie", args.watched or [], item_ids, "data/split/items.parquet")
        since = pd.DataFrame({"user": np.repeat(users, len(watched)), "item": np.tile(watched, len(users))})
        parts = [read_table(Path(f"data/split/{part}.parquet")) for part in Split._fields]
        again = [part["user"].isin(users) & part["item"].isin(watched) for part in parts]  # counts where it stands last
        parts = [part[~rows] for part, rows in zip(parts, again)] + [since.assign(rating=parts[0]["rating"].mean())]
        known = known_by(arrays.n_users, arrays.n_items, parts, params.rating_power)
        pairs = pd.concat([pairs, since]).drop_duplicates()
    # Whatever a user has rated, liked or not, is no recommendation.
    seen = to_csr(pairs, arrays.n_users, arrays.n_items)
    table = recommend(model.scorer(graph, known), users, seen, k, user_ids, movies)
    if args.user is None:
        write_table(table, RECOMMENDATIONS)
        print(f"{len(table):,} recommendations for {len(users):,} users: {RECOMMENDATIONS}")
        print(f"for one of them: python stages/recommend.py --user {user_ids[0]} --top 10")
        return
    for user in users:
        shown = table[table["UserID"] == user_ids[user]]
        if known:
            history = known.history.of(np.array([user])).items[::-1]  # the last one first
            why = reasons(model, graph, known, user, np.searchsorted(item_ids, shown["MovieID"]))
            titles = ["; ".join(movies["Title"].iloc[history[age]] for age in ages) for ages in why]
            last = ", ".join(movies["Title"].iloc[history[:3]])
            print_table(f"User {user_ids[user]}", f"last watched: {last}", shown.assign(Because=titles))
        else:
            print_user(user_ids[user], shown, rated[rated["UserID"] == user_ids[user]], movies)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--user", type=int, action="append", metavar="ID", help="print for this UserID; may stand several times")
    parser.add_argument("--top", type=int, metavar="N", help="movies per user (default: top_k of params.yaml)")
    parser.add_argument("--watched", type=int, action="append", metavar="ID", help="a MovieID that they have watched since; may stand several times")
    parser.add_argument("--gender", choices=("F", "M"), help="print for someone new of this gender")
    return parser.parse_args()


def find(what: str, wanted: list[int], ids: np.ndarray, file: str) -> np.ndarray:
    """The indices of ids, in the order asked for, each once."""
    wanted = list(dict.fromkeys(wanted))
    unknown = [number for number in wanted if number not in ids]
    if unknown:
        raise UserError(
            f"no {what} {', '.join(map(str, unknown))}: {what.capitalize()}IDs go from {ids[0]} to {ids[-1]} "
            f"({len(ids):,} of them, in {file}), without those that no rating of min_rating or more belongs to."
        )
    return np.searchsorted(ids, wanted)


def print_user(user_id: int, recommended: pd.DataFrame, rated: pd.DataFrame, movies: pd.DataFrame) -> None:
    """Whom it is for, in a line, and the recommendations."""
    best = rated.sort_values(["Rating", "Timestamp"], ascending=False).head(3).merge(movies, on="MovieID")
    liked = ", ".join(f"{movie.Title} ({movie.Rating:g})" for movie in best.itertuples())
    print_table(f"User {user_id}", f"rated {len(rated):,} movies; among the best: {liked}", recommended)


def print_table(title: str, caption: str, recommended: pd.DataFrame) -> None:
    """Recommendations as a table; titles are text, whatever brackets they hold."""
    table = Table(title=title, caption=Text(caption), title_justify="left")
    with_reasons = ["Because of"] if "Because" in recommended else []
    for column in ("#", "Movie", "Year", "Genres", "Score", *with_reasons):
        table.add_column(column, justify="right" if column in ("#", "Year", "Score") else "left")
    for row in recommended.itertuples():
        year = "" if pd.isna(row.Year) else str(row.Year)
        cells = [str(row.Rank), Text(row.Title), year, Text(row.Genres.replace("|", ", ")), f"{row.Score:.2f}"]
        table.add_row(*cells, *([Text(row.Because)] if with_reasons else []))
    Console().print(table)


if __name__ == "__main__":
    _stage.run(main)
