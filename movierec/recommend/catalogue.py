"""The catalogue: titles, genres, ratings and histories, which recommending needs beside the model."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.interactions.history import Histories, Profiles
from movierec.interactions.matrix import to_csr

NAMES = ("user_names", "item_names")
CSR = ("data", "indices", "indptr")


class Catalogue(NamedTuple):
    """The data of users and movies, by the model's indices."""

    user_ids: np.ndarray  # (n_users,)
    item_ids: np.ndarray  # (n_items,)
    movies: pd.DataFrame  # MovieID, Title, Year, Genres by item index
    rated: sp.csr_matrix  # (n_users, n_items) float32, stars
    profiles: Profiles | None  # of all users, for a model that follows time
    user_names: np.ndarray | None = None  # (n_users,) the ids of the data set, where they are text
    item_names: np.ndarray | None = None  # (n_items,)

    @classmethod
    def from_tables(
        cls,
        users: pd.DataFrame,
        movies: pd.DataFrame,
        ratings: pd.DataFrame,
        *,
        user_ids: np.ndarray,
        item_ids: np.ndarray,
        profiles: Profiles | None,
    ) -> "Catalogue":
        """From the clean tables, the movies by item index; ratings of other users and movies are left out."""
        rated = ratings[ratings["UserID"].isin(user_ids) & ratings["MovieID"].isin(item_ids)]
        user, item = np.searchsorted(user_ids, rated["UserID"]), np.searchsorted(item_ids, rated["MovieID"])
        pairs, shape = pd.DataFrame({"user": user, "item": item}), (len(user_ids), len(item_ids))
        matrix = to_csr(pairs, *shape, weight=rated["Rating"].to_numpy())
        user_names = users.set_index("UserID")["Name"].loc[user_ids].to_numpy(str) if "Name" in users else None
        item_names = movies["Name"].to_numpy(str) if "Name" in movies else None
        movies = movies if item_names is None else movies.assign(MovieID=item_names.astype(object))
        names = {"user_names": user_names, "item_names": item_names}
        return cls(user_ids, item_ids, movies, matrix, profiles=profiles, **names)

    def arrays(self) -> dict[str, Any]:
        """As arrays, to be stored."""
        arrays = {"user_ids": self.user_ids, "item_ids": self.item_ids, "titles": self.movies["Title"].to_numpy(str)}
        years, genres = self.movies["Year"].fillna(0).to_numpy(np.int16), self.movies["Genres"].to_numpy(str)
        arrays |= {"years": years, "genres": genres}
        arrays |= {f"rated.{name}": getattr(self.rated, name) for name in CSR}
        arrays |= {name: getattr(self, name) for name in NAMES if getattr(self, name) is not None}
        if self.profiles:
            histories = self.profiles.histories
            weight = np.asarray(self.profiles.matrix[histories.users, histories.items]).ravel()
            arrays |= {"known.indptr": histories.indptr, "known.items": histories.items, "known.weight": weight}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Catalogue":
        """The reverse of `arrays`."""
        shape = (len(arrays["user_ids"]), len(arrays["item_ids"]))
        years = pd.array(arrays["years"], dtype="Int16")
        years[arrays["years"] == 0] = pd.NA
        names = {name: arrays.get(name) for name in NAMES}
        ids = arrays["item_ids"] if names["item_names"] is None else names["item_names"].astype(object)
        text = {"Title": arrays["titles"].astype(object), "Year": years, "Genres": arrays["genres"].astype(object)}
        movies = pd.DataFrame({"MovieID": ids} | text)
        rated = sp.csr_matrix(tuple(arrays[f"rated.{name}"] for name in CSR), shape=shape)
        profiles = None
        if "known.indptr" in arrays:
            histories = Histories(arrays["known.indptr"], arrays["known.items"])
            matrix = sp.csr_matrix((arrays["known.weight"], (histories.users, histories.items)), shape=shape)
            matrix.sort_indices()
            profiles = Profiles(matrix, histories, np.arange(shape[0]))
        return cls(arrays["user_ids"], arrays["item_ids"], movies, rated, profiles=profiles, **names)
