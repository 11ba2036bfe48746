"""Recommendations by a trained model."""

import functools
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor

from movierec.interactions.history import Histories, Profiles
from movierec.interactions.matrix import item_degrees
from movierec.model.lightgcn import vectors_from_features
from movierec.model.saving import StoredModel, unpack
from movierec.ranking.topk import DotScorer, Scorer, chunks, top_k
from movierec.recommend.catalogue import Catalogue
from movierec.recommend.filters import Filters
from movierec.recommend.lookup import Id, indices, is_text, plain_id, typed
from movierec.recommend.reasons import reasons
from movierec.recommend.reranking import POOL, diversify
from movierec.recommend.titles import Titles, normalise
from movierec.utils.errors import UserError
from movierec.utils.group import ALONE, Group
from movierec.utils.storage import read_arrays

DISLIKE = -0.25  # the weight of a disliked movie; a liked one has 1
MODEL, CATALOGUE = "model.npz", "catalogue.npz"
FILES = f"{MODEL} and {CATALOGUE}"
NO_FILTERS = Filters()


class Recommender:
    """A trained model that recommends to known users and new ones, and finds similar movies.

        from movierec import Recommender
        r = Recommender.load("models/")
        r.recommend(user_id=42, k=10)
        r.recommend_new(likes=[260, 1196], k=10)
        r.similar(movie_id=541)

    Results are data frames. Ids (UserID, MovieID) are the data set's own.
    """

    def __init__(self, stored: StoredModel, catalogue: Catalogue, source: str = FILES):
        self.model, self._source = stored.model, source  # the files, for messages
        self.params, self.version = stored.params, stored.version  # of the training, and of its code
        self.user_ids, self.item_ids = catalogue.user_keys, catalogue.item_keys  # sorted
        self.movies = catalogue.movies  # MovieID, Title, Year, Genres
        self.rated = catalogue.rated  # (n_users, n_items), stars
        self._n_ratings = item_degrees(self.rated)
        self._as_trained = catalogue.profiles is None  # whether all is known of users from training
        profiles = catalogue.profiles or Profiles.without_order(self.model.graph.matrix)
        self._now = int(profiles.histories.times.max(initial=0))  # all are asked when the data end
        self.profiles = profiles._replace(histories=profiles.histories.asked_at(self._now))  # of all users

    @classmethod
    def load(cls, folder: str | Path = "models") -> "Recommender":
        """Load the files that `dvc repro` or an update writes; see `read` for errors."""
        return cls(*cls.read(Path(folder)), f"{FILES} in {folder}")

    @staticmethod
    def read(folder: Path) -> tuple[StoredModel, Catalogue]:
        """The two files; a UserError if one is missing or damaged, or they do not match."""
        stored = unpack(read_arrays(folder / MODEL), str(folder / MODEL))
        catalogue = Catalogue.from_arrays(read_arrays(folder / CATALOGUE), str(folder / CATALOGUE))
        same = stored.run == catalogue.run and np.array_equal(stored.item_ids, catalogue.item_ids)
        has_profiles = catalogue.is_updated or stored.model.next is not None
        same = same and np.array_equal(stored.user_ids, catalogue.trained_ids)
        if not same or has_profiles != (catalogue.profiles is not None):
            raise UserError(f"{FILES} in {folder} are of different runs; run `dvc repro`.")
        return stored, catalogue

    @property
    def follows_time(self) -> bool:
        """Whether the model predicts what comes next, from histories in the order of time."""
        return self.model.next is not None

    @functools.cached_property
    def scorer(self) -> Scorer:
        """The scores of users as they are known from training."""
        return self.model.scorer()

    @functools.cached_property
    def titles(self) -> Titles:
        """The titles, to find movies by."""
        return Titles(self.movies["Title"].tolist(), self.movies["Year"].fillna(0).to_numpy(int))

    def find(self, title: str) -> Id:
        """The MovieID of a title; see `Titles.find`."""
        return plain_id(self.item_ids[self.titles.find(title)])

    def user_id(self, text: str) -> Id:
        """A UserID from text."""
        return typed(text, self.user_ids)

    def movie_id(self, text: str) -> Id:
        """A MovieID from text, which may be a title; see `find`."""
        movie_id = typed(text, self.item_ids)
        if isinstance(movie_id, str) == is_text(self.item_ids) and bool((self.item_ids == movie_id).any()):
            return movie_id
        is_title = isinstance(movie_id, str) or normalise(text) in self.titles.names
        return self.find(text) if is_title else movie_id

    def recommend(
        self,
        user_id: Id | Iterable[Id] | None = None,
        k: int = 20,
        *,
        filters: Filters = NO_FILTERS,
        diversity: float = 0.0,
        watched: Iterable[Id] = (),
        at: int | None = None,
        because: bool = False,
        group: Group = ALONE,
    ) -> pd.DataFrame:
        """The best movies that users have not rated.

        Args:
            user_id: one, several, or all users (None).
            k: movies per user; fewer where fewer are left.
            filters: by genre and year.
            diversity: 0 to 1; above 0, the list is chosen for diversity too.
            watched: MovieIDs that were watched since, in this order; for a model that follows time.
            at: the moment of asking, in seconds since 1970, for such a model; None: the end of the data.
            because: add the movies of the history that each recommendation comes from, at most three, with shares.
            group: the processes that divide the users; each of them returns all recommendations.

        Returns:
            UserID, Rank (from 1), MovieID, Title, Year, Genres, Score, best first; with `because` also Because, a list
            of (MovieID, share).

        Raises:
            UserError: an unknown id, or a moment before a user's last movie.
        """
        users = np.arange(len(self.user_ids)) if user_id is None else self.users_of(user_id)
        since = self.items_of(watched)
        if (len(since) or at is not None) and not self.follows_time:
            raise UserError("watched movies and a moment need a model that follows time; change the split_strategy.")
        scorer, rows, seen, profiles = self.scorer, users, self.rated, self.profiles
        if not self._as_trained:
            profiles, seen = self._asking(users, since, at)
            scorer, rows = self.model.scorer(profiles), np.arange(len(users))
        table, items = self._table(scorer, rows, seen, k=k, filters=filters, diversity=diversity, group=group)
        table.insert(0, "UserID", np.repeat(self.user_ids[users], [len(of) for of in items]))
        if because:
            of_users = [profiles.of(np.array([row])) for row in rows]
            found = (self._because(of, its, trained=self._as_trained) for of, its in zip(of_users, items, strict=True))
            table["Because"] = list(itertools.chain.from_iterable(found))
        return table

    def recommend_new(
        self,
        likes: Iterable[Id] = (),
        dislikes: Iterable[Id] = (),
        gender: str | None = None,
        k: int = 20,
        *,
        filters: Filters = NO_FILTERS,
        diversity: float = 0.0,
        because: bool = False,
    ) -> pd.DataFrame:
        """Recommendations for a new user, without training: from likes, dislikes, gender, or nothing.

        Args:
            likes: MovieIDs; where the model follows time, the last one watched last.
            dislikes: MovieIDs.
            gender: F, M, or None.
            k, filters, diversity, because: as in `recommend`.

        Returns:
            As `recommend`, without UserID.

        Raises:
            UserError: an unknown id, or one that is both liked and disliked.
        """
        liked, disliked = self.items_of(likes), self.items_of(dislikes)
        both = np.intersect1d(liked, disliked)
        if len(both):
            raise UserError(f"{self.titles.shown(both[0])} is both liked and disliked.")
        if gender not in ("F", "M", None):
            raise UserError(f"gender is {gender!r}, but must be F, M, or left out.")
        features = np.array([[gender == "F", gender == "M"]], np.int8)
        matrix = self._row(liked, 1.0) + self._row(disliked, DISLIKE)
        matrix.sort_indices()
        profiles = Profiles(matrix, Histories.of_one(liked, self._now), np.array([-1]), features)
        if len(liked):
            scorer = self.model.scorer(profiles)
        else:  # nothing to propagate from
            h_user = vectors_from_features(self.model.h_user, self.model.graph.user_gender, features)
            scorer = DotScorer(h_user, self.model.h_item)
        asked: dict[str, Any] = {"k": k, "filters": filters, "diversity": diversity}
        seen = self._row(np.concatenate([liked, disliked]), 1.0)
        table, (items,) = self._table(scorer, np.zeros(1, int), seen, **asked)
        if because:
            table["Because"] = self._because(profiles, items, trained=False) if len(liked) else [[] for _ in items]
        return table

    def similar(self, movie_id: Id, k: int = 10, filters: Filters = NO_FILTERS) -> pd.DataFrame:
        """The nearest movies by the graph model's vectors: Rank, MovieID, Title, Year, Genres, Score (cosine)."""
        items, n_items = self.items_of([movie_id]), len(self.item_ids)
        itself = sp.csr_matrix((np.ones(1, np.float32), (items, items)), shape=(n_items, n_items))
        return self._table(DotScorer(*[self.model.h_item] * 2), items, itself, k=k, filters=filters)[0]

    def taste(self, user_id: Id, k: int = 10) -> pd.DataFrame:
        """A user's best ratings: MovieID, Title, Year, Genres, Rating; of equal ratings, less popular movies first."""
        items, stars = self.best_rated(self.users_of([user_id])[0], k)
        return self.movies.iloc[items].assign(Rating=stars).reset_index(drop=True)

    def best_rated(self, user: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """`taste` by index: at most k items and their stars."""
        at = slice(*self.rated.indptr[user : user + 2])
        items, stars = self.rated.indices[at], self.rated.data[at]
        order = np.lexsort((self._n_ratings[items], -stars))[:k]
        return items[order], stars[order]

    def last_watched(self, user_id: Id, k: int = 3) -> pd.DataFrame:
        """The last movies of a user's history, the last one first; for a model that follows time."""
        history = self.profiles.histories.of(self.users_of([user_id]))
        return self.movies.iloc[history.items[::-1][:k]].reset_index(drop=True)

    def n_rated(self, user_id: Id) -> int:
        """The number of movies that a user has rated, of those that the model knows."""
        return int(np.diff(self.rated.indptr)[self.users_of([user_id])[0]])

    def title_of(self, movie_id: Id) -> str:
        """The title with its year."""
        return self.titles.shown(self.items_of([movie_id])[0])

    def users_of(self, user_ids: Id | Iterable[Id]) -> np.ndarray:
        """The indices of one user or several, in this order, each once; a UserError if one is unknown."""
        return indices(user_ids, self.user_ids, "user", "for a new user, ask by what they like (--like)")

    def items_of(self, movie_ids: Id | Iterable[Id]) -> np.ndarray:
        """The indices of one movie or several, in this order, each once; a UserError if one is unknown."""
        return indices(movie_ids, self.item_ids, "movie", "a movie can also be asked for by its title")

    def _table(
        self,
        scorer: Scorer,
        rows: np.ndarray,
        seen: sp.csr_matrix,
        *,
        k: int,
        filters: Filters = NO_FILTERS,
        diversity: float = 0.0,
        group: Group = ALONE,
    ) -> tuple[pd.DataFrame, list[np.ndarray]]:
        """The best movies of each row as one table, and their item indices by row."""
        if k < 1:
            raise UserError(f"{k} recommendations are asked for, but it must be 1 or more.")
        if not 0 <= diversity <= 1:
            raise UserError(f"diversity is {diversity:g}, but must be from 0 to 1.")
        excluded = torch.from_numpy(np.flatnonzero(~filters.allowed(self.movies)))

        def allowed(users: np.ndarray) -> Tensor:
            return scorer(users).index_fill_(1, excluded, -torch.inf)

        own = [rows[at] for at in group.share([*chunks(len(rows), seen.shape[1])])]
        rows = np.concatenate([np.empty(0, int), *own])
        items, scores = top_k(allowed, rows, seen, POOL * k if diversity else k)
        if np.isnan(scores).any() or np.isposinf(scores).any():
            raise UserError(f"{self._source} give scores that are not finite; delete both and run `dvc repro`.")
        if diversity:
            items, scores = diversify(items, scores, self.model.h_item, diversity)
        items, scores = group.concat(items), group.concat(scores)
        valid = items >= 0
        table = self.movies.iloc[items[valid]].reset_index(drop=True)
        table.insert(0, "Rank", (np.nonzero(valid)[1] + 1).astype(np.int32))
        return table.assign(Score=scores[valid]), [of[at] for of, at in zip(items, valid, strict=True)]

    def _because(self, profiles: Profiles, items: np.ndarray, trained: bool) -> list[list[tuple[Id, float]]]:
        """For each item recommended to one user, the MovieIDs that it comes from and their shares."""
        found = reasons(self.model, profiles, items, trained)
        return [[(plain_id(self.item_ids[item]), share) for item, share in of] for of in found]

    def _row(self, items: np.ndarray, value: float) -> sp.csr_matrix:
        """A value at some items: (1, n_items) float32."""
        row = (np.full(len(items), value, np.float32), items, [0, len(items)])
        return sp.csr_matrix(row, shape=(1, len(self.item_ids)))

    def _asking(self, users: np.ndarray, since: np.ndarray, at: int | None) -> tuple[Profiles, sp.csr_matrix]:
        """The profiles of users at the moment of asking and the movies they have seen, once they have watched more."""
        profiles, seen = self.profiles.of(users), self.rated[users]
        if at is not None:
            late = np.flatnonzero(profiles.histories.last_times > at)
            if len(late):
                raise UserError(f"the last movie of user {self.user_ids[users[late[0]]]} is later than that moment.")
            profiles = profiles._replace(histories=profiles.histories.asked_at(at, exactly=True))
        if not len(since):
            return profiles, seen
        matrix, seen = profiles.matrix.tolil(), seen.tolil()
        matrix[:, since] = seen[:, since] = 1.0
        histories = profiles.histories.followed_by(since, self._now if at is None else at)
        return profiles._replace(matrix=matrix.tocsr(), histories=histories), seen.tocsr()
