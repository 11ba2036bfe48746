"""`make sweep-report`: the best trials of the sweep as a table, and plots/sweep.png.

Validation alone decides; test is shown of the best trial.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from optuna.distributions import CategoricalDistribution
from rich.console import Console
from rich.table import Table
from sweeping import DECIDES, MODEL, PARAMS, Sweep, Trial, as_shown, by_name, experiments, finished_trials, read_sweep

from movierec.evaluation.figures import save
from movierec.utils.arrays import replacing
from movierec.utils.errors import UserError
from movierec.utils.params import read_yaml

FIGURE = Path("plots/sweep.png")
SHOWN, WIDTH = 10, 120  # trials in the table, and its width on the screen, at most
AXIS = "validation NDCG@20"


def main() -> None:
    sweep = read_sweep()
    trials, _ = finished_trials(sweep, experiments(), by_name(read_yaml(PARAMS)))
    if not trials:
        of_commit = "experiments belong to the commit that they started from"
        missing = f"no trial named {sweep.name}-... belongs to the current commit"
        raise UserError(f"{missing}; `make sweep` makes them ({of_commit}).")
    ranked = sorted(trials, key=lambda trial: -trial.valid)
    Console(width=max(Console().width, WIDTH)).print(table(sweep, ranked))
    best = ranked[0]
    valid, test = (json.loads(Path(f"metrics/{part}/{DECIDES}.json").read_text())[MODEL] for part in ("valid", "test"))
    on_test = best.metrics[f"test/{DECIDES}"][MODEL]
    print(f"chosen on validation: {best.name}, NDCG@20 {best.valid:.4f} (the params as they stand: {valid:.4f})")
    print(f"the chosen one on test: NDCG@20 {on_test:.4f} (as they stand: {test:.4f})")
    with replacing(FIGURE) as partial:
        sweep_figure(sweep, trials, partial)
    print(f"the figure: {FIGURE}")
    keep = f"to keep it on a branch: dvc exp branch {best.name} BRANCH"
    print(f"to take it: dvc exp apply {best.name} && dvc repro; {keep}")


def table(sweep: Sweep, ranked: list[Trial]) -> Table:
    """The first of the trials, best first."""
    made = Table(title=f"{sweep.name}: the best of {len(ranked)} trials", title_justify="left")
    for column in ("trial", *sweep.space, "valid NDCG@20", "valid Recall@20"):
        made.add_column(column, justify="left" if column == "trial" else "right", no_wrap=True)
    for trial in ranked[:SHOWN]:
        metrics = (f"{trial.metrics[f'valid/{metric}'][MODEL]:.4f}" for metric in (DECIDES, "recall@20"))
        made.add_row(trial.name, *map(as_shown, trial.params.values()), *metrics)
    return made


def sweep_figure(sweep: Sweep, trials: list[Trial], path: Path) -> None:
    """Parallel coordinates above, each param against validation below; the best trial in red.

    Args:
        sweep: the sweep.
        trials: at least one, in the order in which they ran.
        path: of the PNG.
    """
    best = max(range(len(trials)), key=lambda i: trials[i].valid)
    valid = np.array([trial.valid for trial in trials])
    axes = {param: Axis(sweep, param, [trial.params[param] for trial in trials]) for param in sweep.space}
    figure = plt.figure(figsize=(max(2.6 * len(axes), 8), 8), layout="constrained")
    above, below = figure.subfigures(2, 1)
    draw_parallel(above.subplots(), axes, valid, best)
    above.axes[0].set_title(f"{len(trials)} trials; red: {trials[best].name}, the best")
    draw_panels(np.atleast_1d(below.subplots(1, len(axes), sharey=True)), axes, valid, best)
    save(figure, path)


class Axis:
    """The values of a param as places from 0 to 1, and its ticks."""

    def __init__(self, sweep: Sweep, param: str, values: list):
        of = sweep.space[param]
        if isinstance(of, CategoricalDistribution):
            choices, last = list(of.choices), max(len(of.choices) - 1, 1)
            self.place = np.array([choices.index(value) for value in values]) / last
            self.ticks = [(at / last, str(value)) for at, value in enumerate(choices)]
            return
        scale = np.log if of.log else np.asarray
        low, high = scale(of.low), scale(of.high)
        self.place = (scale(np.array(values, float)) - low) / (high - low)
        log, linear = matplotlib.ticker.LogLocator(subs=(1, 3)), matplotlib.ticker.MaxNLocator
        locator = log if of.log else linear(4, integer=isinstance(of.low, int))
        marks = [mark for mark in locator.tick_values(of.low, of.high) if within(mark, of.low, of.high)]
        self.ticks = [((scale(mark) - low) / (high - low), f"{mark:g}") for mark in marks]


def within(mark: float, low: float, high: float) -> bool:
    """Whether a tick is within its axis, up to rounding."""
    return low * (1 - 1e-9) <= mark <= high * (1 + 1e-9)


def draw_parallel(lines: plt.Axes, axes: dict[str, Axis], valid: np.ndarray, best: int) -> None:
    """A line for each trial, through its params to its validation NDCG."""
    low, high = valid.min(), max(valid.max(), valid.min() + 1e-6)
    ndcg = (valid - low) / (high - low)
    heights = np.array([*(axis.place for axis in axes.values()), ndcg])  # (n_params + 1, n_trials), 0 to 1
    colours = plt.get_cmap("viridis")(ndcg)
    for i in np.argsort(valid):
        style = {"color": colours[i], "linewidth": 1.2, "zorder": 2}
        lines.plot(heights[:, i], **(style if i != best else {"color": "tab:red", "linewidth": 2.5, "zorder": 3}))
    of_ndcg = [(place, f"{low + place * (high - low):.4f}") for place in np.linspace(0, 1, 5)]
    ticks = [*(axis.ticks for axis in axes.values()), of_ndcg]
    style: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "fontsize": 8, "va": "center"}
    style["bbox"] = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5}
    for x, of_axis in enumerate(ticks):
        lines.axvline(x, color="black", linewidth=0.8)
        for place, text in of_axis:
            lines.annotate(text, (x, place), **style)
    lines.set(xticks=range(len(ticks)), xticklabels=[*axes, AXIS], yticks=[], xlim=(-0.1, len(ticks) - 0.6))
    lines.spines[:].set_visible(False)


def draw_panels(panels: np.ndarray, axes: dict[str, Axis], valid: np.ndarray, best: int) -> None:
    """A panel for each param: its values against validation NDCG."""
    n = len(valid)
    style = {"c": np.arange(n), "cmap": "Blues", "vmin": -n / 2, "edgecolors": "grey", "linewidths": 0.5}
    for panel, (param, axis) in zip(panels, axes.items(), strict=True):
        panel.scatter(axis.place, valid, **style)
        panel.scatter(axis.place[best], valid[best], color="tab:red", s=60, zorder=3)
        panel.set(xlabel=param, xlim=(-0.08, 1.08))
        panel.set_xticks([place for place, _ in axis.ticks], labels=[text for _, text in axis.ticks])
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(f"{AXIS}\n(darker: later trials)")


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        main()
    except UserError as error:
        sys.exit(f"make sweep-report: {error}")
