"""What a sweep is: the search space of sweep.yaml, and its trials, which are DVC experiments. There is no other store.

Whoever has the experiments (`dvc exp show`) can go on with the sweep, and draw its report.
"""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from movierec.errors import UserError, did_you_mean
from movierec.params import SCHEMA, Number, read_yaml

SWEEP, PARAMS, PIPELINE = Path("sweep.yaml"), Path("params.yaml"), Path("dvc.yaml")
MODEL, DECIDES = "model", "ndcg@20"  # validation NDCG@20 of the model
BEFORE_TRAINING = ("download", "clean", "split")  # what these stages read changes what validation asks
SCHEMA_OF_SWEEP = {"name": "a name of letters, digits, - and _", "trials": Number(1, whole=True), "seed": Number(0, whole=True), "space": "a table of params"}


class Sweep(NamedTuple):
    """What sweep.yaml says."""

    name: str
    trials: int
    seed: int
    space: dict[str, BaseDistribution]


class Trial(NamedTuple):
    """A finished trial."""

    name: str  # of the experiment
    params: dict[str, Any]  # those of the space
    valid: float  # validation NDCG@20
    metrics: dict[str, dict[str, float]]  # 'valid/ndcg@20' and so on to model to value; empty right after a run


def read_sweep(path: Path = SWEEP, pipeline: dict | None = None) -> Sweep:
    """sweep.yaml, checked.

    Args:
        path: the file.
        pipeline: dvc.yaml, which says what stage reads a param.

    Raises:
        UserError: names the key, its value, and what is allowed.
    """
    values, stages = read_yaml(path), (pipeline or read_yaml(PIPELINE))["stages"]
    for key in values:
        if key not in SCHEMA_OF_SWEEP:
            hint = did_you_mean(key, SCHEMA_OF_SWEEP, f"known: {', '.join(SCHEMA_OF_SWEEP)}.")
            raise UserError(f"{path}: unknown key '{key}'; {hint}")
    for key, kind in SCHEMA_OF_SWEEP.items():
        value = values.get(key)
        try:
            if isinstance(kind, Number):
                kind.check(value)
            elif key == "name" and not (isinstance(value, str) and value.replace("-", "").replace("_", "").isalnum()):
                raise ValueError
            elif key == "space" and not (isinstance(value, dict) and value):
                raise ValueError
        except ValueError:
            raise UserError(f"{path}: {key} is {value!r}, but it must be {kind}.") from None
    # `check` reads params too, but measures nothing.
    readers = {param: [stage for stage, of in stages.items() if stage != "check" and param in of.get("params", [])] for param in SCHEMA}
    space = {}
    for param, of in values["space"].items():
        if param not in SCHEMA:
            hint = did_you_mean(param, SCHEMA, f"known: {', '.join(SCHEMA)}.")
            raise UserError(f"{path}: space has '{param}', which is no param; {hint}")
        too_early = [stage for stage in readers[param] if stage in BEFORE_TRAINING]
        if too_early:
            raise UserError(f"{path}: {param} is read by {too_early[0]}, so that trials would be validated on different data, and could not be compared.")
        if "train" not in readers[param]:
            raise UserError(f"{path}: {param} is not read by train, so that all trials would be the same; it is of {', '.join(readers[param])}.")
        space[param] = distribution(f"{path}: space: {param}", of, SCHEMA[param])
    return Sweep(values["name"], values["trials"], values["seed"], space)


def distribution(where: str, of: Any, kind: Any) -> BaseDistribution:
    """How a param is drawn.

    Args:
        where: for messages.
        of: `low`, `high` and `log`, or `choices`.
        kind: of the param, as params.yaml is checked.

    Raises:
        UserError: says what is wrong.
    """
    try:
        if isinstance(of, dict) and set(of) == {"choices"} and isinstance(of["choices"], list) and of["choices"]:
            for value in of["choices"]:
                kind.check(value)
            return CategoricalDistribution(of["choices"])
        if not (isinstance(of, dict) and {"low", "high"} <= set(of) <= {"low", "high", "log"} and isinstance(of.get("log", False), bool)):
            raise UserError(f"{where} must have `low` and `high` (and `log: true` if wanted), or `choices`, a list.")
        if not isinstance(kind, Number):
            raise UserError(f"{where} is no number: it must have `choices`, a list.")
        low, high = kind.check(of["low"]), kind.check(of["high"])
    except ValueError:
        raise UserError(f"{where} is {of!r}, but each value must be {kind}.") from None
    if low >= high or (of.get("log") and low <= 0):
        raise UserError(f"{where}: low is {of['low']!r} and high {of['high']!r}; low must be the smaller one{', and above 0' if of.get('log') else ''}.")
    return (IntDistribution if kind.whole else FloatDistribution)(low, high, log=of.get("log", False))


def contains(sweep: Sweep, drawn: dict[str, Any]) -> bool:
    """Whether a value for each param of the space lies in it."""
    return all(
        drawn[param] in of.choices if isinstance(of, CategoricalDistribution) else isinstance(drawn[param], (int, float)) and of.low <= drawn[param] <= of.high
        for param, of in sweep.space.items()
    )


def as_written(value: Any) -> Any:
    """A drawn value as params.yaml shall hold it: a number to 3 digits."""
    return float(f"{value:.3g}") if isinstance(value, float) and math.isfinite(value) else value


def experiments() -> list[dict]:
    """What `dvc exp show --json` says of the current commit."""
    done = subprocess.run([sys.executable, "-m", "dvc", "exp", "show", "--json"], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"dvc exp show: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
    return json.loads(done.stdout)


def valid_of(name: str) -> float:
    """Validation NDCG@20 of an experiment of the current commit; much quicker than `experiments`."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()

    head = git("rev-parse", "HEAD")
    return json.loads(git("show", f"refs/exps/{head[:2]}/{head[2:]}/{name}:metrics/valid/{DECIDES}.json"))[MODEL]


def finished_trials(sweep: Sweep, states: list[dict], params: dict[str, Any]) -> tuple[list[Trial], list[str]]:
    """The sweep's trials among the experiments of the current commit.

    Args:
        sweep: what is searched.
        states: what `experiments` gives.
        params: params.yaml as it stands; a trial in which any other param than those of the space differs does not count.

    Returns:
        The trials, in the order of their names; and the names of those that do not count.
    """
    trials, others = [], []
    for state in states:
        for experiment in (state.get("experiments") or []) if state["rev"] != "workspace" else []:
            last = experiment["revs"][0]
            if not (last["name"] or "").startswith(f"{sweep.name}-") or not last["data"]:
                continue
            if (experiment["executor"] or {"state": "success"})["state"] != "success":
                continue  # one that runs now, or that was killed: its metrics are still the commit's
            of_trial = last["data"]["params"].get(str(PARAMS), {}).get("data", {})
            metrics = {path.removeprefix("metrics/").removesuffix(".json"): of["data"] for path, of in last["data"]["metrics"].items() if "data" in of}
            drawn = {param: of_trial.get(param) for param in sweep.space}
            fixed = {param: value for param, value in params.items() if param not in sweep.space}
            if contains(sweep, drawn) and fixed == {param: of_trial.get(param) for param in fixed} and MODEL in metrics.get(f"valid/{DECIDES}", {}):
                trials.append(Trial(last["name"], drawn, metrics[f"valid/{DECIDES}"][MODEL], metrics))
            else:
                others.append(last["name"])
    return sorted(trials), sorted(others)
