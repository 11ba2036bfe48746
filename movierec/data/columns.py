"""Our columns in a file of a data set: by their places, or by names that other data sets give them."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from movierec.data.source import EXACT, Source, column_types
from movierec.data.text_file import Form, first_record
from movierec.utils.errors import UserError

ATOMIC = Form("\t")  # of RecBole: a header such as user_id:token
# Our columns, and their names in other data sets, in lower case and without punctuation.
NAMES = {
    "UserID": ("user", "userid", "reviewerid"),
    "MovieID": ("item", "itemid", "movie", "movieid", "isbn", "asin", "parentasin", "artistid"),
    "Rating": ("rating", "bookrating"),
    "Weight": ("weight",),
    "Timestamp": ("timestamp", "unixreviewtime", "time", "datetime", "date", "ts"),
    "Title": ("title", "movietitle", "booktitle"),
    "Year": ("year", "releaseyear", "yearofpublication"),
    "Genres": ("genres", "genre", "class"),
    "Gender": ("gender",),
}
USERS, ITEMS = ("UserID", "Gender"), ("MovieID", "Title", "Year", "Genres")
RATINGS = ("UserID", "MovieID", "Rating", "Weight", "Timestamp")
FIRST_FOUND = ("Timestamp", "Title", "Year")  # of several such columns the first of `NAMES` is meant
LIKE_RATINGS = ("stars", "score", "overall", "rate", "ratings", "value", "points", "grade", "vote", "votes", "likes")
LIKE_WEIGHTS = ("plays", "playcount", "count", "counts", "listens", "views", "clicks", "quantity", "strength")


def use_of(ours: str) -> str:
    """The name of one of our columns in params and messages."""
    return {"UserID": "user", "MovieID": "item"}.get(ours, ours.lower())


def by_place(path: Path, fields: str, form: Form, columns: dict[str, str], header: int = 0) -> Source:
    """A text with known columns: ours as SQL over them."""
    names = fields.split()
    used = {names[int(sql[1:])]: use_of(ours) for ours, sql in columns.items() if re.fullmatch(r"f\d+", sql)}
    return Source(path, names, dict(columns), used, form=form, header=header)


def by_name(path: Path, wanted: tuple[str, ...], form: Form | None, names: Mapping[str, str]) -> Source:
    """A text with a header, or Parquet if `form` is None: our columns by their names, `names` of the params first."""
    exact, header, types = {}, 0, {}
    if form:
        header, fields = first_record(path, form)
    else:
        types = column_types(path)
        fields = list(types)
    shown = [field.split(":")[0] for field in fields] if form == ATOMIC else fields
    where = f"{path}, line 1" if form == ATOMIC else str(path)
    places = find_columns(where, shown, wanted, names)
    for ours, place in places.items():
        kind = types.get(fields[place], pa.string())
        if pa.types.is_floating(kind):
            exact[ours] = EXACT[kind.bit_width]
        listed = pa.types.is_list(kind) and not pa.types.is_nested(kind.value_type) and ours in ITEMS[1:]
        if pa.types.is_nested(kind) and not listed:
            raise UserError(
                f"{path}: column {fields[place]} is {kind}; make it text (of genres, joined by |) or numbers."
            )
    columns = {ours: f"f{place}" for ours, place in places.items()}
    year = columns.pop("Year", None)
    if year and "Title" in columns:
        columns["Title"] = with_year(columns["Title"], year)
    used = {shown[place]: use_of(ours) for ours, place in places.items()}
    return Source(path, shown, columns, used, form=form, header=header, exact=exact)


def find_columns(where: str, fields: list[str], wanted: tuple[str, ...], names: Mapping[str, str]) -> dict[str, int]:
    """The places of our columns among the fields of a header, for those that it has.

    Raises:
        UserError: a user or item is missing, a name of the params is, or two fields could be the same column.
    """
    plain = {field: re.sub(r"[\W_]", "", field).lower() for field in fields}
    found: dict[str, int] = {}
    for ours in wanted:
        use, known = use_of(ours), NAMES[ours]
        name = names.get(use, "auto")
        meant = sorted((of for of in fields if plain[of] in known), key=lambda of: known.index(plain[of]))
        meant = meant if name == "auto" else [of for of in fields if of == name]
        if len(meant) > 1 and ours not in FIRST_FOUND:
            both = " and ".join(sorted(meant, key=fields.index))
            way_out = f"leave one in, or set columns.{use} in params.yaml"
            raise UserError(f"{where}: its columns {both} mean the same; {way_out}.")
        has = f"it has {', '.join(fields)[:80]!r}"
        if meant:
            found[ours] = fields.index(meant[0])
        elif name not in ("auto", "none"):
            raise UserError(f"{where}: no column is called '{name}', as columns.{use} in params.yaml says; {has}.")
        elif ours in ("UserID", "MovieID"):
            raise UserError(f"{where}: no column is called '{known[0]}'; {has}. Set columns.{use} in params.yaml.")
    return found


def check_look_alikes(source: Source, names: Mapping[str, str]) -> None:
    """Raise a UserError if a column that is not used looks like ratings, weights or times that are missing."""
    others = [name for name in source.fields if name not in source.used]
    for wanted, like in ((("rating", "weight"), LIKE_RATINGS + LIKE_WEIGHTS), (("timestamp",), ())):
        if set(wanted) & set(source.used.values()) or any(names.get(use, "auto") != "auto" for use in wanted):
            continue
        for name in others:
            plain = re.sub(r"[\W_]", "", name).lower()
            if plain in like or difflib.get_close_matches(plain, wanted, cutoff=0.75):
                use = "weight" if plain in LIKE_WEIGHTS else wanted[0]
                missing = f"no column is called {' or '.join(wanted)}, but '{name}' may be one"
                way_out = f"set columns.{use} in params.yaml to '{name}', or to none if it is something else"
                raise UserError(f"{source.path}: {missing}; {way_out}.")


def with_year(title: str, year: str) -> str:
    """SQL for a title with the year in parentheses, unless it has it."""
    missing = f"regexp_full_match({year}, '[0-9]{{4}}') AND NOT contains({title}, '(' || {year} || ')')"
    return f"CASE WHEN {missing} THEN {title} || ' (' || {year} || ')' ELSE {title} END"
