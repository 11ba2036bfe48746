"""New ratings, users and movies in a trained model, without training.

python -m movierec update data/new                         files of any layout, as for `dataset: path`
python -m movierec recommend --models models/updated --user 42       recommendations of the updated model

A folder holds what is new, or all data: known rows change nothing. New ratings extend the histories. A new user is
known by ratings and gender, a new movie by genres, year and first users. The weights stay as they are: `dvc repro` on
all data trains anew.
"""

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.data.cleaning import clean
from movierec.data.layouts import read_folder
from movierec.interactions.features import gender_features, genre_features, placing_features
from movierec.interactions.graph_arrays import GraphArrays, graph_arrays
from movierec.interactions.histories import Histories
from movierec.interactions.matrix import rating_weights, run_id, to_csr
from movierec.interactions.profiles import Profiles
from movierec.model.new_items import with_new_items
from movierec.model.saving import StoredModel, pack, unpack
from movierec.model.trend import Trend
from movierec.recommend.catalogue import Catalogue
from movierec.recommend.files import CATALOGUE, FILES, MODEL, check_match, read_files
from movierec.recommend.lookup import is_text
from movierec.recommend.stored_catalogue import StoredCatalogue
from movierec.utils.arrays import write_arrays
from movierec.utils.errors import UserError
from movierec.utils.params import Columns, Params
from movierec.utils.storage import read_table

Say = Callable[[str], Any]


def update(folders: Sequence[Path], params: Params, models: Path, to: Path, say: Say = print) -> None:
    """Write the trained model of `models`, with the data of the folders, to another folder.

    Args:
        folders: of data, each of any layout; later ratings count.
        params: columns, rating_scale, max_rejected, max_repeated and min_rating, as for the training.
        models: of the trained model.
        to: for the updated one.
        say: called with each line for a person.

    Raises:
        UserError: files that cannot be used, ids of another kind, or a model that is updated already.
    """
    if to.resolve() == models.resolve():
        raise UserError(f"--to {to} is the folder of the trained model; name another one.")
    stored, catalogue = read_model(models)
    if catalogue.is_updated:
        raise UserError(f"{models} holds an updated model; update the trained one, with all folders since.")
    new = NewData.read(folders, params, catalogue, say)
    merged = Update(stored, catalogue, new, params)
    to.mkdir(parents=True, exist_ok=True)
    model, user_ids, item_ids, of_training, *_ = merged.model
    write_arrays(to / MODEL, **pack(model, merged.graph, user_ids, item_ids, params=of_training))
    write_arrays(to / CATALOGUE, **merged.catalogue().arrays())
    counts = len(merged.events), merged.users.is_new.sum(), merged.items.is_new.sum()
    say("new: {:,} ratings, {:,} users, {:,} movies".format(*counts))
    user = merged.users.names[0]
    say(f"the updated model: {to}; recommendations: python -m movierec recommend --models {to} --user {user}")


def read_model(folder: Path) -> tuple[StoredModel, Catalogue]:
    """A trained model and its catalogue; a UserError if a file is missing or damaged, or they do not match."""
    model, arrays = read_files(folder)
    catalogue = StoredCatalogue(arrays, str(folder / CATALOGUE))
    check_match(model, catalogue, f"{FILES} in {folder}")
    return unpack(model, str(folder / MODEL)), Catalogue.of_stored(catalogue)


class NewData(NamedTuple):
    """Clean tables with the ids of the data set."""

    users: pd.DataFrame  # UserID, Gender
    movies: pd.DataFrame  # MovieID, Title, Year, Genres
    ratings: pd.DataFrame  # UserID, MovieID, Rating, Timestamp

    @classmethod
    def read(cls, folders: Sequence[Path], params: Params, catalogue: Catalogue, say: Say) -> "NewData":
        """Of all folders; of a user's ratings of the same movie, the last folder's counts. For errors, see `update`."""
        names, found = {use: getattr(params.columns, use) for use in Columns.model_fields}, []
        for folder in folders:
            tables = read_folder(folder, names, params.rating_scale)
            if catalogue.profiles and "Timestamp" not in tables.ratings.columns:
                need = "which a model that follows time needs; add them, or set columns.timestamp in params.yaml"
                raise UserError(f"{tables.ratings.path}: no column has times, {need}.")
            tables = tables._replace(closed=tables.closed and not tables.own)  # movies may be the new ones alone
            with tempfile.TemporaryDirectory() as scratch:
                cleaned = clean(tables, params.max_rejected, Path(scratch), params.max_repeated)
                ratings = read_table(Path(scratch, "ratings.parquet"))
            for table, rows in cleaned.summary.items():
                for reason, count in rows["rejected"].items():
                    say(f"{folder}: {table}: {count:,} rows left out: {reason}")
            users = _with_names(cleaned.users, "UserID", catalogue.user_keys, folder)
            movies = _with_names(cleaned.movies, "MovieID", catalogue.item_keys, folder)
            for column, table in (("UserID", users), ("MovieID", movies)):
                ratings[column] = table[column].loc[ratings[column]].to_numpy()
            found.append(cls(users, movies, ratings))
        keys = ("UserID", "MovieID", ["UserID", "MovieID"])
        parts = zip(zip(*found, strict=True), keys, strict=True)
        return cls(*(pd.concat(of, ignore_index=True).drop_duplicates(key, keep="last") for of, key in parts))


def _with_names(table: pd.DataFrame, column: str, known: np.ndarray, folder: Path) -> pd.DataFrame:
    """A table of users or movies by its numbers, with the ids of the data set, of the kind of `known`, in `column`."""
    names = table["Name"] if "Name" in table else table[column]
    if not is_text(known) and names.dtype.kind not in "iu":
        raise UserError(f"{folder}: {column} {names.iloc[0]} is text, but those of the model are whole numbers.")
    kind = object if is_text(known) else np.int64
    names = (names.astype(str) if is_text(known) else names).to_numpy(kind)
    return table.set_index(table[column].to_numpy()).assign(**{column: names}).drop(columns="Name", errors="ignore")


class Side(NamedTuple):
    """The users, or the items, of training and of the new data."""

    names: np.ndarray  # (n,) ids of the data set, sorted
    ids: np.ndarray  # (n,) int64, rising: the same where they are small numbers
    place: np.ndarray  # (n_before,) index of those of training
    is_new: np.ndarray  # (n,) bool

    @classmethod
    def of(cls, before: np.ndarray, new: pd.Series, has_names: bool) -> "Side":
        """Of ids before and now; `has_names`: whether they are text or large."""
        names = np.union1d(before, new.to_numpy(object if is_text(before) else np.int64))
        place = np.searchsorted(names, before)
        return cls(names, np.arange(len(names)) if has_names else names, place, ~np.isin(np.arange(len(names)), place))


class Update:
    """A trained model, its catalogue, and new data."""

    def __init__(self, stored: StoredModel, catalogue: Catalogue, new: NewData, params: Params):
        """Merge them; see `update` for the params."""
        self.stored, self.before, self.new = stored, catalogue, new
        likes = new.ratings[new.ratings["Rating"] >= params.min_rating]
        unrated = new.movies["MovieID"][~new.movies["MovieID"].isin(new.ratings["MovieID"])]
        movies = pd.concat([likes["MovieID"], unrated])
        self.users = Side.of(catalogue.user_keys, likes["UserID"], catalogue.user_names is not None)
        self.items = Side.of(catalogue.item_keys, movies, catalogue.item_names is not None)
        self.shape = len(self.users.names), len(self.items.names)
        rated = self._placed(catalogue.rated)
        self.events = self._changed(rated)
        self.rated = self._rated(rated)
        self.profiles = self._profiles(params)
        self.graph = self._graph()
        self.run = run_id(self.users.ids[self.users.place], self.items.ids, self.graph.matrix())

    @functools.cached_property
    def model(self) -> StoredModel:
        """The updated model."""
        model, histories = self.stored.model, self.profiles.histories
        if self.items.is_new.any():
            features = placing_features(self.graph.item_genres, self.movies()["Year"])
            model = with_new_items(model, self.graph, self.profiles, self.items.is_new, features=features)
        if model.trend is not None:
            trend = Trend.of(histories, self.shape[1], model.trend.half_life, returns=model.trend.returns)
            model = model._replace(trend=trend)
        user_ids = self.users.ids[self.users.place]
        return self.stored._replace(model=model, user_ids=user_ids, item_ids=self.items.ids, run=self.run)

    def catalogue(self) -> Catalogue:
        """The updated catalogue."""
        names = {"user_names": self.users.names, "item_names": self.items.names}
        names = {name: of for name, of in names.items() if getattr(self.before, name) is not None}
        ids = self.users.ids, self.items.ids
        return Catalogue(*ids, self.movies(), self.rated, profiles=self.profiles, run=self.run, **names)

    def movies(self) -> pd.DataFrame:
        """MovieID, Title, Year, Genres by item index; those of training are as they were."""
        both = pd.concat([self.before.movies, self.new.movies]).drop_duplicates("MovieID")
        return both.set_index("MovieID").loc[self.items.names].reset_index()

    def _placed(self, matrix: sp.csr_matrix) -> sp.csr_matrix:
        """A matrix of the users and items of training among all of them."""
        of = matrix.tocoo()
        at = self.users.place[of.row], self.items.place[of.col]
        return sp.csr_matrix((of.data, at), shape=self.shape)

    def _changed(self, rated: sp.csr_matrix) -> pd.DataFrame:
        """The ratings that are new, or other than before: user, item, rating, timestamp, in the order of time."""
        ratings = self.new.ratings
        known = np.isin(ratings["UserID"], self.users.names) & np.isin(ratings["MovieID"], self.items.names)
        ratings = ratings[known].sort_values("Timestamp", kind="stable")
        user = np.searchsorted(self.users.names, ratings["UserID"])
        item = np.searchsorted(self.items.names, ratings["MovieID"])
        columns = {"rating": ratings["Rating"].to_numpy(), "timestamp": ratings["Timestamp"].to_numpy()}
        events = pd.DataFrame({"user": user, "item": item} | columns)
        stars = np.asarray(rated[user, item]).ravel() if len(events) else np.empty(0)
        return events[stars != events["rating"]].reset_index(drop=True)

    def _is_changed(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Whether each pair has a changed rating."""
        changed = self.events["user"].to_numpy(np.int64) * self.shape[1] + self.events["item"].to_numpy()
        return np.isin(user.astype(np.int64) * self.shape[1] + item, changed)

    def _rated(self, before: sp.csr_matrix) -> sp.csr_matrix:
        """All ratings: (n_users, n_items), stars."""
        of = before.tocoo()
        kept = ~self._is_changed(of.row, of.col)
        known = pd.DataFrame({"user": of.row[kept], "item": of.col[kept], "rating": of.data[kept]})
        both = pd.concat([known, self.events])
        return to_csr(both, *self.shape, weight=both["rating"].to_numpy())

    def _profiles(self, params: Params) -> Profiles:
        """The profiles of all users, with the new likes."""
        graph, before, power = self.stored.model.graph, self.before.profiles, self.stored.params["rating_power"]
        profiles = before or Profiles.without_order(graph.matrix)
        histories = profiles.histories
        user, item = histories.users, histories.items
        weight = np.asarray(profiles.matrix[user, item]).ravel()
        places = {"user": self.users.place[user], "item": self.items.place[item]}
        known = pd.DataFrame(places | {"timestamp": histories.times, "weight": weight})
        known = known[~self._is_changed(known["user"].to_numpy(), known["item"].to_numpy())]
        liked = self.events[self.events["rating"] >= params.min_rating]
        liked = liked.assign(weight=rating_weights(liked["rating"].to_numpy(), power, self._mean(power)))
        both = pd.concat([known, liked.drop(columns="rating")]).sort_values(["user", "timestamp"], kind="stable")
        index = np.full(self.shape[0], -1)
        index[self.users.place] = np.arange(len(self.users.place))
        gender = gender_features(self.new.users, self.users.names)
        gender[self.users.place] = graph.user_gender
        histories = Histories.from_interactions(self.shape[0], both)
        return Profiles(to_csr(both, *self.shape, weight=both["weight"].to_numpy()), histories, index, gender)

    def _mean(self, power: float) -> np.ndarray:
        """The mean rating of training, (1,): an interaction weighs (rating / mean) ^ rating_power."""
        edges = self.stored.model.graph.matrix.tocoo()
        some = slice(0, 1000)
        stars = np.asarray(self.before.rated[edges.row[some], edges.col[some]]).ravel().astype(np.float64)
        return np.median(stars / edges.data[some] ** (1 / (power or 1)), keepdims=True)

    def _graph(self) -> GraphArrays:
        """The graph of training, with the new items and the users of training who like them."""
        likes = self.profiles.matrix.tocoo()
        added = self.items.is_new[likes.col] & ~self.users.is_new[likes.row]
        new = sp.csr_matrix((likes.data[added], (likes.row[added], likes.col[added])), shape=self.shape)
        matrix = sp.csr_matrix(self._placed(self.stored.model.graph.matrix) + new)[self.users.place]
        matrix.sort_indices()
        gender = self.stored.model.graph.user_gender
        return graph_arrays(matrix, gender, self._genres())

    def _genres(self) -> np.ndarray:
        """The genres of training by item: (n_items, n_genres) int8. Columns that no known movie has are 0."""
        before = self.stored.model.graph.item_genres
        _, names = genre_features(self.before.movies, self.before.item_keys)
        of_all, all_names = genre_features(self.movies(), self.items.names)
        genres = np.zeros((self.shape[1], before.shape[1]), np.int8)
        genres[:, np.flatnonzero(before.any(axis=0))] = of_all[:, np.searchsorted(all_names, names)]
        return genres
