"""Filters of recommendations by genre and year."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.utils.errors import UserError, did_you_mean
from movierec.utils.params import parse_years


class Filters(NamedTuple):
    """The movies that may be recommended: all, without any filter."""

    genres: tuple[str, ...] = ()  # a movie must have one of these
    not_genres: tuple[str, ...] = ()  # and none of these
    years: tuple[int, int] | None = None  # and be from these years, both included

    @classmethod
    def from_text(cls, only_genres: str, not_genres: str, only_years: str) -> "Filters":
        """From params: genres as 'Drama|War', years as '1990-1999'; or 'any', 'none', 'any'."""
        genres, others = (() if of in ("any", "none") else tuple(of.split("|")) for of in (only_genres, not_genres))
        try:
            return cls(genres, others, None if only_years == "any" else parse_years(only_years))
        except ValueError as error:
            raise UserError(f"the years are '{only_years}': {error}.") from None

    def allowed(self, movies: pd.DataFrame) -> np.ndarray:
        """Which of n movies (Genres, Year) pass, (n,) bool; with a filter by year, those of an unknown year do not.

        Raises:
            UserError: a genre that no movie has, or no movie passes.
        """
        if self == Filters():
            return np.ones(len(movies), bool)
        of_movies = movies["Genres"].str.split("|")
        known = {genre.casefold(): genre for genre in sorted(set(of_movies.explode()) - {""})}

        def having(genres: tuple[str, ...]) -> np.ndarray:
            for genre in genres:
                if genre.casefold() not in known:
                    hint = did_you_mean(genre.title(), known.values(), f"there are {', '.join(known.values())}.")
                    raise UserError(f"no movie has the genre '{genre}'; {hint}")
            wanted = {known[genre.casefold()] for genre in genres}
            return of_movies.map(lambda of: bool(wanted & set(of))).to_numpy(bool)

        allowed = np.ones(len(movies), bool)
        if self.genres:
            allowed &= having(self.genres)
        if self.not_genres:
            allowed &= ~having(self.not_genres)
        if self.years:
            allowed &= movies["Year"].between(*self.years).fillna(False).to_numpy(bool)
        if not allowed.any():
            raise UserError("no movie passes the filters; ask for less.")
        return allowed
