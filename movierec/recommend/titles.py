"""Finding a movie by its title, ignoring case, articles, accents, a missing year and small typos."""

import itertools
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np
from rapidfuzz import fuzz, process

from movierec.utils.errors import UserError

ARTICLES = "the|a|an|le|la|les|il|lo|el|los|las|der|die|das|l'"
TYPO, PART, LEAD = 84, 90, 4  # of 100: least score of a typo, of a part of a title, and lead over the next best
SHOWN = 6  # candidates in a message


def normalise(title: str) -> str:
    """A title as it is compared: 'Matrix, The' and 'the MATRIX' are both 'matrix', 'Amélie' is 'amelie'."""
    text = unicodedata.normalize("NFKD", title.casefold())
    text = "".join(letter for letter in text if not unicodedata.combining(letter)).replace("&", " and ")
    text = re.sub(rf",\s*({ARTICLES})\s*$", "", text.strip())
    text = re.sub(rf"^({ARTICLES})\s+", "", text)
    return " ".join(re.findall(r"[^\W_]+", text.replace("'", "")))


def names_of(title: str) -> set[str]:
    """The names of a movie: its title, the same without what is in parentheses, and that by itself."""
    inner = re.findall(r"\(([^()]*)\)", title)
    others = (normalise(re.sub(r"^a\.?k\.?a\.?\s+", "", text.strip(), flags=re.IGNORECASE)) for text in inner)
    return {normalise(title), normalise(re.sub(r"\s*\([^()]*\)", "", title)), *others} - {""}


class Unclear(UserError):
    """A title that may be that of several movies, by item index."""

    def __init__(self, message: str, candidates: list[int]):
        super().__init__(message)
        self.candidates = candidates


class Titles:
    """The titles of a catalogue."""

    def __init__(self, titles: list[str], years: np.ndarray):
        """
        Args:
            titles: by item index, without the year.
            years: (n_items,) int, 0 where unknown.
        """
        self.titles, self.years = titles, years
        self.names: dict[str, list[int]] = {}
        self.leads: dict[str, list[int]] = {}  # of titles with a subtitle, what is before it: 'terminator 2'
        for index, title in enumerate(titles):
            for name in names_of(title):
                self.names.setdefault(name, []).append(index)
            lead, colon, _ = title.partition(":")
            if colon and (name := normalise(lead)):
                self.leads.setdefault(name, []).append(index)

    def shown(self, index: int) -> str:
        """The title with its year."""
        return f"{self.titles[index]} ({self.years[index]})" if self.years[index] else self.titles[index]

    def find(self, query: str) -> int:
        """The item index of a movie.

        Args:
            query: a title, with or without a year: 'Heat (1995)', 'toy story', 'the matrix'.

        Raises:
            Unclear: several movies match; they are listed.
            UserError: none does; the closest are listed.
        """
        match = re.fullmatch(r"(.*?)\s*\(?\b((?:18|19|20)\d\d)\)?\s*", query)
        text, year = match.groups() if match and match[1].strip() else (query, None)
        queries = (query, None), (text, year)
        for names, (exact, of_year) in itertools.product((self.names, self.leads), queries):
            candidates = self._of_year(names.get(normalise(exact), []), of_year)
            if len(candidates) == 1:
                return candidates[0]
            if candidates:
                raise Unclear(f"'{query}' may be {self._list(candidates)}; say which, with its year.", candidates)
        wanted = normalise(text)
        if not wanted:
            raise UserError(f"'{query}' is no title.")
        # A different number is no typo: 'terminatr 2' is Terminator 2, not The Terminator.
        numbers = re.findall(r"\d+", wanted)
        typos: list[tuple[int, float]] = []
        for names in (self.names, self.leads):
            same = {name: of for name, of in names.items() if re.findall(r"\d+", name) == numbers}
            typos = typos or self._scored(wanted, year, fuzz.ratio, TYPO, names=same)
        parts = self._scored(wanted, year, fuzz.token_set_ratio, PART) if not typos and len(wanted) > 2 else []
        candidates = [index for index, _ in typos or parts]
        if len(candidates) == 1 or (typos and typos[0][1] - typos[1][1] >= LEAD):
            return candidates[0]
        if candidates:
            raise Unclear(f"'{query}' may be {self._list(candidates)}; say which.", candidates)
        closest = [index for index, _ in self._scored(wanted, None, fuzz.WRatio, 0)]
        raise UserError(f"no movie is called '{query}'; the closest are {self._list(closest[:3])}.")

    def _of_year(self, candidates: list[int], year: str | None) -> list[int]:
        return [index for index in candidates if year is None or self.years[index] == int(year)]

    def _scored(
        self, wanted: str, year: str | None, scorer: Callable[..., float], least: float, *, names: Any = None
    ) -> list[tuple[int, float]]:
        """The movies of the year with one of the names that scores `least`, or more, each once, best first."""
        found: dict[int, float] = {}
        names = self.names if names is None else names
        for name, score, _ in process.extract(wanted, names.keys(), scorer=scorer, score_cutoff=least, limit=None):
            for index in self._of_year(names[name], year):
                found.setdefault(index, score)
        return list(found.items())

    def _list(self, candidates: list[int]) -> str:
        shown = [self.shown(index) for index in candidates[:SHOWN]]
        if len(candidates) > SHOWN:
            return f"{', '.join(shown)}, or {len(candidates) - SHOWN} more"
        return " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
