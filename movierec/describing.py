"""What the data look like: the small tables behind their plots. Long format: `series` says whose line or bar it is."""

import numpy as np
import pandas as pd

POINTS = 200  # of a curve over ranks
N_MONTHS = (2107 - 1970) * 12


def degree_curves(by_user: np.ndarray, by_movie: np.ndarray) -> pd.DataFrame:
    """series (users or movies), rank (1: the one with most ratings), ratings; the ranks evenly spaced on a log scale.

    Args:
        by_user: ratings of each user that has one, in any order.
        by_movie: the same of movies.
    """
    curves = []
    for series, counts in (("users", by_user), ("movies", by_movie)):
        rank = np.unique(np.geomspace(1, len(counts), POINTS).round().astype(np.int64))
        curves.append(pd.DataFrame({"series": series, "rank": rank, "ratings": np.sort(counts)[::-1][rank - 1]}))
    return pd.concat(curves, ignore_index=True)


def months_of(timestamps: np.ndarray) -> np.ndarray:
    """How many of some times, in seconds up to the year 2106, are in each month from 1970-01 on, UTC: (N_MONTHS,) int64."""
    return np.bincount(timestamps.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64), minlength=N_MONTHS)


def interactions_by_month(parts: dict[str, np.ndarray]) -> pd.DataFrame:
    """month ('2000-04', UTC), series (the part of the split), interactions; from what `months_of` gives of each part."""
    tables = []
    for series, counts in parts.items():
        (month,) = np.nonzero(counts)
        tables.append(pd.DataFrame({"month": month.astype("datetime64[M]").astype(str), "series": series, "interactions": counts[month]}))
    return pd.concat(tables, ignore_index=True)
