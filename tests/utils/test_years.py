"""Years as params and options give them."""

import pytest

from movierec.utils.years import parse_years


@pytest.mark.parametrize(
    ("text", "years"),
    [("1994", (1994, 1994)), ("1990-1999", (1990, 1999)), (" 1990 – 1999 ", (1990, 1999)), ("2000-2000", (2000, 2000))],
)
def test_years_are_one_or_a_range(text, years):
    assert parse_years(text) == years


@pytest.mark.parametrize(
    "text",
    [
        "", "any", "94", "1990-", "1990-99", "0090-99", "1999-1990", "1990-1999-2000", "19900", "1990-19990",
        "1990 1999", "1990—1999", "١٩٩٠", "1990-١٩٩٩",
    ],
)  # fmt: skip
def test_other_texts_are_no_years(text):
    with pytest.raises(ValueError, match="1994 or 1990-1999"):
        parse_years(text)
