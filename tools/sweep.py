"""What `make sweep` runs: an adaptive search (Optuna's TPE) over sweep.yaml, each trial a DVC experiment in a temporary copy.

It lies here, with what the other targets of the Makefile run: it is no stage, since it runs the pipeline, and no benchmark, since it
changes what comes out of it. Ctrl-C stops it; run again, it goes on. With what is drawn depending on the finished trials
alone, a sweep that was stopped finds what one in a single go finds.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import optuna  # noqa: E402
from sweeping import PARAMS, Sweep, Trial, as_written, contains, experiments, finished_trials, read_sweep, valid_of  # noqa: E402

from movierec.errors import UserError  # noqa: E402
from movierec.params import read_params, read_yaml  # noqa: E402

LOGS = Path(".dvc/tmp/sweep")
RANDOM_TRIALS = 6  # before TPE has something to learn from
MAX_FAILURES = 3  # in a row
SECONDS_TO_STOP = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, metavar="N", help="how many there are in the end (default: trials of sweep.yaml)")
    args = parser.parse_args()
    sweep = read_sweep()
    n_trials = sweep.trials if args.trials is None else args.trials
    params = read_yaml(PARAMS)
    read_params(PARAMS, tuple(params))
    trials, others = finished_trials(sweep, experiments(), params)
    if others:
        print(f"left out, since they are of other params or of another space: {', '.join(others)}; another name in sweep.yaml starts anew")
    if trials:
        print(f"going on after {len(trials)} trials")
    LOGS.mkdir(parents=True, exist_ok=True)
    number, failures, attempt = last_number([*(trial.name for trial in trials), *others]), 0, len(trials)
    while len(trials) < n_trials:
        number, attempt = number + 1, attempt + 1
        drawn = draw(sweep, trials, params, attempt)
        name, began = f"{sweep.name}-{number:03d}", time.monotonic()
        trial, reason = run(name, drawn)
        shown = "  ".join(f"{param} {value:g}" if isinstance(value, float) else f"{param} {value}" for param, value in drawn.items())
        took = f"{time.monotonic() - began:.0f} s"
        if trial is None:
            failures += 1
            print(f"{name}  {shown}  failed after {took}: {reason}", flush=True)
            if failures == MAX_FAILURES:
                raise UserError(f"{MAX_FAILURES} trials in a row failed; the last one's output is {LOGS / name}.log.")
            continue
        failures = 0
        trials.append(trial)
        best = max(trials, key=lambda of: of.valid)
        print(f"{name}  {shown}  validation NDCG@20 {trial.valid:.4f}  (best {best.valid:.4f}, {best.name})  {took}", flush=True)
    if trials:
        best = max(trials, key=lambda of: of.valid)
        print(f"best on validation: {best.name}; `make sweep-report` shows the sweep, `dvc exp apply {best.name} && dvc repro` takes it")


def last_number(names: list[str]) -> int:
    """The highest number at the end of a name."""
    return max((int(name.rsplit("-", 1)[1]) for name in names if name.rsplit("-", 1)[1].isdigit()), default=0)


def draw(sweep: Sweep, trials: list[Trial], params: dict, attempt: int) -> dict:
    """The next trial's params: first those that stand, then what TPE makes of the finished trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if attempt == 1:
        standing = {param: params[param] for param in sweep.space}
        if contains(sweep, standing):
            return standing
    sampler = optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, seed=sweep.seed + attempt)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials([optuna.trial.create_trial(params=of.params, distributions=sweep.space, value=of.valid) for of in trials])
    return {param: as_written(value) for param, value in study.ask(sweep.space).params.items()}


def run(name: str, drawn: dict) -> tuple[Trial | None, str]:
    """One experiment, up to its evaluation; the trial, or None and the reason."""
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name]
    for param, value in drawn.items():
        command += ["-S", f"{param}={value}"]
    log = LOGS / f"{name}.log"
    with log.open("w") as out:
        running = subprocess.Popen([*command, "evaluate"], stdout=out, stderr=subprocess.STDOUT)
        try:
            running.wait()
        except KeyboardInterrupt:  # DVC and its stage have it too; they clean up behind themselves
            running.wait(SECONDS_TO_STOP)
            raise
    lines = [line for line in log.read_text().splitlines() if line.strip()]
    if running.returncode:
        stages = tuple(f"{path.stem}: " for path in (ROOT / "stages").glob("*.py"))
        said = [line for line in lines if line.startswith(stages)] or lines or ["no output"]
        return None, said[-1]
    return Trial(name, drawn, valid_of(name), {}), ""


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        main()
    except UserError as error:
        sys.exit(f"make sweep: {error}")
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        sys.exit("\nmake sweep: stopped; run it again to go on")
