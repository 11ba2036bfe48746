"""matplotlib figures, as PNG."""

import itertools
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.patheffects

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from movierec.evaluation.measure import K

NEVER = 0.5  # the place of 0 on a logarithmic axis
LABELS = 60  # titles on the map, at most
# Okabe and Ito's palette for the colour-blind, without its yellow; a marker or dashes too, where there are several.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "os^DvPX<>*"  # one for each genre on the map; all rarer genres are "other"
DASHES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
PERPLEXITY, STEPS = 30, 500  # of t-SNE


def save(figure: plt.Figure, path: Path) -> None:
    """Write a PNG without the version of matplotlib, so that the same picture has the same bytes."""
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def long_tail_figure(liked: np.ndarray, recommended: dict[str, np.ndarray], words: dict[str, str], path: Path) -> None:
    """How often each movie is recommended against how often it is liked, with a panel for each model.

    Both are (n_items,): users of a movie in train, and by model, lists of 20 that it is in. `words` are second titles.
    """
    size = (5.2 * len(recommended), 5)
    figure, panels = plt.subplots(1, len(recommended), figsize=size, layout="constrained", sharey=True, squeeze=False)
    top = max(times.max() for times in recommended.values()) * 1.5
    for panel, (name, times) in zip(panels[0], recommended.items(), strict=True):
        x, y = np.maximum(liked, NEVER), np.maximum(times, NEVER)
        panel.scatter(x, y, s=6, alpha=0.35, linewidths=0, color=COLOURS[0])
        panel.plot([1, top], [1, top], ":", color="black", linewidth=0.8, label="recommended as often as liked")
        panel.set(title=f"{name}\n{words[name]}", xlabel="users who liked the movie in train")
        limits = {"xlim": (NEVER / 1.5, max(liked.max(), 1) * 1.5), "ylim": (NEVER / 1.5, top)}
        panel.set(xscale="log", yscale="log", **limits)
        for axis, high in ((panel.xaxis, liked.max()), (panel.yaxis, top)):
            ticks = [tick for tick in (NEVER, 1, 10, 100, 1000, 10000) if tick <= high]
            axis.set_ticks(ticks, labels=["none" if tick == NEVER else f"{tick:,}" for tick in ticks])
            axis.set_minor_locator(matplotlib.ticker.NullLocator())
        panel.grid(alpha=0.25)
    panels[0, 0].legend(loc="upper left", frameon=False)
    panels[0, 0].set_ylabel("users who have it among their first 20 recommendations")
    figure.suptitle("The long tail: each dot is a movie")
    save(figure, path)


def training_figure(loss: pd.DataFrame, ndcg: pd.DataFrame, path: Path) -> None:
    """The training by epoch: the loss, and the validation NDCG beside the whole model and the baselines.

    Tables of epoch, series, and loss or ndcg; a model without epochs has a level line.
    """
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    names = ("training loss (lower is better)", f"validation NDCG@{K} (higher is better)")
    all_series = pd.concat([ndcg["series"], loss["series"]]).unique()
    cycles = [*map(itertools.cycle, (COLOURS, MARKERS, DASHES))]
    looks = {series: [next(cycle) for cycle in cycles] for series in all_series}
    for panel, table, name in zip(panels, (loss, ndcg), names, strict=True):
        last = {series: of.iloc[-1] for series, of in table.groupby("series", sort=False)}
        order = sorted(last, key=lambda series: -last[series].iloc[-1])
        for series in order:
            of = table[table["series"] == series]
            colour, marker, dashes = looks[series]
            level = of.iloc[:, -1].nunique() == 1
            style = {"linestyle": dashes, "linewidth": 1.5} if level else {"marker": marker, "markersize": 4}
            words = f"{plain(series)}  {last[series].iloc[-1]:.4f}"
            panel.plot(of["epoch"], of.iloc[:, -1], color=colour, label=words, **style)
        panel.set(xlabel="epoch", title=name)
        panel.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
        panel.grid(alpha=0.25)
        place = {"loc": "center left", "bbox_to_anchor": (1, 0.5)} if len(last) > 2 else {"loc": "upper right"}
        panel.legend(title="at the last epoch", frameon=False, handlelength=3, **place)
    save(figure, path)


def map_figure(places: np.ndarray, movies: pd.DataFrame, path: Path) -> None:
    """A map of movies at their `places_on_map`, marked by genre, with titles of the best known, which are first."""
    genres = movies["Genres"].str.split("|")
    counts = genres.explode().value_counts()
    by_count = sorted(counts.index, key=lambda genre: (-counts[genre], genre))
    common = [genre for genre in by_count if genre][: len(MARKERS)]
    # Of a movie's genres, the rarest is the most informative.
    of_movie = genres.map(lambda of: next((genre for genre in reversed(common) if genre in of), "other"))
    figure, axes = plt.subplots(figsize=(13, 10), layout="constrained")
    looks = [*zip(itertools.cycle(COLOURS), MARKERS[: len(common)], strict=False), ("lightgrey", ".")]
    for (colour, marker), genre in zip(looks, [*common, "other"], strict=True):
        at = places[(of_movie == genre).to_numpy()]
        if len(at):
            axes.scatter(*at.T, s=28, alpha=0.75, linewidths=0, color=colour, marker=marker, label=plain(genre))
    axes.set(title="The map of movies: near each other where the model takes them for alike", xticks=[], yticks=[])
    axes.set(xlabel="t-SNE, first dimension", ylabel="t-SNE, second dimension")
    legend = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "markerscale": 1.5, "frameon": False}
    axes.legend(title="genre (a movie's rarest of these)", **legend)
    named = zip(movies["Title"], movies["Year"], strict=True)
    label(axes, places, [title if pd.isna(year) else f"{title} ({year})" for title, year in named])
    save(figure, path)


def plain(text: str) -> str:
    """A text of the data that matplotlib does not read as mathematics, nor leaves out of a legend for its `_`."""
    return " " * text.startswith("_") + text.replace("$", r"\$")


def label(axes: plt.Axes, places: np.ndarray, texts: list[str]) -> None:
    """Write texts above their places, in their order, without those that would cover another."""
    figure, taken = axes.figure, list[Any]()
    figure.draw_without_rendering()  # settles the layout, and so the size of the texts
    style = {"xytext": (0, 4), "textcoords": "offset points", "ha": "center", "fontsize": 7.5}
    style["path_effects"] = [matplotlib.patheffects.withStroke(linewidth=2, foreground="white")]
    for place, text in zip(places, texts, strict=True):
        written = axes.annotate(plain(text), place, **style)
        box = written.get_window_extent()
        inside = axes.bbox.x0 < box.x0 and box.x1 < axes.bbox.x1
        if inside and not any(box.overlaps(other) for other in taken):
            taken.append(box.padded(3))
        else:
            written.remove()
        if len(taken) == LABELS:
            break


def places_on_map(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Vectors in two dimensions, by t-SNE (van der Maaten and Hinton 2008) with cosine distances.

    From (n, dim) to (n, 2) float32; of fewer than five vectors, their first two numbers.
    """
    if len(vectors) < 5:
        return np.pad(vectors, ((0, 0), (0, 2)))[:, :2]
    start = "pca" if min(vectors.shape) > 2 else "random"
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    options = {"metric": "cosine", "perplexity": perplexity, "max_iter": STEPS, "random_state": seed, "n_jobs": 1}
    with threadpool_limits(1):  # so that the bits do not depend on the number of threads
        return TSNE(2, init=start, **options).fit_transform(vectors)
