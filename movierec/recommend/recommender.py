"""Recommendations by a trained model, as data frames."""

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from movierec.interactions.profiles import Profiles
from movierec.recommend.catalogue import Catalogue
from movierec.recommend.filters import Filters
from movierec.recommend.lookup import Id, plain_id
from movierec.recommend.ranker import Asked, Movies, Ranker
from movierec.recommend.reasons import Reasons
from movierec.utils.group import ALONE, Group

if TYPE_CHECKING:  # torch loads slowly
    from movierec.model.model import Model
    from movierec.ranking.topk import Scorer

FEW = 16  # users, up to which loading torch takes longer than scoring one after the other
NO_FILTERS = Filters()


class Recommender(Ranker):
    """A trained model that recommends to known users and new ones, and finds similar movies.

        from movierec import Recommender
        r = Recommender.load("models/")
        r.recommend(user_id=42, k=10)
        r.recommend_new(likes=[260, 1196], k=10)
        r.similar(movie_id=541)

    Results are data frames. Ids (UserID, MovieID) are the data set's own.
    """

    @property
    def movies(self) -> pd.DataFrame:
        """MovieID, Title, Year, Genres by item index."""
        return self.tables.movies

    @property
    def rated(self) -> sp.csr_matrix:
        """The ratings, (n_users, n_items), stars."""
        return self.tables.rated

    @functools.cached_property
    def profiles(self) -> Profiles:
        """The histories of all users, asked at the end of the data."""
        profiles = self.tables.profiles or Profiles.without_order(self.model.graph.matrix)
        return profiles._replace(histories=profiles.histories.asked_at(self.now))

    @functools.cached_property
    def model(self) -> "Model":
        """The model in torch, which scores many users at once."""
        from movierec.model.saving import unpack

        return unpack(dict(self.arrays), self._source).model

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
            watched: MovieIDs that were watched and liked since, in this order.
            at: the moment of asking, in seconds since 1970, for a model that follows time; None: the end of the data.
            because: add the movies of the history that each recommendation comes from, at most three, with shares.
            group: the processes that divide the users; each of them returns all recommendations.

        Returns:
            UserID, Rank (from 1), MovieID, Title, Year, Genres, Score, best first; with `because` also Because, a list
            of (MovieID, share).

        Raises:
            UserError: an unknown id, or a moment before a user's last movie.
        """
        users = np.arange(len(self.user_ids)) if user_id is None else self.users_of(user_id)
        asked, watched = Asked(k, filters, diversity, because), list(watched)
        if because or watched or at is not None or len(users) <= FEW:
            found = [self.for_user(self.user_ids[user], asked, watched=watched, at=at) for user in users]
        else:
            from movierec.recommend.everyone import ranked

            items, scores = ranked(self, self._scorer, self.rated, users, asked=asked, group=group)
            self.check_finite(scores)
            found = [Movies(of[of >= 0], its[of >= 0]) for of, its in zip(items, scores, strict=True)]
        table = self._table(*found)
        table.insert(0, "UserID", np.repeat(self.user_ids[users], [len(of.items) for of in found]))
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
        return self._table(self.for_new(likes, dislikes, gender, Asked(k, filters, diversity, because)))

    def similar(self, movie_id: Id, k: int = 10, filters: Filters = NO_FILTERS) -> pd.DataFrame:
        """The nearest movies by the graph model's vectors: Rank, MovieID, Title, Year, Genres, Score (cosine)."""
        return self._table(self.near(movie_id, Asked(k, filters)))

    def taste(self, user_id: Id, k: int = 10) -> pd.DataFrame:
        """A user's best ratings: MovieID, Title, Year, Genres, Rating; of equal ratings, less popular movies first."""
        best = self.best_rated(self.users_of([user_id])[0], k)
        return self.movies.iloc[best.items].assign(Rating=best.stars).reset_index(drop=True)

    def last_watched(self, user_id: Id, k: int = 3) -> pd.DataFrame:
        """The last movies of a user's history, the last one first; for a model that follows time."""
        return self.movies.iloc[self.last_items(self.users_of([user_id])[0], k)].reset_index(drop=True)

    @functools.cached_property
    def tables(self) -> Catalogue:
        """The catalogue as tables and matrices."""
        return Catalogue.of_stored(self.catalogue)

    @functools.cached_property
    def _scorer(self) -> "Scorer":
        """The scores of users as they are known."""
        return self.model.scorer(None if self.as_trained else self.profiles)

    def _table(self, *lists: Movies) -> pd.DataFrame:
        """Lists of movies, one after the other, as one table."""
        items, scores = (np.concatenate([[], *of]) for of in zip(*((of.items, of.scores) for of in lists), strict=True))
        table = self.movies.iloc[items.astype(np.int64)].reset_index(drop=True)
        ranks = [np.arange(1, len(of.items) + 1) for of in lists]
        table.insert(0, "Rank", np.concatenate([[], *ranks]).astype(np.int32))
        table = table.assign(Score=scores.astype(np.float32))
        if all(of.because is not None for of in lists):
            table["Because"] = [self._with_ids(one) for of in lists for one in of.because or []]
        return table

    def _with_ids(self, because: Reasons) -> list[tuple[Id, float]]:
        """Reasons with MovieIDs."""
        return [(plain_id(self.item_ids[item]), share) for item, share in because]
