"""Finding a movie by what a person types: case, articles, accents, a missing year and small typos do not matter."""

import re
import unicodedata

import numpy as np
from rapidfuzz import fuzz, process

from movierec.errors import UserError

ARTICLES = "the|a|an|le|la|les|il|lo|el|los|las|der|die|das|l'"
ALMOST, PARTLY, AHEAD = 84, 90, 4  # of 100: a typo's score; a part of a title's; how far the best must be before the next
SHOWN = 6  # candidates in a message


def plain(title: str) -> str:
    """A title as it is compared: 'Matrix, The' and 'the MATRIX' are both 'matrix', 'Amélie' is 'amelie'."""
    text = unicodedata.normalize("NFKD", title.casefold())
    text = "".join(letter for letter in text if not unicodedata.combining(letter)).replace("&", " and ")
    text = re.sub(rf",\s*({ARTICLES})\s*$", "", text.strip())
    text = re.sub(rf"^({ARTICLES})\s+", "", text)
    return " ".join(re.findall(r"[^\W_]+", text.replace("'", "")))


def names_of(title: str) -> set[str]:
    """What a movie may be called: its title, the same without what stands in parentheses, and that by itself."""
    inner = re.findall(r"\(([^()]*)\)", title)
    names = {plain(title), plain(re.sub(r"\s*\([^()]*\)", "", title)), *(plain(re.sub(r"^a\.?k\.?a\.?\s+", "", text.strip(), flags=re.IGNORECASE)) for text in inner)}
    return names - {""}


class Titles:
    """The titles of a catalogue."""

    def __init__(self, titles: list[str], years: np.ndarray):
        """
        Args:
            titles: of each item index, as MovieLens has them, without the year.
            years: (n_items,) int, 0 where unknown.
        """
        self.titles, self.years = titles, years
        self.names: dict[str, list[int]] = {}
        for index, title in enumerate(titles):
            for name in names_of(title):
                self.names.setdefault(name, []).append(index)

    def shown(self, index: int) -> str:
        """Title and year."""
        return f"{self.titles[index]} ({self.years[index]})" if self.years[index] else self.titles[index]

    def find(self, query: str) -> int:
        """The movie that is meant.

        Args:
            query: a title, with or without a year: 'Heat (1995)', 'toy story', 'the matrix'.

        Returns:
            Its item index.

        Raises:
            UserError: several may be meant (they are listed), or none (the nearest are).
        """
        match = re.fullmatch(r"(.*?)\s*\(?\b((?:18|19|20)\d\d)\)?\s*", query)
        for text, year in ((query, None), *([match.groups()] if match and match[1].strip() else [])):
            candidates = self._of_year(self.names.get(plain(text), []), year)
            if len(candidates) == 1:
                return candidates[0]
            if candidates:
                raise UserError(f"'{query}' may be {self._list(candidates)}; say which, with its year.")
        text, year = match.groups() if match and match[1].strip() else (query, None)
        wanted = plain(text)
        if not wanted:
            raise UserError(f"'{query}' is no title.")
        # A typo in a number is no typo: 'terminatr 2' is not The Terminator.
        scored = [(index, score) for index, score in self._scored(wanted, year, fuzz.ratio) if self._same_numbers(wanted, index)]
        if scored and scored[0][1] >= ALMOST and (len(scored) == 1 or scored[0][1] - scored[1][1] >= AHEAD):
            return scored[0][0]
        almost = [index for index, score in scored if score >= ALMOST]
        partly = [index for index, score in self._scored(wanted, year, fuzz.token_set_ratio) if score >= PARTLY] if len(wanted) > 2 else []
        candidates = almost or partly
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise UserError(f"'{query}' may be {self._list(candidates)}; say which.")
        nearest = [index for index, _ in self._scored(wanted, None, fuzz.WRatio)]
        raise UserError(f"no movie is called '{query}'; the nearest are {self._list(nearest[:3])}.")

    def _of_year(self, candidates: list[int], year: str | None) -> list[int]:
        return [index for index in candidates if year is None or self.years[index] == int(year)]

    def _scored(self, wanted: str, year: str | None, scorer) -> list[tuple[int, float]]:
        """The movies whose names are most like `wanted`, each once, best first."""
        found: dict[int, float] = {}
        for name, score, _ in process.extract(wanted, self.names.keys(), scorer=scorer, limit=30):
            for index in self._of_year(self.names[name], year):
                found.setdefault(index, score)
        return list(found.items())

    def _same_numbers(self, wanted: str, index: int) -> bool:
        numbers = set(re.findall(r"\d+", wanted))
        return any(set(re.findall(r"\d+", name)) == numbers for name in names_of(self.titles[index]))

    def _list(self, candidates: list[int]) -> str:
        shown = [self.shown(index) for index in candidates[:SHOWN]]
        more = f", or {len(candidates) - SHOWN} more" if len(candidates) > SHOWN else ""
        return (", ".join(shown[:-1]) + " or " + shown[-1] if len(shown) > 1 and not more else ", ".join(shown)) + more
