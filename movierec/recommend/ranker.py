"""Ranking for one user, known or new, and similar movies: by index, in NumPy alone."""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from movierec.interactions.histories import Histories
from movierec.recommend.files import FILES, check_match, read_files
from movierec.recommend.filters import Filters
from movierec.recommend.following import unit
from movierec.recommend.lookup import Id, indices, is_text, plain_id, typed
from movierec.recommend.reasons import Reasons, reasons
from movierec.recommend.reranking import POOL, diversify
from movierec.recommend.scores import Profile, Scores
from movierec.recommend.stored_catalogue import StoredCatalogue
from movierec.recommend.titles import Titles, normalise
from movierec.utils.errors import UserError

DISLIKE = -0.25  # the weight of a disliked movie; a liked one has 1
LATER_WEIGHTS = np.array([1.0, DISLIKE], np.float32)  # of movies since the training
NONE = np.empty(0, np.int64)


class Movies(NamedTuple):
    """Movies in an order; `printing` makes tables and JSON of them."""

    items: np.ndarray  # (k,) int64 item indices
    scores: np.ndarray | None = None  # (k,)
    because: list[Reasons] | None = None  # of each
    stars: np.ndarray | None = None  # (k,) of one user


class Asked(NamedTuple):
    """How movies are chosen."""

    k: int = 20  # movies; fewer where fewer are left
    filters: Filters = Filters()  # by genre and year
    diversity: float = 0.0  # 0 to 1; above 0, the list is chosen for diversity too
    because: bool = False  # with reasons

    def check(self) -> None:
        """A UserError for a number out of range."""
        if self.k < 1:
            raise UserError(f"{self.k} recommendations are asked for, but it must be 1 or more.")
        if not 0 <= self.diversity <= 1:
            raise UserError(f"diversity is {self.diversity:g}, but must be from 0 to 1.")


PLAIN = Asked()


class Ranker:
    """A trained model and its catalogue."""

    def __init__(self, model: Mapping[str, Any], catalogue: Mapping[str, Any], source: str = FILES):
        """From the arrays of both; a UserError names the `source` if they do not match."""
        self.arrays, self._source, self.catalogue = model, source, StoredCatalogue(catalogue, source)
        check_match(model, self.catalogue, source)
        self.user_ids, self.item_ids = self.catalogue.user_keys, self.catalogue.item_keys  # sorted
        self.params, self.version = json.loads(str(model["params"])), str(model["version"])  # of the training
        self.as_trained = not self.catalogue.has_histories  # all is known of users from training
        times = (of[name] for of, name in ((catalogue, "known.times"), (model, "trend.times")) if name in of)
        self.now = max((int(of.max(initial=0)) for of in times), default=0)  # the end of the data

    @classmethod
    def load(cls, place: str | Path = "models", titles: str | Path | None = None) -> Self:
        """Load a trained model.

        Args:
            place: the folder that `dvc repro` or an update writes, or the file that `export` writes.
            titles: movies.dat or movies.csv of MovieLens, for a file without titles.

        Raises:
            UserError: a file is missing or damaged, or they do not match.
        """
        model, catalogue = read_files(Path(place))
        if titles:
            from movierec.recommend.export import with_titles

            catalogue = with_titles(catalogue, Path(titles))
        return cls(model, catalogue, str(place) if Path(place).is_file() else f"{FILES} in {place}")

    @functools.cached_property
    def by_user(self) -> Scores:
        """The scores of one user at a time."""
        return Scores(self.arrays)

    @property
    def follows_time(self) -> bool:
        """Whether the model predicts what comes next, from histories in the order of time."""
        return "trend.times" in self.arrays

    @functools.cached_property
    def titles(self) -> Titles:
        """The titles, to find movies by."""
        return Titles(self.catalogue.titles.tolist(), self.catalogue.years)

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

    def title_of(self, movie_id: Id) -> str:
        """The title with its year."""
        return self.titles.shown(self.items_of([movie_id])[0])

    def users_of(self, user_ids: Id | Iterable[Id]) -> np.ndarray:
        """The indices of one user or several, in this order, each once; a UserError if one is unknown."""
        return indices(user_ids, self.user_ids, "user", "for a new user, ask by what they like (--like)")

    def items_of(self, movie_ids: Id | Iterable[Id]) -> np.ndarray:
        """The indices of one movie or several, in this order, each once; a UserError if one is unknown."""
        return indices(movie_ids, self.item_ids, "movie", "a movie can also be asked for by its title")

    def for_user(
        self,
        user_id: Id,
        asked: Asked = PLAIN,
        *,
        watched: Iterable[Id] = (),
        disliked: Iterable[Id] = (),
        at: int | None = None,
    ) -> Movies:
        """The best movies that a user has not rated; see `Recommender.recommend`. `disliked` are movies since, too."""
        (user,), since, others = self.users_of([user_id]), self.items_of(watched), self.items_of(disliked)
        if at is not None and not self.follows_time:
            raise UserError("a moment needs a model that follows time; change the split_strategy.")
        profile, seen = self.asking(user, since, at, disliked=others)
        return self._for_profile(profile, seen, asked, trained=self.as_trained and not (len(since) or len(others)))

    def for_new(
        self,
        likes: Iterable[Id] = (),
        dislikes: Iterable[Id] = (),
        gender: str | None = None,
        asked: Asked = PLAIN,
        *,
        weights: Sequence[float] | None = None,
    ) -> Movies:
        """The best movies for a new user; see `Recommender.recommend_new`. `weights` of the likes are 1 by default."""
        liked, disliked = self.items_of(likes), self.items_of(dislikes)
        if weights is not None and len(weights) != len(liked):
            raise UserError(f"{len(liked)} likes have {len(weights)} weights; there must be one for each.")
        both = np.intersect1d(liked, disliked)
        if len(both):
            raise UserError(f"{self.titles.shown(both[0])} is both liked and disliked.")
        if gender not in ("F", "M", None):
            raise UserError(f"gender is {gender!r}, but must be F, M, or left out.")
        seen = np.concatenate([liked, disliked])
        if not len(liked) and not len(self.user_ids):
            raise UserError("this model has no users to start from; name a movie that is liked.")
        if not len(liked):  # nothing to propagate from
            h, genders = self.arrays["h_user"], self.arrays["graph.user_gender"]
            if gender and genders[:, "FM".index(gender)].any():
                h = h[genders[:, "FM".index(gender)] > 0]
            found = self._ranked(self.arrays["h_item"] @ unit(h.mean(axis=0)), seen, asked)
            return found._replace(because=[[] for _ in found.items]) if asked.because else found
        weight = np.repeat(LATER_WEIGHTS, [len(liked), len(disliked)])
        weight[: len(liked)] = 1 if weights is None else weights
        histories = Histories.of_one(liked, self.now)
        order = np.argsort(seen)  # sums do not depend on that of the arguments
        genders = np.array([gender == "F", gender == "M"], np.float32)
        profile = Profile(seen[order], weight[order], histories, gender=genders)
        return self._for_profile(profile, seen, asked, trained=False)

    def near(self, movie_id: Id, asked: Asked = PLAIN) -> Movies:
        """The nearest movies by the graph model's vectors, with their cosines."""
        (item,) = self.items_of([movie_id])
        h_item = self.arrays["h_item"]
        return self._ranked(h_item @ h_item[item], np.array([item]), asked)

    def best_rated(self, user: int, k: int) -> Movies:
        """The best ratings of a user by index; of equal ratings, less popular movies first."""
        at = self.catalogue.row("rated", user)
        items, stars = (self.catalogue.arrays[f"rated.{name}"][at] for name in ("indices", "data"))
        order = np.lexsort((self._n_ratings[items], -stars))[:k]
        return Movies(items[order].astype(np.int64), stars=stars[order])

    def last_items(self, user: int, k: int) -> np.ndarray:
        """The last movies of a user's history by index, the last one first: (k,), where the model follows time."""
        return self.catalogue.arrays["known.items"][self.catalogue.row("known", user)][::-1][:k].astype(np.int64)

    def n_rated(self, user_id: Id) -> int:
        """The number of movies that a user has rated, of those that the model knows."""
        at = self.catalogue.row("rated", self.users_of([user_id])[0])
        return at.stop - at.start

    def check_finite(self, scores: np.ndarray) -> None:
        """A UserError if scores are not finite; -inf stands for movies that are left out."""
        if np.isnan(scores).any() or np.isposinf(scores).any():
            raise UserError(f"{self._source} give scores that are not finite; delete both and run `dvc repro`.")

    @functools.cached_property
    def _n_ratings(self) -> np.ndarray:
        return np.bincount(self.catalogue.arrays["rated.indices"], minlength=len(self.item_ids))

    def asking(
        self, user: int, since: np.ndarray, at: int | None = None, disliked: np.ndarray = NONE
    ) -> tuple[Profile, np.ndarray]:
        """A user's profile at the moment of asking and the movies they have seen, once they have watched more."""
        of, place, now = self.catalogue.arrays, int(self.catalogue.places[user]), self.now if at is None else at
        seen, gender = of["rated.indices"][self.catalogue.row("rated", user)], None
        if self.as_trained:
            rows = self.by_user.edges.by_user
            entries, _ = rows.entries(np.array([place]))
            items, weight, times = rows.columns[entries], rows.values[entries], np.zeros(len(entries), np.int64)
        else:
            row = self.catalogue.row("known", user)
            items, weight, times = (of[f"known.{name}"][row] for name in ("items", "weight", "times"))
            gender = of["known.gender"][user].astype(np.float32) if self.catalogue.is_updated else None
            if len(items) and times[-1] > now:
                raise UserError(f"the last movie of user {self.user_ids[user]} is later than that moment.")
        later = np.concatenate([since, disliked])
        kept = ~np.isin(items, later)
        histories = Histories(np.array([0, kept.sum()]), items[kept].astype(np.int32), times[kept])
        histories = histories.followed_by(since, now) if len(since) else histories.asked_at(now, exactly=at is not None)
        weights = weight[kept], np.repeat(LATER_WEIGHTS, [len(since), len(disliked)])
        items = np.concatenate([items[kept], later]).astype(np.int64)
        profile = Profile(items, np.concatenate(weights), histories, place, gender=gender)
        return profile, np.union1d(seen, later).astype(np.int64)

    def _for_profile(self, profile: Profile, seen: np.ndarray, asked: Asked, *, trained: bool) -> Movies:
        """The best movies for a profile, with their reasons."""
        parts = self.by_user.parts(profile, trained)
        movies = self._ranked(self.by_user.mixed(profile, parts), seen, asked)
        return movies._replace(because=reasons(self.by_user, profile, movies.items, parts)) if asked.because else movies

    def _ranked(self, scores: np.ndarray, seen: np.ndarray, asked: Asked) -> Movies:
        """The best movies by scores, (n_items,), without those seen; of equal ones, the lower index first."""
        asked.check()
        self.check_finite(scores)
        scores = scores.astype(np.float32)
        scores[seen] = -np.inf
        scores[~asked.filters.allowed(self.catalogue.genres, self.catalogue.years)] = -np.inf
        items = np.argsort(-scores, kind="stable")
        items = items[scores[items] > -np.inf]
        if asked.diversity:
            candidates = np.full((1, POOL * asked.k), -1)
            candidates[0, : len(items)] = items[: POOL * asked.k]
            found = np.where(candidates >= 0, scores[candidates], -np.inf)
            (items,), _ = diversify(candidates, found, self.arrays["h_item"], asked.diversity)
        items = items[items >= 0][: asked.k]
        return Movies(items, scores[items])
