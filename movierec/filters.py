"""Which movies may be recommended: by genre and year."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.errors import UserError, did_you_mean


class Filters(NamedTuple):
    """What is wanted; nothing given, everything is."""

    genres: tuple[str, ...] = ()  # a movie must have one of these
    not_genres: tuple[str, ...] = ()  # and none of these
    years: tuple[int, int] | None = None  # and be from these years, both included

    def allowed(self, movies: pd.DataFrame) -> np.ndarray:
        """Which of the movies (Genres, Year) pass, bool; one of an unknown year does not where years are asked for.

        Raises:
            UserError: a genre that no movie has, or no movie that passes.
        """
        of_movie = movies["Genres"].str.split("|")
        known = {genre.casefold(): genre for genre in sorted(set(of_movie.explode()) - {""})}

        def having(genres: tuple[str, ...]) -> np.ndarray:
            for genre in genres:
                if genre.casefold() not in known:
                    hint = did_you_mean(genre.title(), known.values(), f"there are {', '.join(known.values())}.")
                    raise UserError(f"no movie has the genre '{genre}'; {hint}")
            wanted = {known[genre.casefold()] for genre in genres}
            return of_movie.map(lambda of: bool(wanted & set(of))).to_numpy(bool)

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


def filters_of(only_genres: str, not_genres: str, only_years: str) -> Filters:
    """The filters that params of these names ask for: genres as 'Drama|War', years as '1990-1999'; or 'any', 'none', 'any'."""

    def words(text: str) -> tuple[str, ...]:
        return () if text in ("any", "none") else tuple(text.split("|"))

    return Filters(words(only_genres), words(not_genres), None if only_years == "any" else years_of(only_years))


def years_of(text: str) -> tuple[int, int]:
    """'1990-1999' or '1994' as first and last year.

    Raises:
        UserError: it is neither.
    """
    match = re.fullmatch(r"\s*(\d{4})\s*(?:[-–]\s*(\d{4})\s*)?", text)
    if not match or int(match[2] or match[1]) < int(match[1]):
        raise UserError(f"the years are '{text}', but must be one, or a first and a last: 1994 or 1990-1999.")
    return int(match[1]), int(match[2] or match[1])
