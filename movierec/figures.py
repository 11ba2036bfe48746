"""matplotlib figures, as PNG."""

from pathlib import Path

import matplotlib
import matplotlib.patheffects

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

NEVER = 0.5  # where a logarithmic axis shows 0
LABELS = 60  # titles on the map, at most
GENRES = 10  # with a colour of their own


def save(figure: plt.Figure, path: Path) -> None:
    """As PNG, without the version of matplotlib, so that the same picture has the same bytes."""
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def long_tail_figure(liked: np.ndarray, recommended: dict[str, np.ndarray], words: dict[str, str], path: Path) -> None:
    """How often each movie is recommended against how often it is liked, a panel for each model.

    Args:
        liked: (n_items,), users of each movie in train.
        recommended: by model, (n_items,): in how many lists of 20 it stands.
        words: by model, what its title adds.
        path: of the PNG.
    """
    figure, panels = plt.subplots(1, len(recommended), figsize=(5.2 * len(recommended), 5), layout="constrained", sharey=True, squeeze=False)
    top = max(times.max() for times in recommended.values()) * 1.5
    for panel, (name, times) in zip(panels[0], recommended.items()):
        panel.scatter(np.maximum(liked, NEVER), np.maximum(times, NEVER), s=6, alpha=0.35, linewidths=0, color="tab:blue")
        panel.plot([1, top], [1, top], color="black", linewidth=0.8, linestyle=":", label="recommended as often as liked")
        panel.set(title=f"{name}\n{words[name]}", xlabel="users who liked the movie in train")
        panel.set(xscale="log", yscale="log", xlim=(NEVER / 1.5, max(liked.max(), 1) * 1.5), ylim=(NEVER / 1.5, top))
        ticks = [NEVER, 1, 10, 100, 1000, 10000]
        for axis, high in ((panel.xaxis, liked.max()), (panel.yaxis, top)):
            shown = [tick for tick in ticks if tick <= high]
            axis.set_ticks(shown, labels=["none" if tick == NEVER else f"{tick:,}" for tick in shown])
            axis.set_minor_locator(matplotlib.ticker.NullLocator())
        panel.grid(alpha=0.25)
    panels[0, 0].legend(loc="upper left", frameon=False)
    panels[0, 0].set_ylabel("users who have it among their first 20 recommendations")
    figure.suptitle("The long tail: each dot is a movie")
    save(figure, path)


def map_figure(places: np.ndarray, movies: pd.DataFrame, path: Path) -> None:
    """A map of movies: alike ones near each other, coloured by genre, the best known with their titles.

    Args:
        places: (n, 2).
        movies: Title, Year and Genres, the best known first.
        path: of the PNG.
    """
    genres = movies["Genres"].str.split("|")
    counts = genres.explode().value_counts()
    common = [genre for genre in sorted(counts.index, key=lambda genre: (-counts[genre], genre)) if genre][:GENRES]
    # Of a movie's genres, the rarest says most.
    of_movie = genres.map(lambda of: next((genre for genre in reversed(common) if genre in of), "other"))
    figure, axes = plt.subplots(figsize=(13, 10), layout="constrained")
    for colour, genre in zip([*plt.get_cmap("tab10").colors[:GENRES], "lightgrey"], [*common, "other"]):
        at = places[(of_movie == genre).to_numpy()]
        if len(at):
            axes.scatter(*at.T, s=22, alpha=0.75, linewidths=0, color=colour, label=genre)
    axes.set(title="The map of movies: near each other where the model takes them for alike", xlabel="t-SNE, first dimension", ylabel="t-SNE, second dimension")
    axes.set(xticks=[], yticks=[])
    axes.legend(title="genre (a movie's rarest of these)", loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.5, frameon=False)
    label_best_known(axes, places, [title if pd.isna(year) else f"{title} ({year})" for title, year in zip(movies["Title"], movies["Year"])])
    save(figure, path)


def label_best_known(axes: plt.Axes, places: np.ndarray, texts: list[str]) -> None:
    """Write texts above their places, from the first on; one that would cover another is left out."""
    figure, taken = axes.figure, []
    figure.draw_without_rendering()  # settles the layout, and so where the texts come to lie
    halo = [matplotlib.patheffects.withStroke(linewidth=2, foreground="white")]
    for place, text in zip(places, texts):
        written = axes.annotate(
            text.replace("$", r"\$"), place, xytext=(0, 4), textcoords="offset points", ha="center", fontsize=7.5, path_effects=halo
        )
        box = written.get_window_extent()
        inside = axes.bbox.x0 < box.x0 and box.x1 < axes.bbox.x1
        if inside and not any(box.overlaps(other) for other in taken):
            taken.append(box.padded(3))
        else:
            written.remove()
        if len(taken) == LABELS:
            break
