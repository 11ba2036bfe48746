"""Draw the pictures: the long tail, and the map of movies."""

from pathlib import Path

import _stage
import numpy as np

from movierec.beyond_accuracy import coverage, gini, times_recommended
from movierec.evaluation import K, at_test
from movierec.features import movies_by_index
from movierec.figures import long_tail_figure, map_figure
from movierec.interactions import TEMPORAL, Split, to_csr, users_of_items
from movierec.mapping import places_on_map
from movierec.storage import read_arrays, read_rankings, read_table, write_whole

ON_MAP = 1000  # the best-known movies
IN_TAIL = ("model", "EASE", "popularity")


def main() -> None:
    params = _stage.params("split_strategy", "mask")
    item_ids = read_table(Path("data/split/items.parquet"))["MovieID"].to_numpy()
    n_users = len(read_table(Path("data/split/users.parquet")))
    movies = movies_by_index(read_table(Path("data/clean/movies.parquet")), item_ids)
    parts = Split(*(to_csr(read_table(Path(f"data/split/{part}.parquet")), n_users, len(item_ids)) for part in Split._fields))
    rankings = read_rankings(Path("data/rankings/model.npz")) | read_rankings(Path("data/rankings/baselines.npz"))
    liked = users_of_items(parts.train)

    asked, ranked = at_test(rankings, *parts, params.split_strategy in TEMPORAL, params.mask)
    times = {name: times_recommended(ranked[name][asked.users, :K], len(item_ids)) for name in IN_TAIL if name in ranked}
    words = {name: f"coverage {coverage(of):.0%}, Gini {gini(of):.2f}" for name, of in times.items()}
    write_whole(Path("plots/long_tail.png"), lambda path: long_tail_figure(liked, times, words, path))

    best_known = np.argsort(-liked, kind="stable")[:ON_MAP]
    places = places_on_map(read_arrays(Path("models/model.npz"))["h_item"][best_known])
    write_whole(Path("plots/map.png"), lambda path: map_figure(places, movies.iloc[best_known], path))


if __name__ == "__main__":
    _stage.run(main)
