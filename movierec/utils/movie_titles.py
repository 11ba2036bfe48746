"""Titles and genres of movies as data sets write them."""

import re

TITLE_YEAR = re.compile(r"(.*?)\s*\(([0-9]{4})(?:[-–][0-9]{0,4})?\)\s*(?:\([^()]*\))?\s*")
ARTICLES = "The|A|An|Le|La|Les|L'|Il|Lo|El|Los|Las|Der|Die|Das|Den|Det"
ARTICLE_LAST = re.compile(rf"(^|(?<=\()(?:a\.?k\.?a\.? )?)([^()]*), ({ARTICLES})(?=\)|\s*\(|$)")
ARTICLE_WITHOUT_BLANK = "L'"
NO_GENRES = "(no genres listed)"  # of MovieLens
YEARS = range(1850, 2151)


def title_and_year(text: str) -> tuple[str, int | None]:
    """The title as people say it, and the year: 'Matrix, The (1999)' is 'The Matrix' of 1999."""
    title, year, found = text, None, TITLE_YEAR.fullmatch(text)
    if found and int(found[2]) in YEARS:
        title, year = found[1] or text, int(found[2])
    return ARTICLE_LAST.sub(_article_first, title.strip()), year


def _article_first(match: re.Match[str]) -> str:
    """'Postino, Il (Postman, The)' becomes 'Il Postino (The Postman)'."""
    also, name, article = match.groups("")
    return f"{also}{article}{'' if article == ARTICLE_WITHOUT_BLANK else ' '}{name}"
