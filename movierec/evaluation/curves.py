"""The tables behind the line plots, in long format: `series` names the line."""

import numpy as np
import pandas as pd

from movierec.evaluation.beyond_accuracy import concentration, times_recommended
from movierec.evaluation.measure import Evaluation, K
from movierec.ranking.metrics import DEPTH

COMPONENTS = {"graph": "graph part", "next": "next-movie part"}


def all_curves(
    epochs: pd.DataFrame, on_valid: Evaluation, on_test: Evaluation, popularity: np.ndarray
) -> dict[str, pd.DataFrame]:
    """The tables of all line plots, by name; see the functions below."""
    loss, validation = training_curves(epochs, on_valid)
    curves = {"loss": loss, "validation": validation, "cutoffs": cutoff_curves(on_test)}
    return curves | {"concentration": concentration_curves(on_test, popularity)}


def training_curves(epochs: pd.DataFrame, on_valid: Evaluation) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Loss by epoch (epoch, series, loss), and validation NDCG@20 by epoch, of the model and baselines too."""
    epochs = epochs.assign(series=epochs["component"].map(COMPONENTS))
    ends = np.array([epochs["epoch"].min(), epochs["epoch"].max()])
    flat = [(name, of[f"ndcg@{K}"]) for name, of in on_valid.means.items()]
    lines = [pd.DataFrame({"epoch": ends, "series": name, "ndcg": ndcg}) for name, ndcg in flat]
    by_epoch = epochs.rename(columns={"valid_ndcg": "ndcg"})[["epoch", "series", "ndcg"]]
    return epochs[["epoch", "series", "loss"]], pd.concat([*lines, by_epoch], ignore_index=True)


def cutoff_curves(evaluation: Evaluation) -> pd.DataFrame:
    """k (1 to `DEPTH`), series, ndcg, recall, precision."""
    k = range(1, DEPTH + 1)
    curves = []
    for name, means in evaluation.means.items():
        of_metrics = {metric: [means[f"{metric}@{at}"] for at in k] for metric in ("ndcg", "recall", "precision")}
        curves.append(pd.DataFrame({"k": k, "series": name} | of_metrics))
    return pd.concat(curves, ignore_index=True)


def concentration_curves(evaluation: Evaluation, popularity: np.ndarray) -> pd.DataFrame:
    """movies (share, most recommended first), series, share (of the recommendations; for 'likes', of the interactions).

    Args:
        evaluation: of the models.
        popularity: (n_items,), users of each item in train.
    """
    times = {name: times_recommended(of[:, :K], len(popularity)) for name, of in evaluation.lists.items()}
    curves = []
    for series, counts in (times | {"likes": popularity}).items():
        movies, share = concentration(counts)
        curves.append(pd.DataFrame({"movies": movies, "series": series, "share": share}))
    return pd.concat(curves, ignore_index=True)
