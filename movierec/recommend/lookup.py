"""Ids of the data set, numbers or text, and their indices."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from movierec.utils.errors import UserError, printable

Id = int | str


def plain_id(one: Any) -> Id:
    """An id as a plain int or str."""
    return one if isinstance(one, str) else int(one)


def is_text(ids: np.ndarray) -> bool:
    """Whether ids are text."""
    return ids.dtype.kind == "O"


def typed(one: Any, ids: np.ndarray) -> Id:
    """An id as the data set has it: text, or a number of the same text.

    Raises:
        UserError: neither text nor a whole number.
    """
    if isinstance(one, (float, np.floating)) and one == one // 1:
        one = int(one)
    if isinstance(one, bool) or not isinstance(one, (str, int, np.integer)):
        raise UserError(f"{printable(repr(one))[:80]} is no id: it must be text or a whole number.")
    text = str(one)
    return int(text) if re.fullmatch("0|-?[1-9][0-9]{0,18}", text) and not is_text(ids) else text


def _several(given: Any) -> Iterable[Any]:
    """One or several as several; text is one, as is an array of no dimension."""
    one = isinstance(given, (str, bytes)) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0
    return [given] if one else given


def indices(given: Id | Iterable[Id], ids: np.ndarray, what: str, way_out: str) -> np.ndarray:
    """The indices of one id or several, in this order, each once; a UserError if one is unknown."""
    if not len(ids):
        raise UserError(f"this model has no {what}s; {way_out}.")
    wanted = list(dict.fromkeys(typed(one, ids) for one in _several(given)))
    unknown = [one for one in wanted if isinstance(one, str) != is_text(ids) or not (ids == one).any()]
    if unknown:
        known = f"{what.capitalize()}IDs go from {ids[0]} to {ids[-1]} ({len(ids):,}, with a positive interaction each)"
        raise UserError(printable(f"no {what} {', '.join(map(str, unknown))}: {known}; {way_out}."))
    return np.searchsorted(ids, wanted)
