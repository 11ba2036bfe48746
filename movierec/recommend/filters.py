"""Filters of recommendations by genre and year."""

from typing import NamedTuple

import numpy as np

from movierec.utils.errors import UserError, did_you_mean
from movierec.utils.years import parse_years


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

    def allowed(self, genres: np.ndarray, years: np.ndarray) -> np.ndarray:
        """Which of n movies pass, (n,) bool; with a filter by year, those of an unknown year do not.

        Args:
            genres: (n,) object, as 'Drama|War'.
            years: (n,) int, 0 where unknown.

        Raises:
            UserError: a genre that no movie has, or no movie passes.
        """
        allowed = np.ones(len(genres), bool)
        if self == Filters():
            return allowed
        of_movies = [set(of.split("|")) for of in genres]
        known = {genre.casefold(): genre for genre in sorted(set().union(*of_movies) - {""})}

        def having(some: tuple[str, ...]) -> np.ndarray:
            for genre in some:
                if genre.casefold() not in known:
                    hint = did_you_mean(genre.title(), known.values(), f"there are {', '.join(known.values())}.")
                    raise UserError(f"no movie has the genre '{genre}'; {hint}")
            wanted = {known[genre.casefold()] for genre in some}
            return np.array([bool(wanted & of) for of in of_movies])

        if self.genres:
            allowed &= having(self.genres)
        if self.not_genres:
            allowed &= ~having(self.not_genres)
        if self.years:
            allowed &= (years >= self.years[0]) & (years <= self.years[1])
        if not allowed.any():
            raise UserError("no movie passes the filters; ask for less.")
        return allowed
