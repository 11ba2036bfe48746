"""matplotlib figures."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402


def data_figure(ratings: pd.DataFrame, path: Path) -> None:
    """What the data look like: how ratings are spread over stars, users and movies.

    Args:
        ratings: UserID, MovieID, Rating.
        path: of the PNG.
    """
    figure, (stars, degrees) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    values, counts = np.unique(ratings["Rating"].to_numpy(), return_counts=True)
    stars.bar(values, counts / 1000, width=0.8 * np.diff(values, prepend=values[0] - 1).min(), color="tab:blue")
    stars.set(title="How ratings are spread", xlabel="rating (stars)", ylabel="ratings (thousands)", xticks=values)
    for column, label in (("UserID", "users, most active first"), ("MovieID", "movies, most rated first")):
        degree = np.sort(np.unique(ratings[column].to_numpy(), return_counts=True)[1])[::-1]
        degrees.plot(np.arange(1, len(degree) + 1), degree, label=label)
    degrees.set(title="A few have most of the ratings", xlabel="rank", ylabel="ratings", xscale="log", yscale="log")
    degrees.legend()
    degrees.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)
