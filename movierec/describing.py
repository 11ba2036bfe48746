"""What the data look like: the small tables behind their plots. Long format: `series` says whose line or bar it is."""

import numpy as np
import pandas as pd

POINTS = 200  # of a curve over ranks


def rating_counts(ratings: pd.DataFrame) -> pd.DataFrame:
    """rating (stars) and how many ratings have it."""
    stars, counts = np.unique(ratings["Rating"].to_numpy(), return_counts=True)
    return pd.DataFrame({"rating": stars, "ratings": counts})


def degree_curves(ratings: pd.DataFrame) -> pd.DataFrame:
    """series (users or movies), rank (1: the one with most ratings), ratings; the ranks evenly spaced on a log scale."""
    curves = []
    for series, column in (("users", "UserID"), ("movies", "MovieID")):
        counts = np.sort(np.unique(ratings[column].to_numpy(), return_counts=True)[1])[::-1]
        rank = np.unique(np.geomspace(1, len(counts), POINTS).round().astype(np.int64))
        curves.append(pd.DataFrame({"series": series, "rank": rank, "ratings": counts[rank - 1]}))
    return pd.concat(curves, ignore_index=True)


def interactions_by_month(parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """month ('2000-04', UTC), series (the part of the split), interactions."""
    tables = []
    for series, rows in parts.items():
        months = pd.to_datetime(rows["timestamp"], unit="s", utc=True).dt.strftime("%Y-%m")
        month, counts = np.unique(months.to_numpy(str), return_counts=True)
        tables.append(pd.DataFrame({"month": month, "series": series, "interactions": counts}))
    return pd.concat(tables, ignore_index=True)
