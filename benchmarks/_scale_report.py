"""The tables and the figure of scale.py, from what it has measured."""

from pathlib import Path
from typing import Any

import _bench  # noqa: F401  (the library on the path)
import numpy as np
from matplotlib.patheffects import withStroke

from movierec.figures import plt, save
from movierec.storage import write_whole

SLOW_S = 1.0  # stages that take longer at the largest size have a line
WHOLE = "whole pipeline"
LINE_HEIGHT = 0.042  # of a label, as a share of a panel's height


def columns(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The sizes that were measured, in order."""
    return sorted((of for of in results["sizes"].values() if of.get("stages")), key=lambda of: of["interactions"])


def costs(sizes: list[dict[str, Any]], key: str) -> dict[str, np.ndarray]:
    """By stage, and of the whole pipeline: (n_sizes,) float64, nan where it was not measured or failed."""
    stages = list(max(sizes, key=lambda of: len(of["stages"]))["stages"])
    ran = {name: np.array([cost(of, name, key) for of in sizes]) for name in stages}
    together = np.sum if key == "seconds" else np.max
    return ran | {WHOLE: together(np.array(list(ran.values())), axis=0)}


def cost(of: dict[str, Any], name: str, key: str) -> float:
    """What a stage cost at one size."""
    stage = of["stages"].get(name, {"failed": "not run"})
    return np.nan if "failed" in stage else stage[key]


def slope(n: np.ndarray, values: np.ndarray) -> float:
    """Of log values on log n, where both are known."""
    known = np.isfinite(values) & (values > 0)
    return np.polyfit(np.log(n[known]), np.log(values[known]), 1)[0] if known.sum() > 1 else np.nan


def tables(results: dict[str, Any]) -> str:
    """Markdown: the cost of each stage at each size, what failed, and how good the recommendations are."""
    sizes = columns(results)
    if not sizes:
        return "Nothing was measured."
    n = np.array([of["interactions"] for of in sizes])
    seconds, memory = costs(sizes, "seconds"), costs(sizes, "memory_gb")
    lines = [row("stage", *(f"{name_of(count)}, s / GB" for count in n), "slope", "last two"), "|---|" + "---|" * (len(n) + 2)]
    for name in seconds:
        cells = ["" if np.isnan(s) else f"{s:,.1f} / {gb:.2f}" for s, gb in zip(seconds[name], memory[name])]
        lines.append(row(name, *cells, *(shown(value) for value in (slope(n, seconds[name]), slope(n[-2:], seconds[name][-2:])))))
    lines.append(row("clean, rows per s", *("" if np.isnan(s) else f"{count / s:,.0f}" for count, s in zip(n, seconds["clean"])), "", ""))
    lines += ["", "slope: of log seconds on log interactions; 1: ten times the data take ten times the time. The seconds that a stage takes to start make it"]
    lines += ["flatter at small sizes; `last two` is the slope between the two largest. GB: peak resident memory; of the whole pipeline, the largest stage's."]
    failures = [f"{name_of(of['interactions'])}: {name} failed: {stage['failed']}" for of in sizes for name, stage in of["stages"].items() if "failed" in stage]
    failures += [f"{name_of(of['interactions'])}: the quality could not be measured: {of['quality_failed']}" for of in sizes if "quality_failed" in of]
    lines += ["", *failures] if failures else []
    judged = [of for of in sizes if "ndcg@20" in of]
    if judged:
        models = list(dict.fromkeys(name for of in judged for name in of["ndcg@20"]))
        lines += ["", "NDCG@20 on test:", "", row("interactions", "liked", "users", "movies", *models), "|---|---|---|---|" + "---|" * len(models)]
        for of in judged:
            quality = [f"{of['ndcg@20'][name]:.4f}" if name in of["ndcg@20"] else "" for name in models]
            lines.append(row(*(f"{of[key]:,}" for key in ("interactions", "liked", "users", "movies")), *quality))
    by = results["machine"]
    ran = sorted({(of["project"], *of["settings"]) for of in sizes})
    lines += ["", f"{by['cores']} cores, {by['memory_gb']} GB, Python {by['python']}; project and params: " + "; ".join(" ".join(run) for run in ran)]
    return "\n".join(lines)


def row(*cells: str) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def shown(value: float) -> str:
    """A slope."""
    return "" if np.isnan(value) else f"{value:.2f}"


def name_of(count: int) -> str:
    """How many interactions, in words."""
    return f"{count / 1e6:g} M"


def draw(results: dict[str, Any], path: Path) -> None:
    """Time and memory by interactions, both on logarithmic axes."""
    sizes = columns(results)
    if sizes:
        write_whole(path, lambda partial: save(figure(sizes, results["machine"]), partial))


def figure(sizes: list[dict[str, Any]], machine: dict[str, Any]) -> plt.Figure:
    """A line for each stage that takes long, with its name at its end."""
    n = np.array([of["interactions"] for of in sizes])
    seconds, memory = costs(sizes, "seconds"), costs(sizes, "memory_gb")
    largest = {name: of[np.isfinite(of)][-1:] for name, of in seconds.items()}
    slow = [name for name in seconds if name != WHOLE and largest[name].size and largest[name][0] > SLOW_S]
    colours = dict(zip(slow, plt.get_cmap("tab10").colors + plt.get_cmap("Dark2").colors)) | {WHOLE: "black"}
    drawn, (left, right) = plt.subplots(1, 2, figsize=(14, 6.5), layout="constrained")
    done = np.isfinite(seconds[WHOLE])
    guide = seconds[WHOLE][done][-1] * n / n[done][-1] if done.any() else None
    if guide is not None:  # before the panel, which places names by the axes' limits
        left.plot(n, guide, color="grey", linewidth=1, linestyle="--", zorder=0)
    panel(left, n, {name: seconds[name] for name in [*slow, WHOLE]}, colours)
    panel(right, n, {name: memory[name] for name in slow}, colours)
    left.set(title="Time", ylabel="wall time of a stage")
    left.set_yticks([t for t in (0.1, 1, 10, 60, 600, 3600, 36_000) if left.get_ylim()[0] <= t <= left.get_ylim()[1]])
    left.yaxis.set_major_formatter(lambda value, _: f"{value / 3600:g} h" if value >= 3600 else f"{value / 60:g} min" if value >= 60 else f"{value:g} s")
    right.set(title=f"Peak memory (the machine has {machine['memory_gb']:g} GB)", ylabel="resident memory of a stage")
    low, high = right.get_ylim()
    right.set_yticks([t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= t <= high])
    right.yaxis.set_major_formatter(lambda value, _: f"{value:g} GB")
    drawn.suptitle("What the pipeline costs as the data grow: each line is a stage")
    if guide is not None:
        write_along(left, n, guide, "ten times the data, ten times the time")
    return drawn


def write_along(axes: plt.Axes, x: np.ndarray, y: np.ndarray, text: str) -> None:
    """A text below the middle of a straight line, at its slope on the page."""
    axes.figure.draw_without_rendering()  # settles the layout, and so the slope
    begin, end = axes.transData.transform([(x[0], y[0]), (x[-1], y[-1])])
    steep = np.degrees(np.arctan2(*(end - begin)[::-1]))
    axes.text(
        np.sqrt(x[0] * x[-1]), np.sqrt(y[0] * y[-1]), text, rotation=steep, rotation_mode="anchor", ha="center", va="top", color="grey", fontsize=9,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )  # fmt: skip


def panel(axes: plt.Axes, n: np.ndarray, lines: dict[str, np.ndarray], colours: dict[str, Any]) -> None:
    """One panel: the lines, and their names at the right, apart from each other."""
    axes.set(xscale="log", yscale="log", xlabel="interactions")
    for name, values in lines.items():
        axes.plot(n, values, color=colours[name], marker="o", markersize=4, linewidth=3 if name == WHOLE else 1.6)
    axes.set_xticks(n, labels=[name_of(count) for count in n])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    low, high = np.log(axes.get_ylim())
    ends = {name: np.flatnonzero(np.isfinite(values))[-1] for name, values in lines.items() if np.isfinite(values).any()}
    heights = apart({name: (np.log(lines[name][at]) - low) / (high - low) for name, at in ends.items()})
    for name, height in heights.items():
        end = (n[ends[name]], lines[name][ends[name]])
        axes.annotate(
            name, end, xytext=(1.04, height), textcoords="axes fraction", va="center", color=colours[name], fontsize=9.5,
            fontweight="bold" if name == WHOLE else None, arrowprops={"arrowstyle": "-", "color": colours[name], "linewidth": 0.6, "alpha": 0.6},
        )  # fmt: skip


def apart(heights: dict[str, float]) -> dict[str, float]:
    """Labels' places, moved so that none covers another, in the same order and about where they were."""
    order = sorted(heights, key=heights.get)
    steps = LINE_HEIGHT * np.arange(len(order))
    # Least squares under "each is a line above the one before": isotonic regression, by pooling neighbours.
    pools: list[list[float]] = []
    for free in (np.array([heights[name] for name in order]) - steps).tolist():
        pools.append([free])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    settled = np.concatenate([[np.mean(pool)] * len(pool) for pool in pools]) if pools else steps
    return dict(zip(order, settled + steps))
