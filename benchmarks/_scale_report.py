"""The figure of scale.py, from its results."""

from pathlib import Path
from typing import Any

import _bench  # noqa: F401  (the library on the path)
import numpy as np
from matplotlib.patheffects import withStroke
from sklearn.isotonic import IsotonicRegression

from movierec.evaluation.figures import plt, save
from movierec.utils.arrays import replacing

SLOW_S = 1.0  # stages that take longer at the largest size have a line
WHOLE = "whole pipeline"
LINE_HEIGHT = 0.042  # of a label, as a share of a panel's height


def columns(by_name: dict[str, Any]) -> list[dict[str, Any]]:
    """The sizes that were measured, in ascending order."""
    return sorted((of for of in by_name.values() if of.get("stages")), key=lambda of: of["interactions"])


def costs(sizes: list[dict[str, Any]], key: str) -> dict[str, np.ndarray]:
    """By stage, and of the whole pipeline: (n_sizes,) float64, nan where it was not measured or failed."""
    stages = list(max(sizes, key=lambda of: len(of["stages"]))["stages"])
    of_stages = {name: np.array([cost(of, name, key) for of in sizes]) for name in stages}
    together = np.sum if key == "seconds" else np.max
    return of_stages | {WHOLE: together(np.array(list(of_stages.values())), axis=0)}


def cost(of: dict[str, Any], name: str, key: str) -> float:
    """The cost of a stage at one size."""
    stage = of["stages"].get(name, {"failed": "not run"})
    return np.nan if "failed" in stage else stage[key]


def name_of(count: int) -> str:
    """The number of interactions in millions."""
    return f"{count / 1e6:g} M"


def draw(by_name: dict[str, Any], path: Path) -> None:
    """Draw time and memory by interactions, on logarithmic axes, as a PNG."""
    if sizes := columns(by_name):
        with replacing(path) as partial:
            save(figure(sizes), partial)


def figure(sizes: list[dict[str, Any]]) -> plt.Figure:
    """A line for each slow stage, with its name at its end."""
    n = np.array([of["interactions"] for of in sizes])
    seconds, memory = costs(sizes, "seconds"), costs(sizes, "memory_gb")
    largest = {name: of[np.isfinite(of)][-1:] for name, of in seconds.items()}
    slow = [name for name in seconds if name != WHOLE and largest[name].size and largest[name][0] > SLOW_S]
    palette = plt.get_cmap("tab10").colors + plt.get_cmap("Dark2").colors
    colours = dict(zip(slow, palette, strict=False)) | {WHOLE: "black"}
    drawn, (left, right) = plt.subplots(1, 2, figsize=(14, 6.5), layout="constrained")
    done = np.isfinite(seconds[WHOLE])
    guide = seconds[WHOLE][done][-1] * n / n[done][-1] if done.any() else None
    if guide is not None:  # before the panel, which places names by the axes' limits
        left.plot(n, guide, color="grey", linewidth=1, linestyle="--", zorder=0)
    panel(left, n, {name: seconds[name] for name in [*slow, WHOLE]}, colours)
    panel(right, n, {name: memory[name] for name in slow}, colours)
    left.set(title="Time", ylabel="wall time of a stage")
    set_ticks(left, (0.1, 1, 10, 60, 600, 3600, 36_000), duration)
    right.set(title="Peak memory", ylabel="resident memory of a stage")
    set_ticks(right, (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100), lambda value, _: f"{value:g} GB")
    drawn.suptitle("The cost of the pipeline by data size: each line is a stage")
    if guide is not None:
        write_along(left, n, guide, "ten times the data, ten times the time")
    return drawn


def set_ticks(axes: plt.Axes, ticks: tuple[float, ...], text: Any) -> None:
    """Set those of the ticks that are within the y axis, written by `text`."""
    low, high = axes.get_ylim()
    axes.set_yticks([tick for tick in ticks if low <= tick <= high])
    axes.yaxis.set_major_formatter(text)


def duration(seconds: float, _: int) -> str:
    """A duration in its unit."""
    if seconds >= 3600:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


def write_along(axes: plt.Axes, x: np.ndarray, y: np.ndarray, text: str) -> None:
    """Write a text below the middle of a straight line, at its slope on the page."""
    axes.figure.draw_without_rendering()  # settles the layout, and so the slope
    begin, end = axes.transData.transform([(x[0], y[0]), (x[-1], y[-1])])
    style = {"rotation": np.degrees(np.arctan2(*(end - begin)[::-1])), "rotation_mode": "anchor"}
    style |= {"ha": "center", "va": "top", "color": "grey", "fontsize": 9}
    outline = [withStroke(linewidth=3, foreground="white")]
    axes.text(np.sqrt(x[0] * x[-1]), np.sqrt(y[0] * y[-1]), text, path_effects=outline, **style)


def panel(axes: plt.Axes, n: np.ndarray, lines: dict[str, np.ndarray], colours: dict[str, Any]) -> None:
    """Draw one panel: the lines, and their names at the right, apart from each other."""
    axes.set(xscale="log", yscale="log", xlabel="interactions")
    for name, values in lines.items():
        style = {"marker": "o", "markersize": 4, "linewidth": 3 if name == WHOLE else 1.6}
        axes.plot(n, values, color=colours[name], **style)
    axes.set_xticks(n, labels=[name_of(count) for count in n])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    low, high = np.log(axes.get_ylim())
    known = {name: np.flatnonzero(np.isfinite(values)) for name, values in lines.items()}
    ends = {name: at[-1] for name, at in known.items() if len(at)}
    heights = apart({name: (np.log(lines[name][at]) - low) / (high - low) for name, at in ends.items()})
    for name, height in heights.items():
        end, colour = (n[ends[name]], lines[name][ends[name]]), colours[name]
        place = {"xytext": (1.04, height), "textcoords": "axes fraction", "va": "center"}
        style = {"color": colour, "fontsize": 9.5, "fontweight": "bold" if name == WHOLE else None}
        arrow = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "alpha": 0.6}
        axes.annotate(name, end, **place, **style, arrowprops=arrow)


def apart(heights: dict[str, float]) -> dict[str, float]:
    """The heights of labels, moved as little as possible so that none overlap, in the same order."""
    order = sorted(heights, key=heights.get)
    steps = LINE_HEIGHT * np.arange(len(order))
    # Least squares under "each is a line above the one before" is isotonic regression.
    free = np.array([heights[name] for name in order]) - steps
    settled = IsotonicRegression().fit_transform(steps, free) if order else steps
    return dict(zip(order, settled + steps, strict=True))
