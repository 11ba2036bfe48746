"""What a recommender needs beside the model: what the movies are called, and who rated what."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.history import History, Known, known_by
from movierec.interactions import to_csr

NAMES = ("user_names", "item_names")


class Catalogue(NamedTuple):
    """Titles, ratings and histories, by the model's indices."""

    user_ids: np.ndarray  # (n_users,)
    item_ids: np.ndarray  # (n_items,)
    movies: pd.DataFrame  # MovieID, Title, Year, Genres of each item index
    rated: sp.csr_matrix  # (n_users, n_items) float32, stars
    known: Known | None  # everyone's history up to now, for a model that follows time
    user_names: np.ndarray | None = None  # (n_users,) the data set's own ids, where these are text
    item_names: np.ndarray | None = None  # (n_items,)

    def arrays(self) -> dict[str, np.ndarray]:
        """To be stored."""
        arrays = {
            "user_ids": self.user_ids, "item_ids": self.item_ids, "titles": self.movies["Title"].to_numpy(str),
            "years": self.movies["Year"].fillna(0).to_numpy(np.int16), "genres": self.movies["Genres"].to_numpy(str),
        }  # fmt: skip
        arrays |= {f"rated.{name}": getattr(self.rated, name) for name in ("data", "indices", "indptr")}
        arrays |= {name: getattr(self, name) for name in NAMES if getattr(self, name) is not None}
        if self.known:
            weight = self.known.matrix[self.known.history.users, self.known.history.items]
            arrays |= {"known.indptr": self.known.history.indptr, "known.items": self.known.history.items, "known.weight": np.asarray(weight).ravel()}
        return arrays


def catalogue(
    users: pd.DataFrame, movies: pd.DataFrame, ratings: pd.DataFrame, user_ids: np.ndarray, item_ids: np.ndarray, parts: list[pd.DataFrame] | None,
    rating_power: float,
) -> Catalogue:  # fmt: skip
    """From the tables.

    Args:
        users: UserID, and Name where the data set's own ids are text.
        movies: MovieID, Title, Year, Genres of each item index, and Name in the same way.
        ratings: UserID, MovieID, Rating; those of other users and movies are left out.
        user_ids: of each user index.
        item_ids: of each item index.
        parts: of the split, in time, where the model follows it; else None.
        rating_power: see `rating_weights`.
    """
    shape = (len(user_ids), len(item_ids))
    rated = ratings[ratings["UserID"].isin(user_ids) & ratings["MovieID"].isin(item_ids)]
    pairs = pd.DataFrame({"user": np.searchsorted(user_ids, rated["UserID"]), "item": np.searchsorted(item_ids, rated["MovieID"])})
    known = known_by(*shape, parts, rating_power) if parts else None
    user_names = users.set_index("UserID")["Name"].loc[user_ids].to_numpy(str) if "Name" in users else None
    item_names = movies["Name"].to_numpy(str) if "Name" in movies else None
    return Catalogue(user_ids, item_ids, movies, to_csr(pairs, *shape, rated["Rating"].to_numpy()), known, user_names, item_names)


def stored_catalogue(arrays: dict[str, np.ndarray]) -> Catalogue:
    """The reverse of `Catalogue.arrays`."""
    shape = (len(arrays["user_ids"]), len(arrays["item_ids"]))
    years = pd.array(arrays["years"], dtype="Int16")
    years[arrays["years"] == 0] = pd.NA
    names = {name: arrays.get(name) for name in NAMES}
    own_ids = arrays["item_ids"] if names["item_names"] is None else names["item_names"].astype(object)
    movies = pd.DataFrame({"MovieID": own_ids, "Title": arrays["titles"].astype(object), "Year": years, "Genres": arrays["genres"].astype(object)})
    rated = sp.csr_matrix(tuple(arrays[f"rated.{name}"] for name in ("data", "indices", "indptr")), shape=shape)
    known = None
    if "known.indptr" in arrays:
        history = History(arrays["known.indptr"], arrays["known.items"])
        matrix = sp.csr_matrix((arrays["known.weight"], (history.users, history.items)), shape=shape)
        matrix.sort_indices()
        known = Known(matrix, history, np.arange(shape[0]))
    return Catalogue(arrays["user_ids"], arrays["item_ids"], movies, rated, known, **names)
