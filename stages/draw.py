"""Draw the figures: the training, the long tail, and the map of movies, with the places on it for the page."""

from pathlib import Path

import _stage
import numpy as np
import pandas as pd

from movierec.evaluation.beyond_accuracy import coverage, gini, times_recommended
from movierec.evaluation.figures import long_tail_figure, map_figure, places_on_map, training_figure
from movierec.evaluation.measure import K, at_test
from movierec.interactions.features import movies_by_index
from movierec.interactions.matrix import Split, item_degrees, to_csr
from movierec.utils.arrays import read_arrays, replacing
from movierec.utils.params import knows_valid
from movierec.utils.storage import read_csv, read_rankings, read_table, write_csv

FIGURES = Path("plots/figures")
ON_MAP, IN_TAIL = 1000, ("model", "EASE", "popularity")  # the best-known movies; models


def main() -> None:
    params = _stage.params()
    user_ids, item_ids = _stage.read_ids()
    movies = movies_by_index(read_table(Path("data/clean/movies.parquet")), item_ids)
    split = Split(*(to_csr(part, len(user_ids), len(item_ids)) for part in _stage.read_parts(*Split._fields)))
    rankings = read_rankings(Path("data/rankings/model.npz")) | read_rankings(Path("data/rankings/baselines.npz"))
    truth = at_test(split, knows_valid=knows_valid(params), mask=params.mask)
    lists = {name: rankings[name][truth.moment][truth.users, :K] for name in IN_TAIL if name in rankings}
    times = {name: times_recommended(of, len(item_ids)) for name, of in lists.items()}
    words = {name: f"coverage {coverage(of):.0%}, Gini {gini(of):.2f}" for name, of in times.items()}
    liked = item_degrees(split.train)
    with replacing(FIGURES / "training.png") as path:
        training_figure(*(read_csv(Path(f"plots/evaluation/{name}.csv")) for name in ("loss", "validation")), path)
    with replacing(FIGURES / "long_tail.png") as path:
        long_tail_figure(liked, times, words, path)
    best_known = np.argsort(-liked, kind="stable")[:ON_MAP]
    places = places_on_map(read_arrays(Path("models/model.npz"))["h_item"][best_known])
    write_csv(pd.DataFrame({"item": best_known, "x": places[:, 0], "y": places[:, 1]}), Path("data/map.csv"))
    with replacing(FIGURES / "map.png") as path:
        map_figure(places, movies.iloc[best_known], path)


if __name__ == "__main__":
    _stage.run(main)
