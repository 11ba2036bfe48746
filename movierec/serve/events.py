"""What users watched since the training, as a service hears of it."""

import csv
import threading
import time
from pathlib import Path
from typing import NamedTuple

from movierec.recommend.lookup import Id
from movierec.utils.errors import UserError, cannot_write

FILE, COLUMNS = "interactions.csv", ("user", "item", "rating", "timestamp")


class Since(NamedTuple):
    """The movies of a user since the training, the last one last."""

    liked: list[Id]
    disliked: list[Id]


class Events:
    """Ratings of users in the order in which they come; the last one of a movie counts.

    With a folder they are kept in a file, which `movierec update` takes into a model.
    """

    def __init__(self, folder: Path | None = None, min_rating: float = 3.0):
        """Read what the folder has, if it is there; a movie with `min_rating` or more is liked.

        Raises:
            UserError: the folder's file cannot be read or written.
        """
        self.min_rating = min_rating
        self._ratings: dict[Id, dict[Id, float]] = {}
        self._path, self._lock = folder and folder / FILE, threading.Lock()
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.exists():
                self._read(self._path)
            else:
                self._append(COLUMNS)
        except OSError as error:
            raise UserError(cannot_write(self._path, error)) from None

    def add(self, user_id: Id, movie_id: Id, rating: float, timestamp: int | None = None) -> None:
        """Take in a rating; `timestamp` is in seconds since 1970, now by default."""
        with self._lock:
            self._set(user_id, movie_id, rating)
            if self._path:
                self._append((user_id, movie_id, f"{rating:g}", int(time.time()) if timestamp is None else timestamp))

    def since(self, user_id: Id) -> Since | None:
        """The movies of a user; None without any."""
        ratings = self._ratings.get(user_id)
        if ratings is None:
            return None
        liked = {movie_id: rating >= self.min_rating for movie_id, rating in dict(ratings).items()}
        return Since([of for of in liked if liked[of]], [of for of in liked if not liked[of]])

    def _set(self, user_id: Id, movie_id: Id, rating: float) -> None:
        ratings = self._ratings.setdefault(user_id, {})
        ratings.pop(movie_id, None)
        ratings[movie_id] = rating

    def _append(self, row: tuple) -> None:
        assert self._path
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)

    def _read(self, path: Path) -> None:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            if (header := next(rows, None)) != [*COLUMNS]:
                raise UserError(f"{path}, line 1: the columns are {header}, not {','.join(COLUMNS)}; move it away.")
            for number, row in enumerate(rows, 2):
                try:
                    user, item, rating, _ = row
                    self._set(user, item, float(rating))
                except ValueError:
                    raise UserError(f"{path}, line {number}: no user, item, rating and timestamp; mend it.") from None
