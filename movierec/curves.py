"""What rankings and training look like: the small tables behind the line plots. Long format: `series` says whose line it is."""

import numpy as np
import pandas as pd

from movierec.beyond_accuracy import concentration, times_recommended
from movierec.evaluation import K, Measured
from movierec.metrics import DEPTH


def training_curves(history: pd.DataFrame, measured: Measured) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Loss by epoch, and validation NDCG@20 by epoch beside that of the whole model and the baselines.

    Args:
        history: part (graph, next), epoch, loss, valid_ndcg.
        measured: on validation.

    Returns:
        epoch, series, loss; and epoch, series, ndcg.
    """
    history = history.assign(series=history["part"].map({"graph": "graph part", "next": "next-movie part"}))
    epochs = np.array([history["epoch"].min(), history["epoch"].max()])
    flat = [pd.DataFrame({"epoch": epochs, "series": name, "ndcg": measured.mean(name, f"ndcg@{K}")}) for name in measured.lists]
    by_epoch = history.rename(columns={"valid_ndcg": "ndcg"})[["epoch", "series", "ndcg"]]
    return history[["epoch", "series", "loss"]], pd.concat([*flat, by_epoch], ignore_index=True)


def cutoff_curves(measured: Measured) -> pd.DataFrame:
    """k (1 to `DEPTH`), series, ndcg, recall, precision."""
    k = range(1, DEPTH + 1)
    curves = [
        pd.DataFrame({"k": k, "series": name} | {metric: [measured.mean(name, f"{metric}@{at}") for at in k] for metric in ("ndcg", "recall", "precision")})
        for name in measured.lists
    ]  # fmt: skip
    return pd.concat(curves, ignore_index=True)


def concentration_curves(measured: Measured, popularity: np.ndarray) -> pd.DataFrame:
    """movies (the share, most recommended first), series, share (of what is recommended in the first 20 places; of what users like, for 'likes').

    Args:
        measured: whose lists.
        popularity: (n_items,), users of each item in train.
    """
    times = {name: times_recommended(lists[:, :K], len(popularity)) for name, lists in measured.lists.items()} | {"likes": popularity}
    curves = []
    for series, counts in times.items():
        movies, share = concentration(counts)
        curves.append(pd.DataFrame({"movies": movies, "series": series, "share": share}))
    return pd.concat(curves, ignore_index=True)
