"""Years as params and options give them."""

import re


def parse_years(text: str) -> tuple[int, int]:
    """The first and last year of '1994' or '1990-1999'; a ValueError for anything else."""
    match = re.fullmatch(r"\s*([0-9]{4})\s*(?:[-–]\s*([0-9]{4})\s*)?", text)
    if not match or int(match[2] or match[1]) < int(match[1]):
        raise ValueError("must be one year or a range: 1994 or 1990-1999")
    return int(match[1]), int(match[2] or match[1])
