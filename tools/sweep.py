"""`make sweep`: an adaptive search (Optuna's TPE) over sweep.yaml, each trial a DVC experiment in a temporary copy.

It is no stage, since it runs the pipeline, and no benchmark, since it changes the result of it. Ctrl-C stops it, and
the next run continues. A draw depends on the finished trials alone, so that an interrupted sweep finds the same as one
without interruption.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import optuna
from sweeping import (
    PARAMS,
    Sweep,
    Trial,
    as_shown,
    as_written,
    by_name,
    contains,
    experiments,
    finished_trials,
    read_sweep,
    valid_of,
)

from movierec.utils.errors import UserError
from movierec.utils.params import read_params, read_yaml

LOGS = Path(".dvc/tmp/sweep")
RANDOM_TRIALS = 6  # before TPE has enough to learn from
MAX_FAILURES = 3  # in a row
SECONDS_TO_STOP = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    n_help = "number of trials in the end (default: trials of sweep.yaml)"
    parser.add_argument("--trials", type=int, metavar="N", help=n_help)
    args = parser.parse_args()
    sweep = read_sweep()
    n_trials = sweep.trials if args.trials is None else args.trials
    params = by_name(read_yaml(PARAMS))
    trials, others = finished_trials(sweep, experiments(), params)
    if others:
        reason = "they are of other params or of another space"
        print(f"left out, since {reason}: {', '.join(others)}; another name in sweep.yaml starts anew")
    if trials:
        print(f"going on after {len(trials)} trials")
    LOGS.mkdir(parents=True, exist_ok=True)
    number, failures, attempt = last_number([*(trial.name for trial in trials), *others]), 0, len(trials)
    while len(trials) < n_trials:
        number, attempt = number + 1, attempt + 1
        drawn = draw(sweep, trials, params, attempt)
        name, began = f"{sweep.name}-{number:03d}", time.monotonic()
        trial, reason = run(name, drawn)
        line = "  ".join([name, *(f"{param} {as_shown(value)}" for param, value in drawn.items())])
        took = f"{time.monotonic() - began:.0f} s"
        if trial is None:
            failures += 1
            print(f"{line}  failed after {took}: {reason}", flush=True)
            if failures == MAX_FAILURES:
                log = LOGS / f"{name}.log"
                raise UserError(f"{MAX_FAILURES} trials in a row failed; the last one's output is {log}.")
            continue
        failures = 0
        trials.append(trial)
        best = best_of(trials)
        on_valid = f"validation NDCG@20 {trial.valid:.4f}  (best {best.valid:.4f}, {best.name})"
        print(f"{line}  {on_valid}  {took}", flush=True)
    if trials:
        best = best_of(trials).name
        apply = f"`dvc exp apply {best} && dvc repro` takes it"
        print(f"best on validation: {best}; `make sweep-report` shows the sweep, {apply}")


def best_of(trials: list[Trial]) -> Trial:
    """The best trial on validation; of equals, the first."""
    return max(trials, key=lambda trial: trial.valid)


def last_number(names: list[str]) -> int:
    """The highest number at the end of a name."""
    return max((int(name.rsplit("-", 1)[1]) for name in names if name.rsplit("-", 1)[1].isdigit()), default=0)


def draw(sweep: Sweep, trials: list[Trial], params: dict[str, Any], attempt: int) -> dict[str, Any]:
    """The params of the next trial: of the first one those of params.yaml, then those that TPE proposes.

    Args:
        sweep: the sweep.
        trials: the finished ones.
        params: the values of params.yaml, by name.
        attempt: from 1, with failed trials counted.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if attempt == 1:
        current = {param: params[param] for param in sweep.space}
        if contains(sweep, current):
            return current
    sampler = optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, seed=sweep.seed + attempt)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in trials:
        made = {"params": trial.params, "distributions": sweep.space, "value": trial.valid}
        study.add_trial(optuna.trial.create_trial(**made))
    return {param: as_written(value) for param, value in study.ask(sweep.space).params.items()}


def run(name: str, drawn: dict[str, Any]) -> tuple[Trial | None, str]:
    """Run one experiment up to its evaluation: the trial, or None and the reason."""
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name, *copied_too()]
    for param, value in drawn.items():
        command += ["-S", f"{param}={value}"]
    log = LOGS / f"{name}.log"
    with log.open("w") as out:
        running = subprocess.Popen([*command, "evaluate"], stdout=out, stderr=subprocess.STDOUT)
        try:
            running.wait()
        except KeyboardInterrupt:  # DVC and its stage have it too, and clean up
            running.wait(SECONDS_TO_STOP)
            raise
    lines = [line for line in log.read_text().splitlines() if line.strip()]
    if running.returncode:
        stages = tuple(f"{path.stem}: " for path in (ROOT / "stages").glob("*.py"))
        of_stages = [line for line in lines if line.startswith(stages)]
        return None, (of_stages or lines or ["no output"])[-1]
    return Trial(name, drawn, valid_of(name), {}), ""


def copied_too() -> list[str]:
    """The options of `dvc exp run --temp` for a folder of your own data of which Git tracks nothing."""
    folder = read_params(PARAMS).data_path
    tracked = subprocess.run(["git", "ls-files", "--", folder], capture_output=True, text=True).stdout
    return [] if tracked or Path(folder).is_absolute() else ["--copy-paths", folder]


def run_here() -> str | None:
    """Run the sweep in the project's root: a message, if it ended early."""
    os.chdir(ROOT)
    try:
        main()
    except UserError as error:
        return f"make sweep: {error}"
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        return "\nmake sweep: stopped; run it again to go on"
    return None


if __name__ == "__main__":
    sys.exit(run_here())
