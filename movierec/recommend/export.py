"""A trained model in one file, for use without the project.

The whole model has titles and ratings, which the licence of MovieLens does not let anyone pass on. The public one has
vectors and MovieIDs alone: it recommends to new users, by the graph and by similar movies. Titles come from the user's
own copy of the data (see `with_titles`).
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from movierec.recommend.files import CATALOGUE_PREFIX, read_files
from movierec.recommend.scores import Scores
from movierec.recommend.stored_catalogue import StoredCatalogue
from movierec.utils.arrays import pack_text, write_arrays
from movierec.utils.errors import UserError
from movierec.utils.movie_titles import NO_GENRES, title_and_year

KEPT = 300  # weights of a movie by similar movies in the public model, the largest
OF_USERS = ("user_ids", "h_user", "user_embedding", "graph.user_gender")
EDGES = {"graph.source": np.int32, "graph.target": np.int32, "graph.weight": np.float32}


def export(models: Path, to: Path, public: bool) -> None:
    """Write the model of a folder, with its catalogue, to one file; `public`: without users, ratings and titles.

    Raises:
        UserError: a file is missing or damaged.
    """
    model, catalogue = read_files(models)
    if public:
        model, catalogue = public_model(model), public_catalogue(catalogue, "trend.times" in model)
    write_arrays(to, **model, **{f"{CATALOGUE_PREFIX}{name}": of for name, of in catalogue.items()})


def public_model(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The model without users: the item vectors, the weights by similar movies, and what comes next."""
    scores, n_items = Scores(arrays), len(arrays["item_ids"])
    public = {name: of for name, of in arrays.items() if not name.startswith(("users_", "items_"))}
    public |= {name: arrays[name][:0] for name in OF_USERS} | {name: np.empty(0, of) for name, of in EDGES.items()}
    public |= {"graph.degree": np.zeros(n_items, np.int32), "graph.n_users": 0}
    public |= {"graph.item_genres": np.zeros((n_items, 0), np.int8)}
    mix = np.array(scores.mix) * [1.0, 0.0, scores.has("items")]
    public |= {"mix": mix / mix.sum() if mix.sum() else np.array([1.0, 0.0, 0.0])}
    if scores.has("items"):
        weights = zip(("data", "indices", "indptr"), largest_weights(scores), strict=True)
        public |= {f"items_weights.{name}": of for name, of in weights}
        # The weights are complete: no power of degrees is left to be multiplied.
        public |= {"items_powers": np.zeros(2), "items_kernel": arrays["items_kernel"], "items_noise": np.array(1.0)}
    return public


def largest_weights(scores: Scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The weights about each item by similar ones, as data, indices and indptr of rows; of a dense process the largest.

    A process over many items has few for each.
    """
    n_items = scores.n_items
    if "items_noise" in scores.arrays:
        data, indices, indptr = (scores.arrays[f"items_weights.{name}"] for name in ("data", "indices", "indptr"))
        y, popularity = (np.maximum(scores.item_degree, 1.0) ** power for power in scores.powers["items"])
        return (data * y[indices] * np.repeat(popularity, np.diff(indptr))).astype(np.float32), indices, indptr
    weights, kept = scores.item_weights(np.arange(n_items)).T, min(KEPT, n_items)
    columns = np.sort(np.argpartition(-np.abs(weights), kept - 1, axis=1)[:, :kept], axis=1).astype(np.int32)
    values = np.take_along_axis(weights, columns, axis=1)
    return values.ravel(), columns.ravel(), np.arange(0, n_items * kept + 1, kept, dtype=np.int32)


def public_catalogue(arrays: Mapping[str, Any], follows_time: bool) -> dict[str, Any]:
    """The catalogue without users, ratings, titles, years and genres."""
    n_items, of_items = len(arrays["item_ids"]), ("item_ids", "item_names", "item_names.utf8", "item_names.ends")
    kept = {name: arrays[name] for name in (*of_items, "run") if name in arrays}
    nobody = {"indptr": np.zeros(1, np.int64), "indices": np.empty(0, np.int32), "data": np.empty(0, np.float32)}
    kept |= {"user_ids": arrays["user_ids"][:0], "years": np.zeros(n_items, np.int16)}
    kept |= {f"rated.{name}": of for name, of in nobody.items()}
    if follows_time:
        kept |= {"known.indptr": nobody["indptr"], "known.items": nobody["indices"], "known.weight": nobody["data"]}
        kept |= {"known.times": arrays["known.times"][:0]}
    unnamed = [f"movie {movie_id}" for movie_id in StoredCatalogue(arrays).item_keys.tolist()]
    return kept | pack_text("titles", unnamed) | pack_text("genres", [""] * n_items)


def with_titles(catalogue: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """A catalogue with the titles, years and genres of movies.dat or movies.csv of MovieLens.

    Raises:
        UserError: the file cannot be read, or has none of the movies.
    """
    found = {movie_id: (title, genres) for movie_id, title, genres in _rows(path)}
    movie_ids = list(map(str, StoredCatalogue(catalogue).item_keys.tolist()))
    if not any(movie_id in found for movie_id in movie_ids):
        raise UserError(f"{path} has none of the model's movies; it must be of the data set that the model is of.")
    parts = [title_and_year(found.get(of, (f"movie {of}", ""))[0]) for of in movie_ids]
    years = {"years": np.array([year or 0 for _, year in parts], np.int16)}
    genres = [found.get(of, ("", ""))[1] for of in movie_ids]
    return dict(catalogue) | years | pack_text("titles", [text for text, _ in parts]) | pack_text("genres", genres)


def _rows(path: Path) -> list[tuple[str, str, str]]:
    """MovieID, title and genres of each row."""
    try:
        data = path.read_bytes()
        if path.suffix == ".csv":
            rows = [*csv.reader(data.decode("utf-8").splitlines())][1:]
        else:
            rows = [line.split("::") for line in data.decode("latin-1").splitlines()]
        return [(movie_id, title, "" if genres == NO_GENRES else genres) for movie_id, title, genres in rows]
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); give movies.dat or movies.csv of MovieLens.") from None
