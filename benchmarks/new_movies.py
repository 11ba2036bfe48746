"""Movies that come after the training: python benchmarks/new_movies.py data/raw

Trains without a tenth of the movies, drawn at random. Then an update brings them, with their first few users or none,
and their other users are to be found: NDCG@10 of each user's ranking of the new movies among themselves, and the share
of new movies among the first 20 recommendations from all.
"""

from pathlib import Path
from typing import Any

import _bench
import numpy as np
import pandas as pd
import torch
from replay import LAST_TENTH, Trained, read

from movierec.interactions.matrix import to_csr
from movierec.ranking.topk import Scorer, evaluate, top_k
from movierec.update import NewData, Update

FIRST_USERS = (0, 1, 3, 10, 30)


def main() -> None:
    parser = _bench.parser(__doc__, "set")
    parser.add_argument("source", type=Path, help="a folder such as data/raw, or a release's zip: ml-1m.zip")
    args = parser.parse_args()
    params = _bench.bench_params(args.set).model_copy(update={"split_strategy": LAST_TENTH.name})
    data = read(args.source)
    likes = data.ratings[data.ratings["Rating"] >= params.min_rating]
    movies = np.unique(likes["MovieID"])
    new = np.sort(np.random.default_rng(params.seed).choice(movies, len(movies) // 10, replace=False))
    is_new = data.ratings["MovieID"].isin(new)
    end = int(data.ratings["Timestamp"].max()) + 1
    trained = Trained.on(data._replace(ratings=data.ratings[~is_new]), params, end)
    of_new = likes[likes["MovieID"].isin(new) & likes["UserID"].isin(trained.stored.user_ids)]
    order = of_new.groupby("MovieID").cumcount()
    rows = []
    for n in FIRST_USERS:
        known, rest = of_new[order < n], of_new[order >= n]
        if not len(rest):
            break
        movies = data.movies[data.movies["MovieID"].isin(new)]
        update = Update(trained.stored, trained.catalogue, NewData(data.users[:0], movies, known), params)
        rows.append({"first_users": n} | figures(update, new, known, rest))
        _bench.say(", ".join(f"{name} {value}" for name, value in rows[-1].items()))
    _bench.write_result(args.out, {"data": {"movies": len(new), "likes": len(of_new)}, "rows": rows})


def figures(update: Update, new: np.ndarray, known: pd.DataFrame, rest: pd.DataFrame) -> dict[str, Any]:
    """Of the new movies, whose first users are `known`, and the others the `rest`."""
    users, items, profiles = update.users.names, update.items.names, update.profiles
    column = np.searchsorted(items, new)

    def matrix(likes: pd.DataFrame) -> Any:
        pairs = {"user": np.searchsorted(users, likes["UserID"]), "item": np.searchsorted(new, likes["MovieID"])}
        return to_csr(pd.DataFrame(pairs), len(users), len(new))

    def quality(scorer: Scorer) -> float:
        found = evaluate(scorer, profiles.matrix, matrix(known), matrix(rest), [10])
        return round(float(found["ndcg@10"]), 6)

    scorer, columns = update.model.model.scorer(profiles), torch.from_numpy(column)
    popularity = torch.from_numpy(np.bincount(np.searchsorted(new, known["MovieID"]), minlength=len(new))).float()
    at_random = torch.from_numpy(np.random.default_rng(0).random((len(users), len(new)))).float()
    by = {"model": lambda of: scorer(of)[:, columns], "number of first users": lambda of: popularity.repeat(len(of), 1)}
    by["at random"] = lambda of: at_random[torch.from_numpy(of)]
    lists, _ = top_k(scorer, np.arange(len(users)), update.rated, 20)
    shares = {"share_of_lists": round(float(np.isin(lists, column).mean()), 6), "targets": len(rest)}
    return {"ndcg@10": {name: quality(scorer) for name, scorer in by.items()}} | shares


if __name__ == "__main__":
    _bench.run(main)
