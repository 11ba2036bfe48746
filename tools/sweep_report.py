"""What `make sweep-report` runs: the best trials of the sweep as a table, and plots/sweep.png. Validation alone decides; test is shown of the chosen one."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import matplotlib  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from optuna.distributions import CategoricalDistribution  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from sweeping import DECIDES, MODEL, PARAMS, Sweep, Trial, experiments, finished_trials, read_sweep  # noqa: E402

from movierec.errors import UserError  # noqa: E402
from movierec.figures import save  # noqa: E402
from movierec.params import read_yaml  # noqa: E402
from movierec.storage import read_json, write_whole  # noqa: E402

FIGURE = Path("plots/sweep.png")
SHOWN, WIDTH = 10, 120  # trials in the table; columns of the screen that it may take
AXIS = "validation NDCG@20"


def main() -> None:
    sweep = read_sweep()
    trials, _ = finished_trials(sweep, experiments(), read_yaml(PARAMS))
    if not trials:
        raise UserError(f"no trial named {sweep.name}-... belongs to the current commit; `make sweep` makes them (experiments belong to the commit that they started from).")
    ranked = sorted(trials, key=lambda trial: -trial.valid)
    chosen = ranked[0]
    table = Table(title=f"{sweep.name}: the best of {len(trials)} trials", title_justify="left")
    for column in ("trial", *sweep.space, "valid NDCG@20", "valid Recall@20"):
        table.add_column(column, justify="left" if column == "trial" else "right", no_wrap=True)
    for trial in ranked[:SHOWN]:
        metrics = (f"{trial.metrics[f'valid/{metric}'][MODEL]:.4f}" for metric in (DECIDES, "recall@20"))
        table.add_row(trial.name, *(f"{value:g}" if isinstance(value, float) else str(value) for value in trial.params.values()), *metrics)
    Console(width=max(Console().width, WIDTH)).print(table)
    standing = {part: read_json(Path(f"metrics/{part}/{DECIDES}.json"))[MODEL] for part in ("valid", "test")}
    print(f"chosen on validation: {chosen.name}, NDCG@20 {chosen.valid:.4f} (the params as they stand: {standing['valid']:.4f})")
    print(f"the chosen one on test: NDCG@20 {chosen.metrics[f'test/{DECIDES}'][MODEL]:.4f} (as they stand: {standing['test']:.4f})")
    write_whole(FIGURE, lambda path: sweep_figure(sweep, trials, path))
    print(f"the figure: {FIGURE}")
    print(f"to take it: dvc exp apply {chosen.name} && dvc repro; to keep it on a branch: dvc exp branch {chosen.name} BRANCH")


def sweep_figure(sweep: Sweep, trials: list[Trial], path: Path) -> None:
    """Parallel coordinates above, each param against validation below; the best trial in red.

    Args:
        sweep: whose space.
        trials: at least one, in the order in which they ran.
        path: of the PNG.
    """
    best = max(range(len(trials)), key=lambda i: trials[i].valid)
    valid = np.array([trial.valid for trial in trials])
    axes = {param: Axis(sweep, param, [trial.params[param] for trial in trials]) for param in sweep.space}
    figure = plt.figure(figsize=(max(2.6 * len(axes), 8), 8), layout="constrained")
    above, below = figure.subfigures(2, 1)

    lines = above.subplots()
    low, high = valid.min(), max(valid.max(), valid.min() + 1e-6)
    heights = np.array([*(axis.place for axis in axes.values()), (valid - low) / (high - low)])  # (n_params + 1, n_trials), 0 to 1
    colours = plt.get_cmap("viridis")(heights[-1])
    for i in np.argsort(valid):
        lines.plot(heights[:, i], color="tab:red" if i == best else colours[i], linewidth=2.5 if i == best else 1.2, zorder=3 if i == best else 2)
    ticks = [*(axis.ticks for axis in axes.values()), [(place, f"{low + place * (high - low):.4f}") for place in np.linspace(0, 1, 5)]]
    for x, of_axis in enumerate(ticks):
        lines.axvline(x, color="black", linewidth=0.8)
        for place, text in of_axis:
            lines.annotate(text, (x, place), xytext=(4, 0), textcoords="offset points", fontsize=8, va="center", bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5})
    lines.set(xticks=range(len(ticks)), xticklabels=[*axes, AXIS], yticks=[], xlim=(-0.1, len(ticks) - 0.6), title=f"{len(trials)} trials; red: {trials[best].name}, the best")
    lines.spines[:].set_visible(False)

    panels = np.atleast_1d(below.subplots(1, len(axes), sharey=True))
    for panel, (param, axis) in zip(panels, axes.items()):
        panel.scatter(axis.place, valid, c=np.arange(len(trials)), cmap="Blues", vmin=-len(trials) / 2, edgecolors="grey", linewidths=0.5)
        panel.scatter(axis.place[best], valid[best], color="tab:red", s=60, zorder=3)
        panel.set(xlabel=param, xlim=(-0.08, 1.08))
        panel.set_xticks([place for place, _ in axis.ticks], labels=[text for _, text in axis.ticks])
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(f"{AXIS}\n(darker: later trials)")
    save(figure, path)


class Axis:
    """A param's values as places from 0 to 1, and its ticks."""

    def __init__(self, sweep: Sweep, param: str, values: list):
        of = sweep.space[param]
        if isinstance(of, CategoricalDistribution):
            known = list(of.choices)
            self.place = np.array([known.index(value) for value in values]) / max(len(known) - 1, 1)
            self.ticks = [(at / max(len(known) - 1, 1), str(value)) for at, value in enumerate(known)]
            return
        scale = np.log if of.log else np.asarray
        low, high = scale(of.low), scale(of.high)
        self.place = (scale(np.array(values, float)) - low) / (high - low)
        if of.log:
            marks = matplotlib.ticker.LogLocator(subs=(1, 3)).tick_values(of.low, of.high)
        else:
            marks = matplotlib.ticker.MaxNLocator(4, integer=isinstance(of.low, int)).tick_values(of.low, of.high)
        self.ticks = [((scale(mark) - low) / (high - low), f"{mark:g}") for mark in marks if of.low * (1 - 1e-9) <= mark <= of.high * (1 + 1e-9)]


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        main()
    except UserError as error:
        sys.exit(f"make sweep-report: {error}")
