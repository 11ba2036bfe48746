"""The trained model, ready to recommend: to users that it knows, to someone new, and movies like a movie.

    from movierec import Recommender
    r = Recommender.load("models/")
    r.recommend(user_id=42, k=10)
    r.recommend_new(likes=[260, 1196], k=10)
    r.similar(movie_id=541)

All give data frames. Ids are the data set's own (UserID, MovieID): whole numbers, or text.
"""

import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from movierec.catalogue import Catalogue, stored_catalogue
from movierec.contributions import contributions
from movierec.diversity import POOL, diversified
from movierec.errors import UserError
from movierec.filters import Filters
from movierec.graph import Graph
from movierec.history import History, Known, known_without_order
from movierec.interactions import users_of_items
from movierec.lightgcn import vectors_from_features
from movierec.model import Model
from movierec.packing import Packed, unpack
from movierec.ranking import CHUNK, DotScorer, Scorer, top_k
from movierec.reasons import REASONS, reasons_by_leaving_out
from movierec.storage import read_arrays
from movierec.titles import Titles

DISLIKE = -0.25  # the weight of a disliked movie, where a liked one has 1
MODEL, CATALOGUE = "model.npz", "catalogue.npz"
Id = int | str  # text where the data set's own ids are


class Recommender:
    """See the module."""

    def __init__(self, packed: Packed, catalogue: Catalogue):
        self.model: Model = packed.model
        self.graph: Graph = packed.graph
        self.params, self.version = packed.params, packed.version  # of the training, and of the code that did it
        self.user_ids = packed.user_ids if catalogue.user_names is None else catalogue.user_names  # whole numbers or text, sorted
        self.item_ids = packed.item_ids if catalogue.item_names is None else catalogue.item_names
        self.movies = catalogue.movies  # MovieID, Title, Year, Genres
        self.rated = catalogue.rated  # (n_users, n_items), stars
        self.follows_time = self.model.next is not None
        self._known = catalogue.known if self.follows_time else known_without_order(self.graph.matrix)

    @classmethod
    def load(cls, folder: str | Path = "models") -> "Recommender":
        """From the files that `dvc repro` writes; nothing in them is unpickled.

        Raises:
            UserError: a file is missing or broken, of another format, or the two are of different runs.
        """
        folder = Path(folder)
        try:
            packed = unpack(read_arrays(folder / MODEL), str(folder / MODEL))
            catalogue = stored_catalogue(read_arrays(folder / CATALOGUE))
        except KeyError as error:
            raise UserError(f"a file in {folder} lacks {error}, so that it is not of this code; `dvc repro` writes it anew.") from None
        same = all(np.array_equal(getattr(packed, ids), getattr(catalogue, ids)) for ids in ("user_ids", "item_ids"))
        if not same or (packed.model.next is None) != (catalogue.known is None):
            raise UserError(f"{folder / MODEL} and {folder / CATALOGUE} are of different runs; `dvc repro` brings them together.")
        return cls(packed, catalogue)

    @functools.cached_property
    def titles(self) -> Titles:
        """To find movies by what a person types."""
        return Titles(self.movies["Title"].tolist(), self.movies["Year"].fillna(0).to_numpy(int))

    @functools.cached_property
    def _scorer(self) -> Scorer:
        """Of the users of training by their histories there."""
        return self.model.scorer(self.graph)

    def find(self, title: str) -> Id:
        """The MovieID of the movie that is meant.

        Raises:
            UserError: several may be, or none; it lists them, or the nearest.
        """
        return self.item_ids[self.titles.find(title)].item()

    def user_id(self, text: str) -> Id:
        """A UserID from what a person types."""
        return int(text) if is_number(text) and not is_text(self.user_ids) else text

    def movie_id(self, text: str) -> Id:
        """The MovieID of a movie from what a person types: that, or a title.

        Raises:
            UserError: several may be meant, or none.
        """
        if is_text(self.item_ids):
            return text if text in self.item_ids else self.find(text)
        return int(text) if is_number(text) else self.find(text)

    def recommend(
        self, user_id: Id | Iterable[Id] | None = None, k: int = 20, filters: Filters = Filters(), diversity: float = 0.0,
        watched: Iterable[Id] = (), because: bool = False,
    ) -> pd.DataFrame:  # fmt: skip
        """The best movies that users have not rated.

        Args:
            user_id: one, several, or everyone (None).
            k: movies per user; fewer where fewer are left.
            filters: which movies may be recommended.
            diversity: 0 to 1; above 0, the list is chosen for variety too.
            watched: MovieIDs that they have watched since, in that order; for a model that follows time.
            because: whether to say which of their movies each recommendation comes from: at most three, by `contributions`, with
                their shares of what speaks for it; for a model that follows time, by what the score loses without each.

        Returns:
            UserID, Rank (from 1), MovieID, Title, Year, Genres, Score, best first; with `because` also Because, a list
            of (MovieID, share).

        Raises:
            UserError: an unknown id.
        """
        users = np.arange(len(self.user_ids)) if user_id is None else self.users_of([user_id] if np.isscalar(user_id) else list(user_id))
        since = self.items_of(list(watched))
        if len(since) and not self.follows_time:
            raise UserError("watched movies count only where the model follows time: train it with another split_strategy in params.yaml.")
        if self.follows_time:
            known, seen = self._up_to_now(users, since)
            scorer, rows = self.model.scorer(self.graph, known), np.arange(len(users))
        else:
            known, seen, scorer, rows = self._known, self.rated, self._scorer, users
        table, items = self._table(scorer, rows, seen, k, filters, diversity)
        table.insert(0, "UserID", np.repeat(self.user_ids[users], [len(of) for of in items]))
        if because:
            table["Because"] = [reason for row, of in zip(rows, items) for reason in self._because(known, row, of, trained=not self.follows_time)]
        return table

    def recommend_new(
        self, likes: Iterable[Id] = (), dislikes: Iterable[Id] = (), gender: str | None = None, k: int = 20, filters: Filters = Filters(),
        diversity: float = 0.0, because: bool = False,
    ) -> pd.DataFrame:  # fmt: skip
        """For someone who is not in the data, without training: from what they like, their gender, or nothing.

        Args:
            likes: MovieIDs; where the model follows time, the last one watched last.
            dislikes: MovieIDs.
            gender: F, M, or None.
            k, filters, diversity, because: as of `recommend`.

        Returns:
            As `recommend`, without UserID.

        Raises:
            UserError: an unknown id, or one that is liked and disliked.
        """
        liked, disliked = self.items_of(list(likes)), self.items_of(list(dislikes))
        both = np.intersect1d(liked, disliked)
        if len(both):
            raise UserError(f"{self.titles.shown(both[0])} is both liked and disliked.")
        if gender not in ("F", "M", None):
            raise UserError(f"gender is {gender!r}, but must be F, M, or left out.")
        asks = np.array([[gender == "F", gender == "M"]], np.int8)
        seen = self._row(np.concatenate([liked, disliked]), 1.0)
        if not len(liked):  # nothing to propagate from
            h_user = vectors_from_features(self.model.h_user, self.graph.user_gender, asks)
            table, items = self._table(DotScorer(h_user, self.model.h_item), np.zeros(1, int), seen, k, filters, diversity)
            return table.assign(Because=[[] for _ in items[0]]) if because else table
        matrix = self._row(liked, 1.0) + self._row(disliked, DISLIKE)
        matrix.sort_indices()
        known = Known(matrix, History(np.array([0, len(liked)]), liked.astype(np.int32)), np.array([-1]), asks)
        table, items = self._table(self.model.scorer(self.graph, known), np.zeros(1, int), seen, k, filters, diversity)
        if because:
            table["Because"] = self._because(known, 0, items[0], trained=False)
        return table

    def similar(self, movie_id: Id, k: int = 10, filters: Filters = Filters()) -> pd.DataFrame:
        """The movies nearest to one in the graph's vectors.

        Returns:
            Rank, MovieID, Title, Year, Genres, Score (cosine, -1 to 1).
        """
        (item,) = self.items_of([movie_id])
        vectors = self.model.h_item
        return self._table(DotScorer(vectors, vectors), np.array([item]), self._seen_itself(item), k, filters, 0.0)[0]

    def taste(self, user_id: Id, k: int = 10) -> pd.DataFrame:
        """What a user rated best: MovieID, Title, Year, Genres, Rating; of equal ratings, the movie that fewer rated first.

        It says more of them than what everyone likes.
        """
        items, stars = self.best_rated(self.users_of([user_id])[0], k)
        return self.movies.iloc[items].assign(Rating=stars).reset_index(drop=True)

    def best_rated(self, user: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """`taste` by indices: of one user, at most k items and their stars."""
        at = slice(*self.rated.indptr[user : user + 2])
        items, stars = self.rated.indices[at], self.rated.data[at]
        order = np.lexsort((self._n_ratings[items], -stars))[:k]
        return items[order], stars[order]

    @functools.cached_property
    def _n_ratings(self) -> np.ndarray:
        """(n_items,): the users who rated each."""
        return users_of_items(self.rated)

    def last_watched(self, user_id: Id, k: int = 3) -> pd.DataFrame:
        """The last movies of a user's history, the last one first; for a model that follows time."""
        (user,) = self.users_of([user_id])
        return self.movies.iloc[self._known.history.of(np.array([user])).items[::-1][:k]].reset_index(drop=True)

    def n_rated(self, user_id: Id) -> int:
        """How many movies a user has rated, of those that the model knows."""
        return int(np.diff(self.rated.indptr)[self.users_of([user_id])[0]])

    def title_of(self, movie_id: Id) -> str:
        """Title and year."""
        return self.titles.shown(self.items_of([movie_id])[0])

    def users_of(self, user_ids: list[Id]) -> np.ndarray:
        """Their indices, in the order asked for, each once.

        Raises:
            UserError: an id that the model does not know.
        """
        return indices(user_ids, self.user_ids, "user", "UserIDs", "someone else can be recommended to by what they like (--like)")

    def items_of(self, movie_ids: list[Id]) -> np.ndarray:
        """Their indices, in the order asked for, each once.

        Raises:
            UserError: an id that the model does not know.
        """
        return indices(movie_ids, self.item_ids, "movie", "MovieIDs", "a title can be asked for by name")

    def _table(
        self, scorer: Scorer, rows: np.ndarray, seen: sp.csr_matrix, k: int, filters: Filters, diversity: float
    ) -> tuple[pd.DataFrame, list[np.ndarray]]:
        """The best of each row as a table, and their items, row by row."""
        if k < 1:
            raise UserError(f"{k} recommendations are asked for, but it must be 1 or more.")
        if not 0 <= diversity <= 1:
            raise UserError(f"diversity is {diversity:g}, but must be from 0 to 1.")
        if filters != Filters():
            left_out = torch.from_numpy(np.flatnonzero(~filters.allowed(self.movies)))
            scorer = functools.partial(without, scorer, left_out)
        items, scores = top_k(scorer, rows, seen, k if not diversity else POOL * k)
        if diversity:
            chosen = [diversified(items[at : at + CHUNK], scores[at : at + CHUNK], self.model.h_item, k, diversity) for at in range(0, len(rows), CHUNK)]
            items, scores = (np.concatenate(of) for of in zip(*chosen))
        there = items >= 0
        table = self.movies.iloc[items[there]].reset_index(drop=True)
        table.insert(0, "Rank", (np.nonzero(there)[1] + 1).astype(np.int32))
        return table.assign(Score=scores[there]), [of[known] for of, known in zip(items, there)]

    def _because(self, known: Known, row: int, items: np.ndarray, trained: bool) -> list[list[tuple[Id, float]]]:
        """For each item, the MovieIDs that it is recommended for, and their shares of its score."""
        if self.follows_time:
            return [[(self.item_ids[item].item(), share) for item, share in of] for of in reasons_by_leaving_out(self.model, self.graph, known, row, items)]
        made = contributions(self.model, self.graph, known, row, trained)
        liked = np.flatnonzero(known.matrix[[row]].data > 0)
        parts = made.parts[liked][:, torch.from_numpy(items.astype(np.int64))].numpy()  # (n_liked, k)
        shares = parts / np.maximum(np.maximum(parts, 0).sum(axis=0), 1e-12)  # of what speaks for the movie
        best = np.argsort(-shares, axis=0, kind="stable")[:REASONS]
        return [[(self.item_ids[made.movies[liked[j]]].item(), float(shares[j, at])) for j in best[:, at] if shares[j, at] > 0] for at in range(len(items))]

    def _row(self, items: np.ndarray, value: float) -> sp.csr_matrix:
        """One row with a value at some items: (1, n_items) float32."""
        return sp.csr_matrix((np.full(len(items), value, np.float32), (np.zeros(len(items), int), items)), shape=(1, len(self.item_ids)))

    def _seen_itself(self, item: int) -> sp.csr_matrix:
        """(n_items, n_items), in which one item has seen itself."""
        n = len(self.item_ids)
        return sp.csr_matrix((np.ones(1, np.float32), ([item], [item])), shape=(n, n))

    def _up_to_now(self, users: np.ndarray, since: np.ndarray) -> tuple[Known, sp.csr_matrix]:
        """The histories of some users, and what they have seen, row by row, once they have watched some movies more."""
        known = Known(self._known.matrix[users], self._known.history.of(users), users)
        seen = self.rated[users]
        if not len(since):
            return known, seen
        rows, seen = known.matrix.tolil(), seen.tolil()
        rows[:, since], seen[:, since] = 1.0, 1.0
        # One that they had watched before counts where it stands last.
        histories = [np.concatenate([items[~np.isin(items, since)], since]) for items in (known.history.of(np.array([row])).items for row in range(len(users)))]
        indptr = np.concatenate([[0], np.cumsum([len(items) for items in histories])])
        matrix = rows.tocsr().astype(np.float32)
        matrix.sort_indices()
        return Known(matrix, History(indptr, np.concatenate(histories).astype(np.int32)), users), seen.tocsr()


def without(scorer: Scorer, items: torch.Tensor, users: np.ndarray) -> torch.Tensor:
    """Scores in which some items cannot be recommended."""
    return scorer(users).index_fill_(1, items, -torch.inf)


def is_text(ids: np.ndarray) -> bool:
    return ids.dtype.kind == "U"


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def indices(wanted: list[Id], ids: np.ndarray, what: str, plural: str, way_out: str) -> np.ndarray:
    """The indices of ids, in the order asked for, each once."""
    wanted = list(dict.fromkeys(wanted))
    unknown = [one for one in wanted if isinstance(one, str) != is_text(ids) or one not in ids]
    if unknown:
        raise UserError(
            f"no {what} {', '.join(map(str, unknown))}: {plural} go from {ids[0]} to {ids[-1]} "
            f"({len(ids):,} of them; those without a liked movie or user are left out); {way_out}."
        )
    return np.searchsorted(ids, wanted)
